"""A backup put back under a running sync (F22)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select, text

from liftos_app.db import Database, metadata
from liftos_app.models import RunState
from liftos_app.services.sync import outcome
from liftos_app.services.sync import run as running
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.faults.conftest import ACTIVE, assert_whole, finish
from tests.unit.sync.test_engine import ask, run_of


class Backup:
    """All tables as they are now; `put_back` makes the live database so again, at once."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.file = database, folder / "backup.db"
        self.sqlite = database.engine.dialect.name == "sqlite"
        if self.sqlite:
            self._copy(str(database.engine.url.database), str(self.file))
            return
        with database.write() as session:
            session.execute(text("DROP SCHEMA IF EXISTS kept CASCADE"))
            session.execute(text("CREATE SCHEMA kept"))
            for table in metadata.sorted_tables:
                session.execute(text(f'CREATE TABLE kept."{table.name}" AS TABLE "{table.name}"'))

    def put_back(self) -> None:
        """As `.restore` of sqlite3 does, or pg_restore in one transaction."""
        if self.sqlite:
            self._copy(str(self.file), str(self.database.engine.url.database))
            return
        names = [t.name for t in metadata.sorted_tables]
        with self.database.write() as session:
            session.execute(text("TRUNCATE {}".format(", ".join(f'"{n}"' for n in names))))
            for table in metadata.sorted_tables:
                kept = table.to_metadata(MetaData(), schema="kept")
                session.execute(table.insert().from_select(table.columns.keys(), select(kept)))

    def drop(self) -> None:
        if not self.sqlite:
            with self.database.write() as session:
                session.execute(text("DROP SCHEMA IF EXISTS kept CASCADE"))

    def _copy(self, source: str, target: str) -> None:
        left, right = sqlite3.connect(source, timeout=10), sqlite3.connect(target, timeout=10)
        try:
            left.backup(right)
        finally:
            left.close()
            right.close()


@pytest.fixture
def back_up(bench: Any, tmp_path: Path) -> Iterator[Callable[[], Backup]]:
    """Make backups of the bench's database."""
    made: list[Backup] = []

    def make() -> Backup:
        made.append(Backup(bench.app.db, tmp_path))
        return made[-1]

    yield make
    for backup in made:
        backup.drop()


def moments(monkeypatch: pytest.MonkeyPatch, acts: dict[int, Callable[[], None]]) -> list[int]:
    """Do something before the n-th unit is stored, or before the verdict, which is number 9.

    Gives the numbers of the units that were stored, as they come.
    """
    store, finish_run = running.commit_unit, outcome.finish
    numbers, stored = iter(range(1, 1000)), []

    def commit(*args: Any, **named: Any) -> Any:
        number = next(numbers)
        acts.get(number, list)()
        result = store(*args, **named)
        stored.append(number)
        return result

    def verdict(job: Any) -> None:
        acts.get(next(numbers), list)()
        finish_run(job)

    monkeypatch.setattr(running, "commit_unit", commit)
    monkeypatch.setattr(outcome, "finish", verdict)
    return stored


# Before which of the moments the backup is made (0: before the run) and put back.
MOMENTS = [(made, back) for made in range(9) for back in range(made + 1, 10)]
USUAL = {(0, 1), (2, 5), (8, 9)}


@pytest.mark.parametrize(
    ("made", "back"),
    [pytest.param(*m, marks=() if m in USUAL else (pytest.mark.matrix,)) for m in MOMENTS],
)
def test_a_backup_put_back_in_mid_sync_is_noticed_and_the_next_sync_is_whole(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch,
    back_up: Callable[[], Backup], *, made: int, back: int,
) -> None:
    source.fill(39)
    kept: list[Backup] = []
    run_id = ask(bench)
    if made == 0:
        kept.append(back_up())

    def put_back() -> None:
        kept[0].put_back()

    acts = {made: lambda: kept.append(back_up()), back: put_back}
    stored = moments(monkeypatch, acts)
    engine = SyncEngine(bench.app)
    assert engine.run(run_id) in ACTIVE
    assert stored == list(range(1, back))
    assert engine._mine == {}
    acts.clear()
    assert finish(bench, clock).state == RunState.SUCCEEDED
    assert_whole(bench, source)


def test_a_worker_from_before_the_restore_stores_nothing_beside_a_new_one(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch,
    back_up: Callable[[], Backup],
) -> None:
    source.fill(39)
    run_id = ask(bench)
    backup, other = back_up(), SyncEngine(bench.app)
    claims: list[Any] = []

    def restore() -> None:
        backup.put_back()
        assert engine._claim() == []  # its own worker is still at it
        claims.extend(other._claim())

    acts = {1: restore}
    stored = moments(monkeypatch, acts)
    engine = SyncEngine(bench.app)
    engine.run(run_id)
    assert claims == [(run_id, 1)]  # the very epoch of the first worker
    assert stored == []
    other._work(*claims[0])
    assert run_of(bench, run_id).state == RunState.SUCCEEDED
    assert_whole(bench, source)


def test_a_backup_from_before_the_run_was_asked_for(
    bench: Any, source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch,
    back_up: Callable[[], Backup],
) -> None:
    source.fill(39)
    backup = back_up()
    run_id = ask(bench)
    stored = moments(monkeypatch, {4: backup.put_back})
    SyncEngine(bench.app).run(run_id)
    assert stored == [1, 2, 3]
    assert bench.stored() == {}
    assert SyncEngine(bench.app).run(ask(bench)) is RunState.SUCCEEDED
    assert_whole(bench, source)
