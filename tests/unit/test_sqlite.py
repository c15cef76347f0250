"""SQLite as db.py sets it up: one writer, readers beside it, and no write that is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from liftos_app.config import ROOT
from liftos_app.db import Database
from liftos_app.models import Organization
from tests.conftest import NOW


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path) -> Path:
    """A database with all tables and one row that counts in its name."""
    found = tmp_path / "counted.db"
    found.write_bytes(sqlite_template.read_bytes())
    with closing(Database(f"sqlite:///{found}")) as database, database.write() as session:
        session.add(Organization(id=1, name="0", created_at=NOW))
    return found


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{path}")) as found:
        yield found


def count_up(session: Session) -> None:
    """Read, then write what was read and one more: what two writers at once would lose."""
    row = session.get_one(Organization, 1)
    row.name = str(int(row.name) + 1)


def counted(database: Database) -> int:
    with database.read() as session:
        return int(session.get_one(Organization, 1).name)


@pytest.mark.parametrize("writes", [True, False])
def test_L111_every_connection_is_durable_checked_and_patient(
    database: Database, *, writes: bool
) -> None:
    wanted = {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000,
        "query_only": int(not writes),
    }
    with (database.write if writes else database.read)() as session:
        found = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in wanted
        }
    assert found == wanted


def test_L111_a_writing_session_holds_the_lock_from_its_first_look(
    database: Database, path: Path
) -> None:
    """BEGIN IMMEDIATE: it never finds out half-way that somebody else was quicker."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        with database.write() as session:
            session.get_one(Organization, 1)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        with database.read() as session:
            session.get_one(Organization, 1)
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")


def test_L111_there_is_one_writing_connection_and_reading_ones_cannot_write(
    database: Database,
) -> None:
    order: list[str] = []

    def second() -> None:
        with database.write() as session:
            session.get_one(Organization, 1)
            order.append("second")

    thread = threading.Thread(target=second)
    with database.write() as session:
        session.get_one(Organization, 1)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    with database.read() as session, pytest.raises(OperationalError, match="readonly"):
        session.connection().exec_driver_sql("UPDATE organization SET name = '7'")
    assert counted(database) == 0


def test_L111_readers_see_the_last_commit_and_wait_for_no_writer(database: Database) -> None:
    with database.write() as session:
        count_up(session)
        session.flush()
        assert counted(database) == 0
    assert counted(database) == 1


def test_L111_many_parallel_writers_lose_nothing(database: Database) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                with database.write() as session:
                    count_up(session)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counted(database) == 8 * 50


def test_L111_a_command_that_writes_beside_the_server_loses_nothing(
    database: Database, path: Path
) -> None:
    """Another process is another writing connection: they take turns by the lock of the file."""
    script = (
        "import sys; from liftos_app.db import Database; from tests.unit.test_sqlite import "
        "count_up; d = Database(sys.argv[1])\n"
        "for _ in range(50):\n"
        "    with d.write() as s: count_up(s)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, f"sqlite:///{path}"], cwd=ROOT)
    for _ in range(50):
        with database.write() as session:
            count_up(session)
    assert other.wait(60) == 0
    assert counted(database) == 100


def test_L111_L109_closing_leaves_no_write_ahead_log_behind(
    database: Database, path: Path
) -> None:
    with database.write() as session:
        count_up(session)
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > 0
    database.close()
    assert not log.exists()
