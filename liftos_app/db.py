"""The engine and its sessions. Knows SQLite and PostgreSQL; knows no table.

SQLite: WAL, one writer connection, `BEGIN IMMEDIATE` for writes, readers in parallel. A writing
session is asked for by name (`write`), because a reader that turns writer half-way can only fail.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine import Connection as DbConnection
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.pool import QueuePool
from sqlmodel import Session, SQLModel

from liftos_app import row_security, tenancy
from liftos_app.errors import Invalid

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata
# A process that stands still, or a machine that is gone, must not keep its locks from the process
# that takes over (PostgreSQL; SQLite has one process).
IDLE_SECONDS = 120


@event.listens_for(metadata, "after_create")
def _raise_wall(_metadata: MetaData, connection: DbConnection, **_: object) -> None:
    """Tables made without a migration get the same policies."""
    if connection.dialect.name == "postgresql":
        row_security.protect(connection)
        row_security.RowSecurity(list(metadata.tables)).prepare(connection)


class ReadOnly(RuntimeError):
    """Code tried to change rows in a reading session: ask for `write` instead."""


class Database:
    """Two engines over one database: many readers, and writers (one at a time on SQLite)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self._reader = _sqlite_engine(url, writer=False)
            self._writer = _sqlite_engine(url, writer=True)
        else:
            self._writer = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
            self._reader = self._writer
            event.listen(self._writer, "connect", _let_go_of_the_still)
            event.listen(self._writer, "handle_error", _tell_of_nul)
        self.wall = None if self.is_sqlite else row_security.RowSecurity(metadata.tables)

    @contextmanager
    def read(self, org: int | None = None) -> Iterator[Session]:
        """A session that may only look, at one organization when it is named. Ends with a
        roll-back.
        """
        with self._session(self._reader, org, autoflush=False, info={"reads": True}) as session:
            event.listen(session, "before_flush", _refuse_flush)
            yield session
            session.expunge_all()  # a roll-back would empty the rows that were handed out
            session.rollback()

    @contextmanager
    def write(self, org: int | None = None) -> Iterator[Session]:
        """A session in one transaction, of one organization when it is named: commits at the end,
        rolls back on any error.
        """
        with self._session(self._writer, org, expire_on_commit=False) as session, session.begin():
            yield session

    def _session(self, engine: Engine, org: int | None, **more: Any) -> Session:
        if org is None:
            return Session(engine, **more)
        session = tenancy.OrganizationSession(engine, **more)
        tenancy.enclose(session, org, self.wall)
        return session

    def wall_fault(self) -> row_security.Fault | None:
        """Why PostgreSQL does not keep organizations apart; None when it does, and on SQLite."""
        if self.wall is None:
            return None
        with self._reader.connect() as connection:
            return self.wall.fault(connection)

    def prepare_wall(self) -> row_security.Fault | None:
        """Let transactions of an organization be held by PostgreSQL too. What is missing for it;
        None when nothing is, and on SQLite.
        """
        if self.wall is None:
            return None
        with self._writer.begin() as connection:
            return self.wall.prepare(connection)

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations and bulk loads."""
        return self._writer

    def close(self) -> None:
        """Give all connections back to the operating system."""
        self._reader.dispose()
        self._writer.dispose()


def _let_go_of_the_still(connection: Any, _record: object) -> None:
    """A transaction in which nothing happens is ended, and so is one whose machine is gone."""
    with connection.cursor() as cursor:
        for setting in (
            f"idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'", "tcp_keepalives_idle = 60",
            "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3",
        ):
            cursor.execute(f"SET {setting}")
    connection.commit()


def end_after(session: Session, seconds: int) -> None:
    """Let the database end this transaction by itself, where it can: PostgreSQL 17 and later.

    For short work that others wait for. A process may stand still while it sends rows, which does
    not count as idle.
    """
    connection = session.connection()
    version = getattr(connection.dialect, "server_version_info", None) or (0,)
    if connection.dialect.name == "postgresql" and version >= (17,):
        connection.exec_driver_sql(f"SET LOCAL transaction_timeout = '{seconds}s'")


def _tell_of_nul(context: ExceptionContext) -> None:
    """PostgreSQL stores no NUL: whoever sent one is told so. SQLite takes it."""
    if "cannot contain NUL" in str(context.original_exception):
        raise Invalid(
            "A text holds the character NUL.", why="The database cannot store it.",
            fix="Leave it out and send the rest again.",
        )


def _refuse_flush(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        raise ReadOnly("This session only reads; open the context with write=True.")


def _sqlite_engine(url: str, *, writer: bool) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if writer else 8,
        max_overflow=0 if writer else 24,
        pool_timeout=60,
        connect_args={"check_same_thread": False, "timeout": 30},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we write BEGIN ourselves
        for pragma in (
            "journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON",
            "temp_store=MEMORY", "cache_size=-16000", "mmap_size=0", "secure_delete=ON",
            f"query_only={'OFF' if writer else 'ON'}",  # who only reads never becomes a writer
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: DbConnection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def driver_version(database: Database) -> str:
    """Name and version of the database software, for health pages."""
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}"
    with database.read() as session:
        row = session.connection().exec_driver_sql("show server_version").scalar_one()
    return f"PostgreSQL {str(row).split(' ')[0]}"
