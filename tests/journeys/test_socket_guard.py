"""A stranger at the socket of a running server: raw socket.io, no page, no manners."""

from __future__ import annotations

import asyncio
import inspect
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from reflex_base.registry import RegistrationContext
from socketio.exceptions import ConnectionError as ConnectionRefused
from sqlalchemy import create_engine, text
from sqlmodel import Session, select

import liftos_app.pages  # noqa: F401  (registers every event)
from liftos_app.db import Database
from liftos_app.models import (
    ApiKey,
    AuditEntry,
    Connection,
    ConnectionStatus,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
    WebSession,
)
from liftos_app.services import access, passwords
from tests.journeys.conftest import EMAIL, PASSWORD, Server, servers_in
from tests.journeys.stranger import HYDRATE, cookie_of, events, knock

SECRET = "Larkspur Confidential"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An installation with a member of each role; its organization has a telling name."""
    folder = tmp_path_factory.mktemp("socket")
    url = f"sqlite:///{folder / 'liftos.db'}"
    if request.param == "postgresql":
        url = a_postgres_database(request.getfixturevalue("postgres_server"))
    with servers_in(folder) as start:
        made = start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD, DATABASE_URL=url)
        with database_of(made) as database, database.write() as session:
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
            for role in (Role.ANALYST, Role.MANAGER, Role.ADMIN):
                person = User(
                    email=f"{role}@larkspur.example", email_key=f"{role}@larkspur.example",
                    password_hash=user.password_hash, created_at=org.created_at,
                )
                session.add(person)
                session.flush()
                session.add(Membership(
                    org_id=org.id or 0, user_id=person.id, role=role, created_at=org.created_at
                ))
            other = Organization(name=f"{CANARY} organization", created_at=org.created_at)
            session.add(other)
            session.flush()
            THEIRS.update(one_of_everything(session, other, CANARY))
            GONE.update(one_of_everything(session, org, "gone-2f0b"))
        delete_through_rest(made, GONE)
        yield made


CANARY = "canary-51c7"
THEIRS: dict[str, str] = {}  # objects of another organization
GONE: dict[str, str] = {}  # objects of ours that were deleted


def a_postgres_database(server_url: str) -> str:
    """The address of an empty database of a PostgreSQL server."""
    admin, name = create_engine(server_url, isolation_level="AUTOCOMMIT"), f"liftos_{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = admin.url.set(database=name).render_as_string(hide_password=False)
    admin.dispose()
    return url


@contextmanager
def database_of(server: Server) -> Iterator[Database]:
    """What the server stores."""
    database = Database(server.env["DATABASE_URL"])
    try:
        yield database
    finally:
        database.close()


def delete_through_rest(server: Server, ids: dict[str, str]) -> None:
    """As an administrator would. A session and a key that ended stay in their lists for a while."""
    with httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False, timeout=30) as client:
        token = client.post("/auth/token", json={"email": EMAIL, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        for path in ("invitations/{invitation_id}", "members/{user_id}",
                     "platform-connections/connections/{connection_id}"):
            answer = client.delete("/" + path.format(**ids))
            assert answer.status_code in {200, 204}, answer.text


def one_of_everything(session: Session, org: Organization, mark: str) -> dict[str, str]:
    """Objects of an organization, by the names events use for their ids."""
    org_id, now, ends = org.id or 0, org.created_at, datetime(2199, 1, 1, tzinfo=UTC)
    user = User(email=f"{mark}@example.com", email_key=f"{mark}@example.com", name=mark,
                password_hash="!", created_at=now)
    session.add(user)
    session.flush()
    session.add(Membership(org_id=org_id, user_id=user.id, role=Role.ADMIN, created_at=now))
    connection = Connection(
        org_id=org_id, platform="klaviyo", name=f"{mark} connection", auth_kind="api_key",
        status=ConnectionStatus.HEALTHY, created_at=now, updated_at=now,
    )
    invitation = Invitation(
        org_id=org_id, email=f"{mark}-guest@example.com", email_key=f"{mark}-g@example.com",
        role=Role.VIEWER, token_hash=f"t {mark}", created_at=now, expires_at=ends,
    )
    key = ApiKey(key_id=mark[-4:], secret_hash="s", org_id=org_id, user_id=user.id, name=mark,
                 scopes=["read"], created_at=now, expires_at=ends)
    web = WebSession(token_hash=f"w {mark}", user_id=user.id, org_id=org_id, created_at=now,
                     last_seen_at=now, expires_at=ends, user_agent=mark)
    session.add_all([connection, invitation, key, web])
    session.flush()
    return {
        "connection_id": str(connection.id), "user_id": str(user.id), "key_id": str(key.id),
        "invitation_id": str(invitation.id), "session_id": str(web.id),
    }


def audited(server: Server) -> int:
    """How many acts the audit log holds, beside refusals and what the clock found."""
    with database_of(server) as database, database.read() as session:
        acts = session.exec(select(AuditEntry.action)).all()
    return len([a for a in acts if a not in {"permission.denied", "incident.opened"}])


async def test_L3_an_anonymous_socket_learns_nothing_from_any_event(server: Server) -> None:
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


async def test_L33_hydrating_without_a_session_reveals_nothing_of_another(server: Server) -> None:
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


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.MANAGER, Role.ADMIN])
async def test_L5_a_role_causes_no_event_above_it(server: Server, role: Role) -> None:
    forbidden = [n for n, need in events().items() if not access.allows(role, need)]
    assert len(forbidden) > (15 if role is Role.VIEWER else 0) or role is Role.ADMIN
    cookie = cookie_of(server, f"{role}@larkspur.example")
    before = audited(server)
    async with knock(server, cookie=cookie, origin=server.url) as person:
        for name in forbidden:
            await person.ask(name, until="Your role does not allow this.")
    assert audited(server) == before


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.MANAGER, Role.ADMIN])
async def test_L5_a_role_may_cause_every_event_it_is_allowed(server: Server, role: Role) -> None:
    allowed = [n for n, need in events().items() if access.allows(role, need)]
    loads = [n for n in allowed if n.endswith(".load") and events()[n].endswith(".read")]
    assert len(allowed) > 20
    assert len(loads) > 5
    cookie = cookie_of(server, f"{role}@larkspur.example")
    before = audited(server)
    async with knock(server, cookie=cookie, origin=server.url) as person:
        for name in allowed:  # a wrong payload is noticed after the role, and changes nothing
            await asyncio.sleep(1 / 25)  # below the limit of events
            answer = await person.ask(name, {"no_such_argument": 1},
                                      until="That input could not be read.")
            assert "Your role does not allow this." not in answer, name
        for name in loads:
            await person.send(name)
        heard = await person.listen()
        assert "Your role does not allow this." not in heard
        assert SECRET in heard
    assert audited(server) == before


def with_ids() -> list[tuple[str, dict[str, Any]]]:
    """Events that take the id of something, each with the other arguments it needs."""
    found = []
    registered = RegistrationContext.ensure_context().event_handlers
    for name in events():
        names = list(inspect.signature(registered[name].handler.fn).parameters)[1:]
        if any(n in THEIRS for n in names):
            more = {"resume": False, "role": "viewer"}
            found.append((name, {n: more.get(n, "") for n in names}))
    return found


@pytest.mark.parametrize("odd", ["", "not-an-id", "x\x00", "9" * 40])
async def test_an_id_that_cannot_be_one_is_no_fault_of_ours(server: Server, odd: str) -> None:
    """Also a tab that forgot its draft while the server started again: it holds no id at all."""
    wizard = [n for n in events() if "wizard_state" in n and n.rpartition(".")[2] in {
        "sign_in", "reread_accounts", "choose_accounts", "save_plan", "test", "start", "discard",
    }]
    assert len(wizard) == 7
    takes_form = {"sign_in", "choose_accounts", "save_plan"}
    sent = [
        *((n, {a: odd for a in arguments if a != "resume"} | (
            {"resume": False} if "resume" in arguments else {}
        )) for n, arguments in with_ids()),
        *((n, {"form": {}} if n.rpartition(".")[2] in takes_form else {}) for n in wizard),
        *((n, {}) for n in events() if n.endswith("connection_sync_state.read_again")),
    ]
    async with knock(server, cookie=cookie_of(server, EMAIL), origin=server.url) as admin:
        for name, payload in sent:
            await admin.send(name, payload)
        heard = await admin.listen()
    assert "It is not there." in heard
    assert "The fault is ours." not in heard


async def test_L17_L21_objects_of_others_and_deleted_ones_answer_like_missing_ones(
    server: Server,
) -> None:
    cookie = cookie_of(server, EMAIL)
    assert len(with_ids()) >= 7
    async with knock(server, cookie=cookie, origin=server.url) as admin:
        for name, payload in with_ids():
            told = []
            everything = [THEIRS, {n: str(uuid4()) for n in THEIRS}]
            if not {"session_id", "key_id"} & set(payload):
                everything.append(GONE)
            for ids in everything:
                given = {n: ids.get(n, value) for n, value in payload.items()}
                answer = await admin.ask(name, given, until='"kind": "bad"')
                notes = re.findall(r'"kind": "bad", "what": "([^"]+)", "more": "([^"]*)"', answer)
                told.append(notes)
            assert all(notes[-1] == told[0][-1] for notes in told), (name, told)
        assert CANARY not in await admin.listen()


async def test_L79_the_state_of_no_page_tells_of_the_twin_or_holds_a_secret(server: Server) -> None:
    """Every page's first event, and all state that is sent with it, for an administrator."""
    cookie = cookie_of(server, EMAIL)
    loads = [name for name in events() if name.endswith(".load")]
    assert len(loads) >= 14
    async with knock(server, cookie=cookie, origin=server.url) as admin:
        for name in loads:
            await admin.send(name)
        heard = await admin.listen()
    assert SECRET in heard
    assert CANARY not in heard
    keys = [f.read_text().strip() for f in (server.home / "keys").iterdir()]
    for secret in (*keys, PASSWORD, cookie.partition("=")[2]):
        assert secret not in heard


async def test_L4_a_session_that_ended_is_refused_on_the_next_event_and_hung_up(
    server: Server,
) -> None:
    cookie, gone = cookie_of(server, "viewer@larkspur.example"), asyncio.Event()
    name = next(n for n in events() if n.endswith("settings_state.load"))
    async with knock(server, cookie=cookie, origin=server.url) as viewer:
        viewer.client.on("disconnect", lambda *_: gone.set(), namespace="/_event")
        await viewer.ask(name, until=SECRET)
        httpx.post(f"{server.url}/auth/everywhere", headers={"cookie": cookie,
                   "origin": server.url}, trust_env=False)
        answer = await viewer.ask(name, until="/login")
        assert SECRET not in answer
        await asyncio.wait_for(gone.wait(), 10)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost.evil.example"]
)
async def test_L33_a_foreign_page_cannot_open_the_socket(server: Server, origin: str) -> None:
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
