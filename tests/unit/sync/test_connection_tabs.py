"""What the tabs Changes, Schema and Settings of a connection say."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from liftos_app.errors import Retry
from liftos_app.models import Account, Restatement, RunState
from liftos_app.services import connections
from liftos_app.services.sync import breakers, restate, undo
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.state import connection_sync, connection_view
from liftos_app.state.connection_sync_view import view_of
from tests.conftest import Clock
from tests.unit.sync.test_engine import ask


def test_changes_list_both_values_and_a_way_back(bench: Any, source: Any, clock: Clock) -> None:
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    source.rows["2026-11-10"][0]["spend"] = "99.50"
    run_id = ask(bench, start=dt.date(2026, 11, 8), end=dt.date(2026, 11, 12))
    assert engine.run(run_id) is RunState.SUCCEEDED
    with bench.ctx() as ctx:
        view = view_of(ctx, bench.connection_id, None)
    [cell] = view.cells
    assert (cell.day, cell.what, cell.before, cell.after) == (
        "10 Nov", "Spend", "$13.00", "$99.50"
    )
    [line] = view.resyncs
    assert (line.days, line.word, line.undoable) == ("8 to 12 Nov", "Succeeded", True)
    assert "1 changed" in line.changed
    assert not cell.undone
    with bench.ctx(write=True) as ctx:
        undo.undo(ctx, run_id)
    with bench.ctx() as ctx:
        view = view_of(ctx, bench.connection_id, None)
        cells, _ = restate.cells(ctx, bench.connection_id)
        page = connection_view.view_of(ctx, bench.connection_id, kind="", run="", before=None)
    [line] = view.resyncs
    assert not line.undoable
    assert line.word == "Taken back"
    assert line.note.startswith("Taken back")
    assert [c.undone for c in view.cells] == [c.undone for c in cells] == [True]
    [taken_back] = [r for r in page.runs if r.id == str(run_id)]
    assert taken_back.note.startswith("Taken back")
    assert page.runs[1].note == ""


def test_waits_and_hours_are_said_in_words(bench: Any, source: Any, clock: Clock) -> None:
    source.fill(3)
    source.before = lambda path: (429, {"Retry-After": "7200"}, {})
    SyncEngine(bench.app).run(ask(bench))
    with bench.ctx(write=True) as ctx:
        connections.set_sync_window(ctx, bench.connection_id, "01:00-05:00")
        connections.set_priority(ctx, bench.connection_id, "last")
    breakers.failed(
        bench.app, "bench_ads", bench.account_key, bench.org_id, tries=5,
        error=Retry("Down.", why="500", fix="Wait."),
    )
    with bench.ctx() as ctx:
        view = view_of(ctx, bench.connection_id, None)
    said = dict(map(tuple, view.waits))
    assert said["Waiting"].startswith("Waiting for quota until 14:00")
    assert said["Hours of syncs"] == "01:00-05:00, closed until 01:00 UTC"
    assert said["Left alone"].startswith("1 account after failures")
    assert "a minute" in said["Quota"]
    assert (view.priority, view.sync_window, view.policy) == ("last", "01:00-05:00", "evolve")


def test_a_preview_and_the_request_mean_the_same(bench: Any, source: Any, clock: Clock) -> None:
    source.fill(20)
    SyncEngine(bench.app).run(ask(bench))
    with bench.ctx() as ctx:
        account = view_of(ctx, bench.connection_id, None).accounts[0][0]
    form = {
        "start": "2026-11-01", "end": "2026-11-10", "stream-campaign_daily": True,
        f"account-{account}": "on", "stream-other": False,
    }
    with bench.ctx() as ctx:
        found = connection_sync._estimate(ctx, bench.connection_id, form)
    assert found.ready
    assert dict(map(tuple, found.facts))["Days"] == "1 to 10 Nov 2026"
    with bench.ctx(write=True) as ctx:
        connection_sync._reread(ctx, bench.connection_id, found.asked)
    with bench.ctx() as ctx:
        run = connections.reading.condition.active_run(ctx, bench.connection_id)
        assert run is not None
        assert run.request == {
            "streams": ["campaign_daily"], "accounts": [account], "start": "2026-11-01",
            "end": "2026-11-10",
        }
    clock.advance(minutes=1)
    assert SyncEngine(bench.app).run(run.id) is RunState.SUCCEEDED
    assert clock.now - run.created_at == timedelta(minutes=1)


@pytest.mark.parametrize(("field", "stored", "what", "shown"), [
    ("spend_micros@meta_7d_click_1d_view", 39_480_000, "Spend", "$39.48"),
    ("impressions@meta_7d_click_1d_view", 2_031, "Impressions", "2,031"),
    ("conversions_micros@meta_7d_click_1d_view", 2_500_000,
     "Conversions (7-day click, 1-day view)", "2.5"),
    ("reach", 1_625_000_000, "Reach", "1,625"),
    ("video_views", 2_049_000_000, "Video views", "2,049"),
    ("opens_unique", 4_270, "Opens unique", "4,270"),
])
def test_a_restated_number_is_shown_in_its_own_unit(
    bench: Any, field: str, stored: int, what: str, shown: str
) -> None:
    with bench.app.db.write() as session:
        [account] = session.exec(select(Account)).all()
        session.add(Restatement(
            org_id=account.org_id, run_id=uuid4(), account_key=account.key, stream="daily", level=1,
            entity_id="1", day=dt.date(2026, 11, 20), field=field, before=None, after=stored,
            at=bench.app.now(),
        ))
    with bench.ctx() as ctx:
        [line] = view_of(ctx, bench.connection_id, None).cells
    assert (line.what, line.before, line.after) == (what, "—", shown)
