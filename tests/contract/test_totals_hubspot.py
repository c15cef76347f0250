"""What HubSpot brings is what the invented trade program really has: exact, to the cent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.hubspot import search
from liftos_app.services.connectors.platforms.hubspot.values import person
from liftos_app.services.connectors.spec import AccountInfo, Task
from liftos_app.services.sandbox.platforms.hubspot import finding, mails, view
from liftos_app.services.sandbox.platforms.hubspot.campaigns import guid
from liftos_app.services.sandbox.world.crm_plan import OPENED
from tests.contract.conftest import SALT, Bench, read

Find = Callable[[str], Bench]
CENT = 10_000
ZONE = ZoneInfo("America/New_York")
CURSOR = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture
def bench(bench_of: Find) -> Bench:
    return bench_of("hubspot")


def everything(bench: Bench, stream: str, account: AccountInfo, **more: Any) -> Task:
    """Every day of the trade program."""
    today = bench.box.clock().astimezone(ZONE).date()
    return Task(
        stream=bench.platform.stream(stream), account=account, start=OPENED - timedelta(days=1),
        end=today, today=today, salt=SALT, **more,
    )


def changes(bench: Bench, client: Client, stream: str, **ago: float) -> Any:
    account = bench.account(client)
    cursor = (bench.box.clock() - timedelta(**ago)).strftime(CURSOR)
    return read(client, everything(bench, stream, account, cursor=cursor))


def test_won_revenue_by_day_and_currency_is_the_worlds(bench: Bench) -> None:
    """Many pages, a token that ends in the middle, a limit and a fault: nothing lost or doubled."""
    rows: list[dict[str, Any]] = []
    with bench.open("oauth") as client:
        account = bench.account(client)
        token = client.credential.text("access_token")
        task = everything(bench, "deals", account)
        for number, page in enumerate(task.stream.read(client, task)):
            rows += page.rows
            if number == 1:
                bench.box.clock.advance(minutes=31)
            if number == 2:
                bench.box.trouble.add("rate_limited", "hubspot", count=1, retry_after=1)
                bench.box.trouble.add("server_error", "hubspot", count=1, status=502)
        assert number >= 3
        assert client.credential.text("access_token") != token
        assert bench.box.trouble.list_all() == ()
    truth = bench.box.world.crm_won(OPENED, task.end, as_of=bench.box.clock())
    ours: Counter[tuple[dt.date, str]] = Counter()
    for row in rows:
        if row["is_won"]:
            ours[dt.date.fromisoformat(row["closed_day"]), row["currency"]] += row["amount_micros"]
    assert len({r["external_id"] for r in rows}) == len(rows)
    assert dict(ours) == {k: v * CENT for k, v in truth.items()}


def test_each_deal_is_the_worlds_with_its_company_and_contact(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        rows = read(client, everything(bench, "deals", account)).rows
    ours = {r["external_id"]: r for r in rows}
    now = bench.box.clock()
    deals = [d for d in bench.box.world.crm_deals(as_of=now) if d.deleted_at is None]
    assert set(ours) == {str(view.DEALS + d.id) for d in deals}
    gone = {c.id for c in bench.box.world.crm_contacts(as_of=now) if c.deleted_at}
    for deal in deals:
        row = ours[str(view.DEALS + deal.id)]
        assert row["amount_micros"] == (None if deal.amount is None else deal.amount * CENT)
        home = row["attrs"].get("amount_home_micros")
        assert home == (None if deal.amount_usd is None else deal.amount_usd * CENT)
        assert row["stage"] == view.STAGES[deal.stage_id]
        assert (row["is_closed"], row["is_won"]) == (deal.is_closed, deal.is_won)
        assert row["closed_day"] == deal.close_date.isoformat()
        assert row["day"] == deal.created_at.astimezone(ZONE).date().isoformat()
        assert row["updated_at"] == deal.updated_at
        assert row["parent_id"] == str(view.COMPANIES + deal.company_id)
        assert row["owner_id"] == str(view.OWNERS + deal.owner_id)
        if deal.contact_id not in gone:
            contact = view.contact_id(deal.lead_id, deal.contact_id)
            assert row["person_ref"] == person(str(contact), SALT)


def test_contacts_by_day_and_source_are_the_worlds_leads_and_colleagues(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task("contacts", account, back=80, days=70)
        rows = read(client, task).rows
    now, world = bench.box.clock(), bench.box.world
    truth: Counter[tuple[str, str]] = Counter()
    colleagues = [c for c in world.crm_contacts(as_of=now) if not c.lead_id]
    for one in [*world.crm_leads(as_of=now), *colleagues]:
        day = one.created_at.astimezone(ZONE).date()
        if one.deleted_at is None and task.start <= day <= task.end:
            source = view._SOURCES[one.source] if one not in colleagues else "OFFLINE"
            truth[day.isoformat(), source] += 1
    assert Counter((r["day"], r["source"]) for r in rows) == truth
    assert sum(truth.values()) > 300
    paid = {r["campaign_id"] for r in rows if r["source"] == "PAID_SOCIAL"}
    assert "trade-program-designers" in paid


def test_companies_are_the_worlds(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        rows = read(client, everything(bench, "companies", account)).rows
    standing = [
        c for c in bench.box.world.crm_companies(as_of=bench.box.clock()) if c.deleted_at is None
    ]
    assert {(r["external_id"], r["name"], r["stage"]) for r in rows} == {
        (str(view.COMPANIES + c.id), c.name, "customer" if c.customer else "opportunity")
        for c in standing
    }


@pytest.mark.parametrize("stream", ["deals", "contacts", "companies"])
def test_changes_bring_every_change_deletion_and_merge(bench: Bench, stream: str) -> None:
    now, world = bench.box.clock(), bench.box.world
    since = now - timedelta(days=45)
    with bench.open() as client:
        page = changes(bench, client, stream, days=45)
        again = read(
            client,
            everything(bench, stream, bench.account(client), cursor=page.cursor),
        )
    rows = {r["external_id"]: r for r in page.rows}

    def key(number: int) -> str:
        return person(str(number), SALT) if stream == "contacts" else str(number)

    if stream == "deals":
        own = [(view.DEALS + d.id, d) for d in world.crm_deals(as_of=now)]
    elif stream == "companies":
        own = [(view.COMPANIES + c.id, c) for c in world.crm_companies(as_of=now)]
    else:
        own = [(view.LEADS + x.id, x) for x in world.crm_leads(as_of=now)]
    changed = [(n, one) for n, one in own if one.updated_at >= since]
    assert len(changed) > 50
    gone = [n for n, one in changed if one.deleted_at is not None]
    assert gone
    assert {key(n) for n, _ in changed} <= set(rows)
    assert all(rows[key(n)]["deleted"] for n in gone)
    stands = [n for n, one in changed if one.deleted_at is None]
    assert not any(rows[key(n)]["deleted"] for n in stands)
    merged = [n for n, one in changed if getattr(one, "merged_into", 0)]
    assert all(rows[key(n)]["attrs"] == {"merged": True} for n in merged)
    assert since.strftime(CURSOR) < page.cursor <= now.strftime(CURSOR)
    assert again.cursor == page.cursor
    assert len(again.rows) < len(page.rows)


def test_open_deals_are_read_again_on_mondays_for_their_links(bench: Bench) -> None:
    with bench.open() as client:
        monday = changes(bench, client, "deals", hours=1)
        bench.box.clock.advance(days=1)
        tuesday = changes(bench, client, "deals", hours=1)
    still = [
        d for d in bench.box.world.crm_deals(as_of=bench.box.clock() - timedelta(days=1))
        if not d.is_closed and d.deleted_at is None
    ]
    assert {str(view.DEALS + d.id) for d in still} <= {r["external_id"] for r in monday.rows}
    assert len(tuesday.rows) < len(still)


def test_more_changes_than_a_search_hands_out_are_walked_in_windows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "CAP", 1_000)
    monkeypatch.setattr(search, "CAP", 1_000)
    now, world = bench.box.clock(), bench.box.world
    with bench.open() as client:
        before = client.requests
        page = changes(bench, client, "contacts", days=800)
        assert client.requests - before < 60  # 200 at a time, three windows more
    alive = [x for x in world.crm_leads(as_of=now) if x.deleted_at is None]
    alive += [c for c in world.crm_contacts(as_of=now) if not c.lead_id and c.deleted_at is None]
    living = [r for r in page.rows if not r["deleted"]]
    assert len(living) == len({r["external_id"] for r in living}) == len(alive) > 4_000


def test_results_of_mails_are_the_worlds_by_day_of_sending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LIST_LIMIT", 60)
    world, now = bench.box.world, bench.box.clock()
    with bench.open() as client:
        task = bench.task("email_results", bench.account(client), back=60, days=30)
        rows = read(client, task).rows
    truth = [
        *world.mail_campaign_stats(task.start, task.end, as_of=now),
        *world.mail_flow_days(task.start, task.end, as_of=now),
    ]
    assert {
        (r["entity_id"], r["day"]): (
            r["recipients"], r["delivered"], r["opens_unique"], r["clicks_unique"], r["bounced"],
            r["unsubscribes"], r["spam_complaints"],
        )
        for r in rows
    } == {
        (str(mails.number(s.message_id)), s.day.isoformat()): (
            s.recipients, s.delivered, s.opens_unique, s.clicks_unique, s.bounced,
            s.unsubscribes, s.spam_complaints,
        )
        for s in truth if s.recipients
    }
    assert len(rows) > 60


def test_campaigns_hold_the_worlds_budget_spend_and_revenue(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LIST_LIMIT", 12)
    with bench.open() as client:
        rows = read(client, bench.task("campaigns", bench.account(client))).rows
    truth = bench.box.world.crm_campaigns(as_of=bench.box.clock())
    assert {
        r["external_id"]: (
            r["name"], r["attrs"]["budget_micros"], r["attrs"]["spend_micros"],
            r["attrs"]["deals"], r["attrs"]["revenue_micros"], r["attrs"]["new_contacts"],
        )
        for r in rows
    } == {
        guid(c.id): (c.name, c.budget * CENT, c.cost * CENT, c.deals, c.won_usd * CENT, c.leads)
        for c in truth
    }
    assert sum(c.won_usd for c in truth) > 100_000_000


def test_owners_and_stages_carry_no_person(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        owners = read(client, bench.task("owners", account))
        stages = read(client, bench.task("pipelines", account)).rows
    people = bench.box.world.crm_owners(as_of=bench.box.clock())
    assert {r["external_id"] for r in owners.rows} == {str(view.OWNERS + o.id) for o in people}
    assert sum(r["status"] == "archived" for r in owners.rows) == 2
    text = f"{owners.rows} {owners.columns}"
    assert not any(o.first_name in text or o.email in text for o in people)
    names = [r["name"] for r in stages]
    assert names == ["Trade sales", *(s.name for s in bench.box.world.crm_pipeline().stages)]
    assert stages[1]["attrs"] == {"order": 0, "probability_micros": 100_000, "is_closed": False}
