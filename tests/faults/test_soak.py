"""Thirty simulated days of syncs of every platform with trouble at random, in compressed time.

At the end each stored cell equals that of a clean full sync made by another organization.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlmodel import Session, col, select

from liftos_app import config
from liftos_app.db import Database
from liftos_app.models import (
    Account,
    Connection,
    Coverage,
    CrmRecord,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    Order,
    Organization,
    Payment,
    Refund,
    Role,
    RunState,
    SyncRun,
)
from liftos_app.services import budgets, demo, preferences, sync
from liftos_app.services.connectors import client
from liftos_app.services.connectors.pacing import Pacer
from liftos_app.services.connectors.registry import get
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.vault import Vault
from tests.sandbox_server import RunningSandbox, running_sandbox

pytestmark = [pytest.mark.matrix, pytest.mark.slow, pytest.mark.timeout(3000)]
WHO = Principal(kind="operator", name="soak", role=Role.SUPER_ADMIN)
DAYS = int(os.environ.get("SOAK_DAYS", "30"))
HISTORY = 10
KINDS = ("rate_limited", "rate_limited_silent", "server_error", "cut", "login_page", "not_json",
         "token_expired", "quota_exhausted", "added_column", "duplicated_rows")


@pytest.fixture
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as made:
        yield made


@pytest.fixture
def app(
    box: RunningSandbox, database_url: str, make_settings: Callable[..., config.Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[App]:
    monkeypatch.setattr(client.Client, "pause", lambda self, seconds: None)
    # What a platform tells us to wait passes with the simulated days, not with our own seconds.
    monkeypatch.setattr(budgets, "_new", lambda app, name, per_minute: Pacer(
        per_minute, clock=lambda: box.clock().timestamp() + time.monotonic()
    ))
    settings = make_settings(
        DATABASE_URL=database_url, PORT=str(urlsplit(box.origin).port), DEMO_MODE="true"
    )
    made = App(
        settings=settings, db=Database(settings.database_url), vault=Vault(settings.master_keys),
        now=box.clock,
    )
    with made.db.write() as session:
        made.vault.boot_check(session)
    yield made
    made.db.close()


def organization(app: App, name: str, history: int) -> int:
    with app.db.write() as session:
        row = Organization(name=name, currency="USD", created_at=app.now())
        session.add(row)
        session.flush()
        org_id = row.id or 0
    with open_context(app, WHO, org_id, write=True) as ctx:
        preferences.save(ctx, preferences.Preferences(history_days=history))
    found = demo.look_around(app, WHO, org_id)
    assert [c.error for c in found if c.error] == []
    return org_id


def sync_all(app: App, org_id: int, *, tries: int = 1) -> list[RunState]:
    """One round: every connection that can be synced is."""
    engine = SyncEngine(app)
    with open_context(app, WHO, org_id) as ctx:
        ids = ctx.session.exec(select(Connection.id).where(Connection.org_id == org_id)).all()
    states = []
    for ident in ids:
        for _ in range(tries):
            with open_context(app, WHO, org_id, write=True) as ctx:
                run_id = sync.request(ctx, ident).id
            states.append(engine.run(run_id))
            if states[-1] is RunState.SUCCEEDED:
                break
            app.now.advance(minutes=20)  # type: ignore[attr-defined]
    return states


def cells(app: App, org_id: int, first: dt.date) -> dict[str, dict[Any, Any]]:
    """Everything stored from a day on, by the platforms' own ids."""
    with app.db.read() as session:
        place = {
            a.key: (c.platform, a.external_id)
            for a, c in session.exec(
                select(Account, Connection).where(
                    Account.org_id == org_id, col(Connection.id) == col(Account.connection_id)
                )
            )
        }
        names = {
            e.key: (e.level, e.external_id)
            for e in session.exec(select(Entity).where(Entity.org_id == org_id))
        }
        return {
            model.__name__: dict(_rows(session, model, org_id, first, place, names))
            for model in (FactDaily, FactExtra, MailFact, Order, Refund, CrmRecord, Payment)
        }


def _rows(
    session: Session, model: Any, org_id: int, first: dt.date, place: Any, names: Any
) -> Iterator[tuple[Any, Any]]:
    left_out = {
        "key", "org_id", "account_key", "entity_key", "external_id", "customer_ref", "person_ref",
    }
    for row in session.exec(select(model).where(model.org_id == org_id, model.day >= first)):
        values = {k: v for k, v in row.__dict__.items() if not k.startswith("_")}
        if values.get("deleted"):  # known only to who read it before it went
            continue
        ident = values.get("external_id")
        if ident is not None and ident == values.get("person_ref"):
            ident = values["created_at"]  # the id is hashed with a key of the organization
        yield (
            place[row.account_key], names.get(values.get("entity_key"), ident),
            *(values.get(n) for n in ("day", "setting", "metric", "kind")),
        ), {k: v for k, v in values.items() if k not in left_out}


def read_weekly(app: App, org_id: int) -> set[tuple[str, dt.date]]:
    """Platform and day whose late numbers are read once a week, and were within this week.

    Such a day has all its rows; what trickled in since it was read comes with the next reading.
    """
    with app.db.read() as session:
        found = session.exec(
            select(Connection.platform, Coverage.stream, Coverage.day, Coverage.read_at).where(
                Coverage.org_id == org_id, col(Account.key) == col(Coverage.account_key),
                col(Connection.id) == col(Account.connection_id),
            )
        ).all()
    now, weekly = app.now(), set()
    for platform, name, day, read_at in found:
        stream = next((s for s in get(platform).streams if s.name == name), None)
        window = stream.window if stream is not None else None
        if window is None or not window.late_days:
            continue
        age = (now.date() - day).days
        if window.reread_days <= age <= window.late_days:
            assert now - read_at <= dt.timedelta(days=8), (platform, name, day, read_at)
            weekly.add((platform, day))
    return weekly


def out_of_sight(app: App, org_id: int) -> set[str]:
    """Orders that the store no longer shows to a new reader, who so misses their refunds.

    Without read_all_orders Shopify keeps to 60 days; what was read before stays with us.
    """
    day = app.now().date() - dt.timedelta(days=60)
    with app.db.read() as session:
        return set(session.exec(select(Order.external_id).where(
            Order.org_id == org_id, Order.day <= day)).all())


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_month_of_trouble_ends_like_a_clean_sync(app: App, box: RunningSandbox) -> None:
    dice = random.Random(int(os.environ.get("SOAK_SEED", "2026")))
    org_id = organization(app, "Soak", HISTORY)
    first = (box.clock() - dt.timedelta(days=HISTORY - 1)).date()
    sync_all(app, org_id, tries=3)
    seen: list[RunState] = []
    sizes = []
    for _ in range(DAYS):
        box.clock.advance(hours=24)
        box.trouble.clear()
        for _ in range(dice.randrange(4)):
            box.trouble.add(
                dice.choice(KINDS), dice.choice([*box.sandbox.platforms]),
                count=dice.randrange(1, 9), retry_after=dice.choice([1, 30, 900]),
            )
        seen += sync_all(app, org_id)
        sizes.append(memory_mb())
    box.trouble.clear()
    for platform in box.sandbox.platforms:
        box.tokens.restore(platform)
    box.clock.advance(hours=2)
    ends = sync_all(app, org_id, tries=4)
    other = organization(app, "Clean", HISTORY + DAYS)
    sync_all(app, other, tries=4)
    box.clock.advance(hours=1)
    for one in (org_id, other):  # both at one moment: running days grow by the minute
        assert set(sync_all(app, one)) == {RunState.SUCCEEDED}
    ours, clean = cells(app, org_id, first), cells(app, other, first)
    weekly = read_weekly(app, org_id)
    forgotten = out_of_sight(app, org_id)
    for each in (ours, clean):
        each["Refund"] = {
            k: r for k, r in each["Refund"].items() if r["order_id"] not in forgotten
        }
    for table in ours:
        assert ours[table].keys() == clean[table].keys(), table
        differing = [
            k for k in ours[table]
            if ours[table][k] != clean[table][k] and (k[0][0], k[2]) not in weekly
        ]
        shown = [(k, {n: (v, clean[table][k][n]) for n, v in ours[table][k].items()
                      if v != clean[table][k][n]}) for k in differing]
        assert differing == [], (
            table, len(differing), sorted({str(k[2]) for k in differing}), shown[:2], shown[-2:]
        )
    assert sum(map(len, ours.values())) > 1000
    assert set(seen) > {RunState.SUCCEEDED}  # there was trouble
    with app.db.read() as session:
        mine = session.exec(select(Connection.id).where(Connection.org_id == org_id)).all()
        assert ends.count(RunState.SUCCEEDED) == len(mine)
        runs = session.exec(select(SyncRun).where(SyncRun.org_id == org_id)).all()
    assert all(
        r.rows_read == r.rows_written + r.rows_updated + r.rows_unchanged + r.rows_rejected
        for r in runs
    )
    print(f"{len(runs)} runs, {sizes[2]:.0f} MB after 3 days, {sizes[-1]:.0f} MB after {DAYS}")
    assert sizes[-1] < sizes[2] * 1.3 + 40
