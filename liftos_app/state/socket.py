"""The handshake of the page's socket: exact origin, one session per tab token, few and small.

Plain ASGI around everything else; only requests for the socket path are looked at.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from liftos_app.services import sessions
from liftos_app.services.context import App
from liftos_app.state import process, visitor
from liftos_app.state.limiter import Limiter

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MESSAGE_LIMIT: Final = 64 * 1024
SOCKETS_PER_SESSION: Final = 10
MESSAGES_PER_SECOND: Final = 60.0
MESSAGE_BURST: Final = 300.0
_REMEMBERED_TABS: Final = 20_000


class SocketGate:
    """Refuses a socket from another origin, a borrowed tab token, or one too many."""

    def __init__(self, inner: Callable[[Scope, Receive, Send], Awaitable[None]], app: App) -> None:
        self.inner, self.app = inner, app
        self._tabs: OrderedDict[str, UUID] = OrderedDict()  # digest of a tab token -> its session
        self._open: Counter[UUID] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] not in {"websocket", "http"} or not _is_socket(scope["path"]):
            await self.inner(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self.app.settings.origins:
            await self._refuse(scope, receive, send, "origin")
            return
        if scope["type"] == "http":  # only the websocket transport is offered
            await self._refuse(scope, receive, send, "transport")
            return
        seen = await visitor.find(headers.get("cookie", ""), ip=(scope.get("client") or ("",))[0])
        session = seen.who.session_id if seen else None
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if not await self._may_hold(token, session):
            await self._refuse(scope, receive, send, "tab token of another session")
            return
        if session is None:
            await self.inner(scope, _limited(receive), send)
            return
        if self._open[session] >= SOCKETS_PER_SESSION:
            await self._refuse(scope, receive, send, "too many sockets")
            return
        self._open[session] += 1
        try:
            await self.inner(scope, _limited(receive), send)
        finally:
            self._open[session] -= 1
            if not self._open[session]:
                del self._open[session]

    async def _may_hold(self, token: str, session: UUID | None) -> bool:
        """First use binds a tab token to its session; it moves on only when that one has ended."""
        if not token or len(token) > 100:
            return False
        key = visitor.token_digest(token)
        bound = self._tabs.get(key)
        if (
            bound
            and bound != session
            and await process.in_thread(sessions.is_live, self.app, bound)
        ):
            return False
        if session:
            self._tabs[key] = session
            self._tabs.move_to_end(key)
            while len(self._tabs) > _REMEMBERED_TABS:
                self._tabs.popitem(last=False)
        return True

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, why: str) -> None:
        log.warning("socket.refused", extra={"why": why})
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await send(
            {
                "type": "http.response.start",
                "status": 403,
                "headers": [(b"content-type", b"text/plain; charset=utf-8")],
            }
        )
        await send({"type": "http.response.body", "body": b"Refused."})


def _is_socket(path: str) -> bool:
    return path == "/_event" or path.startswith("/_event/")


def _limited(receive: Receive) -> Receive:
    """The socket's messages, ended by one too large or by a flood of them.

    The guard's limit comes after Reflex has looked the event up; this one comes before anything.
    """
    flood = Limiter(rate=MESSAGES_PER_SECOND, burst=MESSAGE_BURST)

    async def checked() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "websocket.receive":
            body = message.get("text") or message.get("bytes") or ""
            if len(body) > MESSAGE_LIMIT:
                log.warning("socket.refused", extra={"why": "message too large"})
                return {"type": "websocket.disconnect", "code": 1009}
            if not flood.allows("socket"):
                log.warning("socket.refused", extra={"why": "too many messages"})
                return {"type": "websocket.disconnect", "code": 1008}
        return message

    return checked
