"""Reads the bodies of report and aggregate requests and refuses what the platform refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from liftos_app.services.sandbox.platforms.klaviyo import filters
from liftos_app.services.sandbox.platforms.klaviyo.statistics import STATISTICS
from liftos_app.services.sandbox.platforms.klaviyo.timeframes import timeframe
from liftos_app.services.sandbox.platforms.klaviyo.wire import Refusal, invalid

AT = "/data/attributes/"
DIMENSIONS = (
    "$attributed_channel",
    "$attributed_flow",
    "$attributed_message",
    "$attributed_variation",
    "$campaign_channel",
    "$flow",
    "$flow_channel",
    "$message",
    "$message_send_cohort",
    "$usage_amount",
    "$value_currency",
    "$variation",
    "$variation_send_cohort",
    "Bot Click",
    "Bounce Type",
    "Campaign Name",
    "Client Canonical",
    "Client Name",
    "Client Type",
    "Email Domain",
    "Failure Source",
    "Failure Type",
    "From Number",
    "From Phone Region",
    "Inbox Provider",
    "List",
    "Message Format",
    "Message Name",
    "Message Type",
    "Method",
    "Segment Count",
    "Subject",
    "To Number",
    "To Phone Region",
    "URL",
    "form_id",
)
MEASUREMENTS = ("count", "sum_value", "unique")
_UNSUPPORTED_ZONES = {"Factory", "Europe/Kyiv", "Pacific/Kanton"}
_INTERVAL_DAYS = {"hourly": 7, "daily": 60, "monthly": 364, "weekly": 366}
_CHANNELS = ("email", "sms", "push-notification", "whatsapp")


@dataclass(frozen=True, slots=True)
class Report:
    """A values or series report: counted by send date in the account's zone."""

    statistics: tuple[str, ...]
    start: datetime
    end: datetime
    metric_id: str
    group_by: tuple[str, ...]
    clauses: tuple[filters.Clause, ...]
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A metric aggregate: counted by event date in `zone`."""

    metric_id: str
    measurements: tuple[str, ...]
    interval: str
    by: tuple[str, ...]
    start: datetime
    end: datetime
    zone: ZoneInfo
    clauses: tuple[filters.Clause, ...]
    page_size: int
    page_cursor: str
    sort: str


def attributes(
    body: object, kind: str, allowed: Sequence[str], required: Sequence[str]
) -> dict[str, Any]:
    """`data.attributes` of a JSON:API body of one type. Raises Refusal."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, Mapping):
        raise invalid("'data' is a required field.", pointer="/data")
    if data.get("type") != kind:
        raise invalid(
            f"'{data.get('type')}' is not a valid type for this resource. Did you mean '{kind}'?",
            pointer="/data/type",
        )
    found = data.get("attributes")
    if not isinstance(found, Mapping):
        raise invalid("'attributes' is a required field.", pointer="/data/attributes")
    for name in found:
        if name not in allowed:
            raise invalid(
                f"'{name}' is not a valid field for the resource '{kind}'.", pointer=f"{AT}{name}"
            )
    for name in required:
        if found.get(name) is None:
            raise invalid(
                f"'{name}' is a required field for the resource '{kind}'.", pointer=f"{AT}{name}"
            )
    return dict(found)


def words(found: Mapping[str, Any], name: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """A list of names, each one of `allowed`."""
    value = found.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise invalid(f"'{name}' must be a list of strings.", pointer=f"{AT}{name}")
    for word in value:
        if word not in allowed:
            raise invalid(f"'{word}' is not a valid choice for '{name}'.", pointer=f"{AT}{name}")
    return tuple(dict.fromkeys(value))


def report(
    body: object,
    *,
    kind: str,
    subject: str,
    metrics: Sequence[str],
    zone: ZoneInfo,
    now: datetime,
    series: bool = False,
) -> Report:
    """A campaign or flow report request. `subject` is campaign or flow. Raises Refusal."""
    allowed = ["statistics", "timeframe", "conversion_metric_id", "group_by", "filter"]
    required = ["statistics", "timeframe", "conversion_metric_id"]
    if series:
        allowed.append("interval")
        required.append("interval")
    found = attributes(body, kind, allowed, required)
    statistics = words(found, "statistics", STATISTICS)
    if not statistics:
        raise invalid("'statistics' must name at least one statistic.", pointer=f"{AT}statistics")
    metric = found["conversion_metric_id"]
    if metric not in metrics:
        raise invalid(
            f"The metric '{metric}' does not exist in this account.",
            pointer=f"{AT}conversion_metric_id",
        )
    start, end = timeframe(found["timeframe"], zone, now)
    interval = ""
    if series:
        interval = found["interval"]
        if not isinstance(interval, str) or interval not in _INTERVAL_DAYS:
            raise invalid(
                "'interval' must be hourly, daily, weekly or monthly.", pointer=f"{AT}interval"
            )
        if end - start > timedelta(days=_INTERVAL_DAYS[interval], hours=1):
            raise invalid(
                f"The timeframe is too long for the interval '{interval}'.",
                pointer=f"{AT}timeframe",
            )
    return Report(
        statistics,
        start,
        end,
        str(metric),
        _grouping(found, subject),
        _report_clauses(found, subject),
        interval,
    )


def _grouping(found: Mapping[str, Any], subject: str) -> tuple[str, ...]:
    own = [f"{subject}_id", f"{subject}_message_id", f"{subject}_message_name"]
    others = [
        "send_channel",
        "tag_id",
        "tag_name",
        "text_message_format",
        "variation",
        "variation_name",
    ]
    if subject == "campaign":
        others += ["group", "group_name"]
    else:
        own.append("flow_name")
    asked = words(found, "group_by", [*own, *others])
    if not asked:
        return (own[0], own[1], "send_channel")
    for name in own[:2]:
        if name not in asked:
            raise invalid(f"'{name}' is required in 'group_by'.", pointer=f"{AT}group_by")
    return asked


def _report_clauses(found: Mapping[str, Any], subject: str) -> tuple[filters.Clause, ...]:
    text = found.get("filter")
    if text is None:
        return ()
    if not isinstance(text, str):
        raise invalid("'filter' must be a string.", pointer=f"{AT}filter")
    scalar = filters.Rule(("equals", "contains-any"))
    rules = {
        f"{subject}_id": scalar,
        f"{subject}_message_id": scalar,
        f"{subject}_message_name": scalar,
        "variation": scalar,
        "variation_name": scalar,
        "text_message_format": scalar,
        "send_channel": filters.Rule(("equals", "contains-any"), values=_CHANNELS),
        "tag_id": filters.Rule(("contains-any", "contains-all")),
        "tag_name": filters.Rule(("contains-any", "contains-all")),
    }
    if subject == "flow":
        rules["flow_name"] = scalar
    clauses = _with_pointer(lambda: filters.parse(text, rules), f"{AT}filter")
    names = [c.field for c in clauses]
    if len(set(names)) != len(names):
        raise invalid("Only one filter can be used per attribute.", pointer=f"{AT}filter")
    if any(isinstance(c.value, list) and len(c.value) > 100 for c in clauses):
        raise invalid("A list filter holds at most 100 items.", pointer=f"{AT}filter")
    return tuple(clauses)


def _with_pointer(parse: Any, pointer: str) -> list[filters.Clause]:
    try:
        found: list[filters.Clause] = parse()
    except Refusal as refusal:
        refusal.source = {"pointer": pointer}
        raise
    return found


def aggregate(body: object, *, metrics: Sequence[str]) -> Aggregate:
    """A metric-aggregate request. Raises Refusal."""
    found = attributes(
        body,
        "metric-aggregate",
        [
            "metric_id",
            "page_cursor",
            "measurements",
            "interval",
            "page_size",
            "by",
            "return_fields",
            "filter",
            "timezone",
            "sort",
        ],
        ["metric_id", "measurements", "filter"],
    )
    measurements = words(found, "measurements", MEASUREMENTS)
    if not measurements:
        raise invalid(
            "'measurements' must name at least one measurement.", pointer=f"{AT}measurements"
        )
    if found["metric_id"] not in metrics:
        raise Refusal(
            404,
            "not_found",
            "Not found.",
            f"The metric '{found['metric_id']}' does not exist in this account.",
            {"pointer": f"{AT}metric_id"},
        )
    interval = "day" if found.get("interval") is None else found["interval"]
    if interval not in ("hour", "day", "week", "month"):
        raise invalid("'interval' must be hour, day, week or month.", pointer=f"{AT}interval")
    size = found.get("page_size")
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 500
    ):
        raise invalid("'page_size' must be an integer from 1 to 500.", pointer=f"{AT}page_size")
    zone = _zone(found.get("timezone"))
    by = words(found, "by", DIMENSIONS)
    start, end, clauses = _aggregate_filter(found["filter"], zone)
    sort = str(found.get("sort") or "")
    if sort and sort.removeprefix("-") not in (*DIMENSIONS, *MEASUREMENTS):
        raise invalid(f"'{sort}' is not a valid sort key.", pointer=f"{AT}sort")
    return Aggregate(
        str(found["metric_id"]),
        measurements,
        str(interval),
        by,
        start,
        end,
        zone,
        clauses,
        size or 500,
        str(found.get("page_cursor") or ""),
        sort,
    )


def _zone(name: object) -> ZoneInfo:
    if name is None:
        return ZoneInfo("UTC")
    if not isinstance(name, str) or name in _UNSUPPORTED_ZONES or name not in available_timezones():
        raise invalid(f"'{name}' is not a valid timezone.", pointer=f"{AT}timezone")
    return ZoneInfo(name)


def _aggregate_filter(
    value: object, zone: ZoneInfo
) -> tuple[datetime, datetime, tuple[filters.Clause, ...]]:
    pointer = f"{AT}filter"
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise invalid("'filter' must be a list of strings.", pointer=pointer)
    rules = {name: filters.Rule(("equals", "contains", "any")) for name in DIMENSIONS}
    rules["datetime"] = filters.Rule(("greater-or-equal", "less-than"), "time")
    clauses = [
        c for text in value for c in _with_pointer(lambda t=text: filters.parse(t, rules), pointer)
    ]
    times = {c.operator: filters.as_time(c.value, zone) for c in clauses if c.field == "datetime"}
    start, end = times.get("greater-or-equal"), times.get("less-than")
    if start is None or end is None:
        raise invalid(
            "The filter must hold greater-or-equal(datetime,..) and less-than(datetime,..).",
            pointer=pointer,
        )
    if end <= start or end - start > timedelta(days=366, hours=1):
        raise invalid(
            "The time range must be longer than nothing and at most 1 year.", pointer=pointer
        )
    return start, end, tuple(c for c in clauses if c.field != "datetime")
