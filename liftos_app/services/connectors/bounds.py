"""Where a span of days, or the changes since a cursor, begin and end in a source's own column.

For sources that are asked with conditions (SQL). Pure; each warehouse spells the bounds itself.
Bounds may be wider than the span: mapping.py leaves out what lies outside.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.defined import Definition
from liftos_app.services.connectors.mapping import EPOCHS
from liftos_app.services.connectors.spec import Task

# day: a date; wall: a time without a zone; utc: a moment; text: ISO text; number: a number.
Kind = Literal["day", "wall", "utc", "text", "number"]


@dataclass(frozen=True, slots=True)
class Bound:
    """One side. `value` is ISO text of the kind's own form, or a number."""

    op: Literal[">=", "<=", "<"]
    kind: Kind
    value: str


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
    if kind == "number":
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
    if kind == "number" and definition.date_format not in EPOCHS:
        return None
    return Bound(">=", kind, _spelt(definition, moment, kind))


def cursor_of(definition: Definition, kind: Kind, text: str) -> str:
    """A column's newest value as a cursor: UTC, whole seconds, rounded down; "" for none."""
    if kind == "number":
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
    if kind == "number":
        return str(int(moment.timestamp()) * EPOCHS[definition.date_format])
    if kind == "wall":
        local = moment.astimezone(ZoneInfo(definition.naive_zone))
        return local.replace(tzinfo=None).isoformat(timespec="seconds")
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _midnight(day: dt.date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, dt.time(), zone).astimezone(UTC)
