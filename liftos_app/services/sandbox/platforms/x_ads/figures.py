"""Larkspur's delivery as metrics by placement: one row for each entity and local day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.x_ads import view
from liftos_app.services.sandbox.world.shapes import AdAccount, AdDay

Figures = dict[str, int]
ON_X, SPOTLIGHT = "ALL_ON_TWITTER", "SPOTLIGHT"
PLACEMENTS = (ON_X, SPOTLIGHT, "TREND", "PUBLISHER_NETWORK")
_LARGER = (  # not told of accounts and funding instruments
    "card_engagements", "clicks", "app_clicks", "url_clicks", "qualified_impressions",
    "carousel_swipes",
)  # fmt: skip
_ENGAGEMENT = ("engagements", "impressions", "retweets", "replies", "likes", "follows")
_VIDEO = (
    "video_total_views", "video_views_25", "video_views_50", "video_views_75", "video_views_100",
    "video_cta_clicks", "video_content_starts", "video_3s100pct_views", "video_6s_views",
    "video_15s_views",
)  # fmt: skip
_CONVERSIONS = (
    "conversion_purchases", "conversion_sign_ups", "conversion_site_visits",
    "conversion_downloads", "conversion_custom", "conversion_add_to_carts",
    "conversion_checkouts_initiated", "conversion_content_views",
)  # fmt: skip
PARTS = (  # of a web conversion
    "metric", "post_view", "post_engagement", "assisted", "order_quantity", "order_quantity_view",
    "order_quantity_engagement", "sale_amount", "sale_amount_view", "sale_amount_engagement",
)  # fmt: skip
GROUPS: Mapping[str, tuple[str, ...]] = {
    "ENGAGEMENT": (*_ENGAGEMENT, *_LARGER),
    "BILLING": ("billed_engagements", "billed_charge_local_micro"),
    "VIDEO": _VIDEO,
    "WEB_CONVERSION": _CONVERSIONS,
    "MOBILE_CONVERSION": ("mobile_conversion_installs", "mobile_conversion_purchases"),
    "LIFE_TIME_VALUE_MOBILE_CONVERSION": ("mobile_conversion_lifetime_value_purchases",),
}
LEVELS = {"ACCOUNT", "FUNDING_INSTRUMENT", "CAMPAIGN", "LINE_ITEM", "PROMOTED_TWEET"}


def metrics_of(entity: str, group: str) -> tuple[str, ...]:
    """What a group tells about an entity."""
    if entity in {"ACCOUNT", "FUNDING_INSTRUMENT"} and group == "ENGAGEMENT":
        return _ENGAGEMENT
    return GROUPS[group]


def groups_of(entity: str) -> tuple[str, ...]:
    """The groups an entity can be asked for."""
    few = {"ACCOUNT": ("ENGAGEMENT",), "FUNDING_INSTRUMENT": ("ENGAGEMENT", "BILLING")}
    return few.get(entity, tuple(GROUPS))


def rows(
    call: Call, a: AdAccount, entity: str, placement: str, days: Sequence[date]
) -> dict[tuple[str, date], Figures]:
    """Figures by entity and day. A web conversion's parts are named `metric.part`."""
    found: dict[tuple[str, date], Figures] = {}
    for row in call.world.ad_days(a.id, days[0], days[-1], as_of=call.now, level="ad"):
        own = _split(_metrics(row), row, placement)
        if any(own.values()):
            kept = found.setdefault((entity_of(a, row, entity), row.day), {})
            for name, value in own.items():
                kept[name] = kept.get(name, 0) + value
    return found


def entity_of(a: AdAccount, row: AdDay, entity: str) -> str:
    """The id of what a delivery belongs to at a level."""
    return {
        "ACCOUNT": a.id,
        "FUNDING_INSTRUMENT": view.funding_id(a),
        "CAMPAIGN": row.campaign_id,
        "LINE_ITEM": row.group_id,
        "PROMOTED_TWEET": row.ad_id,
    }.get(entity, "")


def placements_of(row: AdDay) -> tuple[str, ...]:
    """Where an ad runs: every third one in the spotlight too."""
    return (ON_X, SPOTLIGHT) if int(row.ad_id, 36) % 3 == 0 else (ON_X,)


def _metrics(row: AdDay) -> Figures:
    """Purchases within 30 days of an engagement are the longest window the world keeps."""
    post, seen = row.counts.get("28d_click", 0), row.counts.get("1d_view", 0)
    post_worth, seen_worth = row.values.get("28d_click", 0), row.values.get("1d_view", 0)
    purchases = {
        "metric": post + seen, "post_view": seen, "post_engagement": post,
        "order_quantity": post + seen, "order_quantity_view": seen,
        "order_quantity_engagement": post, "sale_amount": post_worth + seen_worth,
        "sale_amount_view": seen_worth, "sale_amount_engagement": post_worth,
    }  # fmt: skip
    likes = row.clicks // 12
    return {
        "impressions": row.impressions,
        "engagements": row.engagements,
        "clicks": row.clicks,
        "url_clicks": row.link_clicks,
        "likes": likes,
        "replies": row.clicks // 40,
        "retweets": row.clicks // 30,
        "card_engagements": row.link_clicks,
        "billed_engagements": row.link_clicks,
        "billed_charge_local_micro": row.spend,
        "video_total_views": row.video_views,
        "video_views_25": row.video_views * 3 // 4,
        "video_views_50": row.video_views // 2,
        "video_views_75": row.video_views // 3,
        "video_views_100": row.video_views // 4,
        **{f"conversion_purchases.{n}": v for n, v in purchases.items()},
        "conversion_site_visits.metric": row.link_clicks // 2,
        "conversion_site_visits.post_engagement": row.link_clicks // 2,
    }


def _split(figures: Figures, row: AdDay, placement: str) -> Figures:
    """The part of a placement; the parts of all placements add up to the whole."""
    places = placements_of(row)
    if placement not in places:
        return {}
    if len(places) == 1:
        return figures
    part = {name: value // 8 for name, value in figures.items()}
    if placement == SPOTLIGHT:
        return part
    return {name: value - part[name] for name, value in figures.items()}


def series(values: Sequence[int]) -> list[int] | None:
    """A metric's array; all zeros are written as null."""
    return list(values) if any(values) else None


def shaped(names: Sequence[str], columns: Mapping[str, list[int]]) -> dict[str, Any]:
    """Metrics as the answer shows them: conversions as objects of arrays."""
    found: dict[str, Any] = {}
    for name in names:
        parts = {p: columns[f"{name}.{p}"] for p in PARTS if f"{name}.{p}" in columns}
        if name.startswith(("conversion_", "mobile_conversion_")):
            told = {p: series(v) for p, v in parts.items()}
            found[name] = {p: told.get(p) for p in PARTS} if any(told.values()) else None
        else:
            found[name] = series(columns.get(name, ()))
    return found
