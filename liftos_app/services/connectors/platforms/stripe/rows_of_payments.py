"""From Stripe's payments to ours: balance entries, charges, intents, refunds, disputes, payouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.platforms.stripe.money import (
    currency,
    micros,
    micros_or_none,
)
from liftos_app.services.connectors.rows import ident, shown, text, whole
from liftos_app.services.connectors.spec import Row

Record = Mapping[str, Any]
_ID = 80
_LATEST = 253_402_300_799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Place:
    """Where records are placed: the zone that cuts days, and the mode of the key."""

    zone: ZoneInfo
    is_test: bool


def at(value: Any) -> datetime:
    """Unix seconds as aware UTC. Raises ValueError."""
    seconds = whole(value)
    if not 0 < seconds <= _LATEST:
        raise ValueError(f"not a time: {shown(value)}")
    return datetime.fromtimestamp(seconds, UTC)


def at_or_none(value: Any) -> datetime | None:
    """A time, or None where Stripe said nothing."""
    return None if value is None else at(value)


def moments(**times: Any) -> dict[str, str]:
    """Times for `attrs`, as text; those that did not come are left out."""
    return {
        name: at(value).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, value in times.items() if value is not None
    }  # fmt: skip


def linked(value: Any) -> str:
    """The id of another thing, whether sent as an id or as the whole thing; "" for none."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return "" if found is None else ident(found, _ID)


def base(record: Record, kind: str, place: Place) -> Row:
    """What all kinds have. A record that does not tell its mode has that of the key."""
    created = at(record["created"])
    live = record.get("livemode")
    return {
        "external_id": ident(record["id"], _ID),
        "kind": kind,
        "day": created.astimezone(place.zone).date().isoformat(),
        "occurred_at": created,
        "updated_at": created,
        "status": text(record.get("status"), 40),
        "currency": currency(record["currency"]),
        "customer_ref": text(record.get("customer"), 64),
        "is_test": place.is_test if live is None else live is False,
    }


def order_ref(record: Record) -> str:
    """The store's order, as the shop left it in the metadata."""
    kept = record.get("metadata") or {}
    for name in ("order_id", "shopify_order_id", "order_number", "order_ref", "order"):
        if kept.get(name):
            return text(kept[name], _ID)
    return ""


def present(**values: Any) -> dict[str, Any]:
    """Values for `attrs`; empty ones are left out."""
    return {k: v for k, v in values.items() if v not in (None, "", {}, [])}


def origin(record: Record) -> dict[str, str]:
    """What the metadata tells of orders and campaigns."""
    return {text(k, 40): text(v, 200) for k, v in (record.get("metadata") or {}).items()}


def entry_row(record: Record, place: Place) -> Row:
    """A movement of the balance, in the currency it is settled in."""
    row = base(record, "balance_entry", place)
    code = row["currency"]
    rate = record.get("exchange_rate")
    return {
        **row,
        "category": text(record.get("type"), 60),
        "amount_micros": micros(record["amount"], code),
        "fee_micros": micros(record["fee"], code),
        "net_micros": micros(record["net"], code),
        "parent_id": linked(record.get("source")),
        "attrs": present(
            reporting_category=text(record.get("reporting_category"), 60),
            exchange_rate="" if rate is None else str(rate),
            **moments(available_at=record.get("available_on")),
        ),
    }


def charge_row(record: Record, place: Place) -> Row:
    """A charge, in the currency the buyer paid in. What failed is kept with its status."""
    row = base(record, "charge", place)
    code = row["currency"]
    method = record.get("payment_method_details") or {}
    card = method.get("card") or {}
    address = (record.get("billing_details") or {}).get("address") or {}
    return {
        **row,
        "category": text(method.get("type"), 60),
        "amount_micros": micros(record["amount"], code),
        "refunded_micros": micros_or_none(record.get("amount_refunded"), code),
        "parent_id": linked(record.get("payment_intent")),
        "order_ref": order_ref(record),
        "attrs": present(
            paid=bool(record.get("paid")),
            captured=bool(record.get("captured")),
            captured_micros=micros_or_none(record.get("amount_captured"), code),
            disputed=bool(record.get("disputed")),
            failure_code=text(record.get("failure_code"), 80),
            balance_entry=linked(record.get("balance_transaction")),
            country=text(address.get("country"), 2),
            card_brand=text(card.get("brand"), 40),
            metadata=origin(record),
        ),
    }


def intent_row(record: Record, place: Place) -> Row:
    """A payment intent; it tells of the same money as its charge."""
    row = base(record, "payment_intent", place)
    code = row["currency"]
    error = record.get("last_payment_error") or {}
    return {
        **row,
        "category": text(record.get("cancellation_reason"), 60),
        "amount_micros": micros(record["amount"], code),
        "parent_id": linked(record.get("latest_charge")),
        "order_ref": order_ref(record),
        "attrs": present(
            received_micros=micros_or_none(record.get("amount_received"), code),
            failure_code=text(error.get("code"), 80),
            metadata=origin(record),
            **moments(canceled_at=record.get("canceled_at")),
        ),
    }


def refund_row(record: Record, place: Place) -> Row:
    """A refund: a positive amount that went back, in the charge's currency."""
    row = base(record, "refund", place)
    return {
        **row,
        "category": text(record.get("reason"), 60),
        "amount_micros": micros(record["amount"], row["currency"]),
        "parent_id": linked(record.get("charge")),
        "order_ref": order_ref(record),
        "attrs": present(
            payment_intent=linked(record.get("payment_intent")),
            balance_entry=linked(record.get("balance_transaction")),
            failure_reason=text(record.get("failure_reason"), 80),
            metadata=origin(record),
        ),
    }


def dispute_row(record: Record, place: Place) -> Row:
    """A dispute: an amount that a buyer's bank contests."""
    row = base(record, "dispute", place)
    details = record.get("evidence_details") or {}
    entries = record.get("balance_transactions") or ()
    return {
        **row,
        "category": text(record.get("reason"), 60),
        "amount_micros": micros(record["amount"], row["currency"]),
        "parent_id": linked(record.get("charge")),
        "attrs": present(
            payment_intent=linked(record.get("payment_intent")),
            balance_entries=[linked(e) for e in entries],
            **moments(evidence_due=details.get("due_by")),
        ),
    }


def payout_row(record: Record, place: Place) -> Row:
    """A payout to the bank, a negative one when the bank was debited."""
    row = base(record, "payout", place)
    return {
        **row,
        "category": text(record.get("type"), 60),
        "amount_micros": micros(record["amount"], row["currency"]),
        "parent_id": linked(record.get("balance_transaction")),
        "attrs": present(
            automatic=bool(record.get("automatic")),
            method=text(record.get("method"), 40),
            failure_code=text(record.get("failure_code"), 80),
            **moments(arrives_at=record.get("arrival_date")),
        ),
    }
