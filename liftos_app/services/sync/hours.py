"""Hours of the day in which scheduled syncs may run: `06:00-22:00` in a time zone."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from liftos_app.errors import Invalid
from liftos_app.services.sync.schedule import moment_of, zone_of

_FORM: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def check(text: str) -> str:
    """The window as it is stored; empty means any time. Raises Invalid."""
    text = "".join(text.split())
    if text:
        _times(text)
    return text


def opens_at(text: str, zone: str, now: datetime) -> datetime | None:
    """When the window opens next, aware UTC; None while it is open (or there is none)."""
    if not text or closes_at(text, zone, now) is not None:
        return None
    opens, _ = _times(text)
    return _next(opens, zone, now)


def closes_at(text: str, zone: str, now: datetime) -> datetime | None:
    """When the open window closes, aware UTC; None while it is closed (or there is none)."""
    if not text:
        return None
    opens, closes = _times(text)
    place = zone_of(zone)
    today = now.astimezone(place).date()
    for day in (today - timedelta(days=1), today):
        begin = moment_of(day, opens, place)
        end = moment_of(day if closes > opens else day + timedelta(days=1), closes, place)
        if begin <= now < end:
            return end
    return None


def _next(at: time, zone: str, now: datetime) -> datetime:
    place = zone_of(zone)
    day = now.astimezone(place).date()
    found = moment_of(day, at, place)
    return found if found > now else moment_of(day + timedelta(days=1), at, place)


def _times(text: str) -> tuple[time, time]:
    match = _FORM.fullmatch(text)
    if match is None or match[0][:5] == match[0][6:]:
        raise Invalid(
            f"The hours {text[:40]!r} cannot be used.", why="They have a first and a last time.",
            fix="Write for example 06:00-22:00, or leave it empty for any time.",
            field="sync_window",
        )
    return time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
