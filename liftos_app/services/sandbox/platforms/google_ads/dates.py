"""Date literals of GAQL and the segments derived from a day. Weeks begin on Monday."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

_DAY = dt.timedelta(days=1)
_MONTHS = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE",
    "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
CORE = frozenset({"date", "week", "month", "quarter", "year"})  # need or give a finite range
LITERALS = frozenset(
    {
        "TODAY", "YESTERDAY", "LAST_7_DAYS", "LAST_14_DAYS", "LAST_30_DAYS", "LAST_BUSINESS_WEEK",
        "LAST_MONTH", "LAST_WEEK_MON_SUN", "LAST_WEEK_SUN_SAT", "THIS_MONTH",
        "THIS_WEEK_MON_TODAY", "THIS_WEEK_SUN_TODAY",
    }
)  # fmt: skip


def during(literal: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day of a literal, both inclusive. Raises KeyError for an unknown one."""
    if literal not in LITERALS:
        raise KeyError(literal)
    monday = today - _DAY * today.weekday()
    sunday = today - _DAY * ((today.weekday() + 1) % 7)
    yesterday = today - _DAY
    first = today.replace(day=1)
    if literal.startswith("LAST_") and literal.endswith("_DAYS"):
        return today - _DAY * int(literal.split("_")[1]), yesterday
    return {
        "TODAY": (today, today),
        "YESTERDAY": (yesterday, yesterday),
        "LAST_BUSINESS_WEEK": (monday - _DAY * 7, monday - _DAY * 3),
        "LAST_WEEK_MON_SUN": (monday - _DAY * 7, monday - _DAY),
        "LAST_WEEK_SUN_SAT": (sunday - _DAY * 7, sunday - _DAY),
        "THIS_WEEK_MON_TODAY": (monday, today),
        "THIS_WEEK_SUN_TODAY": (sunday, today),
        "THIS_MONTH": (first, today),
        "LAST_MONTH": ((first - _DAY).replace(day=1), first - _DAY),
    }[literal]


def read_day(text: str) -> dt.date:
    """A day as YYYY-MM-DD or YYYYMMDD. Raises ValueError."""
    if not re.fullmatch(r"(19|20)\d\d-\d\d-\d\d|(19|20)\d{6}", text):
        raise ValueError(text)
    return dt.date.fromisoformat(text)


_OF_DAY: dict[str, Callable[[dt.date], str | int]] = {
    "date": dt.date.isoformat,
    "week": lambda day: (day - _DAY * day.weekday()).isoformat(),
    "month": lambda day: day.replace(day=1).isoformat(),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1).isoformat(),
    "year": lambda day: day.year,
    "day_of_week": lambda day: _WEEKDAYS[day.weekday()],
    "month_of_year": lambda day: _MONTHS[day.month - 1],
}

SEGMENTS = frozenset(_OF_DAY)


def of_day(segment: str, day: dt.date) -> str | int:
    """The value of a date segment for a day. Raises KeyError when it is no date segment."""
    return _OF_DAY[segment](day)
