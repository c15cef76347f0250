"""One unit of reading landed in one transaction: rows, coverage, cursor, counts, lease check.

Either all of it is stored or nothing, so a run that dies goes on from its last committed window.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from liftos_app.models import (
    Coverage,
    CoverageState,
    CrmRecord,
    Order,
    Payment,
    RunState,
    StreamRun,
    StreamState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.spec import AccountInfo, Lands, Rejected, Row, Stream, Task
from liftos_app.services.context import App
from liftos_app.services.sync import provenance
from liftos_app.services.sync.load import Counts, Landing, Target, load
from liftos_app.services.sync.plan import Phase, Unit
from liftos_app.services.sync.schedule import zone_of

RECORD_MODELS: dict[Lands, Any] = {
    Lands.ORDERS: Order, Lands.CRM: CrmRecord, Lands.PAYMENTS: Payment,
}


class LeaseLost(Exception):
    """Another process took the run over, or a person cancelled it: stop, commit nothing."""


@dataclass(slots=True)
class Reading:
    """What one unit's pages held, before anything is stored."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read: int = 0
    skipped: int = 0
    columns: set[str] = field(default_factory=set)
    cursor: str = ""
    bytes_read: int = 0
    notes: set[str] = field(default_factory=set)
    seconds: float = 0.0
    requests: int = 0
    began_at: datetime | None = None
    source: list[bytes] = field(default_factory=list)  # the JSON of each row's record, or b""
    gone: frozenset[str] = frozenset()
    alive: frozenset[str] | None = None

    @property
    def adds_up(self) -> bool:
        """Whether every source record became a row, was rejected or was rightly left out."""
        return self.read == len(self.rows) + len(self.rejected) + self.skipped


@dataclass(slots=True, kw_only=True)
class Work:
    """One account's part of a run."""

    app: App
    run_id: UUID
    epoch: int
    org_id: int
    connection_id: UUID
    account_key: int
    account: AccountInfo
    target: Target
    options: dict[str, Any]
    salt: str
    today: dt.date
    told: set[str] = field(default_factory=set)  # notes already in the log of this run


def read_unit(
    client: Client, work: Work, stream: Stream, unit: Unit, cancelled: Callable[[], bool]
) -> Reading:
    """Fetch all pages of a unit. Raises what the client raises, and Stopped when cancelled."""
    task = Task(
        stream=stream, account=work.account, start=unit.start, end=unit.end, today=work.today,
        cursor=unit.cursor, options=work.options, salt=work.salt,
    )
    reading = Reading(began_at=work.app.now())
    began, sent = time.monotonic(), client.requests
    for page in stream.read(client, task):
        if cancelled():
            raise Stopped
        reading.rows.extend(page.rows)
        reading.source.extend(provenance.lines(page))
        reading.rejected.extend(page.rejected)
        reading.read += page.read_count
        reading.skipped += page.skipped
        reading.columns |= page.columns
        reading.cursor = page.cursor or reading.cursor
        reading.bytes_read += page.bytes_read
        reading.notes.update(page.notes)
        reading.gone |= page.gone
        if page.alive is not None:
            reading.alive = (reading.alive or frozenset()) | page.alive
    reading.seconds, reading.requests = time.monotonic() - began, client.requests - sent
    return reading


def commit_unit(work: Work, stream: Stream, unit: Unit, *, reading: Reading) -> Counts:
    """Store a unit in one transaction; LeaseLost, and nothing stored, when the run is not ours."""
    now = work.app.now()
    span = None if unit.phase in (Phase.WHOLE, Phase.INCREMENT) else (unit.start, unit.end)
    with work.app.db.write() as session:
        work.target.now = now
        rejected = list(reading.rejected)
        counts = load(Landing(
            session, work.target, stream, reading.rows, span, rejected,
            whole=unit.phase is Phase.WHOLE, gone=reading.gone, alive=reading.alive,
        ))
        _check_lease(session, work, counts, reading.requests, now)
        bad_days = {r.day[:10] for r in rejected}
        _cover(session, work, stream, unit=unit, counts=counts, bad_days=bad_days, now=now)
        _move(session, work, stream, unit=unit, reading=reading, now=now)
        provenance.keep(
            session, work.target, stream, rows=reading.rows, source=reading.source, span=span
        )
        _count_stream(session, work, unit, counts=counts, reading=reading)
        for note in sorted(reading.notes - work.told):
            session.add(SyncEvent(
                org_id=work.org_id, connection_id=work.connection_id, run_id=work.run_id, at=now,
                level="warning", kind="note", stream=stream.name, text=note[:1000],
            ))
    work.told |= reading.notes
    return counts


def _check_lease(
    session: Session, work: Work, counts: Counts, requests: int, now: datetime
) -> None:
    result = session.execute(
        update(SyncRun)
        .where(
            col(SyncRun.id) == work.run_id, col(SyncRun.org_id) == work.org_id,
            col(SyncRun.epoch) == work.epoch, col(SyncRun.state) == RunState.RUNNING,
        )
        .values(
            heartbeat_at=now, windows_done=SyncRun.windows_done + 1,
            rows_read=SyncRun.rows_read + counts.read,
            rows_written=SyncRun.rows_written + counts.written,
            rows_updated=SyncRun.rows_updated + counts.updated,
            rows_unchanged=SyncRun.rows_unchanged + counts.unchanged,
            rows_rejected=SyncRun.rows_rejected + counts.rejected,
            requests=SyncRun.requests + requests,
        )
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost


def _cover(
    session: Session, work: Work, stream: Stream, *, unit: Unit, counts: Counts,
    bad_days: set[str], now: datetime,
) -> None:
    """Record that each day was asked for and answered. A confirmed empty day is not missing."""
    if unit.phase is Phase.WHOLE:
        numbers = {unit.end: counts.read - counts.rejected}
        partial = bool(counts.rejected)
    elif stream.lands.records:
        numbers = dict.fromkeys(unit.each_day(), 0)
        numbers.update(_records_by_day(session, work, stream, unit))
        partial = False
    else:
        numbers = {day: counts.per_day.get(day.isoformat(), 0) for day in unit.each_day()}
        partial = False
    firsts = _first_reads(session, work, stream, list(numbers))
    rows = []
    for day, number in numbers.items():
        first = firsts.get(day)
        if first is None or first < _due(work, stream, day):
            first = now  # read while the day was still running does not count as read
        state = CoverageState.COMPLETE if number else CoverageState.EMPTY
        if partial or day.isoformat() in bad_days:
            state = CoverageState.PARTIAL
        rows.append({
            "account_key": work.account_key, "stream": stream.name, "day": day,
            "org_id": work.org_id, "state": state.value, "row_count": number,
            "first_read_at": first, "read_at": now, "run_id": work.run_id,
        })
    table: Any = Coverage.__table__  # type: ignore[attr-defined]
    dialect: Any = sqlite if session.connection().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_key", "stream", "day"],
            set_={
                n: insert.excluded[n]
                for n in ("state", "row_count", "first_read_at", "read_at", "run_id")
            },
        ),
        rows,
    )


def _records_by_day(
    session: Session, work: Work, stream: Stream, unit: Unit
) -> dict[dt.date, int]:
    """Records of the span's days that are stored now, whenever they were read."""
    model = RECORD_MODELS[stream.lands]
    limits = [
        model.org_id == work.org_id, model.account_key == work.account_key,
        model.day >= unit.start, model.day <= unit.end,
    ]
    if stream.kind:
        limits.append(model.kind == stream.kind)
    return dict(session.exec(
        select(model.day, func.count()).where(*limits).group_by(model.day)
    ).all())


def _first_reads(
    session: Session, work: Work, stream: Stream, days: list[dt.date]
) -> dict[dt.date, datetime]:
    rows = session.exec(
        select(col(Coverage.day), col(Coverage.first_read_at)).where(
            Coverage.org_id == work.org_id, Coverage.account_key == work.account_key,
            Coverage.stream == stream.name, Coverage.day >= min(days), Coverage.day <= max(days),
        )
    ).all()
    return dict(rows)


def _due(work: Work, stream: Stream, day: dt.date) -> datetime:
    """When the platform should have published a day: its local end plus the published delay."""
    midnight = dt.time(tzinfo=zone_of(work.account.time_zone))
    end = dt.datetime.combine(day + dt.timedelta(days=1), midnight)
    return end.astimezone(dt.UTC) + dt.timedelta(
        hours=stream.window.latency_hours if stream.window else 0
    )


def _move(
    session: Session, work: Work, stream: Stream, *, unit: Unit, reading: Reading, now: datetime
) -> None:
    """Move the stream's position, and tell when its source columns changed."""
    state = session.exec(
        select(StreamState).where(
            StreamState.org_id == work.org_id, StreamState.account_key == work.account_key,
            StreamState.stream == stream.name,
        )
    ).first()
    if state is None:
        state = StreamState(org_id=work.org_id, account_key=work.account_key, stream=stream.name)
    if stream.cursor:
        if unit.phase is Phase.INCREMENT:
            state.cursor = max(state.cursor, reading.cursor)
        elif not state.cursor:  # changes after this moment come with the first increment
            state.cursor = (reading.began_at or now).strftime("%Y-%m-%dT%H:%M:%SZ")
    state.newest_day = max(filter(None, (state.newest_day, unit.end)))
    state.oldest_day = min(filter(None, (state.oldest_day, unit.start)))
    state.last_read_at = now
    state.error = None
    seen = sorted(reading.columns)
    if seen and seen != state.columns:
        if state.columns:
            _tell_drift(session, work, stream, before=set(state.columns), after=set(seen), now=now)
        state.columns = sorted({*state.columns, *seen})
    session.add(state)


def _tell_drift(
    session: Session, work: Work, stream: Stream, *, before: set[str], after: set[str],
    now: datetime,
) -> None:
    added = sorted(after - before)
    if not added:  # a column without values in one window is no news
        return
    session.add(SyncEvent(
        org_id=work.org_id, connection_id=work.connection_id, run_id=work.run_id, at=now,
        level="warning", kind="drift", stream=stream.name,
        text=f"{stream.title}: the platform now also sends {', '.join(added)[:300]}. "
             "Known columns are read as before.",
        facts={"added": added},
    ))


def _count_stream(
    session: Session, work: Work, unit: Unit, *, counts: Counts, reading: Reading
) -> None:
    session.execute(
        update(StreamRun)
        .where(
            col(StreamRun.run_id) == work.run_id, col(StreamRun.org_id) == work.org_id,
            col(StreamRun.account_key) == work.account_key, col(StreamRun.stream) == unit.stream,
        )
        .values(
            state=RunState.RUNNING.value, days_done=StreamRun.days_done + unit.days,
            current_day=unit.start.isoformat(), waiting_until=None,
            rows_read=StreamRun.rows_read + counts.read,
            rows_written=StreamRun.rows_written + counts.written,
            rows_updated=StreamRun.rows_updated + counts.updated,
            rows_unchanged=StreamRun.rows_unchanged + counts.unchanged,
            rows_rejected=StreamRun.rows_rejected + counts.rejected,
            bytes_read=StreamRun.bytes_read + reading.bytes_read,
            requests=StreamRun.requests + reading.requests,
            seconds=StreamRun.seconds + reading.seconds,
        )
        .execution_options(synchronize_session=False)
    )
