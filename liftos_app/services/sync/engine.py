"""The engine: claims queued runs, reads their units with worker threads, ends them honestly.

APScheduler is only a clock: one tick claims what is due from the database. A run belongs to the
process whose `epoch` it carries; a process that died is found by its silent heartbeat and its run
goes on from the last committed unit.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import update
from sqlmodel import Session, col, select

from liftos_app.models import Connection, ConnectionStatus, RunState, SyncEvent, SyncRun
from liftos_app.services import access
from liftos_app.services.audit import notes
from liftos_app.services.context import App, job_principal
from liftos_app.services.sync import outcome
from liftos_app.services.sync import run as running
from liftos_app.services.sync.schedule import next_runs

log = logging.getLogger(__name__)
HEARTBEAT = timedelta(seconds=15)
SILENT = timedelta(seconds=60)
MOST_ATTEMPTS = 5
MAX_RUNS = 4
# The clock may begin a tick or chore while one runs: it looks at our lock and returns. The clock's
# own limit would log a warning each time, and a tick may well wait for a swap to be stored.
INSTANCES = 8
_SCHEDULED = (
    ConnectionStatus.BACKFILLING, ConnectionStatus.HEALTHY, ConnectionStatus.DELAYED,
    ConnectionStatus.DEGRADED, ConnectionStatus.FAILING,
)
AfterRun = Callable[[App, int], None]


@dataclass(frozen=True, slots=True)
class Chore:
    """Small work that the clock repeats: purging, renewing idle tokens."""

    name: str
    seconds: int
    act: Callable[[App], object]
    allow: str = "jobs.run"  # the permission the job needs; jobs act as managers


class SyncEngine:
    """Runs syncs in this process. `after_run(app, org_id)` hooks follow each finished run."""

    def __init__(
        self, app: App, *, max_runs: int = MAX_RUNS, after_run: Sequence[AfterRun] = (),
        chores: Sequence[Chore] = (),
    ) -> None:
        self.app = app
        self.holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._after_run = tuple(after_run)
        self._chores = tuple(chores)
        self._max_runs = max_runs
        self._stopping = threading.Event()
        self._mine: dict[UUID, int] = {}  # run id -> epoch
        self._owed: dict[int, bool] = {}  # organizations whose hooks are on, and once more or not
        self._lock = threading.Lock()
        self._tick_lock = threading.Lock()
        self._doing: dict[str, threading.Lock] = {}  # chores by name
        self._fill_lock = threading.RLock()  # a run may have ended before its end is listened for
        self._pool = ThreadPoolExecutor(max_workers=max_runs, thread_name_prefix="sync")
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self.last_tick_at = app.now()

    # --- life -----------------------------------------------------------------------------------

    def start(self, *, seconds: float = 2.0) -> None:
        """Begin ticking. On SQLite, runs that an earlier process left are taken up at once."""
        if self.app.settings.is_sqlite:  # one process only: whatever runs is nobody's now
            self._take_up(silent_for=timedelta(0))
        self._scheduler.add_job(
            self.tick, "interval", seconds=seconds, coalesce=True, max_instances=INSTANCES,
            misfire_grace_time=None, id="tick",
        )
        for chore in self._chores:
            self._scheduler.add_job(
                self._do_chore, "interval", args=(chore,), seconds=chore.seconds, coalesce=True,
                max_instances=INSTANCES, misfire_grace_time=None,
                jitter=min(60, chore.seconds // 4),
            )
        self._scheduler.start()

    def stop(self, *, wait: float = 8.0) -> None:
        """Stop after the units under way, at most `wait` seconds; runs go back to the queue.

        A unit that takes longer is given up: it has stored nothing, and its run goes on from there.
        """
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + wait
        while self._mine and time.monotonic() < until:
            time.sleep(0.05)
        with self.app.db.write() as session:
            for run_id, epoch in self._mine.items():
                _give_back(session, run_id, epoch)

    def wake(self) -> None:
        """Look for queued runs now rather than at the next tick."""
        if self._scheduler.running and not self._stopping.is_set():
            self._scheduler.add_job(
                self.tick, id="wake", replace_existing=True, max_instances=INSTANCES,
                misfire_grace_time=None,
            )

    # --- the clock ------------------------------------------------------------------------------

    def tick(self) -> None:
        """Beat, take up what died, queue what is due, start what is queued."""
        if self._stopping.is_set() or not self._tick_lock.acquire(blocking=False):
            return
        try:
            self._beat()
            self._take_up(silent_for=SILENT)
            if self.app.settings.auto_sync_enabled:
                self._queue_due()
            self._fill()
            self.last_tick_at = self.app.now()
        except Exception:  # an edge: the clock must go on
            log.exception("engine.tick_failed")
        finally:
            self._tick_lock.release()

    def _fill(self) -> None:
        """Claim as many queued runs as there is room for and start them."""
        with self._fill_lock:
            if self._stopping.is_set():
                return
            for run_id, epoch in self._claim():
                self._pool.submit(self._work, run_id, epoch).add_done_callback(self._next)

    def _next(self, _ended: object) -> None:
        """A run ended: the next one waits for no tick."""
        try:
            self._fill()
        except Exception:  # an edge: the clock will try again
            log.exception("engine.next_failed")

    def _do_chore(self, chore: Chore) -> None:
        """One turn of a chore; none while the one before still runs."""
        doing = self._doing.setdefault(chore.name, threading.Lock())
        if not doing.acquire(blocking=False):
            return
        try:
            access.authorize(job_principal(chore.name), chore.allow)
            chore.act(self.app)
        except Exception:  # an edge: one chore must not end the clock
            log.exception("engine.chore_failed", extra={"chore": chore.name})
        finally:
            doing.release()

    def run(self, run_id: UUID) -> RunState:
        """Claim one queued run and do it here and now; what tests and commands call."""
        claimed = [(i, e) for i, e in self._claim(only=run_id) if i == run_id]
        for i, epoch in claimed:
            self._work(i, epoch)
        with self.app.db.read() as session:
            found = session.get(SyncRun, run_id)
            return RunState(found.state) if found else RunState.FAILED

    def _work(self, run_id: UUID, epoch: int) -> None:
        org_id = None
        try:
            org_id = running.execute(self.app, run_id, epoch, self._stopping.is_set)
        except Exception:  # an edge: a bug in one run must not end the others
            log.exception("engine.run_failed", extra={"run_id": str(run_id)})
            org_id = outcome.fail(self.app, run_id, epoch)
        finally:
            with self._lock:
                self._mine.pop(run_id, None)
        if org_id is not None:
            self._follow(org_id)

    def _follow(self, org_id: int) -> None:
        """The hooks. Runs of one organization that end meanwhile share the next turn of them."""
        with self._lock:
            self._owed[org_id] = org_id in self._owed
            if self._owed[org_id]:
                return  # another thread is at it, and will go on
        while True:
            for hook in self._after_run:
                try:
                    hook(self.app, org_id)
                except Exception:
                    log.exception("engine.after_run_failed", extra={"org_id": org_id})
            with self._lock:
                if not self._owed[org_id]:
                    del self._owed[org_id]
                    return
                self._owed[org_id] = False

    def _beat(self) -> None:
        with self._lock:
            mine = dict(self._mine)
        if not mine:
            return
        now = self.app.now()
        with self.app.db.read() as session:
            stale = [
                r.id for r in session.exec(select(SyncRun).where(col(SyncRun.id).in_(list(mine))))
                if r.heartbeat_at is None or now - r.heartbeat_at >= HEARTBEAT
            ]
        if stale:
            with self.app.db.write() as session:
                for run_id in stale:
                    session.execute(
                        update(SyncRun)
                        .where(col(SyncRun.id) == run_id, col(SyncRun.epoch) == mine[run_id],
                               col(SyncRun.state) == RunState.RUNNING)
                        .values(heartbeat_at=now)
                    )

    def _take_up(self, *, silent_for: timedelta) -> None:
        limit = self.app.now() - silent_for
        with self._lock:
            mine = set(self._mine)
        with self.app.db.read() as session:
            lost = [
                run.id for run in session.exec(
                    select(SyncRun).where(SyncRun.state == RunState.RUNNING)
                )
                if run.id not in mine and (run.heartbeat_at is None or run.heartbeat_at <= limit)
            ]
        if not lost:
            return
        with self.app.db.write() as session:
            for run_id in lost:
                run = session.get(SyncRun, run_id, with_for_update=True)
                if run is None or run.state != RunState.RUNNING:
                    continue
                run.epoch += 1
                run.attempts += 1
                if run.attempts > MOST_ATTEMPTS:
                    outcome.end_poisoned(session, run, self.app.now())
                    notes.sync_ended(self.app, session, run)
                else:
                    run.state, run.holder = RunState.QUEUED, ""
                    session.add(SyncEvent(
                        org_id=run.org_id, connection_id=run.connection_id, run_id=run.id,
                        at=self.app.now(), level="warning", kind="sync",
                        text="The process ended in mid-sync. "
                             "The sync goes on from its last stored days.",
                    ))
                session.add(run)

    def _queue_due(self) -> None:
        now = self.app.now()
        due = select(Connection.id, Connection.next_run_at).where(
            col(Connection.next_run_at) <= now, col(Connection.paused_at).is_(None),
            col(Connection.deleted_at).is_(None), col(Connection.status).in_(_SCHEDULED),
        )
        with self.app.db.read() as session:
            found = [
                ident for ident, at in session.exec(due)
                if at is not None and at + jitter(ident, at) <= now
            ]
        if not found:
            return
        with self.app.db.write() as session:
            for connection_id in found:
                row = session.exec(
                    select(Connection).where(Connection.id == connection_id).with_for_update()
                ).one()
                if row.next_run_at is None or row.next_run_at > now:
                    continue  # another replica was quicker
                row.next_run_at = next_runs(row.schedule, row.schedule_zone, now)[0]
                session.add(row)
                active = session.exec(select(SyncRun.id).where(
                    SyncRun.connection_id == row.id,
                    col(SyncRun.state).in_((RunState.QUEUED, RunState.RUNNING)),
                )).first()
                if active is None:
                    session.add(SyncRun(
                        org_id=row.org_id, connection_id=row.id, trigger="schedule", created_at=now,
                        request={},
                    ))

    def _claim(self, only: UUID | None = None) -> list[tuple[UUID, int]]:
        """Take queued runs whose wait is over, as many as there is room for."""
        now = self.app.now()
        with self._lock:
            mine = list(self._mine)
        room = self._max_runs - len(mine)
        if room <= 0 and only is None:
            return []
        query = (
            select(SyncRun)
            .where(
                SyncRun.state == RunState.QUEUED,
                (col(SyncRun.waiting_until).is_(None)) | (col(SyncRun.waiting_until) <= now),
                col(SyncRun.id).not_in(mine),  # after a restore it may wait and still be worked on
            )
            .join(Connection, col(Connection.id) == col(SyncRun.connection_id))
            .order_by(col(Connection.priority).desc(), col(SyncRun.created_at))
            .limit(1 if only else room)
        )
        if only is not None:
            query = query.where(SyncRun.id == only)
        with self.app.db.read() as session:
            if session.exec(query).first() is None:
                return []
        claimed = []
        with self.app.db.write() as session:
            for run in session.exec(query.with_for_update(skip_locked=True, of=SyncRun)):
                run.state, run.holder = RunState.RUNNING, self.holder
                run.epoch += 1
                run.heartbeat_at, run.waiting_until, run.waiting_for = now, None, ""
                run.started_at = run.started_at or now
                session.add(run)
                claimed.append((run.id, run.epoch))
        with self._lock:
            self._mine.update(claimed)
        return claimed


def jitter(connection_id: UUID, at: datetime) -> timedelta:
    """Up to 45 seconds, the same for all replicas: many connections due at one moment spread."""
    return timedelta(seconds=(connection_id.int ^ int(at.timestamp())) % 46)


def _give_back(session: Session, run_id: UUID, epoch: int) -> None:
    session.execute(
        update(SyncRun)
        .where(
            col(SyncRun.id) == run_id, col(SyncRun.epoch) == epoch,
            col(SyncRun.state) == RunState.RUNNING,
        )
        .values(state=RunState.QUEUED, holder="")
    )
