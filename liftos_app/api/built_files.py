"""The built page's scripts and styles, answered from memory before any route is looked at.

A first visit asks for some twenty of them at once. Only the usual request is answered here (GET,
gzip taken, no range, no condition); every other one goes on to the file server behind.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

HASHED: Final = "/assets/"  # their names change with their content: kept for good
_SIDECAR: Final = ".gz"
_SPECIAL: Final = ("range", "if-none-match", "if-modified-since", "if-range")


class BuiltFiles:
    """Wraps the application. `folder` is the built page; it may be missing in tests."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self.app = app
        self._kept = {
            HASHED + name.name.removesuffix(_SIDECAR): (name.read_bytes(), _kind(name))
            for name in (folder / HASHED.strip("/")).glob(f"*{_SIDECAR}")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        found = self._kept.get(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] != "GET" or not _is_usual(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        body, kind = found
        await send({
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", kind.encode()),
                (b"content-encoding", b"gzip"),
                (b"content-length", str(len(body)).encode()),
                (b"vary", b"Accept-Encoding"),
            ],
        })
        await send({"type": "http.response.body", "body": body})


def _kind(sidecar: Path) -> str:
    name = sidecar.name.removesuffix(_SIDECAR)
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    return f"{kind}; charset=utf-8" if kind else "application/octet-stream"


def _is_usual(headers: Headers) -> bool:
    taken = [part.strip() for part in headers.get("accept-encoding", "").lower().split(",")]
    return "gzip" in taken and not any(name in headers for name in _SPECIAL)
