"""A stream's position and its source columns: what is new is told, ignored, or stops the stream."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, select

from liftos_app.errors import Fix, Missing
from liftos_app.models import Account, Connection, StreamState, SyncEvent
from liftos_app.services import audit
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context

POLICIES: Final = {
    "evolve": "read on and tell", "ignore": "read on and say nothing", "stop": "stop and ask",
}


def state_of(session: Session, org_id: int, account_key: int, stream: str) -> StreamState:
    """The stored position of one account x stream, or a new one."""
    return session.exec(
        select(StreamState).where(
            StreamState.org_id == org_id, StreamState.account_key == account_key,
            StreamState.stream == stream,
        )
    ).first() or StreamState(org_id=org_id, account_key=account_key, stream=stream)


def notice(
    state: StreamState, stream: Stream, seen: Iterable[str], *, policy: str, now: datetime
) -> list[str]:
    """Take columns into the state; the new ones to be told. Raises Fix under the policy `stop`."""
    added = sorted(set(seen) - set(state.columns))
    if not added:  # a column without values in one window is no news
        return []
    first = not state.columns
    if policy == "stop" and not first:
        raise Fix(
            f"{stream.title}: the platform now also sends {', '.join(added)[:300]}.",
            why="This connection stops when columns change.",
            fix="Accept the new columns under Schema, then sync again.", cause="source_data",
            added=added,
        )
    state.columns = sorted({*state.columns, *added})
    state.column_seen = {**state.column_seen, **dict.fromkeys(added, now.isoformat())}
    if first or policy != "evolve":
        return []
    state.new_columns = sorted({*state.new_columns, *added})
    return added


def event(
    stream: Stream, added: list[str], *, org_id: int, connection_id: UUID, run_id: UUID,
    now: datetime,
) -> SyncEvent:
    """The line that announces new columns."""
    return SyncEvent(
        org_id=org_id, connection_id=connection_id, run_id=run_id, at=now, level="warning",
        kind="drift", stream=stream.name,
        text=f"{stream.title}: the platform now also sends {', '.join(added)[:300]}. "
             "Known columns are read as before; back-fill the new ones under Schema.",
        facts={"added": added},
    )


def accept(ctx: Context, connection_id: UUID, stream: str) -> list[str]:
    """Take the new columns of a stream as known. Returns them. Raises Missing."""
    ctx.require("connections.write")
    connection = ctx.session.exec(
        select(Connection).where(
            Connection.org_id == ctx.org, Connection.id == connection_id,
            col(Connection.deleted_at).is_(None),
        )
    ).first()
    rows = ctx.session.exec(
        select(StreamState).join(Account, col(Account.key) == col(StreamState.account_key)).where(
            StreamState.org_id == ctx.org, Account.org_id == ctx.org,
            Account.connection_id == connection_id, StreamState.stream == stream,
        )
    ).all()
    if connection is None or not rows:
        raise Missing(
            "There is no such stream.", why="It was never read.", fix="Reload the page."
        )
    taken: set[str] = set()
    for state in rows:
        taken |= set(state.new_columns)
        state.columns = sorted({*state.columns, *state.new_columns})
        fresh = dict.fromkeys(state.new_columns, ctx.now().isoformat())
        state.column_seen = {**fresh, **state.column_seen}
        state.new_columns, state.error = [], None
        ctx.session.add(state)
    audit.record(
        ctx, "connection.columns_accepted", connection, stream=stream, columns=sorted(taken)
    )
    return sorted(taken)


def oldest_and_newest(state: StreamState, first: dt.date, last: dt.date) -> None:
    """Widen the span of days that a stream has read."""
    state.newest_day = max(filter(None, (state.newest_day, last)))
    state.oldest_day = min(filter(None, (state.oldest_day, first)))
