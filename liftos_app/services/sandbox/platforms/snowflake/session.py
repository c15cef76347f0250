"""What a statement means here: session functions, SHOW, and SQL on the backing store."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.snowflake.wire import Refusal
from liftos_app.services.sandbox.warehouse import Column, Outcome, Store, StoreProblem, stamp
from liftos_app.services.sandbox.warehouse_sql import Dialect, run

CATALOG: Final = "LARKSPUR"
WAREHOUSES: Final = ("LIFTOS_WH", "ETL_WH")
_TYPES: Final = {
    "TEXT": "text", "VARCHAR": "text", "STRING": "text", "NUMBER": "fixed", "DATE": "date",
    "TIMESTAMP_NTZ": "timestamp_ntz", "TIMESTAMP_LTZ": "timestamp_ltz",
    "TIMESTAMP_TZ": "timestamp_tz", "BOOLEAN": "boolean", "VARIANT": "json", "FLOAT": "real",
}
_FLATTEN = re.compile(
    r"SELECT\s+(?P<what>.+?)\s+FROM\s+TABLE\s*\(\s*FLATTEN\s*\(\s*INPUT\s*=>\s*"
    r"PARSE_JSON\s*\(\s*\?\s*\)\s*\)\s*\)", re.I | re.S,
)
_CELL = re.compile(r'\s*value:"(\w+)"::([A-Z_]+)(?:\(\d+,\s*\d+\))?\s+AS\s+"(\w+)"\s*', re.I)
_VALUE = re.compile(r"\s*value::(TEXT|VARCHAR|STRING)\s*", re.I)
_SHOW = re.compile(
    r'SHOW\s+(WAREHOUSES|DATABASES|SCHEMAS\s+IN\s+DATABASE\s+"([^"]+)"|'
    r'(TABLES|VIEWS)\s+IN\s+SCHEMA\s+"([^"]+)"\."([^"]+)")', re.I,
)
_FREE = re.compile(r"^\s*(SHOW|CREATE\s+SCHEMA)\b", re.I)


def store(call: Call) -> Store:
    """The tables of this sandbox, loaded as of now."""
    made: Store | None = call.memory.get("store")
    if made is None:
        made = call.memory["store"] = Store(CATALOG, str.upper)
        _functions(made.db)
    made.refresh(call.world, call.now)
    return made


def execute(
    call: Call, sql: str, binds: Sequence[str], *, user: str, role: str, warehouse: str
) -> Outcome:
    """Run a statement. Raises Refusal (422)."""
    tables = store(call)
    shown = _SHOW.fullmatch(sql.strip().rstrip(";"))
    if shown:
        return _show(tables, shown)
    text = _context(sql, user=user, role=role, warehouse=warehouse)
    if not warehouse and not _FREE.match(sql) and '"' in re.sub(r'AS "[^"]*"', "", text):
        raise Refusal(
            422, "000606", "No active warehouse selected in the current session.  Select an "
            "active warehouse with the 'use warehouse' command.", "57P03",
        )
    try:
        return run(tables, DIALECT, text, list(binds))
    except StoreProblem as problem:
        raise _refused(problem) from None


def bent(call: Call, sql: str, outcome: Outcome) -> Outcome:
    """A query's rows after planted or asked-for trouble. Raises Refusal for a renamed column."""
    table = re.search(r'"\."([^"]+)"(?:\s|$)', sql)
    if not outcome.rows or table is None or not outcome.is_query:
        return outcome
    names = [c.name for c in outcome.columns]
    rows = [dict(zip(names, r, strict=True)) for r in outcome.rows]
    day = next((c.name for c in outcome.columns if c.type == "date"), "")
    after = call.bend(
        table[1], rows, day_of=(lambda r: datetime.fromisoformat(str(r[day])).date()) if day
        else None,
    )
    gone = [n for n in names if after and n not in after[0]]
    if gone:
        raise Refusal(422, "000904", f"SQL compilation error: error line 1 at position 7\n"
                      f"invalid identifier '{gone[0]}'", "42000")
    outcome.rows = [tuple(r[n] for n in names) for r in after]
    return outcome


def _refused(problem: StoreProblem) -> Refusal:
    if problem.kind == "missing":
        if "." in problem.detail or problem.detail.isupper() is False:
            return Refusal(
                422, "002003", f"SQL compilation error:\nObject '{problem.detail}' does not exist "
                "or not authorized.", "02000",
            )
        return Refusal(422, "000904", "SQL compilation error: error line 1 at position 7\n"
                       f"invalid identifier '{problem.detail}'", "42000")
    if problem.kind == "duplicate":
        return Refusal(422, "100090", f"{problem.detail}", "42P18")
    if problem.kind == "exists":
        return Refusal(422, "001430", f"column '{problem.detail}' already exists", "42601")
    if problem.kind == "value":
        return Refusal(422, "100035", "Timestamp or number is not recognized", "22007")
    return Refusal(
        422, "001003", f"SQL compilation error:\nsyntax error line 1 at position 0 "
        f"{problem.detail}", "42000",
    )


def _context(sql: str, *, user: str, role: str, warehouse: str) -> str:
    """Session functions become their values, named as Snowflake names the column."""
    known = {
        "CURRENT_ORGANIZATION_NAME": "LARKSPUR", "CURRENT_ACCOUNT_NAME": "PROD",
        "CURRENT_USER": user, "CURRENT_ROLE": role, "CURRENT_REGION": "AWS_EU_CENTRAL_1",
        "CURRENT_VERSION": "10.10.2", "CURRENT_WAREHOUSE": warehouse,
    }

    def value(match: re.Match[str]) -> str:
        name = match[1].upper()
        return f"'{known[name]}' AS \"{name}()\"" if name in known else match[0]

    return re.sub(r"\b(CURRENT_[A-Z_]+)\s*\(\s*\)", value, sql, flags=re.I)


def _show(tables: Store, found: re.Match[str]) -> Outcome:
    what = found[1].split()[0].upper()
    if what == "WAREHOUSES":
        rows = [(n, "SUSPENDED", "X-Small") for n in WAREHOUSES]
        return Outcome(_columns("name", "state", "size"), list(rows))
    if what == "DATABASES":
        return Outcome(_columns("created_on", "name", "owner"),
                       [("2023-05-08", n, "SYSADMIN") for n in (CATALOG, "SNOWFLAKE")])
    if what == "SCHEMAS":
        _known(found[2] in (CATALOG, "SNOWFLAKE"), found[2])
        names = sorted({s.partition(".")[2] for s in tables.schemas if s.startswith(found[2])})
        return Outcome(_columns("created_on", "name", "database_name"),
                       [("2023-05-08", n, found[2]) for n in ("INFORMATION_SCHEMA", *names)])
    place = f"{found[4]}.{found[5]}"
    _known(place in tables.schemas, place)
    kind = "table" if what == "TABLES" else "view"
    names = sorted(t.parts[2] for t in tables.tables.values()
                   if t.kind == kind and t.name.startswith(place + "."))
    return Outcome(_columns("created_on", "name", "database_name", "schema_name"),
                   [("2023-05-08", n, found[4], found[5]) for n in names])


def _known(there: bool, name: str) -> None:
    if not there:
        raise Refusal(422, "002043", f"SQL compilation error:\nObject does not exist, or operation "
                      f"cannot be performed. {name}", "02000")


def _columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, "text") for n in names)


def _source(sql: str) -> str:
    """FLATTEN of one JSON bind as SQLite's json_each."""
    found = _FLATTEN.fullmatch(sql.strip())
    if found is None:
        raise StoreProblem("syntax", "unexpected 'USING'.")
    if _VALUE.fullmatch(found["what"]):
        return "SELECT value FROM json_each(?)"
    cells = [_CELL.fullmatch(c) for c in _split(found["what"])]
    if not all(cells):
        raise StoreProblem("syntax", "unexpected 'value'.")
    listed = ", ".join(
        f"CAST_{c[2].upper()}(json_extract(value, '$.{c[1]}')) AS \"{c[3]}\"" for c in cells if c
    )
    return f"SELECT {listed} FROM json_each(?)"  # noqa: S608


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside parentheses."""
    return re.split(r",(?![^(]*\))", text)


DIALECT: Final = Dialect(quote='"', types=_TYPES, source=_source)


# --- functions ------------------------------------------------------------------------------------


def _functions(db: sqlite3.Connection) -> None:
    one: dict[str, Any] = {
        "TO_DATE": _to_date, "TO_TIMESTAMP_NTZ": _to_ntz, "TO_TIMESTAMP_TZ": _to_utc,
        "TO_NUMBER": _to_number, "CAST_TEXT": _text, "CAST_VARCHAR": _text, "CAST_DATE": _to_date,
        "CAST_NUMBER": _exact, "CAST_BOOLEAN": lambda v: v, "CAST_VARIANT": _text,
        "CAST_TIMESTAMP_NTZ": _to_ntz,
    }
    for name, fn in one.items():
        db.create_function(name, 1, lambda v, fn=fn: None if v is None else fn(v),
                           deterministic=True)
    db.create_function("TO_CHAR", 1, lambda v: None if v is None else str(v))
    db.create_function("TO_CHAR", 2, _to_char)
    db.create_function("CONVERT_TIMEZONE", 2, _convert)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _exact(value: Any) -> Any:
    from decimal import Decimal

    return format(Decimal(str(value)), "f") if isinstance(value, str) else value


def _to_date(value: Any) -> str:
    return datetime.fromisoformat(str(value)).date().isoformat()


def _to_ntz(value: Any) -> str:
    text = str(value).strip().replace(" ", "T", 1).rstrip("Z")
    head, _, fraction = text.partition(".")
    return f"{datetime.fromisoformat(head).isoformat()}.{fraction[:9]:0<9}"


def _to_utc(value: Any) -> str:
    moment = datetime.fromisoformat(str(value))
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + "Z"


def _to_number(value: Any) -> Any:
    from decimal import Decimal

    number = Decimal(str(value))
    return int(number) if number == number.to_integral_value() else float(number)


def _to_char(value: Any, form: str) -> str | None:
    if value is None:
        return None
    if form == "YYYY-MM-DD":
        return str(value)[:10]
    if form == 'YYYY-MM-DD"T"HH24:MI:SS.FF9':
        return str(value).partition("Z")[0]
    raise ValueError(form)


def _convert(zone: str, value: Any) -> str | None:
    if zone != "UTC":
        raise ValueError(zone)
    return None if value is None else str(value).partition("Z")[0]
