"""The `timeframe` of a report: a key or a start and an end, read in the account's zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.klaviyo.wire import invalid

AT = "/data/attributes/timeframe"
TIMEFRAMES = (
    "last_12_months",
    "last_30_days",
    "last_365_days",
    "last_3_months",
    "last_7_days",
    "last_90_days",
    "last_month",
    "last_week",
    "last_year",
    "this_month",
    "this_week",
    "this_year",
    "today",
    "yesterday",
)


def timeframe(value: object, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """The half-open span in UTC. Any offset is ignored: the account's zone counts."""
    if not isinstance(value, Mapping):
        raise invalid("'timeframe' must hold a key, or a start and an end.", pointer=f"{AT}")
    if "key" in value:
        if value["key"] not in TIMEFRAMES:
            raise invalid(f"'{value['key']}' is not a valid timeframe.", pointer=f"{AT}/key")
        return _named(str(value["key"]), zone, now)
    local: list[datetime] = []
    for name in ("start", "end"):
        moment = _wall_time(value.get(name))
        if moment is None:
            raise invalid(f"'{name}' must be an ISO 8601 datetime.", pointer=f"{AT}/{name}")
        local.append(moment.replace(tzinfo=zone))
    start, end = local
    if end <= start:
        raise invalid("The end of the timeframe must be after its start.", pointer=f"{AT}/end")
    if end.replace(tzinfo=None) > _plus_year(start.replace(tzinfo=None)):
        raise invalid("The timeframe cannot be longer than 1 year.", pointer=f"{AT}")
    return start.astimezone(UTC), end.astimezone(UTC)


def _wall_time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if 1971 < moment.year < 2200 else None


def _plus_year(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year + 1)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + 1, month=3, day=1)


def _named(key: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    today = now.astimezone(zone).date()
    month, week = today.replace(day=1), today - timedelta(days=today.weekday())
    last_month = (month - timedelta(days=1)).replace(day=1)
    spans: dict[str, tuple[date, date | None]] = {
        "today": (today, None),
        "yesterday": (today - timedelta(days=1), today),
        "this_week": (week, None),
        "last_week": (week - timedelta(days=7), week),
        "this_month": (month, None),
        "last_month": (last_month, month),
        "this_year": (today.replace(month=1, day=1), None),
        "last_year": (date(today.year - 1, 1, 1), date(today.year, 1, 1)),
        "last_7_days": (today - timedelta(days=7), None),
        "last_30_days": (today - timedelta(days=30), None),
        "last_90_days": (today - timedelta(days=90), None),
        "last_365_days": (today - timedelta(days=365), None),
        "last_3_months": (_months_back(month, 3), None),
        "last_12_months": (_months_back(month, 12), None),
    }
    start, end = spans[key]
    return _midnight(start, zone), now if end is None else _midnight(end, zone)


def _months_back(first: date, count: int) -> date:
    index = first.year * 12 + first.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
