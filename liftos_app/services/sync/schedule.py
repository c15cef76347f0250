"""When a connection runs next. Times are computed here in UTC and stored; APScheduler only ticks.

Three forms: `every 30 min`, `every 6 h`, `every 2 d`, or five cron fields in the connection's time
zone. A local time that a clock change skips fires at the first moment after the gap; one that it
repeats fires once, the first time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from liftos_app.errors import Invalid

_EVERY = re.compile(r"every\s+(\d{1,4})\s*(min|h|d)", re.IGNORECASE)
_UNIT = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "nov": 11, "dec": 12,
}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
SHORTEST = timedelta(minutes=15)
_TOO_OFTEN = "The shortest interval is 15 minutes."


@dataclass(frozen=True, slots=True)
class Cron:
    """Five parsed fields. `any_day` and `any_weekday` say whether `*` was written there."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 Sunday
    any_day: bool
    any_weekday: bool

    def shortest_gap(self) -> timedelta:
        """The shortest time between two of its runs on the clock of its zone, over midnight too."""
        times = sorted(h * 60 + m for h in self.hours for m in self.minutes)
        gaps = [later - one for one, later in pairwise(times)]
        over_midnight = 24 * 60 + times[0] - times[-1]
        if over_midnight < min(gaps, default=24 * 60) and self._has_neighbours():
            gaps.append(over_midnight)
        return timedelta(minutes=min(gaps, default=24 * 60))

    def _has_neighbours(self) -> bool:
        """Whether two days in a row are among its days; calendars repeat after 28 years."""
        days = [date(2000, 1, 1) + timedelta(days=i) for i in range(28 * 366)]
        return any(a and b for a, b in pairwise(map(self.matches, days)))

    def matches(self, day: date) -> bool:
        """Whether a calendar day is one of its days; both day fields given means either."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, (day.isoweekday() % 7) in self.weekdays
        if self.any_day:
            return of_week
        return of_month if self.any_weekday else of_month or of_week


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(
            f"There is no time zone called {name[:60]!r}.",
            why="Time zones are written as Area/City.", fix="For example: Europe/Berlin.",
            field="time_zone",
        ) from error


def parse(text: str) -> timedelta | Cron:
    """Read a schedule. Raises Invalid with what is wrong."""
    match = _EVERY.fullmatch(text.strip())
    if match:
        step = int(match[1]) * _UNIT[match[2].lower()]
        if step < SHORTEST:
            raise _wrong(text, _TOO_OFTEN)
        if step > timedelta(days=31):
            raise _wrong(text, "The longest interval is 31 days.")
        return step
    parts = text.split()
    if len(parts) != 5:
        raise _wrong(text, "It is neither an interval nor five cron fields.")
    sets = [_field(text, part, index) for index, part in enumerate(parts)]
    weekdays = frozenset(d % 7 for d in sets[4])
    return Cron(sets[0], sets[1], sets[2], sets[3], weekdays, parts[2] == "*", parts[4] == "*")


def next_runs(text: str, zone: str, after: datetime, n: int = 1) -> list[datetime]:
    """The next `n` times after a moment, aware UTC, in order. Raises Invalid.

    Intervals count from `after`; cron fields are local times of `zone`.
    """
    rule, place = parse(text), zone_of(zone)
    if isinstance(rule, timedelta):
        return [after + rule * i for i in range(1, n + 1)]
    found: list[datetime] = []
    day = after.astimezone(place).date()
    for _ in range(366 * 9):  # a 29 February is at most eight years away
        if rule.matches(day):
            moments = sorted({
                moment_of(day, time(hour, minute), place)
                for hour in rule.hours for minute in rule.minutes
            })
            found.extend(m for m in moments if m > after and (not found or m > found[-1]))
            if len(found) >= n:
                return found[:n]
        day += timedelta(days=1)
    if not found:
        raise _wrong(text, "It never happens.")
    return found


def chosen_runs(text: str, zone: str, after: datetime, n: int = 1) -> list[datetime]:
    """`next_runs` of a schedule that a person chooses. Cron fields must keep the shortest interval
    too; schedules stored before that rule go on until they are changed.
    """
    rule = parse(text)
    if isinstance(rule, Cron) and rule.shortest_gap() < SHORTEST:
        raise _wrong(text, _TOO_OFTEN)
    return next_runs(text, zone, after, n)


def moment_of(day: date, at: time, place: ZoneInfo) -> datetime:
    """A local time of a day as aware UTC; one that a clock change skips is moved to its end."""
    local = datetime.combine(day, at, tzinfo=place)  # fold 0: the first of a repeated hour
    utc = local.astimezone(UTC)
    if utc.astimezone(place).time() == at:
        return utc
    gap_end = utc  # skipped: the old offset lands after the gap by the gap's own width
    before = (utc - timedelta(days=1)).astimezone(place).utcoffset() or timedelta()
    behind = (utc + timedelta(days=1)).astimezone(place).utcoffset() or timedelta()
    jump = behind - before
    start = datetime.combine(day, at, tzinfo=UTC) - before - jump
    for minute in range(int(jump.total_seconds() // 60) + 1):
        moment = start + timedelta(minutes=minute)
        if moment.astimezone(place).utcoffset() == behind:
            gap_end = moment
            break
    return gap_end


def _field(text: str, part: str, index: int) -> frozenset[int]:
    low, high = _RANGES[index]
    names = _MONTHS if index == 3 else _DAYS if index == 4 else {}
    chosen: set[int] = set()
    for piece in part.lower().split(","):
        span, _, step_text = piece.partition("/")
        if step_text and (not step_text.isdecimal() or int(step_text) == 0):
            raise _wrong(text, f"The {_FIELDS[index]} has a step that is not a number.")
        step = int(step_text) if step_text else 1
        if span == "*":
            first, last = low, high
        else:
            left, dash, right = span.partition("-")
            ends = [names.get(x, int(x) if x.isdecimal() else -1) for x in (left, right or left)]
            first, last = ends
            if step_text and not dash:
                last = high
        if not low <= first <= last <= high:
            raise _wrong(text, f"The {_FIELDS[index]} must lie between {low} and {high}.")
        chosen.update(range(first, last + 1, step))
    return frozenset(chosen)


def _wrong(text: str, why: str) -> Invalid:
    return Invalid(
        f"The schedule {text[:60]!r} cannot be used.", why=why,
        fix="Write for example: every 6 h, or 0 6 * * 1-5.", field="schedule",
    )
