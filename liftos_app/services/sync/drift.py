"""A stream's position and its source columns: changes are told, ignored, or stop the stream."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session, col, select

from liftos_app.errors import Fix, LiftOSError, Missing
from liftos_app.models import Account, Connection, StreamState, SyncEvent
from liftos_app.services import audit
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context
from liftos_app.services.sync.plan import Phase, Unit

POLICIES: Final = {
    "evolve": "read on and tell", "ignore": "read on and say nothing", "stop": "stop and ask",
}
STEADY_AFTER: Final = 3  # whole readings that all had a column before its absence is news


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Columns that a stream's source has gained and lost."""

    added: list[str]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.gone)

    def sentence(self, stream: Stream) -> str:
        """What changed, for people."""
        parts = []
        if self.added:
            parts.append(f"now also sends {', '.join(self.added)[:300]}")
        if self.gone:
            parts.append(f"no longer sends {', '.join(self.gone)[:300]}")
        return f"{stream.title}: the platform {' and '.join(parts)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How much a reading says about columns that it does not have.

    `whole`: all records of at least one finished day, or of everything. `newest`: of the newest
    finished day too.
    """

    whole: bool
    newest: bool


def sight_of(unit: Unit, stream: Stream, today: dt.date) -> Sight:
    """What a unit's reading says. A day is finished when it is over and the latency has passed."""
    if unit.phase is Phase.WHOLE:
        return Sight(whole=True, newest=True)
    latency = stream.window.latency_hours if stream.window else 0
    finished = today - dt.timedelta(days=1 + math.ceil(latency / 24))
    whole = unit.phase in (Phase.RECENT, Phase.BACKFILL) and unit.start <= finished
    return Sight(whole=whole, newest=whole and unit.end >= finished)


def state_of(session: Session, org_id: int, account_key: int, stream: str) -> StreamState:
    """The stored position of one account x stream, or a new one."""
    return session.exec(
        select(StreamState).where(
            StreamState.org_id == org_id, StreamState.account_key == account_key,
            StreamState.stream == stream,
        )
    ).first() or StreamState(org_id=org_id, account_key=account_key, stream=stream)


def notice(
    state: StreamState, stream: Stream, seen: AbstractSet[str], *, sight: Sight, policy: str,
    now: datetime,
) -> Drift:
    """Take columns into the state; what is to be told. Raises Fix under the policy `stop`.

    Gone is a steady column, one of every whole reading until now, that the newest one lacks. Any
    other is sparse: many platforms leave out columns without values.
    """
    nothing = Drift(added=[], gone=[])
    if not seen:  # no records
        return nothing
    first = not state.columns
    lacking = set(state.steady_columns) - seen if sight.whole else set()
    is_news = sight.newest and state.whole_readings >= STEADY_AFTER
    found = Drift(
        added=[] if first else sorted(seen - set(state.columns)),
        gone=sorted(lacking) if is_news else [],
    )
    if policy == "stop" and found:
        raise Fix(
            found.sentence(stream), why="This connection stops when columns change.",
            fix="Accept the changed columns under Schema, then sync again.", cause="source_data",
            action="schema", added=found.added, gone=found.gone,
        )
    fresh = seen - set(state.columns)
    state.columns = sorted({*state.columns, *fresh})
    state.column_seen = {**state.column_seen, **dict.fromkeys(sorted(fresh), now.isoformat())}
    if sight.whole:
        steady = set(state.steady_columns) if state.whole_readings else seen
        state.steady_columns = sorted(steady & seen)
        state.whole_readings += 1
    if sight.newest:
        state.gone_columns = [c for c in state.gone_columns if c not in seen]
    if policy != "evolve":
        return nothing
    await_decision(state, found)
    return found


def await_decision(state: StreamState, found: Drift) -> None:
    """Mark changed columns until somebody accepts them."""
    state.new_columns = sorted({*state.new_columns, *found.added})
    state.gone_columns = sorted({*state.gone_columns, *found.gone})


def stopped_by(error: LiftOSError) -> Drift:
    """The changed columns that the policy `stop` refused; none when it is another error."""
    facts: dict[str, Any] = error.facts if isinstance(error, Fix) else {}
    return Drift(added=facts.get("added", []), gone=facts.get("gone", []))


def event(
    stream: Stream, found: Drift, *, org_id: int, connection_id: UUID, run_id: UUID, now: datetime
) -> SyncEvent:
    """The line that announces changed columns."""
    hints = ""
    if found.added:
        hints += " Known columns are read as before; back-fill the new ones under Schema."
    if found.gone:
        hints += " What is stored stays."
    return SyncEvent(
        org_id=org_id, connection_id=connection_id, run_id=run_id, at=now, level="warning",
        kind="drift", stream=stream.name, text=found.sentence(stream) + hints,
        facts={"added": found.added, "gone": found.gone},
    )


def accept(ctx: Context, connection_id: UUID, stream: str) -> list[str]:
    """Take the changed columns of a stream as known. Returns them. Raises Missing.

    A column that is gone stays among those known: the days before may still have it.
    """
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
        taken |= {*state.new_columns, *state.gone_columns}
        state.columns = sorted({*state.columns, *state.new_columns})
        fresh = dict.fromkeys(state.new_columns, ctx.now().isoformat())
        state.column_seen = {**fresh, **state.column_seen}
        state.steady_columns = [c for c in state.steady_columns if c not in state.gone_columns]
        state.new_columns, state.gone_columns, state.error = [], [], None
        ctx.session.add(state)
    audit.record(
        ctx, "connection.columns_accepted", connection, stream=stream, columns=sorted(taken)
    )
    return sorted(taken)


def oldest_and_newest(state: StreamState, first: dt.date, last: dt.date) -> None:
    """Widen the span of days that a stream has read."""
    state.newest_day = max(filter(None, (state.newest_day, last)))
    state.oldest_day = min(filter(None, (state.oldest_day, first)))
