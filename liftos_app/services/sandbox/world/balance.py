"""The balance: every movement of settled money in one sorted table, and the payouts that empty it.

A charge is available on the second day after its own (UTC) and paid out then; everything else moves
with the next payout. Payouts are made each day; one that is negative debits the bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from liftos_app.services.sandbox.world.noise import Ints
from liftos_app.services.sandbox.world.payment_cases import DAY, DISPUTE_FEE, SETTLED, Cases
from liftos_app.services.sandbox.world.payment_shapes import Entry, EntryType, Kind
from liftos_app.services.sandbox.world.sales import NEVER

CHARGE, REFUND, TAKEN, GIVEN_BACK, FEE, PAYOUT = range(6)
KINDS: Final = 10  # keys: ten times the number of what it belongs to, plus what it is
FIRST_PAYOUT: Final = 4_000_000_000_000
FIRST_FEE: Final = 4_100_000_000_000
SCREENING: Final = 2  # cents for each attempt of a month, billed on the first of the next
_PAYOUT_AT: Final = 7_200
_FEE_AT: Final = 18_000
_Reporting = Literal["charge", "refund", "dispute", "dispute_reversal", "fee", "payout"]
_WHAT: Final[tuple[tuple[EntryType, _Reporting, Kind | None], ...]] = (
    ("charge", "charge", "charge"),
    ("refund", "refund", "refund"),
    ("adjustment", "dispute", "dispute"),
    ("adjustment", "dispute_reversal", "dispute"),
    ("stripe_fee", "fee", None),
    ("payout", "payout", "payout"),
)


@dataclass(frozen=True, slots=True)
class Balance:
    """Movements in the order of time, and payouts in theirs. Money in cents of USD."""

    created: Ints
    key: Ints
    what: Ints
    amount: Ints
    fee: Ints
    rate: Ints
    payout: Ints  # key of the payout that carries it; its own for a payout
    by_key: Ints  # rows in the order of their keys
    payout_created: Ints
    payout_key: Ints
    payout_amount: Ints


def key_of(number: int, what: int) -> int:
    """The key of a movement."""
    return number * KINDS + what


def build(cases: Cases) -> Balance:
    """All movements of these payments."""
    parts: list[_Part] = [
        (cases.paid, cases.number, CHARGE, cases.settled, cases.fee, cases.rate),
        (cases.refunded, cases.number, REFUND, -cases.refund_settled, 0, cases.refund_rate),
        (cases.disputed, cases.number, TAKEN, -cases.settled, DISPUTE_FEE, cases.rate),
        (
            np.where(cases.won == 1, cases.decided, NEVER),
            cases.number,
            GIVEN_BACK,
            cases.settled,
            0,
            cases.rate,
        ),
        _fees(cases),
    ]
    columns = [_column(parts, place) for place in range(6)]
    created, number, what, amount, fee, rate = (c[columns[0] < NEVER] for c in columns)
    due = created // DAY + np.where(what == CHARGE, 2, 1)
    days, place = np.unique(due, return_inverse=True)
    sums = np.zeros(len(days), dtype=np.int64)
    np.add.at(sums, place, amount - fee)
    payout_key, payout_created = FIRST_PAYOUT + days, days * DAY + _PAYOUT_AT
    none = np.zeros(len(days), dtype=np.int64)
    created = np.concatenate([created, payout_created])
    key = np.concatenate([number * KINDS + what, payout_key * KINDS + PAYOUT])
    order = np.lexsort((key, created))
    key = key[order]
    return Balance(
        created=created[order],
        key=key,
        what=np.concatenate([what, none + PAYOUT])[order],
        amount=np.concatenate([amount, -sums])[order],
        fee=np.concatenate([fee, none])[order],
        rate=np.concatenate([rate, none])[order],
        payout=np.concatenate([payout_key[place], payout_key])[order],
        by_key=np.argsort(key),
        payout_created=payout_created,
        payout_key=payout_key,
        payout_amount=sums,
    )


_Part = tuple[Ints, Ints, int, Ints, "Ints | int", "Ints | int"]


def _column(parts: list[_Part], place: int) -> Ints:
    return np.concatenate([
        np.broadcast_to(np.asarray(part[place], dtype=np.int64), part[0].shape) for part in parts
    ])  # fmt: skip


def _fees(cases: Cases) -> _Part:
    """What screening costs, a month at a time."""
    tries = np.concatenate([cases.paid[cases.paid < NEVER], cases.failed[cases.failed < NEVER]])
    if not len(tries):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, FEE, nothing, 0, 0
    first = datetime.fromtimestamp(int(tries.min()), UTC)
    last = datetime.fromtimestamp(int(tries.max()), UTC)
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month + 1)
    opens = np.array(
        [int(datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC).timestamp()) for m in months],
        dtype=np.int64,
    )
    counts = np.diff(np.searchsorted(np.sort(tries), opens))
    number = FIRST_FEE + np.arange(months.start, months.stop - 1)
    return opens[1:] + _FEE_AT, number, FEE, -SCREENING * counts, 0, 0


def entry(money: Balance, key: int, *, since: datetime, as_of: datetime) -> Entry | None:
    """A movement as it stands at a moment, or None."""
    place = int(np.searchsorted(money.key, key, sorter=money.by_key))
    if place >= len(money.key):
        return None
    row = int(money.by_key[place])
    created = datetime.fromtimestamp(int(money.created[row]), UTC)
    if int(money.key[row]) != key or not since <= created <= as_of:
        return None
    what = int(money.what[row])
    type_, reporting, kind = _WHAT[what]
    number = key // KINDS
    start = int(money.created[row]) // DAY * DAY
    waits = what == CHARGE
    available = datetime.fromtimestamp(start + 2 * DAY, UTC) if waits else created
    paid_out = int(money.payout[row])
    carried = int(money.payout_created[np.searchsorted(money.payout_key, paid_out)])
    return Entry(
        key=key,
        created=created,
        available=available,
        amount=int(money.amount[row]),
        fee=int(money.fee[row]),
        net=int(money.amount[row] - money.fee[row]),
        currency=SETTLED,
        type=type_,
        reporting=reporting,
        status="available" if available <= as_of else "pending",
        source=None if kind is None else (kind, number * 2 + 1 if what == CHARGE else number),
        rate=int(money.rate[row]),
        payout=paid_out if carried <= as_of.timestamp() else None,
    )


def totals(
    money: Balance, since: datetime, until: datetime
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """How many movements of each kind [since, until) holds, their amounts and their fees."""
    first, last = np.searchsorted(money.created, [since.timestamp(), until.timestamp()])
    what = money.what[first:last]
    counts: dict[str, int] = {}
    amounts: dict[str, int] = {}
    fees: dict[str, int] = {}
    for number, (_, name, _kind) in enumerate(_WHAT):
        mine = what == number
        if mine.any():
            counts[name] = int(mine.sum())
            amounts[name] = int(money.amount[first:last][mine].sum())
            fees[name] = int(money.fee[first:last][mine].sum())
    return counts, amounts, fees
