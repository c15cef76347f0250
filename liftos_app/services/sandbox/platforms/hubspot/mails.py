"""Marketing e-mails: the world's mailings and the messages of its flows, with their statistics.

Statistics count by the day of sending and are brought up to date every quarter of an hour.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.hubspot.refusals import invalid, not_found
from liftos_app.services.sandbox.platforms.hubspot.serve import Asked, endpoint
from liftos_app.services.sandbox.platforms.hubspot.settings import ZONE
from liftos_app.services.sandbox.platforms.hubspot.view import time_text
from liftos_app.services.sandbox.world import MailStats

_FIRST = 170_000_000_000
_TICK = 900
_SPANS = ("createdAt", "createdAfter", "createdBefore", "updatedAt", "updatedAfter",
          "updatedBefore")  # fmt: skip
_STATES = {"Sent": "PUBLISHED", "Draft": "DRAFT", "Scheduled": "SCHEDULED", "Cancelled": "DRAFT"}
_INTERVALS = ("DAY", "HOUR", "MINUTE", "MONTH", "QUARTER", "QUARTER_HOUR", "SECOND", "WEEK", "YEAR")


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail. `message` is the world's id of it."""

    id: int
    message: str
    name: str
    subject: str
    type: str
    state: str
    published: datetime | None
    created: datetime
    updated: datetime
    archived: bool


@endpoint(
    scope="content",
    singles=(
        *_SPANS, "after", "limit", "includeStats", "marketingCampaignNames", "workflowNames",
        "type", "isPublished", "archived",
    ),
    lists=("sort", "includedProperties"),
)  # fmt: skip
def listing(asked: Asked) -> dict[str, Any]:
    """GET e-mails, oldest change first unless sorted otherwise."""
    limit = asked.limit(default=10, most=100)
    kept = [m for m in mails(asked.call) if _fits(asked, m)]
    name, descending = _order(asked)
    kept.sort(key=lambda m: (getattr(m, name), m.id), reverse=descending)
    stats = _lifetime(asked.call) if asked.flag("includeStats") else None
    rows = asked.call.bend("emails", [_shown(m, stats) for m in kept])
    start = _offset(asked.query.get("after", ""))
    wanted = asked.lists.get("includedProperties", ())
    page = rows[start : start + limit]
    if wanted:
        named = {*wanted, "id"}
        page = [{k: v for k, v in r.items() if k in named or k not in _FIELDS} for r in page]
    found: dict[str, Any] = {"total": len(rows), "results": page}
    if start + limit < len(rows):
        after = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
        found["paging"] = {"next": {"after": after, "link": f"{asked.call.url}?after={after}"}}
    return found


@endpoint(scope="content", singles=("includeStats", "archived", "marketingCampaignNames",
          "workflowNames"), lists=("includedProperties",))  # fmt: skip
def single(asked: Asked) -> dict[str, Any]:
    """GET one e-mail."""
    for one in mails(asked.call):
        if str(one.id) == asked.call.params["id"]:
            stats = _lifetime(asked.call) if asked.flag("includeStats") else None
            return _shown(one, stats)
    raise not_found("resource not found")


@endpoint(scope="content", singles=("startTimestamp", "endTimestamp", "property"),
          lists=("emailIds",))  # fmt: skip
def statistics(asked: Asked) -> dict[str, Any]:
    """GET what the e-mails sent in a span of time came to, and which they are."""
    start, end = _span(asked)
    chosen = _chosen(asked)
    own = [
        s
        for s in _stats(asked.call, start, end)
        if s.message_id in chosen and start <= _midnight(s.day) < end and s.recipients
    ]
    ids = sorted({chosen[s.message_id] for s in own})
    return {"emails": ids, "campaignAggregations": {}, "aggregate": _figures(own)}


@endpoint(scope="content", singles=("startTimestamp", "endTimestamp", "interval"),
          lists=("emailIds",))  # fmt: skip
def histogram(asked: Asked) -> dict[str, Any]:
    """GET the same by interval; days are those of the portal. Only DAY and MONTH are cut here."""
    interval = asked.query.get("interval", "DAY")
    if interval not in _INTERVALS:
        raise invalid(f"Unknown interval {interval[:40]}.", name="interval")
    if interval not in ("DAY", "MONTH"):
        raise invalid(f"The sandbox does not cut {interval}.", name="interval")
    start, end = _span(asked)
    chosen = _chosen(asked)
    groups: dict[date, list[MailStats]] = {}
    day = start.astimezone(ZoneInfo(ZONE)).date()
    while _midnight(day) < end:
        groups.setdefault(day.replace(day=1) if interval == "MONTH" else day, [])
        day += timedelta(days=1)
    for one in _stats(asked.call, start, end):
        key = one.day.replace(day=1) if interval == "MONTH" else one.day
        if one.message_id in chosen and start <= _midnight(one.day) < end:
            groups[key].append(one)
    rows = [
        {
            "interval": {
                "start": time_text(_midnight(key)),
                "end": time_text(_midnight(_next(key, interval))),
            },
            "aggregations": _figures(own),
        }
        for key, own in groups.items()
    ]
    rows = asked.call.bend("statistics", rows, day_of=_bucket_day)
    return {"total": len(rows), "results": rows}


def mails(call: Call) -> list[Mail]:
    """Every e-mail there is at the moment."""
    found = []
    for one in call.world.mail_campaigns(as_of=call.now):
        sent = one.send_at if one.status == "Sent" else None
        found.append(
            Mail(
                number(one.message_id),
                one.message_id,
                one.name,
                one.subject,
                "BATCH_EMAIL",
                _STATES.get(one.status, "DRAFT"),
                sent,
                one.created_at,
                one.updated_at,
                False,
            )
        )
    for flow in call.world.mail_flows(as_of=call.now):
        for message, name in zip(flow.message_ids, flow.message_names, strict=True):
            live = flow.status == "live"
            found.append(
                Mail(
                    number(message),
                    message,
                    name,
                    name,
                    "AUTOMATED_EMAIL",
                    "AUTOMATED" if live else "AUTOMATED_DRAFT",
                    flow.created_at if live else None,
                    flow.created_at,
                    flow.updated_at,
                    False,
                )
            )
    return found


def number(message: str) -> int:
    """The numeric id of a message of the world."""
    return _FIRST + int(hashlib.sha256(message.encode()).hexdigest()[:9], 16)


def _shown(one: Mail, stats: Mapping[str, Sequence[MailStats]] | None) -> dict[str, Any]:
    published = one.state in ("PUBLISHED", "AUTOMATED")
    row: dict[str, Any] = {
        "id": str(one.id),
        "name": one.name,
        "subject": one.subject,
        "type": one.type,
        "state": one.state,
        "subcategory": "batch" if one.type == "BATCH_EMAIL" else "automated",
        "createdAt": time_text(one.created),
        "updatedAt": time_text(one.updated),
        "archived": one.archived,
        "isPublished": published,
        "isTransactional": False,
        "sendOnPublish": True,
        "language": "en",
        "activeDomain": "larkspur-home.example",
        "businessUnitId": "0",
        "emailTemplateMode": "DRAG_AND_DROP",
        "content": {"templatePath": "@hubspot/email/dnd/plain_text.html"},
        "from": {"fromName": "Robin Larkspur", "replyTo": "robin@larkspur-home.example"},
        "subscriptionDetails": {"subscriptionId": "77", "subscriptionName": "Marketing"},
        "to": {},
        "webversion": {"enabled": True},
    }
    if one.published is not None:
        row["publishDate"] = time_text(one.published)
    if stats is not None:
        row["stats"] = _figures(stats.get(one.message, ()))
    return row


_FIELDS = frozenset(
    {"id", "name", "subject", "type", "state", "subcategory", "createdAt", "updatedAt", "archived",
     "isPublished", "isTransactional", "sendOnPublish", "language", "activeDomain",
     "businessUnitId", "emailTemplateMode", "content", "from", "subscriptionDetails", "to",
     "webversion", "publishDate", "stats"}
)  # fmt: skip


def _figures(own: Iterable[MailStats]) -> dict[str, Any]:
    rows = list(own)

    def whole(name: str) -> int:
        return sum(getattr(r, name) for r in rows)

    sent, delivered, bounced = whole("recipients"), whole("delivered"), whole("bounced")
    opened, clicked = whole("opens_unique"), whole("clicks_unique")
    left, spam = whole("unsubscribes"), whole("spam_complaints")

    def ratio(part: int, of: int) -> float:
        return round(100 * part / of, 3) if of else 0.0

    return {
        "counters": {
            "sent": sent, "selected": sent, "delivered": delivered, "open": opened,
            "click": clicked, "bounce": bounced, "hardbounced": bounced, "softbounced": 0,
            "unsubscribed": left, "spamreport": spam, "contactslost": bounced + left + spam,
            "dropped": 0, "notsent": 0, "pending": 0, "suppressed": 0, "reply": 0,
        },
        "ratios": {
            "deliveredratio": ratio(delivered, sent), "bounceratio": ratio(bounced, sent),
            "openratio": ratio(opened, delivered), "clickratio": ratio(clicked, delivered),
            "clickthroughratio": ratio(clicked, opened),
            "unsubscribedratio": ratio(left, delivered), "spamreportratio": ratio(spam, delivered),
        },
        "deviceBreakdown": {
            "open_device_type": {"computer": 0, "mobile": 0, "unknown": opened},
            "click_device_type": {"computer": 0, "mobile": 0, "unknown": clicked},
        },
        "qualifierStats": {},
    }  # fmt: skip


def as_of(call: Call) -> datetime:
    """When statistics were last brought up to date."""
    seconds = int(call.now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % _TICK, UTC)


def _stats(call: Call, start: datetime, end: datetime) -> list[MailStats]:
    at, zone = as_of(call), ZoneInfo(ZONE)
    days = start.astimezone(zone).date(), min(end, at).astimezone(zone).date()
    return [
        *call.world.mail_campaign_stats(*days, as_of=at),
        *call.world.mail_flow_days(*days, as_of=at),
    ]


def _lifetime(call: Call) -> dict[str, list[MailStats]]:
    """Statistics of each message since it exists; kept until the next quarter of an hour."""
    key = (id(call.world), as_of(call))
    kept = call.memory.get("mail_figures")
    if kept is None or kept[0] != key:
        found: dict[str, list[MailStats]] = {}
        since = datetime.combine(
            call.world.first_day(call.now), datetime.min.time(), ZoneInfo(ZONE)
        )
        for one in _stats(call, since, call.now):
            found.setdefault(one.message_id, []).append(one)
        kept = call.memory["mail_figures"] = (key, found)
    result: dict[str, list[MailStats]] = kept[1]
    return result


def _chosen(asked: Asked) -> dict[str, int]:
    """The world's ids of the e-mails asked for, with their numbers; all without a choice."""
    wanted = asked.lists.get("emailIds", ())
    if any(not w.isdecimal() for w in wanted):
        raise invalid("emailIds must be numbers.", name="emailIds")
    own = {m.message: m.id for m in mails(asked.call)}
    return {k: v for k, v in own.items() if not wanted or str(v) in wanted}


def _fits(asked: Asked, one: Mail) -> bool:
    q = asked.query
    if one.archived != asked.flag("archived") or ("type" in q and q["type"] != one.type):
        return False
    if "isPublished" in q and (one.state in ("PUBLISHED", "AUTOMATED")) != asked.flag(
        "isPublished"
    ):
        return False
    for name in _SPANS:
        if name in q:
            own = one.created if name.startswith("created") else one.updated
            at = _time(q[name], name)
            before, after = name.endswith("Before"), name.endswith("After")
            if (
                (before and own >= at)
                or (after and own <= at)
                or (not before and not after and own != at)
            ):
                return False
    return True


def _order(asked: Asked) -> tuple[str, bool]:
    names = {"createdAt": "created", "updatedAt": "updated", "name": "name", "id": "id"}
    sort = asked.lists.get("sort", ("createdAt",))[0]
    if sort.lstrip("-") not in names:
        raise invalid(f"Cannot sort by {sort[:40]}.", name="sort")
    return names[sort.lstrip("-")], sort.startswith("-")


def _offset(text: str) -> int:
    if not text:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error):
        raise invalid("after is not a valid paging cursor.", name="after") from None


def _span(asked: Asked) -> tuple[datetime, datetime]:
    start, end = (_time(asked.query.get(n, ""), n) for n in ("startTimestamp", "endTimestamp"))
    if end <= start:
        raise invalid("endTimestamp must be after startTimestamp.", name="endTimestamp")
    return start, end


def _time(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name} must be an ISO 8601 time.", name=name) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZoneInfo(ZONE)).astimezone(UTC)


def _next(day: date, interval: str) -> date:
    if interval == "DAY":
        return day + timedelta(days=1)
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _bucket_day(row: Mapping[str, Any]) -> date:
    return datetime.fromisoformat(row["interval"]["start"]).astimezone(ZoneInfo(ZONE)).date()
