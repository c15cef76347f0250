"""Results of e-mails by the day they were sent: mailings whole, automated ones day by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.paging import dig
from liftos_app.services.connectors.platforms.hubspot import entities, portal
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.rows import ident, moment, optional, text
from liftos_app.services.connectors.spec import Page, Row, Task

# HubSpot's counter -> ours
COUNTERS = {
    "sent": "recipients",
    "delivered": "delivered",
    "open": "opens_unique",
    "click": "clicks_unique",
    "bounce": "bounced",
    "unsubscribed": "unsubscribes",
    "spamreport": "spam_complaints",
}
AUTOMATED = "AUTOMATED"  # part of the type of e-mails that go out day after day
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def read(client: Client, task: Task) -> Iterator[Page]:
    """See the contract in spec.py. A mailing is sent once: its figures stand on that day."""
    zone = portal.check(client, task)
    automated: list[Mapping[str, Any]] = []
    for answer in entities.mails(client):
        records = listed(dig(answer.data, "results"))
        automated += [r for r in records if isinstance(r, dict) and _runs_on(r)]

        def make(record: Any) -> Row | None:
            counters = (record.get("stats") or {}).get("counters") or {}
            if _runs_on(record) or not record.get("publishDate") or not counters.get("sent"):
                return None
            sent = moment(record["publishDate"]).astimezone(zone).date().isoformat()
            return _row(record, sent, counters) if task.holds(sent) else None

        yield make_page(records, make)
    for record in automated:
        if dig(record, "stats.counters.sent") and record.get("id"):
            yield _by_day(client, task, record, zone)


def _by_day(client: Client, task: Task, record: Mapping[str, Any], zone: ZoneInfo) -> Page:
    params = {
        "interval": "DAY",
        "startTimestamp": _midnight(task.start, zone),
        "endTimestamp": _midnight(task.end + timedelta(days=1), zone),
        "emailIds": ident(record["id"]),
    }
    answer = client.get(f"/marketing/emails/{VERSION}/statistics/histogram", params=params)

    def make(bucket: Any) -> Row | None:
        counters = bucket["aggregations"]["counters"]
        sent = moment(bucket["interval"]["start"]).astimezone(zone).date().isoformat()
        return _row(record, sent, counters) if counters.get("sent") and task.holds(sent) else None

    return make_page(dig(answer.data, "results"), make, answer=answer)


def _row(record: Mapping[str, Any], day: str, counters: Mapping[str, Any]) -> Row:
    return {
        "entity_id": ident(record["id"]),
        "day": day,
        "level": rows.MAIL_MESSAGE,
        "parent_id": text(record.get("campaign"), 120),
        "entity_name": text(record.get("name"), 400),
        **{to: optional(counters.get(name)) for name, to in COUNTERS.items()},
    }


def _runs_on(record: Mapping[str, Any]) -> bool:
    return AUTOMATED in str(record.get("type", "")).upper()


def _midnight(day: dt.date, zone: ZoneInfo) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).strftime(_STAMP)
