"""Links that work once: the set-up token, a new password, a new address, copies of data."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, func, select

from liftos_app.errors import Denied
from liftos_app.models import OneTimeLink
from liftos_app.services.context import App, Context
from liftos_app.tenancy import lifted

LIFE: Final = timedelta(minutes=30)
SETUP: Final = "setup"
RESET: Final = "reset"
EMAIL: Final = "email"
_LONGEST: Final = 1500  # an address of 254 signs, written in base64, fits


class LinkOver(Denied):
    """Used, too old, ended by a newer one, or never made: all answer alike."""

    code = "link_over"


def make(
    ctx: Context, purpose: str, user_id: UUID | None = None, *, org_id: int | None = None,
    life: timedelta = LIFE, carried: str = "",
) -> str:
    """A new token; earlier ones for the same purpose and person end. The caller checked rights.

    `carried` stands in the token behind a dot: with another text there it fits no row.
    """
    token = secrets.token_urlsafe(32) + (f".{carried}" if carried else "")
    with lifted(ctx.session):  # most links are of a person, not of an organization
        for row in _open(ctx, purpose, user_id):
            row.used_at = ctx.now()
        ctx.session.add(
            OneTimeLink(
                purpose=purpose, user_id=user_id, org_id=org_id,
                token_hash=ctx.app.vault.token_hash(token), created_at=ctx.now(),
                expires_at=ctx.now() + life,
            )
        )
    return token


def use(ctx: Context, purpose: str, token: str) -> OneTimeLink:
    """Spend a token: of two that come at once, one passes. Raises LinkOver."""
    with lifted(ctx.session):
        row = look(ctx.session, ctx.app, purpose, token)
        row.used_at = ctx.now()
    return row


def use_own(
    ctx: Context, purpose: str, token: str, *, org_id: int | None = None
) -> OneTimeLink:
    """Spend a token that the person who acts has asked for, here. Raises LinkOver."""
    with lifted(ctx.session):
        row = look(ctx.session, ctx.app, purpose, token)
        if (row.user_id, row.org_id) != (ctx.who.user_id, org_id):
            raise _over()
        row.used_at = ctx.now()
    return row


def look(session: Session, app: App, purpose: str, token: str) -> OneTimeLink:
    """The row of a token that is still good. Raises LinkOver."""
    row = session.exec(
        select(OneTimeLink)
        .where(
            col(OneTimeLink.token_hash).in_(app.vault.token_hashes(token[:_LONGEST])),
            OneTimeLink.purpose == purpose,
        )
        .with_for_update()
    ).first()
    if row is None or row.used_at is not None or row.expires_at <= app.now():
        raise _over()
    return row


def end_purpose(ctx: Context, purpose: str) -> None:
    """End every open token of a purpose."""
    with lifted(ctx.session):
        for row in _open(ctx, purpose, None):
            row.used_at = ctx.now()


def made_since(ctx: Context, purpose: str, user_id: UUID, moment: datetime) -> bool:
    """Whether a person has an open token that was made after a moment."""
    return any(row.created_at > moment for row in _open(ctx, purpose, user_id))


def count_since(ctx: Context, purpose: str, user_id: UUID, moment: datetime) -> int:
    """How many tokens a person was given after a moment, used or not; at most of the last day."""
    with lifted(ctx.session):
        return ctx.session.exec(
            select(func.count()).select_from(OneTimeLink).where(
                OneTimeLink.purpose == purpose, OneTimeLink.user_id == user_id,
                col(OneTimeLink.created_at) > moment,
            )
        ).one()


def end_all(ctx: Context, user_id: UUID) -> None:
    """End every open link of a person: their password has changed (L29)."""
    with lifted(ctx.session):
        for row in ctx.session.exec(
            select(OneTimeLink).where(
                OneTimeLink.user_id == user_id, col(OneTimeLink.used_at).is_(None)
            )
        ).all():
            row.used_at = ctx.now()


def _over() -> LinkOver:
    return LinkOver(
        "This link is no longer valid.", why="It was used, is too old, or was replaced.",
        fix="Ask for a new one.",
    )


def _open(ctx: Context, purpose: str, user_id: UUID | None) -> list[OneTimeLink]:
    statement = select(OneTimeLink).where(
        OneTimeLink.purpose == purpose, col(OneTimeLink.used_at).is_(None)
    )
    if user_id is not None:
        statement = statement.where(OneTimeLink.user_id == user_id)
    return list(ctx.session.exec(statement).all())
