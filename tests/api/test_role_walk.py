"""The whole role x action table over REST, for objects of one's own organization, of another one,
missing and deleted; and a twin organization whose every text is a canary.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from liftos_app.api import wall
from liftos_app.models import (
    ApiKey,
    AuditEntry,
    Connection,
    ConnectionStatus,
    Incident,
    Invitation,
    Membership,
    Organization,
    Role,
    SyncRun,
    User,
    WebSession,
)
from liftos_app.services import access, incidents, tokens
from liftos_app.services.audit import refusals
from liftos_app.services.context import App
from tests.conftest import Clock

CANARY = "canary-7f3a"
# What a request needs beside its path so that it reaches the object.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/platform-connections/connections": {"platform": "klaviyo", "method": "nope"},
    "POST /api/v1/platform-connections/oauth/initiate": {"platform": "nope"},
    "PUT /api/v1/platform-connections/connections/{connection_id}": {"name": "Renamed"},
    "POST /api/v1/platform-connections/connections/{connection_id}/preview": {"stream": {}},
    "POST /api/v1/platform-connections/connections/{connection_id}/publish": {"place": "X"},
    "POST /api/v1/platform-connections/connections/{connection_id}/resync/preview": {
        "start": "2026-11-01", "end": "2026-11-02",
    },
    "POST /api/v1/platform-connections/connections/{connection_id}/clear": {
        "streams": ["campaigns"], "confirm": "nope",
    },
    "POST /api/v1/platform-connections/connections/{connection_id}/schema/accept": {
        "stream": "campaigns",
    },
    "POST /api/v1/organizations": {"name": "New"},
    "POST /api/v1/admin/organizations/look": {"reason": "a call for help"},
    "POST /api/v1/admin/organizations/{organization_id}/look": {"reason": "a call for help"},
    "PATCH /api/v1/members/{user_id}": {"role": "viewer"},
    "POST /api/v1/invitations": {"email": "new@example.com", "role": "viewer"},
    "POST /api/v1/api-keys": {"name": "k", "scopes": ["read"]},
}
QUERY = {"stream": "campaigns", "slot": "all", "account": "7b1d3c9a-0d53-4a63-8a0e-6f3f5f0d2c11"}
LINES = sorted(line for line in wall.ROUTES if line.split()[1].startswith("/api/"))
OBJECTS = [line for line in LINES if "{" in line and "{platform_id}" not in line]


@dataclass
class Home:
    """An organization with one of everything, by the names paths use."""

    org: Organization
    ids: dict[str, str]


@pytest.fixture
def make_home(app: App) -> Callable[[Organization, str], Home]:
    def make(org: Organization, mark: str) -> Home:
        org_id, now = org.id or 0, app.now()
        with app.db.write() as session:
            row = session.get_one(Organization, org_id)
            row.name = f"{mark} organization"
            user = User(email=f"{mark}@example.com", email_key=f"{mark}@example.com",
                        name=f"{mark} person", password_hash="!", created_at=now)
            connection = Connection(
                org_id=org_id, platform="klaviyo", name=f"{mark} connection", auth_kind="api_key",
                status=ConnectionStatus.HEALTHY, created_at=now, updated_at=now,
            )
            session.add_all([user, connection])
            session.flush()
            session.add(Membership(org_id=org_id, user_id=user.id, role=Role.VIEWER,
                                   created_at=now))
            run = SyncRun(org_id=org_id, connection_id=connection.id, trigger="person",
                          created_at=now)
            invitation = Invitation(
                org_id=org_id, email=f"{mark}-guest@example.com", role=Role.VIEWER,
                email_key=f"{mark}-guest@example.com", token_hash=uuid4().hex, created_at=now,
                expires_at=now + timedelta(days=7),
            )
            web = WebSession(
                token_hash=uuid4().hex, user_id=user.id, org_id=org_id, created_at=now,
                last_seen_at=now, expires_at=now + timedelta(hours=9), user_agent=f"{mark} agent",
            )
            key = ApiKey(
                key_id=uuid4().hex[:12], secret_hash=uuid4().hex, org_id=org_id, user_id=user.id,
                name=f"{mark} key", scopes=["read"], created_at=now,
                expires_at=now + timedelta(days=9),
            )
            session.add_all([run, invitation, web, key])
        return Home(org, {
            "connection_id": str(connection.id), "sync_id": str(run.id), "user_id": str(user.id),
            "invitation_id": str(invitation.id), "session_id": str(web.id), "key_id": str(key.id),
            "platform_id": "klaviyo", "organization_id": str(org.public_id),
        })

    return make


@pytest.fixture
def mine(organization: Organization, make_home: Callable[..., Home]) -> Home:
    return make_home(organization, "mine")


@pytest.fixture
def theirs(other_organization: Organization, make_home: Callable[..., Home]) -> Home:
    return make_home(other_organization, CANARY)


@pytest.fixture
def headers(app: App, organization: Organization) -> Callable[[Role], dict[str, str]]:
    """A program of a member with this role, super administrators included."""

    def make(role: Role) -> dict[str, str]:
        with app.db.write() as session:
            key = f"{role.value}-{uuid4().hex[:8]}@example.com"
            user = User(email=key, email_key=key, name=role.value, password_hash="!",
                        created_at=app.now(), is_super_admin=role is Role.SUPER_ADMIN)
            session.add(user)
            session.flush()
            session.add(Membership(
                org_id=organization.id or 0, user_id=user.id, created_at=app.now(),
                role=Role.ADMIN if role is Role.SUPER_ADMIN else role,
            ))
        token = tokens.access_token(
            app, user_id=user.id, organization=organization.public_id, epoch=1
        )
        return {"Authorization": f"Bearer {token}"}

    return make


async def ask(
    client: httpx.AsyncClient, line: str, ids: dict[str, str], headers: dict[str, str]
) -> httpx.Response:
    method, path = line.split(" ", 1)
    body: dict[str, Any] = {}
    if method in {"POST", "PUT", "PATCH"}:
        body = {"json": BODIES.get(line, {})}
    elif path.endswith(("/source", "/rows")):
        body = {"params": QUERY}
    return await client.request(method, path.format(**ids), headers=headers, **body)


@pytest.mark.parametrize("role", list(Role))
async def test_L5_the_whole_table_of_roles_and_actions(
    client: httpx.AsyncClient, mine: Home, headers: Callable[[Role], dict[str, str]], role: Role
) -> None:
    assert len(LINES) >= 35
    bearer = headers(role)
    for line in LINES:
        answer = await ask(client, line, mine.ids, bearer)
        refused = answer.status_code == 403 and answer.json()["code"] == "denied"
        assert refused is not access.allows(role, wall.ROUTES[line]), (line, answer.text)
        assert answer.status_code not in {401, 500}, (line, answer.text)
        if answer.status_code == 204:  # it is gone now: the next line needs its own
            bearer = headers(role)


async def test_L17_objects_of_others_answer_exactly_like_missing_ones(
    client: httpx.AsyncClient, mine: Home, theirs: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    bearer = headers(Role.ADMIN)
    nowhere = {name: str(uuid4()) for name in theirs.ids}
    for line in OBJECTS:
        if wall.ROUTES[line] == "installation.admin":
            continue
        pairs = [(theirs.ids, nowhere)]
        if "{sync_id}" in line:  # somebody else's sync below a connection of one's own
            own = {"connection_id": mine.ids["connection_id"]}
            pairs.append(({**theirs.ids, **own}, {**nowhere, **own}))
        for pair in pairs:
            said = []
            for ids in pair:
                answer = await ask(client, line, ids, bearer)
                assert answer.status_code == 404, (line, answer.text)
                body = answer.json()
                said.append({k: body[k] for k in body if k != "request_id"})
            assert said[0] == said[1], line
            assert CANARY not in json.dumps(said)


async def test_L17_deleted_objects_answer_like_missing_ones(
    client: httpx.AsyncClient, mine: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    bearer = headers(Role.ADMIN)
    for line in ("DELETE /api/v1/invitations/{invitation_id}", "DELETE /api/v1/members/{user_id}",
                 "DELETE /api/v1/platform-connections/connections/{connection_id}"):
        assert (await ask(client, line, mine.ids, bearer)).status_code in {200, 204}, line
    gone = [x for x in OBJECTS if not x.endswith(("{session_id}", "{key_id}"))
            and wall.ROUTES[x] != "installation.admin"]
    assert len(gone) >= 12
    for line in gone:
        answer = await ask(client, line, mine.ids, bearer)
        assert answer.status_code == 404, (line, answer.text)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
async def test_L20_L21_no_answer_holds_a_canary_of_the_twin(
    client: httpx.AsyncClient, mine: Home, theirs: Home, headers: Callable[[Role], dict[str, str]],
    role: Role,
) -> None:
    """Also super administrators: they are members, or they see nothing (L7)."""
    bearer, heard = headers(role), ""
    for line in LINES:
        if line.startswith("GET "):
            for ids in (mine.ids, theirs.ids):
                answer = await ask(client, line, ids, bearer)
                heard += answer.text + str(answer.headers)
    for path in ("connections?search=canary", "connections?platform=klaviyo", "dashboard"):
        heard += (await client.get(f"/api/v1/platform-connections/{path}", headers=bearer)).text
    assert "mine connection" in heard
    assert "mine-guest@example.com" in heard
    assert CANARY not in heard
    for value in (*theirs.ids.values(), str(theirs.org.public_id)):
        assert value == "klaviyo" or value not in heard


async def test_L9_another_organization_in_the_header_is_refused(
    client: httpx.AsyncClient, mine: Home, theirs: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    for role in (Role.ADMIN, Role.SUPER_ADMIN):
        bearer = headers(role)
        seen = set()
        for given in (str(theirs.org.public_id), str(uuid4())):
            answer = await client.get(
                "/api/v1/members", headers={**bearer, "X-Organization-ID": given}
            )
            assert answer.status_code == 403, answer.text
            seen.add(answer.json()["detail"])
        assert len(seen) == 1


async def test_one_person_acts_for_each_of_their_organizations_with_the_role_there(
    client: httpx.AsyncClient, app: App, mine: Home, theirs: Home
) -> None:
    with app.db.write() as session:
        user = User(email="two@example.com", email_key="two@example.com", password_hash="!",
                    created_at=app.now())
        session.add(user)
        session.flush()
        for home, role in ((mine, Role.VIEWER), (theirs, Role.ADMIN)):
            session.add(Membership(org_id=home.org.id or 0, user_id=user.id, role=role,
                                   created_at=app.now()))
    token = tokens.access_token(app, user_id=user.id, organization=mine.org.public_id, epoch=1)
    bearer = {"Authorization": f"Bearer {token}"}
    there = {**bearer, "X-Organization-ID": str(theirs.org.public_id)}
    assert (await client.get("/api/v1/members", headers=bearer)).status_code == 403
    answer = await client.get("/api/v1/members", headers=there)
    assert {m["email"] for m in answer.json()["data"]} == {
        f"{CANARY}@example.com", "two@example.com"
    }
    found = (await client.get("/api/v1/organizations", headers=there)).json()["data"]
    assert [(o["role"], o["here"]) for o in found] == [("admin", True), ("viewer", False)]


async def test_L41_an_api_key_opens_the_api_within_its_scopes(
    client: httpx.AsyncClient, mine: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    bearer = headers(Role.ADMIN)
    made = await client.post(
        "/api/v1/api-keys", headers=bearer, json={"name": "report", "scopes": ["read"], "days": 30}
    )
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    for line in LINES:
        answer = await ask(client, line, mine.ids, key)
        allowed = wall.ROUTES[line] in access.SCOPES["read"][1]
        assert (answer.status_code == 403) is not allowed, (line, answer.text)
    listed = (await client.get("/api/v1/api-keys", headers=bearer)).json()["data"]
    assert listed[0]["live"]
    assert made.json()["key"] not in json.dumps(listed)
    gone = await client.delete(f"/api/v1/api-keys/{made.json()['id']}", headers=bearer)
    assert gone.status_code == 204
    assert (await client.get("/api/v1/me", headers=key)).status_code == 401


async def test_L102_I4_ids_of_another_organization_are_counted_and_missing_ones_are_not(
    client: httpx.AsyncClient, app: App, mine: Home, theirs: Home,
    headers: Callable[[Role], dict[str, str]],
) -> None:
    bearer = headers(Role.ADMIN)

    async def counted(line: str, ids: dict[str, str]) -> int:
        answer = await ask(client, line, ids, bearer)
        assert answer.status_code == 404, (line, answer.text)
        for thread in threading.enumerate():
            if thread.name == refusals.THREAD:
                thread.join()
        with app.db.read() as session:
            found = session.exec(
                select(AuditEntry).where(AuditEntry.action == "object.denied")
            ).all()
        assert all(e.org_id is None for e in found)  # nothing for the log of one's organization
        return len(found)

    nowhere = {name: str(uuid4()) for name in theirs.ids}
    for seen, line in enumerate(("GET /api/v1/platform-connections/connections/{connection_id}",
                 "DELETE /api/v1/members/{user_id}", "DELETE /api/v1/api-keys/{key_id}",
                 "DELETE /api/v1/invitations/{invitation_id}",
                 "DELETE /api/v1/sessions/{session_id}")):
        assert await counted(line, nowhere) == seen
        assert await counted(line, theirs.ids) == seen + 1
    incidents.sweep(app)
    with app.db.read() as session:
        assert "I4" in session.exec(select(Incident.rule)).all()


async def test_L7_a_super_administrator_crosses_only_with_a_reason_the_organization_can_read(
    client: httpx.AsyncClient, app: App, mine: Home, theirs: Home,
    headers: Callable[[Role], dict[str, str]],
) -> None:
    path, bearer = "/api/v1/admin/organizations", headers(Role.SUPER_ADMIN)
    there = f"{path}/{theirs.org.public_id}/look"

    def crossed() -> list[tuple[int | None, str]]:
        with app.db.read() as session:
            return list(session.exec(
                select(AuditEntry.org_id, AuditEntry.reason)
                .where(AuditEntry.action == "admin.organization_entered")
            ).all())

    for body in ({}, {"reason": ""}, {"reason": " " * 20}, {"reason": "short"}):
        assert (await client.post(there, headers=bearer, json=body)).status_code == 422
    why = {"reason": "Ticket 4711, a sync that stands"}
    assert (await client.post(there, headers=headers(Role.ADMIN), json=why)).status_code == 403
    missing = await client.post(f"{path}/{uuid4()}/look", headers=bearer, json=why)
    assert missing.status_code == 404
    assert crossed() == []
    found = (await client.post(there, headers=bearer, json=why)).json()
    assert [m["email"] for m in found["members"]] == [f"{CANARY}@example.com"]
    assert [c["name"] for c in found["connections"]] == [f"{CANARY} connection"]
    assert crossed() == [(theirs.org.id, why["reason"])]
    listed = (await client.post(f"{path}/look", headers=bearer, json=why)).json()["data"]
    assert {o["id"] for o in listed} == {str(mine.org.public_id), str(theirs.org.public_id)}


async def test_L7_L12_crossing_needs_a_recent_proof(
    client: httpx.AsyncClient, app: App, theirs: Home, headers: Callable[[Role], dict[str, str]],
    clock: Clock,
) -> None:
    bearer = headers(Role.SUPER_ADMIN)
    clock.advance(minutes=6)
    answer = await client.post(
        f"/api/v1/admin/organizations/{theirs.org.public_id}/look", headers=bearer,
        json={"reason": "Ticket 4711, a sync that stands"},
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "proof_needed")
