"""Zoho CRM from the consent page to the tables, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from liftos_app.models import CrmRecord, Entity, Organization, Role, RunState, SyncRun
from liftos_app.services import connections, demo, sync, vault
from liftos_app.services.connectors import registry
from liftos_app.services.context import App, Principal, job_principal, open_context
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.zoho_crm.modules import ident
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.sandbox_server import RunningSandbox, running_sandbox

CENT = 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def who(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    server: RunningSandbox, monkeypatch: pytest.MonkeyPatch,
) -> Principal:
    server.reset()
    platform = registry.get("zoho_crm")
    monkeypatch.setattr(registry, "all_platforms", lambda: (platform,))
    app.settings = replace(
        app.settings, port=urlsplit(server.origin).port or 0, public_url=server.origin
    )
    return replace(make_principal(Role.ADMIN, organization), session_id=uuid4())


def look(app: App, who: Principal, org: Organization) -> tuple[UUID, UUID]:
    assert org.id is not None
    (found,) = demo.look_around(app, who, org.id)
    assert found.error == ""
    assert found.connection_id is not None
    assert found.run_id is not None
    return found.connection_id, found.run_id


def run(app: App, run_id: UUID) -> SyncRun:
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    with app.db.read() as session:
        return session.get_one(SyncRun, run_id)


def again(app: App, who: Principal, org: Organization, connection_id: UUID) -> SyncRun:
    with open_context(app, who, org.id or 0, write=True) as ctx:
        run_id = sync.request(ctx, connection_id, trigger="manual").id
    return run(app, run_id)


def records(app: App, kind: str) -> dict[str, CrmRecord]:
    with app.db.read() as session:
        found = session.exec(select(CrmRecord).where(CrmRecord.kind == kind)).all()
        return {r.external_id: r for r in found}


def sealed(app: App, org: Organization, connection_id: UUID, name: str) -> str:
    with open_context(app, job_principal("test"), org.id or 0) as ctx:
        secret = vault.get(ctx, connections.get(ctx, connection_id), name)
        return secret.reveal() if secret else ""


def test_a_first_sync_is_the_worlds_and_a_second_changes_nothing(
    app: App, who: Principal, organization: Organization, server: RunningSandbox
) -> None:
    connection_id, run_id = look(app, who, organization)
    first = run(app, run_id)
    world, now = server.world, server.clock()
    deals = {
        ident("Deals", d.id): d
        for d in world.crm_deals(as_of=now, created=(now - timedelta(days=89), None))
        if d.deleted_at is None
    }
    stored = records(app, "deal")
    assert first.rows_rejected == 0
    assert set(deals) <= set(stored)
    for found, deal in deals.items():
        row = stored[found]
        assert row.amount_micros == (None if deal.amount is None else deal.amount * CENT)
        assert (row.currency, row.is_won) == (deal.currency, deal.is_won)
    assert all(records(app, kind) for kind in ("lead", "contact", "company"))
    with app.db.read() as session:
        names = {e.name for e in session.exec(select(Entity))}
    assert {c.name for c in world.crm_campaigns(as_of=now)} <= names
    second = again(app, who, organization, connection_id)
    assert (second.rows_written, second.rows_updated, second.rows_rejected) == (0, 0, 0)
    assert sealed(app, organization, connection_id, "accounts_host") == "accounts.zoho.eu"
    assert sealed(app, organization, connection_id, "data_host") == "www.zohoapis.eu"


def test_deleted_records_are_marked_and_the_refresh_token_stays(
    app: App, who: Principal, organization: Organization, server: RunningSandbox, clock: Clock
) -> None:
    leads = server.world.crm_leads(as_of=server.clock())
    gone = max(
        (r for r in leads if r.deleted_at and r.deleted_at - r.created_at < timedelta(days=60)),
        key=lambda r: r.deleted_at or r.created_at,
    )
    assert gone.deleted_at
    clock.now = server.clock.now = gone.deleted_at - timedelta(days=2)
    connection_id, run_id = look(app, who, organization)
    run(app, run_id)
    kept = sealed(app, organization, connection_id, "refresh_token")
    assert records(app, "lead")[ident("Leads", gone.id)].deleted is False
    clock.now = server.clock.now = gone.deleted_at + timedelta(days=1)
    again(app, who, organization, connection_id)
    stored = records(app, "lead")
    assert stored[ident("Leads", gone.id)].deleted is True
    living = {
        ident("Leads", r.id) for r in server.world.crm_leads(as_of=server.clock())
        if r.deleted_at is None
    }
    assert {i for i, r in stored.items() if not r.deleted} == set(stored) & living
    assert sealed(app, organization, connection_id, "refresh_token") == kept


def test_a_pasted_code_connects_in_its_own_data_centre(
    app: App, who: Principal, organization: Organization, server: RunningSandbox
) -> None:
    wishes: Any = connections.Wishes(accounts="all", start=True)
    found = connections.create_connected(
        app, who, organization.id or 0, "zoho_crm", method="self_client",
        inputs=DEMO["zoho_crm"]["self_client"], mode="demo", wishes=wishes,
    )
    assert found.accounts == 1
    assert found.run_id is not None
    assert run(app, found.run_id).rows_read > 0
    assert sealed(app, organization, found.connection_id, "data_host") == "www.zohoapis.eu"
    assert sealed(app, organization, found.connection_id, "refresh_token")
