"""The engine over real HTTP on both databases: nothing lost, doubled, or dressed up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col, func, select

from liftos_app.errors import Conflict, Denied, Invalid
from liftos_app.models import (
    Connection,
    ConnectionStatus,
    Coverage,
    Organization,
    RejectedRow,
    Role,
    RunState,
    StreamRun,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import connections, sync
from liftos_app.services.context import Principal, open_context
from liftos_app.services.sync import run as running
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import TEST_ENV, Clock

ROOT = Path(__file__).resolve().parents[3]


def ask(bench: Any, **more: Any) -> UUID:
    with bench.ctx(write=True) as ctx:
        return sync.request(ctx, bench.connection_id, **more).id


def wait_for_rows(bench: Any, number: int) -> None:
    """Until the windows before the one being read are stored: that happens side by side."""
    deadline = time.monotonic() + 12
    while len(bench.stored()) < number and time.monotonic() < deadline:
        time.sleep(0.02)


def spans_of(source: Any) -> list[int]:
    """How many days each request asked for."""
    asked = [parse_qs(urlsplit(path).query) for path in source.requests]
    return [
        (date.fromisoformat(q["end"][0]) - date.fromisoformat(q["start"][0])).days + 1
        for q in asked
    ]


def run_of(bench: Any, run_id: UUID) -> SyncRun:
    with bench.app.db.read() as session:
        return session.get_one(SyncRun, run_id)


def connection_of(bench: Any) -> Connection:
    with bench.app.db.read() as session:
        return session.get_one(Connection, bench.connection_id)


def test_a_first_sync_brings_every_row_and_covers_every_day(bench: Any, source: Any) -> None:
    source.fill(30)
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()
    run = run_of(bench, run_id)
    assert (run.rows_read, run.rows_written, run.rows_rejected) == (90, 90, 0)
    with bench.app.db.read() as session:
        states = dict(
            session.exec(select(Coverage.state, func.count()).group_by(Coverage.state)).all()
        )
    assert states == {"complete": 30, "empty": 10}
    assert connection_of(bench).status == ConnectionStatus.HEALTHY
    assert connection_of(bench).next_run_at is not None


def test_L104_running_it_twice_changes_nothing(bench: Any, source: Any) -> None:
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    again = ask(bench)
    assert engine.run(again) is RunState.SUCCEEDED
    run = run_of(bench, again)
    assert (run.rows_written, run.rows_updated) == (0, 0)
    assert run.rows_unchanged == run.rows_read == 60
    assert bench.stored() == source.truth()


def test_L104_L105_restated_and_vanished_rows_follow_the_platform(bench: Any, source: Any) -> None:
    source.fill(10)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    source.rows["2026-11-20"][0]["spend"] = "99.99"
    del source.rows["2026-11-19"][1]
    second = ask(bench)
    engine.run(second)
    assert bench.stored() == source.truth()
    assert run_of(bench, second).rows_updated == 1


def test_many_pages_are_read_to_the_end(bench: Any, source: Any) -> None:
    source.page_size = 7
    source.fill(12, campaigns=5)
    SyncEngine(bench.app).run(ask(bench))
    assert bench.stored() == source.truth()


def test_a_bad_value_rejects_one_row_and_makes_the_run_partial(bench: Any, source: Any) -> None:
    source.fill(3)
    source.rows["2026-11-22"][1]["spend"] = "a lot"
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.PARTIAL
    run = run_of(bench, run_id)
    assert (run.rows_read, run.rows_written, run.rows_rejected) == (9, 8, 1)
    assert run.cause is not None
    assert run.cause["cause"] == "source_data"
    with bench.app.db.read() as session:
        kept = session.exec(select(RejectedRow)).one()
        assert "a lot" in kept.record
        day = session.exec(select(Coverage).where(Coverage.state == "partial")).one()
        assert day.day.isoformat() == "2026-11-22"
    assert connection_of(bench).status == ConnectionStatus.DEGRADED


def test_a_named_long_wait_parks_the_run_and_keeps_what_was_read(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(20)
    answered = iter([None, None, (429, {"Retry-After": "600"}, {"error": "slow"})])
    source.before = lambda path: next(answered, (429, {"Retry-After": "600"}, {"error": "slow"}))
    run_id = ask(bench)
    engine = SyncEngine(bench.app)
    assert engine.run(run_id) is RunState.QUEUED
    run = run_of(bench, run_id)
    assert run.waiting_until is not None
    assert run.waiting_until - clock.now >= timedelta(seconds=600)
    assert len(bench.stored()) == 30  # two windows of five days, three campaigns
    source.before = lambda path: None
    assert engine.run(run_id) is RunState.QUEUED  # not before its time
    clock.advance(seconds=700)
    before = len(source.requests)
    assert engine.run(run_id) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()
    assert len(source.requests) - before == 6  # eight windows less the two already stored


def test_a_refused_key_fails_the_run_and_asks_a_person(bench: Any, source: Any) -> None:
    source.before = lambda path: (401, {}, {"error": "bad key"})
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.FAILED
    connection = connection_of(bench)
    assert connection.status == ConnectionStatus.NEEDS_REAUTH
    assert connection.cause is not None
    assert connection.cause["owner"] == "you"


def test_a_key_refused_in_mid_sync_keeps_the_rows_and_is_not_called_success(
    bench: Any, source: Any
) -> None:
    source.fill(20)
    answered = iter([None, None])
    source.before = lambda path: next(answered, (401, {}, {"error": "revoked"}))
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.PARTIAL
    assert len(bench.stored()) == 30
    assert connection_of(bench).status == ConnectionStatus.NEEDS_REAUTH


def test_a_fault_of_ours_ends_one_stream_with_a_reference(bench: Any, source: Any) -> None:
    source.before = lambda path: (200, {}, {"data": "surprise", "next": None})
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.FAILED
    with bench.app.db.read() as session:
        row = session.exec(select(StreamRun)).one()
        assert row.error is not None
        assert row.error["cause"] == "our_fault"


def test_one_usual_sync_at_a_time_and_particular_days_wait_their_turn(bench: Any) -> None:
    first = ask(bench)
    assert ask(bench) == first
    with bench.ctx(write=True) as ctx, pytest.raises(Conflict):
        sync.request(ctx, bench.connection_id, streams=["campaign_daily"])


def test_impossible_days_and_unknown_streams_are_refused(bench: Any, clock: Clock) -> None:
    day = clock.now.date()
    for bad in (
        {"start": day, "end": day - timedelta(days=1)},
        {"start": day + timedelta(days=9)},
        {"start": day.replace(year=1990)},
        {"streams": ["nothing"]},
    ):
        with bench.ctx(write=True) as ctx, pytest.raises(Invalid) as caught:
            sync.request(ctx, bench.connection_id, **bad)
        assert caught.value.fix


def test_a_viewer_cannot_sync_and_another_organization_sees_nothing(bench: Any) -> None:
    viewer = Principal(kind="person", role=Role.VIEWER)
    with open_context(bench.app, viewer, bench.org_id, write=True) as ctx, pytest.raises(Denied):
        sync.request(ctx, bench.connection_id)
    run_id = ask(bench)
    with bench.app.db.write() as session:
        other = Organization(name="Other", created_at=bench.app.now())
        session.add(other)
        session.flush()
        other_id = other.id
    stranger = Principal(kind="person", role=Role.ADMIN)
    with open_context(bench.app, stranger, other_id) as ctx:
        for call in (
            lambda: sync.progress(ctx, run_id),
            lambda: sync.get(ctx, run_id),
            lambda: sync.history(ctx, bench.connection_id),
        ):
            with pytest.raises(Exception, match="no such"):
                call()


def test_L103_L106_a_run_taken_over_elsewhere_commits_nothing_more(bench: Any, source: Any) -> None:
    source.fill(20)
    run_id = ask(bench)

    def take_over(path: str) -> None:
        if len(source.requests) == 3:
            wait_for_rows(bench, 30)
            with bench.app.db.write() as session:
                session.execute(
                    update(SyncRun).where(col(SyncRun.id) == run_id).values(epoch=SyncRun.epoch + 1)
                )

    source.before = take_over
    SyncEngine(bench.app).run(run_id)
    assert len(bench.stored()) == 30
    assert run_of(bench, run_id).state == RunState.RUNNING  # the other one's business now


def test_cancelling_keeps_what_is_stored_and_stops_asking(bench: Any, source: Any) -> None:
    source.fill(20)
    run_id = ask(bench)

    def cancel(path: str) -> None:
        if len(source.requests) == 3:
            wait_for_rows(bench, 30)
            with bench.ctx(write=True) as ctx:
                sync.cancel(ctx, run_id)

    source.before = cancel
    assert SyncEngine(bench.app).run(run_id) is RunState.CANCELLED
    assert len(bench.stored()) == 30
    assert len(source.requests) <= 4  # the window under way, and the one being read ahead


def test_a_connection_deleted_before_its_account_is_opened_ends_the_run_quietly(
    bench: Any, source: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source.fill(20)
    run_id = ask(bench)
    opened = running.links.open_client

    def after_deleting(*args: Any, **more: Any) -> Any:
        with bench.ctx(write=True) as ctx:
            connections.life.delete(ctx, bench.connection_id)
        return opened(*args, **more)

    monkeypatch.setattr(running.links, "open_client", after_deleting)
    SyncEngine(bench.app).run(run_id)
    assert source.requests == []
    assert bench.stored() == {}
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == []


def test_L107_a_due_schedule_fires_once_for_two_engines(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(2)
    with bench.app.db.write() as session:
        row = session.get_one(Connection, bench.connection_id)
        row.status, row.next_run_at = ConnectionStatus.HEALTHY, clock.now - timedelta(minutes=1)
        session.add(row)
    engines = [SyncEngine(bench.app), SyncEngine(bench.app)]
    threads = [threading.Thread(target=e.tick) for e in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for engine in engines:
        engine.stop()
    with bench.app.db.read() as session:
        runs = session.exec(select(SyncRun)).all()
    assert [r.trigger for r in runs] == ["schedule"]
    assert connection_of(bench).next_run_at > clock.now  # type: ignore[operator]


def test_a_new_source_column_is_told_once_and_rows_still_land(bench: Any, source: Any) -> None:
    source.fill(3)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    with bench.app.db.read() as session:
        assert session.exec(select(SyncEvent).where(SyncEvent.kind == "drift")).all() == []
    for rows in source.rows.values():
        for row in rows:
            row["new_thing"] = "1"
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()


KILLED = """
import sys
sys.path.insert(0, {root!r})
from liftos_app import config
from liftos_app.services import boot
from liftos_app.services.connectors import platforms
platforms.__path__.append({root!r} + "/benchmarks/platforms")
from liftos_app.services.sync.engine import SyncEngine
from uuid import UUID
from datetime import datetime, timedelta, timezone
gap = datetime.fromisoformat({now!r}) - datetime.now(timezone.utc)
app = boot.build_app(
    config.load(), now=lambda: datetime.now(timezone.utc) + gap, migrate={migrate}
)
SyncEngine(app).run(UUID({run_id!r}))
"""


@pytest.mark.timeout(120)
def test_L103_L109_a_run_whose_process_is_killed_goes_on_from_its_last_window(
    bench: Any, source: Any, clock: Clock, tmp_path: Path
) -> None:
    source.fill(39)
    reached = threading.Event()

    def slow(path: str) -> None:
        if len(source.requests) == 4:
            reached.set()
            time.sleep(15)

    source.before = slow
    run_id = ask(bench)
    from alembic.config import Config

    from alembic import command

    stamp = Config(str(ROOT / "alembic.ini"))
    with bench.app.db.engine.begin() as connection:
        stamp.attributes["connection"] = connection
        command.stamp(stamp, "head")
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            KILLED.format(
                root=str(ROOT), run_id=str(run_id), migrate=False, now=clock.now.isoformat()
            ),
        ],
        env={
            **os.environ,
            **TEST_ENV,
            "LIFTOS_HOME": str(tmp_path / "killed"),
            "DATABASE_URL": bench.app.settings.database_url,
            "LIFTOS_BASE_URL_BENCH_ADS": source.url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert reached.wait(60), process.communicate(timeout=5)[0].decode()
    wait_for_rows(bench, 45)  # the fourth window is being read; the third is stored beside it
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert process.stdout is not None
    process.stdout.close()
    stored_at_death = bench.stored()
    assert len(stored_at_death) == 45  # three windows of five days, three campaigns
    source.before = lambda path: None
    source.requests.clear()
    clock.now = max(clock.now, run_of(bench, run_id).heartbeat_at) + timedelta(minutes=5)  # type: ignore[type-var]
    engine = SyncEngine(bench.app)
    engine.tick()
    deadline = time.monotonic() + 40
    while run_of(bench, run_id).state in (RunState.QUEUED, RunState.RUNNING):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        engine.tick()
    engine.stop()
    run = run_of(bench, run_id)
    assert run.state == RunState.SUCCEEDED
    assert bench.stored() == source.truth()
    assert run.rows_written == len(source.truth())  # nothing counted twice
    assert len(source.requests) == 5  # only the windows that were not stored


def test_a_day_read_while_it_was_running_is_first_read_when_it_was_over(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(3)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    clock.advance(days=1)
    engine.run(ask(bench))
    over = clock.now
    clock.advance(hours=5)
    engine.run(ask(bench))
    with bench.app.db.read() as session:
        days = {c.day.isoformat(): c for c in session.exec(select(Coverage))}
    assert days["2026-11-23"].first_read_at == over  # not the moment it was still running
    assert days["2026-11-23"].read_at == clock.now
    assert days["2026-11-22"].first_read_at < over


def test_days_with_many_rows_are_read_in_smaller_windows_and_nothing_is_lost(
    bench: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_ROWS", 6)
    source.fill(39)  # three rows a day
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) == RunState.SUCCEEDED
    assert bench.stored() == source.truth()
    first, *others = spans_of(source)
    assert first == 5  # given up, and read again in halves
    assert set(others) == {1, 2}
    with bench.app.db.read() as session:
        assert session.exec(select(func.count()).select_from(Coverage)).one() == 40
        run = session.get_one(SyncRun, run_id)
        assert (run.rows_read, run.rows_written) == (117, 117)
        assert run.requests == len(source.requests)  # those that were given up too

    source.requests.clear()
    SyncEngine(bench.app).run(ask(bench))
    assert max(spans_of(source)) <= 2  # the next run knows from the first window on
    assert bench.stored() == source.truth()


def test_runs_that_end_while_checks_run_share_the_next_turn_of_them(bench: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()
    turns: list[int] = []

    def hook(_app: Any, org_id: int) -> None:
        turns.append(org_id)
        begun.set()
        assert go_on.wait(20)
        if len(turns) == 1:
            raise RuntimeError("what fails for one turn does not end the others")

    engine = SyncEngine(bench.app, after_run=[hook])
    first = threading.Thread(target=engine._follow, args=(1,))
    first.start()
    assert begun.wait(20)
    for _ in range(3):
        engine._follow(1)  # they do not wait: somebody is at it
    other = threading.Thread(target=engine._follow, args=(2,))
    other.start()
    go_on.set()
    first.join(20)
    other.join(20)
    assert sorted(turns) == [1, 1, 2]
    engine._follow(1)
    assert sorted(turns) == [1, 1, 1, 2]
