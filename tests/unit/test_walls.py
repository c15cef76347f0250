"""The two walls between organizations: in the ORM on both databases, in PostgreSQL by policies."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    create_engine,
    delete,
    event,
    exists,
    func,
    inspect,
    literal,
    text,
    union_all,
    update,
)
from sqlalchemy.engine import Connection as DbConnection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from liftos_app import row_security, tenancy
from liftos_app.config import ConfigError
from liftos_app.db import Database, metadata
from liftos_app.models import (
    AuditEntry,
    Connection,
    Incident,
    Membership,
    Organization,
    RetentionSetting,
    Role,
    SyncRun,
)
from liftos_app.services import audit, boot, doctor, migrations
from liftos_app.services.context import App, Context, Principal, job_principal, open_context
from tests import twin_fixtures

make_home, mine, theirs = twin_fixtures.make_home, twin_fixtures.mine, twin_fixtures.theirs
Home = twin_fixtures.Home
ROOT = Path(__file__).resolve().parents[2]
JOB = job_principal("test")
OTHER = aliased(Connection)
# Each forgets its filter. What it answers when it sees one organization of two.
FORGETFUL: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {
    "columns": (select(Connection.name), [("mine connection",)]),
    "count": (select(func.count()).select_from(Connection), [(1,)]),
    "function": (select(func.count(col(Connection.id))), [(1,)]),
    "alias": (select(OTHER.name), [("mine connection",)]),
    "join": (
        select(Organization.name, Connection.name)
        .join(Connection, col(Connection.org_id) == col(Organization.id)),
        [("mine organization", "mine connection")],
    ),
    "outer join": (
        select(Organization.name, Connection.name)
        .join(Connection, col(Connection.org_id) == col(Organization.id), isouter=True)
        .order_by(Organization.id),
        [("mine organization", "mine connection"), ("canary-7f3a organization", None)],
    ),
    "exists": (
        select(exists().where(col(Connection.name) == "canary-7f3a connection")), [(False,)],
    ),
    "in": (
        select(Organization.name).where(col(Organization.id).in_(select(Connection.org_id))),
        [("mine organization",)],
    ),
    "scalar subquery": (
        select(literal(1), select(func.count(col(Connection.id))).scalar_subquery()), [(1, 1)],
    ),
    "subquery": (select(select(Connection.name).subquery().c.name), [("mine connection",)]),
    "cte": (select(select(Connection.name).cte("all").c.name), [("mine connection",)]),
    "union": (
        union_all(select(Connection.name), select(Connection.name)), [("mine connection",)] * 2,
    ),
    "or": (
        select(Connection.name).where((col(Connection.name) == "x") | (col(Connection.org_id) > 0)),
        [("mine connection",)],
    ),
}


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


@pytest.mark.parametrize("form", FORGETFUL)
def test_L14_a_query_without_a_filter_sees_one_organization(
    here: Callable[..., Any], form: str
) -> None:
    query, expected = FORGETFUL[form]
    with here() as ctx:
        assert [tuple(row) for row in ctx.session.execute(query).all()] == expected


def test_L14_an_id_of_another_organization_finds_nothing(
    here: Callable[..., Any], mine: Home, theirs: Home
) -> None:
    with here() as ctx:
        assert ctx.session.get(Connection, UUID(mine.ids["connection_id"])) is not None
        assert ctx.session.get(Connection, UUID(theirs.ids["connection_id"])) is None


def test_L14_an_update_or_delete_without_a_filter_reaches_one_organization(
    app: App, here: Callable[..., Any], theirs: Home
) -> None:
    with here(write=True) as ctx:
        assert ctx.session.execute(update(Connection).values(name="renamed")).rowcount == 1
        assert ctx.session.execute(delete(SyncRun)).rowcount == 1
    with app.db.read() as session:
        kept = session.get_one(Connection, UUID(theirs.ids["connection_id"]))
        assert kept.name == "canary-7f3a connection"
        assert len(session.exec(select(SyncRun)).all()) == 1


def test_L14_a_refresh_stays_inside(here: Callable[..., Any], mine: Home) -> None:
    with here(write=True) as ctx:
        row = ctx.session.get_one(Connection, UUID(mine.ids["connection_id"]))
        ctx.session.expire(row)
        assert row.name == "mine connection"
        ctx.session.refresh(row)
        assert row.name == "mine connection"


def test_L14_a_forged_organization_is_refused_at_the_flush(
    app: App, here: Callable[..., Any], mine: Home, theirs: Home
) -> None:
    def new(ctx: Context) -> None:
        ctx.session.add(RetentionSetting(org_id=theirs.org.id or 0, changed_at=ctx.now()))

    def give_away(ctx: Context) -> None:
        ctx.session.get_one(Connection, UUID(mine.ids["connection_id"])).org_id = theirs.org.id or 0

    def take(ctx: Context) -> None:
        with tenancy.lifted(ctx.session):
            row = ctx.session.get_one(Connection, UUID(theirs.ids["connection_id"]))
        row.org_id = ctx.org

    def change(ctx: Context) -> None:
        with tenancy.lifted(ctx.session):
            row = ctx.session.get_one(Connection, UUID(theirs.ids["connection_id"]))
        row.name = "x"

    def remove(ctx: Context) -> None:
        with tenancy.lifted(ctx.session):
            row = ctx.session.get_one(Connection, UUID(theirs.ids["connection_id"]))
        ctx.session.delete(row)

    def belongs_to_nobody(ctx: Context) -> None:
        ctx.session.add(Incident(rule="I1", key="k", level="high", opened_at=ctx.now(),
                                 last_at=ctx.now(), words="w"))

    for forge in (new, give_away, take, change, remove, belongs_to_nobody):
        with pytest.raises(tenancy.OtherOrganization), here(write=True) as ctx:
            forge(ctx)
    with app.db.read() as session:
        assert session.exec(select(RetentionSetting)).all() == []


def test_L14_a_system_session_is_not_limited(app: App, here: Callable[..., Any]) -> None:
    with app.db.read() as session:
        assert len(session.exec(select(Connection)).all()) == 2
    with open_context(app, Principal(kind="operator"), None) as ctx:
        assert len(ctx.session.exec(select(Connection)).all()) == 2


def test_L14_a_lifted_wall_stands_again(here: Callable[..., Any]) -> None:
    with here(write=True) as ctx:
        for _ in range(2):
            with tenancy.lifted(ctx.session):
                assert len(ctx.session.exec(select(Connection)).all()) == 2
            assert len(ctx.session.exec(select(Connection)).all()) == 1
        with pytest.raises(ZeroDivisionError), tenancy.lifted(ctx.session):
            raise ZeroDivisionError
        assert len(ctx.session.exec(select(Connection)).all()) == 1
        with (
            pytest.raises(DBAPIError), ctx.session.begin_nested(), tenancy.lifted(ctx.session)
        ):
            ctx.session.connection().execute(text("SELECT nonsense"))
        assert len(ctx.session.exec(select(Connection)).all()) == 1
        assert ctx.session.connection().execute(
            text("SELECT count(*) FROM connection")
        ).scalar_one() == (2 if ctx.app.db.is_sqlite else 1)


def test_L14_a_flush_that_fails_outside_says_why(here: Callable[..., Any], theirs: Home) -> None:
    with pytest.raises(IntegrityError), here(write=True) as ctx, tenancy.lifted(ctx.session):
        ctx.session.add(Membership(
            org_id=theirs.org.id or 0, user_id=UUID(theirs.ids["user_id"]), role=Role.VIEWER,
            created_at=ctx.now(),
        ))


def test_L14_organizations_share_one_compiled_statement(
    app: App, mine: Home, theirs: Home
) -> None:
    seen: set[int] = set()
    values: list[Any] = []

    def keep(_c: Any, _cur: Any, statement: str, given: Any, context: Any, _many: bool) -> None:
        if "FROM connection" in statement:
            seen.add(id(context.compiled))
            values.append(tuple(given.values() if isinstance(given, dict) else given))

    event.listen(app.db._reader, "before_cursor_execute", keep)
    for org in (mine.org.id, theirs.org.id):
        with open_context(app, JOB, org) as ctx:
            assert len(ctx.session.exec(select(Connection.name)).all()) == 1
    event.remove(app.db._reader, "before_cursor_execute", keep)
    assert values == [(mine.org.id,), (theirs.org.id,)]
    assert len(seen) == 1


# Who may look over the walls: each place filters by the person who acts, or is of the installation.
LIFTING = {
    "services/accounts.py", "services/audit/chain.py", "services/audit/checkpoints.py",
    "services/audit/reading.py", "services/crossing.py", "services/devices.py",
    "services/incidents/book.py",
    "services/links_once.py", "services/people.py", "services/protection.py",
    "services/rights/erasing.py", "services/rights/exporting.py", "services/second_factor.py",
    "services/sessions.py", "services/sync/breakers.py",
}


def test_L14_the_places_that_lift_the_walls_are_listed() -> None:
    package = ROOT / "liftos_app"
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py")
        if re.search(r"\blifted\(", path.read_text(encoding="utf-8"))
    } - {"tenancy.py"}
    assert found == LIFTING


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
    wanted = {t.name for t in metadata.sorted_tables if "org_id" in t.c}
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
        "AND p.permissive = 'PERMISSIVE' AND p.with_check IS NULL AND p.qual LIKE '(org_id = %%' "
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
