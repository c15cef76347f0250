"""The connection routes: the whole way over REST, and every way in which input can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from liftos_app.models import (
    Connection,
    Credential,
    Membership,
    OAuthRequest,
    Organization,
    Role,
    SyncRun,
    User,
)
from liftos_app.services import demo, sessions
from liftos_app.services.context import App
from liftos_app.services.sandbox import credentials
from tests import connection_fixtures
from tests.connection_fixtures import CLIENT, KEY, Bench

bench, example = connection_fixtures.bench, connection_fixtures.example
ROOT = "/api/v1/platform-connections"
Headers = dict[str, str]


@pytest.fixture
def manager(bench: Bench, bearer: Callable[..., Headers]) -> Headers:
    return bearer(Role.MANAGER)


def by_key(**more: Any) -> dict[str, Any]:
    return {"platform": "example", "method": "api_key", "inputs": KEY, "mode": "live", **more}


async def create(client: httpx.AsyncClient, headers: Headers, **more: Any) -> dict[str, Any]:
    answer = await client.post(f"{ROOT}/connections", json=by_key(**more), headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def count(bench: Bench, table: Any) -> int:
    with bench.app.db.read() as session:
        return len(session.exec(select(table)).all())


# --- the whole way --------------------------------------------------------------------------------


async def test_a_script_connects_by_consent_and_syncs(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    begun = await client.post(
        f"{ROOT}/oauth/initiate", headers=manager,
        json={"platform": "example", "method": "oauth", "inputs": CLIENT, "mode": "live"},
    )
    assert begun.status_code == 200, begun.text
    body = begun.json()
    assert body["redirect_uri"] == "http://localhost:8000/oauth/callback/example"
    params = demo.walk_consent(
        body["authorization_url"], return_to=body["redirect_uri"],
        reach=bench.app.settings.self_url,
    )
    done = await client.get(f"{ROOT}/oauth/callback", params=params, headers=manager)
    assert done.status_code == 200, done.text
    assert done.json()["status"] == "selecting_accounts"
    assert done.json()["missing_scopes"] == []
    assert done.headers["referrer-policy"] == "no-referrer"
    where = f"{ROOT}/connections/{body['connection_id']}"
    usable = [a["id"] for a in done.json()["accounts"] if a["usable"]]
    changed = await client.put(
        where, headers=manager,
        json={"accounts": usable, "streams": ["daily"], "name": "Main", "history_days": 30},
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["accounts_selected"] == 2
    queued = await client.post(f"{where}/sync", headers=manager)
    assert queued.status_code == 202, queued.text
    sync = await client.get(queued.json()["href"], headers=manager)
    assert sync.json()["status"] == "queued"
    found = (await client.get(where, headers=manager)).json()
    assert (found["status"], found["mode"], found["name"]) == ("backfilling", "live", "Main")
    history = (await client.get(f"{where}/sync-history", headers=manager)).json()
    assert [s["id"] for s in history["data"]] == [queued.json()["sync_id"]]
    board = (await client.get(f"{ROOT}/dashboard", headers=manager)).json()
    assert board["counts"]["backfilling"] == 1
    assert board["health_percent"] is None
    text = begun.text.replace(body["authorization_url"], "") + done.text + changed.text
    assert CLIENT["client_secret"] not in text
    assert not any(t in text for t in (*bench.world.access, *bench.world.refresh))


async def test_a_key_connects_starts_and_is_deleted_in_three_calls(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers]
) -> None:
    headers = bearer(Role.MANAGER)
    made = await create(client, headers, accounts="all", start=True, name="By key")
    assert (made["status"], made["accounts_selected"]) == ("backfilling", 2)
    assert made["credentials"][0]["hint"] == KEY["api_key"][-4:]
    where = f"{ROOT}/connections/{made['id']}"
    tested = (await client.post(f"{where}/test", headers=headers)).json()
    assert (tested["passed"], tested["of"]) == (2, 2)
    assert (await client.delete(where, headers=headers)).status_code == 204
    assert (await client.get(where, headers=headers)).status_code == 404
    assert count(bench, Credential) == 0


async def test_platforms_list_the_sandboxs_credentials_in_demo_mode_only(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(credentials.DEMO, "example", {"api_key": {"api_key": "ex_demo_key_1"}})
    (found,) = (await client.get(f"{ROOT}/platforms", headers=manager)).json()["data"]
    assert found["demo_credentials"]["api_key"] == {"api_key": "ex_demo_key_1"}
    assert found["methods"][1]["inputs"][0]["secret"] is True
    bench.app.settings = replace(bench.app.settings, demo_mode=False)
    (found,) = (await client.get(f"{ROOT}/platforms", headers=manager)).json()["data"]
    assert found["demo_credentials"] == {}
    one = await client.get(f"{ROOT}/platforms/example", headers=manager)
    assert one.json()["id"] == "example"


# --- repeated requests ----------------------------------------------------------------------------


async def test_a_repeated_create_with_one_key_makes_one_connection(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    headers = {**manager, "Idempotency-Key": "k-1"}
    first = await create(client, headers)
    again = await create(client, headers)
    assert again == first
    assert count(bench, Connection) == 1
    other = await client.post(
        f"{ROOT}/connections", json=by_key(name="Else"), headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


async def test_a_failed_create_may_be_repeated_with_its_key(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    headers = {**manager, "Idempotency-Key": "k-2"}
    bench.world.api_status = 503
    failed = await client.post(f"{ROOT}/connections", json=by_key(), headers=headers)
    assert failed.status_code == 502
    bench.world.api_status = 0
    await create(client, headers)


async def test_a_repeated_sync_is_one_sync(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = await create(client, manager, accounts="all")
    headers = {**manager, "Idempotency-Key": "k-3"}
    where = f"{ROOT}/connections/{made['id']}/sync"
    ids = {(await client.post(where, headers=headers)).json()["sync_id"] for _ in range(3)}
    assert len(ids) == 1
    assert count(bench, SyncRun) == 1


async def test_a_key_of_a_deleted_connection_says_that_it_is_gone(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, bearer: Callable[..., Headers]
) -> None:
    make, start = {**manager, "Idempotency-Key": "k-4"}, {**manager, "Idempotency-Key": "k-5"}
    made = await create(client, make, accounts="all")
    where = f"{ROOT}/connections/{made['id']}"
    assert (await client.post(f"{where}/sync", headers=start)).status_code == 202
    assert (await client.delete(where, headers=bearer(Role.ADMIN))).status_code == 204
    repeated = await client.post(
        f"{ROOT}/connections", json=by_key(accounts="all"), headers=make
    )
    for answer in (repeated, await client.post(f"{where}/sync", headers=start)):
        assert (answer.status_code, answer.json()["code"]) == (410, "gone")
        assert "new key" in answer.json()["fix"]
    assert count(bench, Connection) == 1  # the deleted one's name and dates
    await create(client, manager, accounts="all")


# --- wrong input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (by_key(inputs={"api_key": "nonsense"}), 422, "invalid", "begins with ex_"),
        (by_key(inputs={"api_key": "ex_wrong_key_00000"}), 409, "sign_in_again", "no longer"),
        (by_key(inputs={}), 422, "invalid", "missing"),
        (by_key(name="x" * 400), 422, "invalid", "400 characters"),
        (by_key(name="<script>alert(1)</script>"), 422, "invalid", "< or >"),
        (by_key(platform="nope"), 404, "missing", "no platform"),
        (by_key(method="nope"), 404, "missing", "no sign-in method"),
        (by_key(mode="pretend"), 422, "invalid", "mode"),
        (by_key(history_days=-5), 422, "invalid", "history"),
        (by_key(schedule="sometimes"), 422, "invalid", "schedule"),
        (by_key(streams=["nope"]), 422, "invalid", "no stream"),
        (by_key(accounts=["nope"]), 422, "invalid", "no account"),
        (by_key(colour="red"), 422, "invalid", "no such input"),
        (by_key(inputs={"api_key": 7}), 422, "invalid", "api_key"),
        (by_key(method="oauth", inputs=CLIENT), 409, "conflict", "own page"),
    ],
)
async def test_wrong_input_is_explained_and_nothing_is_half_written(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, *, body: dict[str, Any],
    status: int, code: str, words: str,
) -> None:
    answer = await client.post(f"{ROOT}/connections", json=body, headers=manager)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert words in answer.text.lower().replace("\\u003c", "<") or words in answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["fix"]
    assert count(bench, Connection) == 0
    assert count(bench, Credential) == 0


@pytest.mark.parametrize(
    "trouble", [{"api_text": "<html>log in</html>"}, {"api_text": "}"}, {"api_status": 500}]
)
async def test_a_platform_that_answers_nonsense_is_a_problem_of_its_own(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, trouble: dict[str, Any]
) -> None:
    for name, value in trouble.items():
        setattr(bench.world, name, value)
    answer = await client.post(f"{ROOT}/connections", json=by_key(), headers=manager)
    assert answer.status_code in {409, 502}
    assert answer.json()["cause"] in {"platform_outage", "bad_configuration"}
    assert count(bench, Connection) == 0


@pytest.mark.parametrize(
    "days",
    [
        {"start": "2026-02-30"}, {"start": "2026-11-20", "end": "2026-11-10"},
        {"start": "2031-01-01"}, {"start": "1970-01-01"}, {"start": "yesterday"},
        {"streams": ["nope"]},
    ],
)
async def test_impossible_days_start_no_sync(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, days: dict[str, Any]
) -> None:
    made = await create(client, manager, accounts="all")
    answer = await client.post(
        f"{ROOT}/connections/{made['id']}/sync", json=days, headers=manager
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert count(bench, SyncRun) == 0
    kept = await client.get(f"{ROOT}/connections/{made['id']}", headers=manager)
    assert kept.json()["status"] == "selecting_accounts"


async def test_a_change_that_is_half_wrong_changes_nothing(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = await create(client, manager)
    where = f"{ROOT}/connections/{made['id']}"
    answer = await client.put(
        where, headers=manager, json={"name": "New", "streams": ["daily"], "history_days": 9999}
    )
    assert answer.status_code == 422
    kept = (await client.get(where, headers=manager)).json()
    assert (kept["name"], kept["streams"]) == (made["name"], made["streams"])


async def test_a_revoked_key_is_told_and_replaced(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = await create(client, manager, accounts="all", start=True)
    where = f"{ROOT}/connections/{made['id']}"
    bench.world.keys = {"ex_second_key_00002"}
    tested = (await client.post(f"{where}/test", headers=manager)).json()
    assert (tested["passed"], tested["results"][0]["cause"]["code"]) == (0, "sign_in_again")
    found = (await client.get(where, headers=manager)).json()
    assert (found["status"], found["cause"]["action"]) == ("needs_reauth", "reauthorise")
    refused = await client.put(
        where, headers=manager, json={"inputs": {"api_key": "ex_wrong_key_00000"}}
    )
    assert refused.status_code == 409
    done = await client.put(
        where, headers=manager, json={"inputs": {"api_key": "ex_second_key_00002"}}
    )
    assert done.status_code == 200, done.text
    assert done.json()["cause"] is None


async def test_pause_and_resume(bench: Bench, client: httpx.AsyncClient, manager: Headers) -> None:
    made = await create(client, manager, accounts="all", start=True)
    where = f"{ROOT}/connections/{made['id']}"
    paused = await client.put(where, headers=manager, json={"paused": True})
    assert (paused.json()["status"], paused.json()["next_run_at"]) == ("paused", None)
    running = await client.put(where, headers=manager, json={"paused": False})
    assert running.json()["status"] == "backfilling"


# --- the way back from a consent page -------------------------------------------------------------


async def begin(client: httpx.AsyncClient, headers: Headers, **more: Any) -> dict[str, Any]:
    answer = await client.post(
        f"{ROOT}/oauth/initiate", headers=headers,
        json={"platform": "example", "method": "oauth", "inputs": CLIENT, "mode": "live", **more},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def state_of(begun: dict[str, Any]) -> str:
    return parse_qs(urlsplit(begun["authorization_url"]).query)["state"][0]


async def test_a_program_may_follow_the_redirect_itself(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    begun = await begin(client, manager)
    params = demo.walk_consent(
        begun["authorization_url"], return_to=begun["redirect_uri"], reach="http://127.0.0.1:8000"
    )
    anonymous = await client.get("/oauth/callback/example", params=params)
    assert anonymous.status_code == 401
    done = await client.get("/oauth/callback/example", params=params, headers=manager)
    assert done.status_code == 200, done.text
    assert done.json()["connection_id"] == begun["connection_id"]
    again = await client.get(f"{ROOT}/oauth/callback", params=params, headers=manager)
    assert (again.status_code, again.json()["code"]) == (409, "state_expired")


async def test_another_person_cannot_finish_the_consent(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, bearer: Callable[..., Headers]
) -> None:
    begun = await begin(client, manager)
    params = {"state": state_of(begun), "code": "c"}
    for path in (f"{ROOT}/oauth/callback", "/oauth/callback/example"):
        answer = await client.get(path, params=params, headers=bearer(Role.ADMIN))
        assert answer.status_code == 409
    assert count(bench, OAuthRequest) == 1


async def test_a_refused_consent_over_rest_has_cause_and_fix(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    begun = await begin(client, manager)
    answer = await client.get(
        f"{ROOT}/oauth/callback", headers=manager,
        params={"state": state_of(begun), "error": "access_denied", "error_description": "No"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_refused")
    assert answer.json()["fix"]


@pytest.fixture
def cookie(bench: Bench, app: App, organization: Organization) -> Headers:
    """A signed-in browser of a new manager."""
    with app.db.write() as session:
        user = User(email="b@example.com", email_key="b@example.com", name="B", password_hash="",
                    created_at=app.now())
        session.add(user)
        session.flush()
        session.add(Membership(org_id=bench.org_id, user_id=user.id, role=Role.MANAGER,
                               created_at=app.now()))
        token = sessions.create(
            session, app, user=user, org_id=bench.org_id, ip="203.0.113.9", user_agent="test"
        )
    return {"cookie": f"{sessions.cookie_name(app.settings)}={token}", "accept": "text/html"}


def begin_in_browser(bench: Bench, cookie: Headers) -> tuple[str, dict[str, str]]:
    token = cookie["cookie"].partition("=")[2]
    found = sessions.resolve(bench.app, token)
    assert found is not None
    bench.who = found.who
    connection_id = bench.draft()
    return str(connection_id), bench.consent(connection_id)[1]


async def test_L54_a_browser_lands_in_the_wizard_with_a_short_code_only(
    bench: Bench, client: httpx.AsyncClient, cookie: Headers
) -> None:
    connection_id, params = begin_in_browser(bench, cookie)
    answer = await client.get("/oauth/callback/example", params=params, headers=cookie)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/connections/new?id={connection_id}&step=3&result=ok"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code": "", "error": "access_denied"}, "refused"),
        ({"code": "", "error": "redirect_uri_mismatch"}, "wrong_redirect"),
        ({"code": "other"}, "platform"),
        ({"code": ""}, "refused"),
    ],
)
async def test_a_consent_that_goes_wrong_ends_at_its_step_with_a_cause(
    bench: Bench, client: httpx.AsyncClient, cookie: Headers, change: dict[str, str], expected: str
) -> None:
    connection_id, params = begin_in_browser(bench, cookie)
    answer = await client.get("/oauth/callback/example", params={**params, **change},
                              headers=cookie)
    assert answer.headers["location"] == (
        f"/connections/new?id={connection_id}&step=2&result={expected}"
    )


async def test_a_sign_in_whose_accounts_cannot_be_read_goes_on_at_the_accounts(
    bench: Bench, client: httpx.AsyncClient, cookie: Headers
) -> None:
    connection_id, params = begin_in_browser(bench, cookie)
    bench.world.api_status = 503
    answer = await client.get("/oauth/callback/example", params=params, headers=cookie)
    assert answer.headers["location"] == (
        f"/connections/new?id={connection_id}&step=3&result=accounts_unread"
    )


async def test_an_old_or_foreign_state_ends_at_the_wizards_start(
    bench: Bench, client: httpx.AsyncClient, cookie: Headers, manager: Headers
) -> None:
    foreign = {"state": state_of(await begin(client, manager)), "code": "c"}
    for params, code in (({"state": "x" * 43, "code": "c"}, "expired"), (foreign, "other_session")):
        answer = await client.get("/oauth/callback/example", params=params, headers=cookie)
        assert answer.headers["location"] == f"/connections/new?result={code}"


async def test_a_missing_permission_leads_back_to_the_sign_in(
    bench: Bench, client: httpx.AsyncClient, cookie: Headers
) -> None:
    bench.world.scopes = ["extra"]
    connection_id, params = begin_in_browser(bench, cookie)
    answer = await client.get("/oauth/callback/example", params=params, headers=cookie)
    assert answer.headers["location"].endswith(f"{connection_id}&step=2&result=missing_scope")


async def test_a_browser_without_a_session_signs_in_first(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    answer = await client.get(
        "/oauth/callback/example", params={"state": "s", "code": "c"},
        headers={"accept": "text/html"},
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


# --- who may --------------------------------------------------------------------------------------


async def test_every_route_needs_a_token_and_hides_other_organizations(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, bearer: Callable[..., Headers],
    other_organization: Organization,
) -> None:
    made = await create(client, manager, accounts="all", start=True)
    where = f"{ROOT}/connections/{made['id']}"
    sync = f"{where}/sync/{made['sync_id']}"
    routes = [
        ("GET", where, None), ("PUT", where, {"name": "x"}), ("DELETE", where, None),
        ("POST", f"{where}/test", None), ("POST", f"{where}/sync", None), ("GET", sync, None),
        ("DELETE", sync, None), ("GET", f"{where}/sync-history", None),
        ("GET", f"{where}/log", None), ("POST", f"{where}/discover", None),
        ("POST", f"{ROOT}/oauth/initiate", {"connection_id": made["id"]}),
    ]
    stranger = bearer(Role.ADMIN, other_organization)
    for method, path, body in routes:
        anonymous = await client.request(method, path, json=body)
        assert anonymous.status_code == 401, path
        answer = await client.request(method, path, json=body, headers=stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "missing"), path
    for path in (where, f"{where}/log", sync):
        missing = path.replace(made["id"], str(uuid4()))
        assert (await client.get(missing, headers=manager)).status_code == 404
    lists = await client.get(f"{ROOT}/connections", headers=stranger)
    assert lists.json()["data"] == []


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.ANALYST, 403), (Role.MANAGER, 201)]
)
async def test_only_a_manager_creates_connections(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers], role: Role, status: int
) -> None:
    answer = await client.post(f"{ROOT}/connections", json=by_key(), headers=bearer(role))
    assert answer.status_code == status


async def test_lists_page_by_cursor(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = [await create(client, manager) for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(
            f"{ROOT}/connections", params={"limit": 2, "cursor": cursor}, headers=manager
        )).json()
        seen += [c["id"] for c in page["data"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == sorted(m["id"] for m in made)
    wrong = await client.get(
        f"{ROOT}/connections", params={"cursor": "!!"}, headers=manager
    )
    assert wrong.status_code == 422


async def test_the_schedule_the_log_and_a_cancelled_sync(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = await create(client, manager, accounts="all", start=True)
    where = f"{ROOT}/connections/{made['id']}"
    changed = await client.put(
        where, headers=manager, json={"schedule_zone": "Europe/Berlin", "schedule": "0 6 * * *"}
    )
    assert changed.json()["next_run_at"] == "2026-11-24T05:00:00Z"
    ended = await client.delete(f"{where}/sync/{made['sync_id']}", headers=manager)
    assert ended.json()["status"] == "cancelled"
    other = await create(client, manager)
    stray = await client.get(
        f"{ROOT}/connections/{other['id']}/sync/{made['sync_id']}", headers=manager
    )
    assert stray.status_code == 404
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await client.get(
            f"{where}/log", headers=manager, params={"limit": 1, "cursor": cursor}
        )).json()
        seen += [e["id"] for e in page["data"]]
        cursor = page["next_cursor"] or ""
        if not cursor:
            break
    assert len(seen) == len(set(seen)) >= 3
    for bad in ("x!", "bm90LWEtbnVtYmVy"):
        for path in ("log", "sync-history"):
            answer = await client.get(f"{where}/{path}", headers=manager, params={"cursor": bad})
            assert answer.status_code == 422


async def test_a_new_key_comes_alone_and_a_consent_keeps_platform_and_mode(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    made = await create(client, manager)
    mixed = await client.put(
        f"{ROOT}/connections/{made['id']}", headers=manager, json={"inputs": KEY, "name": "x"}
    )
    assert (mixed.status_code, mixed.json()["field"]) == (422, "inputs")
    for change in ({"platform": "other"}, {"mode": "demo"}):
        answer = await client.post(
            f"{ROOT}/oauth/initiate", headers=manager,
            json={"connection_id": made["id"], **change},
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_several_wrong_inputs_are_each_named(
    bench: Bench, client: httpx.AsyncClient, manager: Headers
) -> None:
    answer = await client.post(
        f"{ROOT}/oauth/initiate", headers=manager,
        json={"platform": "example", "method": "oauth", "inputs": {"client_id": "!!"}},
    )
    assert answer.status_code == 422
    assert {e["field"] for e in answer.json()["errors"]} == {"client_id", "client_secret"}
    assert count(bench, Connection) == 0
