"""Asking for a run, watching it, ending it. Nothing here talks to a platform."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, delete, func
from sqlmodel import col, select

from liftos_app.errors import Conflict, Invalid, Missing
from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    RunState,
    StagedUnit,
    StreamRun,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import audit
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Platform
from liftos_app.services.context import Context
from liftos_app.services.sync import reach
from liftos_app.services.sync.plan import Ask

ACTIVE = (RunState.QUEUED, RunState.RUNNING)
_NOT_READY = (
    ConnectionStatus.DRAFT, ConnectionStatus.AUTHORISING, ConnectionStatus.SELECTING_ACCOUNTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProgress:
    """One account x stream of a run, as it stands."""

    account_id: UUID
    account_name: str
    stream: str
    state: str
    days_done: int
    days_total: int
    current_day: str
    rows_read: int
    rows_written: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    rows_removed: int
    requests: int
    seconds: float
    waiting_until: datetime | None
    error: dict[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """A run as it stands. `seconds_left` is a (low, high) range, None when nothing is known yet."""

    run: SyncRun
    streams: tuple[StreamProgress, ...]
    days_done: int
    days_total: int
    seconds_left: tuple[int, int] | None

    @property
    def share(self) -> float:
        """Done part, 0 to 1."""
        return self.days_done / self.days_total if self.days_total else 0.0


def request(
    ctx: Context, connection_id: UUID, *, trigger: str = "person",
    streams: Sequence[str] | None = None, accounts: Sequence[UUID] | None = None,
    start: dt.date | None = None, end: dt.date | None = None,
) -> SyncRun:
    """Queue a run, or return the one already queued or running for the usual sync.

    Days make it a re-sync: read beside what is stored and swapped in at once. Raises Missing,
    Invalid (impossible days, unknown stream or account) and Conflict (paused, not set up, or
    another run is under way and this one asks for something particular).
    """
    ctx.require("syncs.run")
    connection = connection_of(ctx, connection_id)
    _check_ready(connection)
    left_out = check_ask(
        ctx, connection, streams=streams, accounts=accounts, start=start, end=end
    )
    particular = bool(streams or accounts or start or end)
    running = active(ctx, connection_id)
    if running is not None:
        if particular:
            raise Conflict(
                "A sync of this connection is already under way.",
                why="One run at a time keeps the numbers whole.",
                fix="Wait until it ends or cancel it, then ask again.", sync_id=str(running.id),
            )
        return running
    run = SyncRun(
        org_id=ctx.org, connection_id=connection_id, trigger=trigger, created_by=ctx.who.user_id,
        created_at=ctx.now(),
        request={
            "streams": list(streams or ()), "accounts": [str(a) for a in accounts or ()],
            "start": start.isoformat() if start else "", "end": end.isoformat() if end else "",
        },
    )
    ctx.session.add(run)
    ctx.session.flush()
    for text in left_out:
        ctx.session.add(SyncEvent(
            org_id=ctx.org, connection_id=connection_id, run_id=run.id, at=ctx.now(), kind="sync",
            level="warning", text=text,
        ))
    audit.record(ctx, "sync.requested", run, trigger=trigger, connection=str(connection_id))
    return run


def active(ctx: Context, connection_id: UUID) -> SyncRun | None:
    """The queued or running run of a connection, None when there is none."""
    return ctx.session.exec(
        select(SyncRun).where(
            SyncRun.org_id == ctx.org, SyncRun.connection_id == connection_id,
            col(SyncRun.state).in_(ACTIVE),
        )
    ).first()


def check_ask(
    ctx: Context, connection: Connection, *, streams: Sequence[str] | None,
    accounts: Sequence[UUID] | None, start: dt.date | None, end: dt.date | None,
) -> list[str]:
    """Raise Invalid unless these streams, accounts and days can be read.

    Returns what of it cannot: streams whose history begins after the first of the days.
    """
    _check_days(ctx, start, end)
    unknown = sorted(set(streams or ()) - set(connection.streams))
    if unknown:
        raise Invalid(
            f"This connection has no stream called {unknown[0][:60]!r}.",
            why=f"It reads: {', '.join(connection.streams)}.", fix="Choose one of these.",
            field="streams",
        )
    read = reach.selected(ctx, connection)
    if strangers := set(accounts or ()) - {a.id for a in read}:
        raise Invalid(
            f"This connection does not read the account {min(map(str, strangers))}.",
            why="Only its chosen accounts can be read.", fix="Choose one of these accounts.",
            field="accounts",
        )
    wanted = [a for a in read if not accounts or a.id in accounts]
    return reach.check(
        ctx, connection, Ask(streams=tuple(streams or ()), start=start, end=end), wanted
    )


def cancel(ctx: Context, run_id: UUID) -> SyncRun:
    """End a run after the window it is in. What is committed stays."""
    ctx.require("syncs.run")
    run = get(ctx, run_id)
    if run.state in ACTIVE:
        run.state = RunState.CANCELLED
        run.finished_at = ctx.now()
        run.waiting_until, run.waiting_for = None, ""
        ctx.session.add(run)
        ctx.session.execute(delete(StagedUnit).where(
            col(StagedUnit.org_id) == ctx.org, col(StagedUnit.run_id) == run.id
        ))
        ctx.session.add(SyncEvent(
            org_id=ctx.org, connection_id=run.connection_id, run_id=run.id, at=ctx.now(),
            kind="sync", level="warning",
            text=f"Sync cancelled by {ctx.who.name or 'a program'}. What was loaded stays.",
        ))
        audit.record(ctx, "sync.cancelled", run)
    return run


def get(ctx: Context, run_id: UUID) -> SyncRun:
    """A run of this organization. Raises Missing."""
    ctx.require("connections.read")
    run = ctx.session.exec(
        select(SyncRun).where(SyncRun.org_id == ctx.org, SyncRun.id == run_id)
    ).first()
    if run is None:
        raise Missing("There is no such sync.", why="It may have been deleted.", fix="Reload.")
    return run


def latest(ctx: Context, connection_id: UUID) -> SyncRun | None:
    """The newest run of a connection, or None."""
    ctx.require("connections.read")
    return ctx.session.exec(
        select(SyncRun)
        .where(SyncRun.org_id == ctx.org, SyncRun.connection_id == connection_id)
        .order_by(col(SyncRun.created_at).desc())
    ).first()


def history(
    ctx: Context, connection_id: UUID, *, limit: int = 50, before: datetime | None = None
) -> list[SyncRun]:
    """Runs of a connection, newest first; `before` pages on. Raises Missing."""
    ctx.require("connections.read")
    connection_of(ctx, connection_id)
    query = select(SyncRun).where(
        SyncRun.org_id == ctx.org, SyncRun.connection_id == connection_id
    )
    if before is not None:
        query = query.where(SyncRun.created_at < before)
    return list(ctx.session.exec(
        query.order_by(col(SyncRun.created_at).desc()).limit(max(1, min(limit, 200)))
    ))


def progress(ctx: Context, run_id: UUID) -> RunProgress:
    """A run with its streams, days done of total and the time left. Raises Missing."""
    run = get(ctx, run_id)
    rows = ctx.session.exec(
        select(StreamRun, Account)
        .where(
            StreamRun.org_id == ctx.org, StreamRun.run_id == run_id,
            Account.org_id == ctx.org, Account.key == StreamRun.account_key,
        )
        .order_by(col(Account.name), col(StreamRun.id))
    ).all()
    streams = tuple(_stream_progress(row, account, run) for row, account in rows)
    done = sum(s.days_done for s in streams)
    total = sum(s.days_total for s in streams)
    return RunProgress(
        run=run, streams=streams, days_done=done, days_total=total,
        seconds_left=_left(ctx, run, done, total),
    )


def last_of_each_stream(ctx: Context, connection_id: UUID) -> list[StreamProgress]:
    """Per account x stream of a connection: the newest run that has asked for it, or failed to.

    A run that has only announced the stream so far, or was ended before its turn, says nothing.
    """
    ctx.require("connections.read")
    touched = (
        (col(StreamRun.requests) > 0) | (col(StreamRun.rows_read) > 0)
        | (col(StreamRun.days_done) > 0)
        | has_error(col(StreamRun.error))
    )
    newest = (
        select(func.max(StreamRun.id))
        .join(SyncRun, col(SyncRun.id) == col(StreamRun.run_id))
        .where(
            StreamRun.org_id == ctx.org, SyncRun.org_id == ctx.org,
            SyncRun.connection_id == connection_id, touched,
        )
        .group_by(col(StreamRun.account_key), col(StreamRun.stream))
    )
    rows = ctx.session.exec(
        select(StreamRun, Account, SyncRun)
        .join(Account, col(Account.key) == col(StreamRun.account_key))
        .join(SyncRun, col(SyncRun.id) == col(StreamRun.run_id))
        .where(
            StreamRun.org_id == ctx.org, Account.org_id == ctx.org, SyncRun.org_id == ctx.org,
            col(StreamRun.id).in_(newest),
        )
    ).all()
    return [_stream_progress(row, account, run) for row, account, run in rows]


def has_error(column: Any) -> ColumnElement[bool]:
    """Whether a JSON column of errors holds one: none is stored as null."""
    return cast(column, String).not_in(["null"])


def _stream_progress(row: StreamRun, account: Account, run: SyncRun) -> StreamProgress:
    going_on = run.state in ACTIVE
    return StreamProgress(
        account_id=account.id, account_name=account.name, stream=row.stream,
        state=row.state if going_on or row.state not in ACTIVE else run.state,
        days_done=row.days_done, days_total=row.days_total, current_day=row.current_day,
        rows_read=row.rows_read, rows_written=row.rows_written, rows_updated=row.rows_updated,
        rows_unchanged=row.rows_unchanged, rows_rejected=row.rows_rejected,
        rows_removed=row.rows_removed, requests=row.requests, seconds=row.seconds,
        waiting_until=row.waiting_until if going_on else None, error=row.error,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a first load will take: platform calls, and seconds at the platform's own pace."""

    calls: int
    seconds: int
    grows: bool  # both are the least: records come page by page, and nobody knows how many


def estimate(
    platform: Platform, streams: Sequence[str], accounts: int, history_days: int,
    options: Mapping[str, Any] | None = None,
) -> Estimate:
    """A first load's calls and time, from window sizes and the platform's pace. An estimate."""
    calls = 0
    offered = streams_of(platform, options or {})
    if any(s.defined for s in offered):
        accounts = 1  # a defined stream is read for an account of its own
    chosen = [s for s in offered if s.name in streams]
    for stream in chosen:
        if stream.window is not None:
            days = min(history_days, stream.window.history_days) + 1
            calls += -(-days // stream.window.days_per_request)
        elif stream.cursor:
            calls += -(-history_days // 7)
        else:
            calls += 1
    calls *= max(accounts, 1)
    return Estimate(
        calls, max(round(calls * 60 / platform.requests_per_minute), calls // 4, 1),
        grows=any(s.lands.records or s.defined for s in chosen),
    )


def success_share(ctx: Context, connection_id: UUID, *, days: int = 30) -> tuple[int, int]:
    """(succeeded, ended) runs of the last days; those that a person stopped count neither way."""
    ctx.require("connections.read")
    since = ctx.now() - timedelta(days=days)
    rows = ctx.session.exec(
        select(SyncRun.state, func.count()).where(
            SyncRun.org_id == ctx.org, SyncRun.connection_id == connection_id,
            SyncRun.created_at >= since,
            col(SyncRun.state).not_in((*ACTIVE, RunState.CANCELLED)),
        ).group_by(SyncRun.state)
    ).all()
    counts = {RunState(state): number for state, number in rows}
    return counts.get(RunState.SUCCEEDED, 0), sum(counts.values())


def _left(ctx: Context, run: SyncRun, done: int, total: int) -> tuple[int, int] | None:
    if run.state != RunState.RUNNING or not done or not total or run.started_at is None:
        return None
    spent = (ctx.now() - run.started_at).total_seconds()
    left = spent / done * (total - done)
    return int(left * 0.7), int(left * 1.5) + 1


def connection_of(ctx: Context, connection_id: UUID) -> Connection:
    found = ctx.session.exec(
        select(Connection).where(
            Connection.org_id == ctx.org, Connection.id == connection_id,
            col(Connection.deleted_at).is_(None),
        )
    ).first()
    if found is None:
        raise Missing(
            "There is no such connection.", why="It may have been deleted.",
            fix="Open Connections to see what is there.",
        )
    return found


def _check_ready(connection: Connection) -> None:
    if connection.status in _NOT_READY:
        raise Conflict(
            "This connection is not set up yet.", why="Its sign-in or its accounts are missing.",
            fix="Finish setting it up first.",
        )
    if connection.paused_at is not None:
        raise Conflict(
            "This connection is paused.", why="A person paused it.", fix="Resume it, then sync.",
        )


def _check_days(ctx: Context, start: dt.date | None, end: dt.date | None) -> None:
    latest_day = ctx.now().date() + timedelta(days=1)
    if start and end and start > end:
        raise Invalid(
            "The first day lies after the last day.", why=f"{start} is later than {end}.",
            fix="Swap the two days.", field="start",
        )
    if (start and start > latest_day) or (end and end > latest_day):
        raise Invalid(
            "These days lie in the future.", why="Nothing can be read for them yet.",
            fix="Choose days up to today.", field="end",
        )
    if start and start < dt.date(2000, 1, 1):
        raise Invalid(
            "The first day is too early.", why="No platform keeps data that long.",
            fix="Choose a day after 1 Jan 2000.", field="start",
        )
