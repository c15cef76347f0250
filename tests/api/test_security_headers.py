"""The outermost layer: headers on every answer, known hosts only, bounded bodies, request ids."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from liftos_app.api import security
from liftos_app.api.security import BODY_LIMIT, SecurityHeaders
from liftos_app.config import Settings
from liftos_app.services.context import App
from tests.api.conftest import BASE, page_server

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "strict-origin-when-cross-origin",
}


def opened(app: ASGIApp, base: str = BASE) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def page(settings: Settings, built_page: Path) -> SecurityHeaders:
    """Only the page server behind the layer."""
    return SecurityHeaders(page_server, settings, folder=built_page)


# -- headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/login"),
        ("GET", "/assets/app-1a2b.js"),
        ("GET", "/no-such-page"),
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/nothing"),
        ("POST", "/api/v1/auth/token"),
        ("GET", "/api/v1/docs"),
        ("POST", "/auth/login"),
        ("GET", "/sandbox/x"),
        ("HEAD", "/"),
        ("GET", "/oauth/callback/shopify?state=x&code=y"),
    ],
)
async def test_L72_every_answer_carries_the_headers(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path)
    for name, value in EVERYWHERE.items():
        quiet = name == "referrer-policy" and path.startswith(("/oauth/", "/auth/"))
        assert answer.headers[name] == ("no-referrer" if quiet else value)
    assert "camera=()" in answer.headers["permissions-policy"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert len(answer.headers["x-request-id"]) == 32


async def test_head_says_what_get_would_and_sends_nothing(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/health", "/api/v1/nothing", "/api/v1/organization/members"):
        get, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    consent = await client.head("/api/v1/platform-connections/oauth/callback?state=x&code=y")
    assert consent.status_code == 405  # it does something: only GET does it


async def test_pages_may_run_their_inline_scripts_by_hash_and_no_others(
    page: SecurityHeaders,
) -> None:
    digest = base64.b64encode(hashlib.sha256(b"let a = 1").digest()).decode()
    async with opened(page) as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "form-action 'self';" in policy
    assert "connect-src 'self';" in policy


def test_scripts_with_a_source_are_not_hashed_and_equal_ones_once(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<script src="/x.js"></script><script type="module">1</script>\n<script>1</script>'
        "<script>2\n</script>",
        encoding="utf-8",
    )
    assert len(security.inline_hashes(tmp_path)) == 2
    assert security.inline_hashes(tmp_path / "missing") == []


async def test_data_answers_allow_nothing_at_all(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/health")
    assert answer.headers["content-security-policy"] == security.DATA_POLICY
    assert answer.headers["cache-control"] == "no-store"


async def test_the_sandbox_may_send_its_form_to_our_own_names(page: SecurityHeaders) -> None:
    async with opened(page) as client:
        policy = (await client.get("/sandbox/shopify/consent")).headers["content-security-policy"]
    # an IPv6 address is no valid source
    assert f"form-action 'self' {BASE} http://127.0.0.1:8000;" in policy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/assets/entry-D3f.js", "public, max-age=31536000, immutable"),
        ("/fonts/geist.woff2", "public, max-age=86400"),
        ("/favicon.svg", "public, max-age=86400"),
        ("/", "no-cache"),
        ("/login", "no-cache"),
        ("/connections/new", "no-cache"),
    ],
)
async def test_only_hashed_files_are_kept_for_ever(
    page: SecurityHeaders, path: str, value: str
) -> None:
    async with opened(page) as client:
        assert (await client.get(path)).headers["cache-control"] == value


async def test_a_missing_asset_is_not_kept(settings: Settings, built_page: Path) -> None:
    async def missing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with opened(SecurityHeaders(missing, settings, folder=built_page)) as client:
        assert (await client.get("/assets/gone.js")).headers["cache-control"] == "no-cache"


async def test_behind_https_browsers_are_told_to_stay_there(
    settings: Settings, built_page: Path
) -> None:
    https = dataclasses.replace(
        settings, public_url="https://liftos.example.com", public_url_given=True
    )
    layer = SecurityHeaders(page_server, https, folder=built_page)
    async with opened(layer, "https://liftos.example.com") as client:
        answer = await client.get("/")
    assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


async def test_prerendered_pages_need_no_redirect(page: SecurityHeaders) -> None:
    async with opened(page) as client:
        assert (await client.get("/login")).text == "page /login/"
        assert (await client.get("/connections/new?step=2")).text == "page /connections/new/"
        assert (await client.get("/connections")).text == "page /connections"
        assert (await client.get("/")).text == "page /"


async def test_L77_an_exception_behind_everything_still_gets_the_headers(
    settings: Settings, built_page: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("canary-inside")

    async with opened(SecurityHeaders(broken, settings, folder=built_page)) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "canary" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [r.getMessage() for r in caplog.records] == ["http.failed"]


# -- hosts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "LOCALHOST:8000",
        "localhost",
        "127.0.0.1:9000",
    ],
)
async def test_L75_our_own_names_are_known(page: SecurityHeaders, host: str) -> None:
    async with opened(page) as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "localhost:8000.evil.example",
        "localhost@evil.example",
        "127.0.0.1.nip.io:8000",
        "",
        "192.0.2.7:8000",
        "localhost:8000:1",
        "2130706433",
        "127.1",
    ],
)
async def test_L75_other_names_are_refused_everywhere(page: SecurityHeaders, host: str) -> None:
    async with opened(page) as client:
        for path in ("/", "/api/v1/health", "/assets/x.js"):
            answer = await client.get(path, headers={"Host": host})
            assert (answer.status_code, answer.json()["code"]) == (421, "unknown_address")
            assert "LIFTOS_PUBLIC_URL" in answer.json()["fix"]
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_public_name_is_known_and_health_checks_of_this_machine_too(
    settings: Settings, built_page: Path
) -> None:
    public = dataclasses.replace(
        settings, public_url="https://liftos.example.com", public_url_given=True
    )
    layer = SecurityHeaders(page_server, public, folder=built_page)
    async with opened(layer) as client:
        for host in ("liftos.example.com", "liftos.example.com:443", "127.0.0.1:8000"):
            assert (await client.get("/", headers={"Host": host})).status_code == 200
        for host in ("other.example.com", "liftos.example.com.evil.example"):
            assert (await client.get("/", headers={"Host": host})).status_code == 421


async def test_a_socket_under_another_name_is_closed_before_it_opens(page: SecurityHeaders) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/_event", "headers": [(b"host", b"evil.example")]}
    await page(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


# -- bodies --------------------------------------------------------------------------------------


async def test_L81_a_body_over_one_megabyte_is_refused_announced_or_not(
    client: httpx.AsyncClient,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (BODY_LIMIT // 10)

    headers = {"Content-Type": "application/json"}
    for content in (b" " * (BODY_LIMIT + 1), pieces()):
        answer = await client.post("/api/v1/auth/token", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_body_of_one_megabyte_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/auth/token",
        content=b" " * (BODY_LIMIT - 2) + b"{}",
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("99999999999999999999", 413),
        ("-1", 400),
        ("1e3", 400),
        ("٣", 400),
        ("abc", 400),
    ],
)
async def test_L81_odd_lengths_are_refused(page: SecurityHeaders, length: str, status: int) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost:8000"), (b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await page(scope, receive, send)
    assert sent[0]["status"] == status


# -- request ids and the request log -------------------------------------------------------------


async def test_a_given_request_id_is_kept_when_it_is_harmless(client: httpx.AsyncClient) -> None:
    async def answered(value: str) -> httpx.Response:
        return await client.get("/api/v1/nothing", headers={"X-Request-ID": value})

    kept = await answered("trace-0123.abc")
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "trace-0123.abc"
    for value in ("short", "x" * 41, "a b c d e f", "<script>alert(1)</script>"):
        other = await answered(value)
        assert other.headers["x-request-id"] != value
        assert other.json()["request_id"] == other.headers["x-request-id"]


async def test_L78_request_logging_writes_one_line_without_the_query(
    app: App, built_page: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy = dataclasses.replace(app.settings, enable_request_logging=True)
    with caplog.at_level(logging.INFO):
        async with opened(SecurityHeaders(page_server, noisy, folder=built_page)) as client:
            await client.get("/login?code=canary-code&state=canary-state")
        async with opened(SecurityHeaders(page_server, app.settings, folder=built_page)) as client:
            await client.get("/quiet")
    (record,) = [r for r in caplog.records if r.getMessage() == "http.request"]
    fields = vars(record)
    assert (fields["path"], fields["status"], fields["method"]) == ("/login", 200, "GET")
    assert "canary" not in repr(fields)
