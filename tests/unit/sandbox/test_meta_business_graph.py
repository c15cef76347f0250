"""The protocol parts of the Marketing API over a small invented ad account."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.sandbox.platforms.meta_business import (
    expand,
    filtering,
    insights,
    paging,
    periods,
    reports,
)
from liftos_app.services.sandbox.platforms.meta_business.answers import GraphError
from liftos_app.services.sandbox.platforms.meta_business.figures import Figures
from liftos_app.services.sandbox.platforms.meta_business.graph import Graph
from liftos_app.services.sandbox.platforms.meta_business.tree import Cell, Node

TODAY = dt.date(2026, 11, 22)
BASE = "http://sandbox.test/meta/v26.0"
ACTIVE = {"status": "ACTIVE", "effective_status": "ACTIVE"}


class Small:
    """One campaign with two ads that deliver, and one archived campaign."""

    account_id = "1"
    node = Node("account", "act_1", {"account_id": "1", "name": "Small"})
    currency, digits, today = "USD", 2, TODAY

    def nodes(self, kind: str) -> list[Node]:
        up = {"campaign": "10", "adset": "20"}
        return {
            "campaign": [
                Node("campaign", "10", ACTIVE | {"name": "Brand", "objective": "OUTCOME_SALES"}),
                Node("campaign", "11", {"name": "Old", "effective_status": "ARCHIVED"}),
            ],
            "adset": [Node("adset", "20", ACTIVE | {"name": "Set"}, {"campaign": "10"})],
            "ad": [
                Node("ad", "30", ACTIVE | {"name": "One"}, up | {"adcreative": "40"}),
                Node("ad", "31", ACTIVE | {"name": "Two"}, up | {"adcreative": "41"}),
            ],
            "adcreative": [
                Node("adcreative", "40", {"name": "C1"}),
                Node("adcreative", "41", {"name": "C2"}),
            ],
        }[kind]

    def cells(self, first: dt.date, last: dt.date, level: str) -> Iterator[Cell]:
        for ad, spend in (("30", 3_330_000), ("31", 1_110_000)):
            for offset in range(10):
                day = dt.date(2026, 11, 11) + dt.timedelta(days=offset)
                if first <= day <= last:
                    counts = {"1d_click": 1, "7d_click": 3, "28d_click": 4, "1d_view": 2}
                    values = {window: n * 10_010_000 for window, n in counts.items()}
                    figures = Figures(900, 700, 0, 33, 21, spend, counts, values)
                    ids = {"campaign": "10", "adset": "20", "ad": ad}
                    yield Cell(ids.get(level, "act_1"), ids, day, figures)


def graph() -> Graph:
    return Graph(
        [Small()],
        lambda _account, _use: None,
        lambda _stream, rows, _account: rows,
        lambda ask, account, within: insights.rows(ask, account, within=within),
    )


def call(edge: str, **params: str) -> paging.Call:
    return paging.Call(f"{BASE}/{edge}", {"access_token": "T", **params})


def report(node_id: str = "act_1", **params: Any) -> list[dict[str, Any]]:
    account, node = graph().find(node_id)
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()}
    return graph().edge(account, node, "insights", call(f"{node_id}/insights", **texts))["data"]


def code_of(action: Any) -> tuple[int, int | None, str]:
    with pytest.raises(GraphError) as caught:
        action()
    return caught.value.code, caught.value.subcode, caught.value.message


RANGE = {"since": "2026-11-11", "until": "2026-11-20"}


def test_fields_are_read_with_braces_and_modifiers():
    found = expand.parse('id, creative{id,name},insights.time_range({"since":"x"}).limit(2){spend}')
    assert [w.name for w in found] == ["id", "creative", "insights"]
    assert [w.name for w in found[1].inner] == ["id", "name"]
    assert found[2].modifiers == {"time_range": '{"since":"x"}', "limit": "2"}
    assert expand.parse('["id","name"]') == expand.parse("id,name")


@given(st.text(alphabet='ab,{}.()[]" ', max_size=60))
def test_no_fields_text_breaks_the_reader(text: str):
    with contextlib.suppress(GraphError):  # anything else fails the test
        assert expand.parse(text) is not None


def test_objects_answer_their_id_and_the_wished_fields_and_expand_creatives():
    account, node = graph().find("30")
    shown = graph().show(account, node, expand.parse("name,creative{name}"), call("30"))
    assert shown == {"name": "One", "creative": {"name": "C1", "id": "40"}, "id": "30"}
    assert graph().show(account, node, (), call("30")) == {"id": "30"}


def test_an_unknown_field_is_named_in_a_code_100():
    account, node = graph().find("10")
    code, _, message = code_of(
        lambda: graph().show(account, node, expand.parse("colour"), call("10"))
    )
    assert code == 100
    assert "colour" in message
    code, _, message = code_of(lambda: report(fields="spend,colour"))
    assert code == 100
    assert "colour" in message


def test_an_object_of_another_token_is_code_100_subcode_33():
    assert code_of(lambda: graph().find("act_2"))[:2] == (100, 33)


def test_archived_campaigns_come_only_when_filtered_for():
    account, node = graph().find("act_1")
    edge = "act_1/campaigns"
    plain = graph().edge(account, node, "campaigns", call(edge, fields="name"))
    assert [c["name"] for c in plain["data"]] == ["Brand"]
    wish = '[{"field":"effective_status","operator":"IN","value":["ARCHIVED","ACTIVE"]}]'
    both = graph().edge(account, node, "campaigns", call(edge, fields="name", filtering=wish))
    assert [c["name"] for c in both["data"]] == ["Brand", "Old"]
    short = call(edge, effective_status='["ARCHIVED"]', summary="true")
    assert graph().edge(account, node, "campaigns", short)["summary"] == {"total_count": 1}


def test_pages_lead_to_the_end_by_absolute_links_with_stable_cursors():
    account, node = graph().find("act_1")
    seen, params = [], {"limit": "7", "level": "ad", "time_increment": "1",
                        "time_range": json.dumps(RANGE), "fields": "ad_id"}  # fmt: skip
    first = graph().edge(account, node, "insights", call("act_1/insights", **params))
    answer = first
    while True:
        seen += answer["data"]
        assert answer["paging"]["cursors"]["after"]
        link = answer["paging"].get("next")
        if link is None:
            break
        assert link.startswith(f"{BASE}/act_1/insights?")
        following = {k: v[0] for k, v in parse_qs(urlsplit(link).query).items()}
        answer = graph().edge(account, node, "insights", call("act_1/insights", **following))
    assert len(seen) == len({(r["ad_id"], r["date_start"]) for r in seen}) == 20
    again = graph().edge(account, node, "insights", call("act_1/insights", **params))
    assert again["paging"]["cursors"] == first["paging"]["cursors"]


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_wrong_limit_is_a_code_100(limit: str):
    assert code_of(lambda: report(limit=limit))[0] == 100


def test_a_greedy_limit_is_told_to_reduce_the_amount_of_data():
    code, _, message = code_of(lambda: report(limit="100000"))
    assert code == 1
    assert "reduce the amount of data" in message


def test_all_numbers_are_strings_and_spend_is_a_decimal_of_the_currency():
    row = report(
        level="ad", time_increment="1", time_range=RANGE, limit="1",
        fields="impressions,reach,clicks,spend,cpc,cpm,ctr,frequency,inline_link_clicks",
    )[0]  # fmt: skip
    assert all(isinstance(value, str) for value in row.values())
    assert (row["spend"], row["impressions"], row["date_stop"]) == ("3.33", "900", "2026-11-11")
    assert Decimal(row["cpc"]) == (Decimal("3.33") / 33).quantize(Decimal("0.000001"))


@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
@pytest.mark.parametrize("increment", ["1", "3", "monthly", "all_days"])
def test_spend_adds_up_on_every_level_and_for_every_increment(level: str, increment: str):
    rows = report(level=level, time_increment=increment, time_range=RANGE, fields="spend")
    assert sum(Decimal(r["spend"]) for r in rows) == Decimal("44.40")


def test_pieces_of_several_days_name_their_first_and_last_day():
    rows = report(time_increment="4", time_range=RANGE, fields="spend")
    assert [(r["date_start"], r["date_stop"]) for r in rows] == [
        ("2026-11-11", "2026-11-14"), ("2026-11-15", "2026-11-18"), ("2026-11-19", "2026-11-20"),
    ]  # fmt: skip


def test_a_purchase_is_listed_under_several_names_with_the_asked_windows():
    row = report(
        level="ad", time_increment="1", time_range=RANGE, limit="1", fields="actions,action_values",
        action_attribution_windows=["7d_click", "1d_view", "7d_view", "28d_view"],
    )[0]  # fmt: skip
    bought = [a for a in row["actions"] if "purchase" in a["action_type"]]
    assert len(bought) > 2
    assert {json.dumps({k: v for k, v in a.items() if k != "action_type"}) for a in bought} == {
        '{"value": "5", "7d_click": "3", "1d_view": "2"}'
    }
    worth = next(a for a in row["action_values"] if a["action_type"] == "omni_purchase")
    assert worth["value"] == "50.05"
    assert not [a for a in row["actions"] if "7d_view" in a or "28d_view" in a]


def test_unknown_windows_and_levels_are_refused_by_name():
    assert "action_attribution_windows" in code_of(
        lambda: report(action_attribution_windows=["3d_click"])
    )[2]  # fmt: skip
    assert code_of(lambda: report(level="keyword"))[0] == 100
    assert code_of(lambda: report(date_preset="next_week"))[0] == 100
    assert code_of(lambda: report(time_increment="91"))[0] == 100


def test_reports_reach_37_months_back_and_not_further():
    assert report(time_range={"since": "2023-10-22", "until": "2023-10-23"}) == []
    assert (
        code_of(lambda: report(time_range={"since": "2023-10-21", "until": "2026-11-01"}))[0]
        == 3018
    )
    assert (
        code_of(lambda: report(time_range={"since": "2026-11-02", "until": "2026-11-01"}))[0] == 100
    )


def test_an_ad_reports_only_itself():
    rows = report("31", time_range=RANGE, fields="spend,ad_id")
    assert [(r["ad_id"], r["spend"]) for r in rows] == [("31", "11.10")]


def test_filters_and_sorting_apply_to_rows():
    wish = [{"field": "spend", "operator": "GREATER_THAN", "value": 20}]
    rows = report(level="ad", time_range=RANGE, fields="ad_id", filtering=wish)
    assert [r["ad_id"] for r in rows] == ["30"]
    rows = report(level="ad", time_range=RANGE, fields="ad_id", sort=["spend_ascending"])
    assert [r["ad_id"] for r in rows] == ["31", "30"]
    text = '[{"field":"spend","operator":"LIKE","value":1}]'
    assert code_of(lambda: filtering.parse(text, known=bool, read=dict.get))[0] == 100


def test_a_breakdown_splits_exactly_and_an_impossible_one_is_code_2():
    rows = report(
        time_increment="1", time_range=RANGE, fields="spend", limit="100",
        breakdowns=["publisher_platform"],
    )  # fmt: skip
    assert sum(Decimal(r["spend"]) for r in rows) == Decimal("44.40")
    assert {r["publisher_platform"] for r in rows} >= {"facebook", "instagram"}
    assert code_of(lambda: report(breakdowns=["dma"]))[:2] == (2, 1504041)
    assert code_of(lambda: report(breakdowns=["colour"]))[0] == 100


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", "2026-11-22", "2026-11-22"),
        ("last_7d", "2026-11-15", "2026-11-21"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_week_sun_today", "2026-11-22", "2026-11-22"),
        ("last_week_mon_sun", "2026-11-09", "2026-11-15"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("maximum", "2023-10-22", "2026-11-22"),
    ],
)
def test_presets_mean_what_the_vendor_says(preset: str, first: str, last: str):
    assert [d.isoformat() for d in periods.asked({"date_preset": preset}, TODAY)[0]] == [
        first,
        last,
    ]


def test_a_run_waits_runs_and_completes_and_is_partial_at_100_percent():
    kept = reports.Reports()
    run = kept.start("1", {}, [{"spend": "1"}, {"spend": "2"}], now=1, fails=False)
    seen = []
    for _ in range(6):
        run.poll(2)
        shown = reports.show(run, expand.parse("async_status,async_percent_completion"))
        seen.append((shown["async_status"], shown["async_percent_completion"]))
        if seen[-1] == ("Job Running", 100):
            assert len(reports.results(run)) == 1
    assert seen[0] == ("Job Not Started", 0)
    assert ("Job Running", 100) in seen
    assert seen[-1] == ("Job Completed", 100)
    assert len(reports.results(run)) == 2
    assert code_of(lambda: kept.find(run.id, {"2"}))[:2] == (100, 33)


def test_a_failed_run_says_so_with_a_signed_code():
    run = reports.Reports().start("1", {}, [], now=1, fails=True)
    for _ in range(5):
        run.poll(2)
    shown = reports.show(run, ())
    assert (shown["async_status"], shown["error_code"], shown["error_subcode"]) == (
        "Job Failed", -2, 2490547,
    )  # fmt: skip
    with pytest.raises(GraphError):
        reports.results(run)


def test_default_level_follows_the_object():
    assert insights.read({}, TODAY, level="adset").level == "adset"


_AWKWARD = st.sampled_from(
    ["", "NaN", "[]", "{}", "null", '"x"', "[1]", '[{"field":"spend"}]', "-1", "9" * 5000, "\u2603",
     '{"since":"2026-11-11","until":"2026-11-20"}', '{"since":1,"until":[]}', "monthly", "all_days",
     '[{"field":"spend","operator":"GREATER_THAN","value":"NaN"}]', "spend_descending", "account",
     '[{"field":"ad.id","operator":"IN","value":null}]', "MAZDZD", "last_7d", "true", "ad", "1"]
)  # fmt: skip
_NAMES = st.sampled_from(
    ["fields", "level", "time_increment", "time_range", "time_ranges", "date_preset", "filtering",
     "sort", "limit", "after", "before", "summary", "default_summary", "breakdowns",
     "action_breakdowns", "action_attribution_windows", "effective_status"]
)  # fmt: skip


@given(st.sampled_from(["insights", "campaigns", "ads"]), st.dictionaries(_NAMES, _AWKWARD))
def test_no_parameter_breaks_an_edge(edge: str, params: dict[str, str]):
    account, node = graph().find("act_1")
    with contextlib.suppress(GraphError):  # anything else fails the test
        assert "data" in graph().edge(account, node, edge, call(f"act_1/{edge}", **params))


def test_objects_are_filtered_by_fields_of_their_own_and_of_what_is_above():
    account, node = graph().find("act_1")

    def ads(field: str, operator: str, value: object) -> list[str]:
        wish = json.dumps([{"field": field, "operator": operator, "value": value}])
        answer = graph().edge(account, node, "ads", call("act_1/ads", filtering=wish))
        return [ad["id"] for ad in answer["data"]]

    assert ads("name", "CONTAIN", "tw") == ["31"]
    assert ads("ad.name", "EQUAL", "One") == ["30"]
    assert ads("campaign.name", "IN", ["Brand"]) == ["30", "31"]
    assert ads("campaign.id", "NOT_IN", ["10"]) == []
    assert ads("ad.delivery_info", "IN", ["active"]) == ["30", "31"]


def test_endless_expansion_is_told_to_reduce():
    account, node = graph().find("act_1")
    wish = "ads{campaign{ads{insights{spend},name}}}"
    shown = graph().show(account, node, expand.parse(wish), call("act_1"))
    assert shown["ads"]["data"][0]["campaign"]["ads"]["data"][1]["name"] == "Two"
    assert code_of(lambda: expand.parse("ads{campaign{" * 4 + "id" + "}}" * 4))[0] == 100
    heavy = graph()
    heavy.effort.append(1_990)
    code, _, message = code_of(
        lambda: heavy.edge(account, node, "insights", call("act_1/insights"))
    )
    assert code == 1
    assert "reduce" in message
