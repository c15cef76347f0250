"""Lists in JSON, one for each way of paging."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.generic_http import data

MOST = 500


def _size(call: Call, name: str, usual: int = 50) -> int:
    text = call.query.get(name, str(usual))
    return max(1, min(MOST, int(text))) if text.isdecimal() else usual


def _number(call: Call, name: str, usual: int) -> int:
    text = call.query.get(name, "")
    return int(text) if text.isdecimal() else usual


def _rows(call: Call) -> list[dict[str, Any]] | Response:
    try:
        return data.report(call)
    except ValueError:
        return json_answer({"error": "from and to are days, such as 2026-11-20"}, 422)


def daily(call: Call) -> Response:
    """page and per_page, from 1; the total stands on the first page only."""
    rows = _rows(call)
    if isinstance(rows, Response):
        return rows
    page, size = _number(call, "page", 1), _size(call, "per_page")
    answer: dict[str, Any] = {"data": {"items": rows[(page - 1) * size : page * size]}}
    if page == 1:
        answer["total"] = len(rows)
    return json_answer(answer)


def by_offset(call: Call) -> Response:
    """offset and limit, from 0; a bare list that is empty in the end."""
    rows = _rows(call)
    if isinstance(rows, Response):
        return rows
    offset, size = _number(call, "offset", 0), _size(call, "limit")
    return json_answer(rows[offset : offset + size])


def by_cursor(call: Call) -> Response:
    """A cursor in the answer; empty on the last page."""
    rows = _rows(call)
    if isinstance(rows, Response):
        return rows
    start, size = _number(call, "after", 0), _size(call, "limit")
    following = str(start + size) if start + size < len(rows) else ""
    return json_answer({"rows": rows[start : start + size], "paging": {"after": following}})


def by_link(call: Call) -> Response:
    """The whole address of the next page in the answer; null on the last."""
    rows = _rows(call)
    if isinstance(rows, Response):
        return rows
    start, size = _number(call, "start", 0), _size(call, "limit")
    more = start + size < len(rows)
    query = {**call.query, "start": str(start + size)}
    link = f"{call.url}?{urlencode(query)}" if more else None
    return json_answer({"rows": rows[start : start + size], "next": link})


def by_header(call: Call) -> Response:
    """A cursor in the header X-Next-Cursor, "null" on the last page."""
    rows = _rows(call)
    if isinstance(rows, Response):
        return rows
    start, size = _number(call, "cursor", 0), _size(call, "limit")
    following = str(start + size) if start + size < len(rows) else "null"
    return json_answer(rows[start : start + size], headers={"x-next-cursor": following})


def search(call: Call) -> Response:
    """The report by POST; the body names the days."""
    try:
        asked = call.json()
        found = {"from": str(asked["from"]), "to": str(asked["to"])}
    except (ValueError, KeyError, TypeError):
        return json_answer({"error": "send from and to"}, 422)
    again = _with(call, found)
    rows = _rows(again)
    return rows if isinstance(rows, Response) else json_answer({"result": rows})


def _with(call: Call, query: dict[str, str]) -> Call:
    from dataclasses import replace

    return replace(call, query_string=urlencode(query))


def deals(call: Call) -> Response:
    """Deals changed since a time or after a revision, with a Link header (RFC 8288)."""
    text = call.query.get("since", "")
    try:
        since = datetime.fromisoformat(text) if text else None
    except ValueError:
        return json_answer({"error": "since is a time, such as 2026-11-20T00:00:00Z"}, 422)
    try:
        after = int(call.query["after"]) if "after" in call.query else None
    except ValueError:
        return json_answer({"error": "after is a revision, such as 4711"}, 422)
    rows = data.deals(call, since, after)
    start, size = _number(call, "start", 0), _size(call, "limit")
    headers = {}
    if start + size < len(rows):
        query = urlencode({**call.query, "start": str(start + size)})
        headers["link"] = f'<{call.url}?{query}>; rel="next", <{call.url}>; rel="first"'
    return json_answer(rows[start : start + size], headers=headers)
