"""What really caused the orders. Only tests and the page that says it shows the simulator's truth
may import this; no imitation of a platform does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from liftos_app.services.sandbox.world import World
from liftos_app.services.sandbox.world.model import day_number, day_of
from liftos_app.services.sandbox.world.noise import Floats, Ints
from liftos_app.services.sandbox.world.plan import CHANNEL_INDEX, CHANNELS, REGIONS
from liftos_app.services.sandbox.world.sales import NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a channel caused in a region on a day, or summed over some of them.

    `orders` happened, `expected` is their expectation; `revenue` is cents of USD of their subtotal
    (before refunds); `spend` is micro-units of USD at the planning rate.
    """

    channel: str
    region: str  # "" when summed
    day: date | None  # None when summed
    orders: int
    expected: float
    revenue: int
    spend: int


@dataclass(frozen=True, slots=True)
class Tables:
    """The truth as arrays [channel, region, day] for measurement; names give the axes."""

    channels: tuple[str, ...]
    regions: tuple[str, ...]
    days: tuple[date, ...]
    orders: Ints
    expected: Floats
    revenue: Ints  # cents
    spend: Floats  # USD
    base_orders: Ints  # [region, day], orders no channel caused
    base_revenue: Ints


def tables(world: World, start: date, end: date) -> Tables:
    """The truth between two days, both included; days follow the shop's time zone."""
    found = world.tables(end)
    model, sales = found.model, found.sales
    first, last = day_number(start), day_number(end) + 1
    shape = (len(CHANNELS), len(REGIONS), last - first)
    inside = (sales.day >= first) & (sales.day < last)
    revenue = np.zeros(shape, dtype=np.int64)
    rows = np.flatnonzero(inside & (sales.cause >= 0))
    np.add.at(
        revenue,
        (sales.cause[rows], sales.region[rows], sales.day[rows] - first),
        sales.subtotal[rows],
    )
    base = np.zeros(shape[1:], dtype=np.int64)
    rows = np.flatnonzero(inside & (sales.cause == NOBODY))
    np.add.at(base, (sales.region[rows], sales.day[rows] - first), sales.subtotal[rows])
    cut = slice(first, last)
    return Tables(
        tuple(c.id for c in CHANNELS),
        tuple(r.id for r in REGIONS),
        tuple(day_of(d) for d in range(first, last)),
        model.caused[:, :, cut],
        model.rate[:, :, cut],
        revenue,
        model.spend[:, :, cut],
        model.base[:, cut],
        base,
    )


def effects(world: World, start: date, end: date) -> list[Effect]:
    """Each live channel, region and day."""
    t = tables(world, start, end)
    return [
        _effect(t, c, region=r, day=d)
        for c in _live()
        for r in range(len(t.regions))
        for d in range(len(t.days))
    ]


def totals(
    world: World,
    start: date,
    end: date,
    *,
    regions: tuple[str, ...] = (),
) -> dict[str, Effect]:
    """Each live channel summed over days and, where none are named, all regions."""
    t = tables(world, start, end)
    rows = [i for i, r in enumerate(t.regions) if not regions or r in regions]
    found = {}
    for c in _live():
        picked = np.ix_([c], rows, range(len(t.days)))
        found[t.channels[c]] = Effect(
            channel=t.channels[c],
            region="",
            day=None,
            orders=int(t.orders[picked].sum()),
            expected=float(t.expected[picked].sum()),
            revenue=int(t.revenue[picked].sum()),
            spend=round(float(t.spend[picked].sum()) * 1_000_000),
        )
    return found


def caused_orders(world: World, channel: str, start: date, end: date) -> int:
    """Orders a channel really caused. Raises KeyError for an unknown channel."""
    return int(tables(world, start, end).orders[CHANNEL_INDEX[channel]].sum())


def _effect(t: Tables, channel: int, *, region: int, day: int) -> Effect:
    at = (channel, region, day)
    return Effect(
        channel=t.channels[channel],
        region=t.regions[region],
        day=t.days[day],
        orders=int(t.orders[at]),
        expected=float(t.expected[at]),
        revenue=int(t.revenue[at]),
        spend=round(float(t.spend[at]) * 1_000_000),
    )


def _live() -> list[int]:
    return [i for i, c in enumerate(CHANNELS) if c.live_from is not None]
