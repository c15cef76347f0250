"""The shop's orders as numpy columns: who bought what, when, why, and what came back.

One row per order, in the order of time. The hidden column `cause` says which channel brought it
(-1 nobody, -2 a staff test); only truth.py and the mail attribution read it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world import catalog
from liftos_app.services.sandbox.world.model import SHARES, Model, day_of
from liftos_app.services.sandbox.world.noise import Floats, Ints, Noise
from liftos_app.services.sandbox.world.plan import (
    CHANNELS,
    REGIONS,
    SHOP_ZONE,
    price_step,
    promotions,
)

NOBODY, TEST = -1, -2
NEVER: Final = 2**62
FIRST_ORDER: Final = 5_810_000_000_000
FIRST_CUSTOMER: Final = 7_100_000_000_000
LINES: Final = 3
ORDERS_A_DAY: Final = 85.0
_TEST_REGION: Final = next(i for i, r in enumerate(REGIONS) if r.id == "US-NY")
_US: Final = np.array([r.market == "US" for r in REGIONS])


@dataclass(frozen=True, slots=True)
class Sales:
    """Columns; times in unix seconds (NEVER when it does not happen), money in cents of USD."""

    id: Ints
    day: Ints  # shop-local
    region: Ints
    cause: Ints
    slot: Ints  # with cause, region and day the key of every draw
    created: Ints
    fulfilled: Ints
    cancelled: Ints
    refunded_at: Ints
    refund_whole: Ints  # 1: all lines, 0: the first line
    root: Ints  # row of the customer's first order
    index: Ints  # 1 = first order of the customer
    variant: Ints  # [row, line], -1 none
    quantity: Ints  # [row, line]
    price: Ints  # [row, line]
    discount: Ints  # [row, line]
    tax: Ints  # [row, line]
    percent: Ints  # of the discount code, 0 none
    shipping: Ints
    subtotal: Ints
    total: Ints
    refund_subtotal: Ints
    refund_tax: Ints
    refund_shipping: Ints
    pos: Ints  # 1: sold over the counter

    @property
    def refund_total(self) -> Ints:
        """What was given back, 0 for most."""
        return self.refund_subtotal + self.refund_tax + self.refund_shipping

    def updated(self, moment: int) -> Ints:
        """When each order changed last, as of a moment."""
        latest = self.created.copy()
        for column in (self.fulfilled, self.cancelled, self.refunded_at):
            np.maximum(latest, np.where(column <= moment, column, 0), out=latest)
        return latest

    def pick(self, order: Ints) -> Sales:
        """The same columns in another order."""
        return Sales(**{f.name: getattr(self, f.name)[order] for f in fields(self)})


def build(noise: Noise, model: Model, *, volume: float) -> Sales:
    """Every order of the model's days."""
    cause, region, day, slot = _keys(model)
    at = (cause + 2, region, day, slot)
    us = _US[region]
    created = _times(noise, at, day, us, model.days)
    sequence = np.lexsort((slot, cause, region, created))
    cause, region, day, slot = (x[sequence] for x in (cause, region, day, slot))
    at, us, created = (cause + 2, region, day, slot), us[sequence], created[sequence]
    root, index = _customers(noise, at, cause, region, volume)
    lines = _lines(noise, at, day, index)
    subtotal = (lines["quantity"] * lines["price"] - lines["discount"]).sum(axis=1)
    rate = np.array([r.tax_percent for r in REGIONS])[region]
    net = lines["quantity"] * lines["price"] - lines["discount"]
    lines["tax"] = np.rint(net * rate[:, None] / 100).astype(np.int64)
    pos = (noise.uniform("pos", *at) < 0.15) & (region == _TEST_REGION) & (cause == NOBODY)
    shipping = np.where(pos | (subtotal >= 7_500), 0, np.where(us, 795, 1_290))
    after = _aftermath(noise, at, created, pos, cause)
    whole, back = after["refund_whole"] == 1, after["refunded_at"] < NEVER
    cancelled = after["cancelled"] < NEVER
    refund_subtotal = np.where(whole, subtotal, net[:, 0]) * back
    refund_tax = np.where(whole, lines["tax"].sum(axis=1), lines["tax"][:, 0]) * back
    start = np.searchsorted(day, np.arange(model.days))
    return Sales(
        id=FIRST_ORDER + day * 10_000 + (np.arange(len(day)) - start[day]) + 1,
        day=day,
        region=region,
        cause=cause,
        slot=slot,
        created=created,
        root=root,
        index=index,
        shipping=shipping,
        subtotal=subtotal,
        total=subtotal + shipping + lines["tax"].sum(axis=1),
        refund_subtotal=refund_subtotal,
        refund_tax=refund_tax,
        refund_shipping=shipping * cancelled,
        pos=pos.astype(np.int64),
        **lines,
        **after,
    )


def _keys(model: Model) -> tuple[Ints, Ints, Ints, Ints]:
    """cause, region, day and slot of each order, from the counts."""
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []
    tables = [(NOBODY, model.base)] + [(i, model.caused[i]) for i in range(len(CHANNELS))]
    tests = np.zeros_like(model.base)
    tests[_TEST_REGION] = model.tests
    for cause, counts in [*tables, (TEST, tests)]:
        flat = counts.ravel()
        cell = np.repeat(np.arange(flat.size), flat)
        slot = np.arange(len(cell)) - np.repeat(np.cumsum(flat) - flat, flat)
        region, day = np.divmod(cell, model.days)
        parts.append((np.full(len(cell), cause, dtype=np.int64), region, day, slot))
    cause, region, day, slot = (np.concatenate(column) for column in zip(*parts, strict=True))
    return cause, region, day, slot


def _times(noise: Noise, at: tuple[Ints, ...], day: Ints, us: Any, days: int) -> Ints:
    """Moments within the shop's day; Europeans buy while New York has its morning."""
    place = ZoneInfo(SHOP_ZONE)
    opens = np.array(
        [
            int(datetime.combine(day_of(d), datetime.min.time(), place).timestamp())
            for d in range(days + 1)
        ]
    )
    u = noise.uniform("time", *at)
    american = 0.30 + 0.68 * u**0.8
    european = 0.06 + 0.62 * u
    share = np.where(us, american, european)
    length = opens[day + 1] - opens[day]
    return np.asarray(opens[day] + np.floor(share * (length - 1)).astype(np.int64))


def _customers(
    noise: Noise,
    at: tuple[Ints, ...],
    cause: Ints,
    region: Ints,
    volume: float,
) -> tuple[Ints, Ints]:
    """The first order of each order's customer, and which order of theirs it is.

    A returning order points at an earlier order of the same region, some weeks back in its queue;
    following the pointers to their end gives the customer.
    """
    rows = np.arange(len(region))
    fresh = np.array([*(c.new_customers for c in CHANNELS), 1.0, 0.55])  # [-2], [-1]: tests, base
    returning = noise.uniform("returning", *at) > fresh[cause]
    by_region = np.lexsort((rows, region))
    first = np.searchsorted(region[by_region], np.arange(len(REGIONS)))
    place = np.empty_like(rows)
    place[by_region] = rows - first[region[by_region]]
    per_day = np.maximum(0.5, SHARES[region] * ORDERS_A_DAY * volume)
    gap = 1 + np.floor(-np.log(noise.uniform("gap", *at)) * 75 * per_day).astype(np.int64)
    earlier = place - gap
    returning &= earlier >= 0
    parent = np.where(returning, by_region[np.maximum(0, first[region] + earlier)], rows)
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            break
        parent = further
    together = np.lexsort((rows, parent))
    starts = np.flatnonzero(np.diff(parent[together], prepend=-1))
    counts = np.diff(np.append(starts, len(rows)))
    index = np.empty_like(rows)
    index[together] = rows - np.repeat(starts, counts) + 1
    return parent, index


def _lines(noise: Noise, at: tuple[Ints, ...], day: Ints, index: Ints) -> dict[str, Ints]:
    """What is in the basket, at the prices and with the code of its day."""
    weights = np.cumsum(catalog.weights())
    steps = np.array([price_step(day_of(d)) for d in range(int(day.max()) + 1)])
    percent, promo_share = _codes(int(day.max()) + 1)
    u = noise.uniform("code", *at)
    code = np.where(u < promo_share[day], percent[day], 0)
    code = np.where((code == 0) & (index == 1) & (u > 0.88), 10, code)
    many = noise.uniform("lines", *at)
    count = 1 + (many > 0.60).astype(np.int64) + (many > 0.88)
    slots = np.arange(LINES)[None, :]
    wide = tuple(x[:, None] for x in at)
    there = slots < count[:, None]
    variant = np.searchsorted(weights, noise.uniform("variant", *wide, slots)).clip(
        0, len(weights) - 1
    )
    quantity = 1 + (noise.uniform("quantity", *wide, slots) > 0.84)
    price = catalog.prices()[steps[day][:, None], variant]
    discount = np.floor(quantity * price * code[:, None] / 100 + 0.5).astype(np.int64)
    return {
        "variant": np.where(there, variant, -1),
        "quantity": quantity * there,
        "price": price * there,
        "discount": discount * there,
        "percent": code,
    }


def _codes(days: int) -> tuple[Ints, Floats]:
    """Percent of the code in force on each day, and the share of buyers who use it."""
    percent, share = np.zeros(days, dtype=np.int64), np.zeros(days)
    for year in range(day_of(0).year, day_of(days).year + 1):
        for promo in promotions(year):
            first = max(0, (promo.first - day_of(0)).days)
            last = max(0, (promo.last - day_of(0)).days + 1)
            percent[first:last], share[first:last] = promo.percent, 0.72
    return percent, share


def code_of(day: int, percent: int) -> str:
    """The discount code of an order of this day with this percentage."""
    one = day_of(day)
    for promo in promotions(one.year):
        if promo.first <= one <= promo.last and promo.percent == percent:
            return promo.code
    return f"WELCOME{percent}"


def _aftermath(
    noise: Noise,
    at: tuple[Ints, ...],
    created: Ints,
    pos: Any,
    cause: Ints,
) -> dict[str, Ints]:
    """Cancelled within a day (1.5 %), sent within three, returned within a month (7.5 %)."""
    hour = 3_600
    cancel = (noise.uniform("cancel", *at) < 0.015) & ~pos & (cause != TEST)
    cancelled = created + np.floor(hour * (0.5 + 28 * noise.uniform("cancel/t", *at)))
    sent = created + np.floor(hour * (5 + 60 * noise.uniform("sent", *at)))
    sent = np.where(pos, created + 30, sent)
    back = (noise.uniform("return", *at) < 0.075) & ~cancel & (cause != TEST)
    wait = 4 + 22 * noise.uniform("return/t", *at) ** 1.5
    returned = sent + np.floor(24 * hour * wait)
    whole = cancel | (noise.uniform("return/all", *at) < 0.45)
    return {
        "cancelled": np.where(cancel, cancelled, NEVER).astype(np.int64),
        "fulfilled": np.where(cancel, NEVER, sent).astype(np.int64),
        "refunded_at": np.where(cancel, cancelled + 2, np.where(back, returned, NEVER)).astype(
            np.int64
        ),
        "refund_whole": whole.astype(np.int64),
    }


def local_day(seconds: Ints) -> Ints:
    """The shop-local day number of moments; NEVER stays far in the future."""
    found = np.full(seconds.shape, NEVER, dtype=np.int64)
    real = seconds < NEVER
    if not real.any():
        return found
    place = ZoneInfo(SHOP_ZONE)
    last = day_of(0) + timedelta(days=int((seconds[real].max() - _EPOCH_SECONDS) // 86_400) + 2)
    opens = []
    day = day_of(0)
    while day <= last:
        opens.append(int(datetime.combine(day, datetime.min.time(), place).timestamp()))
        day += timedelta(days=1)
    found[real] = np.searchsorted(np.array(opens), seconds[real], side="right") - 1
    return found


_EPOCH_SECONDS: Final = int(
    datetime.combine(day_of(0), datetime.min.time(), ZoneInfo("UTC")).timestamp()
)
