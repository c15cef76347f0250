"""The world's orders as nodes of the Order type and what hangs under it: lines, refunds, payments.

Values without arguments are made at once, long lists only when a query asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from liftos_app.services.sandbox.platforms.shopify.paging import Children, bad_request
from liftos_app.services.sandbox.platforms.shopify.schema import gid
from liftos_app.services.sandbox.platforms.shopify.values import amount, count, moment, money

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.customers import Customer
    from liftos_app.services.sandbox.world.shapes import Line, Order, Refund, RefundLine, Visit

JOURNEY_READY = timedelta(minutes=10)
GATEWAY = "shopify_payments"
_FEE_RATE, _FEE_FLAT = 290, 30  # 2.9 % in hundredths of a percent, cents
_TACTICS = {"CPC": "AD", "PAID_SOCIAL": "AD", "EMAIL": "NEWSLETTER"}  # the world's media
_CHANNELS = {"web": "Online Store", "pos": "Point of Sale"}
Bag = Callable[[int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Looks up nodes of products and variants, and customers, by their ids."""

    product: Callable[[int], dict[str, Any] | None]
    variant: Callable[[int], dict[str, Any] | None]
    customer: Callable[[int], Customer | None]


def order_node(
    order: Order, *, currency: str, now: datetime, catalogue: Catalogue,
    wanted: Collection[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One order as it stands now. `wanted` limits the amounts to the fields a query names."""

    seen = order.presentment_currency

    def bag(cents: int) -> dict[str, Any]:
        own = {"amount": amount(cents), "currencyCode": currency}
        if seen == currency:
            return {"shopMoney": own, "presentmentMoney": own}
        theirs = {"amount": amount(order.presentment(cents)), "currencyCode": seen}
        return {"shopMoney": own, "presentmentMoney": theirs}

    node = _identity(order)
    for name, cents in AMOUNTS.items():
        if wanted is None or name in wanted:
            node[name] = bag(cents(order))
    node["currencyCode"] = currency
    node["customer"] = lambda: buyer_node(order, currency, catalogue.customer)
    node["customerJourneySummary"] = lambda: _journey(order, now)
    node["lineItems"] = Children(lambda: [_line(order, x, bag, catalogue) for x in order.lines])
    node["refunds"] = _first(
        lambda: [_refund(order, r, node, bag, catalogue) for r in order.refunds]
    )
    node["transactionsCount"] = count(1 + len(order.refunds))
    node["transactions"] = _first(lambda: _transactions(order, node, bag, currency))
    return node


def _identity(order: Order) -> dict[str, Any]:
    visit = order.last_visit
    cancelled = order.cancelled_at is not None
    closed_at = order.cancelled_at or order.fulfilled_at
    codes = list(order.discount_codes)
    channel = _CHANNELS.get(order.source_name, order.source_name)
    return {
        "id": gid("Order", order.id),
        "legacyResourceId": str(order.id),
        "name": f"#{order.number}",
        "number": order.number,
        "confirmationNumber": f"L{order.id % 10**9:09}",
        "confirmed": True,
        "createdAt": moment(order.created_at),
        "processedAt": moment(order.processed_at),
        "updatedAt": moment(order.updated_at),
        "cancelledAt": moment(order.cancelled_at),
        "cancelReason": order.cancel_reason.upper() if order.cancel_reason else None,
        "closed": closed_at is not None,
        "closedAt": moment(closed_at),
        "test": order.test,
        "sourceName": order.source_name,
        "sourceIdentifier": None,
        "presentmentCurrencyCode": order.presentment_currency,
        "displayFinancialStatus": order.financial_status.upper(),
        "displayFulfillmentStatus": order.fulfillment_status.upper(),
        "returnStatus": "RETURNED" if order.refunds and not cancelled else "NO_RETURN",
        "taxesIncluded": False,
        "taxExempt": False,
        "estimatedTaxes": False,
        "edited": False,
        "requiresShipping": True,
        "refundable": order.refunded < order.total,
        "fullyPaid": _paid(order) >= order.total,
        "unpaid": _paid(order) < order.total,
        "discountCode": codes[0] if codes else None,
        "discountCodes": codes,
        "tags": list(order.tags),
        "customerLocale": "de" if order.country == "DE" else "en",
        "paymentGatewayNames": [GATEWAY],
        "landingPageUrl": visit.landing_page if visit else None,
        "referrerUrl": visit.referrer if visit else None,
        "attribution": {"handle": order.source_name, "displayName": channel, "icon": None},
        "app": {
            "id": gid("App", 580111 if order.source_name == "web" else 129785),
            "name": channel,
        },
        "subtotalLineItemsQuantity": sum(x.quantity for x in order.lines),
        "currentSubtotalLineItemsQuantity": sum(x.quantity for x in order.lines)
        - sum(x.quantity for r in order.refunds for x in r.lines),
    }


def _paid(order: Order) -> int:
    return 0 if order.financial_status.upper() in {"PENDING", "AUTHORIZED"} else order.total


def _discounts_left(order: Order) -> int:
    returned = {x.line_id: x.quantity for r in order.refunds for x in r.lines}
    return sum(
        x.discount - x.discount * returned.get(x.id, 0) // max(1, x.quantity) for x in order.lines
    )


def _shipping_back(order: Order) -> int:
    return sum(r.shipping for r in order.refunds)


AMOUNTS: Mapping[str, Callable[[Order], int]] = {
    "subtotalPriceSet": lambda o: o.subtotal,
    "totalPriceSet": lambda o: o.total,
    "originalTotalPriceSet": lambda o: o.total,
    "totalDiscountsSet": lambda o: o.discounts,
    "cartDiscountAmountSet": lambda o: o.discounts,
    "totalTaxSet": lambda o: o.tax,
    "totalShippingPriceSet": lambda o: o.shipping,
    "totalRefundedSet": lambda o: o.refunded,
    "totalRefundedShippingSet": _shipping_back,
    "totalReceivedSet": _paid,
    "netPaymentSet": lambda o: _paid(o) - o.refunded,
    "totalTipReceivedSet": lambda _o: 0,
    "totalOutstandingSet": lambda o: max(0, o.total - _paid(o) - o.refunded),
    "currentSubtotalPriceSet": lambda o: o.subtotal - sum(r.subtotal for r in o.refunds),
    "currentTotalTaxSet": lambda o: o.tax - sum(r.tax for r in o.refunds),
    "currentShippingPriceSet": lambda o: o.shipping - _shipping_back(o),
    "currentTotalPriceSet": lambda o: o.total - o.refunded,
    "currentTotalDiscountsSet": _discounts_left,
}


def buyer_node(order: Order, currency: str, whole: Callable[[int], Customer | None]) -> Any:
    """The buyer of an order; what needs all their orders is looked up when it is asked for."""
    if not order.customer_id:
        return None

    def later(read: Callable[[Customer], Any]) -> Callable[[], Any]:
        def make() -> Any:
            found = whole(order.customer_id)
            return read(found) if found is not None else None

        return make

    return {
        "id": gid("Customer", order.customer_id),
        "legacyResourceId": str(order.customer_id),
        "numberOfOrders": str(order.customer_orders),
        "state": "DISABLED",
        "tags": [],
        "createdAt": later(lambda c: moment(c.created_at)),
        "updatedAt": later(lambda c: moment(c.updated_at)),
        "amountSpent": later(lambda c: money(c.spent, currency)),
    }


def customer_node(customer: Customer, currency: str) -> dict[str, Any]:
    """A customer, without anything personal."""
    return {
        "id": gid("Customer", customer.id),
        "legacyResourceId": str(customer.id),
        "numberOfOrders": str(customer.orders),
        "state": "DISABLED",
        "tags": [],
        "createdAt": moment(customer.created_at),
        "updatedAt": moment(customer.updated_at),
        "amountSpent": money(customer.spent, currency),
    }


def _journey(order: Order, now: datetime) -> dict[str, Any] | None:
    if order.last_visit is None and order.first_visit is None:
        return None
    if now - order.created_at < JOURNEY_READY:
        return {
            "ready": False,
            "customerOrderIndex": None,
            "daysToConversion": None,
            "firstVisit": None,
            "lastVisit": None,
            "momentsCount": None,
        }
    return {
        "ready": True,
        "customerOrderIndex": order.customer_index,
        "daysToConversion": order.days_to_conversion,
        "firstVisit": _visit(order, order.first_visit, 1),
        "lastVisit": _visit(order, order.last_visit, 2),
        "momentsCount": count(1 if order.first_visit == order.last_visit else 2),
    }


def _visit(order: Order, visit: Visit | None, position: int) -> dict[str, Any] | None:
    if visit is None:
        return None
    utm = visit.utm
    return {
        "id": gid("CustomerVisit", order.id * 10 + position),
        "occurredAt": moment(visit.occurred_at),
        "landingPage": visit.landing_page,
        "referrerUrl": visit.referrer,
        "referralCode": None,
        "source": visit.source,
        "sourceDescription": None,
        "sourceType": _TACTICS.get(visit.source_type or "", visit.source_type),
        "utmParameters": None
        if utm is None
        else {
            name: utm.get(name) or None
            for name in ("source", "medium", "campaign", "term", "content")
        },
    }


def _line(order: Order, line: Line, bag: Bag, catalogue: Catalogue) -> dict[str, Any]:
    back = sum(x.quantity for r in order.refunds for x in r.lines if x.line_id == line.id)
    whole = line.unit_price * line.quantity
    name = f"{line.title} - {line.variant_title}" if line.variant_title else line.title
    return {
        "id": gid("LineItem", line.id),
        "title": line.title,
        "name": name,
        "variantTitle": line.variant_title or None,
        "sku": line.sku,
        "quantity": line.quantity,
        "currentQuantity": line.quantity - back,
        "refundableQuantity": line.quantity - back,
        "unfulfilledQuantity": 0 if order.fulfilled_at else line.quantity - back,
        "isGiftCard": False,
        "requiresShipping": True,
        "taxable": True,
        "vendor": "Larkspur",
        "originalUnitPriceSet": bag(line.unit_price),
        "originalTotalSet": bag(whole),
        "totalDiscountSet": bag(line.discount),
        "discountedTotalSet": bag(whole - line.discount),
        "discountedUnitPriceSet": bag((whole - line.discount) // max(1, line.quantity)),
        "product": lambda: catalogue.product(line.product_id),
        "variant": lambda: catalogue.variant(line.variant_id),
    }


def _refund(
    order: Order, refund: Refund, node: Mapping[str, Any], bag: Bag, catalogue: Catalogue
) -> dict[str, Any]:
    lines = {x.id: x for x in order.lines}
    return {
        "id": gid("Refund", refund.id),
        "legacyResourceId": str(refund.id),
        "note": None,
        "createdAt": moment(refund.processed_at),
        "processedAt": moment(refund.processed_at),
        "updatedAt": moment(refund.processed_at),
        "order": node,
        "totalRefundedSet": bag(refund.total),
        "refundLineItems": Children(
            lambda: [
                _refund_line(order, refund, x, _line(order, lines[x.line_id], bag, catalogue), bag)
                for x in refund.lines
                if x.line_id in lines
            ]
        ),
        "transactions": Children(lambda: [_refund_payment(order, refund, node, bag)]),
    }


def _refund_line(
    order: Order, refund: Refund, back: RefundLine, line: dict[str, Any], bag: Bag
) -> dict[str, Any]:
    return {
        "id": gid("RefundLineItem", refund.id * 100 + back.line_id % 100),
        "lineItem": line,
        "quantity": back.quantity,
        "subtotalSet": bag(back.subtotal),
        "totalTaxSet": bag(back.tax),
        "priceSet": bag(back.subtotal // max(1, back.quantity)),
        "restockType": "CANCEL" if order.cancelled_at else "RETURN",
        "restocked": True,
    }


def _payment(order: Order, node: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": gid("OrderTransaction", number),
        "gateway": GATEWAY,
        "formattedGateway": "Shopify Payments",
        "test": order.test,
        "order": node,
        "status": "SUCCESS",
        "fees": [],
        "parentTransaction": None,
    }


def _transactions(
    order: Order, node: Mapping[str, Any], bag: Bag, currency: str
) -> list[dict[str, Any]]:
    pending = order.financial_status.upper() == "PENDING"
    sale = _payment(order, node, order.id * 10) | {
        "kind": "SALE",
        "amountSet": bag(order.total),
        "status": "PENDING" if pending else "SUCCESS",
        "createdAt": moment(order.created_at),
        "processedAt": moment(order.processed_at),
    }
    if not pending:
        fee = (order.total * _FEE_RATE + 5_000) // 10_000 + _FEE_FLAT
        sale["fees"] = [
            {
                "id": gid("TransactionFee", order.id * 10),
                "amount": money(fee, currency),
                "flatFee": money(_FEE_FLAT, currency),
                "flatFeeName": "Per transaction",
                "rate": "0.029",
                "rateName": "Card",
                "taxAmount": money(0, currency),
                "type": "processing_fee",
            }
        ]
    return [sale, *(_refund_payment(order, r, node, bag) for r in order.refunds)]


def _refund_payment(
    order: Order, refund: Refund, node: Mapping[str, Any], bag: Bag
) -> dict[str, Any]:
    return _payment(order, node, refund.id * 10 + 1) | {
        "kind": "REFUND",
        "amountSet": bag(refund.total),
        "createdAt": moment(refund.processed_at),
        "processedAt": moment(refund.processed_at),
    }


def _first(make: Callable[[], list[Any]]) -> Callable[..., list[Any]]:
    """A plain list that honours `first`."""

    def take(first: int | None = None, **_: Any) -> list[Any]:
        if first is not None and first < 0:
            raise bad_request("first must be a positive number")
        return make() if first is None else make()[:first]

    return take
