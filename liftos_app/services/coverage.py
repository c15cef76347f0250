"""Coverage as strips: one state per day of a connection, or of each of its streams."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import Account, Connection, Coverage, CoverageState, StreamState
from liftos_app.services import format as fmt
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.context import Context

_WORST = ("failed", "missing", "partial", "ok", "empty", "none")
_WORDS = {
    "ok": "complete",
    "empty": "confirmed empty",
    "partial": "partial",
    "failed": "failed",
    "missing": "missing",
    "none": "not asked for yet",
}
_STATES = {
    CoverageState.COMPLETE: "ok",
    CoverageState.EMPTY: "empty",
    CoverageState.PARTIAL: "partial",
    CoverageState.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A day: its state (ok, empty, partial, failed, missing, none) and what hovering says."""

    day: dt.date
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Days oldest first, and one sentence that says the same."""

    cells: tuple[Cell, ...]
    words: str


@dataclass(slots=True)
class _Day:
    states: list[str]
    rows: int = 0


def strips(ctx: Context, ids: Sequence[UUID], *, days: int = 60) -> dict[UUID, Strip]:
    """One strip per connection: the worst state of its accounts and streams on each day."""
    ctx.require("connections.read")
    found: dict[UUID, Strip] = {}
    read = _read(ctx, ids, days)
    for connection_id in ids:
        merged: dict[dt.date, _Day] = {}
        for stream_days in read.get(connection_id, {}).values():
            for day, one in stream_days.items():
                into = merged.setdefault(day, _Day([]))
                into.states += one.states
                into.rows += one.rows
        found[connection_id] = _strip(ctx, merged, days)
    return found


def by_stream(ctx: Context, connection_id: UUID, *, days: int = 60) -> dict[tuple[str, str], Strip]:
    """One strip per (account name, stream) of a connection."""
    ctx.require("connections.read")
    read = _read(ctx, [connection_id], days).get(connection_id, {})
    return {key: _strip(ctx, found, days) for key, found in read.items()}


def _read(
    ctx: Context, ids: Sequence[UUID], days: int
) -> dict[UUID, dict[tuple[str, str], dict[dt.date, _Day]]]:
    first = ctx.now().date() - dt.timedelta(days=days)
    chosen = {
        c.id: _counting(c)
        for c in ctx.session.exec(
            select(Connection).where(col(Connection.org_id) == ctx.org, col(Connection.id).in_(ids))
        ).all()
    }
    columns: list[Any] = [
        Account.connection_id,
        Account.name,
        Coverage.stream,
        Coverage.day,
        Coverage.state,
        Coverage.row_count,
    ]
    rows = ctx.session.exec(
        select(*columns)
        .join(Account, col(Account.key) == col(Coverage.account_key))
        .where(
            col(Coverage.org_id) == ctx.org,
            col(Account.org_id) == ctx.org,
            col(Account.connection_id).in_(ids),
            col(Account.selected).is_(True),
            col(Coverage.day) >= first,
        )
    ).all()
    found: dict[UUID, dict[tuple[str, str], dict[dt.date, _Day]]] = defaultdict(dict)
    for connection_id, account, stream, day, state, count in rows:
        if stream in chosen.get(connection_id, ()):
            days_of = found[connection_id].setdefault((account, stream), {})
            days_of[day] = _Day([_STATES[CoverageState(state)]], count)
    return found


def _counting(connection: Connection) -> frozenset[str]:
    """Chosen streams that have days at all; lists read whole each time have none."""
    for platform in registry.all_platforms():
        if platform.slug == connection.platform:
            return frozenset(
                s.name
                for s in streams_of(platform, connection.options)
                if s.name in connection.streams and (s.window is not None or s.cursor)
            )
    return frozenset(connection.streams)


def _strip(ctx: Context, found: dict[dt.date, _Day], days: int) -> Strip:
    today = ctx.now().date()
    first = min(found, default=None)
    cells = []
    for offset in range(days, 0, -1):
        day = today - dt.timedelta(days=offset)
        one = found.get(day)
        if one is not None:
            state = _worst(one.states)
        else:
            state = "none" if first is None or day < first else "missing"
        rows = f", {fmt.plural(one.rows, 'row')}" if one is not None and one.rows else ""
        cells.append(Cell(day, state, f"{fmt.day(day, today)}: {_WORDS[state]}{rows}"))
    return Strip(tuple(cells), _sentence(cells))


def _worst(states: Iterable[str]) -> str:
    held = set(states)
    return next(s for s in _WORST if s in held)


def _sentence(cells: Sequence[Cell]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for cell in cells:
        counts[cell.state] += 1
    parts = [
        f"{counts[s]} {_WORDS[s]}"
        for s in ("ok", "empty", "partial", "failed", "missing", "none")
        if counts[s]
    ]
    return f"Last {len(cells)} days: " + ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one stream of one account has been read."""

    account_id: UUID
    account: str
    stream: str
    newest: dt.date | None
    oldest: dt.date | None
    last_read_at: datetime | None
    error: dict[str, Any] | None


def positions(ctx: Context, connection_id: UUID) -> list[Position]:
    """The chosen streams of the selected accounts, as they were left by the last window."""
    ctx.require("connections.read")
    rows = ctx.session.exec(
        select(StreamState, Account, Connection)
        .join(Account, col(Account.key) == col(StreamState.account_key))
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .where(
            col(StreamState.org_id) == ctx.org,
            col(Account.org_id) == ctx.org,
            col(Connection.org_id) == ctx.org,
            col(Account.connection_id) == connection_id,
            col(Account.selected).is_(True),
        )
        .order_by(col(Account.name), col(StreamState.id))
    ).all()
    return [
        Position(
            account_id=account.id,
            account=account.name,
            stream=state.stream,
            newest=state.newest_day,
            oldest=state.oldest_day,
            last_read_at=state.last_read_at,
            error=state.error,
        )
        for state, account, connection in rows
        if state.stream in connection.streams
    ]
