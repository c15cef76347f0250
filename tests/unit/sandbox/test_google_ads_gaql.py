"""The query language of Google Ads: grammar, rules and evaluation over a small invented account."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.sandbox.platforms.google_ads import dates, evaluate, filters, gaql, wire
from liftos_app.services.sandbox.platforms.google_ads.metrics import MILLION, NAMES, Tally

TODAY = dt.date(2026, 11, 22)  # a Sunday
FILTERED = "SELECT campaign.id FROM campaign WHERE "


def campaign(number: int, name: str, status: str, kind: str) -> evaluate.Entity:
    home = "customers/1"
    return evaluate.Entity(
        (str(number),),
        {
            "campaign.resource_name": f"{home}/campaigns/{number}",
            "campaign.id": number,
            "campaign.name": name,
            "campaign.status": status,
            "campaign.advertising_channel_type": kind,
            "customer.resource_name": home,
            "customer.id": 1,
        },
    )


class Small:
    """Three campaigns, three days; the third campaign never delivers."""

    today = TODAY
    is_manager = False

    def entities(self, _resource: str) -> list[evaluate.Entity]:
        return [
            campaign(11, "Brand 50% off", "ENABLED", "SEARCH"),
            campaign(12, "Shopping_all", "PAUSED", "PERFORMANCE_MAX"),
            campaign(13, "Old", "REMOVED", "SEARCH"),
        ]

    def days(
        self, _resource: str, _span: filters.Span
    ) -> Iterator[tuple[evaluate.Key, dt.date, Tally]]:
        for offset in range(3):
            day = dt.date(2026, 10, 30) + dt.timedelta(days=offset)
            cost = 1_110_003 + offset
            yield (
                ("11",),
                day,
                Tally(impressions=1000, clicks=41, cost=cost, conversions=3 * MILLION // 2),
            )
            yield ("12",), day, Tally(impressions=7 if offset else 0)
            yield ("13",), day, Tally()


def rows(text: str, source: Small | None = None) -> list[dict]:
    answer = evaluate.run(gaql.parse(text), source or Small())
    return wire.results(answer, 0, len(answer.rows))


def refused(text: str) -> gaql.GaqlError:
    with pytest.raises(gaql.GaqlError) as caught:
        evaluate.run(gaql.parse(text), Small())
    return caught.value


def test_clauses_are_read_in_any_letter_case_and_over_several_lines():
    query = gaql.parse(
        "select campaign.id,\n metrics.clicks from campaign where campaign.status in "
        "('ENABLED', PAUSED) and metrics.clicks >= 3 order by metrics.clicks desc, campaign.id "
        "limit 5 parameters include_drafts=true"
    )
    assert query.select == ("campaign.id", "metrics.clicks")
    assert query.where[0] == gaql.Condition("campaign.status", "IN", ("ENABLED", "PAUSED"))
    assert query.where[1] == gaql.Condition("metrics.clicks", ">=", (3,))
    assert query.order == (gaql.Order("metrics.clicks", True), gaql.Order("campaign.id"))
    assert (query.limit, query.parameters) == (5, {"include_drafts": "true"})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "EXPECTED_SELECT"),
        ("UPDATE campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.id FROM", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT FROM campaign", "BAD_FIELD_NAME"),
        ("SELECT campaign.id FROM campaign, ad_group", "UNEXPECTED_FROM_CLAUSE"),
        ("SELECT campaign.id FROM nothing", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.id FROM keyword_view", "PROHIBITED_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.nope FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.start_date FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT metrics.video_views FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign FROM campaign", "PROHIBITED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign WHERE", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id ~ 3", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()",
         "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 3 OR campaign.id = 4",
         "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = 'LIVE'", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 'abc'", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status LIKE 'E%'",
         "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_9_DAYS",
         "INVALID_VALUE_WITH_DURING_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE segments.date = '2026-13-01'",
         "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.date > '9999-12-31'",
         "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.year = 99999999999",
         "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE segments.month = '2026-11-02'",
         "MISALIGNED_DATE_FOR_FILTER"),
        ("SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '2026-11-02'",
         "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR"),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("SELECT campaign.id, segments.date FROM campaign WHERE segments.date > '2026-11-01'",
         "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("SELECT campaign.id FROM campaign WHERE segments.device = 'MOBILE'",
         "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT segments.hour, campaign.id FROM campaign",
         "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT customer_client.id, metrics.clicks FROM customer_client",
         "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT campaign.id FROM campaign LIMIT x", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign PARAMETERS fast=true", "BAD_PARAMETER_NAME"),
        ("SELECT campaign.id FROM campaign LIMIT 1 LIMIT 2", "UNEXPECTED_INPUT"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused_with_the_vendors_code(text: str, code: str):
    assert refused(text).code == code


def test_the_refusal_of_an_unknown_field_names_it():
    assert "campaign.colour" in refused("SELECT campaign.colour FROM campaign").message


def test_metrics_on_a_manager_are_refused():
    class Manager(Small):
        is_manager = True

    with pytest.raises(gaql.GaqlError) as caught:
        evaluate.run(gaql.parse("SELECT metrics.clicks FROM customer"), Manager())
    assert caught.value.code == "REQUESTED_METRICS_FOR_MANAGER"


def test_segmented_rows_hold_strings_for_64_bit_numbers_and_leave_zero_out():
    found = rows(
        "SELECT campaign.id, metrics.clicks, metrics.cost_micros, metrics.conversions, "
        "metrics.view_through_conversions, segments.date FROM campaign "
        "WHERE segments.date BETWEEN '2026-10-30' AND '2026-10-31' AND campaign.id = 11"
    )
    assert found[0] == {
        "campaign": {"resourceName": "customers/1/campaigns/11", "id": "11"},
        "metrics": {"clicks": "41", "costMicros": "1110003", "conversions": 1.5},
        "segments": {"date": "2026-10-30"},
    }
    assert len(found) == 2


def test_days_without_any_figure_have_no_row_when_segmented():
    text = (
        "SELECT campaign.id, metrics.impressions, segments.date FROM campaign "
        "WHERE segments.date BETWEEN '2026-10-01' AND '2026-11-30'"
    )
    seen = [(r["campaign"]["id"], r["segments"]["date"]) for r in rows(text)]
    assert seen == [
        ("11", "2026-10-30"), ("11", "2026-10-31"), ("12", "2026-10-31"),
        ("11", "2026-11-01"), ("12", "2026-11-01"),
    ]  # fmt: skip


def test_without_segments_each_entity_has_one_row_over_the_range_also_without_delivery():
    found = rows(
        "SELECT campaign.id, metrics.cost_micros FROM campaign "
        "WHERE segments.date BETWEEN '2026-10-30' AND '2026-11-01'"
    )
    assert [r["campaign"]["id"] for r in found] == ["11", "12", "13"]
    assert found[0]["metrics"]["costMicros"] == str(3 * 1_110_003 + 3)
    assert found[2]["metrics"] == {}


@pytest.mark.parametrize("segment", ["week", "month", "quarter", "year", "device", "day_of_week"])
def test_every_segment_adds_up_to_the_whole(segment: str):
    where = "FROM campaign WHERE segments.date BETWEEN '2026-10-30' AND '2026-11-01'"
    whole = rows(f"SELECT campaign.id, metrics.cost_micros, metrics.clicks {where}")
    parts = rows(
        f"SELECT campaign.id, metrics.cost_micros, metrics.clicks, segments.{segment} {where}"
    )
    for figure in ("costMicros", "clicks"):
        assert sum(int(r["metrics"].get(figure, 0)) for r in parts) == sum(
            int(r["metrics"].get(figure, 0)) for r in whole
        )
    seen = {str(r["segments"][wire.camel(segment)]) for r in parts}
    assert len(seen) == {"month": 2, "device": 3, "day_of_week": 3}.get(segment, 1)


def test_like_knows_wildcards_escapes_and_ignores_case():
    def names(pattern: str) -> list[str]:
        text = "SELECT campaign.name FROM campaign WHERE campaign.name LIKE "
        return [r["campaign"]["name"] for r in rows(f"{text}'{pattern}'")]

    assert names("brand%") == ["Brand 50% off"]
    assert names("%50[%]%") == ["Brand 50% off"]
    assert names("Shopping[_]all") == ["Shopping_all"]
    assert names("O_d") == ["Old"]
    assert names("Brand") == []


def test_a_hostile_pattern_ends_quickly():
    text = "%".join("a" * 200)
    test = filters.test_of(
        evaluate.fields.field("campaign.name", "WHERE"),
        gaql.Condition("campaign.name", "LIKE", (f"%{text}%b",)),
    )
    assert test("a" * 400) is False
    assert refused(
        "SELECT campaign.id FROM campaign WHERE campaign.name REGEXP_MATCH '(a+)+b'"
    ).code == "BAD_VALUE"  # fmt: skip


def test_order_and_limit_apply_after_filters_on_metrics():
    found = rows(
        "SELECT campaign.id, metrics.impressions FROM campaign WHERE metrics.impressions > 0 "
        "ORDER BY metrics.impressions ASC LIMIT 1"
    )
    assert [r["campaign"]["id"] for r in found] == ["12"]


def test_resource_names_of_unselected_resources_can_be_left_out():
    text = "SELECT customer.id FROM campaign LIMIT 1"
    assert "campaign" in rows(text)[0]
    bare = rows(text + " PARAMETERS omit_unselected_resource_names=true")[0]
    assert bare == {"customer": {"id": "1"}}


@pytest.mark.parametrize(
    ("literal", "first", "last"),
    [
        ("TODAY", "2026-11-22", "2026-11-22"),
        ("YESTERDAY", "2026-11-21", "2026-11-21"),
        ("LAST_7_DAYS", "2026-11-15", "2026-11-21"),
        ("LAST_14_DAYS", "2026-11-08", "2026-11-21"),
        ("LAST_30_DAYS", "2026-10-23", "2026-11-21"),
        ("LAST_BUSINESS_WEEK", "2026-11-09", "2026-11-13"),
        ("LAST_WEEK_MON_SUN", "2026-11-09", "2026-11-15"),
        ("LAST_WEEK_SUN_SAT", "2026-11-15", "2026-11-21"),
        ("THIS_WEEK_MON_TODAY", "2026-11-16", "2026-11-22"),
        ("THIS_WEEK_SUN_TODAY", "2026-11-22", "2026-11-22"),
        ("THIS_MONTH", "2026-11-01", "2026-11-22"),
        ("LAST_MONTH", "2026-10-01", "2026-10-31"),
    ],
)
def test_date_literals_mean_what_the_vendor_says(literal: str, first: str, last: str):
    assert [d.isoformat() for d in dates.during(literal, TODAY)] == [first, last]


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str):
    for candidate in (text, f"SELECT {text}", FILTERED + text):
        with contextlib.suppress(gaql.GaqlError):  # anything else fails the test
            assert evaluate.run(gaql.parse(candidate), Small()).rows is not None


@given(
    st.lists(st.integers(0, 10**12), min_size=len(NAMES), max_size=len(NAMES)),
    st.lists(st.integers(1, 99), min_size=1, max_size=6),
)
def test_parts_of_a_tally_add_up_exactly(amounts: list[int], weights: list[int]):
    whole, again = Tally(*amounts), Tally()
    for part in whole.split(weights):
        again.add(part)
    assert again == whole
