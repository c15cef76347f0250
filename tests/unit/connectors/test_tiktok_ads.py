"""TikTok: errors inside status 200, JSON in the query, texts for numbers, nothing lost in pages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import grants, registry, rows
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.tiktok_ads import objects, reports
from liftos_app.services.connectors.platforms.tiktok_ads.errors import RULES, fault
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

TIKTOK = registry.get("tiktok_ads")
APP = {"client_id": "7301990000000012345", "client_secret": "9c" * 20}
TOKEN = "5ad0" * 10
VALUES = {**APP, "access_token": TOKEN}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BACK = "http://localhost:8000/oauth/callback/tiktok_ads"
OURS = account(external_id="7012345678901234567")


def client(handler: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(TIKTOK, handler, VALUES, method="oauth", **more)


def good(data: Any) -> dict[str, Any]:
    return {"code": 0, "message": "OK", "request_id": "20261122", "data": data}


def bad(code: int, message: str = "words") -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "2026112200000000000005", "data": {}}


def page(records: list[Any], number: int = 1, of: int = 1, total: int | None = None) -> Any:
    info = {"page": number, "page_size": 1000, "total_page": of,
            "total_number": len(records) * of if total is None else total}
    return good({"list": records, "page_info": info})


def record(day: str = "2026-11-01", ident: str = "1780000000000021", **more: Any) -> dict[str, Any]:
    return {
        "dimensions": {"ad_id": ident, "stat_time_day": f"{day} 00:00:00"},
        "metrics": {
            "spend": "31.07", "impressions": "4200", "clicks": "60", "complete_payment": "4",
            "total_complete_payment_rate": "120.50", "reach": "3780", "conversion": "5",
            "total_purchase_value": "-", "adgroup_id": "1780000000000011", "ad_name": "Latte pour",
            **more,
        },
    }


def ad_daily(**more: Any) -> Any:
    return task(TIKTOK, "ad_daily", account=OURS, **more)


def test_a_record_becomes_a_row_and_the_request_is_as_documented() -> None:
    one, edge = client(answers(page([record()])))
    found = read(one, ad_daily())
    assert found.rows == [{
        "entity_id": "1780000000000021", "day": "2026-11-01",
        "setting": "tiktok_7d_click_1d_view", "impressions": 4200, "clicks": 60,
        "spend_micros": 31_070_000, "conversions_micros": 4_000_000, "value_micros": 120_500_000,
        "extra": {"reach": 3_780_000_000, "optimized_conversions": 5_000_000,
                  "app_purchase_value": None},
        "parent_id": "1780000000000011", "entity_name": "Latte pour",
    }]
    request = edge.requests[0]
    params = dict(request.url.params)
    assert str(request.url).startswith(
        "https://business-api.tiktok.com/open_api/v1.3/report/integrated/get/?"
    )
    assert request.headers["access-token"] == TOKEN
    assert "authorization" not in request.headers
    assert (params["service_type"], params["report_type"]) == ("AUCTION", "BASIC")
    assert params["data_level"] == "AUCTION_AD"
    assert json.loads(params["dimensions"]) == ["ad_id", "stat_time_day"]
    assert {*reports.BASE, "adgroup_id", "ad_name"} <= set(json.loads(params["metrics"]))
    assert (params["start_date"], params["end_date"]) == ("2026-11-01", "2026-11-07")
    assert (params["page"], params["page_size"]) == ("1", "1000")
    every = json.loads(params["filtering"])
    assert every == [{"field_name": "ad_status", "filter_type": "IN",
                      "filter_value": '["STATUS_ALL"]'}]
    assert TOKEN not in str(request.url)
    assert found.columns >= {"spend", "ad_id", "stat_time_day"}


def test_the_sheets_report_lacks_our_metrics_and_each_record_says_which() -> None:
    body = example("tiktok_ads", "report_page1")["body"]
    body["data"]["page_info"] |= {"total_number": 2, "total_page": 1}
    one, _ = client(answers(body))
    found = read(one, ad_daily())
    assert found.rows == []
    assert {r.reason for r in found.rejected} == {"The record has no 'complete_payment'."}
    assert found.rejected[0].day == "2026-11-01"
    for one_record in body["data"]["list"]:
        one_record["metrics"] |= {"complete_payment": "-", "total_complete_payment_rate": "-"}
    one, _ = client(answers(body))
    found = read(one, ad_daily())
    assert [r["spend_micros"] for r in found.rows] == [31_070_000, 8_900_000]
    assert {r["conversions_micros"] for r in found.rows} == {None}


@pytest.mark.parametrize(("change", "reason"), [
    ({"spend": None}, ""), ({"spend": "-"}, ""), ({"spend": 31.07}, ""), ({"spend": 31}, ""),
    ({"clicks": 60}, ""), ({"clicks": "60.0"}, ""),
    ({"spend": "NaN"}, "not a number"), ({"spend": "1e400"}, "too large"),
    ({"impressions": "many"}, "not a number"), ({"clicks": "1.5"}, "not a whole count"),
    ({"spend": {"amount": 1}}, "not a number"),
])
def test_odd_numbers_are_read_or_rejected_alone(change: dict[str, Any], reason: str) -> None:
    one, _ = client(answers(page([record("2026-11-01", **change), record("2026-11-02")])))
    found = read(one, ad_daily())
    assert len(found.rows) + len(found.rejected) == 2
    assert [reason in r.reason for r in found.rejected] == ([True] if reason else [])
    assert found.rows[-1]["day"] == "2026-11-02"


@pytest.mark.parametrize("day", ["2026-11-31", "2026-11-01 05:00:00", "", None, 20261101])
def test_a_day_that_is_none_is_rejected(day: Any) -> None:
    broken = record()
    broken["dimensions"]["stat_time_day"] = day
    one, _ = client(answers(page([broken])))
    found = read(one, ad_daily())
    assert found.rows == []
    assert "not a day" in found.rejected[0].reason


def test_days_outside_the_span_are_left_out_and_counted() -> None:
    days = ("2026-10-31", "2026-11-07", "2026-11-08")
    one, _ = client(answers(page([record(d) for d in days])))
    found = read(one, ad_daily())
    assert ([r["day"] for r in found.rows], found.skipped) == (["2026-11-07"], 2)


def test_pages_are_numbered_until_the_last() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        return httpx.Response(200, json=page([record(f"2026-11-0{number}")], number, 3))

    one, edge = client(handler)
    assert len(read(one, ad_daily()).rows) == 3
    assert [r.url.params["page"] for r in edge.requests] == ["1", "2", "3"]


def test_a_server_that_repeats_page_one_is_stopped() -> None:
    one, _ = client(answers(page([record()], 1, 3)))
    with pytest.raises(GiveUp, match="no end"):
        read(one, ad_daily())


@pytest.mark.parametrize("data", [{}, {"list": None}, {"list": {}}, {"list": [record()]}, None])
def test_another_form_of_answer_is_reported(data: Any) -> None:
    one, _ = client(answers(good(data)))
    with pytest.raises(GiveUp, match="another form"):
        read(one, ad_daily())


def test_no_results_are_no_rows() -> None:
    one, _ = client(answers(good({"list": [], "page_info": {
        "page": 1, "page_size": 1000, "total_number": 0, "total_page": 0}})))
    assert read(one, ad_daily()).rows == []


def test_even_a_single_day_that_is_too_large_is_said() -> None:
    one, edge = client(answers(bad(40067)))
    with pytest.raises(GiveUp, match="this much"):
        read(one, ad_daily())
    assert len(edge.requests) == 4  # 7, 4, 2 and 1 days


TABLE = [
    (40100, Quota, "quota"), (40016, Quota, "quota"), (40132, Quota, "quota"),
    (40133, Quota, "quota"), (40105, SignInAgain, "credential"), (40102, SignInAgain, "credential"),
    (40104, SignInAgain, "credential"), (40106, SignInAgain, "credential"),
    (40110, SignInAgain, "credential"), (40101, Fix, "credential"), (40113, Fix, "permission"),
    (40001, Fix, "permission"), (40118, Fix, "permission"), (40125, Fix, "permission"),
    (40002, GiveUp, "our_fault"), (40000, GiveUp, "our_fault"), (40007, Fix, "permission"),
    (40300, Fix, "permission"), (40301, Fix, "permission"), (40067, GiveUp, "source_data"),
    (40202, Retry, "platform_outage"), (40700, Retry, "platform_outage"),
    (50000, Retry, "platform_outage"), (50002, Retry, "platform_outage"),
    (51305, Retry, "platform_outage"), (60001, Retry, "platform_outage"),
    (20001, Retry, "platform_outage"), (40051, GiveUp, "bad_configuration"),
    (40006, GiveUp, "bad_configuration"), (40010, GiveUp, "bad_configuration"),
    (49999, GiveUp, "our_fault"),
]


@pytest.mark.parametrize(("code", "kind", "cause"), TABLE)
@pytest.mark.parametrize("form", [int, str])
def test_the_error_table(code: int, kind: type, cause: str, form: type) -> None:
    error = fault(200, {}, {**bad(code), "code": form(code)})
    assert type(error) is kind or isinstance(error, kind)
    assert error.cause == cause
    assert error.facts["platform_code"] == str(code)
    assert error.facts["request_id"] == "2026112200000000000005"
    assert error.what.endswith(".")
    assert error.fix


def test_every_rule_is_in_the_table() -> None:
    assert {r.code for r in RULES} - {str(code) for code, *_ in TABLE} == {"40002/object"}


@pytest.mark.parametrize("body", [None, [], "x", {}, {"code": 0}, {"code": "0"}, {"code": True},
                                  {"code": None}])
def test_what_is_no_refusal_is_none(body: Any) -> None:
    assert fault(200, {}, body) is None


@pytest.mark.parametrize("words", [
    "The advertiser does not exist", "No permission to operate advertiser 1",
    "The requested resource is not accessible",
])
def test_a_parameter_error_may_mean_that_the_account_is_out_of_reach(words: str) -> None:
    assert fault(200, {}, bad(40002, words)).cause == "permission"
    assert fault(200, {}, bad(40002, "metrics: Invalid value(s): spendd")).cause == "our_fault"


def test_a_limit_is_waited_for_and_then_handed_on() -> None:
    one, edge = client(answers(reply("tiktok_ads", "error_rate_limit"), page([record()])))
    assert len(read(one, ad_daily()).rows) == 1
    assert edge.waited > 1.9
    one, edge = client(answers(reply("tiktok_ads", "error_rate_limit")))
    with pytest.raises(Quota) as caught:
        read(one, ad_daily())
    assert caught.value.after is None  # the engine then waits its five minutes
    assert 3 <= len(edge.requests) <= 6


def test_the_daily_limit_waits_for_midnight_utc() -> None:
    body = bad(40100, "The daily limit of your app is reached")
    headers = {"date": "Sun, 22 Nov 2026 22:30:00 GMT"}
    one, edge = client(answers(httpx.Response(200, json=body, headers=headers)))
    with pytest.raises(Quota) as caught:
        read(one, ad_daily())
    assert caught.value.after == 5400
    assert len(edge.requests) == 1


def test_a_revoked_token_is_not_asked_again() -> None:
    one, edge = client(answers(reply("tiktok_ads", "error_token_revoked")))
    with pytest.raises(SignInAgain) as caught:
        read(one, ad_daily())
    assert len(edge.requests) == 1
    assert TOKEN not in str(caught.value.facts)


def test_a_path_that_never_reached_the_api_is_judged_by_its_status() -> None:
    one, _ = client(answers(httpx.Response(404, text="404 page not found")))
    with pytest.raises(Fix):
        read(one, ad_daily())


# --- accounts -----------------------------------------------------------------------------------


def info(ident: str, **more: Any) -> dict[str, Any]:
    return {"advertiser_id": ident, "name": f"A{ident[-1]}", "currency": "USD",
            "timezone": "America/New_York", "status": "STATUS_ENABLE", "create_time": 1, **more}


def test_accounts_are_listed_and_then_described() -> None:
    listing = reply("tiktok_ads", "advertisers")
    details = good({"list": [info("7012345678901234568", status="STATUS_DISABLE"),
                             info("7012345678901234567")]})
    one, edge = client(answers(listing, details))
    found = TIKTOK.discover(one)
    assert [(a.external_id, a.name, a.usable) for a in found] == [
        ("7012345678901234567", "A7", True), ("7012345678901234568", "A8", False),
    ]
    assert found[1].reason
    assert dict(edge.requests[0].url.params) == {
        "app_id": APP["client_id"], "secret": APP["client_secret"]
    }
    assert json.loads(edge.requests[1].url.params["advertiser_ids"]) == [
        "7012345678901234567", "7012345678901234568"
    ]


def test_more_than_a_hundred_accounts_are_described_in_batches() -> None:
    idents = [str(7 * 10**18 + i) for i in range(205)]
    asked: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if "oauth2" in request.url.path:
            return httpx.Response(200, json=good(
                {"list": [{"advertiser_id": i, "advertiser_name": "x"} for i in idents]}
            ))
        wanted = json.loads(request.url.params["advertiser_ids"])
        asked.append(len(wanted))
        return httpx.Response(200, json=good({"list": [info(i) for i in wanted]}))

    one, _ = client(handler)
    assert [a.external_id for a in TIKTOK.discover(one)] == idents
    assert asked == [100, 100, 5]


def test_one_refused_account_does_not_hide_the_others() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "oauth2" in request.url.path:
            return reply("tiktok_ads", "advertisers")
        wanted = json.loads(request.url.params["advertiser_ids"])
        if "7012345678901234568" in wanted:
            return httpx.Response(200, json=bad(40001))
        return httpx.Response(200, json=good({"list": [info(i) for i in wanted]}))

    one, _ = client(handler)
    found = {a.external_id: a for a in TIKTOK.discover(one)}
    assert found["7012345678901234567"].usable
    assert not found["7012345678901234568"].usable
    assert found["7012345678901234568"].name == "Harbor Coffee AU"


def test_an_id_sent_as_a_float_is_refused_and_never_rounded() -> None:
    one, _ = client(answers(good({"list": [{"advertiser_id": 7.012345678901234e18}]})))
    with pytest.raises(ValueError, match="not an id"):
        TIKTOK.discover(one)


def test_an_account_that_vanished_is_for_a_person() -> None:
    one, _ = client(answers(good({"list": []})))
    with pytest.raises(Fix, match="does not show"):
        TIKTOK.test(one, OURS)


# --- objects ------------------------------------------------------------------------------------


def test_campaigns_with_budget_times_and_deleted_state() -> None:
    campaign = {
        "campaign_id": "1780000000000001", "campaign_name": "Autumn Beans",
        "objective_type": "WEB_CONVERSIONS", "operation_status": "DISABLE",
        "secondary_status": "CAMPAIGN_STATUS_DELETE", "budget": 50.5,
        "budget_mode": "BUDGET_MODE_DAY", "create_time": "2026-11-01 10:00:00",
        "modify_time": "2026-11-02 11:30:00",
    }
    one, edge = client(answers(page([campaign]), page([campaign])))
    found = read(one, task(TIKTOK, "campaigns", account=OURS))
    assert found.rows == [{
        "external_id": "1780000000000001", "level": rows.CAMPAIGN, "parent_id": "",
        "name": "Autumn Beans", "status": "deleted",
        "attrs": {"objective_type": "WEB_CONVERSIONS", "daily_budget_micros": 50_500_000,
                  "created_time": "2026-11-01T10:00:00Z", "updated_time": "2026-11-02T11:30:00Z"},
    }]
    assert found.skipped == 1
    classic, smart = (dict(r.url.params) for r in edge.requests)
    assert json.loads(classic["filtering"]) == {"secondary_status": "CAMPAIGN_STATUS_ALL"}
    assert json.loads(smart["filtering"]) == {"primary_status": "STATUS_ALL"}
    assert (classic["page_size"], smart["page_size"]) == ("1000", "100")


def test_an_app_without_smart_plus_still_reads_the_rest_and_says_so() -> None:
    ad = {"ad_id": "1", "ad_name": "A", "adgroup_id": "2", "operation_status": "ENABLE"}
    one, _ = client(answers(page([ad]), bad(40118)))
    found = read(one, task(TIKTOK, "ads", account=OURS))
    assert [r["status"] for r in found.rows] == ["active"]
    assert "Smart+" in found.notes[0]


def test_a_bad_record_does_not_cost_its_neighbours_their_rows() -> None:
    ads = [{"ad_id": "1", "adgroup_id": "2"}, {"ad_id": "3"}, {"ad_id": "4", "adgroup_id": "2"}]
    one, _ = client(answers(page(ads), page([])))
    found = read(one, task(TIKTOK, "ads", account=OURS))
    assert [r["external_id"] for r in found.rows] == ["1", "4"]
    assert found.rejected[0].reason == "The record has no 'adgroup_id'."


@pytest.mark.parametrize("value", [5, "yesterday", None])
def test_a_time_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a time|Invalid isoformat"):
        objects.utc(value)


# --- signing in ---------------------------------------------------------------------------------


def desk() -> tuple[Any, Any, Addresses]:
    return TIKTOK, TIKTOK.method("oauth"), Addresses("tiktok_ads", TIKTOK.hosts)


def exchange(*items: Any) -> tuple[Any, Edge]:
    edge = Edge(answers(*items))
    tokens = grants.exchange(
        *desk(), APP, code="code-1", redirect_uri=BACK, now=NOW, transport=httpx.MockTransport(edge)
    )
    return tokens, edge


def test_the_consent_page_is_asked_in_tiktoks_own_words() -> None:
    url = grants.authorize_url(*desk(), APP, state="s 1", redirect_uri=BACK)
    parts = urlsplit(url)
    assert url.startswith("https://business-api.tiktok.com/portal/auth?")
    assert parse_qs(parts.query) == {
        "app_id": [APP["client_id"]], "state": ["s 1"], "redirect_uri": [BACK]
    }


def test_the_code_is_exchanged_as_json_and_what_was_granted_is_kept() -> None:
    tokens, edge = exchange(reply("tiktok_ads", "token"))
    assert tokens.access_token == "0123456789abcdef0123456789abcdef01234567"
    assert (tokens.refresh_token, tokens.expires_at) == (None, None)
    assert tokens.scopes == ("ad_accounts", "ads", "reporting")
    request = edge.requests[0]
    assert str(request.url) == (
        "https://business-api.tiktok.com/open_api/v1.3/oauth2/access_token/"
    )
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {
        "app_id": APP["client_id"], "secret": APP["client_secret"], "auth_code": "code-1"
    }


def test_a_declined_permission_is_not_among_the_scopes() -> None:
    tokens, _ = exchange(good({"access_token": "a" * 40, "scope": [1, 2, 99, "x"]}))
    assert tokens.scopes == ("ad_accounts", "ads", "permission_99", "permission_x")


@pytest.mark.parametrize(("code", "kind", "words"), [
    (40110, SignInAgain, "could not be completed"), (40101, Fix, "id and secret"),
    (40113, Fix, "blocked"), (40100, Quota, "slow down"), (50000, Retry, "fault right now"),
])
def test_refused_exchanges_say_why(code: int, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        exchange(bad(code, "app_id or secret is incorrect" if code == 40101 else "no"))


@pytest.mark.parametrize("data", [{}, None, {"access_token": None}, {"access_token": 5}])
def test_an_exchange_without_a_token_is_reported(data: Any) -> None:
    with pytest.raises(GiveUp, match="no token"):
        exchange(good(data))


def test_the_token_is_given_back_and_a_dead_one_counts_as_given_back() -> None:
    for answer in (good({}), bad(40105)):
        edge = Edge(answers(answer))
        assert grants.revoke(*desk(), VALUES, now=NOW, transport=httpx.MockTransport(edge))
        sent = json.loads(edge.requests[0].content)
        assert (sent["access_token"], sent["app_id"]) == (TOKEN, APP["client_id"])
        assert edge.requests[0].url.path == "/open_api/v1.3/oauth2/revoke_token/"
    with pytest.raises(Quota):
        grants.revoke(*desk(), VALUES, now=NOW,
                      transport=httpx.MockTransport(Edge(answers(bad(40100)))))


@pytest.mark.parametrize(("method", "name", "value", "words"), [
    ("oauth", "client_id", "9c" * 20, "only digits"),
    ("oauth", "client_id", "my app", "19 digits"),
    ("oauth", "client_secret", "7301990000000012345", "app id"),
    ("oauth", "client_secret", "not a secret!", "0 to 9 and a to f"),
    ("token", "access_token", "act.example12345Example12345Example", "long-term token"),
    ("token", "access_token", "7301990000000012345", "not a token"),
    ("token", "access_token", "EAAB xyz", "0 to 9 and a to f"),
])
def test_malformed_credentials_are_refused_before_any_call(
    method: str, name: str, value: str, words: str
) -> None:
    values = dict(VALUES if method == "token" else APP)
    with pytest.raises(Invalid) as caught:
        check_inputs(TIKTOK, TIKTOK.method(method), {**values, name: value})
    assert re.search(words, caught.value.facts["fields"][name])
    check_inputs(TIKTOK, TIKTOK.method(method), values)
