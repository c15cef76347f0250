"""`/report/integrated/get/`: basic auction reports by day, or summed over the days."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.tiktok_ads import params, signin
from liftos_app.services.sandbox.platforms.tiktok_ads.figures import METRICS, Sums
from liftos_app.services.sandbox.platforms.tiktok_ads.view import View, account
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import bad
from liftos_app.services.sandbox.world import AdDay
from liftos_app.services.sandbox.world.ad_views import Level

DAY = "stat_time_day"
MOST_DAYS = 30
LIFETIME_FROM = date(2020, 1, 1)
_KNOWN = (
    "advertiser_id", "service_type", "report_type", "data_level", "dimensions", "metrics",
    "start_date", "end_date", "page", "page_size", "query_lifetime", "filtering", "order_field",
    "order_type",
)


@dataclass(frozen=True, slots=True)
class Depth:
    """A data level: the world's level, its id, and the names it can tell as metrics."""

    level: Level
    ident: str
    told: tuple[str, ...]


DEPTHS = {
    "AUCTION_ADVERTISER": Depth("account", "advertiser_id", ("advertiser_name", "currency")),
    "AUCTION_CAMPAIGN": Depth("campaign", "campaign_id", ("campaign_name",)),
    "AUCTION_ADGROUP": Depth(
        "group", "adgroup_id", ("campaign_id", "campaign_name", "adgroup_name")
    ),
    "AUCTION_AD": Depth(
        "ad", "ad_id",
        ("campaign_id", "campaign_name", "adgroup_id", "adgroup_name", "ad_name", "ad_text"),
    ),
}


@dataclass(frozen=True, slots=True)
class Query:
    """A report that was asked for, checked."""

    depth: Depth
    dimensions: list[str]
    metrics: list[str]
    first: date
    last: date
    deleted: bool  # whether results of deleted objects are in it


def integrated(call: Call) -> dict[str, Any]:
    """One page of a report."""
    signin.authenticate(call, signin.REPORTING)
    params.only(call, _KNOWN)
    record = account(call, params.required(call, "advertiser_id"))
    query, view = _query(call), View(call, record)
    rows = [
        {"dimensions": where, "metrics": _metrics(query, view, key, sums)}
        for key, (where, sums) in _groups(call, query, view).items()
    ]
    stream = "daily_total" if query.depth.level == "account" else "daily"
    bent = call.bend(stream, rows, account=record.id, day_of=_day_of)
    return params.paged(call, _ordered(call, bent))


def _query(call: Call) -> Query:
    params.required(call, "report_type")
    params.one_of(call, "report_type", ("BASIC",))
    params.one_of(call, "service_type", ("AUCTION",), "AUCTION")
    depth = DEPTHS[params.one_of(call, "data_level", tuple(DEPTHS))]
    dimensions = params.names(call, "dimensions", (depth.ident, DAY))
    if depth.ident not in dimensions:
        raise bad(f"dimensions: {depth.ident} is required at this data_level.")
    metrics = params.names(call, "metrics", (*METRICS, *depth.told)) or ["spend", "impressions"]
    first, last = _dates(call, by_day=DAY in dimensions)
    return Query(depth, dimensions, metrics, first, last, _with_deleted(call, depth))


def _dates(call: Call, *, by_day: bool) -> tuple[date, date]:
    if call.query.get("query_lifetime", "false").lower() == "true":
        if by_day:
            raise bad("query_lifetime: Not supported with time dimensions.")
        return LIFETIME_FROM, call.now.date()
    first, last = (_date(call, n) for n in ("start_date", "end_date"))
    if last < first:
        raise bad("end_date: Must not be before start_date.")
    if by_day and (last - first).days >= MOST_DAYS:
        raise bad(f"The time span should be no more than {MOST_DAYS} days with {DAY}.")
    return first, last


def _date(call: Call, name: str) -> date:
    text = params.required(call, name)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise bad(f"{name}: Not a valid date.") from None
    if found.isoformat() != text:
        raise bad(f"{name}: Not a valid date.")
    return found


def _with_deleted(call: Call, depth: Depth) -> bool:
    """Whether the status filter of the level names all states."""
    own = {"campaign": "campaign_status", "group": "adgroup_status", "ad": "ad_status"}
    found = depth.level == "account"
    for one in params.objects(call, "filtering"):
        if set(one) != {"field_name", "filter_type", "filter_value"}:
            raise bad("filtering: field_name, filter_type and filter_value are required.")
        if one["field_name"] != own.get(depth.level):
            raise bad(f"filtering.field_name: Invalid value(s): {one['field_name']}")
        if one["filter_type"] != "IN":
            raise bad(f"filtering.filter_type: Invalid value(s): {one['filter_type']}")
        try:
            values = json.loads(one["filter_value"])
        except (TypeError, ValueError):
            raise bad("filtering.filter_value: Must be a JSON text.") from None
        if not isinstance(values, list) or not set(values) <= {"STATUS_ALL", "STATUS_NOT_DELETE"}:
            raise bad(f"filtering.filter_value: Invalid value(s): {one['filter_value']}")
        found = "STATUS_ALL" in values
    return found


def _groups(call: Call, query: Query, view: View) -> dict[Any, tuple[dict[str, str], Sums]]:
    """Sums by what the dimensions tell apart, in the order of days and ids."""
    found: dict[Any, tuple[dict[str, str], Sums]] = {}
    rows = call.world.ad_days(
        view.record.id, query.first, query.last, as_of=call.now, level=query.depth.level
    )
    for row in rows:
        if not query.deleted and view.is_deleted(row.campaign_id):
            continue
        ident = _ident(query, view, row)
        where = {query.depth.ident: ident}
        if DAY in query.dimensions:
            where[DAY] = f"{row.day} 00:00:00"
        _, sums = found.setdefault((ident, where.get(DAY, "")), (where, Sums()))
        sums.add(row)
    return found


def _ident(query: Query, view: View, row: AdDay) -> str:
    own = {"account": view.record.id, "campaign": row.campaign_id, "group": row.group_id,
           "ad": row.ad_id}
    return own[query.depth.level]


def _metrics(query: Query, view: View, key: tuple[str, str], sums: Sums) -> dict[str, str]:
    told = _told(query.depth, view, key[0])
    return {n: METRICS[n](sums) if n in METRICS else told[n] for n in query.metrics}


def _told(depth: Depth, view: View, ident: str) -> dict[str, str]:
    """Names and parents of an entity."""
    if depth.level == "account":
        return {"advertiser_name": view.record.name, "currency": view.record.currency}
    if depth.level == "campaign":
        return {"campaign_name": view.campaigns[ident].name}
    ad = view.ads[ident] if depth.level == "ad" else None
    group = view.groups[ad.group_id if ad else ident]
    return {
        "campaign_id": group.campaign_id,
        "campaign_name": view.campaigns[group.campaign_id].name,
        "adgroup_id": group.id,
        "adgroup_name": group.name,
        "ad_name": ad.name if ad else "",
        "ad_text": ad.body if ad else "",
    }


def _ordered(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    field = call.query.get("order_field", "")
    if not field:
        return rows
    if field not in METRICS:
        raise bad(f"order_field: Invalid value(s): {field}")
    down = params.one_of(call, "order_type", ("ASC", "DESC"), "DESC") == "DESC"
    return sorted(rows, key=lambda r: float(r["metrics"].get(field, 0)), reverse=down)


def _day_of(row: dict[str, Any]) -> date | None:
    text = row.get("dimensions", {}).get(DAY, "")
    return date.fromisoformat(text[:10]) if text else None
