"""Relay connections over sorted nodes: keyset cursors, so that rows which move are seen again."""

from __future__ import annotations

import base64
import binascii
import bisect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

MAX_PAGE = 250
Key = tuple[Any, int]


def bad_request(message: str) -> GraphQLError:
    """An argument error, worded for the caller."""
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})


@dataclass(frozen=True, slots=True)
class Window:
    """The four paging arguments, checked."""

    size: int
    backwards: bool
    cursor: Key | None


def window(args: Mapping[str, Any]) -> Window:
    """Check `first`, `last`, `after`, `before`. Raises GraphQLError."""
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise bad_request("you must provide one of first or last")
    if first is not None and last is not None:
        raise bad_request("providing both first and last is not supported")
    name, size = ("first", first) if first is not None else ("last", last)
    if not isinstance(size, int) or size < 0:
        raise bad_request(f"{name} must be a positive number")
    if size > MAX_PAGE:
        raise bad_request(f"{name} cannot exceed {MAX_PAGE}")
    token = args.get("after") if first is not None else args.get("before")
    return Window(size, first is None, decode(token) if token else None)


def encode(key: Key) -> str:
    """An opaque cursor for one position."""
    value = {"last_id": key[1], "last_value": key[0]}
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


def decode(token: str) -> Key:
    """The position behind a cursor. Raises GraphQLError for anything not made by `encode`."""
    try:
        value = json.loads(base64.b64decode(token, validate=True))
        return value["last_value"], int(value["last_id"])
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError):
        raise bad_request("Invalid cursor for current pagination sort.") from None


def connection(
    rows: Sequence[Any],
    args: Mapping[str, Any],
    *,
    key: Callable[[Any], Key],
    node: Callable[[Any], Any],
) -> dict[str, Any]:
    """One page of `rows`, which are sorted ascending by `key`; `reverse` walks them backwards."""
    asked = window(args)
    reverse = bool(args.get("reverse"))
    cursor = asked.cursor
    start, end = 0, len(rows)
    try:
        if cursor is not None:
            # `after` in reading order, `before` for `last`; both flip when the order is reversed.
            if asked.backwards == reverse:
                start = bisect.bisect_right(rows, cursor, key=key)
            else:
                end = bisect.bisect_left(rows, cursor, key=key)
    except TypeError:
        raise bad_request("Invalid cursor for current pagination sort.") from None
    take_from_start = asked.backwards == reverse
    if take_from_start:
        low, high = start, min(end, start + asked.size)
    else:
        low, high = max(start, end - asked.size), end
    page = list(rows[low:high])
    if reverse:
        page.reverse()
    earlier, later = low > 0, high < len(rows)
    if reverse:
        earlier, later = later, earlier
    return _answer(page, key, node, has_next=later, has_previous=earlier)


def _answer(
    page: list[Any],
    key: Callable[[Any], Key],
    node: Callable[[Any], Any],
    *,
    has_next: bool,
    has_previous: bool,
) -> dict[str, Any]:
    nodes = [node(row) for row in page]
    cursors = [encode(key(row)) for row in page]
    return {
        "nodes": nodes,
        "edges": [{"cursor": c, "node": n} for c, n in zip(cursors, nodes, strict=True)],
        "pageInfo": {
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


class Children:
    """A connection under a node: called with paging arguments by a query, `every` by a bulk job."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Sequence[dict[str, Any]]]) -> None:
        self._make = make

    def __call__(self, **args: Any) -> dict[str, Any]:
        rows = list(enumerate(self._make()))
        return connection(rows, args, key=lambda row: (0, row[0]), node=lambda row: row[1])

    def every(self, **_: Any) -> Sequence[dict[str, Any]]:
        """All of them, in order."""
        return self._make()
