"""From Shopify's order to ours: shop currency, the shop's day, no personal data."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.platforms.shopify.gql import money, money_or_zero, short
from liftos_app.services.connectors.rows import moment, moment_or_none, optional, text, whole
from liftos_app.services.connectors.spec import Row

# What a landing page's query may keep: where the visit came from, never who it was.
_KEPT_QUERY = ("utm_", "gclid", "fbclid", "ttclid")
_CODES = 5
# Columns that an order's field tells alone, or together with another one.
_DEPENDS: Mapping[str, tuple[str, ...]] = {
    "customer": ("customer_ref", "customer_order_index"),
    "customerJourneySummary": (
        "customer_order_index", "utm_source", "utm_medium", "utm_campaign", "attrs",
    ),
}


def order_row(
    node: Mapping[str, Any], zone: ZoneInfo, salt: str, refused: AbstractSet[str] = frozenset()
) -> Row:
    """An order with its lines and refunds. Raises for values that cannot be used.

    What depends on `refused` fields of an order is unknown, not empty: its columns are left out.
    """
    processed = moment(node["processedAt"])
    total = node["totalPriceSet"]
    journey = node.get("customerJourneySummary") or {}
    visit = journey.get("lastVisit") or journey.get("firstVisit") or {}
    utm = visit.get("utmParameters") or (journey.get("firstVisit") or {}).get("utmParameters") or {}
    origin = (node.get("attribution") or {}).get("handle") or node.get("sourceName")
    shipping, tax = money(node["totalShippingPriceSet"]), money_or_zero(node.get("totalTaxSet"))
    goods = node.get("subtotalPriceSet")
    row = {
        "external_id": short(node["id"]),
        "name": text(node.get("name"), 40),
        "processed_at": processed,
        "updated_at": moment(node["updatedAt"]),
        "cancelled_at": moment_or_none(node.get("cancelledAt")),
        "day": local_day(processed, zone),
        "is_test": bool(node.get("test")),
        "financial_status": text(node.get("displayFinancialStatus"), 30).lower(),
        "currency": _currency(total),
        "gross_micros": money(total),
        "subtotal_micros": money(total) - shipping - tax if goods is None else money(goods),
        "discount_micros": money_or_zero(node.get("totalDiscountsSet")),
        "shipping_micros": shipping,
        "tax_micros": tax,
        "refunded_micros": money_or_zero(node.get("totalRefundedSet")),
        "items": whole(node.get("subtotalLineItemsQuantity") or 0),
        "customer_ref": customer_ref(node.get("customer"), salt),
        "customer_order_index": order_index(journey, node.get("customer")),
        "source": text(origin, 80),
        "utm_source": _harmless(utm.get("source"), 120),
        "utm_medium": _harmless(utm.get("medium"), 120),
        "utm_campaign": _harmless(utm.get("campaign"), 200),
        "attrs": _attrs(node, journey, visit),
        "lines": [line_row(line) for line in node["lineItems"]["nodes"]],
        "refunds": [refund_row(refund, zone) for refund in node.get("refunds") or ()],
    }
    unknown = {c for f in refused if node.get(f) is None for c in _DEPENDS.get(f, ())}
    if row["customer_order_index"] is not None:
        unknown.discard("customer_order_index")  # the other field says it
    return {k: v for k, v in row.items() if k not in unknown}


def line_row(node: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an order: what was paid for it after all discounts."""
    product = node.get("product") or {}
    return {
        "external_id": short(node["id"]),
        "product_id": short(product["id"]) if product.get("id") else "",
        "title": text(node.get("title"), 400),
        "sku": text(node.get("sku"), 120),
        "quantity": whole(node["quantity"]),
        "amount_micros": money(node["discountedTotalSet"]),
    }


def refund_row(node: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Money given back on the shop's day; `goods_micros` is the part for goods, when known."""
    at = moment(node.get("processedAt") or node.get("createdAt"))
    items = node.get("refundLineItems")
    goods = None
    if isinstance(items, dict):
        goods = sum(money(line["subtotalSet"]) for line in items["nodes"])
    return {
        "external_id": short(node["id"]),
        "day": local_day(at, zone),
        "processed_at": at,
        "currency": _currency(node["totalRefundedSet"]),
        "amount_micros": money(node["totalRefundedSet"]),
        "goods_micros": goods,
    }


def local_day(at: datetime, zone: ZoneInfo) -> str:
    """The calendar day of a moment in the shop's time zone."""
    return at.astimezone(zone).date().isoformat()


def customer_ref(customer: Any, salt: str) -> str:
    """A keyed hash of the customer's number; "" for guests, or when there is no salt to key it."""
    number = customer.get("id") if isinstance(customer, dict) else None
    if not number or not salt:
        return ""
    return hmac.new(salt.encode(), str(number).encode(), hashlib.sha256).hexdigest()


def order_index(journey: Mapping[str, Any], customer: Any) -> int | None:
    """Which order of this customer it is. Orders without a visit (a till) do not say; one whose
    customer has a single order is the first.
    """
    index = optional(journey.get("customerOrderIndex"))
    if (
        index is None
        and isinstance(customer, dict)
        and optional(customer.get("numberOfOrders")) == 1
    ):
        return 1
    return index


def stripped(url: Any) -> str:
    """A landing page without its query, except what says where the visit came from."""
    if not isinstance(url, str) or not url:
        return ""
    try:
        parts = urlsplit(url)
        kept = [
            (k, v)
            for k, v in parse_qsl(parts.query)
            if k.lower().startswith(_KEPT_QUERY) and "@" not in v
        ]
    except ValueError:
        return ""
    path = parts.path if "@" not in parts.path and "%40" not in parts.path else "/"
    query = f"?{urlencode(kept)}" if kept else ""
    return text(f"{parts.hostname or ''}{path}{query}", 400)


def _attrs(node: Mapping[str, Any], journey: Mapping[str, Any], visit: Mapping[str, Any]) -> Row:
    codes: Sequence[Any] = node.get("discountCodes") or ()
    found = {
        "presentment_currency": text(node.get("presentmentCurrencyCode"), 3),
        "fulfillment_status": text(node.get("displayFulfillmentStatus"), 30).lower(),
        "cancel_reason": text(node.get("cancelReason"), 30).lower(),
        "taxes_included": bool(node.get("taxesIncluded")),
        "discount_codes": [text(c, 80) for c in codes[:_CODES]],
        "landing_page": stripped(visit.get("landingPage")),
        "visit_source": _harmless(visit.get("source"), 120),
        "days_to_conversion": optional(journey.get("daysToConversion")),
    }
    if journey.get("ready") is False:
        found["journey_pending"] = True  # Shopify adds the visits some minutes later
    return {k: v for k, v in found.items() if v not in ("", None, [])}


def _currency(bag: Mapping[str, Any]) -> str:
    code = bag["shopMoney"]["currencyCode"]
    if not isinstance(code, str) or len(code) != 3:
        raise ValueError(f"not a currency: {code!r}")
    return code.upper()


def _harmless(value: Any, length: int) -> str:
    """Text of a campaign link, unless it holds what looks like an address of a person."""
    found = text(value, length)
    return "" if "@" in found else found
