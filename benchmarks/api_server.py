"""A local paged JSON API with 200,000 daily rows, answered from prepared bytes.

Query: page (from 0), start, end (ISO days). Each page holds PAGE rows of one window.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import orjson

PAGE = 5_000
LAST_DAY = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
ROWS = int(os.environ.get("BENCH_ROWS", "200000"))
DELAY = float(os.environ.get("BENCH_DELAY", "0"))  # seconds that an answer takes
DAYS = 40
_ready: dict[tuple[str, str], list[bytes]] = {}


def rows_of(day: dt.date) -> list[dict[str, Any]]:
    """One day's rows, as an ad platform would send them."""
    number = ROWS // DAYS
    seed = day.toordinal()
    return [
        {
            "date": day.isoformat(),
            "campaign_id": f"23850{i:09d}",
            "campaign_name": f"Campaign {i}",
            "impressions": str(1000 + (i * 7 + seed) % 9000),
            "clicks": str((i + seed) % 300),
            "spend": f"{(i * 13 + seed) % 90000 / 100:.2f}",
            "conversions": str((i + seed) % 7),
            "value": f"{(i * 31 + seed) % 700000 / 100:.2f}",
        }
        for i in range(number)
    ]


def pages_of(start: str, end: str) -> list[bytes]:
    """The pages of a window, prepared once."""
    found = _ready.get((start, end))
    if found is None:
        first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
        oldest = LAST_DAY - dt.timedelta(days=DAYS - 1)
        days = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
        rows = [row for day in days if oldest <= day <= LAST_DAY for row in rows_of(day)]
        chunks = [rows[i : i + PAGE] for i in range(0, len(rows), PAGE)] or [[]]
        found = [
            orjson.dumps({"data": chunk, "next": i + 1 if i + 1 < len(chunks) else None})
            for i, chunk in enumerate(chunks)
        ]
        _ready[start, end] = found
    return found


async def app(
    scope: dict[str, Any],
    _receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI: /rows only."""
    if scope["type"] != "http":
        return
    query = parse_qs(scope["query_string"].decode())
    pages = pages_of(query["start"][0], query["end"][0])
    body = pages[int(query.get("page", ["0"])[0])]
    if DELAY:
        await asyncio.sleep(DELAY)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
