"""How well the organization and the installation are protected, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select

from liftos_app.models import DataKey, Membership, SecondFactor, User, WebSession
from liftos_app.services import backups, mail
from liftos_app.services.audit import checkpoints, state
from liftos_app.services.context import Context
from liftos_app.tenancy import lifted


@dataclass(frozen=True, slots=True)
class Protection:
    """Counts of the organization; key ages and the log are of the installation."""

    sessions: int
    people: int
    with_factor: int
    data_keys: int
    oldest_data_key: datetime | None
    master_key: str  # the active one's name
    on_older_keys: int  # data keys of the organization that another master key wraps
    verified: state.LastVerified | None
    checkpoint: datetime | None
    last_backup: datetime | None  # None: none is known of
    wall: str | None  # why PostgreSQL does not keep organizations apart; None on SQLite, "" it does
    mail: mail.Standing


def read(ctx: Context) -> Protection:
    """What the Protection page tells. Raises Denied."""
    ctx.require("audit.read")
    keys = ctx.session.exec(
        select(DataKey).where(DataKey.org_id == ctx.org, DataKey.state == "active")
    ).all()
    members = (
        select(Membership.user_id).join(User, col(User.id) == col(Membership.user_id))
        .where(Membership.org_id == ctx.org, col(User.disabled_at).is_(None))
    )
    people = ctx.session.exec(members).all()
    with lifted(ctx.session):  # of the installation; seeds may be sealed for another organization
        point, backup = checkpoints.newest(ctx.session), backups.newest(ctx.session)
        verified = state.last_verified(ctx.session)
        post = mail.standing(ctx.session, ctx.app)
        with_factor = ctx.session.exec(
            select(func.count()).select_from(SecondFactor).where(
                col(SecondFactor.user_id).in_(members),
                col(SecondFactor.confirmed_at).is_not(None),
            )
        ).one()
    return Protection(
        sessions=ctx.session.exec(
            select(func.count()).select_from(WebSession).where(
                WebSession.org_id == ctx.org, WebSession.expires_at > ctx.now()
            )
        ).one(),
        people=len(people),
        with_factor=with_factor,
        data_keys=len(keys), oldest_data_key=min((k.created_at for k in keys), default=None),
        master_key=ctx.app.vault.active_kid,
        on_older_keys=sum(k.kid != ctx.app.vault.active_kid for k in keys),
        verified=verified, checkpoint=point.at if point else None,
        last_backup=backup.at if backup else None, wall=_wall(ctx),
        mail=post,
    )


def _wall(ctx: Context) -> str | None:
    wall = ctx.app.db.wall
    if wall is None:
        return None
    fault = wall.fault(ctx.session.connection())
    return fault.sentence() if fault else ""
