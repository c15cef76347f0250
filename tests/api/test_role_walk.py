"""The whole role x action table over REST, for objects of one's own organization, of another one,
missing and deleted; and a twin organization whose every text is a canary.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from liftos_app.api import wall
from liftos_app.models import AuditEntry, Incident, Membership, Role, User
from liftos_app.services import access, incidents, tokens
from liftos_app.services.audit import refusals
from liftos_app.services.context import App
from tests import twin_fixtures
from tests.conftest import Clock
from tests.twin_fixtures import CANARY, LINES, OBJECTS, Home, ask

make_home, headers = twin_fixtures.make_home, twin_fixtures.headers
mine, theirs = twin_fixtures.mine, twin_fixtures.theirs


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
