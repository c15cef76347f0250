"""Deals, contacts and companies: by the day they were made, then by their last change.

Deleted records come from the bin, merged ones are named by the record they went into.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import dig
from liftos_app.services.connectors.platforms.hubspot import portal, search
from liftos_app.services.connectors.platforms.hubspot.record_rows import (
    COMPANY,
    CONTACT,
    CREATED,
    DEAL,
    MERGED,
    Links,
    Shape,
    hidden,
)
from liftos_app.services.connectors.platforms.hubspot.values import at
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.rows import moment
from liftos_app.services.connectors.spec import Page, Row, Task

CURSOR = "%Y-%m-%dT%H:%M:%SZ"
MONDAY = 0  # the day on which links of open deals are read again: HubSpot tells no change of them
_FRAME = {"properties", "associations", "propertiesWithHistory"}


def reader(shape: Shape) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of a stream of records; see the contract in spec.py."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        zone = portal.check(client, task)
        reading = _Reading(client, task, shape, zone)
        yield from reading.changes() if task.changes else reading.span()

    return read


@dataclass(slots=True)
class _Reading:
    client: Client
    task: Task
    shape: Shape
    zone: ZoneInfo
    newest: datetime | None = field(default=None)

    def span(self) -> Iterator[Page]:
        """Records made in the days of the task, by the portal's calendar."""
        start = _midnight(self.task.start, self.zone)
        end = _midnight(self.task.end + timedelta(days=1), self.zone)
        filters = [
            search.compare(CREATED, "GTE", str(search.millis(start))),
            search.compare(CREATED, "LT", str(search.millis(end))),
        ]
        for answer in search.by_id(self.client, self.shape.path, filters, self.shape.properties):
            yield self._page(answer, in_span=True)

    def changes(self) -> Iterator[Page]:
        """Records that changed since the cursor, which moves to the newest change seen."""
        cursor = moment(self.task.cursor)
        since = cursor - timedelta(seconds=self.task.stream.overlap_seconds)
        self.newest = cursor
        last: Page | None = None
        for page in self._all_changes(since):
            if last is not None:
                yield last
            last = page
        if last is not None:
            last.cursor = self.newest.strftime(CURSOR)
            yield last

    def _all_changes(self, since: datetime) -> Iterator[Page]:
        path, names = self.shape.path, self.shape.properties
        for answer in search.changed(
            self.client, path, self.shape.modified, since=since, properties=names
        ):
            self._note(answer)
            yield self._page(answer)
            gone = _merged(answer)
            if gone:
                yield self._tombstones(gone)
        if self.shape.linked and self.task.today.weekday() == MONDAY:
            open_ones = [search.compare("hs_is_closed", "EQ", "false")]
            for answer in search.by_id(self.client, path, open_ones, names):
                yield self._page(answer)
        for answer in search.archived(self.client, path, names):
            yield self._bin(answer, since)

    def _page(self, answer: Answer, *, in_span: bool = False) -> Page:
        records = self._shown(answer)
        make = self._maker(self._links(records))

        def kept(record: Any) -> Row | None:
            row = make(record)
            return row if not in_span or self.task.holds(row["day"]) else None

        return make_page(records, kept, answer=answer, columns=_columns(records))

    def _bin(self, answer: Answer, since: datetime) -> Page:
        """Of all deleted records those that were deleted since the cursor."""
        records = self._shown(answer)
        make = self._maker({})

        def kept(record: Any) -> Row | None:
            if moment(record.get("archivedAt") or record["updatedAt"]) < since:
                return None
            return make(record) | {"deleted": True}

        return make_page(records, kept, answer=answer, columns=frozenset())

    def _tombstones(self, gone: Sequence[tuple[str, Mapping[str, Any]]]) -> Page:
        """Rows for records that are no longer there because they were merged into another."""
        make = self._maker({})
        records = [self._hide({**winner, "id": ident}) for ident, winner in gone]
        found = make_page(records, make, columns=frozenset())
        for row in found.rows:
            row |= {"deleted": True, "attrs": {"merged": True}}
        return found

    def _shown(self, answer: Answer) -> list[Any]:
        """The records of an answer, people's ids hidden."""
        return [self._hide(r) for r in listed(dig(answer.data, "results"))]

    def _hide(self, record: Any) -> Any:
        return hidden(record, self.task.salt) if self.shape.people else record

    def _maker(self, links: Links) -> Callable[[Any], Row]:
        shape, zone, task = self.shape, self.zone, self.task
        return lambda record: shape.row(record, zone, links, task)

    def _links(self, records: Sequence[Any]) -> Links:
        if not self.shape.linked:
            return {}
        ids = [str(r["id"]) for r in records if isinstance(r, dict) and r.get("id")]
        path = self.shape.path
        return {to: search.links(self.client, path, to, ids) for to in self.shape.linked if ids}

    def _note(self, answer: Answer) -> None:
        for record in listed(dig(answer.data, "results")):
            try:
                found = at(record["properties"][self.shape.modified])
            except (KeyError, TypeError, ValueError):
                continue
            self.newest = found if self.newest is None else max(self.newest, found)


def _merged(answer: Answer) -> list[tuple[str, Mapping[str, Any]]]:
    """Ids that went into records of this page, with the record they are now."""
    found = []
    for record in listed(dig(answer.data, "results")):
        names = (record.get("properties") or {}).get(MERGED) if isinstance(record, dict) else None
        if isinstance(names, str):
            found += [(i, record) for i in names.replace(",", ";").split(";") if i.isdecimal()]
    return found


def _columns(records: Sequence[Any]) -> frozenset[str]:
    """Names of properties, and of what stands beside them."""
    kept = [r for r in records if isinstance(r, dict)]
    inner = frozenset().union(*((r.get("properties") or {}) for r in kept))
    return inner | frozenset().union(*kept) - _FRAME


def _midnight(day: dt.date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


read_deals, read_contacts, read_companies = reader(DEAL), reader(CONTACT), reader(COMPANY)
