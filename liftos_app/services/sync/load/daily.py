"""Figures by entity and day: compared with what is stored, the hot path of every sync."""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy.engine import Connection as DbConnection

from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.connectors.spec import Rejected, Row
from liftos_app.services.sync.load.changes import Shape
from liftos_app.services.sync.load.entities import entity_keys
from liftos_app.services.sync.load.shared import BIGGEST, Counts, Landing, days_of, repeat

_FACTS = ("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros")
_MAIL = (
    "recipients", "delivered", "opens_unique", "clicks_unique", "unsubscribes", "spam_complaints",
    "bounced", "conversions", "value_micros",
)


def load_facts(landing: Landing) -> Counts:
    """Daily facts. One pass of plain Python per row: this is the hot path of every sync."""
    rows, cells = _checked(landing, _FACTS)
    keys = entity_keys(landing.session, landing.target, landing.stream.level, rows)
    fresh: dict[tuple[int, str, int], tuple[Any, ...]] = {}
    extras: dict[tuple[int, str, str], tuple[Any, ...]] = {}
    counts = Counts()
    for row, values in zip(rows, cells, strict=True):
        get = row.get
        key = (keys[row["entity_id"]], row["day"], ATTRIBUTION[get("setting", "none")])
        if key in fresh:
            repeat(row, fresh[key] == values, counts, landing.rejected)
            continue
        fresh[key] = values
        more = get("extra")
        if more:
            for metric, value in more.items():
                if value is not None:
                    extras[key[0], key[1], metric] = (value,)
    _compare(landing, _DAILY, fresh, counts)
    _compare(landing, _EXTRA, extras, Counts())
    return counts


def load_mail(landing: Landing) -> Counts:
    rows, cells = _checked(landing, _MAIL)
    keys = entity_keys(landing.session, landing.target, landing.stream.level, rows)
    fresh: dict[tuple[int, str], tuple[Any, ...]] = {}
    counts = Counts()
    for row, values in zip(rows, cells, strict=True):
        key = (keys[row["entity_id"]], row["day"])
        if key in fresh:
            repeat(row, fresh[key] == values, counts, landing.rejected)
        else:
            fresh[key] = values
    _compare(landing, _MAILED, fresh, counts)
    return counts


_DAILY = Shape("fact_daily", ("entity_key", "day", "setting"), _FACTS)
_EXTRA = Shape("fact_extra", ("entity_key", "day", "metric"), ("value",))
_MAILED = Shape("mail_fact", ("entity_key", "day"), _MAIL)


def _compare(
    landing: Landing, shape: Shape, fresh: dict[Any, tuple[Any, ...]], counts: Counts
) -> None:
    """Insert what is new, update what differs, remove what vanished inside the span."""
    target, level = landing.target, landing.stream.level
    connection = landing.session.connection()
    old = _existing(connection, landing, shape, fresh)
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    place = (target.org_id, target.account_key, level)
    listening, tell = landing.changes.listening, landing.changes.figures
    if not old and not listening:
        new = [key + place + values for key, values in fresh.items()]
    else:
        for key, values in fresh.items():
            before = old.pop(key, None)
            if before is None:
                new.append(key + place + values)
            elif before != values:
                changed.append(values + key)
            else:
                continue
            if listening:
                tell(shape, level, key, before, values)
    counts.unchanged += len(fresh) - len(new) - len(changed)
    counts.written += len(new)
    counts.updated += len(changed)
    counts.per_day.update(Counter(key[1] for key in fresh))
    _insert(
        connection, shape.name, (*shape.keys, "org_id", "account_key", "level", *shape.values), new
    )
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    where = f"account_key = {target.account_key:d} AND level = {level:d} AND " + " AND ".join(
        f"{n} = {mark}" for n in shape.keys
    )
    if changed:
        values_sql = ", ".join(f"{n} = {mark}" for n in shape.values)
        connection.exec_driver_sql(
            f"UPDATE {shape.name} SET {values_sql} WHERE {where}", changed  # noqa: S608
        )
    if landing.span is not None and old:
        for key in old if listening else ():
            tell(shape, level, key, old[key], None)
        connection.exec_driver_sql(
            f"DELETE FROM {shape.name} WHERE {where}", list(old)  # noqa: S608
        )
        counts.removed += len(old)


def _existing(
    connection: DbConnection, landing: Landing, shape: Shape, fresh: dict[Any, tuple[Any, ...]]
) -> dict[Any, tuple[Any, ...]]:
    """Rows already there in the span (or the span of the fresh rows), in the form of `fresh`."""
    if landing.span is not None:
        first, last = landing.span[0].isoformat(), landing.span[1].isoformat()
    elif fresh:
        days = [key[1] for key in fresh]
        first, last = min(days), max(days)
    else:
        return {}
    sqlite = connection.dialect.name == "sqlite"
    mark = "?" if sqlite else "%s"
    day = "day" if sqlite else "day::text"
    columns = ", ".join((shape.keys[0], day, *shape.keys[2:], *shape.values))
    found = connection.exec_driver_sql(
        f"SELECT {columns} FROM {shape.name} WHERE org_id = {mark} "  # noqa: S608
        f"AND account_key = {mark} AND level = {mark} AND day BETWEEN {mark} AND {mark}",
        (landing.target.org_id, landing.target.account_key, landing.stream.level, first, last),
    )
    width = len(shape.keys)
    return {tuple(r[:width]): tuple(r[width:]) for r in found}


def _insert(
    connection: DbConnection, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    """Add rows that are known to be new: COPY on PostgreSQL, INSERT of many rows on SQLite."""
    if not rows:
        return
    names = ", ".join(columns)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        _insert_sqlite(raw, f"INSERT INTO {table} ({names}) VALUES ", rows)  # noqa: S608
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for start in range(0, len(rows), 2000):
            copy.write("".join(
                "\t".join(["\\N" if v is None else str(v) for v in row]) + "\n"
                for row in rows[start:start + 2000]
            ))


def _insert_sqlite(raw: Any, head: str, rows: list[tuple[Any, ...]]) -> None:
    """Many rows by each statement: every step of SQLite gives the interpreter away, and has to wait
    for the thread that reads on to give it back, up to five milliseconds (sys.setswitchinterval).
    """
    width = len(rows[0])
    most = max(1, min(2000, raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width))
    row = "(" + ",".join("?" * width) + ")"
    for start in range(0, len(rows), most):
        part = rows[start:start + most]
        raw.execute(head + ",".join([row] * len(part)), list(chain.from_iterable(part)))


def _checked(
    landing: Landing, names: tuple[str, ...]
) -> tuple[list[Row], list[tuple[Any, ...]]]:
    """Rows that can be stored, and beside them their values in the order of `names`."""
    allowed = days_of(landing.span, landing.rows)
    fetch = itemgetter(*names)
    good: list[Row] = []
    cells: list[tuple[Any, ...]] = []
    for row in landing.rows:
        try:
            values = fetch(row)
        except KeyError:
            values = tuple([row.get(name) for name in names])
        get = row.get
        fits = get("day") in allowed and get("entity_id") and get("setting", "none") in ATTRIBUTION
        if fits:
            for value in values:
                if value is not None and (
                    type(value) is not int or value > BIGGEST or value < -BIGGEST
                ):
                    fits = False
                    break
        if fits:
            good.append(row)
            cells.append(values)
        else:
            landing.rejected.append(
                Rejected(row, _wrong_row(row, names, allowed), str(get("day") or ""))
            )
    return good, cells


def _wrong_row(row: Row, names: tuple[str, ...], allowed: set[str]) -> str:
    """Why a row cannot be stored, for people."""
    if not row.get("entity_id"):
        return "The row has no id."
    if row.get("day") not in allowed:
        return f"The row's day {row.get('day')!r} is not one of the days that were asked for."
    if row.get("setting", "none") not in ATTRIBUTION:
        return f"The attribution setting {row['setting']!r} is unknown."
    wrong = next(
        n for n in names if (v := row.get(n)) is not None
        and (type(v) is not int or not -BIGGEST <= v <= BIGGEST)
    )
    return f"{wrong} is not a number that can be stored."
