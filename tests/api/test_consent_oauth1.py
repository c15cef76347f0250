"""A consent by OAuth 1.0a over REST and in a browser: the same addresses as every other sign-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlmodel import select

from liftos_app.models import Connection, OAuthRequest, Role, User
from liftos_app.services import accounts, connections, consent, demo, sessions
from liftos_app.services.context import App, open_context
from liftos_app.services.oauth import Begun
from liftos_app.services.sandbox.credentials.x_ads import DEMO
from tests.api.conftest import PASSWORD
from tests.sandbox_server import RunningSandbox, running_sandbox

ROOT = "/api/v1/platform-connections"
Headers = dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def box(app: App, server: RunningSandbox) -> RunningSandbox:
    server.reset()
    app.settings = replace(app.settings, platform_urls={"x_ads": server.platform("x_ads")})
    return server


async def begin(
    client: httpx.AsyncClient, headers: Headers, **changes: str
) -> httpx.Response:
    return await client.post(f"{ROOT}/oauth/initiate", headers=headers, json={
        "platform": "x_ads", "method": "oauth", "mode": "demo",
        "inputs": {**DEMO["oauth"], **changes},
    })


def walk(box: RunningSandbox, begun: dict[str, str]) -> dict[str, str]:
    return demo.walk_consent(
        begun["authorization_url"], return_to=begun["redirect_uri"], reach=box.origin
    )


async def test_a_program_signs_in_with_the_same_two_calls(
    box: RunningSandbox, client: httpx.AsyncClient, bearer: Callable[..., Headers]
) -> None:
    manager = bearer(Role.MANAGER)
    answer = await begin(client, manager)
    assert answer.status_code == 200, answer.text
    begun = answer.json()
    assert begun["redirect_uri"] == "http://localhost:8000/oauth/callback/x_ads"
    params = walk(box, begun)
    other = bearer(Role.MANAGER)
    foreign = await client.get(f"{ROOT}/oauth/callback", params=params, headers=other)
    assert foreign.status_code == 409
    done = await client.get(f"{ROOT}/oauth/callback", params=params, headers=manager)
    assert done.status_code == 200, done.text
    assert done.json()["status"] == "selecting_accounts"
    assert sum(a["usable"] for a in done.json()["accounts"]) == 2
    assert params["oauth_verifier"] not in done.text
    again = await client.get(f"{ROOT}/oauth/callback", params=params, headers=manager)
    assert (again.status_code, again.json()["code"]) == (409, "state_expired")


async def test_a_wrong_app_is_a_problem_with_its_field(
    box: RunningSandbox, app: App, client: httpx.AsyncClient, bearer: Callable[..., Headers]
) -> None:
    answer = await begin(client, bearer(Role.MANAGER), client_secret="W" * 50)
    assert (answer.status_code, answer.json()["field"]) == (409, "client_secret")
    assert "Could not authenticate you" in answer.json()["why"]
    with app.db.read() as session:
        assert session.exec(select(OAuthRequest)).all() == []
        assert session.exec(select(Connection)).one().status == "draft"  # mended, not lost


async def test_a_browser_comes_back_to_the_wizard(
    box: RunningSandbox, app: App, client: httpx.AsyncClient, ann: User,
) -> None:
    signed = accounts.sign_in(
        app, email=ann.email, password=PASSWORD, ip="127.0.0.1", user_agent="browser"
    )
    who = sessions.resolve(app, signed.token, ip="127.0.0.1")
    assert who is not None
    def draft() -> tuple[str, Begun]:
        with open_context(app, who.who, who.org_id, write=True) as ctx:
            row = connections.create_draft(ctx, "x_ads", mode="demo", method="oauth")
            connections.save_inputs(ctx, row.id, DEMO["oauth"])
        begun = consent.open_consent(
            app, who.who, who.org_id, row.id, origin=app.settings.public_url
        )
        return str(row.id), begun

    cookie = {"Cookie": f"{sessions.cookie_name(app.settings)}={signed.token}"}
    ident, begun = draft()
    params = demo.walk_consent(begun.url, return_to=begun.redirect_uri, reach=box.origin)
    back = await client.get("/oauth/callback/x_ads", params=params, headers=cookie)
    assert back.status_code == 303
    place = urlsplit(back.headers["location"])
    assert place.path == "/connections/new"
    assert parse_qs(place.query) == {"id": [ident], "step": ["3"], "result": ["ok"]}
    ident, begun = draft()
    token = parse_qs(urlsplit(begun.url).query)["oauth_token"][0]
    back = await client.get("/oauth/callback/x_ads", params={"denied": token}, headers=cookie)
    assert parse_qs(urlsplit(back.headers["location"]).query) == {
        "id": [ident], "step": ["2"], "result": ["refused"]
    }
