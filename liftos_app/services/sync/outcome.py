"""How a run ends: put off, finished with a verdict, or given up; and what that means for its
connection. `partial` is never called success.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from liftos_app.errors import GiveUp, Interrupted, LiftOSError, OurFault, Retry
from liftos_app.models import (
    Connection,
    ConnectionStatus,
    RunState,
    StagedUnit,
    StreamRun,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import format as fmt
from liftos_app.services import status
from liftos_app.services.audit import notes
from liftos_app.services.context import App
from liftos_app.services.sync.job import Job, Wait, cause_of
from liftos_app.services.sync.schedule import next_runs

log = logging.getLogger(__name__)
SPREAD = 3.0  # seconds at random, so that what waited together does not start together


def requeue(job: Job, wait: Wait | None) -> None:
    """Give a run back to the queue, at once or for later."""
    with job.app.db.write() as session:
        run = session.get(SyncRun, job.run_id, with_for_update=True)
        if not job.holds(run):
            return
        run.state, run.holder = RunState.QUEUED, ""
        run.waiting_until, run.waiting_for = None, ""
        if wait is not None:
            run.waiting_until = wait.until + timedelta(seconds=random.random() * SPREAD)
            run.waiting_for = wait.why
        session.add(run)


def finish(job: Job) -> None:
    """The verdict of a run whose work is done, and what it means for the connection."""
    now = job.app.now()
    with job.app.db.write() as session:
        run = session.get(SyncRun, job.run_id, with_for_update=True)
        if not job.holds(run):
            return
        connection = session.get_one(Connection, job.connection_id, with_for_update=True)
        rows = session.exec(select(StreamRun).where(
            StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id
        )).all()
        for row in rows:
            _tell_restated(job, session, row)
            row.state = _stream_verdict(row, job.errors.get((row.account_key, row.stream)))
            row.waiting_until = None
            session.add(row)
        run.state = _verdict(job, [RunState(r.state) for r in rows])
        run.cause = _cause(job, run, rows, now)
        run.finished_at = now
        session.add(run)
        drop_staged(session, job.org_id, job.run_id)
        _settle(job, session, connection, run, now)
        session.add(job.event(
            f"Sync {run.state}: {fmt.plural(run.rows_read, 'row')} read, {run.rows_written:,} new, "
            f"{run.rows_updated:,} changed, {run.rows_unchanged:,} unchanged, "
            f"{run.rows_rejected:,} rejected, {run.rows_removed:,} removed.",
            level="info" if run.state == RunState.SUCCEEDED else "error",
            facts={"seconds": (now - (run.started_at or now)).total_seconds()},
        ))
        notes.sync_ended(job.app, session, run)
    log.info("sync.finished", extra={"run_id": str(job.run_id), "state": str(run.state)})


def fail(app: App, run_id: UUID, epoch: int) -> int | None:
    """End a run that broke on a fault of ours."""
    with app.db.write() as session:
        run = session.get(SyncRun, run_id, with_for_update=True)
        if run is None or run.epoch != epoch or run.state != RunState.RUNNING:
            return None
        _end_ours(session, run, app.now(), OurFault(
            "The sync stopped on a fault of ours.", why="The fault is ours.",
            fix="Send the log to your administrator.",
        ))
        notes.sync_ended(app, session, run)
        return run.org_id


def end_poisoned(session: Session, run: SyncRun, now: datetime) -> None:
    """End a run whose process died again and again."""
    _end_ours(session, run, now, Interrupted(
        "The sync was taken up five times and died each time.",
        why="The process of LiftOS ended in the middle of it: stopped, out of memory or crashed. "
        "The platform has no part in it.",
        fix="What was read is stored. Look for the reason in the log of the server, then sync "
        "again.",
    ))


def drop_staged(session: Session, org_id: int, run_id: UUID) -> None:
    """Forget what a re-sync has read and not swapped in."""
    session.execute(delete(StagedUnit).where(
        col(StagedUnit.org_id) == org_id, col(StagedUnit.run_id) == run_id
    ))


def _tell_restated(job: Job, session: Session, row: StreamRun) -> None:
    if row.rows_restated and row.account_key in job.accounts:
        session.add(job.event(
            f"{job.accounts[row.account_key].name}: the platform changed "
            f"{fmt.plural(row.rows_restated, 'number')} of days read before.",
            kind="restatement", stream=row.stream, facts={"cells": row.rows_restated},
        ))


def _cause(
    job: Job, run: SyncRun, rows: Sequence[StreamRun], now: datetime
) -> dict[str, Any] | None:
    """Why a run is not whole; None when it is. It names the stream when it is one alone."""
    worst = job.fatal or next(iter(job.errors.values()), None)
    if worst is not None:
        hit = {stream for (_, stream), error in job.errors.items() if error is worst}
    elif run.state == RunState.PARTIAL:
        worst, hit = _left_out(run), {r.stream for r in rows if r.rows_rejected}
    else:
        return None
    only = hit.pop() if len(hit) == 1 else ""
    return cause_of(worst, now, only, defined=job.is_defined(only))


def _left_out(run: SyncRun) -> LiftOSError:
    if run.rows_rejected:
        return GiveUp(
            f"{fmt.plural(run.rows_rejected, 'row')} could not be stored.",
            why="The platform sent values that do not fit; each is kept with its reason.",
            fix="Open the connection's log to see them.", cause="source_data",
            owner="the_platform",
        )
    return OurFault(
        "Not everything that was to be read is stored.", why="The counts do not add up.",
        fix="Read these days again; if it stays so, send the log to support.",
    )


def _settle(
    job: Job, session: Session, connection: Connection, run: SyncRun, now: datetime
) -> None:
    """What the run means for its connection."""
    if run.state == RunState.SUCCEEDED:
        connection.last_success_at = now
    connection.cause = run.cause
    due = connection.next_run_at
    if job.fatal is None and connection.status not in (ConnectionStatus.DRAFT,):
        if due is None or due <= now:
            due = next_runs(connection.schedule, connection.schedule_zone, now)[0]
        if job.retry_at is not None and isinstance(_first(job), Retry):
            due = min(due, job.retry_at)  # an outage is asked about before the next full hour
        connection.next_run_at = due
    connection.status = status.derive(
        connection, last_state=run.state, active=False, now=now
    )
    connection.updated_at = now
    session.add(connection)


def _first(job: Job) -> LiftOSError | None:
    return next(iter(job.errors.values()), None)


def _stream_verdict(row: StreamRun, error: LiftOSError | None) -> RunState:
    if error is not None:
        return RunState.PARTIAL if row.days_done else RunState.FAILED
    read = row.rows_written + row.rows_updated + row.rows_unchanged + row.rows_rejected
    whole = row.days_done >= row.days_total and read == row.rows_read and not row.rows_rejected
    return RunState.SUCCEEDED if whole else RunState.PARTIAL


def _verdict(job: Job, states: list[RunState]) -> RunState:
    if all(s is RunState.SUCCEEDED for s in states) and not job.errors:
        return RunState.SUCCEEDED
    if job.fatal is not None and not any(s is not RunState.FAILED for s in states):
        return RunState.FAILED
    return RunState.FAILED if all(s is RunState.FAILED for s in states) else RunState.PARTIAL


def _end_ours(session: Session, run: SyncRun, now: datetime, error: OurFault) -> None:
    run.state, run.finished_at, run.cause = RunState.FAILED, now, cause_of(error, now)
    session.add(run)
    drop_staged(session, run.org_id, run.id)
    connection = session.get_one(Connection, run.connection_id)
    connection.cause = run.cause
    connection.status = status.derive(connection, last_state=run.state, active=False, now=now)
    session.add(connection)
    session.add(SyncEvent(
        org_id=run.org_id, connection_id=run.connection_id, run_id=run.id, at=now, level="error",
        kind="sync", text=error.sentence(),
    ))
