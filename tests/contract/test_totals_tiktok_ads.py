"""TikTok's rows are what the invented advertiser really has there: exact, to the cent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from liftos_app.errors import Retry
from liftos_app.services.connectors.platforms.tiktok_ads import listing, objects, reports
from liftos_app.services.connectors.spec import AccountInfo, Task
from liftos_app.services.sandbox.world import AdDay
from tests.contract.conftest import SALT, Bench, read

Find = Callable[[str], Bench]
CENT = 10_000
US, EU = "7301234567890123401", "7301234567890123402"
LEVELS = {"account": "account", "campaign": "campaign", "adgroup": "group", "ad": "ad"}


@pytest.fixture
def bench(bench_of: Find) -> Bench:
    return bench_of("tiktok_ads")


def ours(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (r["entity_id"], r["day"]): (r["impressions"], r["clicks"], r["spend_micros"],
                                     r["conversions_micros"], r["value_micros"])
        for r in rows
    }


def theirs(rows: list[AdDay], level: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    def ident(row: AdDay) -> str:
        return {"account": row.account_id, "campaign": row.campaign_id, "adgroup": row.group_id,
                "ad": row.ad_id}[level]

    return {
        (ident(r), r.day.isoformat()): (r.impressions, r.clicks, r.spend, r.conversions * CENT,
                                        r.value)
        for r in rows
    }


def span(bench: Bench, account: AccountInfo, level: str, *, first: date, days: int) -> Task:
    return Task(
        stream=bench.platform.stream(f"{level}_daily"), account=account, start=first,
        end=first + timedelta(days=days - 1), today=date(2026, 11, 23), salt=SALT,
    )


@pytest.mark.parametrize("level", sorted(LEVELS))
@pytest.mark.parametrize("ident", [US, EU])
def test_rows_are_the_worlds_over_pages_limits_and_faults(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, level: str, ident: str
) -> None:
    monkeypatch.setattr(reports, "PAGE", {"account": 5}.get(level, 9))
    with bench.open() as client:
        account = bench.account(client, ident)
        task = bench.task(f"{level}_daily", account, back=60, days=29)
        before = client.requests
        bench.box.trouble.add("rate_limited", "tiktok_ads", count=1)
        bench.box.trouble.add(
            "server_error", "tiktok_ads", count=1, status=502, detail={"form": "http"}
        )
        rows = read(client, task).rows
        assert client.requests - before >= 3 + 2
    truth = bench.box.world.ad_days(
        ident, task.start, task.end, as_of=bench.box.clock(), level=LEVELS[level],
    )
    assert ours(rows) == theirs(truth, level)
    assert len(rows) == len(truth)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_results_of_deleted_campaigns_are_in_it(bench: Bench, level: str) -> None:
    with bench.open() as client:
        account = bench.account(client, EU)
        task = span(bench, account, level, first=date(2025, 7, 1), days=12)
        rows = read(client, task).rows
        campaigns = read(client, bench.task("campaigns", account)).rows
    truth = bench.box.world.ad_days(
        EU, task.start, task.end, as_of=bench.box.clock(), level=LEVELS[level]
    )
    assert ours(rows) == theirs(truth, level)
    gone = {c["external_id"] for c in campaigns if c["status"] == "deleted"}
    assert gone & {r.campaign_id for r in truth} or level == "account"


def test_a_longer_span_is_read_in_pieces_of_thirty_days(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client, US)
        task = span(bench, account, "campaign", first=date(2026, 7, 1), days=75)
        before = client.requests
        rows = read(client, task).rows
        assert client.requests - before == 3
    truth = bench.box.world.ad_days(
        US, task.start, task.end, as_of=bench.box.clock(), level="campaign"
    )
    assert ours(rows) == theirs(truth, "campaign")


def test_what_is_too_large_is_halved_without_losing_or_doubling(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client, US)
        task = bench.task("ad_daily", account, back=50, days=8)
        expected = read(client, task).rows
        bench.box.trouble.add(
            "server_error", "tiktok_ads", stream="daily", count=2, detail={"code": "40067"}
        )
        assert ours(read(client, task).rows) == ours(expected)


def test_smart_plus_ads_that_the_classic_list_hides_are_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PAGE", 4)
    monkeypatch.setattr(objects, "SMART_PAGE", 2)
    now = bench.box.clock()
    with bench.open() as client:
        account = bench.account(client, US)
        found = {
            name: read(client, bench.task(name, account))
            for name in ("campaigns", "adgroups", "ads")
        }
    world = bench.box.world
    truth = {
        "campaigns": world.campaigns(US, as_of=now), "adgroups": world.ad_groups(US, as_of=now),
        "ads": world.ads(US, as_of=now),
    }
    for name, things in truth.items():
        assert {r["external_id"]: r["name"] for r in found[name].rows} == {
            t.id: t.name for t in things
        }
        assert len(found[name].rows) == len(things)
    assert found["campaigns"].skipped > 0  # in both lists, counted once
    assert any(r["attrs"].get("smart_plus") for r in found["ads"].rows)


def test_the_newest_days_grow_and_old_ones_do_not(bench: Bench) -> None:
    def claims(back: int) -> int:
        with bench.open() as client:
            account = bench.account(client, US)
            task = bench.task("account_daily", account, back=back, days=1)
            return sum(r["conversions_micros"] for r in read(client, task).rows)

    early, settled = claims(2), claims(40)
    bench.box.clock.advance(days=9)
    assert claims(11) > early
    assert claims(49) == settled


def test_pages_that_lost_rows_are_never_taken_as_complete(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.open() as client:
        account = bench.account(client, US)
        task = bench.task("ad_daily", account, back=50, days=4)
        monkeypatch.setattr(reports, "PAGE", 9)
        real = listing.records
        monkeypatch.setattr(listing, "records", lambda data: real(data)[:-1])
        with pytest.raises(Retry, match="do not add up"):
            read(client, task)
