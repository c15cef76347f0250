"""One connection in finished texts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from liftos_app.models import ConnectionStatus, RunState, SyncEvent, SyncRun
from liftos_app.services import (
    catalogue,
    connections,
    coverage,
    fallback,
    organization,
    publish,
    sync,
)
from liftos_app.services import format as fmt
from liftos_app.services.connections import ConnectionRow
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.context import Context
from liftos_app.services.metrics.periods import today_in
from liftos_app.state import words
from liftos_app.state.connections import Cell
from liftos_app.state.words import Cause

KINDS: Final = (
    "sync",
    "credential",
    "drift",
    "settings",
    "quota",
    "issue",
    "publish",
    "restatement",
)
TRIGGERS: Final = {
    "schedule": "Schedule",
    "person": "By hand",
    "first": "First sync",
    "resume": "Catch-up",
}
_LEVEL: Final = {"info": "ok", "warning": "warn", "error": "bad"}


@dataclass
class StreamLine:
    """One account x stream."""

    key: str
    stream: str
    account: str
    grain: str
    kind: str
    word: str
    note: str
    newest: str
    read: str
    counts: str
    rejected: str
    took: str
    strip: list[Cell]
    strip_words: str


@dataclass
class RunLine:
    """One run."""

    id: str
    when: str
    exact: str
    trigger: str
    kind: str
    word: str
    took: str
    rows: str
    rejected: str
    requests: str
    note: str


@dataclass
class EventLine:
    """One line of the log."""

    kind: str
    text: str
    more: str
    time: str
    exact: str
    day: str


@dataclass
class View:
    """Everything the page shows."""

    id: str = ""
    name: str = ""
    platform_name: str = ""
    demo: str = ""
    fallbacks: list[words.Standing] = field(default_factory=list)
    kind: str = "mute"
    word: str = ""
    cause: Cause = field(default_factory=Cause)
    paused: bool = False
    signed_out: bool = False  # a sync would be refused until somebody signs in again
    zone: str = "UTC"
    facts: list[list[str]] = field(default_factory=list)
    strip: list[Cell] = field(default_factory=list)
    strip_words: str = ""
    streams: list[StreamLine] = field(default_factory=list)
    runs: list[RunLine] = field(default_factory=list)
    events: list[EventLine] = field(default_factory=list)
    older: str = ""
    active_run: str = ""
    pulse: str = ""  # differs as soon as something worth showing has changed
    opened_run: str = ""
    schedule: str = ""
    schedule_zone: str = ""
    accounts: str = ""
    stream_names: list[list[str]] = field(default_factory=list)
    credentials: list[list[str]] = field(default_factory=list)
    publishes: bool = False  # tables can be written to it
    publish_to: str = ""  # the database or catalog chosen last
    defines: bool = False  # its streams are defined by a person


def view_of(ctx: Context, connection_id: UUID, *, kind: str, run: str, before: int | None) -> View:
    """The page's content. Raises Missing."""
    connection = connections.get(ctx, connection_id)
    row = connections.row_of(ctx, connection)
    offered = streams_of(catalogue.find(connection.platform), connection.options)
    zone = organization.get(ctx).time_zone
    now = ctx.now()
    today = today_in(zone, now)
    status_kind, status_word = words.status(row)
    strip = coverage.strips(ctx, [connection_id], days=90).get(connection_id)
    runs = sync.history(ctx, connection_id, limit=30)
    page = connections.log(
        ctx, connection_id, kinds=[kind] if kind else [], before=before, limit=60
    )
    accounts = [a for a in connections.accounts_of(ctx, connection_id) if a.selected]
    apart = fallback.active(ctx, [connection_id]).values()
    return View(
        id=str(connection_id),
        name=row.name,
        platform_name=row.platform_name,
        demo=words.PROVENANCE.get("fallback" if apart else row.provenance, ""),
        fallbacks=[replace(words.standing(f, zone), href="") for f in apart],
        kind=status_kind,
        word=status_word,
        cause=words.cause(row.cause, now, zone, {s.name: s.title for s in offered}),
        zone=zone,
        paused=row.status is ConnectionStatus.PAUSED,
        signed_out=row.status is ConnectionStatus.NEEDS_REAUTH,
        facts=_facts(ctx, row, now, zone, today),
        strip=[Cell(c.state, c.title) for c in strip.cells] if strip else [],
        strip_words=strip.words if strip else "",
        streams=_streams(ctx, connection_id, zone, today),
        runs=[_run(r, now, zone, today) for r in runs],
        events=_events(page.events, zone, today),
        older=f"/connections/{connection_id}?tab=log&kind={kind}&before={page.next_before}"
        if page.next_before
        else "",
        active_run=str(row.active_run_id or ""),
        pulse=pulse_of(ctx, connection_id),
        opened_run=_known(run, runs),
        publishes=publish.can_publish(connection),
        publish_to=str(connection.options.get("publish_to") or ""),
        defines=catalogue.find(connection.platform).define is not None,
        schedule=row.schedule,
        schedule_zone=row.schedule_zone,
        accounts=fmt.listed(
            [f"{a.name} ({a.currency or 'no currency'}, {a.time_zone})" for a in accounts]
        ),
        stream_names=[[s.name, s.title] for s in offered if s.name in row.streams],
        credentials=[
            [
                c.field.replace("_", " "),
                f"ends with {c.hint}" if c.hint else "stored",
                fmt.moment(c.expires_at, zone, today) if c.expires_at else "no end known",
                fmt.ago(c.updated_at, now, zone),
            ]
            for c in connections.credentials_of(ctx, connection_id)
        ],
    )


def pulse_of(ctx: Context, connection_id: UUID) -> str:
    """A short text that changes with the state, the newest run and its end. Three small queries."""
    connection = connections.get(ctx, connection_id)
    run = sync.latest(ctx, connection_id)
    newest = f"{run.id}/{run.state}/{run.waiting_until}" if run else ""
    return f"{connection.status}/{connection.updated_at}/{newest}"


def _facts(
    ctx: Context, row: ConnectionRow, now: datetime, zone: str, today: dt.date
) -> list[list[str]]:
    good, ended = sync.success_share(ctx, row.id)
    return [
        ["Last success", fmt.ago(row.last_success_at, now, zone)],
        ["Data through", fmt.day(row.data_through, today)],
        ["Next run", words.next_run(row, fmt.moment(row.next_run_at, zone, today))],
        ["Rows, 24 h", fmt.count(row.rows_24h)],
        ["Good runs, 30 days", f"{good} of {ended}" if ended else fmt.UNKNOWN],
        [
            "Sign-in ends",
            "not valid now" if row.status is ConnectionStatus.NEEDS_REAUTH
            else fmt.ago(row.credential_expires_at, now, zone) if row.credential_expires_at
            else "no end known",
        ],
    ]


def _streams(
    ctx: Context, connection_id: UUID, zone: str, today: dt.date
) -> list[StreamLine]:
    connection = connections.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    about = {s.name: s for s in streams_of(platform, connection.options)}
    last = {
        (s.account_id, s.stream): s for s in sync.last_of_each_stream(ctx, connection_id)
    }
    strips = coverage.by_stream(ctx, connection_id, days=60)
    lines = []
    for one in coverage.positions(ctx, connection_id):
        key = (one.account, one.stream)
        ran, strip = last.get((one.account_id, one.stream)), strips.get(key)
        kind, word = ("bad", "Failed") if one.error else ("ok", "On time")
        if ran is not None and RunState(ran.state) in {RunState.RUNNING, RunState.PARTIAL}:
            kind, word = words.RUN[RunState(ran.state)]
        lines.append(
            StreamLine(
                key=f"{one.account_id}/{one.stream}",
                stream=about[one.stream].title if one.stream in about else one.stream,
                account=one.account,
                grain=about[one.stream].grain if one.stream in about else "",
                kind=kind,
                word=word,
                note=str((one.error or {}).get("what", "")),
                newest=fmt.day(one.newest, today),
                read=fmt.ago(one.last_read_at, ctx.now(), zone),
                counts=f"{fmt.count(ran.rows_read)} read, {fmt.count(ran.rows_written)} new, "
                f"{fmt.count(ran.rows_updated)} changed, {fmt.count(ran.rows_unchanged)} "
                f"unchanged, {fmt.count(ran.rows_removed)} removed"
                if ran
                else fmt.UNKNOWN,
                rejected=fmt.count(ran.rows_rejected) if ran else fmt.UNKNOWN,
                took=fmt.duration(ran.seconds) if ran else fmt.UNKNOWN,
                strip=[Cell(c.state, c.title) for c in strip.cells] if strip else [],
                strip_words=strip.words if strip else "Read whole each time",
            )
        )
    return lines


def _run(run: SyncRun, now: datetime, zone: str, today: dt.date) -> RunLine:
    kind, word = words.RUN[RunState(run.state)]
    begun = run.started_at or run.created_at
    length = fmt.duration((run.finished_at or now) - begun) if run.started_at else fmt.UNKNOWN
    return RunLine(
        id=str(run.id),
        when=fmt.ago(begun, now, zone),
        exact=fmt.moment(begun, zone, today),
        trigger=TRIGGERS.get(run.trigger, run.trigger),
        kind=kind,
        word=word,
        took=length,
        rows=fmt.count(run.rows_written + run.rows_updated),
        rejected=fmt.count(run.rows_rejected),
        requests=fmt.count(run.requests),
        note="Taken back: its changes do not stand any more."
        if run.undone_at
        else str((run.cause or {}).get("what", "")),
    )


def _events(events: list[SyncEvent], zone: str, today: dt.date) -> list[EventLine]:
    lines, day_before = [], ""
    for event in events:
        day = fmt.day(today_in(zone, event.at), today)
        request = str(event.facts.get("request_id", "")) if event.facts else ""
        lines.append(
            EventLine(
                kind=_LEVEL.get(event.level, "mute"),
                text=event.text,
                time=fmt.clock(event.at, zone),
                more=f"Platform request {request}" if request else "",
                exact=fmt.moment(event.at, zone, today),
                day=day if day != day_before else "",
            )
        )
        day_before = day
    return lines


def _known(run: str, runs: list[SyncRun]) -> str:
    return run if run and run in {str(r.id) for r in runs} else ""
