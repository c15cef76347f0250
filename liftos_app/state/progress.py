"""A run as it stands, in finished texts: for the wizard, the look-around and the detail page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from liftos_app.models import RunState
from liftos_app.services import catalogue, connections, sync
from liftos_app.services import format as fmt
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.context import Context
from liftos_app.services.sync import RunProgress, StreamProgress
from liftos_app.state import words

ACTIVE: Final = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass
class StreamLine:
    """One account x stream of a run."""

    key: str
    account: str
    stream: str
    kind: str
    word: str
    days: str
    rows: str
    current: str
    note: str  # quota wait or error
    percent: int


@dataclass
class Progress:
    """A run. `active` is false once it has ended."""

    run_id: str = ""
    name: str = ""
    active: bool = False
    kind: str = "mute"
    word: str = ""
    percent: int = 0
    text: str = ""
    left: str = ""
    rows: str = ""
    waiting: str = ""
    cause_what: str = ""
    cause_why: str = ""
    cause_fix: str = ""
    lines: list[StreamLine] = field(default_factory=list)


def of_run(ctx: Context, run_id: UUID, zone: str) -> Progress:
    """The progress of one run. Raises Missing."""
    found = sync.progress(ctx, run_id)
    connection = connections.get(ctx, found.run.connection_id)
    platform = catalogue.find(connection.platform)
    titles = {s.name: s.title for s in streams_of(platform, connection.options)}
    now = ctx.now()
    state = RunState(found.run.state)
    kind, word = words.RUN[state]
    cause = words.cause(found.run.cause, now, zone)
    return Progress(
        run_id=str(run_id),
        name=connection.name,
        active=state in ACTIVE,
        kind=kind,
        word=word,
        percent=100
        if state not in ACTIVE and state is RunState.SUCCEEDED
        else int(found.share * 100),
        text=_text(found, state),
        left=_left(found, state),
        rows=fmt.plural(found.run.rows_written + found.run.rows_updated, "row"),
        waiting=words.waiting(found.run.waiting_for, found.run.waiting_until, zone)
        if found.run.waiting_until is not None and found.run.waiting_until > now
        else "",
        cause_what=cause.what,
        cause_why=cause.why,
        cause_fix=cause.fix,
        lines=[_line(s, titles, now, zone) for s in found.streams],
    )


def _text(found: RunProgress, state: RunState) -> str:
    if state is RunState.QUEUED:
        return "Waiting to start"
    if not found.days_total:
        return "Preparing"
    return f"{fmt.number(found.days_done)} of {fmt.plural(found.days_total, 'day')}"


def _left(found: RunProgress, state: RunState) -> str:
    if state not in ACTIVE or found.seconds_left is None:
        return ""
    low, high = found.seconds_left
    if high < 45:
        return "under a minute left"
    return f"{fmt.duration(low, parts=1)} to {fmt.duration(high, parts=1)} left"


def _line(one: StreamProgress, titles: dict[str, str], now: datetime, zone: str) -> StreamLine:
    kind, word = words.RUN[RunState(one.state)]
    note = _wait(one.waiting_until, now, zone)
    if one.error:
        note = str(one.error.get("what", ""))
    days = (
        f"{fmt.number(one.days_done)} of {fmt.number(one.days_total)}"
        if one.days_total
        else fmt.UNKNOWN
    )
    return StreamLine(
        key=f"{one.account_id}/{one.stream}",
        account=one.account_name,
        stream=titles.get(one.stream, one.stream),
        kind=kind,
        word=word,
        days=days,
        rows=fmt.count(one.rows_written + one.rows_updated),
        current=one.current_day,
        note=note,
        percent=int(100 * one.days_done / one.days_total)
        if one.days_total
        else 100
        if RunState(one.state) is RunState.SUCCEEDED
        else 0,
    )


def _wait(until: datetime | None, now: datetime, zone: str) -> str:
    if until is None or until <= now:
        return ""
    return f"Waiting for quota until {fmt.clock(until, zone)}; it goes on by itself."
