"""The known truth: who claims too much, what an intervention changes, and what it must not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from liftos_app.services.sandbox import truth
from liftos_app.services.sandbox.world import REGIONS, Intervention, World

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START, END = date(2026, 6, 1), date(2026, 9, 30)
ACCOUNTS = ("1024500000000001", "1024500000000002", "3456789012", "4567890123")


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, today=NOW.date())


def claimed(world: World) -> dict[str, float]:
    """Purchases by channel that the platforms call their own."""
    found: dict[str, float] = {}
    for account in ACCOUNTS:
        channels = {c.id: c.channel for c in world.campaigns(account, as_of=NOW)}
        totals = world.ad_totals_by_campaign(account, START, END, as_of=NOW)
        for campaign, total in totals.items():
            channel = channels[campaign]
            found[channel] = found.get(channel, 0) + total.conversions / 100
    return found


def test_platforms_claim_more_than_they_caused_and_retargeting_and_brand_most(
    world: World,
) -> None:
    true = truth.totals(world, START, END)
    claims = claimed(world)
    over = {c: claims[c] / true[c].orders for c in claims}
    assert sum(claims.values()) > 1.5 * sum(true[c].orders for c in claims)
    assert min(over["google_brand"], over["meta_retargeting"]) > 2 * max(
        over["meta_prospecting"], over["google_generic"]
    )
    assert all(ratio > 1 for ratio in over.values())


def test_spend_follows_demand_so_plain_ratios_mislead(world: World) -> None:
    t = truth.tables(world, date(2025, 1, 1), END)
    base = t.base_orders.sum(axis=0)
    weeks = len(base) // 7
    for channel in ("google_brand", "meta_retargeting", "google_shopping"):
        spend = t.spend[t.channels.index(channel)].sum(axis=0)
        by_week = [x[: weeks * 7].reshape(weeks, 7).sum(axis=1) for x in (spend, base)]
        # Demand no channel caused moves with spend, so sales per unit of spend hold both.
        assert np.corrcoef(*by_week)[0, 1] > 0.35
    everything = base.sum() + t.orders.sum()
    brand = t.channels.index("google_brand")
    naive = everything / t.spend[brand].sum()
    assert naive > 10 * t.orders[brand].sum() / t.spend[brand].sum()


def test_the_truth_is_in_the_orders(world: World) -> None:
    t = truth.tables(world, START, END)
    store = world.store_total(START, END, as_of=NOW)
    assert t.orders.sum() + t.base_orders.sum() == store.orders
    assert t.revenue.sum() + t.base_revenue.sum() == store.subtotal
    assert 0.25 < t.orders.sum() / store.orders < 0.55
    total = truth.totals(world, START, END)
    assert sum(e.orders for e in total.values()) == t.orders.sum()
    assert truth.caused_orders(world, "email", START, END) == total["email"].orders
    every = truth.effects(world, START, START)
    assert sum(e.revenue for e in every) == t.revenue[:, :, 0].sum()
    for effect in total.values():  # what happened scatters around what was expected
        assert abs(effect.orders - effect.expected) < 5 * np.sqrt(effect.expected)


def test_switching_a_channel_off_takes_away_what_it_caused_and_nothing_else(
    world: World,
) -> None:
    regions = ("US-CA", "US-TX", "DE")
    first, last = date(2026, 7, 1), date(2026, 8, 15)
    off = world.with_interventions(
        [Intervention(channel="meta_prospecting", start=first, end=last, regions=regions)]
    )
    with_it, without = (truth.tables(w, START, END) for w in (world, off))
    changed = np.argwhere(with_it.orders != without.orders)
    meta = with_it.channels.index("meta_prospecting")
    rows = {with_it.regions.index(r) for r in regions}
    assert {int(c) for c, _, _ in changed} == {meta}
    assert {int(r) for _, r, _ in changed} <= rows
    assert min(int(d) for _, _, d in changed) >= (first - START).days
    assert (without.orders <= with_it.orders).all()
    assert np.array_equal(with_it.base_orders, without.base_orders)
    inside = slice((first - START).days + 14, (last - START).days + 1)
    assert without.orders[meta][sorted(rows), inside].sum() == 0
    lost = with_it.orders.sum() - without.orders.sum()
    orders = [w.store_total(START, END, as_of=NOW).orders for w in (world, off)]
    assert orders[0] - orders[1] == lost > 50
    revenue = [w.store_total(START, END, as_of=NOW).subtotal for w in (world, off)]
    assert revenue[0] > revenue[1]


def test_an_intervention_lowers_spend_and_claims_and_leaves_the_past_alone(world: World) -> None:
    first = date(2026, 8, 1)
    off = world.with_interventions([Intervention(channel="meta_retargeting", start=first, end=END)])
    before = (date(2026, 5, 1), first - timedelta(days=1))
    assert world.ad_days(ACCOUNTS[0], *before, as_of=NOW) == off.ad_days(
        ACCOUNTS[0], *before, as_of=NOW
    )
    assert world.store_days(*before, as_of=datetime(2026, 8, 1, tzinfo=UTC)) == off.store_days(
        *before, as_of=datetime(2026, 8, 1, tzinfo=UTC)
    )
    campaigns = {
        c.id for c in world.campaigns(ACCOUNTS[0], as_of=NOW) if c.channel == "meta_retargeting"
    }
    rows = off.ad_days(ACCOUNTS[0], first, END, as_of=NOW, level="campaign")
    assert not campaigns & {r.campaign_id for r in rows}
    others = [
        [
            r
            for r in w.ad_days(ACCOUNTS[0], first, END, as_of=NOW, level="campaign")
            if r.campaign_id not in campaigns
        ]
        for w in (world, off)
    ]
    assert [r.spend for r in others[0]] == [r.spend for r in others[1]]


def test_more_spend_brings_more_with_falling_return(world: World) -> None:
    def caused(scale: float) -> float:
        other = world.with_interventions(
            [Intervention(channel="google_generic", start=START, end=END, scale=scale)]
        )
        return truth.totals(other, START, END)["google_generic"].expected

    steps = [caused(s) for s in (0.5, 1.0, 1.5, 2.0)]
    assert steps == sorted(steps)
    gains = np.diff(steps)
    assert (np.diff(gains) < 0).all()


def test_effects_last_beyond_the_spend_that_caused_them(world: World) -> None:
    last = date(2026, 7, 31)
    off = world.with_interventions(
        [Intervention(channel="meta_prospecting", start=date(2026, 7, 1), end=last)]
    )
    t, o = (truth.tables(w, date(2026, 8, 1), date(2026, 8, 20)) for w in (world, off))
    meta = t.channels.index("meta_prospecting")
    gap = 1 - o.expected[meta].sum(axis=0) / t.expected[meta].sum(axis=0)
    assert gap[0] > 0.2
    assert gap[-1] < 0.02
    assert (np.diff(gap) <= 1e-9).all()


def test_true_effects_differ_between_regions(world: World) -> None:
    t = truth.tables(world, START, END)
    meta = t.channels.index("meta_prospecting")
    per_order = t.expected[meta].sum(axis=1) / np.array([r.share for r in REGIONS])
    assert per_order.std() / per_order.mean() > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "carrier_pigeon"},
        {"channel": "email", "scale": -1.0},
        {"channel": "email", "start": END, "end": START},
    ],
)
def test_an_impossible_intervention_is_refused(world: World, wrong: dict[str, object]) -> None:
    given = {"start": START, "end": END, **wrong}
    with pytest.raises(ValueError, match="channel|intervention"):
        world.with_interventions([Intervention(**given)])  # type: ignore[arg-type]
