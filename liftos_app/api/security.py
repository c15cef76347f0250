"""The outermost ASGI layer: known host names only, bounded bodies, a request id, and the security
headers on every answer, also on errors and static files.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftos_app.api import problems
from liftos_app.api.built_files import HASHED
from liftos_app.config import ROOT, Settings

log = logging.getLogger(__name__)
BODY_LIMIT: Final = 1024 * 1024
ADDRESS_LIMIT: Final = 8 * 1024  # bytes of path and query
HEADER_LIMIT: Final = 32 * 1024  # bytes of all header names and values
HEADERS_LIMIT: Final = 100
_SCRIPT: Final = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,40}")
_PORTS: Final = {"http": 80, "https": 443}
_QUIET_FILES: Final = ("/fonts/", "/platforms/", "/favicon")
_WITH_EFFECT: Final = {"/api/v1/platform-connections/oauth/callback"}  # GET, but not a mere read
_DATA_PATHS: Final = ("/api/", "/auth/", "/oauth/")
_SIGN_IN_PATHS: Final = ("/auth/", "/oauth/")  # their answers name no referrer (L54)

FIXED: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
}
HSTS: Final = "max-age=63072000; includeSubDomains"


def client_folder() -> Path:
    """Where the built page lies."""
    return Path(os.environ.get("REFLEX_WEB_WORKDIR") or ROOT / ".web") / "build" / "client"


def inline_hashes(folder: Path) -> list[str]:
    """CSP sources for the inline scripts of the built pages, which no nonce can reach."""
    found = {
        base64.b64encode(hashlib.sha256(body).digest()).decode()
        for page in folder.rglob("*.html")
        for body in _SCRIPT.findall(page.read_bytes())
    }
    return [f"'sha256-{digest}'" for digest in sorted(found)]


def prerendered(folder: Path) -> frozenset[str]:
    """Paths with a page of their own, which a static server would answer with a redirect."""
    return frozenset(
        "/" + page.parent.relative_to(folder).as_posix()
        for page in folder.rglob("index.html")
        if page.parent != folder
    )


def policy(script_hashes: Iterable[str] = (), *, form_targets: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of pages. Styles are inline because the page's libraries
    inject them; scripts are ours or hashed.
    """
    return "; ".join((
        "default-src 'none'",
        " ".join(("script-src 'self'", *script_hashes)),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        # An IPv6 address is no valid source: browsers would complain about it on each page.
        " ".join(("form-action 'self'", *(t for t in form_targets if "[" not in t))),
        "frame-ancestors 'none'",
    ))


DATA_POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class SecurityHeaders:
    """Wraps the whole application. `folder` is the built page; it may be missing in tests."""

    def __init__(self, app: ASGIApp, settings: Settings, *, folder: Path | None = None) -> None:
        self.app = app
        self.settings = settings
        built = folder or client_folder()
        self.pages = prerendered(built)
        hashes = inline_hashes(built)
        self.page_policy = policy(hashes)
        self.sandbox_policy = policy(hashes, form_targets=settings.origins)
        self.hosts = _hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["liftos.request_id"] = _request_id(headers)
        scope["liftos.quota"] = {}  # filled by api/wall.py, told with the answer
        if not self._is_ours(headers.get("host", "")):
            await self._refuse_host(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await self._http(scope, headers, receive, send)

    async def _http(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        path: str = scope["path"]
        started = time.perf_counter()
        status = 0

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._decorate(MutableHeaders(scope=message), path, status, scope)
            await send(message)

        answer: Send = out
        if scope["method"] == "HEAD" and path.startswith("/api/") and path not in _WITH_EFFECT:
            scope, answer = {**scope, "method": "GET"}, _without_body(out)
        if path in self.pages:
            scope = {**scope, "path": path + "/", "raw_path": (path + "/").encode()}
        try:
            _check_head(scope)
            _check_length(headers.get("content-length", "0"))
            await self.app(scope, _bounded(receive), answer)
        except HTTPException as error:
            if not status:
                await problems.of_http(scope, error)(scope, receive, answer)
        except Exception as error:  # an edge: whatever escapes gets a reference, never a trace
            if status:
                raise
            await problems.of_unknown(scope, error)(scope, receive, answer)
        finally:
            if self.settings.enable_request_logging:
                _log(scope, path, status, started)

    def _decorate(self, headers: MutableHeaders, path: str, status: int, scope: Scope) -> None:
        for name in ("server", "x-powered-by"):
            del headers[name]
        headers["X-Request-ID"] = problems.request_id(scope)
        headers.update(scope.get("liftos.quota") or {})
        if path.startswith(_SIGN_IN_PATHS):
            headers.setdefault("Referrer-Policy", "no-referrer")
        for name, value in FIXED.items():
            headers.setdefault(name, value)
        if self.settings.secure_cookies:
            headers.setdefault("Strict-Transport-Security", HSTS)
        headers.setdefault("Content-Security-Policy", self._policy(path, headers))
        if path.startswith(_DATA_PATHS):
            headers.setdefault("Cache-Control", "no-store")
        elif path.startswith(HASHED) and status in {200, 206, 304}:
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif path.startswith(_QUIET_FILES) and status in {200, 206, 304}:
            headers["Cache-Control"] = "public, max-age=86400"
        else:
            headers.setdefault("Cache-Control", "no-cache")

    def _policy(self, path: str, headers: MutableHeaders) -> str:
        if path.startswith("/sandbox"):
            return self.sandbox_policy
        if path.startswith("/api/") and not headers.get("content-type", "").startswith("text/html"):
            return DATA_POLICY
        return self.page_policy

    def _is_ours(self, host: str) -> bool:
        return _plain(host.lower()) in self.hosts or _is_this_machine(host.lower())

    async def _refuse_host(self, scope: Scope, receive: Receive, send: Send) -> None:
        log.warning("http.unknown_host", extra={"host": Headers(scope=scope).get("host", "")[:200]})
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._decorate(MutableHeaders(scope=message), "/api/", message["status"], scope)
            await send(message)

        answer = problems.problem(
            scope, 421, code="unknown_address",
            what="LiftOS does not know this address as its own.",
            why="The Host header names another one.",
            fix=f"Open {self.settings.public_url}, or set LIFTOS_PUBLIC_URL to the address in use.",
        )
        await answer(scope, receive, out)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _hosts(settings: Settings) -> frozenset[str]:
    """Host headers that are ours: the public origins and our own address, default ports dropped."""
    addresses = (*settings.origins, settings.public_url, settings.self_url)
    return frozenset(_without_default_port(a) for a in addresses)


def _without_default_port(address: str) -> str:
    parts = urlsplit(address.lower())
    return parts.netloc.removesuffix(f":{_PORTS.get(parts.scheme, 0)}")


def _plain(host: str) -> str:
    return host.removesuffix(":80").removesuffix(":443")


@lru_cache(maxsize=64)
def _is_this_machine(host: str) -> bool:
    """A loopback name at any port: no other web page can have it, and health checks use it."""
    return re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", host) is not None


def _check_head(scope: Scope) -> None:
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > ADDRESS_LIMIT:
        raise HTTPException(414)
    pairs = scope["headers"]
    if len(pairs) > HEADERS_LIMIT or sum(len(k) + len(v) for k, v in pairs) > HEADER_LIMIT:
        raise HTTPException(431)


def _check_length(text: str) -> None:
    if not (text.isascii() and text.isdecimal()):
        raise HTTPException(400, "Content-Length is not a number")
    if len(text) > 12 or int(text) > BODY_LIMIT:
        raise HTTPException(413)


def _bounded(receive: Receive) -> Receive:
    """The body of a request, refused as soon as it grows over the limit."""
    total = 0

    async def counting() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > BODY_LIMIT:
                raise HTTPException(413)
        return message

    return counting


def _log(scope: Scope, path: str, status: int, started: float) -> None:
    log.info(
        "http.request",
        extra={
            "method": scope["method"], "path": path, "status": status,
            "ms": round((time.perf_counter() - started) * 1000, 1),
            "request_id": problems.request_id(scope),
            "client": (scope.get("client") or ("",))[0],
        },
    )


def _without_body(send: Send) -> Send:
    """An answer to HEAD: what GET would say, without what it would send (RFC 9110, 9.3.2)."""

    async def head(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not message.get("more_body"):
            await send({"type": "http.response.body", "body": b""})

    return head
