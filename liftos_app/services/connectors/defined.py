"""Streams that a person defines: which source, where its rows land, which column is which field.

Definitions are JSON in `Connection.options["streams"]`, checked here. Each one has accounts of its
own, one per currency: its days, its zone and its figures are apart from all other streams'.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from liftos_app.errors import Invalid
from liftos_app.services.connectors import landing_fields as known
from liftos_app.services.connectors.cursors import CursorKind
from liftos_app.services.connectors.rows import CAMPAIGN, CRM_KINDS, PAYMENT_KINDS
from liftos_app.services.connectors.spec import (
    STREAM_OF,
    AccountInfo,
    Lands,
    Page,
    Platform,
    Stream,
    Window,
)

log = logging.getLogger(__name__)
MOST: Final = 50  # definitions of one connection
HISTORY_DAYS: Final = 3650
OVERLAP_NUMBERS: Final = 1_000
DAYS_PER_REQUEST: Final = 31  # of a source whose own limits nobody knows
KINDS: Final[Mapping[Lands, tuple[str, ...]]] = {
    Lands.CRM: CRM_KINDS, Lands.PAYMENTS: PAYMENT_KINDS,
}
_NAME = re.compile(r"[a-z][a-z0-9_]{2,39}")
_FIGURE = re.compile(r"-?\d{1,12}(\.\d{1,6})?")
_CODE = re.compile(r"[A-Z]{3}")
_UNITS = ("whole", "cents", "micros")
_KEYS = frozenset({
    "name", "title", "object", "lands", "kind", "fields", "cursor", "mode", "reread_days",
    "overlap_seconds", "cursor_kind", "overlap_numbers", "time_zone", "naive_zone", "currencies",
    "decimal", "thousands", "date_format", "sums", "source",
})
Read = Callable[..., Iterator[Page]]  # (definition, client, task)


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Where a field's value comes from: a column, or a constant. `unit` is of amounts."""

    column: str = ""
    constant: str = ""
    unit: str = "whole"  # whole, cents, micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One stream as a person defined it.

    mode "days": read by spans of days, the last `reread_days` again each sync; with `cursor` (not
    for daily figures) changes are read after the first load. The cursor column holds the time of
    the last change, or a whole number that every new or changed record raises (`cursor_kind`);
    with a number the last days are read again as well. mode "whole": everything each time.
    """

    name: str
    title: str
    object: str = ""  # the platform's id of the table; empty where `source` says it all
    lands: Lands
    kind: str = ""  # CRM and payments
    fields: Mapping[str, FieldMap]
    cursor: str = ""
    mode: str = "days"
    reread_days: int = 3
    overlap_seconds: int = 3600
    cursor_kind: str = "time"  # time, number
    overlap_numbers: int = OVERLAP_NUMBERS  # numbers given before, but stored after a higher one
    time_zone: str = "UTC"  # days are days there
    naive_zone: str = "UTC"  # what times without a zone mean
    currencies: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    date_format: str = ""  # empty: ISO; epoch_s, epoch_ms, or a strptime format
    sums: bool = False  # add up the rows of one campaign and day
    source: Mapping[str, str] = field(default_factory=dict)  # the platform's stream_inputs

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs, each once, in the order of its fields."""
        found = [m.column for m in self.fields.values() if m.column]
        return tuple(dict.fromkeys([*found, *([self.cursor] if self.cursor else [])]))

    @property
    def day_column(self) -> str:
        """The column that decides a record's day."""
        found = self.fields.get(known.DAY_FIELD[self.lands])
        return found.column if found else ""

    def json(self) -> dict[str, Any]:
        """As it is stored and sent."""
        return {
            **{n: getattr(self, n) for n in _KEYS if n not in ("lands", "fields", "currencies")},
            "lands": self.lands.value, "currencies": list(self.currencies),
            "source": dict(self.source),
            "fields": {
                n: {k: v for k, v in (("column", m.column), ("constant", m.constant),
                                      ("unit", m.unit)) if v and v != "whole"}
                for n, m in self.fields.items()
            },
        }


def read_definition(raw: object, *, draft: bool = False) -> Definition:
    """A definition from JSON. Raises Invalid naming what is wrong; a draft may lack fields."""
    if not isinstance(raw, Mapping):
        raise _invalid("A stream is a JSON object.", "streams")
    unknown = sorted(set(map(str, raw)) - _KEYS)
    if unknown:
        raise _invalid(f"A stream has no setting called {unknown[0][:40]!r}.", unknown[0][:40])
    lands = _lands(raw.get("lands"))
    found = Definition(
        name=_text(raw, "name"), title=_text(raw, "title") or _text(raw, "name"),
        object=_text(raw, "object", 500), lands=lands, kind=_text(raw, "kind"),
        fields=_fields(raw.get("fields")), cursor=_text(raw, "cursor", 200),
        mode=_text(raw, "mode") or "days", reread_days=_number(raw, "reread_days", 3, 90),
        overlap_seconds=_number(raw, "overlap_seconds", 3600, 30 * 86_400),
        cursor_kind=_text(raw, "cursor_kind") or "time",
        overlap_numbers=_number(raw, "overlap_numbers", OVERLAP_NUMBERS, 10**12),
        time_zone=_text(raw, "time_zone") or "UTC", naive_zone=_text(raw, "naive_zone") or "UTC",
        currencies=_codes(raw.get("currencies")), decimal=_text(raw, "decimal") or ".",
        thousands=str(raw.get("thousands") or ""), date_format=_text(raw, "date_format"),
        sums=_flag(raw, "sums"), source=_source(raw.get("source")),
    )
    for problem, where in _problems(found, draft=draft):
        raise _invalid(problem, where)
    return found


def read_all(platform: Platform, raw: object) -> tuple[Definition, ...]:
    """All definitions of a connection. Raises Invalid, also for what the platform itself refuses.
    """
    if platform.define is None:
        raise _invalid(f"{platform.name} has no streams to define.", "streams")
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) > MOST:
        raise _invalid(f"Streams are a list of at most {MOST}.", "streams")
    found = tuple(read_definition(one) for one in raw)
    names = [d.name for d in found] + [s.name for s in platform.streams]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise _invalid(f"Two streams are called {twice[0]!r}.", "name")
    platform.define({"streams": [d.json() for d in found]})
    return found


def streams_of(platform: Platform, options: Mapping[str, Any]) -> tuple[Stream, ...]:
    """Every stream of a connection: the platform's own, then those a person defined."""
    if not options.get("streams") or platform.define is None:
        return platform.streams
    return platform.streams + platform.define(options)


def definitions(options: Mapping[str, Any]) -> tuple[Definition, ...]:
    """The definitions stored with a connection. One this version cannot read is left out."""
    found = []
    for raw in options.get("streams") or ():
        try:
            found.append(read_definition(raw))
        except Invalid as error:
            log.warning("stream.definition_unreadable", extra={"why": error.why})
    return tuple(found)


def make_streams(
    options: Mapping[str, Any], read: Read, *, days_per_request: int = DAYS_PER_REQUEST
) -> tuple[Stream, ...]:
    """For `Platform.define`: a stream of each definition, read by `read(definition, client, task)`.
    """
    return tuple(stream_of(d, read, days_per_request) for d in definitions(options))


def stream_of(
    definition: Definition, read: Read, days_per_request: int = DAYS_PER_REQUEST
) -> Stream:
    """The stream of one definition."""
    window = None
    if definition.mode == "days":
        window = Window(
            days_per_request=days_per_request, reread_days=definition.reread_days,
            latency_hours=24, settle_days=max(definition.reread_days, 3),
            history_days=HISTORY_DAYS,
        )
    facts = definition.lands is Lands.FACTS
    return Stream(
        name=definition.name, title=definition.title, lands=definition.lands,
        grain="campaign x day" if facts else definition.kind.replace("_", " ") or "order",
        level=CAMPAIGN if facts else 0, kind=definition.kind,
        key=("entity_id", "day") if facts else ("external_id",),
        required=("entity_id", "day") if facts else ("external_id",), window=window,
        cursor=_cursor(definition),
        overlap_seconds=definition.overlap_seconds, defined=True,
        read=partial(read, definition),
    )


def _cursor(one: Definition) -> CursorKind:
    if not one.cursor or one.lands is Lands.FACTS or one.mode != "days":
        return ""
    return "number" if one.cursor_kind == "number" else "time"


def accounts_of(
    platform: Platform, options: Mapping[str, Any], discovered: Sequence[AccountInfo]
) -> tuple[AccountInfo, ...]:
    """What discovery found, and the accounts of the defined streams under one usable one."""
    usable = (a for a in discovered if a.usable)
    base = min(usable, key=lambda a: a.external_id, default=None)
    if base is None or platform.define is None:
        return tuple(discovered)
    made = [a for d in definitions(options) for a in _accounts(d, base)]
    return (*discovered, *made)


def _accounts(definition: Definition, base: AccountInfo) -> Iterator[AccountInfo]:
    apart = definition.lands is Lands.FACTS and len(definition.currencies) > 1
    for currency in definition.currencies if apart else definition.currencies[:1] or ("",):
        tail = f"/{currency}" if apart else ""
        yield replace(
            base, external_id=f"{base.external_id[:70]}/{definition.name}{tail}",
            name=definition.title + (f", {currency}" if apart else ""), currency=currency,
            time_zone=definition.time_zone, status="",
            extra={**base.extra, STREAM_OF: definition.name},
        )


# --- checks ---------------------------------------------------------------------------------------


def _problems(one: Definition, *, draft: bool) -> Iterator[tuple[str, str]]:
    """What is wrong, in sentences, with the setting it concerns."""
    if not draft and not _NAME.fullmatch(one.name):
        yield ("A stream's name has 3 to 40 small letters, digits and underscores and begins with "
               "a letter.", "name")
    if one.mode not in ("days", "whole"):
        yield "A stream is read by days or whole.", "mode"
    if one.mode == "whole" and one.lands is Lands.FACTS:
        yield "Daily figures are read by days.", "mode"
    yield from _cursor_problems(one)
    kinds = KINDS.get(one.lands, ())
    if kinds and one.kind not in kinds and not draft:
        yield f"The kind of these records is one of: {', '.join(kinds)}.", "kind"
    for name, zone in (("time_zone", one.time_zone), ("naive_zone", one.naive_zone)):
        if not _is_zone(zone):
            yield f"{zone[:40]!r} is no time zone, such as Europe/Berlin.", name
    if one.decimal not in (".", ",") or one.thousands not in ("", ".", ",", " ", "'"):
        yield "Signs are . or , for decimals, and . , ' or a space for thousands.", "decimal"
    if one.thousands == one.decimal:
        yield "The decimal sign and the thousands sign are the same.", "thousands"
    if one.date_format and not one.date_format.startswith("epoch_") and "%" not in one.date_format:
        yield "A date format looks like %d.%m.%Y; or epoch_s, or epoch_ms.", "date_format"
    if one.date_format.startswith("epoch_") and one.date_format not in ("epoch_s", "epoch_ms"):
        yield "Unix times are epoch_s or epoch_ms.", "date_format"
    yield from _field_problems(one, draft=draft)


def _cursor_problems(one: Definition) -> Iterator[tuple[str, str]]:
    if one.cursor and one.lands is Lands.FACTS:
        yield "Daily figures take no cursor column; their last days are re-read.", "cursor"
    if one.cursor and one.mode == "whole":
        yield "What is read whole each time needs no cursor column.", "cursor"
    if one.cursor_kind not in ("time", "number"):
        yield "A cursor column holds a time or a number.", "cursor_kind"


def _field_problems(one: Definition, *, draft: bool) -> Iterator[tuple[str, str]]:
    targets = {t.name: t for t in known.fields_of(one.lands, one.kind)}
    for name, found in one.fields.items():
        if name not in targets:
            yield (f"{known.TITLES[one.lands]} have no field called {name[:40]!r}; they have "
                   f"{', '.join(targets)}.", f"fields.{name[:40]}")
        elif bool(found.column) == bool(found.constant):
            yield f"{targets[name].title} comes from a column or is a constant.", f"fields.{name}"
        elif found.unit not in _UNITS:
            yield "Amounts are in whole units, cents or micros.", f"fields.{name}"
        elif found.constant and targets[name].kind in ("day", "time", "person", "flag"):
            yield f"{targets[name].title} cannot be a constant.", f"fields.{name}"
        elif found.constant and targets[name].kind in ("count", "money") and not (
            _FIGURE.fullmatch(found.constant)
        ):
            yield f"{targets[name].title} is a number, such as 12.50.", f"fields.{name}"
        elif found.constant and targets[name].kind == "currency":
            yield "A constant currency goes into currencies.", f"fields.{name}"
    if draft:
        return
    for target in targets.values():
        if target.required and target.name not in one.fields:
            yield f"{target.title} needs a column.", f"fields.{target.name}"
    if not one.currencies and (one.lands is not Lands.CRM):
        yield "Name the currency of the amounts, such as EUR.", "currencies"
    if len(one.currencies) > 1 and "currency" not in one.fields:
        yield "Several currencies need a currency column.", "fields.currency"


def _fields(raw: object) -> dict[str, FieldMap]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or len(raw) > 60:
        raise _invalid("Fields are a JSON object: field name to column.", "fields")
    found = {}
    for name, given in raw.items():
        one = {"column": given} if isinstance(given, str) else given
        if not isinstance(one, Mapping) or set(one) - {"column", "constant", "unit"}:
            raise _invalid(
                "A field is a column name, or an object with column, constant and unit.",
                f"fields.{str(name)[:40]}",
            )
        found[str(name)] = FieldMap(
            column=str(one.get("column") or "")[:200], unit=str(one.get("unit") or "whole")[:10],
            constant=str(one.get("constant") or "")[:200],
        )
    return found


def _source(raw: object) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or len(raw) > 40:
        raise _invalid("The source settings are a JSON object of texts.", "source")
    return {str(k)[:60]: str(v)[:2_000] for k, v in raw.items() if v not in (None, "")}


def _lands(raw: object) -> Lands:
    if isinstance(raw, str) and raw in {one.value for one in known.FIELDS}:
        return Lands(raw)
    names = ", ".join(one.value for one in known.FIELDS)
    raise _invalid(f"A stream lands in one of: {names}.", "lands")


def _codes(raw: object) -> tuple[str, ...]:
    given = raw if isinstance(raw, list | tuple) else re.split(r"[,\s]+", str(raw or ""))
    found = tuple(dict.fromkeys(str(c).strip().upper() for c in given if str(c).strip()))
    wrong = [c for c in found if not _CODE.fullmatch(c)]
    if wrong or len(found) > 20:
        raise _invalid("A currency is its three letters, such as EUR.", "currencies")
    return found


def _text(raw: Mapping[Any, Any], name: str, length: int = 120) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable() or len(value) > length:
        raise _invalid(f"{name} is a text of at most {length} characters.", name)
    return value.strip()


def _number(raw: Mapping[Any, Any], name: str, default: int, most: int) -> int:
    value = raw.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise _invalid(f"{name} is a whole number from 0 to {most}.", name)
    return value


def _flag(raw: Mapping[Any, Any], name: str) -> bool:
    value = raw.get(name, False)
    if type(value) is not bool:
        raise _invalid(f"{name} is true or false.", name)
    return value


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _invalid(why: str, where: str) -> Invalid:
    return Invalid(
        "This stream cannot be used as it is defined.", why=why,
        fix="Change its definition and send it again.", field=where, fields={where: why},
    )
