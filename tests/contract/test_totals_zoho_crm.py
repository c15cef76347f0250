"""What Zoho CRM brings is what the trade program really has: exact, whichever way it is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.errors import Fix
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors.platforms.zoho_crm import coql, streams
from liftos_app.services.sandbox.platforms.zoho_crm.modules import ident
from tests.contract.conftest import Bench, read
from tests.contract.connect import inputs, opened, sign_in

Find = Callable[[str], Bench]
CENT = 10_000
ZONE = ZoneInfo("Europe/Berlin")
VIEWS = {
    "leads": ("Leads", "crm_leads"), "contacts": ("Contacts", "crm_contacts"),
    "accounts": ("Accounts", "crm_companies"), "deals": ("Deals", "crm_deals"),
}  # fmt: skip


def made_within(bench: Bench, stream: str, start: date, end: date) -> dict[str, Any]:
    """The world's records made on these days of Berlin that are not deleted, by id."""
    module, view = VIEWS[stream]
    begin, stop = (
        datetime(d.year, d.month, d.day, tzinfo=ZONE) for d in (start, end + timedelta(days=1))
    )
    found = getattr(bench.box.world, view)(as_of=bench.box.clock(), created=(begin, stop))
    return {ident(module, r.id): r for r in found if r.deleted_at is None}


@pytest.mark.parametrize("stream", list(VIEWS))
@pytest.mark.parametrize("way", ["queried", "file"])
def test_each_module_is_the_worlds_by_day(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch, stream: str, way: str
) -> None:
    """In small answers or file parts, with a renewal, a 429 and a 503 in the middle."""
    bench = bench_of("zoho_crm")
    memory = bench.box.sandbox.memories.setdefault("zoho_crm", {})
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(stream, account, back=120, days=100)
        truth = made_within(bench, stream, task.start, task.end)
        small = max(1, len(truth) // 5)
        memory.update(page_size=small, bulk_page=small)
        monkeypatch.setattr(coql, "LARGE", small)
        if way == "file":
            monkeypatch.setattr(streams, "BULK_AFTER", 1)
        bench.box.clock.advance(minutes=61)  # the token is over
        bench.box.trouble.add("rate_limited", "zoho_crm", count=1)
        bench.box.trouble.add("server_error", "zoho_crm", count=1)
        first, before = client.credential.text("access_token"), client.requests
        page = read(client, task)
        assert client.credential.text("access_token") != first
        assert client.requests - before >= 3 + 3
    truth = made_within(bench, stream, task.start, task.end)
    assert page.rejected == []
    assert Counter(r["external_id"] for r in page.rows) == Counter(list(truth))
    for row in page.rows:
        record = truth[row["external_id"]]
        assert row["day"] == record.created_at.astimezone(ZONE).date().isoformat()
        assert row["updated_at"] == record.updated_at
    if way == "file" and stream in ("leads", "deals"):
        assert bench.box.sandbox.memories["zoho_crm"]["jobs"].by_id


def test_converted_leads_are_among_them(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task("leads", account, back=120, days=100)
        rows = {r["external_id"]: r for r in read(client, task).rows}
    truth = made_within(bench, "leads", task.start, task.end)
    converted = {i for i, r in truth.items() if r.converted_at}
    assert converted
    assert {i for i, r in rows.items() if r["is_closed"]} == converted
    for found in converted:
        assert rows[found]["parent_id"] == ident("Accounts", truth[found].company_id)
        assert rows[found]["attrs"]["deal_id"] == ident("Deals", truth[found].deal_id)


def test_won_revenue_by_closing_day_and_currency_is_the_worlds(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    now = bench.box.clock()
    with bench.open() as client:
        rows = read(
            client, bench.task("deals", bench.account(client), back=800, days=801)
        ).rows
    ours: Counter[tuple[date, str]] = Counter()
    for row in rows:
        if row["is_won"]:
            ours[date.fromisoformat(row["closed_day"]), row["currency"]] += row["amount_micros"]
    truth = bench.box.world.crm_won(date(2024, 1, 1), now.date(), as_of=now)
    assert ours == {key: cents * CENT for key, cents in truth.items()}
    deals = {ident("Deals", d.id): d for d in bench.box.world.crm_deals(as_of=now)}
    for row in rows:
        deal = deals[row["external_id"]]
        assert (row["is_closed"], row["is_won"]) == (deal.is_closed, deal.is_won)
        assert row["campaign_id"] == ident("Campaigns", deal.campaign_id)


@pytest.mark.parametrize("size", [3, 200])
def test_campaigns_are_the_worlds_page_by_page(bench_of: Find, size: int) -> None:
    bench = bench_of("zoho_crm")
    bench.box.sandbox.memories.setdefault("zoho_crm", {})["page_size"] = size
    with bench.open() as client:
        account = bench.account(client)
        before = client.requests
        rows = read(client, bench.task("campaigns", account)).rows
        calls = client.requests - before
    truth = bench.box.world.crm_campaigns(as_of=bench.box.clock())
    assert {(r["external_id"], r["name"], r["attrs"]["cost_micros"]) for r in rows} == {
        (ident("Campaigns", c.id), c.name, c.cost * CENT) for c in truth
    }
    assert calls == 1 + -(-len(truth) // size)


def test_more_than_2000_records_are_walked_by_token(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of("zoho_crm")
    walked = streams.Module(name="Leads", fields=streams.CAMPAIGNS.fields, make=None)
    monkeypatch.setattr(streams, "CAMPAIGNS", walked)  # the module with most records
    leads = bench.box.world.crm_leads(as_of=bench.box.clock())
    open_leads = [r for r in leads if not r.converted_at and not r.deleted_at]
    assert len(open_leads) > 2000
    with bench.open() as client:
        page = read(client, bench.task("campaigns", bench.account(client)))
    assert page.read_count == len(open_leads)


def test_owners_have_no_names(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    owners = bench.box.world.crm_owners(as_of=bench.box.clock())
    with bench.open() as client:
        account = bench.account(client)
        pages = list(bench.platform.stream("owners").read(client, bench.task("owners", account)))
    rows = [r for p in pages for r in p.rows]
    assert {r["external_id"] for r in rows} == {ident("users", o.id) for o in owners}
    assert {r["status"] for r in rows} == {"active", "disabled"}
    kept = str(rows) + str([list(p.source) for p in pages])
    assert not any(word in kept for o in owners for word in (o.first_name, o.last_name, "@"))


def test_no_person_can_be_told(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    now = bench.box.clock()
    people = bench.box.world.crm_leads(as_of=now)
    private = {p.email for p in people} | {p.last_name for p in people}
    private |= {o.email for o in bench.box.world.crm_owners(as_of=now)}
    found: list[Any] = []
    with bench.open() as client:
        account = bench.account(client)
        for stream in ("leads", "contacts", "deals"):
            for page in bench.platform.stream(stream).read(
                client, bench.task(stream, account, back=60, days=60)
            ):
                found += page.rows if stream != "deals" else []
                assert not set(re.findall(r"[^\s'\",]+", str(page.source))) & private
    assert found
    assert all(len(r["person_ref"]) == 64 for r in found)
    assert "@" not in str(found)


@pytest.mark.parametrize("stream", ["leads", "deals"])
def test_changes_bring_everything_that_changed_and_what_is_gone(
    bench_of: Find, stream: str
) -> None:
    bench = bench_of("zoho_crm")
    module, view = VIEWS[stream]
    now = bench.box.clock()
    since = now - timedelta(days=60)
    cursor = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(stream, account, back=60, days=61, cursor=cursor)
        pages = list(task.stream.read(client, task))
        rows = [r for p in pages for r in p.rows]
        again = read(
            client, bench.task(stream, account, back=1, days=2, cursor=pages[-1].cursor)
        )
    changed = getattr(bench.box.world, view)(as_of=now, updated=(since, None))
    alive = {ident(module, r.id) for r in changed if r.deleted_at is None}
    assert alive <= {r["external_id"] for r in rows}
    assert len({r["external_id"] for r in rows}) == len(rows)
    gone = {ident(module, r.id) for r in changed if r.deleted_at}
    assert gone <= pages[-1].gone
    assert not pages[-1].gone & alive
    assert cursor < pages[-1].cursor <= now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert again.cursor == pages[-1].cursor
    assert len(again.rows) < len(rows)


def test_tokens_of_one_centre_mean_nothing_in_another(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    with bench.open() as client:
        assert client.addresses.hosts == {
            "api": "https://www.zohoapis.eu", "accounts": "https://accounts.zoho.eu",
        }
        assert client.credential.text("data_host") == "www.zohoapis.eu"


def test_the_data_centre_named_on_the_way_back_has_a_secret_of_its_own(bench_of: Find) -> None:
    bench = bench_of("zoho_crm")
    bench.box.sandbox.memories.setdefault("zoho_crm", {})["secret"] = "c4" * 20
    method = bench.platform.method("oauth")
    with pytest.raises(Fix, match="id and secret"):
        sign_in(bench.platform, method, bench.box.origin, bench.box.clock())
    secrets = "in: " + "0a" * 20 + "\neu " + "c4" * 20
    typed = check_inputs(
        bench.platform, method, {**inputs(bench.platform, "oauth"), "centre_secrets": secrets}
    )
    values, tokens = sign_in(
        bench.platform, method, bench.box.origin, bench.box.clock(), typed=typed.all
    )
    assert tokens
    with opened(bench.platform, method, bench.box.origin, bench.box.clock, values) as client:
        client.credential.renew()  # type: ignore[misc]
        assert bench.account(client).name
