"""Streams that a person defines: what they can be made of, a preview of real rows, keeping them.

`define` works in a transaction; `objects` and `preview` call the platform and store nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, delete, select

from liftos_app.errors import Conflict, Invalid
from liftos_app.models import Account, Connection, Coverage, StreamState
from liftos_app.services import audit, catalogue, condition, links
from liftos_app.services.connections import choosing, reading
from liftos_app.services.connectors import landing_fields
from liftos_app.services.connectors.defined import (
    Definition,
    FieldMap,
    accounts_of,
    definitions,
    read_all,
    read_definition,
    stream_of,
)
from liftos_app.services.connectors.mapping import Mapper
from liftos_app.services.connectors.read import reason
from liftos_app.services.connectors.spec import (
    STREAM_OF,
    AccountInfo,
    Lands,
    Platform,
    Sample,
    SourceColumn,
    SourceObject,
    Task,
)
from liftos_app.services.context import App, Context, Principal, open_context

SHOWN: Final = 20  # rows of a preview
_HOLDS: Final = {"text": "texts", "day": "days", "time": "times", "flag": "yes and no"}
HIDDEN: Final = "left out"  # what stands for a value that looks personal
_LONGEST: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A source column: what it seems to hold, and the field it is mapped or proposed to."""

    name: str
    type: str
    detail: str
    personal: str  # "an e-mail address"; empty when nothing looks personal
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRow:
    """A source record beside what becomes of it. `reason` is set when it would be rejected."""

    source: Mapping[str, str]
    row: Mapping[str, str]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A definition, its mapping completed by proposals, on real rows."""

    definition: Definition
    columns: tuple[Column, ...]
    rows: tuple[PreviewRow, ...]
    problem: str  # why the definition cannot be kept yet; empty when it can
    notes: tuple[str, ...] = ()


def defined(ctx: Context, connection_id: UUID) -> tuple[Definition, ...]:
    """The definitions stored with a connection."""
    ctx.require("connections.read")
    return definitions(reading.get(ctx, connection_id).options)


def define(
    ctx: Context, connection_id: UUID, streams: Sequence[Mapping[str, Any]]
) -> Connection:
    """Replace the defined streams of a connection. Raises Invalid, and then changes nothing.

    New ones are chosen at once; one that changed is read anew from the start.
    """
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    new = {d.name: d for d in read_all(platform, streams)}
    old = {d.name: d for d in definitions(connection.options)}
    if new == old:
        return connection
    if condition.active_run(ctx, connection_id) is not None:
        raise Conflict(
            "A sync of this connection is under way.",
            why="Its streams cannot change while they are being read.",
            fix="Wait until it ends or cancel it, then save again.",
        )
    connection.options = {
        **connection.options, "streams": [d.json() for d in new.values()]
    }
    fixed = [s.name for s in platform.streams if s.name in connection.streams]
    kept = [n for n in new if n in connection.streams or n not in old]
    connection.streams = fixed + kept
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    ctx.session.flush()
    _settle_accounts(ctx, connection, platform, fresh=set(new) - set(old))
    changed = sorted(n for n in new if n in old and new[n] != old[n])
    _forget(ctx, connection, changed)
    condition.note(
        ctx, connection, "settings",
        f"Streams defined: {', '.join(new) or 'none'}."
        + (f" Read anew: {', '.join(changed)}." if changed else ""),
    )
    audit.record(
        ctx, "connection.streams_defined", connection, before=sorted(old), after=sorted(new),
        changed=changed,
    )
    return connection


def objects(
    app: App, who: Principal, org_id: int, connection_id: UUID, folder: str = ""
) -> list[SourceObject]:
    """Tables, views and folders a stream can be defined on. Raises Conflict before sign-in."""
    platform = _ready(app, who, org_id, connection_id)[0]
    if platform.objects is None:
        raise Conflict(
            f"{platform.name} has no list of sources.", why="Its sources are typed in.",
            fix="Give the stream's source settings and ask for a preview.",
        )
    with links.open_client(app, org_id, connection_id, purpose="discover") as client:
        return list(platform.objects(client, folder[:500]))


def preview(
    app: App, who: Principal, org_id: int, connection_id: UUID, raw: Mapping[str, Any]
) -> Preview:
    """Up to 20 real rows of a source, each beside the row it would become; nothing is stored.

    A definition without fields gets the mapping its column names suggest. Values of columns that
    look personal are not shown.
    """
    platform, salt = _ready(app, who, org_id, connection_id)
    draft = read_definition(raw, draft=True)
    if platform.preview is None:
        raise Conflict(
            f"{platform.name} has no streams to define.", why="Its streams are fixed.",
            fix="Choose from its streams.",
        )
    with links.open_client(app, org_id, connection_id, purpose="discover") as client:
        sample = platform.preview(client, draft)
    records = sample.records[:SHOWN]
    if not draft.fields:
        names = [c.name for c in sample.columns]
        proposed = landing_fields.suggest(draft.lands, draft.kind, names)
        draft = replace(draft, fields={f: FieldMap(column=c) for f, c in proposed.items()})
        draft = replace(draft, currencies=draft.currencies or _currencies(draft, records))
        if draft.lands is not Lands.FACTS and draft.mode == "days" and not draft.cursor:
            draft = replace(draft, cursor=proposed.get("updated_at", ""))
    by_column = {m.column: f for f, m in draft.fields.items() if m.column}
    columns = tuple(
        Column(
            name=c.name, type=c.type, detail=c.detail, field=by_column.get(c.name, ""),
            personal=landing_fields.personal(c.name, [r.get(c.name) for r in records]),
        )
        for c in sample.columns
    )
    missing = sorted(set(by_column) - {c.name for c in columns}) if columns else []
    problem = _problem(platform, draft) or (
        f"The source has no column {missing[0]!r}." if missing else ""
    ) or _cursor_problem(platform, draft, sample)
    hidden = {c.name for c in columns if c.personal}
    return Preview(
        definition=draft, columns=columns, notes=sample.notes, problem=problem,
        rows=_rows(draft, records, hidden, salt),
    )


def _ready(
    app: App, who: Principal, org_id: int, connection_id: UUID
) -> tuple[Platform, str]:
    """The platform of a signed-in connection, and the organization's salt."""
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        condition.require_sign_in(ctx, connection)
        return catalogue.find(connection.platform), app.vault.salt(org_id)


def _problem(platform: Platform, draft: Definition) -> str:
    try:
        read_all(platform, [draft.json()])
    except Invalid as error:
        return error.why
    return ""


def _cursor_problem(platform: Platform, draft: Definition, sample: Sample) -> str:
    """Why the cursor column is none, as far as the sample shows; reading checks every value."""
    held = next((c for c in sample.columns if c.name == draft.cursor), None)
    if not draft.cursor or not sample.columns:
        return ""
    if held is None:
        return f"The source has no column {draft.cursor!r}."
    if draft.cursor_kind == "number":
        return _no_number(platform, draft, sample, held)
    if held.type == "number" and not draft.date_format:
        return (f"{held.name} holds numbers. Say that it is a number that grows; or, where it is a "
                "Unix time, write epoch_s or epoch_ms as the date format.")
    return ""


def _no_number(
    platform: Platform, draft: Definition, sample: Sample, held: SourceColumn
) -> str:
    wanted = f"{held.name} is to hold a whole number that grows. "
    texts = held.type == "text" and platform.objects is not None  # types are the source's own
    if texts or held.type in ("day", "time", "flag"):
        return f"{wanted}It holds {_HOLDS[held.type]}: say so, or choose another column."
    mapper = _mapper(draft, "")
    for record in sample.records:
        value = record.get(held.name)
        try:
            if value not in (None, ""):
                mapper.whole(value)
        except ValueError as error:
            return f"{wanted}One value is {error}."
    return ""


def _mapper(draft: Definition, salt: str) -> Mapper:
    """Its mapping for any day; the currency of daily figures decides the account, not the row."""
    fields = {
        n: m for n, m in draft.fields.items()
        if not (n == "currency" and draft.lands is Lands.FACTS)
    }
    whole = replace(
        draft, mode="whole", fields=fields, currencies=draft.currencies or ("",),
        title=draft.title or "Preview",
    )
    return Mapper(whole, Task(
        stream=stream_of(whole, _never), salt=salt, start=date.min, end=date.max, today=date.min,
        account=AccountInfo("", "", currency=whole.currencies[0], time_zone=draft.time_zone),
    ))


def _rows(
    draft: Definition, records: Sequence[Mapping[str, Any]], hidden: set[str], salt: str
) -> tuple[PreviewRow, ...]:
    """Each record as text beside its row as text. Days are not limited to a span here."""
    mapper = _mapper(draft, salt)
    found = []
    for record in records:
        source = {k: HIDDEN if k in hidden and v is not None else _shown(v)
                  for k, v in record.items()}
        try:
            row = mapper.row(mapper.clean(record)) or {}
            found.append(PreviewRow(
                source=source, row={k: _shown(v) for k, v in row.items() if _says(v)}
            ))
        except (ValueError, TypeError, KeyError) as error:
            found.append(PreviewRow(source=source, row={}, reason=reason(error)))
    return tuple(found)


def _currencies(draft: Definition, records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The currencies seen in a currency column, when they all are such."""
    found = draft.fields.get("currency")
    seen = sorted({str(r.get(found.column)).strip() for r in records}) if found else []
    return tuple(seen) if all(len(c) == 3 and c.isupper() for c in seen) else ()


def _never(*_: Any) -> Any:
    raise NotImplementedError


def _says(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _settle_accounts(
    ctx: Context, connection: Connection, platform: Platform, *, fresh: set[str]
) -> None:
    """Accounts for the defined streams: new ones are chosen, those of removed ones rest."""
    rows = reading.accounts_of(ctx, connection.id)
    discovered = [
        AccountInfo(
            external_id=a.external_id, name=a.name, currency=a.currency, time_zone=a.time_zone,
            status=a.status, usable=a.usable, reason=a.reason, extra=dict(a.extra),
        )
        for a in rows if not a.extra.get(STREAM_OF)
    ]
    before = {a.external_id for a in rows}
    wanted = accounts_of(platform, connection.options, discovered)
    choosing.remember(ctx, connection, wanted)
    names = {i.external_id for i in wanted}
    for account in reading.accounts_of(ctx, connection.id):
        stream = str(account.extra.get(STREAM_OF, ""))
        if account.external_id not in names and stream:
            account.selected, account.reason = False, "Its stream was removed."
        elif stream and (stream in fresh or account.external_id not in before):
            account.selected = True
        ctx.session.add(account)
    ctx.session.flush()


def _forget(ctx: Context, connection: Connection, streams: Sequence[str]) -> None:
    """Forget what was read of changed streams, so that the next sync reads them from the start."""
    keys = ctx.session.exec(
        select(Account.key).where(
            col(Account.org_id) == ctx.org, col(Account.connection_id) == connection.id
        )
    ).all()
    for table in (Coverage, StreamState) if streams else ():
        ctx.session.exec(delete(table).where(
            col(table.org_id) == ctx.org, col(table.account_key).in_(keys),
            col(table.stream).in_(streams),
        ))
