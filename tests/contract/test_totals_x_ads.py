"""What X brings is what the invented advertiser really has there: per day and campaign, exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from liftos_app.errors import SignInAgain
from liftos_app.services.connectors.platforms.x_ads import accounts, jobs, question
from liftos_app.services.connectors.spec import Task
from tests.contract.conftest import Bench, read
from tests.contract.connect import sign_in

Find = Callable[[str], Bench]
LEVELS = (
    ("campaign_daily", "campaign_id"), ("line_item_daily", "group_id"),
    ("promoted_tweet_daily", "ad_id"),
)
FIGURES = ("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros")


def truth_of(bench: Bench, task: Task, key: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """The world's figures by entity and day, purchases by X's windows (30 d and 1 d)."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for row in bench.box.world.ad_days(
        task.account.external_id, task.start, task.end, as_of=bench.box.clock(), level="ad"
    ):
        bought = row.counts["28d_click"] + row.counts["1d_view"]
        worth = row.values["28d_click"] + row.values["1d_view"]
        own = (row.impressions, row.clicks, row.spend, bought * 1_000_000, worth)
        found = sums[getattr(row, key), row.day.isoformat()]
        sums[getattr(row, key), row.day.isoformat()] = [
            a + b for a, b in zip(found, own, strict=True)
        ]
    return {key: tuple(values) for key, values in sums.items() if any(values)}


def ours(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, ...]]:
    found = {(r["entity_id"], r["day"]): tuple(r[n] for n in FIGURES) for r in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("days", [7, 25], ids=["direct", "prepared"])
@pytest.mark.parametrize(("stream", "key"), LEVELS)
def test_each_day_and_entity_is_the_worlds(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch, days: int, stream: str, key: str
) -> None:
    bench = bench_of("x_ads")
    monkeypatch.setattr(question, "AT_ONCE", 2)
    monkeypatch.setattr(jobs, "AT_ONCE", 6)
    with bench.open() as client:
        for account in (a for a in bench.platform.discover(client) if a.usable):
            task = bench.task(stream, account, back=60, days=days)
            bench.box.trouble.add("rate_limited", "x_ads", stream="daily", count=1, retry_after=1)
            bench.box.trouble.add("server_error", "x_ads", stream="active_entities", count=1)
            before = client.requests
            found = ours(read(client, task).rows)
            assert client.requests - before > 6  # several batches, two tries again
            truth = truth_of(bench, task, key)
            assert truth
            assert found == truth


def test_campaign_totals_are_the_worlds_and_children_add_up(bench_of: Find) -> None:
    bench = bench_of("x_ads")
    with bench.open() as client:
        account = bench.account(client)
        sums = {
            name: tuple(sum(r[n] for r in rows) for n in FIGURES)
            for name, _ in LEVELS
            for rows in [read(client, bench.task(name, account, back=50, days=20)).rows]
        }
        task = bench.task("campaign_daily", account, back=50, days=20)
    assert len(set(sums.values())) == 1
    truth = bench.box.world.ad_totals(
        account.external_id, task.start, task.end, as_of=bench.box.clock()
    )
    assert sums["campaign_daily"][:3] == (truth.impressions, truth.clicks, truth.spend)


@pytest.mark.parametrize("back", [23, 31], ids=["over the change of clocks", "before it"])
def test_days_around_the_change_of_clocks_are_whole(bench_of: Find, back: int) -> None:
    """Clocks changed on 2026-10-25 in Berlin and on 2026-11-01 in New York."""
    bench = bench_of("x_ads")
    with bench.open() as client:
        for account in (a for a in bench.platform.discover(client) if a.usable):
            task = bench.task("campaign_daily", account, back=back, days=6)
            assert ours(read(client, task).rows) == truth_of(bench, task, "campaign_id")


def test_small_pages_bring_every_entity_with_its_parent_and_name(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of("x_ads")
    monkeypatch.setattr(accounts, "COUNT", 1)
    world, now = bench.box.world, bench.box.clock()
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("server_error", "x_ads", stream="promoted_tweets", count=1)
        bench.box.trouble.add("rate_limited", "x_ads", stream="line_items", count=1, retry_after=1)
        seen = {}
        for name in ("campaigns", "line_items", "promoted_tweets"):
            before = client.requests
            rows = read(client, bench.task(name, account)).rows
            assert client.requests - before >= 3
            seen[name] = {r["external_id"]: (r["parent_id"], r["name"]) for r in rows}
            assert len(seen[name]) == len(rows)
    ident = account.external_id
    assert seen["campaigns"] == {
        c.id: ("", c.name) for c in world.campaigns(ident, as_of=now)
    }
    assert seen["line_items"] == {
        g.id: (g.campaign_id, g.name) for g in world.ad_groups(ident, as_of=now)
    }
    assert seen["promoted_tweets"] == {
        a.id: (a.group_id, a.name) for a in world.ads(ident, as_of=now)
    }


def test_reading_goes_on_with_a_new_token_after_the_old_one_was_taken_back(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X's tokens have no end and cannot be renewed: a person signs in again."""
    bench = bench_of("x_ads")
    monkeypatch.setattr(question, "AT_ONCE", 1)
    method = bench.platform.method("oauth")
    with bench.open("oauth") as client:
        account = bench.account(client)
        task = bench.task("promoted_tweet_daily", account, days=5)
        pages = task.stream.read(client, task)
        rows = list(next(pages).rows)
        bench.box.tokens.revoke_all("x_ads")
        with pytest.raises(SignInAgain):
            list(pages)
        fresh, _ = sign_in(bench.platform, method, bench.box.origin, bench.box.clock())
    with bench.open("oauth", values=fresh) as client:
        rows += read(client, task).rows
    by_key = {(r["entity_id"], r["day"]): r for r in rows}
    assert ours(list(by_key.values())) == truth_of(bench, task, "ad_id")


def test_a_failed_report_is_asked_for_directly(bench_of: Find) -> None:
    bench = bench_of("x_ads")
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task("campaign_daily", account, back=60, days=16)
        bench.box.trouble.add("server_error", "x_ads", stream="job", count=1)
        assert ours(read(client, task).rows) == truth_of(bench, task, "campaign_id")


def test_recent_days_grow_when_read_later(bench_of: Find) -> None:
    bench = bench_of("x_ads")
    with bench.open() as client:
        task = bench.task("campaign_daily", bench.account(client), back=2, days=1)
        early = sum(r["conversions_micros"] for r in read(client, task).rows)
        bench.box.clock.advance(days=25)
        late = sum(r["conversions_micros"] for r in read(client, task).rows)
    assert late > early
