"""Date presets and comparison periods: the one implementation for pages, REST, alerts and mails.

Days are calendar days. "Last N days" ends yesterday. A period that is not over yet is compared
over its elapsed full days only, on both sides.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from liftos_app.errors import Invalid
from liftos_app.services.metrics.question import Compare

_DAY = dt.timedelta(days=1)
_WEEK = 7
YEAR_DAYS: Final = 364

PRESETS: Final[dict[str, str]] = {
    "today": "Today",
    "yesterday": "Yesterday",
    "last_7": "Last 7 days",
    "last_14": "Last 14 days",
    "last_28": "Last 28 days",
    "last_30": "Last 30 days",
    "last_90": "Last 90 days",
    "this_week": "This week",
    "last_week": "Last week",
    "this_month": "This month",
    "last_month": "Last month",
    "this_quarter": "This quarter",
    "last_quarter": "Last quarter",
    "year_to_date": "Year to date",
}


@dataclass(frozen=True, slots=True)
class Period:
    """Both days inclusive."""

    start: dt.date
    end: dt.date

    def __len__(self) -> int:
        """How many days."""
        return (self.end - self.start).days + 1

    def __contains__(self, day: dt.date) -> bool:
        """Whether a day lies in it."""
        return self.start <= day <= self.end

    def __iter__(self) -> Iterator[dt.date]:
        """Its days, oldest first."""
        for offset in range(len(self)):
            yield self.start + dt.timedelta(days=offset)

    def moved(self, days: int) -> Period:
        """The same length, so many days earlier (negative) or later."""
        step = dt.timedelta(days=days)
        return Period(self.start + step, self.end + step)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two periods of equal elapsed time. `base` is the part of the question that is compared."""

    base: Period
    against: Period


def today_in(zone: str, now: datetime) -> dt.date:
    """The calendar day it is in a time zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def preset(  # noqa: PLR0911 - one line per kind of period
    name: str, today: dt.date, *, week_start: int = 0, include_today: bool = False
) -> Period:
    """A named period. To-date periods (`this_month`) end yesterday unless today is included.

    Including today adds the day that is not over to the N full ones. On the first day of a
    to-date period there is no full day yet: the answer is that day alone. `week_start`: 0 Monday
    .. 6 Sunday. Raises Invalid for a name that does not exist.
    """
    last = today if include_today else today - _DAY
    if name == "today":
        return Period(today, today)
    if name == "yesterday":
        return Period(today - _DAY, today - _DAY)
    number = name.removeprefix("last_")
    if name.startswith("last_") and number.isdecimal() and 0 < int(number) <= 1000:
        full = today - dt.timedelta(days=int(number))
        return Period(full, last)
    starts = {
        "week": today - dt.timedelta(days=(today.weekday() - week_start) % _WEEK),
        "month": today.replace(day=1),
        "quarter": today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
        "year": today.replace(month=1, day=1),
    }
    if name == "year_to_date":
        name = "this_year"
    which, _, unit = name.partition("_")
    if which not in {"this", "last"} or unit not in starts:
        raise Invalid(
            f"{name[:40]!r} is not a period.", why=f"The periods are: {', '.join(PRESETS)}.",
            fix="Choose one of them, or two days.", field="period",
        )
    start = starts[unit]
    if which == "this":
        return Period(start, max(start, last))
    before = start - _DAY
    if unit == "week":
        return Period(start - dt.timedelta(days=_WEEK), before)
    if unit == "month":
        return Period(before.replace(day=1), before)
    if unit == "quarter":
        return Period(before.replace(month=before.month - 2, day=1), before)
    return Period(before.replace(month=1, day=1), before)


def comparison(period: Period, kind: Compare, today: dt.date) -> Comparison | None:
    """What a period is held against, both sides cut to the full days that have elapsed.

    None: no comparison was asked for, or no day of the period is over. `today` is the first day
    that is not over. Whole calendar months are held against the whole months before them.
    """
    last_full = min(period.end, today - _DAY)
    if kind is Compare.NONE or last_full < period.start:
        return None
    base = Period(period.start, last_full)
    if kind is Compare.YEAR:
        return Comparison(base, base.moved(-YEAR_DAYS))
    if kind is Compare.WEEKDAYS:
        weeks = -(-len(period) // _WEEK)
        return Comparison(base, base.moved(-weeks * _WEEK))
    months = _whole_months(period, to_date=last_full >= today - _DAY)
    if not months:
        return Comparison(base, base.moved(-len(period)))
    start = _months_before(period.start, months)
    if last_full == period.end and _is_month_end(period.end):
        return Comparison(base, Period(start, period.start - _DAY))
    end = min(start + dt.timedelta(days=len(base) - 1), period.start - _DAY)
    return Comparison(Period(base.start, base.start + (end - start)), Period(start, end))


def _whole_months(period: Period, *, to_date: bool) -> int:
    """How many calendar months a period is, 0 when it is none.

    A to-date period counts as the month, quarter or year it stands in.
    """
    if period.start.day != 1:
        return 0
    count = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month + 1
    if _is_month_end(period.end):
        return count
    if not to_date or count == 1:
        return count if to_date else 0
    if count <= 3 and period.start.month % 3 == 1:
        return 3
    return 12 if count <= 12 and period.start.month == 1 else 0


def _is_month_end(day: dt.date) -> bool:
    return day.day == calendar.monthrange(day.year, day.month)[1]


def _months_before(day: dt.date, months: int) -> dt.date:
    index = day.year * 12 + day.month - 1 - months
    return dt.date(index // 12, index % 12 + 1, 1)
