"""The permissions a sign-in really has, beside those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from liftos_app.errors import Fix
from liftos_app.models import Connection, Credential
from liftos_app.services import condition
from liftos_app.services.connectors.spec import Platform
from liftos_app.services.context import Context


def granted_scopes(ctx: Context, connection: Connection) -> tuple[str, ...] | None:
    """The permissions a sign-in really has; None when unknown."""
    row = ctx.session.exec(
        select(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id,
            col(Credential.field).in_(["access_token", "api_key"]),
        ).order_by(col(Credential.field))
    ).first()
    return tuple(row.scopes) if row is not None and row.scopes else None


def missing(platform: Platform, granted: Sequence[str] | None) -> tuple[str, ...]:
    """Required permissions that were not given; none when nothing is known."""
    if granted is None:
        return ()
    return tuple(s.name for s in platform.scopes if s.required and s.name not in granted)


def store_granted(ctx: Context, connection: Connection, granted: Sequence[str]) -> None:
    """Keep what the platform lists beside the credential."""
    rows = ctx.session.exec(
        select(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id,
            col(Credential.field).in_(["access_token", "api_key"]),
        )
    ).all()
    for row in rows:
        row.scopes = list(granted)
        ctx.session.add(row)


def note_missing(
    ctx: Context, connection: Connection, platform: Platform, missing: Sequence[str]
) -> None:
    """Say on the connection which permission is missing and what breaks without it."""
    scopes = [s for s in platform.scopes if s.name in missing]
    broken = " ".join(s.without for s in scopes if s.without)
    error = Fix(
        f"{platform.name} did not give the permission {', '.join(missing)}.",
        why=(broken or "; ".join(s.reason for s in scopes))[:600],
        fix="Sign in again and leave all permissions on.", cause="permission", owner="you",
    )
    connection.cause = condition.cause_of(
        error, now=ctx.now(), before=connection.cause, code=condition.MISSING_SCOPE
    )
    ctx.session.add(connection)
    condition.note(
        ctx, connection, "credential", error.sentence(), level="error", scopes=list(missing)
    )
