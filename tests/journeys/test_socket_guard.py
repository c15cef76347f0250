"""A stranger at the socket of a running server: raw socket.io, no page, no manners."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
import socketio
from reflex_base.registry import RegistrationContext
from socketio.exceptions import ConnectionError as ConnectionRefused
from sqlmodel import select

import liftos_app.pages  # noqa: F401  (registers every event)
from liftos_app.db import Database
from liftos_app.models import AuditEntry, Membership, Organization, Role, User
from liftos_app.services import access, passwords
from liftos_app.state.app import MARK, PUBLIC
from tests.journeys.conftest import EMAIL, PASSWORD, Server, servers_in

SECRET = "Larkspur Confidential"
HYDRATE = "reflex___state____state.hydrate_and_load"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An installation with an administrator and a viewer; its organization has a telling name."""
    with servers_in(tmp_path_factory.mktemp("socket")) as start:
        made = start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
        database = Database(f"sqlite:///{made.home / 'liftos.db'}")
        with database.write() as session:
            org = session.exec(select(Organization)).one()
            org.name = SECRET
            user = User(
                email="viewer@larkspur.example", email_key="viewer@larkspur.example",
                name="Vera", password_hash=passwords.make_hash(PASSWORD),
                created_at=org.created_at,
            )
            session.add_all([org, user])
            session.flush()
            session.add(Membership(
                org_id=org.id or 0, user_id=user.id, role=Role.VIEWER, created_at=org.created_at
            ))
        database.close()
        yield made


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


def events(*, public: bool = False) -> dict[str, str]:
    """Every event of ours and the permission it names."""
    found = RegistrationContext.ensure_context().event_handlers
    marked = {name: getattr(one.handler.fn, MARK, "") for name, one in found.items()}
    return {n: m for n, m in marked.items() if m and (m == PUBLIC) is public}


def said(updates: list[Any]) -> str:
    """All updates as one text."""
    return json.dumps([json.loads(u) if isinstance(u, str) else u for u in updates])


def audited(server: Server) -> int:
    """How many acts the audit log holds."""
    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    with database.read() as session:
        found = len(session.exec(select(AuditEntry)).all())
    database.close()
    return found


async def test_an_anonymous_socket_learns_nothing_from_any_event(server: Server) -> None:
    before, names = audited(server), list(events())
    assert len(names) > 30
    for start in range(0, len(names), 25):  # a flood would be refused for another reason
        async with knock(server) as stranger:
            for name in names[start : start + 25]:
                await stranger.send(name)
            heard = await stranger.listen()
        for secret in (SECRET, EMAIL, '"ready_rx_state_": true', '"can_write_rx_state_": true'):
            assert secret not in heard
    assert audited(server) == before


async def test_hydrating_without_a_session_reveals_nothing_of_another(server: Server) -> None:
    token, cookie = str(uuid.uuid4()), cookie_of(server, EMAIL)
    async with knock(server, cookie=cookie, origin=server.url, token=token) as owner:
        await owner.ask(HYDRATE, until=SECRET)
        with pytest.raises(ConnectionRefused):
            async with knock(server, token=token):
                pass
    with pytest.raises(ConnectionRefused):
        async with knock(server, token=token):
            pass
    async with knock(server) as stranger:
        assert SECRET not in await stranger.listen()


async def test_a_viewer_causes_no_event_of_a_manager(server: Server) -> None:
    forbidden = [n for n, need in events().items() if not access.allows(Role.VIEWER, need)]
    assert len(forbidden) > 15
    cookie = cookie_of(server, "viewer@larkspur.example")
    before = audited(server)
    async with knock(server, cookie=cookie, origin=server.url) as viewer:
        for name in forbidden:
            await viewer.ask(name, until="Your role does not allow this.")
    assert audited(server) == before


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost.evil.example"]
)
async def test_a_foreign_page_cannot_open_the_socket(server: Server, origin: str) -> None:
    cookie = cookie_of(server, EMAIL)
    with pytest.raises(ConnectionRefused):
        async with knock(server, cookie=cookie, origin=origin):
            pass


async def test_payloads_of_another_shape_are_refused_in_words(server: Server) -> None:
    cookie = cookie_of(server, EMAIL)
    name = next(n for n in events() if n.endswith("connections_state.run_now"))
    wrong = [{"connection_id": 5}, {"connection_id": {"$ne": ""}}, {"connection_id": "x" * 30_000},
             {"connection_id": "x", "org_id": 2}]
    async with knock(server, cookie=cookie, origin=server.url) as admin:
        for payload in wrong:
            await admin.ask(name, payload, until="That input could not be read.")
        await admin.ask(name, {"connection_id": "not-an-id"}, until='"kind": "bad"')


async def test_what_is_no_event_of_ours_is_not_run(server: Server) -> None:
    cookie = cookie_of(server, "viewer@larkspur.example")
    found = RegistrationContext.ensure_context().event_handlers
    setters = [n for n in found if n.endswith(".setvar")]
    assert setters
    async with knock(server, cookie=cookie, origin=server.url) as viewer:
        for name in (*setters[:20], "nothing.at_all", "__class__", "reflex___state____state.x"):
            await viewer.send(name, {"var_name": "can_write", "value": True})
        assert '"can_write_rx_state_": true' not in await viewer.listen()


def test_the_socket_offers_no_polling(server: Server) -> None:
    answer = httpx.get(
        f"{server.url}/_event/?EIO=4&transport=polling", trust_env=False, follow_redirects=True
    )
    assert answer.status_code in {400, 403, 404}
    assert "sid" not in answer.text
