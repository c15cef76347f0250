"""Tokens over REST and the browser's forms: what signs in, what does not, what is remembered."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from liftos_app.api import docs
from liftos_app.api.routes import create_api
from liftos_app.api.security import SecurityHeaders
from liftos_app.api.web import local_path
from liftos_app.models import AuditEntry, Membership, Organization, Role, User, WebSession
from liftos_app.services import accounts, passwords, sessions
from liftos_app.services.context import App
from tests.api.conftest import BASE, PASSWORD
from tests.api.shared_routes import api_of

OWN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
TOKEN = "/api/v1/auth/token"
REFRESH = "/api/v1/auth/refresh"
REVOKE = "/api/v1/auth/revoke"
ME = "/api/v1/health/services"  # any path that needs a member


async def sign_in(client: httpx.AsyncClient, **more: str) -> dict[str, Any]:
    answer = await client.post(
        TOKEN, json={"email": "ann@example.com", "password": PASSWORD, **more}
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def as_bearer(body: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {body['access_token']}"}


# -- tokens --------------------------------------------------------------------------------------


async def test_e_mail_and_password_give_tokens_that_open_the_api(
    client: httpx.AsyncClient, ann: User, organization: Organization
) -> None:
    answer = await client.post(TOKEN, json={"email": "ANN@example.com", "password": PASSWORD})
    body = answer.json()
    assert set(body) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "organization_id",
        "scope",
    }
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert body["organization_id"] == str(organization.public_id)
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert (await client.get(ME, headers=as_bearer(body))).status_code == 200


async def test_the_oauth_password_form_works_too(client: httpx.AsyncClient, ann: User) -> None:
    form = {
        "grant_type": "password",
        "username": "ann@example.com",
        "password": PASSWORD,
        "scope": "",
        "client_id": "x",
    }
    answer = await client.post(TOKEN, data=form)
    assert answer.status_code == 200
    after = await client.post(
        REFRESH,
        data={"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]},
    )
    assert after.status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"email": "ann@example.com", "password": "wrong"},
        {"email": "nobody@example.com", "password": PASSWORD},
    ],
)
async def test_wrong_and_unknown_answer_alike(
    client: httpx.AsyncClient, ann: User, given: dict[str, str]
) -> None:
    answer = await client.post(TOKEN, json=given)
    body = answer.json()
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert body.pop("request_id")
    assert body == {
        "type": "urn:liftos:problem:wrong_sign_in",
        "title": "Sign-in needed",
        "status": 401,
        "code": "wrong_sign_in",
        "what": "E-mail and password do not belong together.",
        "why": "One of them is mistyped, or there is no such account.",
        "fix": "Check both and try again.",
        "detail": "E-mail and password do not belong together. One of them is mistyped, or there "
        "is no such account. Check both and try again.",
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"email": "a@b.example"}, 422, "invalid"),
        ({"email": 1, "password": PASSWORD}, 422, "invalid"),
        ({"email": "a@b.example", "password": ["x"]}, 422, "invalid"),
        ({"email": "a@b.example", "password": PASSWORD, "is_admin": True}, 422, "invalid"),
        (
            {"email": "a@b.example", "password": PASSWORD, "grant_type": "client_credentials"},
            422,
            "invalid",
        ),
        ([], 422, "invalid"),
        ("text", 422, "invalid"),
        (7, 422, "invalid"),
    ],
)
async def test_a_body_that_does_not_fit_is_told_so_without_repeating_it(
    client: httpx.AsyncClient, ann: User, body: object, status: int, code: str
) -> None:
    answer = await client.post(TOKEN, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_request"),
        (b"\xff\xfe", "application/json", 400, "bad_request"),
        (b"[" * 50_000, "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"<a/>", "application/xml", 415, "unsupported_media_type"),
        (b"", "", 415, "unsupported_media_type"),
    ],
)
async def test_a_body_of_another_kind_is_told_so(
    client: httpx.AsyncClient, content: bytes, kind: str, status: int, code: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.post(TOKEN, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_eleventh_failure_in_a_minute_is_told_when_to_come_back(
    client: httpx.AsyncClient, ann: User
) -> None:
    for number in range(10):
        body = {"email": f"p{number}@example.com", "password": "x"}
        assert (await client.post(TOKEN, json=body)).status_code == 401
    answer = await client.post(TOKEN, json={"email": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    assert (answer.json()["code"], answer.json()["retry_after"]) == ("too_many", 60)


async def test_refreshing_rotates_and_reuse_ends_the_chain(
    client: httpx.AsyncClient, ann: User, clock: Any
) -> None:
    first = await sign_in(client)
    second = (await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})).json()
    assert second["refresh_token"] != first["refresh_token"]
    clock.advance(seconds=11)
    for token in (first["refresh_token"], second["refresh_token"]):
        answer = await client.post(REFRESH, json={"refresh_token": token})
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed")


async def test_a_lost_answer_is_repeated_to_the_same_client_only(
    client: httpx.AsyncClient, ann: User
) -> None:
    first = await sign_in(client)
    ask = {"refresh_token": first["refresh_token"]}
    second = (await client.post(REFRESH, json=ask)).json()
    again = (await client.post(REFRESH, json=ask)).json()
    assert again["refresh_token"] == second["refresh_token"]
    other = await client.post(REFRESH, json=ask, headers={"User-Agent": "somebody else"})
    assert other.status_code == 401


async def test_revoking_answers_the_same_for_known_and_unknown_tokens(
    client: httpx.AsyncClient, ann: User
) -> None:
    first = await sign_in(client)
    for token in (first["refresh_token"], first["refresh_token"], "x" * 43):
        answer = await client.post(REVOKE, json={"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    answer = await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic YTpi",
        "bearer x.y.z",
        "Token abc",
        "Bearer " + "x" * 10_000,
    ],
)
async def test_without_a_valid_bearer_token_nothing_opens(
    client: httpx.AsyncClient, header: str
) -> None:
    answer = await client.get(ME, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "sign_in_needed"


async def test_a_cookie_opens_nothing_in_the_api(
    client: httpx.AsyncClient, app: App, ann: User
) -> None:
    found = accounts.sign_in(app, email=ann.email, password=PASSWORD, ip="", user_agent="")
    assert sessions.resolve(app, found.token) is not None
    answer = await client.get(ME, headers={"Cookie": f"liftos_sid={found.token}", **OWN})
    assert answer.status_code == 401


async def test_the_organization_header_is_checked_against_membership(
    client: httpx.AsyncClient, app: App, ann: User, other_organization: Organization, clock: Any
) -> None:
    headers = as_bearer(await sign_in(client))

    async def ask(value: str) -> httpx.Response:
        return await client.get(ME, headers={**headers, "X-Organization-ID": value})

    foreign, unknown = await ask(str(other_organization.public_id)), await ask(str(uuid4()))
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.json()["detail"] == unknown.json()["detail"]
    assert (await ask("1; drop table")).status_code == 422
    with app.db.write() as session:
        session.add(
            Membership(
                org_id=other_organization.id or 0,
                user_id=ann.id,
                role=Role.VIEWER,
                created_at=app.now(),
            )
        )
    clock.advance(seconds=6)
    assert (await ask(str(other_organization.public_id))).status_code == 200


async def test_roles_are_read_from_the_database_not_from_the_token(
    client: httpx.AsyncClient, app: App, ann: User, organization: Organization, clock: Any
) -> None:
    headers = as_bearer(await sign_in(client))
    with app.db.write() as session:
        session.delete(session.get_one(Membership, (organization.id, ann.id)))
    clock.advance(seconds=6)
    assert (await client.get(ME, headers=headers)).status_code == 403


async def test_a_wrong_organization_is_named_where_it_was_sent(
    client: httpx.AsyncClient, ann: User
) -> None:
    body = {"email": "ann@example.com", "password": PASSWORD, "organization_id": "nope"}
    told = (await client.post(TOKEN, json=body)).json()
    assert (told["status"], told["field"]) == (422, "organization_id")
    assert told["what"].startswith("organization_id is not")
    headers = {**as_bearer(await sign_in(client)), "X-Organization-ID": "nope"}
    told = (await client.get(ME, headers=headers)).json()
    assert (told["status"], told["field"]) == (422, "X-Organization-ID")


# -- forms of the browser ------------------------------------------------------------------------


async def log_in(
    client: httpx.AsyncClient, headers: dict[str, str] | None = None, **form: str
) -> httpx.Response:
    values = {"email": "ann@example.com", "password": PASSWORD, **form}
    return await client.post(
        "/auth/login", data=values, headers=OWN if headers is None else headers
    )


@pytest.mark.parametrize("name", ["password", "picture"])
async def test_L69_forms_take_no_files(client: httpx.AsyncClient, ann: User, name: str) -> None:
    """There is nothing to upload anywhere: a file ends the request before it is read."""
    typed = {"email": "ann@example.com", "password": PASSWORD}
    answer = await client.post(
        "/auth/login", headers=OWN, files={name: ("x.zip", b"PK" + bytes(10_000))},
        data={k: v for k, v in typed.items() if k != name},
    )
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_L69_no_route_takes_a_file(app: App) -> None:
    bodies = [
        kind for acts in docs.schema(create_api(app))["paths"].values() for act in acts.values()
        for kind in act.get("requestBody", {}).get("content", {})
    ]
    assert bodies
    assert set(bodies) <= {"application/json", "application/x-www-form-urlencoded"}


async def test_L31_signing_in_sets_one_strict_cookie_and_goes_on(
    client: httpx.AsyncClient, app: App, ann: User
) -> None:
    answer = await log_in(client, next="/connections?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/connections?x=1")
    assert answer.headers["cache-control"] == "no-store"
    (cookie,) = answer.headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == "liftos_sid"
    assert {p.strip().lower() for p in rest.split(";")[1:]} == {
        "httponly",
        "max-age=86400",
        "path=/",
        "samesite=lax",
    }
    assert sessions.resolve(app, rest.split(";")[0]) is not None


async def test_L31_behind_https_the_cookie_is_secure_and_bound_to_the_host(
    app: App, ann: User
) -> None:
    settings = dataclasses.replace(
        app.settings, public_url="https://liftos.example.com", public_url_given=True
    )
    behind = dataclasses.replace(app, settings=settings, extras={})
    transport = httpx.ASGITransport(app=SecurityHeaders(api_of(behind), settings))
    async with httpx.AsyncClient(transport=transport, base_url="https://liftos.example.com") as c:
        answer = await log_in(c, headers={"Origin": "https://liftos.example.com"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-liftos_sid=")
    assert "; Secure" in cookie
    assert "domain" not in cookie.lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_failed_sign_in_goes_back_with_a_code_and_without_what_was_typed(
    client: httpx.AsyncClient, ann: User
) -> None:
    answer = await log_in(client, password="hunter2-hunter2", next="/connections")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?error=wrong_sign_in&next=%2Fconnections"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": BASE},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "https://localhost:8000"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": BASE + ".evil.example"},
    ],
)
async def test_forms_of_other_pages_are_refused(
    client: httpx.AsyncClient, app: App, ann: User, headers: dict[str, str]
) -> None:
    answer = await log_in(client, headers=headers)
    assert answer.headers["location"].startswith("/login?error=origin")
    setup = await client.post("/auth/setup", data={}, headers=headers)
    assert setup.headers["location"].startswith("/setup?error=origin")
    with app.db.read() as session:
        assert session.exec(select(WebSession)).all() == []


@pytest.mark.parametrize("headers", [{"Origin": BASE}, {"Sec-Fetch-Site": "same-origin"}, OWN])
async def test_our_own_page_is_known_by_either_sign(
    client: httpx.AsyncClient, ann: User, headers: dict[str, str]
) -> None:
    assert (await log_in(client, headers=headers)).headers["location"] == "/"


async def test_another_web_page_cannot_sign_a_person_out(
    client: httpx.AsyncClient, app: App, ann: User
) -> None:
    token = accounts.sign_in(app, email=ann.email, password=PASSWORD, ip="", user_agent="").token
    cookie = {"Cookie": f"liftos_sid={token}"}
    await client.post("/auth/logout", headers={**cookie, "Origin": "https://evil.example"})
    assert sessions.resolve(app, token) is not None


async def test_signing_out_ends_the_session_and_clears_the_browser(
    client: httpx.AsyncClient, app: App, ann: User
) -> None:
    token = (await log_in(client)).cookies["liftos_sid"]
    answer = await client.post("/auth/logout", headers={**OWN, "Cookie": f"liftos_sid={token}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert 'liftos_sid=""' in answer.headers["set-cookie"]
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert sessions.resolve(app, token) is None


async def test_L32_a_new_sign_in_never_keeps_the_old_session_id(
    client: httpx.AsyncClient, app: App, ann: User
) -> None:
    planted = "x" * 43
    answer = await client.post(
        "/auth/login",
        data={"email": ann.email, "password": PASSWORD},
        headers={**OWN, "Cookie": f"liftos_sid={planted}"},
    )
    first = answer.cookies["liftos_sid"]
    assert first != planted
    client.cookies.clear()
    again = await client.post(
        "/auth/login",
        data={"email": ann.email, "password": PASSWORD},
        headers={**OWN, "Cookie": f"liftos_sid={first}"},
    )
    assert again.cookies["liftos_sid"] != first
    assert sessions.resolve(app, first) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/connections/new?step=2&x=%20", "/connections/new?step=2&x=%20"),
        ("", ""),
        ("//evil.example", ""),
        ("/\\evil.example", ""),
        ("https://evil.example", ""),
        ("javascript:alert(1)", ""),
        ("/a\\b", ""),
        ("/a\nb", ""),
        ("/a b", ""),
        ("\\/evil", ""),
        ("/%2f%2fevil.example", ""),
        ("/%5cevil.example", ""),
        ("/auth/logout", ""),
        ("/api/v1/health", ""),
        ("/" + "x" * 600, ""),
        ("connections", ""),
        (" /x", ""),
        ("/\t/evil.example", ""),
        ("///evil.example", ""),
        ("/%2Fevil.example", ""),
        ("/x%0d%0aSet-Cookie:a", ""),
    ],
)
def test_going_on_stays_on_our_own_pages(text: str, path: str) -> None:
    assert local_path(text) == path


async def test_the_first_run_makes_the_administrator_and_signs_them_in(
    client: httpx.AsyncClient, app: App
) -> None:
    form = {
        "email": "ann@example.com",
        "password": PASSWORD,
        "organization": "Larkspur Home",
        "name": "Ann",
    }
    answer = await client.post("/auth/setup", data=form, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/welcome")
    found = sessions.resolve(app, answer.cookies["liftos_sid"])
    assert found is not None
    assert found.who.role is Role.SUPER_ADMIN
    again = await client.post("/auth/setup", data=form, headers=OWN)
    assert again.headers["location"] == "/login?error=conflict"
    with app.db.read() as session:
        assert len(session.exec(select(User)).all()) == 1
        assert PASSWORD not in repr([e.model_dump() for e in session.exec(select(AuditEntry))])


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"password": "short"}, "/setup?error=password_short&field=password"),
        ({"password": "passwordpassword"}, "/setup?error=password_about_you&field=password"),
        ({"email": "no"}, "/setup?error=invalid_email&field=email"),
        ({"organization": ""}, "/setup?error=invalid_organization&field=organization"),
    ],
)
async def test_wrong_input_at_the_first_run_names_its_field(
    client: httpx.AsyncClient, change: dict[str, str], location: str
) -> None:
    form = {"email": "ann@example.com", "password": PASSWORD, "organization": "L", **change}
    answer = await client.post("/auth/setup", data=form, headers=OWN)
    assert answer.headers["location"] == location


async def test_a_form_address_opened_like_a_page_leads_to_the_page(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/auth/login", "/auth/setup", "/auth/anything"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


# -- without sign-in -----------------------------------------------------------------------------


@pytest.fixture
def open_client(app: App) -> httpx.AsyncClient:
    settings = dataclasses.replace(app.settings, require_auth=False)
    behind = dataclasses.replace(app, settings=settings, extras={})
    transport = httpx.ASGITransport(app=SecurityHeaders(api_of(behind), settings))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


async def test_without_sign_in_the_api_opens_for_this_machine_but_not_for_other_web_pages(
    open_client: httpx.AsyncClient, ann: User
) -> None:
    test = "/api/v1/platform-connections/connections/11111111-1111-4111-8111-111111111111/test"
    async with open_client as client:
        assert (await client.get(ME)).status_code == 200
        assert (await client.post(test)).status_code == 404  # a script may; there is no such one
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await client.post(test, headers=headers)).status_code == 403


async def test_without_sign_in_and_people_the_api_says_so(open_client: httpx.AsyncClient) -> None:
    async with open_client as client:
        assert (await client.get(ME)).json()["code"] == "sign_in_needed"


def test_the_page_has_a_sentence_for_every_code_a_form_can_answer() -> None:
    from liftos_app.state import gate

    reasons = set(re.findall(r'_refused\(\s*"(\w+)"', inspect.getsource(passwords)))
    assert len(reasons) == 6
    codes = reasons | {
        "wrong_sign_in",
        "too_many",
        "unavailable",
        "denied",
        "conflict",
        "origin",
        "invalid_email",
        "invalid_organization",
        "invalid_name",
    }
    assert codes <= set(gate.TROUBLES)


@pytest.mark.parametrize(("path", "body"), [
    ("refresh", {"refresh_token": "\ud800"}),
    ("token", {"email": "ada@larkspur.example", "password": "\udfff"}),
    ("token", {"email": "ada@larkspur.example", "password": "p", "code": "\ud83d"}),
])
async def test_half_a_character_is_wrong_input(
    client: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    answer = await client.post(
        f"/api/v1/auth/{path}", content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
