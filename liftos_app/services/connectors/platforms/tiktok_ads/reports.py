"""Daily results: one row per day and account, campaign, ad group or ad.

Every number is a text, "-" is unknown, money is in whole units of the account's currency. Days are
the account's own, written as a time without a zone. Results grow for 28 days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.tiktok_ads.errors import TooLarge
from liftos_app.services.connectors.platforms.tiktok_ads.listing import as_json, pages, records
from liftos_app.services.connectors.read import Make, make_page
from liftos_app.services.connectors.rows import day, ident, micros, text, whole
from liftos_app.services.connectors.spec import Page, Row, Task

SETTING = "tiktok_7d_click_1d_view"
DAYS = 30  # with results by day, one request may span no more
PAGE = 1000
MIDNIGHT = " 00:00:00"
BASE = ("spend", "impressions", "clicks", "complete_payment", "total_complete_payment_rate")
# What TikTok calls it, what we call it; all become micro-units.
EXTRA = {
    "reach": "reach",
    "conversion": "optimized_conversions",
    "total_purchase_value": "app_purchase_value",
    "video_play_actions": "video_views",
    "video_watched_2s": "video_views_2s",
    "video_watched_6s": "video_views_6s",
    "video_views_p100": "video_completions",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "follows": "follows",
}


@dataclass(frozen=True, slots=True)
class Level:
    """How TikTok names a level: its data level, its id, its filter, and what tells names."""

    data_level: str
    ident: str
    filter: str = ""
    parent: str = ""
    name: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """The names and parents that come as metrics."""
        return tuple(n for n in (self.parent, self.name) if n)


LEVELS = {
    "account": Level("AUCTION_ADVERTISER", "advertiser_id"),
    "campaign": Level(
        "AUCTION_CAMPAIGN", "campaign_id", "campaign_status", name="campaign_name"
    ),
    "adgroup": Level(
        "AUCTION_ADGROUP", "adgroup_id", "adgroup_status", "campaign_id", "adgroup_name"
    ),
    "ad": Level("AUCTION_AD", "ad_id", "ad_status", "adgroup_id", "ad_name"),
}


def reader(level: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of the daily stream of one level."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        start = task.start
        while start <= task.end:
            end = min(task.end, start + dt.timedelta(days=DAYS - 1))
            yield from _span(client, task, LEVELS[level], start=start, end=end)
            start = end + dt.timedelta(days=1)

    return read


def _span(
    client: Client, task: Task, level: Level, *, start: dt.date, end: dt.date
) -> Iterator[Page]:
    """A span of days, halved as often as TikTok finds it too large."""
    make = row_maker(level, start=start, end=end)
    try:
        # All of it before anything is handed on: a half that is read again must not come twice.
        found = list(_pages(client, task, level, make, start=start, end=end))
    except TooLarge:
        length = (end - start).days + 1
        if length == 1:
            raise
        middle = start + dt.timedelta(days=length // 2)
        yield from _span(client, task, level, start=middle, end=end)
        yield from _span(client, task, level, start=start, end=middle - dt.timedelta(days=1))
        return
    yield from found


def _pages(
    client: Client, task: Task, level: Level, make: Make, *, start: dt.date, end: dt.date
) -> Iterator[Page]:
    account = task.account.external_id
    params = {
        "advertiser_id": account,
        "service_type": "AUCTION",
        "report_type": "BASIC",
        "data_level": level.data_level,
        "dimensions": as_json([level.ident, "stat_time_day"]),
        "metrics": as_json([*BASE, *EXTRA, *level.told]),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "query_lifetime": "false",
    }
    if level.filter:  # without it, results of deleted objects are left out
        every = {
            "field_name": level.filter, "filter_type": "IN",
            "filter_value": as_json(["STATUS_ALL"]),
        }
        params["filtering"] = as_json([every])
    for answer in pages(client, "/report/integrated/get/", params, size=PAGE, lane=account):
        found = records(answer.data)
        yield make_page(
            found, make, answer=answer, day_key="dimensions.stat_time_day",
            columns=_columns(found),
        )


def _columns(found: list[Any]) -> frozenset[str]:
    """Names of dimensions and metrics, and of whatever stands beside the two."""
    names: set[str] = set()
    for record in found:
        if isinstance(record, dict):
            names.update(k for k in record if k not in {"dimensions", "metrics"})
            for part in (record.get("dimensions"), record.get("metrics")):
                names.update(part if isinstance(part, dict) else ())
    return frozenset(names)


def row_maker(level: Level, *, start: dt.date, end: dt.date) -> Make:
    """From a record of TikTok to a row of ours, for one level and span."""
    first, last = start.isoformat(), end.isoformat()

    def make(record: Any) -> Row | None:
        where, figures = record["dimensions"], record["metrics"]
        date = report_day(where["stat_time_day"])
        if not first <= date <= last:
            return None
        row: Row = {
            "entity_id": ident(where[level.ident]),
            "day": date,
            "setting": SETTING,
            "impressions": count(figures["impressions"]),
            "clicks": count(figures["clicks"]),
            "spend_micros": amount(figures["spend"]),
            "conversions_micros": amount(figures["complete_payment"]),
            "value_micros": amount(figures["total_complete_payment_rate"]),
            "extra": {to: amount(figures[n]) for n, to in EXTRA.items() if n in figures},
        }
        if level.parent:
            row["parent_id"] = ident(figures[level.parent])
        if level.name:
            row["entity_name"] = text(figures.get(level.name), 400)
        return row

    return make


def report_day(value: object) -> str:
    """A day, which TikTok writes as midnight without a zone. Raises ValueError."""
    return day(value.removesuffix(MIDNIGHT) if isinstance(value, str) else value)


def count(value: object) -> int | None:
    """A whole count; "-" is unknown. Raises ValueError."""
    return None if unknown(value) else whole(value)


def amount(value: object) -> int | None:
    """A decimal number in micro-units; "-" is unknown. Raises ValueError."""
    return None if unknown(value) else micros(value)


def unknown(value: object) -> bool:
    """Whether TikTok says that it does not know."""
    return value is None or (isinstance(value, str) and value in {"-", ""})
