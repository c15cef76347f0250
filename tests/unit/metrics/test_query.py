"""Totals, days, channels and claims on small data sets, every expected figure counted by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from liftos_app.errors import SignInNeeded
from liftos_app.models import ConnectionStatus, CoverageState, Organization, Provenance
from liftos_app.models.facts import Level
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.metrics import attribution, query, readout
from liftos_app.services.metrics.definitions import METRICS
from liftos_app.services.metrics.question import Compare, Mode, Question
from liftos_app.services.metrics.values import Gap, Reason, to_json
from tests.facts_builder import Facts, d

Open = Callable[..., Any]


def ask(start: str = "11-10", end: str = "11-12", **more: Any) -> Question:
    return Question(start=d(start), end=d(end), **more)


def values(open_ctx: Open, *metrics: str, **more: Any) -> dict[str, Decimal | None]:
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask(**more), metrics)
    return {name: v.amount for name, v in answer.values.items()}


@pytest.fixture
def shop(facts: Facts) -> Facts:
    """Two ad accounts, a store and mail, all in USD and UTC; every day of November covered."""
    one, two = facts.source("ads_one", name="Ads One"), facts.source("ads_two", name="Ads Two")
    store, mail = facts.source("store_one", name="Shop"), facts.source("mail_one", name="Mail")
    for account, stream in (
        (one, "campaign_daily"), (two, "campaign_daily"), (store, "orders"), (mail, "event_daily"),
    ):
        facts.cover(account, stream, "10-01", "11-22")
    seven = "meta_7d_click_1d_view"
    facts.ads(one, "11-10", spend="100.10", impressions=10000, clicks=100, conversions="2.5",
              value="300", setting=seven)
    facts.ads(one, "11-10", campaign="c2", spend="50.05", impressions=5000, clicks=0,
              conversions="0", value="0", setting=seven)
    facts.ads(one, "11-12", spend="0.01", impressions=1, clicks=1, conversions="1", value="10",
              setting=seven)
    facts.ads(two, "11-11", spend="49.84", impressions=4999, clicks=99, conversions="0.5",
              value="90", setting="google_conversion_window")
    # levels below and above overlap and must never be added
    facts.ads(one, "11-10", campaign="g1", level=Level.AD_GROUP, parent="c1", spend="100.10")
    facts.ads(one, "11-10", campaign="a", level=Level.ACCOUNT, spend="150.15")
    first = facts.order(store, "11-10", goods="200", discount="20", shipping="10", tax="15")
    facts.order(store, "11-11", goods="100", index=4)
    facts.order(store, "11-11", goods="60", cancelled=True, index=1)
    facts.order(store, "11-12", goods="999", test=True)
    facts.order(store, "11-12", goods="999", status="VOIDED")
    facts.refund(store, "11-12", "55", order=first, goods="50")
    facts.claim(mail, "11-11", "40")
    return facts


def test_totals_read_one_level_and_follow_the_definitions(shop: Facts, open_ctx: Open) -> None:
    found = values(
        open_ctx, "spend", "impressions", "clicks", "ctr", "cpc", "cpm", "ad_conversions",
        "ad_value", "cvr", "cpa", "roas", "revenue", "orders", "aov", "refunds", "new_customers",
        "cac", "mer", "blended_roas", "spend_share", "claimed_value", "claim_ratio", "gross_sales",
        "total_sales", "order_revenue", "cancelled_orders", "new_customer_mer", "mail_value",
    )
    assert found["spend"] == Decimal("200")
    assert found["impressions"] == 20000
    assert found["clicks"] == 200
    assert found["ctr"] == Decimal("0.01")
    assert found["cpc"] == Decimal("1")
    assert found["cpm"] == Decimal("10")
    assert found["ad_conversions"] == Decimal("4")
    assert found["ad_value"] == Decimal("400")
    assert found["cvr"] == Decimal("0.02")
    assert found["cpa"] == Decimal("50")
    assert found["roas"] == Decimal("2")
    assert found["revenue"] == Decimal("310")  # 200 + 100 + 60 - 50
    assert found["gross_sales"] == Decimal("380")  # before the discount of 20
    assert found["order_revenue"] == Decimal("385")  # with shipping 10 and tax 15
    assert found["total_sales"] == Decimal("330")  # minus all that was refunded
    assert found["orders"] == 2
    assert found["cancelled_orders"] == 1
    assert found["aov"] == Decimal("150")  # (200 + 100) / 2
    assert found["refunds"] == Decimal("55")
    assert found["new_customers"] == 1  # the cancelled first order does not count
    assert found["cac"] == Decimal("200")
    assert found["mer"] == found["blended_roas"] == Decimal("1.55")
    assert found["spend_share"] == Decimal("0.645161")
    assert found["new_customer_mer"] == Decimal("1")
    assert found["mail_value"] == Decimal("40")
    assert found["claimed_value"] == Decimal("440")
    assert found["claim_ratio"] == Decimal("1.419355")  # above 1: claims overlap


def test_every_metric_answers_with_its_unit(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask())
    assert set(answer.values) == set(METRICS)
    for name, value in answer.values.items():
        if name in {"reach", "frequency"}:
            continue  # they do not add up; see below
        assert value.amount is not None, name
        assert not value.partial, name
        assert (value.currency == "USD") == (METRICS[name].unit == "money"), name
        assert METRICS[name].definition.endswith(".")
        assert METRICS[name].formula


@pytest.mark.parametrize(
    ("basis", "revenue", "aov"),
    [("net_sales", "310", "150"), ("gross_sales", "380", "160"), ("total_sales", "330", "162.5"),
     ("order_revenue", "385", "162.5")],
)
def test_the_revenue_basis_drives_revenue_and_aov(
    shop: Facts, open_ctx: Open, basis: str, revenue: str, aov: str
) -> None:
    with shop.app.db.write() as session:
        session.get_one(Organization, shop.org.id).revenue_basis = basis
    found = values(open_ctx, "revenue", "aov")
    assert found == {"revenue": Decimal(revenue), "aov": Decimal(aov)}


def test_a_platform_filter_answers_only_for_these_platforms(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask(platforms=("ads_two", "store_one")), ("spend", "revenue"))
        other = query.totals(ctx, ask(platforms=("ads_two",)), ("spend", "revenue", "mer"))
    assert answer.values["spend"].amount == Decimal("49.84")
    assert other.values["revenue"].amount is None
    assert other.values["revenue"].reason is Reason.NO_SOURCE
    assert other.values["mer"].amount is None
    assert [c.platform for c in answer.passport.connections] == ["ads_two", "store_one"]


def test_days_add_up_to_the_total_and_a_confirmed_empty_day_is_zero(
    shop: Facts, open_ctx: Open
) -> None:
    with open_ctx() as ctx:
        reading = query.read(ctx, ask("11-09", "11-12"))
        days = reading.by_day(["spend", "revenue", "roas"])
        total = reading.totals(["spend", "revenue"])
    spend = [x.values["spend"].amount for x in days.days]
    assert spend == [0, Decimal("150.15"), Decimal("49.84"), Decimal("0.01")]
    assert sum(filter(None, spend)) == total.values["spend"].amount
    revenue = [x.values["revenue"].amount for x in days.days]
    assert revenue == [0, 200, 160, -50]  # the refund counts on its own day
    assert days.days[0].values["roas"].amount is None
    assert days.days[0].values["roas"].reason is Reason.ZERO


def test_an_unread_day_is_none_and_the_total_is_partial_and_says_which(
    facts: Facts, open_ctx: Open
) -> None:
    account = facts.source("ads_one", name="Ads One")
    facts.cover(account, "campaign_daily", "11-01", "11-22", skip=("11-11",))
    facts.ads(account, "11-10", spend="10")
    facts.ads(account, "11-12", spend="20")
    with open_ctx() as ctx:
        reading = query.read(ctx, ask())
        days, total = reading.by_day(["spend"]), reading.totals(["spend"])
    assert [x.values["spend"].amount for x in days.days] == [10, None, 20]
    assert days.days[1].values["spend"].reason is Reason.NOT_LOADED
    spend = total.values["spend"]
    assert (spend.amount, spend.partial, spend.missing, spend.expected) == (30, True, 1, 3)
    assert spend.reason is Reason.NOT_LOADED
    assert total.passport.partial
    [hole] = [h for h in total.passport.holes if h.stream == "campaign_daily"]
    assert (hole.kind, hole.days, hole.connection) == (Gap.MISSING, 1, "Ads One")
    assert hole.runs[0].start == hole.runs[0].end == d("11-11")


def test_nothing_read_at_all_is_none_not_zero(facts: Facts, open_ctx: Open) -> None:
    facts.source("ads_one")
    with open_ctx() as ctx:
        spend = query.totals(ctx, ask(), ["spend"]).values["spend"]
    assert spend.amount is None
    assert spend.reason is Reason.NOT_LOADED
    assert spend.partial


def test_nothing_connected_says_so(organization: Organization, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask())
    assert all(v.amount is None and v.reason is Reason.NO_SOURCE for v in answer.values.values())
    assert answer.passport.connections == ()
    assert answer.passport.data_through is None


@pytest.mark.parametrize(
    ("state", "kind", "amount"),
    [
        (CoverageState.FAILED, Gap.FAILED, None), (CoverageState.EMPTY, None, 0),
        (CoverageState.PARTIAL, Gap.PARTIAL, None), (CoverageState.COMPLETE, None, 0),
    ],
)
def test_what_coverage_says_about_a_day_without_rows(
    facts: Facts, open_ctx: Open, state: CoverageState, kind: Gap | None, amount: int | None
) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-10", "11-10", state=state)
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask("11-10", "11-10"), ["spend"])
    assert answer.values["spend"].amount == amount
    assert [h.kind for h in answer.passport.holes] == ([kind] if kind else [])


def test_a_day_read_before_it_was_over_is_shown_and_marked(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", zone="America/New_York", streams=("campaign_daily",))
    # read at 04:59 UTC: one minute before midnight in New York
    early = dt.datetime(2026, 11, 11, 4, 59, tzinfo=dt.UTC)
    facts.cover(account, "campaign_daily", "11-10", "11-10", read_at=early)
    facts.ads(account, "11-10", spend="10")
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask("11-10", "11-10"), ["spend"])
    assert answer.values["spend"].amount == 10
    assert answer.values["spend"].partial
    assert [h.kind for h in answer.passport.holes] == [Gap.EARLY]


def test_the_day_of_a_clock_change_ends_an_hour_later(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", zone="America/New_York", streams=("campaign_daily",))
    facts.ads(account, "11-01", spend="10")  # 25 hours long: ends at 05:00 UTC, not 04:00
    facts.cover(account, "campaign_daily", "11-01", "11-01",
                read_at=dt.datetime(2026, 11, 2, 4, 30, tzinfo=dt.UTC))
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask("11-01", "11-01"), ["spend"])
    assert [h.kind for h in answer.passport.holes] == [Gap.EARLY]


def test_days_before_the_chosen_history_are_unknown_and_named(facts: Facts, open_ctx: Open) -> None:
    account = facts.source(
        "ads_one", days_ago=10, history_days=5, streams=("campaign_daily",)
    )  # made on 13 Nov: reads from 8 Nov on
    facts.cover(account, "campaign_daily", "11-08", "11-22")
    facts.ads(account, "11-08", spend="3")
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask("11-06", "11-09"), ["spend"])
    assert answer.values["spend"].amount == 3
    [hole] = answer.passport.holes
    assert (hole.kind, hole.days) == (Gap.BEFORE_HISTORY, 2)


def test_a_ratio_counts_the_days_that_both_of_its_sides_have(
    facts: Facts, open_ctx: Open
) -> None:
    ads, store = facts.source("ads_one", name="Ads One"), facts.source("store_one", name="Shop")
    facts.cover(ads, "campaign_daily", "11-01", "11-22")
    facts.cover(store, "orders", "11-11", "11-22")  # the shop shows no older orders
    for day in ("11-09", "11-10", "11-11", "11-12"):
        facts.ads(ads, day, spend="10", value="30")
    facts.order(store, "11-11", goods="40", index=1)
    facts.order(store, "11-12", goods="20", index=2)
    with open_ctx() as ctx:
        wanted = ask("11-09", "11-12")
        totals = query.totals(ctx, wanted, ["spend", "revenue", "blended_roas", "roas", "cac"])
        claims = query.claims(ctx, wanted)
    found = totals.values
    assert (found["spend"].amount, found["revenue"].amount) == (40, 60)
    roas = found["blended_roas"]
    assert (roas.amount, roas.partial, roas.missing) == (3, True, 2)  # 60 over the 20 of two days
    assert found["roas"].amount == 3
    assert not found["roas"].partial  # nothing is missing on either of its sides
    assert found["cac"].amount == 20  # one new customer, on those two days
    assert claims.claim_ratio.amount == 1
    assert claims.rows[0].of_revenue == 1


def test_silence_of_the_platform_is_not_zero(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-10", "11-12")
    facts.ads(account, "11-10", spend="10", clicks=None)
    facts.ads(account, "11-11", campaign="c1", spend="10", clicks=4)
    facts.ads(account, "11-11", campaign="c2", spend="10", clicks=None)
    with open_ctx() as ctx:
        reading = query.read(ctx, ask())
        total = reading.totals(["clicks", "cpc", "spend"]).values
        days = reading.by_day(["clicks"]).days
    assert [x.values["clicks"].amount for x in days] == [None, 4, 0]
    assert days[0].values["clicks"].reason is Reason.NOT_REPORTED
    assert days[1].values["clicks"].partial
    assert total["clicks"].amount == 4
    assert total["clicks"].partial
    assert not total["spend"].partial
    assert total["cpc"].partial


def test_live_and_demo_rows_never_meet(facts: Facts, open_ctx: Open) -> None:
    demo = facts.source("ads_one", streams=("campaign_daily",))
    live = facts.source(
        "ads_one", name="Live", provenance=Provenance.LIVE, streams=("campaign_daily",)
    )
    for account, spend in ((demo, "1"), (live, "20")):
        facts.cover(account, "campaign_daily", "11-10", "11-12")
        facts.ads(account, "11-10", spend=spend)
    assert values(open_ctx, "spend") == {"spend": 20}
    assert values(open_ctx, "spend", mode=Mode.DEMO) == {"spend": 1}
    with open_ctx() as ctx:
        auto = query.totals(ctx, ask(), ["spend"]).passport
    assert auto.provenance == "live"
    assert [c.connection for c in auto.connections] == ["Live"]


def test_a_live_draft_does_not_hide_the_demo(facts: Facts, open_ctx: Open) -> None:
    demo = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(demo, "campaign_daily", "11-10", "11-12")
    facts.ads(demo, "11-10", spend="1")
    facts.source("ads_one", provenance=Provenance.LIVE, status=ConnectionStatus.DRAFT)
    assert values(open_ctx, "spend") == {"spend": 1}


def test_prefer_live_data_can_be_turned_off(
    facts: Facts, app: App, open_ctx: Open, make_settings: Callable[..., Any]
) -> None:
    facts.source("ads_one")
    facts.source("ads_one", provenance=Provenance.LIVE)
    app.settings = make_settings(DATABASE_URL=app.db.url, PREFER_LIVE_DATA="false")
    with open_ctx() as ctx:
        assert query.totals(ctx, ask(), ["spend"]).passport.provenance == "demo"


def test_another_organization_sees_nothing(
    shop: Facts, app: App, other_organization: Organization, open_ctx: Open
) -> None:
    other = Facts(app, other_organization)
    account = other.source("ads_one", currency="EUR", streams=("campaign_daily",))
    other.cover(account, "campaign_daily", "11-10", "11-12")
    other.ads(account, "11-10", spend="7")
    assert values(open_ctx, "spend") == {"spend": 200}
    with open_ctx(org=other_organization) as ctx:
        reading = query.read(ctx, ask())
        answer = reading.totals(["spend", "revenue"])
        rows = reading.by_channel(["spend"]).rows
    assert answer.values["spend"].amount == 7
    assert answer.values["revenue"].reason is Reason.NO_SOURCE
    assert [r.values["spend"].amount for r in rows] == [7]
    assert answer.passport.currency == "EUR"


def test_deselected_accounts_and_deleted_connections_do_not_count(
    facts: Facts, open_ctx: Open, app: App
) -> None:
    for more in ({"selected": False}, {"deleted_at": app.now()}, {}):
        account = facts.source("ads_one", streams=("campaign_daily",), **more)
        facts.cover(account, "campaign_daily", "11-10", "11-12")
        facts.ads(account, "11-10", spend="5")
    assert values(open_ctx, "spend") == {"spend": 5}


def test_nobody_reads_without_signing_in(facts: Facts, app: App) -> None:
    with open_context(app, Principal(), facts.org.id) as ctx, pytest.raises(SignInNeeded):
        query.totals(ctx, ask())


def test_channels_share_the_spend_and_show_their_setting(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        rows = query.by_channel(ctx, ask(), ["spend", "roas", "revenue"]).rows
    assert [r.connection for r in rows] == ["Ads One", "Ads Two", "Shop", "Mail"]
    one, two, store, mail = rows
    assert (one.values["spend"].amount, two.values["spend"].amount) == (
        Decimal("150.16"), Decimal("49.84"),
    )
    assert one.spend_share == Decimal("0.7508")
    assert one.values["roas"].amount == Decimal("2.064465")  # 310 / 150.16
    assert one.attribution == ("meta_7d_click_1d_view",)
    assert two.attribution == ("google_conversion_window",)
    assert store.spend_share is None
    assert store.values["revenue"].amount == 310
    assert store.values["spend"].reason is Reason.NO_SOURCE
    assert mail.attribution == ("klaviyo_event_date",)


def test_claims_stand_beside_store_revenue(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = query.claims(ctx, ask())
    assert [(r.connection, r.claimed.amount) for r in answer.rows] == [
        ("Ads One", 310), ("Ads Two", 90), ("Mail", 40),
    ]
    assert answer.rows[0].of_revenue == 1
    assert answer.claimed.amount == 440
    assert answer.revenue.amount == 310
    assert answer.claim_ratio.amount == Decimal("1.419355")


def test_reach_is_never_added_up(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-01", "11-22")
    facts.ads(account, "11-10", campaign="c1", impressions=300)
    facts.rare(account, "11-10", "reach", "100", campaign="c1")
    for campaign in ("c1", "c2"):
        facts.ads(account, "11-11", campaign=campaign, impressions=300)
        facts.rare(account, "11-11", "reach", "100", campaign=campaign)
    with open_ctx() as ctx:
        reading = query.read(ctx, ask())
        days = reading.by_day(["reach", "frequency"]).days
        total = reading.totals(["reach", "frequency", "impressions"]).values
    assert [x.values["reach"].amount for x in days] == [100, None, 0]
    assert days[0].values["frequency"].amount == 3
    assert days[1].values["frequency"].reason is Reason.NOT_ADDITIVE
    assert total["reach"].amount is None
    assert total["reach"].reason is Reason.NOT_ADDITIVE
    assert total["frequency"].amount is None
    assert total["impressions"].amount == 900
    assert not METRICS["reach"].additive
    assert METRICS["spend"].additive
    assert not METRICS["roas"].additive


def test_two_attribution_settings_on_one_day_are_not_added(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-10", "11-12")
    facts.ads(account, "11-10", value="10", setting="meta_7d_click_1d_view")
    facts.ads(account, "11-10", value="10", setting="google_conversion_window")
    with open_ctx() as ctx:
        value = query.totals(ctx, ask(), ["ad_value"]).values["ad_value"]
    assert value.amount is None
    assert value.reason is Reason.MIXED_ATTRIBUTION


def test_delta_is_the_change_over_the_absolute_of_before(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    store = facts.source("store_one")
    facts.cover(account, "campaign_daily", "10-01", "11-22")
    facts.cover(store, "orders", "10-01", "11-22")
    facts.ads(account, "11-09", spend="100", impressions=100, clicks=10)
    facts.ads(account, "11-10", spend="106", impressions=100, clicks=12)
    facts.refund(store, "11-09", "50", order="gone")
    facts.order(store, "11-10", goods="25")
    with open_ctx() as ctx:
        answer = query.totals(
            ctx, ask("11-10", "11-10", compare=Compare.PREVIOUS),
            ["spend", "ctr", "revenue", "orders", "ad_value"],
        )
    assert answer.passport.against is not None
    assert answer.passport.against.start == d("11-09")
    assert answer.deltas["spend"].relative == Decimal("0.06")
    assert answer.deltas["ctr"].relative == Decimal("0.2")
    assert answer.deltas["ctr"].points == Decimal("0.02")
    assert answer.deltas["revenue"].relative == Decimal("1.5")  # from -50 to 25
    assert answer.deltas["orders"].relative is None
    assert answer.deltas["orders"].why == "new"
    assert answer.deltas["ad_value"].why == "none"


def test_a_comparison_with_unread_days_gives_no_percentage(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", days_ago=10, history_days=9, streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-04", "11-22")
    for day in ("11-09", "11-10"):
        facts.ads(account, day, spend="100")
    with open_ctx() as ctx:
        answer = query.totals(
            ctx, ask("11-08", "11-13", compare=Compare.PREVIOUS), ["spend"]
        )
    assert answer.deltas["spend"].relative is None
    assert answer.deltas["spend"].why == "incomplete"


def test_a_period_with_today_is_incomplete_and_compared_without_it(
    facts: Facts, open_ctx: Open
) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "10-01", "11-22")
    for day, spend in (("11-20", "10"), ("11-21", "10"), ("11-22", "22"), ("11-23", "5")):
        facts.ads(account, day, spend=spend)
    with open_ctx() as ctx:
        answer = query.totals(
            ctx, ask("11-22", "11-23", compare=Compare.PREVIOUS), ["spend"]
        )
    assert answer.passport.incomplete
    assert answer.values["spend"].amount == 27
    assert answer.values["spend"].partial
    assert answer.deltas["spend"].base.amount == 22
    assert answer.deltas["spend"].relative == Decimal("1.2")  # 22 against 10


def test_the_passport_names_zones_freshness_and_the_day_reached(
    facts: Facts, open_ctx: Open, app: App
) -> None:
    east = facts.source("ads_one", zone="Asia/Tokyo", streams=("campaign_daily",))
    west = facts.source("ads_two", zone="America/Los_Angeles")
    facts.cover(east, "campaign_daily", "11-01", "11-23")
    facts.cover(west, "campaign_daily", "11-01", "11-20")
    with open_ctx() as ctx:
        passport = query.totals(ctx, ask(), ["spend"]).passport
    assert passport.time_zones == ("America/Los_Angeles", "Asia/Tokyo")
    assert passport.mixed_time_zones
    assert [c.data_through for c in passport.connections] == [d("11-22"), d("11-20")]
    assert passport.data_through == d("11-20")
    assert passport.as_of == app.now()
    assert passport.connections[0].last_success_at == app.now() - dt.timedelta(hours=2)


def test_what_brings_no_figures_makes_nothing_late(facts: Facts, open_ctx: Open) -> None:
    ads = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(ads, "campaign_daily", "11-01", "11-23")
    facts.source("ads_two", streams=("campaigns",))  # names only
    with open_ctx() as ctx:
        passport = query.totals(ctx, ask(), ["spend"]).passport
    assert [c.brings for c in passport.connections] == [True, False]
    assert [c.platform for c in passport.sources] == ["ads_one"]
    assert readout.freshness(passport, d("11-23"))[0] == "ok"


def test_answers_have_a_json_form_with_money_as_text(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        answer = to_json(query.totals(ctx, ask(compare=Compare.PREVIOUS), ["spend", "ctr"]))
    assert answer["values"]["spend"]["amount"] == "200.00"
    assert answer["values"]["spend"]["currency"] == "USD"
    assert answer["values"]["ctr"]["amount"] == "0.01"
    assert answer["passport"]["period"] == {"start": "2026-11-10", "end": "2026-11-12"}
    assert answer["passport"]["as_of"] == "2026-11-23T12:00:00Z"
    assert answer["passport"]["provenance"] == "demo"
    assert answer["deltas"]["spend"]["why"] == "new"


@pytest.mark.parametrize("key", ATTRIBUTION)
def test_every_attribution_setting_has_words_for_people(key: str) -> None:
    for said in (attribution.words_of(key), attribution.short_of(key)):
        assert "_" not in said
        assert said != key.replace("_", " ") or key == "none"
    assert len(attribution.short_of(key)) <= 30  # a cell of a table
