"""Many currencies in one answer: exact, day by day, and refused when a rate is missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from liftos_app.models import Provenance
from liftos_app.services.metrics import query
from liftos_app.services.metrics.currency import Quote, Rates
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.values import Reason
from tests.facts_builder import Facts, d

Open = Callable[..., Any]


def ask(start: str = "11-19", end: str = "11-22", **more: Any) -> Question:
    return Question(start=d(start), end=d(end), **more)


def euro_ads(facts: Facts) -> Any:
    """Spends 100 EUR on Thursday the 19th and on Sunday the 22nd."""
    account = facts.source("ads_one", currency="EUR", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-01", "11-22")
    facts.ads(account, "11-19", spend="100", value="300", setting="meta_7d_click_1d_view")
    facts.ads(account, "11-22", spend="100", value="300", setting="meta_7d_click_1d_view")
    return account


def test_each_day_is_converted_with_its_own_rate(facts: Facts, open_ctx: Open) -> None:
    euro_ads(facts)
    facts.rate("11-19", "USD", "EUR", "1.10")
    facts.rate("11-20", "USD", "EUR", "1.20")
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask(), ["spend", "roas"])
        own = query.totals(ctx, ask(currency="EUR"), ["spend"])
    assert answer.values["spend"].amount == Decimal("230")  # 110 + 120: Sunday takes Friday's rate
    assert answer.values["spend"].currency == "USD"
    assert answer.values["roas"].amount == 3  # both sides converted
    [used] = answer.passport.conversions
    assert (used.source, used.target, used.rate_sources) == ("EUR", "USD", ("ecb_sandbox",))
    assert used.carried_days == (d("11-22"),)
    assert used.missing_days == ()
    assert own.values["spend"].amount == 200
    assert own.passport.conversions == ()


def test_a_rate_more_than_five_days_old_is_no_rate(facts: Facts, open_ctx: Open) -> None:
    euro_ads(facts)
    facts.rate("11-16", "USD", "EUR", "1.10")
    with open_ctx() as ctx:
        reading = query.read(ctx, ask())
        total = reading.totals(["spend", "roas", "clicks"])
        days = reading.by_day(["spend"]).days
    assert total.values["spend"].amount is None
    assert total.values["spend"].reason is Reason.NO_RATE
    assert total.values["roas"].amount is None
    assert [x.values["spend"].amount for x in days] == [110, 0, 0, None]
    assert total.passport.conversions[0].missing_days == (d("11-22"),)


def test_a_missing_rate_never_becomes_one(facts: Facts, open_ctx: Open) -> None:
    euro_ads(facts)
    dollars = facts.source("ads_two")
    facts.cover(dollars, "campaign_daily", "11-01", "11-22")
    facts.ads(dollars, "11-19", spend="7")
    with open_ctx() as ctx:
        reading = query.read(ctx, ask())
        total, rows = reading.totals(["spend"]), reading.by_channel(["spend"]).rows
    assert total.values["spend"].amount is None
    assert [r.values["spend"].amount for r in rows] == [None, 7]
    assert total.passport.mixed_currencies


def test_a_ratio_of_two_currencies_is_taken_in_one(facts: Facts, open_ctx: Open) -> None:
    yen = facts.source("ads_one", currency="JPY", streams=("campaign_daily",))
    store = facts.source("store_one", currency="GBP")
    facts.cover(yen, "campaign_daily", "11-19", "11-19")
    facts.cover(store, "orders", "11-19", "11-19")
    facts.ads(yen, "11-19", spend="16000")
    facts.order(store, "11-19", goods="160")
    facts.rate("11-19", "JPY", "EUR", "160")  # 16,000 yen are 100 euro are 110 dollars
    facts.rate("11-19", "GBP", "EUR", "0.8")  # 160 pounds are 200 euro are 220 dollars
    facts.rate("11-19", "USD", "EUR", "1.1")
    with open_ctx() as ctx:
        found = query.totals(
            ctx, ask("11-19", "11-19"), ["spend", "revenue", "blended_roas", "cac"]
        ).values
    assert found["spend"].amount == 110
    assert found["revenue"].amount == 220
    assert found["blended_roas"].amount == 2
    assert found["cac"].amount == 110


def test_an_order_in_another_currency_than_the_shop_keeps_its_own(
    facts: Facts, open_ctx: Open
) -> None:
    store = facts.source("store_one", currency="USD")
    facts.cover(store, "orders", "11-19", "11-19")
    facts.order(store, "11-19", goods="100")
    facts.order(store, "11-19", goods="100", currency="EUR")
    facts.rate("11-19", "USD", "EUR", "1.1")
    with open_ctx() as ctx:
        found = query.totals(ctx, ask("11-19", "11-19"), ["revenue", "orders", "aov"]).values
    assert found["revenue"].amount == 210
    assert found["orders"].amount == 2
    assert found["aov"].amount == 105


def test_rates_of_the_invented_world_never_touch_live_money(facts: Facts, open_ctx: Open) -> None:
    account = facts.source(
        "ads_one", currency="EUR", streams=("campaign_daily",), provenance=Provenance.LIVE
    )
    facts.cover(account, "campaign_daily", "11-19", "11-19")
    facts.ads(account, "11-19", spend="100")
    facts.rate("11-19", "USD", "EUR", "9", source="ecb_sandbox")
    with open_ctx() as ctx:
        spend = query.totals(ctx, ask("11-19", "11-19"), ["spend"]).values["spend"]
    assert spend.amount is None
    facts.rate("11-18", "USD", "EUR", "1.5", source="ecb")
    with open_ctx() as ctx:
        spend = query.totals(ctx, ask("11-19", "11-19"), ["spend"]).values["spend"]
    assert spend.amount == 150


def test_thirds_do_not_lose_a_cent_over_many_rows(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", currency="EUR", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-01", "11-22")
    facts.rate("10-30", "EUR", "USD", "3")  # one dollar is three euro: 1/3 is never exact
    for day in range(2, 5):
        for campaign in range(3):
            facts.ads(account, f"11-{day:02d}", campaign=f"c{campaign}", spend="0.01")
    with open_ctx() as ctx:
        spend = query.totals(ctx, ask("11-01", "11-04"), ["spend"]).values["spend"]
    assert spend.amount == Decimal("0.03")  # 9 x 1/3 of a cent, rounded once


def test_conversion_is_exact_in_every_direction() -> None:
    day = d("11-19")
    rates = Rates({
        ("USD", "EUR"): [Quote(day, 1_087_600, "ecb")],
        ("JPY", "EUR"): [Quote(day, 163_550_000, "ecb")],
        ("VND", "USD"): [Quote(day, 25_400_000_000, "manual")],
    })
    assert rates.convert(1_000_000, "EUR", "USD", day) == 1_087_600
    assert rates.convert(1_087_600, "USD", "EUR", day) == 1_000_000
    assert rates.convert(163_550_000, "JPY", "USD", day) == 1_087_600
    assert rates.convert(25_400, "VND", "USD", day) == Fraction(1)
    assert rates.convert(5, "USD", "USD", day) == 5
    assert rates.convert(0, "XXX", "USD", day) == 0
    assert rates.convert(1, "GBP", "USD", day) is None
    assert rates.convert(1, "VND", "EUR", day) is None  # only direct and through the euro
    assert rates.factor("EUR", "USD", day - dt.timedelta(days=1)) is None  # never a later rate


def test_a_pair_entered_by_hand_comes_before_the_cross() -> None:
    day = d("11-19")
    rates = Rates({
        ("USD", "EUR"): [Quote(day, 1_100_000, "ecb")],
        ("GBP", "EUR"): [Quote(day, 800_000, "ecb")],
        ("USD", "GBP"): [Quote(day, 1_300_000, "manual")],
    })
    factor = rates.factor("GBP", "USD", day)
    assert factor is not None
    assert (factor.value, factor.sources) == (Fraction(13, 10), ("manual",))
