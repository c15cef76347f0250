"""Klaviyo's request layer without a world: filters, revisions, windows, timeframes, statistics."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.sandbox.platforms.klaviyo import (
    filters,
    limits,
    requests,
    statistics,
    timeframes,
    wire,
)
from liftos_app.services.sandbox.platforms.klaviyo.wire import Refusal

RULES = {
    "messages.channel": filters.Rule(("equals",), values=("email", "sms", "mobile_push")),
    "id": filters.Rule(("any",)),
    "name": filters.Rule(("contains", "equals", "starts-with", "ends-with")),
    "archived": filters.Rule(("equals",), "bool"),
    "updated_at": filters.Rule(filters.ORDER, "time"),
}
ROWS = [
    {"id": "a", "name": "Autumn sale", "archived": False, "at": datetime(2026, 11, 1, tzinfo=UTC)},
    {"id": "b", "name": "O'Neill (new)", "archived": True, "at": datetime(2026, 11, 2, tzinfo=UTC)},
]
READ: dict[str, Any] = {
    "messages.channel": lambda _r: "email",
    "id": lambda r: r["id"],
    "name": lambda r: r["name"],
    "archived": lambda r: r["archived"],
    "updated_at": lambda r: r["at"],
}
TODAY = date(2026, 11, 22)
ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


def found(text: str) -> list[str]:
    return [r["id"] for r in filters.keep(ROWS, filters.parse(text, RULES), READ)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("equals(messages.channel,'email')", ["a", "b"]),
        ('equals(messages.channel,"sms")', []),
        ("and(equals(messages.channel,'email'),equals(archived,true))", ["b"]),
        ("equals(messages.channel,'email'),equals(archived,false)", ["a"]),
        ("any(id,['a','c'])", ["a"]),
        ("contains(name,'SALE')", ["a"]),
        ("equals(name,'O\\'Neill (new)')", ["b"]),
        ("greater-or-equal(updated_at,2026-11-02T00:00:00Z)", ["b"]),
        ("less-than(updated_at,2026-11-01T19:00:00-05:00)", ["a"]),
        ("less-or-equal(updated_at,2026-11-02T00:00:00 00:00)", ["a", "b"]),
        ("greater-than(updated_at,2026-11-02)", []),
    ],
)
def test_filter_selects_rows(text: str, ids: list[str]) -> None:
    assert found(text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "",
        "equals(name)",
        "equals(colour,'red')",
        "any(name,['a'])",
        "equals(archived,'maybe')",
        "equals(messages.channel,'fax')",
        "or(equals(name,'a'),equals(name,'b'))",
        "equals(name,'a",
        "greater-than(updated_at,yesterday)",
        "equals(name,'a'))",
        "between(name,'a')",
    ],
)
def test_filter_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        filters.parse(text, RULES)
    assert caught.value.status == 400
    assert caught.value.source == {"parameter": "filter"}


@given(st.text(max_size=50))
def test_no_filter_text_breaks_the_reader(text: str) -> None:
    try:
        assert isinstance(filters.parse(text, RULES), list)
    except Refusal as refusal:
        assert refusal.status == 400


def test_revision_is_required_and_falls_forward_unless_opted_out() -> None:
    with pytest.raises(Refusal) as missing:
        wire.revision({}, TODAY)
    assert missing.value.status == 400
    assert wire.revision({"revision": "2026-07-15"}, TODAY) == "2026-07-15"
    assert wire.revision({"revision": "2026-10-15"}, TODAY) == "2026-10-15"
    assert wire.revision({"revision": "2024-06-15"}, TODAY) == "2025-01-15"
    with pytest.raises(Refusal) as retired:
        wire.revision({"revision": "2024-06-15", wire.OPT_OUT: "1"}, TODAY)
    assert retired.value.status == 410
    with pytest.raises(Refusal) as malformed:
        wire.revision({"revision": "latest"}, TODAY)
    assert malformed.value.status == 400


def test_windows_count_even_when_they_do_not_refuse() -> None:
    counter = limits.Counter()
    first = counter.count("acc", "reports", limits.REPORTS, 600.0, enforce=True)
    assert (first.wait, first.headers["RateLimit-Remaining"]) == (0, "1")
    assert counter.count("acc", "reports", limits.REPORTS, 600.4, enforce=True).wait == 1
    assert counter.count("acc", "reports", limits.REPORTS, 601.5, enforce=True).wait == 0
    refused = counter.count("acc", "reports", limits.REPORTS, 610.0, enforce=True)
    assert refused.headers == {"Retry-After": "50"}
    relaxed = counter.count("acc", "reports", limits.REPORTS, 612.0, enforce=False)
    assert relaxed.headers == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "48",
    }
    assert counter.count("other", "reports", limits.REPORTS, 612.0, enforce=True).wait == 0
    assert counter.count("acc", "reports", limits.REPORTS, 661.0, enforce=True).wait == 0


def test_daily_window_can_ask_for_hours() -> None:
    counter = limits.Counter()
    for call in range(225):
        assert counter.count("acc", "r", limits.REPORTS, 60.0 * call, enforce=True).wait == 0
    assert counter.count("acc", "r", limits.REPORTS, 60.0 * 225, enforce=True).wait == (
        86400 - 225 * 60
    )


def test_timeframe_uses_the_account_zone_and_ignores_offsets() -> None:
    start, end = timeframes.timeframe(
        {"start": "2026-11-01T00:00:00+00:00", "end": "2026-11-08T00:00:00"}, ZONE, NOW
    )
    assert start == datetime(2026, 11, 1, 4, tzinfo=UTC)  # still summer time
    assert end == datetime(2026, 11, 8, 5, tzinfo=UTC)
    assert timeframes.timeframe({"key": "yesterday"}, ZONE, NOW) == (
        datetime(2026, 11, 21, 5, tzinfo=UTC),
        datetime(2026, 11, 22, 5, tzinfo=UTC),
    )
    for bad in (
        {"key": "last_decade"},
        {"start": "2026-01-01"},
        "today",
        {"start": "2024-01-01", "end": "2026-01-01"},
        {"start": "2026-01-02", "end": "2026-01-01"},
    ):
        with pytest.raises(Refusal):
            timeframes.timeframe(bad, ZONE, NOW)


@pytest.mark.parametrize("key", timeframes.TIMEFRAMES)
def test_every_named_timeframe_is_a_span(key: str) -> None:
    start, end = timeframes.timeframe({"key": key}, ZONE, NOW)
    assert start < end <= NOW


def report(**attributes: Any) -> requests.Report:
    body = {
        "data": {
            "type": "campaign-values-report",
            "attributes": {
                "statistics": ["opens"],
                "timeframe": {"key": "last_30_days"},
                "conversion_metric_id": "M1",
                **attributes,
            },
        }
    }
    return requests.report(
        body, kind="campaign-values-report", subject="campaign", metrics=["M1"], zone=ZONE, now=NOW
    )


def test_report_groups_by_campaign_and_message_unless_told_otherwise() -> None:
    assert report().group_by == ("campaign_id", "campaign_message_id", "send_channel")
    assert report(filter="equals(send_channel,'email')").clauses[0].value == "email"


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"statistics": ["charm"]}, "statistics"),
        ({"statistics": []}, "statistics"),
        ({"conversion_metric_id": None}, "conversion_metric_id"),
        ({"conversion_metric_id": "other"}, "conversion_metric_id"),
        ({"group_by": ["send_channel"]}, "group_by"),
        ({"colour": 1}, "colour"),
        ({"filter": "equals(send_channel,'email'),equals(send_channel,'sms')"}, "filter"),
    ],
)
def test_report_request_is_refused_with_a_pointer(attributes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Refusal) as caught:
        report(**attributes)
    assert caught.value.source["pointer"].endswith(pointer)


def test_series_report_limits_its_span() -> None:
    def ask(interval: str, end: str) -> requests.Report:
        body = {
            "data": {
                "type": "flow-series-report",
                "attributes": {
                    "statistics": ["opens"],
                    "interval": interval,
                    "conversion_metric_id": "M1",
                    "timeframe": {"start": "2026-01-01", "end": end},
                },
            }
        }
        return requests.report(
            body,
            kind="flow-series-report",
            subject="flow",
            metrics=["M1"],
            zone=ZONE,
            now=NOW,
            series=True,
        )

    assert ask("daily", "2026-03-02").interval == "daily"
    for interval, end in (
        ("daily", "2026-03-05"),
        ("hourly", "2026-01-09"),
        ("yearly", "2026-02-01"),
    ):
        with pytest.raises(Refusal):
            ask(interval, end)


def aggregate(**attributes: Any) -> requests.Aggregate:
    body = {
        "data": {
            "type": "metric-aggregate",
            "attributes": {
                "metric_id": "M1",
                "measurements": ["count"],
                "filter": [
                    "greater-or-equal(datetime,2026-11-01T00:00:00)",
                    "less-than(datetime,2026-11-03T00:00:00)",
                ],
                **attributes,
            },
        }
    }
    return requests.aggregate(body, metrics=["M1"])


def test_aggregate_reads_times_in_the_zone_it_names() -> None:
    asked = aggregate(timezone="America/New_York")
    assert asked.start == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert asked.end == datetime(2026, 11, 3, 5, tzinfo=UTC)
    assert asked.page_size == 500


@pytest.mark.parametrize(
    "attributes",
    [
        {"metric_id": "other"},
        {"measurements": ["mean"]},
        {"interval": "daily"},
        {"timezone": "Europe/Kyiv"},
        {"timezone": "Mars"},
        {"by": ["colour"]},
        {"filter": "less-than(datetime,2026-11-03)"},
        {"filter": ["less-than(datetime,2026-11-03)"]},
        {"page_size": 0},
        {"page_size": True},
        {"sort": "colour"},
        {"filter": ["greater-or-equal(datetime,2024-01-01)", "less-than(datetime,2026-01-01)"]},
    ],
)
def test_aggregate_outside_the_rules_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        aggregate(**attributes)


def test_rates_are_fractions_and_never_divide_by_nothing() -> None:
    counts = statistics.add(
        [
            {
                "recipients": 100,
                "delivered": 80,
                "opens_unique": 40,
                "clicks_unique": 10,
                "conversions": 4,
                "conversion_uniques": 3,
                "conversion_value": 100.1,
            },
            {"recipients": 100, "delivered": 80, "bounced": 2, "failed": 1},
        ]
    )
    picked = statistics.pick(counts, statistics.STATISTICS)
    assert set(picked) == set(statistics.STATISTICS)
    assert picked["open_rate"] == 0.25
    assert picked["click_to_open_rate"] == 0.25
    assert picked["average_order_value"] == 25.025
    assert picked["bounced_or_failed"] == 3
    assert picked["text_message_roi"] == 0.0
    assert len(statistics.STATISTICS) == 31


def test_sparse_fields_reach_inside() -> None:
    whole = {"name": "x", "audiences": {"included": ["a"], "excluded": []}}
    assert wire.sparse(whole, []) == whole
    assert wire.sparse(whole, ["audiences.included"]) == {"audiences": {"included": ["a"]}}
    assert wire.sparse(whole, ["name", "audiences.included", "audiences.excluded"]) == whole
