"""kill -9 at every boundary of every commit: before it, inside it, right after it (F1 to F3)."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlmodel import select

from liftos_app import db
from liftos_app.models import RunState, StagedUnit, SyncRun
from liftos_app.services.context import App
from liftos_app.services.sync import engine as engines
from liftos_app.services.sync import run as running
from liftos_app.services.sync import window
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.faults.conftest import assert_whole, die, ended, finish, in_child
from tests.unit.sync.test_engine import ask, wait_for_rows

POINTS = ("before", "inside", "after")
FAST = {("before", 1), ("inside", 3), ("inside", 11), ("after", 2)}
MATRIX = [(p, n) for p in POINTS for n in (range(1, 9) if p == "before" else range(1, 13))]


def dying(point: str, number: int, run_id: UUID) -> Any:
    """A sync that dies at the n-th commit (of units, where it is before one)."""

    def work(app: App) -> None:
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            if count == number:
                die()

        if point == "before":
            real = running.commit_unit

            def commit(*args: Any, **named: Any) -> Any:
                tick()
                return real(*args, **named)

            running.commit_unit = commit
        elif point == "inside":  # everything is written, nothing is committed
            event.listen(app.db.engine, "commit", lambda _: tick())
        else:
            real_exit = app.db.engine.dialect.do_commit

            def do_commit(connection: Any) -> None:
                real_exit(connection)
                tick()

            app.db.engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
        SyncEngine(app).run(run_id)

    return work


@pytest.mark.parametrize(
    ("point", "number"),
    [
        pytest.param(p, n, marks=() if (p, n) in FAST else (pytest.mark.matrix,))
        for p, n in MATRIX
    ],
)
def test_L103_a_kill_at_any_commit_loses_and_doubles_nothing(
    bench: Any, source: Any, clock: Clock, point: str, number: int
) -> None:
    source.fill(39)
    run_id = ask(bench)
    code = ended(in_child(bench.app, dying(point, number, run_id)))
    assert code in (-signal.SIGKILL, 0)
    run = finish(bench, clock)
    assert run.state == RunState.SUCCEEDED
    assert run.rows_written == len(source.truth())  # nothing counted twice
    assert_whole(bench, source)


@pytest.mark.parametrize("number", [2, pytest.param(4, marks=pytest.mark.matrix),
                                    pytest.param(6, marks=pytest.mark.matrix),
                                    pytest.param(7, marks=pytest.mark.matrix)])
def test_L105_a_resync_killed_half_way_leaves_the_old_rows_whole(
    bench: Any, source: Any, clock: Clock, number: int
) -> None:
    source.fill(39)
    SyncEngine(bench.app).run(ask(bench))
    before = bench.stored()
    for rows in source.rows.values():
        rows[0]["spend"] = "77.00"
    clock.advance(minutes=1)
    start = (clock.now - timedelta(days=39)).date()
    run_id = ask(bench, start=start, end=clock.now.date())
    assert ended(in_child(bench.app, dying("inside", number, run_id))) == -signal.SIGKILL
    assert bench.stored() == before
    with bench.app.db.read() as session:
        staged = len(session.exec(select(StagedUnit)).all())
    source.requests.clear()
    assert finish(bench, clock).state == RunState.SUCCEEDED
    assert len(source.requests) == 8 - staged
    assert_whole(bench, source)


def test_L103_L106_a_leader_that_was_frozen_commits_nothing_when_it_thaws(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "IDLE_SECONDS", 2)  # it may be frozen with locks in its hands
    monkeypatch.setattr(window, "COMMIT_SECONDS", 4)
    source.fill(39)
    run_id = ask(bench)
    pid = 0

    def freeze(path: str) -> None:
        if len(source.requests) == 5:
            wait_for_rows(bench, 60)  # between two commits: a frozen transaction would hold locks
            os.kill(pid, signal.SIGSTOP)

    source.before = freeze
    pid = in_child(bench.app, lambda app: void(SyncEngine(app).run(run_id)))
    deadline = time.monotonic() + 20
    while len(source.requests) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    source.before = lambda path: None
    try:
        if bench.app.settings.is_sqlite:  # a frozen writer may hold the file: one process only
            os.kill(pid, signal.SIGCONT)
            assert ended(pid) == 0
        else:
            run = finish(bench, clock)
            assert run.state == RunState.SUCCEEDED
            written = run.rows_written
            os.kill(pid, signal.SIGCONT)
            assert ended(pid) == 0
            with bench.app.db.read() as session:
                assert session.get_one(SyncRun, run_id).rows_written == written
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    assert_whole(bench, source)


@pytest.mark.parametrize("where", ["between statements", "in mid-copy"])
def test_L106_a_leader_frozen_while_it_stores_holds_the_next_one_up_for_a_while_only(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if bench.app.settings.is_sqlite:
        pytest.skip("one process has the embedded database alone")
    monkeypatch.setattr(db, "IDLE_SECONDS", 2)
    monkeypatch.setattr(window, "COMMIT_SECONDS", 4)
    source.fill(39)
    run_id = ask(bench)

    def frozen(app: App) -> None:
        calls = 0

        def stop(*values: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                os.kill(os.getpid(), signal.SIGSTOP)
            return real(*values)

        if where == "in mid-copy":
            from psycopg import Copy

            real = Copy.finish  # the rows are sent, their end is not
            Copy.finish = stop
        else:
            real = window.restate.store
            window.restate.store = stop
        SyncEngine(app).run(run_id)

    pid = in_child(bench.app, frozen)
    try:
        found, status = os.waitpid(pid, os.WUNTRACED)
        assert found == pid
        assert os.WIFSTOPPED(status)
        assert finish(bench, clock).state == RunState.SUCCEEDED
        os.kill(pid, signal.SIGCONT)
        assert ended(pid) == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    assert_whole(bench, source)


@pytest.mark.timeout(90)
def test_L106_L109_of_two_replicas_one_is_killed_and_the_other_finishes(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.app.settings.is_sqlite:
        pytest.skip("one process has the embedded database alone")
    monkeypatch.setattr(engines, "SILENT", timedelta(seconds=2))
    monkeypatch.setattr(engines, "HEARTBEAT", timedelta(seconds=0.3))
    source.fill(39)
    began, base = time.monotonic(), clock.now
    bench.app.now = lambda: base + timedelta(seconds=time.monotonic() - began)
    source.before = lambda path: time.sleep(0.25)
    run_id = ask(bench)

    def replica(app: App) -> None:
        engine = SyncEngine(app)
        for _ in range(400):
            engine.tick()
            time.sleep(0.1)

    pids = [in_child(bench.app, replica) for _ in range(2)]
    try:
        holder = ""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            with bench.app.db.read() as session:
                run = session.get_one(SyncRun, run_id)
            if not holder and run.state == RunState.RUNNING and run.windows_done >= 2:
                holder = run.holder
                os.kill(int(holder.split(":")[-2]), signal.SIGKILL)
            if run.state not in (RunState.QUEUED, RunState.RUNNING):
                break
            time.sleep(0.05)
        assert run.state == RunState.SUCCEEDED
        assert holder
        assert run.holder != holder
        assert run.attempts == 1
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ended(pid)
    assert_whole(bench, source)


def void(value: object) -> None:
    """Nothing comes of it."""
    del value


def test_L109_sigterm_in_the_middle_goes_back_to_the_queue(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(39)
    run_id = ask(bench)
    source.before = lambda path: time.sleep(0.2)
    engine = SyncEngine(bench.app)
    engine.start(seconds=0.05)
    deadline = time.monotonic() + 15
    while len(source.requests) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    engine.stop()
    with bench.app.db.read() as session:
        run = session.get_one(SyncRun, run_id)
    assert run.state == RunState.QUEUED
    assert 0 < len(bench.stored()) < len(source.truth())
    source.before = lambda path: None
    assert finish(bench, clock).state == RunState.SUCCEEDED
    assert_whole(bench, source)
