"""Faults: what breaks, when, and what must hold afterwards: the database equals the world.

A fixed subset runs with every test run; `make test-faults` (FAULTS=all) runs the whole matrix.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, func, select

from liftos_app.db import Database
from liftos_app.models import (
    Coverage,
    FactDaily,
    Lease,
    RunState,
    SourceRecord,
    StagedUnit,
    StreamRun,
    SyncRun,
)
from liftos_app.services.connectors import client
from liftos_app.services.context import App
from liftos_app.services.sync.engine import SyncEngine
from tests.unit.sync import conftest as ground

source, bench, bench_platform = ground.source, ground.bench, ground.bench_platform
ALL = os.environ.get("FAULTS") == "all"
ACTIVE = (RunState.QUEUED, RunState.RUNNING)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the long part of the matrix to `make test-faults`."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here) and item.get_closest_marker("matrix") and not ALL:
            item.add_marker(pytest.mark.skip(reason="part of the whole matrix: make test-faults"))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries take no time; how long they are is tested elsewhere."""
    monkeypatch.setattr(client, "_wait", lambda state: 0.0)


def in_child(app: App, work: Callable[[App], None]) -> int:
    """Do something in a process of its own with its own connections. Its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        _die_with_the_parent()
        work(replace(app, db=Database(app.settings.database_url), extras={}))
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def _die_with_the_parent() -> None:
    """A child that outlives its test holds locks, and pipes that others wait for."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ended(pid: int) -> int:
    """Wait for a child: its exit code, or minus the signal that killed it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def die() -> None:
    """As a power cut would: nothing is flushed, closed or rolled back."""
    os.kill(os.getpid(), signal.SIGKILL)


def finish(bench: Any, clock: Any, *, tries: int = 12) -> SyncRun:
    """What a fresh process does after the fault: take up, claim and run until nothing is left."""
    app = replace(bench.app, db=Database(bench.app.settings.database_url), extras={})
    engine = SyncEngine(app)
    for _ in range(tries):
        clock.advance(minutes=30)
        engine._take_up(silent_for=engine_silence())
        for run_id, epoch in engine._claim():
            engine._work(run_id, epoch)
        with app.db.read() as session:
            if session.exec(select(SyncRun).where(col(SyncRun.state).in_(ACTIVE))).first() is None:
                break
    with app.db.read() as session:
        run = session.exec(select(SyncRun).order_by(col(SyncRun.created_at).desc())).first()
    app.db.close()
    assert run is not None
    return run


def engine_silence() -> Any:
    from liftos_app.services.sync import engine

    return engine.SILENT


def assert_whole(bench: Any, source: Any, *, days: int = 40) -> None:
    """Zero lost, zero doubled, and the books agree with the rows."""
    truth = source.truth()
    assert bench.stored() == truth
    with bench.app.db.read() as session:
        assert session.exec(select(func.count()).select_from(FactDaily)).one() == len(truth)
        covered = session.exec(select(Coverage)).all()
        assert len({c.day for c in covered}) == len(covered) == days
        assert sum(c.row_count for c in covered) == len(truth)
        by_day: dict[str, int] = {}
        for _, day in truth:
            by_day[day] = by_day.get(day, 0) + 1
        kept = session.exec(select(SourceRecord)).all()
        assert {k.slot: k.records for k in kept} == by_day
        assert session.exec(select(StagedUnit)).all() == []
        now = bench.app.now()
        assert [x.name for x in session.exec(select(Lease)) if x.expires_at > now] == []
        for run in session.exec(select(SyncRun)):
            assert run.state not in ACTIVE
            counted = run.rows_written + run.rows_updated + run.rows_unchanged + run.rows_rejected
            assert run.rows_read == counted
        for row in session.exec(select(StreamRun)):
            if row.state == RunState.SUCCEEDED:
                assert row.days_done >= row.days_total
