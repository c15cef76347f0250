"""Entities of an ad account at one moment, and delivery rows at any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world.accounts import BY_ID
from liftos_app.services.sandbox.world.campaigns import Unit, standing
from liftos_app.services.sandbox.world.delivery import Delivery, Glance
from liftos_app.services.sandbox.world.noise import Ints
from liftos_app.services.sandbox.world.shapes import Ad, AdDay, AdGroup, AdTotals, Campaign

Level = Literal["ad", "group", "campaign", "account"]
_CENT = 10_000  # micro-units


def campaigns(
    units: Sequence[Unit],
    account_id: str,
    as_of: datetime,
) -> tuple[Campaign, ...]:
    """Campaigns created by then, with the status of then."""
    day = as_of.astimezone(ZoneInfo(BY_ID[account_id].zone)).date()
    every = {u.campaign.id: u.campaign for u in units if u.campaign.created_at <= as_of}
    return tuple(
        replace(
            c,
            status=standing(c.status, c.ends, day),
            updated_at=c.updated_at if c.updated_at <= as_of else c.created_at,
        )
        for c in every.values()
    )


def groups(units: Sequence[Unit], account_id: str, as_of: datetime) -> tuple[AdGroup, ...]:
    """Ad groups created by then, without those that stand for a campaign."""
    day = as_of.astimezone(ZoneInfo(BY_ID[account_id].zone)).date()
    every = {u.group.id: u.group for u in units if not u.hidden and u.group.created_at <= as_of}
    return tuple(
        replace(
            g,
            status=standing(g.status, g.ends, day),
            updated_at=g.updated_at if g.updated_at <= as_of else g.created_at,
        )
        for g in every.values()
    )


def ads(units: Sequence[Unit], account_id: str, as_of: datetime) -> tuple[Ad, ...]:
    """Ads created by then, without those that stand for a campaign."""
    day = as_of.astimezone(ZoneInfo(BY_ID[account_id].zone)).date()
    return tuple(
        replace(
            u.ad,
            status=standing(u.ad.status, u.last, day),
            updated_at=u.ad.updated_at if u.ad.updated_at <= as_of else u.ad.created_at,
        )
        for u in units
        if not u.hidden and u.ad.created_at <= as_of
    )


def rows(table: Delivery, glance: Glance, level: Level) -> list[AdDay]:
    """Rows with delivery, ordered by day, campaign, group, ad. Sums are sums of whole cents."""
    units = table.units
    kept = [i for i, u in enumerate(units) if level in {"campaign", "account"} or not u.hidden]
    if not kept:
        return []
    names = [_name(units[i], level) for i in kept]
    starts = [n for n in range(len(names)) if n == 0 or names[n] != names[n - 1]]

    def add(values: Ints) -> Ints:
        return np.asarray(np.add.reduceat(values[kept], starts, axis=0))

    impressions, spend = add(glance.impressions), add(glance.spend)
    conversions, clicks = add(glance.conversions), add(glance.clicks)
    counts = {name: add(v) for name, v in glance.counts.items()}
    values = {name: add(v * _CENT) for name, v in glance.values.items()}
    link, value, seen = add(glance.link_clicks), add(glance.value), add(glance.view_through)
    there = (impressions > 0) | (spend > 0) | (conversions > 0)
    found = []
    width = {"ad": 0.80, "group": 0.74, "campaign": 0.68, "account": 0.60}[level]
    for d in np.flatnonzero(there.any(axis=0)):
        for n in np.flatnonzero(there[:, d]):
            campaign_id, group_id, ad_id = names[starts[n]]
            shown, clicked = int(impressions[n, d]), int(clicks[n, d])
            claimed, worth = int(conversions[n, d]), int(value[n, d]) * _CENT
            found.append(
                AdDay(
                    account_id=table.account_id,
                    campaign_id=campaign_id,
                    group_id=group_id,
                    ad_id=ad_id,
                    day=glance.days[d],
                    impressions=shown,
                    reach=min(shown, int(shown * width) + 1),
                    clicks=clicked,
                    link_clicks=int(link[n, d]),
                    spend=int(spend[n, d]) * _CENT,
                    conversions=claimed,
                    value=worth,
                    all_conversions=claimed * 118 // 100,
                    all_value=worth * 118 // 100 // _CENT * _CENT,
                    view_through=int(seen[n, d]),
                    engagements=clicked + shown // 45,
                    interactions=clicked,
                    video_views=shown // 30,
                    counts={k: int(v[n, d]) for k, v in counts.items()},
                    values={k: int(v[n, d]) for k, v in values.items()},
                )
            )
    return found


def total(rows_: Sequence[AdDay]) -> AdTotals:
    """The sum of rows."""
    return AdTotals(
        impressions=sum(r.impressions for r in rows_),
        clicks=sum(r.clicks for r in rows_),
        link_clicks=sum(r.link_clicks for r in rows_),
        spend=sum(r.spend for r in rows_),
        conversions=sum(r.conversions for r in rows_),
        value=sum(r.value for r in rows_),
    )


def _name(unit: Unit, level: Level) -> tuple[str, str, str]:
    if level == "account":
        return "", "", ""
    if level == "campaign":
        return unit.campaign.id, "", ""
    if level == "group":
        return unit.campaign.id, unit.group.id, ""
    return unit.campaign.id, unit.group.id, unit.ad.id
