"""A socket of one's own, without a page: what a stranger's program says to a running server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import socketio
from reflex_base.registry import RegistrationContext

import liftos_app.pages  # noqa: F401  (registers every event)
from liftos_app.state.app import MARK, PUBLIC
from tests.journeys.conftest import PASSWORD, Server

HYDRATE = "reflex___state____state.hydrate_and_load"


def cookie_of(server: Server, email: str) -> str:
    """Sign in as the form does; the Cookie header of the session."""
    answer = httpx.post(
        f"{server.url}/auth/login", data={"email": email, "password": PASSWORD, "next": "/"},
        headers={"origin": server.url}, trust_env=False,
    )
    assert answer.status_code == 303, answer.text
    return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


class Stranger:
    """A socket of one's own: sends events, keeps what comes back."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self.client, self.heard = client, []
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        client.on("event", self._hear, namespace="/_event")

    def _hear(self, update: Any) -> None:
        self.heard.append(update)
        self.news.put_nowait(update)

    async def send(self, name: str, payload: Any = None) -> None:
        """Cause an event."""
        await self.client.emit("event", {
            "name": name, "payload": {} if payload is None else payload,
            "router_data": {"pathname": "/", "asPath": "/", "query": {}},
        }, namespace="/_event")

    async def ask(self, name: str, payload: Any = None, *, until: str) -> str:
        """Cause an event and listen until these words were heard."""
        before = len(self.heard)
        await self.send(name, payload)
        async with asyncio.timeout(10):
            while until not in said(self.heard[before:]):
                await self.news.get()
        return said(self.heard[before:])

    async def listen(self) -> str:
        """All that was heard, once the server has answered everything and fallen silent."""
        await self.ask(HYDRATE, until='is_hydrated_rx_state_": true')
        with contextlib.suppress(TimeoutError):
            while True:
                await asyncio.wait_for(self.news.get(), 0.7)
        return said(self.heard)


@asynccontextmanager
async def knock(
    server: Server, *, cookie: str = "", origin: str = "", token: str = ""
) -> AsyncIterator[Stranger]:
    """Open the socket."""
    headers = {k: v for k, v in (("Cookie", cookie), ("Origin", origin)) if v}
    async with aiohttp.ClientSession() as http:
        client = socketio.AsyncClient(reconnection=False, http_session=http)
        stranger = Stranger(client)
        await client.connect(
            f"{server.url}?token={token or uuid.uuid4()}", socketio_path="/_event",
            namespaces=["/_event"], transports=["websocket"], headers=headers, wait_timeout=10,
        )
        try:
            yield stranger
        finally:
            await client.disconnect()
            if client.eio.ws is not None:  # ended by the server: the client leaves it open
                await client.eio.ws.close()


def events(*, public: bool = False) -> dict[str, str]:
    """Every event of ours and the permission it names."""
    found = RegistrationContext.ensure_context().event_handlers
    marked = {name: getattr(one.handler.fn, MARK, "") for name, one in found.items()}
    return {n: m for n, m in marked.items() if m and (m == PUBLIC) is public}


def said(updates: list[Any]) -> str:
    """All updates as one text."""
    return json.dumps([json.loads(u) if isinstance(u, str) else u for u in updates])
