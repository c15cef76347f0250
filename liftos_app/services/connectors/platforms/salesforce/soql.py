"""SOQL: writing a query, and reading its records page by page or as a prepared file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import dig, lost, walk
from liftos_app.services.connectors.platforms.salesforce import bulk
from liftos_app.services.connectors.platforms.salesforce.errors import (
    FieldRefused,
    LocatorGone,
    TooLarge,
)
from liftos_app.services.connectors.platforms.salesforce.version import VERSION, path
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

BATCH = 2000  # records on a page; Salesforce may send fewer
BULK_FROM = 10_000  # records from which a prepared file costs fewer calls than pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to ask of one object. `everything` includes deleted records."""

    object: str
    fields: tuple[str, ...]
    where: tuple[str, ...] = ()
    everything: bool = True

    def text(self, fields: Sequence[str]) -> str:
        """The query for these fields."""
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {', '.join(fields)} FROM {self.object}{where}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records, the size of their answer, and what a person should know about them."""

    records: list[dict[str, Any]]
    size: int
    notes: tuple[str, ...] = ()


def literal(at: datetime) -> str:
    """A moment as SOQL writes it: UTC, milliseconds, no quotes."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def version_of(account: AccountInfo) -> str:
    """The version of the interface the organization offered at sign-in."""
    return str(account.extra.get("version") or VERSION)


def records(client: Client, version: str, query: Query) -> Iterator[Batch]:
    """All records of a query, each once. Fields that may not be read are left out and named."""
    kept = f"salesforce.{query.object}"
    fields = client.kept.get(kept, query.fields)
    try:
        yield from _records(client, version, query, query.text(fields))
    except FieldRefused:
        fields, notes = _readable(client, version, query)
        client.kept[kept] = fields
        for batch in _records(client, version, query, query.text(fields)):
            yield Batch(batch.records, batch.size, notes)


def ask(client: Client, version: str, text: str) -> list[dict[str, Any]]:
    """The records of a small query."""
    return listed(client.get(path(version, "query"), params={"q": text}).data.get("records"))


def describe(client: Client, version: str, name: str) -> frozenset[str]:
    """The fields of an object that may be read."""
    answer = client.get(path(version, f"sobjects/{name}/describe"))
    return frozenset(str(f.get("name")) for f in listed(answer.data.get("fields")))


def _records(client: Client, version: str, query: Query, text: str) -> Iterator[Batch]:
    """Page by page, or as a file when there are many or a page takes too long."""
    try:
        first = _first(client, version, query, text)
        many = first.data.get("totalSize", 0) > BULK_FROM and not first.data.get("done")
    except TooLarge:
        first, many = None, True
    prepared = bulk.records(client, version, text, everything=query.everything) if many else None
    if prepared is not None:
        yield from (Batch(found, size) for found, size in prepared)
    else:
        yield from _paged(client, version, query, text, first)


def _paged(
    client: Client, version: str, query: Query, text: str, first: Answer | None
) -> Iterator[Batch]:
    """Page by page; a place that Salesforce forgot is begun again once, without repeats."""
    seen: set[str] = set()
    for again in (False, True):
        known = frozenset(seen) if again else frozenset[str]()
        begun = first if first is not None and not again else _first(client, version, query, text)
        try:
            pages = walk(
                partial(_turn, client, begun), _next, records_of=lambda data: dig(data, "records")
            )
            for answer in pages:
                found = [_plain(r) for r in listed(answer.data.get("records"))]
                fresh = [r for r in found if r.get("Id") not in known]
                seen.update(str(r.get("Id")) for r in fresh)
                yield Batch(fresh, answer.size)
        except LocatorGone:
            if again:
                raise
        else:
            return


def _turn(client: Client, first: Answer, link: str) -> Answer:
    return client.follow(link) if link else first


def _first(client: Client, version: str, query: Query, text: str) -> Answer:
    where = path(version, "queryAll" if query.everything else "query")
    headers = {"Sforce-Query-Options": f"batchSize={BATCH}"}
    return client.get(where, params={"q": text}, headers=headers)


def _next(data: Any) -> str | None:
    """The link to the next page, followed as it is."""
    if not isinstance(data, dict) or data.get("done"):
        return None
    if not data.get("nextRecordsUrl"):
        raise lost()
    return str(data["nextRecordsUrl"])


def _plain(record: Any) -> Any:
    """The record without what only describes it."""
    if isinstance(record, dict):
        record.pop("attributes", None)
    return record


def _readable(
    client: Client, version: str, query: Query
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that may be read, and a sentence for each that may not."""
    there = describe(client, version, query.object)
    fields = tuple(f for f in query.fields if f in there)
    missing = [f for f in query.fields if f not in there]
    notes = tuple(
        f"Salesforce does not let us read {query.object}.{name}: the integration user has no "
        "field-level permission for it."
        for name in missing
    )
    return fields, notes
