"""The REST application as it is served: with security headers, over ASGI, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from liftos_app.api.security import SecurityHeaders
from liftos_app.models import Membership, Organization, Role, User
from liftos_app.services import passwords, tokens
from liftos_app.services.context import App, Principal
from tests.api.shared_routes import api_of

BASE = "http://localhost:8000"
PASSWORD = "kettle violin harbour 29"
PAGE = b"<!doctype html><title>page</title><script>let a = 1</script>"


@pytest.fixture
def built_page(tmp_path: Path) -> Path:
    """A page as a build leaves it: one prerendered route, inline scripts, hashed assets."""
    folder = tmp_path / "client"
    for path in ("index.html", "login/index.html", "connections/new/index.html", "404.html"):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(PAGE)
    return folder


async def page_server(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the page server mounted behind the API: says which path reached it."""
    headers = [(b"content-type", b"text/html"), (b"server", b"page/1.0"), (b"x-powered-by", b"x")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"page " + scope["path"].encode()})


@pytest.fixture
def served(app: App, built_page: Path) -> ASGIApp:
    """The outermost application of a process."""
    api = api_of(app)
    api.mount("", page_server)
    return SecurityHeaders(api, app.settings, folder=built_page)


@pytest.fixture
async def client(served: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A program on this machine; redirects are not followed."""
    transport = httpx.ASGITransport(app=served, client=("203.0.113.9", 40000))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as opened:
        yield opened


@pytest.fixture
def bearer(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Callable[..., dict[str, str]]:
    """Headers of a program with a role: `headers=bearer(Role.MANAGER)`."""

    def make(role: Role = Role.ADMIN, org: Organization | None = None) -> dict[str, str]:
        home = org or organization
        who = make_principal(role, home)
        assert who.user_id is not None
        token = tokens.access_token(app, user_id=who.user_id, organization=home.public_id, epoch=1)
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def ann(app: App, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> User:
    """A manager with a password (`PASSWORD`); hashing is quick here, it is tested elsewhere."""
    monkeypatch.setattr(passwords, "fits", lambda given, stored: given == stored)
    monkeypatch.setattr(passwords, "make_hash", lambda given: given)
    with app.db.write() as session:
        user = User(
            email="ann@example.com",
            email_key="ann@example.com",
            name="Ann",
            password_hash=PASSWORD,
            created_at=app.now(),
        )
        session.add(user)
        session.flush()
        session.add(
            Membership(
                org_id=organization.id or 0,
                user_id=user.id,
                role=Role.MANAGER,
                created_at=app.now(),
            )
        )
    return user
