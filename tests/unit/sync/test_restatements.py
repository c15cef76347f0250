"""The ledger of restated numbers, and days whose rows are the same as before."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from liftos_app.models import Coverage, FactDaily, Restatement, RunState, SyncEvent, SyncRun
from liftos_app.services.sync import restate
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.unit.sync.test_engine import ask, run_of


def ledger(bench: Any) -> list[tuple[str, str, str, int | None, int | None]]:
    with bench.app.db.read() as session:
        rows = session.exec(select(Restatement).order_by(col(Restatement.id))).all()
    return [(r.entity_id, r.day.isoformat(), r.field, r.before, r.after) for r in rows]


def synced(bench: Any) -> SyncRun:
    run_id = ask(bench)
    assert SyncEngine(bench.app).run(run_id) is RunState.SUCCEEDED
    return run_of(bench, run_id)


def test_a_changed_number_of_a_finished_day_is_written_down_once(bench: Any, source: Any) -> None:
    source.fill(10)
    synced(bench)
    assert ledger(bench) == []
    source.rows["2026-11-20"][0]["spend"] = "99.99"
    source.rows["2026-11-20"][0]["clicks"] = "2"
    run = synced(bench)
    assert ledger(bench) == [
        ("c0", "2026-11-20", "clicks", 1, 2),
        ("c0", "2026-11-20", "spend_micros", 3_000_000, 99_990_000),
    ]
    assert run.rows_restated == 2
    synced(bench)
    assert len(ledger(bench)) == 2
    with bench.ctx() as ctx:
        cells, more = restate.cells(ctx, bench.connection_id, run_id=run.id, limit=1)
        days = restate.by_day(ctx, bench.account_key, "campaign_daily", since=bench.app.now())
    assert (cells[0].field, cells[0].currency) == ("spend_micros", "USD")
    assert more is not None
    assert {d.isoformat(): n for d, n in days.items()} == {"2026-11-20": 2}
    with bench.app.db.read() as session:
        told = session.exec(select(SyncEvent).where(SyncEvent.kind == "restatement")).all()
    assert [e.facts["cells"] for e in told] == [2]


def test_L104_rows_that_vanish_or_come_late_are_restatements_too(bench: Any, source: Any) -> None:
    source.fill(5)
    synced(bench)
    del source.rows["2026-11-19"][1]
    source.rows["2026-11-21"].append(dict(source.rows["2026-11-21"][0], campaign_id="late"))
    synced(bench)
    found = ledger(bench)
    assert ("c1", "2026-11-19", "spend_micros", 4_010_000, None) in found
    assert ("late", "2026-11-21", "spend_micros", None, 2_000_000) in found
    assert {f for _, _, f, _, _ in found} == {"impressions", "clicks", "spend_micros"}


def test_a_day_that_is_still_running_is_not_restated(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(3)
    synced(bench)
    source.rows["2026-11-23"][0]["spend"] = "7.00"
    synced(bench)
    assert ledger(bench) == []
    clock.advance(days=1)
    source.rows["2026-11-23"][0]["spend"] = "8.00"  # the first reading after the day was over
    synced(bench)
    assert ledger(bench) == []
    source.rows["2026-11-23"][0]["spend"] = "9.00"
    synced(bench)
    assert [c[2:] for c in ledger(bench)] == [("spend_micros", 8_000_000, 9_000_000)]


def test_the_list_is_capped_and_the_count_is_not(
    bench: Any, source: Any, monkeypatch: Any
) -> None:
    source.fill(6)
    synced(bench)
    for row in source.rows["2026-11-20"] + source.rows["2026-11-19"]:
        row["spend"] = "55.00"
    monkeypatch.setattr(restate, "MOST_CELLS", 4)
    assert synced(bench).rows_restated == 6
    assert len(ledger(bench)) == 4


def test_unchanged_days_are_not_compared_again_and_changed_ones_are(
    bench: Any, source: Any
) -> None:
    source.fill(12)
    synced(bench)
    with bench.app.db.write() as session:  # nobody looks at the rows of a day that is the same
        session.execute(update(FactDaily).where(
            col(FactDaily.org_id) == bench.org_id, col(FactDaily.day) == dt.date(2026, 11, 15)
        ).values(spend_micros=1))
    source.rows["2026-11-17"][2]["spend"] = "70.00"
    run = synced(bench)
    assert (run.rows_updated, run.rows_unchanged, run.rows_read) == (1, 35, 36)
    truth = source.truth()
    assert {k for k, v in bench.stored().items() if truth[k] != v} == {
        (f"c{i}", "2026-11-15") for i in range(3)
    }


def test_a_day_that_rejected_a_row_is_compared_again(bench: Any, source: Any) -> None:
    source.fill(3)
    source.rows["2026-11-22"][1]["spend"] = "a lot"
    SyncEngine(bench.app).run(ask(bench))
    with bench.app.db.read() as session:
        days = session.exec(select(Coverage).where(Coverage.day >= dt.date(2026, 11, 21))).all()
    assert {d.digest for d in days} == {""}
    source.rows["2026-11-22"][1]["spend"] = "5.00"
    synced(bench)
    assert bench.stored() == source.truth()
