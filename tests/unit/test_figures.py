"""Pictures without colours: gaps stay gaps, unsure days look unsure."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.figures import SPARK_HEIGHT, SPARK_WIDTH, Line, lines, spark

DAYS = [dt.date(2026, 11, n) for n in range(1, 6)]


def test_an_unknown_day_is_a_gap_and_never_a_zero() -> None:
    values = [Decimal(1), None, Decimal(3), Decimal(0), Decimal(5)]
    trace = lines(DAYS, [Line(name="Spend", values=values, color=1)])["data"][0]
    assert trace["y"] == [1.0, None, 3.0, 0.0, 5.0]
    assert trace["connectgaps"] is False
    assert trace["meta"] == {"color": 1}


def test_days_that_are_not_whole_are_drawn_apart() -> None:
    values = [Decimal(n) for n in range(5)]
    data = lines(
        DAYS,
        [Line(name="Spend", values=values, color=0, unsure=[False, False, False, False, True])],
    )["data"]
    whole, rest = data
    assert whole["y"] == [0.0, 1.0, 2.0, 3.0, None]
    assert rest["y"] == [None, None, None, 3.0, 4.0]
    assert rest["line"]["dash"] == "dot"
    assert rest["showlegend"] is False


def test_the_comparison_is_marked_and_colourless() -> None:
    data = lines(DAYS, [Line(name="before", values=[None] * 5, color=None)])["data"]
    assert data[0]["meta"] == {"role": "comparison"}


def test_a_figure_is_plain_json_without_a_colour() -> None:
    text = json.dumps(lines(DAYS, [Line(name="<b>x</b>", values=[Decimal(1)] * 5, color=0)]))
    assert "#" not in text


def test_a_legend_appears_from_two_series_on() -> None:
    one = Line(name="a", values=[Decimal(1)] * 5, color=0)
    assert lines(DAYS, [one])["layout"]["showlegend"] is False
    assert lines(DAYS, [one, one])["layout"]["showlegend"] is True


def test_a_sparkline_breaks_where_a_day_is_unknown() -> None:
    assert spark([Decimal(0), Decimal(10), None, Decimal(5), Decimal(0)]).count("M") == 2


def test_too_little_to_draw_draws_nothing() -> None:
    assert spark([]) == spark([Decimal(3)]) == spark([None, Decimal(3), None]) == ""


@given(st.lists(st.one_of(st.none(), st.decimals(-(10**12), 10**12, allow_nan=False)), max_size=60))
def test_a_sparkline_stays_in_its_box(values: list[Decimal | None]) -> None:
    path = spark(values)
    for point in path.replace("M", "|").replace("L", "|").split("|")[1:]:
        x, y = map(float, point.split())
        assert 0 <= x <= SPARK_WIDTH + 0.1
        assert 0 <= y <= SPARK_HEIGHT
