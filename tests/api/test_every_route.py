"""Every route of the API asks who is there, but for a short list that is public on purpose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from liftos_app.api import callback, web
from liftos_app.api.routes import PREFIX, ROUTERS
from liftos_app.models import Connection, ConnectionStatus, Organization, Role, SyncRun
from liftos_app.services.context import App

PUBLIC = {
    ("POST", "/api/v1/auth/token"),  # gives the token
    ("POST", "/api/v1/auth/refresh"),  # takes the refresh token
    ("POST", "/api/v1/auth/revoke"),  # takes the refresh token
    ("GET", "/api/v1/health"),  # says nothing but that it lives
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/docs"),
    ("POST", "/auth/setup"),  # open only while there is nobody
    ("POST", "/auth/login"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/{rest:path}"),  # a redirect to the sign-in page
}
LOOKS_ITSELF = {("GET", "/oauth/callback/{platform}")}  # sends a stranger to the sign-in page


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route."""
    for router, prefix in (
        *((r, PREFIX) for r in ROUTERS), (web.router, ""), (callback.browser, "")
    ):
        for route in router.routes:
            assert isinstance(route, APIRoute), route
            yield from itertools.product(sorted(route.methods), [prefix + route.path])


PROTECTED = sorted(set(routes()) - PUBLIC - LOOKS_ITSELF)


def filled(path: str) -> str:
    """The path with an id for every part in braces."""
    return re.sub(r"{[^}]+}", lambda _: str(uuid4()), path)


def test_the_public_list_names_routes_that_exist() -> None:
    assert set(routes()) >= PUBLIC | LOOKS_ITSELF
    assert len(PROTECTED) >= 18


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_a_stranger_is_refused_before_anything_else(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        answer = await client.request(method, filled(path), headers=headers, json={})
        assert answer.status_code == 401, (answer.status_code, answer.text)
        assert answer.json()["code"]
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(("accept", "status"), [("text/html", 303), ("application/json", 401)])
async def test_a_stranger_at_the_consent_callback_learns_nothing(
    client: httpx.AsyncClient, accept: str, status: int
) -> None:
    answer = await client.get(
        "/oauth/callback/meta_business?code=secret-code&state=y", headers={"accept": accept}
    )
    assert answer.status_code == status
    assert "secret-code" not in answer.text + answer.headers.get("location", "")
    assert answer.headers.get("location", "/login") == "/login"


WRITING = [(m, p) for m, p in PROTECTED if m in {"POST", "PUT", "PATCH", "DELETE"}]
BODIES = {
    "/api/v1/platform-connections/connections": {"platform": "klaviyo", "method": "api_key"},
    "/api/v1/platform-connections/oauth/initiate": {"platform": "meta_business"},
    "/api/v1/platform-connections/connections/{connection_id}": {"name": "Taken over"},
    "/api/v1/platform-connections/connections/{connection_id}/resync/preview": {
        "start": "2026-11-01", "end": "2026-11-02",
    },
    "/api/v1/platform-connections/connections/{connection_id}/clear": {
        "streams": ["campaigns"], "confirm": "Klaviyo",
    },
    "/api/v1/platform-connections/connections/{connection_id}/schema/accept": {
        "stream": "campaigns",
    },
}


@pytest.fixture
def existing(app: App, organization: Organization) -> dict[str, str]:
    """A connection with a run in the viewer's own organization, by the names paths use."""
    with app.db.write() as session:
        connection = Connection(
            org_id=organization.id or 0, platform="klaviyo", name="Klaviyo",
            status=ConnectionStatus.HEALTHY, created_at=app.now(), updated_at=app.now(),
        )
        session.add(connection)
        session.flush()
        run = SyncRun(
            org_id=organization.id or 0, connection_id=connection.id, trigger="person",
            created_at=app.now(),
        )
        session.add(run)
    return {"connection_id": str(connection.id), "sync_id": str(run.id)}


@pytest.mark.parametrize(("method", "path"), WRITING)
async def test_a_viewer_writes_nothing(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], existing: dict[str, str],
    method: str, path: str,
) -> None:
    answer = await client.request(
        method, path.format(**existing), headers=bearer(Role.VIEWER), json=BODIES.get(path, {})
    )
    assert answer.status_code == 403, (answer.status_code, answer.text)
