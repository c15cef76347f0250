"""From source records to rows: a record that cannot become one is rejected alone, with its reason.

Also the reader for platforms that need no code: a paged JSON list with declared fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from liftos_app.errors import GiveUp
from liftos_app.services.connectors import paging as walking
from liftos_app.services.connectors import rows as values
from liftos_app.services.connectors.faults import REPORT
from liftos_app.services.connectors.spec import Page, Rejected, Row, Task

if TYPE_CHECKING:
    from liftos_app.services.connectors.client import Answer, Client

Make = Callable[[Any], Row | None]
_WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)


def make_rows(
    records: Sequence[Any], make: Make, *, day_key: str = ""
) -> tuple[list[Row], list[Rejected], int]:
    """Rows, rejected records and how many were left out (`make` gave None)."""
    rows, rejected, skipped, _ = _made(records, make, day_key)
    return rows, rejected, skipped


def _made(
    records: Sequence[Any], make: Make, day_key: str
) -> tuple[list[Row], list[Rejected], int, list[Any]]:
    """As `make_rows`, with the record of each row."""
    try:
        found = [make(r) for r in records]
        rejected: list[Rejected] = []
    except _WRONG:
        found, rejected, kept = [], [], []
        for record in records:
            try:
                found.append(make(record))
                kept.append(record)
            except _WRONG as error:
                rejected.append(Rejected(record, reason(error), _day_in(record, day_key)))
        records = kept
    rows = [row for row in found if row is not None]
    if len(rows) == len(found):
        return rows, rejected, 0, list(records)
    source = [r for r, row in zip(records, found, strict=True) if row is not None]
    return rows, rejected, len(found) - len(rows), source


def make_page(
    records: Any,
    make: Make,
    *,
    answer: Answer | None = None,
    day_key: str = "",
    always: frozenset[str] = frozenset(),
    columns: frozenset[str] | None = None,
    notes: tuple[str, ...] = (),
) -> Page:
    """A page of source records. `always` names columns a platform leaves out when they are zero.

    Raises GiveUp when there is no list of records where one must be.
    """
    records = listed(records)
    rows, rejected, skipped, source = _made(records, make, day_key)
    if columns is None:
        columns = columns_of(records) | always if records else frozenset()
    return Page(
        rows=rows,
        rejected=rejected,
        read_count=len(records),
        skipped=skipped,
        columns=columns,
        bytes_read=answer.size if answer is not None else 0,
        notes=notes,
        source=source,
    )


def listed(records: Any) -> list[Any]:
    """The list of records of an answer. Raises GiveUp for anything else."""
    if isinstance(records, list):
        return records
    raise GiveUp(
        "The platform's answer has another form than before.",
        why="The list of records is missing in it.",
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
        form=type(records).__name__,
    )


def columns_of(records: Sequence[Any]) -> frozenset[str]:
    """Every column name seen, for noticing changed ones."""
    try:
        return frozenset().union(*records)
    except TypeError:
        return frozenset().union(*(r for r in records if isinstance(r, dict)))


def reason(error: BaseException) -> str:
    """Why a record was rejected, for people."""
    if isinstance(error, KeyError):
        return f"The record has no {error.args[0]!r}."
    if isinstance(error, ValueError):
        return f"A value cannot be used: {error}."
    return "The record has another form than expected."


def _day_in(record: Any, key: str) -> str:
    found = walking.dig(record, key) if key else None
    return found[:10] if isinstance(found, str) else ""


# --- platforms that need no code ------------------------------------------------------------------

_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "id": values.ident,
    "text": values.text,
    "day": values.day,
    "count": values.whole,
    "micros": values.micros,  # a decimal number in whole units of currency or of a count
    "time": values.moment,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One value: where it is in the record (dotted path), what it is in the row, how to read it."""

    source: str
    to: str
    kind: Literal["id", "text", "day", "count", "micros", "time"]
    optional: bool = False


def row_maker(fields: Sequence[Field], constants: Mapping[str, Any] | None = None) -> Make:
    """A function from record to row for these fields; `constants` are put into every row."""
    fixed = dict(constants or {})
    plain = [
        (f.to, f.source, _CONVERT[f.kind]) for f in fields if not f.optional and "." not in f.source
    ]
    others = [(f, _CONVERT[f.kind]) for f in fields if f.optional or "." in f.source]

    def make(record: Any) -> Row:
        row = fixed.copy()
        for to, source, convert in plain:
            row[to] = convert(record[source])
        for one, convert in others:
            value = walking.dig(record, one.source)
            if value is None:
                if not one.optional:
                    raise KeyError(one.source)
                row[one.to] = None
            else:
                row[one.to] = convert(value)
        return row

    return make


def json_stream(
    path: str,
    *,
    records: str,
    fields: Sequence[Field],
    paging: walking.Cursor | walking.Link | None,
    params: Callable[[Task], Mapping[str, Any]],
    constants: Mapping[str, Any] | None = None,
    day_key: str = "",
) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of a stream that is a paged JSON list. `path` may hold {account}."""
    make = row_maker(fields, constants)

    def read(client: Client, task: Task) -> Iterator[Page]:
        where = path.replace("{account}", task.account.external_id)
        for answer in walking.pages(client, where, paging, params=params(task), records=records):
            found = walking.dig(answer.data, records)
            yield make_page(found, make, answer=answer, day_key=day_key)

    return read
