"""Changed source columns under each policy, and clearing a stream: it is loaded anew, whole."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import func, select

from liftos_app.errors import Conflict, Denied, Invalid
from liftos_app.models import (
    Connection,
    Coverage,
    FactDaily,
    Restatement,
    Role,
    RunState,
    SourceRecord,
    StreamState,
    SyncEvent,
)
from liftos_app.services import connections
from liftos_app.services.connectors import registry
from liftos_app.services.context import Principal, open_context
from liftos_app.services.sync import schema
from liftos_app.services.sync.drift import Sight, sight_of
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.sync.plan import Phase, Unit
from tests.unit.sync.test_engine import ask, connection_of


@pytest.fixture
def columns(bench: Any, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Column names that the platform sends, as long as it has records; a test changes it."""
    module = sys.modules[registry.get("bench_ads").streams[0].read.__module__]
    sent, real = set(module.COLUMNS), module.Page

    def page(*args: Any, **named: Any) -> Any:
        found = frozenset(sent) if named["read_count"] else frozenset()
        return real(*args, **{**named, "columns": found})

    monkeypatch.setattr(module, "Page", page)
    return sent


def policy(bench: Any, name: str) -> None:
    with bench.ctx(write=True) as ctx:
        connections.set_drift_policy(ctx, bench.connection_id, name)


def told(bench: Any) -> list[str]:
    with bench.app.db.read() as session:
        events = session.exec(select(SyncEvent).where(SyncEvent.kind == "drift")).all()
    return [e.text for e in events]


def state(bench: Any) -> StreamState:
    with bench.app.db.read() as session:
        return session.exec(select(StreamState)).one()  # type: ignore[no-any-return]


def test_evolve_reads_on_announces_once_and_offers_the_column(
    bench: Any, source: Any, columns: set[str]
) -> None:
    source.fill(12)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    assert told(bench) == []
    columns.add("reach")
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert len(told(bench)) == 1
    assert "reach" in told(bench)[0]
    assert state(bench).new_columns == ["reach"]
    with bench.ctx() as ctx:
        assert [c.column for c in schema.columns(ctx, bench.connection_id) if c.is_new] == ["reach"]
    with bench.ctx(write=True) as ctx:
        connections.accept_columns(ctx, bench.connection_id, "campaign_daily")
    assert state(bench).new_columns == []


def test_ignore_reads_on_and_says_nothing(bench: Any, source: Any, columns: set[str]) -> None:
    policy(bench, "ignore")
    source.fill(5)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.add("reach")
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert told(bench) == []
    assert state(bench).new_columns == []


def test_stop_stores_nothing_until_somebody_accepts(
    bench: Any, source: Any, columns: set[str]
) -> None:
    policy(bench, "stop")
    source.fill(5)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    before = bench.stored()
    columns.add("reach")
    source.rows["2026-11-20"][0]["spend"] = "9.00"
    assert engine.run(ask(bench)) is RunState.FAILED
    assert bench.stored() == before
    cause = connection_of(bench).cause
    assert cause is not None
    assert cause["cause"] == "source_data"
    assert state(bench).new_columns == ["reach"]
    with bench.ctx(write=True) as ctx:
        assert connections.accept_columns(ctx, bench.connection_id, "campaign_daily") == ["reach"]
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()


def test_evolve_announces_a_column_that_is_gone_once_until_somebody_accepts(
    bench: Any, source: Any, columns: set[str]
) -> None:
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.discard("clicks")
    for _ in range(2):
        assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert len(told(bench)) == 1
    assert "no longer sends clicks." in told(bench)[0]
    with bench.ctx() as ctx:
        found = schema.columns(ctx, bench.connection_id)
        assert [c.column for c in found if c.is_gone] == ["clicks"]
    with bench.ctx(write=True) as ctx:
        taken = connections.accept_columns(ctx, bench.connection_id, "campaign_daily")
        assert taken == ["clicks"]
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert state(bench).gone_columns == []
    assert len([t for t in told(bench) if "sends" in t]) == 1
    assert bench.stored() == source.truth()


def test_gained_and_lost_columns_are_one_line_and_one_that_comes_back_is_unmarked(
    bench: Any, source: Any, columns: set[str]
) -> None:
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.symmetric_difference_update({"clicks", "link_clicks"})
    engine.run(ask(bench))
    assert len(told(bench)) == 1
    assert "now also sends link_clicks and no longer sends clicks." in told(bench)[0]
    columns.add("clicks")
    engine.run(ask(bench))
    assert (state(bench).new_columns, state(bench).gone_columns) == (["link_clicks"], [])
    columns.discard("clicks")  # it comes and goes: sparse from now on
    engine.run(ask(bench))
    assert len(told(bench)) == 1


def without(source: Any, columns: set[str], column: str, units: set[int]) -> None:
    """The answers of these numbers, counted from now, come without the column."""
    first = source.served

    def before(path: str) -> None:
        if source.served - first in units:
            columns.discard(column)
        else:
            columns.add(column)

    source.before = before


@pytest.mark.parametrize("units", [{2}, {0, 1, 2, 3}])
def test_a_column_that_was_ever_missing_is_sparse_and_never_called_gone(
    bench: Any, source: Any, columns: set[str], units: set[int]
) -> None:
    source.fill(20)
    engine = SyncEngine(bench.app)
    without(source, columns, "reach", units)
    for _ in range(2):
        engine.run(ask(bench))
    source.before = lambda path: columns.discard("reach")
    engine.run(ask(bench))
    assert [t for t in told(bench) if "no longer" in t] == []
    assert state(bench).gone_columns == []


def test_days_of_the_past_and_few_readings_prove_nothing_gone(
    bench: Any, source: Any, columns: set[str]
) -> None:
    source.fill(4)  # one unit with records a sync
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.discard("value")
    engine.run(ask(bench))  # the second reading: too early to know
    source.fill(20)
    without(source, columns, "clicks", {1, 2, 3})
    engine.run(ask(bench))
    assert told(bench) == []
    assert {"clicks", "value"}.isdisjoint(state(bench).steady_columns)


def test_ignore_says_nothing_of_a_column_that_is_gone(
    bench: Any, source: Any, columns: set[str]
) -> None:
    policy(bench, "ignore")
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.discard("clicks")
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    policy(bench, "evolve")
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert told(bench) == []
    assert state(bench).gone_columns == []


def test_stop_stores_nothing_without_a_column_until_somebody_accepts(
    bench: Any, source: Any, columns: set[str]
) -> None:
    policy(bench, "stop")
    source.fill(20)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    before = bench.stored()
    columns.discard("clicks")
    source.rows["2026-11-20"][0]["spend"] = "9.00"
    for _ in range(2):
        assert engine.run(ask(bench)) is RunState.FAILED
    assert bench.stored() == before
    cause = connection_of(bench).cause
    assert cause is not None
    assert "no longer sends clicks." in cause["what"]
    assert state(bench).gone_columns == ["clicks"]
    with bench.ctx(write=True) as ctx:
        assert connections.accept_columns(ctx, bench.connection_id, "campaign_daily") == ["clicks"]
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()


@pytest.mark.parametrize(
    ("phase", "first", "last", "whole", "newest"),
    [
        (Phase.WHOLE, 0, 0, True, True),
        (Phase.INCREMENT, 4, 0, False, False),  # what changed is not all there is
        (Phase.CATCH_UP, 0, 0, False, False),
        (Phase.RECENT, 0, 0, False, False),  # the day still runs
        (Phase.RECENT, 4, 0, True, True),
        (Phase.RECENT, 1, 1, True, True),
        (Phase.RECENT, 9, 5, True, False),
        (Phase.BACKFILL, 39, 35, True, False),
    ],
)
def test_what_a_reading_says_about_columns(
    bench_platform: None, *, phase: Phase, first: int, last: int, whole: bool, newest: bool
) -> None:
    today = dt.date(2026, 11, 23)
    stream = registry.get("bench_ads").streams[0]
    unit = Unit(
        1, stream.name, phase, today - dt.timedelta(days=first), today - dt.timedelta(days=last)
    )
    assert sight_of(unit, stream, today) == Sight(whole=whole, newest=newest)
    assert stream.window is not None
    late = replace(stream, window=replace(stream.window, latency_hours=30))
    if (phase, first) == (Phase.RECENT, 1):  # yesterday is not finished before tomorrow
        assert not sight_of(unit, late, today).whole


def test_a_cleared_stream_is_empty_and_loaded_anew(bench: Any, source: Any) -> None:
    source.fill(10)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    with bench.ctx(write=True) as ctx:
        removed = connections.clear(
            ctx, bench.connection_id, ["campaign_daily"], confirm=" Bench "
        )
    assert removed["fact_daily"] == 30
    with bench.app.db.read() as session:
        for table in (FactDaily, Coverage, SourceRecord, StreamState, Restatement):
            assert session.exec(select(func.count()).select_from(table)).one() == 0
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert bench.stored() == source.truth()


def test_clearing_wants_the_name_the_right_and_a_quiet_connection(bench: Any, source: Any) -> None:
    source.fill(2)
    SyncEngine(bench.app).run(ask(bench))
    analyst = Principal(kind="person", role=Role.ANALYST)
    with open_context(bench.app, analyst, bench.org_id, write=True) as ctx, pytest.raises(Denied):
        connections.clear(ctx, bench.connection_id, ["campaign_daily"], confirm="Bench")
    for streams, confirm in ((["campaign_daily"], "bench"), (["what"], "Bench"), ([], "Bench")):
        with bench.ctx(write=True) as ctx, pytest.raises(Invalid):
            connections.clear(ctx, bench.connection_id, streams, confirm=confirm)
    ask(bench)
    with bench.ctx(write=True) as ctx, pytest.raises(Conflict):
        connections.clear(ctx, bench.connection_id, ["campaign_daily"], confirm="Bench")
    assert bench.stored() == source.truth()
    with bench.app.db.read() as session:
        assert session.get_one(Connection, bench.connection_id).deleted_at is None
