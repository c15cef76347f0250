"""Cursor paging: opaque stable cursors and an absolute `next` on the address that was called."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from liftos_app.services.sandbox.platforms.meta_business.answers import (
    bad_parameter,
    too_much_data,
)

DEFAULT_LIMIT = 25
MAX_LIMIT = 5000  # beyond it the vendor asks to reduce the amount of data


@dataclass(frozen=True, slots=True)
class Call:
    """What a page needs to know of the request: its own address and parameters."""

    url: str  # absolute, without the query
    params: Mapping[str, str]

    @property
    def limit(self) -> int:
        """Rows a page; raises GraphError for a bad or too greedy one."""
        text = self.params.get("limit", "") or str(DEFAULT_LIMIT)
        try:
            limit = int(text)
        except ValueError:
            raise bad_parameter("limit", "must be an integer") from None
        if limit < 1:
            raise bad_parameter("limit", "must be greater than or equal to 1")
        if limit > MAX_LIMIT:
            raise too_much_data()
        return limit


def write_cursor(text: str) -> str:
    """An opaque cursor; padding becomes ZD, as the vendor's look."""
    body = base64.urlsafe_b64encode(text.encode()).decode()
    return body.rstrip("=") + "ZD" * (len(body) - len(body.rstrip("=")))


def read_cursor(text: str) -> str:
    """The text in a cursor. Raises GraphError."""
    body = text
    while body.endswith("ZD") and len(body) > 2:
        body = body[:-2]
    try:
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    except (binascii.Error, ValueError):
        raise bad_parameter("after", "is not a valid cursor") from None


def page(
    rows: Sequence[Any],
    call: Call,
    *,
    mark: Callable[[int, Any], str],
) -> dict[str, Any]:
    """One page of rows. `mark` names a row in a cursor, by position or by id."""
    limit = call.limit
    marks = _distinct(mark(i, row) for i, row in enumerate(rows))
    first = 0
    if call.params.get("after"):
        first = _position(marks, read_cursor(call.params["after"])) + 1
    elif call.params.get("before"):
        first = max(0, _position(marks, read_cursor(call.params["before"])) - limit)
    chosen = rows[first : first + limit]
    if not chosen:
        return {"data": []}
    last = first + len(chosen) - 1
    cursors = {"before": write_cursor(marks[first]), "after": write_cursor(marks[last])}
    paging: dict[str, Any] = {"cursors": cursors}
    if last + 1 < len(rows):
        paging["next"] = _link(call, after=cursors["after"])
    if first > 0:
        paging["previous"] = _link(call, before=cursors["before"])
    return {"data": list(chosen), "paging": paging}


def _distinct(marks: Iterable[str]) -> list[str]:
    """A row that arrives twice needs two cursors, or paging would never end."""
    seen: dict[str, int] = {}
    found = []
    for text in marks:
        seen[text] = seen.get(text, 0) + 1
        found.append(text if seen[text] == 1 else f"{text}+{seen[text]}")
    return found


def _position(marks: Sequence[str], wanted: str) -> int:
    try:
        return marks.index(wanted)
    except ValueError:
        raise bad_parameter("after", "is not a valid cursor") from None


def _link(call: Call, **cursor: str) -> str:
    kept = {k: v for k, v in call.params.items() if k not in {"after", "before", "appsecret_proof"}}
    return f"{call.url}?{urlencode(kept | cursor)}"
