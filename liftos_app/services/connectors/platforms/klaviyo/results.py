"""Results of mail: campaigns by the day they were sent, flows by day, revenue by day and message.

Reports count by the day of sending, aggregates by the day of the order: the two never agree
exactly. A report call is precious (2 a minute, 225 a day), so one covers as many days as it can.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import dig, lost, walk
from liftos_app.services.connectors.platforms.klaviyo.entities import (
    kept,
    read_campaigns,
    read_flows,
)
from liftos_app.services.connectors.platforms.klaviyo.lists import conversion_metric, day_of
from liftos_app.services.connectors.read import listed, make_page, reason
from liftos_app.services.connectors.rows import ident, micros, optional
from liftos_app.services.connectors.spec import Page, Rejected, Row, Task

# Klaviyo's name -> ours
COUNTS = {
    "recipients": "recipients",
    "delivered": "delivered",
    "opens_unique": "opens_unique",
    "clicks_unique": "clicks_unique",
    "unsubscribes": "unsubscribes",
    "spam_complaints": "spam_complaints",
    "bounced": "bounced",
    "conversions": "conversions",
}
VALUE = "conversion_value"
STATISTICS = (*COUNTS, VALUE)
CAMPAIGN_VALUES, FLOW_SERIES = "campaign-values-reports", "flow-series-reports"
TAIL_DAYS = 2  # sending in each recipient's own zone, or slowly, goes on after the send day
BY_MESSAGE = "$attributed_message"
EVENT_SETTING = "klaviyo_event_date"


@dataclass(frozen=True, slots=True)
class Sent:
    """When a campaign was sent, by the account's calendar, and its name."""

    day: str
    name: str


def read_campaign_results(client: Client, task: Task) -> Iterator[Page]:
    """Totals of each message, on the day its campaign was sent."""
    sent = _sent_days(client, task)
    last = min(task.end + timedelta(days=TAIL_DAYS), max(task.today, task.end))

    def make(record: Any) -> Row | None:
        groups, figures = record["groupings"], record["statistics"]
        campaign = sent.get(groups["campaign_id"])
        if campaign is None or not task.holds(campaign.day):
            return None
        return {
            "entity_id": ident(groups["campaign_message_id"]),
            "day": campaign.day,
            "level": rows.MAIL_MESSAGE,
            "parent_id": ident(groups["campaign_id"]),
            "entity_name": campaign.name,
            **_figures(figures),
        }

    for answer in _report(client, task, CAMPAIGN_VALUES, start=task.start, end=last):
        results = listed(answer.data["data"]["attributes"].get("results"))
        lost = sum(
            1
            for r in results
            if isinstance(r, dict) and (r.get("groupings") or {}).get("campaign_id") not in sent
        )
        notes = (
            (f"{lost} results belong to campaigns that Klaviyo no longer lists.",) if lost else ()
        )
        yield make_page(results, make, answer=answer, columns=_columns(results), notes=notes)


def _sent_days(client: Client, task: Task) -> Mapping[str, Sent]:
    """Send days of all campaigns that were sent."""
    zone = ZoneInfo(task.account.time_zone)
    return {
        campaign: Sent(
            rows.moment(row["attrs"]["sent_at"]).astimezone(zone).date().isoformat(), row["name"]
        )
        for campaign, row in kept(client, task, read_campaigns).items()
        if row["attrs"].get("sent_at")
    }


def read_flow_results(client: Client, task: Task) -> Iterator[Page]:
    """Each message of each flow by day; a cell without any sending or reaction is no row."""
    zone = ZoneInfo(task.account.time_zone)
    names = {flow: row["name"] for flow, row in kept(client, task, read_flows).items()}
    for answer in _report(client, task, FLOW_SERIES, start=task.start, end=task.end):
        own = answer.data["data"]["attributes"]
        days = [day_of(t, zone) for t in own.get("date_times") or ()]
        results = listed(own.get("results"))
        page = Page(rows=[], columns=_columns(results), bytes_read=answer.size)
        for record in results:
            _flow_cells(record, days, names, task=task, page=page)
        yield page


def _flow_cells(
    record: Any, days: list[str], names: Mapping[str, str], *, task: Task, page: Page
) -> None:
    page.read_count += len(days)
    try:
        groups, figures = record["groupings"], record["statistics"]
        message, flow = ident(groups["flow_message_id"]), ident(groups["flow_id"])
        made = []
        for i, day in enumerate(days):
            cell = {name: figures[name][i] for name in STATISTICS if name in figures}
            if task.holds(day) and any(cell.values()):
                made.append(
                    {
                        "entity_id": message,
                        "day": day,
                        "level": rows.MAIL_FLOW_MESSAGE,
                        "parent_id": flow,
                        "entity_name": _flow_message_name(names, flow, message),
                        **_figures(cell),
                    }
                )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        page.rejected.extend(Rejected(record, reason(error), day) for day in days)
        return
    page.rows.extend(made)
    page.skipped += len(days) - len(made)


def _flow_message_name(names: Mapping[str, str], flow: str, message: str) -> str:
    return f"{names[flow]}, message {message}" if names.get(flow) else ""


def _report(
    client: Client, task: Task, path: str, *, start: dt.date, end: dt.date
) -> Iterator[Answer]:
    """One report over whole days of the account; `end` is inclusive."""
    attributes: dict[str, Any] = {
        "statistics": list(STATISTICS),
        "timeframe": {"start": _midnight(start), "end": _midnight(end + timedelta(days=1))},
        "conversion_metric_id": conversion_metric(client, task.account, task.options),
    }
    if path == FLOW_SERIES:
        attributes["interval"] = "daily"
    body = {"data": {"type": path.removesuffix("s"), "attributes": attributes}}

    def ask(cursor: str) -> Answer:
        return client.post(
            f"/api/{path}", params={"page_cursor": cursor or None}, json=body, lane=path
        )

    yield from walk(ask, _next_cursor, records_of=lambda data: dig(data, "data.attributes.results"))


def _next_cursor(data: Any) -> str | None:
    """Reports name the next page by `page_cursor` inside the link."""
    link = (data.get("links") or {}).get("next") if isinstance(data, dict) else None
    if not link:
        return None
    found = parse_qs(urlsplit(link).query).get("page_cursor")
    if not found:
        raise lost()
    return str(found[0])


def read_revenue(client: Client, task: Task) -> Iterator[Page]:
    """Orders and revenue credited to each message, on the day of the order."""
    zone = ZoneInfo(task.account.time_zone)
    attributes: dict[str, Any] = {
        "metric_id": conversion_metric(client, task.account, task.options),
        "measurements": ["count", "sum_value"],
        "interval": "day",
        "by": [BY_MESSAGE],
        "timezone": _their_zone(task.account.time_zone),
        "filter": [
            f"greater-or-equal(datetime,{task.start}T00:00:00)",
            f"less-than(datetime,{task.end + timedelta(days=1)}T00:00:00)",
        ],
        "page_size": 500,
    }

    def ask(cursor: str) -> Answer:
        sent = {**attributes, "page_cursor": cursor} if cursor else attributes
        return client.post(
            "/api/metric-aggregates",
            json={"data": {"type": "metric-aggregate", "attributes": sent}},
            lane="metric-aggregates",
        )

    found = walk(ask, _next_cursor, records_of=lambda data: dig(data, "data.attributes.data"))
    for answer in found:
        own = answer.data["data"]["attributes"]
        days = [day_of(t, zone) for t in own.get("dates") or ()]
        page = Page(rows=[], bytes_read=answer.size)
        groups = listed(own.get("data"))
        page.columns = frozenset().union(
            *((g.get("measurements") or {}) for g in groups if isinstance(g, dict))
        )
        for group in groups:
            _revenue_cells(group, days, task=task, page=page)
        yield page


def _revenue_cells(group: Any, days: list[str], *, task: Task, page: Page) -> None:
    """One row per day with orders; orders that no message is credited with are left out."""
    page.read_count += len(days)
    try:
        message = group["dimensions"][0]
        figures = group["measurements"]
        made = []
        for i, day in enumerate(days):
            count, value = figures["count"][i], figures["sum_value"][i]
            if message and task.holds(day) and (count or value):
                made.append(
                    {
                        "entity_id": ident(message),
                        "day": day,
                        "setting": EVENT_SETTING,
                        "conversions_micros": micros(count),
                        "value_micros": micros(value),
                    }
                )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        page.rejected.extend(Rejected(group, reason(error), day) for day in days)
        return
    page.rows.extend(made)
    page.skipped += len(days) - len(made)


def _figures(statistics: Mapping[str, Any]) -> dict[str, int | None]:
    found = {to: optional(statistics.get(name)) for name, to in COUNTS.items()}
    value = statistics.get(VALUE)
    found["value_micros"] = None if value is None else micros(value)
    return found


def _columns(results: list[Any]) -> frozenset[str]:
    """Statistics by their own names, and whatever else a result holds."""
    found = [r for r in results if isinstance(r, dict)]
    inner = frozenset().union(*((r.get("statistics") or {}) for r in found))
    return inner | frozenset().union(*found) - {"statistics", "groupings"}


def _midnight(day: dt.date) -> str:
    """Klaviyo ignores the offset and reads the account's zone."""
    return f"{day}T00:00:00+00:00"


def _their_zone(zone: str) -> str:
    """Klaviyo knows Kyiv by its old name only."""
    return "Europe/Kiev" if zone == "Europe/Kyiv" else zone
