"""Analytics: the question is checked, then answered with arrays by position from its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.x_ads import figures, windows
from liftos_app.services.sandbox.platforms.x_ads.lists import ids
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, invalid, missing
from liftos_app.services.sandbox.platforms.x_ads.windows import Span
from liftos_app.services.sandbox.trouble import name_at
from liftos_app.services.sandbox.world.shapes import AdAccount

MOST_IDS = 20
SYNC_DAYS, JOB_DAYS, SEGMENT_DAYS = 7, 90, 45
GRANULARITIES = ("TOTAL", "DAY", "HOUR")
SEGMENTS = ("AGE", "GENDER", "METROS", "PLATFORMS", "CONVERSION_TAGS")
_ASKED = (
    "entity", "entity_ids", "start_time", "end_time", "granularity", "metric_groups", "placement",
)  # fmt: skip
_OF_JOBS = ("segmentation_type", "country", "platform")


@dataclass(frozen=True, slots=True)
class Question:
    """A checked analytics question."""

    entity: str
    entity_ids: tuple[str, ...]
    span: Span
    granularity: str
    groups: tuple[str, ...]
    placement: str
    segment: str = ""
    country: str | None = None
    platform: str | None = None

    def echo(self) -> dict[str, Any]:
        """The question as every answer repeats it."""
        return {
            "start_time": windows.text(self.span.start),
            "end_time": windows.text(self.span.end),
            "entity": self.entity,
            "entity_ids": list(self.entity_ids),
            "granularity": self.granularity,
            "placement": self.placement,
            "metric_groups": list(self.groups),
            "segmentation_type": self.segment or None,
            "country": self.country,
            "platform": self.platform,
        }


def read(call: Call, a: AdAccount, *, job: bool) -> Question:
    """The question of a call. Raises Refusal with the documented code."""
    allowed = {*_ASKED, *(_OF_JOBS if job else ())}
    for name, value in call.query_pairs:
        if name not in allowed:
            raise invalid(name, value, "no such parameter")
    for name in _ASKED:
        if not call.query.get(name):
            raise missing(name)
    entity = _one_of(call, "entity", tuple(figures.LEVELS | {"PROMOTED_ACCOUNT"}))
    granularity = _one_of(call, "granularity", GRANULARITIES)
    placement = _one_of(call, "placement", figures.PLACEMENTS)
    groups = tuple(call.query["metric_groups"].split(","))
    for group in groups:
        if group not in figures.groups_of(entity):
            raise invalid("metric_groups", group, f"a metric group of {entity}")
    if "MOBILE_CONVERSION" in groups and len(groups) > 1:
        raise Refusal(
            400,
            "EXCLUSIVE_PARAMETERS",
            "MOBILE_CONVERSION must be requested alone",
            parameter="metric_groups",
            value=call.query["metric_groups"],
        )
    segment = _one_of(call, "segmentation_type", SEGMENTS) if _segmented(call, job=job) else ""
    if segment == "METROS" and not call.query.get("country"):
        raise missing("country")
    longest = (SEGMENT_DAYS if segment else JOB_DAYS) if job else SYNC_DAYS
    span = windows.read(call, a.zone, longest=longest, midnight=granularity == "DAY")
    return Question(
        entity,
        tuple(ids(call, "entity_ids", MOST_IDS)),
        span,
        granularity,
        groups,
        placement,
        segment,
        call.query.get("country"),
        call.query.get("platform"),
    )


def answer(call: Call, a: AdAccount, question: Question) -> dict[str, Any]:
    """The figures, in the order of the ids asked for."""
    days = question.span.days
    found = figures.rows(call, a, question.entity, question.placement, days)
    names = [n for g in question.groups for n in figures.metrics_of(question.entity, g)]
    flat = [
        {"id": ident, "day": day.isoformat(), **_kept(own, names)}
        for (ident, day), own in sorted(found.items())
        if ident in question.entity_ids
    ]
    bent = call.bend("daily", flat, account=a.id, day_of=lambda row: date.fromisoformat(row["day"]))
    length = len(_buckets(question, [0] * len(days)))
    data = []
    for ident in question.entity_ids:
        data += [_entry(question, ident, own, names, days) for own in _copies(bent, ident)]
    return {
        "data_type": "stats",
        "time_series_length": length,
        "data": data,
        "request": {"params": question.echo()},
    }


def active(call: Call, a: AdAccount) -> dict[str, Any]:
    """Entities whose figures changed within some hours, and which time the changes belong to.

    Figures of a day change until it is settled 30 days later.
    """
    allowed = {"entity", "start_time", "end_time", "campaign_ids", "funding_instrument_ids",
               "line_item_ids"}  # fmt: skip
    for name, value in call.query_pairs:
        if name not in allowed:
            raise invalid(name, value, "no such parameter")
    if not call.query.get("entity"):
        raise missing("entity")
    entity = _one_of(call, "entity", tuple(figures.LEVELS - {"ACCOUNT"} | {"PROMOTED_ACCOUNT"}))
    span = windows.read(call, a.zone, longest=JOB_DAYS, midnight=False)
    wanted = {n: ids(call, n) for n in sorted(allowed) if n.endswith("_ids") and n in call.query}
    if len(wanted) > 1:
        raise Refusal(400, "EXCLUSIVE_PARAMETERS", "Only one filter can be used")
    first = span.days[0] - timedelta(days=30)
    seen: dict[str, tuple[date, date, set[str]]] = {}
    for row in call.world.ad_days(a.id, first, span.days[-1], as_of=call.now, level="ad"):
        if not _filtered(a, row, wanted):
            continue
        ident = figures.entity_of(a, row, entity)
        begin, end, places = seen.get(ident, (row.day, row.day, set()))
        seen[ident] = (begin, max(end, row.day), places | set(figures.placements_of(row)))
    data = [
        {
            "entity_id": ident,
            "activity_start_time": windows.text(_local(call, a, begin, 3)),
            "activity_end_time": windows.text(min(call.now, _local(call, a, end, 21))),
            "placements": sorted(places),
        }
        for ident, (begin, end, places) in sorted(seen.items())
        if ident
    ]
    echo = {
        "account_id": a.id, "entity": entity, "start_time": windows.text(span.start),
        "end_time": windows.text(span.end), **wanted,
    }  # fmt: skip
    return {"request": {"params": echo}, "data": data}


def _segmented(call: Call, *, job: bool) -> bool:
    return job and bool(call.query.get("segmentation_type"))


def _one_of(call: Call, name: str, values: Sequence[str]) -> str:
    given = call.query.get(name, "")
    if given not in values:
        raise invalid(name, given, "one of " + ", ".join(sorted(values)))
    return given


def _kept(own: figures.Figures, names: Sequence[str]) -> dict[str, int]:
    """The asked-for metrics of a day."""
    whole = {n: own.get(n, 0) for n in names if not n.startswith(("conversion_", "mobile_"))}
    parts = {n: v for n, v in own.items() if n.partition(".")[0] in names and "." in n}
    return whole | parts


def _copies(rows: Sequence[dict[str, Any]], ident: str) -> list[list[dict[str, Any]]]:
    """The rows of an entity; a day that is there twice makes the whole entry come twice."""
    own = [row for row in rows if row[name_at(row, 0)] == ident]
    once: dict[str, dict[str, Any]] = {}
    for row in own:
        once.setdefault(row[name_at(row, 1)], row)
    return [list(once.values())] * (2 if len(once) < len(own) else 1)


def _entry(
    question: Question,
    ident: str,
    rows: Sequence[dict[str, Any]],
    names: Sequence[str],
    days: Sequence[date],
) -> dict[str, Any]:
    by_day = {row[name_at(row, 1)]: row for row in rows}
    seen = dict.fromkeys(k for row in rows for k in list(row)[2:])
    columns = {
        name: _buckets(question, [int(by_day.get(d.isoformat(), {}).get(name) or 0) for d in days])
        for name in seen
    }
    plain = [n for n in seen if "." not in n]
    conversions = [n for n in names if n.startswith(("conversion_", "mobile_"))]
    shown = [*plain, *conversions] if rows else list(names)
    segment = {"segment_name": "Other", "segment_value": "0"} if question.segment else None
    metrics = figures.shaped(shown, columns)
    name = name_at(rows[0], 0) if rows else "id"
    return {name: ident, "id_data": [{"segment": segment, "metrics": metrics}]}


def _buckets(question: Question, by_day: Sequence[int]) -> list[int]:
    """Daily values as the granularity wants them; the hours of a day add up to it exactly."""
    if question.granularity == "DAY":
        return list(by_day)
    skipped = question.span.first.hour
    hours = [v * (h + 1) // 24 - v * h // 24 for v in by_day for h in range(24)]
    hours = hours[skipped : skipped + question.span.hours]
    return hours if question.granularity == "HOUR" else [sum(hours)]


def _filtered(a: AdAccount, row: Any, wanted: dict[str, list[str]]) -> bool:
    levels = {
        "campaign_ids": "CAMPAIGN", "line_item_ids": "LINE_ITEM",
        "funding_instrument_ids": "FUNDING_INSTRUMENT",
    }  # fmt: skip
    return all(figures.entity_of(a, row, levels[n]) in found for n, found in wanted.items())


def _local(call: Call, a: AdAccount, day: date, hour: int) -> datetime:
    """An hour of a local day, by today's offset."""
    offset = call.now.astimezone(ZoneInfo(a.zone)).utcoffset() or timedelta()
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - offset
