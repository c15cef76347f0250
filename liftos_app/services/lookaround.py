"""`liftos demo`: the look-around without a browser: serve the sandbox, connect, sync, add up."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlmodel import Session, func, select

from liftos_app.config import Settings
from liftos_app.errors import Unavailable
from liftos_app.models import (
    Account,
    Connection,
    FactDaily,
    MailFact,
    Order,
    Organization,
    Payment,
    Refund,
    Role,
)
from liftos_app.models.facts import Level
from liftos_app.services import boot, demo, sync, upkeep
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.format import money
from liftos_app.services.sync.engine import SyncEngine

WHO = Principal(kind="operator", name="liftos demo", role=Role.SUPER_ADMIN)


def run(settings: Settings) -> Iterator[str]:
    """Connect and sync the sandbox's platforms; yields lines for people. Raises LiftOSError."""
    local = dataclasses.replace(settings, port=_free_port(), host="127.0.0.1")
    local = dataclasses.replace(
        local, public_url=f"http://127.0.0.1:{local.port}", public_url_given=False
    )
    held = boot.hold_alone(local)
    app = boot.build_app(local)
    try:
        org_id = _organization(app)
        with serve_sandbox(app):
            engine = SyncEngine(app)
            for found in demo.look_around(app, WHO, org_id, origin=local.public_url):
                if found.error:
                    yield f"{found.name}: not connected. {found.error}"
                    continue
                run_id = found.run_id
                if run_id is None and found.connection_id is not None:
                    with open_context(app, WHO, org_id, write=True) as ctx:
                        run_id = sync.request(ctx, found.connection_id).id
                assert run_id is not None  # noqa: S101  (a connected platform has a run)
                began = time.monotonic()
                state = engine.run(run_id)
                yield from _told(
                    app, org_id, found.name, run_id=run_id, state=state,
                    seconds=time.monotonic() - began,
                )
            upkeep.after_sync(app, org_id)  # once, over all of them
        yield from totals(app, org_id)
    finally:
        app.db.close()
        if held is not None:
            held.close()


@contextmanager
def serve_sandbox(app: App) -> Iterator[None]:
    """The sandbox on the port of `app.settings`, in a thread with its own event loop."""
    from granian.constants import Interfaces
    from granian.server.embed import Server
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from liftos_app.services.sandbox.server import create_app

    box = create_app(
        clock=app.now, control_token=app.vault.token_hash("sandbox control"),
        state_path=app.settings.home / "sandbox.json",
    )
    site = Starlette(routes=[Mount("/sandbox", app=box)])
    server: Any = Server(
        site, address="127.0.0.1", port=app.settings.port, interface=Interfaces.ASGINL,
        log_enabled=False,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve()), name="sandbox", daemon=True
    )
    thread.start()
    try:
        _wait_for(app.settings.port)
        yield
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)


def totals(app: App, org_id: int) -> Iterator[str]:
    """What is stored, per connection and account: rows, days, money in the account's currency."""
    with app.db.read() as session:
        rows = session.exec(
            select(Connection, Account).where(
                Connection.org_id == org_id, Account.org_id == org_id,
                Account.connection_id == Connection.id, Account.selected,
            )
        ).all()
        for connection, account in rows:
            for words in _sums(session, org_id, account):
                yield f"{connection.name}, {account.name}: {words}"


def _sums(session: Session, org_id: int, account: Account) -> Iterator[str]:
    facts = session.exec(
        select(
            func.count(), func.sum(FactDaily.spend_micros), func.sum(FactDaily.value_micros),
            func.min(FactDaily.day),
        ).where(
            FactDaily.org_id == org_id, FactDaily.account_key == account.key,
            FactDaily.level == int(Level.CAMPAIGN),
        )
    ).one()
    if facts[0]:
        yield (
            f"{facts[0]:,} campaign days since {facts[3]}, spend "
            f"{_money(facts[1], account)}, claimed value "
            f"{_money(facts[2], account)}"
        )
    orders = session.exec(
        select(func.count(), func.sum(Order.subtotal_micros), func.min(Order.day)).where(
            Order.org_id == org_id, Order.account_key == account.key, Order.is_test == False  # noqa: E712
        )
    ).one()
    if orders[0]:
        back = session.exec(
            select(func.sum(Refund.goods_micros)).where(
                Refund.org_id == org_id, Refund.account_key == account.key
            )
        ).one()
        yield (
            f"{orders[0]:,} orders since {orders[2]}, goods sold "
            f"{_money(orders[1], account)}, goods returned "
            f"{_money(back, account)}"
        )
    mails = session.exec(
        select(func.count(), func.sum(MailFact.recipients)).where(
            MailFact.org_id == org_id, MailFact.account_key == account.key
        )
    ).one()
    if mails[0]:
        yield f"{mails[0]:,} message results, {int(mails[1] or 0):,} recipients"
    yield from _payments(session, org_id, account)


def _payments(session: Session, org_id: int, account: Account) -> Iterator[str]:
    """What reached a payment account, per currency of its balance; payouts only move it on."""
    found = session.exec(
        select(
            Payment.currency, func.count(), func.sum(Payment.net_micros), func.min(Payment.day)
        ).where(
            Payment.org_id == org_id, Payment.account_key == account.key,
            Payment.kind == "balance_entry", Payment.category != "payout",
            Payment.is_test == False,  # noqa: E712
        ).group_by(Payment.currency)
    ).all()
    for currency, number, net, day in found:
        left = money(Decimal(int(net or 0)) / 1_000_000, currency)
        yield f"{number:,} movements of the balance since {day}, {left} after fees and refunds"


def _money(micros: int | None, account: Account) -> str:
    return money(Decimal(int(micros or 0)) / 1_000_000, account.currency)


def _told(
    app: App, org_id: int, name: str, *, run_id: Any, state: str, seconds: float
) -> Iterator[str]:
    with open_context(app, WHO, org_id) as ctx:
        done = sync.get(ctx, run_id)
        yield (
            f"{name}: {state}, {done.rows_read:,} rows read in {seconds:.1f} s, "
            f"{done.rows_written:,} new, {done.rows_rejected:,} rejected"
        )
        if done.cause:
            yield f"  {done.cause.get('what', '')} {done.cause.get('why', '')}".rstrip()


def _organization(app: App) -> int:
    with app.db.write() as session:
        found = session.exec(select(Organization).order_by(Organization.id)).first()  # type: ignore[arg-type]
        if found is None:
            found = Organization(
                name="Larkspur Home", time_zone="America/New_York", created_at=app.now()
            )
            session.add(found)
            session.flush()
        assert found.id is not None  # noqa: S101  (flushed rows have ids)
        return found.id


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise Unavailable(
        "The sandbox did not start.", why="Its port does not answer.", fix="Try again."
    )
