"""Positions of cursor streams: numbers as numbers, times as times, never back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.connectors.cursors import (
    BEFORE_ALL,
    first,
    later,
    less,
    moment,
    moved,
    value,
)

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
NUMBERS = st.integers(-(10**38) + 1, 10**38 - 1)


@given(one=NUMBERS, other=NUMBERS)
def test_L105_numbers_are_compared_as_numbers_of_any_size_and_sign(one: int, other: int) -> None:
    assert later(str(one), str(other)) == str(max(one, other))
    kept = moved("number", first("number", str(one), AT), str(other), AT)
    assert value("number", kept) == str(max(one, other))


@pytest.mark.parametrize(("kept", "read", "then"), [
    ("9", "10", "10"), ("10", "9", "10"), ("-10", "-9", "-9"), ("-1", "", "-1"),
    ("9007199254740993", "9007199254740992", "9007199254740993"),
    (BEFORE_ALL, "-5", "-5"), (BEFORE_ALL, "", BEFORE_ALL), ("7", BEFORE_ALL, "7"),
])
def test_L105_a_position_never_goes_back(kept: str, read: str, then: str) -> None:
    assert value("number", moved("number", f"{kept}@2026-11-20T00:00:00Z", read, AT)) == then


def test_a_number_is_kept_with_the_moment_it_was_reached() -> None:
    kept = first("number", "", AT)
    assert (value("number", kept), moment("number", kept)) == (BEFORE_ALL, AT)
    later_on = moved("number", kept, "12", AT + timedelta(hours=1))
    assert moment("number", later_on) == AT + timedelta(hours=1)


def test_a_time_is_its_own_moment_and_never_goes_back() -> None:
    kept = first("time", "", AT)
    assert kept == value("time", kept) == "2026-11-23T10:00:00Z"
    assert moment("time", kept) == AT
    assert moved("time", kept, "2026-11-22T10:00:00Z", AT) == kept
    assert moment("time", "page 7") is None


def test_the_overlap_goes_below_zero_and_leaves_the_start_alone() -> None:
    assert less("3", 10) == "-7"
    assert less("9007199254740993", 1) == "9007199254740992"
    assert less(BEFORE_ALL, 10) == BEFORE_ALL
