"""Mail: its events are the shop's orders, its results grow and then stand still."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START, END = date(2026, 9, 1), date(2026, 10, 31)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, today=NOW.date())


def test_placed_order_events_are_the_shops_orders(world: World) -> None:
    events = world.mail_events(START, END, as_of=NOW)
    store = world.store_total(START, END, as_of=NOW)
    assert sum(e.count for e in events) == store.orders
    assert sum(e.value for e in events) == store.total
    assert all(e.unique <= e.count for e in events)
    claimed = sum(e.count for e in events if e.message_id)
    assert 0.05 < claimed / store.orders < 0.25


def test_send_day_results_are_the_same_orders_by_another_day(world: World) -> None:
    by_send = world.mail_campaign_stats(START - timedelta(days=5), END, as_of=NOW)
    by_send += world.mail_flow_days(START - timedelta(days=5), END, as_of=NOW)
    late = END + timedelta(days=6)
    names = {s.message_id for s in by_send}
    by_event = [
        e
        for e in world.mail_events(START - timedelta(days=5), late, as_of=NOW)
        if e.message_id in names
    ]
    campaigns = {c.message_id for c in world.mail_campaigns(as_of=NOW)}
    sent = sum(s.value for s in by_send if s.message_id in campaigns)
    happened = sum(e.value for e in by_event if e.message_id in campaigns)
    assert sent == happened > 0


def test_order_and_event_name_the_same_message(world: World) -> None:
    day = date(2026, 10, 14)
    events = {e.message_id: e for e in world.mail_events(day, day, as_of=NOW)}
    ids = world.find_orders(
        as_of=NOW,
        created=(datetime(2026, 10, 14, 4, tzinfo=UTC), datetime(2026, 10, 15, 4, tzinfo=UTC)),
    )
    orders = [o for o in world.orders(ids, as_of=NOW) if not o.test]
    for message, event in events.items():
        own = [o for o in orders if o.mail_message == message]
        assert (len(own), sum(o.total for o in own)) == (event.count, event.value)


def test_results_grow_and_stand_still_after_five_days(world: World) -> None:
    day = date(2026, 10, 13)
    seen = []
    for hours in (1, 6, 24, 72, 24 * 6, 24 * 30):
        as_of = datetime(2026, 10, 13, 14, tzinfo=UTC) + timedelta(hours=hours)
        (one,) = world.mail_campaign_stats(day, day, as_of=as_of)
        seen.append(one)
    for name in ("opens_unique", "clicks_unique", "conversions", "value", "unsubscribes"):
        values = [getattr(s, name) for s in seen]
        assert values == sorted(values)
    assert seen[0].opens_unique < seen[-1].opens_unique
    assert seen[-2] == seen[-1]
    for s in seen:
        assert s.recipients == s.delivered + s.bounced
        assert s.conversion_uniques <= s.conversions
        assert s.clicks_unique <= s.opens_unique <= s.delivered


def test_campaigns_are_sent_scheduled_archived_and_drafted(world: World) -> None:
    every = world.mail_campaigns(as_of=NOW)
    assert len({c.id for c in every}) == len(every)
    assert len({c.message_id for c in every}) == len(every)
    assert all(len(c.id) == 26 for c in every)
    assert {c.status for c in every} == {"Draft", "Scheduled", "Sent"}
    assert any(c.archived for c in every)
    assert all(c.updated_at <= NOW and c.created_at <= NOW for c in every)


def test_two_metrics_are_called_placed_order(world: World) -> None:
    named = [m for m in world.mail_metrics(as_of=NOW) if m.name == "Placed Order"]
    assert len(named) == 2
    assert next(m for m in named if m.integration == "Shopify").id == world.placed_order_metric


def test_flows_send_every_day_and_the_draft_never(world: World) -> None:
    days = world.mail_flow_days(START, END, as_of=NOW)
    draft = {f.id for f in world.mail_flows(as_of=NOW) if f.status == "draft"}
    assert draft
    assert not draft & {d.parent_id for d in days}
    assert all(d.conversion_uniques <= d.recipients for d in days)
    assert len({(d.message_id, d.day) for d in days}) == len(days)
