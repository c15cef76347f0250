"""Limits over REST, and whose address counts behind proxies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from liftos_app.api.client_address import ClientAddress, believed
from liftos_app.api.security import SecurityHeaders
from liftos_app.models import Role, User
from liftos_app.services.context import App
from tests.api.conftest import BASE
from tests.api.shared_routes import api_of

PLATFORMS = "/api/v1/platform-connections/platforms"


def serve(app: App, folder: Path, *, hops: int = 0, **limits: int) -> ASGIApp:
    settings = dataclasses.replace(
        app.settings, hourly_limits={**app.settings.hourly_limits, **limits}
    )
    api = api_of(dataclasses.replace(app, settings=settings, extras={}))
    return ClientAddress(SecurityHeaders(api, settings, folder=folder), hops)


def open_at(asgi: ASGIApp, address: str = "203.0.113.9") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=asgi, client=(address, 4000))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


async def test_L95_over_the_limit_answers_429_with_when_to_come_back(
    app: App, built_page: Path, bearer: Callable[..., dict[str, str]]
) -> None:
    ann = bearer(Role.ADMIN)
    async with open_at(serve(app, built_page, analytics=2)) as client:
        first, second, third = [await client.get(PLATFORMS, headers=ann) for _ in range(3)]
        assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
        assert first.headers["ratelimit-limit"] == "2"
        assert [a.headers["ratelimit-remaining"] for a in (first, second, third)] == ["1", "0", "0"]
        assert first.headers["ratelimit-policy"] == '"analytics";q=2;w=3600'
        assert 1 <= int(third.headers["retry-after"]) <= 3600
        assert third.json()["code"] == "too_many"
        assert (await client.get(PLATFORMS, headers=bearer(Role.ADMIN))).status_code == 200


async def test_L80_refused_syncs_and_changes_do_no_work(
    app: App, built_page: Path, bearer: Callable[..., dict[str, str]]
) -> None:
    path = "/api/v1/platform-connections/oauth/initiate"
    async with open_at(serve(app, built_page, connections=1)) as client:
        ann = bearer(Role.MANAGER)
        answers = [
            await client.post(path, headers=ann, json={"platform": "nope"}) for _ in range(2)
        ]
        assert [a.status_code for a in answers] == [404, 429]
        assert answers[1].headers["ratelimit-policy"] == '"connections";q=1;w=3600'
        assert (await client.get(PLATFORMS, headers=ann)).status_code == 200


@pytest.mark.parametrize(("forwarded", "hops", "address"), [
    ("", 1, ""), ("9.9.9.9", 1, "9.9.9.9"), ("6.6.6.6, 9.9.9.9", 1, "9.9.9.9"),
    ("6.6.6.6, 9.9.9.9, 10.0.0.1", 2, "9.9.9.9"), ("9.9.9.9", 2, ""),
    ("6.6.6.6,,9.9.9.9:4711", 1, "9.9.9.9"), ("[2001:db8::1]:443", 1, "2001:db8::1"),
    ("2001:db8::1", 1, "2001:db8::1"), ("unknown", 1, ""), ("<script>", 1, ""),
    ("6.6.6.6, 9.9.9.9, ", 1, "9.9.9.9"),
])
def test_L96_only_what_our_own_proxies_wrote_is_believed(
    forwarded: str, hops: int, address: str
) -> None:
    assert believed(forwarded, hops) == address


async def test_L96_several_header_lines_count_as_one_list() -> None:
    seen: list[object] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"])

    scope = {"type": "websocket", "client": ("10.0.0.1", 1), "headers": [
        (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"9.9.9.9")]}
    await ClientAddress(inner, 1)(dict(scope), None, None)  # type: ignore[arg-type]
    await ClientAddress(inner, 0)(dict(scope), None, None)  # type: ignore[arg-type]
    assert seen == [("9.9.9.9", 0), ("10.0.0.1", 1)]


async def fail(client: httpx.AsyncClient, forwarded: str, number: int) -> int:
    answer = await client.post(
        "/api/v1/auth/token", json={"email": f"x{number}@example.com", "password": "wrong"},
        headers={"X-Forwarded-For": forwarded},
    )
    return answer.status_code


async def test_L96_a_spoofed_header_opens_no_new_bucket(
    app: App, built_page: Path, ann: User
) -> None:
    """Without a proxy the header is nothing; behind one, only its own entry counts."""
    async with open_at(serve(app, built_page)) as client:
        codes = [await fail(client, f"198.51.100.{n}", n) for n in range(12)]
        assert codes == [401] * 10 + [429] * 2
    async with open_at(serve(app, built_page, hops=1), "10.0.0.1") as client:
        codes = [await fail(client, f"6.6.6.{n}, 198.51.100.7", 100 + n) for n in range(12)]
        assert codes == [401] * 10 + [429] * 2
        assert await fail(client, "198.51.100.8", 200) == 401  # another client of the same proxy
        v6 = [await fail(client, f"2001:db8:0:1::{n:x}", 300 + n) for n in range(1, 13)]
        assert v6 == [401] * 10 + [429] * 2  # one /64 is one person
        refused = await client.post(
            "/api/v1/auth/token", json={"email": "a@b.c", "password": "x"},
            headers={"X-Forwarded-For": "198.51.100.7"},
        )
        assert refused.headers["ratelimit-policy"] == '"auth";q=10;w=60'
        assert int(refused.headers["retry-after"]) >= 1
