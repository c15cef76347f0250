"""A store in the long run: no refund of an order older than its history is missed, to the cent, and
a lost permission takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, func, select

from liftos_app import config
from liftos_app.db import Database
from liftos_app.models import Order, Organization, Refund, Role, RunState, StreamState, SyncEvent
from liftos_app.services import connections, sync
from liftos_app.services.connections.signin import SignedIn
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.vault import Vault
from tests.sandbox_server import RunningSandbox

CENT = 10_000
DAYS = 9
WHO = Principal(kind="operator", name="test", role=Role.SUPER_ADMIN)


@pytest.fixture
def store(
    box: RunningSandbox, database_url: str, make_settings: Callable[..., config.Settings]
) -> App:
    settings = make_settings(
        DATABASE_URL=database_url, PORT=str(urlsplit(box.origin).port), DEMO_MODE="true"
    )
    app = App(
        settings=settings, db=Database(settings.database_url), vault=Vault(settings.master_keys),
        now=box.clock,
    )
    with app.db.write() as session:
        app.vault.boot_check(session)
        session.add(Organization(name="Larkspur", currency="USD", created_at=app.now()))
    return app


def connected(store: App, days: int = DAYS) -> tuple[int, SignedIn]:
    """The organization and a store connection whose first load is asked for."""
    with store.db.read() as session:
        org_id = session.exec(select(Organization.id)).one()
    assert org_id is not None
    method = "client_credentials"
    made = connections.create_connected(
        store, WHO, org_id, "shopify", method=method, inputs=DEMO["shopify"][method], mode="demo",
        wishes=connections.Wishes(
            accounts="all", streams=["orders"], history_days=days, start=True
        ),
    )
    return org_id, made


def test_a_lost_permission_takes_nothing_from_orders_that_are_read_again(
    store: App, box: RunningSandbox
) -> None:
    org_id, made = connected(store, 3)
    engine = SyncEngine(store)
    assert made.run_id is not None
    assert engine.run(made.run_id) is RunState.SUCCEEDED

    def customers() -> dict[str, tuple[str, int | None]]:
        with store.db.read() as session:
            return {
                o.external_id: (o.customer_ref, o.customer_order_index)
                for o in session.exec(select(Order))
            }

    before = customers()
    assert any(ref for ref, _ in before.values())
    box.trouble.add("missing_scope", "shopify", count=None, detail={"scope": "read_customers"})
    today = store.now().date()
    with open_context(store, WHO, org_id, write=True) as ctx:
        again = sync.request(
            ctx, made.connection_id, start=today - timedelta(days=2), end=today
        ).id
    assert engine.run(again) is RunState.SUCCEEDED
    after = customers()
    assert {i: after[i] for i in before} == before
    with store.db.read() as session:
        told = [e.text for e in session.exec(select(SyncEvent)) if "Shopify left out" in e.text]
    assert len(told) == 1
    assert "orders.customer" in told[0]
    store.db.close()


def test_net_sales_of_every_day_of_a_first_load_are_the_worlds(
    store: App, box: RunningSandbox
) -> None:
    org_id, made = connected(store)
    engine = SyncEngine(store)
    assert made.run_id is not None
    assert engine.run(made.run_id) is RunState.SUCCEEDED
    now = box.clock()
    today = now.astimezone(ZoneInfo("America/New_York")).date()
    first = today - timedelta(days=DAYS)
    with store.db.read() as session:
        older = session.exec(
            select(func.count()).select_from(Refund).join(
                Order, (col(Order.external_id) == col(Refund.order_id))
                & (col(Order.account_key) == col(Refund.account_key)),
            ).where(Order.day < first, Refund.day >= first)
        ).one()
        for back in range(DAYS + 1):
            day = today - timedelta(days=back)
            sold = session.exec(
                select(func.sum(Order.subtotal_micros)).where(
                    Order.day == day, col(Order.is_test).is_(False)
                )
            ).one() or 0
            returned = session.exec(
                select(func.sum(Refund.goods_micros)).where(Refund.day == day)
            ).one() or 0
            truth = box.world.store_total(day, day, as_of=now)
            assert int(sold) - int(returned) == truth.net_sales * CENT, day
        assert session.exec(select(StreamState.caught_up_from)).one() == first
        assert not [e for e in session.exec(select(SyncEvent)) if "Refunds of orders" in e.text]
    assert older > 0  # else the world has nothing to prove this with
    with open_context(store, WHO, org_id, write=True) as ctx:
        again = sync.request(ctx, made.connection_id).id
    assert engine.run(again) is RunState.SUCCEEDED
    with open_context(store, WHO, org_id) as ctx:
        assert sync.get(ctx, again).windows_total == 1  # the increment alone: caught up once
    store.db.close()
