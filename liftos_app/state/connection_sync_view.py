"""Numbers that were restated, re-syncs, columns, quota and hours of a connection, in texts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from liftos_app.models import Connection, FactDaily, MailFact, SyncRun
from liftos_app.services import budgets, catalogue, connections, expiry, organization, sync
from liftos_app.services import format as fmt
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context
from liftos_app.services.metrics import attribution
from liftos_app.services.metrics.periods import today_in
from liftos_app.services.sync import breakers, hours, restate, schema, undo
from liftos_app.state import words

PRIORITY: Final = {1: "first", 0: "usual", -1: "last"}
POLICIES: Final = (  # what to do when the platform's columns change
    ("evolve", "Read on and tell me"), ("ignore", "Read on and say nothing"),
    ("stop", "Stop the stream and ask"),
)
FIELDS: Final = {
    "spend_micros": "Spend", "impressions": "Impressions", "clicks": "Clicks",
    "conversions_micros": "Conversions", "value_micros": "Conversion value",
    "gross_micros": "Gross sales", "subtotal_micros": "Subtotal", "discount_micros": "Discounts",
    "shipping_micros": "Shipping", "tax_micros": "Tax",
}
_MONEY: Final = frozenset({"spend_micros", "value_micros"}) | {
    k for k in FIELDS if k.endswith("_micros") and k != "conversions_micros"
}
# Columns that hold whole numbers. Rare metrics have rows of their own, in micro-units.
_WHOLE: Final = frozenset(
    name for table in (FactDaily, MailFact) for name in table.model_fields
    if not name.endswith("_micros")
)
_SAME_IN_ALL_SETTINGS: Final = frozenset({"spend_micros", "impressions", "clicks"})


@dataclass
class CellLine:
    """One number that changed."""

    key: str
    day: str
    what: str
    entity: str
    account: str
    before: str
    after: str
    when: str
    undone: bool  # taken back: the number is as before


@dataclass
class ResyncLine:
    """One re-sync, and whether it can still be taken back."""

    id: str
    when: str
    days: str
    kind: str
    word: str
    changed: str
    note: str
    undoable: bool


@dataclass
class ColumnLine:
    """The columns of one stream of one account."""

    key: str
    stream: str
    title: str
    account: str
    fresh: str
    gone: str
    known: str
    since: str
    wrong: str = ""  # why the source or the definition cannot be used as it is
    defined: bool = False  # a person defined the stream, and can change it


@dataclass
class SyncView:
    """What the tabs Changes, Schema and Settings show beside the rest."""

    cells: list[CellLine] = field(default_factory=list)
    older: str = ""
    resyncs: list[ResyncLine] = field(default_factory=list)
    columns: list[ColumnLine] = field(default_factory=list)
    policy: str = "evolve"
    sync_window: str = ""
    priority: str = "usual"
    waits: list[list[str]] = field(default_factory=list)
    renewal: str = ""
    warnings: list[list[str]] = field(default_factory=list)
    accounts: list[list[str]] = field(default_factory=list)
    streams: list[list[str]] = field(default_factory=list)
    first_day: str = ""
    last_day: str = ""


def view_of(ctx: Context, connection_id: UUID, before: int | None) -> SyncView:
    """The content. Raises Missing."""
    connection = connections.get(ctx, connection_id)
    zone = organization.get(ctx).time_zone
    now = ctx.now()
    today = today_in(zone, now)
    offered = streams_of(catalogue.find(connection.platform), connection.options)
    titles = {s.name: s.title for s in offered}
    cells, more = restate.cells(ctx, connection_id, before=before, limit=100)
    accounts = [a for a in connections.accounts_of(ctx, connection_id) if a.selected]
    ends = expiry.forecast(ctx, connection_id)
    runs = [r for r in sync.history(ctx, connection_id, limit=100) if r.request.get("start")]
    return SyncView(
        cells=[_cell(c, titles, now, zone, today) for c in cells],
        older=f"/connections/{connection_id}?tab=changes&before={more}" if more else "",
        resyncs=[_resync(ctx, r, now, zone, today) for r in runs[:20]],
        columns=_columns(ctx, connection_id, offered, today),
        policy=connection.drift_policy,
        sync_window=connection.sync_window,
        priority=PRIORITY.get(connection.priority, "usual"),
        waits=_waits(ctx, connection, [a.key or 0 for a in accounts], now, zone),
        renewal=ends.renewal,
        warnings=[
            [
                fmt.plural(n.days, "day"), fmt.moment(n.at, zone, today),
                "told" if n.told else "to come",
            ]
            for n in ends.warnings
        ],
        accounts=[[str(a.id), a.name] for a in accounts],
        streams=[[n, titles.get(n, n)] for n in connection.streams],
        first_day=(today - dt.timedelta(days=7)).isoformat(),
        last_day=today.isoformat(),
    )


def _waits(
    ctx: Context, connection: Connection, keys: list[int], now: datetime, zone: str
) -> list[list[str]]:
    """Quota, hours and breakers: names and what stands now."""
    platform = catalogue.find(connection.platform)
    used, held = budgets.used(ctx.app, connection.id, platform.requests_per_minute)
    quota = f"{fmt.share(used, 0)} of the burst in use, {platform.requests_per_minute:,} a minute"
    if held > 1:
        quota = f"held for {fmt.duration(held)}"
    found = [["Quota", quota]]
    run = sync.latest(ctx, connection.id)
    if run is not None and run.waiting_until is not None and run.waiting_until > now:
        found.append(["Waiting", words.waiting(run.waiting_for, run.waiting_until, zone)])
    if connection.sync_window:
        opens = hours.opens_at(connection.sync_window, connection.schedule_zone, now)
        state = f"closed until {fmt.clock(opens, zone)}" if opens else "open now"
        found.append(["Hours of syncs", f"{connection.sync_window}, {state}"])
    rows = breakers.open_accounts(ctx, keys)
    if ahead := [r.until for r in rows.values() if r.until is not None and r.until > now]:
        found.append([
            "Left alone",
            f"{fmt.plural(len(ahead), 'account')} after failures, until "
            f"{fmt.clock(max(ahead), zone)}",
        ])
    if connection.platform in breakers.outages(ctx):
        found.append(["Platform", "answers nobody at the moment; syncs go on by themselves"])
    return found


def _cell(
    one: restate.Restated, titles: dict[str, str], now: datetime, zone: str, today: dt.date
) -> CellLine:
    name, _, setting = one.field.partition("@")
    if name in _SAME_IN_ALL_SETTINGS:
        setting = ""  # what was shown and paid does not depend on how results are attributed
    what = FIELDS.get(name, name.replace("_", " ").capitalize())
    return CellLine(
        key=f"{one.run_id}/{one.stream}/{one.entity_id}/{one.day}/{one.field}",
        day=fmt.day(one.day, today),
        what=f"{what} ({attribution.short_of(setting)})" if setting else what,
        entity=f"{titles.get(one.stream, one.stream)}, {one.entity_id}",
        account=one.account,
        before=_amount(name, one.before, one.currency),
        after=_amount(name, one.after, one.currency),
        when=fmt.ago(one.at, now, zone),
        undone=one.undone,
    )


def _amount(name: str, value: int | None, currency: str) -> str:
    if value is None:
        return fmt.UNKNOWN
    if name in _MONEY and currency:
        return fmt.money(Decimal(value) / 1_000_000, currency)
    return fmt.count(value if name in _WHOLE else Decimal(value) / 1_000_000)


def _resync(
    ctx: Context, run: SyncRun, now: datetime, zone: str, today: dt.date
) -> ResyncLine:
    kind, word = words.RUN[words.RunState(run.state)]
    if run.undone_at:
        kind, word = "mute", "Taken back"
    start, end = (dt.date.fromisoformat(str(run.request[n] or today)) for n in ("start", "end"))
    note = f"Taken back {fmt.ago(run.undone_at, now, zone)}" if run.undone_at else ""
    return ResyncLine(
        id=str(run.id),
        when=fmt.ago(run.created_at, now, zone),
        days=fmt.days(start, end, today),
        kind=kind,
        word=word,
        changed=f"{fmt.count(run.rows_written)} new, {fmt.count(run.rows_updated)} changed, "
        f"{fmt.plural(run.rows_restated, 'number')}",
        note=note or str((run.cause or {}).get("what", "")),
        undoable=undo.can_undo(ctx, run),
    )


def _columns(
    ctx: Context, connection_id: UUID, offered: Sequence[Stream], today: dt.date
) -> list[ColumnLine]:
    titles = {s.name: s.title for s in offered}
    defined = {s.name for s in offered if s.defined}
    wrong = _wrong(ctx, connection_id, defined)
    groups: dict[tuple[str, str], list[schema.Column]] = {}
    for one in schema.columns(ctx, connection_id):
        groups.setdefault((one.stream, one.account), []).append(one)
    for key in wrong:
        groups.setdefault(key, [])  # it failed before any column was known
    lines = []
    for (stream, account), found in groups.items():
        seen = [c.first_seen_at for c in found if c.first_seen_at is not None]
        known = [c.column for c in found if not (c.is_new or c.is_gone)]
        fresh = ", ".join(c.column for c in found if c.is_new)
        gone = ", ".join(c.column for c in found if c.is_gone)
        lines.append(
            ColumnLine(
                key=f"{stream}/{account}",
                stream=stream,
                title=titles.get(stream, stream),
                account=account,
                fresh=f"New: {fresh}" if fresh else "",
                gone=f"Gone: {gone}" if gone else "",
                known=f"{fmt.plural(len(known), 'column')}: {', '.join(known)}" if known
                else "none read yet",
                since=fmt.day(min(seen).date(), today) if seen else fmt.UNKNOWN,
                wrong=wrong.get((stream, account), ""),
                defined=stream in defined,
            )
        )
    return lines


def _wrong(
    ctx: Context, connection_id: UUID, defined: Collection[str]
) -> dict[tuple[str, str], str]:
    """What is the matter with a stream's source or definition, by (stream, account)."""
    found = {
        (stream, account): f"{fmt.plural(rows, 'row')} of the last run could not be used: {reason}."
        for (stream, account), (rows, reason) in schema.rejections(ctx, connection_id).items()
        if stream in defined
    }
    for one in schema.troubles(ctx, connection_id):
        said = (str(one.error.get(k, "")) for k in ("what", "why", "fix"))
        found[one.stream, one.account] = " ".join(filter(None, said))
    return found
