"""What requests may hold: exact types, no empty lists, known values only."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from liftos_app.config import ROOT as ROOT_FOLDER
from liftos_app.models import EventKind, Role
from tests import connection_fixtures
from tests.connection_fixtures import KEY, Bench

bench, example = connection_fixtures.bench, connection_fixtures.example
V1 = "/api/v1"
ROOT = f"{V1}/platform-connections"
Headers = dict[str, str]
CREATE: dict[str, Any] = {"platform": "example", "method": "api_key", "inputs": KEY, "mode": "live"}


@pytest.fixture
def admin(bench: Bench, bearer: Callable[..., Headers]) -> Headers:
    return bearer(Role.ADMIN)


async def test_an_empty_list_is_not_taken_for_everything(
    bench: Bench, client: httpx.AsyncClient, admin: Headers
) -> None:
    one = f"{ROOT}/connections/{bench.started()}"
    days = {"start": "2026-11-01", "end": "2026-11-02"}
    for name in ("streams", "accounts"):
        answers = [
            await client.post(f"{one}/sync", json={name: []}, headers=admin),
            await client.post(f"{one}/resync/preview", json={**days, name: []}, headers=admin),
            await client.put(one, json={name: []}, headers=admin),
            await client.post(f"{ROOT}/connections", json={**CREATE, name: []}, headers=admin),
        ]
        for answer in answers:
            told = answer.json()
            assert (answer.status_code, told["field"]) == (422, name)
            assert told["what"] == (
                f"{name}: The list is empty. Leave it out, or name at least one."
            )


WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "sync", {"start": 1_700_000_000}, "start"),
    ("POST", "sync", {"start": "1700000000"}, "start"),
    ("POST", "sync", {"end": "2026-11-01T00:00:00Z"}, "end"),
    ("POST", "sync", {"end": True}, "end"),
    ("POST", "sync", {"end": "2026-02-30"}, "end"),
    ("POST", "resync/preview", {"start": 20_000, "end": "2026-11-02"}, "start"),
    ("PUT", "", {"history_days": True}, "history_days"),
    ("PUT", "", {"history_days": "30"}, "history_days"),
    ("PUT", "", {"history_days": 30.5}, "history_days"),
    ("PUT", "", {"paused": "yes"}, "paused"),
    ("PUT", "", {"paused": 1}, "paused"),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), WRONG)
async def test_inputs_of_a_connection_have_exactly_their_type(
    bench: Bench, client: httpx.AsyncClient, admin: Headers, method: str, path: str,
    body: dict[str, Any], field: str,
) -> None:
    url = f"{ROOT}/connections/{bench.started()}/{path}".rstrip("/")
    answer = await client.request(method, url, json=body, headers=admin)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize(("method", "path", "body", "field"), [
    ("POST", "/platform-connections/connections", {**CREATE, "start": "yes"}, "start"),
    ("POST", "/platform-connections/connections", {**CREATE, "history_days": True},
     "history_days"),
    ("PUT", "/platform-connections/preferences", {"history_days": True}, "history_days"),
    ("POST", "/api-keys", {"name": "k", "scopes": ["read"], "days": True}, "days"),
    ("POST", "/api-keys", {"name": "k", "scopes": ["read"], "days": "30"}, "days"),
    ("PUT", "/retention", {"marketing_days": "400"}, "marketing_days"),
    ("GET", "/audit?start=1700000000", None, "start"),
    ("GET", "/audit/export?end=20000", None, "end"),
])
async def test_other_inputs_have_exactly_their_type(
    bench: Bench, client: httpx.AsyncClient, admin: Headers, method: str, path: str, body: Any,
    field: str,
) -> None:
    answer = await client.request(method, f"{V1}{path}", json=body, headers=admin)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_whole_numbers_days_and_truths_are_taken(
    bench: Bench, client: httpx.AsyncClient, admin: Headers
) -> None:
    one = f"{ROOT}/connections/{bench.started()}"
    change = {"history_days": 30.0, "paused": True, "accounts": "all", "streams": ["daily"]}
    answer = await client.put(one, json=change, headers=admin)
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["history_days"], answer.json()["paused"]) == (30, True)


@pytest.mark.parametrize(("path", "field", "allowed"), [
    ("platforms?category=ads", "category", "'Ads'"),
    ("connections?platform=bogus", "platform", "example"),
    ("connections?status=bogus", "status.0", "'needs_reauth'"),
    ("connections?status=healthy&status=bogus", "status.1", "'failing'"),
    ("connections?mode=bogus", "mode", "'demo'"),
    ("connections/{id}/log?kind=bogus", "kind.0", "'credential'"),
    ("connections/{id}/log?level=bogus", "level.0", "'warning'"),
])
async def test_a_filter_with_an_unknown_value_names_the_known_ones(
    bench: Bench, client: httpx.AsyncClient, admin: Headers, path: str, field: str, allowed: str
) -> None:
    url = f"{ROOT}/{path}".replace("{id}", str(bench.started()))
    answer = await client.get(url, headers=admin)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert allowed in answer.json()["detail"]


async def test_filters_take_every_known_value(
    bench: Bench, client: httpx.AsyncClient, admin: Headers
) -> None:
    one = f"{ROOT}/connections/{bench.started()}"
    for path in (
        f"{ROOT}/platforms?category=Ads", f"{ROOT}/connections?platform=example&mode=live",
        f"{ROOT}/connections?status=backfilling", f"{one}/log?kind=sync&level=info",
    ):
        answer = await client.get(path, headers=admin)
        assert (answer.status_code, len(answer.json()["data"]) > 0) == (200, True), path


def test_every_kind_of_log_line_can_be_asked_for() -> None:
    written = set()
    for path in (ROOT_FOLDER / "liftos_app" / "services").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func).rpartition(".")[2]
            kinds = [k.value for k in call.keywords if k.arg == "kind"]
            if name == "note":
                kinds += call.args[2:3]
            if name in {"SyncEvent", "event", "note"}:
                written |= {
                    n.value for k in kinds for n in ast.walk(k)
                    if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
    assert (written - {"hours"}) | {"publish"} == set(get_args(EventKind)), written


async def test_a_consent_for_nothing_says_what_is_missing(
    bench: Bench, client: httpx.AsyncClient, admin: Headers
) -> None:
    answer = await client.post(f"{ROOT}/oauth/initiate", json={}, headers=admin)
    told = answer.json()
    assert (answer.status_code, told["field"]) == (422, "platform")
    assert told["errors"] == [{"field": "platform", "what": "It is missing."}]
    assert "connection_id" in told["fix"]
