"""Things with an id that live on: orders with lines and refunds, CRM records, payments.

A record is never removed because a list left it out; a stream that is read whole marks CRM records
that are gone as deleted.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Table, delete, select, update

from liftos_app.models import CrmRecord, Order, OrderLine, Payment, Refund
from liftos_app.services.connectors.rows import CRM_KINDS, PAYMENT_KINDS
from liftos_app.services.connectors.spec import Rejected, Row
from liftos_app.services.sync.load.shared import (
    BIGGEST,
    Counts,
    Landing,
    as_day,
    batches,
    table_of,
    unique,
)

_ORDER = (
    "name", "day", "processed_at", "updated_at", "cancelled_at", "is_test", "financial_status",
    "currency", "gross_micros", "subtotal_micros", "discount_micros", "shipping_micros",
    "tax_micros", "refunded_micros", "items", "customer_ref", "customer_order_index", "source",
    "utm_source", "utm_medium", "utm_campaign", "attrs",
)
_LINE = ("order_id", "product_id", "title", "sku", "quantity", "amount_micros")
_REFUND = ("order_id", "day", "processed_at", "currency", "amount_micros", "goods_micros")
_CRM = (
    "day", "created_at", "updated_at", "name", "status", "stage", "amount_micros", "currency",
    "closed_day", "is_closed", "is_won", "source", "campaign_id", "parent_id", "owner_id",
    "person_ref", "deleted", "attrs",
)
_PAYMENT = (
    "day", "occurred_at", "updated_at", "status", "category", "currency", "amount_micros",
    "fee_micros", "net_micros", "refunded_micros", "customer_ref", "parent_id", "order_ref",
    "is_test", "attrs",
)
_EMPTY: dict[str, Any] = {
    "name": "", "status": "", "stage": "", "currency": "", "source": "", "campaign_id": "",
    "parent_id": "", "owner_id": "", "person_ref": "", "deleted": False, "category": "",
    "customer_ref": "", "order_ref": "", "is_test": False, "utm_source": "", "utm_medium": "",
    "utm_campaign": "",
}


def load_orders(landing: Landing) -> Counts:
    rejected = landing.rejected
    counts = Counts()  # an order is never removed because a list left it out
    good = []
    for row in landing.rows:
        reason = _wrong_order(row)
        if reason:
            rejected.append(Rejected(row, reason, str(row.get("day", ""))))
        else:
            good.append({**row, "day": as_day(row["day"])})
    found, repeats = unique(good, lambda r: r["external_id"], rejected)
    counts.unchanged += repeats
    heads = {i: {n: r[n] for n in _ORDER if n in r} for i, r in found.items()}
    counts.written, counts.updated, same = _upsert(landing, table_of(Order), _ORDER, heads)
    counts.unchanged += same
    lines = {
        line["external_id"]: {"order_id": i, **{n: line.get(n) for n in _LINE[1:]}}
        for i, row in found.items() for line in row.get("lines", ())
    }
    refunds = {
        refund["external_id"]: {"order_id": i, **{n: refund.get(n) for n in _REFUND[1:]},
                                "day": as_day(refund.get("day"))}
        for i, row in found.items() for refund in row.get("refunds", ())
    }
    for table, names, children in (
        (table_of(OrderLine), _LINE, lines), (table_of(Refund), _REFUND, refunds)
    ):
        _upsert(landing, table, names, children)
        _drop_vanished(landing, table, names, order_ids=list(found), keep=set(children))
    for row in found.values():
        day = row["day"].isoformat()
        counts.per_day[day] = counts.per_day.get(day, 0) + 1
    return counts


def _wrong_order(row: Row) -> str:
    """Why an order cannot be stored, empty when it can."""
    if not row.get("external_id"):
        return "The order has no id."
    if as_day(row.get("day")) is None or not isinstance(row.get("processed_at"), dt.datetime):
        return "The order has no date."
    for name in _ORDER:
        if name.endswith("_micros"):
            value = row.get(name)
            if type(value) is not int or abs(value) > BIGGEST:
                return f"{name} is not an amount that can be stored."
    for refund in row.get("refunds", ()):
        if as_day(refund.get("day")) is None or type(refund.get("amount_micros")) is not int:
            return "A refund of the order has no date or no amount."
    return ""


def _upsert(
    landing: Landing, table: Table, names: tuple[str, ...], rows: dict[str, dict[str, Any]], *,
    fixed: dict[str, Any] | None = None,
) -> tuple[int, int, int]:
    """Insert or update by external id (and `fixed` columns); how many were new, changed, the same.

    A column that a row leaves out is unknown: what is stored of it stays.
    """
    session, target, changes = landing.session, landing.target, landing.changes
    fixed = fixed or {}
    existing: dict[str, Any] = {}
    for batch in batches(list(rows), 500):
        found = session.execute(
            select(table).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key,
                table.c.external_id.in_(batch), *(table.c[n] == v for n, v in fixed.items()),
            )
        )
        existing.update({r.external_id: r for r in found})
    new, changed, same = [], 0, 0
    for external_id, said in rows.items():
        old = existing.get(external_id)
        values = {
            n: said[n] if n in said else _nothing(n) if old is None else getattr(old, n)
            for n in names
        }
        if old is None:
            new.append({
                "org_id": target.org_id, "account_key": target.account_key,
                "external_id": external_id, **fixed, **values,
            })
        elif any(getattr(old, n) != values[n] for n in names):
            session.execute(update(table).where(table.c.key == old.key).values(**values))
            changed += 1
        else:
            same += 1
            continue
        if changes.listening:
            before = {n: getattr(old, n) for n in names} if old is not None else None
            key = {**fixed, "external_id": external_id}
            changes.record(table.name, key, names, before, values)
    if new:
        session.execute(table.insert(), new)
    return len(new), changed, same


def _drop_vanished(
    landing: Landing, table: Table, names: tuple[str, ...], *, order_ids: list[str], keep: set[str]
) -> None:
    """Lines and refunds that an order, read whole, no longer has."""
    session, target, undo = landing.session, landing.target, landing.changes.undo
    columns = [table.c[n] for n in ("key", "external_id", *(names if undo else ()))]
    for batch in batches(order_ids, 500):
        there = session.execute(
            select(*columns).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key,
                table.c.order_id.in_(batch),
            )
        ).all()
        vanished = [row for row in there if row.external_id not in keep]
        for row in vanished if undo else ():
            before = {n: getattr(row, n) for n in names}
            key = {"external_id": row.external_id}
            landing.changes.record(table.name, key, names, before, None)
        gone = [row.key for row in vanished]
        for part in batches(gone, 500):
            session.execute(delete(table).where(
                table.c.org_id == target.org_id, table.c.key.in_(part)
            ))


def load_crm(landing: Landing) -> Counts:
    """CRM records by kind and id."""
    counts = _by_kind(landing, table_of(CrmRecord), _CRM, CRM_KINDS)
    if landing.whole:
        counts.removed = _mark_deleted(landing)
    if landing.gone or landing.alive is not None:
        counts.removed += _mark_gone(landing)
    return counts


def load_payments(landing: Landing) -> Counts:
    """Payments by kind and id."""
    return _by_kind(landing, table_of(Payment), _PAYMENT, PAYMENT_KINDS)


def _by_kind(
    landing: Landing, table: Table, names: tuple[str, ...], kinds: tuple[str, ...]
) -> Counts:
    """Insert or update the good rows of each kind; wrong ones are rejected with their reason."""
    counts = Counts()
    good: list[Row] = []
    for row in landing.rows:
        reason = _wrong_record(row, names, kinds)
        if reason:
            landing.rejected.append(Rejected(row, reason, str(row.get("day", ""))))
        else:
            good.append({**row, **{n: as_day(row.get(n)) for n in ("day", "closed_day")}})
    found, repeats = unique(good, lambda r: (r["kind"], r["external_id"]), landing.rejected)
    counts.unchanged += repeats
    for kind in sorted({k for k, _ in found}):
        rows = {i: _cells(r, names) for (k, i), r in found.items() if k == kind}
        new, changed, same = _upsert(landing, table, names, rows, fixed={"kind": kind})
        counts.written, counts.updated = counts.written + new, counts.updated + changed
        counts.unchanged += same
    for row in found.values():
        day = row["day"].isoformat()
        counts.per_day[day] = counts.per_day.get(day, 0) + 1
    return counts


def _cells(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    cells = {n: row.get(n) for n in names}
    return {n: _nothing(n) if value is None else value for n, value in cells.items()}


def _nothing(name: str) -> Any:
    """What a column holds of which nothing is known."""
    return {} if name == "attrs" else _EMPTY.get(name)


def _wrong_record(row: Row, names: tuple[str, ...], kinds: tuple[str, ...]) -> str:
    """Why a record cannot be stored, empty when it can."""
    if not row.get("external_id"):
        return "The record has no id."
    if row.get("kind") not in kinds:
        return f"The kind {row.get('kind')!r} is unknown."
    times = [row.get(n) for n in names if n in ("created_at", "occurred_at", "updated_at")]
    if as_day(row.get("day")) is None or not all(isinstance(t, dt.datetime) for t in times):
        return "The record has no date."
    must = "amount_micros" if "occurred_at" in names else ""  # a payment without money is none
    for name in (n for n in names if n.endswith("_micros")):
        value = row.get(name)
        if value is None and name != must:
            continue
        if type(value) is not int or abs(value) > BIGGEST:
            return f"{name} is not an amount that can be stored."
    return ""


def _mark_deleted(landing: Landing) -> int:
    """Records of the kinds that were read whole and are not among them any more."""
    table, target = table_of(CrmRecord), landing.target
    seen: dict[str, set[str]] = {}
    for row in landing.rows:
        seen.setdefault(str(row.get("kind")), set()).add(str(row.get("external_id")))
    gone: list[int] = []
    for kind, ids in seen.items():
        there = landing.session.execute(select(table.c.key, table.c.external_id).where(
            table.c.org_id == target.org_id, table.c.account_key == target.account_key,
            table.c.kind == kind, table.c.deleted.is_(False),
        ))
        gone += [key for key, ident in there if ident not in ids]
    return _tombstone(landing, gone)


def _mark_gone(landing: Landing) -> int:
    """Stored records of the stream's kind that the platform reports as deleted or lists no more."""
    table, target = table_of(CrmRecord), landing.target
    there = landing.session.execute(select(table.c.key, table.c.external_id).where(
        table.c.org_id == target.org_id, table.c.account_key == target.account_key,
        table.c.kind == landing.stream.kind, table.c.deleted.is_(False),
    ))
    alive = landing.alive
    return _tombstone(landing, [
        key for key, ident in there
        if ident in landing.gone or (alive is not None and ident not in alive)
    ])


def _tombstone(landing: Landing, keys: list[int]) -> int:
    table, target = table_of(CrmRecord), landing.target
    for part in batches(keys, 500):
        landing.session.execute(
            update(table).where(table.c.org_id == target.org_id, table.c.key.in_(part))
            .values(deleted=True, updated_at=target.now)
        )
    return len(keys)
