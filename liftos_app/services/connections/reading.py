"""Reading connections: one, all, their rows for lists, their log. Always one organization's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, func, select

from liftos_app.errors import Missing
from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Credential,
    RunState,
    StreamState,
    SyncEvent,
    SyncRun,
    User,
)
from liftos_app.services import condition
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.stated_end import end_of
from liftos_app.services.context import Context
from liftos_app.services.sync.runs import has_error


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """A connection as lists and cards show it."""

    id: UUID
    platform: str
    platform_name: str
    name: str
    status: ConnectionStatus
    provenance: str
    cause: dict[str, Any] | None
    accounts: int  # selected
    streams: tuple[str, ...]
    history_days: int
    schedule: str
    schedule_zone: str
    wizard_step: int
    last_success_at: datetime | None
    data_through: dt.date | None  # the day up to which every daily stream of every account is read
    rows_24h: int  # rows written or changed by runs that began in the last 24 hours
    next_run_at: datetime | None
    credential_expires_at: datetime | None  # only an end that a person must act on
    owner: str
    color_index: int
    active_run_id: UUID | None
    waiting_for: str  # quota, hours or outage, while the run under way waits as a whole
    waiting_until: datetime | None
    created_at: datetime
    awaits_streams: bool  # a person defines its streams, and has defined none yet


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialView:
    """A stored credential without its value: last four characters at most."""

    field: str
    hint: str
    expires_at: datetime | None
    scopes: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All connections of an organization in numbers. `health` is None without any to judge."""

    counts: dict[str, int]
    health: float | None  # healthy and delayed over all that are set up and not paused, 0..1
    rows: list[ConnectionRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Lines of a timeline, newest first; `next_before` asks for older ones."""

    events: list[SyncEvent]
    next_before: int | None


def get(ctx: Context, connection_id: UUID) -> Connection:
    """One connection of this organization. Another's answers like one that never was."""
    ctx.require("connections.read")
    found = ctx.session.exec(
        select(Connection).where(
            col(Connection.org_id) == ctx.org, col(Connection.id) == connection_id,
            col(Connection.deleted_at).is_(None),
        )
    ).first()
    if found is None:
        raise Missing(
            "This connection is not there.", why="It was deleted, or it never was.",
            fix="Go back to the list of connections.",
        )
    return found


def accounts_of(ctx: Context, connection_id: UUID) -> list[Account]:
    """Its accounts: selected first, then usable, then by name."""
    get(ctx, connection_id)
    return list(ctx.session.exec(
        select(Account).where(
            col(Account.org_id) == ctx.org, col(Account.connection_id) == connection_id
        ).order_by(
            col(Account.selected).desc(), col(Account.usable).desc(), func.lower(Account.name),
            col(Account.external_id),
        )
    ).all())


def credentials_of(ctx: Context, connection_id: UUID) -> list[CredentialView]:
    """What is stored, without values."""
    get(ctx, connection_id)
    rows = ctx.session.exec(
        select(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection_id
        ).order_by(col(Credential.field))
    ).all()
    return [
        CredentialView(
            field=r.field, hint=r.hint, expires_at=r.expires_at, scopes=tuple(r.scopes),
            updated_at=r.updated_at,
        )
        for r in rows
    ]


def list_all(
    ctx: Context, *, platform: str = "", statuses: Sequence[str] = (), search: str = "",
    provenance: str = "",
) -> list[ConnectionRow]:
    """All connections as rows, oldest first."""
    ctx.require("connections.read")
    query = select(Connection).where(
        col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None)
    )
    if platform:
        query = query.where(col(Connection.platform) == platform)
    if provenance:
        query = query.where(col(Connection.provenance) == provenance)
    if search.strip():
        query = query.where(
            func.lower(Connection.name).contains(search.strip().lower(), autoescape=True)
        )
    found = ctx.session.exec(
        query.order_by(col(Connection.created_at), col(Connection.id))
    ).all()
    rows = rows_of(ctx, found)
    return [r for r in rows if r.status in statuses] if statuses else rows


def pulse(ctx: Context) -> str:
    """A short text that changes when the list would: a state, a run that begins, waits or ends, a
    stream that fails.
    """
    ctx.require("connections.read")
    rows = ctx.session.exec(
        select(Connection.id, Connection.status, Connection.updated_at)
        .where(col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None))
        .order_by(col(Connection.id))
    ).all()
    runs = ctx.session.exec(
        select(SyncRun.id, SyncRun.state, SyncRun.waiting_until)
        .where(
            col(SyncRun.org_id) == ctx.org,
            col(SyncRun.state).in_([RunState.QUEUED, RunState.RUNNING]),
        )
        .order_by(col(SyncRun.id))
    ).all()
    failed = ctx.session.exec(
        select(StreamState.account_key, StreamState.stream)
        .where(col(StreamState.org_id) == ctx.org, has_error(col(StreamState.error)))
        .order_by(col(StreamState.account_key), col(StreamState.stream))
    ).all()
    return " ".join("/".join(str(part) for part in row) for row in (*rows, *runs, *failed))


def overview(ctx: Context) -> Overview:
    """Counts by status, health percentage and all rows."""
    rows = list_all(ctx)
    counts = {s.value: 0 for s in ConnectionStatus}
    for row in rows:
        counts[row.status.value] += 1
    left_out = {*condition.NOT_STARTED, ConnectionStatus.PAUSED, ConnectionStatus.BACKFILLING}
    judged = [r for r in rows if r.status not in left_out]
    good = {ConnectionStatus.HEALTHY, ConnectionStatus.DELAYED}
    return Overview(
        counts=counts,
        health=sum(r.status in good for r in judged) / len(judged) if judged else None,
        rows=rows,
    )


def row_of(ctx: Context, connection: Connection) -> ConnectionRow:
    """One connection as a row."""
    return rows_of(ctx, [connection])[0]


def rows_of(ctx: Context, connections: Sequence[Connection]) -> list[ConnectionRow]:
    """Connections as rows, with five queries for all of them together."""
    ids = [c.id for c in connections]
    if not ids:
        return []
    accounts = _selected_counts(ctx, ids)
    through, failing = _positions(ctx, connections)
    fresh = _rows_since(ctx, ids, ctx.now() - timedelta(hours=24))
    active = _active_runs(ctx, ids)
    ends = _credential_ends(ctx, connections)
    owners = _names(ctx, [c.created_by for c in connections if c.created_by])
    titles = {p.slug: p.name for p in registry.all_platforms()}
    defining = {p.slug for p in registry.all_platforms() if p.define is not None}
    return [
        ConnectionRow(
            id=c.id, platform=c.platform, platform_name=titles.get(c.platform, c.platform),
            name=c.name,
            status=condition.shown_status(
                c, active=c.id in active, failing=c.id in failing, now=ctx.now()
            ),
            provenance=str(c.provenance), cause=c.cause or failing.get(c.id),
            accounts=accounts.get(c.id, 0),
            streams=tuple(c.streams), history_days=c.history_days, schedule=c.schedule,
            schedule_zone=c.schedule_zone, wizard_step=c.wizard_step,
            last_success_at=c.last_success_at, data_through=through.get(c.id),
            rows_24h=fresh.get(c.id, 0), next_run_at=None if c.paused_at else c.next_run_at,
            credential_expires_at=ends.get(c.id),
            owner=owners.get(c.created_by, "") if c.created_by else "",
            color_index=c.color_index,
            active_run_id=active[c.id].id if c.id in active else None,
            waiting_for=active[c.id].why if c.id in active else "",
            waiting_until=active[c.id].until if c.id in active else None,
            created_at=c.created_at,
            awaits_streams=c.platform in defining and not c.streams,
        )
        for c in connections
    ]


def log(
    ctx: Context, connection_id: UUID, *, kinds: Sequence[str] = (), levels: Sequence[str] = (),
    run_id: UUID | None = None, search: str = "", before: int | None = None, limit: int = 50,
) -> LogPage:
    """The timeline, newest first, narrowed by kind, level, run or words."""
    get(ctx, connection_id)
    query = select(SyncEvent).where(
        col(SyncEvent.org_id) == ctx.org, col(SyncEvent.connection_id) == connection_id
    )
    if kinds:
        query = query.where(col(SyncEvent.kind).in_(list(kinds)))
    if levels:
        query = query.where(col(SyncEvent.level).in_(list(levels)))
    if run_id is not None:
        query = query.where(col(SyncEvent.run_id) == run_id)
    if search.strip():
        query = query.where(
            func.lower(SyncEvent.text).contains(search.strip().lower(), autoescape=True)
        )
    if before is not None:
        query = query.where(col(SyncEvent.id) < before)
    limit = max(1, min(limit, 500))
    found = list(ctx.session.exec(
        query.order_by(col(SyncEvent.id).desc()).limit(limit + 1)
    ).all())
    more = len(found) > limit
    return LogPage(events=found[:limit], next_before=found[limit - 1].id if more else None)


def _selected_counts(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = ctx.session.exec(
        select(Account.connection_id, func.count()).where(
            col(Account.org_id) == ctx.org, col(Account.connection_id).in_(ids),
            col(Account.selected).is_(True),
        ).group_by(col(Account.connection_id))
    ).all()
    return dict(rows)


def _positions(
    ctx: Context, connections: Sequence[Connection]
) -> tuple[dict[UUID, dt.date], dict[UUID, dict[str, Any]]]:
    """Over selected accounts and chosen streams: the smallest newest day of those that count days,
    and the error of one that could not be read when it was last asked for.
    """
    chosen = {c.id: set(c.streams) for c in connections}
    rows = ctx.session.exec(
        select(Account.connection_id, StreamState)
        .join(StreamState, col(Account.key) == col(StreamState.account_key))
        .where(
            col(StreamState.org_id) == ctx.org, col(Account.org_id) == ctx.org,
            col(Account.connection_id).in_(list(chosen)), col(Account.selected).is_(True),
        ).order_by(col(StreamState.account_key), col(StreamState.stream))
    ).all()
    through: dict[UUID, dt.date] = {}
    failing: dict[UUID, dict[str, Any]] = {}
    for connection_id, state in rows:
        if state.stream not in chosen[connection_id]:
            continue
        if state.newest_day is not None:
            through[connection_id] = min(
                state.newest_day, through.get(connection_id, state.newest_day)
            )
        if state.error:
            failing.setdefault(connection_id, state.error)
    return through, failing


def _rows_since(ctx: Context, ids: Sequence[UUID], since: datetime) -> dict[UUID, int]:
    rows = ctx.session.exec(
        select(
            SyncRun.connection_id,
            func.coalesce(func.sum(SyncRun.rows_written + SyncRun.rows_updated), 0),
        ).where(
            col(SyncRun.org_id) == ctx.org, col(SyncRun.connection_id).in_(ids),
            col(SyncRun.created_at) >= since,
        ).group_by(col(SyncRun.connection_id))
    ).all()
    return {connection_id: int(total) for connection_id, total in rows}


@dataclass(frozen=True, slots=True)
class _Active:
    """A run that is queued or running, and what it waits for as a whole."""

    id: UUID
    why: str
    until: datetime | None


def _active_runs(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, _Active]:
    rows = ctx.session.exec(
        select(
            SyncRun.connection_id, SyncRun.id, SyncRun.waiting_for, SyncRun.waiting_until
        ).where(
            col(SyncRun.org_id) == ctx.org, col(SyncRun.connection_id).in_(ids),
            col(SyncRun.state).in_([RunState.QUEUED.value, RunState.RUNNING.value]),
        )
    ).all()
    return {
        connection_id: _Active(run_id, why, until)
        if until is not None and until > ctx.now()
        else _Active(run_id, "", None)
        for connection_id, run_id, why, until in rows
    }


def _credential_ends(
    ctx: Context, connections: Sequence[Connection]
) -> dict[UUID, datetime]:
    """When a person must sign in again: the day they stated for a token whose platform tells none,
    else the refresh token's end, else that of a lone token.

    A token we fetch anew by ourselves (client credentials) has no such end.
    """
    lasting = {c.id: c for c in connections if _sign_in_kind(c) != "client_credentials"}
    rows = ctx.session.exec(
        select(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id).in_(list(lasting)),
            col(Credential.field).in_(["access_token", "refresh_token", "api_key"]),
        )
    ).all()
    by_field: dict[UUID, dict[str, datetime | None]] = {}
    for row in rows:
        by_field.setdefault(row.connection_id, {})[row.field] = row.expires_at
    ends: dict[UUID, datetime] = {}
    for connection_id, fields in by_field.items():
        order = [f for f in ("refresh_token", "api_key", "access_token") if f in fields]
        end = end_of(lasting[connection_id].options) or (fields[order[0]] if order else None)
        if end is not None:
            ends[connection_id] = end
    return ends


def _sign_in_kind(connection: Connection) -> str:
    for platform in registry.all_platforms():
        if platform.slug == connection.platform:
            return next((m.kind for m in platform.auth if m.id == connection.auth_kind), "")
    return ""


def _names(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    rows = ctx.session.exec(
        select(User.id, User.name, User.email).where(col(User.id).in_(set(ids)))
    ).all()
    return {user_id: name or email for user_id, name, email in rows}
