"""Pages of one stream: asking, following redirects at home, and every kind of paging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urljoin

import orjson

from liftos_app.errors import Fix, GiveUp, Retry
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.platforms.generic_http.decode import Decoded, decode
from liftos_app.services.connectors.platforms.generic_http.errors import NAME, Moved
from liftos_app.services.connectors.platforms.generic_http.source import (
    Source,
    Values,
    dig,
    filled,
    has_all,
)

REDIRECTS: Final = 5
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


@dataclass(slots=True)
class Asked:
    """One page's request: parameters, and the address when the answer before named a whole one."""

    params: list[tuple[str, str]]
    link: str = ""


def pages(
    client: Client, source: Source, values: Values, *, most: int = 0
) -> Iterator[tuple[Answer, Decoded]]:
    """All pages with their records; `most` ends the walk after so many pages (a preview).

    Raises GiveUp when a page or cursor comes again, Fix when there are more pages than allowed.
    """
    asked = Asked([(n, filled(v, values)) for n, v in source.query if has_all(v, values)])
    if source.size_param and source.page_size:
        asked.params.append((source.size_param, str(source.page_size)))
    walk = _Walk(source, list(asked.params))
    asked = walk.first()
    for number in range(1, source.max_pages + 1):
        answer, found = _whole(client, source, asked, values)
        walk.check(found)
        yield answer, found
        following = walk.following(answer, found)
        if following is None or number == most:
            return
        asked = following
    raise Fix(
        f"{NAME} has more than {source.max_pages:,} pages.",
        why="That is the limit in the stream's settings; what lies behind it would be lost.",
        fix="Raise it, or ask for fewer days at a time.", cause="bad_configuration", owner="you",
    )


class _Walk:
    """What is known on the way from page to page."""

    def __init__(self, source: Source, base: list[tuple[str, str]]) -> None:
        self.source, self.base = source, base
        self.position = source.page_start
        self.seen: set[str] = set()
        self.read = 0
        self.total: int | None = None
        self.marks: set[int] = set()

    def first(self) -> Asked:
        """The request of the first page."""
        counted = self.source.paging in ("page", "offset")
        return self._with(str(self.position)) if counted else Asked(list(self.base))

    def check(self, found: Decoded) -> None:
        """Raise GiveUp when a page came before, whatever stands around its records."""
        if found.records and self.source.paging:
            mark = hash(repr(found.records))
            if mark in self.marks:
                raise endless("it sent the same page again")
            self.marks.add(mark)
        self.read += len(found.records) + len(found.rejected)

    def following(self, answer: Answer, found: Decoded) -> Asked | None:
        """The next page's request; None at the end."""
        match self.source.paging:
            case "page" | "offset":
                return self._counted(found)
            case "cursor_body":
                return self._cursor(dig(found.whole, self.source.next_path))
            case "header_cursor":
                return self._cursor(answer.headers.get(self.source.next_path.lower()))
            case "next_url_body":
                return self._link(dig(found.whole, self.source.next_path))
            case "link_header":
                named = _NEXT.search(answer.headers.get("link", ""))
                return self._link(named[1] if named else None)
        return None

    def _counted(self, found: Decoded) -> Asked | None:
        count = len(found.records) + len(found.rejected)
        if self.source.total_path and self.total is None:  # it may be on the first page only
            total = dig(found.whole, self.source.total_path)
            self.total = int(total) if str(total).isdecimal() else None
        more = dig(found.whole, self.source.more_path) if self.source.more_path else None
        short = self.source.short_page_ends and count < self.source.page_size
        if not count or more is False or short or (
            self.total is not None and self.read >= self.total
        ):
            return None
        self.position += count if self.source.paging == "offset" else 1
        return self._with(str(self.position))

    def _cursor(self, value: Any) -> Asked | None:
        if value in (None, "", False, "null"):
            return None
        return self._with(self._once(str(value)))

    def _link(self, value: Any) -> Asked | None:
        return Asked([], self._once(str(value))) if value else None

    def _once(self, text: str) -> str:
        if text in self.seen:
            raise endless("it named a page that was read already")
        self.seen.add(text)
        return text

    def _with(self, value: str) -> Asked:
        return Asked([*self.base, (self.source.page_param, value)])


def _whole(
    client: Client, source: Source, asked: Asked, values: Values
) -> tuple[Answer, Decoded]:
    """A page and its records; one that is cut off is asked for again, three times at most."""
    for wait in (1.0, 3.0, 9.0):
        answer = _get(client, source, asked, values)
        try:
            return answer, decode(source, answer.data, answer.headers)
        except Retry:
            client.pause(wait)
    answer = _get(client, source, asked, values)
    return answer, decode(source, answer.data, answer.headers)


def _get(client: Client, source: Source, asked: Asked, values: Values) -> Answer:
    """One answer; redirects are followed on the system's own server, five at most."""
    path = filled(source.path, values)
    link = urljoin(client.addresses.url("api", path), asked.link) if asked.link else ""
    for _ in range(REDIRECTS + 1):
        try:
            if link:
                return client.follow(link, raw=True)
            if source.body:
                body = orjson.loads(filled(source.body, values))
                return client.post(path, params=asked.params, json=body, raw=True)
            return client.get(path, params=asked.params, raw=True)
        except Moved as error:
            here = link or client.addresses.url("api", path)
            link = _at_home(client, here, error)
        except orjson.JSONDecodeError:
            raise Fix(
                "The stream's body is no JSON.", why="With its placeholders filled it cannot be "
                "read.", fix="Correct it in the stream's settings.", cause="bad_configuration",
                owner="you",
            ) from None
    raise endless("it sent us from address to address")


def _at_home(client: Client, here: str, error: Moved) -> str:
    """Where a redirect leads, when that is the same server. Raises the error otherwise."""
    target = urljoin(here, error.location)
    try:
        return client.addresses.follow(target)
    except GiveUp:
        raise error from None


def endless(reason: str) -> GiveUp:
    """The error of a walk that would never end."""
    return GiveUp(
        f"{NAME}'s pages have no end.", why=f"While paging, {reason}.",
        fix="Check the paging in the stream's settings.", cause="bad_configuration", owner="you",
    )


def first_page(source: Source, size: int) -> Source:
    """The same source, asked for a small first page where it takes a size."""
    return replace(source, page_size=size) if source.size_param else source
