"""Google Ads: zeros it leaves out, the manager that leads to an account, pages that expire."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from liftos_app.errors import Fix, Retry, SignInAgain
from liftos_app.services.connectors import registry, rows
from liftos_app.services.connectors.client import Client
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

GOOGLE = registry.get("google_ads")
LEAF = account(external_id="3456789012", extra={"login_customer_id": "1234567890"})


def client(handler: Any, values: dict[str, str] | None = None, **more: Any) -> tuple[Client, Edge]:
    return make_client(GOOGLE, handler, values or {"access_token": "ya29.x"}, **more)


def sent(edge: Edge, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(edge.requests[index].content)
    return found


def last_page(body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if k != "nextPageToken"}


def test_the_sheets_example_becomes_rows_and_missing_figures_are_zero() -> None:
    body = last_page(example("google_ads", "search_page1")["body"])
    one, edge = client(answers(body))
    page = read(one, task(GOOGLE, "campaign_daily", account=LEAF))
    assert page.rows[0] == {
        "entity_id": "777", "day": "2026-11-01", "setting": "google_conversion_window",
        "impressions": 1200, "clicks": 42, "spend_micros": 31_070_000,
        "conversions_micros": 3_500_000, "value_micros": 178_400_000, "extra": {},
        "entity_name": "Brand",
    }
    assert page.rows[1]["clicks"] == page.rows[1]["spend_micros"] == 0
    assert page.rows[1]["conversions_micros"] == 0
    request = edge.requests[0]
    assert request.url.path == "/v26/customers/3456789012/googleAds:search"
    assert request.headers["login-customer-id"] == "1234567890"
    assert request.headers["authorization"] == "Bearer ya29.x"
    assert "developer-token" not in request.headers
    assert set(sent(edge)) == {"query"}  # a page size would be refused
    query = sent(edge)["query"]
    assert "segments.date BETWEEN '2026-11-01' AND '2026-11-07'" in query
    assert "metrics.video_trueview_views" in query
    assert "FROM campaign WHERE" in query


def test_columns_are_stable_though_rows_leave_out_zeros() -> None:
    body = last_page(example("google_ads", "search_page1")["body"])
    one, _ = client(answers(body, {**body, "results": body["results"][1:]}))
    first = read(one, task(GOOGLE, "campaign_daily", account=LEAF)).columns
    assert {"campaign.id", "metrics.costMicros", "segments.date"} <= first
    second = read(one, task(GOOGLE, "campaign_daily", account=LEAF)).columns
    assert {"campaign.id", "metrics.costMicros", "segments.date"} <= second


def test_pages_follow_their_token_with_the_same_query() -> None:
    body = example("google_ads", "search_page1")["body"]
    one, edge = client(answers(body, last_page(body)))
    page = read(one, task(GOOGLE, "campaign_daily", account=LEAF))
    assert len(page.rows) == 4
    assert sent(edge, 1) == {"query": sent(edge)["query"], "pageToken": "CPexampleToken"}


def test_a_page_token_that_expired_starts_the_query_again_without_doubles() -> None:
    body = example("google_ads", "search_page1")["body"]
    expired = httpx.Response(400, json={"error": {"code": 400, "details": [
        {"errors": [{"errorCode": {"requestError": "EXPIRED_PAGE_TOKEN"}}]}]}})
    one, edge = client(answers(body, expired, body, last_page(body)))
    page = read(one, task(GOOGLE, "campaign_daily", account=LEAF))
    assert len(page.rows) == 4
    assert [("pageToken" in sent(edge, i)) for i in range(4)] == [False, True, False, True]


def test_a_page_token_that_expires_for_ever_is_given_up_for_now() -> None:
    body = example("google_ads", "search_page1")["body"]
    expired = httpx.Response(400, json={"error": {"code": 400, "details": [
        {"errors": [{"errorCode": {"requestError": "EXPIRED_PAGE_TOKEN"}}]}]}})
    one, edge = client(answers(body, expired, body, expired, body, expired, body))
    with pytest.raises(Retry, match="forgot"):
        read(one, task(GOOGLE, "campaign_daily", account=LEAF))
    assert len(edge.requests) == 6


def test_a_bad_figure_rejects_its_row_only() -> None:
    body = last_page(example("google_ads", "search_page1")["body"])
    body["results"][1]["metrics"]["clicks"] = "many"
    one, _ = client(answers(body))
    page = read(one, task(GOOGLE, "campaign_daily", account=LEAF))
    assert len(page.rows) == 1
    assert page.rejected[0].day == "2026-11-01"


def test_rows_outside_the_span_are_left_out() -> None:
    body = last_page(example("google_ads", "search_page1")["body"])
    one, _ = client(answers(body))
    page = read(one, task(GOOGLE, "campaign_daily", account=LEAF, start="2026-11-02"))
    assert (page.rows, page.skipped) == ([], 2)


def discovery(tree: dict[str, Any]) -> Any:
    """A handler: directly reachable customers, what each is, and its children."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("listAccessibleCustomers"):
            assert "login-customer-id" not in request.headers
            return httpx.Response(200, json={"resourceNames": [f"customers/{c}" for c in tree]})
        customer = request.url.path.split("/")[3]
        own, children = tree[customer]
        if isinstance(own, httpx.Response):
            return httpx.Response(own.status_code, content=own.content)
        query = json.loads(request.content)["query"]
        results = (
            [{"customerClient": c} for c in children] if "FROM customer_client" in query
            else [{"customer": {"id": customer, **own}}]
        )
        return httpx.Response(200, json=[{"results": results}])

    return handler


def child(ident: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": ident, "descriptiveName": name, "status": "ENABLED", "currencyCode": "EUR",
            "timeZone": "Europe/Berlin", **more}


def test_discovery_remembers_the_manager_and_drops_doubles() -> None:
    denied = httpx.Response(403, json=[{"error": {"code": 403, "details": [{"errors": [{
        "errorCode": {"authorizationError": "CUSTOMER_NOT_ENABLED"}, "message": "x"}]}]}}])
    tree = {
        "1111111111": ({"manager": True, "descriptiveName": "M1"}, [
            child("1111111111", "M1", manager=True), child("3000000001", "Search"),
            child("3000000002", "Gone", status="CANCELED")]),
        "2222222222": ({"manager": True}, [child("3000000001", "Search"),
                                           child("3000000003", "Direct too")]),
        "3000000003": ({"descriptiveName": "Direct too", "status": "ENABLED",
                        "currencyCode": "USD", "timeZone": "America/New_York"}, []),
        "4444444444": (denied, []),
    }
    one, _ = client(discovery(tree))
    found = {a.external_id: a for a in GOOGLE.discover(one)}
    assert set(found) == {"3000000001", "3000000002", "3000000003", "4444444444"}
    assert found["3000000001"].extra["login_customer_id"] == "1111111111"
    assert found["3000000003"].extra["login_customer_id"] == ""
    assert not found["3000000002"].usable
    assert "canceled" in found["3000000002"].reason
    assert not found["4444444444"].usable  # reported, not silently left out
    assert "closed" in found["4444444444"].reason


def test_a_named_manager_is_the_only_way_looked_at() -> None:
    tree = {"1111111111": ({"manager": True}, [child("3000000001", "Search")])}
    one, edge = client(
        discovery(tree), {"access_token": "ya29.x", "login_customer_id": "1111111111"}
    )
    assert [a.external_id for a in GOOGLE.discover(one)] == ["3000000001"]
    assert all("listAccessible" not in r.url.path for r in edge.requests)


def test_an_old_developer_token_is_sent_when_someone_has_one() -> None:
    one, edge = client(
        answers(reply("google_ads", "list_accessible_customers")),
        {"access_token": "ya29.x", "developer_token": "A" * 22},
    )
    one.get("/v26/customers:listAccessibleCustomers")
    assert edge.requests[0].headers["developer-token"] == "A" * 22


def test_the_test_reads_the_account_and_refuses_managers() -> None:
    one, _ = client(answers([{"results": [{"customer": child("3456789012", "Harbor Search")}]}]))
    assert GOOGLE.test(one, LEAF) == (
        "Google Ads answers for Harbor Search: EUR, Europe/Berlin, enabled."
    )
    one, _ = client(answers([{"results": [{"customer": {"manager": True}}]}]))
    with pytest.raises(Fix, match="manager"):
        GOOGLE.test(one, LEAF)


def test_the_error_in_a_streams_list_is_found() -> None:
    one, _ = client(answers(httpx.Response(401, json=[example("google_ads", "error_token_expired")[
        "body"]])))
    with pytest.raises(SignInAgain):
        GOOGLE.test(one, LEAF)


def test_entities_keep_what_reconciliation_needs() -> None:
    one, edge = client(answers({"results": [
        {"campaign": {"id": "7", "name": "PMax", "status": "REMOVED",
                      "advertisingChannelType": "PERFORMANCE_MAX", "startDateTime": "2026-01-01"},
         "campaignBudget": {"amountMicros": "5000000"}},
    ]}))
    found = read(one, task(GOOGLE, "campaigns", account=LEAF)).rows[0]
    assert found["attrs"] == {
        "channel_type": "PERFORMANCE_MAX", "start_time": "2026-01-01",
        "daily_budget_micros": 5_000_000,
    }
    assert found["status"] == "removed"
    assert "REMOVED" not in sent(edge)["query"]
    assert GOOGLE.stream("ad_daily").sums_except == ("PERFORMANCE_MAX",)


def test_ads_without_a_name_get_one_and_final_urls_lose_their_query() -> None:
    one, _ = client(answers({"results": [{
        "adGroupAd": {"status": "ENABLED", "ad": {
            "id": "9", "type": "RESPONSIVE_SEARCH_AD",
            "finalUrls": ["https://shop.example/p?email=a@b.c"]}},
        "adGroup": {"id": "8"}, "campaign": {"id": "7"},
    }]}))
    found = read(one, task(GOOGLE, "ads", account=LEAF)).rows[0]
    assert found["name"] == "Responsive search ad 9"
    assert found["level"] == rows.AD
    assert found["parent_id"] == "8"
    assert found["attrs"]["final_url"] == "https://shop.example/p"
