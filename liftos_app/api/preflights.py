"""The outermost layer: what browsers ask before a call from another origin (CORS preflight).

The page's framework answers those before anything of ours sees them. Its answers get the headers
of all others, and its refusals become problems.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftos_app.api import problems
from liftos_app.api.security import DATA_POLICY, FIXED, HSTS
from liftos_app.config import Settings

_ASKS: Final = "access-control-request-method"


class Preflights:
    """Wraps the whole application; everything but preflights passes."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "origin" not in headers or _ASKS not in headers:
            await self.app(scope, receive, send)
            return
        refused = False

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(MutableHeaders(scope=message), scope)
            await send(message)

        async def out(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] >= 400
            if not refused:
                await dressed(message)

        await self.app(scope, receive, out)
        if refused:
            ours = headers["origin"] in self.settings.origins
            answer = problems.problem(
                scope, 403, code="cross_origin_refused",
                what="This method or header is not taken from a web page." if ours
                else "Another web page asked to call LiftOS.",
                why="Only LiftOS's own pages may, with usual methods.",
                fix="Call it from a program, which sends no Origin header.",
                headers={"Vary": "Origin"},
            )
            await answer(scope, receive, dressed)

    def _dress(self, headers: MutableHeaders, scope: Scope) -> None:
        headers["X-Request-ID"] = problems.request_id(scope)
        for name, value in FIXED.items():
            headers.setdefault(name, value)
        if self.settings.secure_cookies:
            headers.setdefault("Strict-Transport-Security", HSTS)
        headers.setdefault("Content-Security-Policy", DATA_POLICY)
        headers.setdefault("Cache-Control", "no-store")
