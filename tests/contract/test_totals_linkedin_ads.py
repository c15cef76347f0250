"""LinkedIn's rows are what the invented advertiser really has there, also where it cuts answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from liftos_app.errors import GiveUp, SignInAgain
from liftos_app.services.connectors.platforms.linkedin_ads import analytics as ours_analytics
from liftos_app.services.connectors.platforms.linkedin_ads import objects
from liftos_app.services.sandbox.platforms.linkedin_ads import analytics as their_analytics
from liftos_app.services.sandbox.world import AdDay
from tests.contract.conftest import Bench, read

Find = Callable[[str], Bench]
CENT = 10_000
US, EU = "509800001", "509800002"
# Our stream's level -> the world's level, and the attribute that holds its id there.
LEVELS = {
    "account": ("account", "account_id"), "campaign_group": ("campaign", "campaign_id"),
    "campaign": ("group", "group_id"), "creative": ("ad", "ad_id"),
}


@pytest.fixture
def bench(bench_of: Find) -> Bench:
    return bench_of("linkedin_ads")


def at_once(_seconds: float) -> None:
    """Waits take no time."""


def cut_at(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """The platform cuts at so many rows, and the reader knows it."""
    monkeypatch.setattr(their_analytics, "MOST_ROWS", most)
    monkeypatch.setattr(ours_analytics, "MOST_ROWS", most)


def ours(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    found = {
        (r["entity_id"], r["day"]): (r["impressions"], r["clicks"], r["spend_micros"],
                                     r["conversions_micros"], r["value_micros"])
        for r in rows
    }
    assert len(found) == len(rows)
    return found


def theirs(rows: list[AdDay], level: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (getattr(r, LEVELS[level][1]), r.day.isoformat()): (
            r.impressions, r.clicks, r.spend, r.conversions * CENT, r.value)
        for r in rows
    }


@pytest.mark.parametrize("level", sorted(LEVELS))
@pytest.mark.parametrize("ident", [US, EU])
def test_rows_are_the_worlds_over_cuts_a_renewal_limits_and_faults(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, level: str, ident: str
) -> None:
    with bench.open(sleep=at_once) as client:
        account = bench.account(client, ident)
        first_token = client.credential.text("access_token")
        bench.box.tokens.expire_all("linkedin_ads")
        bench.box.trouble.add("rate_limited", "linkedin_ads", count=1)
        bench.box.trouble.add("server_error", "linkedin_ads", count=1, status=502)
        task = bench.task(f"{level}_daily", account, back=60, days=29)
        truth = bench.box.world.ad_days(
            ident, task.start, task.end, as_of=bench.box.clock(), level=LEVELS[level][0]
        )
        cut_at(monkeypatch, max(2, len(truth) // 3))  # at least three answers are needed
        before = client.requests
        rows = read(client, task).rows
        assert client.requests - before >= 3 + 3
        assert client.credential.text("access_token") != first_token
    assert ours(rows) == theirs(truth, level)


@pytest.mark.parametrize("level", ["campaign", "creative"])
def test_a_single_day_that_is_cut_is_read_by_campaigns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setattr(objects, "PAGE", 2)
    with bench.open(sleep=at_once) as client:
        account = bench.account(client, US)
        task = bench.task(f"{level}_daily", account, back=50, days=3)
        truth = bench.box.world.ad_days(
            US, task.start, task.end, as_of=bench.box.clock(), level=LEVELS[level][0]
        )
        cut_at(monkeypatch, 3)  # six creatives or three campaigns a day
        assert ours(read(client, task).rows) == theirs(truth, level)


def test_what_cannot_be_split_further_is_said_and_never_stored_as_complete(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.open(sleep=at_once) as client:
        account = bench.account(client, US)
        for stream in ("creative_daily", "account_daily"):
            cut_at(monkeypatch, 1)
            with pytest.raises(GiveUp, match="this much"):
                read(client, bench.task(stream, account, back=50, days=1))


def test_without_the_check_rows_would_be_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(their_analytics, "MOST_ROWS", 20)  # and the reader believes 15,000
    with bench.open(sleep=at_once) as client:
        account = bench.account(client, US)
        task = bench.task("creative_daily", account, back=60, days=29)
        assert len(read(client, task).rows) == 20


def test_levels_add_up_and_entities_are_the_worlds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PAGE", 1)
    monkeypatch.setattr(objects, "CREATIVE_PAGE", 2)
    monkeypatch.setattr(objects, "RULE_PAGE", 1)
    now, world = bench.box.clock(), bench.box.world
    with bench.open(sleep=at_once) as client:
        account = bench.account(client, US)
        sums = {
            level: sum(r["spend_micros"] for r in read(
                client, bench.task(f"{level}_daily", account, back=50, days=10)).rows)
            for level in LEVELS
        }
        found = {
            name: {r["external_id"]: (r["name"], r["parent_id"]) for r in read(
                client, bench.task(name, account)).rows}
            for name in ("campaign_groups", "campaigns", "creatives", "conversion_rules")
        }
    assert len(set(sums.values())) == 1
    assert found["campaign_groups"] == {
        c.id: (c.name, "") for c in world.campaigns(US, as_of=now)
    }
    assert found["campaigns"] == {
        g.id: (g.name, g.campaign_id) for g in world.ad_groups(US, as_of=now)
    }
    ads = {a.id: a for a in world.ads(US, as_of=now)}
    assert {i: parent for i, (_, parent) in found["creatives"].items()} == {
        a.id: a.group_id for a in ads.values()
    }
    assert all(name in (ads[i].name, f"Creative {i}")
               for i, (name, _) in found["creatives"].items())
    assert len(found["conversion_rules"]) == 2


def test_the_newest_days_grow_and_old_ones_do_not(bench: Bench) -> None:
    def claims(first: date) -> int:
        with bench.open(sleep=at_once) as client:
            account = bench.account(client, US)
            back = (bench.box.clock().date() - first).days
            task = bench.task("account_daily", account, back=back, days=4)
            return sum(r["conversions_micros"] for r in read(client, task).rows)

    today = bench.box.clock().date()
    new, old = today - timedelta(days=5), today - timedelta(days=60)
    early, settled = claims(new), claims(old)
    bench.box.clock.advance(days=20)
    assert claims(new) > early
    assert claims(old) == settled


def test_an_app_without_refresh_ends_after_sixty_days(bench: Bench) -> None:
    from liftos_app.services.connectors import grants
    from liftos_app.services.sandbox.credentials.linkedin_ads import WITHOUT_REFRESH
    from tests.contract.connect import BACK, addresses, consent

    method, where = bench.platform.method("oauth"), addresses(bench.platform, bench.box.origin)
    back = BACK.format(slug="linkedin_ads")
    url = grants.authorize_url(
        bench.platform, method, where, WITHOUT_REFRESH, state="s", redirect_uri=back
    )
    tokens = grants.exchange(
        bench.platform, method, where, WITHOUT_REFRESH, code=consent(url)["code"],
        redirect_uri=back, now=bench.box.clock(),
    )
    assert tokens.refresh_token is None
    assert tokens.expires_at == bench.box.clock() + timedelta(days=60)
    values = {**WITHOUT_REFRESH, **tokens.values()}
    with bench.open("oauth", values=values, sleep=at_once) as client:
        account = bench.account(client, US)
        bench.box.clock.advance(days=59)
        assert bench.platform.test(client, account)
        bench.box.clock.advance(days=2)
        with pytest.raises(SignInAgain):
            bench.platform.test(client, account)
