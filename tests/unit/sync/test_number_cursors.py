"""Streams read by a growing number, through the real engine: the world's rows, whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from liftos_app.errors import LiftOSError
from liftos_app.models import (
    CrmRecord,
    Order,
    Organization,
    Role,
    RunState,
    StreamState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import connections, sync
from liftos_app.services.connectors import cursors
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from liftos_app.services.sandbox.platforms.generic_http.data import revision
from liftos_app.services.sandbox.warehouse import DAYS, VERSIONS, loaded_at
from liftos_app.services.sandbox.world import World
from liftos_app.services.sync.engine import SILENT, SyncEngine
from tests.contract.warehouse_truth import orders_now
from tests.faults.conftest import ended, in_child
from tests.faults.test_kills import dying
from tests.sandbox_server import RunningSandbox, running_sandbox
from tests.unit.sync.conftest import awake

HISTORY = {"databricks": 250, "snowflake": 250, "generic_http": 100}  # days: several windows
PLACES = {"databricks": "/{workspace}", "snowflake": "/{account}", "generic_http": ""}
COLUMNS = {"databricks": "row_version", "snowflake": "ROW_VERSION", "generic_http": "rev"}
METHODS = {"databricks": "token", "snowflake": "token", "generic_http": "bearer"}


def stream(slug: str, **more: Any) -> dict[str, Any]:
    """Orders by their version, or the ERP's deals by their revision; no overlap, no days again."""
    known = STREAMS[slug][1]
    found = {
        **known, "cursor": COLUMNS[slug], "cursor_kind": "number", "overlap_numbers": 0,
        "reread_days": 0,
    }
    if slug == "generic_http":
        found["source"] = {**known["source"], "query": "after={{ cursor }}"}
    return {**found, **more}


class Bench:
    """One stream on one platform: sync it, and compare what is stored with the world."""

    def __init__(
        self, app: App, who: Principal, org_id: int, slug: str, box: RunningSandbox
    ) -> None:
        self.org_id = org_id
        self.app, self.who, self.slug, self.box = app, who, slug, box
        app.settings = replace(
            app.settings, platform_urls={slug: box.platform(slug) + PLACES[slug]}
        )
        self.connection_id = UUID(int=0)

    def connect(self, **more: Any) -> UUID:
        """Connect; the id of the first run, which waits."""
        method = METHODS[self.slug]
        made = connections.create_connected(
            self.app, self.who, self.org_id, self.slug, method=method, mode="live",
            inputs=DEMO[self.slug][method], wishes=connections.Wishes(
                accounts="all", definitions=[stream(self.slug, **more)], start=True,
                history_days=HISTORY[self.slug],
            ),
        )
        assert made.run_id is not None
        self.connection_id = made.connection_id
        return made.run_id

    def sync(self) -> SyncRun:
        with open_context(self.app, self.who, self.org_id, write=True) as ctx:
            run_id = sync.request(ctx, self.connection_id).id
        return self.run(run_id)

    def run(self, run_id: UUID) -> SyncRun:
        SyncEngine(self.app).run(run_id)
        with self.app.db.read() as session:
            return session.get_one(SyncRun, run_id)

    def stored(self) -> dict[str, tuple[Any, ...]]:
        with self.app.db.read() as session:
            if self.slug == "generic_http":
                return {
                    r.external_id: (r.day.isoformat(), r.stage, r.amount_micros, r.is_won)
                    for r in session.exec(select(CrmRecord))
                }
            return {
                o.external_id: (
                    o.day.isoformat(), o.gross_micros, o.subtotal_micros, o.discount_micros,
                    o.shipping_micros, o.tax_micros, o.refunded_micros, o.is_test,
                )
                for o in session.exec(select(Order))
            }

    def truth(self) -> dict[str, tuple[Any, ...]]:
        if self.slug != "generic_http":
            return orders_now(self.box)
        stages = {s.id: s.name for s in self.box.world.crm_pipeline().stages}
        zone = ZoneInfo("America/New_York")
        first = self.box.clock().astimezone(zone).date().toordinal() - HISTORY[self.slug]
        return {
            f"D{d.id:06d}": (
                d.created_at.astimezone(zone).date().isoformat(), stages[d.stage_id],
                None if d.amount is None else d.amount * 10_000, d.is_won,
            )
            for d in self.deals()
            if d.created_at.astimezone(zone).date().toordinal() >= first
        }

    def deals(self) -> list[Any]:
        found = self.box.world.crm_deals(as_of=self.box.clock())
        return [d for d in found if d.currency == "USD" and d.deleted_at is None]

    def newest(self) -> int:
        """The greatest number the source holds."""
        if self.slug == "generic_http":
            return max(revision(d.updated_at) for d in self.deals())
        at = loaded_at(self.box.clock())
        created, changed_in = at - timedelta(days=DAYS), at - timedelta(days=1)
        ids = self.box.world.find_orders(
            as_of=at, created=(created, at), updated=(changed_in, None)
        )
        changed = max(o.updated_at for o in self.box.world.orders(ids, as_of=at))
        return VERSIONS + int(changed.timestamp()) // 60

    def cursor(self) -> str:
        with self.app.db.read() as session:
            [state] = session.exec(select(StreamState))
            return cursors.value("number", state.cursor)


@pytest.fixture(scope="module")
def small() -> Iterator[RunningSandbox]:
    """A small shop, whose warehouse is loaded quickly, again and again."""
    with running_sandbox(plant=False, world=World(volume=0.2)) as found:
        yield found


@pytest.fixture
def bench_of(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    box: RunningSandbox, small: RunningSandbox,
) -> Callable[[str], Bench]:
    def made(slug: str) -> Bench:
        assert organization.id is not None
        place = box if slug == "generic_http" else awake(small)
        who = make_principal(Role.ADMIN, organization)
        return Bench(app, who, organization.id, slug, place)

    return made


@pytest.mark.parametrize("slug", HISTORY)
def test_L105_rows_are_the_worlds_at_first_after_a_kill_and_after_changes(
    bench_of: Callable[[str], Bench], slug: str, clock: Any
) -> None:
    bench = bench_of(slug)
    run_id = bench.connect()
    assert ended(in_child(bench.app, dying("before", 2, run_id))) == -signal.SIGKILL
    half = bench.stored()
    first_cursor = bench.cursor()
    clock.advance(minutes=30)
    bench.box.clock.advance(minutes=30)
    SyncEngine(bench.app)._take_up(silent_for=SILENT)
    assert bench.run(run_id).state == RunState.SUCCEEDED
    before = bench.truth()
    first_rows = len(before)
    assert bench.stored() == before
    assert half.items() < before.items()  # it had died between two windows
    assert bench.cursor() == first_cursor  # what came since is a change
    for hours in (6, 30):
        clock.advance(hours=hours)
        bench.box.clock.advance(hours=hours)
        again = bench.sync()
        now = bench.truth()
        assert {k: v for k, v in bench.stored().items() if k in now} == now
        newest = bench.newest()
        assert int(bench.cursor()) == newest > 2**53
        assert again.state == RunState.SUCCEEDED
        assert 0 < again.rows_read < first_rows / 2  # changes only
        assert again.rows_rejected == 0
    if slug == "generic_http":
        assert min(revision(d.updated_at) for d in bench.deals()) < 0 < newest
    assert set(now) - set(before)  # new rows
    assert any(now[k] != before[k] for k in before if k in now)  # and changed ones
    quiet = bench.sync()  # nothing happened: rows with the newest number come again, unchanged
    assert (quiet.rows_written, quiet.rows_updated) == (0, 0)
    assert quiet.rows_read >= 1
    with bench.app.db.read() as session:
        assert not [e for e in session.exec(select(SyncEvent)) if e.kind == "note"]


@pytest.mark.parametrize(("slug", "column", "words"), [
    ("databricks", "order_number", "texts"), ("snowflake", "ORDER_NUMBER", "texts"),
    ("databricks", "total", "decimals"), ("snowflake", "TOTAL", "decimals"),
    ("databricks", "updated_at", "times"), ("snowflake", "UPDATED_AT", "times"),
    ("generic_http", "no", "not a number: 'D"), ("generic_http", "amount", "not a whole number"),
])
def test_a_column_that_holds_no_whole_numbers_is_refused(
    bench_of: Callable[[str], Bench], slug: str, column: str, words: str
) -> None:
    bench = bench_of(slug)
    run = bench.run(bench.connect(cursor=column))
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause["what"].endswith("cannot be read by its cursor column.")
    assert f"{column} is to hold a whole number" in run.cause["why"]
    assert words in run.cause["why"]
    assert bench.stored() == {}
    shown = connections.preview(
        bench.app, bench.who, bench.org_id, bench.connection_id, stream(slug, cursor=column)
    )
    assert f"{column} is to hold a whole number" in shown.problem


@pytest.mark.parametrize("slug", ["databricks", "snowflake"])
def test_the_preview_takes_a_number_and_asks_when_it_is_called_a_time(
    bench_of: Callable[[str], Bench], slug: str
) -> None:
    bench = bench_of(slug)
    bench.connect()
    ask = (bench.app, bench.who, bench.org_id, bench.connection_id)
    assert connections.preview(*ask, stream(slug)).problem == ""
    asked = connections.preview(*ask, stream(slug, cursor_kind="time")).problem
    assert "holds numbers. Say that it is a number that grows" in asked


def test_an_http_source_must_say_where_the_number_goes(
    bench_of: Callable[[str], Bench],
) -> None:
    bench, known = bench_of("generic_http"), STREAMS["generic_http"][1]["source"]
    for source, words in (
        ({**known, "query": "limit=5"}, "Nothing in the request says {{ cursor }}"),
        ({**known, "query": "", "path": "/deals/{{ cursor }}"}, "needs a first value"),
        ({**known, "query": "after={{ cursor }}", "path": "/deals/{{ window_start }}"},
         "days go into the parameters"),
    ):
        with pytest.raises(LiftOSError) as caught:
            bench.connect(source=source)
        assert words in caught.value.why
