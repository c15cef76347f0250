"""Answers begun with the request for a page: for one person and address, once, not for long."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from liftos_app.errors import Invalid
from liftos_app.services.context import App, Context
from liftos_app.services.metrics import asked as asking
from liftos_app.services.metrics.asked import Asked
from liftos_app.state import ahead, visitor
from tests.conftest import Clock

Get = Callable[..., Any]


class Reader:
    """Stands for a page's first question; counts how often it is asked and by whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.fails = False
        self.go = threading.Event()
        self.go.set()

    def __call__(self, ctx: Context, asked: Asked) -> str:
        self.go.wait(10)
        ctx.require("metrics.read")
        self.asked.append((asked.query(), ctx.who.user_id))
        if self.fails:
            raise Invalid("No.", why="Because.", fix="Do not.")
        return f"answer {len(self.asked)}"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    made = Reader()
    monkeypatch.setitem(ahead._offers, "/", made)
    ahead._answers.clear()
    yield made
    ahead._answers.clear()


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def visit(
    cookie: str = "", *, path: str = "/", query: str = "", method: str = "GET",
    kind: str = "document",
) -> None:
    """A request as a browser makes it, and the time to begin what it begins."""
    headers = [(b"sec-fetch-dest", kind.encode())]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    layer = ahead.AheadOfPage(nothing)

    async def none(*_: Any) -> Any:
        return None

    scope = {
        "type": "http", "path": path, "method": method, "headers": headers,
        "query_string": query.encode(), "client": ("127.0.0.1", 1),
    }
    await layer(scope, none, none)
    while layer._tasks:
        await asyncio.wait(set(layer._tasks))


async def becomes(cookie: str) -> None:
    """Act as the person behind a cookie, as the guard does before an event."""
    visitor.acting.set(await visitor.find(cookie, ip="127.0.0.1"))


async def test_the_answer_is_handed_over_once_and_only_to_its_address(
    reader: Reader, cookie_of: Callable[[], str]
) -> None:
    cookie = cookie_of()
    await visit(cookie, query="range=last_7&nonsense=1")
    await becomes(cookie)
    assert await ahead.take("/", Asked()) is None
    week = asking.read({"range": "last_7"})
    assert await ahead.take("/", week) == "answer 1"
    assert await ahead.take("/", week) is None
    assert reader.asked == [("range=last_7", visitor.acting.get().who.user_id)]  # type: ignore[union-attr]


async def test_nobody_gets_the_answer_of_another(
    reader: Reader, cookie_of: Callable[[], str]
) -> None:
    mine, theirs = cookie_of(), cookie_of()
    await visit(mine)
    visitor.acting.set(None)
    assert await ahead.take("/", Asked()) is None
    await becomes(theirs)
    assert await ahead.take("/", Asked()) is None
    await becomes(mine)
    assert await ahead.take("/", Asked()) == "answer 1"


async def test_an_answer_that_is_still_being_made_is_waited_for(
    reader: Reader, cookie_of: Callable[[], str]
) -> None:
    cookie = cookie_of()
    reader.go.clear()
    await visit(cookie)
    await becomes(cookie)
    waiting = asyncio.create_task(ahead.take("/", Asked()))
    await asyncio.sleep(0)
    assert not waiting.done()
    reader.go.set()
    assert await waiting == "answer 1"


async def test_an_old_one_and_one_that_failed_are_read_again(
    reader: Reader, cookie_of: Callable[[], str], clock: Clock
) -> None:
    cookie = cookie_of()
    await becomes(cookie)
    await visit(cookie)
    clock.now += ahead.LIFE + dt.timedelta(seconds=1)
    assert await ahead.take("/", Asked()) is None
    reader.fails = True
    await visit(cookie)
    assert await ahead.take("/", Asked()) is None
    assert len(reader.asked) == 2


@pytest.mark.parametrize(
    "request_of", [
        {"method": "HEAD"}, {"method": "POST"}, {"kind": "empty"}, {"kind": "script"},
        {"path": "/connections"},
    ],
)
async def test_only_a_request_for_the_page_begins_one(
    reader: Reader, cookie_of: Callable[[], str], request_of: dict[str, str]
) -> None:
    await visit(cookie_of(), **request_of)
    assert not ahead._answers


async def test_without_a_session_nothing_is_begun(reader: Reader, page_app: App) -> None:
    await visit()
    await visit("liftos_session=guessed")
    assert not ahead._answers
    assert not reader.asked


async def test_answers_that_nobody_fetches_do_not_pile_up(
    reader: Reader, cookie_of: Callable[[], str]
) -> None:
    cookie = cookie_of()
    for day in range(ahead.LIMIT + 5):
        await visit(cookie, query=f"range=custom&start=2026-01-01&end=x{day}")
    assert len(ahead._answers) == ahead.LIMIT
