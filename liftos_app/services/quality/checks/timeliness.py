"""Timeliness: how long after a platform had published a day did we have it?

This measures our own delay. The platform's published latency is added to the day's end first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import col, select

from liftos_app.models import Coverage, RunState, StreamRun, SyncRun
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope
from liftos_app.services.quality.checks.day_coverage import ANSWERED

ALLOWED = timedelta(hours=2)


def run(scope: Scope) -> Measure | None:
    """Days we had within two hours of their being due. Paused connections are left out."""
    if not scope.daily or scope.window is None or scope.source.paused_at is not None:
        return None
    days = [d for d in scope.window if scope.due(d) >= scope.source.first_run_at]
    delays = _delays(scope, days)
    if not delays:
        return Measure(0, 0, evidence={"current_delay_seconds": None})
    late = {day: delay for day, delay in delays.items() if delay > ALLOWED}
    current = _current(scope, days, delays)
    return Measure(
        len(delays) - len(late), len(delays),
        reason="Days were read later than two hours after they were due." if late else "",
        evidence={
            "current_delay_seconds": int(current.total_seconds()),
            "worst_delay_seconds": int(max(delays.values()).total_seconds()),
            "late": [day.isoformat() for day in sorted(late)],
            "latency_hours": scope.stream.window.latency_hours if scope.stream.window else 0,
        },
    )


def _delays(scope: Scope, days: Sequence[dt.date]) -> dict[dt.date, timedelta]:
    if not days:
        return {}
    reads = _reads(scope, days[0], days[-1])
    finishes = _finishes(scope, scope.due(days[0]))
    delays: dict[dt.date, timedelta] = {}
    for day in days:
        due = scope.due(day)
        delays[day] = (_first_read(reads.get(day), due, finishes) or scope.now) - due
    return delays


def _first_read(
    read: tuple[datetime, datetime] | None, due: datetime,
    finishes: Sequence[tuple[datetime, datetime]],
) -> datetime | None:
    """The first committed read after a day was due.

    Coverage keeps the first and the last read of a day. When the first came too early to count
    and the last too late to be the first that does, the runs in between tell.
    """
    if read is None or read[1] < due:
        return None
    first, last = read
    if first >= due:
        return first
    between = [end for start, end in finishes if start >= due and end <= last]
    return min(between, default=last)


def _current(
    scope: Scope, days: Sequence[dt.date], delays: dict[dt.date, timedelta]
) -> timedelta:
    """The delay of the newest due day; while days at the end are missing, that of the first."""
    current = delays[days[-1]]
    for day in reversed(days):
        if delays[day] != scope.now - scope.due(day):
            break
        current = delays[day]
    return current


def _reads(
    scope: Scope, first: dt.date, last: dt.date
) -> dict[dt.date, tuple[datetime, datetime]]:
    rows = scope.session.exec(
        select(
            col(Coverage.day), col(Coverage.first_read_at), col(Coverage.read_at)
        ).where(
            Coverage.org_id == scope.org_id, Coverage.account_key == scope.account_key,
            Coverage.stream == scope.stream.name, col(Coverage.day) >= first,
            col(Coverage.day) <= last, col(Coverage.state).in_(ANSWERED),
        )
    ).all()
    return {day: (a, b) for day, a, b in rows}


def _finishes(scope: Scope, since: datetime) -> list[tuple[datetime, datetime]]:
    """Start and end of the runs that read this stream, re-reads of chosen days left out."""
    rows = scope.session.exec(
        select(SyncRun.started_at, SyncRun.finished_at, SyncRun.request)
        .join(StreamRun, col(StreamRun.run_id) == SyncRun.id)
        .where(
            SyncRun.org_id == scope.org_id, StreamRun.org_id == scope.org_id,
            StreamRun.account_key == scope.account_key, StreamRun.stream == scope.stream.name,
            col(StreamRun.state).in_((RunState.SUCCEEDED, RunState.PARTIAL)),
            col(SyncRun.finished_at) >= since,
        )
    ).all()
    return [
        (start, end) for start, end, request in rows
        if start and end and not (request.get("start") or request.get("end"))
    ]


CHECK = Check(
    name="timeliness", title="Read within two hours", dimension=Dimension.TIMELINESS,
    rule="Each day was read within two hours of the moment the platform should have published it: "
         "the end of the day in the account's time zone plus the platform's own delay.",
    target=0.95, run=run,
)
