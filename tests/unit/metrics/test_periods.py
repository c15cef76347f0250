"""Presets and comparison periods, by hand on a calendar."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.errors import Invalid
from liftos_app.services.metrics.periods import PRESETS, Period, comparison, preset, today_in
from liftos_app.services.metrics.question import Compare, Mode, Question

TODAY = dt.date(2026, 11, 23)  # a Monday


def d(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("today", "2026-11-23", "2026-11-23"),
        ("yesterday", "2026-11-22", "2026-11-22"),
        ("last_7", "2026-11-16", "2026-11-22"),
        ("last_28", "2026-10-26", "2026-11-22"),
        ("last_90", "2026-08-25", "2026-11-22"),
        ("last_week", "2026-11-16", "2026-11-22"),
        ("this_month", "2026-11-01", "2026-11-22"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-22"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("year_to_date", "2026-01-01", "2026-11-22"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("this_week", "2026-11-23", "2026-11-23"),  # Monday: no full day yet
    ],
)
def test_presets_leave_today_out(name: str, start: str, end: str) -> None:
    assert preset(name, TODAY) == Period(d(start), d(end))


def test_every_listed_preset_exists_and_ends_no_later_than_today() -> None:
    for name in PRESETS:
        for today in (TODAY, d("2024-02-29"), d("2026-01-01"), d("2026-03-01")):
            period = preset(name, today)
            assert period.start <= period.end <= today


def test_including_today_adds_the_day_that_is_not_over() -> None:
    assert preset("last_7", TODAY, include_today=True) == Period(d("2026-11-16"), TODAY)
    assert preset("this_month", TODAY, include_today=True) == Period(d("2026-11-01"), TODAY)


def test_the_week_starts_where_the_organization_says() -> None:
    assert preset("last_week", TODAY, week_start=6) == Period(d("2026-11-15"), d("2026-11-21"))
    assert preset("this_week", TODAY, week_start=6) == Period(d("2026-11-22"), d("2026-11-22"))


def test_an_unknown_preset_is_refused_by_name() -> None:
    for name in ("last_0", "last_-3", "last_9999", "next_week", "'; drop table", "last_"):
        with pytest.raises(Invalid):
            preset(name, TODAY)


@pytest.mark.parametrize(
    ("start", "end", "kind", "base", "against"),
    [
        # full periods
        ("2026-10-26", "2026-11-22", Compare.PREVIOUS, None, ("2026-09-28", "2026-10-25")),
        ("2026-10-24", "2026-11-22", Compare.WEEKDAYS, None, ("2026-09-19", "2026-10-18")),
        ("2026-10-26", "2026-11-22", Compare.YEAR, None, ("2025-10-27", "2025-11-23")),
        ("2026-10-01", "2026-10-31", Compare.PREVIOUS, None, ("2026-09-01", "2026-09-30")),
        ("2026-07-01", "2026-09-30", Compare.PREVIOUS, None, ("2026-04-01", "2026-06-30")),
        # to date: equal elapsed time
        ("2026-11-01", "2026-11-22", Compare.PREVIOUS, None, ("2026-10-01", "2026-10-22")),
        (
            "2026-11-01", "2026-11-30", Compare.PREVIOUS, ("2026-11-01", "2026-11-22"),
            ("2026-10-01", "2026-10-22"),
        ),
        ("2026-10-01", "2026-11-22", Compare.PREVIOUS, None, ("2026-07-01", "2026-08-22")),
        ("2026-01-01", "2026-11-22", Compare.PREVIOUS, None, ("2025-01-01", "2025-11-22")),
        # today included: today is compared with nothing
        (
            "2026-11-16", "2026-11-23", Compare.WEEKDAYS, ("2026-11-16", "2026-11-22"),
            ("2026-11-02", "2026-11-08"),
        ),
    ],
)
def test_comparison_periods(
    start: str, end: str, kind: Compare, base: tuple[str, str] | None, against: tuple[str, str]
) -> None:
    found = comparison(Period(d(start), d(end)), kind, TODAY)
    assert found is not None
    assert found.base == (Period(d(base[0]), d(base[1])) if base else Period(d(start), d(end)))
    assert found.against == Period(d(against[0]), d(against[1]))


def test_a_longer_month_to_date_is_cut_to_the_shorter_month_before() -> None:
    found = comparison(Period(d("2026-03-01"), d("2026-03-30")), Compare.PREVIOUS, d("2026-03-31"))
    assert found is not None
    assert found.base == Period(d("2026-03-01"), d("2026-03-28"))
    assert found.against == Period(d("2026-02-01"), d("2026-02-28"))


def test_today_alone_has_nothing_to_be_compared_with() -> None:
    assert comparison(Period(TODAY, TODAY), Compare.PREVIOUS, TODAY) is None
    assert comparison(Period(d("2026-11-01"), TODAY), Compare.NONE, TODAY) is None


days = st.dates(min_value=d("2015-01-01"), max_value=d("2026-11-22"))


@given(days, st.integers(0, 400), st.sampled_from([k for k in Compare if k is not Compare.NONE]))
def test_comparisons_never_overlap_and_weekday_kinds_keep_the_weekday(
    start: dt.date, length: int, kind: Compare
) -> None:
    period = Period(start, min(start + dt.timedelta(days=length), d("2026-11-22")))
    found = comparison(period, kind, TODAY)
    assert found is not None
    if kind is not Compare.YEAR:
        assert found.against.end < period.start
    if kind in {Compare.WEEKDAYS, Compare.YEAR}:
        assert found.against.start.weekday() == found.base.start.weekday()
        assert len(found.against) == len(found.base)


def test_today_depends_on_the_place() -> None:
    now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    assert today_in("America/New_York", now) == d("2026-11-22")
    assert today_in("Asia/Tokyo", now) == d("2026-11-23")


def test_impossible_questions_are_refused_with_the_field() -> None:
    good = {"start": d("2026-11-01"), "end": d("2026-11-02")}
    for wrong, field in (
        ({"start": d("2026-11-03")}, "start"),
        ({"start": d("1999-01-01")}, "start"),
        ({"start": d("2016-01-01")}, "start"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "<script>"}, "currency"),
        ({"compare": "yesteryear"}, "compare"),
        ({"mode": "both"}, "mode"),
    ):
        with pytest.raises(Invalid) as caught:
            Question(**{**good, **wrong})
        assert caught.value.facts["field"] == field
        assert caught.value.fix
    assert Question(**good, compare="previous_year").compare is Compare.YEAR
    assert Question(**good, mode="demo").mode is Mode.DEMO
