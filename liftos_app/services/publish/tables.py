"""The tables we publish, and their rows: what LiftOS counts, in the units a person reads.

Rows of the destination's own connection stay out (they came from there), and so do accounts that
are not chosen; demo and live never mix. People are keyed hashes, as everywhere.

Each row says where it is from: platform, account, provenance, and the sync after which it is so.
That sync is no part of a row's digest: reading a row again does not send it again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlmodel import Session, col, select

from liftos_app.models import (
    Account,
    Connection,
    Coverage,
    CoverageState,
    CrmRecord,
    Entity,
    FactDaily,
    Order,
    Payment,
)
from liftos_app.models.facts import Level
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.connectors.spec import Lands, Stream
from liftos_app.services.connectors.writing import DIGEST, KEY, Column, Kind, Table
from liftos_app.services.context import Context

PAGE: Final = 2_000
_SETTINGS: Final = {number: name for name, number in ATTRIBUTION.items()}
_WHOSE: Final = (
    Column("platform", "text"), Column("account_id", "text"), Column("account_name", "text"),
    Column("provenance", "text"), Column("read_at", "time"), Column("sync_run_id", "text"),
)
_ENDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("_micros", "number"), ("_at", "time"), ("day", "day"),
)
_FLAGS: Final = frozenset({"is_test", "is_closed", "is_won", "deleted"})
_COUNTS: Final = frozenset({"items", "customer_order_index", "impressions", "clicks"})
# column of ours -> field of the model
_ORDER: Final = {
    "order_id": "external_id", "name": "name", "day": "day", "ordered_at": "processed_at",
    "updated_at": "updated_at", "cancelled_at": "cancelled_at", "is_test": "is_test",
    "status": "financial_status", "currency": "currency", "gross": "gross_micros",
    "subtotal": "subtotal_micros", "discount": "discount_micros", "shipping": "shipping_micros",
    "tax": "tax_micros", "refunded": "refunded_micros", "items": "items",
    "customer_ref": "customer_ref", "customer_order_index": "customer_order_index",
    "source": "source", "utm_source": "utm_source", "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
}
_PAYMENT: Final = {
    "payment_id": "external_id", "kind": "kind", "day": "day", "occurred_at": "occurred_at",
    "updated_at": "updated_at", "status": "status", "category": "category",
    "currency": "currency", "amount": "amount_micros", "fee": "fee_micros", "net": "net_micros",
    "refunded": "refunded_micros", "customer_ref": "customer_ref", "parent_id": "parent_id",
    "order_ref": "order_ref", "is_test": "is_test",
}
_CRM: Final = {
    "record_id": "external_id", "kind": "kind", "day": "day", "created_at": "created_at",
    "updated_at": "updated_at", "name": "name", "status": "status", "stage": "stage",
    "amount": "amount_micros", "currency": "currency", "closed_day": "closed_day",
    "is_closed": "is_closed", "is_won": "is_won", "source": "source",
    "campaign_id": "campaign_id", "parent_id": "parent_id", "owner_id": "owner_id",
    "person_ref": "person_ref", "deleted": "deleted",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row on its way out: its key, its digest, its values by column."""

    key: str
    digest: str
    values: Mapping[str, Any]
    sync: Mapping[str, Any]  # when it was read last, and by which sync

    def json(self) -> dict[str, Any]:
        """The row with its key and digest."""
        return {KEY: self.key, DIGEST: self.digest, **self.values, **self.sync}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of an account are from."""

    platform: str
    provenance: str  # live or demo
    streams: tuple[Stream, ...]  # all that its connection offers


@dataclass(slots=True)
class Readings:
    """The last reading of each day of some streams of an account, and the newest of them all."""

    by_day: dict[dt.date, tuple[datetime, str]] = field(default_factory=dict)
    newest: tuple[datetime, str] | None = None

    def of(self, day: dt.date) -> dict[str, Any]:
        """The columns that tell it; streams without days of their own are as of the newest."""
        at, run_id = self.by_day.get(day) or self.newest or (None, "")
        return {"read_at": _value("read_at", at), "sync_run_id": run_id}


@dataclass(frozen=True, slots=True)
class Source:
    """A table of ours and how its rows are read for some accounts."""

    table: Table
    read: Callable[[Session, int, Mapping[int, Account]], Iterator[Line]]


def accounts_of(ctx: Context, connection: Connection) -> dict[int, Account]:
    """The chosen accounts of all other connections of the same kind of data, by key."""
    rows = ctx.session.exec(
        select(Account).join(Connection, col(Connection.id) == col(Account.connection_id)).where(
            col(Account.org_id) == ctx.org, col(Connection.org_id) == ctx.org,
            col(Connection.deleted_at).is_(None), col(Account.selected).is_(True),
            col(Connection.provenance) == connection.provenance,
            col(Connection.id) != connection.id,
        )
    ).all()
    return {a.key: a for a in rows if a.key is not None}


def origins_of(ctx: Context, accounts: Mapping[int, Account]) -> dict[int, Origin]:
    """Account key -> where its rows are from."""
    by_id = {
        c.id: Origin(
            c.platform, str(c.provenance), streams_of(registry.get(c.platform), c.options)
        )
        for c in ctx.session.exec(select(Connection).where(
            col(Connection.org_id) == ctx.org,
            col(Connection.id).in_({a.connection_id for a in accounts.values()}),
        ))
    }
    return {key: by_id[a.connection_id] for key, a in accounts.items()}


def sources(origins: Mapping[int, Origin]) -> tuple[Source, ...]:
    """The four tables in the order in which they are published."""
    return (
        Source(_FACTS_TABLE, lambda s, o, a: _facts(s, o, a, origins)),
        _records(Order, Lands.ORDERS, "orders", _ORDER, origins, "order_id"),
        _records(Payment, Lands.PAYMENTS, "payments", _PAYMENT, origins, "kind", "payment_id"),
        _records(CrmRecord, Lands.CRM, "crm_records", _CRM, origins, "kind", "record_id"),
    )


def _readings(
    session: Session, org_id: int, key: int, streams: Iterable[Stream]
) -> Readings:
    """When each day of these streams was read last."""
    daily = {s.name: s.window is not None and not s.cursor for s in streams}
    columns = (Coverage.stream, Coverage.day, Coverage.read_at, Coverage.run_id)
    rows = session.execute(
        select(*(col(c) for c in columns)).where(
            col(Coverage.org_id) == org_id, col(Coverage.account_key) == key,
            col(Coverage.stream).in_(list(daily)),
            col(Coverage.state) != CoverageState.FAILED.value,
        )
    )
    found = Readings()
    for stream, day, at, run_id in rows:
        mark = (at, str(run_id or ""))
        found.newest = max(found.newest or mark, mark)
        if daily[stream]:
            found.by_day[day] = max(found.by_day.get(day, mark), mark)
    return found


_FACTS_TABLE: Final = Table("daily_facts", (
    *_WHOSE, Column("level", "text"), Column("entity_id", "text"), Column("entity_name", "text"),
    Column("parent_id", "text"), Column("day", "day"), Column("attribution", "text"),
    Column("currency", "text"), Column("impressions", "number"), Column("clicks", "number"),
    Column("spend", "number"), Column("conversions", "number"),
    Column("conversion_value", "number"),
))


def _facts(
    session: Session, org_id: int, accounts: Mapping[int, Account], origins: Mapping[int, Origin]
) -> Iterator[Line]:
    """Daily figures of every level. Levels overlap: add up one of them only."""
    for key, account in accounts.items():
        own = [s for s in origins[key].streams if s.lands is Lands.FACTS]
        readings = {
            level: _readings(session, org_id, key, (s for s in own if s.level == level))
            for level in {s.level for s in own}
        }
        found = session.execute(
            select(FactDaily, Entity.external_id, Entity.name, Entity.parent_id)
            .join(Entity, col(Entity.key) == col(FactDaily.entity_key))
            .where(col(FactDaily.org_id) == org_id, col(Entity.org_id) == org_id,
                   col(FactDaily.account_key) == key)
            .execution_options(yield_per=PAGE)
        )
        for fact, entity_id, name, parent_id in found:
            level = Level(fact.level).name.lower()
            setting = _SETTINGS.get(fact.setting, str(fact.setting))
            values = {
                **_whose(account, origins[key]), "level": level, "entity_id": entity_id,
                "entity_name": name, "parent_id": parent_id, "day": fact.day.isoformat(),
                "attribution": setting, "currency": account.currency,
                "impressions": _count(fact.impressions), "clicks": _count(fact.clicks),
                "spend": amount(fact.spend_micros),
                "conversions": amount(fact.conversions_micros),
                "conversion_value": amount(fact.value_micros),
            }
            read = readings.get(fact.level, Readings()).of(fact.day)
            yield _line(values, ("level", "entity_id", "day", "attribution"), read)


def _records(
    model: Any, lands: Lands, name: str, fields: Mapping[str, str], origins: Mapping[int, Origin],
    *keys: str,
) -> Source:
    columns = tuple(Column(n, _kind(n, f)) for n, f in fields.items())

    def read(
        session: Session, org_id: int, accounts: Mapping[int, Account]
    ) -> Iterator[Line]:
        for key, account in accounts.items():
            own = [s for s in origins[key].streams if s.lands is lands]
            readings = {
                kind: _readings(session, org_id, key, (s for s in own if s.kind == kind))
                for kind in {s.kind for s in own}
            }
            found = session.execute(
                select(model).where(model.org_id == org_id, model.account_key == key)
                .order_by(model.key).execution_options(yield_per=PAGE)
            ).scalars()
            for one in found:
                values = {n: _value(n, getattr(one, f)) for n, f in fields.items()}
                read = readings.get(getattr(one, "kind", ""), Readings()).of(one.day)
                yield _line({**_whose(account, origins[key]), **values}, keys, read)
                session.expunge(one)

    return Source(Table(name, (*_WHOSE, *columns)), read)


def _line(values: dict[str, Any], keys: tuple[str, ...], read: Mapping[str, Any]) -> Line:
    parts = [values["platform"], values["account_id"], *(values[k] for k in keys)]
    return Line(_hash(parts), _hash(list(values.values())), values, read)


def _hash(parts: list[Any]) -> str:
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def _whose(account: Account, origin: Origin) -> dict[str, str]:
    return {
        "platform": origin.platform, "account_id": account.external_id,
        "account_name": account.name, "provenance": origin.provenance,
    }


def _kind(name: str, source: str) -> Kind:
    if name in _FLAGS:
        return "flag"
    if name in _COUNTS:
        return "number"
    return next((kind for end, kind in _ENDS if source.endswith(end)), "text")


def _value(name: str, value: Any) -> Any:
    """A stored value as JSON: amounts in whole units, times in UTC."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    return _count(value) if name in _COUNTS else amount(value)


def amount(micros: int | None) -> str | None:
    """Micro-units as exact decimal text in whole units."""
    if micros is None:
        return None
    sign, size = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{size // 1_000_000}.{size % 1_000_000:06d}"


def _count(value: int | None) -> str | None:
    return None if value is None else str(value)
