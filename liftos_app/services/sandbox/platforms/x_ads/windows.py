"""Time ranges of analytics: whole hours, an exclusive end, and midnight where days are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.x_ads.refusals import invalid, missing, window

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}(?::?\d{2})?)")


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`, aware UTC, and the same on the account's wall clock.

    Wall-clock times follow the offset of today, not that of the day, as the vendor says; a date
    without a time means that day's own midnight.
    """

    start: datetime
    end: datetime
    first: datetime  # naive local
    last: datetime  # naive local, exclusive

    @property
    def hours(self) -> int:
        """Its length on the wall clock."""
        return int((self.last - self.first) / timedelta(hours=1))

    @property
    def days(self) -> list[date]:
        """Every local day it touches."""
        final = (self.last - timedelta(hours=1)).date()
        length = (final - self.first.date()).days + 1
        return [self.first.date() + timedelta(days=i) for i in range(length)]


def read(call: Call, zone: str, *, longest: int, midnight: bool) -> Span:
    """The range of a call. `longest` in days. Raises Refusal."""
    start, first = _moment(call, "start_time", zone)
    end, last = _moment(call, "end_time", zone)
    if end <= start:
        raise window("end_time must be after start_time")
    if last - first > timedelta(days=longest):
        raise window(f"The time range must not be longer than {longest} days")
    if midnight and (first.hour or last.hour):
        raise window("start_time and end_time must be midnight in the account's timezone")
    return Span(start, end, first, last)


def text(at: datetime) -> str:
    """As times are echoed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(call: Call, name: str, zone: str) -> tuple[datetime, datetime]:
    """A time as UTC and on the account's wall clock."""
    given = call.query.get(name, "")
    if not given:
        raise missing(name)
    place = ZoneInfo(zone)
    try:
        if _DAY.fullmatch(given):
            local = datetime.fromisoformat(given)
            return local.replace(tzinfo=place).astimezone(UTC), local
        stamp, offset = _TIME.fullmatch(given).groups()  # type: ignore[union-attr]
        offset = "+00:00" if offset == "Z" else offset
        offset += ":00" if len(offset) == 3 else ""
        at = datetime.fromisoformat(stamp + offset)
    except (ValueError, AttributeError):
        raise invalid(name, given, "time") from None
    today = call.now.astimezone(place).utcoffset() or timedelta()
    local = (at.astimezone(UTC) + today).replace(tzinfo=None)
    if local.minute or local.second:
        raise invalid(name, given, "whole hours")
    return at.astimezone(UTC), local
