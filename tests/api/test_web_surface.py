"""The web surface as strangers and other pages see it: headers, origins, hosts, sizes (L72 to L81).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware

from liftos_app.api import wall
from liftos_app.api.preflights import Preflights
from liftos_app.api.security import ADDRESS_LIMIT, HEADERS_LIMIT, SecurityHeaders
from liftos_app.config import ROOT
from liftos_app.models import Role
from liftos_app.services.context import App
from tests.api.conftest import BASE, page_server

JSON = {"Content-Type": "application/json"}
# What is asked, and the status: one row for every kind of answer there is.
KINDS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/", {}, 200),
    ("GET", "/login", {}, 200),
    ("GET", "/assets/app-1a2b.js", {}, 200),
    ("GET", "/favicon.svg", {}, 200),
    ("GET", "/api/v1/health", {}, 200),
    ("GET", "/api/v1/me", {}, 401),
    ("GET", "/api/v1/me", {"headers": {"Authorization": "Bearer x.y.z"}}, 401),
    ("GET", "/api/v1/nothing", {}, 404),
    ("DELETE", "/api/v1/health", {}, 405),
    ("POST", "/api/v1/auth/token", {"content": b"{", "headers": JSON}, 400),
    ("POST", "/api/v1/auth/token", {"content": b"{}", "headers": JSON}, 422),
    ("POST", "/api/v1/auth/token", {"content": b" " * 1_100_000, "headers": JSON}, 413),
    ("GET", "/?q=" + "x" * ADDRESS_LIMIT, {}, 414),
    ("GET", "/", {"headers": {"X-Big": "x" * 40_000}}, 431),
    ("GET", "/", {"headers": {"Host": "evil.example"}}, 421),
    ("GET", "/api/v1/docs", {}, 200),
    ("GET", "/api/v1/openapi.json", {}, 200),
    ("GET", "/auth/reset", {}, 200),
    ("GET", "/auth/anything", {}, 303),
    ("POST", "/auth/login", {"data": {"email": "a@example.com"}}, 303),
    ("GET", "/oauth/callback/shopify?state=x&code=y", {}, 401),
    ("GET", "/sandbox/x", {}, 200),
    ("OPTIONS", "/api/v1/health", {}, 405),
]
MUST = {
    "x-content-type-options": {"nosniff"},
    "x-frame-options": {"DENY"},
    "referrer-policy": {"strict-origin-when-cross-origin", "no-referrer", "same-origin"},
    "cross-origin-opener-policy": {"same-origin"},
    "cross-origin-resource-policy": {"same-origin"},
}


@pytest.mark.parametrize(("method", "path", "more", "status"), KINDS)
async def test_L72_every_kind_of_answer_carries_every_header(
    client: httpx.AsyncClient, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = await client.request(method, path, **more)
    assert answer.status_code == status
    for name, values in MUST.items():
        assert answer.headers[name] in values, name
        assert len(answer.headers.get_list(name)) == 1, name
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert {"frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "unsafe-eval" not in policy
    scripts = policy.partition("script-src")[2].partition(";")[0].split()
    assert all(s == "'self'" or s.startswith("'sha256-") for s in scripts)
    assert "camera=()" in answer.headers["permissions-policy"]
    assert not {"server", "x-powered-by"} & set(answer.headers)
    if path.startswith(("/api/", "/auth/", "/oauth/")):
        assert answer.headers["cache-control"] == "no-store"
    if path.startswith(("/auth/", "/oauth/")):
        assert answer.headers["referrer-policy"] in {"no-referrer", "same-origin"}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:8000.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/me", "/api/v1/health", "/auth/login", "/sandbox/x"])
async def test_L73_no_origin_is_let_in(client: httpx.AsyncClient, origin: str, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await client.request(
            method, path,
            headers={"Origin": origin, "Access-Control-Request-Method": "POST",
                     "Access-Control-Request-Headers": "authorization"},
        )
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_L72_L73_a_refused_preflight_is_a_problem_with_every_header(app: App) -> None:
    """As the page's framework asks: before anything of ours."""
    inner = CORSMiddleware(
        page_server, allow_origins=list(app.settings.origins), allow_methods=["*"],
        allow_headers=["*"], allow_credentials=True,
    )
    transport = httpx.ASGITransport(app=Preflights(inner, app.settings))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for origin, method, status in (
            ("https://evil.example", "GET", 403), (BASE, "PROPFIND", 403), (BASE, "GET", 200),
        ):
            asks = {"Origin": origin, "Access-Control-Request-Method": method}
            answer = await client.options("/api/v1/me", headers=asks)
            assert answer.status_code == status
            for name, values in MUST.items():
                assert answer.headers[name] in values, name
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["cache-control"] == "no-store"
            if status == 403:
                assert answer.headers["content-type"] == "application/problem+json"
                told = answer.json()
                assert told["code"] == "cross_origin_refused"
                assert told["request_id"] == answer.headers["x-request-id"]
                assert "access-control-allow-origin" not in answer.headers
            else:
                assert answer.headers["access-control-allow-origin"] == BASE
        assert (await client.options("/x")).text == "page /x"


def test_L73_the_page_server_takes_our_own_origins_only() -> None:
    tree = ast.parse((ROOT / "rxconfig.py").read_text(encoding="utf-8"))
    [given] = [
        ast.unparse(k.value) for node in ast.walk(tree) if isinstance(node, ast.Call)
        for k in node.keywords if k.arg == "cors_allowed_origins"
    ]
    assert given == "list(_settings.origins)"


async def test_L74_a_cookie_opens_no_rest_route(
    client: httpx.AsyncClient, ann: object, app: App
) -> None:
    signed = await client.post(
        "/auth/login", data={"email": "ann@example.com", "password": "kettle violin harbour 29"},
        headers={"Origin": BASE, "Sec-Fetch-Site": "same-origin"},
    )
    assert "liftos_sid" in signed.headers["set-cookie"]
    assert client.cookies
    for method, path in (("GET", "/api/v1/me"), ("DELETE", "/api/v1/sessions")):
        assert (await client.request(method, path)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {},
        {"Sec-Fetch-Site": "cross-site", "Origin": BASE}, {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_L74_no_form_acts_for_another_page(
    client: httpx.AsyncClient, ann: object, headers: dict[str, str]
) -> None:
    given = {"email": "ann@example.com", "password": "kettle violin harbour 29"}
    answer = await client.post("/auth/login", data=given, headers=headers)
    assert answer.headers["location"].startswith("/login?error=")
    assert "set-cookie" not in answer.headers
    good = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    await client.post("/auth/login", data=given, headers=good)
    assert client.cookies
    for route in wall.FORMS:
        method, _, path = route.partition(" ")
        if method == "POST":
            typed = {"name": "x", "scope_read": "yes"}
            refused = await client.post(path, data=typed, headers=headers)
            assert refused.status_code in {303, 403}, route
            assert "another address" in refused.text or "error=" in refused.headers["location"]


def test_L74_reading_changes_nothing() -> None:
    # A reading context refuses writes; what is asked with GET gets no other (api/deps.py).
    from liftos_app.api.deps import SAFE_METHODS

    assert {"GET", "HEAD", "OPTIONS"} == SAFE_METHODS


async def test_L75_links_are_built_from_the_public_address(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    answer = await client.get(
        "/api/v1/me", headers={**bearer(Role.ADMIN), "X-Forwarded-Host": "evil.example",
                               "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"},
    )
    assert answer.status_code == 200
    assert "evil" not in answer.text + repr(answer.headers)


def test_L76_no_page_shows_data_as_markup_and_links_outside_name_nobody() -> None:
    wrong = []
    for path in sorted((ROOT / "liftos_app").rglob("*.py")):
        if path.parent.name not in {"pages", "components", "state"}:
            continue
        text = path.read_text(encoding="utf-8")
        for pattern in (r"\brx\.html\b", r"dangerously_?set", r"\brx\.markdown\b"):
            if re.search(pattern, text, re.I):
                wrong.append(f"{path.name}: {pattern}")
        for found in re.finditer(r"target=\"_blank\"", text):
            near = text[max(0, found.start() - 200): found.end() + 200]
            if "noopener" not in near:
                wrong.append(f"{path.name}: target=_blank without rel")
    assert wrong == []


@pytest.mark.parametrize(("method", "path", "more", "status"), [k for k in KINDS if k[3] >= 400])
async def test_L77_a_refusal_is_a_problem_and_shows_no_inside(
    client: httpx.AsyncClient, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = await client.request(method, path, **more)
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert found["request_id"] == answer.headers["x-request-id"]
    assert {"code", "what"} <= set(found)
    assert not re.search(
        r"Traceback|sqlalchemy|sqlite|File \"|/liftos_app/|site-packages|0x[0-9a-f]{6}|starlette",
        answer.text,
    )


async def test_L77_a_broken_database_says_nothing_of_itself(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], app: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sqlalchemy.exc import OperationalError

    headers = bearer(Role.ADMIN)
    await client.get("/api/v1/me", headers=headers)

    def broken(*_: object, **__: object) -> Any:
        raise OperationalError("SELECT canary FROM secret_table", {}, Exception("disk I/O"))

    monkeypatch.setattr(app.db, "read", broken)
    answer = await client.get("/api/v1/me", headers=headers)
    assert answer.status_code >= 500
    assert "canary" not in answer.text
    assert "disk" not in answer.text


async def test_L81_too_many_headers_and_too_long_addresses_are_refused(
    served: SecurityHeaders,
) -> None:
    async def status(path: str, headers: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/", "raw_path": path.encode(),
            "query_string": b"", "headers": [(b"host", b"localhost:8000"), *headers],
        }
        await served(scope, receive, send)
        return int(sent[0]["status"])

    assert await status("/", [(b"x", b"y")] * (HEADERS_LIMIT - 1)) == 200
    assert await status("/", [(b"x", b"y")] * HEADERS_LIMIT) == 431
    assert await status("/", [(b"x", b"y" * 32 * 1024)]) == 431
    assert await status("/" + "a" * (ADDRESS_LIMIT - 1), []) == 200
    assert await status("/" + "a" * ADDRESS_LIMIT, []) == 414


def test_L76_plain_pages_escape_what_they_are_given() -> None:
    from liftos_app.api import plain_page

    hostile = '"><script>alert(1)</script>'
    page = plain_page.page(
        hostile, plain_page.text(hostile), plain_page.trouble(hostile),
        plain_page.link(hostile, hostile), plain_page.shown_once(hostile, label=hostile),
        plain_page.form("/x", send=hostile, hidden={"a": hostile}), plain_page.done(hostile, "/"),
    )
    assert b"<script>alert" not in page.body
