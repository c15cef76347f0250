"""Single values: exact where they can be, refused where they are no values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.models.facts import Level
from liftos_app.services.connectors import rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("31.07", 31_070_000), ("97.2", 97_200_000), (0, 0), ("0", 0), (3.5, 3_500_000),
        (178.4, 178_400_000), ("-5.00", -5_000_000), (12, 12_000_000), ("1e3", 1_000_000_000),
        ("0.0000014", 1), (Decimal("0.1"), 100_000),
    ],
)
def test_decimals_become_exact_micro_units(value: object, expected: int) -> None:
    assert rows.micros(value) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, "", "abc", "NaN", "Infinity", math.nan, math.inf, [], {}, "1_000", "12,50",
     "9" * 40, 10**20, "1e400000"],
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not|large"):
        rows.micros(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6,
                   min_value=-10**9, max_value=10**9))
def test_any_amount_of_six_places_survives_as_text(value: Decimal) -> None:
    assert Decimal(rows.micros(str(value))) == value * 1_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [("12", 12), (12, 12), (12.0, 12), ("12.0", 12), ("0", 0), ("-3", -3)],
)
def test_counts_are_taken_from_numbers_and_texts(value: object, expected: int) -> None:
    assert rows.whole(value) == expected


@pytest.mark.parametrize(
    "value", [None, True, 1.5, "1.5", "", "x", [], "9" * 30, 2**63, math.nan, "٣", "1_0"]
)
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not|large"):
        rows.whole(value)


@pytest.mark.parametrize(
    "value", ["2026-02-29", "2026-13-01", "20261101", "", None, 5, "2026-1-01"]
)
def test_impossible_days_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="day"):
        rows.day(value)


def test_times_become_utc_and_need_a_zone() -> None:
    assert rows.moment("2026-11-01T16:20:29Z") == datetime(2026, 11, 1, 16, 20, 29, tzinfo=UTC)
    assert rows.moment("2026-11-01T16:20:29.123456+02:00").hour == 14
    with pytest.raises(ValueError, match="zone"):
        rows.moment("2026-11-01T16:20:29")


def test_text_is_made_storable() -> None:
    assert rows.text("a\x00b") == "ab"
    assert rows.text("half \ud83d pair") == "half ? pair"
    assert rows.text("x" * 400, 40) == "x" * 40
    assert rows.text(None) == ""
    assert rows.text("<script>alert(1)</script>") == "<script>alert(1)</script>"


@pytest.mark.parametrize("value", [None, "", [], 1.5, "x" * 200, "a\nb"])
def test_what_is_no_id_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not an id"):
        rows.ident(value)


def test_levels_are_those_of_the_tables() -> None:
    names = {n: getattr(rows, n) for n in Level.__members__}
    assert names == {n: int(v) for n, v in Level.__members__.items()}
