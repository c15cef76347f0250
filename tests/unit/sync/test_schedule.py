from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.errors import Invalid
from liftos_app.services.sync.schedule import Cron, chosen_runs, next_runs, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_intervals_count_from_the_given_moment() -> None:
    start = at("2026-11-23T10:07")
    assert next_runs("every 6 h", "UTC", start, 3) == [
        start + timedelta(hours=6),
        start + timedelta(hours=12),
        start + timedelta(hours=18),
    ]


def test_cron_is_local_time_of_the_zone() -> None:
    assert next_runs("0 6 * * *", "Europe/Berlin", at("2026-07-01T10:00"), 1) == [
        at("2026-07-02T04:00")
    ]
    assert next_runs("0 6 * * *", "Europe/Berlin", at("2026-12-01T10:00"), 1) == [
        at("2026-12-02T05:00")
    ]


def test_L107_a_skipped_local_time_fires_once_right_after_the_gap() -> None:
    # Berlin, 29 March 2026: 02:00 becomes 03:00 (01:00 UTC)
    assert next_runs("30 2 * * *", "Europe/Berlin", at("2026-03-28T12:00"), 2) == [
        at("2026-03-29T01:00"),
        at("2026-03-30T00:30"),
    ]


def test_L107_a_repeated_local_time_fires_once() -> None:
    # Berlin, 25 October 2026: 03:00 becomes 02:00 (01:00 UTC)
    assert next_runs("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00"), 2) == [
        at("2026-10-25T00:30"),
        at("2026-10-26T01:30"),
    ]


def test_L107_midnight_after_a_spring_change_is_not_skipped() -> None:
    # US/Pacific, 8 March 2026
    runs = next_runs("0 0 * * *", "America/Los_Angeles", at("2026-03-07T12:00"), 3)
    assert runs == [at("2026-03-08T08:00"), at("2026-03-09T07:00"), at("2026-03-10T07:00")]


def test_steps_lists_names_and_either_day_field() -> None:
    assert next_runs("*/20 9-10 * * mon", "UTC", at("2026-11-23T09:30"), 3) == [
        at("2026-11-23T09:40"),
        at("2026-11-23T10:00"),
        at("2026-11-23T10:20"),
    ]
    assert next_runs("0 0 13 * fri", "UTC", at("2026-11-10T00:00"), 2) == [
        at("2026-11-13T00:00"),
        at("2026-11-20T00:00"),
    ]
    assert next_runs("0 0 29 2 *", "UTC", at("2026-11-10T00:00"), 1) == [at("2028-02-29T00:00")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every 1 min",
        "every 40 d",
        "every x h",
        "* * * *",
        "61 * * * *",
        "0 24 * * *",
        "0 0 30 2 *",
        "*/0 * * * *",
        "0 0 * * 9",
        "5-1 * * * *",
        "<script>",
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        next_runs(text, "UTC", at("2026-01-01T00:00"))
    assert caught.value.fix


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(Invalid):
        next_runs("every 6 h", "Mars/Base", at("2026-01-01T00:00"))
    with pytest.raises(Invalid):
        next_runs("every 6 h", "../etc/passwd", at("2026-01-01T00:00"))


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "*/14 * * * *",
        "*/5 6 * * *",
        "0,10 6 * * *",
        "55,5 * * * *",  # 55 past, and 5 past the next hour
        "0,50 0,23 * * *",  # 23:50 and midnight
        "0,50 0,23 * * mon,tue",
        "0,50 0,23 1,2 * *",
        "0,50 0,23 29 2,3 1",  # the 29th beside Mondays
    ],
)
def test_cron_that_fires_more_often_than_every_15_minutes_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        chosen_runs(text, "UTC", at("2026-01-01T00:00"))
    assert caught.value.why == "The shortest interval is 15 minutes."
    assert next_runs(text, "UTC", at("2026-01-01T00:00"))  # one stored before goes on


@pytest.mark.parametrize(
    "text",
    [
        "*/15 * * * *",
        "7,22,37,52 * * * *",
        "0 6 * * 1-5",
        "0,45 0,23 * * *",  # 23:45 and midnight
        "0,50 0,23 * * mon",  # midnight of Monday is not that of Tuesday
        "0,50 0,23 1,15 * *",
        "0 0 29 2 *",
        "every 15 min",
    ],
)
def test_every_15_minutes_or_less_often_is_taken(text: str) -> None:
    assert chosen_runs(text, "UTC", at("2026-01-01T00:00"))


@given(st.sets(st.integers(0, 59), min_size=1, max_size=4),
       st.sets(st.integers(0, 23), min_size=1, max_size=4))
def test_the_shortest_gap_is_that_of_a_week_of_runs(minutes: set[int], hours: set[int]) -> None:
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    runs = next_runs(text, "UTC", at("2026-03-01T00:00"), 7 * len(minutes) * len(hours) + 1)
    rule = parse(text)
    assert isinstance(rule, Cron)
    assert rule.shortest_gap() == min(b - a for a, b in pairwise(runs))
