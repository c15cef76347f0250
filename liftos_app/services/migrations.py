"""Alembic in this process, on one connection and in one transaction, for SQLite and PostgreSQL.

Whether anything is to be done is told without importing alembic (a second of start-up time).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import OperationalError

from liftos_app import row_security
from liftos_app.db import Database
from liftos_app.errors import Conflict, Invalid, Unavailable
from liftos_app.services.revisions import FOLDER, newest, revisions

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)
_LOCK: Final = 0x11F705  # names our migration lock on PostgreSQL


def migrate(database: Database, to: str = "head") -> bool:
    """Bring the tables to a revision (`head`, `base` or its name). Returns whether it did anything.

    All or nothing: a failure or a kill leaves the database as it was.
    """
    here = current(database)
    goal = {"head": newest(), "base": None}.get(to, to)
    if here == goal:
        return False
    if goal is not None and goal not in revisions():
        raise Invalid(f"There is no revision {goal!r}.", fix="Run: liftos migrate", field="to")
    if here is not None and here not in revisions():
        raise Conflict(
            "This database was made by a newer LiftOS.", why=f"Its revision {here!r} is not known.",
            fix="Start the newer version, or restore a backup that fits this one.",
        )
    from alembic import command

    with _exclusive(database) as connection:
        config = _config(connection)
        if to == "head" or _is_ahead(here, goal):
            command.upgrade(config, to)
        else:
            command.downgrade(config, to)
    log.info("database.migrated", extra={"from": here or "base", "to": goal or "base"})
    return True


def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one. Raises Unavailable."""
    try:
        with database.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except OperationalError as error:
        raise Unavailable(
            "The database does not answer.", why=f"{type(error.orig).__name__} on connecting.",
            fix="Check DATABASE_URL and that the database is running.",
        ) from error


def drift(database: Database) -> list[str]:
    """How the tables differ from the models, one line per difference; empty when they do not."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import liftos_app.models  # noqa: F401  (registers every table)
    from liftos_app.db import metadata

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [_line(change) for change in compare_metadata(context, metadata)]
        differences += _key_differences(connection, metadata)
        if not database.is_sqlite:
            differences += [f"policy of {t}: none" for t in row_security.open_tables(connection)]
        return differences


def write_revision(database: Database, name: str, *, number: str) -> Path:
    """Write a new file in alembic/versions from what `drift` finds. For developers."""
    from alembic import command

    with _exclusive(database) as connection:
        script = command.revision(
            _config(connection), message=name, autogenerate=True, rev_id=number
        )
    revisions.cache_clear()
    one = script[0] if isinstance(script, list) else script
    if one is None:
        raise RuntimeError("alembic wrote no revision")
    return Path(one.path)


def _key_differences(connection: Connection, metadata: MetaData) -> list[str]:
    """Primary keys that differ; alembic does not look at them."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    found = []
    for table in metadata.sorted_tables:
        if table.name in there:
            stored = inspector.get_pk_constraint(table.name)["constrained_columns"]
            wanted = [column.name for column in table.primary_key.columns]
            if stored != wanted:
                found.append(f"primary key of {table.name}: {stored} instead of {wanted}")
    return found


def _is_ahead(here: str | None, goal: str | None) -> bool:
    """Whether `goal` lies after `here`."""
    step, seen = goal, set()
    while step is not None and step not in seen:
        if step == here:
            return True
        seen.add(step)
        step = revisions().get(step)
    return here is None


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _exclusive(database: Database) -> Iterator[Connection]:
    """The writing connection in one transaction that nobody else migrates beside.

    SQLite rebuilds tables to change them: foreign keys rest meanwhile and are checked at the end.
    """
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
            yield connection
            connection.commit()
            return
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
        try:
            connection.exec_driver_sql("SELECT 1")  # begins the transaction, takes the writer
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise RuntimeError(f"The migration broke references: {broken[:5]}")
            connection.commit()
        finally:
            if connection.in_transaction():
                connection.rollback()
            raw.execute("PRAGMA foreign_keys=ON")


def _line(change: Any) -> str:
    parts = change[0] if isinstance(change, list) else change
    return " ".join(str(p) for p in parts)
