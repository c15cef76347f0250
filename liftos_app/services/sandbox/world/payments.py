"""The payments view of the one world: what a payment platform knows at a moment, by kind.

`Books` holds, sorted by time, when each thing of a kind began; `Payments` looks at them as of one
moment. Figures are those of payment_cases.py and club.py; nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world import balance, club, payment_cases, payment_events
from liftos_app.services.sandbox.world.balance import Balance
from liftos_app.services.sandbox.world.club import Bill, Member
from liftos_app.services.sandbox.world.noise import Ints, Noise
from liftos_app.services.sandbox.world.payment_cases import (
    CURRENCIES,
    DAY,
    DISPUTE_REASONS,
    FAILURES,
    SETTLED,
    Cases,
)
from liftos_app.services.sandbox.world.payment_shapes import (
    Charge,
    Dispute,
    Entry,
    Intent,
    Invoice,
    Kind,
    PaymentDay,
    PaymentEvent,
    PaymentRefund,
    Payout,
    Subscription,
)
from liftos_app.services.sandbox.world.plan import REGIONS, SHOP_ZONE
from liftos_app.services.sandbox.world.rates import Rates
from liftos_app.services.sandbox.world.sales import NEVER, Sales

PAID, FAILED = 1, 0  # a charge's key is twice its payment's number, plus one of these
_ANSWERED: Final = 3 * DAY  # after a dispute began, the shop's evidence is in
_DUE: Final = 9 * DAY


@dataclass(frozen=True, slots=True)
class Index:
    """Things of one kind in the order of their beginning."""

    created: Ints
    key: Ints


@dataclass(frozen=True, slots=True)
class Books:
    """Everything there ever is in one mode, live or test."""

    cases: Cases
    members: Mapping[int, Member]
    bills: Mapping[int, tuple[Member, Bill]]
    balance: Balance
    events: payment_events.Events
    index: Mapping[Kind, Index]


def keep(noise: Noise, sales: Sales, rates: Rates, days: int, *, live: bool) -> Books:
    """The books over the shop's sales of days 0..days-1; the club exists in live mode only."""
    members = club.members(noise, days) if live else ()
    return _sorted(payment_cases.build(noise, sales, rates, members, test=not live), members)


def look(books: Books, as_of: datetime, first: date, live: bool) -> Payments:
    """The books as of a moment, from the shop's midnight of a first day on."""
    opens = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(SHOP_ZONE))
    return Payments(books, as_of, opens, live)


def _sorted(cases: Cases, members: tuple[Member, ...]) -> Books:
    """Everything sorted once."""
    money = balance.build(cases)
    events = payment_events.build(cases, members, money)
    bills = {b.key: (m, b) for m in members for b in m.bills}
    found: dict[Kind, Index] = {
        "intent": _index(cases.created, cases.number),
        "charge": _index(
            np.concatenate([cases.paid, cases.failed]),
            np.concatenate([cases.number * 2 + PAID, cases.number * 2 + FAILED]),
        ),
        "refund": _index(cases.refunded, cases.number),
        "dispute": _index(cases.disputed, cases.number),
        "invoice": _index(
            np.array([int(b.created.timestamp()) for _, b in bills.values()], dtype=np.int64),
            np.array(list(bills), dtype=np.int64),
        ),
        "subscription": _index(
            np.array([int(m.joined.timestamp()) for m in members], dtype=np.int64),
            np.array([m.key for m in members], dtype=np.int64),
        ),
        "payout": Index(money.payout_created, money.payout_key),
        "entry": Index(money.created, money.key),
        "event": Index(events.created, events.key),
    }
    return Books(cases, {m.key: m for m in members}, bills, money, events, found)


def _index(created: Ints, key: Ints) -> Index:
    real = np.flatnonzero(created < NEVER)
    order = real[np.lexsort((key[real], created[real]))]
    return Index(created[order], key[order])


@dataclass(frozen=True, slots=True)
class Payments:
    """One mode of the account at a moment: keys by kind and span, and records by key."""

    books: Books
    as_of: datetime
    since: datetime  # nothing that began earlier is shown
    live: bool = True

    def keys(
        self, kind: Kind, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[int]:
        """Keys of what began in [since, until), oldest first."""
        index = self.books.index[kind]
        low = self.since if since is None else max(since, self.since)
        first = int(np.searchsorted(index.created, low.timestamp(), side="left"))
        last = int(np.searchsorted(index.created, self.as_of.timestamp(), side="right"))
        if until is not None:
            last = min(last, int(np.searchsorted(index.created, until.timestamp(), side="left")))
        found: list[int] = index.key[first:last].tolist()
        return found

    def _row(self, number: int, column: Ints) -> int | None:
        """The row of a payment, when the thing of this column has begun and is shown."""
        cases = self.books.cases
        row = int(np.searchsorted(cases.number, number))
        if row >= len(cases) or int(cases.number[row]) != number:
            return None
        return row if self.since.timestamp() <= column[row] <= self.as_of.timestamp() else None

    def intent(self, key: int) -> Intent | None:
        """A payment intent, or None."""
        cases = self.books.cases
        row = self._row(key, cases.created)
        if row is None:
            return None
        now = self.as_of.timestamp()
        paid, failed = cases.paid[row] <= now, cases.failed[row] <= now
        canceled = cases.canceled[row] <= now
        order, number = self._order(row)
        last = key * 2 + (PAID if paid else FAILED) if paid or failed else None
        return Intent(
            key=key,
            created=_at(cases.created[row]),
            amount=int(cases.amount[row]),
            received=int(cases.amount[row]) if paid else 0,
            currency=CURRENCIES[cases.currency[row]],
            status="succeeded" if paid else "canceled" if canceled else "requires_payment_method",
            canceled=_at(cases.canceled[row]) if canceled and not paid else None,
            charge=last,
            customer=int(cases.customer[row]),
            order=order,
            order_number=number,
            country=self._country(row),
            failure=_failure(key) if failed and not paid else "",
        )

    def charge(self, key: int) -> Charge | None:
        """An attempt to take money, or None."""
        cases = self.books.cases
        number, outcome = divmod(key, 2)
        row = self._row(number, cases.paid if outcome == PAID else cases.failed)
        if row is None:
            return None
        now = self.as_of.timestamp()
        paid = outcome == PAID
        back = paid and cases.refunded[row] <= now
        order, order_number = self._order(row)
        return Charge(
            key=key,
            intent=number,
            created=_at(cases.paid[row] if paid else cases.failed[row]),
            amount=int(cases.amount[row]),
            refunded=int(cases.refund[row]) if back else 0,
            currency=CURRENCIES[cases.currency[row]],
            paid=paid,
            disputed=bool(paid and cases.disputed[row] <= now),
            failure="" if paid else _failure(number),
            entry=balance.key_of(number, balance.CHARGE) if paid else None,
            customer=int(cases.customer[row]),
            order=order,
            order_number=order_number,
            country=self._country(row),
        )

    def refund(self, key: int) -> PaymentRefund | None:
        """Money given back for a payment, or None."""
        cases = self.books.cases
        row = self._row(key, cases.refunded)
        if row is None:
            return None
        order, number = self._order(row)
        return PaymentRefund(
            key=key,
            charge=key * 2 + PAID,
            intent=key,
            created=_at(cases.refunded[row]),
            amount=int(cases.refund[row]),
            currency=CURRENCIES[cases.currency[row]],
            reason="fraudulent" if key % 29 == 0 else "requested_by_customer",
            entry=balance.key_of(key, balance.REFUND),
            order=order,
            order_number=number,
        )

    def dispute(self, key: int) -> Dispute | None:
        """What a buyer's bank contests, or None."""
        cases = self.books.cases
        row = self._row(key, cases.disputed)
        if row is None:
            return None
        began, now = int(cases.disputed[row]), self.as_of.timestamp()
        decided, won = cases.decided[row] <= now, bool(cases.won[row])
        entries = [balance.key_of(key, balance.TAKEN)]
        if decided and won:
            entries.append(balance.key_of(key, balance.GIVEN_BACK))
        return Dispute(
            key=key,
            charge=key * 2 + PAID,
            intent=key,
            created=_at(began),
            amount=int(cases.amount[row]),
            currency=CURRENCIES[cases.currency[row]],
            reason=DISPUTE_REASONS[key % len(DISPUTE_REASONS)],
            status=("won" if won else "lost")
            if decided
            else "under_review"
            if began + _ANSWERED <= now
            else "needs_response",
            due=_at(began + _DUE),
            entries=tuple(entries),
        )

    def payout(self, key: int) -> Payout | None:
        """A day's balance on its way to the bank, or None."""
        money = self.books.balance
        row = int(np.searchsorted(money.payout_key, key))
        if row >= len(money.payout_key) or int(money.payout_key[row]) != key:
            return None
        created = _at(money.payout_created[row])
        if not self.since <= created <= self.as_of:
            return None
        arrives = _at(money.payout_created[row] - money.payout_created[row] % DAY + DAY)
        return Payout(
            key=key,
            created=created,
            amount=int(money.payout_amount[row]),
            currency=SETTLED,
            status="paid" if arrives <= self.as_of else "in_transit",
            arrives=arrives,
            entry=balance.key_of(key, balance.PAYOUT),
        )

    def entry(self, key: int) -> Entry | None:
        """A movement of the balance, or None."""
        return balance.entry(self.books.balance, key, since=self.since, as_of=self.as_of)

    def event(self, key: int) -> PaymentEvent | None:
        """An event of the change feed, or None."""
        found = payment_events.event(self.books.events, key)
        return found if found and self.since <= found.created <= self.as_of else None

    def invoice(self, key: int) -> Invoice | None:
        """A bill of the club, or None."""
        found = self.books.bills.get(key)
        if found is None or not self.since <= found[1].created <= self.as_of:
            return None
        return found[0].invoice(found[1], self.as_of)

    def subscription(self, key: int) -> Subscription | None:
        """A membership of the club, or None."""
        found = self.books.members.get(key)
        if found is None or not self.since <= found.joined <= self.as_of:
            return None
        return found.subscription(self.as_of)

    def days(self, start: date, end: date) -> list[PaymentDay]:
        """The balance of each day of the shop's calendar, both included."""
        zone = ZoneInfo(SHOP_ZONE)
        found = []
        for number in range((end - start).days + 1):
            day = start + timedelta(days=number)
            after = day + timedelta(days=1)
            moved = balance.totals(
                self.books.balance,
                max(self.since, datetime(day.year, day.month, day.day, tzinfo=zone)),
                min(
                    self.as_of + timedelta(seconds=1),
                    datetime(after.year, after.month, after.day, tzinfo=zone),
                ),
            )
            found.append(PaymentDay(day=day, entries=moved[0], amount=moved[1], fee=moved[2]))
        return found

    def _order(self, row: int) -> tuple[int | None, int | None]:
        """Id and number of the store's order behind a payment."""
        order = int(self.books.cases.order[row])
        if order < 0:
            return None, None
        return int(self.books.cases.number[row]), 1_001 + order

    def _country(self, row: int) -> str:
        region = int(self.books.cases.region[row])
        if region >= 0:
            return REGIONS[region].country
        currency = CURRENCIES[self.books.cases.currency[row]]
        return {"USD": "US", "EUR": "DE", "JPY": "JP", "KWD": "KW"}[currency]


def _failure(number: int) -> str:
    return FAILURES[number % len(FAILURES)]


def _at(seconds: object) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)  # type: ignore[call-overload]
