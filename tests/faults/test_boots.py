"""A thousand runs that wait at the start, and processes that live for moments only (F23, F25)."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, func, select

from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Coverage,
    FactDaily,
    RunState,
    SyncRun,
)
from liftos_app.services import vault
from liftos_app.services.context import App
from liftos_app.services.sync.engine import MAX_RUNS, SyncEngine
from tests.conftest import Clock
from tests.faults.conftest import ACTIVE, assert_whole, ended, finish, in_child
from tests.unit.sync.test_engine import ask, run_of


def queue_many(bench: Any, number: int) -> list[UUID]:
    """So many connections more, each with an account and a run that waits. Each tenth is urgent."""
    with bench.ctx(write=True) as ctx:
        for i in range(number):
            connection = Connection(
                org_id=bench.org_id, platform="bench_ads", name=f"Bench {i}", auth_kind="api_key",
                status=ConnectionStatus.HEALTHY, streams=["campaign_daily"], history_days=2,
                priority=1 if i % 10 == 9 else 0, created_at=ctx.now(), updated_at=ctx.now(),
            )
            ctx.session.add(connection)
            ctx.session.flush()
            vault.put(ctx, connection, "api_key", "bench-key")
            ctx.session.add_all([
                Account(
                    org_id=bench.org_id, connection_id=connection.id, external_id=f"bench-{i + 2}",
                    name=f"Bench {i}", currency="USD", selected=True, created_at=ctx.now(),
                ),
                SyncRun(
                    org_id=bench.org_id, connection_id=connection.id, trigger="schedule",
                    created_at=ctx.now() + timedelta(milliseconds=i), request={},
                ),
            ])


def stop_when_done(bench: Any, engine: SyncEngine, *, seconds: float) -> int:
    """Stop a started engine once no run waits or runs, or the time is over. How many are left."""
    waiting, deadline = 1, time.monotonic() + seconds
    try:
        while waiting and time.monotonic() < deadline:
            time.sleep(0.1)
            with bench.app.db.read() as session:
                waiting = session.exec(select(func.count()).select_from(SyncRun).where(
                    col(SyncRun.state).in_(ACTIVE)
                )).one()
    finally:
        engine.stop()
    return waiting


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [40, pytest.param(1000, marks=pytest.mark.matrix)])
def test_many_runs_that_wait_at_the_start_are_all_done_once_few_at_a_time(
    bench: Any, source: Any, number: int
) -> None:
    source.fill(3)
    queue_many(bench, number)
    most = 0

    def count(path: str) -> None:
        nonlocal most
        with bench.app.db.read() as session:
            running = session.exec(select(func.count()).select_from(SyncRun).where(
                SyncRun.state == RunState.RUNNING
            )).one()
        most = max(most, running)

    source.before = count
    engine = SyncEngine(bench.app)
    engine.start(seconds=0.05)
    stop_when_done(bench, engine, seconds=60 + 0.8 * number)
    with bench.app.db.read() as session:
        runs = session.exec(
            select(SyncRun, Connection.priority)
            .join(Connection, col(Connection.id) == col(SyncRun.connection_id))
        ).all()
        rows = session.exec(
            select(FactDaily.account_key, func.count()).group_by(col(FactDaily.account_key))
        ).all()
    assert Counter(r.state for r, _ in runs) == {RunState.SUCCEEDED: number}
    assert {(r.epoch, r.attempts) for r, _ in runs} == {(1, 0)}
    assert 1 < most <= MAX_RUNS
    assert dict(Counter(n for _, n in rows)) == {len(source.truth()): number}
    assert len(source.requests) == number


def test_a_run_that_ends_makes_room_for_the_next_at_once(bench: Any, source: Any) -> None:
    source.fill(3)
    queue_many(bench, 3 * MAX_RUNS)
    engine = SyncEngine(bench.app)
    engine.start(seconds=3600)  # no tick comes but those that ended runs ask for
    engine.wake()
    assert stop_when_done(bench, engine, seconds=60) == 0


def test_of_runs_that_wait_the_urgent_and_then_the_oldest_come_first(
    bench: Any, source: Any
) -> None:
    queue_many(bench, 30)
    engine = SyncEngine(bench.app)
    with bench.app.db.read() as session:
        names = dict(session.exec(
            select(SyncRun.id, Connection.name)
            .join(Connection, col(Connection.id) == col(SyncRun.connection_id))
        ).all())
    order = []
    for _ in range(2):
        claimed = engine._claim()
        order += [names[run_id] for run_id, _ in claimed]
        assert engine._claim() == []  # no more than there is room for
        engine._mine.clear()
    assert sorted(order[:3]) == ["Bench 19", "Bench 29", "Bench 9"]
    assert order[3:] == [f"Bench {i}" for i in range(2 * MAX_RUNS - 3)]


def windows_stored(bench: Any) -> int:
    with bench.app.db.read() as session:
        return int(session.exec(select(func.sum(SyncRun.windows_done))).one() or 0)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lives", [8, pytest.param(60, marks=pytest.mark.matrix)])
def test_processes_that_live_for_moments_lose_and_double_nothing(
    bench: Any, source: Any, clock: Clock, lives: int
) -> None:
    """As a supervisor does that starts the container again every five seconds."""
    source.fill(39)
    dice = random.Random(lives)
    run_id, given_up, days = ask(bench), 0, 0
    source.before = lambda path: time.sleep(0.15)

    def live(app: App) -> None:
        SyncEngine(app).start(seconds=0.05)
        time.sleep(60)

    for _ in range(lives):
        lasts = dice.random() < 0.3  # until a window is stored, not only asked for
        seen = windows_stored(bench) if lasts else len(source.requests)
        pid = in_child(bench.app, live)
        deadline = time.monotonic() + 30
        while (windows_stored(bench) if lasts else len(source.requests)) <= seen:
            if run_of(bench, run_id).state not in ACTIVE:
                break  # it had died five times: its end is all that this process does
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        clock.advance(minutes=5)
        with bench.app.db.read() as session:
            covered = session.exec(select(func.count()).select_from(Coverage)).one()
            rows = session.exec(select(func.count()).select_from(FactDaily)).one()
        assert covered >= days
        days = covered
        assert rows == len(bench.stored())
        assert bench.stored().items() <= source.truth().items()
        if (ended_as := run_of(bench, run_id).state) not in ACTIVE:
            given_up += ended_as == RunState.FAILED
            run_id = ask(bench)
    assert days > 0
    assert given_up > 0  # a run that died five times is told, not tried for ever
    source.before = lambda path: None
    assert finish(bench, clock).state == RunState.SUCCEEDED
    assert_whole(bench, source)
