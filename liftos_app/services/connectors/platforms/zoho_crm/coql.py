"""COQL: writing a query, and reading its records by seeking past the last id.

By LIMIT and OFFSET a query ends at 100,000 records; seeking does not. A call costs one credit for
up to 200 records and three for 2,000, so changes begin small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from liftos_app.errors import Quota
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import endless
from liftos_app.services.connectors.platforms.zoho_crm.errors import exhausted
from liftos_app.services.connectors.platforms.zoho_crm.version import API
from liftos_app.services.connectors.read import listed

SMALL, LARGE = 200, 2000


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition; `value` is already a literal of COQL."""

    field: str
    sign: str
    value: str

    def text(self) -> str:
        """As COQL writes it."""
        return f"{self.field} {self.sign} {self.value}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records and the size of their answer."""

    records: list[dict[str, Any]]
    size: int


def literal(at: datetime) -> str:
    """A moment in quotes, with its offset."""
    return f"'{stamp(at)}'"


def stamp(at: datetime) -> str:
    """A moment as Zoho writes it, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def where(criteria: Sequence[Criterion]) -> str:
    """Criteria joined in pairs, as COQL wants its brackets."""
    text = criteria[0].text()
    for one in criteria[1:]:
        text = f"({text} and {one.text()})"
    return text


def call(client: Client, path: str, **more: Any) -> Answer:
    """A GET; a limit that stays is handed on as used-up credits."""
    try:
        return client.get(path, **more)
    except Quota as error:
        raise exhausted(error) from error


def records(
    client: Client,
    module: str,
    fields: Sequence[str],
    criteria: Sequence[Criterion],
    *,
    first: int = LARGE,
) -> Iterator[Batch]:
    """All records that fit, in order of their ids. `first` is the size of the first page."""
    last, size = "0", first
    while True:
        text = (
            f"select {', '.join(fields)} from {module} where "  # noqa: S608
            f"{where([*criteria, Criterion('id', '>', last)])} order by id asc limit 0, {size}"
        )
        answer = _ask(client, text)
        found = _records(answer.data)
        yield Batch(found, answer.size)
        if not _more(answer.data):
            return
        following = str(found[-1].get("id", "")) if found else ""
        if not following.isdigit() or int(following) <= int(last):
            raise endless("it sent records that were read already")
        last, size = following, LARGE


def _ask(client: Client, text: str) -> Answer:
    try:
        return client.post(f"{API}/coql", json={"select_query": text})
    except Quota as error:
        raise exhausted(error) from error


def _records(data: Any) -> list[dict[str, Any]]:
    """The records of an answer; no body means none."""
    return [] if data is None else listed(data.get("data") if isinstance(data, dict) else None)


def _more(data: Any) -> bool:
    info = data.get("info") if isinstance(data, Mapping) else None
    return bool(info.get("more_records")) if isinstance(info, Mapping) else False
