"""POST /api/metric-aggregates: "Placed Order" by EVENT date, mail metrics by the day of sending."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.klaviyo import catalog, filters, pages, requests
from liftos_app.services.sandbox.platforms.klaviyo.endpoints import bent, currency, missing_days
from liftos_app.services.sandbox.platforms.klaviyo.requests import Aggregate
from liftos_app.services.sandbox.platforms.klaviyo.serve import Admitted, body_of, endpoint
from liftos_app.services.sandbox.platforms.klaviyo.wire import sparse
from liftos_app.services.sandbox.world.plan import SHOP_ZONE

_COUNTED: Mapping[str, tuple[str, str]] = {
    "Received Email": ("delivered", "delivered"),
    "Opened Email": ("opens", "opens_unique"),
    "Clicked Email": ("clicks", "clicks_unique"),
    "Bounced Email": ("bounced", "bounced"),
    "Marked Email as Spam": ("spam_complaints", "spam_complaints"),
    "Unsubscribed": ("unsubscribes", "unsubscribes"),
    "Unsubscribed from Email Marketing": ("unsubscribes", "unsubscribes"),
}


_READ: Mapping[str, Callable[[Any], Any]] = {
    name: (lambda event, n=name: event.dimensions.get(n, ""))  # type: ignore[misc]
    for name in requests.DIMENSIONS
}


@dataclass(frozen=True, slots=True)
class Event:
    """Some events of one moment and message."""

    at: datetime
    dimensions: Mapping[str, str]
    count: int
    unique: int
    value: float


@endpoint(catalog.AGGREGATES)
def aggregates(ask: Admitted) -> dict[str, Any]:
    """One row per combination of the dimensions asked for, its measurements along `dates`."""
    call = ask.call
    metrics = {m.id: m.name for m in call.world.mail_metrics(as_of=call.now)}
    asked = requests.aggregate(body_of(call), metrics=list(metrics))
    starts = _starts(asked)
    rows: dict[tuple[str, ...], dict[str, list[float]]] = {}
    zone = ZoneInfo(SHOP_ZONE)
    first, last = asked.start.astimezone(zone).date(), asked.end.astimezone(zone).date()
    gone = missing_days(ask, ask.endpoint.name, first, last)
    for event in _events(ask, asked, metrics[asked.metric_id]):
        if gone and event.at.astimezone(zone).date() in gone:
            continue
        if asked.clauses and not filters.keep([event], asked.clauses, _READ):
            continue
        key = tuple(event.dimensions.get(name, "") for name in asked.by)
        cells = rows.setdefault(key, {m: [0.0] * len(starts) for m in requests.MEASUREMENTS})
        slot = bisect_right(starts, event.at) - 1
        cells["count"][slot] += event.count
        cells["unique"][slot] += event.unique
        cells["sum_value"][slot] = round(cells["sum_value"][slot] + event.value, 2)
    data = [
        {"dimensions": list(key), "measurements": {m: cells[m] for m in asked.measurements}}
        for key, cells in _sorted(rows, asked)
    ]
    return _document(ask, asked, starts, data)


def _document(
    ask: Admitted, asked: Aggregate, starts: list[datetime], data: list[dict[str, Any]]
) -> dict[str, Any]:
    numbered = list(enumerate(bent(ask, "metric-aggregates", data)))
    page = pages.cut(
        numbered, lambda row: pages.key(f"{row[0]:08}", ""), size=asked.page_size,
        cursor=asked.page_cursor,
    )  # fmt: skip
    # The platform labels local wall-clock time as +00:00 here; the example payload shows it.
    dates = [s.astimezone(asked.zone).strftime("%Y-%m-%dT%H:%M:%S+00:00") for s in starts]
    attributes = {"dates": dates, "data": [row for _, row in page.rows]}
    wanted = [w for w in ask.fields.get("metric-aggregate", []) if w != "id"]
    own = pages.own(ask.call)
    links = pages.links(ask.call, page, name="page_cursor")
    return {
        "data": {
            "type": "metric-aggregate", "id": str(uuid.uuid4()),
            "attributes": sparse(attributes, wanted), "links": {"self": own},
        },
        "links": {**links, "self": own},
    }  # fmt: skip


def _starts(asked: Aggregate) -> list[datetime]:
    """When each interval begins, UTC; the first and last may be cut by the filter's span."""
    starts, moment = [], asked.start
    while moment < asked.end:
        starts.append(moment)
        moment = _following(moment, asked.interval, asked.zone)
    return starts


def _following(moment: datetime, interval: str, zone: ZoneInfo) -> datetime:
    if interval == "hour":
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    local = moment.astimezone(zone)
    day = local.date()
    if interval == "day":
        day += timedelta(days=1)
    elif interval == "week":
        day += timedelta(days=7 - day.weekday())
    else:
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(moment.tzinfo)


def _events(ask: Admitted, asked: Aggregate, name: str) -> Iterator[Event]:
    parents = _parents(ask)
    if asked.metric_id == ask.call.world.placed_order_metric:
        span = (asked.start.astimezone(asked.zone), asked.end.astimezone(asked.zone))
        by_day = asked.zone.key == SHOP_ZONE and all(_is_midnight(t) for t in span)
        read = _order_days if by_day and asked.interval != "hour" else _orders
        yield from read(ask, asked, parents)
    elif name in _COUNTED:
        yield from _mails(ask, asked, *_COUNTED[name], parents)


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)


def _order_days(
    ask: Admitted, asked: Aggregate, parents: Mapping[str, tuple[str, str]]
) -> Iterator[Event]:
    """Whole days of the shop's own zone: the world has them added up."""
    zone, paid = ZoneInfo(SHOP_ZONE), currency(ask.call)
    first = asked.start.astimezone(zone).date()
    last = (asked.end - timedelta(microseconds=1)).astimezone(zone).date()
    for row in ask.call.world.mail_events(first, last, as_of=ask.call.now):
        dimensions = _dimensions(row.message_id, parents, paid)
        yield Event(_noon(row.day, zone), dimensions, row.count, row.unique, row.value / 100)


def _dimensions(
    message: str, parents: Mapping[str, tuple[str, str]], paid: str
) -> Mapping[str, str]:
    flow, channel = parents.get(message, ("", ""))
    return {
        "$attributed_message": message, "$attributed_flow": flow, "$message": message,
        "$attributed_channel": channel, "$value_currency": paid, "$flow": flow,
    }  # fmt: skip


def _orders(
    ask: Admitted, asked: Aggregate, parents: Mapping[str, tuple[str, str]]
) -> Iterator[Event]:
    """Orders one by one: hours and zones are cut exactly."""
    world, now = ask.call.world, ask.call.now
    ids = world.find_orders(as_of=now, created=(asked.start, asked.end), sort="created")
    paid = currency(ask.call)
    for order in world.orders(ids, as_of=now):
        if order.test:
            continue
        dimensions = _dimensions(order.mail_message, parents, paid)
        yield Event(order.created_at, dimensions, 1, 1, order.total / 100)


def _mails(
    ask: Admitted, asked: Aggregate, every: str, unique: str,
    parents: Mapping[str, tuple[str, str]],
) -> Iterator[Event]:  # fmt: skip
    """What mails caused, placed at noon of the day they were sent."""
    world, now, zone = ask.call.world, ask.call.now, ZoneInfo(SHOP_ZONE)
    first = asked.start.astimezone(zone).date()
    last = (asked.end - timedelta(microseconds=1)).astimezone(zone).date()
    stats = [*world.mail_campaign_stats(first, last, as_of=now),
             *world.mail_flow_days(first, last, as_of=now)]  # fmt: skip
    for row in stats:
        at = _noon(row.day, zone)
        if asked.start <= at < asked.end and getattr(row, every):
            flow, channel = parents.get(row.message_id, ("", row.channel))
            yield Event(at, {
                "$message": row.message_id, "$flow": flow, "$campaign_channel": channel,
                "$flow_channel": channel if flow else "",
            }, getattr(row, every), getattr(row, unique), 0.0)  # fmt: skip


def _noon(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone)


def _parents(ask: Admitted) -> dict[str, tuple[str, str]]:
    """Message id -> (flow id or "", channel)."""
    world, now = ask.call.world, ask.call.now
    found = {c.message_id: ("", str(c.channel)) for c in world.mail_campaigns(as_of=now)}
    for flow in world.mail_flows(as_of=now):
        found |= dict.fromkeys(flow.message_ids, (flow.id, "email"))
    return found


def _sorted(
    rows: Mapping[tuple[str, ...], dict[str, list[float]]], asked: Aggregate
) -> list[tuple[tuple[str, ...], dict[str, list[float]]]]:
    name, found = asked.sort.removeprefix("-"), sorted(rows.items())
    if name in requests.MEASUREMENTS:
        found.sort(key=lambda row: sum(row[1][name]), reverse=asked.sort.startswith("-"))
    elif name in asked.by:
        place = asked.by.index(name)
        found.sort(key=lambda row: row[0][place], reverse=asked.sort.startswith("-"))
    return found
