"""Preferences, several syncs at once, re-sync previews, changes, undo, clearing, columns, ends."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import select

from liftos_app.models import Connection, Credential, Role, RunState, StreamState, SyncRun
from liftos_app.services.sync.engine import SyncEngine
from tests import connection_fixtures
from tests.connection_fixtures import Bench

bench, example = connection_fixtures.bench, connection_fixtures.example
ROOT = "/api/v1/platform-connections"
Headers = dict[str, str]


@pytest.fixture
def manager(bench: Bench, bearer: Callable[..., Headers]) -> Headers:
    return bearer(Role.MANAGER)


@pytest.fixture
def running(bench: Bench) -> UUID:
    ident = bench.started()
    with bench.app.db.read() as session:
        run_id = session.exec(select(SyncRun.id)).one()
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED
    return ident


async def test_preferences_are_kept_and_shape_new_connections(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, bearer: Callable[..., Headers]
) -> None:
    empty = (await client.get(f"{ROOT}/preferences", headers=manager)).json()
    assert empty == {
        "schedule": "", "history_days": None, "sync_window": "", "drift_policy": "evolve",
        "fallback": "",
    }
    wanted = {
        "schedule": "every 6 h", "history_days": 30, "sync_window": "06:00 - 22:00",
        "drift_policy": "stop", "fallback": "last_good",
    }
    saved = await client.put(f"{ROOT}/preferences", json=wanted, headers=manager)
    assert saved.json() == {**wanted, "sync_window": "06:00-22:00"}
    assert (await client.get(f"{ROOT}/preferences", headers=manager)).json() == saved.json()
    ident = bench.with_key()
    with bench.app.db.read() as session:
        row = session.get_one(Connection, ident)
    assert (row.schedule, row.history_days, row.drift_policy) == ("every 6 h", 30, "stop")
    for wrong in ({"sync_window": "25-26"}, {"schedule": "now"}, {"history_days": 0}):
        answer = await client.put(f"{ROOT}/preferences", json=wrong, headers=manager)
        assert answer.status_code == 422
    refused = await client.put(f"{ROOT}/preferences", json=wanted, headers=bearer(Role.VIEWER))
    assert refused.status_code == 403


async def test_all_connections_are_synced_in_one_request(
    bench: Bench, running: UUID, client: httpx.AsyncClient, manager: Headers
) -> None:
    draft, nobody = bench.draft(), uuid4()
    answer = await client.post(f"{ROOT}/sync", headers=manager)
    assert answer.status_code == 202
    assert [r["connection_id"] for r in answer.json()["data"]] == [str(running)]
    assert answer.json()["data"][0]["sync_id"]
    named = await client.post(
        f"{ROOT}/sync", headers=manager, json={"connections": [str(draft), str(nobody)]}
    )
    assert [r["sync_id"] for r in named.json()["data"]] == [None, None]
    assert all(r["error"] and r["fix"] for r in named.json()["data"])


async def test_a_resync_is_previewed_done_listed_and_taken_back(
    bench: Bench, running: UUID, client: httpx.AsyncClient, manager: Headers
) -> None:
    here = f"{ROOT}/connections/{running}"
    days = {"start": "2026-11-01", "end": "2026-11-07"}
    seen = (await client.post(f"{here}/resync/preview", json=days, headers=manager)).json()
    assert (seen["start"], seen["end"], seen["windows"]) == ("2026-11-01", "2026-11-07", 4)
    assert seen["seconds"][0] <= seen["seconds"][1]
    wrong = {**days, "accounts": [str(uuid4())]}
    refused = await client.post(f"{here}/resync/preview", json=wrong, headers=manager)
    assert refused.status_code == 422
    queued = (await client.post(f"{here}/sync", json=days, headers=manager)).json()
    SyncEngine(bench.app).run(UUID(queued["sync_id"]))
    one = (await client.get(f"{here}/sync/{queued['sync_id']}", headers=manager)).json()
    assert (one["status"], one["rows_restated"], one["undone_at"]) == ("succeeded", 0, None)
    assert one["rows_removed"] == one["streams"][0]["rows_removed"] == 0
    changes = await client.get(f"{here}/sync/{queued['sync_id']}/changes", headers=manager)
    assert changes.json() == {"data": [], "next_cursor": None}
    everything = await client.get(f"{here}/restatements", headers=manager)
    assert everything.json()["data"] == []
    undone = await client.post(f"{here}/sync/{queued['sync_id']}/undo", headers=manager)
    assert undone.json() == {"rows": 0, "left": 0}
    twice = await client.post(f"{here}/sync/{queued['sync_id']}/undo", headers=manager)
    assert twice.status_code == 409
    strange = await client.post(f"{here}/sync/{uuid4()}/undo", headers=manager)
    assert strange.status_code == 404


async def test_a_resync_says_which_days_its_history_lacks(
    bench: Bench, running: UUID, client: httpx.AsyncClient, manager: Headers
) -> None:
    here = f"{ROOT}/connections/{running}"
    for body in ({"end": "2020-01-01"}, {"start": "2020-01-01", "end": "2020-02-01"}):
        refused = await client.post(f"{here}/sync", json=body, headers=manager)
        assert refused.status_code == 422
        assert refused.json()["field"] == "end"
        assert "to 2026-11-2" in refused.json()["why"]
    answer = await client.post(f"{here}/resync/preview", json=body, headers=manager)
    assert answer.status_code == 422
    queued = await client.post(f"{here}/sync", json={"start": "2020-01-01"}, headers=manager)
    assert queued.status_code == 202
    assert queued.json()["left_out"] == [
        "Daily results: read from 2025-10-19 on, where its history begins."
    ]


async def test_clearing_wants_the_name(
    bench: Bench, running: UUID, client: httpx.AsyncClient, manager: Headers
) -> None:
    here = f"{ROOT}/connections/{running}/clear"
    body = {"streams": ["daily"], "confirm": "something"}
    with bench.app.db.read() as session:
        connection = session.get_one(Connection, running)
        body["streams"] = [connection.streams[0]]
    assert (await client.post(here, json=body, headers=manager)).status_code == 422
    body["confirm"] = connection.name
    assert (await client.post(here, json=body, headers=manager)).status_code == 200
    with bench.app.db.read() as session:
        assert session.exec(
            select(StreamState).where(StreamState.stream == body["streams"][0])
        ).all() == []


async def test_settings_of_syncs_columns_and_the_end_of_a_sign_in(
    bench: Bench, running: UUID, client: httpx.AsyncClient, manager: Headers
) -> None:
    here = f"{ROOT}/connections/{running}"
    change: dict[str, Any] = {
        "sync_window": "22:00-05:00", "priority": "first", "drift_policy": "ignore",
    }
    assert (await client.put(here, json=change, headers=manager)).status_code == 200
    wrong = await client.put(here, json={"sync_window": "soon"}, headers=manager)
    assert wrong.status_code == 422
    with bench.app.db.write() as session:
        row = session.get_one(Connection, running)
        assert (row.sync_window, row.priority, row.drift_policy) == ("22:00-05:00", 1, "ignore")
        state = session.exec(select(StreamState)).first()
        assert state is not None
        state.columns, state.new_columns, state.gone_columns = ["a", "b", "c"], ["b"], ["c"]
        session.add(state)
        key = session.exec(select(Credential).where(Credential.field == "api_key")).one()
        key.expires_at = bench.app.now() + timedelta(days=5)
        session.add(key)
    columns = (await client.get(f"{here}/schema", headers=manager)).json()["data"]
    shown = {(c["column"], c["new"], c["gone"]) for c in columns if c["stream"] == state.stream}
    assert shown >= {("a", False, False), ("b", True, False), ("c", False, True)}
    accepted = await client.post(
        f"{here}/schema/accept", json={"stream": state.stream}, headers=manager
    )
    assert accepted.json()["data"] == ["b", "c"]
    ends = (await client.get(f"{here}/sign-in", headers=manager)).json()
    assert [n["days"] for n in ends["warnings"]] == [14, 7, 3, 1]
    assert "person" in ends["renewal"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_forged_cursor_at_the_end_of_the_calendar_is_wrong_input(
    bench: Bench, client: httpx.AsyncClient, manager: Headers, moment: str
) -> None:
    cursor = base64.urlsafe_b64encode(moment.encode()).decode().rstrip("=")
    path = f"{ROOT}/connections/{bench.started()}/sync-history"
    answer = await client.get(path, params={"cursor": cursor}, headers=manager)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_schedule_that_never_comes_is_refused_where_it_is_chosen(
    client: httpx.AsyncClient, manager: Headers
) -> None:
    answer = await client.put(
        f"{ROOT}/preferences", json={"schedule": "0 0 31 2 *"}, headers=manager
    )
    assert answer.status_code == 422
    assert "never happens" in answer.json()["detail"]
