"""The wall between organizations inside the ORM, and who may look over it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    delete,
    event,
    exists,
    func,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from liftos_app import tenancy
from liftos_app.errors import Conflict
from liftos_app.models import (
    Connection,
    Incident,
    Membership,
    Organization,
    RetentionSetting,
    Role,
    SecondFactor,
    SyncRun,
    User,
    WebSession,
)
from liftos_app.services import people, second_factor, sessions
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
        [("mine organization", "mine connection")],
    ),
    "exists": (
        select(exists().where(col(Connection.name) == "canary-7f3a connection")), [(False,)],
    ),
    "in": (
        select(Organization.name).where(col(Organization.id).in_(select(Connection.org_id))),
        [("mine organization",)],
    ),
    "scalar subquery": (
        select(Organization.name, select(func.count(col(Connection.id))).scalar_subquery()),
        [("mine organization", 1)],
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


def test_L14_organizations_that_are_not_mine_are_not_seen(
    here: Callable[..., Any], theirs: Home
) -> None:
    with here(write=True) as ctx:
        assert [o.name for o in ctx.session.exec(select(Organization)).all()] == [
            "mine organization"
        ]
        assert ctx.session.get(Organization, theirs.org.id) is None
    with pytest.raises(tenancy.OtherOrganization), here(write=True) as ctx:
        with tenancy.lifted(ctx.session):
            row = ctx.session.get_one(Organization, theirs.org.id)
        row.name = "x"


@pytest.fixture
def person(app: App, mine: Home, theirs: Home) -> Principal:
    """A member of both; their second factor is sealed for the other one, their browser is there."""
    now = app.now()
    with app.db.write() as session:
        user = User(email="both@example.com", email_key="both@example.com", name="Both",
                    password_hash="!", created_at=now)
        session.add(user)
        session.flush()
        for home in (mine, theirs):
            session.add(Membership(org_id=home.org.id or 0, user_id=user.id, role=Role.ADMIN,
                                   created_at=now))
        session.add_all([
            SecondFactor(user_id=user.id, org_id=theirs.org.id or 0, sealed="", created_at=now,
                         confirmed_at=now),
            WebSession(token_hash="there", user_id=user.id, org_id=theirs.org.id or 0,
                       created_at=now, last_seen_at=now, expires_at=now + timedelta(hours=9)),
        ])
    return Principal(kind="person", user_id=user.id, role=Role.ADMIN, proved_at=now)


def test_L14_no_wall_hides_a_persons_second_factor(
    app: App, mine: Home, person: Principal
) -> None:
    assert person.user_id is not None
    with open_context(app, person, mine.org.id, write=True) as ctx:
        assert second_factor.is_set_up(ctx.session, person.user_id)
        assert second_factor.status(ctx).confirmed
        assert [m.second_factor for m in people.list_members(ctx) if m.me] == [True]
        user = ctx.session.get_one(User, person.user_id)
        assert second_factor.step_for(ctx.session, ctx.settings, user) == "code"
    with pytest.raises(Conflict):
        second_factor.begin(app, person.user_id, mine.org.id or 0)


def test_L14_a_person_holds_and_ends_what_is_theirs_everywhere(
    app: App, mine: Home, theirs: Home, person: Principal, make_principal: Callable[..., Principal]
) -> None:
    assert person.user_id is not None
    with open_context(app, person, mine.org.id) as ctx:
        assert [h.name for h in people.my_organizations(ctx)] == [
            "canary-7f3a organization", "mine organization"
        ]
        assert len(sessions.list_mine(ctx)) == 1
    boss = replace(make_principal(Role.ADMIN, mine.org), proved_at=app.now())
    with open_context(app, boss, mine.org.id, write=True) as ctx:
        people.set_role(ctx, person.user_id, Role.VIEWER)
    with app.db.read() as session:
        assert session.exec(
            select(WebSession).where(WebSession.user_id == person.user_id)
        ).all() == []
        kept = session.get_one(Membership, (theirs.org.id, person.user_id))
        assert kept.role == Role.ADMIN


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


# Work of the system sees every organization: who comes in and with what, jobs, syncs, the log, the
# vault, the operator's commands. A new place is listed when none will do
# with an organization.
SYSTEM = {
    "api/web.py", "cli.py", "cli_erase.py", "cli_security.py", "services/accounts.py",
    "services/api_keys.py", "services/audit/checkpoints.py", "services/audit/opening.py",
    "services/audit/refusals.py", "services/audit/state.py", "services/audit/verify.py",
    "services/backups.py", "services/boot.py", "services/budgets.py",
    "services/connections/daily.py",
    "services/evidence/bundle.py", "services/expiry.py", "services/first_run.py",
    "services/health.py", "services/idempotency.py", "services/incidents/book.py",
    "services/incidents/signals.py", "services/invitations.py", "services/leases.py",
    "services/limits.py", "services/links.py", "services/lookaround.py",
    "services/mail/alerts.py", "services/mail/delivery.py", "services/oauth.py",
    "services/oidc.py", "services/publish/asking.py", "services/publish/job.py",
    "services/resets.py", "services/retention/walking.py", "services/rights/erasing.py",
    "services/second_factor.py", "services/second_step.py", "services/sessions.py",
    "services/sync/breakers.py", "services/sync/engine.py", "services/sync/job.py",
    "services/sync/outcome.py", "services/sync/reading.py", "services/sync/run.py",
    "services/sync/undo.py",
    "services/sync/window.py", "services/tokens.py", "services/vault/rotation.py",
    "state/app.py",
}


def test_L19_the_work_of_the_system_stands_in_listed_places() -> None:
    package = ROOT / "liftos_app"
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py")
        if any(_is_for_the_system(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    }
    assert found == SYSTEM


def _is_for_the_system(node: ast.AST) -> bool:
    """A session or a context without an organization is opened."""
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    if name.endswith(("db.read", "db.write")):
        return not node.args
    return name == "open_context" and ast.unparse(node.args[2]) == "None"
