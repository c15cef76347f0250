"""Our own wording of the Admin schema, first half: query root, shop, catalogue, bulk jobs.

Only what a reader of marketing data needs; names and nullability as documented for 2026-10.
`%PAGE%` and `%FIND%` stand for paging and search arguments; schema.py fills them in and adds the
edge and connection types.
"""

from __future__ import annotations

_CURRENCIES = (
    "AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KRW "
    "KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD SAR SEK SGD THB TRY TWD UAH USD "
    "UYU VND XXX ZAR"
)

SHOP_SDL = (
    """
schema { query: QueryRoot  mutation: Mutation }

scalar DateTime
scalar Decimal
scalar JSON
scalar Money
scalar URL
scalar UnsignedInt64

"Anything with a global id."
interface Node { id: ID! }

type QueryRoot {
  shop: Shop!
  currentAppInstallation: AppInstallation!
  publicApiVersions: [ApiVersion!]!
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  order(id: ID!): Order
  orders(%PAGE%, %FIND%, savedSearchId: ID,
         sortKey: OrderSortKeys = PROCESSED_AT): OrderConnection!
  ordersCount(limit: Int = 10000, query: String, savedSearchId: ID): Count
  product(id: ID!): Product
  products(%PAGE%, %FIND%, savedSearchId: ID,
           sortKey: ProductSortKeys = ID): ProductConnection!
  productVariant(id: ID!): ProductVariant
  productVariants(%PAGE%, %FIND%, savedSearchId: ID,
                  sortKey: ProductVariantSortKeys = ID): ProductVariantConnection!
  customer(id: ID!): Customer
  customers(%PAGE%, %FIND%, sortKey: CustomerSortKeys = ID): CustomerConnection!
  abandonedCheckouts(%PAGE%, %FIND%, savedSearchId: ID,
                     sortKey: AbandonedCheckoutSortKeys = ID): AbandonedCheckoutConnection!
  shopifyqlQuery(query: String!): ShopifyqlQueryResponse
  bulkOperation(id: ID!): BulkOperation
  bulkOperations(%PAGE%, %FIND%,
                 sortKey: BulkOperationsSortKeys = CREATED_AT): BulkOperationConnection!
  currentBulkOperation(type: BulkOperationType = QUERY): BulkOperation
    @deprecated(reason: "Ask for the job by its id with bulkOperation.")
}

type Mutation {
  bulkOperationRunQuery(
    groupObjects: Boolean! = false, query: String!
  ): BulkOperationRunQueryPayload
  bulkOperationCancel(id: ID!): BulkOperationCancelPayload
}

type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
}

type Count { count: Int!  precision: CountPrecision! }
enum CountPrecision { AT_LEAST EXACT }

type MoneyV2 { amount: Decimal!  currencyCode: CurrencyCode! }
type MoneyBag { presentmentMoney: MoneyV2!  shopMoney: MoneyV2! }

type Domain { host: String!  id: ID!  sslEnabled: Boolean!  url: URL! }

type ShopPlan {
  displayName: String! @deprecated(reason: "Read publicDisplayName.")
  partnerDevelopment: Boolean!
  publicDisplayName: String!
  shopifyPlus: Boolean!
}

type Shop implements Node {
  createdAt: DateTime!
  currencyCode: CurrencyCode!
  description: String
  enabledPresentmentCurrencies: [CurrencyCode!]!
  ianaTimezone: String!
  id: ID!
  myshopifyDomain: String!
  name: String!
  orderNumberFormatPrefix: String!
  orderNumberFormatSuffix: String!
  plan: ShopPlan!
  primaryDomain: Domain!
  setupRequired: Boolean!
  taxShipping: Boolean!
  taxesIncluded: Boolean!
  timezoneAbbreviation: String!
  timezoneOffset: String!
  timezoneOffsetMinutes: Int!
  unitSystem: UnitSystem!
  updatedAt: DateTime!
  url: URL!
  weightUnit: WeightUnit!
}
enum UnitSystem { IMPERIAL_SYSTEM METRIC_SYSTEM }
enum WeightUnit { GRAMS KILOGRAMS OUNCES POUNDS }

type AccessScope { description: String!  handle: String! }
type App implements Node { handle: String  id: ID!  title: String! }
type AppInstallation implements Node { accessScopes: [AccessScope!]!  app: App!  id: ID! }
type ApiVersion { displayName: String!  handle: String!  supported: Boolean! }

type Product implements Node {
  createdAt: DateTime!
  description(truncateAt: Int): String!
  handle: String!
  hasOnlyDefaultVariant: Boolean!
  id: ID!
  isGiftCard: Boolean!
  legacyResourceId: UnsignedInt64!
  onlineStoreUrl: URL
  productType: String!
  publishedAt: DateTime
  status: ProductStatus!
  tags: [String!]!
  title: String!
  totalInventory: Int!
  tracksInventory: Boolean!
  updatedAt: DateTime!
  variants(%PAGE%, reverse: Boolean = false): ProductVariantConnection!
  variantsCount: Count
  vendor: String!
}
enum ProductStatus { ACTIVE ARCHIVED DRAFT UNLISTED }
enum ProductSortKeys {
  CREATED_AT ID INVENTORY_TOTAL PRODUCT_TYPE PUBLISHED_AT RELEVANCE TITLE UPDATED_AT VENDOR
}

type ProductVariant implements Node {
  availableForSale: Boolean!
  barcode: String
  compareAtPrice: Money
  createdAt: DateTime!
  displayName: String!
  id: ID!
  inventoryQuantity: Int
  legacyResourceId: UnsignedInt64!
  position: Int!
  price: Money!
  product: Product!
  sku: String
  taxable: Boolean!
  title: String!
  updatedAt: DateTime!
}
enum ProductVariantSortKeys {
  FULL_TITLE ID INVENTORY_QUANTITY NAME POPULAR POSITION RELEVANCE SKU TITLE UPDATED_AT
}

type ShopifyqlQueryResponse { parseErrors: [String!]!  tableData: ShopifyqlTableData }
type ShopifyqlTableData { columns: [ShopifyqlTableDataColumn!]!  rows: JSON! }
type ShopifyqlTableDataColumn {
  dataType: ColumnDataType!
  displayName: String!
  name: String!
  subType: ColumnDataType
}
enum ColumnDataType {
  DAY_TIMESTAMP DECIMAL INTEGER MONEY MONTH_TIMESTAMP STRING UNSPECIFIED WEEK_TIMESTAMP
}

type BulkOperation implements Node {
  completedAt: DateTime
  createdAt: DateTime!
  errorCode: BulkOperationErrorCode
  fileSize: UnsignedInt64
  id: ID!
  objectCount: UnsignedInt64!
  partialDataUrl: URL
  query: String!
  rootObjectCount: UnsignedInt64!
  status: BulkOperationStatus!
  type: BulkOperationType!
  url: URL
}
enum BulkOperationStatus { CANCELED CANCELING COMPLETED CREATED EXPIRED FAILED RUNNING }
enum BulkOperationErrorCode { ACCESS_DENIED INTERNAL_SERVER_ERROR TIMEOUT }
enum BulkOperationType { MUTATION QUERY }
enum BulkOperationsSortKeys { COMPLETED_AT CREATED_AT }

interface DisplayableError { field: [String!]  message: String! }
enum BulkOperationUserErrorCode { INVALID LIMIT_REACHED OPERATION_IN_PROGRESS }
type BulkOperationUserError implements DisplayableError {
  code: BulkOperationUserErrorCode
  field: [String!]
  message: String!
}
type UserError implements DisplayableError { field: [String!]  message: String! }
type BulkOperationRunQueryPayload {
  bulkOperation: BulkOperation
  userErrors: [BulkOperationUserError!]!
}
type BulkOperationCancelPayload { bulkOperation: BulkOperation  userErrors: [UserError!]! }

enum CurrencyCode { """
    + _CURRENCIES
    + " }\n"
)
