"""When sign-ins end, and telling people 14, 7, 3 and 1 day before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import Connection, ConnectionStatus, SyncEvent
from liftos_app.services import condition, connections
from liftos_app.services import format as fmt
from liftos_app.services.connectors import registry
from liftos_app.services.context import App, Context, job_principal, open_context

DAYS: Final = (14, 7, 3, 1)
RENEWAL: Final = {
    "never": "It is not renewed: a person gives a new one.",
    "refresh_token": "Renewed by itself ahead of time and at least daily.",
    "access_token": "Renewed by itself at least daily, as long as it lives.",
    "client_credentials": "Fetched anew by itself; it has no end.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One of the four warnings of a known end."""

    days: int
    at: datetime
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is known of a connection's sign-in. `ends_at` None: no end that a person must act on."""

    ends_at: datetime | None
    renewal: str
    renewed_at: datetime | None
    renews_at: datetime | None  # when we renew the access token next
    warnings: tuple[Notice, ...]


def forecast(ctx: Context, connection_id: UUID) -> Forecast:
    """The end of a sign-in, how it is renewed and which warnings go out when."""
    connection = connections.get(ctx, connection_id)
    row = connections.row_of(ctx, connection)
    fields = {c.field: c for c in connections.credentials_of(ctx, connection_id)}
    access = fields.get("access_token")
    method = next(
        (m for m in registry.get(connection.platform).auth if m.id == connection.auth_kind), None
    )
    renewal = method.renewal if method else "never"
    end, renews = row.credential_expires_at, None
    if access is not None and renewal != "never":
        renews = access.updated_at + timedelta(days=1)
        if access.expires_at is not None and method is not None:
            early = access.expires_at - timedelta(seconds=method.renew_early)
            renews = min(renews, max(early, access.updated_at))
    told = _told(ctx, connection_id, end) if end is not None else set()
    return Forecast(
        ends_at=end, renewal=RENEWAL[renewal], renewed_at=access.updated_at if access else None,
        renews_at=renews,
        warnings=tuple(
            Notice(days=d, at=end - timedelta(days=d), told=d in told) for d in DAYS
        ) if end is not None else (),
    )


def warn(app: App) -> int:
    """Write the warnings that are due into the timelines, each once. For an hourly job."""
    with app.db.read() as session:
        orgs = session.exec(
            select(Connection.org_id).where(col(Connection.deleted_at).is_(None)).distinct()
        ).all()
    return sum(_warn_in(app, org_id) for org_id in orgs)


def due(end: datetime, now: datetime) -> int | None:
    """Which warning stands now: the smallest number of days that has been reached."""
    return min((d for d in DAYS if end - now <= timedelta(days=d)), default=None)


def _warn_in(app: App, org_id: int) -> int:
    who = job_principal("expiry")
    with open_context(app, who, org_id) as ctx:
        pending = list(_pending(ctx, connections.list_all(ctx)))
    if not pending:
        return 0
    with open_context(app, who, org_id, write=True) as ctx:
        for connection_id, end, days in pending:
            if days in _told(ctx, connection_id, end):
                continue  # another replica was quicker
            connection = connections.get(ctx, connection_id)
            condition.note(
                ctx, connection, "credential", level="warning", days=days,
                text=f"The sign-in of {connection.name} ends {fmt.ago(end, ctx.now())}. "
                     "Sign in again before then and nothing is missed.",
                expires_at=end.isoformat(),
            )
    return len(pending)


def _pending(
    ctx: Context, rows: Sequence[connections.ConnectionRow]
) -> list[tuple[UUID, datetime, int]]:
    found = []
    for row in rows:
        end = row.credential_expires_at
        if end is None or row.status in {*condition.NOT_STARTED, ConnectionStatus.NEEDS_REAUTH}:
            continue
        days = due(end, ctx.now())
        if days is not None and days not in _told(ctx, row.id, end):
            found.append((row.id, end, days))
    return found


def _told(ctx: Context, connection_id: UUID, end: datetime) -> set[int]:
    """Warnings already given for this very end."""
    events = ctx.session.exec(select(SyncEvent).where(
        SyncEvent.org_id == ctx.org, SyncEvent.connection_id == connection_id,
        SyncEvent.kind == "credential", SyncEvent.at >= ctx.now() - timedelta(days=max(DAYS) + 2),
    )).all()
    return {
        int(e.facts["days"]) for e in events
        if e.facts.get("expires_at") == end.isoformat() and e.facts.get("days")
    }
