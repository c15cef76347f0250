"""A stranger at the socket of a running server: raw socket.io, no page, no manners."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import socketio
from reflex_base.registry import RegistrationContext
from sqlmodel import select

import liftos_app.pages  # noqa: F401  (registers every event)
from liftos_app.db import Database
from liftos_app.models import AuditEntry, Membership, Organization, Role, User
from liftos_app.services import passwords
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

    async def until(self, words: str) -> None:
        """Listen until these words were heard."""
        async with asyncio.timeout(10):
            while words not in said(self.heard):
                await self.news.get()

    async def send(self, name: str, payload: Any = None, path: str = "/") -> list[Any]:
        """Cause an event, and wait for the answer to it."""
        before = len(self.heard)
        await self.client.emit("event", {
            "name": name, "payload": {} if payload is None else payload,
            "router_data": {"pathname": path, "asPath": path, "query": {}},
        }, namespace="/_event")
        with contextlib.suppress(TimeoutError):  # silence is an answer too
            async with asyncio.timeout(2):
                while not any(is_final(e) for e in self.heard[before:]):
                    await self.news.get()
        return self.heard[before:]


def is_final(said: Any) -> bool:
    """Whether this update ends an event."""
    return bool((json.loads(said) if isinstance(said, str) else said).get("final", True))


@asynccontextmanager
async def knock(
    server: Server, *, cookie: str = "", origin: str = "", token: str = ""
) -> AsyncIterator[Stranger]:
    """Open the socket."""
    client = socketio.AsyncClient(reconnection=False)
    stranger = Stranger(client)
    headers = {k: v for k, v in (("Cookie", cookie), ("Origin", origin)) if v}
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


def said(answers: list[Any]) -> str:
    """All that was answered, as one text."""
    return json.dumps(answers, default=str)


def audited(server: Server) -> int:
    """How many acts the audit log holds."""
    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    with database.read() as session:
        found = len(session.exec(select(AuditEntry)).all())
    database.close()
    return found


async def test_an_anonymous_socket_learns_nothing_from_any_event(server: Server) -> None:
    before = audited(server)
    names = list(events())
    assert len(names) > 30
    for start in range(0, len(names), 40):  # a flood would be refused for another reason
        async with knock(server) as stranger:
            for name in names[start : start + 40]:
                answers = await stranger.send(name, path="/connections")
                assert SECRET not in said(answers), name
                assert "Ada" not in said(answers), name
                assert not holds_data(answers), (name, answers)
    assert audited(server) == before


def holds_data(answers: list[Any]) -> bool:
    """Whether an update carries rows: anything but framework fields and notices."""
    for one in answers:
        update = json.loads(one) if isinstance(one, str) else one
        for values in (update.get("delta") or {}).values():
            for field, value in values.items():
                if field.startswith(("view_", "cards_", "runs_", "steps_")) and (
                    SECRET in said([value])
                ):
                    return True
                if field.startswith(("ready_", "can_write_")) and value is True:
                    return True
    return False


async def test_hydrating_without_a_session_reveals_nothing_of_another(server: Server) -> None:
    token = str(uuid.uuid4())
    cookie = cookie_of(server, EMAIL)
    async with knock(server, cookie=cookie, origin=server.url, token=token) as owner:
        await owner.send(HYDRATE)
        await owner.until(SECRET)
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with knock(server, token=token):
                pass
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with knock(server, token=token):
            pass
    async with knock(server) as stranger:
        answers = await stranger.send(HYDRATE)
        assert SECRET not in said(answers)


async def test_a_viewer_causes_no_event_of_a_manager(server: Server) -> None:
    from liftos_app.services import access

    forbidden = [n for n, need in events().items() if not access.allows(Role.VIEWER, need)]
    assert len(forbidden) > 15
    cookie = cookie_of(server, "viewer@larkspur.example")
    before = audited(server)
    async with knock(server, cookie=cookie, origin=server.url) as viewer:
        for name in forbidden:
            answers = await viewer.send(name, path="/connections")
            assert "Your role does not allow this." in said(answers), (name, answers)
    assert audited(server) == before


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost.evil.example"]
)
async def test_a_foreign_page_cannot_open_the_socket(server: Server, origin: str) -> None:
    cookie = cookie_of(server, EMAIL)
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with knock(server, cookie=cookie, origin=origin):
            pass


async def test_payloads_of_another_shape_are_refused_in_words(server: Server) -> None:
    cookie = cookie_of(server, EMAIL)
    name = next(n for n in events() if n.endswith("connections_state.run_now"))
    wrong = [{"connection_id": 5}, {"connection_id": {"$ne": ""}}, {"connection_id": "x" * 30_000},
             {"connection_id": "x", "org_id": 2}]
    async with knock(server, cookie=cookie, origin=server.url) as admin:
        for payload in wrong:
            answers = await admin.send(name, payload, path="/connections")
            assert "That input could not be read." in said(answers), (payload, answers)
        answers = await admin.send(name, {"connection_id": "not-an-id"}, path="/connections")
        assert "There is no such connection" in said(answers) or "bad" in said(answers)


async def test_what_is_no_event_of_ours_is_not_run(server: Server) -> None:
    cookie = cookie_of(server, EMAIL)
    found = RegistrationContext.ensure_context().event_handlers
    setters = [n for n in found if n.endswith(".setvar")]
    assert setters
    async with knock(server, cookie=cookie, origin=server.url) as admin:
        for name in (*setters[:20], "nothing.at_all", "__class__", "reflex___state____state.x"):
            answers = await admin.send(name, {"var_name": "ready", "value": True})
            assert not holds_data(answers), (name, answers)


def test_the_socket_offers_no_polling(server: Server) -> None:
    answer = httpx.get(
        f"{server.url}/_event/?EIO=4&transport=polling", trust_env=False, follow_redirects=True
    )
    assert answer.status_code in {400, 403, 404}
    assert "sid" not in answer.text
