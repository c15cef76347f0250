"""Answers begun when a page is asked for, before the page asks for them itself.

Between the request for a page and the first event of its script a browser needs about half a
second. The figures that the address will ask for are added up in that time, as the person of the
request and for nobody else, and handed over once. Whatever is not here is read as ever.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from liftos_app.services.metrics import asked as asking
from liftos_app.services.metrics.asked import Asked
from liftos_app.state import process, visitor
from liftos_app.state.app import perform

LIFE: Final = dt.timedelta(seconds=5)  # an older answer is read again
LIMIT: Final = 100  # answers nobody fetched
Key = tuple[str, str, str]  # who with which rights, page, what its address asks for


@dataclass(frozen=True, slots=True)
class _Begun:
    at: datetime
    answer: asyncio.Task[Any]


_answers: OrderedDict[Key, _Begun] = OrderedDict()
_offers: dict[str, Callable[..., Any]] = {}


def offer(path: str, fn: Callable[..., Any]) -> None:
    """`fn(ctx, asked)` is what the page at `path` will ask for first."""
    _offers[path] = fn


async def take(path: str, asked: Asked) -> Any:
    """The answer begun for this person and address, once; None when there is none, or none good."""
    seen = visitor.acting.get()
    begun = _answers.pop((seen.owner, path, asked.query()), None) if seen else None
    if begun is None or process.app().now() - begun.at > LIFE:
        return None
    await asyncio.wait({begun.answer})
    failed = begun.answer.cancelled() or begun.answer.exception() is not None
    return None if failed else begun.answer.result()


class AheadOfPage:
    """Wraps the application: begins answers, changes none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "http" and scope["path"] in _offers and scope["method"] == "GET":
            headers = Headers(scope=scope)
            if headers.get("sec-fetch-dest") == "document" and "cookie" in headers:
                task = asyncio.create_task(_begin(scope, headers["cookie"]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        await self.app(scope, receive, send)


async def _begin(scope: Scope, cookie: str) -> None:
    """One answer for the person behind a request for a page."""
    seen = await visitor.find(cookie, ip=(scope.get("client") or ("",))[0])
    if seen is None:
        return
    visitor.acting.set(seen)
    asked = asking.read(dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))))
    key = (seen.owner, scope["path"], asked.query())
    begun = _Begun(process.app().now(), asyncio.create_task(perform(_offers[key[1]], asked)))
    begun.answer.add_done_callback(_look)
    _answers[key] = begun
    while len(_answers) > LIMIT:
        _answers.popitem(last=False)


def _look(task: asyncio.Task[Any]) -> None:
    """What failed is told when the page asks itself, not here."""
    if not task.cancelled():
        task.exception()
