"""The backing store of the imitated warehouses: SQLite tables that are views of the one world.

A loader of the invented advertiser fills them every six hours; what readers write (published
tables) lives beside them. Each warehouse has a store of its own; SQL arrives here translated
(warehouse_sql.py).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.world import SHOP_ZONE, World

LOAD_HOURS: Final = 6
VERSIONS: Final = 2**53 + 1  # where the advertiser's old system began to count
DAYS: Final = 100  # of history the loader keeps
PLATFORMS: Final = ("meta_business", "google_ads", "tiktok_ads", "linkedin_ads", "x_ads")
CHANNELS: Final = {
    "meta_business": "Meta", "google_ads": "Google", "tiktok_ads": "TikTok",
    "linkedin_ads": "LinkedIn", "x_ads": "X",
}
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: text, fixed, real, date, boolean, timestamp_ntz, timestamp_ltz, timestamp_tz, json.
    """

    name: str
    type: str
    precision: int = 38
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; `name` is catalog.schema.table as stored."""

    name: str
    columns: tuple[Column, ...]
    kind: str = "table"

    @property
    def parts(self) -> tuple[str, str, str]:
        """Catalog, schema, table."""
        catalog, schema, table = self.name.split(".", 2)
        return catalog, schema, table


@dataclass(slots=True)
class Outcome:
    """What a statement gave: rows with their columns, and how many rows it changed."""

    columns: tuple[Column, ...] = ()
    rows: list[Row] = field(default_factory=list)
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    is_query: bool = True


class StoreProblem(Exception):
    """A statement cannot run: `kind` is missing, exists, syntax, duplicate or value."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


def loaded_at(now: datetime) -> datetime:
    """When the advertiser's loader last ran."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return start - timedelta(hours=start.hour % LOAD_HOURS)


def stamp(moment: datetime) -> str:
    """A time as stored: UTC wall time with nine decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000"


class Store:
    """One warehouse's tables. `fold` spells names as the warehouse stores them."""

    def __init__(self, catalog: str, fold: Callable[[str], str]) -> None:
        self.catalog, self.fold = catalog, fold
        self.tables: dict[str, Table] = {}
        self.schemas: set[str] = set()
        self.lock = threading.RLock()
        self._loaded: datetime | None = None
        self.db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)

    def name(self, schema: str, table: str) -> str:
        """The full name of one of the loader's tables."""
        return f"{self.catalog}.{self.fold(schema)}.{self.fold(table)}"

    def refresh(self, world: World, now: datetime) -> None:
        """Load the world's tables anew when the loader has run since."""
        at = loaded_at(now)
        with self.lock:
            if self._loaded == at:
                return
            for schema, table, columns, rows in _sources(world, at):
                self.create(self.name(schema, table), columns)
                self._fill(self.name(schema, table), len(columns), rows)
            view = self.name("marketing", "marketing_daily_v")
            if view not in self.tables:
                base = self.tables[self.name("marketing", "marketing_daily")]
                self.db.execute(f'CREATE VIEW "{view}" AS SELECT * FROM "{base.name}"')  # noqa: S608
                self.tables[view] = Table(view, base.columns, "view")
            self._loaded = at

    def create(self, name: str, columns: Sequence[Column]) -> bool:
        """Make a table unless it is there. Whether it was made."""
        with self.lock:
            if name in self.tables:
                return False
            kept = tuple(Column(self.fold(c.name), c.type, c.precision, c.scale) for c in columns)
            names = ", ".join(f'"{c.name}"' for c in kept)
            self.db.execute(f'CREATE TABLE "{name}" ({names})')
            self.tables[name] = Table(name, kept)
            self.schemas.add(name.rpartition(".")[0])
            return True

    def add_column(self, name: str, column: Column) -> bool:
        """Add a column unless it is there. Whether it was added. Raises StoreProblem."""
        with self.lock:
            table = self.find(name)
            if any(c.name == column.name for c in table.columns):
                return False
            self.db.execute(f'ALTER TABLE "{name}" ADD COLUMN "{column.name}"')
            self.tables[name] = Table(name, (*table.columns, column), table.kind)
            return True

    def drop(self, name: str) -> None:
        """Remove a table and its rows. Raises StoreProblem."""
        with self.lock:
            self.find(name)
            self.db.execute(f'DROP TABLE "{name}"')
            del self.tables[name]

    def find(self, name: str) -> Table:
        """A table by its full name. Raises StoreProblem."""
        found = self.tables.get(name)
        if found is None:
            raise StoreProblem("missing", name)
        return found

    def select(self, sql: str, params: Any) -> tuple[list[str], list[Row]]:
        """Run a query that is SQLite's already. Raises StoreProblem."""
        with self.lock:
            try:
                cursor = self.db.execute(sql, params)
                return [d[0] for d in cursor.description or ()], cursor.fetchall()
            except sqlite3.OperationalError as error:
                text = str(error)
                kind = "missing" if text.startswith(("no such table", "no such column")) else (
                    "value" if "user-defined function" in text else "syntax")
                raise StoreProblem(kind, text.rpartition(": ")[2]) from None
            except sqlite3.Error as error:
                raise StoreProblem("syntax", str(error)) from None

    def merge(
        self, name: str, source: str, params: Any, *, key: str, digest: str,
        columns: Sequence[str],
    ) -> Outcome:
        """Insert or update by key; rows whose digest is the same stay. Raises StoreProblem."""
        table = self.find(name)
        wrong = sorted(set(columns) - {c.name for c in table.columns})
        if wrong:
            raise StoreProblem("missing", wrong[0])
        with self.lock:
            names, rows = self.select(source, params)
            place = names.index(key)
            fresh = {r[place]: r for r in rows}
            if len(fresh) != len(rows):
                raise StoreProblem("duplicate", "Duplicate row detected during DML action")
            known = dict(self.db.execute(f'SELECT "{key}", "{digest}" FROM "{name}"'))  # noqa: S608
            spot = names.index(digest)
            new = [r for k, r in fresh.items() if k not in known]
            changed = [r for k, r in fresh.items() if k in known and known[k] != r[spot]]
            marks, listed = ", ".join("?" * len(names)), ", ".join(f'"{n}"' for n in names)
            sets = ", ".join(f'"{n}" = ?' for n in names)
            self.db.execute("BEGIN")
            self.db.executemany(
                f'INSERT INTO "{name}" ({listed}) VALUES ({marks})', new  # noqa: S608
            )
            self.db.executemany(
                f'UPDATE "{name}" SET {sets} WHERE "{key}" = ?',  # noqa: S608
                [(*r, r[place]) for r in changed],
            )
            self.db.execute("COMMIT")
        return Outcome(inserted=len(new), updated=len(changed), is_query=False)

    def delete(self, name: str, column: str, source: str, params: Any) -> Outcome:
        """Delete the rows whose column has one of the values. Raises StoreProblem."""
        self.find(name)
        with self.lock:
            _, rows = self.select(source, params)
            cursor = self.db.executemany(
                f'DELETE FROM "{name}" WHERE "{column}" = ?', [(r[0],) for r in rows]  # noqa: S608
            )
            return Outcome(deleted=max(cursor.rowcount, 0), is_query=False)

    def _fill(self, name: str, width: int, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * width)
        self.db.execute("BEGIN")
        self.db.execute(f'DELETE FROM "{name}"')  # noqa: S608
        self.db.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)  # noqa: S608
        self.db.execute("COMMIT")


# --- the world as tables --------------------------------------------------------------------------

_MARKETING: Final = (
    Column("report_date", "date"), Column("channel", "text"), Column("account_id", "text"),
    Column("campaign_id", "text"), Column("campaign_name", "text"), Column("currency", "text"),
    Column("spend", "fixed", 12, 2), Column("impressions", "fixed"), Column("clicks", "fixed"),
    Column("conversions", "fixed", 14, 2), Column("conversion_value", "fixed", 14, 2),
    Column("updated_at", "timestamp_ntz"),
)
_ORDERS: Final = (
    Column("order_id", "fixed"), Column("order_number", "text"),
    Column("ordered_at", "timestamp_tz"), Column("updated_at", "timestamp_ltz"),
    Column("cancelled_at", "timestamp_ltz"), Column("customer_id", "fixed"),
    Column("customer_email", "text"), Column("currency", "text"), Column("total", "fixed", 12, 2),
    Column("subtotal", "fixed", 12, 2), Column("discounts", "fixed", 12, 2),
    Column("shipping", "fixed", 12, 2), Column("tax", "fixed", 12, 2),
    Column("refunded", "fixed", 12, 2), Column("items", "fixed"), Column("status", "text"),
    Column("is_test", "boolean"), Column("sequence", "fixed"), Column("row_version", "fixed"),
)
_INVOICES: Final = (
    Column("invoice_id", "text"), Column("channel", "text"), Column("account_id", "text"),
    Column("issued_at", "timestamp_ntz"), Column("amount", "fixed", 14, 2),
    Column("currency", "text"), Column("status", "text"),
)
KEPT_LOADS = 1  # of a process; more only cost memory where time runs forward
_cache: dict[Any, list[tuple[str, str, tuple[Column, ...], list[Row]]]] = {}
_cache_lock = threading.Lock()


def _sources(
    world: World, at: datetime
) -> list[tuple[str, str, tuple[Column, ...], list[Row]]]:
    """Schema, table, columns and rows. The newest loads are kept, for all warehouses."""
    key = (world.seed, world.volume, world.days, world.interventions, at)
    with _cache_lock:
        if key not in _cache:
            while len(_cache) >= KEPT_LOADS:
                del _cache[next(iter(_cache))]
            _cache[key] = [
                ("marketing", "marketing_daily", _MARKETING, _marketing(world, at)),
                ("sales", "orders", _ORDERS, _orders(world, at)),
                ("finance", "media_invoices", _INVOICES, _invoices(world, at)),
            ]
        return _cache[key]


def _money(micros: int) -> str:
    """Micro-units as an exact decimal with two digits; figures of the world are whole cents."""
    cents = micros // 10_000
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _marketing(world: World, at: datetime) -> list[Row]:
    found: list[Row] = []
    for platform in PLATFORMS:
        for account in world.accounts(platform):
            if not account.market:
                continue
            names = {c.id: c.name for c in world.campaigns(account.id, as_of=at)}
            end = at.astimezone(ZoneInfo(account.zone)).date()
            start = end - timedelta(days=DAYS)
            found += [
                (r.day.isoformat(), CHANNELS[platform], account.id, r.campaign_id,
                 names.get(r.campaign_id, r.campaign_id), account.currency, _money(r.spend),
                 r.impressions, r.clicks, _money(r.conversions * 10_000), _money(r.value),
                 stamp(at))
                for r in world.ad_days(account.id, start, end, as_of=at, level="campaign")
            ]
    return found


def _orders(world: World, at: datetime) -> list[Row]:
    ids = world.find_orders(as_of=at, created=(at - timedelta(days=DAYS), at))
    return [_order(o) for o in world.orders(ids, as_of=at)]


def _order(one: Any) -> Row:
    local = one.processed_at.astimezone(ZoneInfo(SHOP_ZONE))
    offset = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    cents = (one.total, one.subtotal, one.discounts, one.shipping, one.tax, one.refunded)
    return (
        one.id, f"#{one.number}", f"{stamp(one.processed_at)}Z {offset}",
        f"{stamp(one.updated_at)}Z",
        f"{stamp(one.cancelled_at)}Z" if one.cancelled_at else None, one.customer_id,
        f"buyer{one.customer_id}@larkspur.example", "USD", *(_money(c * 10_000) for c in cents),
        sum(line.quantity for line in one.lines), one.financial_status, int(one.test),
        one.customer_index, version(one.updated_at),
    )


def version(changed: datetime) -> int:
    """A row's version as an old system counts: it never falls, rows may share it, above 2^53."""
    return VERSIONS + int(changed.timestamp()) // 60


def _invoices(world: World, at: datetime) -> list[Row]:
    """What each ad account charged for each whole month, each on a day of its own."""
    found: list[Row] = []
    accounts = [a for p in PLATFORMS for a in world.accounts(p) if a.market]
    for number, account in enumerate(accounts):
        for first in _months(at.date()):
            after = (first + timedelta(days=32)).replace(day=1)
            total = world.ad_totals(account.id, first, after - timedelta(days=1), as_of=at).spend
            issued = datetime(after.year, after.month, 2 + number * 2, 9, tzinfo=UTC)
            if issued <= at and total:
                found.append((
                    f"INV-{account.id}-{first:%Y%m}", CHANNELS[account.platform], account.id,
                    stamp(issued), _money(total), account.currency, "paid",
                ))
    return found


def _months(today: date) -> list[date]:
    """The first days of the last four whole months."""
    found, first = [], today.replace(day=1)
    for _ in range(4):
        first = (first - timedelta(days=1)).replace(day=1)
        found.append(first)
    return found


def figures(store: Store, table: str) -> list[Mapping[str, Any]]:
    """All rows of a table as they are stored; for tests that compare."""
    names, rows = store.select(f'SELECT * FROM "{table}"', ())  # noqa: S608
    return [dict(zip(names, r, strict=True)) for r in rows]
