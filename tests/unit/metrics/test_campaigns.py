"""The campaign table: the same rows as the totals, one campaign a line."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from liftos_app.errors import Invalid
from liftos_app.models import Organization
from liftos_app.services.metrics.campaigns import campaigns
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.values import Reason
from tests.facts_builder import Facts, d

Open = Callable[..., Any]
ASK = Question(start=d("11-10"), end=d("11-12"))


@pytest.fixture
def table(facts: Facts) -> Facts:
    one = facts.source("ads_one", name="One", streams=("campaign_daily",))
    euro = facts.source("ads_two", name="Euro", currency="EUR")
    for account in (one, euro):
        facts.cover(account, "campaign_daily", "11-01", "11-22")
    seven = "meta_7d_click_1d_view"
    facts.ads(one, "11-10", campaign="small", spend="10", clicks=5, value="30", setting=seven)
    facts.ads(one, "11-11", campaign="small", spend="10", clicks=0, value="0", setting=seven)
    facts.ads(one, "11-10", campaign="silent", clicks=9)
    facts.ads(euro, "11-10", campaign="<script>", spend="100", clicks=10)
    facts.ads(euro, "11-12", campaign="<script>", spend="100", clicks=10)
    facts.rate("11-10", "USD", "EUR", "1.1")
    facts.rate("11-12", "USD", "EUR", "1.2")
    return facts


def test_campaigns_are_summed_and_converted_day_by_day(table: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = campaigns(ctx, ASK)
    assert [(r.external_id, r.values["spend"].amount) for r in answer.rows] == [
        ("<script>", 230), ("small", 20), ("silent", None),
    ]
    small = answer.rows[1]
    assert small.values["cpc"].amount == 4
    assert small.values["roas"].amount == Decimal("1.5")
    assert small.attribution == ("meta_7d_click_1d_view",)
    assert (small.connection, small.name) == ("One", "Small")
    assert answer.rows[2].values["spend"].reason is Reason.NOT_REPORTED
    assert answer.rows[2].values["clicks"].amount == 9
    assert answer.totals["spend"].amount == 250
    assert answer.count == 3


def test_unknown_values_come_last_in_both_directions_and_pages_do_not_overlap(
    table: Facts, open_ctx: Open
) -> None:
    with open_ctx() as ctx:
        up = campaigns(ctx, ASK, descending=False)
        pages = [campaigns(ctx, ASK, limit=1, offset=n).rows[0].external_id for n in range(3)]
        beyond = campaigns(ctx, ASK, offset=10)
    assert [r.external_id for r in up.rows] == ["small", "<script>", "silent"]
    assert pages == ["<script>", "small", "silent"]
    assert beyond.rows == ()
    assert beyond.count == 3


def test_one_connection_has_its_own_totals(table: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        one = next(r for r in campaigns(ctx, ASK).rows if r.connection == "One")
        answer = campaigns(ctx, ASK, connection_id=one.connection_id)
    assert {r.connection for r in answer.rows} == {"One"}
    assert answer.totals["spend"].amount == 20


def test_a_missing_rate_leaves_the_campaign_without_spend(table: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = campaigns(ctx, Question(start=d("11-10"), end=d("11-12"), currency="GBP"))
    assert all(r.values["spend"].amount is None for r in answer.rows)
    assert {r.values["clicks"].amount for r in answer.rows} == {20, 5, 9}


def test_two_settings_of_one_campaign_are_not_added(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.ads(account, "11-10", value="10", setting="meta_7d_click_1d_view", spend="1")
    facts.ads(account, "11-10", value="10", setting="google_conversion_window")
    with open_ctx() as ctx:
        row = campaigns(ctx, ASK).rows[0]
    assert row.values["ad_value"].amount is None
    assert row.values["ad_value"].reason is Reason.MIXED_ATTRIBUTION
    assert row.values["spend"].amount == 1


def test_other_organizations_campaigns_stay_theirs(
    table: Facts, open_ctx: Open, other_organization: Organization
) -> None:
    with open_ctx(org=other_organization) as ctx:
        assert campaigns(ctx, ASK).rows == ()


@pytest.mark.parametrize(
    "wrong", [{"sort": "name; drop table"}, {"limit": 0}, {"limit": 10_000}, {"offset": -1}]
)
def test_L15_impossible_tables_are_refused(
    facts: Facts, open_ctx: Open, wrong: dict[str, Any]
) -> None:
    with open_ctx() as ctx, pytest.raises(Invalid):
        campaigns(ctx, ASK, **wrong)
