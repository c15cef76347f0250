"""One reading, one page: tiles, days, channels, claims and needs agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from liftos_app.models import ConnectionStatus, Organization, Provenance, Role, RunState
from liftos_app.models.facts import Level
from liftos_app.services import monitoring, overview
from liftos_app.services.metrics.asked import Asked
from liftos_app.services.metrics.question import Compare, Mode, Question
from liftos_app.services.metrics.values import to_json
from liftos_app.services.quality import runner
from liftos_app.state.overview import view_of
from tests.facts_builder import Facts, d, facts, platforms  # noqa: F401

Open = Callable[..., Any]


def ask(start: str = "11-16", end: str = "11-22", **more: Any) -> Question:
    return Question(start=d(start), end=d(end), compare=Compare.PREVIOUS, **more)


@pytest.fixture
def shop(facts: Facts) -> Facts:  # noqa: F811
    ads = facts.source("ads_one", name="Meta", streams=("campaign_daily",))
    store = facts.source("store_one", name="Shop")
    mail = facts.source("mail_one", name="Mail", streams=("event_daily",))
    facts.cover(ads, "campaign_daily", "10-01", "11-22")
    facts.cover(store, "orders", "10-01", "11-22")
    facts.cover(mail, "event_daily", "10-01", "11-22")
    for day, spend, goods in (("11-10", "50", "100"), ("11-17", "60", "150"), ("11-18", "0", "90")):
        facts.ads(ads, day, spend=spend, impressions=10, clicks=1, conversions="1", value=goods,
                  setting="meta_7d_click_1d_view")
        facts.order(store, day, goods=goods)
    facts.claim(mail, "11-18", "60")
    return facts


def test_tiles_days_channels_and_claims_agree(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        page = overview.read(ctx, ask())
    spend = page.tile("spend")
    assert spend.value.amount == 60
    assert spend.delta is not None
    assert spend.delta.relative == Decimal("0.2")
    assert spend.spark == (0, 60, 0, 0, 0, 0, 0)
    assert sum(filter(None, spend.spark)) == spend.value.amount
    assert page.tile("revenue").value.amount == 240
    assert page.tile("blended_roas").value.amount == 4
    assert page.tile("mer").value.amount == 4
    assert page.tile("orders").value.amount == 2
    assert page.tile("aov").value.amount == 120
    assert page.tile("cac").value.amount == 30
    assert page.tile("claimed_value").value.amount == 300
    assert page.tile("claim_ratio").value.amount == Decimal("1.25")
    assert sum(
        (r.values["spend"].amount or Decimal(0) for r in page.channels.rows), Decimal(0)
    ) == 60
    assert page.claims.claimed.amount == page.tile("claimed_value").value.amount
    assert {t.metric for t in page.tiles} == set(overview.TILES)
    with pytest.raises(KeyError):
        page.tile("nothing")


def test_every_number_has_a_passport(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        page = overview.read(ctx, ask())
    text = page.tile("blended_roas").passport
    for part in (
        "Store revenue per unit of advertising spend", "Store revenue / ad spend.",
        "Revenue is net sales.", "16 to 22 Nov, days of UTC.",
        "Demo data from Meta, Shop and Mail.", "Complete through 22 Nov.",
    ):
        assert part in text
    assert "7-day click, 1-day view" in page.tile("claimed_value").passport
    assert "Attribution" not in page.tile("spend").passport


def test_a_passport_tells_conversions_zones_and_gaps(
    facts: Facts, open_ctx: Open  # noqa: F811
) -> None:
    euro = facts.source("ads_one", currency="EUR", streams=("campaign_daily",))
    west = facts.source("ads_two", zone="America/Los_Angeles")
    facts.cover(euro, "campaign_daily", "10-01", "11-22", skip=("11-20",))
    facts.cover(west, "campaign_daily", "10-01", "11-22")
    facts.ads(euro, "11-22", spend="10")
    facts.rate("11-20", "USD", "EUR", "1.1")
    with open_ctx() as ctx:
        text = overview.read(ctx, ask(), ("spend",)).tile("spend").passport
    assert "days of 2 time zones" in text
    assert "EUR converted with each day's reference rate; 22 Nov with the last one before." in text
    assert text.endswith("These days have not been read yet.")


def test_nothing_connected_gives_an_empty_page_not_zeros(
    organization: Organization, open_ctx: Open
) -> None:
    with open_ctx() as ctx:
        page = overview.read(ctx, ask())
    assert all(t.value.amount is None for t in page.tiles)
    assert page.channels.rows == ()
    assert page.needs == ()
    assert page.verdict == ""


def test_needs_name_the_connection_its_cause_and_a_page(shop: Facts, open_ctx: Open) -> None:
    bad = shop.connection(
        "ads_two", "Google", status=ConnectionStatus.NEEDS_REAUTH,
        cause={"cause": "credential", "what": "x", "why": "The sign-in expired on 19 Nov.",
               "fix": "Sign in again."},
    )
    shop.account(bad)
    with open_ctx() as ctx:
        needs = overview.read(ctx, ask()).needs
    assert needs[0].kind == "bad"
    assert "Google" in needs[0].what
    assert "The sign-in expired on 19 Nov." in needs[0].why
    assert needs[0].link == f"/connections/{bad.id}"


def test_failed_checks_and_missing_rates_are_needs(
    facts: Facts, open_ctx: Open  # noqa: F811
) -> None:
    euro = facts.source("ads_one", name="Meta", currency="EUR", streams=("campaign_daily",))
    facts.cover(euro, "campaign_daily", "10-01", "11-17")
    facts.ads(euro, "11-17", spend="10", impressions=1, clicks=0, conversions="0", value="0")
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        page = overview.read(ctx, ask())
    rate = next(n for n in page.needs if "exchange rate" in n.what)
    assert rate.what == "No exchange rate from EUR to USD"
    assert "17 Nov" in rate.why
    assert rate.link == "/settings"
    check = next(n for n in page.needs if n.link == "/quality")
    assert check.what.startswith("Meta, Meta account:")
    assert page.verdict in {"red", "amber", "insufficient"}


def test_an_account_in_two_connections_is_one_need_in_human_words(
    facts: Facts, open_ctx: Open  # noqa: F811
) -> None:
    for name in ("First", "Second"):
        connection = facts.connection("ads_one", name, streams=("campaign_daily", "ad_daily"))
        for number in (1, 2):
            account = facts.account(connection, external_id=f"act_{number}")
            for stream, level in (("campaign_daily", Level.CAMPAIGN), ("ad_daily", Level.AD)):
                facts.cover(account, stream, "10-01", "11-22")
                facts.ads(
                    account, "11-10", campaign=stream, level=level, spend="1", impressions=1,
                    clicks=0, conversions="0", value="0",
                )
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        found = [n for n in overview.read(ctx, ask()).needs if "read the same" in n.what]
    assert [n.what for n in found] == ["First and Second read the same 2 accounts"]
    assert "ad_daily and campaign_daily count twice in every total" in found[0].why


def test_only_figures_whose_last_day_is_not_over_are_marked(
    facts: Facts, open_ctx: Open  # noqa: F811
) -> None:
    west = facts.source("ads_one", zone="America/Los_Angeles", streams=("campaign_daily",))
    facts.cover(west, "campaign_daily", "10-01", "11-22", hours=-3)  # 21:00 there
    facts.ads(west, "11-22", spend="3")
    store = facts.source("store_one", streams=("orders",))
    facts.cover(store, "orders", "10-01", "11-22")
    facts.order(store, "11-22", goods="90")
    with open_ctx() as ctx:
        found = overview.read(ctx, ask())
        page = view_of(ctx, Asked(range="custom", start="2026-11-16", end="2026-11-22"))
    marked = {t.metric for t in found.tiles if t.not_over}
    assert "spend" in marked
    assert {"revenue", "orders", "aov"}.isdisjoint(marked)
    assert "not over" in found.tile("spend").passport
    assert {t.key: bool(t.not_over) for t in page.tiles}["spend"]
    assert not {t.key: bool(t.not_over) for t in page.tiles}["revenue"]


def test_a_mode_shows_only_its_own_connections(shop: Facts, open_ctx: Open) -> None:
    live = shop.source("ads_two", name="Live", provenance=Provenance.LIVE)
    shop.cover(live, "campaign_daily", "10-01", "11-22")
    shop.ads(live, "11-17", spend="1000")
    with open_ctx() as ctx:
        auto = overview.read(ctx, ask())
        demo = overview.read(ctx, ask(mode=Mode.DEMO))
    assert (auto.passport.provenance, auto.tile("spend").value.amount) == ("live", 1000)
    assert auto.tile("revenue").value.amount is None
    assert (demo.passport.provenance, demo.tile("spend").value.amount) == ("demo", 60)


def test_a_filter_without_connections_keeps_the_page_and_its_filters(
    shop: Facts, open_ctx: Open
) -> None:
    with open_ctx() as ctx:
        phases = {mode: view_of(ctx, Asked(mode=mode)).phase for mode in ("", "live", "demo")}
    assert phases == {"": "ready", "live": "other_data", "demo": "ready"}


def test_the_page_has_a_json_form(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        page = to_json(overview.read(ctx, ask(), ("spend",)))
    assert page["tiles"][0]["value"]["amount"] == "60.00"
    assert page["tiles"][0]["spark"][1] == "60"
    assert page["channels"]["rows"][0]["supplies"] == ["ads"]


def test_outcomes_count_partial_runs_as_no_success(
    facts: Facts, open_ctx: Open, other_organization: Organization  # noqa: F811
) -> None:
    account = facts.source("ads_one")
    now = facts.app.now()
    for hours, state in (
        (1, RunState.SUCCEEDED), (2, RunState.SUCCEEDED), (3, RunState.PARTIAL),
        (4, RunState.FAILED), (5, RunState.CANCELLED), (24 * 40, RunState.FAILED),
    ):
        facts.run(account.connection_id, account, "campaign_daily", now - timedelta(hours=hours),
                  state=state, minutes=5)
    with open_ctx(Role.VIEWER) as ctx:
        found = monitoring.outcomes(ctx)
        assert monitoring.outcomes(ctx, connection_ids=[]) == {}
    one = found[account.connection_id]
    assert (one.succeeded, one.partial, one.failed, one.share) == (2, 1, 1, 0.5)
    assert one.typical_seconds == 300
    assert monitoring.total(found).finished == 4
    assert monitoring.Outcomes().share is None
    with open_ctx(org=other_organization) as ctx:
        assert monitoring.outcomes(ctx) == {}
