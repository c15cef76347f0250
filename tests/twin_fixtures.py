"""Two organizations with one of everything, members of every role, and every line of the API.

A test module takes the fixtures by name: `mine, theirs = twin_fixtures.mine, twin_fixtures.theirs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from liftos_app.api import wall
from liftos_app.models import (
    ApiKey,
    Connection,
    ConnectionStatus,
    Invitation,
    Membership,
    Organization,
    Role,
    SyncRun,
    User,
    WebSession,
)
from liftos_app.services import tokens
from liftos_app.services.context import App

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
