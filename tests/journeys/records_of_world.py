"""Records the invented world holds on some days, and the same from the database, as sums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import func, select

from liftos_app.db import Database
from liftos_app.models import Account, Connection, CrmRecord, FactDaily, Payment
from liftos_app.models.facts import Level
from liftos_app.services.sandbox.world import World
from tests.journeys.world_totals import SEED, SHOP, Span, expected_store, stored_store

CENT = 10_000
Sums = dict[str, tuple[int, ...]]  # of each account: rows first


def moments(span: Span, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """The days of a zone as two moments."""
    after = span.end + dt.timedelta(days=1)
    return dt.datetime.combine(span.start, dt.time(), zone), dt.datetime.combine(
        after, dt.time(), zone
    )


def world_of(span: Span) -> World:
    return World(seed=SEED, today=span.now.date())


def ad_days(*accounts: str, name: str = "") -> Callable[[Span], Sums]:
    """Campaign days with their impressions, clicks and spend, of these accounts."""

    def expected(span: Span) -> Sums:
        found = {}
        for account in accounts:
            days = world_of(span).ad_days(
                account, span.start, span.end, as_of=span.now, level="campaign"
            )
            found[name or account] = (
                len(days), sum(d.impressions for d in days), sum(d.clicks for d in days),
                sum(d.spend for d in days),
            )
        return found

    return expected


def deals(zone: str, account: str) -> Callable[[Span], Sums]:
    """Deals made on these days, and what they are worth."""

    def expected(span: Span) -> Sums:
        made = world_of(span).crm_deals(as_of=span.now, created=moments(span, ZoneInfo(zone)))
        kept = [d for d in made if d.deleted_at is None]
        return {account: (len(kept), CENT * sum(d.amount or 0 for d in kept))}

    return expected


def balance(span: Span) -> Sums:
    """Movements of the payment account's balance: gross and fees."""
    days = world_of(span).payments(as_of=span.now).days(span.start, span.end)
    return {"": (
        sum(sum(d.entries.values()) for d in days),
        CENT * sum(sum(d.amount.values()) for d in days),
        CENT * sum(sum(d.fee.values()) for d in days),
    )}


def orders(span: Span) -> Sums:
    """Orders of the shop, test orders with them in the first figure only."""
    world = world_of(span)
    made = world.orders(
        world.find_orders(as_of=span.now, created=moments(span, SHOP), sort="created"),
        as_of=span.now,
    )
    sold, charged, _ = expected_store(span)
    return {"": (len(made), sold, charged)}


def stored_ad_days(home: Path, platform: str, span: Span) -> Sums:
    """Campaign days of a platform's accounts."""
    f = FactDaily
    return _by_account(
        home, platform, f, (f.impressions, f.clicks, f.spend_micros),
        f.level == int(Level.CAMPAIGN), f.day >= span.start, f.day <= span.end,
    )


def stored_deals(home: Path, platform: str, span: Span) -> Sums:
    """Deals made on these days."""
    c = CrmRecord
    return _by_account(
        home, platform, c, (c.amount_micros,), c.kind == "deal", c.deleted == False,  # noqa: E712
        c.day >= span.start, c.day <= span.end,
    )


def stored_balance(home: Path, platform: str, span: Span) -> Sums:
    """Movements of the balance."""
    p = Payment
    found = _by_account(
        home, platform, p, (p.amount_micros, p.fee_micros), p.kind == "balance_entry",
        p.day >= span.start, p.day <= span.end,
    )
    return {"": next(iter(found.values()))}


def stored_orders(home: Path, platform: str, span: Span) -> Sums:
    """Orders of the shop."""
    from liftos_app.models import Order

    found = _by_account(
        home, platform, Order, (), Order.day >= span.start, Order.day <= span.end
    )
    return {"": (*next(iter(found.values())), *stored_store(home, span)[:2])}


def _by_account(
    home: Path, platform: str, table: type, columns: tuple[object, ...], *where: object
) -> Sums:
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    with database.read() as session:
        rows = session.exec(
            select(
                Account.external_id, func.count(),
                *(func.sum(func.coalesce(c, 0)) for c in columns),
            )
            .join(table, table.account_key == Account.key)  # type: ignore[attr-defined]
            .join(Connection, Connection.id == Account.connection_id)
            .where(Connection.platform == platform, *where)  # type: ignore[arg-type]
            .group_by(Account.external_id)
        ).all()
    database.close()
    return {account: tuple(int(v) for v in values) for account, *values in rows}
