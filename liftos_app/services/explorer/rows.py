"""Pages of stored rows of one stream of one account, newest day first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Select, Table, func, or_, select

from liftos_app.errors import Invalid, Missing
from liftos_app.models import (
    Account,
    Connection,
    CrmRecord,
    Entity,
    FactDaily,
    MailFact,
    Order,
    Payment,
)
from liftos_app.services import connections, fallback
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.connectors.spec import STREAM_OF, Lands, Stream
from liftos_app.services.context import Context
from liftos_app.services.fallback import Fallback

PAGE: Final = 50
MICRO: Final = Decimal(1_000_000)
Kind = Literal["text", "day", "time", "count", "money", "amount", "flag"]
_SETTINGS: Final = {number: name for name, number in ATTRIBUTION.items()}


@dataclass(frozen=True, slots=True)
class Cell:
    """A column: its name in the API, its title, what its values are."""

    name: str
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to show. Empty stream and account mean the first there are; pages count from 1."""

    connection_id: UUID
    stream: str = ""
    account_id: UUID | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    search: str = ""
    page: int = 1
    size: int = PAGE


@dataclass(frozen=True, slots=True)
class StoredRow:
    """Values in the order of the columns; what finds the source record: slot and id.

    Money is in whole units of `currency`: the row's own, else the account's.
    """

    values: tuple[Any, ...]
    slot: str
    ident: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of rows with its passport."""

    connection: Connection
    account: Account
    stream: Stream
    columns: tuple[Cell, ...]
    rows: tuple[StoredRow, ...]
    total: int
    page: int
    pages: int
    accounts: tuple[Account, ...] = field(default=())
    streams: tuple[Stream, ...] = field(default=())
    fallback: Fallback | None = None  # the connection fails; these are its last good rows

    @property
    def provenance(self) -> str:
        """Where the rows are from: live, demo, or fallback while their connection fails."""
        return self.fallback.provenance if self.fallback else str(self.connection.provenance)


_FIGURES: Final = (
    Cell("day", "Day", "day"), Cell("entity_id", "Id", "text"), Cell("entity", "Name", "text"),
    Cell("impressions", "Impressions", "count"), Cell("clicks", "Clicks", "count"),
    Cell("spend_micros", "Spend", "money"), Cell("conversions_micros", "Conversions", "amount"),
    Cell("value_micros", "Conversion value", "money"), Cell("setting", "Attribution", "text"),
)
_MAIL: Final = (
    Cell("day", "Day", "day"), Cell("entity_id", "Id", "text"), Cell("entity", "Name", "text"),
    Cell("recipients", "Recipients", "count"), Cell("delivered", "Delivered", "count"),
    Cell("opens_unique", "Opens", "count"), Cell("clicks_unique", "Clicks", "count"),
    Cell("unsubscribes", "Unsubscribes", "count"), Cell("bounced", "Bounced", "count"),
    Cell("conversions", "Conversions", "count"), Cell("value_micros", "Value", "money"),
)
_ORDERS: Final = (
    Cell("day", "Day", "day"), Cell("name", "Order", "text"),
    Cell("financial_status", "Payment", "text"), Cell("items", "Items", "count"),
    Cell("gross_micros", "Total", "money"), Cell("subtotal_micros", "Goods", "money"),
    Cell("discount_micros", "Discounts", "money"), Cell("shipping_micros", "Shipping", "money"),
    Cell("tax_micros", "Tax", "money"), Cell("refunded_micros", "Refunded", "money"),
    Cell("utm_source", "Source", "text"), Cell("utm_campaign", "Campaign", "text"),
    Cell("is_test", "Test", "flag"),
)
_ENTITIES: Final = (
    Cell("external_id", "Id", "text"), Cell("name", "Name", "text"),
    Cell("status", "Status", "text"), Cell("parent_id", "Belongs to", "text"),
    Cell("updated_at", "Changed", "time"),
)
_CRM: Final = (
    Cell("day", "Created", "day"), Cell("kind", "Kind", "text"), Cell("external_id", "Id", "text"),
    Cell("name", "Name", "text"), Cell("stage", "Stage", "text"), Cell("status", "Status", "text"),
    Cell("amount_micros", "Amount", "money"), Cell("closed_day", "Closes", "day"),
    Cell("is_won", "Won", "flag"), Cell("source", "Source", "text"),
    Cell("deleted", "Deleted", "flag"),
)
_PAYMENTS: Final = (
    Cell("day", "Day", "day"), Cell("kind", "Kind", "text"), Cell("external_id", "Id", "text"),
    Cell("status", "Status", "text"), Cell("category", "Category", "text"),
    Cell("amount_micros", "Amount", "money"), Cell("fee_micros", "Fee", "money"),
    Cell("net_micros", "Net", "money"), Cell("refunded_micros", "Refunded", "money"),
    Cell("order_ref", "Order", "text"), Cell("is_test", "Test", "flag"),
)
_SHAPES: Final[dict[Lands, tuple[Any, tuple[Cell, ...]]]] = {
    Lands.FACTS: (FactDaily, _FIGURES), Lands.MAIL: (MailFact, _MAIL),
    Lands.ORDERS: (Order, _ORDERS), Lands.ENTITIES: (Entity, _ENTITIES),
    Lands.CRM: (CrmRecord, _CRM), Lands.PAYMENTS: (Payment, _PAYMENTS),
}


def browse(ctx: Context, asked: Asked) -> Found:
    """Stored rows of one stream of one account. Raises Missing, Invalid."""
    ctx.require("metrics.read")
    connection = connections.get(ctx, asked.connection_id)
    streams = _streams(connection)
    stream = _one_stream(streams, asked.stream)
    chosen = _accounts(ctx, connection)
    account = _one_account(chosen, asked.account_id)
    accounts = [a for a in chosen if _has(a, stream)] or chosen
    if account not in accounts:  # another stream's: the address kept it while the stream changed
        account = accounts[0]
    if asked.start and asked.end and asked.end < asked.start:
        raise Invalid(
            "The last day is before the first.", why="Days are asked for in order.",
            fix="Swap the two days.", field="end",
        )
    query, order = _query(ctx, account, stream, asked)
    counted = select(func.count()).select_from(query.subquery())
    total = int(ctx.session.execute(counted).scalar_one())
    pages = max(1, -(-total // asked.size))
    page = min(max(1, asked.page), pages)
    found = ctx.session.execute(
        query.order_by(*order).limit(asked.size).offset((page - 1) * asked.size)
    ).all()
    _, columns = _SHAPES[stream.lands]
    return Found(
        connection=connection, account=account, stream=stream, columns=columns,
        rows=tuple(_row(r, columns, stream, account.currency) for r in found),
        total=total, page=page, pages=pages,
        accounts=tuple(accounts), streams=streams,
        fallback=fallback.active(ctx, [connection.id]).get(connection.id),
    )


def _streams(connection: Connection) -> tuple[Stream, ...]:
    platform = registry.get(connection.platform)
    offered = streams_of(platform, connection.options)
    return tuple(s for s in offered if s.name in connection.streams)


def _one_stream(streams: Sequence[Stream], name: str) -> Stream:
    """The stream called so; without a name the first that has figures or records by day."""
    dated = [s for s in streams if s.window is not None or s.cursor]
    for stream in streams if name else [*dated, *streams]:
        if name in ("", stream.name):
            return stream
    known = ", ".join(s.name for s in streams)
    raise Invalid(
        f"This connection has no stream called {name[:60]!r}." if name else "Nothing is read yet.",
        why=f"It reads: {known}." if known else "No streams are chosen.",
        fix="Choose one of these." if known else "Finish the set-up of the connection.",
        field="stream",
    )


def _accounts(ctx: Context, connection: Connection) -> list[Account]:
    found = connections.accounts_of(ctx, connection.id)
    return [a for a in found if a.selected] or found


def _has(account: Account, stream: Stream) -> bool:
    """Whether the account has rows of this stream; a defined stream has accounts of its own."""
    return str(account.extra.get(STREAM_OF, "")) == (stream.name if stream.defined else "")


def _one_account(accounts: Sequence[Account], account_id: UUID | None) -> Account:
    for account in accounts:
        if account_id in (None, account.id):
            return account
    raise Missing(
        "This account is not there.", why="It does not belong to the connection, or none is "
        "chosen yet.", fix="Choose an account of the connection.",
    )


def _query(
    ctx: Context, account: Account, stream: Stream, asked: Asked
) -> tuple[Select[Any], list[Any]]:
    """The rows asked for, and their order."""
    make = _figures if stream.lands.daily else _things
    query, order, places = make(stream)
    table: Table = _SHAPES[stream.lands][0].__table__
    limits: list[Any] = [table.c.org_id == ctx.org, table.c.account_key == account.key]
    if "day" in table.c:
        limits += [table.c.day >= asked.start] if asked.start else []
        limits += [table.c.day <= asked.end] if asked.end else []
    if words := asked.search.strip()[:100]:
        needle = f"%{_escaped(words)}%"
        limits.append(or_(*(p.ilike(needle, escape="\\") for p in places)))
    return query.where(*limits), order


def _figures(stream: Stream) -> tuple[Select[Any], list[Any], list[Any]]:
    """Figures by day with their entity's id and name: query, order, where to search."""
    model, columns = _SHAPES[stream.lands]
    table: Table = model.__table__
    entity: Table = Entity.__table__  # type: ignore[attr-defined]
    own = {"entity_id": entity.c.external_id, "entity": entity.c.name}
    picked = [own[c.name] if c.name in own else table.c[c.name] for c in columns]
    query = select(*(p.label(c.name) for p, c in zip(picked, columns, strict=True))).where(
        table.c.level == stream.level, entity.c.key == table.c.entity_key,
        entity.c.org_id == table.c.org_id,
    )
    order = [table.c.day.desc(), entity.c.external_id]
    return query, order, [entity.c.name, entity.c.external_id]


def _things(stream: Stream) -> tuple[Select[Any], list[Any], list[Any]]:
    """Entities, orders, CRM records, payments: query, order, where to search."""
    model, columns = _SHAPES[stream.lands]
    table: Table = model.__table__
    names = [c.name for c in columns]
    names += [n for n in ("external_id", "currency") if n in table.c and n not in names]
    query = select(*(table.c[n] for n in names))
    if stream.lands is Lands.ENTITIES:
        query = query.where(table.c.level == stream.level)
    if stream.kind:
        query = query.where(table.c.kind == stream.kind)
    places = [table.c[n] for n in ("name", "external_id") if n in table.c]
    by_day = [table.c.day.desc()] if "day" in table.c else []
    return query, [*by_day, table.c.external_id], places


def _row(found: Any, columns: Sequence[Cell], stream: Stream, currency: str) -> StoredRow:
    values = found._mapping
    currency = values.get("currency") or currency
    out: list[Any] = []
    for column in columns:
        value = values[column.name]
        if column.name == "setting":
            value = _SETTINGS.get(value, str(value))
        elif column.kind in ("money", "amount") and value is not None:
            value = Decimal(value) / MICRO
        out.append(value)
    if stream.lands.daily:
        return StoredRow(tuple(out), values["day"].isoformat(), values["entity_id"], currency)
    return StoredRow(tuple(out), values["external_id"], values["external_id"], currency)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
