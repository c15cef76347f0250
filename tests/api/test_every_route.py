"""Every route of the API asks who is there, but for a short list that is public on purpose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from liftos_app.api import wall
from liftos_app.api.routes import BROWSER_ROUTERS, PREFIX, ROUTERS
from liftos_app.models import Role
from liftos_app.services import access

PUBLIC = {tuple(line.split(" ", 1)) for line in wall.PUBLIC}
LOOKS_ITSELF = {("GET", "/oauth/callback/{platform}")} | {  # send a stranger to the sign-in page
    tuple(line.split(" ", 1)) for line in wall.FORMS
}


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route."""
    for router, prefix in (*((r, PREFIX) for r in ROUTERS), *((r, "") for r in BROWSER_ROUTERS)):
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


def test_L2_every_route_names_a_permission_or_is_public_on_purpose() -> None:
    known = set(wall.ROUTES) | set(wall.PUBLIC) | set(wall.FORMS)
    found = {f"{method} {path}" for method, path in routes()}
    assert found - known == set(), "add the route to api/wall.py"
    assert known - found == set(), "api/wall.py names a route that does not exist"
    assert {*wall.ROUTES.values(), *wall.FORMS.values()} <= set(access.PERMISSIONS)


async def test_L1_a_route_in_no_table_is_refused(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(wall.ROUTES, "GET /api/v1/members")
    answer = await client.get("/api/v1/members", headers=bearer(Role.SUPER_ADMIN))
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("line", sorted(wall.FORMS))
async def test_L3_forms_of_signed_in_people_send_strangers_to_the_door(
    client: httpx.AsyncClient, line: str
) -> None:
    method, path = line.split(" ", 1)
    answer = await client.request(method, path, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/login?next=")
