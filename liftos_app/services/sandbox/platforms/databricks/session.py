"""What a statement means here: SQL on the backing store, in Databricks' words."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.databricks.wire import Failure
from liftos_app.services.sandbox.warehouse import Column, Outcome, Store, StoreProblem, stamp
from liftos_app.services.sandbox.warehouse_sql import Dialect, run

CATALOG: Final = "larkspur"
_TYPES: Final = {
    "STRING": "text", "DECIMAL": "fixed", "BIGINT": "fixed", "INT": "fixed", "DATE": "date",
    "TIMESTAMP": "timestamp_ltz", "TIMESTAMP_NTZ": "timestamp_ntz", "BOOLEAN": "boolean",
    "DOUBLE": "real",
}
_INLINE = re.compile(
    r"SELECT\s+inline\s*\(\s*from_json\s*\(\s*:(?P<name>\w+)\s*,\s*'(?P<form>[^']+)'\s*\)\s*\)",
    re.I,
)
_EXPLODE = re.compile(
    r"SELECT\s+explode\s*\(\s*from_json\s*\(\s*:(?P<name>\w+)\s*,\s*'array<string>'\s*\)\s*\)",
    re.I,
)
_FIELD = re.compile(r"(\w+):([a-z_]+)(?:\((\d+),\s*(\d+)\))?")
_CAST = re.compile(r"CAST\s*\(\s*(:\w+|MAX\([^()]+\))\s+AS\s+([A-Z_]+)(?:\(\d+,\s*\d+\))?\s*\)",
                   re.I)


def store(call: Call) -> Store:
    """The tables of this sandbox, loaded as of now."""
    made: Store | None = call.memory.get("store")
    if made is None:
        made = call.memory["store"] = Store(CATALOG, str.lower)
        _functions(made.db)
    made.refresh(call.world, call.now)
    return made


def execute(call: Call, sql: str, params: Mapping[str, str | None]) -> Outcome:
    """Run a statement. Raises Failure."""
    text = _CAST.sub(lambda m: f"AS_{m[2].upper()}({m[1]})", sql)
    text = re.sub(r"current_timezone\s*\(\s*\)", "'UTC'", text, flags=re.I)
    text = re.sub(r"current_user\s*\(\s*\)", "'robin@larkspur.example'", text, flags=re.I)
    text = re.sub(r"(date_format\([^\"]*)\"([^\"]*)\"", _single, text)
    named = set(re.findall(r":(\w+)", re.sub(r"'(?:[^']|'')*'", "", text)))
    unbound = sorted(named - set(params))
    if unbound:
        raise Failure("BAD_REQUEST", f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: "
                      f"{unbound[0]}. SQLSTATE: 42P02")
    try:
        return run(store(call), DIALECT, text, {n: params[n] for n in named})
    except StoreProblem as problem:
        raise _failed(problem) from None


def bent(call: Call, sql: str, outcome: Outcome) -> Outcome:
    """A query's rows after planted or asked-for trouble. Raises Failure for a renamed column."""
    table = re.search(r"`\.`([^`]+)`(?:\s|$)", sql)
    if not outcome.rows or table is None or not outcome.is_query:
        return outcome
    names = [c.name for c in outcome.columns]
    rows = [dict(zip(names, r, strict=True)) for r in outcome.rows]
    day = next((c.name for c in outcome.columns if c.type == "date"), "")
    after = call.bend(
        table[1], rows, day_of=(lambda r: date.fromisoformat(str(r[day]))) if day else None
    )
    gone = [n for n in names if after and n not in after[0]]
    if gone:
        raise Failure("BAD_REQUEST", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function "
                      f"parameter with name `{gone[0]}` cannot be resolved. SQLSTATE: 42703")
    outcome.rows = [tuple(r[n] for n in names) for r in after]
    return outcome


def counted(outcome: Outcome) -> Outcome:
    """The one row that tells how many rows a MERGE or DELETE touched."""
    names = ("num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows")
    total = outcome.inserted + outcome.updated + outcome.deleted
    return Outcome(
        tuple(Column(n, "fixed") for n in names),
        [(total, outcome.updated, outcome.deleted, outcome.inserted)],
    )


def _single(found: re.Match[str]) -> str:
    inner = found[2].replace("'", "''")
    return f"{found[1]}'{inner}'"


_FAILURES: Final[Mapping[str, tuple[str, str]]] = {
    "schema": ("NOT_FOUND", "[SCHEMA_NOT_FOUND] The schema {0} cannot be found. SQLSTATE: 42704"),
    "table": ("NOT_FOUND", "[TABLE_OR_VIEW_NOT_FOUND] The table or view {0} cannot be found. "
              "SQLSTATE: 42P01"),
    "column": ("BAD_REQUEST", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function parameter "
               "with name {0} cannot be resolved. SQLSTATE: 42703"),
    "duplicate": ("BAD_REQUEST", "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot "
                  "perform Merge as multiple source rows matched. SQLSTATE: 21506"),
    "exists": ("ALREADY_EXISTS", "[FIELD_ALREADY_EXISTS] Cannot add column, because {0} already "
               "exists. SQLSTATE: 42710"),
    "value": ("BAD_REQUEST", "[CAST_INVALID_INPUT] The value cannot be cast. SQLSTATE: 22018"),
    "syntax": ("BAD_REQUEST", "[PARSE_SYNTAX_ERROR] Syntax error at or near {0}. SQLSTATE: 42601"),
}


def _failed(problem: StoreProblem) -> Failure:
    kind = problem.kind
    if kind == "missing":
        kind = {0: "column", 1: "schema"}.get(problem.detail.count("."), "table")
    shown = ".".join(f"`{p}`" for p in problem.detail.split("."))
    code, words = _FAILURES[kind]
    return Failure(code, words.format(problem.detail if kind == "syntax" else shown))


def _source(sql: str) -> str:
    """inline(from_json(:rows, 'array<struct<...>>')) as SQLite's json_each."""
    exploded = _EXPLODE.fullmatch(sql.strip())
    if exploded:
        return f"SELECT value FROM json_each(:{exploded['name']})"  # noqa: S608
    found = _INLINE.fullmatch(sql.strip())
    form = re.fullmatch(r"array<struct<(.+)>>", found["form"].strip(), re.I) if found else None
    if found is None or form is None:
        raise StoreProblem("syntax", "'USING'.")
    fields = _FIELD.findall(form[1])
    if not fields:
        raise StoreProblem("syntax", "'from_json'.")
    listed = ", ".join(
        f"JSON_{kind.upper()}(json_extract(value, '$.{name}')) AS \"{name}\""
        for name, kind, _, _ in fields
    )
    return f"SELECT {listed} FROM json_each(:{found['name']})"  # noqa: S608


DIALECT: Final = Dialect(quote="`", types=_TYPES, source=_source)


# --- functions ------------------------------------------------------------------------------------


def _functions(db: sqlite3.Connection) -> None:
    one: dict[str, Any] = {
        "AS_DATE": _date, "AS_TIMESTAMP": _utc, "AS_TIMESTAMP_NTZ": _wall, "AS_DECIMAL": _number,
        "AS_STRING": str,
        # from_json gives null for what is no value of the type
        "JSON_STRING": lambda v: v if isinstance(v, str) else json.dumps(v),
        "JSON_DATE": _or_none(_date), "JSON_TIMESTAMP": _or_none(_utc),
        "JSON_DECIMAL": _or_none(_exact), "JSON_BOOLEAN": lambda v: v, "JSON_BIGINT": _or_none(int),
    }
    for name, fn in one.items():
        db.create_function(name, 1, lambda v, fn=fn: None if v is None else fn(v),
                           deterministic=True)
    db.create_function("date_format", 2, _format)
    db.create_function("to_utc_timestamp", 2, lambda v, _zone: v)


def _or_none(convert: Any) -> Any:
    def tried(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError, InvalidOperation):
            return None

    return tried


def _date(value: Any) -> str:
    return date.fromisoformat(str(value)[:10]).isoformat()


def _wall(value: Any) -> str:
    head, _, fraction = str(value).replace(" ", "T", 1).rstrip("Z").partition(".")
    return f"{datetime.fromisoformat(head).isoformat()}.{fraction[:9]:0<9}"


def _utc(value: Any) -> str:
    moment = datetime.fromisoformat(str(value))
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + "Z"


def _exact(value: Any) -> str:
    return format(Decimal(str(value)), "f")


def _number(value: Any) -> Any:
    number = Decimal(str(value))
    return int(number) if number == number.to_integral_value() else float(number)


def _format(value: Any, form: str) -> str | None:
    if value is None:
        return None
    if form != "yyyy-MM-dd'T'HH:mm:ss.SSSSSS":
        raise ValueError(form)
    head, _, fraction = str(value).partition(" ")[0].rstrip("Z").partition(".")
    return f"{head}.{fraction[:6]:0<6}"
