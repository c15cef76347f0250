"""The world's own figures in the form in which a warehouse's tables bring them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.warehouse import CHANNELS, PLATFORMS, loaded_at
from liftos_app.services.sandbox.world import SHOP_ZONE
from tests.sandbox_server import RunningSandbox

CENT = 10_000
FIGURES = ("spend_micros", "impressions", "clicks", "conversions_micros", "value_micros")


def marketing(
    box: RunningSandbox, currency: str, first: date, last: date
) -> dict[tuple[str, str], tuple[int, ...]]:
    """(campaign with its channel, day) -> figures, of the accounts of one currency."""
    at = loaded_at(box.clock())
    found = {}
    for platform in PLATFORMS:
        for account in box.world.accounts(platform):
            if not account.market or account.currency != currency:
                continue
            for r in box.world.ad_days(account.id, first, last, as_of=at, level="campaign"):
                found[f"{CHANNELS[platform]}/{r.campaign_id}", r.day.isoformat()] = (
                    r.spend, r.impressions, r.clicks, r.conversions * CENT, r.value,
                )
    return found


def orders_now(box: RunningSandbox) -> dict[str, tuple[Any, ...]]:
    """All orders that the loader keeps now."""
    return orders(box, date.min, date.max)


def orders(box: RunningSandbox, first: date, last: date) -> dict[str, tuple[Any, ...]]:
    """Order id -> day, totals in micro-units and status, for days of the shop."""
    at, zone = loaded_at(box.clock()), ZoneInfo(SHOP_ZONE)
    ids = box.world.find_orders(as_of=at, created=(at - timedelta(days=100), at))
    found = {}
    for o in box.world.orders(ids, as_of=at):
        day = o.processed_at.astimezone(zone).date()
        if first <= day <= last:
            cents = (o.total, o.subtotal, o.discounts, o.shipping, o.tax, o.refunded)
            found[str(o.id)] = (day.isoformat(), *(c * CENT for c in cents), o.test)
    return found


def order_figures(row: dict[str, Any]) -> tuple[Any, ...]:
    """The same of a row."""
    return (
        row["day"], row["gross_micros"], row["subtotal_micros"], row["discount_micros"],
        row["shipping_micros"], row["tax_micros"], row["refunded_micros"], row["is_test"],
    )


def by_day(found: dict[tuple[str, str], tuple[int, ...]]) -> dict[str, int]:
    """Spend in micro-units by day."""
    sums: dict[str, int] = defaultdict(int)
    for (_, day), figures in found.items():
        sums[day] += figures[0]
    return dict(sums)
