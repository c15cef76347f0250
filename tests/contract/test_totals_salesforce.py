"""What Salesforce brings is what the trade program really has: exact, whichever way it is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.connectors.platforms.salesforce import bulk, soql
from liftos_app.services.connectors.rows import CRM_CAMPAIGN
from liftos_app.services.connectors.spec import Row
from liftos_app.services.sandbox.platforms.salesforce.ids import make
from tests.contract.conftest import Bench, read

Find = Callable[[str], Bench]
CENT = 10_000
ZONE = ZoneInfo("America/New_York")
VIEWS = {
    "leads": ("Lead", "crm_leads"), "contacts": ("Contact", "crm_contacts"),
    "accounts": ("Account", "crm_companies"), "opportunities": ("Opportunity", "crm_deals"),
    "campaign_members": ("CampaignMember", "crm_campaign_members"),
}  # fmt: skip


def made_within(bench: Bench, stream: str, start: date, end: date) -> dict[str, Any]:
    """The world's records made on these days of New York, purged ones left out, by id."""
    name, view = VIEWS[stream]
    now = bench.box.clock()
    begin, stop = (
        datetime(d.year, d.month, d.day, tzinfo=ZONE) for d in (start, end + timedelta(days=1))
    )
    found = getattr(bench.box.world, view)(as_of=now, created=(begin, stop))
    kept = [
        r for r in found
        if r.deleted_at is None
        or (stream != "campaign_members" and r.deleted_at > now - timedelta(days=15))
    ]
    return {make(name, r.id): r for r in kept}


@pytest.mark.parametrize("stream", list(VIEWS))
@pytest.mark.parametrize("way", ["paged", "file"])
def test_each_object_is_the_worlds_by_day(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch, stream: str, way: str
) -> None:
    """In small pages or file parts, with a renewal, a 429 and a 503 in the middle."""
    bench = bench_of("salesforce")
    memory = bench.box.sandbox.memories.setdefault("salesforce", {})
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(stream, account, back=120, days=100)
        truth = made_within(bench, stream, task.start, task.end)
        small = max(1, len(truth) // 4)
        memory.update(page_size=small, part_size=small)
        if way == "file":
            monkeypatch.setattr(soql, "BULK_FROM", 1)
        monkeypatch.setattr(bulk, "PART", small)
        bench.box.clock.advance(hours=2, minutes=1)  # the session is over
        bench.box.trouble.add("rate_limited", "salesforce", count=1, retry_after=1)
        bench.box.trouble.add("server_error", "salesforce", count=1)
        first, before = client.credential.text("access_token"), client.requests
        page = read(client, task)
        assert client.credential.text("access_token") != first
        assert client.requests - before >= 3 + 3
    truth = made_within(bench, stream, task.start, task.end)
    assert page.rejected == []
    assert {r["external_id"] for r in page.rows} == set(truth)
    for row in page.rows:
        record = truth[row["external_id"]]
        assert row["day"] == record.created_at.astimezone(ZONE).date().isoformat()
        assert row["updated_at"] == record.updated_at
        assert row["deleted"] is (record.deleted_at is not None)
    by_day = Counter(r["day"] for r in page.rows)
    assert by_day == Counter(
        r.created_at.astimezone(ZONE).date().isoformat() for r in truth.values()
    )


def test_won_revenue_by_close_day_and_currency_is_the_worlds(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    now = bench.box.clock()
    with bench.open() as client:
        account = bench.account(client)
        rows = read(client, bench.task("opportunities", account, back=800, days=801)).rows
    ours: Counter[tuple[date, str]] = Counter()
    for row in rows:
        if row["is_won"] and not row["deleted"]:
            ours[date.fromisoformat(row["closed_day"]), row["currency"]] += row["amount_micros"]
    truth = bench.box.world.crm_won(date(2024, 1, 1), now.date(), as_of=now)
    assert ours == {key: cents * CENT for key, cents in truth.items()}
    assert {currency for _, currency in truth} == {"USD", "EUR"}


def test_deals_keep_their_own_words_and_links(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    stages = {s.id: s.name for s in bench.box.world.crm_pipeline().stages}
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task("opportunities", account, back=90, days=60)
        rows = read(client, task).rows
    truth = made_within(bench, "opportunities", task.start, task.end)
    for row in rows:
        deal = truth[row["external_id"]]
        assert row["stage"] == stages[deal.stage_id]
        assert row["amount_micros"] == (None if deal.amount is None else deal.amount * CENT)
        assert row["closed_day"] == deal.close_date.isoformat()
        assert (row["is_closed"], row["is_won"]) == (deal.is_closed, deal.is_won)
        assert row["campaign_id"] == make("Campaign", deal.campaign_id)
        assert row["parent_id"] == make("Account", deal.company_id)


def test_campaigns_carry_the_counts_of_the_moment(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    now = bench.box.clock()
    with bench.open() as client:
        rows = read(client, bench.task("campaigns", bench.account(client))).rows
    ours = {r["external_id"]: r for r in rows}
    truth = bench.box.world.crm_campaigns(as_of=now)
    assert len(ours) == len(truth)
    for campaign in truth:
        row = ours[make("Campaign", campaign.id)]
        assert row["level"] == CRM_CAMPAIGN
        assert row["name"] == campaign.name
        assert row["attrs"]["cost_micros"] == campaign.cost * CENT
        assert row["attrs"]["won_micros"] == campaign.won_usd * CENT
        assert row["attrs"]["responses"] == campaign.responses
        assert row["attrs"]["won_deals"] == campaign.won_deals


def test_no_person_can_be_told(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    people = bench.box.world.crm_leads(as_of=bench.box.clock())
    private = {p.email for p in people} | {p.last_name for p in people}
    found: list[Row] = []
    with bench.open() as client:
        account = bench.account(client)
        for stream in ("leads", "contacts", "campaign_members"):
            for page in bench.platform.stream(stream).read(
                client, bench.task(stream, account, back=60, days=60)
            ):
                found += page.rows
                assert not words_of(page.source) & private
    assert found
    assert all(len(r["person_ref"]) == 64 for r in found)
    assert not words_of(found) & private
    assert "@" not in str(found)


def words_of(value: object) -> set[str]:
    return set(re.findall(r"[^\s'\",]+", str(value)))


def test_a_converted_lead_its_contact_and_its_membership_are_one_person(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    with bench.open() as client:
        account = bench.account(client)
        kinds = {
            s: read(client, bench.task(s, account, back=200, days=200)).rows
            for s in ("leads", "contacts", "campaign_members")
        }
    contacts = {r["external_id"]: r["person_ref"] for r in kinds["contacts"]}
    converted = [r for r in kinds["leads"] if r["attrs"]["contact_id"] in contacts]
    assert converted
    assert all(r["person_ref"] == contacts[r["attrs"]["contact_id"]] for r in converted)
    members = [r for r in kinds["campaign_members"] if r["parent_id"] in contacts]
    assert members
    assert all(r["person_ref"] == contacts[r["parent_id"]] for r in members)


@pytest.mark.parametrize("stream", ["leads", "opportunities"])
def test_changes_bring_everything_that_changed_and_move_the_cursor(
    bench_of: Find, stream: str
) -> None:
    bench = bench_of("salesforce")
    name, view = VIEWS[stream]
    now = bench.box.clock()
    since = now - timedelta(days=40)
    cursor = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    with bench.open() as client:
        account = bench.account(client)
        page = read(client, bench.task(stream, account, back=40, days=41, cursor=cursor))
        again = read(
            client, bench.task(stream, account, back=1, days=2, cursor=page.cursor)
        )
    changed = getattr(bench.box.world, view)(as_of=now, updated=(since, None))
    kept = {
        make(name, r.id) for r in changed
        if r.deleted_at is None or r.deleted_at > now - timedelta(days=15)
    }
    assert kept <= {r["external_id"] for r in page.rows}
    assert cursor < page.cursor <= now.strftime("%Y-%m-%dT%H:%M:%SZ")
    newest = max(r.updated_at for r in changed).astimezone(UTC)
    assert page.cursor == newest.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert again.cursor == page.cursor
    assert len(again.rows) < len(page.rows)


def test_a_lead_in_the_recycle_bin_comes_as_deleted(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    leads = bench.box.world.crm_leads(as_of=bench.box.clock())
    when = max(r.deleted_at for r in leads if r.deleted_at)
    bench.box.clock.now = when + timedelta(days=1)
    cursor = (when - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with bench.open() as client:
        account = bench.account(client)
        rows = read(client, bench.task("leads", account, back=2, days=3, cursor=cursor)).rows
    gone = {r["external_id"] for r in rows if r["deleted"]}
    assert gone == {
        make("Lead", r.id) for r in bench.box.world.crm_leads(as_of=bench.box.clock())
        if r.deleted_at and r.deleted_at >= when - timedelta(hours=1, minutes=10)
    }
    assert gone


def gone_in(bench: Bench, task: Any) -> tuple[frozenset[str], frozenset[str] | None]:
    with bench.open() as client:
        pages = list(task.stream.read(client, task))
    return pages[-1].gone, pages[-1].alive


def test_what_left_the_recycle_bin_is_told_by_its_ids(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    now = bench.box.clock()
    with bench.open() as client:
        account = bench.account(client)
    late = (now - timedelta(days=28)).strftime("%Y-%m-%dT%H:%M:%SZ")
    soon = (now - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    gone, _ = gone_in(bench, bench.task("leads", account, back=28, days=29, cursor=late))
    purged = {
        make("Lead", r.id) for r in bench.box.world.crm_leads(as_of=now)
        if r.deleted_at and now - timedelta(days=28) < r.deleted_at < now - timedelta(days=15)
    }
    assert purged
    assert purged <= gone
    assert gone_in(bench, bench.task("leads", account, back=1, days=2, cursor=soon)) == (
        frozenset(), None,
    )


def test_members_are_compared_once_a_week(bench_of: Find) -> None:
    bench = bench_of("salesforce")  # its now is a Monday, noon
    now = bench.box.clock()
    with bench.open() as client:
        account = bench.account(client)
    alive = {
        make("CampaignMember", m.id) for m in bench.box.world.crm_campaign_members(as_of=now)
        if m.deleted_at is None
    }
    for hours, expected in ((2, None), (30, alive)):
        cursor = (now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        _, found = gone_in(
            bench, bench.task("campaign_members", account, back=2, days=3, cursor=cursor)
        )
        assert found == expected


def test_an_organization_with_one_currency_says_which(bench_of: Find) -> None:
    bench = bench_of("salesforce")
    bench.box.sandbox.memories.setdefault("salesforce", {})["single_currency"] = True
    with bench.open() as client:
        account = bench.account(client)
        rows = read(client, bench.task("opportunities", account, back=60, days=40)).rows
    assert (account.currency, account.extra["multi_currency"]) == ("USD", False)
    truth = made_within(bench, "opportunities", bench.task("opportunities", account, back=60,
                        days=40).start, bench.task("opportunities", account, back=60,
                        days=40).end)  # fmt: skip
    assert {r["currency"] for r in rows} == {"USD"}
    assert {r["external_id"]: r["amount_micros"] for r in rows} == {
        i: None if d.amount_usd is None else d.amount_usd * CENT for i, d in truth.items()
    }
