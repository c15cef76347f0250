"""LinkedIn: literal Rest.li queries, URNs, a version that dies, answers cut without a word."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import grants, registry, rows
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.linkedin_ads import analytics, objects, restli
from liftos_app.services.connectors.platforms.linkedin_ads.errors import RULES, fault
from liftos_app.services.connectors.platforms.linkedin_ads.version import ENDS, VERSION
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

LINKEDIN = registry.get("linkedin_ads")
APP = {"client_id": "77larkspur0dm4", "client_secret": "WPL_AP1.abcdefgh.ijkl=="}
TOKEN = "AQX" + "b3" * 30
VALUES = {**APP, "access_token": TOKEN}
OURS = account(external_id="507000001", time_zone="UTC")
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
BACK = "http://localhost:8000/oauth/callback/linkedin_ads"


def client(handler: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(LINKEDIN, handler, VALUES, method="oauth", **more)


def daily(stream: str = "campaign_daily", **more: Any) -> Any:
    return task(LINKEDIN, stream, account=OURS, **more)


def date(day: str) -> dict[str, int]:
    year, month, number = (int(p) for p in day.split("-"))
    return {"year": year, "month": month, "day": number}


def record(day: str = "2026-11-01", number: str = "390000001", **more: Any) -> dict[str, Any]:
    return {
        "dateRange": {"start": date(day), "end": date(day)},
        "pivotValues": [f"urn:li:sponsoredCampaign:{number}"], "impressions": 2400, "clicks": 26,
        "costInLocalCurrency": "61.203", "externalWebsiteConversions": 1,
        "conversionValueInLocalCurrency": "120.5", **more,
    }


def found(*records: Any) -> dict[str, Any]:
    return {"paging": {"start": 0, "count": 10, "links": []}, "elements": list(records)}


def visible() -> dict[str, Any]:
    return {"elements": [{"id": 507000001, "name": "B2B", "currency": "EUR", "status": "ACTIVE"}],
            "metadata": {}}


# --- the query ------------------------------------------------------------------------------------


def test_structure_stays_literal_and_values_are_encoded() -> None:
    one, edge = client(answers(found(record())))
    read(one, daily())
    request = edge.requests[0]
    raw = request.url.query.decode()
    assert request.url.path == "/rest/adAnalytics"
    assert raw.startswith(
        "q=analytics&pivot=(value:CAMPAIGN)&timeGranularity=(value:DAILY)"
        "&dateRange=(start:(year:2026,month:11,day:1),end:(year:2026,month:11,day:7))"
        "&accounts=List(urn%3Ali%3AsponsoredAccount%3A507000001)&fields=dateRange,pivotValues,"
    )
    assert request.headers["linkedin-version"] == VERSION
    assert request.headers["x-restli-protocol-version"] == "2.0.0"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    fields = parse_qs(raw)["fields"][0].split(",")
    assert len(fields) == len(set(fields)) <= 20


@pytest.mark.parametrize(("given", "kind", "number"), [
    ("urn:li:sponsoredCampaign:12", "sponsoredCampaign", "12"),
    ("urn:li:sponsoredCampaign:12", "", "12"), (12, "sponsoredCampaign", "12"),
    ("12", "sponsoredCampaign", "12"),
])
def test_urns_and_numbers_are_both_taken(given: Any, kind: str, number: str) -> None:
    assert restli.number_of(given, kind) == number


@pytest.mark.parametrize("given", [
    "urn:li:sponsoredAccount:12", "urn:li:sponsoredCampaign:", "urn:li:sponsoredCampaign:x",
    "urn:li:sponsoredCampaign:1:2", "", None, 1.5, [],
])
def test_another_kind_of_urn_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="not a"):
        restli.number_of(given, "sponsoredCampaign")


def test_signs_of_the_structure_inside_a_value_are_encoded() -> None:
    assert restli.items(["a,b", "(c)", "d:e"]) == "List(a%2Cb,%28c%29,d%3Ae)"


# --- daily results --------------------------------------------------------------------------------


def test_the_sheets_example_becomes_rows() -> None:
    one, _ = client(answers(reply("linkedin_ads", "ad_analytics")))
    page = read(one, daily())
    assert [r["day"] for r in page.rows] == ["2026-11-01", "2026-11-02"]
    assert page.rows[0] == {
        "entity_id": "390000001", "day": "2026-11-01", "setting": "linkedin_30d_click_7d_view",
        "impressions": 2400, "clicks": 26, "spend_micros": 61_203_000,
        "conversions_micros": 1_000_000, "value_micros": None,
        "extra": {"link_clicks": 20_000_000, "leads": 0},
    }
    assert page.columns >= {"costInLocalCurrency", "pivotValues"}


@pytest.mark.parametrize(("change", "values"), [
    ({}, (1_000_000, 120_500_000)),
    ({"externalWebsiteConversions": None}, (None, 120_500_000)),
    ({"externalWebsiteConversions": 0, "conversionValueInLocalCurrency": None}, (0, 0)),
    ({"externalWebsiteConversions": "2"}, (2_000_000, 120_500_000)),
    ({"conversionValueInLocalCurrency": "0.1234567"}, (1_000_000, 123_457)),
])
def test_what_is_missing_is_unknown_and_nothing_counted_is_worth_nothing(
    change: dict[str, Any], values: tuple[Any, Any]
) -> None:
    one, _ = client(answers(found(record(**change))))
    row = read(one, daily()).rows[0]
    assert (row["conversions_micros"], row["value_micros"]) == values


@pytest.mark.parametrize(("change", "reason"), [
    ({"costInLocalCurrency": None}, "not a number"), ({"costInLocalCurrency": "x"}, "not a number"),
    ({"impressions": "1.5"}, "not a whole count"), ({"clicks": None}, "not a count"),
    ({"pivotValues": []}, "no single thing"), ({"pivotValues": "urn:li:sponsoredCampaign:1"},
                                               "no single thing"),
    ({"pivotValues": ["urn:li:sponsoredAccount:1"]}, "not a sponsoredCampaign"),
    ({"dateRange": {"start": date("2026-11-01"), "end": date("2026-11-02")}}, "more than one day"),
    ({"dateRange": {"start": {"year": 2026, "month": 13, "day": 1}}}, "month must be"),
    ({"dateRange": None}, "another form"),
])
def test_odd_records_are_rejected_alone(change: dict[str, Any], reason: str) -> None:
    one, _ = client(answers(found(record(**change), record("2026-11-02"))))
    page = read(one, daily())
    assert [r["day"] for r in page.rows] == ["2026-11-02"]
    assert reason in page.rejected[0].reason


def test_days_outside_the_span_are_left_out_and_counted() -> None:
    one, _ = client(answers(found(record("2026-10-31"), record("2026-11-07"))))
    page = read(one, daily())
    assert ([r["day"] for r in page.rows], page.skipped) == (["2026-11-07"], 1)


def test_an_answer_as_long_as_the_limit_is_thrown_away_and_halved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analytics, "MOST_ROWS", 4)
    asked: list[tuple[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        days = [dt.date(*(int(n) for n in part)) for part in re.findall(
            r"year:(\d+),month:(\d+),day:(\d+)", request.url.query.decode())]
        asked.append((str(days[0]), str(days[1])))
        every = [str(days[0] + dt.timedelta(days=i)) for i in range((days[1] - days[0]).days + 1)]
        return httpx.Response(200, json=found(*[record(d) for d in every][:4]))

    one, _ = client(handler)
    page = read(one, daily())
    assert sorted(r["day"] for r in page.rows) == [f"2026-11-0{i}" for i in range(1, 8)]
    assert asked == [
        ("2026-11-01", "2026-11-07"), ("2026-11-04", "2026-11-07"), ("2026-11-06", "2026-11-07"),
        ("2026-11-04", "2026-11-05"), ("2026-11-01", "2026-11-03"),
    ]


def test_one_day_that_is_cut_is_asked_for_by_campaigns_in_short_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analytics, "MOST_ROWS", 100)
    every = [str(390000001 + i) for i in range(130)]

    def handler(request: httpx.Request) -> httpx.Response:
        raw = request.url.query.decode()
        assert len(raw) < 4_000
        if request.url.path.endswith("adCampaigns"):
            assert "PENDING_DELETION,REMOVED" in raw
            return httpx.Response(200, json={"elements": [{"id": int(i)} for i in every],
                                             "metadata": {}})
        named = re.findall(r"sponsoredCampaign%3A(\d+)", raw)
        return httpx.Response(200, json=found(*[
            record(number=i) for i in (named or every)[:100]]))

    one, edge = client(handler)
    page = read(one, daily(end="2026-11-01"))
    assert sorted(r["entity_id"] for r in page.rows) == sorted(every)
    assert len(edge.requests) == 1 + 1 + 3


def test_no_results_are_believed_only_of_an_account_that_can_be_seen() -> None:
    one, edge = client(answers(found(), visible(), found()))
    assert read(one, daily()).rows == []
    assert "search=(id:(values:List(urn%3Ali%3AsponsoredAccount%3A507000001)))" in str(
        edge.requests[1].url)
    assert read(one, daily(start="2026-10-01", end="2026-10-02")).rows == []
    assert len(edge.requests) == 3  # asked once
    one, _ = client(answers(found(), {"elements": [], "metadata": {}}))
    with pytest.raises(Fix, match="does not show") as caught:
        read(one, daily())
    assert caught.value.cause == "permission"


@pytest.mark.parametrize("data", [{}, {"elements": None}, {"elements": {}}, []])
def test_another_form_of_answer_is_reported(data: Any) -> None:
    one, _ = client(answers(httpx.Response(200, json=data)))
    with pytest.raises(GiveUp, match="another form"):
        read(one, daily())


# --- errors ---------------------------------------------------------------------------------------

TABLE = [
    (400, GiveUp, "our_fault"), (401, SignInAgain, "credential"), (403, Fix, "permission"),
    (404, Fix, "permission"), (411, GiveUp, "our_fault"), (414, GiveUp, "our_fault"),
    (426, GiveUp, "our_fault"), (429, Quota, "quota"), (500, Retry, "platform_outage"),
    (502, Retry, "platform_outage"), (503, Retry, "platform_outage"),
    (504, Retry, "platform_outage"),
]


@pytest.mark.parametrize(("status", "kind", "cause"), TABLE)
def test_the_error_table(status: int, kind: type, cause: str) -> None:
    headers = {"x-li-uuid": "AAYexample==", "x-li-fabric": "prod-lva1"}
    error = fault(status, headers, {"status": status, "message": "words", "serviceErrorCode": 7})
    assert type(error) is kind
    assert error.cause == cause
    assert error.facts["platform_code"] == f"{status}/7"
    assert (error.facts["request_id"], error.facts["fabric"]) == ("AAYexample==", "prod-lva1")
    assert error.what.endswith(".")
    assert error.fix


def test_every_rule_is_in_the_table() -> None:
    assert {r.code for r in RULES} <= {str(status) for status, *_ in TABLE}


@pytest.mark.parametrize(("status", "body"), [(200, {}), (204, None), (500, None), (418, {})])
def test_what_is_no_refusal_of_the_api_is_none(status: int, body: Any) -> None:
    assert fault(status, {}, body) is None


def test_the_newer_shape_names_the_wrong_input() -> None:
    body = {"status": 400, "message": "Invalid param.", "errorDetails": {
        "inputErrors": [{"code": "X", "description": "spendd is not a field"}]}}
    assert "spendd" in fault(400, {}, body).why


def test_a_retired_version_is_never_asked_again_and_says_update() -> None:
    one, edge = client(answers(reply("linkedin_ads", "error_version_sunset")))
    with pytest.raises(GiveUp, match="retired") as caught:
        read(one, daily())
    assert caught.value.fix == "Update LiftOS."
    assert len(edge.requests) == 1


def test_the_version_and_its_end_stand_in_the_catalogue() -> None:
    assert (LINKEDIN.api_version, LINKEDIN.version_ends) == (VERSION, ENDS)
    assert re.fullmatch(r"20\d{4}", VERSION)
    assert dt.date(2026, 11, 22) < ENDS <= dt.date(2027, 11, 22)


def test_a_lasting_limit_waits_for_midnight_utc() -> None:
    refused = example("linkedin_ads", "error_rate_limit")
    answer = httpx.Response(
        429, json=refused["body"], headers={"date": "Sun, 22 Nov 2026 21:00:00 GMT"}
    )
    one, edge = client(answers(answer))
    with pytest.raises(Quota) as caught:
        read(one, daily())
    assert caught.value.after == 3 * 3600
    assert 3 <= len(edge.requests) <= 6
    assert edge.waited >= 9.9 * (len(edge.requests) - 1)
    one, edge = client(answers(answer, found(record())))
    assert len(read(one, daily()).rows) == 1
    assert edge.waited > 9.9


def test_an_expired_token_is_renewed() -> None:
    renewed: list[int] = []
    one, _ = client(answers(reply("linkedin_ads", "error_token_expired"), found(record())),
                    renew=lambda: renewed.append(1))
    assert len(read(one, daily()).rows) == 1
    assert renewed == [1]


# --- accounts and objects -------------------------------------------------------------------------


def test_accounts_are_read_page_by_page_in_utc() -> None:
    second = {"elements": [{"id": "urn:li:sponsoredAccount:507000003", "name": "", "currency":
                            "EUR", "status": "REMOVED", "test": True}], "metadata": {}}
    one, edge = client(answers(reply("linkedin_ads", "ad_accounts_page1"), second))
    accounts = LINKEDIN.discover(one)
    assert [(a.external_id, a.name, a.currency, a.time_zone, a.status, a.usable)
            for a in accounts] == [
        ("507000001", "Harbor Coffee B2B", "EUR", "UTC", "active", True),
        ("507000002", "Harbor Coffee US", "USD", "UTC", "active, billing hold", True),
        ("507000003", "Account 507000003", "EUR", "UTC", "removed", False),
    ]
    assert accounts[2].extra == {"test": True}
    assert accounts[2].reason
    assert "pageToken=DgGerr1iVQreCJVjZDOW" in str(edge.requests[1].url)


def test_a_page_token_that_comes_again_ends_the_walk() -> None:
    one, _ = client(answers(reply("linkedin_ads", "ad_accounts_page1")))
    with pytest.raises(GiveUp, match="no end"):
        LINKEDIN.discover(one)


def test_an_account_that_vanished_is_for_a_person() -> None:
    one, _ = client(answers({"elements": [], "metadata": {}}))
    for act in (lambda: LINKEDIN.test(one, OURS), lambda: read(one, daily("account"))):
        with pytest.raises(Fix, match="does not show"):
            act()


def test_campaigns_with_budgets_times_and_their_group() -> None:
    campaign = {
        "id": 390000001, "name": "Designers", "status": "ACTIVE", "type": "SPONSORED_UPDATES",
        "costType": "CPM", "objectiveType": "WEBSITE_CONVERSION",
        "campaignGroup": "urn:li:sponsoredCampaignGroup:610000001",
        "dailyBudget": {"amount": "25.0", "currencyCode": "EUR"},
        "unitCost": {"amount": "9.5", "currencyCode": "USD"},
        "runSchedule": {"start": 1_700_000_000_000},
        "changeAuditStamps": {"created": {"time": 1_700_000_000_000}},
    }
    one, edge = client(answers({"elements": [campaign, {"id": 1}], "metadata": {}}))
    page = read(one, daily("campaigns"))
    assert page.rows == [{
        "external_id": "390000001", "level": rows.AD_GROUP, "parent_id": "610000001",
        "name": "Designers", "status": "active",
        "attrs": {"type": "SPONSORED_UPDATES", "cost_type": "CPM",
                  "objective": "WEBSITE_CONVERSION", "start_time": "2023-11-14T22:13:20Z",
                  "created_time": "2023-11-14T22:13:20Z", "daily_budget_micros": 25_000_000},
    }]
    assert page.rejected[0].reason == "The record has no 'campaignGroup'."
    assert "search=(status:(values:List(ACTIVE,PAUSED,ARCHIVED,COMPLETED,CANCELED,DRAFT," in str(
        edge.requests[0].url)


def test_creatives_are_a_named_finder_and_their_urn_gives_the_id() -> None:
    creative = {"id": "urn:li:sponsoredCreative:190000001", "intendedStatus": "PAUSED",
                "campaign": "urn:li:sponsoredCampaign:390000001",
                "createdAt": 1_700_000_000_000, "content": {"reference": "urn:li:share:1"}}
    one, edge = client(answers({"elements": [creative], "metadata": {}}))
    page = read(one, daily("creatives"))
    assert page.rows[0]["external_id"] == "190000001"
    assert (page.rows[0]["name"], page.rows[0]["status"]) == ("Creative 190000001", "paused")
    assert page.rows[0]["parent_id"] == "390000001"
    assert page.rows[0]["attrs"]["content_ref"] == "urn:li:share:1"
    assert edge.requests[0].headers["x-restli-method"] == "FINDER"


def test_conversion_rules_are_counted_by_position_and_a_standstill_is_noticed() -> None:
    def rule(number: int) -> dict[str, Any]:
        return {"id": number, "name": f"R{number}", "enabled": True,
                "postClickAttributionWindowSize": 30}

    more = {"links": [{"rel": "next", "href": "x"}]}
    first = {"elements": [rule(1), rule(2)], "paging": more}
    one, edge = client(answers(first, {"elements": [rule(3)], "paging": {"links": []}}))
    page = read(one, daily("conversion_rules"))
    assert [r["external_id"] for r in page.rows] == ["1", "2", "3"]
    assert page.rows[0]["attrs"] == {"click_window_days": 30}
    assert "start=2" in str(edge.requests[1].url)
    assert unquote(str(edge.requests[0].url.params["account"])).endswith(":507000001")
    one, _ = client(answers(first))
    with pytest.raises(GiveUp, match="no end"):
        read(one, daily("conversion_rules"))


def test_a_time_in_milliseconds_is_read_exactly() -> None:
    assert objects.moment(1_762_000_000_001) == "2025-11-01T12:26:40Z"
    with pytest.raises(ValueError, match="not a count"):
        objects.moment(None)


# --- signing in -----------------------------------------------------------------------------------


def desk() -> tuple[Any, Any, Addresses]:
    return LINKEDIN, LINKEDIN.method("oauth"), Addresses("linkedin_ads", LINKEDIN.hosts)


def test_both_permissions_are_asked_for_with_an_encoded_space() -> None:
    url = grants.authorize_url(*desk(), APP, state="s1", redirect_uri=BACK)
    assert url.startswith("https://www.linkedin.com/oauth/v2/authorization?")
    assert "scope=r_ads%20r_ads_reporting" in url
    query = parse_qs(urlsplit(url).query)
    assert query["response_type"] == ["code"]
    assert "code_challenge" not in query


def test_the_token_answer_gives_both_ends_and_what_was_granted() -> None:
    edge = Edge(answers(reply("linkedin_ads", "token")))
    tokens = grants.exchange(*desk(), APP, code="c", redirect_uri=BACK, now=NOW,
                             transport=httpx.MockTransport(edge))
    assert tokens.expires_at == NOW + dt.timedelta(days=60)
    assert tokens.refresh_expires_at == NOW + dt.timedelta(days=365)
    assert tokens.scopes == ("r_ads", "r_ads_reporting")
    sent = parse_qs(edge.requests[0].content.decode())
    assert sent["client_secret"] == [APP["client_secret"]]
    assert str(edge.requests[0].url) == "https://www.linkedin.com/oauth/v2/accessToken"


def test_without_a_refresh_token_nothing_is_renewed() -> None:
    edge = Edge(answers({}))
    with pytest.raises(SignInAgain):
        grants.renew(*desk(), VALUES, now=NOW, transport=httpx.MockTransport(edge))
    assert edge.requests == []


@pytest.mark.parametrize(("body", "status", "kind"), [
    ({"error": "invalid_grant", "error_description": "expired"}, 400, SignInAgain),
    ({"error": "invalid_client", "error_description": "Client authentication failed"}, 401, Fix),
    ({"error": "invalid_redirect_uri", "error_description": "Unable to match the redirect URI"},
     400, Fix),
    ({"message": "busy", "status": 503}, 503, Retry),
    ({"message": "throttle", "status": 429}, 429, Quota),
])
def test_refusals_of_the_token_endpoint(body: Any, status: int, kind: type) -> None:
    edge = Edge(answers(httpx.Response(status, json=body)))
    with pytest.raises(kind):
        grants.exchange(*desk(), APP, code="c", redirect_uri=BACK, now=NOW,
                        transport=httpx.MockTransport(edge))


def test_permissions_are_read_back_and_a_dead_token_is_noticed() -> None:
    one, edge = client(answers({"active": True, "scope": "r_ads", "status": "active"}))
    assert LINKEDIN.granted is not None
    assert list(LINKEDIN.granted(one) or ()) == ["r_ads"]
    assert str(edge.requests[0].url) == "https://www.linkedin.com/oauth/v2/introspectToken"
    one, _ = client(answers({"active": False, "status": "revoked"}))
    with pytest.raises(SignInAgain):
        LINKEDIN.granted(one)


@pytest.mark.parametrize(("method", "name", "value", "words"), [
    ("oauth", "client_id", "WPL_AP1.abc.def==", "client secret"),
    ("oauth", "client_id", "My App!", "small letters and digits"),
    ("oauth", "client_secret", "77larkspur0dm4", "client id"),
    ("oauth", "client_secret", "with spaces in it", "no spaces"),
    ("oauth", "client_secret", "AQX" + "b3" * 40, "access token"),
    ("token", "access_token", "WPL_AP1.abc.def==", "client secret"),
    ("token", "access_token", "Bearer AQXabc", "begins with AQ"),
])
def test_malformed_credentials_are_refused_before_any_call(
    method: str, name: str, value: str, words: str
) -> None:
    values = dict(VALUES if method == "token" else APP)
    with pytest.raises(Invalid) as caught:
        check_inputs(LINKEDIN, LINKEDIN.method(method), {**values, name: value})
    assert words in caught.value.facts["fields"][name]
    check_inputs(LINKEDIN, LINKEDIN.method(method), values)
