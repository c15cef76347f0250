"""Stripe through the real engine into both databases: everything once, and nothing of people."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import func, select

from liftos_app import config
from liftos_app.db import Database
from liftos_app.models import (
    Account,
    CheckResult,
    ConnectionStatus,
    Coverage,
    Organization,
    Payment,
    RunState,
    SourceRecord,
    SyncRun,
)
from liftos_app.services import connections, sync
from liftos_app.services.context import App, job_principal, open_context
from liftos_app.services.metrics import query
from liftos_app.services.metrics.question import Question
from liftos_app.services.quality import runner
from liftos_app.services.sandbox.credentials.stripe import DEMO
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.vault import Vault
from tests.conftest import Clock
from tests.sandbox_server import RunningSandbox, running_sandbox

DAYS = 10
KINDS = {
    "balance_entry": "entry", "charge": "charge", "payment_intent": "intent", "refund": "refund",
    "invoice": "invoice", "subscription": "subscription", "dispute": "dispute", "payout": "payout",
}  # fmt: skip
WHO = job_principal("test")


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def app(
    database_url: str, make_settings: Callable[..., config.Settings], clock: Clock,
    box: RunningSandbox,
) -> Iterator[App]:
    box.reset()
    settings = make_settings(
        DATABASE_URL=database_url, LIFTOS_BASE_URL_STRIPE=box.platform("stripe")
    )
    made = App(
        settings=settings, db=Database(settings.database_url), vault=Vault(settings.master_keys),
        now=clock,
    )
    with made.db.write() as session:
        made.vault.boot_check(session)
    yield made
    made.db.close()


@pytest.fixture
def org_id(app: App) -> int:
    with app.db.write() as session:
        org = Organization(name="Kite", created_at=app.now())
        session.add(org)
        session.flush()
        assert org.id is not None
        return org.id


def connect(app: App, org_id: int) -> tuple[UUID, UUID]:
    """A connection by key with everything chosen, and its first run."""
    made = connections.create_connected(
        app, WHO, org_id, "stripe", method="restricted_key", mode="live",
        inputs=dict(DEMO["restricted_key"]),
        wishes=connections.Wishes(accounts="all", history_days=DAYS, start=True),
    )
    assert made.run_id is not None
    assert made.missing_scopes == ()
    return made.connection_id, made.run_id


def stored(app: App) -> dict[str, list[Payment]]:
    with app.db.read() as session:
        found: dict[str, list[Payment]] = {}
        for row in session.exec(select(Payment).order_by(Payment.external_id)):
            found.setdefault(row.kind, []).append(row)
        session.expunge_all()
    return found


def again(app: App, org_id: int, connection_id: UUID) -> SyncRun:
    with open_context(app, WHO, org_id, write=True) as ctx:
        run_id = sync.request(ctx, connection_id).id
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    with app.db.read() as session:
        return session.get_one(SyncRun, run_id)


def test_a_sync_brings_the_worlds_payments_once_and_a_second_changes_nothing(
    app: App, org_id: int, box: RunningSandbox, clock: Clock
) -> None:
    connection_id, run_id = connect(app, org_id)
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    view = box.world.payments(as_of=box.clock())
    first = (clock() - timedelta(days=DAYS, hours=5)).replace(hour=5, minute=0)  # 00:00 there
    rows = stored(app)
    assert set(rows) == set(KINDS)
    for kind, name in KINDS.items():
        keys: Any = view.keys(name, since=first)  # type: ignore[arg-type]
        assert len(rows[kind]) == len(keys), kind
    days = view.days(first.date(), clock().date())
    entries = [r for r in rows["balance_entry"] if r.category != "payout"]
    assert sum(r.net_micros or 0 for r in entries) == sum(d.net for d in days) * 10_000

    run = again(app, org_id, connection_id)
    assert (run.rows_written, run.rows_updated, run.rows_rejected) == (0, 0, 0)
    assert run.rows_unchanged == run.rows_read > 0
    before = {k: [r.external_id for r in v] for k, v in rows.items()}
    assert {k: [r.external_id for r in v] for k, v in stored(app).items()} == before


def test_later_changes_reach_stored_rows_and_every_day_is_covered(
    app: App, org_id: int, box: RunningSandbox, clock: Clock
) -> None:
    connection_id, run_id = connect(app, org_id)
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    for part in (clock, box.clock):
        part.advance(days=2)
    run = again(app, org_id, connection_id)
    assert run.rows_updated > 0
    assert run.rows_rejected == 0
    view = box.world.payments(as_of=box.clock())
    for row in stored(app)["charge"]:
        charge = view.charge(int(row.external_id[4:14], 36))
        assert charge
        digits = {"JPY": 6, "KWD": 3}.get(row.currency, 4)
        assert row.refunded_micros == charge.refunded * 10**digits
    with app.db.read() as session:
        covered = dict(session.exec(
            select(Coverage.stream, func.count()).group_by(Coverage.stream)
        ).all())  # fmt: skip
        account = session.exec(select(Account)).one()
    assert set(covered.values()) == {DAYS + 3}
    assert (account.currency, account.time_zone) == ("USD", "America/New_York")


def test_payments_stand_beside_store_revenue_pass_every_check_and_hold_no_person(
    app: App, org_id: int, clock: Clock
) -> None:
    _, run_id = connect(app, org_id)
    assert SyncEngine(app).run(run_id) is RunState.SUCCEEDED
    today = clock().date()
    with open_context(app, WHO, org_id, write=True) as ctx:
        question = Question(start=today - timedelta(days=7), end=today - timedelta(days=1))
        answer = query.totals(ctx, question)
        channels = query.by_channel(ctx, question, ("spend", "revenue"))
        runner.keep(ctx, runner.look(ctx))
    assert {v.amount for v in answer.values.values()} == {None}
    assert [r for r in channels.rows if r.platform == "stripe"] == []
    with app.db.read() as session:
        checks = session.exec(select(CheckResult)).all()
    assert len({c.stream for c in checks}) == len(KINDS)
    assert {(c.check, c.stream, c.result) for c in checks if c.result != "pass"} == {
        (c.check, c.stream, c.result) for c in checks if c.result == "not_applicable"
    }
    assert len([c for c in checks if c.result == "pass"]) > 50
    with app.db.read() as session:
        bodies = list(session.exec(select(SourceRecord.body)))
    assert len(bodies) > 2_000
    kept = b"\n".join(zlib.decompress(body) for body in bodies)
    for word in (
        b"receipt_url", b"hosted_invoice_url", b"invoice_pdf", b"client_secret", b"_secret_",
        b"mail.example", b"Buyer", b"Rose Row", b"last4", b"fingerprint", b"+1555", b"cus_",
        b"203.0.113", b"receipt_email",
    ):  # fmt: skip
        assert word not in kept, word
    assert all(record["id"] for record in json.loads(kept.split(b"\n")[0]))


def test_a_missing_permission_ends_its_stream_alone_and_is_named(
    app: App, org_id: int, box: RunningSandbox
) -> None:
    connection_id, run_id = connect(app, org_id)
    box.trouble.add("missing_scope", "stripe", stream="invoices", count=None)
    assert SyncEngine(app).run(run_id) is RunState.PARTIAL
    rows = stored(app)
    assert set(rows) == set(KINDS) - {"invoice"}
    with open_context(app, WHO, org_id) as ctx:
        connection = connections.get(ctx, connection_id)
        assert connection.cause
        assert "rak_invoice_read" in connection.cause["why"]
        assert connection.cause["cause"] == "permission"
        assert connection.status != ConnectionStatus.NEEDS_REAUTH
