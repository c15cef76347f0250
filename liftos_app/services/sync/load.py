"""The only writer of facts: a window's rows become table rows, compared with what is there.

Values are absolute for their key, never added. Within the window that was read, a row that the
source no longer has goes away here too. Every row read is counted once as written, updated,
unchanged or rejected.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Table, delete, select, update
from sqlalchemy.engine import Connection as DbConnection
from sqlmodel import Session

from liftos_app.models import (
    Entity,
    Order,
    OrderLine,
    Refund,
    RejectedRow,
)
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.connectors.spec import Lands, Rejected, Row, Stream

RECORD_LIMIT = 10_000
_FACTS = ("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros")
_MAIL = (
    "recipients", "delivered", "opens_unique", "clicks_unique", "unsubscribes", "spam_complaints",
    "bounced", "conversions", "value_micros",
)
_ORDER = (
    "name", "day", "processed_at", "updated_at", "cancelled_at", "is_test", "financial_status",
    "currency", "gross_micros", "subtotal_micros", "discount_micros", "shipping_micros",
    "tax_micros", "refunded_micros", "items", "customer_ref", "customer_order_index", "source",
    "utm_source", "utm_medium", "utm_campaign", "attrs",
)
_LINE = ("order_id", "product_id", "title", "sku", "quantity", "amount_micros")
_REFUND = ("order_id", "day", "processed_at", "currency", "amount_micros", "goods_micros")
BIGGEST = 2**63 - 1
T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What happened to the rows of a window. read = written + updated + unchanged + rejected."""

    read: int = 0
    written: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    removed: int = 0  # rows the source no longer has; not among those read
    per_day: dict[str, int] = field(default_factory=dict)  # ISO day -> rows

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for."""
        return self.read == self.written + self.updated + self.unchanged + self.rejected

    def add(self, other: Counts) -> None:
        """Add another count to this one."""
        for name in ("read", "written", "updated", "unchanged", "rejected", "removed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Target:
    """Where rows go: one account of one organization, with what is known of its entities."""

    org_id: int
    account_key: int
    run_id: UUID
    now: datetime
    entities: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)  # -> key, name
    names_loaded: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Landing:
    """One window's rows on their way into the tables, in the caller's transaction.

    `span` is the window that was read completely, both days inclusive; None means that the rows
    are changes only and nothing may be removed. Rejections found on the way join `rejected`.
    """

    session: Session
    target: Target
    stream: Stream
    rows: Sequence[Row]
    span: tuple[dt.date, dt.date] | None
    rejected: list[Rejected]


def load(landing: Landing) -> Counts:
    """Make one window's rows table rows. Commits nothing."""
    before = len(landing.rejected)
    counts = _LOADERS[landing.stream.lands](landing)
    counts.read = len(landing.rows) + before
    counts.rejected = len(landing.rejected)
    keep_rejected(landing.session, landing.target, landing.stream, landing.rejected)
    return counts


def keep_rejected(
    session: Session, target: Target, stream: Stream, rejected: Iterable[Rejected]
) -> None:
    """Store source records that could not become rows, with their reason."""
    for item in rejected:
        session.add(RejectedRow(
            org_id=target.org_id, run_id=target.run_id, account_key=target.account_key,
            stream=stream.name, day=item.day[:10], reason=item.reason[:500],
            record=json.dumps(item.record, default=str)[:RECORD_LIMIT], at=target.now,
        ))


# --- entities -----------------------------------------------------------------------------------


def _known(session: Session, target: Target, level: int) -> dict[tuple[int, str], tuple[int, str]]:
    if level not in target.names_loaded:
        found = session.execute(
            select(Entity.external_id, Entity.key, Entity.name).where(  # type: ignore[call-overload]
                Entity.org_id == target.org_id, Entity.account_key == target.account_key,
                Entity.level == level,
            )
        )
        target.entities.update({(level, i): (k, n) for i, k, n in found})
        target.names_loaded.add(level)
    return target.entities


def _entities(landing: Landing) -> Counts:
    session, target, rejected = landing.session, landing.target, landing.rejected
    counts, table = Counts(), _table(Entity)
    existing = {
        (r.level, r.external_id): r
        for r in session.execute(
            select(table).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key
            )
        )
    }
    unique, repeats = _unique(
        landing.rows, lambda r: (r.get("level", landing.stream.level), r["external_id"]), rejected
    )
    counts.unchanged += repeats
    new, changed = [], []
    for (level, external_id), row in unique.items():
        values = {
            "parent_id": row.get("parent_id") or "", "name": row.get("name") or "",
            "status": row.get("status") or "", "attrs": row.get("attrs") or {},
        }
        old = existing.get((level, external_id))
        if old is None:
            new.append({
                "org_id": target.org_id, "account_key": target.account_key, "level": level,
                "external_id": external_id, "first_seen_at": target.now, "updated_at": target.now,
                **values,
            })
        elif any(getattr(old, k) != v for k, v in values.items()):
            changed.append((old.key, values))
        else:
            counts.unchanged += 1
    if new:
        session.execute(table.insert(), new)
    for key, values in changed:
        session.execute(
            update(table).where(table.c.key == key).values(**values, updated_at=target.now)
        )
    counts.written, counts.updated = len(new), len(changed)
    target.names_loaded.clear()
    target.entities.clear()
    return counts


def _entity_keys(
    session: Session, target: Target, level: int, rows: Sequence[Row]
) -> dict[str, int]:
    """Keys of all entities the rows name; unseen ones are created, renamed ones renamed."""
    known = _known(session, target, level)
    named = {(row["entity_id"], row.get("entity_name") or "") for row in rows}
    unseen = {i for i, _ in named if (level, i) not in known}
    table = _table(Entity)
    if unseen:
        first = {row["entity_id"]: row for row in reversed(rows) if row["entity_id"] in unseen}
        session.execute(table.insert(), [
            {
                "org_id": target.org_id, "account_key": target.account_key, "level": level,
                "external_id": i, "parent_id": row.get("parent_id") or "",
                "name": row.get("entity_name") or "", "status": row.get("status") or "",
                "attrs": {}, "first_seen_at": target.now, "updated_at": target.now,
            }
            for i, row in first.items()
        ])
        target.names_loaded.discard(level)
        known = _known(session, target, level)
    for i, name in sorted(named):
        key, old = known[level, i]
        if name and name != old and i not in unseen:
            session.execute(
                update(table).where(table.c.key == key).values(name=name, updated_at=target.now)
            )
            known[level, i] = (key, name)
    return {i: known[level, i][0] for i, _ in named}


# --- daily facts ----------------------------------------------------------------------------------


def _facts(landing: Landing) -> Counts:
    """Daily facts. One pass of plain Python per row: this is the hot path of every sync."""
    rows, cells = _checked(landing, _FACTS)
    keys = _entity_keys(landing.session, landing.target, landing.stream.level, rows)
    fresh: dict[tuple[int, str, int], tuple[Any, ...]] = {}
    extras: dict[tuple[int, str, str], tuple[Any, ...]] = {}
    counts = Counts()
    for row, values in zip(rows, cells, strict=True):
        get = row.get
        key = (keys[row["entity_id"]], row["day"], ATTRIBUTION[get("setting", "none")])
        if key in fresh:
            _repeat(row, fresh[key] == values, counts, landing.rejected)
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


def _mail(landing: Landing) -> Counts:
    rows, cells = _checked(landing, _MAIL)
    keys = _entity_keys(landing.session, landing.target, landing.stream.level, rows)
    fresh: dict[tuple[int, str], tuple[Any, ...]] = {}
    counts = Counts()
    for row, values in zip(rows, cells, strict=True):
        key = (keys[row["entity_id"]], row["day"])
        if key in fresh:
            _repeat(row, fresh[key] == values, counts, landing.rejected)
        else:
            fresh[key] = values
    _compare(landing, _MAILED, fresh, counts)
    return counts


@dataclass(frozen=True, slots=True)
class _Shape:
    """A daily table: its key columns (the second is `day`) and its value columns."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]


_DAILY = _Shape("fact_daily", ("entity_key", "day", "setting"), _FACTS)
_EXTRA = _Shape("fact_extra", ("entity_key", "day", "metric"), ("value",))
_MAILED = _Shape("mail_fact", ("entity_key", "day"), _MAIL)


def _compare(
    landing: Landing, shape: _Shape, fresh: dict[Any, tuple[Any, ...]], counts: Counts
) -> None:
    """Insert what is new, update what differs, remove what vanished inside the span."""
    target, level = landing.target, landing.stream.level
    connection = landing.session.connection()
    old = _existing(connection, landing, shape, fresh)
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    place = (target.org_id, target.account_key, level)
    if not old:
        new = [key + place + values for key, values in fresh.items()]
    else:
        for key, values in fresh.items():
            before = old.pop(key, None)
            if before is None:
                new.append(key + place + values)
            elif before != values:
                changed.append(values + key)
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
        connection.exec_driver_sql(
            f"DELETE FROM {shape.name} WHERE {where}", list(old)  # noqa: S608
        )
        counts.removed += len(old)


def _existing(
    connection: DbConnection, landing: Landing, shape: _Shape, fresh: dict[Any, tuple[Any, ...]]
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
    """Add rows that are known to be new: COPY on PostgreSQL, one prepared INSERT on SQLite."""
    if not rows:
        return
    names = ", ".join(columns)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for start in range(0, len(rows), 2000):
            copy.write("".join(
                "\t".join(["\\N" if v is None else str(v) for v in row]) + "\n"
                for row in rows[start:start + 2000]
            ))


def _checked(
    landing: Landing, names: tuple[str, ...]
) -> tuple[list[Row], list[tuple[Any, ...]]]:
    """Rows that can be stored, and beside them their values in the order of `names`."""
    allowed = _days_of(landing.span, landing.rows)
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


def _days_of(span: tuple[dt.date, dt.date] | None, rows: Sequence[Row]) -> set[str]:
    """The days a row may have: those of the span, or any that is a real calendar day."""
    if span is not None:
        length = (span[1] - span[0]).days + 1
        return {(span[0] + dt.timedelta(days=i)).isoformat() for i in range(length)}
    return {
        day for day in {str(r.get("day")) for r in rows}
        if len(day) == 10 and _as_day(day) is not None
    }


def _as_day(value: object) -> dt.date | None:
    try:
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))
    except ValueError:
        return None


# --- orders -------------------------------------------------------------------------------------


def _orders(landing: Landing) -> Counts:
    session, target, rejected = landing.session, landing.target, landing.rejected
    counts = Counts()  # an order is never removed because a list left it out
    good = []
    for row in landing.rows:
        reason = _wrong_order(row)
        if reason:
            rejected.append(Rejected(row, reason, str(row.get("day", ""))))
        else:
            good.append({**row, "day": _as_day(row["day"])})
    unique, repeats = _unique(good, lambda r: r["external_id"], rejected)
    counts.unchanged += repeats
    heads = {i: {n: r.get(n) for n in _ORDER} for i, r in unique.items()}
    counts.written, counts.updated, same = _upsert(session, target, _table(Order), _ORDER, heads)
    counts.unchanged += same
    lines = {
        line["external_id"]: {"order_id": i, **{n: line.get(n) for n in _LINE[1:]}}
        for i, row in unique.items() for line in row.get("lines", ())
    }
    refunds = {
        refund["external_id"]: {"order_id": i, **{n: refund.get(n) for n in _REFUND[1:]},
                                "day": _as_day(refund.get("day"))}
        for i, row in unique.items() for refund in row.get("refunds", ())
    }
    for table, names, children in (
        (_table(OrderLine), _LINE, lines), (_table(Refund), _REFUND, refunds)
    ):
        _upsert(session, target, table, names, children)
        _drop_vanished(session, target, table, list(unique), set(children))
    for row in unique.values():
        day = row["day"].isoformat()
        counts.per_day[day] = counts.per_day.get(day, 0) + 1
    return counts


def _wrong_order(row: Row) -> str:
    """Why an order cannot be stored, empty when it can."""
    if not row.get("external_id"):
        return "The order has no id."
    if _as_day(row.get("day")) is None or not isinstance(row.get("processed_at"), dt.datetime):
        return "The order has no date."
    for name in _ORDER:
        if name.endswith("_micros"):
            value = row.get(name)
            if type(value) is not int or abs(value) > BIGGEST:
                return f"{name} is not an amount that can be stored."
    for refund in row.get("refunds", ()):
        if _as_day(refund.get("day")) is None or type(refund.get("amount_micros")) is not int:
            return "A refund of the order has no date or no amount."
    return ""


def _upsert(
    session: Session, target: Target, table: Table, names: tuple[str, ...],
    rows: dict[str, dict[str, Any]],
) -> tuple[int, int, int]:
    """Insert or update by external id; returns how many were new, changed, the same."""
    existing: dict[str, Any] = {}
    for batch in _batches(list(rows), 500):
        found = session.execute(
            select(table).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key,
                table.c.external_id.in_(batch),
            )
        )
        existing.update({r.external_id: r for r in found})
    new, changed, same = [], 0, 0
    for external_id, values in rows.items():
        old = existing.get(external_id)
        if old is None:
            new.append({
                "org_id": target.org_id, "account_key": target.account_key,
                "external_id": external_id, **values,
            })
        elif any(getattr(old, n) != values[n] for n in names):
            session.execute(update(table).where(table.c.key == old.key).values(**values))
            changed += 1
        else:
            same += 1
    if new:
        session.execute(table.insert(), new)
    return len(new), changed, same


def _drop_vanished(
    session: Session, target: Target, table: Table, order_ids: list[str], keep: set[str]
) -> None:
    """Lines and refunds that an order, read whole, no longer has."""
    for batch in _batches(order_ids, 500):
        there = session.execute(
            select(table.c.key, table.c.external_id).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key,
                table.c.order_id.in_(batch),
            )
        ).all()
        gone = [key for key, external_id in there if external_id not in keep]
        for part in _batches(gone, 500):
            session.execute(delete(table).where(
                table.c.org_id == target.org_id, table.c.key.in_(part)
            ))


# --- shared -------------------------------------------------------------------------------------


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


def _unique(
    rows: Sequence[Row], ident: Callable[[Row], Any], rejected: list[Rejected]
) -> tuple[dict[Any, Row], int]:
    """Rows by id. An exact repeat counts as unchanged; of two that differ the later one stays."""
    found: dict[Any, Row] = {}
    counts = Counts()
    for row in rows:
        key = ident(row)
        before = found.get(key)
        if before is not None:
            newer = row.get("updated_at") != before.get("updated_at")
            _repeat(before, before == row or newer, counts, rejected)
        found[key] = row
    return found, counts.unchanged


def _repeat(row: Row, same: bool, counts: Counts, rejected: list[Rejected]) -> None:
    if same:
        counts.unchanged += 1
    else:
        rejected.append(Rejected(
            row, "The platform sent two different rows for the same key.", str(row.get("day", ""))
        ))


def _batches(items: list[T], size: int) -> Iterable[list[T]]:
    for start in range(0, len(items), size):
        yield items[start:start + size]


_LOADERS: dict[Lands, Callable[[Landing], Counts]] = {
    Lands.FACTS: _facts, Lands.ENTITIES: _entities, Lands.ORDERS: _orders, Lands.MAIL: _mail,
}
