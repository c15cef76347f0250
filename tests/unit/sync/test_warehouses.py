"""Warehouses through the real engine into both databases: exact, and the same when read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.models import Account, Entity, FactDaily, Order, Organization, Role, RunState
from liftos_app.services import connections, sync
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from liftos_app.services.sync.engine import SyncEngine
from tests.contract.warehouse_truth import marketing, orders
from tests.sandbox_server import RunningSandbox

# platform -> the part of its address that a connection fills in, and a sign-in kind of programs
WAREHOUSES = {
    "databricks": ("{workspace}", "service_principal"), "snowflake": ("{account}", "key_pair"),
}


@pytest.fixture(params=WAREHOUSES)
def slug(request: pytest.FixtureRequest, app: App, box: RunningSandbox) -> str:
    """Each warehouse, at the address of its imitation."""
    found: str = request.param
    app.settings = replace(
        app.settings, platform_urls={found: f"{box.platform(found)}/{WAREHOUSES[found][0]}"}
    )
    return found


def stored(app: App) -> dict[str, dict[tuple[str, str], int | None]]:
    with app.db.read() as session:
        found = session.exec(
            select(Account.external_id, Entity.external_id, FactDaily)
            .where(Entity.key == FactDaily.entity_key, Account.key == FactDaily.account_key)
        ).all()
    sums: dict[str, dict[tuple[str, str], int | None]] = {}
    for account, entity, fact in found:
        days = sums.setdefault(account.rpartition("/")[2], {})
        days[entity, fact.day.isoformat()] = fact.spend_micros
    return sums


def test_ten_days_arrive_whole_and_a_second_sync_changes_nothing(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    box: RunningSandbox, slug: str,
) -> None:
    who, method = make_principal(Role.ADMIN, organization), WAREHOUSES[slug][1]
    assert organization.id is not None
    made = connections.create_connected(
        app, who, organization.id, slug, method=method, mode="live", inputs=DEMO[slug][method],
        wishes=connections.Wishes(
            accounts="all", definitions=STREAMS[slug], history_days=10, start=True
        ),
    )
    box.trouble.add("rate_limited", slug, count=1)
    box.trouble.add("server_error", slug, count=1)
    assert made.run_id is not None
    assert SyncEngine(app).run(made.run_id) is RunState.SUCCEEDED
    first, last = date(2026, 11, 13), date(2026, 11, 23)
    found = stored(app)
    for currency in ("USD", "EUR"):
        truth = marketing(box, currency, first, last)
        assert found[currency] == {k: v[0] for k, v in truth.items()}
    with app.db.read() as session:
        kept = session.exec(select(Order)).all()
    truth_of = orders(box, date(2026, 8, 20), last)
    of_days = {i for i, o in truth_of.items() if o[0] >= first.isoformat()}
    assert {o.external_id for o in kept if o.day >= first} == of_days
    older = {o.external_id for o in kept if o.day < first}  # changed since: refunds of these days
    assert older < truth_of.keys()
    assert "larkspur.example" not in str(kept)
    again = run_again(app, who, organization.id, made.connection_id)
    assert (again.rows_written, again.rows_updated, again.rows_rejected) == (0, 0, 0)
    assert again.rows_unchanged > 0
    assert stored(app) == found


def run_again(app: App, who: Principal, org_id: int, connection_id: UUID) -> Any:
    with open_context(app, who, org_id, write=True) as ctx:
        run_id = sync.request(ctx, connection_id).id
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    with open_context(app, who, org_id) as ctx:
        run = sync.get(ctx, run_id)
        ctx.session.expunge(run)
        return run


def test_a_new_load_brings_the_restated_days(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    box: RunningSandbox, slug: str,
) -> None:
    who = make_principal(Role.ADMIN, organization)
    assert organization.id is not None
    made = connections.create_connected(
        app, who, organization.id, slug, method="token", inputs=DEMO[slug]["token"],
        mode="live", wishes=connections.Wishes(
            accounts="all", definitions=STREAMS[slug][:1], history_days=6, start=True
        ),
    )
    assert made.run_id is not None
    SyncEngine(app).run(made.run_id)
    box.clock.advance(hours=6)
    again = run_again(app, who, organization.id, made.connection_id)
    assert again.rows_updated > 0
    recent = date(2026, 11, 23) - timedelta(days=3)
    truth = marketing(box, "USD", recent, date(2026, 11, 23))
    found = {k: v for k, v in stored(app)["USD"].items() if k[1] >= recent.isoformat()}
    assert found == {k: v[0] for k, v in truth.items()}
