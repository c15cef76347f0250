"""Rows read from warehouses are the world's own: exact, over parts, renewals and trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from liftos_app.services.connectors.defined import accounts_of
from liftos_app.services.sandbox.credentials import STREAMS
from tests.contract.conftest import Bench, read
from tests.contract.warehouse_truth import FIGURES, marketing, order_figures, orders


@dataclass(frozen=True)
class Warehouse:
    """What differs between them: how an answer is cut, who signs in and for how long."""

    slug: str
    part_rows: str
    method: str
    minutes: int  # after which the token is over


WAREHOUSES = (
    Warehouse("databricks", "chunk_rows", "service_principal", 61),
    Warehouse("snowflake", "partition_rows", "key_pair", 56),
)


@pytest.fixture(params=WAREHOUSES, ids=lambda w: w.slug)
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    found: Warehouse = request.param
    return found


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_marketing_figures_are_the_worlds_over_parts_a_renewal_and_trouble(
    bench_of: Callable[[str], Bench], warehouse: Warehouse, currency: str
) -> None:
    bench, slug = bench_of(warehouse.slug), warehouse.slug
    bench.box.sandbox.memories.setdefault(slug, {})[warehouse.part_rows] = 40
    with bench.open(warehouse.method) as client:
        account = bench.account(client)
        task = bench.task("marketing_daily", account, back=40, days=20)
        own = [a for a in accounts_of(bench.platform, {"streams": STREAMS[slug]}, [account])
               if a.external_id.endswith(f"/marketing_daily/{currency}")]
        token = client.credential.text("access_token")
        bench.box.clock.advance(minutes=warehouse.minutes)
        bench.box.trouble.add("rate_limited", slug, count=1, retry_after=1)
        bench.box.trouble.add("server_error", slug, count=1)
        before = client.requests
        page = read(client, replace(task, account=own[0]))
        assert client.credential.text("access_token") != token
        assert client.requests - before >= 3 + 4  # three parts at least, beside the trouble
    assert page.rejected == []
    assert page.skipped > 0  # those of the other currency
    found = {(r["entity_id"], r["day"]): tuple(r[n] for n in FIGURES) for r in page.rows}
    assert found == marketing(bench.box, currency, task.start, task.end)


def test_orders_are_the_worlds_and_their_changes_arrive_whole(
    bench_of: Callable[[str], Bench], warehouse: Warehouse
) -> None:
    bench = bench_of(warehouse.slug)
    bench.box.sandbox.memories.setdefault(warehouse.slug, {})[warehouse.part_rows] = 100
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task("shop_orders", account, back=12, days=5)
        rows = read(client, task).rows
        changed = read(client, replace(task, cursor="2026-11-20T12:00:00Z"))
    assert {r["external_id"]: order_figures(r) for r in rows} == orders(
        bench.box, task.start, task.end
    )
    assert all(len(r["customer_ref"]) == 64 for r in rows)
    assert changed.rows
    assert min(r["updated_at"] for r in changed.rows).isoformat() >= "2026-11-20T11:00:00"
    newest = max(r["updated_at"] for r in changed.rows)
    assert changed.cursor == newest.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "2026-11-20" in {r["updated_at"].date().isoformat() for r in changed.rows}
