"""Values and series reports: counted by SEND date, in the account's zone, grown up to now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.klaviyo import catalog, filters, pages, requests
from liftos_app.services.sandbox.platforms.klaviyo.endpoints import bent, missing_days
from liftos_app.services.sandbox.platforms.klaviyo.requests import Report
from liftos_app.services.sandbox.platforms.klaviyo.serve import Admitted, body_of, endpoint
from liftos_app.services.sandbox.platforms.klaviyo.statistics import add, pick
from liftos_app.services.sandbox.platforms.klaviyo.wire import sparse
from liftos_app.services.sandbox.world.plan import SHOP_ZONE

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.shapes import MailCampaign, MailFlow, MailStats

ROWS = 250  # a page of results; the platform's own number is not published
_SMS_COST = 0.0125  # dollars a segment
Groupings = dict[str, str]
Counts = dict[str, float]


def counts(row: MailStats, *, converts: bool) -> Counts:
    """The plain counts of one row of the world; conversions only for the metric they are of."""
    found: Counts = {
        "recipients": row.recipients, "delivered": row.delivered, "bounced": row.bounced,
        "opens": row.opens, "opens_unique": row.opens_unique, "clicks": row.clicks,
        "clicks_unique": row.clicks_unique, "unsubscribes": row.unsubscribes,
        "unsubscribe_uniques": row.unsubscribes, "spam_complaints": row.spam_complaints,
    }  # fmt: skip
    if converts:
        found |= {"conversions": row.conversions, "conversion_uniques": row.conversion_uniques,
                  "conversion_value": row.value / 100}  # fmt: skip
    if row.channel == "sms":
        found |= {"message_segment_count_sum": row.recipients,
                  "text_message_credit_usage_amount": row.recipients,
                  "text_message_spend": row.recipients * _SMS_COST}  # fmt: skip
    return found


@endpoint(catalog.CAMPAIGN_VALUES)
def campaign_values(ask: Admitted) -> dict[str, Any]:
    """POST /api/campaign-values-reports: messages sent in the timeframe, one row each."""
    report = _read(ask, "campaign")
    world, now = ask.call.world, ask.call.now
    sent = {
        c.message_id: c for c in world.mail_campaigns(as_of=now)
        if c.send_at is not None and report.start <= c.send_at < report.end
    }  # fmt: skip
    first, last = _days(report)
    gone = missing_days(ask, ask.endpoint.name, first, last)
    rows = [
        (_campaign_groups(sent[s.message_id]), s)
        for s in world.mail_campaign_stats(first, last, as_of=now)
        if s.message_id in sent and s.day not in gone
    ]  # fmt: skip
    return _values(ask, report, rows, "campaign")


@endpoint(catalog.FLOW_VALUES)
def flow_values(ask: Admitted) -> dict[str, Any]:
    """POST /api/flow-values-reports."""
    report = _read(ask, "flow")
    return _values(ask, report, _flow_rows(ask, report), "flow")


@endpoint(catalog.FLOW_SERIES)
def flow_series(ask: Admitted) -> dict[str, Any]:
    """POST /api/flow-series-reports: every statistic as a list along date_times."""
    report = _read(ask, "flow", series=True)
    starts = _intervals(report)
    converts = report.metric_id == ask.call.world.placed_order_metric
    found: dict[tuple[str, ...], tuple[Groupings, list[list[Counts]]]] = {}
    for groups, row in _flow_rows(ask, report):
        picked = _grouped(groups, report)
        if picked is None:
            continue
        _, cells = found.setdefault(
            tuple(picked.values()), (picked, [[] for _ in starts])
        )  # fmt: skip
        cells[_slot(starts, row.day)].append(counts(row, converts=converts))
    results = []
    for picked, cells in found.values():
        series = [pick(add(cell), report.statistics) for cell in cells]
        results.append({
            "groupings": picked,
            "statistics": {name: [s[name] for s in series] for name in report.statistics},
        })  # fmt: skip
    zone = ZoneInfo(SHOP_ZONE)
    times = [datetime(d.year, d.month, d.day, tzinfo=zone).isoformat() for d in starts]
    return _document(ask, "flow-series-report", results, "flow", {"date_times": times})


def _read(ask: Admitted, subject: str, *, series: bool = False) -> Report:
    world, now = ask.call.world, ask.call.now
    return requests.report(
        body_of(ask.call), kind=f"{subject}-{'series' if series else 'values'}-report",
        subject=subject, metrics=[m.id for m in world.mail_metrics(as_of=now)],
        zone=ZoneInfo(SHOP_ZONE), now=now, series=series,
    )  # fmt: skip


def _days(report: Report) -> tuple[date, date]:
    zone = ZoneInfo(SHOP_ZONE)
    last = report.end - timedelta(microseconds=1)
    return report.start.astimezone(zone).date(), last.astimezone(zone).date()


def _channel(name: str) -> str:
    return "push-notification" if name == "mobile_push" else name


def _campaign_groups(row: MailCampaign) -> Groupings:
    return {
        "campaign_id": row.id, "campaign_message_id": row.message_id,
        "campaign_message_name": row.name, "send_channel": _channel(row.channel),
        "group": "", "group_name": "", "tag_id": "", "tag_name": "", "text_message_format": "",
        "variation": "", "variation_name": "",
    }  # fmt: skip


def _flow_rows(ask: Admitted, report: Report) -> list[tuple[Groupings, MailStats]]:
    world, now = ask.call.world, ask.call.now
    flows: dict[str, MailFlow] = {f.id: f for f in world.mail_flows(as_of=now)}
    first, last = _days(report)
    gone = missing_days(ask, ask.endpoint.name, first, last)
    return [
        (_flow_groups(flows[s.parent_id], s), s)
        for s in world.mail_flow_days(first, last, as_of=now)
        if s.parent_id in flows and s.day not in gone
    ]  # fmt: skip


def _flow_groups(flow: MailFlow, row: MailStats) -> Groupings:
    names = dict(zip(flow.message_ids, flow.message_names, strict=False))
    return {
        "flow_id": flow.id, "flow_message_id": row.message_id, "flow_name": flow.name,
        "flow_message_name": names.get(row.message_id, ""), "send_channel": _channel(row.channel),
        "tag_id": "", "tag_name": "", "text_message_format": "", "variation": "",
        "variation_name": "",
    }  # fmt: skip


def _grouped(groups: Groupings, report: Report) -> Groupings | None:
    """The groupings asked for; None when a filter leaves the row out."""
    read = {name: itemgetter(name) for name in groups}
    if not filters.keep([groups], report.clauses, read):
        return None
    return {name: groups[name] for name in report.group_by if name in groups}


def _values(
    ask: Admitted, report: Report, rows: Iterable[tuple[Groupings, MailStats]], subject: str
) -> dict[str, Any]:
    converts = report.metric_id == ask.call.world.placed_order_metric
    found: dict[tuple[str, ...], tuple[Groupings, list[Counts]]] = {}
    for groups, row in rows:
        picked = _grouped(groups, report)
        if picked is not None:
            key = tuple(picked.values())
            found.setdefault(key, (picked, []))[1].append(counts(row, converts=converts))
    results = [
        {"groupings": picked, "statistics": pick(add(parts), report.statistics)}
        for picked, parts in found.values()
    ]
    return _document(ask, f"{subject}-values-report", results, subject, {})


def _document(
    ask: Admitted, kind: str, results: list[dict[str, Any]], subject: str,
    more: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    results = bent(ask, f"{kind}s", results)
    numbered = list(enumerate(results))
    page = pages.cut(
        numbered, lambda row: pages.key(f"{row[0]:08}", ""), size=ROWS,
        cursor=ask.query.get("page_cursor", ""),
    )  # fmt: skip
    shown = [row for _, row in page.rows]
    parents = dict.fromkeys(str(r["groupings"].get(f"{subject}_id", "")) for r in shown)
    relationships: dict[str, Any] = {
        f"{subject}s": {"data": [{"type": subject, "id": one} for one in parents if one]}
    }
    return {
        "data": {
            "type": kind,
            "attributes": sparse({"results": shown, **more}, _with_results(ask, kind)),
            "relationships": relationships,
        },
        "links": pages.links(ask.call, page, name="page_cursor"),
    }


def _with_results(ask: Admitted, kind: str) -> list[str]:
    wanted = ask.fields.get(kind, [])
    return [w for w in wanted if w != "id"] if wanted else []


def _intervals(report: Report) -> list[date]:
    """First days of the intervals; hourly falls back on days, the world knows no finer sends."""
    first, last = _days(report)
    if report.interval == "monthly":
        first = first.replace(day=1)
    starts = []
    day = first
    while day <= last:
        starts.append(day)
        if report.interval == "monthly":
            day = (day + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=7 if report.interval == "weekly" else 1)
    return starts


def _slot(starts: list[date], day: date) -> int:
    index = 0
    for position, start in enumerate(starts):
        if start <= day:
            index = position
    return index
