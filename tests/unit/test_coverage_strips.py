"""Strips: one state per day, the worst of its streams; a hole is never shown as fine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from liftos_app.models import CoverageState, Organization, Role
from liftos_app.services import coverage
from liftos_app.services.context import App
from tests.facts_builder import Facts, facts, platforms  # noqa: F401 - fixtures

TODAY = dt.date(2026, 11, 23)


def strip_of(open_ctx: Callable[..., Any], connection_id: Any, days: int = 10) -> coverage.Strip:
    with open_ctx(Role.VIEWER) as ctx:
        return coverage.strips(ctx, [connection_id], days=days)[connection_id]


def test_days_before_the_first_are_not_asked_for_and_holes_after_it_are_missing(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    account = facts.source("ads_two")
    facts.cover(account, "campaign_daily", "11-16", "11-22", skip=("11-19",))
    found = strip_of(open_ctx, account.connection_id)
    assert [c.state for c in found.cells] == (["none"] * 3 + ["ok"] * 3 + ["missing"] + ["ok"] * 3)
    assert found.words == "Last 10 days: 6 complete, 1 missing, 3 not asked for yet"
    assert found.cells[-1].day == TODAY - dt.timedelta(days=1)
    assert found.cells[-1].title == "22 Nov: complete, 1 row"


def test_a_day_shows_the_worst_of_its_streams(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    account = facts.source("ads_one")
    facts.cover(account, "campaign_daily", "11-20", "11-22")
    facts.cover(account, "ad_daily", "11-21", "11-21", state=CoverageState.FAILED)
    facts.cover(account, "ad_group_daily", "11-22", "11-22", state=CoverageState.EMPTY)
    states = [c.state for c in strip_of(open_ctx, account.connection_id, days=3).cells]
    assert states == ["ok", "failed", "ok"]


def test_a_confirmed_empty_day_is_empty_and_not_missing(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    account = facts.source("ads_two")
    facts.cover(account, "campaign_daily", "11-20", "11-22", state=CoverageState.EMPTY)
    found = strip_of(open_ctx, account.connection_id, days=3)
    assert {c.state for c in found.cells} == {"empty"}


def test_an_unread_connection_has_a_strip_that_says_so(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    found = strip_of(open_ctx, facts.source("ads_two").connection_id, days=4)
    assert found.words == "Last 4 days: 4 not asked for yet"


def test_streams_nobody_chose_any_more_do_not_count(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-20", "11-22")
    facts.cover(account, "ad_daily", "11-20", "11-22", state=CoverageState.FAILED)
    assert {c.state for c in strip_of(open_ctx, account.connection_id, days=3).cells} == {"ok"}


def test_another_organization_sees_no_day(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
    other_organization: Organization,
    app: App,
) -> None:
    from liftos_app.services.context import Principal, open_context

    account = facts.source("ads_two")
    facts.cover(account, "campaign_daily", "11-20", "11-22")
    who = Principal(kind="person", role=Role.ADMIN)
    with open_context(app, who, other_organization.id) as ctx:
        found = coverage.strips(ctx, [account.connection_id], days=3)[account.connection_id]
        assert {c.state for c in found.cells} == {"none"}
        assert coverage.by_stream(ctx, account.connection_id) == {}
        assert coverage.positions(ctx, account.connection_id) == []


def test_positions_tell_how_far_each_chosen_stream_came(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    account = facts.source("ads_two")
    facts.cover(account, "campaign_daily", "11-01", "11-22")
    with open_ctx(Role.VIEWER) as ctx:
        one = coverage.positions(ctx, account.connection_id)[0]
        assert list(coverage.by_stream(ctx, account.connection_id)) == [
            (account.name, "campaign_daily")
        ]
    assert (one.stream, one.newest) == ("campaign_daily", dt.date(2026, 11, 22))
