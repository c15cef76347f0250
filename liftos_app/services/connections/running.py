"""How a connection that runs is run: its hours, order and policy; several at once; clearing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlmodel import col

from liftos_app.errors import Conflict, Invalid, LiftOSError
from liftos_app.models import (
    Connection,
    Coverage,
    CrmRecord,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    Order,
    OrderLine,
    Payment,
    Refund,
    RejectedRow,
    Restatement,
    ResyncChange,
    SourceRecord,
    StreamState,
    SyncRun,
)
from liftos_app.services import audit, condition, preferences
from liftos_app.services.connections import life, reading
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Lands, Platform, Stream
from liftos_app.services.context import Context
from liftos_app.services.sync import drift, hours
from liftos_app.services.sync.job import info_of

PRIORITIES: Final = {"first": 1, "usual": 0, "last": -1}
_OF_STREAM: Final = (
    Coverage, StreamState, SourceRecord, RejectedRow, Restatement, ResyncChange,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one of several connections: a run, or why not."""

    connection_id: UUID
    name: str
    run: SyncRun | None
    error: LiftOSError | None


def set_sync_window(ctx: Context, connection_id: UUID, text: str) -> Connection:
    """The hours of scheduled syncs, `06:00-22:00` in the schedule's zone; empty: any time."""
    return _set(ctx, connection_id, "sync_window", hours.check(text), "Hours of syncs")


def set_priority(ctx: Context, connection_id: UUID, word: str) -> Connection:
    """Its place among runs that wait: first, usual or last. Raises Invalid."""
    if word not in PRIORITIES:
        raise Invalid(
            f"{word[:40]!r} is no priority.", why="There are first, usual and last.",
            fix="Choose one of these.", field="priority",
        )
    return _set(ctx, connection_id, "priority", PRIORITIES[word], "Priority", shown=word)


def set_drift_policy(ctx: Context, connection_id: UUID, policy: str) -> Connection:
    """What happens when the platform's columns change: evolve, ignore or stop."""
    return _set(
        ctx, connection_id, "drift_policy", preferences.check_policy(policy), "Column policy"
    )


def accept_columns(ctx: Context, connection_id: UUID, stream: str) -> list[str]:
    """Take a stream's changed columns as known; one that stopped for them is read again."""
    taken = drift.accept(ctx, connection_id, stream)
    connection = reading.get(ctx, connection_id)
    condition.note(
        ctx, connection, "drift", stream=stream,
        text=f"Changed columns of {stream} accepted by {ctx.who.name or 'a program'}: "
             f"{', '.join(taken)[:300] or 'none'}.",
    )
    return taken


def request_many(ctx: Context, ids: Sequence[UUID] | None = None) -> list[Asked]:
    """Ask for a sync of several connections, or of all that run. One that cannot says why."""
    ctx.require("syncs.run")
    rows = {r.id: r for r in reading.list_all(ctx)}
    skip = {*condition.NOT_STARTED}
    wanted = list(ids) if ids is not None else [
        r.id for r in rows.values() if r.status not in skip and r.status != "paused"
    ]
    found = []
    for connection_id in dict.fromkeys(wanted):
        name = rows[connection_id].name if connection_id in rows else ""
        try:
            run = life.request_sync(ctx, connection_id)
        except LiftOSError as error:
            found.append(Asked(connection_id, name, None, error))
        else:
            found.append(Asked(connection_id, name, run, None))
    return found


def clear(
    ctx: Context, connection_id: UUID, streams: Sequence[str], *, confirm: str
) -> dict[str, int]:
    """Delete the stored rows and the position of streams; the next sync loads them anew.

    `confirm` is the connection's name, typed. Streams that share rows go together. Returns the
    rows deleted by table. Raises Invalid and Conflict.
    """
    ctx.require("connections.delete")
    connection = reading.get(ctx, connection_id)
    if confirm.strip() != connection.name:
        raise Invalid(
            "The name does not match.", why="Clearing deletes rows, so its name is typed first.",
            fix=f"Type {connection.name} exactly as shown.", field="confirm",
        )
    if condition.active_run(ctx, connection_id) is not None:
        raise Conflict(
            "A sync of this connection is under way.", why="It would write what is being deleted.",
            fix="Cancel it or wait until it ends.",
        )
    platform = registry.get(connection.platform)
    chosen = _with_siblings(platform, connection, streams)
    accounts = reading.accounts_of(ctx, connection_id)
    removed: dict[str, int] = {}
    for stream in chosen:
        keys = [a.key or 0 for a in accounts if stream.fits(info_of(a))]
        for table, count in _erase(ctx, keys, stream).items():
            removed[table] = removed.get(table, 0) + count
    ctx.session.expire_all()
    names = ", ".join(s.name for s in chosen)
    condition.note(
        ctx, connection, "settings", level="warning",
        text=f"Cleared {names} by {ctx.who.name or 'a program'}: "
             f"{sum(removed.values()):,} rows deleted. The next sync loads them anew.",
    )
    audit.record(
        ctx, "connection.cleared", connection, streams=[s.name for s in chosen], rows=removed
    )
    return removed


def _with_siblings(
    platform: Platform, connection: Connection, names: Sequence[str]
) -> list[Stream]:
    unknown = sorted(set(names) - set(connection.streams))
    if unknown or not names:
        raise Invalid(
            f"This connection has no stream called {unknown[0][:60]!r}." if unknown
            else "No stream is chosen.",
            why=f"It reads: {', '.join(connection.streams)}.", fix="Choose at least one of these.",
            field="streams",
        )
    offered = streams_of(platform, connection.options)
    places = {_rows_of(s) for s in offered if s.name in names and not s.defined}
    return [
        s for s in offered if s.name in names
        or (s.lands is not Lands.ENTITIES and not s.defined and _rows_of(s) in places)
    ]


def _rows_of(stream: Stream) -> tuple[str, int, str]:
    """Which rows a stream owns: its table, level and kind."""
    return str(stream.lands), stream.level, stream.kind


def _erase(ctx: Context, keys: list[int], stream: Stream) -> dict[str, int]:
    removed = {}
    for model, limits in _rows(stream):
        table: Any = model
        found = ctx.session.connection().execute(delete(table).where(
            table.org_id == ctx.org, table.account_key.in_(keys), *limits
        ))
        removed[str(table.__tablename__)] = found.rowcount
    for model in _OF_STREAM:
        table = model
        ctx.session.connection().execute(delete(table).where(
            table.org_id == ctx.org, table.account_key.in_(keys), table.stream == stream.name
        ))
    return removed


def _rows(stream: Stream) -> list[tuple[Any, list[Any]]]:
    """The tables a stream fills, children first, and which of their rows are its own."""
    if stream.lands is Lands.ENTITIES:  # what figures point at stays: it is named anew
        used = or_(*(
            col(Entity.key).in_(select(col(m.entity_key))) for m in (FactDaily, FactExtra, MailFact)
        ))
        return [(Entity, [col(Entity.level) == stream.level, ~used])]
    level = stream.level
    owned: dict[Lands, list[tuple[Any, list[Any]]]] = {
        Lands.FACTS: [
            (FactExtra, [col(FactExtra.level) == level]),
            (FactDaily, [col(FactDaily.level) == level]),
        ],
        Lands.MAIL: [(MailFact, [col(MailFact.level) == level])],
        Lands.ORDERS: [(Refund, []), (OrderLine, []), (Order, [])],
        Lands.CRM: [(CrmRecord, [col(CrmRecord.kind) == stream.kind] if stream.kind else [])],
        Lands.PAYMENTS: [(Payment, [col(Payment.kind) == stream.kind] if stream.kind else [])],
    }
    return owned[stream.lands]


def _set(
    ctx: Context, connection_id: UUID, name: str, value: object, title: str, *, shown: str = ""
) -> Connection:
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    before = getattr(connection, name)
    if before == value:
        return connection
    setattr(connection, name, value)
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    words = shown or str(value) or "any time"
    condition.note(
        ctx, connection, "settings", f"{title} set to {words} by {ctx.who.name or 'a program'}."
    )
    audit.record(ctx, f"connection.{name}_set", connection, before=before, after=value)
    return connection


__all__ = [
    "PRIORITIES", "Asked", "accept_columns", "clear", "request_many", "set_drift_policy",
    "set_priority", "set_sync_window",
]
