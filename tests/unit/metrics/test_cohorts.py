"""LTV by hand: two customers won on 1 and 2 August, seen from 23 November."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from liftos_app.models import Organization
from liftos_app.services.metrics.cohorts import lifetime
from liftos_app.services.metrics.question import Question
from tests.facts_builder import Facts, d

Open = Callable[..., Any]
AUGUST = Question(start=d("08-01"), end=d("08-02"))


@pytest.fixture
def shop(facts: Facts) -> Facts:
    store = facts.source("store_one", history_days=400, days_ago=10)
    facts.cover(store, "orders", "07-01", "11-22")
    first = facts.order(store, "08-01", goods="100", customer="ann", index=1)
    facts.order(store, "08-02", goods="50", customer="bob", index=1)
    facts.order(store, "08-31", goods="30", customer="ann", index=2)  # day 30: counts
    facts.order(store, "09-01", goods="10", customer="ann", index=3)  # day 31: only later
    facts.order(store, "09-02", goods="70", customer="bob", index=2, cancelled=True)
    facts.order(store, "08-05", goods="999", customer="eve", index=4)  # won long ago
    facts.order(store, "07-31", goods="999", customer="old", index=1)  # another cohort
    facts.refund(store, "08-20", "25", order=first, goods="20")
    facts.refund(store, "10-20", "10", order=first, goods="10")
    return facts


def test_ltv_counts_net_sales_up_to_its_age(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        cohort = lifetime(ctx, AUGUST)
    assert cohort.customers == 2
    found = {w.days: (w.ltv, w.reason) for w in cohort.rows}
    assert found[30] == (Decimal("80"), "")  # (100 + 50 + 30 - 20) / 2
    assert found[90] == (Decimal("80"), "")  # + 10 on day 31, - 10 returned on day 80
    assert found[180] == (None, "immature")
    assert found[365] == (None, "immature")


def test_a_cohort_matures_only_when_all_its_days_are_loaded(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        on_time = lifetime(ctx, AUGUST, (112,)).rows[0]  # 2 August + 112 days is 22 November
        too_soon = lifetime(ctx, AUGUST, (113,)).rows[0]
    assert on_time.ltv is not None
    assert too_soon.reason == "immature"


def test_ltv_is_held_against_the_cost_of_winning_them(shop: Facts, open_ctx: Open) -> None:
    ads = shop.source("ads_one", streams=("campaign_daily",), history_days=400)
    shop.cover(ads, "campaign_daily", "07-01", "11-22")
    shop.ads(ads, "08-01", spend="40")
    with open_ctx() as ctx:
        row = lifetime(ctx, AUGUST, (30,)).rows[0]
    assert row.ratio_to_cac == 4  # 80 against 40 / 2


def test_nobody_won_and_no_store_are_told_apart(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        nobody = lifetime(ctx, Question(start=d("08-10"), end=d("08-11")), (30,))
        nothing = lifetime(
            ctx, Question(start=d("08-01"), end=d("08-02"), platforms=("ads_one",)), (30,)
        )
    assert (nobody.customers, nobody.rows[0].reason) == (0, "zero")
    assert nothing.rows[0].reason == "no_source"


def test_a_missing_rate_leaves_no_ltv(shop: Facts, open_ctx: Open) -> None:
    euro = Question(start=d("08-01"), end=d("08-02"), currency="EUR")
    with open_ctx() as ctx:
        assert lifetime(ctx, euro, (30,)).rows[0].reason == "no_rate"


def test_other_organizations_customers_stay_theirs(
    shop: Facts, open_ctx: Open, other_organization: Organization
) -> None:
    with open_ctx(org=other_organization) as ctx:
        assert lifetime(ctx, AUGUST).customers == 0
