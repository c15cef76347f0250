"""The trade program: leads that its channels cause, deals that move, figures that stay."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from liftos_app.services.sandbox.world import Intervention, World
from liftos_app.services.sandbox.world.crm_plan import LOST, OPENED, SOURCES, WON

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KINDS = ("leads", "companies", "contacts", "deals", "campaign_members")


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, today=NOW.date())


def records(world: World, kind: str, as_of: datetime = NOW, **span: object) -> list:
    return getattr(world, f"crm_{kind}")(as_of=as_of, **span)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_ordinals_in_order_of_creation(world: World, kind: str) -> None:
    found = records(world, kind)
    assert [one.id for one in found] == list(range(1, len(found) + 1))
    assert all(a.created_at <= b.created_at for a, b in pairwise(found))
    assert all(one.created_at <= one.updated_at <= NOW for one in found)
    assert found[0].created_at.date() >= OPENED


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_look_only_adds_or_changes_what_says_it_changed(world: World, kind: str) -> None:
    then = NOW - timedelta(days=60)
    earlier, later = records(world, kind, then), records(world, kind)
    assert len(earlier) < len(later)
    same = [(a, b) for a, b in zip(earlier, later, strict=False) if b.updated_at <= then]
    assert len(same) > len(earlier) // 2
    assert all(a == b for a, b in same)
    changed = [(a, b) for a, b in zip(earlier, later, strict=False) if b.updated_at > then]
    assert changed
    assert all(a.created_at == b.created_at and a.updated_at < b.updated_at for a, b in changed)


def test_a_world_opened_half_a_year_later_remembers_the_same(world: World) -> None:
    older = World(seed=7, today=date(2027, 5, 20))
    older.crm_leads(as_of=datetime(2027, 5, 20, tzinfo=UTC))
    for kind in KINDS:
        assert records(older, kind) == records(world, kind)
    assert older.crm_campaigns(as_of=NOW) == world.crm_campaigns(as_of=NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_spans_are_half_open_and_cover_everything_once(world: World, kind: str) -> None:
    cut = datetime(2026, 3, 1, tzinfo=UTC)
    whole = records(world, kind)
    for name in ("created", "updated"):
        before = records(world, kind, **{name: (None, cut)})
        after = records(world, kind, **{name: (cut, None)})
        assert before
        assert after
        assert sorted(one.id for one in before + after) == [one.id for one in whole]
        assert all(getattr(one, f"{name}_at") >= cut for one in after)


def test_there_are_some_thousand_leads_from_every_source(world: World) -> None:
    leads = records(world, "leads")
    assert 3_000 <= len(leads) <= 6_000
    by_source = Counter(one.source for one in leads)
    assert set(by_source) == {s.id for s in SOURCES}
    assert by_source["linkedin"] == max(by_source.values())
    assert {one.status for one in leads} == {
        "new", "working", "qualified", "converted", "unqualified",
    }  # fmt: skip


def test_leads_follow_from_what_their_channel_causes(world: World) -> None:
    start, end = date(2026, 5, 1), date(2026, 7, 31)
    dark = world.with_interventions([Intervention(channel="linkedin", start=start, end=end)])
    span = (datetime(2026, 5, 15, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))
    lit, unlit = (
        Counter(x.source for x in records(w, "leads", created=span)) for w in (world, dark)
    )
    assert lit["linkedin"] > 80
    assert unlit["linkedin"] < 5
    assert {k: v for k, v in lit.items() if k != "linkedin"} == {
        k: v for k, v in unlit.items() if k != "linkedin"
    }
    double = World(seed=7, today=NOW.date(), volume=2.0)
    assert 1.9 < len(records(double, "leads")) / len(records(world, "leads")) < 2.1


def test_leads_of_paid_sources_name_a_real_ad_campaign_that_ran(world: World) -> None:
    paid = {s.id for s in SOURCES if s.paid}
    seen = 0
    campaigns: dict[str, dict] = {}
    for lead in records(world, "leads"):
        if lead.source not in paid:
            assert lead.ad_campaign_id == ""
            continue
        account = lead.ad_account_id
        if account not in campaigns:
            campaigns[account] = {c.id: c for c in world.campaigns(account, as_of=NOW)}
        campaign = campaigns[account][lead.ad_campaign_id]
        assert campaign.channel == lead.source
        assert campaign.starts <= lead.created_at.date()
        assert lead.utm_campaign
        seen += 1
    assert seen > 2_000


def test_a_converted_lead_points_at_what_it_became(world: World) -> None:
    contacts = {c.id: c for c in records(world, "contacts")}
    deals = {d.id: d for d in records(world, "deals")}
    companies = {c.id: c for c in records(world, "companies")}
    converted = [x for x in records(world, "leads") if x.status == "converted"]
    assert len(converted) > 800
    for lead in converted:
        assert lead.converted_at is not None
        assert lead.converted_at > lead.created_at
        contact, deal = contacts[lead.contact_id], deals[lead.deal_id]
        assert contact.lead_id == deal.lead_id == lead.id
        assert deal.contact_id == contact.id
        assert deal.company_id == contact.company_id
        company = companies[lead.company_id]
        assert contact.company_id == (company.merged_into or company.id)
    assert any(c.lead_id == 0 for c in contacts.values())


def test_deals_keep_their_history_and_end_as_it_says(world: World) -> None:
    deals = records(world, "deals")
    stages = {s.id: s for s in world.crm_pipeline().stages}
    assert len(stages) == 6
    for deal in deals:
        moments = [at for _, at in deal.history]
        assert moments == sorted(moments)
        assert deal.history[0] == (1, deal.created_at)
        assert deal.history[-1][0] == deal.stage_id
        stage = stages[deal.stage_id]
        assert (deal.is_closed, deal.is_won) == (stage.closed, stage.won)
        assert (deal.closed_at is None) is not deal.is_closed
        if deal.is_won:
            assert deal.amount is not None
            assert deal.amount > 0
            assert abs((deal.close_date - deal.history[-1][1].date()).days) <= 1
    ends = Counter(d.stage_id for d in deals)
    assert min(ends[s] for s in stages) >= 3
    assert ends[WON.id] > 400
    assert ends[LOST.id] > ends[WON.id]
    assert any(d.amount is None for d in deals)
    assert any(d.repeat for d in deals)


def test_european_deals_are_partly_in_euro_at_the_rate_of_their_day(world: World) -> None:
    euro = [d for d in records(world, "deals") if d.currency == "EUR"]
    assert len(euro) > 100
    for deal in euro:
        assert deal.country not in {"US", ""}
        if deal.amount is not None:
            rate = world.last_rate(deal.created_at.date() - timedelta(days=1), "USD")
            assert deal.amount_usd is not None
            assert abs(Decimal(deal.amount_usd) - deal.amount * rate) <= Decimal("0.5")


def test_some_records_are_deleted_or_merged_and_say_into_what(world: World) -> None:
    for kind in KINDS:
        gone = [one for one in records(world, kind) if one.deleted_at is not None]
        assert len(gone) >= 5
        assert all(one.updated_at == one.deleted_at for one in gone)
    for kind in ("leads", "companies"):
        found = {one.id: one for one in records(world, kind)}
        merged = [one for one in found.values() if one.merged_into]
        assert merged
        for one in merged:
            winner = found[one.merged_into]
            assert winner.deleted_at is None
            assert one.id in winner.merged_ids
    gone = {c.id for c in records(world, "companies") if c.merged_into}
    assert not gone & {d.company_id for d in records(world, "deals") if d.deleted_at is None}


def test_won_revenue_adds_up_by_day_and_currency(world: World) -> None:
    start, end = date(2026, 1, 1), date(2026, 10, 31)
    totals = world.crm_won(start, end, as_of=NOW)
    expected: dict[tuple[date, str], int] = {}
    for deal in records(world, "deals"):
        if deal.is_won and not deal.deleted_at and start <= deal.close_date <= end:
            key = deal.close_date, deal.currency
            expected[key] = expected.get(key, 0) + deal.amount
    assert totals == expected
    assert {currency for _, currency in totals} == {"USD", "EUR"}
    assert sum(totals.values()) > 50_000_000  # half a million


def test_campaigns_count_their_members_and_cost_what_was_booked(world: World) -> None:
    campaigns = {c.id: c for c in world.crm_campaigns(as_of=NOW)}
    members = [m for m in records(world, "campaign_members") if m.deleted_at is None]
    for number, campaign in campaigns.items():
        own = [m for m in members if m.campaign_id == number]
        assert campaign.members == len(own)
        assert campaign.responses == sum(m.responded_at is not None for m in own)
        assert campaign.budget > 0
        assert campaign.won_deals <= campaign.deals
    assert {c.kind for c in campaigns.values()} == {"paid_social", "search", "email", "event"}
    assert {c.status for c in campaigns.values()} == {"planned", "active", "completed"}
    linkedin = [c for c in campaigns.values() if c.channel == "linkedin"]
    assert len(linkedin) == 3
    spent = sum(
        world.ad_totals(a.id, OPENED, date(2026, 10, 31), as_of=NOW).spend
        / (1 if a.currency == "USD" else 0.926)
        for a in world.accounts("linkedin_ads")
    )
    assert abs(sum(c.cost for c in linkedin) / (spent / 10_000) - 1) < 0.05
    earlier = {c.id: c for c in world.crm_campaigns(as_of=NOW - timedelta(days=90))}
    assert all(campaigns[n].cost >= c.cost for n, c in earlier.items())
    assert any(campaigns[n].cost > c.cost for n, c in earlier.items())


def test_an_owner_who_left_is_inactive_and_gets_nothing_new(world: World) -> None:
    owners = world.crm_owners(as_of=NOW)
    assert len(owners) == 8
    left = [o for o in owners if not o.active]
    assert len(left) == 2
    assert all(o.active for o in world.crm_owners(as_of=datetime(2025, 1, 1, tzinfo=UTC)))
    for owner in left:
        own = [x for x in records(world, "leads") if x.owner_id == owner.id]
        assert own
        assert all(x.created_at < owner.left_at for x in own)


def test_a_short_world_shows_only_what_goes_back_to_its_days() -> None:
    short = World(seed=7, today=NOW.date(), days=60)
    since = short.first_day(NOW)
    leads = records(short, "leads")
    assert 200 < len(leads) < 800
    assert min(x.created_at.date() for x in leads) >= since
    known = {x.id for x in leads}
    assert {d.lead_id for d in records(short, "deals")} <= known


def test_another_seed_is_another_crm(world: World) -> None:
    other = World(seed=8, today=NOW.date())
    assert records(other, "leads")[:50] != records(world, "leads")[:50]
