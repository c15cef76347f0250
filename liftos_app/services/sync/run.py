"""One run from plan to verdict: its accounts side by side, its units newest first."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections import defaultdict, deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

from sqlmodel import func, select

from liftos_app.errors import (
    LiftOSError,
    Missing,
    OurFault,
    PlatformFault,
    Quota,
    Retry,
    SignInAgain,
)
from liftos_app.models import Coverage, StreamRun
from liftos_app.services import links
from liftos_app.services.connectors.client import PATIENCE, TRIES, Client, Stopped
from liftos_app.services.context import App
from liftos_app.services.sync import breakers, drift, outcome, resync
from liftos_app.services.sync.job import Job, Stop, Wait, cause_of, closed_until, info_of, prepare
from liftos_app.services.sync.load import Target
from liftos_app.services.sync.plan import Unit
from liftos_app.services.sync.reading import Reading, TooMany, Work, read_unit, span_of
from liftos_app.services.sync.schedule import zone_of
from liftos_app.services.sync.window import LeaseLost, commit_unit

log = logging.getLogger(__name__)
MOST_ROWS = 25_000  # that a window of days may bring; one that brings more makes the next smaller
OUTAGES = 2  # streams of one account in a row that a platform could not answer


class Closed(Exception):
    """The hours in which scheduled syncs may run are over."""


def execute(app: App, run_id: UUID, epoch: int, stop: Stop) -> int | None:
    """Do a claimed run. Returns the organization when it ended, None when it goes on elsewhere."""
    job = prepare(app, run_id, epoch, stop)
    if job is None:
        return None
    if (opens := closed_until(job)) is not None:
        outcome.requeue(job, Wait(opens, "hours"))
        return None
    by_account: dict[int, list[Unit]] = defaultdict(list)
    for unit in job.plan.units:
        by_account[unit.account_key].append(unit)
    for key, _ in job.staged:  # everything read before the process died, nothing swapped in
        _ = by_account[key]
    if by_account:
        side_by_side = max(1, min(job.platform.concurrency, len(by_account)))
        with ThreadPoolExecutor(side_by_side, thread_name_prefix="account") as pool:
            for done in [pool.submit(_account, job, k, u) for k, u in by_account.items()]:
                done.result()
    if job.lost.is_set():
        return None
    if job.stop():
        outcome.requeue(job, None)
        return None
    if job.waits and job.fatal is None:
        outcome.requeue(job, min(job.waits.values(), key=lambda w: w.until))
        return None
    outcome.finish(job)
    return job.org_id


# --- reading --------------------------------------------------------------------------------------


def _account(job: Job, key: int, units: list[Unit]) -> None:
    """Read one account's units in order. Errors are kept, sorted by what they stop."""
    left_alone = breakers.wait_of(job.app, job.platform.slug, key)
    if left_alone is not None:
        _wait(job, key, Wait(left_alone, "outage"), f"{job.platform.name} failed again and again.")
        return
    account = job.accounts[key]
    info = info_of(account)
    now = job.app.now()
    work = Work(
        app=job.app, run_id=job.run_id, epoch=job.epoch, org_id=job.org_id,
        connection_id=job.connection_id, account_key=key, account=info,
        target=Target(job.org_id, key, job.run_id, now), options=job.options,
        salt=job.app.vault.salt(job.org_id), today=now.astimezone(zone_of(info.time_zone)).date(),
        drift_policy=job.drift_policy, holder=job.holder, stored=job.stored,
    )
    try:
        with links.open_client(
            job.app, job.org_id, job.connection_id, purpose="sync", cancelled=job.halted
        ) as client:
            failed = _units(job, work, client, units)
        if job.is_resync and not job.halted():
            for stream in sorted({s for k, s in job.staged if k == key} - failed):
                resync.swap(work, job.streams[stream])
    except (LeaseLost, Missing):  # somebody else has the run now, or its connection was deleted
        job.lost.set()
    except Stopped:
        return
    except Closed:
        if (opens := closed_until(job)) is not None:
            _wait(job, key, Wait(opens, "hours"), "The hours for syncs are over.")
    except PlatformFault as error:
        _stop_for(job, key, units, error)


def _units(job: Job, work: Work, client: Client, units: Iterable[Unit]) -> set[str]:
    """Read unit by unit; while one is being stored the next is being read. Streams that failed."""
    skip: set[str] = set()
    outages, told = 0, False
    with (
        ThreadPoolExecutor(1, thread_name_prefix="read") as reader,
        ThreadPoolExecutor(1, thread_name_prefix="pack") as work.packer,
    ):
        ahead: tuple[Unit, Future[Reading]] | None = None
        queue = _Queue(units, _density(work), most=None if job.is_resync else MOST_ROWS)
        while True:
            if ahead is not None and queue.takes_back(*ahead):
                ahead = None
            shut = closed_until(job) is not None
            unit = None if shut else queue.next(skip)
            begun = None
            if unit is not None and not job.halted():
                stream = job.streams[unit.stream]
                begun = (unit, reader.submit(
                    read_unit, client, work, stream, unit, job.halted, most=queue.most
                ))
            if ahead is not None:
                error = _store(job, work, *ahead)
                if error is not None:
                    skip.add(ahead[0].stream)
                    outages = outages + 1 if isinstance(error, Retry) else 0
                    if outages >= OUTAGES:
                        raise error
                else:
                    outages = 0
                    if not told:
                        breakers.succeeded(job.app, job.platform.slug, work.account_key)
                        told = True
            if begun is None:
                if shut and queue.units:
                    raise Closed
                if outages and error is not None:
                    _count_failure(job, work.account_key, error)
                return skip
            ahead = begun


def _density(work: Work) -> dict[str, float]:
    """Rows a day, by stream: the most that a day has brought so far."""
    with work.app.db.read(work.org_id) as session:
        return dict(session.exec(
            select(Coverage.stream, func.max(Coverage.row_count))
            .where(Coverage.org_id == work.org_id, Coverage.account_key == work.account_key)
            .group_by(Coverage.stream)
        ).all())


class _Queue:
    """What is left to read of an account. Days that bring more rows than `most`, too many for one
    transaction and the memory of a small machine, are cut: the newest first, the rest waits.
    """

    def __init__(
        self, units: Iterable[Unit], density: dict[str, float], *, most: int | None
    ) -> None:
        self.units, self.most = deque(units), most
        self._density = density  # rows a day, by stream

    def takes_back(self, unit: Unit, reading: Future[Reading]) -> bool:
        """Wait until a unit is read (one is read at a time anyway), and learn from it. One that
        brought too many rows is read again, in halves.
        """
        ended = reading.exception()
        if isinstance(ended, TooMany) and self.most is not None:
            self._density[unit.stream] = 2 * self.most / unit.days
            self.units.appendleft(unit)
            return True
        if ended is None:
            self._density[unit.stream] = len(reading.result().rows) / unit.days
        return False

    def next(self, skip: set[str]) -> Unit | None:
        """The next unit of a stream that still stands."""
        while self.units:
            unit = self.units.popleft()
            if unit.stream in skip:
                continue
            if self.most is None or span_of(unit) is None:
                return unit
            days = int(self.most / max(self._density.get(unit.stream, 0), 1)) or 1
            if unit.days <= days:
                return unit
            first = unit.end - dt.timedelta(days=days - 1)
            self.units.appendleft(replace(unit, end=first - dt.timedelta(days=1)))
            return replace(unit, start=first)
        return None


def _store(job: Job, work: Work, unit: Unit, reading: Future[Reading]) -> LiftOSError | None:
    """Store what was read. Returns the error that ends the unit's stream; raises what ends more."""
    stream = job.streams[unit.stream]
    try:
        read = reading.result()
        earlier = job.errors.get((work.account_key, unit.stream))
        if earlier is not None and drift.stopped_by(earlier):
            return earlier  # it was being read when the stream stopped
        if job.is_resync and resync.is_staged(unit):
            resync.stage(work, stream, unit, reading=read)
            job.staged.add((work.account_key, unit.stream))
            adds_up = True  # judged when it is swapped in
        else:
            adds_up = commit_unit(work, stream, unit, reading=read).adds_up
    except (SignInAgain, Quota, Stopped):
        raise
    except LeaseLost:
        job.lost.set()
        raise
    except LiftOSError as error:
        if _must_wait(error):
            raise
        _note(job, work.account_key, unit, error)
        return error
    except Exception as error:  # an edge: one stream's bug must not hide in another's
        reference = secrets.token_hex(4)
        log.exception("sync.unit_failed", extra={"stream": unit.stream, "ref": reference})
        fault = OurFault(
            f"{stream.title} could not be read.", why="The fault is ours.",
            fix=f"Send reference {reference} to your administrator.", reference=reference,
        )
        fault.__cause__ = error
        _note(job, work.account_key, unit, fault)
        return fault
    if not (read.adds_up and adds_up):
        _note(job, work.account_key, unit, OurFault(
            f"{stream.title}: the rows read and stored do not add up.",
            why=f"{read.read} were read, {len(read.rows)} became rows.",
            fix="Read these days again; if it stays so, send the log to support.",
        ))
    return None


def _must_wait(error: LiftOSError) -> bool:
    """Whether the platform named a time that is not worth holding a thread for."""
    return isinstance(error, Quota) or (
        isinstance(error, Retry) and (error.after or 0) > PATIENCE
    )


def _note(job: Job, key: int, unit: Unit, error: LiftOSError) -> None:
    job.errors[key, unit.stream] = error
    now = job.app.now()
    log.warning(
        "sync.stream_failed", extra={"stream": unit.stream, "code": error.code, **error.facts}
    )
    with job.app.db.write() as session:
        row = session.exec(select(StreamRun).where(
            StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id,
            StreamRun.account_key == key, StreamRun.stream == unit.stream,
        )).one()
        row.error = cause_of(
            error, now, unit.stream, defined=job.is_defined(unit.stream)
        )
        session.add(row)
        state = drift.state_of(session, job.org_id, key, unit.stream)
        state.error = row.error
        stopped = drift.stopped_by(error)
        if stopped:
            drift.await_decision(state, stopped)
        session.add(state)
        session.add(job.event(
            f"{job.accounts[key].name}, {unit.start} to {unit.end}: {error.sentence()}",
            level="error", kind="drift" if stopped else "sync", stream=unit.stream, facts=row.error,
        ))


def _stop_for(job: Job, key: int, units: list[Unit], error: PlatformFault) -> None:
    """An error that ends more than one stream: the credential, the quota, the account."""
    now = job.app.now()
    if isinstance(error, Retry) and _must_wait(error):
        until = now + dt.timedelta(seconds=error.after or 300)
        _wait(job, key, Wait(until, "quota"), error.sentence())
        return
    if isinstance(error, SignInAgain):
        job.fatal = error
        job.abort.set()
    elif isinstance(error, Retry):
        _count_failure(job, key, error)
    for stream in {u.stream for u in units}:
        job.errors.setdefault((key, stream), error)
    with job.app.db.write() as session:
        session.add(job.event(
            f"{job.accounts[key].name}: {error.sentence()}", level="error",
            kind="credential" if isinstance(error, SignInAgain) else "sync",
            facts=cause_of(error, now),
        ))


def _count_failure(job: Job, key: int, error: LiftOSError) -> None:
    """Tell the breaker; the connection is asked again as soon as it lets us."""
    tries = 1 if error.facts.get("again") is False else TRIES
    until = breakers.failed(
        job.app, job.platform.slug, key, job.org_id, error=error, tries=tries
    )
    if until is not None:
        job.retry_at = max(job.retry_at, until) if job.retry_at else until


def _wait(job: Job, key: int, wait: Wait, why: str) -> None:
    """Put an account off; the others go on."""
    job.waits[key] = wait
    words = {"quota": "waiting for quota", "hours": "waiting for its hours"}
    with job.app.db.write() as session:
        for row in session.exec(select(StreamRun).where(
            StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id,
            StreamRun.account_key == key,
        )):
            if row.days_done < row.days_total:
                row.waiting_until = wait.until
                session.add(row)
        session.add(job.event(
            f"{job.accounts[key].name}: {words.get(wait.why, 'waiting')} until "
            f"{wait.until:%H:%M} UTC. What was read is stored. {why}",
            kind="quota" if wait.why == "quota" else "sync",
            level="info" if wait.why == "hours" else "warning",
            facts={"until": wait.until.isoformat(), "why": wait.why},
        ))
