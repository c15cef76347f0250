"""HubSpot without a network: its requests, its errors, and what it may send instead of data."""

from __future__ import annotations

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import registry, rows
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.grants import authorize_url
from liftos_app.services.connectors.platforms.hubspot import search
from liftos_app.services.connectors.platforms.hubspot.errors import RULES, fault, pace
from liftos_app.services.connectors.platforms.hubspot.values import at, day, flag, money, person
from liftos_app.services.connectors.spec import AuthMethod
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

CRM = registry.get("hubspot")
PORTAL = account(
    external_id="48291044", name="HubSpot 48291044", currency="USD", time_zone="US/Eastern"
)
KEY = {"access_token": "hsk-na1-0123456789abcdefghij"}
SALT = "a1" * 32
DETAILS = example("hubspot", "account_details")["body"]
DEAL = example("hubspot", "deals_search_page")["body"]["results"][0]


def client(handler: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(CRM, handler, KEY, **more)


def deal(ident: str = "1", *, merged: str | None = None, **properties: Any) -> dict[str, Any]:
    own = {**DEAL["properties"], "hs_object_id": ident, **properties}
    if merged:
        own["hs_merged_object_ids"] = merged
    return {**DEAL, "id": ident, "properties": own}


def found(*records: dict[str, Any], total: int = 0, more: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"total": total or len(records), "results": list(records)}
    return body | ({"paging": {"next": {"after": "200"}}} if more else {})


def routes(*searches: Any, bin_: Any = None, links: dict[str, Any] | None = None) -> Any:
    """Answers by what is asked; searches one after the other, the last one stays."""
    queue = list(searches) or [found()]

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/details"):
            return httpx.Response(200, json=DETAILS)
        if path.endswith("/search"):
            item = queue.pop(0) if len(queue) > 1 else queue[0]
            item = item(request) if callable(item) else item
        elif "associations" in path:
            item = (links or {}).get(path.split("/")[5], {"results": []})
        else:
            item = bin_ or {"results": []}
        return item if isinstance(item, httpx.Response) else httpx.Response(200, json=item)

    return handler


def asked(edge: Edge) -> list[dict[str, Any]]:
    return [json.loads(r.content) for r in edge.requests if r.url.path.endswith("/search")]


def whole(stream: str = "deals", **more: Any) -> Any:
    return task(CRM, stream, account=PORTAL, salt=SALT, **more)


def test_a_span_is_searched_by_creation_and_walked_by_id() -> None:
    one, edge = client(routes(found(deal("7"), deal("12"), more=True), found(deal("13"))))
    page = read(one, whole(start="2026-10-01", end="2026-10-31"))
    assert [r["external_id"] for r in page.rows] == ["7", "12", "13"]
    first, second = asked(edge)
    assert first["filterGroups"] == [{"filters": [
        {"propertyName": "createdate", "operator": "GTE", "value": "1790827200000"},
        {"propertyName": "createdate", "operator": "LT", "value": "1793505600000"},
        {"propertyName": "hs_object_id", "operator": "GT", "value": "0"},
    ]}]
    assert second["filterGroups"][0]["filters"][2]["value"] == "12"
    for body in (first, second):
        assert set(body) == {"filterGroups", "sorts", "properties", "limit", "after"}
        assert (body["sorts"], body["limit"], body["after"]) == (["hs_object_id"], 200, "0")
    paths = {r.url.path for r in edge.requests}
    assert "/crm/objects/2026-09/deals/search" in paths
    assert "/crm/associations/2026-09/deals/companies/batch/read" in paths
    assert {r.headers["authorization"] for r in edge.requests} == {f"Bearer {KEY['access_token']}"}


def test_nothing_about_a_person_is_ever_asked_for() -> None:
    personal = re.compile(r"mail|name$|phone|address|city|zip|ip_|birth|gender", re.IGNORECASE)
    kept = {"name", "first_conversion_event_name"}
    for stream in ("deals", "contacts", "companies"):
        one, edge = client(routes())
        read(one, whole(stream))
        names = set(asked(edge)[0]["properties"])
        assert {n for n in names if personal.search(n)} <= kept
    one, edge = client(routes(bin_={"total": 0, "results": []}))
    read(one, whole("emails"))
    sent = edge.requests[-1].url.params.get_list("includedProperties")
    assert not {"from", "to", "content"} & set(sent)


def test_a_deal_becomes_a_row_with_its_company_and_a_scrambled_contact() -> None:
    links = {
        "companies": {"results": [{"from": {"id": "1"}, "to": [
            {"toObjectId": "90", "associationTypes": [{"label": None}]},
            {"toObjectId": "91", "associationTypes": [{"label": "Primary"}, {"label": None}]},
        ]}]},
        "contacts": {"results": [{"from": {"id": "1"}, "to": [
            {"toObjectId": "501", "associationTypes": []}]}]},
    }
    own = deal("1", hs_is_closed="true", hs_analytics_source_data_1="brand",
               hs_analytics_source_data_2="kites", closedate="2026-11-15T00:00:00Z")
    one, _ = client(routes(found(own), links=links))
    page = read(one, whole(start="2026-10-01", end="2026-10-31"))
    row = page.rows[0]
    assert row["person_ref"] == person("501", SALT)
    assert "501" not in str(row).replace(row["person_ref"], "")
    beside = ("person_ref", "created_at", "updated_at")
    assert {k: v for k, v in row.items() if k not in beside} == {
        "external_id": "1", "kind": "deal", "day": "2026-10-02", "name": "Deal 1",
        "status": "won", "stage": "closedwon", "amount_micros": 1_250_000_000, "currency": "USD",
        "closed_day": "2026-11-15", "is_closed": True, "is_won": True, "source": "PAID_SEARCH",
        "campaign_id": "brand", "parent_id": "91", "owner_id": "5512345", "deleted": False,
        "attrs": {"pipeline": "default", "source_1": "brand", "source_2": "kites",
                  "amount_home_micros": 1_250_000_000},
    }
    assert "Kite renewal" not in str(row)


def test_each_page_carries_its_untouched_records() -> None:
    one, _ = client(routes(found(deal("1"), {"id": "9"}, deal("2"))))
    pages = list(whole().stream.read(one, whole(start="2026-10-01", end="2026-10-31")))
    assert [r["id"] for r in pages[0].source] == ["1", "2"]
    assert pages[0].source[0]["properties"]["dealstage"] == "closedwon"
    assert len(pages[0].rejected) == 1


def test_a_contacts_number_is_nowhere_but_in_its_hash() -> None:
    own = {**deal("61000000501", merged="61000000502"), "url": "https://x/61000000501"}
    own["properties"] = {**own["properties"], "lastmodifieddate": "2026-11-16T00:00:00Z"}
    gone = {**own, "archived": True, "archivedAt": "2026-11-17T00:00:00Z"}
    broken = {"id": "61000000503", "properties": {}}
    one, _ = client(routes(found(own, broken), bin_={"results": [gone]}))
    wanted = whole("contacts", cursor="2026-11-15T00:00:00Z")
    pages = list(wanted.stream.read(one, wanted))
    rows_ = [r for p in pages for r in p.rows]
    assert [r["external_id"] for r in rows_] == [
        person(i, SALT) for i in ("61000000501", "61000000502", "61000000501")
    ]
    assert rows_[0]["person_ref"] == rows_[0]["external_id"]
    assert [r["deleted"] for r in rows_] == [False, True, True]
    assert [len(p.source) for p in pages] == [1, 1, 1]
    assert len(pages[0].rejected) == 1
    assert "6100000050" not in str([(p.rows, p.source, p.rejected) for p in pages])


@pytest.mark.parametrize(("properties", "reason"), [
    ({"amount": "1,250.00"}, "not a number"),
    ({"amount": "NaN"}, "not a number"),
    ({"amount": "1e400"}, "too large"),
    ({"closedate": "soon"}, "not a time"),
    ({"closedate": "99999999999999999"}, "not a time"),
    ({"hs_is_closed_won": "yes"}, "neither true nor false"),
    ({"createdate": "2026-13-01T00:00:00Z"}, "not a time"),
])
def test_a_value_that_is_none_rejects_its_record_alone(
    properties: dict[str, str], reason: str
) -> None:
    one, _ = client(routes(found(deal("1", **properties), deal("2"))))
    page = read(one, whole(start="2026-10-01", end="2026-10-31"))
    assert [r["external_id"] for r in page.rows] == ["2"]
    assert reason in page.rejected[0].reason


def test_empty_and_missing_values_are_not_said_rather_than_zero() -> None:
    own = deal("1", amount=None, amount_in_home_currency="", closedate=None, dealstage=None,
               deal_currency_code=None, hs_is_closed_won=None)
    one, _ = client(routes(found(own)))
    row = read(one, whole(start="2026-10-01", end="2026-10-31")).rows[0]
    assert row["amount_micros"] is None
    assert "amount_home_micros" not in row["attrs"]
    assert (row["closed_day"], row["is_won"], row["stage"]) == (None, None, "")
    assert row["currency"] == "USD"  # the portal's own
    assert row["status"] == "open"


def test_records_of_other_kinds_are_rejected_with_their_reason() -> None:
    one, _ = client(routes(found(deal("1"), {"id": "2"}, {"id": "3", "properties": None})))
    page = read(one, whole(start="2026-10-01", end="2026-10-31"))
    assert len(page.rows) == 1
    assert len(page.rejected) == 2


def test_L105_changes_in_one_page_need_one_search_and_move_the_cursor() -> None:
    newer = deal("5", hs_lastmodifieddate="2026-11-20T09:30:15.999Z")
    one, edge = client(routes(found(deal("1"), newer)))
    page = read(one, whole(cursor="2026-11-15T00:00:00Z"))
    bodies = asked(edge)
    assert len(bodies) == 1
    assert bodies[0]["sorts"] == ["hs_lastmodifieddate"]
    assert bodies[0]["filterGroups"][0]["filters"] == [{
        "propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "1794699900000",
    }]  # a quarter of an hour before the cursor
    assert page.cursor == "2026-11-20T09:30:15Z"
    assert len(page.rows) == 2


def test_without_a_change_the_cursor_stays() -> None:
    one, _ = client(routes())
    page = read(one, whole("contacts", cursor="2026-11-21T11:00:00Z"))
    assert (page.rows, page.cursor) == ([], "2026-11-21T11:00:00Z")


def test_many_changes_are_walked_up_to_the_newest_one_known_at_the_start() -> None:
    newest = deal("9", hs_lastmodifieddate="2026-11-20T09:30:15.123Z")
    one, edge = client(routes(
        found(deal("1"), total=450, more=True),  # too many for one page
        found(newest, total=450),  # the newest of them
        found(deal("1"), deal("3"), more=True),
        found(deal("8")),
    ))
    page = read(one, whole(cursor="2026-11-15T00:00:00Z"))
    first, edge_, third, fourth = asked(edge)
    assert first["limit"] == 200
    assert (edge_["limit"], edge_["after"], edge_["properties"]) == (
        1, "449", ["hs_lastmodifieddate"]
    )
    limits = [f["value"] for f in third["filterGroups"][0]["filters"] if f["operator"] == "LTE"]
    assert limits == ["1795167015123"]
    assert fourth["filterGroups"][0]["filters"][-1]["value"] == "3"
    assert [r["external_id"] for r in page.rows] == ["1", "3", "8"]


def test_ten_thousand_changes_of_one_moment_do_not_go_round_for_ever() -> None:
    """A bulk edit gives them all the same time: the walk goes by id, then past that moment."""
    same = "2026-11-20T09:00:00.000Z"
    one, edge = client(routes(
        found(deal("1", hs_lastmodifieddate=same), total=12_000, more=True),
        found(deal("2", hs_lastmodifieddate=same), total=12_000),
        found(deal("1", hs_lastmodifieddate=same)),
        found(),
    ))
    page = read(one, whole(cursor="2026-11-20T09:00:00Z"))
    bodies = asked(edge)
    assert bodies[1]["after"] == "9999"
    assert bodies[3]["filterGroups"][0]["filters"][0]["value"] == "1795165200001"
    assert page.cursor == "2026-11-20T09:00:00Z"


def test_contacts_name_the_property_of_their_last_change_differently() -> None:
    one, edge = client(routes())
    read(one, whole("contacts", cursor="2026-11-21T11:00:00Z"))
    assert asked(edge)[0]["sorts"] == ["lastmodifieddate"]
    one, edge = client(routes())
    read(one, whole("companies", cursor="2026-11-21T11:00:00Z"))
    assert asked(edge)[0]["sorts"] == ["hs_lastmodifieddate"]


def test_the_bin_gives_what_was_deleted_since_and_merges_name_what_is_gone() -> None:
    old = {**deal("3"), "archived": True, "archivedAt": "2026-09-01T00:00:00Z"}
    new = {**deal("4"), "archived": True, "archivedAt": "2026-11-18T00:00:00Z"}
    one, edge = client(routes(found(deal("1", merged="21;22")), bin_={"results": [old, new]}))
    page = read(one, whole(cursor="2026-11-15T00:00:00Z"))
    assert [(r["external_id"], r["deleted"]) for r in page.rows] == [
        ("1", False), ("21", True), ("22", True), ("4", True),
    ]
    asked_bin = next(r for r in edge.requests if r.method == "GET" and "archived" in r.url.params)
    assert asked_bin.url.params["archived"] == "true"
    assert "amount" in asked_bin.url.params.get_list("properties")


def test_links_are_asked_for_a_thousand_records_at_once() -> None:
    one, edge = client(answers({"results": []}))
    search.links(one, "deals", "companies", [str(i) for i in range(2_300)])
    sizes = [len(json.loads(r.content)["inputs"]) for r in edge.requests]
    assert sizes == [1_000, 1_000, 300]


def test_the_good_part_of_a_batch_is_kept() -> None:
    body = {"status": "COMPLETE", "numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND"}],
            "results": [{"from": {"id": "1"}, "to": [{"toObjectId": "9", "associationTypes": []}]}]}
    one, _ = client(answers(httpx.Response(207, json=body)))
    assert search.links(one, "deals", "companies", ["1", "2"]) == {"1": "9"}


def test_a_key_of_another_portal_never_mixes_two() -> None:
    one, edge = client(routes(found(deal())))
    other = account(external_id="11", name="HubSpot 11", time_zone="UTC")
    with pytest.raises(Fix, match="another HubSpot portal") as caught:
        read(one, task(CRM, "deals", account=other))
    assert caught.value.cause == "permission"
    assert len(edge.requests) == 1


def test_the_portal_is_found_with_its_currency_and_zone() -> None:
    one, edge = client(answers(reply("hubspot", "account_details")))
    portal = CRM.discover(one)[0]
    assert edge.requests[0].url.path == "/account-info/2026-09/details"
    assert (portal.external_id, portal.currency, portal.time_zone) == (
        "48291044", "USD", "US/Eastern"
    )
    assert portal.extra["currencies"] == ["EUR"]
    one, _ = client(answers({**DETAILS, "timeZone": "Mars/Olympus", "additionalCurrencies": None}))
    assert CRM.discover(one)[0].time_zone == "UTC"
    one, _ = client(answers(["nothing"]))
    with pytest.raises(GiveUp, match="another form"):
        CRM.discover(one)


def test_changes_whose_end_never_stands_still_end_in_an_error() -> None:
    def search(request: httpx.Request) -> dict[str, Any]:
        if json.loads(request.content)["limit"] == 1:  # the newest change, which is gone again
            return {"total": 9, "results": []}
        return found(deal("5"), total=9, more=True)

    one, edge = client(routes(search))
    with pytest.raises(GiveUp, match="no end"):
        read(one, whole(cursor="2026-11-15T00:00:00Z"))
    assert len(edge.requests) < 12


def test_changes_whose_end_comes_again_end_in_an_error() -> None:
    def search(request: httpx.Request) -> dict[str, Any]:
        beyond = "hs_object_id" in request.content.decode().partition('"sorts"')[0]
        return found(deal("5"), total=20_000, more=not beyond)

    one, edge = client(routes(search))
    with pytest.raises(GiveUp, match="no end"):
        read(one, whole(cursor="2026-11-15T00:00:00Z"))
    assert len(edge.requests) < 12


def test_pages_that_repeat_end_in_an_error() -> None:
    one, _ = client(routes(found(deal("5"), more=True)))
    with pytest.raises(GiveUp, match="no end"):
        read(one, whole(start="2026-10-01", end="2026-10-31"))
    again = {"results": [], "paging": {"next": {"after": "7"}}}
    one, _ = client(routes(bin_=again))
    with pytest.raises(GiveUp, match="no end"):
        read(one, whole("owners"))


@pytest.mark.parametrize("body", [
    {"total": 3},
    {"total": 3, "results": {}},
    {"total": 9, "results": [{"id": "x"}], "paging": {"next": {"after": "1"}}},
    {"total": "many", "results": [deal("1")], "paging": {"next": {"after": "1"}}},
    [],
])
@pytest.mark.parametrize("cursor", ["", "2026-11-15T00:00:00Z"])
def test_an_answer_of_another_form_is_told(body: Any, cursor: str) -> None:
    one, _ = client(routes(body))
    with pytest.raises(GiveUp, match="another form|no end"):
        read(one, whole(cursor=cursor))


@pytest.mark.parametrize("result", [{}, {"from": {"id": "1"}}, {"from": {}, "to": [{}]}, "x"])
def test_a_link_that_says_nothing_is_told(result: Any) -> None:
    one, _ = client(answers({"results": [result]}))
    with pytest.raises(GiveUp, match="another form"):
        search.links(one, "deals", "companies", ["1"])


@pytest.mark.parametrize("stream", ["owners", "pipelines", "properties", "emails", "campaigns",
                                    "email_results"])
def test_records_that_are_none_are_rejected_and_nothing_breaks(stream: str) -> None:
    strange = [None, "x", 5, {}, {"id": None}, {"id": ["1"], "stages": ["x"]}]
    one, _ = client(routes(bin_={"total": 6, "results": strange}))
    page = read(one, whole(stream))
    assert page.rows == []
    assert len(page.rejected) + page.skipped >= 6


def test_searches_keep_four_a_second_and_say_so_to_nobody() -> None:
    one, edge = client(routes(found(deal("1"), more=True), found(deal("2"), more=True), found()))
    read(one, whole(start="2026-10-01", end="2026-10-31"))
    assert edge.waited >= 0.5


@pytest.mark.parametrize(("headers", "body", "wait"), [
    ({}, {"total": 0, "results": []}, 0.25),
    ({}, {"portalId": 1}, 0.0),
    ({"x-hubspot-ratelimit-remaining": "120"}, {"total": 1}, 0.0),
    ({"x-hubspot-ratelimit-remaining": "2",
      "x-hubspot-ratelimit-interval-milliseconds": "10000"}, {}, 10.0),
    ({"x-hubspot-ratelimit-remaining": "0"}, {}, 10.0),
    ({"x-hubspot-ratelimit-remaining": "lots"}, {}, 0.0),
])
def test_limits_are_kept_before_they_are_met(
    headers: dict[str, str], body: Any, wait: float
) -> None:
    assert pace(200, headers, body) == wait


CASES = [
    (400, {"category": "VALIDATION_ERROR", "message": "limit must be"}, GiveUp, "our_fault"),
    (401, {"category": "EXPIRED_AUTHENTICATION"}, SignInAgain, "credential"),
    (401, {"category": "INVALID_AUTHENTICATION"}, SignInAgain, "credential"),
    (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"},
     SignInAgain, "credential"),
    (403, {"category": "MISSING_SCOPES"}, Fix, "permission"),
    (403, {"message": "This portal lacks Marketing Hub"}, Fix, "permission"),
    (404, {"category": "OBJECT_NOT_FOUND", "message": "resource not found"}, GiveUp, "our_fault"),
    (413, {}, GiveUp, "our_fault"),
    (414, {}, GiveUp, "our_fault"),
    (423, {}, Retry, "platform_outage"),
    (429, {"policyName": "SECONDLY"}, Quota, "quota"),
    (429, {"policyName": "TEN_SECONDLY_ROLLING"}, Quota, "quota"),
    (429, {"policyName": "DAILY"}, Quota, "quota"),
    (429, {"category": "RATE_LIMITS"}, Quota, "quota"),
    (477, {}, Retry, "platform_outage"),
    (530, None, Fix, "bad_configuration"),
]


@pytest.mark.parametrize(("status", "body", "kind", "cause"), CASES)
def test_each_error_says_what_happens_next(
    status: int, body: Any, kind: type[PlatformFault], cause: str
) -> None:
    error = fault(status, {}, body)
    assert type(error) is kind
    assert error.cause == cause
    assert error.what
    assert error.why
    assert error.fix


def test_every_rule_is_reached_by_a_case() -> None:
    seen = {str(fault(s, {}, b).facts["platform_code"]) for s, b, _, _ in CASES}
    assert seen == {rule.code for rule in RULES}


@pytest.mark.parametrize(("policy", "after"), [
    ("SECONDLY", 1.0), ("TEN_SECONDLY_ROLLING", 10.0), ("DAILY", 3600.0), ("NEW_ONE", 10.0),
])
def test_each_limit_has_a_wait_of_its_own(policy: str, after: float) -> None:
    error = fault(429, {}, {"policyName": policy})
    assert isinstance(error, Quota)
    assert error.after == after
    assert fault(429, {"retry-after": "7"}, {"policyName": policy}).after == 7.0  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 524])
def test_faults_of_the_server_pass(status: int) -> None:
    one, edge = client(answers(httpx.Response(status, json={"message": "oops"}), DETAILS))
    assert CRM.discover(one)
    assert len(edge.requests) == 2


def test_the_missing_permission_is_named() -> None:
    one, _ = client(answers(reply("hubspot", "error_403_missing_scopes")))
    with pytest.raises(Fix) as caught:
        CRM.discover(one)
    assert "crm.objects.deals.read" in caught.value.why
    assert caught.value.owner == "your_platform_admin"


def test_a_day_used_up_is_not_waited_for_here() -> None:
    body = {**example("hubspot", "error_429_ten_secondly")["body"], "policyName": "DAILY"}
    one, edge = client(answers(httpx.Response(429, json=body)))
    with pytest.raises(Quota) as caught:
        CRM.discover(one)
    assert (caught.value.after, edge.slept) == (3600.0, [])


@pytest.mark.parametrize(("date", "hours"), [
    ("Sun, 22 Nov 2026 21:00:00 GMT", 8.0),  # 16:00 in New York
    ("Sun, 01 Nov 2026 04:30:00 GMT", 24.5),  # half an hour into a day of 25 hours
    ("", 1.0),
])
def test_a_day_used_up_is_over_at_midnight_of_the_portal(date: str, hours: float) -> None:
    used_up = httpx.Response(429, json={"policyName": "DAILY"}, headers={"date": date})
    one, _ = client(answers(used_up))
    with pytest.raises(Quota) as caught:
        read(one, task(CRM, "pipelines", account=PORTAL))
    assert caught.value.after == hours * 3600


def test_ten_seconds_are_waited_for_here() -> None:
    one, edge = client(answers(reply("hubspot", "error_429_ten_secondly"), DETAILS))
    assert CRM.discover(one)
    assert 10 <= edge.waited < 12


def test_an_expired_token_is_renewed_once_and_a_wrong_one_never() -> None:
    renewed: list[int] = []
    one, edge = client(
        answers(reply("hubspot", "error_401_expired"), DETAILS), renew=lambda: renewed.append(1)
    )
    assert CRM.discover(one)
    wrong = httpx.Response(401, json={"category": "INVALID_AUTHENTICATION"})
    one, edge = client(answers(wrong), renew=lambda: renewed.append(1))
    with pytest.raises(SignInAgain):
        CRM.discover(one)
    assert (renewed, len(edge.requests)) == ([1], 1)


@pytest.mark.parametrize("kind", ["revenue", "metrics"])
def test_campaigns_come_without_revenue_when_only_that_is_not_allowed(kind: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/details"):
            return httpx.Response(200, json=DETAILS)
        if path.endswith(kind):
            return reply("hubspot", "error_403_missing_scopes")
        if "/reports/" in path:
            return httpx.Response(200, json={"sessions": 3, "dealsNumber": 2})
        return httpx.Response(200, json={"results": [
            {"id": "g1", "properties": {"hs_name": "A", "hs_spend_items_sum_amount": "12.50"}},
            {"id": "g2", "properties": {"hs_name": "B"}},
        ]})

    one, edge = client(handler)
    if kind == "metrics":
        with pytest.raises(Fix):
            read(one, whole("campaigns"))
        return
    page = read(one, whole("campaigns"))
    assert [r["attrs"] for r in page.rows] == [
        {"spend_micros": 12_500_000, "sessions": 3, "deals": 2}, {"sessions": 3, "deals": 2},
    ]
    assert "without it" in page.notes[0]
    assert sum(r.url.path.endswith("revenue") for r in edge.requests) == 1


def test_days_people_picked_are_not_shifted_and_times_are() -> None:
    eastern = ZoneInfo(PORTAL.time_zone)
    assert day("2026-11-15T00:00:00Z", eastern) == "2026-11-15"
    assert day("2026-11-15T03:00:00.000Z", eastern) == "2026-11-14"
    assert day("1794700800000", eastern) == "2026-11-15"  # midnight UTC in milliseconds
    assert day("", eastern) is None
    assert at("0").isoformat() == "1970-01-01T00:00:00+00:00"
    assert (money("12.345678"), money(""), money(None)) == (12_345_678, None, None)
    assert (flag("true"), flag("false"), flag("")) == (True, False, None)
    assert person("", SALT) == person("5", "") == ""
    assert len(person("5", SALT)) == 64
    assert person("5", SALT) != person("5", "b2" * 32)


def test_an_automated_mail_is_asked_for_day_by_day_and_a_mailing_is_not() -> None:
    counters = {"sent": 10, "delivered": 9, "open": 4, "click": 1, "bounce": 1}
    listed = {"total": 3, "results": [
        {"id": "1", "name": "News", "type": "BATCH_EMAIL", "publishDate": "2026-11-03T15:00:00Z",
         "stats": {"counters": counters}},
        {"id": "2", "name": "Hello", "type": "AUTOMATED_EMAIL", "stats": {"counters": counters}},
        {"id": "3", "name": "Draft", "type": "BATCH_EMAIL", "stats": {"counters": {}}},
    ]}
    buckets = {"total": 2, "results": [
        {"interval": {"start": "2026-11-01T04:00:00Z", "end": "2026-11-02T05:00:00Z"},
         "aggregations": {"counters": counters}},
        {"interval": {"start": "2026-11-02T05:00:00Z", "end": "2026-11-03T05:00:00Z"},
         "aggregations": {"counters": {"sent": 0}}},
    ]}

    def handler(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        body = {"details": DETAILS, "histogram": buckets}.get(name, listed)
        return httpx.Response(200, json=body)

    one, edge = client(handler)
    page = read(one, whole("email_results"))
    assert [(r["entity_id"], r["day"], r["recipients"], r["unsubscribes"]) for r in page.rows] == [
        ("1", "2026-11-03", 10, None), ("2", "2026-11-01", 10, None),
    ]
    sent = edge.requests[-1].url.params
    assert dict(sent) == {
        "interval": "DAY", "startTimestamp": "2026-11-01T04:00:00Z",
        "endTimestamp": "2026-11-08T05:00:00Z", "emailIds": "2",
    }
    read(one, whole("email_results", start="2026-10-01", end="2026-10-07"))
    lists = [r for r in edge.requests if r.url.path == "/marketing/emails/2026-09"]
    assert len(lists) == 1
    assert page.rows[0]["level"] == rows.MAIL_MESSAGE


def check(method: AuthMethod, text: str) -> str:
    """The sentence that refuses a pasted value, "" when it is taken."""
    one = method.inputs[-1] if method.id == "oauth" else method.inputs[0]
    for pattern, sentence in one.refuse:
        if re.search(pattern, text):
            return sentence
    return "" if re.fullmatch(one.pattern, text) else one.wrong


@pytest.mark.parametrize(("method", "text", "words"), [
    ("private_app", "pat-na1-3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", ""),
    ("private_app", "pat-eu1-3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", ""),
    ("private_app", "pat-na1-short", "begins with pat-"),
    ("private_app", "3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", "hapikey"),
    ("service_key", "3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", "hapikey"),
    ("service_key", "any-long-visible-text-that-hubspot-may-invent", ""),
    ("service_key", "pat-na1-3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", ""),
    ("service_key", "has a space in the middle of it", "without spaces"),
    ("service_key", "short", "at least 20"),
    ("service_key", "https://app.hubspot.com/keys/48291044", "address"),
    ("oauth", "pat-na1-3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", "private app's token"),
])
def test_what_is_pasted_is_judged_before_any_call(method: str, text: str, words: str) -> None:
    said = check(CRM.method(method), text)
    assert words in said
    assert bool(said) is bool(words)


def test_the_consent_page_is_asked_for_required_and_optional_permissions() -> None:
    where = Addresses("hubspot", dict(CRM.hosts))
    url = authorize_url(
        CRM, CRM.method("oauth"), where, {"client_id": "abc"}, state="s1",
        redirect_uri="https://x.example/oauth/callback/hubspot",
    )
    params = httpx.URL(url).params
    assert url.startswith("https://app.hubspot.com/oauth/authorize?")
    assert params["optional_scope"] == (
        "content marketing.campaigns.read marketing.campaigns.revenue.read"
    )
    assert set(params["scope"].split()) == {s.name for s in CRM.scopes if s.required}
    assert all(".write" not in s.name for s in CRM.scopes)
