"""Reading one kind: a span of days by creation, then what is new and what changed since the cursor.

Lists are filtered by creation only, so a thing that changed later is not found by listing. The feed
of events names it, and it is read again by its id: an event shows a thing in the version of its
time, which is not ours. Events are kept for 30 days; after a longer pause, or without permission
for them, the last weeks are read again instead.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.platforms.stripe import calls
from liftos_app.services.connectors.platforms.stripe.errors import GONE
from liftos_app.services.connectors.platforms.stripe.privacy import clean
from liftos_app.services.connectors.platforms.stripe.rows_of_payments import Place
from liftos_app.services.connectors.platforms.stripe.signin import is_test
from liftos_app.services.connectors.read import columns_of, listed, make_page
from liftos_app.services.connectors.rows import moment
from liftos_app.services.connectors.spec import Page, Row, Task

EVENT_DAYS = 29  # a day less than Stripe keeps them
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_PART_OF_PATH = re.compile(r"[A-Za-z0-9_]{4,80}")
_REFUSED = (
    "The key may not read events, so the last weeks are read again at each sync. Set Events to "
    "Read to notice later changes of older records."
)
_PAUSED = (
    "The last sync was more than 29 days ago, and Stripe keeps events for 30: the last weeks "
    "before it were read again, but changes of older records in between are missed."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One kind of thing: its list, its rows, and the events that tell of its changes.

    `again` is how many days are read again where events cannot help; None is all of them.
    """

    path: str
    object: str  # as records name themselves
    make: Callable[[Mapping[str, Any], Place], Row]
    events: tuple[str, ...] = ()
    again: int | None = 30
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    """One reading of one source: what makes rows, which ids came, the newest creation seen."""

    client: Client
    task: Task
    source: Source
    place: Place
    seen: set[str] = field(default_factory=set)
    newest: int = 0

    def page(self, records: Any, answer: Answer | None, *, span: bool = False) -> Page:
        """A page of cleaned records; with `span` those of other days are left out."""
        raw = listed(records)
        for record in raw:
            if isinstance(record, dict):
                self.seen.add(str(record.get("id")))
                created = record.get("created")
                if type(created) is int:
                    self.newest = max(self.newest, created)

        def make(record: Any) -> Row | None:
            row = self.source.make(record, self.place)
            return None if span and not self.task.holds(row["day"]) else row

        return make_page(
            [clean(r, self.task.salt) for r in raw], make, answer=answer,
            columns=columns_of(raw) if raw else frozenset(),
        )  # fmt: skip

    def list(self, since: int | None, until: int | None = None) -> Iterator[Page]:
        """What was created in [since, until)."""
        span = until is not None
        bounds = {"created[gte]": since, "created[lt]": until}
        params = {**self.source.params, **{k: v for k, v in bounds.items() if v is not None}}
        for answer in calls.pages(self.client, self.source.path, self.task.account, params):
            yield self.page(answer.data.get("data"), answer, span=span)


def reader(source: Source) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of a stream. See the contract in spec.py."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        place = Place(ZoneInfo(task.account.time_zone), is_test(client.credential))
        reading = _Reading(client, task, source, place)
        if not task.changes:
            after = task.end + timedelta(days=1)
            yield from reading.list(
                calls.midnight(task.start, place.zone), calls.midnight(after, place.zone)
            )
        elif source.events:
            yield from _changes(reading)
        else:
            yield from _with_cursor(reading, reading.list(_since(task)))

    return read


def _since(task: Task) -> int:
    overlap = timedelta(seconds=task.stream.overlap_seconds)
    return calls.seconds(moment(task.cursor) - overlap)


def _changes(reading: _Reading) -> Iterator[Page]:
    """New things by listing, changed ones by their events."""
    task = reading.task
    try:
        newest = calls.get(reading.client, "events", task.account, {"limit": 1}).data
    except Fix as error:
        if not calls.is_permission(error):
            raise
        yield from _again(reading, _REFUSED)
        return
    first = next((e for e in listed(newest.get("data")) if isinstance(e, dict)), {})
    upto = first.get("created")  # what happens after this moment comes with the next sync
    reading.newest = upto if type(upto) is int else 0
    since_day = moment(task.cursor).astimezone(reading.place.zone).date()
    if (task.today - since_day).days > EVENT_DAYS:
        yield from _again(reading, _PAUSED)
        return
    yield from _with_cursor(reading, _new_and_changed(reading, reading.newest))


def _new_and_changed(reading: _Reading, upto: int) -> Iterator[Page]:
    since = _since(reading.task)
    yield from reading.list(since)
    for records in _changed(reading, _touched(reading, since)):
        yield reading.page(records, None)
    reading.newest = upto  # newer things were seen, but not yet their events


def _again(reading: _Reading, note: str) -> Iterator[Page]:
    """The last weeks before the cursor and everything since, or all there is."""
    days = reading.source.again
    since = None
    if days is not None:
        since = calls.seconds(moment(reading.task.cursor) - timedelta(days=days))
    yield from _with_cursor(reading, reading.list(since), notes=(note,))


def _with_cursor(
    reading: _Reading, pages: Iterator[Page], *, notes: tuple[str, ...] = ()
) -> Iterator[Page]:
    """The pages; the last one carries the cursor, which never goes back."""
    last = Page(rows=[])
    for page in pages:
        if last.read_count or last.rows:
            yield last
        last = page
    cursor = moment(reading.task.cursor)
    if reading.newest:
        cursor = max(cursor, datetime.fromtimestamp(reading.newest, UTC))
    last.cursor = cursor.astimezone(dt.UTC).strftime(FORMAT)
    last.notes = (*last.notes, *notes)
    yield last


# --- the change feed -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Touched:
    """What events point at: ids to read again, and charges whose refunds are to be listed."""

    ids: dict[str, None] = field(default_factory=dict)
    charges: dict[str, None] = field(default_factory=dict)


def _touched(reading: _Reading, since: int) -> _Touched:
    """The things of this kind that events since then speak of, newest first, each once."""
    found, known = _Touched(), set[str]()
    params = [("created[gte]", str(since)), *(("types[]", t) for t in reading.source.events)]
    for answer in calls.pages(reading.client, "events", reading.task.account, params):
        for event in listed(answer.data.get("data")):
            thing = (event.get("data") or {}).get("object") if isinstance(event, dict) else None
            if not isinstance(thing, dict):
                continue
            own, charge = str(thing.get("id") or ""), _id_of(thing.get("charge"))
            if thing.get("object") == reading.source.object:
                found.ids[own] = None
                known.add(charge)
            elif reading.source.object == "refund":
                found.charges[own] = None  # charge.refunded shows the charge, not its refund
            elif charge:
                found.ids[charge] = None
    for charge in known:
        found.charges.pop(charge, None)
    return found


def _changed(reading: _Reading, touched: _Touched) -> Iterator[list[Any]]:
    """These things as they stand now, in lists of a page's size; what is gone is left out."""
    batch: list[Any] = []
    for ident in touched.ids:
        if ident in reading.seen or not _PART_OF_PATH.fullmatch(ident):
            continue
        record = _one(reading, ident)
        if record is not None:
            batch.append(record)
        if len(batch) >= calls.LIMIT:
            yield batch
            batch = []
    for charge in touched.charges:
        params = {"charge": charge}
        for answer in calls.pages(reading.client, "refunds", reading.task.account, params):
            rows = listed(answer.data.get("data"))
            batch += [r for r in rows if not isinstance(r, dict) or r.get("id") not in reading.seen]
    if batch:
        yield batch


def _one(reading: _Reading, ident: str) -> Any:
    """A thing by its id, None when it was deleted: drafts of invoices can be."""
    try:
        path = f"{reading.source.path}/{ident}"
        return calls.get(reading.client, path, reading.task.account).data
    except Fix as error:
        if error.facts.get("platform_code") == GONE:
            return None
        raise


def _id_of(value: Any) -> str:
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else ""
