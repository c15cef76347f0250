"""How numbers, money, dates and durations read."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services import currencies
from liftos_app.services import format as fmt

TODAY = dt.date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("184220.14", "USD", "$184,220.14"),
        ("-3.5", "EUR", "−€3.50"),
        ("18422", "JPY", "¥18,422"),
        ("1.5", "KWD", "KWD\u00a01.500"),
        ("0.005", "USD", "$0.00"),  # half-even
        ("0.015", "USD", "$0.02"),
        ("-0.001", "USD", "$0.00"),  # no negative zero
        ("12", "CAD", "CA$12.00"),
        ("1234567.891", "CHF", "CHF\u00a01,234,567.89"),
    ],
)
def test_money_has_the_sign_and_decimals_of_its_currency(
    value: str, currency: str, text: str
) -> None:
    assert fmt.money(Decimal(value), currency) == text


def test_money_carries_the_code_where_currencies_mix() -> None:
    assert fmt.money(Decimal(5), "USD", code=True) == "USD\u00a05.00"


def test_a_tile_drops_cents_only_from_a_thousand_on() -> None:
    assert fmt.money_whole(Decimal("184220.49"), "USD") == "$184,220"
    assert fmt.money_whole(Decimal("999.99"), "USD") == "$999.99"
    assert fmt.money_whole(Decimal("-1000.5"), "USD") == "−$1,000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("184220", "$184k"), ("1204551", "$1.2M"), ("1000", "$1k"), ("999", "$999"),
        ("999.4", "$999"), ("999.6", "$1k"), ("999499", "$999k"), ("999500", "$1M"),
        ("12340", "$12.3k"), ("99949", "$99.9k"), ("99951", "$100k"), ("0", "$0"),
        ("4.2", "$4.20"), ("45.25", "$45.2"), ("-1500", "−$1.5k"), ("-0.001", "$0.00"),
        ("2500000000", "$2.5B"), ("1234000000000000", "$1,234T"),
    ],
)
def test_compact_money_fits_a_tile(value: str, text: str) -> None:
    assert fmt.money_compact(Decimal(value), "USD") == text


def test_unknown_is_a_dash_and_never_zero() -> None:
    for text in (
        fmt.money(None, "USD"), fmt.money_whole(None, "USD"), fmt.number(None),
        fmt.money_compact(None, "USD"), fmt.ratio(None), fmt.share(None),
        fmt.change(None), fmt.points(None), fmt.count(None), fmt.day(None),
        fmt.duration(None), fmt.moment(None), fmt.size(None),
    ):
        assert text == "—"
    assert fmt.ago(None, NOW) == "never"


def test_ratios_shares_and_changes() -> None:
    assert fmt.ratio(Decimal("4.945")) == "4.94"
    assert fmt.share(Decimal("0.1235")) == "12.4%"
    assert fmt.share(Fraction(1, 3)) == "33.3%"
    assert fmt.change(Decimal("0.061")) == "+6.1%"
    assert fmt.change(Decimal("-0.02")) == "−2.0%"
    assert fmt.change(Decimal(0)) == "0.0%"
    assert fmt.change(Decimal("0.0001")) == "0.0%"
    assert fmt.points(Decimal("0.012")) == "+1.2 pts"
    assert fmt.points(Decimal(0)) == "0.0 pts"
    assert fmt.change(Decimal(10)) == "+1,000.0%"


def test_counts_are_whole_unless_the_platform_reports_fractions() -> None:
    assert fmt.count(1204551) == "1,204,551"
    assert fmt.count(Decimal("12.000000")) == "12"
    assert fmt.count(Decimal("12.25")) == "12.2"


def test_dates_name_the_year_only_when_it_is_another() -> None:
    assert fmt.day(dt.date(2026, 11, 9), TODAY) == "9 Nov"
    assert fmt.day(dt.date(2025, 11, 9), TODAY) == "9 Nov 2025"
    assert fmt.days(dt.date(2026, 11, 1), dt.date(2026, 11, 28), TODAY) == "1 to 28 Nov"
    assert fmt.days(dt.date(2026, 10, 28), dt.date(2026, 11, 24), TODAY) == "28 Oct to 24 Nov"
    assert (
        fmt.days(dt.date(2025, 12, 20), dt.date(2026, 1, 16), TODAY)
        == "20 Dec 2025 to 16 Jan 2026"
    )
    assert fmt.days(dt.date(2025, 2, 1), dt.date(2025, 3, 2), TODAY) == "1 Feb to 2 Mar 2025"
    assert fmt.days(TODAY, TODAY, TODAY) == "23 Nov"


def test_lists_of_days_are_runs() -> None:
    found = [dt.date(2026, 11, d) for d in (3, 7, 8, 9, 12, 14)]
    assert fmt.day_list(found, TODAY) == "3 Nov, 7 to 9 Nov, 12 Nov and 1 more"


def test_times_name_their_zone_on_both_sides_of_a_clock_change() -> None:
    winter = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    summer = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert fmt.moment(winter, "America/New_York", TODAY) == "1 Nov 02:30 EST"
    assert fmt.moment(summer, "America/New_York", TODAY) == "1 Nov 01:30 EDT"
    assert fmt.clock(winter) == "07:30 UTC"


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(seconds=20), "just now"), (timedelta(minutes=12), "12 min ago"),
        (timedelta(minutes=119), "2 h ago"), (timedelta(hours=27), "1 d ago"),
        (timedelta(days=6, hours=23), "7 d ago"), (timedelta(days=7), "16 Nov"),
        (timedelta(minutes=-90), "in 2 h"), (timedelta(days=400), "19 Oct 2025"),
    ],
)
def test_relative_times_end_after_a_week(gap: timedelta, text: str) -> None:
    assert fmt.ago(NOW - gap, NOW) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.4, "under 1 s"), (35, "35 s"), (240, "4 min"), (4320, "1 h 12 min"),
        (183600, "2 d 3 h"), (3600, "1 h"), (86400 * 3 + 120, "3 d"), (90, "1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert fmt.duration(seconds) == text


def test_words_for_lists_and_plurals() -> None:
    assert fmt.plural(1, "day") == "1 day"
    assert fmt.plural(1200, "day") == "1,200 days"
    assert fmt.plural(2, "currency", "currencies") == "2 currencies"
    assert fmt.listed(["a"]) == "a"
    assert fmt.listed(["a", "b", "c"]) == "a, b and c"
    assert fmt.listed(list("abcdef")) == "a, b, c, d and 2 more"
    assert fmt.listed([]) == ""


def test_estimates_are_no_finer_than_their_range() -> None:
    assert fmt.estimate(Decimal("2.13"), Decimal("1.6"), Decimal("2.7")) == (
        "2.1 (90% range 1.6 to 2.7)"
    )
    assert fmt.estimate(Decimal("2135.4"), Decimal(1600), Decimal(2700)) == (
        "2,135 (90% range 1,600 to 2,700)"
    )


def test_sizes() -> None:
    assert fmt.size(2_400_000) == "2.4 MB"
    assert fmt.size(12) == "12 B"


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=6))
def test_every_amount_reads_back_to_the_rounded_amount(value: Decimal) -> None:
    for currency in ("USD", "JPY", "KWD"):
        text = fmt.money(value, currency, code=True)
        back = Decimal(
            text.replace(currency, "").replace("\u00a0", "").replace(",", "").replace("−", "-")
        )
        assert back == fmt.rounded(value, currencies.decimals(currency))
        assert "-" not in text
        assert len(fmt.compact(value).replace("−", "")) <= 6
