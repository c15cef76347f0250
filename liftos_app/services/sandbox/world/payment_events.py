"""The change feed: what happened to each payment, bill, membership and payout, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from liftos_app.services.sandbox.world.balance import Balance
from liftos_app.services.sandbox.world.club import FIRST_BILL, FIRST_MEMBER, Member
from liftos_app.services.sandbox.world.noise import Ints
from liftos_app.services.sandbox.world.payment_cases import DAY, Cases
from liftos_app.services.sandbox.world.payment_shapes import Kind, PaymentEvent
from liftos_app.services.sandbox.world.sales import NEVER

TYPES: Final[tuple[tuple[str, Kind], ...]] = (
    ("payment_intent.created", "intent"),
    ("charge.failed", "charge"),
    ("payment_intent.payment_failed", "intent"),
    ("charge.succeeded", "charge"),
    ("payment_intent.succeeded", "intent"),
    ("payment_intent.canceled", "intent"),
    ("refund.created", "refund"),
    ("charge.refunded", "charge"),
    ("charge.dispute.created", "dispute"),
    ("charge.dispute.funds_withdrawn", "dispute"),
    ("charge.dispute.updated", "dispute"),
    ("charge.dispute.closed", "dispute"),
    ("charge.dispute.funds_reinstated", "dispute"),
    ("payout.created", "payout"),
    ("payout.paid", "payout"),
    ("invoice.created", "invoice"),
    ("invoice.finalized", "invoice"),
    ("invoice.payment_failed", "invoice"),
    ("invoice.paid", "invoice"),
    ("invoice.marked_uncollectible", "invoice"),
    ("customer.subscription.created", "subscription"),
    ("customer.subscription.updated", "subscription"),
    ("customer.subscription.deleted", "subscription"),
)
_NUMBER: Final = {name: number for number, (name, _) in enumerate(TYPES)}
SPACE: Final = 100  # keys: a hundred times a number of their own, plus the type
KEPT: Final = 30  # days


@dataclass(frozen=True, slots=True)
class Events:
    """Columns, sorted by time; `object` is the key of the thing it happened to."""

    created: Ints
    key: Ints
    object: Ints
    by_key: Ints


def build(cases: Cases, club: tuple[Member, ...], money: Balance) -> Events:
    """Everything that ever happens."""
    number, paid = cases.number, cases.number * 2 + 1
    parts: list[tuple[str, Ints, Ints, Ints]] = [
        ("payment_intent.created", cases.created, number, number),
        ("charge.failed", cases.failed, number, number * 2),
        ("payment_intent.payment_failed", cases.failed, number, number),
        ("charge.succeeded", cases.paid, number, paid),
        ("payment_intent.succeeded", cases.paid, number, number),
        (
            "payment_intent.canceled",
            np.where(cases.paid < NEVER, NEVER, cases.canceled),
            number,
            number,
        ),
        ("refund.created", cases.refunded, number, number),
        ("charge.refunded", cases.refunded, number, paid),
        ("charge.dispute.created", cases.disputed, number, number),
        ("charge.dispute.funds_withdrawn", cases.disputed, number, number),
        (
            "charge.dispute.updated",
            np.where(cases.disputed < NEVER, cases.disputed + 3 * DAY, NEVER),
            number,
            number,
        ),
        ("charge.dispute.closed", cases.decided, number, number),
        (
            "charge.dispute.funds_reinstated",
            np.where(cases.won == 1, cases.decided, NEVER),
            number,
            number,
        ),
        ("payout.created", money.payout_created, money.payout_key, money.payout_key),
        (
            "payout.paid",
            money.payout_created // DAY * DAY + DAY,
            money.payout_key,
            money.payout_key,
        ),
    ]
    told = np.array(sorted(_club(club)), dtype=np.int64).reshape(-1, 4)
    created = np.concatenate([*(p[1] for p in parts), told[:, 0]])
    key = np.concatenate([*(p[2] * SPACE + _NUMBER[p[0]] for p in parts), told[:, 1]])
    object_ = np.concatenate([*(p[3] for p in parts), told[:, 2]])
    real = np.flatnonzero(created < NEVER)
    order = real[np.lexsort((key[real], created[real]))]
    key = key[order]
    return Events(created[order], key, object_[order], np.argsort(key))


def _club(club: tuple[Member, ...]) -> Iterator[tuple[int, int, int, int]]:
    """(moment, key, object, 0) of each event of bills and memberships."""
    for member in club:
        changes = []
        for bill in member.bills:
            for name, moment in (
                ("invoice.created", bill.created),
                ("invoice.finalized", bill.finalized),
                ("invoice.payment_failed", bill.failed),
                ("invoice.paid", bill.paid),
                ("invoice.marked_uncollectible", bill.given_up),
            ):
                if moment is not None:
                    yield _unix(moment), bill.key * SPACE + _NUMBER[name], bill.key, 0
            changes += [bill.created, bill.failed, bill.paid]
        changes += [member.trial_end, member.asked_to_leave]
        own = FIRST_MEMBER + (member.key - FIRST_MEMBER) * 1_000
        first = _NUMBER["customer.subscription.created"]
        yield _unix(member.joined), own * SPACE + first, member.key, 0
        moments = sorted({_unix(c) for c in changes if c is not None and c > member.joined})
        for turn, moment_ in enumerate(moments):
            yield moment_, (own + turn + 1) * SPACE + first + 1, member.key, 0
        if member.ended is not None:
            yield _unix(member.ended), own * SPACE + first + 2, member.key, 0


def event(events: Events, key: int) -> PaymentEvent | None:
    """An event by its key, or None."""
    place = int(np.searchsorted(events.key, key, sorter=events.by_key))
    if place >= len(events.key) or int(events.key[events.by_key[place]]) != key:
        return None
    row = int(events.by_key[place])
    type_, kind = TYPES[key % SPACE]
    return PaymentEvent(
        key=key,
        created=datetime.fromtimestamp(int(events.created[row]), UTC),
        type=type_,
        kind=kind,
        object=int(events.object[row]),
    )


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


__all__ = ["FIRST_BILL", "KEPT", "TYPES", "Events", "build", "event"]
