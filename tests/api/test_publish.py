"""Publishing over REST: asked for by a manager, answered at once, told in the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from liftos_app.models import Role
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.writing import Row, Table
from tests import connection_fixtures
from tests.connection_fixtures import Bench
from tests.example_platform import PLATFORM

bench, example = connection_fixtures.bench, connection_fixtures.example
ROOT = "/api/v1/platform-connections/connections"
Headers = dict[str, str]
KEPT: dict[str, dict[str, Row]] = {}


class Memory:
    """A warehouse held in memory."""

    def __init__(self, _client: Any, place: str) -> None:
        self.place = place

    def prepare(self, table: Table) -> list[str]:
        KEPT.setdefault(table.name, {})
        return []

    def digests(self, table: Table) -> dict[str, str]:
        return {k: str(r["_liftos_digest"]) for k, r in KEPT[table.name].items()}

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        KEPT[table.name].update({str(r["_liftos_key"]): r for r in rows})

    def delete(self, table: Table, keys: Sequence[str]) -> None:
        for key in keys:
            KEPT[table.name].pop(key, None)

    def count(self, table: Table) -> int:
        return len(KEPT[table.name])


@pytest.fixture
def writing(example: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    KEPT.clear()
    platform = replace(PLATFORM, writer=Memory)
    monkeypatch.setattr(registry, "all_platforms", lambda: (platform,))
    yield
    KEPT.clear()


@pytest.mark.usefixtures("writing")
async def test_a_manager_asks_and_the_log_tells(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers],
) -> None:
    manager = bearer(Role.MANAGER)
    where = f"{ROOT}/{bench.with_key(accounts='all')}"
    begun = await client.post(f"{where}/publish", headers=manager, json={"place": "ANALYTICS"})
    assert begun.status_code == 202, begun.text
    assert begun.json()["place"] == "ANALYTICS"
    for _ in range(200):
        log = (await client.get(begun.json()["log"], headers=manager)).json()["data"]
        if log and log[0]["text"].startswith("Published"):
            break
    for thread in threading.enumerate():
        if thread.name == "publish":  # it gives its lease back after its last line
            thread.join(20)
    assert log[0]["text"] == "Published to ANALYTICS: nothing had changed."
    assert log[-1]["text"] == "Publishing to ANALYTICS began."
    assert len(log) == 6
    assert set(KEPT) == {"daily_facts", "orders", "payments", "crm_records"}


@pytest.mark.usefixtures("writing")
async def test_wrong_names_and_other_roles_are_refused(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers],
) -> None:
    where = f"{ROOT}/{bench.with_key(accounts='all')}/publish"
    wrong = await client.post(where, headers=bearer(Role.MANAGER), json={"place": 'a"b'})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "place")
    analyst = await client.post(where, headers=bearer(Role.ANALYST), json={"place": "A"})
    assert analyst.status_code == 403
    assert KEPT == {}


async def test_a_platform_that_takes_no_tables_says_so(
    bench: Bench, client: httpx.AsyncClient, bearer: Callable[..., Headers],
) -> None:
    where = f"{ROOT}/{bench.with_key(accounts='all')}/publish"
    answer = await client.post(where, headers=bearer(Role.MANAGER), json={"place": "A"})
    assert answer.status_code == 409
    assert "takes no tables" in answer.json()["what"]
