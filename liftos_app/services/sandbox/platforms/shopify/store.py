"""The shop, its catalogue and its abandoned checkouts as nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.shopify.paging import Children
from liftos_app.services.sandbox.platforms.shopify.schema import gid
from liftos_app.services.sandbox.platforms.shopify.search import DEFAULT, Field
from liftos_app.services.sandbox.platforms.shopify.values import amount, count, moment, price

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.shapes import Order, Product, Variant

SHOP_NUMBER, APP_NUMBER = 71_904_218_330, 104_772_001
CREATED = "2023-05-02T13:01:11Z"
Node = dict[str, Any]


def shop_node(domain: str, currency: str, zone: ZoneInfo, now: datetime) -> Node:
    """The Shop."""
    local = now.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    url = "https://www.larkspur-home.example"
    return {
        "id": gid("Shop", SHOP_NUMBER), "name": "Larkspur Home", "description": None,
        "myshopifyDomain": domain, "url": url, "createdAt": CREATED, "updatedAt": CREATED,
        "primaryDomain": {"id": gid("Domain", 90_441_777), "host": url.removeprefix("https://"),
                          "url": url, "sslEnabled": True},
        "currencyCode": currency, "enabledPresentmentCurrencies": [currency, "EUR"],
        "ianaTimezone": zone.key, "timezoneOffset": local.strftime("%z"),
        "timezoneOffsetMinutes": int(offset.total_seconds() // 60),
        "timezoneAbbreviation": local.strftime("%Z"),
        "plan": {"publicDisplayName": "Grow", "displayName": "Grow", "shopifyPlus": False,
                 "partnerDevelopment": False},
        "taxesIncluded": False, "taxShipping": False, "setupRequired": False,
        "orderNumberFormatPrefix": "#", "orderNumberFormatSuffix": "",
        "unitSystem": "IMPERIAL_SYSTEM", "weightUnit": "POUNDS",
    }  # fmt: skip


def installation(scopes: Mapping[str, str]) -> Node:
    """The AppInstallation with the scopes that were granted."""
    return {
        "id": gid("AppInstallation", APP_NUMBER + 1),
        "app": {"id": gid("App", APP_NUMBER), "handle": "liftos", "title": "LiftOS"},
        "accessScopes": [{"handle": k, "description": v} for k, v in scopes.items()],
    }


class Shelf:
    """The catalogue at one moment, by id and in order."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = {p.id: _product(p) for p in products}
        self._variants: dict[int, Node] = {}
        for product in products:
            own = [
                _variant(v, product, self._products[product.id], n + 1)
                for n, v in enumerate(product.variants)
            ]
            self._variants.update(zip((v.id for v in product.variants), own, strict=True))
            self._products[product.id]["variants"] = Children(lambda own=own: own)  # type: ignore[misc]

    def product(self, number: int) -> Node | None:
        """A product by its number."""
        return self._products.get(number)

    def variant(self, number: int) -> Node | None:
        """A variant by its number."""
        return self._variants.get(number)

    def products(self) -> list[Node]:
        """Every product."""
        return list(self._products.values())

    def variants(self) -> list[Node]:
        """Every variant."""
        return list(self._variants.values())


def _product(product: Product) -> Node:
    return {
        "id": gid("Product", product.id), "legacyResourceId": str(product.id),
        "title": product.title, "handle": product.handle, "vendor": product.vendor,
        "productType": product.kind, "status": "ACTIVE", "tags": [product.kind.lower()],
        "description": lambda **_: product.title, "isGiftCard": False,
        "hasOnlyDefaultVariant": len(product.variants) == 1, "tracksInventory": True,
        "totalInventory": 100 * len(product.variants),
        "onlineStoreUrl": f"https://www.larkspur-home.example/products/{product.handle}",
        "createdAt": moment(product.created_at), "publishedAt": moment(product.created_at),
        "updatedAt": moment(product.updated_at), "variantsCount": count(len(product.variants)),
    }  # fmt: skip


def _variant(variant: Variant, product: Product, node: Node, position: int) -> Node:
    return {
        "id": gid("ProductVariant", variant.id), "legacyResourceId": str(variant.id),
        "title": variant.title, "displayName": f"{product.title} - {variant.title}",
        "sku": variant.sku, "barcode": None, "price": price(variant.price),
        "compareAtPrice": None, "position": position, "inventoryQuantity": 100,
        "availableForSale": True, "taxable": True, "product": node,
        "createdAt": moment(product.created_at), "updatedAt": moment(product.updated_at),
    }  # fmt: skip


def _number(node: Node) -> int:
    return int(str(node["id"]).rsplit("/", 1)[-1])


def _time(name: str) -> Field:
    def read(node: Node) -> datetime | None:
        text = node.get(name)
        return datetime.fromisoformat(text) if isinstance(text, str) else None

    return Field("time", read)


NODE_FIELDS: Mapping[str, Field] = {
    "id": Field("id", _number),
    "updated_at": _time("updatedAt"),
    "created_at": _time("createdAt"),
    "published_at": _time("publishedAt"),
    "title": Field("word", lambda n: n.get("title")),
    "handle": Field("word", lambda n: n.get("handle")),
    "vendor": Field("word", lambda n: n.get("vendor")),
    "product_type": Field("word", lambda n: n.get("productType")),
    "status": Field("word", lambda n: n.get("status")),
    "tag": Field("words", lambda n: n.get("tags") or []),
    "sku": Field("word", lambda n: n.get("sku")),
    DEFAULT: Field("word", lambda n: n.get("title") or n.get("name")),
}
SORTS = {
    "CREATED_AT": "createdAt", "PRODUCT_TYPE": "productType", "PUBLISHED_AT": "publishedAt",
    "TITLE": "title", "UPDATED_AT": "updatedAt", "VENDOR": "vendor", "SKU": "sku",
    "FULL_TITLE": "displayName", "NAME": "displayName", "POSITION": "position",
    "INVENTORY_QUANTITY": "inventoryQuantity", "INVENTORY_TOTAL": "totalInventory",
}  # fmt: skip


def sort_key(node: Node, sort: str) -> tuple[Any, int]:
    """The position of a node in a connection sorted by `sort`."""
    name = SORTS.get(sort)
    number = _number(node)
    return (node.get(name) if name else number), number


@dataclass(frozen=True, slots=True)
class Checkouts:
    """Abandoned checkouts: the world's orders of which an earlier try was left behind.

    Every third order had one a day before; one in five of those counts as recovered.
    """

    currency: str
    base: str
    customer: Callable[[int], Node | None]

    def has_one(self, order: Order) -> bool:
        """Whether an earlier try belongs to this order."""
        return order.id % 3 == 1 and not order.test and order.source_name == "web"

    def node(self, order: Order) -> Node:
        """The checkout that was left behind before this order."""

        def bag(cents: int) -> Node:
            own = {"amount": amount(cents), "currencyCode": self.currency}
            seen = {"amount": amount(order.presentment(cents)),
                    "currencyCode": order.presentment_currency}  # fmt: skip
            return {"shopMoney": own, "presentmentMoney": seen}

        created = order.created_at - timedelta(hours=26)
        recovered = order.id % 15 == 1
        gross = order.subtotal + order.discounts
        return {
            "id": gid("AbandonedCheckout", order.id), "name": f"#{order.id}",
            "abandonedCheckoutUrl": f"{self.base}/checkouts/{order.id}/recover",
            "createdAt": moment(created),
            "updatedAt": moment(order.created_at if recovered else created + timedelta(minutes=20)),
            "completedAt": moment(order.created_at) if recovered else None,
            "discountCodes": list(order.discount_codes), "taxesIncluded": False,
            "customer": lambda: self.customer(order.customer_id),
            "totalLineItemsPriceSet": bag(gross),
            "subtotalPriceSet": bag(order.subtotal), "totalDiscountSet": bag(order.discounts),
            "totalTaxSet": bag(order.tax), "totalPriceSet": bag(order.total),
        }  # fmt: skip
