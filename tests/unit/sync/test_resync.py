"""Re-syncs: a preview, one swap, a list of what changed, and a way back for seven days."""

from __future__ import annotations

import datetime as dt
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import col, select

from liftos_app.errors import Conflict, Invalid
from liftos_app.models import (
    Connection,
    ResyncChange,
    RetentionSetting,
    RunState,
    StagedUnit,
    StreamRun,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import sync
from liftos_app.services.sync import preview, restate, undo
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import NOW, Clock
from tests.unit.sync.test_engine import ask, run_of

START, END = dt.date(2026, 11, 1), dt.date(2026, 11, 20)


def loaded(bench: Any, source: Any) -> dict[tuple[str, str], int | None]:
    source.fill(39)
    SyncEngine(bench.app).run(ask(bench))
    return bench.stored()  # type: ignore[no-any-return]


def restated(source: Any) -> None:
    source.rows["2026-11-05"][0]["spend"] = "500.00"
    del source.rows["2026-11-12"][1]
    source.rows["2026-11-18"].append(dict(source.rows["2026-11-18"][0], campaign_id="new"))


def left(bench: Any, model: Any) -> int:
    with bench.app.db.read() as session:
        return len(session.exec(select(model)).all())


def test_L105_old_rows_stay_until_every_day_is_read_and_then_all_change(
    bench: Any, source: Any
) -> None:
    before = loaded(bench, source)
    restated(source)
    seen: list[bool] = []
    source.before = lambda path: seen.append(bench.stored() == before)
    run_id = ask(bench, start=START, end=END)
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED
    assert seen == [True] * 4  # four windows of five days, each read before the swap
    assert bench.stored() == source.truth()
    run = run_of(bench, run_id)
    assert (run.rows_read, run.rows_written, run.rows_updated, run.rows_unchanged) == (60, 1, 1, 58)
    assert run.rows_removed == 1
    assert left(bench, StagedUnit) == 0
    with bench.ctx() as ctx:
        cells, _ = restate.cells(ctx, bench.connection_id, run_id=run_id)
        streams = sync.progress(ctx, run_id).streams
        line = ctx.session.exec(
            select(SyncEvent.text).where(col(SyncEvent.text).startswith("Sync succeeded: 60"))
        ).one()
    assert line.endswith("1 new, 1 changed, 58 unchanged, 0 rejected, 1 removed.")
    assert streams[0].rows_removed == 1
    assert ("c0", "2026-11-05", 18_000_000, 500_000_000) in [
        (c.entity_id, c.day.isoformat(), c.before, c.after) for c in cells
    ]
    assert [(s.days_done, s.days_total, str(s.state)) for s in streams] == [(20, 20, "succeeded")]


def test_L105_a_resync_that_fails_in_the_middle_changes_nothing(bench: Any, source: Any) -> None:
    before = loaded(bench, source)
    restated(source)
    answers = iter([None, None])
    source.before = lambda path: next(answers, (400, {}, {"error": "no"}))
    run_id = ask(bench, start=START, end=END)
    assert SyncEngine(bench.app).run(run_id) is RunState.PARTIAL
    assert bench.stored() == before
    assert left(bench, StagedUnit) == left(bench, ResyncChange) == 0


def test_a_resync_that_waits_goes_on_with_what_it_has_read(
    bench: Any, source: Any, clock: Clock
) -> None:
    loaded(bench, source)
    restated(source)
    answers = iter([None, None])
    source.before = lambda path: next(answers, (429, {"Retry-After": "900"}, {}))
    engine, run_id = SyncEngine(bench.app), ask(bench, start=START, end=END)
    assert engine.run(run_id) is RunState.QUEUED
    assert (run_of(bench, run_id).waiting_for, left(bench, StagedUnit)) == ("quota", 2)
    source.before = lambda path: None
    source.requests.clear()
    clock.advance(seconds=1000)
    assert engine.run(run_id) is RunState.SUCCEEDED
    assert len(source.requests) == 2
    assert bench.stored() == source.truth()


def test_cancelling_forgets_what_was_read(bench: Any, source: Any) -> None:
    before = loaded(bench, source)
    restated(source)
    run_id = ask(bench, start=START, end=END)
    calls: list[str] = []
    found: list[int] = []  # how many windows were staged when the person cancelled

    def cancel(path: str) -> None:
        """At the last of four windows, once at least one read ahead of it is staged."""
        calls.append(path)
        if len(calls) == 4:
            until = time.monotonic() + 20
            while not (staged := left(bench, StagedUnit)) and time.monotonic() < until:
                time.sleep(0.01)
            found.append(staged)
            with bench.ctx(write=True) as ctx:
                sync.cancel(ctx, run_id)

    source.before = cancel
    assert SyncEngine(bench.app).run(run_id) is RunState.CANCELLED
    assert found[0] > 0
    assert bench.stored() == before
    assert left(bench, StagedUnit) == 0


def test_an_undo_puts_every_row_back_once(bench: Any, source: Any, clock: Clock) -> None:
    before = loaded(bench, source)
    restated(source)
    run_id = ask(bench, start=START, end=END)
    SyncEngine(bench.app).run(run_id)
    with bench.ctx(write=True) as ctx:
        assert undo.undo(ctx, run_id) == undo.Undone(rows=3, left=0)
    assert bench.stored() == before
    with bench.ctx(write=True) as ctx, pytest.raises(Conflict):
        undo.undo(ctx, run_id)
    clock.advance(hours=1)
    SyncEngine(bench.app).run(ask(bench))  # the look-back reads the platform's numbers again
    truth = source.truth()
    assert {k: v for k, v in bench.stored().items() if k[1] >= "2026-11-01"} == {
        k: v for k, v in truth.items() if k[1] >= "2026-11-01"
    }


def test_an_undo_leaves_what_changed_since_and_ends_after_a_week(
    bench: Any, source: Any, clock: Clock
) -> None:
    before = loaded(bench, source)
    restated(source)
    run_id = ask(bench, start=START, end=END)
    engine = SyncEngine(bench.app)
    engine.run(run_id)
    source.rows["2026-11-05"][0]["spend"] = "600.00"
    engine.run(ask(bench))
    with bench.ctx(write=True) as ctx:
        assert undo.undo(ctx, run_id) == undo.Undone(rows=2, left=1)
    assert bench.stored() == before | {("c0", "2026-11-05"): 600_000_000}
    second = ask(bench, start=START, end=END)
    engine.run(second)
    clock.advance(days=7, seconds=1)
    with bench.ctx(write=True) as ctx, pytest.raises(Conflict):
        undo.undo(ctx, second)
    undo.purge(bench.app)
    assert left(bench, ResyncChange) == 0


def test_the_preview_learns_from_earlier_runs(bench: Any, source: Any) -> None:
    loaded(bench, source)
    with bench.ctx() as ctx:
        found = preview.preview(ctx, bench.connection_id, start=START, end=END)
    assert (found.windows, found.calls, found.rows_stored) == (4, 4, 60)
    assert found.seconds[0] <= found.seconds[1]
    assert found.accounts == ("Bench",)
    with bench.ctx() as ctx, pytest.raises(Invalid):
        preview.preview(ctx, bench.connection_id, accounts=[uuid4()], start=START, end=END)


def test_chosen_accounts_only(bench: Any, source: Any) -> None:
    loaded(bench, source)
    with bench.app.db.read() as session:
        from liftos_app.models import Account

        account = session.exec(select(Account)).one()
    run_id = ask(bench, start=START, end=START + timedelta(days=1), accounts=[account.id])
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED
    with bench.app.db.read() as session:
        rows = session.exec(select(StreamRun).where(StreamRun.run_id == run_id)).all()
        assert session.get_one(SyncRun, run_id).request["accounts"] == [str(account.id)]
    assert [r.account_key for r in rows] == [bench.account_key]
    with pytest.raises(Invalid):
        ask(bench, accounts=[uuid4()])


@pytest.mark.parametrize("days", [
    {"end": dt.date(2026, 10, 14)},  # the history of the connection begins on 15 October
    {"start": dt.date(2025, 1, 1), "end": dt.date(2025, 1, 31)},  # the platform's on the 14th
    {"start": dt.date(2026, 11, 24)},  # has not begun
])
def test_days_outside_the_history_are_refused_with_the_days_it_covers(
    bench: Any, source: Any, days: dict[str, dt.date]
) -> None:
    with pytest.raises(Invalid) as refused:
        ask(bench, **days)
    first = "2026-10-14" if "start" in days else "2026-10-15"
    assert refused.value.what == "None of these days can be read."
    assert f"from {first} to 2026-11-23" in refused.value.why
    assert refused.value.facts["field"] == ("end" if "end" in days else "start")
    if len(days) == 2:
        with bench.ctx() as ctx, pytest.raises(Invalid):
            preview.preview(ctx, bench.connection_id, **days)


def test_a_first_day_before_the_history_is_moved_to_it_and_said(bench: Any, source: Any) -> None:
    loaded(bench, source)
    run_id = ask(bench, start=dt.date(2024, 1, 1))
    with bench.ctx() as ctx:
        said = sync.left_out(ctx, sync.get(ctx, run_id))
        found = preview.preview(
            ctx, bench.connection_id, start=dt.date(2024, 1, 1), end=dt.date(2026, 11, 1)
        )
        lines = [e.text for e in ctx.session.exec(
            select(SyncEvent).where(SyncEvent.run_id == run_id, SyncEvent.level == "warning")
        )]
    assert said == list(found.left_out) == lines == [
        "Campaigns by day: read from 2026-10-14 on, where its history begins."
    ]
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED


def test_the_history_ends_where_retention_ends(bench: Any, source: Any) -> None:
    with bench.app.db.write() as session:
        row = session.get_one(Connection, bench.connection_id)
        row.history_days = 3_000
        session.add(row)
        session.add(RetentionSetting(org_id=bench.org_id, marketing_days=30, changed_at=NOW))
    with pytest.raises(Invalid) as refused:
        ask(bench, end=dt.date(2026, 10, 20))
    assert "from 2026-10-24 to 2026-11-23" in refused.value.why
