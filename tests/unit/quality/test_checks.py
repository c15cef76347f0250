"""Each check stays silent on clean data and finds its own planted fault, and only that one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.models import (
    Account,
    CheckResult,
    Coverage,
    CoverageState,
    Entity,
    Provenance,
)
from liftos_app.models.facts import Level
from liftos_app.services.context import App
from liftos_app.services.quality import runner, score
from liftos_app.services.quality.score import Finding, Report
from tests.facts_builder import Facts, d

Open = Callable[..., Any]
# Today is 23 November. With 3 days to settle and 3 h latency, UTC: settled are 21 Oct to 19 Nov,
# the window reaches to 22 Nov.
WINDOW_DAYS = 33


class Clean:
    """One ad account with two levels, a store and mail, everything as it should be."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.ads = facts.source(
            "ads_one", name="Ads", streams=("campaign_daily", "ad_group_daily", "campaigns")
        )
        self.store = facts.source("store_one", name="Shop")
        self.mail = facts.source("mail_one", name="Mail", streams=("event_daily",))
        for account, stream in (
            (self.ads, "campaign_daily"), (self.ads, "ad_group_daily"), (self.store, "orders"),
            (self.mail, "event_daily"),
        ):
            facts.cover(account, stream, "10-01", "11-22")
        for day in ("11-10", "11-11"):
            facts.ads(self.ads, day, campaign="c1", spend="10", impressions=100, clicks=3,
                      conversions="1", value="20")
            facts.ads(self.ads, day, campaign="g1", level=Level.AD_GROUP, parent="c1", spend="10",
                      impressions=100, clicks=3)
        facts.order(self.store, "11-10", goods="10")
        facts.claim(self.mail, "11-10", "5")


@pytest.fixture
def clean(facts: Facts) -> Clean:
    return Clean(facts)


def evaluate(open_ctx: Open) -> Report:
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        report = score.latest(ctx)
    assert report is not None
    return report


def of(report: Report, check: str, stream: str = "") -> Finding:
    found = [f for f in report.findings if f.check == check and stream in {"", f.stream}]
    failing = [f for f in found if f.result in {"warn", "fail"}]
    return (failing or found)[0]


def failing(report: Report) -> set[str]:
    return {f.check for f in report.findings if f.result in {"warn", "fail"}}


def test_every_check_declares_what_it_does() -> None:
    names = {c.name for c in runner.all_checks()}
    assert names == {
        "day_coverage", "entity_coverage", "field_coverage", "timeliness", "unique_rows",
        "valid_days", "valid_amounts", "valid_clicks", "valid_conversions", "valid_currency",
        "valid_ids", "rejected_rows",
    }
    for check in runner.all_checks():
        assert check.rule.endswith(".")
        assert check.title
        assert 0 < check.target <= 1


def test_clean_data_passes_everything(clean: Clean, open_ctx: Open) -> None:
    report = evaluate(open_ctx)
    assert failing(report) == set()
    assert {f.check for f in report.findings} == {c.name for c in runner.all_checks()} - set()
    scores = report.scores
    assert (scores.completeness, scores.validity, scores.uniqueness) == (1.0, 1.0, 1.0)


def test_a_missing_day_is_found_and_named(facts: Facts, open_ctx: Open) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "10-01", "11-22", skip=("11-13", "11-14"))
    finding = of(evaluate(open_ctx), "day_coverage")
    assert (finding.numerator, finding.denominator) == (WINDOW_DAYS - 2, WINDOW_DAYS)
    assert finding.evidence["missing"] == [["2026-11-13", "2026-11-14"]]
    assert finding.result == "fail"
    assert finding.reason


@pytest.mark.parametrize(
    ("state", "ok"),
    [(CoverageState.EMPTY, True), (CoverageState.FAILED, False), (CoverageState.PARTIAL, False)],
)
def test_a_confirmed_empty_day_is_complete_a_failed_one_is_not(
    facts: Facts, open_ctx: Open, state: CoverageState, ok: bool
) -> None:
    account = facts.source("ads_one", streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "10-01", "11-22", skip=("11-13",))
    facts.cover(
        facts.account(facts.connection("ads_two")), "campaign_daily", "10-01", "11-22"
    )
    at = datetime(2026, 11, 14, 4, tzinfo=UTC)
    facts.add(Coverage(
        account_key=account.key, stream="campaign_daily", day=d("11-13"), org_id=facts.org.id,
        state=state, first_read_at=at, read_at=at,
    ))
    assert ("day_coverage" in failing(evaluate(open_ctx))) is not ok


def test_days_before_the_history_and_days_not_due_are_not_expected(
    facts: Facts, open_ctx: Open, clock: Any
) -> None:
    clock.now = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)  # the 22nd is due at 03:00
    account = facts.source("ads_one", days_ago=10, history_days=5, streams=("campaign_daily",))
    facts.cover(account, "campaign_daily", "11-08", "11-21")
    finding = of(evaluate(open_ctx), "day_coverage")
    assert (finding.numerator, finding.denominator) == (14, 14)  # 8 to 21 November


def test_a_paused_connection_expects_no_days_after_its_pause(facts: Facts, open_ctx: Open) -> None:
    account = facts.source(
        "ads_one", streams=("campaign_daily",), paused_at=datetime(2026, 11, 15, 12, tzinfo=UTC)
    )
    facts.cover(account, "campaign_daily", "10-01", "11-14")
    report = evaluate(open_ctx)
    assert failing(report) == set()
    assert "timeliness" not in {f.check for f in report.findings}


def test_a_campaign_with_delivery_and_no_rows_below_is_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-11", campaign="c2", spend="1", impressions=5, clicks=0,
                    conversions="0", value="0")
    clean.facts.ads(clean.ads, "11-12", campaign="c3", spend="0", impressions=0, clicks=0,
                    conversions="0", value="0")  # no delivery: nothing is expected
    report = evaluate(open_ctx)
    finding = of(report, "entity_coverage")
    assert failing(report) == {"entity_coverage"}
    assert (finding.numerator, finding.denominator) == (2, 3)
    assert finding.evidence["missing"] == [["c2", "2026-11-11"]]


def test_unsettled_days_are_not_compared_between_levels(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-21", campaign="c2", spend="1", impressions=5, clicks=0,
                    conversions="0", value="0")
    assert failing(evaluate(open_ctx)) == set()


def test_kinds_without_rows_below_are_not_expected(clean: Clean, open_ctx: Open) -> None:
    clean.facts.entity(clean.ads, "pm", attrs={"channel_type": "PERFORMANCE_MAX"})
    clean.facts.ads(clean.ads, "11-11", campaign="pm", spend="1", impressions=5, clicks=0,
                    conversions="0", value="0")
    assert failing(evaluate(open_ctx)) == set()


def test_ads_are_held_against_campaigns_through_their_ad_groups(
    facts: Facts, open_ctx: Open
) -> None:
    account = facts.source("ads_one", streams=("campaign_daily", "ad_daily"))
    for stream in ("campaign_daily", "ad_daily"):
        facts.cover(account, stream, "10-01", "11-22")
    for campaign, group in (("c1", "g1"), ("c2", "g2")):
        facts.entity(account, group, Level.AD_GROUP, parent=campaign)
        facts.ads(account, "11-10", campaign=campaign, spend="1", impressions=9, clicks=0,
                  conversions="0", value="0")
    facts.ads(account, "11-10", campaign="a1", level=Level.AD, parent="g1", spend="1",
              impressions=9, clicks=0)
    finding = of(evaluate(open_ctx), "entity_coverage")
    assert (finding.numerator, finding.denominator) == (1, 2)
    assert finding.evidence["missing"] == [["c2", "2026-11-10"]]


def test_an_empty_required_value_is_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-12", campaign="c1", spend="1", impressions=None)
    clean.facts.ads(clean.ads, "11-12", campaign="g1", level=Level.AD_GROUP, parent="c1", spend="1")
    report = evaluate(open_ctx)
    finding = of(report, "field_coverage")
    assert failing(report) == {"field_coverage"}
    assert (finding.numerator, finding.denominator) == (5, 6)
    assert finding.evidence["empty"] == {"impressions": 1}


def test_an_entity_without_a_name_is_an_empty_value(clean: Clean, open_ctx: Open) -> None:
    clean.facts.entity(clean.ads, "c9", title="")
    finding = of(evaluate(open_ctx), "field_coverage", "campaigns")
    assert (finding.numerator, finding.denominator) == (1, 2)


def test_a_row_of_tomorrow_is_found_in_the_accounts_zone(facts: Facts, open_ctx: Open) -> None:
    west = facts.source("ads_two", zone="America/Los_Angeles")  # 04:00 on the 23rd there
    facts.cover(west, "campaign_daily", "10-01", "11-22")
    facts.ads(west, "11-23", spend="1", impressions=1, clicks=0, conversions="0", value="0")
    assert failing(evaluate(open_ctx)) == set()
    facts.ads(west, "11-24", spend="1", impressions=1, clicks=0, conversions="0", value="0")
    report = evaluate(open_ctx)
    assert failing(report) == {"valid_days"}


def test_negative_spend_is_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-12", campaign="c1", spend="-1", impressions=1, clicks=0,
                    conversions="0", value="0")
    clean.facts.ads(clean.ads, "11-12", campaign="g1", level=Level.AD_GROUP, parent="c1",
                    spend="0", impressions=1, clicks=0)
    report = evaluate(open_ctx)
    assert failing(report) == {"valid_amounts"}
    assert of(report, "valid_amounts").evidence == {"negative_rows": 1}


def test_more_clicks_than_impressions_are_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-20", campaign="c1", spend="1", impressions=1, clicks=2,
                    conversions="0", value="0")
    assert failing(evaluate(open_ctx)) == {"valid_clicks"}


def test_a_value_without_conversions_is_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.ads(clean.ads, "11-20", campaign="c1", spend="1", impressions=1, clicks=0,
                    conversions=None, value="3")
    assert failing(evaluate(open_ctx)) == {"valid_conversions"}


def test_a_currency_that_does_not_exist_is_found(clean: Clean, open_ctx: Open) -> None:
    clean.facts.order(clean.store, "11-12", goods="1", currency="XXX")
    report = evaluate(open_ctx)
    assert failing(report) == {"valid_currency"}
    assert of(report, "valid_currency").evidence == {"unknown": {"XXX": 1}}


def test_a_padded_id_is_found(clean: Clean, open_ctx: Open, app: App) -> None:
    clean.facts.add(Entity(
        org_id=clean.facts.org.id, account_key=clean.ads.key, level=Level.CAMPAIGN,
        external_id=" c1", name="C", first_seen_at=app.now(), updated_at=app.now(),
    ))
    assert failing(evaluate(open_ctx)) == {"valid_ids"}


def test_a_refused_record_counts_once_however_often_it_was_read(
    clean: Clean, open_ctx: Open
) -> None:
    for hours in (1, 2):
        run = clean.facts.run(
            clean.ads.connection_id, clean.ads, "campaign_daily",
            clean.facts.app.now() - timedelta(hours=hours),
        )
        clean.facts.rejected(run, clean.ads, "campaign_daily", "11-12", "not a number: 'abc'")
    report = evaluate(open_ctx)
    finding = of(report, "rejected_rows")
    assert failing(report) == {"rejected_rows"}
    assert (finding.numerator, finding.denominator) == (2, 3)
    assert finding.evidence["reasons"] == [["not a number: 'abc'", 1]]


def test_an_account_connected_twice_counts_double_and_is_found(
    facts: Facts, open_ctx: Open
) -> None:
    for name in ("First", "Second"):
        account = facts.source("ads_two", name=name, external_id="act_1")
        facts.cover(account, "campaign_daily", "10-01", "11-22")
        facts.ads(account, "11-10", spend="1", impressions=1, clicks=0, conversions="0", value="0")
    report = evaluate(open_ctx)
    finding = of(report, "unique_rows")
    assert failing(report) == {"unique_rows"}
    assert finding.connection == "Second"
    assert (finding.numerator, finding.denominator) == (0, 1)
    assert report.scores.uniqueness == 0.5


def test_the_same_account_in_demo_and_live_is_no_duplicate(facts: Facts, open_ctx: Open) -> None:
    for provenance in (Provenance.DEMO, Provenance.LIVE):
        account = facts.source("ads_two", external_id="act_1", provenance=provenance)
        facts.cover(account, "campaign_daily", "10-01", "11-22")
        facts.ads(account, "11-10", spend="1", impressions=1, clicks=0, conversions="0", value="0")
    report = evaluate(open_ctx)
    assert report.provenance == "live"
    assert failing(report) == set()


# --- timeliness -----------------------------------------------------------------------------------


def late(facts: Facts, open_ctx: Open) -> Finding:
    return of(evaluate(open_ctx), "timeliness", "campaign_daily")


def account_of(facts: Facts, **more: Any) -> Account:
    return facts.source("ads_two", days_ago=5, history_days=30, **more)


def test_only_days_due_since_the_connection_reads_are_judged(facts: Facts, open_ctx: Open) -> None:
    account = account_of(facts)  # connected on 18 November at noon: the 18th is due first
    facts.cover(account, "campaign_daily", "10-19", "11-22", hours=4)
    finding = late(facts, open_ctx)
    assert (finding.numerator, finding.denominator) == (5, 5)
    assert finding.evidence["current_delay_seconds"] == 3600  # 4 h after midnight, 3 h are theirs
    assert finding.evidence["latency_hours"] == 3


def test_two_hours_are_in_time_and_a_second_more_is_late(facts: Facts, open_ctx: Open) -> None:
    account = account_of(facts)
    facts.cover(account, "campaign_daily", "10-19", "11-21", hours=5)
    facts.cover(
        facts.account(facts.connection("ads_one", streams=("campaign_daily",), days_ago=5)),
        "campaign_daily", "08-01", "11-22",
    )
    report = evaluate(open_ctx)
    finding = of(report, "timeliness", "campaign_daily")
    assert (finding.numerator, finding.denominator) == (4, 5)  # the 22nd is missing for 9 h
    assert finding.evidence["late"] == ["2026-11-22"]
    assert finding.evidence["current_delay_seconds"] == 9 * 3600
    assert report.scores.worst_delay_seconds == 9 * 3600


def test_the_delay_of_missing_days_counts_from_the_first_of_them(
    facts: Facts, open_ctx: Open
) -> None:
    account = account_of(facts)
    facts.cover(account, "campaign_daily", "10-19", "11-20")
    assert late(facts, open_ctx).evidence["current_delay_seconds"] == (24 + 9) * 3600


def test_a_day_read_early_and_again_later_is_judged_by_the_run_between(
    facts: Facts, open_ctx: Open
) -> None:
    account = account_of(facts)
    facts.cover(account, "campaign_daily", "10-19", "11-21", hours=4)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    facts.add(Coverage(
        account_key=account.key, stream="campaign_daily", day=d("11-22"), org_id=facts.org.id,
        state=CoverageState.COMPLETE, first_read_at=noon,
        read_at=datetime(2026, 11, 23, 11, tzinfo=UTC),
    ))
    started = datetime(2026, 11, 23, 4, 50, tzinfo=UTC)
    facts.run(account.connection_id, account, "campaign_daily", started - timedelta(hours=3))
    facts.run(account.connection_id, account, "campaign_daily", started - timedelta(days=5))
    facts.run(account.connection_id, account, "campaign_daily", started)
    finding = late(facts, open_ctx)
    assert finding.evidence["current_delay_seconds"] == 115 * 60  # due 03:00, done 04:55
    assert (finding.numerator, finding.denominator) == (5, 5)


def test_a_day_only_read_before_it_was_due_is_still_missing(facts: Facts, open_ctx: Open) -> None:
    account = account_of(facts)
    facts.cover(account, "campaign_daily", "10-19", "11-21", hours=4)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    facts.add(Coverage(
        account_key=account.key, stream="campaign_daily", day=d("11-22"), org_id=facts.org.id,
        state=CoverageState.COMPLETE, first_read_at=noon, read_at=noon,
    ))
    assert late(facts, open_ctx).evidence["late"] == ["2026-11-22"]


def test_the_due_time_follows_the_clock_change(facts: Facts, open_ctx: Open, clock: Any) -> None:
    """1 November 2026 has 25 hours in New York: it ends at 05:00 UTC and is due at 08:00."""
    clock.now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    account = facts.source("ads_two", zone="America/New_York", days_ago=5)
    facts.cover(account, "campaign_daily", "10-01", "10-31", hours=4)
    finding = late(facts, open_ctx)
    assert finding.evidence["current_delay_seconds"] == 90 * 60
    assert finding.evidence["late"] == []


def test_a_fresh_connection_has_no_due_day_and_is_not_measured(
    facts: Facts, open_ctx: Open
) -> None:
    account = facts.source("ads_two", days_ago=0)
    facts.cover(account, "campaign_daily", "08-01", "11-22")
    report = evaluate(open_ctx)
    assert of(report, "timeliness").result == "not_applicable"
    assert report.scores.timeliness is None
    assert report.scores.worst_delay_seconds is None
    assert report.scores.verdict == "insufficient"
    assert report.scores.overall is None


def test_results_keep_their_counts_window_and_time(clean: Clean, open_ctx: Open) -> None:
    report = evaluate(open_ctx)
    with open_ctx() as ctx:
        rows = ctx.session.exec(select(CheckResult)).all()
    assert {r.batch for r in rows} == {report.batch}
    day = next(r for r in rows if r.check == "day_coverage")
    assert (day.window_start, day.window_end) == (d("10-21"), d("11-22"))
    assert day.evaluated_at == dt.datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert day.rule_version == 1
    assert day.denominator == WINDOW_DAYS
