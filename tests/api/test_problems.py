"""Failures over REST: one form, a stable code, nothing from inside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.exc import OperationalError

from liftos_app import errors
from liftos_app.api import problems
from liftos_app.services import logs
from liftos_app.services.context import App

SECRET = "canary-8f2e-do-not-show"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=5)
    day: int = 1

    @field_validator("day")
    @classmethod
    def _in_range(cls, value: int) -> int:
        if value > 31:
            raise ValueError("A day is at most 31.")
        return value


class Failing:
    """What the endpoint raises; set by each test."""

    error: BaseException | None = None


@pytest.fixture
def failing() -> Failing:
    return Failing()


@pytest.fixture
def probe(failing: Failing) -> httpx.AsyncClient:
    """An application with our handlers and endpoints that fail on order."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @api.get("/fail")
    def fail() -> None:
        if failing.error:
            raise failing.error

    @api.post("/body")
    def body(given: Body, number: Annotated[int, Query(ge=1)] = 1) -> str:
        return given.name * number

    problems.install(api)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=api), base_url="http://localhost:8000"
    )


KINDS: dict[str, tuple[Callable[..., errors.LiftOSError], int, str]] = {
    "denied": (errors.Denied, 403, "denied"),
    "sign in": (errors.SignInNeeded, 401, "sign_in_needed"),
    "missing": (errors.Missing, 404, "missing"),
    "invalid": (errors.Invalid, 422, "invalid"),
    "conflict": (errors.Conflict, 409, "conflict"),
    "gone": (errors.Gone, 410, "gone"),
    "our fault": (errors.OurFault, 500, "our_fault"),
    "interrupted": (errors.Interrupted, 500, "process_died"),
    "too many": (errors.TooMany, 429, "too_many"),
    "unavailable": (errors.Unavailable, 503, "unavailable"),
    "platform": (errors.PlatformFault, 502, "platform_fault"),
    "retry": (errors.Retry, 502, "platform_retry"),
    "quota": (errors.Quota, 502, "platform_quota"),
    "sign in again": (errors.SignInAgain, 409, "sign_in_again"),
    "fix": (errors.Fix, 409, "fix_setting"),
    "give up": (errors.GiveUp, 502, "platform_gave_up"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_has_its_status_and_code(
    probe: httpx.AsyncClient, failing: Failing, kind: str
) -> None:
    make, status, code = KINDS[kind]
    failing.error = make(
        "It did not work.",
        why="The wire is cut.",
        fix="Mend it.",
        token=SECRET,
        internal={"path": "/srv/x"},
        field="shop",
    )
    async with probe as client:
        answer = await client.get("/fail")
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:liftos:problem:{code}"
    assert body["title"] == problems.TITLES[status]
    assert (body["what"], body["why"], body["fix"]) == (
        "It did not work.",
        "The wire is cut.",
        "Mend it.",
    )
    assert body["detail"] == "It did not work. The wire is cut. Mend it."
    assert body["field"] == "shop"
    assert body["request_id"]
    assert SECRET not in answer.text
    assert "/srv" not in answer.text


async def test_waits_are_told_in_header_and_body(
    probe: httpx.AsyncClient, failing: Failing
) -> None:
    async with probe as client:
        for error, seconds in (
            (errors.TooMany("Slowly.", retry_after=7), "7"),
            (errors.Quota("Used up.", after=90.4), "90"),
            (errors.Retry("Later.", after=0.2), "1"),
        ):
            failing.error = error
            answer = await client.get("/fail")
            assert answer.headers["retry-after"] == seconds
            assert answer.json()["retry_after"] == int(seconds)
        failing.error = errors.Retry("Later.")
        assert "retry-after" not in (await client.get("/fail")).headers


async def test_platform_faults_name_cause_owner_and_the_platforms_own_id(
    probe: httpx.AsyncClient, failing: Failing
) -> None:
    failing.error = errors.Fix("Wrong shop.", request_id="abc-123", owner="you")
    async with probe as client:
        body = (await client.get("/fail")).json()
    assert (body["cause"], body["owner"], body["platform_request_id"]) == (
        "bad_configuration",
        "you",
        "abc-123",
    )
    assert body["request_id"] != "abc-123"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"secret is {SECRET}"),
        OperationalError("SELECT x FROM secret_table", {"p": SECRET}, Exception("disk at /srv/db")),
        KeyError(SECRET),
        AssertionError(),
        RecursionError("deep"),
        MemoryError(),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_L77_an_unknown_failure_gives_a_reference_that_stands_in_the_log(
    probe: httpx.AsyncClient,
    failing: Failing,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    failing.error = error
    with caplog.at_level(logging.ERROR):
        async with probe as client:
            answer = await client.get("/fail")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal")
    for inside in (SECRET, "secret_table", "/srv", "Traceback", type(error).__name__):
        assert inside not in answer.text
    (record,) = [r for r in caplog.records if r.getMessage() == "http.failed"]
    fields = vars(record)
    assert fields["reference"] == body["reference"]
    assert fields["request_id"] == body["request_id"]
    assert fields["path"] == "/fail"
    # Where the logs of this process are set up, the filter has made a text of the trace already.
    trace = record.exc_text or logging.Formatter().formatException(record.exc_info)
    assert type(error).__name__ in trace


async def test_L78_the_trace_in_the_log_is_masked(
    probe: httpx.AsyncClient, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing.error = RuntimeError(f"password={SECRET} Authorization: Bearer {SECRET}")
    async with probe as client:
        await client.get("/fail")
    (record,) = [r for r in caplog.records if r.getMessage() == "http.failed"]
    assert logs.RedactionFilter().filter(record)
    line = logs.JsonLines().format(record)
    assert SECRET not in line
    assert "RuntimeError" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("", {"name": SECRET}, "name"),
        ("", {}, "name"),
        ("", {"name": "a", "day": "x"}, "day"),
        ("", {"name": "a", "day": 32}, "day"),
        ("", {"name": "a", "role": SECRET}, "role"),
        ("?number=0", {"name": "a"}, "number"),
        (f"?number={SECRET}", {"name": "a"}, "number"),
    ],
)
async def test_L77_inputs_that_do_not_fit_are_named_and_never_repeated(
    probe: httpx.AsyncClient, query: str, body: dict[str, Any], field: str
) -> None:
    async with probe as client:
        answer = await client.post(f"/body{query}", json=body)
    found = answer.json()
    assert (answer.status_code, found["code"], found["field"]) == (422, "invalid", field)
    assert found["errors"][0]["field"] == field
    assert found["errors"][0]["what"].endswith(".")
    assert SECRET not in answer.text


async def test_our_own_sentences_reach_the_person(probe: httpx.AsyncClient) -> None:
    async with probe as client:
        found = (await client.post("/body", json={"name": "a", "day": 32})).json()
    assert found["what"] == "day: A day is at most 31."


async def test_a_body_that_is_no_json_is_told_so(probe: httpx.AsyncClient) -> None:
    async with probe as client:
        answer = await client.post(
            "/body", content=b'{"name": ', headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "not_json")


# -- the whole application -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/nothing", 404, None),
        ("GET", "/api", 200, None),
        ("GET", "/api/", 404, None),
        ("GET", "/api/v2/health", 404, None),
        ("POST", "/api/v1/health", 405, "GET"),
        ("GET", "/api/v1/auth/token", 405, "POST"),
        ("DELETE", "/api/v1/platform-connections/platforms", 405, "GET"),
        ("PATCH", "/api/v1/platform-connections/connections", 405, "GET, POST"),
        ("TRACE", "/api/v1/health", 405, "GET"),
        ("PROPFIND", "/api/v1/health", 405, "GET"),
        ("QUERY", "/api/v1/nothing", 404, None),
        ("BREW", "/api/v1/platform-connections/connections", 405, "GET, POST"),
        ("DELETE", "/auth/login", 405, "GET, POST"),
        ("POST", "/oauth/callback/shopify", 405, "GET"),
        ("PUT", "/api/v1/x/y/z", 404, None),
        ("GET", "/api/v1/health/", 404, None),
        ("GET", "/api/v1/%2e%2e/health", 404, None),
    ],
)
async def test_unknown_paths_and_wrong_methods_are_answered_in_json(
    client: httpx.AsyncClient, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get("allow") == allow
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] in {"missing", "method_not_allowed"}


async def test_what_is_not_ours_goes_to_the_page_server(client: httpx.AsyncClient) -> None:
    for path in ("/", "/connections", "/apiary", "/assets/x.js", "/_health"):
        assert (await client.get(path)).text == f"page {path}"


async def test_the_document_lists_every_operation_with_its_problems(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    assert {"/api/v1/auth/token", "/api/v1/health", "/api/v1/platform-connections/platforms"} <= (
        set(paths)
    )
    assert not [p for p in paths if p.startswith("/auth/") or "{rest" in p]
    for path, operations in paths.items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]
            assert "application/problem+json" in content, (method, path)
            assert operation["tags"], path
    assert "HTTPValidationError" not in document["components"]["schemas"]
    dashboard = paths["/api/v1/platform-connections/dashboard"]["get"]
    assert dashboard["security"] == [{"Access token": []}]
    assert "X-Organization-ID" in {p["name"] for p in dashboard["parameters"]}
    assert "security" not in paths["/api/v1/health"]["get"]


async def test_the_documentation_page_needs_no_script_and_no_other_host(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/v1/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for part in ("<h1>LiftOS API</h1>", "/api/v1/auth/token", "/api/v1/health/database"):
        assert part in answer.text
    for part in ("<script", "https://", "http://", "onclick"):
        assert part not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/openapi.json"])
async def test_L71_outside_demo_mode_the_documentation_is_for_signed_in_people(
    app: Any, path: str, bearer: Callable[..., dict[str, str]]
) -> None:
    import dataclasses

    from tests.api.shared_routes import api_of

    live = dataclasses.replace(
        app, settings=dataclasses.replace(app.settings, demo_mode=False), extras={}
    )
    transport = httpx.ASGITransport(app=api_of(live))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as c:
        assert (await c.get(path)).status_code == 401
        assert (await c.get(path, headers={"Authorization": "Bearer x.y.z"})).status_code == 401
        assert (await c.get(path, headers=bearer())).status_code == 200


async def test_L77_the_character_nul_is_no_failure_of_ours(
    client: httpx.AsyncClient, app: App, bearer: Callable[..., dict[str, str]]
) -> None:
    """PostgreSQL stores none and says so to whoever sent one; SQLite takes it."""
    answer = await client.get(
        "/api/v1/platform-connections/connections", params={"search": "a\0b"}, headers=bearer()
    )
    assert answer.status_code == (200 if app.db.is_sqlite else 422), answer.text
    assert app.db.is_sqlite or "NUL" in answer.json()["what"]


async def test_an_empty_organization_header_is_told_and_not_taken_for_none(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    answer = await client.get("/api/v1/me", headers={**bearer(), "X-Organization-ID": ""})
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == "X-Organization-ID"
