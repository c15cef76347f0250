"""What the invented world says, to hold beside what LiftOS stored. Settled days only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import func, select

from liftos_app.db import Database
from liftos_app.models import Account, Connection, FactDaily, Order, Refund
from liftos_app.models.facts import Level
from liftos_app.services.sandbox.world import World

SEED = 7  # what the server's sandbox is made with


@dataclass(frozen=True)
class Span:
    """Days, both inclusive, old enough that no platform changes them."""

    start: dt.date
    end: dt.date
    now: dt.datetime

    @classmethod
    def settled(cls) -> Span:
        now = dt.datetime.now(dt.UTC)
        return cls(now.date() - dt.timedelta(days=75), now.date() - dt.timedelta(days=45), now)


def expected_ads(span: Span) -> dict[str, tuple[int, int, int, int, int]]:
    """Impressions, clicks, spend, conversions and value in micro-units, by account id."""
    world = World(seed=SEED, today=span.now.date())
    found = {}
    for platform in ("meta_business", "google_ads"):
        for account in world.accounts(platform):
            if account.manager or account.status != "active":
                continue
            t = world.ad_totals(account.id, span.start, span.end, as_of=span.now)
            found[account.id] = (
                t.impressions, t.clicks, t.spend, t.conversions * 10_000, t.value
            )
    return found


def stored_ads(home: Path, span: Span) -> dict[str, tuple[int, int, int, int, int]]:
    """The same, from the database, at campaign level."""
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    columns = (
        FactDaily.impressions, FactDaily.clicks, FactDaily.spend_micros,
        FactDaily.conversions_micros, FactDaily.value_micros,
    )
    with database.read() as session:
        rows = session.exec(
            select(Account.external_id, *(func.sum(func.coalesce(c, 0)) for c in columns))
            .join(FactDaily, FactDaily.account_key == Account.key)
            .join(Connection, Connection.id == Account.connection_id)
            .where(
                FactDaily.level == int(Level.CAMPAIGN), FactDaily.day >= span.start,
                FactDaily.day <= span.end,
                Connection.platform.in_(("meta_business", "google_ads")),
            )
            .group_by(Account.external_id)
        ).all()
    database.close()
    return {account: tuple(int(v) for v in values) for account, *values in rows}


def expected_store(span: Span) -> tuple[int, int, int]:
    """Goods sold, charged and returned in micro-units, test orders left out."""
    total = World(seed=SEED, today=span.now.date()).store_total(
        span.start, span.end, as_of=span.now
    )
    return total.subtotal * 10_000, total.gross * 10_000, total.refund_subtotal * 10_000


def stored_store(home: Path, span: Span) -> tuple[int, int, int]:
    """The same, from the database."""
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    with database.read() as session:
        sold, charged = session.exec(
            select(func.sum(Order.subtotal_micros), func.sum(Order.gross_micros)).where(
                Order.day >= span.start, Order.day <= span.end, Order.is_test == False  # noqa: E712
            )
        ).one()
        back = session.exec(
            select(func.sum(Refund.goods_micros)).where(
                Refund.day >= span.start, Refund.day <= span.end
            )
        ).one()
    database.close()
    return int(sold), int(charged), int(back or 0)
