"""How the engine lives: its clock, its leases, what it takes up, how it stops."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.triggers.interval import IntervalTrigger
from sqlmodel import select

from liftos_app.models import AuditEntry, ConnectionStatus, RunState, SyncEvent, SyncRun
from liftos_app.services.sync import engine as engines
from liftos_app.services.sync.engine import Chore, SyncEngine
from tests.conftest import Clock
from tests.unit.sync.test_engine import ask, connection_of, run_of


@contextlib.contextmanager
def started(bench: Any, **more: Any) -> Iterator[SyncEngine]:
    """An engine whose clock runs and ticks only once in a long while."""
    engine = SyncEngine(bench.app, **more)
    engine.start(seconds=3600)
    try:
        yield engine
    finally:
        engine.stop()


def die_while_running(bench: Any, run_id: UUID) -> None:
    """As if the process that works on the run had ended now."""
    with bench.app.db.write() as session:
        run = session.get_one(SyncRun, run_id)
        run.state, run.holder, run.heartbeat_at = RunState.RUNNING, "gone", bench.app.now()


def test_L107_the_clock_keeps_nothing_and_ticks_once_however_late(bench: Any) -> None:
    chores = [Chore("hourly", 3600, lambda app: None)]
    with started(bench, chores=chores) as engine:
        assert [type(s) for s in engine._scheduler._jobstores.values()] == [MemoryJobStore]
        jobs = engine._scheduler.get_jobs()
        assert {j.id for j in jobs} >= {"tick"}
        assert len(jobs) == 2
        for job in jobs:
            assert isinstance(job.trigger, IntervalTrigger)
            assert (job.coalesce, job.misfire_grace_time) == (True, None)


def test_L107_a_slow_tick_or_chore_runs_once_at_a_time_and_nothing_is_logged(
    bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    running, most, turns = Counter[str](), Counter[str](), Counter[str]()

    def slowly(name: str) -> None:
        running[name] += 1
        turns[name] += 1
        most[name] = max(most[name], running[name])
        time.sleep(0.4)
        running[name] -= 1

    monkeypatch.setattr(SyncEngine, "_beat", lambda self: slowly("tick"))
    chore = Chore("slow", 0.05, lambda app: slowly("chore"))  # type: ignore[arg-type]
    engine = SyncEngine(bench.app, chores=[chore])
    engine.start(seconds=0.05)
    try:
        for _ in range(20):
            engine.wake()
            time.sleep(0.07)
    finally:
        engine.stop()
        for lock in (engine._tick_lock, engine._doing["slow"]):  # the last turn ends
            assert lock.acquire(timeout=10)
    assert most == {"tick": 1, "chore": 1}
    assert turns["tick"] >= 2
    assert [r.getMessage() for r in caplog.records if r.name.startswith("apscheduler")] == []


def test_L107_the_next_run_is_computed_by_us_and_stored_in_utc(
    bench: Any, source: Any, clock: Clock
) -> None:
    with bench.app.db.write() as session:
        row = session.merge(connection_of(bench))
        row.status, row.schedule, row.schedule_zone = (
            ConnectionStatus.HEALTHY, "0 6 * * *", "Europe/Berlin"
        )
        row.next_run_at = clock.now - timedelta(minutes=5)
    engine = SyncEngine(bench.app)
    engine._queue_due()
    stored = connection_of(bench).next_run_at
    assert stored is not None
    assert stored.isoformat() == "2026-11-24T05:00:00+00:00"


def test_L106_a_lease_is_renewed_well_before_it_ends_and_by_its_holder_only(
    bench: Any, clock: Clock
) -> None:
    assert engines.HEARTBEAT * 3 <= engines.SILENT == timedelta(seconds=60)
    run_id = ask(bench)
    engine = SyncEngine(bench.app)
    assert engine._claim() == [(run_id, 1)]
    clock.advance(seconds=15)
    engine._beat()
    assert run_of(bench, run_id).heartbeat_at == clock.now
    renewed = clock.now
    with bench.app.db.write() as session:
        session.get_one(SyncRun, run_id).epoch = 2  # taken over
    clock.advance(seconds=15)
    engine._beat()
    assert run_of(bench, run_id).heartbeat_at == renewed


def test_L106_taking_a_run_raises_its_epoch_and_giving_it_back_never_lowers_it(
    bench: Any
) -> None:
    run_id = ask(bench)
    for epoch in (1, 2, 3):
        engine = SyncEngine(bench.app)
        assert engine._claim() == [(run_id, epoch)]
        assert SyncEngine(bench.app)._claim() == []  # one holder at a time
        engine.stop(wait=0)
        run = run_of(bench, run_id)
        assert (run.state, run.epoch, run.holder) == (RunState.QUEUED, epoch, "")


def test_L109_a_start_takes_up_what_died_from_its_last_stored_days(
    bench: Any, clock: Clock
) -> None:
    """Alone on SQLite at once; where others may live, after a minute of silence."""
    run_id = ask(bench)
    die_while_running(bench, run_id)
    alone = bench.app.settings.is_sqlite
    with started(bench) as engine:
        assert run_of(bench, run_id).state == (RunState.QUEUED if alone else RunState.RUNNING)
        clock.advance(seconds=60)
        engine._take_up(silent_for=engines.SILENT)
        run = run_of(bench, run_id)
        assert (run.state, run.attempts, run.epoch) == (RunState.QUEUED, 1, 1)
    with bench.app.db.read() as session:
        texts = session.exec(select(SyncEvent.text).where(SyncEvent.run_id == run_id)).all()
    assert any("goes on from its last stored days" in text for text in texts)


def test_L109_a_run_that_kills_its_process_ends_and_is_told(bench: Any, clock: Clock) -> None:
    run_id = ask(bench)
    engine = SyncEngine(bench.app)
    for attempt in range(1, engines.MOST_ATTEMPTS + 2):
        die_while_running(bench, run_id)
        clock.advance(minutes=2)
        engine._take_up(silent_for=engines.SILENT)
        ended = attempt > engines.MOST_ATTEMPTS
        assert run_of(bench, run_id).state == (RunState.FAILED if ended else RunState.QUEUED)
    run = run_of(bench, run_id)
    assert run.cause is not None
    assert "died each time" in run.cause["what"]
    assert (run.cause["code"], run.cause["owner"]) == ("process_died", "liftos")
    assert "platform has no part" in run.cause["why"]
    assert connection_of(bench).cause == run.cause
    with bench.app.db.read() as session:
        line = session.exec(select(SyncEvent).where(SyncEvent.level == "error")).one()
        assert "died each time" in line.text
        assert "sync.ended" in session.exec(select(AuditEntry.action)).all()


def test_L109_a_stopping_engine_claims_nothing(bench: Any) -> None:
    run_id = ask(bench)
    engine = SyncEngine(bench.app)
    engine.stop()
    engine.tick()
    assert run_of(bench, run_id).state == RunState.QUEUED
