"""What the pages of connections say about a connection's condition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.models import (
    Account,
    ConnectionStatus,
    Role,
    RunState,
    StreamRun,
    StreamState,
    SyncRun,
)
from liftos_app.services import attention, connections
from liftos_app.services.context import App
from liftos_app.state import connection_view, words
from liftos_app.state.connections import Row
from liftos_app.state.connections import view_of as list_of
from tests.facts_builder import Facts, d, facts, platforms  # noqa: F401 - fixtures

REFUSED = {
    "what": "Ad groups could not be read.", "why": "The platform does not know this report.",
    "fix": "Wait for an update.", "cause": "platform_outage", "owner": "the_platform",
    "stream": "ad_group_daily", "at": "2026-11-23T10:00:00+00:00",
}


@pytest.fixture
def account(facts: Facts) -> Account:  # noqa: F811
    """An account of a healthy connection with two streams."""
    return facts.source("ads_one", name="Ads", streams=("campaign_daily", "ad_group_daily"))


def row_of(open_ctx: Callable[..., Any]) -> Row:
    """The only line of the list."""
    with open_ctx(Role.VIEWER) as ctx:
        [row] = list_of(ctx, "", "", "").rows
    return row


def page_of(open_ctx: Callable[..., Any], connection_id: UUID) -> connection_view.View:
    with open_ctx(Role.VIEWER) as ctx:
        return connection_view.view_of(ctx, connection_id, kind="", run="", before=None)


def fails(facts: Facts, account: Account, stream: str = "ad_group_daily") -> None:  # noqa: F811
    facts.add(StreamState(
        org_id=facts.org.id, account_key=account.key, stream=stream, error=REFUSED,
        newest_day=d("11-20"),
    ))


@pytest.mark.parametrize(("why", "kind", "said"), [
    ("quota", "info", "Waiting for quota until"),
    ("outage", "warn", "Waiting after failures until"),
    ("hours", "info", "Waiting for its hours until"),
])
def test_a_run_that_waits_makes_its_connection_wait_with_the_reason(
    why: str, kind: str, said: str, facts: Facts, account: Account, app: App,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    run = facts.run(
        account.connection_id, account, "campaign_daily", app.now(), state=RunState.QUEUED
    )
    assert row_of(open_ctx).word == "Syncing"
    with app.db.write() as session:
        stored = session.get_one(SyncRun, run.id)
        stored.waiting_until, stored.waiting_for = app.now() + timedelta(hours=1), why
    with open_ctx(Role.VIEWER) as ctx:
        before = connections.pulse(ctx)
        [found] = connections.list_all(ctx)
        assert words.status(found) == (kind, "Waiting")
        assert found.waiting_for == why
    row, page = row_of(open_ctx), page_of(open_ctx, account.connection_id)
    assert (row.kind, row.word) == (page.kind, page.word) == (kind, "Waiting")
    assert row.reason.startswith(said)
    with app.db.write() as session:
        session.get_one(SyncRun, run.id).waiting_until = app.now() - timedelta(seconds=1)
    assert row_of(open_ctx).word == "Syncing"
    with open_ctx(Role.VIEWER) as ctx:
        assert connections.pulse(ctx) != before


def test_a_stream_that_failed_is_told_while_its_run_goes_on_and_after_it_was_stopped(
    facts: Facts, account: Account, app: App, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    run = facts.run(
        account.connection_id, account, "campaign_daily", app.now(), state=RunState.RUNNING
    )
    with open_ctx(Role.VIEWER) as ctx:
        before = connections.pulse(ctx)
    fails(facts, account)
    with open_ctx(Role.VIEWER) as ctx:
        assert connections.pulse(ctx) != before
        assert [r.status for r in connections.list_all(ctx)] == [ConnectionStatus.DEGRADED]
        assert connections.list_all(ctx, statuses=["healthy"]) == []
        assert [i.what for i in attention.list_all(ctx)] == ["Ads loads only in part"]
    row = row_of(open_ctx)
    assert (row.kind, row.word, row.reason) == ("warn", "Partly failing", REFUSED["what"])
    with app.db.write() as session:
        session.get_one(SyncRun, run.id).state = RunState.CANCELLED
    page = page_of(open_ctx, account.connection_id)
    assert (page.word, page.cause.what) == ("Partly failing", REFUSED["what"])


def test_a_failed_stream_that_is_not_read_any_more_says_nothing(
    facts: Facts, account: Account, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    fails(facts, account, "ad_daily")
    assert row_of(open_ctx).word == "Healthy"


def test_a_stream_shows_the_newest_run_that_has_read_it(
    facts: Facts, account: Account, app: App, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    for stream in ("campaign_daily", "ad_group_daily"):
        facts.cover(account, stream, "11-10", "11-20")
    first = facts.run(
        account.connection_id, account, "campaign_daily", app.now() - timedelta(hours=9)
    )
    facts.add(StreamRun(
        org_id=facts.org.id, run_id=first.id, account_key=account.key, stream="ad_group_daily",
        state=RunState.SUCCEEDED, rows_read=40, rows_written=40, requests=2, days_done=11,
        seconds=75,
    ))
    for hours, state in ((8, RunState.SUCCEEDED), (1, RunState.CANCELLED)):
        facts.run(
            account.connection_id, account, "ad_group_daily", app.now() - timedelta(hours=hours),
            state=state,
        )  # announced, and never asked for
    with app.db.write() as session:
        for row in session.exec(select(StreamRun).where(StreamRun.stream == "campaign_daily")):
            row.requests, row.rows_read, row.rows_unchanged = 1, 7, 7
    lines = {s.stream: s for s in page_of(open_ctx, account.connection_id).streams}
    assert lines["ad_group_daily"].counts.startswith("40 read, 40 new")
    assert lines["ad_group_daily"].took == "1 min"
    assert lines["campaign_daily"].counts.startswith("7 read")


def test_a_stream_whose_run_was_stopped_does_not_run_any_more(
    facts: Facts, account: Account, app: App, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    facts.cover(account, "campaign_daily", "11-10", "11-20")
    run = facts.run(
        account.connection_id, account, "campaign_daily", app.now(), state=RunState.RUNNING
    )
    with app.db.write() as session:
        session.exec(select(StreamRun)).one().requests = 1
    assert page_of(open_ctx, account.connection_id).streams[0].word == "Running"
    with app.db.write() as session:
        session.get_one(SyncRun, run.id).state = RunState.CANCELLED
    assert page_of(open_ctx, account.connection_id).streams[0].word == "On time"


@pytest.mark.parametrize(("status", "out"), [
    (ConnectionStatus.NEEDS_REAUTH, True), (ConnectionStatus.FAILING, False),
])
def test_a_sync_is_offered_only_while_the_sign_in_stands(
    status: ConnectionStatus, out: bool, facts: Facts, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    connection = facts.connection("ads_one", "Ads", status=status)
    assert page_of(open_ctx, connection.id).signed_out is out
    assert (row_of(open_ctx).action == "reauthorise") is out


def test_a_run_that_a_person_stopped_is_neither_good_nor_bad(
    facts: Facts, account: Account, app: App, open_ctx: Callable[..., Any],  # noqa: F811
) -> None:
    for hours, state in ((3, RunState.SUCCEEDED), (2, RunState.FAILED), (1, RunState.CANCELLED)):
        facts.run(
            account.connection_id, account, "campaign_daily", app.now() - timedelta(hours=hours),
            state=state,
        )
    facts_of = dict(map(tuple, page_of(open_ctx, account.connection_id).facts))
    assert facts_of["Good runs, 30 days"] == "1 of 2"
