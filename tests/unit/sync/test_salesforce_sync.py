"""Salesforce from the consent page to the tables, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from liftos_app.errors import Fix
from liftos_app.models import CrmRecord, Entity, Organization, Role, RunState, SyncRun
from liftos_app.services import connections, demo, links, oauth, sync, vault
from liftos_app.services.connectors import registry
from liftos_app.services.context import App, Principal, job_principal, open_context
from liftos_app.services.sandbox.credentials.salesforce import MY_DOMAIN
from liftos_app.services.sandbox.platforms.salesforce.ids import make
from liftos_app.services.sync.engine import SyncEngine
from tests.conftest import Clock
from tests.sandbox_server import RunningSandbox, running_sandbox

CENT = 10_000


@dataclass
class Linked:
    """A demo connection of Salesforce beside its sandbox."""

    app: App
    box: RunningSandbox
    who: Principal
    org_id: int
    connection_id: UUID
    run_id: UUID

    def run(self, run_id: UUID | None = None) -> SyncRun:
        if run_id is None:
            with open_context(self.app, self.who, self.org_id, write=True) as ctx:
                run_id = sync.request(ctx, self.connection_id, trigger="manual").id
        assert SyncEngine(self.app).run(run_id) is RunState.SUCCEEDED
        with self.app.db.read() as session:
            return session.get_one(SyncRun, run_id)

    def records(self, kind: str) -> dict[str, CrmRecord]:
        with self.app.db.read() as session:
            found = session.exec(select(CrmRecord).where(CrmRecord.kind == kind)).all()
            return {r.external_id: r for r in found}

    def sealed(self, name: str) -> str:
        with open_context(self.app, job_principal("test"), self.org_id) as ctx:
            secret = vault.get(ctx, connections.get(ctx, self.connection_id), name)
            return secret.reveal() if secret else ""

    def move(self, clock: Clock, to: datetime) -> None:
        clock.now = self.box.clock.now = to


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def linked(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    server: RunningSandbox, monkeypatch: pytest.MonkeyPatch,
) -> Linked:
    server.reset()
    platform = registry.get("salesforce")
    monkeypatch.setattr(registry, "all_platforms", lambda: (platform,))
    app.settings = replace(
        app.settings, port=urlsplit(server.origin).port or 0, public_url=server.origin
    )
    who = replace(make_principal(Role.ADMIN, organization), session_id=uuid4())
    assert organization.id is not None
    (found,) = demo.look_around(app, who, organization.id)
    assert found.error == ""
    assert found.connection_id is not None
    assert found.run_id is not None
    return Linked(app, server, who, organization.id, found.connection_id, found.run_id)


def test_a_first_sync_is_the_worlds_and_a_second_changes_nothing(linked: Linked) -> None:
    first = linked.run(linked.run_id)
    world, now = linked.box.world, linked.box.clock()
    since = now - timedelta(days=89)
    assert first.rows_rejected == 0
    deals = {
        make("Opportunity", d.id): d for d in world.crm_deals(as_of=now, created=(since, None))
        if d.deleted_at is None
    }
    stored = linked.records("deal")
    assert set(deals) <= set(stored)
    won: Counter[str] = Counter()
    for ident, deal in deals.items():
        row = stored[ident]
        assert row.amount_micros == (None if deal.amount is None else deal.amount * CENT)
        assert (row.currency, row.is_won) == (deal.currency, deal.is_won)
        won[row.currency] += (row.amount_micros or 0) * bool(row.is_won)
    assert won["USD"]
    for kind in ("lead", "contact", "company", "campaign_member"):
        assert linked.records(kind)
    with linked.app.db.read() as session:
        names = {e.name for e in session.exec(select(Entity))}
    assert {c.name for c in world.crm_campaigns(as_of=now)} <= names
    second = linked.run()
    assert (second.rows_written, second.rows_updated, second.rows_rejected) == (0, 0, 0)
    assert second.rows_unchanged > 0
    assert linked.sealed("instance") == MY_DOMAIN


@pytest.mark.parametrize("days", [1, 18])  # in the recycle bin, and purged from it
def test_a_later_sync_brings_changes_and_deletions(
    linked: Linked, clock: Clock, days: int
) -> None:
    world = linked.box.world
    leads = world.crm_leads(as_of=linked.box.clock())
    gone = max(
        (r for r in leads if r.deleted_at and r.deleted_at - r.created_at < timedelta(days=60)),
        key=lambda r: r.deleted_at or r.created_at,
    )
    assert gone.deleted_at
    start, end = gone.deleted_at - timedelta(days=2), gone.deleted_at + timedelta(days=days)
    linked.move(clock, start)
    old = linked.sealed("refresh_token"), linked.sealed("access_token")
    linked.run(linked.run_id)
    assert linked.records("lead")[make("Lead", gone.id)].deleted is False
    linked.move(clock, end)
    linked.run()
    assert linked.sealed("refresh_token") not in ("", old[0])  # rotated, and the new one is kept
    assert linked.sealed("access_token") not in ("", old[1])
    assert linked.records("lead")[make("Lead", gone.id)].deleted is True
    living = {make("Lead", r.id) for r in world.crm_leads(as_of=end) if r.deleted_at is None}
    assert {i for i, r in linked.records("lead").items() if not r.deleted} <= living


def test_members_that_vanished_are_marked_in_the_next_week(linked: Linked, clock: Clock) -> None:
    world = linked.box.world
    members = world.crm_campaign_members(as_of=linked.box.clock())
    gone = max(
        (m for m in members if m.deleted_at and m.deleted_at - m.created_at < timedelta(days=60)),
        key=lambda m: m.deleted_at or m.created_at,
    )
    assert gone.deleted_at
    linked.move(clock, gone.deleted_at - timedelta(days=1))
    linked.run(linked.run_id)
    ident = make("CampaignMember", gone.id)
    assert linked.records("campaign_member")[ident].deleted is False
    linked.move(clock, gone.deleted_at + timedelta(days=7))
    linked.run()
    stored = linked.records("campaign_member")
    assert stored[ident].deleted is True
    alive = {
        make("CampaignMember", m.id)
        for m in world.crm_campaign_members(as_of=linked.box.clock()) if m.deleted_at is None
    }
    assert {i for i, r in stored.items() if not r.deleted} == set(stored) & alive


def test_an_app_that_is_blocked_is_for_an_administrator(linked: Linked) -> None:
    linked.box.sandbox.memories["salesforce"]["app_policy"] = "OAUTH_APP_BLOCKED"
    with open_context(linked.app, linked.who, linked.org_id, write=True) as ctx:
        begun = oauth.begin_in_full(ctx, linked.connection_id, origin=linked.box.origin)
    params = demo.walk_consent(
        begun.url, return_to=begun.redirect_uri, reach=linked.app.settings.self_url
    )
    with pytest.raises(Fix, match="does not let this app sign in") as caught:
        oauth.finish(
            linked.app, "salesforce", params, session_id=linked.who.session_id, who=linked.who
        )
    assert caught.value.owner == "your_platform_admin"
    assert "Policies" in caught.value.fix
    assert linked.sealed("access_token")  # the sign-in that works stays


def test_the_instance_of_the_last_renewal_is_called(linked: Linked, clock: Clock) -> None:
    linked.run(linked.run_id)
    seen: list[Any] = []
    clock.advance(hours=3)
    linked.box.clock.now = clock.now
    with links.open_client(
        linked.app, linked.org_id, linked.connection_id, purpose="test"
    ) as client:
        seen.append(client.addresses.url("api", "/services/data/"))
        assert client.get("/services/data/").data
    assert seen == [f"{linked.box.platform('salesforce')}/{MY_DOMAIN}/services/data/"]
