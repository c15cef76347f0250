"""The shop: orders whose parts add up, refunds on their day, customers who come back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.sandbox.world import Order, World

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SHOP = ZoneInfo("America/New_York")
START, END = date(2026, 9, 1), date(2026, 11, 23)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, today=NOW.date())


@pytest.fixture(scope="module")
def orders(world: World) -> list[Order]:
    since = datetime.combine(START, datetime.min.time(), SHOP)
    ids = world.find_orders(as_of=NOW, created=(since, None), sort="created")
    return world.orders(ids, as_of=NOW)


def test_every_order_adds_up(orders: list[Order]) -> None:
    for o in orders:
        gross = sum(x.quantity * x.unit_price for x in o.lines)
        assert o.discounts == sum(x.discount for x in o.lines)
        assert o.subtotal == gross - o.discounts
        assert o.tax == sum(x.tax for x in o.lines)
        assert o.total == o.subtotal + o.shipping + o.tax
        assert o.refunded == sum(r.total for r in o.refunds) <= o.total
        for refund in o.refunds:
            assert refund.subtotal == sum(x.subtotal for x in refund.lines)
            assert refund.total == refund.subtotal + refund.tax + refund.shipping


def test_revenue_by_day_is_the_sum_of_the_orders(world: World, orders: list[Order]) -> None:
    counted: Counter[tuple[str, date]] = Counter()
    since = world.find_orders(as_of=NOW, created=(None, orders[0].created_at))
    older = world.orders(since[-8_000:], as_of=NOW)
    for o in orders:
        if o.test:
            continue
        day = o.processed_at.astimezone(SHOP).date()
        for name, amount in (
            ("orders", 1),
            ("subtotal", o.subtotal),
            ("total", o.total),
            ("tax", o.tax),
            ("shipping", o.shipping),
            ("gross", o.subtotal + o.discounts),
            ("cancelled", int(o.cancelled_at is not None)),
            ("new_customers", int(o.customer_index == 1)),
        ):
            counted[name, day] += amount
    for o in older + orders:
        for refund in o.refunds:
            day = refund.processed_at.astimezone(SHOP).date()
            counted["refunds", day] += refund.total
            counted["refund_subtotal", day] += refund.subtotal
    days = world.store_days(START, END, as_of=NOW)
    assert len(days) == 84
    for day in days:
        for name in (
            "orders",
            "subtotal",
            "total",
            "tax",
            "shipping",
            "gross",
            "cancelled",
            "new_customers",
            "refunds",
            "refund_subtotal",
        ):
            assert getattr(day, name) == counted[name, day.day], (name, day.day)
    total = world.store_total(START, END, as_of=NOW)
    assert total.net_sales == sum(d.subtotal - d.refund_subtotal for d in days)


def test_orders_appear_when_they_are_made_and_change_when_something_happens(
    world: World, orders: list[Order]
) -> None:
    one = next(o for o in orders if o.refunds and o.cancelled_at is None)
    refund = one.refunds[0]
    assert world.order(one.id, as_of=one.created_at - timedelta(seconds=1)) is None
    fresh = world.order(one.id, as_of=one.created_at)
    assert fresh is not None
    assert (fresh.refunds, fresh.fulfillment_status) == ((), "UNFULFILLED")
    assert fresh.updated_at == fresh.created_at
    before = world.order(one.id, as_of=refund.processed_at - timedelta(seconds=1))
    assert before is not None
    assert before.financial_status == "PAID"
    assert before.updated_at < refund.processed_at
    after = world.order(one.id, as_of=refund.processed_at)
    assert after is not None
    assert after.updated_at == refund.processed_at
    assert after.total == fresh.total
    assert after.financial_status in {"REFUNDED", "PARTIALLY_REFUNDED"}


def test_a_search_by_update_finds_exactly_the_orders_of_the_span(world: World) -> None:
    low, high = NOW - timedelta(days=3), NOW - timedelta(days=1)
    found = world.orders(world.find_orders(as_of=NOW, updated=(low, high)), as_of=NOW)
    assert found
    assert all(low <= o.updated_at < high for o in found)
    assert [o.updated_at for o in found] == sorted(o.updated_at for o in found)
    every = world.orders(
        world.find_orders(as_of=NOW, created=(NOW - timedelta(days=60), None)), as_of=NOW
    )
    assert {o.id for o in every if low <= o.updated_at < high} <= {o.id for o in found}


def test_customers_come_back_and_are_counted(world: World, orders: list[Order]) -> None:
    again = [o for o in orders if o.customer_index > 1]
    assert 0.2 < len(again) / len(orders) < 0.6
    assert all(o.customer_orders >= o.customer_index for o in orders)
    by_customer: dict[int, list[Order]] = {}
    for o in orders:
        by_customer.setdefault(o.customer_id, []).append(o)
    for theirs in by_customer.values():
        indexes = [o.customer_index for o in theirs]
        assert indexes == list(range(indexes[0], indexes[0] + len(indexes)))
        assert len({o.region for o in theirs}) == 1


def test_cancelled_test_and_foreign_orders_are_there(orders: list[Order]) -> None:
    cancelled = [o for o in orders if o.cancelled_at]
    assert 0.005 < len(cancelled) / len(orders) < 0.03
    assert all(o.refunded == o.total and o.financial_status == "REFUNDED" for o in cancelled)
    assert 3 <= sum(o.test for o in orders) <= 40
    foreign = [o for o in orders if o.presentment_currency == "EUR"]
    assert all(o.country not in {"US"} for o in foreign)
    assert 0.2 < len(foreign) / len(orders) < 0.45
    one = foreign[0]
    assert one.presentment(one.total) < one.total  # a dollar is less than a euro
    assert any(o.discount_codes for o in orders)
    assert any(o.source_name == "pos" and o.first_visit is None for o in orders)


def test_visits_lead_to_the_campaigns_that_ran(world: World, orders: list[Order]) -> None:
    ads = {
        a.id: a
        for account in ("1024500000000001", "1024500000000002", "3456789012", "4567890123")
        for a in world.ads(account, as_of=NOW)
    }
    sources: Counter[str] = Counter()
    for o in orders:
        for visit in (o.first_visit, o.last_visit):
            if visit is None:
                continue
            assert visit.occurred_at <= o.created_at
            utm = visit.utm or {}
            sources[utm.get("source", "none")] += 1
            # Performance Max has no ads; its visits carry the stand-in's id.
            if utm.get("source") == "facebook":
                assert utm["content"] in ads
                assert f"utm_campaign={utm['campaign']}" in ads[utm["content"]].url
    assert set(sources) == {
        "facebook", "google", "klaviyo", "linkedin", "none", "tiktok", "x",
    }
    assert min(sources.values()) > 50


def test_ids_and_numbers_run_with_time(orders: list[Order]) -> None:
    assert [o.id for o in orders] == sorted({o.id for o in orders})
    assert [o.number for o in orders] == list(
        range(orders[0].number, orders[0].number + len(orders))
    )


def test_prices_rise_in_march(world: World) -> None:
    before = world.products(as_of=datetime(2026, 2, 28, 12, tzinfo=UTC))
    after = world.products(as_of=datetime(2026, 3, 1, 12, tzinfo=UTC))
    old = {v.id: v.price for p in before for v in p.variants}
    new = {v.id: v.price for p in after for v in p.variants}
    assert old.keys() == new.keys()
    assert all(new[k] >= old[k] for k in old)
    assert sum(new.values()) > sum(old.values())
