"""One unit of reading landed in one transaction: rows, coverage, cursor, counts, lease check.

Either all of it is stored or nothing, so a run that dies goes on from its last committed window.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col

from liftos_app.db import end_after
from liftos_app.models import RunState, StreamRun, SyncEvent, SyncRun
from liftos_app.services.connectors import cursors
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.sync import cover, drift, provenance, restate
from liftos_app.services.sync.cover import Before
from liftos_app.services.sync.load import Changes, Counts, Landing, load
from liftos_app.services.sync.plan import Phase, Unit
from liftos_app.services.sync.provenance import Span
from liftos_app.services.sync.reading import Reading, Work, span_of

log = logging.getLogger(__name__)
COMMIT_SECONDS = 300  # for each window; a process that stands still in it lets go after that


class LeaseLost(Exception):
    """Another process took the run over, a person cancelled it or a backup was put back: stop."""


def commit_unit(work: Work, stream: Stream, unit: Unit, *, reading: Reading) -> Counts:
    """Store a unit in one transaction; LeaseLost, and nothing stored, when the run is not ours."""
    reading.records()  # compressed before the transaction begins, not in it
    with leased(work, windows=1) as session:
        counts, _ = land(session, work, stream, unit, reading=reading)
    work.told |= reading.notes
    return counts


def land(
    session: Session, work: Work, stream: Stream, unit: Unit, *, reading: Reading,
    staged: bool = False,
) -> tuple[Counts, Changes]:
    """Everything a unit's reading means for the tables, in the caller's transaction.

    `staged`: a re-sync swaps it in, its reading is counted already; every row is compared, and
    what is replaced is kept.
    """
    now = work.target.now = work.app.now()
    place, span = work.place(stream, now), span_of(unit)
    first, last = _reach(unit, reading)
    before = cover.known(session, place, first, last)
    changes = Changes(
        settled=frozenset(d.isoformat() for d, b in before.items() if b.settled),
        room=restate.MOST_CELLS - work.listed.get(stream.name, 0), undo=staged,
    )
    same = set() if staged or span is None else _unchanged(unit, reading, before)
    counts, bad_days = _load(
        session, work, stream, unit, reading=reading, before=before, same=same, changes=changes
    )
    if unit.phase is not Phase.CATCH_UP:
        cover.write(
            session, place, unit, counts=counts.per_day, left=counts.read - counts.rejected,
            bad_days=bad_days, whole_is_partial=bool(counts.rejected), before=before,
            digests=_digests(unit, reading) if span and not counts.rejected else {},
        )
    _move(session, work, stream, unit=unit, reading=reading, now=now)
    provenance.keep(session, work.target, stream, reading.records(), span=span)
    restate.store(session, work.target, stream, changes.cells)
    work.listed[stream.name] = work.listed.get(stream.name, 0) + len(changes.cells)
    _count(session, work, unit, counts=counts, restated=changes.count)
    if not staged:
        count_reading(session, work, unit, reading=reading)
    for note in sorted(reading.notes - work.told):
        session.add(SyncEvent(
            org_id=work.org_id, connection_id=work.connection_id, run_id=work.run_id, at=now,
            level="warning", kind="note", stream=stream.name, text=note[:1000],
        ))
    return counts, changes


def _reach(unit: Unit, reading: Reading) -> tuple[dt.date, dt.date]:
    """The days whose stored state matters: the unit's, and those of changes to older records."""
    if span_of(unit) is not None:
        return unit.start, unit.end
    days = [str(r["day"]) for r in reading.rows if r.get("day")]
    try:
        return min([unit.start, dt.date.fromisoformat(min(days))]), unit.end
    except ValueError:  # no rows, or one with a day that is none: it will be rejected
        return unit.start, unit.end


def _load(
    session: Session, work: Work, stream: Stream, unit: Unit, *, reading: Reading,
    before: Mapping[dt.date, Before], same: set[dt.date], changes: Changes,
) -> tuple[Counts, set[str]]:
    """Land the rows; days whose rows are those that are stored are only counted."""
    span = span_of(unit)
    if not same:
        rejected = list(reading.rejected)
        counts = load(Landing(
            session, work.target, stream, reading.rows, span, rejected,
            whole=unit.phase is Phase.WHOLE, gone=reading.gone, alive=reading.alive,
            changes=changes,
        ))
        return counts, {r.day[:10] for r in rejected}
    counts, bad_days = Counts(), set()
    for start, end in _pieces(unit, same):
        days = [start + dt.timedelta(days=i) for i in range((end - start).days + 1)]
        rows = [r for d in days for r in reading.by_day.get(d.isoformat(), ())]
        rejected = []
        counts.add(load(Landing(
            session, work.target, stream, rows, (start, end), rejected, changes=changes
        )))
        bad_days |= {r.day[:10] for r in rejected}
    for day in same:
        number = len(reading.by_day.get(day.isoformat(), ()))
        counts.add(Counts(
            read=number, unchanged=number, per_day={day.isoformat(): before[day].row_count}
        ))
    return counts, bad_days


def _digests(unit: Unit, reading: Reading) -> dict[str, str]:
    return {
        day.isoformat(): found.text() if (found := reading.digests.get(day.isoformat()))
        else cover.NOTHING
        for day in unit.each_day()
    } if reading.by_day or not reading.rows else {}


def _unchanged(unit: Unit, reading: Reading, before: Mapping[dt.date, Before]) -> set[dt.date]:
    """Days that have just the rows they had. None when anything about the reading is odd."""
    fresh = _digests(unit, reading)
    if reading.rejected or not set(reading.by_day) <= set(fresh):
        return set()
    return {
        day for day in unit.each_day()
        if day in before and before[day].digest and before[day].digest == fresh[day.isoformat()]
    }


def _pieces(unit: Unit, same: set[dt.date]) -> Iterator[Span]:
    """Spans of consecutive days of a unit that are not in `same`."""
    start: dt.date | None = None
    for day in [*unit.each_day(), unit.end + dt.timedelta(days=1)]:
        if day > unit.end or day in same:
            if start is not None:
                yield start, day - dt.timedelta(days=1)
            start = None
        elif start is None:
            start = day


@contextmanager
def leased(work: Work, *, windows: int) -> Iterator[Session]:
    """A transaction that stores these windows of the run.

    LeaseLost, and nothing stored, when the run is not ours any more or windows that we stored are
    missing: then a backup was put back, and what was planned before does not fit the tables.
    """
    committed = False
    try:
        with work.app.db.write() as session:
            end_after(session, COMMIT_SECONDS * max(1, windows))
            yield session
            _hold(session, work, windows=windows)
        committed = True
    finally:
        if not committed:
            work.target.entities.clear()  # keys of new entities went with the transaction
    work.stored.add(windows)


def _hold(session: Session, work: Work, *, windows: int) -> None:
    """Count these windows as stored and show that the run is alive; LeaseLost when it is not ours.
    """
    result = session.execute(
        update(SyncRun)
        .where(
            col(SyncRun.id) == work.run_id, col(SyncRun.org_id) == work.org_id,
            col(SyncRun.epoch) == work.epoch, col(SyncRun.state) == RunState.RUNNING,
            col(SyncRun.holder) == work.holder,
            col(SyncRun.windows_done) >= work.stored.windows,
        )
        .values(heartbeat_at=work.app.now(), windows_done=SyncRun.windows_done + windows)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        log.warning("sync.lease_lost", extra={"run_id": str(work.run_id)})
        raise LeaseLost


def _move(
    session: Session, work: Work, stream: Stream, *, unit: Unit, reading: Reading, now: datetime
) -> None:
    """Move the stream's position, and tell when its source columns changed."""
    state = drift.state_of(session, work.org_id, work.account_key, stream.name)
    if stream.cursor:
        began = reading.began_at or now
        if unit.cursor:
            state.cursor = cursors.moved(stream.cursor, state.cursor, reading.cursor, began)
        elif not state.cursor:
            state.cursor = cursors.first(stream.cursor, reading.cursor, began)
    if unit.phase is Phase.CATCH_UP:
        state.caught_up_from = unit.before
    else:
        drift.oldest_and_newest(state, unit.start, unit.end)
    state.last_read_at, state.error = now, None
    found = drift.notice(
        state, stream, reading.columns, sight=drift.sight_of(unit, stream, work.today),
        policy=work.drift_policy, now=now,
    )
    if found:
        session.add(drift.event(
            stream, found, org_id=work.org_id, connection_id=work.connection_id,
            run_id=work.run_id, now=now,
        ))
    session.add(state)


def count_reading(session: Session, work: Work, unit: Unit, *, reading: Reading) -> None:
    """Add to the progress of the run and of its stream what reading a unit took."""
    session.execute(
        update(StreamRun)
        .where(*_stream_run(work, unit.stream))
        .values(
            state=RunState.RUNNING.value, days_done=StreamRun.days_done + unit.days,
            current_day=unit.start.isoformat(), waiting_until=None,
            bytes_read=StreamRun.bytes_read + reading.bytes_read,
            requests=StreamRun.requests + reading.requests,
            seconds=StreamRun.seconds + reading.seconds,
        )
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(SyncRun)
        .where(col(SyncRun.id) == work.run_id, col(SyncRun.org_id) == work.org_id)
        .values(requests=SyncRun.requests + reading.requests)
        .execution_options(synchronize_session=False)
    )


def _count(
    session: Session, work: Work, unit: Unit, *, counts: Counts, restated: int
) -> None:
    """Add to the row counts of the run and of its stream."""
    run = (col(SyncRun.id) == work.run_id, col(SyncRun.org_id) == work.org_id)
    for model, mine in ((SyncRun, run), (StreamRun, _stream_run(work, unit.stream))):
        table: Any = model
        session.execute(
            update(table).where(*mine).values(
                rows_read=table.rows_read + counts.read,
                rows_written=table.rows_written + counts.written,
                rows_updated=table.rows_updated + counts.updated,
                rows_unchanged=table.rows_unchanged + counts.unchanged,
                rows_rejected=table.rows_rejected + counts.rejected,
                rows_removed=table.rows_removed + counts.removed,
                rows_restated=table.rows_restated + restated,
            ).execution_options(synchronize_session=False)
        )


def _stream_run(work: Work, stream: str) -> tuple[Any, ...]:
    return (
        col(StreamRun.run_id) == work.run_id, col(StreamRun.org_id) == work.org_id,
        col(StreamRun.account_key) == work.account_key, col(StreamRun.stream) == stream,
    )
