"""The editor of a defined stream in finished texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from liftos_app.services import connections
from liftos_app.services import format as fmt
from liftos_app.services.connectors import landing_fields
from liftos_app.services.connectors.defined import KINDS, Definition
from liftos_app.services.connectors.spec import Lands, Platform, SourceObject

MONEY: Final = frozenset({"money"})
CONSTANTS: Final = frozenset({"id", "text", "count", "money"})
_ROW_TEXT: Final = 12  # fields of a row that the preview shows


@dataclass
class Source:
    """Something to define a stream on."""

    id: str
    name: str
    folder: bool
    about: str


@dataclass
class Setting:
    """One of the platform's own settings of a stream; `choices` as value and label."""

    name: str
    label: str
    help: str
    value: str
    placeholder: str
    required: bool
    choices: list[list[str]] = field(default_factory=list)


@dataclass
class FieldLine:
    """A LiftOS field and where its value comes from."""

    name: str
    title: str
    about: str
    column: str
    constant: str
    unit: str
    fixed: bool  # may be a constant
    money: bool


@dataclass
class ColumnLine:
    """A source column to choose."""

    name: str
    label: str


@dataclass
class RowLine:
    """A source record beside the row it becomes."""

    source: str
    row: str
    reason: str


@dataclass
class Editor:
    """Everything the editor shows."""

    open: bool = False
    existing: bool = False
    listed: bool = False  # sources are chosen from a list
    folder: list[list[str]] = field(default_factory=list)  # the way down: id and name
    sources: list[Source] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    object: str = ""
    landing: str = "facts"
    landings: list[list[str]] = field(default_factory=list)
    name: str = ""
    title: str = ""
    seen: bool = False  # a preview was made
    columns: list[ColumnLine] = field(default_factory=list)
    fields: list[FieldLine] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)
    rows: list[RowLine] = field(default_factory=list)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    wrong: str = ""
    currencies: str = ""
    time_zone: str = ""
    naive_zone: str = ""
    decimal: str = "."
    thousands: str = ""
    date_format: str = ""
    cursor: str = ""
    cursor_kind: str = "time"
    overlap_numbers: str = "1000"
    whole: bool = False
    sums: bool = False
    reread_days: str = "3"
    daily: bool = True  # lands as daily figures
    version: int = 0  # counts previews, so that inputs take their new defaults


def landings() -> list[list[str]]:
    """What a source can be: value and label; CRM and payments by kind."""
    found = []
    for lands, title in landing_fields.TITLES.items():
        for kind in KINDS.get(lands, ("",)):
            label = f"{title}: {kind.replace('_', ' ')}" if kind else title
            found.append([f"{lands.value}:{kind}" if kind else lands.value, label])
    return found


def split_landing(value: str) -> tuple[str, str]:
    """Table and kind of a landing's value."""
    lands, _, kind = value.partition(":")
    return lands, kind


def sources_of(found: list[SourceObject]) -> list[Source]:
    """Sources to choose from."""
    return [
        Source(o.id, o.name, o.kind == "folder",
               o.about or ("" if o.kind == "folder" else o.kind))
        for o in found
    ]


def settings_of(platform: Platform, values: Mapping[str, str]) -> list[Setting]:
    """The platform's own settings of a stream, with what is set."""
    return [
        Setting(
            name=i.name, label=i.label if i.required else f"{i.label} (optional)", help=i.help,
            value=values.get(i.name, i.choices[0][0] if i.choices else ""),
            placeholder=i.placeholder, required=i.required, choices=[list(c) for c in i.choices],
        )
        for i in platform.stream_inputs
    ]


def fill(editor: Editor, one: Definition) -> None:
    """Put a definition into the editor."""
    editor.object, editor.name, editor.title = one.object, one.name, one.title
    editor.landing = f"{one.lands.value}:{one.kind}" if one.kind else one.lands.value
    editor.currencies = ", ".join(one.currencies)
    editor.time_zone, editor.naive_zone = one.time_zone, one.naive_zone
    editor.decimal, editor.thousands = one.decimal, one.thousands
    editor.date_format, editor.cursor = one.date_format, one.cursor
    editor.cursor_kind, editor.overlap_numbers = one.cursor_kind, str(one.overlap_numbers)
    editor.whole, editor.sums = one.mode == "whole", one.sums
    editor.reread_days = str(one.reread_days)
    editor.daily = one.lands is Lands.FACTS


def show(editor: Editor, found: connections.Preview) -> None:
    """Put a preview into the editor."""
    one = found.definition
    fill(editor, one)
    editor.seen, editor.problem, editor.wrong = True, found.problem, ""
    editor.version += 1
    for setting in editor.settings:  # the inputs are made anew and would forget what was typed
        setting.value = one.source.get(setting.name, "")
    editor.columns = [
        ColumnLine(c.name, f"{c.name} ({c.detail or c.type})") for c in found.columns
    ]
    editor.personal = [
        f"{c.name} looks like {c.personal}."
        + (" It is kept as a keyed hash only." if c.field in ("customer", "person")
           else " It is read, because it is mapped." if c.field else " It is left out.")
        for c in found.columns if c.personal
    ]
    editor.fields = [_field(t, one) for t in landing_fields.fields_of(one.lands, one.kind)]
    editor.rows = [
        RowLine(_pairs(r.source), _pairs(_in_units(r.row), most=_ROW_TEXT), r.reason)
        for r in found.rows
    ]
    editor.rejected = sum(bool(r.reason) for r in found.rows)
    editor.notes = list(found.notes)


def about(one: Definition) -> str:
    """One line on a defined stream for the list."""
    read = "read whole each time" if one.mode == "whole" else (
        f"changes by {'the number' if one.cursor_kind == 'number' else 'the time'} {one.cursor}"
        if one.cursor
        else f"the last {fmt.plural(one.reread_days, 'day')} re-read each time"
    )
    return f"{one.object or one.source.get('path', '')}: {read}"


def raw_of(form: Mapping[str, Any], editor: Editor) -> dict[str, Any]:
    """A definition's JSON from what the form sent."""

    def text(name: str, default: str = "") -> str:
        value = form.get(name)
        return str(value).strip()[:500] if value is not None else default

    lands, kind = split_landing(editor.landing)
    fields = {}
    for line in editor.fields:
        column, constant = text(f"column-{line.name}"), text(f"constant-{line.name}")
        unit = text(f"unit-{line.name}") or "whole"
        if column:
            fields[line.name] = {"column": column, "unit": unit}
        elif constant:
            fields[line.name] = {"constant": constant, "unit": unit}
    days = text("reread_days", editor.reread_days)
    numbers = text("overlap_numbers", editor.overlap_numbers)
    return {
        "name": text("name", editor.name), "title": text("title", editor.title),
        "object": editor.object, "lands": lands, "kind": kind, "fields": fields,
        "cursor": text("cursor"), "mode": "whole" if form.get("whole") else "days",
        "cursor_kind": text("cursor_kind", editor.cursor_kind),
        "overlap_numbers": int(numbers) if numbers.isdecimal() and len(numbers) < 14 else -1,
        "reread_days": int(days) if days.isdecimal() and len(days) < 4 else -1,
        "time_zone": text("time_zone") or "UTC", "naive_zone": text("naive_zone") or "UTC",
        "currencies": text("currencies"), "decimal": text("decimal") or ".",
        "thousands": str(form.get("thousands") or ""), "date_format": text("date_format"),
        "sums": bool(form.get("sums")),
        "source": {s.name: str(form.get(f"source-{s.name}") or "")[:2_000]
                   for s in editor.settings},
    }


def _field(target: landing_fields.Target, one: Definition) -> FieldLine:
    found = one.fields.get(target.name)
    return FieldLine(
        name=target.name, title=target.title + (" (required)" if target.required else ""),
        about=target.about, column=found.column if found else "",
        constant=found.constant if found else "", unit=found.unit if found else "whole",
        fixed=target.kind in CONSTANTS, money=target.kind in MONEY,
    )


def _pairs(found: Mapping[str, str], most: int = 40) -> str:
    return ", ".join(f"{k} {v}" for k, v in list(found.items())[:most] if v != "")


def _in_units(row: Mapping[str, str]) -> dict[str, str]:
    """A row's amounts in whole units instead of micro-units, exact."""
    return {
        k.removesuffix("_micros"): format(Decimal(v) / 1_000_000, "f")
        if k.endswith("_micros") and v else v
        for k, v in row.items()
    }
