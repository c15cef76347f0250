"""From a record of a defined stream to a row of rows.py shape, by the mapping a person chose.

Shared by warehouses and legacy sources. Values arrive as JSON: text, numbers, true and false,
null; days and times as ISO text (or in the definition's own format). What cannot be converted
raises ValueError, which rejects its one record.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.cursors import LONGEST
from liftos_app.services.connectors.defined import Definition, FieldMap
from liftos_app.services.connectors.landing_fields import Target, fields_of
from liftos_app.services.connectors.read import make_page
from liftos_app.services.connectors.spec import Lands, Page, Rejected, Row, Task

Record = Mapping[str, Any]
_UNITS = {"whole": Decimal(1), "cents": Decimal("0.01"), "micros": Decimal("0.000001")}
_YES = frozenset({"true", "t", "yes", "y", "1", "ja", "j"})
_NO = frozenset({"false", "f", "no", "n", "0", "nein", ""})
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000}


def pages(definition: Definition, task: Task, chunks: Iterable[Chunk]) -> Iterator[Page]:
    """Pages of rows from chunks of records.

    With `sums` the records of one campaign and day are added up over all chunks of the task.
    """
    mapper = Mapper(definition, task)
    adding = Adding() if definition.sums and definition.lands is Lands.FACTS else None
    for chunk in chunks:
        clean = [mapper.clean(r) for r in chunk.records]
        page = make_page(clean, mapper.row, columns=chunk.columns, notes=chunk.notes)
        page.bytes_read, page.cursor = chunk.bytes_read, chunk.cursor
        page.rejected += chunk.rejected
        page.read_count += len(chunk.rejected)
        yield adding.hold(page) if adding else page
    if adding:
        yield adding.page()


class Chunk:
    """Some records as read. `columns` are those the source has, mapped or not, for drift."""

    __slots__ = ("bytes_read", "columns", "cursor", "notes", "records", "rejected")

    def __init__(
        self, records: Sequence[Record], *, columns: frozenset[str] | None = None,
        cursor: str = "", bytes_read: int = 0, notes: tuple[str, ...] = (),
        rejected: Sequence[Rejected] = (),
    ) -> None:
        self.records, self.cursor, self.bytes_read, self.notes = records, cursor, bytes_read, notes
        self.rejected = rejected  # what could not even be read as a record
        self.columns = columns if records else frozenset()


class Mapper:
    """One definition made ready for one task."""

    def __init__(self, definition: Definition, task: Task) -> None:
        self.definition, self.task = definition, task
        self.zone = ZoneInfo(definition.time_zone)
        self._naive = ZoneInfo(definition.naive_zone)
        targets = {t.name: t for t in fields_of(definition.lands, definition.kind)}
        self._persons = {
            m.column for n, m in definition.fields.items()
            if m.column and targets[n].kind == "person"
        }
        others = {m.column for m in definition.fields.values() if m.column} - self._persons
        self._columns = [*sorted(others), *((definition.cursor,) if definition.cursor else ())]
        self._cells = [
            (n, self._cell(targets[n], m)) for n, m in definition.fields.items()
        ]
        self._build = _BUILDERS[definition.lands]
        self._currency = str(task.account.currency or "")

    def clean(self, record: Record) -> dict[str, Any]:
        """The record as it may be kept: mapped columns only, people as keyed hashes.

        A whole number of more than 64 bits becomes text, which is kept exactly.
        """
        found = {c: _kept(record[c]) for c in self._columns if c in record}
        for column in self._persons:
            if column in record:
                found[column] = self._hash(record[column])
        return found

    def row(self, record: Record) -> Row | None:
        """A row; None when it lies outside the span or belongs to another account."""
        cells = {name: cell(record) for name, cell in self._cells}
        if not self._is_mine(cells):
            return None
        row = self._build(self, cells)
        stream = self.task.stream
        daily = stream.window is not None or stream.cursor
        if daily and not self.task.changes and not self.task.holds(row["day"]):
            return None
        return row

    def day_of(self, moment: datetime) -> str:
        """The calendar day of a time in the stream's zone."""
        return moment.astimezone(self.zone).date().isoformat()

    def _is_mine(self, cells: Mapping[str, Any]) -> bool:
        """Daily figures are in the currency of their account; the first one hears of strangers."""
        if self.definition.lands is not Lands.FACTS:
            return True
        currency = cells.get("currency") or self._currency
        if currency == self._currency:
            return True
        known = self.definition.currencies
        if currency in known or (known and self._currency != known[0]):
            return False
        raise ValueError(f"{currency} is none of the stream's currencies ({', '.join(known)})")

    def _hash(self, value: Any) -> str:
        if value in (None, "") or not self.task.salt:
            return ""
        text = str(value).strip().lower()
        return hmac.new(self.task.salt.encode(), text.encode(), hashlib.sha256).hexdigest()

    # --- single values ------------------------------------------------------------------------

    def _cell(self, target: Target, found: FieldMap) -> Callable[[Record], Any]:
        convert = self._converter(target, found.unit)
        if not found.column:
            fixed = convert(found.constant)
            return lambda _record: fixed

        def cell(record: Record) -> Any:
            value = record[found.column]
            if value is None or value == "":
                if target.required:
                    raise ValueError(f"{target.title} is empty (column {found.column})")
                return None
            try:
                return convert(value)
            except ValueError as error:
                raise ValueError(f"{target.title}: {error}") from None

        return cell

    def _converter(self, target: Target, unit: str) -> Callable[[Any], Any]:
        converters: dict[str, Callable[[Any], Any]] = {
            "id": lambda v: rows.ident(_as_text(v)),
            "text": lambda v: rows.text(_as_text(v), target.length),
            "person": str,  # hashed by `clean` already
            "currency": currency, "flag": flag, "day": self.day, "time": self.moment,
            "count": lambda v: rows.whole(self._number(v)),
            "money": lambda v: self._amount(v, unit),
        }
        return converters[target.kind]

    def _amount(self, value: Any, unit: str) -> int:
        number = self._number(value)
        return rows.micros(number if unit == "whole" else Decimal(number) * _UNITS[unit])

    def _number(self, value: Any) -> str:
        """A number as plain text. Raises ValueError for anything else."""
        if isinstance(value, bool):
            raise ValueError(f"not a number: {rows.shown(value)}")  # noqa: TRY004  (rejects)
        if isinstance(value, int | float | Decimal):
            return _plain(value)
        text = str(value).strip()
        if self.definition.thousands:
            text = text.replace(self.definition.thousands, "")
        if self.definition.decimal == ",":
            if "." in text:
                raise ValueError(f"not a number with decimal comma: {rows.shown(value)}")
            text = text.replace(",", ".")
        if not text.isascii() or not _NUMBER.fullmatch(text):
            raise ValueError(f"not a number: {rows.shown(value)}")
        return text if "e" not in text.lower() else _plain(Decimal(text))

    def whole(self, value: Any) -> int:
        """A whole number of up to 38 digits, exact. Raises ValueError for anything else."""
        if isinstance(value, float):  # above 2^53 it is not the number that was meant
            raise ValueError(f"not an exact whole number: {rows.shown(value)}")  # noqa: TRY004
        number = Decimal(self._number(value))
        if number.adjusted() >= LONGEST or number != number.to_integral_value():
            raise ValueError(f"not a whole number: {rows.shown(value)}")
        return int(number)

    def day(self, value: Any) -> str:
        """A calendar day. A time becomes the day it has in the stream's zone."""
        text = str(value).strip()
        if not self.definition.date_format and _DAY.fullmatch(text):
            return rows.day(text)
        if self.definition.date_format and not _has_time(self.definition.date_format):
            return self._parsed(text).date().isoformat()
        return self.day_of(self.moment(value))

    def moment(self, value: Any) -> datetime:
        """A time as aware UTC; one without a zone is in the definition's zone for such."""
        form, text = self.definition.date_format, str(value).strip()
        if form in EPOCHS:
            try:
                seconds = Decimal(text) / EPOCHS[form]
                return datetime.fromtimestamp(float(seconds), UTC)
            except (InvalidOperation, ValueError, OverflowError, OSError):
                raise ValueError(f"not a time: {rows.shown(value)}") from None
        if form:
            found = self._parsed(text)
        else:
            try:
                found = datetime.fromisoformat(text)
            except ValueError:
                raise ValueError(f"not a time: {rows.shown(value)}") from None
        if found.tzinfo is None:
            found = found.replace(tzinfo=self._naive)
        return found.astimezone(UTC)

    def _parsed(self, text: str) -> datetime:
        form = self.definition.date_format
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  (the zone is settled by the caller)
        except ValueError:
            raise ValueError(f"not a date like {form}: {rows.shown(text)}") from None


def flag(value: Any) -> bool:
    """Yes or no, as sources write it. Raises ValueError for anything else."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError(f"neither yes nor no: {rows.shown(value)}")


def currency(value: Any) -> str:
    """An ISO 4217 code. Raises ValueError for anything else."""
    code = str(value).strip().upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ValueError(f"not a currency: {rows.shown(value)}")
    return code


def _kept(value: Any) -> Any:
    return str(value) if type(value) is int and value.bit_length() > 63 else value


def _as_text(value: Any) -> str:
    """A value as an id or text shows it: whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _plain(value: int | float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise ValueError(f"not a number: {rows.shown(value)}")
    return format(number, "f")


def _has_time(form: str) -> bool:
    return form in EPOCHS or any(mark in form for mark in ("%H", "%I", "%s"))


# --- rows -----------------------------------------------------------------------------------------


def _fact(_mapper: Mapper, cells: Mapping[str, Any]) -> Row:
    get = cells.get
    channel = get("channel") or ""
    row: Row = {
        "entity_id": rows.ident(f"{channel}/{cells['campaign_id']}" if channel
                                else cells["campaign_id"]),
        "day": cells["day"], "setting": "imported", "impressions": get("impressions"),
        "clicks": get("clicks"), "spend_micros": get("spend"),
        "conversions_micros": get("conversions"), "value_micros": get("value"),
    }
    if get("campaign_name"):
        row["entity_name"] = cells["campaign_name"]
    if channel:
        row["parent_id"] = channel
    return row


def _order(mapper: Mapper, cells: Mapping[str, Any]) -> Row:
    get = cells.get
    at: datetime = cells["processed_at"]
    day = mapper.day_of(at)
    gross, shipping, tax = cells["gross"], get("shipping") or 0, get("tax") or 0
    subtotal = get("subtotal")
    refunded = get("refunded") or 0
    own = get("currency") or mapper.definition.currencies[0]
    subtotal = gross - shipping - tax if subtotal is None else subtotal
    row: Row = {
        "external_id": rows.ident(cells["external_id"], 80), "name": get("name") or "",
        "processed_at": at, "updated_at": get("updated_at") or at,
        "cancelled_at": get("cancelled_at"), "day": day, "is_test": bool(get("is_test")),
        "financial_status": (get("financial_status") or "").lower(), "currency": own,
        "gross_micros": gross, "subtotal_micros": subtotal,
        "discount_micros": get("discount") or 0, "shipping_micros": shipping, "tax_micros": tax,
        "refunded_micros": refunded, "items": get("items") or 0,
        "customer_ref": get("customer") or "",
        "customer_order_index": get("customer_order_index"), "source": get("source") or "",
        "utm_source": get("utm_source") or "", "utm_medium": get("utm_medium") or "",
        "utm_campaign": get("utm_campaign") or "", "attrs": {}, "lines": [], "refunds": [],
    }
    if refunded > 0:
        when = get("refunded_at") or at
        row["refunds"] = [{
            "external_id": f"{row['external_id']}:refunded", "day": mapper.day_of(when),
            "processed_at": when, "currency": own, "amount_micros": refunded,
            "goods_micros": subtotal if refunded == gross else None,
        }]
    return row


def _record(mapper: Mapper, cells: Mapping[str, Any]) -> Row:
    get = cells.get
    at: datetime = cells["created_at"]
    return {
        "external_id": cells["external_id"], "kind": mapper.definition.kind,
        "day": mapper.day_of(at), "created_at": at, "updated_at": get("updated_at") or at,
        "name": get("name") or "", "status": get("status") or "", "stage": get("stage") or "",
        "amount_micros": get("amount"),
        "currency": get("currency") or _first(mapper.definition.currencies),
        "closed_day": get("closed_day"), "is_closed": get("is_closed"), "is_won": get("is_won"),
        "source": get("source") or "", "campaign_id": get("campaign_id") or "",
        "parent_id": get("parent_id") or "", "owner_id": get("owner_id") or "",
        "person_ref": get("person") or "", "deleted": bool(get("deleted")), "attrs": {},
    }


def _payment(mapper: Mapper, cells: Mapping[str, Any]) -> Row:
    get = cells.get
    at: datetime = cells["occurred_at"]
    return {
        "external_id": cells["external_id"], "kind": mapper.definition.kind,
        "day": mapper.day_of(at), "occurred_at": at, "updated_at": get("updated_at") or at,
        "status": get("status") or "", "category": get("category") or "",
        "currency": get("currency") or mapper.definition.currencies[0],
        "amount_micros": cells["amount"], "fee_micros": get("fee"), "net_micros": get("net"),
        "refunded_micros": get("refunded"), "customer_ref": get("customer") or "",
        "parent_id": get("parent_id") or "", "order_ref": get("order_ref") or "",
        "is_test": bool(get("is_test")), "attrs": {},
    }


def _first(known: Sequence[str]) -> str:
    return known[0] if known else ""


_BUILDERS: dict[Lands, Callable[[Mapper, Mapping[str, Any]], Row]] = {
    Lands.FACTS: _fact, Lands.ORDERS: _order, Lands.CRM: _record, Lands.PAYMENTS: _payment,
}
_FIGURES = ("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros")


class Adding:
    """Adds up the rows of one campaign and day; what was folded counts as skipped."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._source: dict[tuple[str, str], list[Any]] = {}

    def hold(self, page: Page) -> Page:
        """Take a page's rows in; the page itself goes on with its counts and rejections only."""
        folded = 0
        for row, source in zip(page.rows, page.source, strict=True):
            key = (row["entity_id"], row["day"])
            there = self._rows.get(key)
            self._source.setdefault(key, []).append(source)
            if there is None:
                self._rows[key] = dict(row)
                continue
            folded += 1
            for name in _FIGURES:
                if row[name] is not None:
                    there[name] = (there[name] or 0) + row[name]
        new = len(page.rows) - folded
        page.read_count -= new  # counted with the rows, at the end
        page.skipped += folded
        page.rows, page.source = [], []
        return page

    def page(self) -> Page:
        """The sums, each with all the records it was made of."""
        found = list(self._rows.values())
        return Page(rows=found, read_count=len(found), source=list(self._source.values()))
