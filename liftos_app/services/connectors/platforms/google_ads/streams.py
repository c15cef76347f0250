"""Campaigns, ad groups, ads, and their daily results.

Google leaves out zeros, sends whole numbers as texts and conversions as fractions. Conversions
belong to the day of the click and grow for weeks. Performance Max has results by campaign only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.google_ads.query import (
    columns,
    gaql,
    manager_of,
    search,
)
from liftos_app.services.connectors.read import Make, make_page
from liftos_app.services.connectors.rows import day, ident, micros, text, whole
from liftos_app.services.connectors.spec import Page, Row, Task

SETTING = "google_conversion_window"
METRICS = (
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
    "metrics.conversions_value",
    "metrics.all_conversions",
    "metrics.view_through_conversions",
    "metrics.interactions",
    "metrics.engagements",
    "metrics.video_trueview_views",
)
# What Google calls it, what we call it; counts and fractions alike become micro-units.
EXTRA = (
    ("allConversions", "all_conversions"),
    ("viewThroughConversions", "view_through_conversions"),
    ("interactions", "interactions"),
    ("engagements", "engagements"),
    ("videoTrueviewViews", "video_views"),
)
ACCOUNT = (
    "customer.id",
    "customer.descriptive_name",
    "customer.currency_code",
    "customer.time_zone",
    "customer.status",
    "customer.manager",
)
CAMPAIGN = (
    "campaign.id",
    "campaign.name",
    "campaign.status",
    "campaign.primary_status",
    "campaign.advertising_channel_type",
    "campaign.bidding_strategy_type",
    "campaign.start_date_time",
    "campaign.end_date_time",
    "campaign_budget.amount_micros",
)
AD_GROUP = (
    "ad_group.id",
    "ad_group.name",
    "ad_group.status",
    "ad_group.type",
    "ad_group.cpc_bid_micros",
    "campaign.id",
)
AD = (
    "ad_group_ad.ad.id",
    "ad_group_ad.ad.name",
    "ad_group_ad.ad.type",
    "ad_group_ad.ad.final_urls",
    "ad_group_ad.status",
    "ad_group.id",
    "campaign.id",
)
# level -> (resource, fields beside the figures, path of id, path of the parent's id, of the name)
DAILY: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]]
DAILY = {
    "account": ("customer", ("customer.id",), ("customer", "id"), (), ()),
    "campaign": (
        "campaign",
        ("campaign.id", "campaign.name", "campaign.status"),
        ("campaign", "id"),
        (),
        ("campaign", "name"),
    ),
    "ad_group": (
        "ad_group",
        ("ad_group.id", "ad_group.name", "campaign.id"),
        ("adGroup", "id"),
        ("campaign", "id"),
        ("adGroup", "name"),
    ),
    "ad": (
        "ad_group_ad",
        ("ad_group_ad.ad.id", "ad_group.id", "campaign.id"),
        ("adGroupAd", "ad", "id"),
        ("adGroup", "id"),
        (),
    ),
}


def daily(level: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of the daily stream of one level."""
    resource, fields, _, _, _ = DAILY[level]

    def read(client: Client, task: Task) -> Iterator[Page]:
        where = f"segments.date BETWEEN '{task.start}' AND '{task.end}'"
        query = gaql(resource, (*fields, "segments.date", *METRICS), where)
        yield from _pages(client, task, query, daily_row(task, level), day_key="segments.date")

    return read


def daily_row(task: Task, level: str) -> Make:
    """From a result to a row, for one level and span."""
    _, _, own, parent, name = DAILY[level]
    first, last = task.start.isoformat(), task.end.isoformat()

    def make(record: Any) -> Row | None:
        date = day(record["segments"]["date"])
        if not first <= date <= last:
            return None
        figures = record.get("metrics") or {}
        get = figures.get
        row = {
            "entity_id": ident(_at(record, own)),
            "day": date,
            "setting": SETTING,
            "impressions": whole(get("impressions", 0)),
            "clicks": whole(get("clicks", 0)),
            "spend_micros": whole(get("costMicros", 0)),
            "conversions_micros": micros(get("conversions", 0)),
            "value_micros": micros(get("conversionsValue", 0)),
            "extra": {to: micros(figures[key]) for key, to in EXTRA if key in figures},
        }
        if parent:
            row["parent_id"] = ident(_at(record, parent))
        if name:
            row["entity_name"] = text(_at(record, name), 400)
        return row

    return make


def _at(record: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        record = record[part]
    return record


def _pages(client: Client, task: Task, query: str, make: Make, day_key: str = "") -> Iterator[Page]:
    customer = task.account.external_id
    for answer in search(client, customer, query, manager_of(client, task.account)):
        yield make_page(
            answer.data.get("results") or [],
            make,
            answer=answer,
            day_key=day_key,
            columns=columns(answer),
        )


def entities(
    resource: str, fields: tuple[str, ...], make: Callable[[Any], Row]
) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of one kind of entity. Removed ones too: their past results need a name."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        yield from _pages(client, task, gaql(resource, fields), make)

    return read


def account_row(record: Any) -> Row:
    """The customer itself."""
    own = record["customer"]
    return {
        "external_id": ident(own["id"]),
        "level": rows.ACCOUNT,
        "name": text(own.get("descriptiveName"), 400),
        "status": _status(own.get("status")),
        "attrs": {},
    }


def campaign_row(record: Any) -> Row:
    """A campaign; `channel_type` tells which ones have no results below the campaign."""
    own = record["campaign"]
    attrs = _present(
        own,
        {
            "advertisingChannelType": "channel_type",
            "primaryStatus": "primary_status",
            "biddingStrategyType": "bid_strategy",
            "startDateTime": "start_time",
            "endDateTime": "stop_time",
        },
    )
    budget = (record.get("campaignBudget") or {}).get("amountMicros")
    if budget is not None:
        attrs["daily_budget_micros"] = whole(budget)
    return {
        "external_id": ident(own["id"]),
        "level": rows.CAMPAIGN,
        "name": text(own.get("name"), 400),
        "status": _status(own.get("status")),
        "attrs": attrs,
    }


def ad_group_row(record: Any) -> Row:
    """An ad group."""
    own = record["adGroup"]
    attrs = _present(own, {"type": "type"})
    if own.get("cpcBidMicros") is not None:
        attrs["cpc_bid_micros"] = whole(own["cpcBidMicros"])
    return {
        "external_id": ident(own["id"]),
        "level": rows.AD_GROUP,
        "parent_id": ident(record["campaign"]["id"]),
        "name": text(own.get("name"), 400),
        "status": _status(own.get("status")),
        "attrs": attrs,
    }


def ad_row(record: Any) -> Row:
    """An ad. Many have no name; then its kind and id serve."""
    own = record["adGroupAd"]
    ad = own["ad"]
    attrs = _present(ad, {"type": "type"})
    urls = [u for u in ad.get("finalUrls") or () if isinstance(u, str)]
    if urls:
        attrs["final_url"] = text(urls[0].partition("?")[0], 400)
    kind = text(ad.get("type"), 60).replace("_", " ").capitalize()
    return {
        "external_id": ident(ad["id"]),
        "level": rows.AD,
        "parent_id": ident(record["adGroup"]["id"]),
        "name": text(ad.get("name"), 400) or f"{kind or 'Ad'} {ad['id']}",
        "status": _status(own.get("status")),
        "attrs": attrs,
    }


def _present(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {to: text(record[name], 200) for name, to in names.items() if record.get(name)}


def _status(value: Any) -> str:
    return text(value, 40).lower()
