"""The days an insights call asks for, and how `time_increment` cuts them. All days inclusive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from liftos_app.services.sandbox.platforms.meta_business.answers import (
    bad_parameter,
    too_long_ago,
)
from liftos_app.services.sandbox.platforms.meta_business.filtering import load_json
from liftos_app.services.sandbox.platforms.meta_business.names import DATE_PRESETS

Period = tuple[dt.date, dt.date]
_DAY = dt.timedelta(days=1)
RETENTION_MONTHS = 37
MAX_RANGES = 50


def asked(params: Mapping[str, str], today: dt.date) -> list[Period]:
    """The ranges asked for: `time_ranges`, else `time_range`, else `date_preset`, else 30 days."""
    if params.get("time_ranges"):
        found = load_json("time_ranges", params["time_ranges"])
        if not isinstance(found, list) or not found:
            raise bad_parameter("time_ranges", "must be a non-empty array")
        if len(found) > MAX_RANGES:
            raise bad_parameter("time_ranges", f"holds more than {MAX_RANGES} ranges")
        return [_range("time_ranges", item, today) for item in found]
    # The vendor's own client also sends time_range[since] and time_range[until].
    since, until = params.get("time_range[since]"), params.get("time_range[until]")
    if params.get("time_range"):
        return [_range("time_range", load_json("time_range", params["time_range"]), today)]
    if since or until:
        return [_range("time_range", {"since": since, "until": until}, today)]
    return [_preset(params.get("date_preset") or "last_30d", today)]


def earliest(today: dt.date) -> dt.date:
    """The first day insights are kept for."""
    month = today.year * 12 + today.month - 1 - RETENTION_MONTHS
    day = min(today.day, _days_in(month // 12, month % 12 + 1))
    return dt.date(month // 12, month % 12 + 1, day)


def cut(period: Period, increment: str, today: dt.date) -> list[Period]:
    """Pieces of a range: one per N days, per month, or the whole. Days not yet begun fall away."""
    first, last = period[0], min(period[1], today)
    if increment in {"", "all_days"}:
        return [(first, last)] if first <= last else []
    if increment != "monthly" and not (increment.isdecimal() and 1 <= int(increment) <= 90):
        raise bad_parameter("time_increment", "must be 1 to 90, monthly or all_days")
    pieces: list[Period] = []
    while first <= last:
        if increment == "monthly":
            end = first.replace(day=_days_in(first.year, first.month))
        else:
            end = first + _DAY * (int(increment) - 1)
        pieces.append((first, min(end, last)))
        first = end + _DAY
    return pieces


def _days_in(year: int, month: int) -> int:
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return (following - _DAY).day


def _range(name: str, item: Any, today: dt.date) -> Period:
    if not isinstance(item, Mapping) or not item.get("since") or not item.get("until"):
        raise bad_parameter(name, "must hold since and until")
    try:
        first, last = (dt.date.fromisoformat(str(item[k])) for k in ("since", "until"))
    except ValueError:
        raise bad_parameter(name, "must hold dates of the form YYYY-MM-DD") from None
    if first > last:
        raise bad_parameter(name, "must not end before it begins: since is later than until")
    if first < earliest(today):
        raise too_long_ago()
    return first, last


def _preset(name: str, today: dt.date) -> Period:
    name = name.lower()
    if name not in {p.lower() for p in DATE_PRESETS}:
        options = ", ".join(sorted(DATE_PRESETS))
        raise bad_parameter("date_preset", f"must be one of {{{options}}}")
    yesterday = today - _DAY
    if name.startswith("last_") and name.endswith("d"):
        return today - _DAY * int(name[5:-1]), yesterday
    monday = today - _DAY * today.weekday()
    sunday = today - _DAY * ((today.weekday() + 1) % 7)
    month = today.replace(day=1)
    quarter = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    year = today.replace(month=1, day=1)
    last_quarter = quarter - _DAY
    return {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "this_week_mon_today": (monday, today),
        "this_week_sun_today": (sunday, today),
        "last_week_mon_sun": (monday - _DAY * 7, monday - _DAY),
        "last_week_sun_sat": (sunday - _DAY * 7, sunday - _DAY),
        "this_month": (month, today),
        "last_month": ((month - _DAY).replace(day=1), month - _DAY),
        "this_quarter": (quarter, today),
        "last_quarter": (
            last_quarter.replace(month=(last_quarter.month - 1) // 3 * 3 + 1, day=1),
            last_quarter,
        ),
        "this_year": (year, today),
        "last_year": (year.replace(year=year.year - 1), year - _DAY),
        "maximum": (earliest(today), today),
        "data_maximum": (earliest(today), today),
    }[name]
