"""What the invented world says, to hold beside what LiftOS stored. Settled days only."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import func, select

from liftos_app.db import Database
from liftos_app.models import Account, Connection, FactDaily, Order, Refund
from liftos_app.models.facts import Level
from liftos_app.services.sandbox.world import World

SEED = 7  # what the server's sandbox is made with
SHOP = ZoneInfo("America/New_York")
ADS = ("meta_business", "google_ads")
OTHER_ADS = ("tiktok_ads", "linkedin_ads", "x_ads")  # claims by windows of their own


@dataclass(frozen=True)
class Span:
    """Days, both inclusive, old enough that no platform changes them."""

    start: dt.date
    end: dt.date
    now: dt.datetime

    @classmethod
    def settled(cls, first: int = 75, last: int = 45) -> Span:
        now = dt.datetime.now(dt.UTC)
        return cls(now.date() - dt.timedelta(days=first), now.date() - dt.timedelta(days=last), now)

    @property
    def length(self) -> int:
        return (self.end - self.start).days + 1


def expected_ads(span: Span, *platforms: str) -> dict[str, tuple[int, ...]]:
    """Rows, impressions, clicks, then spend, conversions and value in micro-units, by account."""
    world = World(seed=SEED, today=span.now.date())
    found = {}
    for platform in platforms or ADS:
        for account in world.accounts(platform):
            if account.manager or account.status != "active":
                continue
            t = world.ad_totals(account.id, span.start, span.end, as_of=span.now)
            rows = world.ad_days(
                account.id, span.start, span.end, as_of=span.now, level="campaign"
            )
            if rows:  # without delivery there are no rows
                found[account.id] = (
                    len(rows), t.impressions, t.clicks, t.spend, t.conversions * 10_000, t.value,
                )
    return found


def stored_ads(home: Path, span: Span) -> dict[str, tuple[int, ...]]:
    """The same, from the database, at campaign level."""
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    columns = (
        FactDaily.impressions, FactDaily.clicks, FactDaily.spend_micros,
        FactDaily.conversions_micros, FactDaily.value_micros,
    )
    with database.read() as session:
        rows = session.exec(
            select(
                Account.external_id, func.count(),
                *(func.sum(func.coalesce(c, 0)) for c in columns),
            )
            .join(FactDaily, FactDaily.account_key == Account.key)
            .join(Connection, Connection.id == Account.connection_id)
            .where(
                FactDaily.level == int(Level.CAMPAIGN), FactDaily.day >= span.start,
                FactDaily.day <= span.end,
                Connection.platform.in_(ADS),
            )
            .group_by(Account.external_id)
        ).all()
    database.close()
    return {account: tuple(int(v) for v in values) for account, *values in rows}


def expected_store(span: Span, *, seen_from: dt.datetime | None = None) -> tuple[int, int, int]:
    """Goods sold, charged and returned in micro-units, test orders left out.

    `seen_from`: the app sees orders from then on only (Shopify shows 60 days unless approved).
    """
    days = _store_days(span, seen_from).values()
    return tuple(10_000 * sum(d[i] for d in days) for i in range(3))  # type: ignore[return-value]


def _store_days(span: Span, seen_from: dt.datetime | None) -> dict[dt.date, tuple[int, int, int]]:
    """Goods sold, charged and returned of each day, in cents."""
    world = World(seed=SEED, today=span.now.date())
    if seen_from is None:
        return {
            d.day: (d.subtotal, d.total, d.refund_subtotal)
            for d in world.store_days(span.start, span.end, as_of=span.now)
        }
    found = {span.start + dt.timedelta(days=n): [0, 0, 0] for n in range(span.length)}
    ids = world.find_orders(as_of=span.now, created=(seen_from, None), sort="created")
    for order in world.orders(ids, as_of=span.now):
        if order.test:
            continue
        sold = found.get(order.processed_at.astimezone(SHOP).date())
        if sold is not None:
            sold[0] += order.subtotal
            sold[1] += order.total
        for refund in order.refunds:
            back = found.get(refund.processed_at.astimezone(SHOP).date())
            if back is not None:
                back[2] += refund.subtotal
    return {day: (a, b, c) for day, (a, b, c) in found.items()}


def expected_days(
    span: Span, *, seen_from: dt.datetime | None = None, currency: str = "USD",
    platforms: tuple[str, ...] = ADS,
) -> list[tuple[str, str, str]]:
    """Day, spend and net sales as Overview's table writes them, newest first.

    Spend of an account in another currency is worth what it was at that day's rate.
    """
    world = World(seed=SEED, today=span.now.date())
    spend: defaultdict[dt.date, Decimal] = defaultdict(Decimal)
    for platform in platforms:
        for account in world.accounts(platform):
            if account.manager or account.status != "active":
                continue
            by_day = world.ad_totals_by_day(account.id, span.start, span.end, as_of=span.now)
            for day, totals in by_day.items():
                spend[day] += _worth(world, totals.spend, account.currency, currency, day)
    sold = {day: a - c for day, (a, _, c) in _store_days(span, seen_from).items()}
    days = [span.end - dt.timedelta(days=n) for n in range(span.length)]
    return [
        (_day(d, span.now), _dollars(spend[d] / 1_000_000), _dollars(Decimal(sold[d]) / 100))
        for d in days
    ]


def sums(days: list[tuple[str, str, str]]) -> tuple[str, str]:
    """Spend and net sales of these days as Overview's tiles write them: whole dollars."""
    spend, sold = (sum((_plain(d[i]) for d in days), Decimal(0)) for i in (1, 2))
    return _dollars(spend, "1"), _dollars(sold, "1")


def _worth(world: World, micros: int, own: str, wanted: str, day: dt.date) -> Decimal:
    if own == wanted:
        return Decimal(micros)
    per_euro = Decimal(1) if wanted == "EUR" else world.last_rate(day, wanted)
    own_per_euro = Decimal(1) if own == "EUR" else world.last_rate(day, own)
    return Decimal(micros) * per_euro / own_per_euro


def _dollars(amount: Decimal, step: str = "0.01") -> str:
    return f"${amount.quantize(Decimal(step), ROUND_HALF_UP):,}"


def _plain(text: str) -> Decimal:
    return Decimal(text.replace("$", "").replace(",", ""))


def _day(day: dt.date, now: dt.datetime) -> str:
    return f"{day.day} {day:%b}" + (f" {day.year}" if day.year != now.year else "")


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


def first_order(home: Path) -> dt.datetime:
    """The oldest order there is: from here on the app sees the shop."""
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    with database.read() as session:
        found = session.exec(select(func.min(Order.processed_at))).one()
    database.close()
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def stored_facts(home: Path) -> int:
    """Daily facts of every level and day."""
    database = Database(f"sqlite:///{home / 'liftos.db'}")
    with database.read() as session:
        found = session.exec(select(func.count()).select_from(FactDaily)).one()
    database.close()
    return int(found)
