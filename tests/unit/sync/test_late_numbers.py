"""Days past the look-back that may still change are read weekly, and a last time when settled."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from typing import Any

from sqlmodel import select

from liftos_app.models import Coverage, RunState
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.unit.sync.test_engine import ask


def read_at(bench: Any, day: dt.date) -> dt.datetime:
    with bench.app.db.read() as session:
        return session.exec(  # type: ignore[no-any-return]
            select(Coverage.read_at).where(Coverage.day == day)
        ).one()


def test_L105_a_day_is_read_until_it_has_settled_and_then_left_alone(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(30)
    day = clock.now.date() - timedelta(days=1)
    engine = SyncEngine(bench.app)
    reads = []
    for _ in range(60):
        assert engine.run(ask(bench)) is RunState.SUCCEEDED
        if read_at(bench, day) == clock.now:
            reads.append((clock.now.date() - day).days)
        clock.advance(days=1)
    assert reads[:28] == list(range(1, 29))  # the look-back of 28 days, daily
    assert reads[28:] == [35]  # settled at 28: a week after its last reading, once


def test_L105_a_number_that_trickles_in_late_is_found(
    bench: Any, source: Any, clock: Clock
) -> None:
    source.fill(30)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    source.rows["2026-11-05"][0]["spend"] = "44.00"
    clock.advance(days=20)  # 38 days old by now: past the look-back of 28
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert bench.stored()["c0", "2026-11-05"] == 44_000_000
