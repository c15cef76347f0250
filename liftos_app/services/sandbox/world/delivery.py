"""Delivery tables of one ad account: what each ad will have shown, cost and claimed per day, once
settled, and how a day looked while it was still moving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world.accounts import BY_ID
from liftos_app.services.sandbox.world.campaigns import PLACES, Unit, layout
from liftos_app.services.sandbox.world.model import Model, day_number, day_of
from liftos_app.services.sandbox.world.noise import Floats, Ints, Noise
from liftos_app.services.sandbox.world.plan import (
    CHANNEL_INDEX,
    CHANNELS,
    REGIONS,
    USD_PER_EUR,
)

# Per platform: days until conversions stand still, until cost does, the share of conversions known
# at a day's end, and how fast the rest comes in (days).
SETTLED: Final = {
    "meta_business": 28, "google_ads": 30, "tiktok_ads": 28, "linkedin_ads": 30, "x_ads": 30,
}
COST_MOVES: Final = {
    "meta_business": 3, "google_ads": 7, "tiktok_ads": 2, "linkedin_ads": 3, "x_ads": 3,
}
_FIRST_SHARE: Final = {
    "meta_business": 0.62, "google_ads": 0.55, "tiktok_ads": 0.66, "linkedin_ads": 0.5,
    "x_ads": 0.6,
}
_PACE: Final = {
    "meta_business": 5.0, "google_ads": 7.0, "tiktok_ads": 5.0, "linkedin_ads": 8.0, "x_ads": 6.0,
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """Settled figures [unit, day]. Money in cents of the account's currency."""

    account_id: str
    units: tuple[Unit, ...]
    spend: Ints
    credit: Ints  # cents billed at first and taken back within a week (Google)
    impressions: Ints
    clicks: Ints
    conversions: Ints  # hundredths
    views: Ints  # whole; Google: view-through, the others: 1d_view
    click_1d: Ints
    click_7d: Ints
    click_28d: Ints
    engaged: Ints
    worth: Ints  # cents of one whole conversion in this row
    luck: Floats  # [unit, day], fixed draw used when growing numbers are rounded


def build(noise: Noise, model: Model, account_id: str) -> Delivery:
    """The account's tables over all days of the model."""
    account = BY_ID[account_id]
    units = layout(account_id, day_of(model.days - 1))
    days = np.arange(model.days)
    number = PLACES[account.platform].number
    keys = np.array([number(u.ad.id) for u in units], dtype=np.int64)[:, None]
    rows = [i for i, r in enumerate(REGIONS) if r.market == account.market]
    euro = account.currency == "EUR"
    shape = (len(units), model.days)
    cash, shown, clicked, counts, viewed = (np.zeros(shape) for _ in range(5))
    active = np.array([_active(u, model.days) for u in units])
    for channel_id in sorted({u.campaign.channel for u in units}):
        own = np.array([u.campaign.channel == channel_id for u in units])
        weight = np.array([u.weight for u in units])[:, None] * own[:, None] * active
        share = _shares(noise, weight, keys, days)
        index = CHANNEL_INDEX[channel_id]
        channel = CHANNELS[index]
        usd = model.spend[index][rows].sum(axis=0)
        native = usd / USD_PER_EUR if euro else usd
        cash += share * native[None, :]
        cpm = channel.cpm_usd * (0.8 if euro else 1.0) * np.sqrt(model.demand[rows].mean(axis=0))
        shown += own[:, None] * share * native / cpm[None, :] * 1000
        clicked += own[:, None] * channel.ctr
        claims = _claims(model, index, rows, usd)
        counts += share * (claims * (1 - channel.view_share))[None, :]
        viewed += share * (claims * channel.view_share)[None, :]
    spend = np.rint(cash * 100).astype(np.int64)
    live = (spend > 0) & active
    spend = np.where(live, spend, 0)
    impressions = np.where(
        live, np.maximum(1, np.rint(shown * noise.factor(0.08, "shown", keys, days))), 0
    ).astype(np.int64)
    clicks = np.minimum(
        impressions,
        noise.poisson(
            impressions * clicked * noise.factor(0.1, "ctr", keys, days), "clicks", keys, days
        ),
    )
    click_7d = noise.poisson(np.where(live, counts, 0.0), "claims", keys, days)
    click_7d = np.minimum(click_7d, clicks)
    views = noise.poisson(np.where(live, viewed, 0.0), "views", keys, days)
    luck = noise.uniform("luck", keys, days)
    google = account.platform == "google_ads"
    conversions = 100 * (click_7d + views)
    if google:  # shared between clicks, so not whole
        part = np.floor((noise.uniform("share", keys, days) - 0.5) * 90).astype(np.int64)
        conversions = np.where(click_7d > 0, 100 * click_7d + part, 0)
        views = noise.poisson(np.where(live, counts * 0.12, 0.0), "vtc", keys, days)
    worth = 11_800 * model.price * (0.9 if euro else 1.0)
    spread = noise.factor(0.3, "worth", keys, days)
    credit = (
        np.where(
            noise.uniform("credit?", keys, days) < 0.25, np.ceil(spend * 0.012 * luck), 0
        ).astype(np.int64)
        if google
        else np.zeros(shape, dtype=np.int64)
    )
    return Delivery(
        account_id,
        units,
        spend,
        credit,
        impressions,
        clicks,
        conversions,
        views,
        np.floor(click_7d * 0.72 + luck * 0.99).astype(np.int64).clip(0, click_7d),
        click_7d,
        click_7d + noise.poisson(np.where(live, counts * 0.15, 0.0), "28d", keys, days),
        np.floor(views * 0.2 + luck * 0.8).astype(np.int64).clip(0, views),
        np.rint(worth[None, :] * spread).astype(np.int64),
        luck,
    )


def _active(unit: Unit, days: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    span = np.zeros(days, dtype=bool)
    last = day_number(unit.last) + 1 if unit.last else days
    span[max(0, day_number(unit.first)) : max(0, last)] = True
    return span


def _shares(
    noise: Noise,
    weight: Floats,
    keys: Ints,
    days: Ints,
) -> Floats:
    """How a channel's money falls on its ads: by weight, with a fortnight's luck and a day's."""
    raw = weight * noise.factor(0.3, "favour", keys, days[None, :] // 14)
    raw = raw * noise.factor(0.12, "split", keys, days[None, :])
    total = raw.sum(axis=0)
    return np.asarray(np.divide(raw, total, out=np.zeros_like(raw), where=total > 0))


def _claims(model: Model, index: int, rows: list[int], usd: Floats) -> Floats:
    """Orders a platform calls its own: what it caused, and a share of what it only touched.

    Without spend it touches nobody.
    """
    channel = CHANNELS[index]
    caused = model.caused[index][rows].sum(axis=0)
    everything = model.caused[:, rows].sum(axis=(0, 1)) + model.base[rows].sum(axis=0)
    planned = model.planned[index][rows].sum(axis=0)
    reach = np.divide(usd, planned, out=np.zeros_like(usd), where=planned > 0).clip(0, 1)
    return np.asarray(
        channel.claim_caused * caused + channel.claim_touched * (everything - caused) * reach
    )


@dataclass(frozen=True, slots=True)
class Glance:
    """Tables [unit, day] as the platform shows them at one moment, for a range of days."""

    days: tuple[date, ...]
    spend: Ints  # cents
    impressions: Ints
    clicks: Ints
    link_clicks: Ints
    conversions: Ints  # hundredths
    value: Ints  # cents
    view_through: Ints
    counts: Mapping[str, Ints]
    values: Mapping[str, Ints]


def look(table: Delivery, start: date, end: date, as_of: datetime) -> Glance:
    """The account between two days, both included, as shown at `as_of`."""
    account = BY_ID[table.account_id]
    first, last = day_number(start), day_number(end) + 1
    cut = slice(first, last)
    age, part = ages(account.zone, start, end, as_of)
    platform = account.platform
    luck = table.luck[:, cut]
    near = part * np.where(age >= 3, 1.0, 0.985 + 0.005 * age)
    grown = part * growth(platform, age)
    windows = platform != "google_ads"  # the others count by attribution window

    def so_far(final: Ints, share: Floats) -> Ints:
        return (
            np.floor(final[:, cut] * share[None, :] + luck * (share[None, :] < 1) * 0.99)
            .clip(0, final[:, cut])
            .astype(np.int64)
        )

    spend = np.floor(table.spend[:, cut] * (near if windows else part)[None, :] + 0.5)
    held = table.credit[:, cut] * (age[None, :] < 3 + 4 * luck) * part[None, :]
    impressions = np.floor(table.impressions[:, cut] * near[None, :]).astype(np.int64)
    clicks = np.floor(table.clicks[:, cut] * near[None, :]).astype(np.int64)
    worth = table.worth[:, cut]
    counts: dict[str, Ints] = {}
    if windows:
        for name, final in (
            ("1d_click", table.click_1d),
            ("7d_click", table.click_7d),
            ("28d_click", table.click_28d),
            ("1d_view", table.views),
            ("1d_ev", table.engaged),
        ):
            counts[name] = so_far(final, grown)
        conversions = 100 * (counts["7d_click"] + counts["1d_view"])
        view_through = counts["1d_view"]
    else:
        conversions = np.floor(table.conversions[:, cut] * grown[None, :]).astype(np.int64)
        view_through = so_far(table.views, grown)
    return Glance(
        tuple(start + timedelta(days=i) for i in range(last - first)),
        (spend + np.floor(held)).astype(np.int64),
        impressions,
        clicks,
        np.floor(clicks * 0.83).astype(np.int64),
        conversions,
        conversions * worth // 100,
        view_through,
        counts,
        {name: count * worth for name, count in counts.items()},
    )


def ages(zone: str, start: date, end: date, as_of: datetime) -> tuple[Floats, Floats]:
    """Days since each day ended (0 while it lasts) and the share of it that is over, by traffic."""
    place = ZoneInfo(zone)
    age, part = [], []
    day = start
    while day <= end:
        opens = datetime(day.year, day.month, day.day, tzinfo=place)
        after = day + timedelta(days=1)
        closes = datetime(after.year, after.month, after.day, tzinfo=place)
        seconds = as_of.timestamp() - closes.timestamp()
        age.append(max(0.0, seconds / 86_400))
        length = closes.timestamp() - opens.timestamp()
        over = min(1.0, max(0.0, (as_of.timestamp() - opens.timestamp()) / length))
        part.append(over * over * (2.2 - 1.2 * over))  # evenings are busier than nights
        day = after
    return np.array(age), np.array(part)


def growth(platform: str, age: Floats) -> Floats:
    """Share of a day's conversions known so many days after its end; 1 when settled."""
    start, pace, last = _FIRST_SHARE[platform], _PACE[platform], SETTLED[platform]
    curve = 1 - (1 - start) * np.exp(-age / pace)
    return np.asarray(np.where(age >= last, 1.0, curve))
