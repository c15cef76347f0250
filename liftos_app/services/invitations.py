"""Invitations: made by an administrator, good for seven days and one person, accepted by link.

The token is random and only its keyed hash is stored; whoever accepts proves the account's
password, or chooses one when there is no account yet.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from liftos_app.errors import Conflict, Denied, Missing
from liftos_app.models import Invitation, Membership, Organization, Role, User
from liftos_app.services import accounts, audit, limits, mailer, names, passwords, people, sessions
from liftos_app.services.context import App, Context, Principal, open_context

LIFE: Final = timedelta(days=7)


class InvitationOver(Denied):
    """Accepted, withdrawn, too old or never made: all answer alike."""

    code = "invitation_over"


@dataclass(frozen=True, slots=True)
class Made:
    """A new invitation and the only copy of its token."""

    invitation: Invitation
    token: str
    mailed: bool

    def link(self, public_url: str) -> str:
        """The address to open. The token stands behind '#': browsers send it to nobody."""
        return f"{public_url}/auth/invitation#{self.token}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation offers, for whoever holds its token."""

    organization: str
    email: str
    role: Role
    has_account: bool


def create(ctx: Context, *, email: str, role: Role) -> Made:
    """Invite somebody; an earlier open invitation for the same address ends."""
    ctx.require("members.write")
    people.check_grant(ctx, role)
    if role is Role.ADMIN:
        ctx.require_proof()
    address = accounts.clean_email(email)
    key = address.casefold()
    member = ctx.session.exec(
        select(Membership).join(User, col(User.id) == col(Membership.user_id))
        .where(Membership.org_id == ctx.org, User.email_key == key)
    ).first()
    if member is not None:
        raise Conflict(
            "This person is a member already.", fix="Change their role in the list instead.",
            field="email",
        )
    for row in _open(ctx.session, ctx, email_key=key):
        row.revoked_at = ctx.now()
    token = secrets.token_urlsafe(32)
    made = Invitation(
        org_id=ctx.org, email=address, email_key=key, role=role, invited_by=ctx.who.user_id,
        token_hash=ctx.app.vault.token_hash(token), created_at=ctx.now(),
        expires_at=ctx.now() + LIFE,
    )
    ctx.session.add(made)
    audit.record(ctx, "invitation.created", made, role=role.value)
    return _handed_over(ctx, made, token)


def list_open(ctx: Context) -> list[Invitation]:
    """Invitations that can still be accepted, newest first."""
    ctx.require("members.read")
    return _open(ctx.session, ctx)


def resend(ctx: Context, invitation_id: UUID) -> Made:
    """A new link and seven more days; the old link ends."""
    ctx.require("members.write")
    row = _one(ctx, invitation_id)
    people.check_grant(ctx, Role(row.role))
    if Role(row.role) is Role.ADMIN:
        ctx.require_proof()
    token = secrets.token_urlsafe(32)
    row.token_hash, row.expires_at = ctx.app.vault.token_hash(token), ctx.now() + LIFE
    audit.record(ctx, "invitation.sent_again", row)
    return _handed_over(ctx, row, token)


def revoke(ctx: Context, invitation_id: UUID) -> None:
    """Withdraw an invitation."""
    ctx.require("members.write")
    row = _one(ctx, invitation_id)
    row.revoked_at = ctx.now()
    audit.record(ctx, "invitation.revoked", row)


def look(app: App, token: str, *, ip: str) -> Offer:
    """What a token offers. Public: the token is the right. Raises InvitationOver, TooMany."""
    attempt = limits.begin_attempt(app, account=f"invitation\x00{token[:200]}", ip=ip)
    with app.db.write() as session:
        row = _find(session, app, token)
        if row is not None:
            limits.succeeded(session, attempt)
            organization = session.get_one(Organization, row.org_id)
            account = _account(session, row.email_key)
            return Offer(organization.name, row.email, Role(row.role), account is not None)
    raise _over()


def accept(
    app: App, token: str, *, password: str, name: str = "", ip: str
) -> tuple[User, int, int]:
    """Join: an account signs in with its password, a new person chooses one.

    Returns person, organization, and the attempt to mark when they are in. Public: the token is
    the right. Raises InvitationOver, WrongSignIn, Invalid, TooMany.
    """
    offer = look(app, token, ip=ip)
    attempt, hashed = 0, ""
    if offer.has_account:
        _, attempt = accounts.check_password(app, email=offer.email, password=password, ip=ip)
    else:
        passwords.check_new(password, about=(offer.email, name, offer.organization))
        hashed = passwords.make_hash(password)
    with open_context(app, Principal(kind="person", ip=ip), None, write=True) as ctx:
        limits.one_at_a_time(ctx.session, f"account {offer.email.casefold()}")
        row = _find(ctx.session, app, token)
        if row is None:
            raise _over()
        ctx.org_id = row.org_id
        user = _account(ctx.session, row.email_key)
        if (user is None) is offer.has_account:
            raise _over()
        if user is None:
            user = accounts.new_user(ctx, email=row.email, name=name, password_hash=hashed)
            ctx.session.add(user)
            ctx.session.flush()
            audit.record(ctx, "user.created", user, role=Role(row.role).value)
        _join(ctx, user, row)
        return user, row.org_id, attempt


def accept_verified(ctx: Context, *, email: str, name: str) -> User | None:
    """Join by every open invitation for an address that a trusted provider has verified.

    The person with this address, made when an invitation asks for one; None without either.
    """
    key = email.casefold()
    limits.one_at_a_time(ctx.session, f"account {key}")
    rows = ctx.session.exec(
        select(Invitation).where(Invitation.email_key == key, *_still_open(ctx.app))
    ).all()
    user = _account(ctx.session, key)
    if user is None and rows:
        user = accounts.new_user(
            ctx, email=email, name=names.clean(name, longest=accounts.LONGEST_NAME),
            password_hash=passwords.UNUSABLE,
        )
        ctx.session.add(user)
        ctx.session.flush()
        audit.record(ctx, "user.created", user, by="provider")
    for row in rows if user is not None and user.disabled_at is None else ():
        if user is not None:
            ctx.org_id = row.org_id
            _join(ctx, user, row)
    return user


def _join(ctx: Context, user: User, row: Invitation) -> None:
    row.accepted_at = ctx.now()
    if ctx.session.get(Membership, (row.org_id, user.id)) is None:
        ctx.session.add(
            Membership(
                org_id=row.org_id, user_id=user.id, role=Role(row.role), created_at=ctx.now()
            )
        )
        user.auth_epoch += 1  # new rights: what was signed in before may lack a second factor
        sessions.end_all(ctx, user.id)
    audit.record(ctx, "invitation.accepted", row, user_id=str(user.id), role=Role(row.role).value)


def _handed_over(ctx: Context, row: Invitation, token: str) -> Made:
    name = ctx.session.get_one(Organization, ctx.org).name
    mailed = mailer.send(
        ctx, to=row.email, subject=f"Join {name} on LiftOS", about="invitation",
        text=f"You are invited to {name}. Open within seven days:\n\n"
             f"{Made(row, token, mailed=True).link(ctx.settings.public_url)}\n",
    )
    return Made(row, token, mailed=mailed)


def _open(session: Session, ctx: Context, *, email_key: str = "") -> list[Invitation]:
    statement = select(Invitation).where(Invitation.org_id == ctx.org, *_still_open(ctx.app))
    if email_key:
        statement = statement.where(Invitation.email_key == email_key)
    return list(session.exec(statement.order_by(col(Invitation.created_at).desc())).all())


def _still_open(app: App) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Invitation.accepted_at).is_(None), col(Invitation.revoked_at).is_(None),
        col(Invitation.expires_at) > app.now(),
    )


def _one(ctx: Context, invitation_id: UUID) -> Invitation:
    row = ctx.session.exec(
        select(Invitation).where(
            Invitation.id == invitation_id, Invitation.org_id == ctx.org,
            col(Invitation.accepted_at).is_(None), col(Invitation.revoked_at).is_(None),
        )
    ).first()
    if row is None:
        raise Missing("This invitation does not exist.", why="It was accepted or withdrawn.")
    return row


def _find(session: Session, app: App, token: str) -> Invitation | None:
    if not 20 <= len(token) <= 200:
        return None
    return session.exec(
        select(Invitation)
        .where(col(Invitation.token_hash).in_(app.vault.token_hashes(token)), *_still_open(app))
        .with_for_update()
    ).first()


def _account(session: Session, email_key: str) -> User | None:
    return session.exec(select(User).where(User.email_key == email_key)).first()


def _over() -> InvitationOver:
    return InvitationOver(
        "This invitation is no longer valid.",
        why="It was accepted, withdrawn, or is older than seven days.",
        fix="Ask whoever invited you for a new one.",
    )
