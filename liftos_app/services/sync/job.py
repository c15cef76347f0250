"""What a run needs, read once at its start: connection, accounts, plan, what is already stored."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeGuard
from uuid import UUID

from sqlmodel import Session, col, select

from liftos_app.errors import LiftOSError
from liftos_app.models import (
    Account,
    Connection,
    Coverage,
    RunState,
    StagedUnit,
    StreamRun,
    StreamState,
    SyncEvent,
    SyncPreference,
    SyncRun,
)
from liftos_app.services import format as fmt
from liftos_app.services import retention
from liftos_app.services.audit import notes
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AccountInfo, Platform, Stream
from liftos_app.services.context import App
from liftos_app.services.sync import hours
from liftos_app.services.sync.plan import AccountDay, Ask, Known, Plan, make_plan
from liftos_app.services.sync.schedule import zone_of

Stop = Callable[[], bool]
UNSETTLED_EVERY = timedelta(days=7)
_OF_DEFINED = {  # what to do about a stream that a person defined
    "bad_configuration": "definition", "source_data": "definition", "permission": "retry",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an account's part of a run goes on later: quota, outage or hours."""

    until: datetime
    why: str


@dataclass(slots=True)
class Stored:
    """How many windows of a run this process knows to be stored, over all its accounts."""

    windows: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, windows: int) -> None:
        """Count windows whose transaction has ended well."""
        with self._lock:
            self.windows += windows


@dataclass(slots=True)
class Job:
    """One run on its way."""

    app: App
    run_id: UUID
    epoch: int
    org_id: int
    connection_id: UUID
    connection_name: str
    platform: Platform
    accounts: dict[int, Account]
    options: dict[str, Any]
    drift_policy: str
    sync_window: str  # "" when a person asked, who wants it now
    zone: str
    is_resync: bool
    plan: Plan
    streams: dict[str, Stream]
    staged: set[tuple[int, str]]  # account x stream with days that are read and not swapped in
    stop: Stop
    abort: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    errors: dict[tuple[int, str], LiftOSError] = field(default_factory=dict)
    waits: dict[int, Wait] = field(default_factory=dict)
    retry_at: datetime | None = None  # when an account may be tried again after an outage
    fatal: LiftOSError | None = None
    holder: str = ""
    stored: Stored = field(default_factory=Stored)

    def holds(self, run: SyncRun | None) -> TypeGuard[SyncRun]:
        """Whether a run, as stored now, is still ours and lacks nothing that we have stored."""
        return (
            run is not None and run.epoch == self.epoch and run.state == RunState.RUNNING
            and run.holder == self.holder and run.windows_done >= self.stored.windows
        )

    def halted(self) -> bool:
        """Whether this run must not read on."""
        return self.abort.is_set() or self.lost.is_set() or self.stop()

    def is_defined(self, stream: str) -> bool:
        """Whether a person defined this stream."""
        return stream in self.streams and self.streams[stream].defined

    def event(
        self, text: str, *, level: str = "info", kind: str = "sync", stream: str = "",
        facts: dict[str, Any] | None = None,
    ) -> SyncEvent:
        """A line for the connection's timeline."""
        return SyncEvent(
            org_id=self.org_id, connection_id=self.connection_id, run_id=self.run_id,
            at=self.app.now(), level=level, kind=kind, stream=stream, text=text[:1000],
            facts=facts or {},
        )


def prepare(app: App, run_id: UUID, epoch: int, stop: Stop) -> Job | None:
    """Read what a claimed run needs and announce its streams. None when it is not ours."""
    with app.db.read() as session:
        run = session.get(SyncRun, run_id)
        if run is None or run.epoch != epoch or run.state != RunState.RUNNING:
            return None
        connection = session.get_one(Connection, run.connection_id)
        platform = registry.get(connection.platform)
        accounts = _accounts(session, run)
        days = [
            AccountDay(
                key=key, today=app.now().astimezone(zone_of(a.time_zone)).date(), info=info_of(a)
            )
            for key, a in accounts.items()
        ]
        ask = ask_of(run)
        staged = session.exec(select(StagedUnit).where(
            StagedUnit.org_id == run.org_id, StagedUnit.run_id == run_id
        )).all()
        offered = streams_of(platform, connection.options)
        plan = make_plan(
            platform, accounts=days, chosen=connection.streams,
            history_days=min(
                connection.history_days, retention.choice_of(session, run.org_id).marketing_days
            ), ask=ask, options=connection.options,
            known=_known(session, run, list(accounts), staged, Settling(offered, app.now())),
        )
        preference = session.get(SyncPreference, run.org_id)
        window = connection.sync_window or (preference.sync_window if preference else "")
        session.expunge_all()
    job = Job(
        app=app, run_id=run_id, epoch=epoch, org_id=run.org_id, connection_id=connection.id,
        connection_name=connection.name, platform=platform, accounts=accounts,
        options=dict(connection.options), drift_policy=connection.drift_policy,
        sync_window="" if run.trigger == "person" else window, zone=connection.schedule_zone,
        is_resync=ask.is_resync, plan=plan, streams={s.name: s for s in offered},
        staged={(s.account_key, s.stream) for s in staged}, stop=stop,
    )
    return job if _announce(job) else None


def closed_until(job: Job) -> datetime | None:
    """When the hours of scheduled syncs begin again; None while they last."""
    return hours.opens_at(job.sync_window, job.zone, job.app.now())


def ask_of(run: SyncRun) -> Ask:
    """What a stored run was asked for."""
    asked = run.request
    start, end = asked.get("start") or "", asked.get("end") or ""
    return Ask(
        streams=tuple(asked.get("streams") or ()),
        start=date.fromisoformat(start) if start else None,
        end=date.fromisoformat(end) if end else None,
    )


def cause_of(
    error: LiftOSError, at: datetime, stream: str = "", *, defined: bool = False
) -> dict[str, Any]:
    """The seven fields of product.md section 9, as stored and shown. What is wrong with a stream
    that a person `defined` is mostly mended in its definition.
    """
    kind = getattr(error, "cause", "our_fault")
    action = str(error.facts.get("action") or "")
    if not action and defined:
        action = _OF_DEFINED.get(kind, "")
    return {
        **({"action": action} if action else {}),
        "what": error.what, "why": error.why, "fix": error.fix,
        "cause": kind, "owner": getattr(error, "owner", "liftos"),
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


def _accounts(session: Session, run: SyncRun) -> dict[int, Account]:
    """Selected accounts, narrowed to those that were asked for."""
    query = select(Account).where(
        Account.org_id == run.org_id, Account.connection_id == run.connection_id,
        col(Account.selected).is_(True),
    )
    if wanted := [UUID(a) for a in run.request.get("accounts") or ()]:
        query = query.where(col(Account.id).in_(wanted))
    return {a.key: a for a in session.exec(query) if a.key is not None}


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
        job.holder, job.stored.windows = run.holder, run.windows_done
        run.windows_total = run.windows_done + len(job.plan.units)
        session.add(run)
        if run.attempts == 0 and not there:
            windows = fmt.plural(len(job.plan.units), "window")
            session.add(job.event(f"Sync started: {windows} to read."))
            notes.sync_started(job.app, session, run, windows=len(job.plan.units))
    return True


class Settling:
    """Which days of which streams may still change, though they are past the daily look-back.

    They are read again weekly, and a last time once they have settled.
    """

    def __init__(self, streams: Iterable[Stream], now: datetime) -> None:
        self._days = {
            s.name: max(s.window.settle_days, s.window.late_days)
            for s in streams if s.window
        }
        self._limit = now - UNSETTLED_EVERY

    def is_open(self, stream: str, day: date, read_at: datetime) -> bool:
        """Whether a day was last read before it settled, and not in the last week."""
        settles = self._days.get(stream)
        return (
            settles is not None and read_at <= self._limit
            and read_at.date() <= day + timedelta(days=settles)
        )


def _known(
    session: Session, run: SyncRun, keys: list[int], staged: list[StagedUnit] | Any,
    settling: Settling,
) -> dict[tuple[int, str], Known]:
    unsettled: dict[tuple[int, str], set[date]] = defaultdict(set)
    covered: dict[tuple[int, str], set[date]] = defaultdict(set)
    done: dict[tuple[int, str], set[date]] = defaultdict(set)
    table: Any = Coverage.__table__  # type: ignore[attr-defined]
    names = ("account_key", "stream", "day", "run_id", "state", "read_at")
    columns = [table.c[n] for n in names]
    rows = session.execute(
        table.select()
        .with_only_columns(*columns)
        .where(table.c.org_id == run.org_id, table.c.account_key.in_(keys))
    )
    for key, stream, day, run_id, state, read_at in rows:
        if state != "failed":
            covered[key, stream].add(day)
            if settling.is_open(stream, day, read_at):
                unsettled[key, stream].add(day)
        if run_id == run.id:
            done[key, stream].add(day)
    for unit in staged:
        length = unit.last_day.toordinal() - unit.first_day.toordinal() + 1
        done[unit.account_key, unit.stream] |= {
            date.fromordinal(unit.first_day.toordinal() + i) for i in range(length)
        }
    positions = {
        (s.account_key, s.stream): (s.cursor, s.caught_up_from)
        for s in session.exec(select(StreamState).where(
            StreamState.org_id == run.org_id, col(StreamState.account_key).in_(keys)
        ))
    }
    return {
        ident: Known(
            covered=frozenset(covered[ident]), done_in_run=frozenset(done[ident]),
            unsettled=frozenset(unsettled[ident]),
            cursor=positions.get(ident, ("", None))[0],
            caught_up_from=positions.get(ident, ("", None))[1], whole_done=bool(done[ident]),
        )
        for ident in {*covered, *done, *positions}
    }
