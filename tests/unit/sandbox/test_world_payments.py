"""Payments: a pure view of the one world, exact to the smallest unit."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.sandbox.world import World
from liftos_app.services.sandbox.world.club import DIGITS, PLANS, add_months
from liftos_app.services.sandbox.world.payment_shapes import RATE_ONE, Kind
from liftos_app.services.sandbox.world.payments import Payments
from liftos_app.services.sandbox.world.plan import SHOP_ZONE
from liftos_app.services.sandbox.world.shapes import Order

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
START, END = date(2026, 10, 1), date(2026, 10, 14)
KINDS: tuple[Kind, ...] = (
    "intent", "charge", "refund", "dispute", "payout", "invoice", "subscription", "entry", "event"
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def view(world: World) -> Payments:
    return world.payments(as_of=NOW)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(SHOP_ZONE))


def span(view: Payments, kind: Kind, start: date = START, end: date = END) -> list[Any]:
    keys = view.keys(kind, since=midnight(start), until=midnight(end + timedelta(days=1)))
    found = [getattr(view, kind)(key) for key in keys]
    assert None not in found
    return found


def web_orders(world: World, *, test: bool = False) -> list[Order]:
    ids = world.find_orders(
        as_of=NOW, created=(midnight(START), midnight(END + timedelta(days=1))), sort="created"
    )
    return [
        o for o in world.orders(ids, as_of=NOW) if o.source_name == "web" and o.test is test
    ]


def test_each_web_order_is_paid_once_in_the_currency_the_buyer_saw(
    world: World, view: Payments
) -> None:
    charges = {c.order: c for c in span(view, "charge") if c.paid and c.order}
    orders = web_orders(world)
    assert set(charges) == {o.id for o in orders}
    assert {o.presentment_currency for o in orders} == {"USD", "EUR"}
    for order in orders:
        charge = charges[order.id]
        assert charge.created == order.processed_at
        assert charge.amount == order.presentment(order.total)
        assert charge.currency == order.presentment_currency
        assert (charge.order_number, charge.country) == (order.number, order.country)
        assert charge.customer == order.customer_id
        intent = view.intent(charge.intent)
        assert intent
        assert intent.created < charge.created
        assert (intent.status, intent.received) == ("succeeded", charge.amount)
        assert intent.charge == charge.key


def test_refunds_are_the_orders_refunds_on_their_days(world: World, view: Payments) -> None:
    seen = 0
    for order in web_orders(world):
        charge = view.charge(order.id * 2 + 1)
        assert charge
        if not order.refunds:
            assert view.refund(order.id) is None
            assert charge.refunded == 0
            continue
        refund = view.refund(order.id)
        assert refund
        assert refund.created == order.refunds[0].processed_at
        assert refund.amount == order.presentment(order.refunds[0].total) == charge.refunded
        assert (refund.charge, refund.currency) == (charge.key, charge.currency)
        seen += 1
    assert seen > 50


def test_settlement_uses_the_rate_and_the_fee_is_2_9_percent_and_30_cents(view: Payments) -> None:
    currencies = Counter()
    for charge in span(view, "charge", START, START + timedelta(days=60)):
        if not charge.paid:
            assert charge.entry is None
            continue
        entry = view.entry(charge.entry)
        assert entry
        whole = Decimal(charge.amount) / 10 ** DIGITS[charge.currency]
        rate = Decimal(entry.rate) / RATE_ONE if entry.rate else Decimal(1)
        cents = (whole * rate * 100).quantize(Decimal(1), ROUND_HALF_UP)
        assert entry.amount == int(cents)
        fee = (Decimal(entry.amount) * Decimal("0.029")).quantize(Decimal(1), ROUND_HALF_UP) + 30
        assert entry.fee == int(fee)
        assert entry.net == entry.amount - entry.fee
        assert entry.source == ("charge", charge.key)
        assert bool(entry.rate) == (charge.currency != "USD")
        currencies[charge.currency] += 1
    assert set(currencies) == {"USD", "EUR", "JPY", "KWD"}


def test_a_payout_is_the_sum_of_what_it_carried(view: Payments) -> None:
    carried: dict[int, int] = defaultdict(int)
    for entry in span(view, "entry", START - timedelta(days=4), END):
        if entry.type != "payout" and entry.payout is not None:
            carried[entry.payout] += entry.net
    payouts = span(view, "payout")
    assert len(payouts) == 14
    for payout in payouts:
        assert payout.amount == carried[payout.key]
        own = view.entry(payout.entry)
        assert own
        assert (own.amount, own.fee, own.payout) == (-payout.amount, 0, payout.key)


def test_totals_of_days_are_the_sums_of_their_entries(view: Payments) -> None:
    zone = ZoneInfo(SHOP_ZONE)
    sums: dict[tuple[date, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in span(view, "entry"):
        found = sums[entry.created.astimezone(zone).date(), entry.reporting]
        for place, value in enumerate((1, entry.amount, entry.fee)):
            found[place] += value
    days = view.days(START, END)
    assert [d.day for d in days] == [START + timedelta(days=i) for i in range(14)]
    told = {
        (d.day, name): [d.entries[name], d.amount[name], d.fee[name]]
        for d in days for name in d.entries
    }  # fmt: skip
    assert told == dict(sums)
    assert {name for _, name in told} >= {"charge", "refund", "dispute", "fee", "payout"}
    assert sum(d.net for d in days) == sum(
        e.net for e in span(view, "entry") if e.type != "payout"
    )


def test_failed_attempts_come_before_success_or_are_given_up(view: Payments) -> None:
    charges = span(view, "charge")
    failed = [c for c in charges if not c.paid]
    assert 0.02 < len(failed) / len(charges) < 0.1
    ends = Counter()
    for charge in failed:
        assert charge.failure
        intent = view.intent(charge.intent)
        assert intent
        ends[intent.status] += 1
        if intent.status == "succeeded":
            assert intent.charge == charge.key + 1
        else:
            assert intent.charge == charge.key
            assert intent.failure == charge.failure
    assert set(ends) == {"succeeded", "canceled"}


def test_disputed_money_leaves_by_the_balance_and_not_as_a_refund(view: Payments) -> None:
    disputes = span(view, "dispute", date(2026, 8, 1), END)
    assert {d.status for d in disputes} == {"won", "lost"}
    for dispute in disputes:
        charge = view.charge(dispute.charge)
        assert charge
        assert charge.disputed
        assert charge.refunded == 0
        assert dispute.amount == charge.amount
        entries = [view.entry(key) for key in dispute.entries]
        assert [e.reporting for e in entries if e] == (
            ["dispute", "dispute_reversal"] if dispute.status == "won" else ["dispute"]
        )
        first = entries[0]
        assert first
        assert first.type == "adjustment"
        assert first.amount < 0
        assert first.fee == 1_500
    assert {d.status for d in span(view, "dispute", date(2026, 11, 1), NOW.date())} <= {
        "needs_response", "under_review",
    }  # fmt: skip


def test_the_club_has_every_price_and_every_state(world: World, view: Payments) -> None:
    members = [view.subscription(k) for k in view.keys("subscription")]
    assert {m.status for m in members if m} == {"trialing", "active", "past_due", "canceled"}
    assert {m.plan.id for m in members if m} == {p.id for p in PLANS}
    assert {m.end_reason for m in members if m} == {
        "", "cancellation_requested", "payment_failed"
    }  # fmt: skip
    for member in members:
        assert member
        assert member.period[0] <= NOW
        bill = view.invoice(member.latest_invoice)
        assert bill
        assert bill.subscription == member.key
        if member.status == "trialing":
            assert member.trial
            assert bill.amount == 0
        if member.status == "canceled":
            assert member.ended_at
            assert member.ended_at <= NOW
    statuses = Counter(view.invoice(k).status for k in view.keys("invoice"))  # type: ignore[union-attr]
    assert set(statuses) == {"paid", "uncollectible", "open", "draft"}


def test_a_paid_bill_has_a_payment_of_its_amount(view: Payments) -> None:
    bills = span(view, "invoice")
    assert any(b.amount == 0 for b in bills)
    for bill in bills:
        if bill.amount == 0:
            assert bill.intent is None
            continue
        intent = view.intent(bill.intent)
        assert intent
        assert intent.order is None
        assert (intent.amount, intent.currency) == (bill.amount, bill.currency)
        assert (intent.status == "succeeded") == (bill.status == "paid")
        assert bill.paid == intent.received


def test_each_change_between_two_moments_is_told_by_an_event(world: World) -> None:
    early, late = NOW - timedelta(days=3), NOW
    before, after = world.payments(as_of=early), world.payments(as_of=late)
    told: dict[str, set[int]] = defaultdict(set)
    for key in after.keys("event", since=early + timedelta(seconds=1)):
        event = after.event(key)
        assert event
        told[event.kind].add(event.object)
        if event.type == "charge.dispute.created":
            told["charge"].add(event.object * 2 + 1)
    changed = Counter()
    for kind in KINDS:
        if kind in {"entry", "event"}:
            continue
        for key in after.keys(kind, since=NOW - timedelta(days=120)):
            if getattr(before, kind)(key) != getattr(after, kind)(key):
                assert key in told[kind], (kind, key)
                changed[kind] += 1
    assert min(changed[k] for k in ("charge", "refund", "invoice", "subscription", "payout")) > 0


def test_the_same_seed_gives_the_same_payments_whatever_is_asked_first(world: World) -> None:
    other = World(today=date(2026, 12, 20))
    other.payments(as_of=NOW + timedelta(days=20)).keys("charge")
    one, two = world.payments(as_of=NOW), other.payments(as_of=NOW)
    for kind in KINDS:
        keys = one.keys(kind, since=NOW - timedelta(days=20))
        assert keys == two.keys(kind, since=NOW - timedelta(days=20))
        for key in keys[::37]:
            assert getattr(one, kind)(key) == getattr(two, kind)(key)


def test_nothing_is_shown_before_it_happens_or_before_the_first_day(view: Payments) -> None:
    for kind in KINDS:
        keys = view.keys(kind)
        assert len(keys) == len(set(keys))
        times = [getattr(view, kind)(k).created for k in (keys[0], keys[-1])]
        assert view.since <= times[0] <= times[1] <= NOW
        early = Payments(view.books, times[0] - timedelta(seconds=1), view.since)
        assert getattr(early, kind)(keys[0]) is None
        assert keys[0] not in early.keys(kind)
        assert getattr(view, kind)(1) is None


def test_test_mode_holds_the_staffs_orders_only(world: World) -> None:
    view = world.payments(as_of=NOW, live=False)
    charges = [c for c in span(view, "charge") if c.paid]
    assert {c.order for c in charges} == {o.id for o in web_orders(world, test=True)}
    assert charges
    for kind in ("refund", "dispute", "invoice", "subscription"):
        assert view.keys(kind) == []  # type: ignore[arg-type]


def test_months_are_added_by_the_calendar() -> None:
    start = datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert add_months(start, 1).date() == date(2026, 2, 28)
    assert add_months(start, 2).date() == date(2026, 3, 31)
    assert add_months(start, 11).date() == date(2026, 12, 31)
    assert add_months(start, 12).date() == date(2027, 1, 31)
    assert add_months(start, 25).date() == date(2028, 2, 29)
