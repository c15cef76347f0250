"""Walks through pages until there is none left; every walk ends or raises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.faults import REPORT

if TYPE_CHECKING:
    from liftos_app.services.connectors.client import Answer, Client

MOST_PAGES = 200_000
_SAME = 3  # one page may come so often: a list that moves meanwhile shows some records again


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


class Steps:
    """What a walk has read so far. Raises GiveUp once the platform repeats itself."""

    def __init__(self, first: str = "") -> None:
        self._named = {first}
        self._read: Counter[int] = Counter()

    def page(self, records: Any) -> None:
        """Note the records of a page. Their number, the first and the last tell it apart."""
        if not isinstance(records, list) or not records:
            return
        mark = hash((len(records), repr(records[0]), repr(records[-1])))
        self._read[mark] += 1
        if self._read[mark] > _SAME:
            raise endless("it sent the same page again and again")

    def to(self, cursor: object) -> str:
        """Note where the next page is, and give it as text."""
        name = str(cursor)
        if name in self._named:
            raise endless("it named a page that was read already")
        if len(self._named) >= MOST_PAGES:
            raise endless(f"it has more than {MOST_PAGES:,} pages")
        self._named.add(name)
        return name


def walk(
    ask: Callable[[str], Answer],
    next_of: Callable[[Any], Any],
    *,
    records_of: Callable[[Any], Any],
    first: str = "",
) -> Iterator[Answer]:
    """Answers to `ask("")`, `ask(cursor)`.. until `next_of(data)` is empty.

    Raises GiveUp when a cursor comes again, or when the same page comes again and again.
    """
    cursor, steps = first, Steps(first)
    while True:
        answer = ask(cursor)
        yield answer
        following = next_of(answer.data)
        if following is None or following == "" or following is False:
            return
        steps.page(records_of(answer.data))
        cursor = steps.to(following)


def pages(
    client: Client,
    path: str,
    paging: Cursor | Link | None,
    *,
    records: str,
    params: Mapping[str, Any] | None = None,
    lane: str = "",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Answer]:
    """All pages of a GET address. `records` is the dotted path of the list of records."""
    def ask(cursor: str) -> Answer:
        if cursor and isinstance(paging, Link):
            return client.follow(cursor, lane=lane, headers=headers)
        sent = dict(params or {})
        if cursor and isinstance(paging, Cursor):
            sent[paging.send] = cursor
        return client.get(path, params=sent, lane=lane, headers=headers)

    def next_of(data: Any) -> Any:
        return dig(data, paging.read) if paging is not None else None

    yield from walk(ask, next_of, records_of=lambda data: dig(data, records))


def endless(reason: str) -> GiveUp:
    """The error of a walk in which the platform repeats itself."""
    return GiveUp(
        "The platform's pages have no end.",
        why=f"While paging, {reason}.",
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
    )


def lost() -> GiveUp:
    """The error of an answer with more to come and no way to it: its end is not the list's."""
    return GiveUp(
        "The platform's pages cannot be followed.",
        why="It says that there is more, but not where.",
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
    )
