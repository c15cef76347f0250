"""Klaviyo: the vendor's contract, few report calls, days of the account, no people."""

from __future__ import annotations

import functools
import json
from typing import Any

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

from liftos_app.errors import Fix, GiveUp, Retry, SignInAgain
from liftos_app.services.connectors import registry, rows
from liftos_app.services.connectors.client import Client
from tests.unit.connectors.helper import (
    VENDOR,
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    reply,
    task,
)

MAIL = registry.get("klaviyo")
KITE = account(
    external_id="XyZ123", name="Kite & Co", currency="USD", time_zone="America/New_York",
    extra={"conversion_metrics": [{"id": "RESQ6t", "name": "Placed Order"}]},
)
KEY = {"api_key": "pk_0123456789abcdefghij"}
# Calls of the sheet that the trimmed contract leaves out.
OUTSIDE = {"/api/flow-series-reports", "/api/segments"}


@functools.cache
def contract() -> tuple[OpenAPI, dict[str, Any]]:
    raw = json.loads((VENDOR / "contracts" / "klaviyo.openapi.json").read_text(encoding="utf-8"))
    return OpenAPI.from_dict(raw), raw


def check(request: httpx.Request) -> None:
    """The request is one the vendor's contract allows, also by the names it uses."""
    followed = request.method == "GET" and "page[cursor]" in request.url.params
    if followed or request.url.path in OUTSIDE:
        return
    api, raw = contract()
    operation = raw["paths"][request.url.path][request.method.lower()]
    known = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
    assert set(request.url.params) <= known
    api.validate_request(MockRequest(
        "https://a.klaviyo.com", request.method.lower(), request.url.path,
        args=dict(request.url.params), headers=dict(request.headers),
        data=request.content or None,
        content_type=request.headers.get("content-type", "application/vnd.api+json"),
    ))


def client(handler: Any, values: dict[str, str] | None = None, **more: Any) -> tuple[Client, Edge]:
    def checked(request: httpx.Request) -> httpx.Response:
        assert request.headers["revision"] == "2026-07-15"
        assert request.headers["x-klaviyo-revision-fall-forward-opt-out"] == "1"
        check(request)
        found: httpx.Response = handler(request)
        return found

    return make_client(MAIL, checked, values or KEY, **more)


def routes(**found: Any) -> Any:
    """Answers by path, `-` written as `_`; lists not named are empty."""

    def handler(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2].replace("-", "_")
        item = found.get(name, {"data": [], "links": {"next": None}})
        if callable(item):
            item = item(request)
        return item if isinstance(item, httpx.Response) else httpx.Response(200, json=item)

    return handler


def campaigns(request: httpx.Request) -> dict[str, Any]:
    if "'email'" in request.url.params["filter"] and "false" in request.url.params["filter"]:
        body = example("klaviyo", "campaigns_page")["body"]
        return {**body, "links": {"next": None}, "included": [{
            "type": "campaign-message", "id": "01HZX0AA3M", "attributes": {"definition": {
                "channel": "email", "label": "A", "content": {"subject": "Autumn"}}}}]}
    return {"data": [], "links": {"next": None}}


def test_keys_and_tokens_are_sent_each_in_their_own_way() -> None:
    one, edge = client(routes())
    one.get("/api/metrics")
    assert edge.requests[0].headers["authorization"] == f"Klaviyo-API-Key {KEY['api_key']}"
    one, edge = client(routes(), {"access_token": "tok-1"}, method="oauth")
    one.get("/api/metrics")
    assert edge.requests[0].headers["authorization"] == "Bearer tok-1"


def test_campaign_results_land_on_the_day_of_sending_in_one_call() -> None:
    report = example("klaviyo", "campaign_values_report")["body"]
    one, edge = client(routes(campaigns=campaigns, campaign_values_reports=report))
    page = read(one, task(MAIL, "campaign_results", account=KITE))
    assert page.rows == [{
        "entity_id": "01HZX0AA3M", "day": "2026-11-02", "level": rows.MAIL_MESSAGE,
        "parent_id": "01HZX0A9V9C2T6M4K7Q1B3D5F7", "entity_name": "Autumn sale - 1",
        "recipients": 10420, "delivered": 10311, "opens_unique": 4120, "clicks_unique": 388,
        "unsubscribes": 21, "spam_complaints": 1, "bounced": None, "conversions": 64,
        "value_micros": 5_217_400_000,
    }]
    posts = [r for r in edge.requests if r.method == "POST"]
    assert len(posts) == 1
    asked = json.loads(posts[0].content)["data"]["attributes"]
    assert asked["conversion_metric_id"] == "RESQ6t"
    assert asked["timeframe"] == {  # two days more, for mails that went out slowly
        "start": "2026-11-01T00:00:00+00:00", "end": "2026-11-10T00:00:00+00:00",
    }
    read(one, task(MAIL, "campaign_results", account=KITE, start="2026-10-01", end="2026-10-31"))
    lists = [r for r in edge.requests if r.url.path == "/api/campaigns"]
    assert len(lists) == 6  # three channels, archived or not, once for the whole run


def test_results_use_the_lists_that_this_run_has_read() -> None:
    report = example("klaviyo", "campaign_values_report")["body"]
    flows = {"data": [{"id": "F1", "attributes": {"name": "Welcome"}}], "links": {"next": None}}
    one, edge = client(routes(
        campaigns=campaigns, campaign_values_reports=report, flows=flows,
        flow_series_reports=series(),
    ))
    for whole in ("campaigns", "flows"):
        read(one, task(MAIL, whole, account=KITE))
    asked = len(edge.requests)
    assert read(one, task(MAIL, "campaign_results", account=KITE)).rows[0]["day"] == "2026-11-02"
    found = read(one, task(MAIL, "flow_results", account=KITE, end="2026-11-02"))
    assert found.rows[0]["entity_name"] == "Welcome, message M1"
    assert [r.method for r in edge.requests[asked:]] == ["POST", "POST"]


def test_results_of_other_days_and_of_lost_campaigns_are_left_out() -> None:
    report = example("klaviyo", "campaign_values_report")["body"]
    results = report["data"]["attributes"]["results"]
    results.append({"groupings": {**results[0]["groupings"], "campaign_id": "gone"},
                    "statistics": results[0]["statistics"]})
    one, _ = client(routes(campaigns=campaigns, campaign_values_reports=report))
    page = read(one, task(MAIL, "campaign_results", account=KITE, start="2026-11-03"))
    assert page.rows == []
    assert page.skipped == 2
    assert "no longer lists" in page.notes[0]


def test_a_broken_result_is_rejected_alone() -> None:
    report = example("klaviyo", "campaign_values_report")["body"]
    results = report["data"]["attributes"]["results"]
    results.append({**results[0], "statistics": {"recipients": 1.5}})
    results.append("nothing")
    one, _ = client(routes(campaigns=campaigns, campaign_values_reports=report))
    page = read(one, task(MAIL, "campaign_results", account=KITE))
    assert len(page.rows) == 1
    assert len(page.rejected) == 2


def series() -> dict[str, Any]:
    return {"data": {"type": "flow-series-report", "attributes": {
        "date_times": ["2026-11-01T04:00:00+00:00", "2026-11-02T05:00:00+00:00",
                       "2026-11-03T05:00:00+00:00"],
        "results": [{"groupings": {"flow_id": "F1", "flow_message_id": "M1"}, "statistics": {
            "recipients": [10.0, 0.0, 5.0], "delivered": [9.0, 0.0, 5.0],
            "conversions": [1.0, 0.0, 0.0], "conversion_value": [12.34, 0.0, 0.0]}}],
    }}, "links": {"next": None}}


def test_flow_results_are_days_of_the_account() -> None:
    flows = {"data": [{"id": "F1", "attributes": {"name": "Welcome"}}], "links": {"next": None}}
    one, _ = client(routes(flows=flows, flow_series_reports=series()))
    page = read(one, task(MAIL, "flow_results", account=KITE, end="2026-11-02"))
    assert [(r["day"], r["recipients"], r["value_micros"]) for r in page.rows] == [
        ("2026-11-01", 10, 12_340_000),
    ]
    assert page.rows[0]["entity_name"] == "Welcome, message M1"
    assert page.rows[0]["parent_id"] == "F1"
    assert page.read_count == 3


def test_revenue_by_day_and_message_leaves_unattributed_orders_out() -> None:
    body = example("klaviyo", "metric_aggregates")["body"]
    body["data"]["attributes"]["data"].append(
        {"dimensions": [""], "measurements": {"count": [3.0, 4.0], "sum_value": [30.0, 40.0]}}
    )
    body["data"]["attributes"]["data"].append(
        {"dimensions": ["02"], "measurements": {"count": [0.0, 1.0], "sum_value": [0.0, 9.99]}}
    )
    one, edge = client(routes(metric_aggregates=body))
    page = read(one, task(MAIL, "revenue_daily", account=KITE, end="2026-11-02"))
    assert [(r["entity_id"], r["day"], r["conversions_micros"], r["value_micros"])
            for r in page.rows] == [
        ("01HZX0AA3M", "2026-11-01", 12_000_000, 980_500_000),
        ("01HZX0AA3M", "2026-11-02", 52_000_000, 4_236_900_000),
        ("02", "2026-11-02", 1_000_000, 9_990_000),
    ]
    assert {r["setting"] for r in page.rows} == {"klaviyo_event_date"}
    asked = json.loads(edge.requests[-1].content)["data"]["attributes"]
    assert asked["timezone"] == "America/New_York"
    assert asked["filter"] == [
        "greater-or-equal(datetime,2026-11-01T00:00:00)", "less-than(datetime,2026-11-03T00:00:00)",
    ]


def test_aggregates_follow_their_cursor() -> None:
    body = example("klaviyo", "metric_aggregates")["body"]
    first = {**body, "links": {"next": "https://a.klaviyo.com/api/x?page_cursor=abc%3D"}}
    queue = [first, body]
    one, edge = client(routes(metric_aggregates=lambda _: queue.pop(0)))
    assert len(read(one, task(MAIL, "revenue_daily", account=KITE, end="2026-11-02")).rows) == 4
    assert json.loads(edge.requests[-1].content)["data"]["attributes"]["page_cursor"] == "abc="


def metric(ident: str, name: str, integration: str) -> dict[str, Any]:
    return {"type": "metric", "id": ident, "attributes": {
        "name": name, "integration": {"name": integration, "category": "eCommerce"}}}


def test_the_shops_placed_order_is_the_conversion_unless_a_person_chose() -> None:
    found = {"data": [metric("A", "Placed Order", "API"), metric("B", "Placed Order", "Shopify"),
                      metric("C", "Opened Email", "Klaviyo")], "links": {"next": None}}
    one, _ = client(routes(metrics=found, accounts=example("klaviyo", "account")["body"]))
    account_ = MAIL.discover(one)[0]
    assert account_.extra["conversion_metrics"][0]["id"] == "B"
    assert (account_.external_id, account_.currency, account_.time_zone) == (
        "XyZ123", "USD", "America/New_York",
    )
    one, edge = client(routes(metrics=found, metric_aggregates=example(
        "klaviyo", "metric_aggregates")["body"]))
    bare = account(time_zone="America/New_York")
    options = {"conversion_metric_id": "CHOSEN"}
    read(one, task(MAIL, "revenue_daily", account=bare, end="2026-11-02", options=options))
    assert json.loads(edge.requests[-1].content)["data"]["attributes"]["metric_id"] == "CHOSEN"
    read(one, task(MAIL, "revenue_daily", account=bare, end="2026-11-02"))
    assert json.loads(edge.requests[-1].content)["data"]["attributes"]["metric_id"] == "B"


def test_an_account_that_counts_no_orders_says_so() -> None:
    one, _ = client(routes())
    with pytest.raises(Fix, match="counts no orders"):
        read(one, task(MAIL, "revenue_daily", account=account()))


def test_campaigns_bring_their_messages_and_links_are_followed_untouched() -> None:
    first = example("klaviyo", "campaigns_page")["body"]
    link = first["links"]["next"]

    def handler(request: httpx.Request) -> httpx.Response:
        if str(request.url) == link:
            return httpx.Response(200, json={"data": [], "links": {"next": None}})
        found = campaigns(request)
        if found["data"]:
            found["links"] = {"next": link}
        return httpx.Response(200, json=found)

    one, edge = client(handler)
    page = read(one, task(MAIL, "campaigns", account=KITE))
    assert [(r["level"], r["external_id"], r["name"]) for r in page.rows] == [
        (rows.MAIL_CAMPAIGN, "01HZX0A9V9C2T6M4K7Q1B3D5F7", "Autumn sale - 1"),
        (rows.MAIL_MESSAGE, "01HZX0AA3M", "A"),
    ]
    assert page.rows[1]["parent_id"] == page.rows[0]["external_id"]
    assert page.rows[1]["attrs"] == {"channel": "email", "subject": "Autumn"}
    assert link in [str(r.url) for r in edge.requests]
    filters = {r.url.params["filter"] for r in edge.requests if str(r.url) != link}
    assert len(filters) == 6


def test_flows_lists_segments_and_metrics() -> None:
    flow = {"data": [{"id": "F1", "attributes": {"name": "Welcome", "status": "live",
                                                 "trigger_type": "Added to List"}}],
            "links": {"next": None}}
    named = {"data": [{"id": "L1", "attributes": {"name": "News"}}], "links": {"next": None}}
    metrics = {"data": [metric("A", "Placed Order", "API")], "links": {"next": None}}
    one, edge = client(routes(flows=flow, lists=named, segments=named, metrics=metrics))
    assert read(one, task(MAIL, "flows", account=KITE)).rows[0]["status"] == "live"
    assert read(one, task(MAIL, "lists", account=KITE)).rows[0]["attrs"] == {"kind": "list"}
    assert read(one, task(MAIL, "segments", account=KITE)).rows[0]["attrs"] == {"kind": "segment"}
    found = read(one, task(MAIL, "metrics", account=KITE)).rows[0]
    assert found["attrs"] == {"integration": "API", "category": "eCommerce"}
    assert all("profiles" not in r.url.path and "events" not in r.url.path for r in edge.requests)


def test_a_key_that_may_not_read_the_account_still_connects_with_a_warning() -> None:
    denied = httpx.Response(403, json={"errors": [{"detail": "accounts:read"}]})
    one, _ = client(routes(accounts=denied))
    found = MAIL.discover(one)[0]
    assert found.usable
    assert "unknown" in found.reason
    assert "unknown" in MAIL.test(one, found)
    firewall = httpx.Response(403, html="<html>Just a moment</html>")
    one, _ = client(routes(accounts=firewall), tries=1)
    with pytest.raises(Retry):
        MAIL.discover(one)


def test_a_wrong_key_asks_for_another_one() -> None:
    one, _ = client(lambda _: reply("klaviyo", "error_401"))
    with pytest.raises(SignInAgain, match="key or sign-in"):
        MAIL.test(one, KITE)
    one, _ = client(answers(httpx.Response(410, json={"errors": [{}]})))
    with pytest.raises(GiveUp, match="retired"):
        MAIL.test(one, KITE)


def test_two_report_calls_a_minute_are_kept() -> None:
    report = httpx.Response(200, json=series(), headers={
        "RateLimit-Limit": "2", "RateLimit-Remaining": "0", "RateLimit-Reset": "45"})
    flows = {"data": [], "links": {"next": None}}
    one, edge = client(routes(
        flows=flows, flow_series_reports=lambda _: httpx.Response(
            200, content=report.content, headers=report.headers)))
    for _ in range(2):
        read(one, task(MAIL, "flow_results", account=KITE, end="2026-11-02"))
    assert 45 <= edge.waited <= 46


def test_a_sync_and_a_long_history_stay_far_below_the_days_report_calls() -> None:
    for name, days in (("campaign_results", 90), ("flow_results", 60)):
        window = MAIL.stream(name).window
        assert window
        assert window.days_per_request == days
        assert window.reread_days <= days  # one call for what is read again
    calls = 24 * 2 * 2  # every half hour, both streams
    assert calls + 1095 / 90 + 1095 / 60 < 225


@pytest.mark.parametrize("change", [
    {"statistics": ["made_up"]}, {"conversion_metric_id": None}, {"timeframe": {"start": "x"}},
])
def test_the_contract_check_itself_refuses_wrong_requests(change: dict[str, Any]) -> None:
    body = example("klaviyo", "campaign_values_report")["request"]["json"]
    body["data"]["attributes"] |= change
    wrong = httpx.Request(
        "POST", "https://a.klaviyo.com/api/campaign-values-reports", json=body,
        headers={"revision": "2026-07-15", "content-type": "application/vnd.api+json",
                 "authorization": "Klaviyo-API-Key pk_x"},
    )
    with pytest.raises(Exception, match="."):
        check(wrong)
