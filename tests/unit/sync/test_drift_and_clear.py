"""New source columns under each policy, and clearing a stream: it is loaded anew, whole."""

from __future__ import annotations

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
from liftos_app.services.sync.engine import SyncEngine
from tests.unit.sync.test_engine import ask, connection_of


@pytest.fixture
def columns(bench: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Column names the platform sends beside its usual ones; a test appends to it."""
    import sys

    more: list[str] = []
    module = sys.modules[registry.get("bench_ads").streams[0].read.__module__]
    usual = module.COLUMNS

    class Sent:
        def __iter__(self) -> Any:
            return iter({*usual, *more})

    real = module.Page

    def page(*args: Any, **named: Any) -> Any:
        return real(*args, **{**named, "columns": frozenset(Sent())})

    monkeypatch.setattr(module, "Page", page)
    return more


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
    bench: Any, source: Any, columns: list[str]
) -> None:
    source.fill(12)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    assert told(bench) == []
    columns.append("reach")
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


def test_ignore_reads_on_and_says_nothing(bench: Any, source: Any, columns: list[str]) -> None:
    policy(bench, "ignore")
    source.fill(5)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    columns.append("reach")
    assert engine.run(ask(bench)) is RunState.SUCCEEDED
    assert told(bench) == []
    assert state(bench).new_columns == []


def test_stop_stores_nothing_until_somebody_accepts(
    bench: Any, source: Any, columns: list[str]
) -> None:
    policy(bench, "stop")
    source.fill(5)
    engine = SyncEngine(bench.app)
    engine.run(ask(bench))
    before = bench.stored()
    columns.append("reach")
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
