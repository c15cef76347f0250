"""The order queries. They name no field that identifies a person, beside the customer's number,
which is scrambled before it is stored.
"""

from __future__ import annotations

# Children read with each order of a page; longer orders are completed one by one. The small shape
# is for shops whose bucket of points is tiny: development stores.
WIDE = {"lines": 8, "refunds": 2, "refundLines": 4}
SMALL = {"lines": 2, "refunds": 1, "refundLines": 1}
MANY = 25  # orders whose refunds fit into one query

_HEAD = """
    id name createdAt processedAt updatedAt cancelledAt cancelReason test sourceName
    presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus taxesIncluded
    discountCodes subtotalLineItemsQuantity
    totalPriceSet { shopMoney { amount currencyCode } }
    subtotalPriceSet { shopMoney { amount } }
    totalDiscountsSet { shopMoney { amount } }
    totalTaxSet { shopMoney { amount } }
    totalShippingPriceSet { shopMoney { amount } }
    totalRefundedSet { shopMoney { amount } }
    customer { id numberOfOrders }
    attribution { handle displayName }
    customerJourneySummary {
      ready customerOrderIndex daysToConversion
      firstVisit { landingPage source utmParameters { source medium campaign } }
      lastVisit { landingPage source utmParameters { source medium campaign } }
    }
"""
_LINE = """
        id title sku quantity product { id }
        discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount } }
"""
_REFUND = """
      id createdAt processedAt
      totalRefundedSet { shopMoney { amount currencyCode } }
"""

PAGE = f"""
query Orders(
  $first: Int!, $after: String, $query: String!, $sort: OrderSortKeys!,
  $lines: Int!, $refunds: Int!, $refundLines: Int!
) {{
  orders(first: $first, after: $after, query: $query, sortKey: $sort) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
{_HEAD}
      lineItems(first: $lines) {{
        pageInfo {{ hasNextPage endCursor }}
        nodes {{ {_LINE} }}
      }}
      refunds(first: $refunds) {{
{_REFUND}
        refundLineItems(first: $refundLines) {{
          pageInfo {{ hasNextPage }}
          nodes {{ subtotalSet {{ shopMoney {{ amount }} }} }}
        }}
      }}
    }}
  }}
}}
"""

COUNT = """
query OrdersCount($query: String!) { ordersCount(query: $query) { count precision } }
"""

MORE_LINES = f"""
query MoreLines($id: ID!, $after: String!) {{
  order(id: $id) {{
    lineItems(first: 50, after: $after) {{
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ {_LINE} }}
    }}
  }}
}}
"""

REFUNDS_OF = f"""
query RefundsOf($id: ID!, $first: Int!, $refundLines: Int!) {{
  order(id: $id) {{
    refunds(first: $first) {{
{_REFUND}
      refundLineItems(first: $refundLines) {{
        pageInfo {{ hasNextPage }}
        nodes {{ subtotalSet {{ shopMoney {{ amount }} }} }}
      }}
    }}
  }}
}}
"""

REFUND_LINES_OF = """
query RefundLinesOf($id: ID!, $after: String) {
  node(id: $id) {
    ... on Refund {
      refundLineItems(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { subtotalSet { shopMoney { amount } } }
      }
    }
  }
}
"""


def refunds_of_many(count: int) -> str:
    """The refunds of several orders in one query, `$id0`, `$id1`.. and answers `o0`, `o1`.."""
    names = ", ".join(f"$id{i}: ID!" for i in range(count))
    parts = "\n".join(
        f"  o{i}: order(id: $id{i}) {{ id refunds(first: {WIDE['refunds']}) {{ {_REFUND} "
        f"refundLineItems(first: {WIDE['refundLines']}) {{ pageInfo {{ hasNextPage }} "
        "nodes { subtotalSet { shopMoney { amount } } } } } }"
        for i in range(count)
    )
    return f"query Refunds({names}) {{\n{parts}\n}}"


def bulk_query(search: str) -> str:
    """The orders of a search as a bulk job: no page sizes, no connection inside a list."""
    quoted = search.replace("\\", "\\\\").replace('"', '\\"')
    return f"""
{{
  orders(query: "{quoted}") {{
    edges {{ node {{
{_HEAD}
      refunds {{ {_REFUND} }}
      lineItems {{ edges {{ node {{ {_LINE} }} }} }}
    }} }}
  }}
}}
"""


BULK_RUN = """
mutation Run($query: String!) {
  bulkOperationRunQuery(query: $query) {
    bulkOperation { id status }
    userErrors { field message code }
  }
}
"""

BULK_STATE = """
query State($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount url partialDataUrl }
}
"""
