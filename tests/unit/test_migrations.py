"""Migrations: from empty to newest and back, on both databases, without drift, all or nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, create_engine, insert, inspect, select, table, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from liftos_app.config import ROOT
from liftos_app.db import Database, metadata
from liftos_app.errors import Conflict, Invalid, Unavailable
from liftos_app.services import migrations, revisions


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
        yield database
        database.close()
        return
    admin = create_engine(request.getfixturevalue("postgres_server"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS liftos_migrations WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE liftos_migrations"))
    url = make_url(str(admin.url.render_as_string(hide_password=False)))
    database = Database(url.set(database="liftos_migrations").render_as_string(hide_password=False))
    yield database
    database.close()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE liftos_migrations WITH (FORCE)"))
    admin.dispose()


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def test_an_empty_database_becomes_the_newest_without_drift(empty: Database) -> None:
    assert migrations.current(empty) is None
    assert migrations.migrate(empty)
    assert migrations.current(empty) == revisions.newest()
    assert tables(empty) == {t.name for t in metadata.sorted_tables} | {"alembic_version"}
    assert migrations.drift(empty) == []


def test_migrating_twice_does_nothing(empty: Database) -> None:
    migrations.migrate(empty)
    assert not migrations.migrate(empty)


def test_downgrading_to_base_leaves_nothing_and_upgrading_again_works(empty: Database) -> None:
    migrations.migrate(empty)
    assert migrations.migrate(empty, "base")
    assert tables(empty) == {"alembic_version"}
    assert migrations.current(empty) is None
    assert migrations.migrate(empty)
    assert migrations.drift(empty) == []


def test_every_revision_can_be_reached_one_by_one(empty: Database) -> None:
    order, step = [], revisions.newest()
    while step is not None:
        order.insert(0, step)
        step = revisions.revisions()[step]  # type: ignore[assignment]
    for revision in order:
        migrations.migrate(empty, revision)
        assert migrations.current(empty) == revision
    for revision in [*reversed(order[:-1]), "base"]:
        migrations.migrate(empty, revision)


def test_a_difference_between_tables_and_models_is_noticed(empty: Database) -> None:
    migrations.migrate(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("ALTER TABLE organization ADD COLUMN surprise INTEGER"))
        connection.execute(text("DROP INDEX ix_audit_entry_at"))
    found = migrations.drift(empty)
    assert any("surprise" in line for line in found)
    assert any("ix_audit_entry_at" in line for line in found)


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    migrations.migrate(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict) as caught:
        migrations.migrate(empty)
    assert "newer" in caught.value.what


def test_an_unknown_goal_is_refused(empty: Database) -> None:
    with pytest.raises(Invalid):
        migrations.migrate(empty, "4711")
    assert tables(empty) == set()


def test_a_migration_that_fails_changes_nothing(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    upgrade = command.upgrade

    def breaking(config: object, revision: str) -> None:
        upgrade(config, revision)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", breaking)
    with pytest.raises(RuntimeError, match="power cut"):
        migrations.migrate(empty)
    assert tables(empty) == set()
    monkeypatch.undo()
    assert migrations.migrate(empty)


def test_rows_and_references_survive_going_to_newest(empty: Database) -> None:
    """SQLite copies a table to change it: that must not delete what points at it."""
    migrations.migrate(empty)
    with empty.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO organization (public_id, name, currency, time_zone, week_start, "
                "revenue_basis, settings, created_at) VALUES "
                "('0f8fad5bd9cb469fa16570867728950e', 'A', 'USD', 'UTC', 0, 'net_sales', '{}', "
                "'2026-01-01 00:00:00')"
            )
        )
    if empty.is_sqlite:
        with empty.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert not migrations.migrate(empty)
    with empty.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM organization")).scalar() == 1


ID = "0f8fad5bd9cb469fa16570867728950e"
AT = "2026-01-01 00:00:00"
OF_RUN: dict[str, Any] = {"org_id": 1, "run_id": ID, "account_key": 1, "stream": "daily"}
ROWS_OF_A_RUN: dict[str, dict[str, Any]] = {  # as revision 0012 takes them
    "organization": {
        "id": 1, "public_id": ID, "name": "A", "currency": "USD", "time_zone": "UTC",
        "week_start": 0, "revenue_basis": "net_sales", "settings": "{}", "created_at": AT,
    },
    "connection": {
        "id": ID, "org_id": 1, "platform": "klaviyo", "name": "K", "status": "healthy",
        "provenance": "live", "auth_kind": "", "options": "{}", "streams": "[]",
        "history_days": 90, "schedule": "", "schedule_zone": "UTC", "sync_window": "",
        "priority": 0, "drift_policy": "evolve", "wizard_step": 5, "color_index": 0,
        "created_at": AT, "updated_at": AT,
    },
    "account": {
        "key": 1, "id": ID, "org_id": 1, "connection_id": ID, "external_id": "a", "name": "A",
        "currency": "", "time_zone": "UTC", "status": "", "usable": True, "reason": "",
        "selected": True, "extra": "{}", "created_at": AT,
    },
    "sync_run": {
        "id": ID, "org_id": 1, "connection_id": ID, "state": "queued", "trigger": "person",
        "request": "{}", "created_at": AT, "holder": "", "epoch": 0, "attempts": 0,
        "windows_total": 0, "windows_done": 0, "rows_read": 0, "rows_written": 0,
        "rows_updated": 0, "rows_unchanged": 0, "rows_rejected": 0, "requests": 0,
    },
    "stream_run": {
        **OF_RUN, "state": "queued", "days_total": 9, "days_done": 1, "current_day": "",
        "rows_read": 4, "rows_written": 3, "rows_updated": 0, "rows_unchanged": 0,
        "rows_rejected": 1, "bytes_read": 77, "requests": 1, "seconds": 0.5,
    },
    "rejected_row": {**OF_RUN, "day": "", "reason": "no day", "record": "{}", "at": AT},
    "resync_change": {
        **OF_RUN, "table_name": "fact_daily", "row_count": 1, "body": b"abc", "at": AT,
    },
    "staged_unit": {
        **OF_RUN, "first_day": "2026-01-01", "last_day": "2026-01-02", "body": b"abc", "at": AT,
    },
}


def add(database: Database, name: str, **other: object) -> None:
    values = {**ROWS_OF_A_RUN[name], **other}
    with database.engine.begin() as connection:
        connection.execute(insert(table(name, *map(column, values))).values(values))


def test_L13_rows_of_runs_survive_their_composite_keys_there_and_back(empty: Database) -> None:
    names = list(ROWS_OF_A_RUN)[3:]

    def rows() -> dict[str, list[dict[str, Any]]]:
        with empty.engine.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(
                    select(text("*")).select_from(table(name))
                ).mappings()] for name in names
            }

    migrations.migrate(empty, "0012")
    for name in ROWS_OF_A_RUN:
        add(empty, name)
    before = rows()
    assert all(len(found) == 1 for found in before.values())
    migrations.migrate(empty, "0013")
    assert rows() == before
    with empty.engine.connect() as connection:
        for name in names[1:]:
            keys = inspect(connection).get_foreign_keys(name)
            assert ["org_id", "run_id"] in [key["constrained_columns"] for key in keys], name
    with pytest.raises(IntegrityError):  # still one active run per connection
        add(empty, "sync_run", id=ID[::-1], state="running")
    migrations.migrate(empty, "0012")
    assert rows() == before


def test_two_starts_at_once_migrate_once(empty: Database) -> None:
    """Two processes, as two containers would be."""
    script = (
        "import sys; from liftos_app.db import Database; "
        "from liftos_app.services import migrations; "
        "d = Database(sys.argv[1]); migrations.migrate(d); print(migrations.current(d)); d.close()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, empty.url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [process.communicate(timeout=60) for process in started]
    assert [out.strip() for out, _ in results] == [revisions.newest()] * 2, results
    assert migrations.drift(empty) == []


def test_a_database_that_does_not_answer_is_named() -> None:
    database = Database("postgresql+psycopg://x:hush@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(Unavailable) as caught:
        migrations.current(database)
    assert "hush" not in caught.value.sentence()
    database.close()


def test_knowing_that_nothing_is_to_be_done_does_not_import_alembic(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    migrations.migrate(database)
    database.close()
    script = (
        "import sys; from liftos_app.db import Database; "
        "from liftos_app.services import migrations; "
        "d = Database(sys.argv[1]); assert not migrations.migrate(d); d.close();"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, database.url], cwd=ROOT, check=True, timeout=60)
