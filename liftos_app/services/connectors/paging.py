"""Walks through pages until there is none left; every walk ends or raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.faults import REPORT

if TYPE_CHECKING:
    from liftos_app.services.connectors.client import Answer, Client

MOST_PAGES = 200_000
_SAME = 3  # so many equal, non-empty pages in a row mean that the platform stands still


@dataclass(frozen=True, slots=True)
class Cursor:
    """The answer names a cursor; the next request repeats everything and adds it.

    `read` is a dotted path into the answer, `send` a query parameter.
    """

    read: str
    send: str


@dataclass(frozen=True, slots=True)
class Link:
    """The answer holds the whole address of the next page, followed as it is."""

    read: str


def dig(data: Any, path: str) -> Any:
    """A value by its dotted path; None when a part of the path is missing."""
    for part in path.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(part)
    return data


def walk(
    ask: Callable[[str], Answer],
    next_of: Callable[[Any], Any],
    *,
    records_of: Callable[[Any], Any] | None = None,
    first: str = "",
) -> Iterator[Answer]:
    """Answers to `ask("")`, `ask(cursor)`.. until `next_of(data)` is empty.

    Raises GiveUp when a cursor comes again, or when the same page comes again and again.
    """
    cursor, seen = first, {first}
    before: Any = None
    same = 0
    for _ in range(MOST_PAGES):
        answer = ask(cursor)
        yield answer
        following = next_of(answer.data)
        if following is None or following == "" or following is False:
            return
        cursor = str(following)
        if cursor in seen:
            raise _endless("it named a page that was read already")
        seen.add(cursor)
        if records_of is not None:
            records = records_of(answer.data)
            same = same + 1 if records and records == before else 0
            before = records
            if same >= _SAME:
                raise _endless("it sent the same page again and again")
    raise _endless(f"it has more than {MOST_PAGES:,} pages")


def pages(
    client: Client,
    path: str,
    paging: Cursor | Link | None,
    *,
    params: Mapping[str, Any] | None = None,
    records: str = "",
    lane: str = "",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Answer]:
    """All pages of a GET address. `records` is the dotted path of the list of records."""
    records_of = (lambda data: dig(data, records)) if records else None

    def ask(cursor: str) -> Answer:
        if cursor and isinstance(paging, Link):
            return client.follow(cursor, lane=lane, headers=headers)
        sent = dict(params or {})
        if cursor and isinstance(paging, Cursor):
            sent[paging.send] = cursor
        return client.get(path, params=sent, lane=lane, headers=headers)

    def next_of(data: Any) -> Any:
        return dig(data, paging.read) if paging is not None else None

    yield from walk(ask, next_of, records_of=records_of)


def _endless(reason: str) -> GiveUp:
    return GiveUp(
        "The platform's pages have no end.",
        why=f"While paging, {reason}.",
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
    )
