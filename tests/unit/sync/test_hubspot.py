"""HubSpot through the whole engine into a database: what lands is the trade program's, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from liftos_app import config
from liftos_app.db import Database
from liftos_app.models import (
    CrmRecord,
    Entity,
    MailFact,
    Organization,
    RunState,
    SourceRecord,
    SyncRun,
    User,
)
from liftos_app.models.facts import Level
from liftos_app.models.people import Membership, Role
from liftos_app.services import connections, sync
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.hubspot import mails, view
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.vault import Vault
from tests.sandbox_server import RunningSandbox, SettableClock, running_sandbox

DAYS = 12
CENT = 10_000
ZONE = ZoneInfo("America/New_York")
STREAMS = ("pipelines", "owners", "deals", "contacts", "companies", "emails", "email_results")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def box(server: RunningSandbox) -> RunningSandbox:
    server.reset()
    server.clock.advance(days=1)  # a Tuesday: on Mondays older open deals come along
    return server


@pytest.fixture
def app(
    database_url: str, box: RunningSandbox, make_settings: Callable[..., config.Settings]
) -> Iterator[App]:
    settings = make_settings(
        DATABASE_URL=database_url, LIFTOS_BASE_URL_HUBSPOT=box.platform("hubspot")
    )
    made = App(
        settings=settings, db=Database(settings.database_url), vault=Vault(settings.master_keys),
        now=box.clock,
    )
    with made.db.write() as session:
        made.vault.boot_check(session)
    yield made
    made.db.close()


@pytest.fixture
def who(app: App) -> tuple[Principal, int]:
    with app.db.write() as session:
        org = Organization(name="Larkspur Home", currency="USD", created_at=app.now())
        user = User(email="a@example.com", email_key="a@example.com", name="A", password_hash="",
                    created_at=app.now())
        session.add_all([org, user])
        session.flush()
        assert org.id is not None
        session.add(Membership(org_id=org.id, user_id=user.id, role=Role.ADMIN,
                               created_at=app.now()))
        return Principal(kind="person", user_id=user.id, name="A", role=Role.ADMIN), org.id


def connect(app: App, who: tuple[Principal, int]) -> UUID:
    person, org_id = who
    return connections.create_connected(
        app, person, org_id, "hubspot", method="service_key",
        inputs=DEMO["hubspot"]["service_key"], mode="live",
        wishes=connections.Wishes(
            accounts="all", streams=STREAMS, history_days=DAYS, start=True
        ),
    ).connection_id


def run_all(app: App, who: tuple[Principal, int], connection_id: UUID) -> SyncRun:
    """The run that waits, or a new one, to its end."""
    person, org_id = who
    with app.db.read() as session:
        waiting = session.exec(select(SyncRun).where(SyncRun.state == RunState.QUEUED)).first()
    if waiting is None:
        with open_context(app, person, org_id, write=True) as ctx:
            waiting = sync.request(ctx, connection_id, trigger="manual")
    assert SyncEngine(app).run(waiting.id) is RunState.SUCCEEDED
    with app.db.read() as session:
        run = session.get(SyncRun, waiting.id)
        assert run is not None
        return run


def records(app: App, kind: str) -> dict[str, CrmRecord]:
    with app.db.read() as session:
        found = session.exec(select(CrmRecord).where(CrmRecord.kind == kind)).all()
        return {r.external_id: r for r in found}


def test_what_lands_is_the_trade_programs_and_lands_once(
    app: App, box: RunningSandbox, who: tuple[Principal, int]
) -> None:
    connection_id = connect(app, who)
    run = run_all(app, who, connection_id)
    assert run.rows_rejected == 0
    check_deals(app, box)
    check_the_rest(app, box)
    again = run_all(app, who, connection_id)
    assert (again.rows_written, again.rows_updated) == (0, 0)
    assert again.rows_unchanged == again.rows_read > 0
    check_later(app, box, lambda: run_all(app, who, connection_id))


def first_day(box: RunningSandbox) -> dt.date:
    return box.clock().astimezone(ZONE).date() - timedelta(days=DAYS)


def check_deals(app: App, box: RunningSandbox) -> None:
    stored = records(app, "deal")
    world = [
        d for d in box.world.crm_deals(as_of=box.clock())
        if d.created_at.astimezone(ZONE).date() >= first_day(box) and d.deleted_at is None
    ]
    assert len(world) > 10
    for deal in world:
        row = stored[str(view.DEALS + deal.id)]
        assert row.amount_micros == (None if deal.amount is None else deal.amount * CENT)
        assert (row.currency, row.stage) == (deal.currency, view.STAGES[deal.stage_id])
        assert (row.closed_day, row.is_won) == (deal.close_date, deal.is_won)
        assert row.parent_id == str(view.COMPANIES + deal.company_id)
        assert len(row.person_ref) == 64
    with app.db.read() as session:
        kept = session.exec(select(SourceRecord).where(SourceRecord.stream == "deals")).all()
    assert {k.slot for k in kept} == set(stored)


def check_the_rest(app: App, box: RunningSandbox) -> None:
    contacts = records(app, "contact")
    leads = [
        x for x in box.world.crm_leads(as_of=box.clock())
        if x.created_at.astimezone(ZONE).date() >= first_day(box) and x.deleted_at is None
    ]
    colleagues = [
        c for c in box.world.crm_contacts(as_of=box.clock()) if not c.lead_id
        and c.created_at.astimezone(ZONE).date() >= first_day(box) and c.deleted_at is None
    ]
    assert len(contacts) == len(leads) + len(colleagues) > 30
    assert all(len(ident) == 64 for ident in contacts)
    with app.db.read() as session:
        levels = [e.level for e in session.exec(select(Entity)).all()]
        mailed = session.exec(select(MailFact)).all()
    assert levels.count(Level.PIPELINE_STAGE) == 6
    assert levels.count(Level.OWNER) == 8
    assert levels.count(Level.MAIL_MESSAGE) == len(box.world.mail_campaigns(as_of=box.clock())) + 7
    start, end = first_day(box), box.clock().astimezone(ZONE).date()
    truth = [
        *box.world.mail_campaign_stats(start, end, as_of=mails_at(box)),
        *box.world.mail_flow_days(start, end, as_of=mails_at(box)),
    ]
    assert sum(m.recipients or 0 for m in mailed) == sum(s.recipients for s in truth) > 1_000
    assert sum(m.delivered or 0 for m in mailed) == sum(s.delivered for s in truth)


def mails_at(box: RunningSandbox) -> Any:
    """Statistics are brought up to date every quarter of an hour."""
    seconds = int(box.clock().timestamp())
    return dt.datetime.fromtimestamp(seconds - seconds % mails._TICK, dt.UTC)


def check_later(app: App, box: RunningSandbox, go: Callable[[], SyncRun]) -> None:
    """Three weeks later only what changed is read, and what was deleted is marked."""
    clock: SettableClock = box.clock
    clock.advance(days=21)
    go()
    stored, now = records(app, "deal"), box.clock()
    world = {str(view.DEALS + d.id): d for d in box.world.crm_deals(as_of=now)}
    moved = [i for i in stored if world[i].updated_at > now - timedelta(days=21)]
    assert len(moved) > 10
    for ident in moved:
        deal = world[ident]
        assert stored[ident].deleted == (deal.deleted_at is not None)
        if deal.deleted_at is None:
            assert stored[ident].stage == view.STAGES[deal.stage_id]
            assert stored[ident].closed_day == deal.close_date
