"""Hours of scheduled syncs, over midnight and over clock changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from liftos_app.errors import Invalid
from liftos_app.services.sync import hours

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("06:00-22:00", "2026-07-01T10:00", None),
        ("06:00-22:00", "2026-07-01T20:30", "2026-07-02T04:00"),
        ("06:00-22:00", "2026-07-01T03:59", "2026-07-01T04:00"),
        ("06:00-22:00", "2026-07-01T20:00", "2026-07-02T04:00"),
        ("22:00-06:00", "2026-07-01T03:00", None),
        ("22:00-06:00", "2026-07-01T23:00", None),
        ("22:00-06:00", "2026-07-01T12:00", "2026-07-01T20:00"),
        ("02:30-04:00", "2026-03-29T00:10", "2026-03-29T01:00"),  # 02:30 does not exist that night
        ("06:00-22:00", "2026-10-25T01:00", "2026-10-25T05:00"),  # the night with an hour more
        ("", "2026-07-01T20:30", None),
    ],
)
def test_when_they_open(window: str, now: str, opens: str | None) -> None:
    assert hours.opens_at(window, BERLIN, at(now)) == (at(opens) if opens else None)


def test_when_they_close() -> None:
    assert hours.closes_at("06:00-22:00", BERLIN, at("2026-07-01T10:00")) == at("2026-07-01T20:00")
    assert hours.closes_at("22:00-06:00", BERLIN, at("2026-07-01T23:00")) == at("2026-07-02T04:00")
    assert hours.closes_at("06:00-22:00", BERLIN, at("2026-07-01T21:00")) is None
    assert hours.closes_at("", BERLIN, at("2026-07-01T21:00")) is None


@pytest.mark.parametrize("text", ["6-22", "06:00", "25:00-26:00", "06:00-06:00", "06:60-07:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        hours.check(text)
    assert hours.check(" 06:00 - 22:00 ") == "06:00-22:00"
