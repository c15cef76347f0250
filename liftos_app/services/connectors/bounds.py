"""How a source that is asked with conditions (SQL) is read: by spans of days, changes, or whole.

Where a span or the changes since a cursor begin and end in a column's own form. Each warehouse
spells the bounds itself. They may be wider than the span: mapping.py leaves out what lies outside.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix, PlatformFault
from liftos_app.services.connectors import cursors
from liftos_app.services.connectors.defined import Definition
from liftos_app.services.connectors.mapping import EPOCHS, Chunk
from liftos_app.services.connectors.spec import Task

# day: a date; wall: a time without a zone; utc: a moment; text: ISO text; whole: exact whole
# numbers; number: others.
Kind = Literal["day", "wall", "utc", "text", "whole", "number"]
NUMBERS: tuple[Kind, ...] = ("whole", "number")


@dataclass(frozen=True, slots=True)
class Bound:
    """One side. `value` is ISO text of the kind's own form, or a number."""

    op: Literal[">=", "<=", "<"]
    kind: Kind
    value: str


_UNTIMED = (
    "The column {column} tells no time, so everything is read at each sync. Choose one with the "
    "time of the last change, or say in the stream's settings how its times are written, or that "
    "it is a number that grows."
)
_FELL = (
    "The largest number in {column} is {newest}, and {kept} was there before. If only the last "
    "rows were deleted, all is well; if counting began anew, change the stream's cursor column or "
    "its overlap: it is then read from the start."
)
_HELD = {
    "day": "days", "wall": "times", "utc": "times", "text": "texts, also where they look like "
    "numbers", "number": "numbers with decimals or of limited precision",
}
Limit = tuple[str, Bound]  # a column and its bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a warehouse does for one definition and task.

    `kind(column)`; `newest(column, kind)`: its largest value as text made by the server, to the
    last digit, "" for none; `query(limits, cursor)`: chunks of records, the last one with the
    cursor; `too_big(error)`: whether fewer days would mend it.
    """

    kind: Callable[[str], Kind | None]
    newest: Callable[[str, Kind | None], str]
    query: Callable[[Sequence[Limit], str], Iterator[Chunk]]
    too_big: Callable[[PlatformFault], bool]


def chunks(definition: Definition, task: Task, asking: Asking) -> Iterator[Chunk]:
    """A span of days, the changes since the cursor, or everything. See connectors/spec.py."""
    stream = task.stream
    if stream.cursor == "number":
        yield from _by_number(definition, task, asking)
    elif task.changes:
        yield from _changes(definition, task, asking)
    elif stream.window is None and not stream.cursor:
        yield from asking.query([], "")
    else:
        yield from _span(definition, task, asking, asking.kind(definition.day_column))


def _by_number(definition: Definition, task: Task, asking: Asking) -> Iterator[Chunk]:
    """A span, or every row from the number read last up to the greatest there is, both included.

    Raises Fix when the cursor column holds no exact whole numbers.
    """
    column = definition.cursor
    kind = asking.kind(column)
    if kind != "whole":
        raise no_numbers(definition, f"It holds {_HELD.get(kind or '', 'something else')}.")
    newest = ""
    if task.changes or task.end >= task.today:  # before the rows are asked for
        newest = asking.newest(column, kind)
    if not task.changes:
        day = asking.kind(definition.day_column)
        yield from _span(definition, task, asking, day, newest)
        return
    limits: list[Limit] = []
    if task.cursor != cursors.BEFORE_ALL:
        low = cursors.less(task.cursor, definition.overlap_numbers)
        limits.append((column, Bound(">=", kind, low)))
    if newest:
        limits.append((column, Bound("<=", kind, newest)))
    reached = cursors.later(task.cursor, newest)
    for chunk in asking.query(limits, reached):
        if newest and reached != newest:
            told = _FELL.format(column=column, newest=newest, kept=task.cursor)
            chunk.notes = (*chunk.notes, told)
        yield chunk


def no_numbers(definition: Definition, why: str) -> Fix:
    """A number cursor on a column that holds none."""
    return Fix(
        f"{definition.title} cannot be read by its cursor column.",
        why=f"{definition.cursor} is to hold a whole number that grows with every new or changed "
        f"row. {why}",
        fix="Choose another column in the stream's definition, or say that it holds a time, or "
        "choose none.",
        cause="source_data", owner="you",
    )


def _span(
    definition: Definition, task: Task, asking: Asking, kind: Kind | None, cursor: str = ""
) -> Iterator[Chunk]:
    """A span; one whose result is too big for one answer is read in halves."""
    bounds = of_days(definition, task, kind) if kind else []
    try:
        yield from asking.query([(definition.day_column, b) for b in bounds], cursor)
    except PlatformFault as error:
        if not asking.too_big(error) or task.start >= task.end or not bounds:
            raise
        middle = task.start + (task.end - task.start) // 2
        yield from _span(definition, replace(task, end=middle), asking, kind, cursor)
        later = replace(task, start=middle + timedelta(days=1))
        yield from _span(definition, later, asking, kind, cursor)


def _changes(definition: Definition, task: Task, asking: Asking) -> Iterator[Chunk]:
    """What changed since the cursor up to the newest value there is, both included."""
    column = definition.cursor
    kind = asking.kind(column)
    newest = asking.newest(column, kind)
    low = since(definition, task, kind) if kind else None
    if kind is None or not newest or low is None:
        for chunk in asking.query([], task.cursor):
            if newest and low is None:
                chunk.notes = (*chunk.notes, _UNTIMED.format(column=column))
            yield chunk
        return
    reached = max(task.cursor, cursor_of(definition, kind, newest))
    yield from asking.query([(column, low), (column, Bound("<=", kind, newest))], reached)


def of_days(definition: Definition, task: Task, kind: Kind) -> list[Bound]:
    """The task's days in the day column; empty when the column's form tells nothing."""
    after = task.end + timedelta(days=1)
    form = definition.date_format
    if kind == "day":
        return [Bound(">=", kind, task.start.isoformat()), Bound("<=", kind, task.end.isoformat())]
    if kind == "text":
        if form:
            return []
        first, last = task.start - timedelta(days=1), after + timedelta(days=1)
        return [Bound(">=", kind, first.isoformat()), Bound("<", kind, last.isoformat())]
    if kind in NUMBERS:
        if form == "%Y%m%d":
            return [Bound(">=", kind, f"{task.start:%Y%m%d}"),
                    Bound("<=", kind, f"{task.end:%Y%m%d}")]
        if form not in EPOCHS:
            return []
    zone = ZoneInfo(definition.time_zone)
    return [
        Bound(">=", kind, _spelt(definition, _midnight(task.start, zone), kind)),
        Bound("<", kind, _spelt(definition, _midnight(after, zone), kind)),
    ]


def since(definition: Definition, task: Task, kind: Kind) -> Bound | None:
    """The cursor less the overlap, in the cursor column; None when its form tells nothing."""
    moment = datetime.fromisoformat(task.cursor) - timedelta(seconds=definition.overlap_seconds)
    if kind == "day":
        local = moment.astimezone(ZoneInfo(definition.naive_zone))
        return Bound(">=", kind, local.date().isoformat())
    if kind == "text":
        if definition.date_format:
            return None
        return Bound(">=", kind, (moment - timedelta(days=1)).date().isoformat())
    if kind in NUMBERS and definition.date_format not in EPOCHS:
        return None
    return Bound(">=", kind, _spelt(definition, moment, kind))


def cursor_of(definition: Definition, kind: Kind, text: str) -> str:
    """A column's newest value as a cursor: UTC, whole seconds, rounded down; "" for none."""
    if kind in NUMBERS:
        if definition.date_format not in EPOCHS:
            return ""
        moment = datetime.fromtimestamp(int(float(text)) // EPOCHS[definition.date_format], UTC)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return ""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(definition.naive_zone))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spelt(definition: Definition, moment: datetime, kind: Kind) -> str:
    if kind in NUMBERS:
        return str(int(moment.timestamp()) * EPOCHS[definition.date_format])
    if kind == "wall":
        local = moment.astimezone(ZoneInfo(definition.naive_zone))
        return local.replace(tzinfo=None).isoformat(timespec="seconds")
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _midnight(day: dt.date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, dt.time(), zone).astimezone(UTC)
