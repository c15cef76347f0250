"""The kinds of things the interface lists: filters, the permission they need, bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from liftos_app.services.sandbox.platforms.stripe import billing, ids, money, payments
from liftos_app.services.sandbox.world import balance
from liftos_app.services.sandbox.world.payment_events import KEPT, SPACE, TYPES
from liftos_app.services.sandbox.world.payment_shapes import Kind
from liftos_app.services.sandbox.world.payments import FAILED, PAID, Payments

Body = dict[str, Any]
_CREATED: Final = ("created",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One kind: `name` is what errors call it, `path` the list's address below /v1."""

    kind: Kind
    name: str
    path: str
    permission: str
    filters: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expands: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What its ids begin with."""
        return ids.PREFIX[self.kind]


THINGS: Final = (
    Thing(
        kind="entry", name="balance_transaction", path="balance_transactions",
        permission="rak_balance_transaction_source_read",
        filters=(*_CREATED, "currency", "payout", "source", "type"),
        expands={"source": "charge"},
    ),
    Thing(
        kind="charge", name="charge", path="charges", permission="rak_charge_read",
        filters=(*_CREATED, "customer", "payment_intent", "transfer_group"),
        expands={"balance_transaction": "entry", "payment_intent": "intent"},
    ),
    Thing(
        kind="intent", name="payment_intent", path="payment_intents",
        permission="rak_payment_intent_read",
        filters=(*_CREATED, "customer", "customer_account"),
        expands={"latest_charge": "charge"},
    ),
    Thing(
        kind="refund", name="refund", path="refunds", permission="rak_charge_read",
        filters=(*_CREATED, "charge", "payment_intent"),
        expands={"balance_transaction": "entry", "charge": "charge", "payment_intent": "intent"},
    ),
    Thing(
        kind="dispute", name="dispute", path="disputes", permission="rak_dispute_read",
        filters=(*_CREATED, "charge", "payment_intent"),
        expands={"charge": "charge", "payment_intent": "intent"},
    ),
    Thing(
        kind="payout", name="payout", path="payouts", permission="rak_payout_read",
        filters=(*_CREATED, "status", "destination"),
        choices={"status": ("canceled", "failed", "in_transit", "paid", "pending")},
        expands={"balance_transaction": "entry"},
    ),
    Thing(
        kind="invoice", name="invoice", path="invoices", permission="rak_invoice_read",
        filters=(
            *_CREATED, "collection_method", "customer", "customer_account", "due_date", "status",
            "subscription",
        ),
        choices={
            "status": ("draft", "open", "paid", "uncollectible", "void"),
            "collection_method": ("charge_automatically", "send_invoice"),
        },
    ),
    Thing(
        kind="subscription", name="subscription", path="subscriptions",
        permission="rak_subscription_read",
        filters=(
            *_CREATED, "collection_method", "current_period_end", "current_period_start",
            "customer", "customer_account", "plan", "price", "status", "test_clock",
        ),
        choices={
            "status": (
                "active", "all", "canceled", "ended", "incomplete", "incomplete_expired",
                "past_due", "paused", "trialing", "unpaid",
            ),
            "collection_method": ("charge_automatically", "send_invoice"),
        },
        expands={"latest_invoice": "invoice"},
    ),
    Thing(
        kind="event", name="event", path="events", permission="rak_event_read",
        filters=(*_CREATED, "delivery_success", "type", "types"),
    ),
)  # fmt: skip
BY_PATH: Final = {t.path: t for t in THINGS}
BY_KIND: Final = {t.kind: t for t in THINGS}


def body(view: Payments, kind: Kind, key: int) -> Body | None:
    """A thing as it stands, or None."""
    one: Any = getattr(view, kind)(key)
    if one is None:
        return None
    if kind == "dispute":
        found = [body(view, "entry", k) for k in one.entries]
        return payments.dispute(view, one, [e for e in found if e is not None])
    if kind == "event":
        then = replace(view, as_of=one.created)
        return money.event(view, one, body(then, one.kind, one.object) or {})
    return _BODIES[kind](view, one)


_BODIES: Final[Mapping[str, Callable[[Payments, Any], Body]]] = {
    "entry": money.entry,
    "charge": payments.charge,
    "intent": payments.intent,
    "refund": payments.refund,
    "payout": money.payout,
    "invoice": billing.invoice,
    "subscription": billing.subscription,
}


def keeps(thing: Thing, filters: Mapping[str, str]) -> Callable[[Body], bool]:
    """Whether a body passes the filters of a list."""
    if thing.kind == "subscription" and "status" not in filters:
        filters = {**filters, "status": "not canceled"}

    def keep(found: Body) -> bool:
        return all(_passes(found, n, v) for n, v in filters.items() if n != "payout")

    return keep


def _passes(found: Body, name: str, value: str) -> bool:
    status = found.get("status")
    if name == "status" and value in _STATUSES:
        return _STATUSES[value](status)
    if name in {"price", "plan"}:
        return any(value == i["price"]["id"] for i in found["items"]["data"])
    if name == "subscription":
        parent = found.get("parent") or {}
        return bool((parent.get("subscription_details") or {}).get("subscription") == value)
    if name == "delivery_success":
        return value == "true"
    return bool(found.get(name) == value)


_STATUSES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "all": lambda _: True,
    "not canceled": lambda status: status != "canceled",
    "ended": lambda status: status in {"canceled", "incomplete_expired"},
}


def narrowed(view: Payments, thing: Thing, filters: Mapping[str, str]) -> list[int] | None:
    """The few keys a filter by id leaves, oldest first, or None when all must be looked at."""
    found: list[int] | None
    if thing.kind == "entry" and ("payout" in filters or "source" in filters):
        found = _entries(view, filters)
    elif thing.kind in {"charge", "refund", "dispute"}:
        found = _of_payment(thing, filters)
    else:
        return None
    if found is None:
        return None
    return [key for key in found if getattr(view, thing.kind)(key) is not None]


def _of_payment(thing: Thing, filters: Mapping[str, str]) -> list[int] | None:
    """What belongs to a payment intent or a charge."""
    if "payment_intent" in filters:
        number = ids.read("pi", filters["payment_intent"])
    elif "charge" in filters:
        key = ids.read("ch", filters["charge"])
        number = None if key is None else key // 2
    else:
        return None
    if number is None:
        return []
    return [number * 2 + FAILED, number * 2 + PAID] if thing.kind == "charge" else [number]


def _entries(view: Payments, filters: Mapping[str, str]) -> list[int]:
    """Movements that a payout carried, or that one thing caused."""
    if "payout" in filters:
        payout = ids.read("po", filters["payout"])
        if payout is None or view.payout(payout) is None:
            return []
        money_ = view.books.balance
        found: list[int] = money_.key[money_.payout == payout].tolist()
        return found
    for prefix, kinds in _CAUSES.items():
        key = ids.read(prefix, filters["source"])
        if key is not None:
            number = key // 2 if prefix == "ch" else key
            return [balance.key_of(number, what) for what in kinds]
    return []


_CAUSES: Final = {
    "ch": (balance.CHARGE,),
    "re": (balance.REFUND,),
    "du": (balance.TAKEN, balance.GIVEN_BACK),
    "po": (balance.PAYOUT,),
}


def of_types(keys: list[int], types: Sequence[str]) -> list[int]:
    """The events among these that are of some types, all when none are named."""
    if not types:
        return keys
    wanted = {number for number, (name, _) in enumerate(TYPES) if name in types}
    return [key for key in keys if key % SPACE in wanted]


def customers(view: Payments) -> list[tuple[int, int]]:
    """Number and first moment of everybody who paid or tried to, oldest first."""
    cases = view.books.cases
    low, high = view.since.timestamp(), view.as_of.timestamp()
    shown = np.flatnonzero((cases.created >= low) & (cases.created <= high))
    order = shown[np.argsort(cases.created[shown], kind="stable")]
    numbers, first = np.unique(cases.customer[order], return_index=True)
    found = sorted(zip(cases.created[order][first].tolist(), numbers.tolist(), strict=True))
    return [(number, created) for created, number in found]


def oldest_event(now: datetime) -> float:
    """The moment before which events are forgotten, in unix seconds."""
    return now.timestamp() - KEPT * 86_400
