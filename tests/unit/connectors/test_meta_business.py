"""Meta: one purchase counted once, units at the edge, what is too large is halved."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Quota, Retry
from liftos_app.services.connectors import registry, rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.meta_business.objects import minor_to_micros
from tests.unit.connectors.helper import (
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    reply,
    task,
)

META = registry.get("meta_business")
VALUES = {"access_token": "EAAtoken0001", "client_secret": "0123456789abcdef0123456789abcdef"}


def client(handler: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(META, handler, VALUES, method="oauth", **more)


def no_next(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "paging": {"cursors": body["paging"]["cursors"]}}


def row(day: str = "2026-11-01", **more: Any) -> dict[str, Any]:
    return {
        "account_id": "1024500000000001", "campaign_id": "1", "campaign_name": "A",
        "impressions": "10", "clicks": "1", "spend": "1.00", "date_start": day, "date_stop": day,
        **more,
    }


def test_the_sheets_example_becomes_rows() -> None:
    body = no_next(example("meta_business", "insights_page1")["body"])
    one, edge = client(answers(body))
    page = read(one, task(META, "ad_daily"))
    assert page.rows[0] == {
        "entity_id": "23850000000000031", "day": "2026-11-01", "setting": "meta_7d_click_1d_view",
        "impressions": 4200, "clicks": 84, "spend_micros": 31_070_000,
        "conversions_micros": 5_000_000, "value_micros": 125_500_000,
        "extra": {"reach": 3_360_000_000, "link_clicks": 70_000_000,
                  "conversions_7d_click": 4_000_000, "conversions_1d_view": 1_000_000},
        "parent_id": "23850000000000021",
    }
    params = dict(edge.requests[0].url.params)
    assert params["level"] == "ad"
    assert json.loads(params["time_range"]) == {"since": "2026-11-01", "until": "2026-11-07"}
    assert json.loads(params["action_attribution_windows"]) == ["7d_click", "1d_view"]
    assert params["time_increment"] == "1"
    assert len(params["appsecret_proof"]) == 64
    assert "access_token" not in params
    assert page.columns >= {"spend", "actions", "date_start"}


def test_the_next_page_is_asked_for_by_cursor_on_our_own_host() -> None:
    first = example("meta_business", "insights_page1")["body"]
    first["paging"]["next"] = "https://evil.example/steal?access_token=x&after=MQZDZD"
    one, edge = client(answers(first, {"data": [], "paging": {}}))
    read(one, task(META, "ad_daily"))
    assert [r.url.host for r in edge.requests] == ["graph.facebook.com"] * 2
    assert edge.requests[1].url.params["after"] == "MQZDZD"


@pytest.mark.parametrize(("actions", "values", "conversions", "value"), [
    (None, None, 0, 0),
    ([{"action_type": "link_click", "value": "9"}], None, 0, 0),
    ([{"action_type": "purchase", "value": "3"},
      {"action_type": "omni_purchase", "value": "4"},
      {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "3"}],
     [{"action_type": "purchase", "value": "30"}, {"action_type": "omni_purchase", "value": "40"}],
     4, 40),
    ([{"action_type": "offsite_conversion.fb_pixel_purchase", "value": "3"}],
     [{"action_type": "offsite_conversion.fb_pixel_purchase", "value": "30.5"}], 3, 30.5),
    ([{"action_type": "omni_purchase", "value": "9", "7d_click": "2", "1d_view": "1"}],
     [{"action_type": "omni_purchase", "value": "90", "7d_click": "20"}], 3, 20),
    ([{"action_type": "omni_purchase", "value": "2"}], None, 2, 0),
])
def test_one_purchase_type_is_chosen_and_never_added_up(
    actions: Any, values: Any, conversions: float, value: float
) -> None:
    record = row(actions=actions, action_values=values)
    one, _ = client(answers({"data": [record]}))
    found = read(one, task(META, "campaign_daily")).rows[0]
    assert found["conversions_micros"] == conversions * 1_000_000
    assert found["value_micros"] == int(value * 1_000_000)


def test_a_person_may_choose_the_purchase_type() -> None:
    record = row(actions=[{"action_type": "omni_purchase", "value": "9"},
                          {"action_type": "offsite_conversion.custom.1", "value": "2"}])
    one, _ = client(answers({"data": [record]}))
    options = {"purchase_action_type": "offsite_conversion.custom.1"}
    page = read(one, task(META, "campaign_daily", options=options))
    assert page.rows[0]["conversions_micros"] == 2_000_000


def test_rows_outside_the_span_are_left_out_and_odd_ones_rejected() -> None:
    records = [
        row("2026-10-31"), row("2026-11-01"), row("2026-11-02", date_stop="2026-11-03"),
        row("2026-11-03", spend="abc"), row("2026-11-04", impressions="12"),
        {k: v for k, v in row("2026-11-05").items() if k != "spend"},
    ]
    one, _ = client(answers({"data": records}))
    page = read(one, task(META, "campaign_daily"))
    assert [r["day"] for r in page.rows] == ["2026-11-01", "2026-11-04"]
    assert page.skipped == 1
    assert [r.day for r in page.rejected] == ["2026-11-02", "2026-11-03", "2026-11-05"]
    assert "no 'spend'" in page.rejected[2].reason


def test_a_page_that_is_too_large_is_asked_for_with_fewer_rows() -> None:
    too_much = httpx.Response(400, json={"error": {"code": 100, "error_subcode": 1487534}})
    one, edge = client(answers(too_much, too_much, {"data": [row()]}))
    assert len(read(one, task(META, "campaign_daily")).rows) == 1
    assert [r.url.params["limit"] for r in edge.requests] == ["500", "250", "125"]


def test_a_span_that_is_too_large_is_halved_without_reading_a_day_twice() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.url.params["time_range"])
        since, until = (dt.date.fromisoformat(asked[k]) for k in ("since", "until"))
        if (until - since).days >= 2:
            return httpx.Response(400, json={"error": {"code": 100, "error_subcode": 1504018}})
        days = [since + dt.timedelta(days=i) for i in range((until - since).days + 1)]
        return httpx.Response(200, json={"data": [row(d.isoformat()) for d in days]})

    one, _ = client(handler)
    page = read(one, task(META, "campaign_daily"))
    assert sorted(r["day"] for r in page.rows) == [f"2026-11-0{d}" for d in range(1, 8)]
    assert page.read_count == 7


def test_a_single_day_that_is_too_large_ends() -> None:
    too_much = httpx.Response(400, json={"error": {"code": 100, "error_subcode": 1504018}})
    one, _ = client(answers(too_much))
    with pytest.raises(GiveUp, match="too much|this much"):
        read(one, task(META, "campaign_daily", start="2026-11-01", end="2026-11-01"))


def job(status: str, percent: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "618", "async_status": status, "async_percent_completion": percent, **more}


TOO_MUCH = httpx.Response(400, json={"error": {"code": 100, "error_subcode": 1487534}})


def test_a_long_span_of_ads_is_asked_for_directly_first() -> None:
    one, edge = client(answers({"data": [row(ad_id="9", adset_id="8")]}))
    page = read(one, task(META, "ad_daily", start="2026-10-20", end="2026-11-07"))
    assert len(page.rows) == 1
    assert [r.method for r in edge.requests] == ["GET"]


def test_what_was_too_much_once_is_prepared_from_then_on() -> None:
    prepared = ({"report_run_id": "618"}, job("Job Completed", 100),
                {"data": [row(ad_id="9", adset_id="8")]})
    one, edge = client(answers(TOO_MUCH, *prepared, *prepared))
    for _ in range(2):
        read(one, task(META, "ad_daily", start="2026-10-20", end="2026-11-07"))
    assert [r.method for r in edge.requests] == ["GET", "POST", "GET", "GET", "POST", "GET", "GET"]


def test_a_long_span_of_too_many_ads_becomes_a_prepared_report() -> None:
    one, edge = client(answers(
        TOO_MUCH, {"report_run_id": "618"}, job("Job Not Started"), job("Job Running", 60),
        job("Job Running", 100), job("Job Completed", 90), job("Job Completed", 100),
        {"data": [row(ad_id="9", adset_id="8")]},
    ))
    page = read(one, task(META, "ad_daily", start="2026-10-20", end="2026-11-07"))
    assert len(page.rows) == 1
    assert edge.requests[1].method == "POST"
    form = {k: v[0] for k, v in parse_qs(edge.requests[1].content.decode()).items()}
    assert form["level"] == "ad"
    assert "spend" in json.loads(form["fields"])
    assert edge.requests[-1].url.path == "/v26.0/618/insights"
    assert edge.waited >= 3.5  # 100 % alone is not done


def test_a_failed_report_is_asked_for_in_halves() -> None:
    failed = example("meta_business", "async_run_status")["body"]
    one, edge = client(answers(
        TOO_MUCH, {"report_run_id": "1"}, failed,
        {"report_run_id": "2"}, job("Job Completed", 100), {"data": [row("2026-11-10", ad_id="9",
                                                                        adset_id="8")]},
        {"report_run_id": "3"}, job("Job Completed", 100), {"data": [row("2026-11-02", ad_id="9",
                                                                        adset_id="8")]},
    ))
    page = read(one, task(META, "ad_daily", start="2026-11-01", end="2026-11-16"))
    assert [r["day"] for r in page.rows] == ["2026-11-10", "2026-11-02"]


def test_a_report_that_never_ends_is_given_back_after_an_hour() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/insights") and request.method == "GET":
            return TOO_MUCH
        ordered = request.method == "POST"
        return httpx.Response(200, json={"report_run_id": "1"} if ordered else
                              job("Job Running", 10))

    one, edge = client(handler)
    with pytest.raises(Retry, match="did not finish"):
        read(one, task(META, "ad_daily", start="2026-10-20", end="2026-11-07"))
    assert 3600 <= edge.waited <= 3700


def test_a_nearly_full_limit_hands_the_wait_on() -> None:
    full = httpx.Response(200, json={"data": [row()], "paging": {
        "cursors": {"after": "x"}, "next": "https://graph.facebook.com/next"}}, headers={
        "x-ad-account-usage": '{"acc_id_util_pct":96,"reset_time_duration":900}'})
    one, edge = client(answers(full))
    with pytest.raises(Quota) as caught:
        read(one, task(META, "campaign_daily"))
    assert 890 < (caught.value.after or 0) <= 900
    assert len(edge.requests) == 1


def test_discovery_reads_all_pages_and_tells_what_is_closed() -> None:
    first = example("meta_business", "ad_accounts")["body"]
    first["paging"]["next"] = "https://graph.facebook.com/next"
    last = {"data": [{"id": "act_3", "account_id": "3", "name": "<script>x</script>",
                      "account_status": 101}]}
    one, edge = client(answers(first, last))
    found = META.discover(one)
    assert [(a.external_id, a.currency, a.time_zone, a.status, a.usable) for a in found] == [
        ("1024500000000001", "EUR", "Europe/Berlin", "active", True),
        ("1024500000000002", "JPY", "Asia/Tokyo", "disabled", True),
        ("3", "", "UTC", "closed", False),
    ]
    assert found[2].name == "<script>x</script>"  # kept as text; pages show it as text
    assert edge.requests[1].url.params["after"] == "QVFIUafter1"


def test_the_test_says_what_answered_and_permissions_are_those_given() -> None:
    one, _ = client(answers(example("meta_business", "ad_accounts")["body"]["data"][0]))
    assert META.test(one, account()) == (
        "Meta answers for Harbor Coffee EU: EUR, Europe/Berlin, active."
    )
    one, _ = client(answers({"data": [{"permission": "ads_read", "status": "declined"},
                                      {"permission": "public_profile", "status": "granted"}]}))
    assert META.granted
    assert META.granted(one) == ["public_profile"]
    one, _ = client(answers(reply("meta_business", "error_token_expired")), tries=1)
    with pytest.raises(Exception, match="no longer accepts"):
        META.test(one, account())


def test_entities_keep_deleted_ones_and_their_budgets_in_micro_units() -> None:
    record = {"id": "7", "name": "Autumn", "status": "PAUSED", "effective_status": "ARCHIVED",
              "objective": "OUTCOME_SALES", "daily_budget": "5000", "lifetime_budget": "0"}
    one, edge = client(answers({"data": [record]}))
    found = read(one, task(META, "campaigns")).rows[0]
    assert found == {
        "external_id": "7", "level": rows.CAMPAIGN, "parent_id": "", "name": "Autumn",
        "status": "archived", "attrs": {
            "objective": "OUTCOME_SALES", "daily_budget_micros": 50_000_000,
            "lifetime_budget_micros": 0},
    }
    asked = json.loads(edge.requests[0].url.params["filtering"])
    assert asked[0]["field"] == "effective_status"
    assert {"ARCHIVED", "DELETED"} <= set(asked[0]["value"])


def test_ads_belong_to_their_ad_set_and_know_their_creative() -> None:
    record = {"id": "9", "name": "Ad", "adset_id": "8", "campaign_id": "7", "status": "ACTIVE",
              "effective_status": "ACTIVE", "creative": {"id": "55"}}
    one, _ = client(answers({"data": [record]}))
    found = read(one, task(META, "ads")).rows[0]
    assert (found["parent_id"], found["attrs"]) == ("8", {"creative_id": "55"})


def test_the_account_is_an_entity_too() -> None:
    one, _ = client(answers({"id": "act_1024500000000001", "account_id": "1024500000000001",
                             "name": "Harbor Coffee EU", "account_status": 1,
                             "amount_spent": "123456"}))
    found = read(one, task(META, "account")).rows[0]
    assert found["external_id"] == "1024500000000001"
    assert found["attrs"]["amount_spent_micros"] == 1_234_560_000


@pytest.mark.parametrize(("value", "currency", "expected"), [
    ("5000", "EUR", 50_000_000), ("5000", "JPY", 5_000_000_000), ("1", "USD", 10_000),
])
def test_smallest_units_depend_on_the_currency(value: str, currency: str, expected: int) -> None:
    assert minor_to_micros(value, currency) == expected


def test_a_missing_permission_is_for_a_person() -> None:
    one, _ = client(answers(httpx.Response(403, json={"error": {"code": 200, "message": "x"}})))
    with pytest.raises(Fix, match="does not let us read"):
        read(one, task(META, "campaigns"))
