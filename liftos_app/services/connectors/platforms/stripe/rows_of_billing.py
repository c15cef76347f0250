"""From Stripe's invoices and subscriptions to ours, in the shapes since the version of 2025-03-31:
an invoice names its subscription under `parent`, a subscription has its period at its items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.services.connectors.platforms.stripe.money import (
    currency,
    fraction,
    micros,
    micros_or_none,
)
from liftos_app.services.connectors.platforms.stripe.rows_of_payments import (
    Place,
    Record,
    at_or_none,
    base,
    linked,
    moments,
    origin,
    present,
)
from liftos_app.services.connectors.rows import text, whole
from liftos_app.services.connectors.spec import Row


def invoice_row(record: Record, place: Place) -> Row:
    """An invoice: what it asks for in all, tax included."""
    row = base(record, "invoice", place)
    code = row["currency"]
    steps = record.get("status_transitions") or {}
    details = (record.get("parent") or {}).get("subscription_details") or {}
    times = [at_or_none(steps.get(n)) for n in _STEPS]
    return {
        **row,
        "updated_at": max([row["updated_at"], *(t for t in times if t is not None)]),
        "category": text(record.get("billing_reason"), 60),
        "amount_micros": micros(record["total"], code),
        "parent_id": linked(details.get("subscription")),
        "attrs": present(
            number=text(record.get("number"), 80),
            subtotal_micros=micros_or_none(record.get("subtotal"), code),
            tax_micros=_tax(record, code),
            due_micros=micros_or_none(record.get("amount_due"), code),
            paid_micros=micros_or_none(record.get("amount_paid"), code),
            remaining_micros=micros_or_none(record.get("amount_remaining"), code),
            metadata=origin(record),
            **moments(**{n: steps.get(n) for n in _STEPS}),
        ),
    }


_STEPS = ("finalized_at", "paid_at", "voided_at", "marked_uncollectible_at")


def _tax(record: Record, code: str) -> int | None:
    taxes = record.get("total_taxes")
    if not isinstance(taxes, list):
        return None
    return sum(micros(t["amount"], code) for t in taxes)


def subscription_row(record: Record, place: Place) -> Row:
    """A subscription: what one period of all its items costs, discounts apart.

    A price without a fixed amount (tiers, or what a customer chooses) counts nothing, and
    `attrs.amount_known` is False then.
    """
    row = base(record, "subscription", place)
    code = row["currency"]
    listed = record["items"]["data"]
    items = [_item(item, code) for item in listed]
    first = items[0] if items else {}
    ends = [at_or_none(record.get(n)) for n in ("canceled_at", "ended_at")]
    return {
        **row,
        "updated_at": max([row["updated_at"], *(t for t in ends if t is not None)]),
        "category": text(first.get("interval"), 60),
        "amount_micros": sum(item.get("amount_micros") or 0 for item in items),
        "parent_id": linked(record.get("latest_invoice")),
        "attrs": {
            **present(
                items=items,
                cancel_reason=text((record.get("cancellation_details") or {}).get("reason"), 80),
                cancel_at_period_end=bool(record.get("cancel_at_period_end")),
                metadata=origin(record),
                **moments(**{n: record.get(n) for n in _TIMES}),
            ),
            "amount_known": all("amount_micros" in item for item in items),
        },
    }


_TIMES = ("start_date", "trial_start", "trial_end", "cancel_at", "canceled_at", "ended_at")


def _item(item: Mapping[str, Any], code: str) -> dict[str, Any]:
    """One item: its price, how many, how often, and its current period."""
    price = item["price"]
    recurring = price.get("recurring") or {}
    quantity = 1 if item.get("quantity") is None else whole(item["quantity"])
    unit = _unit(price, currency(price["currency"]) if price.get("currency") else code)
    return present(
        price=linked(price),
        quantity=quantity,
        unit_micros=unit,
        amount_micros=None if unit is None else unit * quantity,
        interval=text(recurring.get("interval"), 20),
        interval_count=whole(recurring.get("interval_count") or 1),
        **moments(
            period_start=item.get("current_period_start"), period_end=item.get("current_period_end")
        ),
    )


def _unit(price: Mapping[str, Any], code: str) -> int | None:
    """What one costs; a price may be given in parts of a minor unit only."""
    if price.get("unit_amount") is not None:
        return micros(price["unit_amount"], code)
    if price.get("unit_amount_decimal") is not None:
        return fraction(price["unit_amount_decimal"], code)
    return None
