"""The people of an organization: who is in, with which role, and out again.

Nobody grants more than they hold, changes their own role, or removes the last administrator (L6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, func, select

from liftos_app.errors import Conflict, Denied, Invalid, Missing
from liftos_app.models import (
    ApiKey,
    Membership,
    Organization,
    RefreshToken,
    Role,
    SecondFactor,
    User,
    WebSession,
)
from liftos_app.services import access, audit, limits, mailer, second_factor, sessions
from liftos_app.services.context import Context
from liftos_app.services.organization import check_title
from liftos_app.tenancy import lifted


@dataclass(frozen=True, slots=True)
class Member:
    """One person of an organization. `role` counts super administrators as such."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime
    last_sign_in_at: datetime | None
    second_factor: bool
    disabled: bool
    me: bool


@dataclass(frozen=True, slots=True)
class Home:
    """An organization of the person who asks, and their role in it."""

    public_id: UUID
    name: str
    role: Role
    here: bool


def my_organizations(ctx: Context) -> list[Home]:
    """Where the person who asks is a member, by name."""
    ctx.require("organization.read")
    with lifted(ctx.session):
        rows = ctx.session.exec(
            select(Organization, Membership, User)
            .join(Membership, col(Membership.org_id) == col(Organization.id))
            .join(User, col(User.id) == col(Membership.user_id))
            .where(Membership.user_id == ctx.who.user_id)
            .order_by(func.lower(Organization.name), col(Organization.id))
        ).all()
    return [
        Home(org.public_id, org.name, _role(user, membership), org.id == ctx.org_id)
        for org, membership, user in rows
    ]


def create_organization(ctx: Context, name: str) -> Organization:
    """A new, empty organization; whoever makes it is its first administrator."""
    ctx.require("installation.admin")
    title = check_title(name)
    row = Organization(created_at=ctx.now(), name=title)
    with lifted(ctx.session):
        ctx.session.add(row)
        ctx.session.flush()
        if ctx.who.user_id is not None and row.id is not None:
            ctx.session.add(
                Membership(
                    org_id=row.id, user_id=ctx.who.user_id, role=Role.ADMIN, created_at=ctx.now()
                )
            )
    audit.record(ctx, "organization.created", row)
    return row


def list_members(ctx: Context) -> list[Member]:
    """Everybody in the organization, by name."""
    ctx.require("members.read")
    with lifted(ctx.session):  # a member's second factor may be sealed for another organization
        rows = ctx.session.exec(
            select(Membership, User, SecondFactor)
            .join(User, col(User.id) == col(Membership.user_id))
            .join(SecondFactor, col(SecondFactor.user_id) == col(User.id), isouter=True)
            .where(Membership.org_id == ctx.org)
            .order_by(func.lower(User.name), col(User.email_key))
        ).all()
    return [
        Member(
            user_id=user.id, email=user.email, name=user.name, role=_role(user, membership),
            joined_at=membership.created_at, last_sign_in_at=user.last_sign_in_at,
            second_factor=bool(factor and factor.confirmed_at),
            disabled=user.disabled_at is not None, me=user.id == ctx.who.user_id,
        )
        for membership, user, factor in rows
    ]


def set_role(ctx: Context, user_id: UUID, role: Role) -> None:
    """Give a member another role; their sessions and tokens end. Raises Denied, Conflict."""
    ctx.require("members.write")
    ctx.require_proof()
    membership, user = _member(ctx, user_id)
    check_grant(ctx, role)
    _require_power_over(ctx, user, membership, "change your own role")
    if membership.role == role:
        return
    if membership.role == Role.ADMIN:
        keep_one_admin(ctx, user_id)
    before, membership.role = Role(membership.role), role
    _end_all(ctx, user)
    audit.record(ctx, "member.role_changed", user, before=before.value, after=role.value)
    mailer.tell(ctx, user, f"Your role is now {access.word(role)}.")


def remove(ctx: Context, user_id: UUID) -> None:
    """Take a member out of the organization; the account stays, its access here ends."""
    ctx.require("members.write")
    ctx.require_proof()
    membership, user = _member(ctx, user_id)
    _require_power_over(ctx, user, membership, "remove yourself")
    if membership.role == Role.ADMIN:
        keep_one_admin(ctx, user_id)
    for key in ctx.session.exec(
        select(ApiKey).where(ApiKey.org_id == ctx.org, ApiKey.user_id == user_id)
    ).all():
        key.revoked_at = key.revoked_at or ctx.now()
    ctx.session.delete(membership)
    _end_all(ctx, user)
    audit.record(ctx, "member.removed", user, role=Role(membership.role).value)


def set_super_admin(ctx: Context, user_id: UUID, *, on: bool) -> None:
    """Make a member a super administrator of the installation, or take that away."""
    ctx.require("installation.admin")
    ctx.require_proof()
    _, user = _member(ctx, user_id)
    if user.id == ctx.who.user_id:
        raise _own("change your own role")
    if user.is_super_admin == on:
        return
    if not on:
        keep_one_super_admin(ctx, user_id)
    user.is_super_admin = on
    _end_all(ctx, user)
    audit.record(ctx, "user.super_admin_granted" if on else "user.super_admin_taken", user)


def set_disabled(ctx: Context, user_id: UUID, *, on: bool) -> None:
    """Shut an account of the installation, or open it again. Everything it holds ends."""
    ctx.require("installation.admin")
    ctx.require_proof()
    membership, user = _member(ctx, user_id)
    if user.id == ctx.who.user_id:
        raise _own("disable yourself")
    if on and user.is_super_admin:
        keep_one_super_admin(ctx, user_id)
    if on and membership.role == Role.ADMIN:
        keep_one_admin(ctx, user_id)
    user.disabled_at = (user.disabled_at or ctx.now()) if on else None
    _end_all(ctx, user)
    audit.record(ctx, "user.disabled" if on else "user.enabled", user)


def require_second_factor(ctx: Context, *, on: bool) -> None:
    """Ask a second factor of every member; who has none is signed out and sets one up."""
    ctx.require("members.write")
    ctx.require_proof()
    organization = ctx.session.get_one(Organization, ctx.org)
    if organization.require_mfa == on:
        return
    organization.require_mfa = on
    if on:
        for membership in _members(ctx):
            if not second_factor.is_set_up(ctx.session, membership.user_id):
                keep = ctx.who.session_id if membership.user_id == ctx.who.user_id else None
                sessions.end_all(ctx, membership.user_id, but=keep)
    audit.record(ctx, "organization.second_factor_required", organization, on=on)


def sessions_of(ctx: Context, user_id: UUID) -> list[WebSession]:
    """The signed-in browsers of a member that look at this organization, newest first."""
    ctx.require("members.write")
    _member(ctx, user_id)
    return list(
        ctx.session.exec(
            select(WebSession)
            .where(
                WebSession.org_id == ctx.org, WebSession.user_id == user_id,
                col(WebSession.expires_at) > ctx.now(),
                col(WebSession.last_seen_at) > ctx.now() - sessions.IDLE_LIMIT,
            )
            .order_by(col(WebSession.last_seen_at).desc())
        ).all()
    )


def end_sessions_of(ctx: Context, user_id: UUID) -> int:
    """Sign a member out of this organization everywhere (L34). Returns how many sessions ended."""
    ctx.require("members.write")
    membership, user = _member(ctx, user_id)
    _require_power_over(ctx, user, membership, "end your own sessions here")
    rows = sessions_of(ctx, user_id)
    for row in rows:
        ctx.session.delete(row)
    _end_tokens(ctx, user)
    sessions.forget(ctx.app, user_id=user.id)
    audit.record(ctx, "member.sessions_ended", user, sessions_ended=len(rows))
    return len(rows)


def check_grant(ctx: Context, role: Role) -> None:
    """Raise unless the actor may give this role away."""
    if role is Role.SUPER_ADMIN:
        raise Invalid(
            "Super admin is a role of the installation.",
            why="A membership holds viewer, analyst, manager or admin.", field="role",
        )
    mine = ctx.who.role
    if mine is None or access.is_above(role, mine):
        raise Denied(
            "You cannot give a role above your own.",
            fix="Ask somebody who holds it.", field="role",
        )


def _require_power_over(ctx: Context, user: User, membership: Membership, what: str) -> None:
    if user.id == ctx.who.user_id:
        raise _own(what)
    mine = ctx.who.role
    if mine is None or access.is_above(_role(user, membership), mine):
        raise Denied(
            "This person holds a role above yours.", fix="Ask a super administrator.",
        )


def _own(what: str) -> Denied:
    return Denied(
        f"You cannot {what}.", why="So that nobody shuts themselves out.",
        fix="Ask another administrator.",
    )


def keep_one_admin(ctx: Context, user_id: UUID) -> None:
    """Raise Conflict when nobody else in the organization is an administrator who can sign in."""
    limits.one_at_a_time(ctx.session, f"admins of {ctx.org}")
    others = ctx.session.exec(
        select(func.count()).select_from(Membership)
        .join(User, col(User.id) == col(Membership.user_id))
        .where(
            Membership.org_id == ctx.org, Membership.role == Role.ADMIN,
            Membership.user_id != user_id, col(User.disabled_at).is_(None),
        )
    ).one()
    if not others:
        raise Conflict(
            "This is the last administrator.", why="Nobody could manage the organization.",
            fix="Make somebody else an administrator first.",
        )


def keep_one_super_admin(ctx: Context, user_id: UUID) -> None:
    limits.one_at_a_time(ctx.session, "super admins")
    others = ctx.session.exec(
        select(func.count()).select_from(User).where(
            col(User.is_super_admin).is_(True), User.id != user_id, col(User.disabled_at).is_(None)
        )
    ).one()
    if not others:
        raise Conflict(
            "This is the last super administrator.", why="Nobody could manage the installation.",
            fix="Make somebody else a super administrator first.",
        )


def _member(ctx: Context, user_id: UUID) -> tuple[Membership, User]:
    """A membership of this organization. Raises Missing for everybody else's."""
    row = ctx.session.exec(
        select(Membership, User)
        .join(User, col(User.id) == col(Membership.user_id))
        .where(Membership.org_id == ctx.org, Membership.user_id == user_id)
        .with_for_update()
    ).first()
    if row is None:
        raise Missing("This person does not exist.", why="Or is no member of the organization.")
    return row[0], row[1]


def _members(ctx: Context) -> Sequence[Membership]:
    return ctx.session.exec(select(Membership).where(Membership.org_id == ctx.org)).all()


def _role(user: User, membership: Membership) -> Role:
    return Role.SUPER_ADMIN if user.is_super_admin else Role(membership.role)


def _end_all(ctx: Context, user: User) -> None:
    """End the sessions and tokens of a person whose rights have changed (L32, L39)."""
    user.auth_epoch += 1
    sessions.end_all(ctx, user.id)
    _end_tokens(ctx, user)


def _end_tokens(ctx: Context, user: User) -> None:
    for row in _open_tokens(ctx.session, user.id, ctx.org):
        row.revoked_at = ctx.now()


def _open_tokens(session: Session, user_id: UUID, org_id: int) -> Sequence[RefreshToken]:
    return session.exec(
        select(RefreshToken).where(
            RefreshToken.user_id == user_id, RefreshToken.org_id == org_id,
            col(RefreshToken.revoked_at).is_(None),
        )
    ).all()
