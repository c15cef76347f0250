"""Reading defined streams of an HTTP source, and showing what one would bring."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import cursors, mapping
from liftos_app.services.connectors.bounds import no_numbers
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import (
    Definition,
    make_streams,
    read_definition,
    stream_of,
)
from liftos_app.services.connectors.mapping import Mapper
from liftos_app.services.connectors.platforms.generic_http.decode import Decoded
from liftos_app.services.connectors.platforms.generic_http.fetch import first_page, pages
from liftos_app.services.connectors.platforms.generic_http.source import (
    Source,
    Values,
    read_source,
    written,
)
from liftos_app.services.connectors.spec import (
    AccountInfo,
    Page,
    Sample,
    SourceColumn,
    Stream,
    Task,
)

KEEP: Final = 200_000  # records of an export without days that one run keeps in memory
SHOWN: Final = 20
_Type = Literal["number", "text", "day", "time", "flag", "other"]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_NUMBER = re.compile(r"[+-]?\d{1,3}([.,' ]?\d{3})*([.,]\d+)?|[+-]?\d+([.,]\d+)?")
_FORMATS: Final = {"json": "JSON", "ndjson": "JSON lines", "csv": "CSV", "tsv": "TSV"}


def define(options: Mapping[str, Any]) -> tuple[Stream, ...]:
    """The streams of a connection. Raises Invalid for settings that cannot be."""
    for raw in options.get("streams") or ():
        read_source(read_definition(raw, draft=True))
    return make_streams(options, read)


def read(definition: Definition, client: Client, task: Task) -> Iterator[Page]:
    """Every record of the span, of the changes, or all of them; spec.py has the contract."""
    source = read_source(definition)
    if task.stream.cursor == "number":
        yield from _by_number(definition, source, client, task)
        return
    newest = ""
    for page in mapping.pages(definition, task, _chunks(definition, source, client, task)):
        newest = max(newest, _newest(definition, task, page))
        yield page
    if task.changes:
        now = task.cursor if not newest else max(task.cursor, newest)
        yield Page(rows=[], cursor=now)


def _by_number(
    definition: Definition, source: Source, client: Client, task: Task
) -> Iterator[Page]:
    """As `read`, with the greatest number of all records that came, also of other days'."""
    numbers = Mapper(definition, task)
    newest: int | None = None

    def noted() -> Iterator[mapping.Chunk]:
        nonlocal newest
        for chunk in _chunks(definition, source, client, task):
            for record in chunk.records:
                found = _number_of(numbers, definition, record)
                newest = found if newest is None or found is None else max(newest, found)
            yield chunk

    yield from mapping.pages(definition, task, noted())
    reached = "" if newest is None else str(newest)
    if task.changes:
        yield Page(rows=[], cursor=cursors.later(task.cursor, reached))
    elif task.end >= task.today:
        yield Page(rows=[], cursor=reached)


def _number_of(
    mapper: Mapper, definition: Definition, record: Mapping[str, Any]
) -> int | None:
    """A record's number; None where it has none. Raises Fix for what is no whole number."""
    value = record.get(definition.cursor)
    if value is None or value == "":
        return None
    try:
        return mapper.whole(value)
    except ValueError as error:
        raise no_numbers(definition, f"One value is {error}.") from None


def _chunks(
    definition: Definition, source: Source, client: Client, task: Task
) -> Iterator[mapping.Chunk]:
    """Records in chunks. An export that takes no days is fetched once and kept for the run."""
    key = f"generic_http.{definition.name}.{hash(source)}"
    reusable = not source.asks_for_days and not task.changes and definition.mode == "days"
    if reusable and key in client.kept:
        yield from client.kept[key]
        return
    kept: list[mapping.Chunk] | None = [] if reusable else None
    count = 0
    for answer, found in pages(client, source, _values(definition, source, task)):
        chunk = mapping.Chunk(
            found.records, columns=found.columns, bytes_read=answer.size,
            rejected=tuple(found.rejected),
        )
        count += len(found.records)
        if kept is not None:
            kept = [*kept, chunk] if count <= KEEP else None
        yield chunk
    if kept is not None:
        client.kept[key] = kept


def _values(definition: Definition, source: Source, task: Task) -> Values:
    """What the placeholders stand for: whole days of the stream's zone, both included."""
    zone, form = definition.time_zone, source.param_format
    place = ZoneInfo(zone)
    start = dt.datetime.combine(task.start, dt.time(), place)
    end = dt.datetime.combine(task.end, dt.time(), place)
    if form in ("iso_z", "epoch_s", "epoch_ms"):  # moments: up to the last second of the day
        end = dt.datetime.combine(task.end, dt.time(23, 59, 59), place)
    found = {"window_start": written(start, zone, form), "window_end": written(end, zone, form)}
    if task.stream.cursor == "number":
        return _by_turns(definition, source, task, found)
    since = start
    if task.changes:
        at = dt.datetime.fromisoformat(task.cursor)
        since = at - dt.timedelta(seconds=definition.overlap_seconds)
    found["cursor"] = written(since, zone, form)
    return found


def _by_turns(
    definition: Definition, source: Source, task: Task, days: Mapping[str, str]
) -> Values:
    """Days while spans are read, the number while changes are; None leaves a parameter out.

    One less than the overlap asks for: a system may answer what is above the number only.
    """
    number = source.cursor_start or None
    if task.changes and task.cursor != cursors.BEFORE_ALL:
        number = cursors.less(task.cursor, max(definition.overlap_numbers, 1))
    return {**(dict.fromkeys(days) if task.changes else days), "cursor": number}


def _newest(definition: Definition, task: Task, page: Page) -> str:
    """The latest time of change on a page, as the engine keeps cursors; never in the future."""
    if not task.changes or not definition.cursor:
        return ""
    stamps = [s for s in (r.get("updated_at") for r in page.rows) if isinstance(s, dt.datetime)]
    limit = dt.datetime.combine(
        task.today + dt.timedelta(days=1), dt.time(), ZoneInfo(definition.time_zone)
    )
    known = [s for s in stamps if s <= limit]
    return max(known).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if known else ""


def preview(client: Client, definition: Definition) -> Sample:
    """The first records, and what was found out about the answer."""
    source = first_page(read_source(definition), SHOWN)
    today = dt.datetime.fromtimestamp(time.time(), ZoneInfo(definition.time_zone)).date()
    task = Task(
        stream=stream_of(definition, read), account=AccountInfo("", ""), today=today,
        start=today - dt.timedelta(days=7), end=today,
    )
    for answer, found in pages(client, source, _values(definition, source, task), most=1):
        return Sample(
            columns=tuple(_column(n, found.records) for n in _order(found)),
            records=tuple(found.records[:SHOWN]), notes=_notes(found, answer.headers),
        )
    return Sample(columns=(), records=())


def _order(found: Decoded) -> list[str]:
    names = list(dict.fromkeys(n for r in found.records[:SHOWN] for n in r))
    return names or sorted(found.columns)


def _notes(found: Decoded, headers: Mapping[str, str]) -> tuple[str, ...]:
    told = [f"{_FORMATS.get(found.format, found.format)}, {found.encoding}"
            + (f", separated by {found.delimiter!r}" if found.delimiter else "")
            + f", {len(found.records)} records on the first page."]
    if found.rejected:
        told.append(f"{len(found.rejected)} lines cannot be read: {found.rejected[0].reason}")
    if 'rel="next"' in headers.get("link", ""):
        told.append("The answer names a next page in its Link header.")
    elif isinstance(found.whole, Mapping):
        told += [f"There is a field {k!r}, which looks like paging." for k in found.whole
                 if any(w in str(k).lower() for w in ("next", "cursor", "page", "total", "more"))]
    return tuple(told[:6])


def _column(name: str, records: Sequence[Mapping[str, Any]]) -> SourceColumn:
    values = [r[name] for r in records[:200] if r.get(name) not in (None, "")]
    return SourceColumn(name=name, type=_type(values))



def _type(values: Sequence[Any]) -> _Type:
    """What a column's values seem to be. Ids stay text: leading zeros, long digits."""
    if not values:
        return "text"
    if all(isinstance(v, bool) or str(v).lower() in ("true", "false") for v in values):
        return "flag"
    texts = [str(v).strip() for v in values]
    if all(_DAY.fullmatch(t) for t in texts):
        return "day"
    if all(_TIME.match(t) for t in texts):
        return "time"
    numbers = all(_NUMBER.fullmatch(t) for t in texts)
    ids = any(re.match(r"0\d", t) or len(t) > 15 for t in texts)
    return "number" if numbers and not ids else "text"
