"""Ad accounts: sums that reconcile to the cent, days that move as the platforms' days do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.sandbox.world import AdDay, World

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
META = ("1024500000000001", "1024500000000002")
GOOGLE = ("3456789012", "4567890123")
ACCOUNTS = META + GOOGLE
START, END = date(2026, 8, 20), date(2026, 11, 23)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, today=NOW.date())


def sums(rows: list[AdDay]) -> tuple[int, int, int, int, int]:
    return (
        sum(r.spend for r in rows),
        sum(r.impressions for r in rows),
        sum(r.clicks for r in rows),
        sum(r.conversions for r in rows),
        sum(r.value for r in rows),
    )


@pytest.mark.parametrize("account", META)
def test_every_level_of_a_meta_account_adds_up_exactly(world: World, account: str) -> None:
    levels = [
        sums(world.ad_days(account, START, END, as_of=NOW, level=level))
        for level in ("ad", "group", "campaign", "account")
    ]
    assert levels[0][0] > 0
    assert levels.count(levels[0]) == 4


@pytest.mark.parametrize("account", GOOGLE)
def test_performance_max_is_only_in_the_upper_levels(world: World, account: str) -> None:
    by_ad, by_group, by_campaign, whole = (
        world.ad_days(account, START, END, as_of=NOW, level=level)
        for level in ("ad", "group", "campaign", "account")
    )
    pmax = {c.id for c in world.campaigns(account, as_of=NOW) if c.kind == "pmax"}
    assert sums(by_ad) == sums(by_group)
    assert sums([r for r in by_campaign if r.campaign_id not in pmax]) == sums(by_ad)
    assert sums(by_campaign) == sums(whole)
    assert pmax
    assert not pmax & {r.campaign_id for r in by_ad}
    assert not pmax & {g.campaign_id for g in world.ad_groups(account, as_of=NOW)}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_totals_by_day_and_campaign_are_the_same_money(world: World, account: str) -> None:
    total = world.ad_totals(account, START, END, as_of=NOW)
    days = world.ad_totals_by_day(account, START, END, as_of=NOW)
    campaigns = world.ad_totals_by_campaign(account, START, END, as_of=NOW)
    assert total.spend == sum(d.spend for d in days.values())
    assert total.value == sum(c.value for c in campaigns.values())
    assert len(days) == 96
    assert total.spend % 10_000 == 0  # whole cents


@pytest.mark.parametrize("account", ACCOUNTS)
def test_rows_are_unique_positive_and_plausible(world: World, account: str) -> None:
    rows = world.ad_days(account, START, END, as_of=NOW)
    keys = Counter((r.ad_id, r.day) for r in rows)
    assert max(keys.values()) == 1
    for row in rows:
        assert row.impressions > 0 or row.spend > 0 or row.conversions > 0
        assert 0 <= row.link_clicks <= row.clicks <= row.impressions
        assert 0 < row.reach <= row.impressions
        assert row.value >= 0
        assert (row.value == 0) == (row.conversions == 0)


@pytest.mark.parametrize("account", META)
def test_meta_windows_agree_with_the_claim(world: World, account: str) -> None:
    rows = world.ad_days(account, START, END, as_of=NOW)
    assert any(r.counts["1d_ev"] for r in rows)
    for row in rows:
        counts = row.counts
        assert row.conversions == 100 * (counts["7d_click"] + counts["1d_view"])
        assert counts["1d_click"] <= counts["7d_click"] <= counts["28d_click"]
        assert row.value == row.values["7d_click"] + row.values["1d_view"]


def test_google_shares_conversions_between_clicks(world: World) -> None:
    rows = world.ad_days(GOOGLE[0], START, END, as_of=NOW)
    assert any(r.conversions % 100 for r in rows)
    assert not any(r.counts for r in rows)


@pytest.mark.parametrize(
    ("account", "settled"), [(a, 28) for a in META] + [(a, 30) for a in GOOGLE]
)
def test_claims_grow_until_the_day_is_settled_and_then_stand_still(
    world: World, account: str, settled: int
) -> None:
    day = date(2026, 9, 10)
    seen = []
    for age in (1, 2, 4, 8, 14, 21, settled, settled + 3, settled + 200):
        as_of = datetime(2026, 9, 11, 12, tzinfo=UTC) + timedelta(days=age)
        seen.append(world.ad_totals(account, day, day, as_of=as_of))
    claims = [t.conversions for t in seen]
    assert claims == sorted(claims)
    assert claims[0] < 0.85 * claims[-1]
    assert seen[6] == seen[7] == seen[8]


def test_each_row_only_ever_gains_conversions(world: World) -> None:
    day = date(2026, 10, 6)
    before: dict[str, AdDay] = {}
    for hours in range(1, 24 * 32, 13):
        as_of = datetime(2026, 10, 6, 6, tzinfo=UTC) + timedelta(hours=hours)
        for account in ACCOUNTS:
            for row in world.ad_days(account, day, day, as_of=as_of):
                known = before.get(row.ad_id)
                if known is not None:
                    assert row.conversions >= known.conversions
                    assert row.value >= known.value
                    assert row.clicks >= known.clicks
                    assert row.impressions >= known.impressions
                before[row.ad_id] = row


def test_meta_spend_settles_within_three_days_and_google_cost_may_fall(world: World) -> None:
    day = date(2026, 10, 6)
    end = datetime(2026, 10, 7, 4, tzinfo=UTC)

    def spend(account: str, days: float) -> int:
        return world.ad_totals(account, day, day, as_of=end + timedelta(days=days)).spend

    assert spend(META[0], 0.3) < spend(META[0], 3.1) == spend(META[0], 40)
    assert spend(GOOGLE[0], 2) > spend(GOOGLE[0], 7.2) == spend(GOOGLE[0], 40)


def test_today_is_partial_in_the_accounts_own_time_zone(world: World) -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # already Monday in Berlin
    monday = date(2026, 11, 23)
    assert late.astimezone(ZoneInfo("Europe/Berlin")).date() == monday
    assert world.ad_days(META[1], monday, monday, as_of=late) != []
    assert world.ad_days(META[0], monday, monday, as_of=late) == []
    noon = world.ad_totals(META[0], monday, monday, as_of=NOW).spend
    night = world.ad_totals(META[0], monday, monday, as_of=NOW + timedelta(days=1)).spend
    assert 0 < noon < 0.5 * night


def test_figures_are_published_every_quarter_of_an_hour(world: World) -> None:
    first = NOW.replace(minute=1)
    assert world.ad_days(META[0], END, END, as_of=first) == world.ad_days(
        META[0], END, END, as_of=NOW.replace(minute=14, second=59)
    )
    assert world.ad_days(META[0], END, END, as_of=first) != world.ad_days(
        META[0], END, END, as_of=NOW.replace(minute=31)
    )


def test_the_accounts_are_those_of_the_brief(world: World) -> None:
    meta = {a.id: a for a in world.accounts("meta_business")}
    assert (meta[META[0]].currency, meta[META[0]].zone) == ("USD", "America/New_York")
    assert (meta[META[1]].currency, meta[META[1]].zone) == ("EUR", "Europe/Berlin")
    closed = [a for a in meta.values() if a.status == "disabled"]
    assert [a.currency for a in closed] == ["JPY"]
    google = {a.id: a for a in world.accounts("google_ads")}
    assert google["1234567890"].manager
    assert [a.id for a in google.values() if a.status == "cancelled"] == ["5678901234"]
    shared = [a for a in google.values() if len(a.parents) == 2]
    assert [a.id for a in shared] == [GOOGLE[1]]
    for account in (closed[0].id, "1234567890", "5678901234", "6789012345", "999"):
        assert world.ad_days(account, START, END, as_of=NOW) == []


def test_campaigns_start_end_pause_and_bear_difficult_names(world: World) -> None:
    every = [c for a in META for c in world.campaigns(a, as_of=NOW)]
    assert 8 <= len(every) <= 14
    assert any("<script>alert(1)</script>" in c.name for c in every)
    assert any("\U0001f33f" in c.name for c in every)
    assert {c.status for c in every} == {"active", "paused", "ended"}
    google = [c for a in GOOGLE for c in world.campaigns(a, as_of=NOW)]
    assert "removed" in {c.status for c in google}
    holiday = next(c for c in every if c.name == "Holiday 2026")
    assert holiday.status == "active"
    earlier = world.campaigns(META[0], as_of=datetime(2026, 10, 1, tzinfo=UTC))
    assert holiday.id not in {c.id for c in earlier}
    later = world.campaigns(META[0], as_of=datetime(2027, 1, 5, tzinfo=UTC))
    assert next(c for c in later if c.id == holiday.id).status == "ended"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_delivery_belongs_to_entities_that_exist_and_run(world: World, account: str) -> None:
    ads = {a.id: a for a in world.ads(account, as_of=NOW)}
    groups = {g.id: g for g in world.ad_groups(account, as_of=NOW)}
    campaigns = {c.id: c for c in world.campaigns(account, as_of=NOW)}
    assert len(ads) == len(set(ads))
    for row in world.ad_days(account, date(2025, 1, 1), END, as_of=NOW):
        campaign = campaigns[row.campaign_id]
        assert ads[row.ad_id].group_id == row.group_id
        assert groups[row.group_id].campaign_id == row.campaign_id
        assert campaign.starts <= row.day
        assert campaign.ends is None or row.day <= campaign.ends


def test_ids_are_unique_over_all_accounts(world: World) -> None:
    ids = Counter(
        x.id
        for a in ACCOUNTS
        for found in (
            world.campaigns(a, as_of=NOW),
            world.ad_groups(a, as_of=NOW),
            world.ads(a, as_of=NOW),
        )
        for x in found
    )
    assert max(ids.values()) == 1


def test_amount_spent_is_the_sum_of_all_days(world: World) -> None:
    wide = World(seed=7, today=NOW.date(), days=2_000)
    whole = wide.ad_totals(META[0], date(2024, 1, 1), END, as_of=NOW).spend
    assert world.amount_spent(META[0], as_of=NOW) == whole
    assert world.amount_spent("1024500000000003", as_of=NOW) == 0
