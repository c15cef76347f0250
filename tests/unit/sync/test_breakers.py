"""Circuit breakers on both databases: open after failures, half-open for one, closed by success."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Quota, Retry
from liftos_app.models import Breaker, Connection, ConnectionStatus, RunState, StreamState
from liftos_app.services import attention
from liftos_app.services.connectors import client
from liftos_app.services.sync import breakers
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.unit.sync.test_engine import ask, connection_of, run_of

DOWN = Retry("Bench does not answer.", why="500.", fix="Wait.")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_wait", lambda state: 0.0)


def fail(bench: Any, key: int, tries: int = 5, error: Retry = DOWN) -> Any:
    return breakers.failed(bench.app, "bench_ads", key, bench.org_id, error=error, tries=tries)


def test_L108_it_opens_after_five_failures_and_lets_one_try_later(bench: Any, clock: Clock) -> None:
    assert fail(bench, 1, tries=4) is None
    assert breakers.wait_of(bench.app, "bench_ads", 1) is None
    until = fail(bench, 1, tries=1)
    assert timedelta(seconds=60) <= until - clock.now <= timedelta(seconds=66)
    assert breakers.wait_of(bench.app, "bench_ads", 1) == until
    assert breakers.wait_of(bench.app, "bench_ads", 2) is None
    clock.advance(seconds=70)
    assert breakers.wait_of(bench.app, "bench_ads", 1) is None  # half-open: the first that asks
    assert breakers.wait_of(bench.app, "bench_ads", 1) == clock.now + breakers.PROBE
    assert fail(bench, 1, tries=1) - clock.now >= timedelta(seconds=120)
    clock.advance(hours=1)
    breakers.succeeded(bench.app, "bench_ads", 1)
    assert breakers.wait_of(bench.app, "bench_ads", 1) is None
    with bench.app.db.read() as session:
        row = session.exec(select(Breaker)).one()
        assert (row.failures, row.trips, row.until) == (0, 0, None)


def test_L108_the_wait_grows_to_an_hour_and_no_further(bench: Any, clock: Clock) -> None:
    waits = []
    for _ in range(9):
        waits.append((fail(bench, 1) - clock.now).total_seconds())
        clock.advance(hours=2)
    assert waits[:6] == sorted(waits[:6])
    assert 3600 <= waits[-1] <= 3960


def test_accounts_that_fail_alike_are_one_outage(bench: Any, clock: Clock) -> None:
    with contextlib.ExitStack() as stack:
        ctx = stack.enter_context(bench.ctx())
        fail(bench, 1)
        assert breakers.outages(ctx) == {}
    fail(bench, 2, error=Quota("Other thing."))
    with bench.ctx() as ctx:
        assert breakers.outages(ctx) == {}  # not the same error
    fail(bench, 3)
    with bench.ctx() as ctx:
        assert set(breakers.outages(ctx)) == {"bench_ads"}
    assert breakers.wait_of(bench.app, "bench_ads", 99) is not None  # all of them slow down
    breakers.succeeded(bench.app, "bench_ads", 99)
    assert breakers.wait_of(bench.app, "bench_ads", 99) is None
    with bench.ctx() as ctx:
        assert breakers.outages(ctx) == {}


def test_an_outage_is_one_line_of_what_needs_a_person(bench: Any) -> None:
    down = {"what": "Bench is down.", "why": "", "fix": "", "cause": "platform_outage"}
    with bench.app.db.write() as session:
        mine = session.get_one(Connection, bench.connection_id)
        mine.status, mine.cause = ConnectionStatus.FAILING, down
        session.add(mine)
        session.add(Connection(**{
            **mine.model_dump(exclude={"id"}, warnings=False), "name": "Second",
        }))
    with bench.ctx() as ctx:
        assert len(attention.list_all(ctx)) == 2
    fail(bench, 1)
    fail(bench, 2)
    with bench.ctx() as ctx:
        assert [i.what for i in attention.list_all(ctx)] == [
            "Bench Ads does not answer (2 connections)"
        ]


def test_a_platform_that_answered_somebody_meanwhile_is_not_down(
    bench: Any, clock: Clock
) -> None:
    fail(bench, 1)
    clock.advance(minutes=1)
    with bench.app.db.write() as session:
        session.add(StreamState(
            org_id=bench.org_id, account_key=bench.account_key, stream="campaign_daily",
            last_read_at=clock.now,
        ))
    clock.advance(minutes=1)
    fail(bench, 3)
    with bench.ctx() as ctx:
        assert breakers.outages(ctx) == {}


def test_a_sync_of_a_platform_that_is_down_fails_once_and_then_waits(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(10)
    source.before = lambda path: (500, {}, {"error": "down"})
    engine = SyncEngine(bench.app)
    assert engine.run(ask(bench)) is RunState.FAILED
    due = connection_of(bench).next_run_at
    assert due is not None
    assert due - clock.now <= timedelta(seconds=66)  # asked again before the next full hour
    source.requests.clear()
    second = ask(bench)
    assert engine.run(second) is RunState.QUEUED
    assert source.requests == []
    assert run_of(bench, second).waiting_for == "outage"
    source.before = lambda path: None
    clock.advance(seconds=70)
    assert engine.run(second) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()


def test_scheduled_syncs_keep_to_their_hours_and_a_person_need_not(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.fill(30)
    with bench.app.db.write() as session:
        row = session.get_one(Connection, bench.connection_id)
        row.sync_window, row.schedule_zone = "06:00-13:30", "Europe/Berlin"
        session.add(row)
    engine, run_id = SyncEngine(bench.app), ask(bench, trigger="schedule")
    clock.advance(hours=6)
    assert engine.run(run_id) is RunState.QUEUED
    found = run_of(bench, run_id)
    assert found.waiting_for == "hours"
    assert found.waiting_until.replace(second=0, microsecond=0).isoformat() == (  # type: ignore[union-attr]
        "2026-11-24T05:00:00+00:00"
    )
    clock.now = found.waiting_until  # type: ignore[assignment]
    source.before = lambda path: clock.advance(hours=3)  # the hours end after some windows
    assert engine.run(run_id) is RunState.QUEUED
    assert run_of(bench, run_id).waiting_for == "hours"
    part = len(bench.stored())
    assert 0 < part < 90
    source.before = lambda path: None
    clock.advance(days=1)
    while engine.run(run_id) is RunState.QUEUED:
        clock.advance(hours=1)
    assert bench.stored() == source.truth()
    clock.now = clock.now.replace(hour=23)
    assert engine.run(ask(bench)) is RunState.SUCCEEDED


def test_the_first_in_line_is_the_one_with_priority(bench: Any, source: Any, clock: Clock) -> None:
    with bench.app.db.write() as session:
        mine = session.get_one(Connection, bench.connection_id)
        other = Connection(**{
            **mine.model_dump(exclude={"id"}, warnings=False), "name": "Urgent", "priority": 1,
        })
        session.add(other)
        session.flush()
        urgent = other.id
    ask(bench)
    clock.advance(minutes=1)
    with bench.ctx(write=True) as ctx:
        from liftos_app.services import sync

        second = sync.request(ctx, urgent).id
    engine = SyncEngine(bench.app, max_runs=1)
    assert [i for i, _ in engine._claim()] == [second]
