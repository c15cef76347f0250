"""Starting, pausing, resuming and deleting connections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlmodel import SQLModel, col, select

from liftos_app.db import metadata
from liftos_app.errors import Conflict
from liftos_app.models import (
    Account,
    CheckResult,
    Connection,
    ConnectionStatus,
    Coverage,
    CrmRecord,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    OAuthRequest,
    Order,
    OrderLine,
    Payment,
    Refund,
    RejectedRow,
    Restatement,
    ResyncChange,
    SourceRecord,
    StagedUnit,
    StreamRun,
    StreamState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import audit, condition, sync, vault
from liftos_app.services.connections import reading
from liftos_app.services.context import Context
from liftos_app.services.sync import schedule

# Children before parents; every one of them points at an account of the connection.
_OF_ACCOUNTS: tuple[type[SQLModel], ...] = (
    FactDaily, FactExtra, MailFact, Refund, OrderLine, Order, CrmRecord, Payment, SourceRecord,
    Restatement, ResyncChange, StagedUnit, CheckResult, RejectedRow, StreamRun,
    Coverage, StreamState, Entity,
)

_OF_CONNECTION: tuple[type[SQLModel], ...] = (SyncEvent, SyncRun, OAuthRequest, Account)


def start(ctx: Context, connection_id: UUID) -> SyncRun:
    """End the wizard: the schedule runs from now on, and the first sync is asked for.

    Raises Conflict when the sign-in, the accounts or a needed permission are missing.
    """
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    if connection.status not in condition.NOT_STARTED:
        return sync.request(ctx, connection_id, trigger="first")
    _check_ready(ctx, connection)
    connection.status = ConnectionStatus.BACKFILLING
    connection.cause = None
    connection.wizard_step = 5
    connection.next_run_at = schedule.next_runs(
        connection.schedule, connection.schedule_zone, ctx.now(), 1
    )[0]
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    ctx.session.flush()
    run = sync.request(ctx, connection_id, trigger="first")
    condition.note(ctx, connection, "sync", "First sync asked for.", run_id=run.id)
    audit.record(ctx, "connection.started", connection, sync_id=str(run.id))
    return run


def request_sync(
    ctx: Context, connection_id: UUID, *, streams: Sequence[str] | None = None,
    accounts: Sequence[UUID] | None = None, start_day: dt.date | None = None,
    end_day: dt.date | None = None,
) -> SyncRun:
    """A sync now. On a connection that is ready but was never started, this starts it."""
    connection = reading.get(ctx, connection_id)
    if connection.status in condition.NOT_STARTED:
        run = start(ctx, connection_id)
        if not (streams or accounts or start_day or end_day):
            return run
    if connection.cause and connection.status == ConnectionStatus.NEEDS_REAUTH:
        raise Conflict(
            "This connection must be authorised again before it can sync.",
            why=str(connection.cause.get("what", "")), fix="Sign in again.",
        )
    return sync.request(
        ctx, connection_id, trigger="person", streams=streams, accounts=accounts,
        start=start_day, end=end_day,
    )


def pause(ctx: Context, connection_id: UUID, *, reason: str = "") -> Connection:
    """Stop scheduled syncs. Data already loaded stays; a run under way ends by itself."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    if connection.status in condition.NOT_STARTED:
        raise Conflict(
            "A connection that was never started cannot be paused.",
            why="It has no schedule yet.", fix="Finish setting it up, or delete it.",
        )
    if connection.paused_at is None:
        connection.paused_at = ctx.now()
        connection.updated_at = ctx.now()
        ctx.session.add(connection)
        condition.refresh(ctx, connection)
        condition.note(
            ctx, connection, "settings", f"Paused by {ctx.who.name or 'a program'}.",
            reason=reason[:300],
        )
        audit.record(ctx, "connection.paused", connection, reason=reason)
    return connection


def resume(ctx: Context, connection_id: UUID) -> Connection:
    """Let the schedule run again; the next run is due at once and catches up."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    disabled = connection.status == ConnectionStatus.DISABLED
    if connection.paused_at is None and not disabled:
        return connection
    connection.paused_at = None
    if disabled:
        connection.status = ConnectionStatus.FAILING
    connection.next_run_at = ctx.now()
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    condition.refresh(ctx, connection)
    condition.note(ctx, connection, "settings", f"Resumed by {ctx.who.name or 'a program'}.")
    audit.record(ctx, "connection.resumed", connection)
    return connection


def delete(ctx: Context, connection_id: UUID) -> None:
    """Delete a connection with its credential and all rows it brought, in one transaction.

    What remains: its name and dates in the audit log. The edge asks for a typed confirmation.
    """
    ctx.require("connections.delete")
    connection = reading.get(ctx, connection_id)
    run = condition.active_run(ctx, connection_id)
    if run is not None:
        sync.cancel(ctx, run.id)
        ctx.session.flush()
    vault.shred(ctx, connection)
    removed = _erase(ctx, connection)
    audit.record(
        ctx, "connection.deleted", connection, name=connection.name, platform=connection.platform,
        provenance=str(connection.provenance), rows=removed,
    )
    connection.deleted_at = connection.updated_at = ctx.now()
    connection.next_run_at, connection.cause, connection.options = None, None, {}
    ctx.session.add(connection)
    ctx.session.flush()


def _erase(ctx: Context, connection: Connection) -> dict[str, int]:
    """Remove every row that belongs to the connection; the counts by table."""
    keys = list(ctx.session.exec(
        select(Account.key).where(
            col(Account.org_id) == ctx.org, col(Account.connection_id) == connection.id
        ).with_for_update()  # nothing is added to them from here on: it would be left behind
    ).all())
    removed: dict[str, int] = {}
    for table in _OF_ACCOUNTS:
        columns = metadata.tables[str(table.__tablename__)].c
        found = ctx.session.connection().execute(
            sql_delete(table).where(columns.org_id == ctx.org, columns.account_key.in_(keys))
        )
        if found.rowcount:
            removed[str(table.__tablename__)] = found.rowcount
    for table in _OF_CONNECTION:
        columns = metadata.tables[str(table.__tablename__)].c
        ctx.session.connection().execute(
            sql_delete(table).where(
                columns.org_id == ctx.org, columns.connection_id == connection.id
            )
        )
    ctx.session.expire_all()
    return removed


def _check_ready(ctx: Context, connection: Connection) -> None:
    if not condition.signed_in(ctx, connection):
        raise Conflict(
            "This connection has no sign-in yet.", why="The wizard's second step is not done.",
            fix="Sign in first.", step=2,
        )
    cause = connection.cause or {}
    if cause.get("code") == condition.MISSING_SCOPE:
        raise Conflict(
            str(cause.get("what")), why=str(cause.get("why")), fix=str(cause.get("fix")), step=2,
        )
    chosen = [a for a in reading.accounts_of(ctx, connection.id) if a.selected]
    if not chosen:
        raise Conflict(
            "No account is chosen yet.", why="A connection reads at least one account.",
            fix="Choose the accounts first.", step=3,
        )
    if not connection.streams:
        raise Conflict(
            "No stream is chosen yet.", why="A connection reads at least one stream.",
            fix="Choose the streams first.", step=4,
        )
