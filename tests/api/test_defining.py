"""Defining streams over REST: objects, preview, and definitions in POST and PUT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from liftos_app.models import Role
from liftos_app.services.connectors import registry
from tests import connection_fixtures, defining_platform
from tests.connection_fixtures import KEY, Bench
from tests.defining_platform import DEALS, FACTS, PLATFORM

bench, example = connection_fixtures.bench, connection_fixtures.example
ROOT = "/api/v1/platform-connections/connections"
Headers = dict[str, str]


@pytest.fixture(autouse=True)
def _platform(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "all_platforms", lambda: (PLATFORM,))
    defining_platform.fill()


async def test_a_script_looks_previews_defines_and_connects(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers]
) -> None:
    manager = bearer(Role.MANAGER)
    body = {"platform": "example", "method": "api_key", "inputs": KEY, "mode": "live",
            "accounts": "all", "options": {"streams": [FACTS]}, "streams": ["podcasts"]}
    made = await client.post(ROOT, json=body, headers=manager)
    assert made.status_code == 201, made.text
    assert made.json()["streams"] == ["podcasts"]
    assert made.json()["options"]["streams"][0]["object"] == "T.DAILY"
    assert "streams" not in made.json()["inputs"]
    where = f"{ROOT}/{made.json()['id']}"
    top = await client.get(f"{where}/objects", headers=manager)
    assert top.json()["data"] == [{"id": "T", "name": "T", "kind": "folder", "about": ""}]
    inside = await client.get(f"{where}/objects", params={"folder": "T"}, headers=manager)
    assert [o["id"] for o in inside.json()["data"]] == ["T.DAILY", "T.DEALS"]
    seen = await client.post(f"{where}/preview", headers=manager, json={
        "stream": {"name": "deals", "object": "T.DEALS", "lands": "crm", "kind": "deal"}})
    assert seen.status_code == 200, seen.text
    assert seen.json()["problem"] == ""
    assert "@" not in seen.text
    both = [*made.json()["options"]["streams"], seen.json()["stream"]]
    put = await client.put(where, headers=manager, json={"options": {"streams": both}})
    assert put.status_code == 200, put.text
    assert put.json()["streams"] == ["podcasts", "deals"]
    assert {a["external_id"] for a in put.json()["accounts"]} >= {"a1/podcasts/EUR", "a1/deals"}


@pytest.mark.parametrize("stream", [
    {**FACTS, "lands": "x"}, {**FACTS, "fields": []}, {**FACTS, "name": "Ü"}, {"name": "x"},
])
async def test_a_wrong_definition_is_refused_and_named(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers], stream: Any
) -> None:
    manager = bearer(Role.MANAGER)
    connection_id = bench.with_key(accounts="all")
    answer = await client.put(
        f"{ROOT}/{connection_id}", headers=manager, json={"options": {"streams": [DEALS, stream]}}
    )
    assert answer.status_code == 422
    assert answer.json()["field"]
    assert answer.json()["why"]
    found = await client.get(f"{ROOT}/{connection_id}", headers=manager)
    assert found.json()["options"] == {"streams": []}


async def test_a_viewer_may_not_look_into_a_source(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers]
) -> None:
    viewer = bearer(Role.VIEWER)
    where = f"{ROOT}/{bench.with_key(accounts='all')}"
    assert (await client.get(f"{where}/objects", headers=viewer)).status_code == 403
    answer = await client.post(f"{where}/preview", headers=viewer, json={"stream": FACTS})
    assert answer.status_code == 403
