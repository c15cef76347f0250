"""Cursor pages: `links.next` is an absolute address that keeps the query, the cursor is opaque."""

from __future__ import annotations

import base64
import binascii
import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.klaviyo.wire import invalid

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page and the cursors around it."""

    rows: list[Any]
    next: str | None
    previous: str | None


def key(value: object, identity: str) -> Key:
    """A position in a sorted list; nothing sorts first."""
    if isinstance(value, datetime):
        return value.isoformat(), identity
    return ("" if value is None else str(value).lower()), identity


def cut(
    rows: Sequence[Any], position: Callable[[Any], Key], *, size: int, cursor: str,
    descending: bool = False,
) -> Page:  # fmt: skip
    """One page of rows that are sorted ascending by `position`. Raises Refusal (400)."""
    total = len(rows)
    start, end = 0, min(size, total)
    if cursor:
        way, mark = _decode(cursor)
        low, high = (bisect.bisect_left(rows, mark, key=position),
                     bisect.bisect_right(rows, mark, key=position))  # fmt: skip
        after, before = (total - low, total - high) if descending else (high, low)
        start, end = (
            (after, min(total, after + size)) if way == "next" else (max(0, before - size), before)
        )
    if descending:
        page = [rows[total - 1 - index] for index in range(start, end)]
    else:
        page = list(rows[start:end])
    return Page(
        page,
        _encode("next", position(page[-1])) if page and end < total else None,
        _encode("prev", position(page[0])) if page and start > 0 else None,
    )


def links(call: Call, page: Page, *, name: str = "page[cursor]") -> dict[str, str | None]:
    """The links of a collection."""
    pairs = [(k, v) for k, v in call.query_pairs if k != name]

    def address(cursor: str | None) -> str | None:
        return None if cursor is None else f"{call.url}?{urlencode([*pairs, (name, cursor)])}"

    return {"self": own(call), "next": address(page.next), "prev": address(page.previous)}


def own(call: Call) -> str:
    """The address of this call."""
    return f"{call.url}?{urlencode(call.query_pairs)}" if call.query_pairs else call.url


def document(
    call: Call, page: Page, data: Sequence[Mapping[str, Any]],
    included: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A collection document."""
    body: dict[str, Any] = {"data": list(data), "links": links(call, page)}
    if included is not None:
        body["included"] = list(included)
    return body


def _encode(way: str, mark: Key) -> str:
    text = f"{way}\x1f{mark[0]}\x1f{mark[1]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, Key]:
    cursor = cursor.strip("=")  # the vendor's own Python library leaves the sign of the query there
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        way, value, identity = raw.decode().split("\x1f")
    except (binascii.Error, ValueError):
        raise invalid("Invalid cursor provided.", parameter="page[cursor]") from None
    if way not in {"next", "prev"}:
        raise invalid("Invalid cursor provided.", parameter="page[cursor]")
    return way, (value, identity)
