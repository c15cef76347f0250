"""The wall between organizations inside PostgreSQL: policies, and the role that they bind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, func, inspect, text
from sqlalchemy.engine import Connection as DbConnection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlmodel import select

from liftos_app import row_security
from liftos_app.config import ConfigError
from liftos_app.db import Database, metadata
from liftos_app.models import AuditEntry, Connection, Organization, Role
from liftos_app.services import audit, boot, doctor, migrations, protection
from liftos_app.services.context import App, Principal, job_principal, open_context
from liftos_app.state import protection as protection_page
from tests import twin_fixtures

make_home, mine, theirs = twin_fixtures.make_home, twin_fixtures.mine, twin_fixtures.theirs
Home = twin_fixtures.Home
JOB = job_principal("test")


@pytest.fixture
def here(app: App, mine: Home, theirs: Home) -> Callable[..., Any]:
    """A context of my organization, while another one has as much."""
    return lambda **more: open_context(app, JOB, mine.org.id, **more)


@pytest.fixture
def on_postgres(app: App) -> None:
    if app.db.is_sqlite:
        pytest.skip("SQLite has no row-level security")
    with app.db.engine.connect() as connection:
        assert app.db.wall is not None
        assert app.db.wall.fault(connection) is None


def test_L18_raw_sql_cannot_reach_another_organization(
    app: App, here: Callable[..., Any], on_postgres: None, theirs: Home
) -> None:
    other = (theirs.org.id,)
    with here(write=True) as ctx:
        run = ctx.session.connection().exec_driver_sql
        assert run("SELECT name FROM connection").all() == [("mine connection",)]
        assert run("UPDATE connection SET name = 'x'").rowcount == 1
        assert run("DELETE FROM api_key").rowcount == 1
        assert run("UPDATE connection SET name = 'x' WHERE org_id = %s", other).rowcount == 0
    for forged, values in (
        ("INSERT INTO retention_setting (org_id, marketing_days, hold_reason, changed_at) "
         "VALUES (%s, 1, '', now())", other),
        ("UPDATE connection SET org_id = %s", other),
        ("INSERT INTO breaker (name, platform, failures, trips, updated_at) "
         "VALUES ('platform:x', 'x', 1, 1, now())", ()),
    ):
        with pytest.raises(ProgrammingError, match="row-level security"), here(write=True) as ctx:
            ctx.session.connection().exec_driver_sql(forged, values)
    with app.db.read() as session:
        kept = session.get_one(Connection, UUID(theirs.ids["connection_id"]))
        assert kept.name == "canary-7f3a connection"


def test_L18_the_limited_role_may_not_change_the_log_nor_the_tables(
    here: Callable[..., Any], on_postgres: None
) -> None:
    with here(write=True) as ctx:
        audit.record(ctx, "test.done")
    for act in (
        "UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry", "DELETE FROM key_check",
        "DROP TABLE payment", "ALTER TABLE payment DISABLE ROW LEVEL SECURITY",
        "DROP POLICY one_organization ON payment", "TRUNCATE payment",
    ):
        with (
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
            here(write=True) as ctx,
        ):
            ctx.session.connection().exec_driver_sql(act)


def test_L18_every_table_with_an_organization_has_its_policy(
    app: App, on_postgres: None
) -> None:
    wanted = {t.name for t in metadata.sorted_tables if "org_id" in t.c} | {"organization"}
    with app.db.engine.connect() as connection:
        assert protected(connection) == wanted
        assert row_security.open_tables(connection) == []
        facts = connection.execute(
            text("SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole FROM pg_roles "
                 "WHERE rolname = :role"), {"role": row_security.role_of(connection)},
        ).one()
        assert tuple(facts) == (False, False, False, False)


def test_L18_a_new_table_without_a_policy_is_noticed(app: App, on_postgres: None) -> None:
    with app.db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE newcomer (org_id integer)")
        assert row_security.open_tables(connection) == ["newcomer"]
        found = row_security.fault(connection, metadata.tables)
        assert found is not None
        assert "newcomer" in found.why
        connection.rollback()


def protected(connection: DbConnection) -> set[str]:
    """Tables whose policy says what ours says, for reading and writing, to everybody."""
    rows = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_class c JOIN pg_policies p ON p.tablename = c.relname "
        "WHERE p.schemaname = current_schema() AND c.relnamespace = current_schema()::regnamespace "
        "AND c.relrowsecurity AND p.cmd = 'ALL' AND p.roles = '{public}' "
        "AND p.permissive = 'PERMISSIVE' AND p.with_check IS NULL "
        "AND p.qual LIKE CASE c.relname WHEN 'organization' THEN '(id' ELSE '(org_id' END "
        "|| ' = %%' "
        "AND p.qual LIKE '%%current_setting(''liftos.org''%%'"
    )
    return {str(name) for (name,) in rows}


def test_L19_without_a_setting_there_are_no_rows(app: App, on_postgres: None, theirs: Home) -> None:
    with app.db.engine.connect() as connection:
        role = row_security.role_of(connection)
        for value in (None, ""):  # never set; and as a transaction that had it leaves it
            connection.exec_driver_sql("SELECT set_config('role', %s, true)", (role,))
            if value is not None:
                connection.exec_driver_sql("SELECT set_config('liftos.org', %s, true)", (value,))
            for table in sorted(protected(connection)):
                counted = select(func.count()).select_from(metadata.tables[table])
                assert connection.execute(counted).scalar_one() == 0, table
            connection.rollback()


def test_L19_the_setting_ends_with_its_transaction(
    app: App, here: Callable[..., Any], on_postgres: None
) -> None:
    with here() as ctx:
        first = ctx.session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        assert state(ctx.session.connection())[1] == str(ctx.org)
    with app.db.read() as session:
        again = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        assert again == first  # the pool hands out the same connection
        user, org = state(session.connection())
        assert (user, org or "") == ("postgres", "")


def state(connection: DbConnection) -> tuple[str, str | None]:
    row = connection.exec_driver_sql("SELECT current_user, current_setting('liftos.org', true)")
    user, org = row.one()
    return str(user), org


def test_L18_prepared_statements_follow_the_role(
    app: App, here: Callable[..., Any], on_postgres: None
) -> None:
    """The driver prepares what is asked often, on connections that both kinds of work share."""
    seen = []
    for _ in range(3):
        for opened in (app.db.read, here):
            for _ in range(8):
                with opened() as found:
                    session = getattr(found, "session", found)
                    seen.append(session.connection().exec_driver_sql(
                        "SELECT count(*) FROM connection"
                    ).scalar_one())
    assert seen == ([2] * 8 + [1] * 8) * 3


def test_L18_the_protection_page_tells_of_the_wall(
    app: App, here: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> list[list[str]]:
        with open_context(app, Principal(kind="person", role=Role.ADMIN), 1) as ctx:
            facts = protection_page._facts(ctx, protection.read(ctx), "UTC")
        return [f for f in facts if f[0] == "Row-level security"]

    if app.db.is_sqlite:
        assert told() == []
        return
    assert [f[2] for f in told()] == ["ok"]
    fault = row_security.Fault("No role.", "Type this.")
    monkeypatch.setattr(row_security, "fault", lambda *_: fault)
    monkeypatch.setattr(app.db, "wall", row_security.RowSecurity(metadata.tables))
    assert told() == [
        ["Row-level security", "Row-level security does not hold: No role. Type this.", "warn"]
    ]


# --- a login role with few rights ----------------------------------------------------------------


@pytest.fixture
def plain_login(postgres_server: str) -> Iterator[tuple[str, Callable[[str], None]]]:
    """The address of an empty database owned by a role that may not make roles; and an admin."""
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with admin.connect() as connection:
            connection.execute(text(statement))

    def clean() -> None:
        run("DROP DATABASE IF EXISTS walls WITH (FORCE)")
        for role in ("walls_tenant", "walls", "walls_owner"):
            run(f"DROP ROLE IF EXISTS {role}")

    clean()
    run("CREATE ROLE walls LOGIN PASSWORD 'walls'")
    run("CREATE DATABASE walls OWNER walls")
    url = make_url(admin.url.render_as_string(hide_password=False)).set(
        database="walls", username="walls", password="walls"
    )
    yield url.render_as_string(hide_password=False), run
    clean()
    admin.dispose()


def test_L18_a_missing_role_is_told_loudly_and_the_app_works(
    plain_login: tuple[str, Callable[[str], None]], make_settings: Callable[..., Any],
    caplog: pytest.LogCaptureFixture, tmp_path: Path,
) -> None:
    url, admin = plain_login
    settings = make_settings(DATABASE_URL=url)
    with caplog.at_level(logging.WARNING):
        app = boot.build_app(settings)
    told = [r for r in caplog.records if r.msg == "row_security.down"]
    assert len(told) == 1
    assert "walls_tenant" in told[0].why
    assert "CREATE ROLE walls_tenant NOLOGIN; GRANT walls_tenant TO walls;" in told[0].fix
    one, two = _two_connections(app)
    with open_context(app, JOB, one) as ctx:  # the wall of the ORM stands alone
        assert len(ctx.session.exec(select(Connection)).all()) == 1
        assert ctx.session.connection().execute(
            text("SELECT count(*) FROM connection")
        ).scalar_one() == 2
    app.db.close()
    wall = [f for f in doctor.examine(settings, page=tmp_path, answers=False)
            if "Row-level" in f.text]
    assert [f.ok for f in wall] == [False]
    assert "CREATE ROLE" in wall[0].fix

    admin("CREATE ROLE walls_tenant NOLOGIN")
    admin("GRANT walls_tenant TO walls")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        app = boot.build_app(settings)
    assert [r for r in caplog.records if r.msg == "row_security.down"] == []
    with open_context(app, JOB, two) as ctx:
        assert ctx.session.connection().execute(
            text("SELECT count(*) FROM connection")
        ).scalar_one() == 1
    with open_context(app, JOB, two, write=True) as ctx:
        audit.record(ctx, "test.done")
    with app.db.read() as session:
        assert len(session.exec(select(AuditEntry)).all()) == 1
    app.db.close()
    assert all(f.ok for f in doctor.examine(settings, page=tmp_path, answers=False)
               if "Row-level" in f.text)


def _two_connections(app: App) -> list[int]:
    with app.db.write() as session:
        rows = [Organization(name=n, created_at=app.now()) for n in ("one", "two")]
        session.add_all(rows)
        session.flush()
        session.add_all([
            Connection(org_id=o.id or 0, platform="klaviyo", name="c", created_at=app.now(),
                       updated_at=app.now()) for o in rows
        ])
    return [o.id or 0 for o in rows]


def test_L18_a_login_that_may_make_roles_makes_it(
    plain_login: tuple[str, Callable[[str], None]], make_settings: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is a member of what it made, but may not act as it before it says so (PostgreSQL 16)."""
    url, admin = plain_login
    admin("ALTER ROLE walls CREATEROLE")
    with caplog.at_level(logging.WARNING):
        app = boot.build_app(make_settings(DATABASE_URL=url))
    assert [r for r in caplog.records if r.msg == "row_security.down"] == []
    one, _ = _two_connections(app)
    with open_context(app, JOB, one) as ctx:
        assert state(ctx.session.connection()) == ("walls_tenant", str(one))
        assert ctx.session.connection().execute(
            text("SELECT count(*) FROM connection")
        ).scalar_one() == 1
    app.db.close()


def test_L18_a_role_that_passes_by_policies_is_told(
    plain_login: tuple[str, Callable[[str], None]]
) -> None:
    url, admin = plain_login
    admin("CREATE ROLE walls_tenant NOLOGIN BYPASSRLS")
    admin("GRANT walls_tenant TO walls")
    database = Database(url)
    migrations.migrate(database)
    fault = database.prepare_wall()
    assert fault is not None
    assert "passes by" in fault.why
    database.close()


def test_L18_a_login_that_policies_bind_does_not_start_blind(
    plain_login: tuple[str, Callable[[str], None]], make_settings: Callable[..., Any],
    postgres_server: str,
) -> None:
    url, admin = plain_login
    database = Database(url)
    migrations.migrate(database)
    with database.engine.begin() as connection:
        names = inspect(connection).get_table_names()
    database.close()
    admin("CREATE ROLE walls_owner NOLOGIN")
    owner = create_engine(make_url(postgres_server).set(database="walls"))
    with owner.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f'ALTER TABLE "{name}" OWNER TO walls_owner')
            connection.exec_driver_sql(f'GRANT ALL ON "{name}" TO walls')
    owner.dispose()
    with pytest.raises(ConfigError, match="GRANT walls_owner TO walls;"):
        boot.build_app(make_settings(DATABASE_URL=url))


def test_L18_migrations_and_models_end_with_the_same_policies(
    app: App, on_postgres: None, plain_login: tuple[str, Callable[[str], None]]
) -> None:
    url, _ = plain_login
    database = Database(url)
    migrations.migrate(database)
    said = "SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies"
    with database.engine.connect() as one, app.db.engine.connect() as two:
        by_migration = set(one.exec_driver_sql(said).all())
        assert by_migration == set(two.exec_driver_sql(said).all())
        assert len(by_migration) > 40
    migrations.migrate(database, "0011")
    with database.engine.connect() as one:
        assert one.exec_driver_sql(said).all() == []
        assert not one.exec_driver_sql(
            "SELECT count(*) FROM pg_class WHERE relrowsecurity"
        ).scalar_one()
    assert any("policy" in line for line in migrations.drift(database))
    database.close()
