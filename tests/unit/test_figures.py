"""Pictures without colours, and values in words."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

from liftos_app.services import figures
from liftos_app.services.metrics import attribution, readout
from liftos_app.services.metrics.definitions import METRICS, Supply
from liftos_app.services.metrics.query import change
from liftos_app.services.metrics.sources import platform_of, supplies
from liftos_app.services.metrics.values import Reason, Value

DAYS = [dt.date(2026, 11, n) for n in (1, 2, 3)]


def value(metric: str, amount: str | None, **more: object) -> Value:
    money = METRICS[metric].unit == "money"
    return Value(
        metric=metric, amount=None if amount is None else Decimal(amount),
        currency="USD" if money else "", **more,
    )


def test_an_unknown_day_is_a_gap_and_no_colour_is_named() -> None:
    figure = figures.lines(DAYS, [
        figures.Line(name="Spend", color=0, values=[Decimal(1), None, Decimal("3.5")]),
        figures.Line(name="Before", color=None, values=[Decimal(1), Decimal(2), None]),
    ])
    assert figure["data"][0]["y"] == [1.0, None, 3.5]
    assert figure["data"][0]["connectgaps"] is False
    assert figure["data"][1]["meta"] == {"role": "comparison"}
    assert figure["data"][0]["x"][0] == "2026-11-01"
    text = json.dumps(figure)
    assert "#" not in text
    assert "rgb" not in text


def test_unsure_days_are_drawn_apart_and_joined_to_their_neighbours() -> None:
    figure = figures.lines(DAYS, [
        figures.Line(name="Spend", color=0, values=[1, 2, 3], unsure=[False, False, True])
    ])
    whole, unsure = figure["data"]
    assert whole["y"] == [1, 2, None]
    assert unsure["y"] == [None, 2, 3]
    assert unsure["line"]["dash"] == "dot"
    assert figure["layout"]["showlegend"] is False


def test_ninety_days_of_two_lines_stay_small() -> None:
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(90)]
    figure = figures.lines(days, [
        figures.Line(name=n, color=i, values=[Decimal("12345.678901")] * 90)
        for i, n in enumerate("ab")
    ])
    assert len(json.dumps(figure)) < 8000


def test_a_sparkline_breaks_at_unknown_days() -> None:
    assert figures.spark([1, None, 3]).count("M") == 2
    assert figures.spark([Decimal(1), Decimal(2), Decimal(3)]).count("L") == 2
    assert figures.spark([1]) == ""
    assert figures.spark([None, None]) == ""
    assert "nan" not in figures.spark([5, 5, 5])


def test_values_read_in_their_unit() -> None:
    assert readout.text(value("spend", "184220.14")) == "$184,220"
    assert readout.text(value("spend", "184220.14"), exact=True) == "$184,220.14"
    assert readout.text(value("spend", "184220.14"), compact=True) == "$184k"
    assert readout.text(value("cpc", "0.5")) == "$0.50"
    assert readout.text(value("mer", "4.954")) == "4.95"
    assert readout.text(value("ctr", "0.1236")) == "12.4%"
    assert readout.text(value("orders", "1204551")) == "1,204,551"
    assert readout.text(value("orders", "1204551"), compact=True) == "1.2M"
    unknown = value("spend", None, reason=Reason.NO_RATE)
    assert readout.text(unknown) == "—"
    assert "exchange rate" in readout.why(unknown)


def test_changes_of_shares_are_points_and_of_money_are_percent() -> None:
    assert change("spend", value("spend", "106"), value("spend", "100")).relative == Decimal("0.06")
    rate = change("ctr", value("ctr", "0.12"), value("ctr", "0.10"))
    assert (rate.relative, rate.points) == (Decimal("0.2"), Decimal("0.02"))
    assert change("spend", value("spend", "5"), value("spend", "0")).why == "new"
    assert change("spend", value("spend", "5"), value("spend", None)).why == "new"
    lacking = change("spend", value("spend", "5", missing=2, expected=10), value("spend", "4"))
    assert (lacking.relative, lacking.why) == (None, "incomplete")
    enough = change("spend", value("spend", "5", missing=1, expected=10), value("spend", "4"))
    assert enough.relative == Decimal("0.25")


def test_the_shipped_platforms_bring_spend_orders_and_mail_claims() -> None:
    found = {}
    for slug in ("meta_business", "google_ads", "shopify", "klaviyo"):
        platform = platform_of(slug)
        assert platform is not None
        default = tuple(s.name for s in platform.streams if s.default)
        found[slug] = set(supplies(platform, default))
    assert found == {
        "meta_business": {Supply.ADS}, "google_ads": {Supply.ADS}, "shopify": {Supply.STORE},
        "klaviyo": {Supply.MAIL},
    }
    assert platform_of("no_such_platform") is None


def test_every_attribution_setting_has_words() -> None:
    from liftos_app.services.connectors.rows import ATTRIBUTION

    for name, number in ATTRIBUTION.items():
        assert attribution.name(number) == name
        assert attribution.number(name) == number
        assert attribution.words(number) != name or name == "none"
    assert attribution.name(99) == "setting_99"
