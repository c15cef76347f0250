"""One run from plan to verdict: its accounts side by side, its units newest first."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from liftos_app.errors import GiveUp, LiftOSError, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Coverage,
    RunState,
    StreamRun,
    StreamState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import links, retention, status
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import PATIENCE, Client, Stopped
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AccountInfo, Lands, Platform, Stream
from liftos_app.services.context import App
from liftos_app.services.sync.load import Target
from liftos_app.services.sync.plan import AccountDay, Ask, Known, Phase, Plan, Unit, make_plan
from liftos_app.services.sync.schedule import next_runs, zone_of
from liftos_app.services.sync.window import LeaseLost, Reading, Work, commit_unit, read_unit

log = logging.getLogger(__name__)
Stop = Callable[[], bool]
OUTAGES = 2  # streams of one account in a row that a platform could not answer


@dataclass(slots=True)
class Job:
    """What a run needs, read once at its start."""

    app: App
    run_id: UUID
    epoch: int
    org_id: int
    connection_id: UUID
    connection_name: str
    platform: Platform
    accounts: dict[int, Account]
    options: dict[str, Any]
    plan: Plan
    stop: Stop
    streams: dict[str, Stream] = field(default_factory=dict)
    abort: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    errors: dict[tuple[int, str], LiftOSError] = field(default_factory=dict)
    waits: dict[int, datetime] = field(default_factory=dict)
    fatal: LiftOSError | None = None

    def halted(self) -> bool:
        """Whether this run must not read on."""
        return self.abort.is_set() or self.lost.is_set() or self.stop()


def execute(app: App, run_id: UUID, epoch: int, stop: Stop) -> int | None:
    """Do a claimed run. Returns the organization when it ended, None when it goes on elsewhere."""
    job = _prepare(app, run_id, epoch, stop)
    if job is None:
        return None
    by_account: dict[int, list[Unit]] = defaultdict(list)
    for unit in job.plan.units:
        by_account[unit.account_key].append(unit)
    if by_account:
        side_by_side = max(1, min(job.platform.concurrency, len(by_account)))
        with ThreadPoolExecutor(side_by_side, thread_name_prefix="account") as pool:
            for done in [pool.submit(_account, job, k, u) for k, u in by_account.items()]:
                done.result()
    if job.lost.is_set():
        return None
    if job.stop():
        _requeue(job, until=None)
        return None
    if job.waits and job.fatal is None:
        _requeue(job, until=min(job.waits.values()))
        return None
    _finish(job)
    return job.org_id


def fail(app: App, run_id: UUID, epoch: int) -> int | None:
    """End a run that broke on a fault of ours."""
    with app.db.write() as session:
        run = session.get(SyncRun, run_id, with_for_update=True)
        if run is None or run.epoch != epoch or run.state != RunState.RUNNING:
            return None
        _end_ours(session, run, app.now(), "The sync stopped on a fault of ours.")
        return run.org_id


def end_poisoned(session: Session, run: SyncRun, now: datetime) -> None:
    """End a run whose process died again and again."""
    _end_ours(session, run, now, "The sync was taken up five times and died each time.")


def cause_of(error: LiftOSError, at: datetime, stream: str = "") -> dict[str, Any]:
    """The seven fields of product.md section 9, as stored and shown."""
    return {
        "what": error.what, "why": error.why, "fix": error.fix,
        "cause": getattr(error, "cause", "our_fault"), "owner": getattr(error, "owner", "liftos"),
        "code": error.code, "stream": stream, "at": at.isoformat(),
        "request_id": str(error.facts.get("request_id", "")),
    }


def info_of(account: Account) -> AccountInfo:
    """A stored account as connectors know it."""
    return AccountInfo(
        external_id=account.external_id, name=account.name, currency=account.currency,
        time_zone=account.time_zone, status=account.status, usable=account.usable,
        reason=account.reason, extra=dict(account.extra),
    )


# --- before ---------------------------------------------------------------------------------------


def _prepare(app: App, run_id: UUID, epoch: int, stop: Stop) -> Job | None:
    with app.db.read() as session:
        run = session.get(SyncRun, run_id)
        if run is None or run.epoch != epoch or run.state != RunState.RUNNING:
            return None
        connection = session.get_one(Connection, run.connection_id)
        platform = registry.get(connection.platform)
        accounts = {
            a.key: a for a in session.exec(select(Account).where(
                Account.org_id == run.org_id, Account.connection_id == connection.id,
                col(Account.selected).is_(True),
            )) if a.key is not None
        }
        days = [
            AccountDay(
                key=key, today=app.now().astimezone(zone_of(a.time_zone)).date(), info=info_of(a)
            )
            for key, a in accounts.items()
        ]
        plan = make_plan(
            platform, accounts=days, chosen=connection.streams,
            history_days=min(
                connection.history_days, retention.choice_of(session, run.org_id).marketing_days
            ),
            ask=_ask(run),
            known=_known(session, run, list(accounts)), options=connection.options,
        )
        session.expunge_all()
    job = Job(
        app=app, run_id=run_id, epoch=epoch, org_id=run.org_id, connection_id=connection.id,
        connection_name=connection.name, platform=platform, accounts=accounts,
        options=dict(connection.options), plan=plan, stop=stop,
        streams={s.name: s for s in streams_of(platform, connection.options)},
    )
    return job if _announce(job) else None


def _announce(job: Job) -> bool:
    """Write the stream rows of the run, so that progress has totals from the first moment."""
    with job.app.db.write() as session:
        run = session.get(SyncRun, job.run_id, with_for_update=True)
        if run is None or run.epoch != job.epoch or run.state != RunState.RUNNING:
            return False
        there = {
            (r.account_key, r.stream): r
            for r in session.exec(select(StreamRun).where(
                StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id
            ))
        }
        for (key, stream), days in job.plan.days_total.items():
            row = there.get((key, stream)) or StreamRun(
                org_id=job.org_id, run_id=job.run_id, account_key=key, stream=stream
            )
            row.days_total = row.days_done + days
            row.waiting_until = None
            session.add(row)
        run.windows_total = run.windows_done + len(job.plan.units)
        session.add(run)
        if run.attempts == 0 and not there:
            session.add(_event(job, f"Sync started: {len(job.plan.units)} windows to read."))
            _warn_of_old_refunds(job, session)
    return True


def _warn_of_old_refunds(job: Job, session: Session) -> None:
    """A first load reads orders by their own day, so refunds of earlier orders stay unknown."""
    first = [
        u.start for u in job.plan.units
        if job.streams[u.stream].lands is Lands.ORDERS and u.phase is not Phase.INCREMENT
    ]
    if first and not any(u.phase is Phase.INCREMENT for u in job.plan.units):
        session.add(_event(
            job, f"Refunds of orders from before {min(first)} are not read: net sales of the first "
                 "weeks can be too high. Choose a longer history to include them.",
            level="warning", kind="note",
        ))


def _ask(run: SyncRun) -> Ask:
    asked = run.request
    start, end = asked.get("start") or "", asked.get("end") or ""
    return Ask(
        streams=tuple(asked.get("streams") or ()),
        start=date.fromisoformat(start) if start else None,
        end=date.fromisoformat(end) if end else None,
    )


def _known(
    session: Session, run: SyncRun, keys: list[int]
) -> dict[tuple[int, str], Known]:
    covered: dict[tuple[int, str], set[date]] = defaultdict(set)
    done: dict[tuple[int, str], set[date]] = defaultdict(set)
    table: Any = Coverage.__table__  # type: ignore[attr-defined]
    columns = [table.c[n] for n in ("account_key", "stream", "day", "run_id", "state")]
    rows = session.execute(
        table.select()
        .with_only_columns(*columns)
        .where(table.c.org_id == run.org_id, table.c.account_key.in_(keys))
    )
    for key, stream, day, run_id, state in rows:
        if state != "failed":
            covered[key, stream].add(day)
        if run_id == run.id:
            done[key, stream].add(day)
    cursors = {
        (s.account_key, s.stream): s.cursor
        for s in session.exec(select(StreamState).where(
            StreamState.org_id == run.org_id, col(StreamState.account_key).in_(keys)
        ))
    }
    return {
        ident: Known(
            covered=frozenset(covered[ident]), done_in_run=frozenset(done[ident]),
            cursor=cursors.get(ident, ""), whole_done=bool(done[ident]),
        )
        for ident in {*covered, *done, *cursors}
    }


# --- reading --------------------------------------------------------------------------------------


def _account(job: Job, key: int, units: list[Unit]) -> None:
    """Read one account's units in order. Errors are kept, sorted by what they stop."""
    account = job.accounts[key]
    info = info_of(account)
    now = job.app.now()
    work = Work(
        app=job.app, run_id=job.run_id, epoch=job.epoch, org_id=job.org_id,
        connection_id=job.connection_id, account_key=key, account=info,
        target=Target(job.org_id, key, job.run_id, now), options=job.options,
        salt=job.app.vault.salt(job.org_id), today=now.astimezone(zone_of(info.time_zone)).date(),
    )
    try:
        with links.open_client(
            job.app, job.org_id, job.connection_id, purpose="sync", cancelled=job.halted
        ) as client:
            _units(job, work, client, units)
    except LeaseLost:
        job.lost.set()
    except Stopped:
        return
    except PlatformFault as error:
        _stop_for(job, key, units, error)


def _units(job: Job, work: Work, client: Client, units: Iterable[Unit]) -> None:
    """Read unit by unit; while one is being stored the next is being read."""
    skip: set[str] = set()
    outages = 0
    with ThreadPoolExecutor(1, thread_name_prefix="read") as reader:
        ahead: tuple[Unit, Future[Reading]] | None = None
        queue = iter(units)
        while True:
            unit = next((u for u in queue if u.stream not in skip), None)
            begun = None
            if unit is not None and not job.halted():
                stream = job.streams[unit.stream]
                begun = (unit, reader.submit(read_unit, client, work, stream, unit, job.halted))
            if ahead is not None:
                error = _store(job, work, *ahead)
                if error is not None:
                    skip.add(ahead[0].stream)
                    outages = outages + 1 if isinstance(error, Retry) else 0
                    if outages >= OUTAGES:
                        raise error
                else:
                    outages = 0
            if begun is None:
                return
            ahead = begun


def _store(job: Job, work: Work, unit: Unit, reading: Future[Reading]) -> LiftOSError | None:
    """Store what was read. Returns the error that ends the unit's stream; raises what ends more."""
    stream = job.streams[unit.stream]
    try:
        read = reading.result()
        counts = commit_unit(work, stream, unit, reading=read)
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
        fault = GiveUp(
            f"{stream.title} could not be read.", why="The fault is ours.",
            fix=f"Send reference {reference} to your administrator.", reference=reference,
        )
        fault.__cause__ = error
        _note(job, work.account_key, unit, fault)
        return fault
    if not (read.adds_up and counts.adds_up):
        _note(job, work.account_key, unit, GiveUp(
            f"{stream.title}: the rows read and stored do not add up.",
            why=f"{read.read} were read, {counts.read} were accounted for.",
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
        row.error = cause_of(error, now, unit.stream)
        session.add(row)
        state = session.exec(select(StreamState).where(
            StreamState.org_id == job.org_id, StreamState.account_key == key,
            StreamState.stream == unit.stream,
        )).first() or StreamState(org_id=job.org_id, account_key=key, stream=unit.stream)
        state.error = row.error
        session.add(state)
        session.add(_event(
            job, f"{job.accounts[key].name}, {unit.start} to {unit.end}: {error.sentence()}",
            level="error", stream=unit.stream, facts=row.error,
        ))


def _stop_for(job: Job, key: int, units: list[Unit], error: PlatformFault) -> None:
    """An error that ends more than one stream: the credential, the quota, the account."""
    now = job.app.now()
    if isinstance(error, Retry) and _must_wait(error):
        until = now + timedelta(seconds=error.after or 300)
        job.waits[key] = until
        with job.app.db.write() as session:
            for row in session.exec(select(StreamRun).where(
                StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id,
                StreamRun.account_key == key,
            )):
                if row.days_done < row.days_total:
                    row.waiting_until = until
                    session.add(row)
            session.add(_event(
                job, f"{job.accounts[key].name}: waiting for quota until {until:%H:%M} UTC. "
                     f"What was read is stored. {error.sentence()}",
                kind="quota", level="warning", facts={"until": until.isoformat()},
            ))
        return
    if isinstance(error, SignInAgain):
        job.fatal = error
        job.abort.set()
    for stream in {u.stream for u in units}:
        job.errors.setdefault((key, stream), error)
    with job.app.db.write() as session:
        session.add(_event(
            job, f"{job.accounts[key].name}: {error.sentence()}", level="error",
            kind="credential" if isinstance(error, SignInAgain) else "sync",
            facts=cause_of(error, now),
        ))


# --- after ----------------------------------------------------------------------------------------


def _requeue(job: Job, *, until: datetime | None) -> None:
    with job.app.db.write() as session:
        run = session.get(SyncRun, job.run_id, with_for_update=True)
        if run is None or run.epoch != job.epoch or run.state != RunState.RUNNING:
            return
        run.state, run.holder, run.waiting_until = RunState.QUEUED, "", until
        session.add(run)


def _finish(job: Job) -> None:
    now = job.app.now()
    with job.app.db.write() as session:
        run = session.get(SyncRun, job.run_id, with_for_update=True)
        if run is None or run.epoch != job.epoch or run.state != RunState.RUNNING:
            return
        connection = session.get_one(Connection, job.connection_id, with_for_update=True)
        rows = session.exec(select(StreamRun).where(
            StreamRun.org_id == job.org_id, StreamRun.run_id == job.run_id
        )).all()
        for row in rows:
            row.state = _stream_verdict(row, job.errors.get((row.account_key, row.stream)))
            row.waiting_until = None
            session.add(row)
        run.state = _verdict(job, [RunState(r.state) for r in rows])
        worst = job.fatal or next(iter(job.errors.values()), None)
        run.cause = cause_of(worst, now) if worst else None
        if run.cause is None and run.state == RunState.PARTIAL:
            run.cause = cause_of(GiveUp(
                f"{run.rows_rejected} rows could not be stored.",
                why="The platform sent values that do not fit; each is kept with its reason.",
                fix="Open the connection's log to see them.", cause="source_data",
                owner="the_platform",
            ), now)
        run.finished_at = now
        session.add(run)
        _settle(job, session, connection, run, now)
        session.add(_event(
            job,
            f"Sync {run.state}: {run.rows_read:,} rows read, {run.rows_written:,} new, "
            f"{run.rows_updated:,} changed, {run.rows_unchanged:,} unchanged, "
            f"{run.rows_rejected:,} rejected.",
            level="info" if run.state == RunState.SUCCEEDED else "error",
            facts={"seconds": (now - (run.started_at or now)).total_seconds()},
        ))
    log.info("sync.finished", extra={"run_id": str(job.run_id), "state": str(run.state)})


def _settle(
    job: Job, session: Session, connection: Connection, run: SyncRun, now: datetime
) -> None:
    """What the run means for its connection."""
    if run.state in (RunState.SUCCEEDED, RunState.PARTIAL):
        connection.last_success_at = now if run.state == RunState.SUCCEEDED else (
            connection.last_success_at
        )
    connection.cause = run.cause
    if job.fatal is None and connection.status not in (ConnectionStatus.DRAFT,):
        connection.next_run_at = next_runs(connection.schedule, connection.schedule_zone, now)[0]
    connection.status = status.derive(
        connection, last_state=run.state, active=False, now=now
    )
    connection.updated_at = now
    session.add(connection)


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


def _end_ours(session: Session, run: SyncRun, now: datetime, what: str) -> None:
    error = GiveUp(what, why="The fault is ours.", fix="Send the log to your administrator.")
    run.state, run.finished_at, run.cause = RunState.FAILED, now, cause_of(error, now)
    session.add(run)
    connection = session.get_one(Connection, run.connection_id)
    connection.cause = run.cause
    connection.status = status.derive(connection, last_state=run.state, active=False, now=now)
    session.add(connection)
    session.add(SyncEvent(
        org_id=run.org_id, connection_id=run.connection_id, run_id=run.id, at=now, level="error",
        kind="sync", text=error.sentence(),
    ))


def _event(
    job: Job, text: str, *, level: str = "info", kind: str = "sync", stream: str = "",
    facts: dict[str, Any] | None = None,
) -> SyncEvent:
    return SyncEvent(
        org_id=job.org_id, connection_id=job.connection_id, run_id=job.run_id, at=job.app.now(),
        level=level, kind=kind, stream=stream, text=text[:1000], facts=facts or {},
    )


