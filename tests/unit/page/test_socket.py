"""The handshake of the page's socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from liftos_app.services import sessions
from liftos_app.services.context import App
from liftos_app.state.socket import MESSAGE_BURST, MESSAGE_LIMIT, SOCKETS_PER_SESSION, SocketGate

ORIGIN = "http://localhost:8000"


async def knock(
    gate: SocketGate,
    *,
    origin: str | None = ORIGIN,
    cookie: str = "",
    tab: str = "tab-1",
    kind: str = "websocket",
    messages: tuple[dict[str, Any], ...] = (),
) -> list[dict[str, Any]]:
    """Open the socket; the answers of the gate or of what stands behind it."""
    headers = [(b"host", b"localhost:8000")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    sent: list[dict[str, Any]] = []
    waiting = iter([{"type": "websocket.connect"}, *messages])

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await gate(
        {
            "type": kind,
            "path": "/_event/",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "query_string": f"token={tab}".encode(),
        },
        receive,
        send,
    )
    return sent


async def opens(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        (ORIGIN, "websocket.accept"),
        ("http://127.0.0.1:8000", "websocket.accept"),
        (None, "websocket.accept"),
        ("http://evil.example", "websocket.close"),
        ("null", "websocket.close"),
        ("http://localhost:9999", "websocket.close"),
        ("https://localhost:8000", "websocket.close"),
    ],
)
async def test_L33_only_our_own_origins_open_the_socket(
    page_app: App, origin: str | None, answer: str
) -> None:
    sent = await knock(SocketGate(opens, page_app), origin=origin)
    assert [m["type"] for m in sent] == [answer]


async def test_L33_a_tab_token_stays_with_its_session_while_that_lasts(
    page_app: App, cookie_of: Callable[[], str]
) -> None:
    gate, mine, theirs = SocketGate(opens, page_app), cookie_of(), cookie_of()
    assert (await knock(gate, cookie=mine))[0]["type"] == "websocket.accept"
    assert (await knock(gate, cookie=theirs))[0]["type"] == "websocket.close"
    assert (await knock(gate))[0]["type"] == "websocket.close"
    assert (await knock(gate, cookie=theirs, tab="tab-2"))[0]["type"] == "websocket.accept"
    sessions.sign_out(page_app, mine.split("=", 1)[1])
    assert (await knock(gate, cookie=theirs))[0]["type"] == "websocket.accept"


async def test_L81_a_session_holds_so_many_sockets_and_no_more(
    page_app: App, cookie_of: Callable[[], str]
) -> None:
    inside = 0

    async def nested(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside
        inside += 1
        await receive()
        if inside <= SOCKETS_PER_SESSION:
            nested_answers.append(await knock(gate, cookie=cookie, tab=f"tab-{inside}"))
        await send({"type": "websocket.accept"})

    nested_answers: list[list[dict[str, Any]]] = []
    gate, cookie = SocketGate(nested, page_app), cookie_of()
    await knock(gate, cookie=cookie, tab="tab-0")
    types = [a[0]["type"] for a in nested_answers]
    assert types.count("websocket.accept") == SOCKETS_PER_SESSION - 1
    assert types.count("websocket.close") == 1


async def test_L81_a_message_over_the_limit_ends_the_socket(page_app: App) -> None:
    heard: list[str] = []

    async def listens(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            heard.append(message["type"])
            if message["type"] == "websocket.disconnect":
                return

    small = {"type": "websocket.receive", "text": "x" * MESSAGE_LIMIT}
    large = {"type": "websocket.receive", "text": "x" * (MESSAGE_LIMIT + 1)}
    await knock(SocketGate(listens, page_app), messages=(small, large))
    assert heard == ["websocket.connect", "websocket.receive", "websocket.disconnect"]


async def test_L81_a_flood_of_messages_ends_the_socket(page_app: App) -> None:
    heard: list[str] = []

    async def listens(scope: Any, receive: Any, send: Any) -> None:
        while not heard or heard[-1] != "websocket.disconnect":
            heard.append((await receive())["type"])

    flood = tuple({"type": "websocket.receive", "text": "x"} for _ in range(2000))
    await knock(SocketGate(listens, page_app), messages=flood)
    assert MESSAGE_BURST <= heard.count("websocket.receive") < 2000
    assert heard[-1] == "websocket.disconnect"


async def test_polling_and_a_missing_tab_token_are_refused(page_app: App) -> None:
    gate = SocketGate(opens, page_app)
    assert (await knock(gate, kind="http"))[0]["status"] == 403
    assert (await knock(gate, tab=""))[0]["type"] == "websocket.close"
    assert (await knock(gate, tab="x" * 101))[0]["type"] == "websocket.close"


async def test_other_paths_pass_untouched(page_app: App) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": "/api/v1/health",
        "headers": [(b"origin", b"http://evil.example")],
    }
    await SocketGate(other, page_app)(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 204
