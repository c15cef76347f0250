"""The end of a person's account, and of an organization.

A person becomes a pseudonym: what they did stays countable and the audit log stays whole, but
nothing leads back to them. An organization goes with every row, key and file; the audit log keeps
its skeleton (ids, acts, times) for its seven years.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, delete, func, tuple_, update
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from liftos_app.db import metadata
from liftos_app.errors import Missing
from liftos_app.models import (
    ApiKey,
    Connection,
    DataKey,
    Invitation,
    LoginAttempt,
    Membership,
    Organization,
    RefreshToken,
    RetentionSetting,
    Role,
    SecondFactor,
    User,
    WebSession,
)
from liftos_app.services import accounts, audit, mailer, people, sessions, vault
from liftos_app.services.context import App, Context, Principal, job_principal, open_context
from liftos_app.services.retention import choices
from liftos_app.services.rights import datamap
from liftos_app.tenancy import lifted

log = logging.getLogger(__name__)
ERASED_HOST: Final = "erased.invalid"
_BATCH: Final = 2000
_KEPT: Final = frozenset({"audit_entry", "incident", "outbox", "organization"})


def erase_me(ctx: Context) -> None:
    """Erase the account of the person who asks. Raises Conflict for a last administrator."""
    ctx.require("profile.write")
    ctx.require_proof()
    with lifted(ctx.session):
        _erase(ctx, _user(ctx.session, ctx.who.user_id))


def erase_account(ctx: Context, email: str) -> None:
    """Erase somebody's account at their request: for the operator and super administrators."""
    ctx.require("installation.admin")
    ctx.require_proof()
    with lifted(ctx.session):
        _erase(ctx, _by_email(ctx.session, email))


def preview_account(ctx: Context, email: str) -> dict[str, int]:
    """Rows by table that go with a person's account. Erases nothing. Raises Missing."""
    ctx.require("installation.admin")
    user = _by_email(ctx.session, email)
    with lifted(ctx.session):
        return _counted(ctx.session, {
            table.name: sql_select(func.count()).where(table.c.user_id == user.id)
            for table in _of_people()
        } | {
            "invitation": sql_select(func.count()).where(
                col(Invitation.email_key) == user.email_key
            )
        })


def find_organization(app: App, who: Principal, public_id: UUID) -> tuple[int, str]:
    """Id and name of any organization, for the operator. Raises Missing."""
    with open_context(app, who, None) as ctx:
        ctx.require("installation.admin")
        row = ctx.session.exec(
            select(Organization).where(Organization.public_id == public_id)
        ).first()
        if row is None or row.id is None:
            raise Missing("This organization does not exist.", why="Or was erased already.")
        return row.id, row.name


def preview_organization(ctx: Context) -> dict[str, int]:
    """Rows by table that go with an organization. Erases nothing."""
    ctx.require("data.erase")
    return _counted(ctx.session, {
        table.name: sql_select(func.count()).where(table.c.org_id == ctx.org)
        for table in metadata.sorted_tables if _goes(table)
    })


def _counted(session: Session, queries: dict[str, Any]) -> dict[str, int]:
    counts = {name: session.connection().execute(q).scalar_one() for name, q in queries.items()}
    return {name: count for name, count in sorted(counts.items()) if count}


def _of_people() -> list[Table]:
    """Tables whose rows belong to a person and go with the account."""
    return [
        t for t in metadata.sorted_tables
        if t.name in datamap.TABLES and "user_id" in t.c
    ]


def _by_email(session: Session, email: str) -> User:
    user = accounts.by_email(session, email)
    return _user(session, user.id if user else None)


def _erase(ctx: Context, user: User) -> None:
    homes = ctx.session.exec(select(Membership).where(Membership.user_id == user.id)).all()
    for home in homes:
        choices.require_no_hold(ctx.session, home.org_id)
        if home.role == Role.ADMIN:
            inside = Context(app=ctx.app, session=ctx.session, who=ctx.who, org_id=home.org_id)
            people.keep_one_admin(inside, user.id)
    if user.is_super_admin:
        people.keep_one_super_admin(ctx, user.id)
    _pseudonymise(ctx.app, ctx.session, user)
    sessions.forget(ctx.app, user_id=user.id)
    audit.record(ctx, "user.erased", user)


def _pseudonymise(app: App, session: Session, user: User) -> None:
    """Take away everything that names the person or lets them in; end all that stands for them."""
    address, user_id = user.email_key, user.id
    for table in _of_people():
        session.connection().execute(delete(table).where(table.c.user_id == user_id))
    session.connection().execute(
        delete(Invitation).where(col(Invitation.email_key) == address)
    )
    session.connection().execute(
        update(Invitation).where(col(Invitation.invited_by) == user_id).values(invited_by=None)
    )
    session.connection().execute(
        update(Connection).where(col(Connection.created_by) == user_id).values(created_by=None)
    )
    mailer.forget(app, session, address)
    hashes = app.vault.token_hashes(f"account\x00{address}")
    session.connection().execute(
        delete(LoginAttempt).where(col(LoginAttempt.account_hash).in_(hashes))
    )
    for key in session.exec(
        select(DataKey).where(
            DataKey.scope_type == "person", DataKey.scope_id == str(user_id),
            DataKey.state != "destroyed",
        )
    ).all():
        key.wrapped, key.state = None, "destroyed"
        key.destroyed_at = app.now()
        app.vault.forget(key.id)
    pseudonym = f"erased-{user_id.hex[:12]}@{ERASED_HOST}"
    user.email, user.email_key, user.name = pseudonym, pseudonym, "Erased person"
    user.password_hash, user.is_super_admin = "", False
    user.auth_epoch += 1
    user.disabled_at, user.last_sign_in_at = app.now(), None
    session.add(user)
    session.flush()


def erase_due(app: App) -> int:
    """Daily: erase the organizations whose seven days are over. Goes on after a kill."""
    with app.db.read() as session:
        due = session.exec(
            select(RetentionSetting.org_id).where(
                col(RetentionSetting.erase_at) <= app.now(),
                col(RetentionSetting.hold_since).is_(None),
            )
        ).all()
    for org in due:
        _erase_organization(app, org)
    return len(due)


def _erase_organization(app: App, org: int) -> None:
    """Access ends first, then rows go in batches, at last the organization and its choice."""
    who = job_principal("erasure")
    with open_context(app, who, org, write=True) as ctx, lifted(ctx.session):
        _end_access(ctx)
    sessions.forget(app, user_id=None)
    tables = [t for t in reversed(metadata.sorted_tables) if _goes(t)]
    counts: dict[str, int] = {}
    for table in tables:
        more = True
        while more:
            with app.db.write() as session:
                removed = _delete_batch(session, table, org)
            more = removed >= _BATCH
            if removed:
                counts[table.name] = counts.get(table.name, 0) + removed
    with app.db.write() as session:
        public_id = str(session.get_one(Organization, org).public_id)
        for model in (RetentionSetting, Organization):
            column = RetentionSetting.org_id if model is RetentionSetting else Organization.id
            session.connection().execute(delete(model).where(col(column) == org))
        ctx = Context(app=app, session=session, who=who, org_id=None)
        audit.record(ctx, "organization.erased", reason=public_id, rows=counts)
    log.info("organization.erased", extra={"rows": sum(counts.values())})


def _end_access(ctx: Context) -> None:
    """Sessions, tokens and keys here end; who belongs nowhere else is erased with it."""
    members = ctx.session.exec(select(Membership).where(Membership.org_id == ctx.org)).all()
    for member in members:
        user = _user(ctx.session, member.user_id)
        elsewhere = ctx.session.exec(
            select(Membership.org_id).where(
                Membership.user_id == user.id, Membership.org_id != ctx.org
            )
        ).first()
        if elsewhere is not None:
            _move_second_factor(ctx, user.id, elsewhere)
        elif not user.is_super_admin:
            _pseudonymise(ctx.app, ctx.session, user)
    for model in (WebSession, RefreshToken, ApiKey):
        ctx.session.connection().execute(delete(model).where(col(model.org_id) == ctx.org))
    for key in ctx.session.exec(
        select(DataKey).where(DataKey.org_id == ctx.org, DataKey.scope_type == "connection")
    ).all():
        key.wrapped, key.state, key.destroyed_at = None, "destroyed", ctx.now()
        ctx.app.vault.forget(key.id)


def _move_second_factor(ctx: Context, user_id: UUID, org_id: int) -> None:
    """Seal a person's seed for another of their organizations: it must outlive this one."""
    row = ctx.session.get(SecondFactor, user_id)
    if row is None or row.org_id != ctx.org:
        return
    place: dict[str, Any] = {
        "table": str(SecondFactor.__tablename__), "row_id": user_id, "field": "sealed",
    }
    seed = vault.unseal(ctx, row.sealed, **place)
    there = Context(app=ctx.app, session=ctx.session, who=ctx.who, org_id=org_id)
    row.sealed, row.org_id = vault.seal(there, seed, **place), org_id
    ctx.session.flush()


def _goes(table: Table) -> bool:
    return "org_id" in table.c and table.name not in {*_KEPT, "retention_setting"}


def _delete_batch(session: Session, table: Table, org: int) -> int:
    keys = list(table.primary_key.columns)
    rows = session.connection().execute(
        sql_select(*keys).where(table.c.org_id == org).limit(_BATCH)
    ).all()
    if rows:
        session.connection().execute(
            delete(table).where(tuple_(*keys).in_([tuple(r) for r in rows]))
        )
    return len(rows)


def _user(session: Session, user_id: UUID | None) -> User:
    user = session.get(User, user_id) if user_id else None
    if user is None or user.email_key.endswith(f"@{ERASED_HOST}"):
        raise Missing("This person does not exist.", why="Or was erased already.")
    return user

