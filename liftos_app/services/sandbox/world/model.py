"""Demand, spend and what spend causes, per region and day, as numpy tables from the epoch on.

Spend follows demand as marketers' budgets do, so spend and sales move together for reasons that
are not effects: dividing one by the other does not give the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from liftos_app.services.sandbox.world.noise import Floats, Ints, Noise
from liftos_app.services.sandbox.world.plan import (
    BASE_ORDERS,
    CHANNELS,
    EMAIL,
    EPOCH,
    GROWTH,
    PRICE_ELASTICITY,
    PRICE_RISE,
    REGIONS,
    Channel,
    price_step,
    promotions,
)
from liftos_app.services.sandbox.world.shapes import Intervention

# Monday to Sunday.
_WEEK = {
    "US": (1.03, 0.98, 0.96, 0.97, 0.98, 1.0, 1.08),
    "EU": (1.0, 0.97, 0.96, 0.98, 0.97, 0.99, 1.13),
}
SHARES = np.array([r.share for r in REGIONS]) / sum(r.share for r in REGIONS)


@dataclass(frozen=True, slots=True)
class Model:
    """Tables [channel, region, day] or [region, day]; day 0 is the epoch.

    `planned` and `spend` are USD before and after interventions; `rate` the expected incremental
    orders, `caused` the ones that happened; `base` the orders that needed no marketing.
    """

    days: int
    demand: Floats
    price: Floats
    planned: Floats
    spend: Floats
    rate: Floats
    caused: Ints
    base_rate: Floats
    base: Ints
    tests: Ints  # [day], staff orders, not business


def simulate(
    noise: Noise,
    days: int,
    *,
    volume: float,
    interventions: Sequence[Intervention] = (),
) -> Model:
    """The whole advertiser for days 0..days-1. A longer run begins with the same figures."""
    demand = _demand(noise, days)
    price = np.array([PRICE_RISE ** price_step(EPOCH + timedelta(days=d)) for d in range(days)])
    base_rate = BASE_ORDERS * volume * SHARES[:, None] * demand * (price**PRICE_ELASTICITY)[None, :]
    shape = (len(CHANNELS), len(REGIONS), days)
    planned, spend, rate = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for index, channel in enumerate(CHANNELS):
        if channel.live_from is None:
            continue
        push = _push(noise, index, channel, demand)  # 1 = as planned
        scaled = push * _scale(channel, days, interventions)
        usd = channel.daily_usd * volume * SHARES[:, None]
        planned[index], spend[index] = push * usd, scaled * usd
        rate[index] = _response(noise, index, channel, scaled, demand) * volume
    region = np.arange(len(REGIONS))[:, None]
    day = np.arange(days)[None, :]
    caused = np.zeros(shape, dtype=np.int64)
    for index in range(len(CHANNELS)):
        caused[index] = noise.poisson(rate[index], "caused", index, region, day)
    tests = noise.poisson(np.full(days, 0.15), "tests", np.arange(days))
    return Model(
        days,
        demand,
        price,
        planned,
        spend,
        rate,
        caused,
        base_rate,
        noise.poisson(base_rate, "base", region, day),
        tests,
    )


def day_number(day: date) -> int:
    """Days since the epoch."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """The day of a number."""
    return EPOCH + timedelta(days=int(number))


def _demand(noise: Noise, days: int) -> Floats:
    """Demand by region and day, about 1 on an average day of the first year."""
    day = np.arange(days)
    dates = [day_of(d) for d in range(days)]
    season = np.empty(days)
    for d, one in enumerate(dates):
        angle = 2 * np.pi * (one.timetuple().tm_yday - 335) / 365.25
        season[d] = 1 + 0.09 * np.cos(angle) + 0.04 * np.cos(2 * angle)
    for year in range(EPOCH.year, dates[-1].year + 1):
        for promo in promotions(year):
            first, last = day_number(promo.first), day_number(promo.last)
            season[max(0, first) : max(0, last + 1)] *= promo.pull
            season[max(0, last + 1) : max(0, last + 6)] *= 1 - (promo.pull - 1) * 0.25
    trend = (1 + GROWTH) ** (day / 365.25)
    common = noise.walk("demand", days, keep=0.85, sd=0.035)[:, 0]
    own = noise.walk("demand/region", days, keep=0.6, sd=0.05, series=np.arange(len(REGIONS))).T
    weekday = np.array([one.weekday() for one in dates])
    table = season * trend * np.exp(common)
    return np.array(
        [table * np.array(_WEEK[r.market])[weekday] * np.exp(own[i]) for i, r in enumerate(REGIONS)]
    )


def _push(noise: Noise, index: int, channel: Channel, demand: Floats) -> Floats:
    """Spend by region and day in units of the plan, before interventions."""
    days = demand.shape[1]
    region, day = np.arange(len(REGIONS))[:, None], np.arange(days)[None, :]
    if index == EMAIL:
        return _sends(noise, demand)
    follow = demand**channel.follow
    weekly = noise.factor(0.22, "budget", index, day // 7)
    daily = noise.factor(0.07, "pace", index, region, day)
    tilt = noise.factor(0.15, "tilt", index, region)
    return np.asarray(follow * weekly * daily * tilt)


def _sends(noise: Noise, demand: Floats) -> Floats:
    """E-mail costs no media: its push is the mailing of Tuesday and Friday and the flows' hum."""
    days = demand.shape[1]
    weekday = np.array([day_of(d).weekday() for d in range(days)])
    mailing = np.where(weekday == 1, 2.4, np.where(weekday == 4, 2.1, 0.0))
    hum = 0.35 * demand
    return np.asarray(hum + mailing[None, :] * noise.factor(0.15, "mailing", np.arange(days)))


def _scale(channel: Channel, days: int, interventions: Sequence[Intervention]) -> Floats:
    scale = np.ones((len(REGIONS), days))
    for one in interventions:
        if one.channel != channel.id:
            continue
        rows = [i for i, r in enumerate(REGIONS) if not one.regions or r.id in one.regions]
        first, last = max(0, day_number(one.start)), max(0, day_number(one.end) + 1)
        scale[np.ix_(rows, range(min(first, days), min(last, days)))] *= one.scale
    return scale


def _response(
    noise: Noise,
    index: int,
    channel: Channel,
    push: Floats,
    demand: Floats,
) -> Floats:
    """Expected incremental orders: geometric adstock, then a Hill curve, then the true effect."""
    stock = np.empty_like(push)
    level = push[:, 0].copy()
    for day in range(push.shape[1]):
        level = channel.carry * level + (1 - channel.carry) * push[:, day]
        stock[:, day] = level
    powered = stock**channel.slope
    curve = powered / (powered + channel.knee**channel.slope)
    at_plan = 1 / (1 + channel.knee**channel.slope)
    region = np.arange(len(REGIONS))
    effect = noise.factor(0.18, "effect", index, region)
    effect = effect * np.array([channel.eu_effect if r.market == "EU" else 1.0 for r in REGIONS])
    orders = channel.orders * SHARES * effect / at_plan
    return np.asarray(orders[:, None] * curve * np.sqrt(demand))
