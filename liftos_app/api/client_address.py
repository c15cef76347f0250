"""The client's address behind proxies of ours, and behind nobody else's word (L96).

Each trusted proxy appends the address it saw to X-Forwarded-For. With N of them the N-th entry
from the right is the first one that a proxy of ours wrote; everything left of it is the client's
own text. With none, the header is not looked at.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send


class ClientAddress:
    """Puts the believed address into the scope, where everything behind reads it."""

    def __init__(self, app: ASGIApp, hops: int) -> None:
        self.app, self.hops = app, hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if self.hops and scope["type"] in {"http", "websocket"}:
            lines = Headers(scope=scope).getlist("x-forwarded-for")
            address = believed(",".join(lines), self.hops)
            if address:
                scope["client"] = (address, 0)
        await self.app(scope, receive, send)


def believed(forwarded: str, hops: int) -> str:
    """The address the outermost trusted proxy saw; empty when it did not say one."""
    entries = [part.strip() for part in forwarded.split(",") if part.strip()]
    if len(entries) < hops:
        return ""
    return _address(entries[-hops])


def _address(text: str) -> str:
    """`1.2.3.4`, `1.2.3.4:5`, `::1` or `[::1]:5` as a plain address; empty for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
