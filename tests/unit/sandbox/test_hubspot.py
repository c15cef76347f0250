"""The imitated HubSpot is as strict as the real one, and tells its errors in the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO, SPARE
from liftos_app.services.sandbox.platforms.hubspot import finding, view
from tests.contract.connect import consent
from tests.sandbox_server import RunningSandbox, running_sandbox

KEY = DEMO["hubspot"]["service_key"]["access_token"]
APP = DEMO["hubspot"]["oauth"]
BACK = "http://localhost:8000/oauth/callback/hubspot"
V = "2026-09"
SEARCH = f"/crm/objects/{V}/deals/search"
BODY: dict[str, Any] = {
    "filterGroups": [], "sorts": [], "properties": ["amount"], "limit": 10, "after": "0",
}
Call = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def box(server: RunningSandbox) -> RunningSandbox:
    server.reset()
    return server


@pytest.fixture
def get(box: RunningSandbox) -> Iterator[Call]:
    with httpx.Client(base_url=box.platform("hubspot"), timeout=30) as client:

        def call(path: str, *, key: str = KEY, body: Any = None, **more: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            if body is not None:
                return client.post(path, json=body, headers=headers, **more)
            return client.get(path, headers=headers, **more)

        yield call


@pytest.fixture
def form(box: RunningSandbox) -> Callable[..., httpx.Response]:
    def post(path: str, **values: str) -> httpx.Response:
        return httpx.post(box.platform("hubspot") + path, data=values, timeout=30)

    return post


def refused(answer: httpx.Response, status: int, category: str) -> dict[str, Any]:
    """The envelope of an error."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["category"] == category
    assert body["message"]
    assert len(body["correlationId"]) == 36
    return body


def authorization(box: RunningSandbox, scope: str, **more: str) -> str:
    params = {"client_id": APP["client_id"], "redirect_uri": BACK, "scope": scope, "state": "s"}
    return f"{box.platform('hubspot')}/oauth/authorize?{httpx.QueryParams(params | more)}"


# Signing in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [
    KEY, DEMO["hubspot"]["private_app"]["access_token"], SPARE["hubspot"]["access_token"],
])
def test_keys_and_tokens_of_private_apps_are_taken(get: Call, key: str) -> None:
    body = get(f"/account-info/{V}/details", key=key).json()
    assert (body["portalId"], body["timeZone"], body["companyCurrency"]) == (
        view.PORTAL, "US/Eastern", "USD"
    )


def test_without_a_right_token_nothing_is_answered(get: Call, box: RunningSandbox) -> None:
    refused(get(f"/crm/objects/{V}/deals", key=""), 401, "INVALID_AUTHENTICATION")
    refused(get(f"/crm/objects/{V}/deals", key="pat-na1-wrong"), 401, "INVALID_AUTHENTICATION")
    old = get(f"/crm/objects/{V}/deals?hapikey=3e8b5d17-a904-4c62-b7f1-0d95c6e2a843", key="")
    refused(old, 401, "INVALID_AUTHENTICATION")
    box.tokens.revoke_all("hubspot")
    refused(get(f"/crm/objects/{V}/deals"), 401, "INVALID_AUTHENTICATION")
    assert get(f"/crm/objects/{V}/deals", key=SPARE["hubspot"]["access_token"]).status_code == 200


def test_an_app_gets_a_token_of_half_an_hour_and_renews_it(
    box: RunningSandbox, get: Call, form: Callable[..., httpx.Response]
) -> None:
    code = consent(authorization(box, "oauth crm.objects.deals.read"))["code"]
    client = {k: APP[k] for k in ("client_id", "client_secret")}
    first = form(f"/oauth/{V}/token", grant_type="authorization_code", code=code,
                 redirect_uri=BACK, **client).json()
    assert first["expires_in"] == 1800
    assert first["hub_id"] == view.PORTAL
    assert first["scopes"] == ["oauth", "crm.objects.deals.read"]
    assert len(first["access_token"]) <= 300
    assert get(f"/crm/objects/{V}/deals", key=first["access_token"]).status_code == 200
    body = refused(get(f"/crm/objects/{V}/contacts", key=first["access_token"]), 403,
                   "MISSING_SCOPES")
    assert body["errors"][0]["context"] == {
        "requiredGranularScopes": ["crm.objects.contacts.read"]
    }
    box.clock.advance(seconds=1_801)
    body = refused(get(f"/crm/objects/{V}/deals", key=first["access_token"]), 401,
                   "EXPIRED_AUTHENTICATION")
    assert "expired 1 second(s) ago" in body["message"]
    again = form(f"/oauth/{V}/token", grant_type="refresh_token",
                 refresh_token=first["refresh_token"], **client).json()
    assert again["refresh_token"] == first["refresh_token"]
    assert get(f"/crm/objects/{V}/deals", key=again["access_token"]).status_code == 200
    told = form(f"/oauth/{V}/token/introspect", token=again["access_token"], **client).json()
    assert told["active"] is True
    assert told["hub_id"] == view.PORTAL
    assert form(f"/oauth/{V}/token/revoke", token=first["refresh_token"],
                **client).status_code == 204
    refused(get(f"/crm/objects/{V}/deals", key=again["access_token"]), 401,
            "INVALID_AUTHENTICATION")
    dead = form(f"/oauth/{V}/token", grant_type="refresh_token",
                refresh_token=first["refresh_token"], **client)
    assert (dead.status_code, dead.json()["status"], dead.json()["error"]) == (
        400, "BAD_REFRESH_TOKEN", "invalid_grant"
    )
    told = form(f"/oauth/{V}/token/introspect", token=again["access_token"], **client).json()
    assert told == {"active": False}


def test_optional_permissions_may_be_left_out_and_required_ones_not(box: RunningSandbox) -> None:
    url = authorization(box, "oauth crm.objects.deals.read", optional_scope="content")
    with httpx.Client() as browser:
        page = browser.get(url).text
    locked = [name for name in ("oauth", "crm.objects.deals.read", "content")
              if f'name="granted:{name}" value="on" checked disabled' in page]
    assert locked == ["oauth", "crm.objects.deals.read"]
    assert "content" in page


@pytest.mark.parametrize(("more", "status", "error"), [
    ({"client_secret": "wrong"}, "BAD_CLIENT_SECRET", "invalid_client"),
    ({"redirect_uri": BACK + "/else"}, "REDIRECT_URI_MISMATCH", "invalid_grant"),
    ({"code": "na1-nothing"}, "BAD_AUTH_CODE", "invalid_grant"),
    ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
    ({"audience": "x"}, "BAD_REQUEST", "invalid_request"),
])
def test_the_token_endpoint_names_what_is_wrong(
    box: RunningSandbox, form: Callable[..., httpx.Response], more: dict[str, str], status: str,
    error: str,
) -> None:
    code = consent(authorization(box, "oauth"))["code"]
    values = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
              "client_id": APP["client_id"], "client_secret": APP["client_secret"]}
    answer = form(f"/oauth/{V}/token", **(values | more))
    assert answer.status_code == 400
    assert (answer.json()["status"], answer.json()["error"]) == (status, error)


def test_dated_token_addresses_take_no_query_and_the_old_one_does(box: RunningSandbox) -> None:
    base = box.platform("hubspot")
    for version, status in (("v1", 200), (V, 400)):
        code = consent(authorization(box, "oauth"))["code"]
        values = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
                  "client_id": APP["client_id"], "client_secret": APP["client_secret"]}
        answer = httpx.post(f"{base}/oauth/{version}/token", params=values, timeout=30)
        assert answer.status_code == status


# Addresses and parameters ---------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/crm/objects/2026-03/deals", "/crm/v3/objects/deals", "/crm/v3/owners/", "/crm/v3/owners",
    "/crm/v3/pipelines/deals", "/marketing/v3/emails/", "/crm/v3/properties/contacts",
    f"/account-info/{V}/api-usage/daily/private-apps", "/account-info/v3/details",
])
def test_old_and_dated_addresses_answer_alike(get: Call, path: str) -> None:
    assert get(path).status_code == 200


def test_a_version_or_address_there_is_not_is_not_found(get: Call, box: RunningSandbox) -> None:
    refused(get("/crm/objects/2025-09/deals"), 404, "OBJECT_NOT_FOUND")
    refused(get("/crm/v2/objects/deals"), 404, "OBJECT_NOT_FOUND")
    refused(get("/nothing/here"), 404, "OBJECT_NOT_FOUND")
    refused(get(f"/crm/objects/{V}/deals/1"), 404, "OBJECT_NOT_FOUND")
    wrong = httpx.delete(f"{box.platform('hubspot')}/crm/objects/{V}/deals", timeout=30)
    refused(wrong, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", [
    f"/crm/objects/{V}/deals?limit=101", f"/crm/objects/{V}/deals?limit=0",
    f"/crm/objects/{V}/deals?limit=x", f"/crm/objects/{V}/deals?page=2",
    f"/crm/objects/{V}/deals?after=x", f"/crm/objects/{V}/deals?archived=maybe",
    f"/crm/objects/{V}/deals?limit=5&limit=6", f"/crm/objects/{V}/deals?associations=cats",
    f"/crm/objects/{V}/tickets7", f"/crm/owners/{V}?limit=501", f"/crm/owners/{V}?after=x",
    f"/crm/pipelines/{V}/cats", f"/crm/properties/{V}/cats?x=1",
    f"/marketing/emails/{V}?limit=101", f"/marketing/emails/{V}?sort=colour",
    f"/marketing/emails/{V}?createdAfter=soon", f"/marketing/emails/{V}?after=%21",
    f"/marketing/emails/{V}/statistics/list", f"/marketing/campaigns/{V}?after=x",
    f"/marketing/emails/{V}/statistics/histogram?startTimestamp=2026-11-02T00:00:00Z"
    "&endTimestamp=2026-11-01T00:00:00Z",
    f"/marketing/emails/{V}/statistics/histogram?interval=FORTNIGHT",
])
def test_wrong_parameters_are_refused(get: Call, path: str) -> None:
    answer = get(path)
    assert answer.status_code in (400, 403)
    if answer.status_code == 400:
        refused(answer, 400, "VALIDATION_ERROR")


# Records ----------------------------------------------------------------------------------------


def test_a_list_is_walked_by_id_to_its_end(get: Call, box: RunningSandbox) -> None:
    ids, after = [], None
    while True:
        body = get(f"/crm/objects/{V}/companies", params={
            "limit": 100, "properties": "name,domain", **({"after": after} if after else {}),
        }).json()
        ids += [int(r["id"]) for r in body["results"]]
        if "paging" not in body:
            break
        after = body["paging"]["next"]["after"]
    world = box.world.crm_companies(as_of=box.clock())
    assert ids == [view.COMPANIES + c.id for c in world if c.deleted_at is None]


def test_every_value_is_a_text_or_null_and_only_what_is_asked_for_comes(get: Call) -> None:
    few = get(f"/crm/objects/{V}/deals").json()["results"][0]["properties"]
    assert set(few) == {"amount", "closedate", "createdate", "dealname", "dealstage",
                        "hs_lastmodifieddate", "hs_object_id", "pipeline"}
    one = get(f"/crm/objects/{V}/deals", params=[
        ("properties", "amount"), ("properties", "hs_is_closed_won"), ("properties", "no_such"),
    ]).json()["results"][0]
    assert set(one["properties"]) == {"amount", "hs_is_closed_won", "createdate",
                                      "hs_lastmodifieddate", "hs_object_id"}
    assert all(v is None or isinstance(v, str) for v in one["properties"].values())
    assert one["url"].endswith(one["id"])
    assert "url" not in get("/crm/v3/objects/deals").json()["results"][0]


def test_deleted_records_are_in_the_bin_for_ninety_days(get: Call, box: RunningSandbox) -> None:
    now = box.clock()
    gone = {
        str(view.LEADS + x.id) for x in box.world.crm_leads(as_of=now)
        if x.deleted_at and not x.merged_into and x.deleted_at > now - timedelta(days=90)
    }
    body = get(f"/crm/objects/{V}/contacts", params={"archived": "true", "limit": 100}).json()
    binned = {r["id"]: r for r in body["results"]}
    assert gone
    assert gone <= set(binned)
    assert all(r["archived"] and r["archivedAt"] for r in binned.values())
    ident = sorted(gone)[0]
    assert get(f"/crm/objects/{V}/contacts/{ident}").status_code == 404
    assert get(f"/crm/objects/{V}/contacts/{ident}?archived=true").status_code == 200


def test_a_merged_id_answers_with_what_it_went_into(get: Call, box: RunningSandbox) -> None:
    lost = next(c for c in box.world.crm_companies(as_of=box.clock()) if c.merged_into)
    body = get(f"/crm/objects/{V}/companies/{view.COMPANIES + lost.id}",
               params={"properties": "hs_merged_object_ids"}).json()
    assert body["id"] == str(view.COMPANIES + lost.merged_into)
    assert str(view.COMPANIES + lost.id) in body["properties"]["hs_merged_object_ids"].split(";")


def test_links_come_with_the_list_and_in_batches(get: Call) -> None:
    listed = get(f"/crm/objects/{V}/deals", params={"associations": "companies,contacts"}).json()
    first = listed["results"][0]
    company = first["associations"]["companies"]["results"][0]
    assert company["type"] == "deal_to_company"
    answer = get(f"/crm/associations/{V}/deals/companies/batch/read",
                 body={"inputs": [{"id": first["id"]}, {"id": "5"}]})
    assert answer.status_code == 207
    body = answer.json()
    assert body["results"][0]["to"][0]["toObjectId"] == company["id"]
    assert body["results"][0]["to"][0]["associationTypes"][0]["label"] == "Primary"
    assert body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    many = {"inputs": [{"id": str(i)} for i in range(1_001)]}
    refused(get(f"/crm/associations/{V}/deals/companies/batch/read", body=many), 400,
            "VALIDATION_ERROR")


def test_a_batch_gives_what_there_is_and_names_the_rest(get: Call) -> None:
    ident = get(f"/crm/objects/{V}/deals").json()["results"][0]["id"]
    answer = get(f"/crm/objects/{V}/deals/batch/read",
                 body={"inputs": [{"id": ident}, {"id": "1"}], "properties": ["amount"]})
    assert answer.status_code == 207
    assert [r["id"] for r in answer.json()["results"]] == [ident]
    assert answer.json()["errors"][0]["context"] == {"ids": ["1"]}


def test_stages_have_a_history(get: Call) -> None:
    body = get(f"/crm/objects/{V}/deals", params={"propertiesWithHistory": "dealstage"}).json()
    steps = body["results"][0]["propertiesWithHistory"]["dealstage"]
    assert steps[-1]["value"] == "appointmentscheduled"
    assert [s["timestamp"] for s in steps] == sorted((s["timestamp"] for s in steps), reverse=True)


# Search -----------------------------------------------------------------------------------------


def only(**condition: Any) -> dict[str, Any]:
    return {**BODY, "filterGroups": [{"filters": [condition]}], "limit": 200}


def test_searches_carry_no_limit_headers_and_other_answers_do(get: Call, box: Any) -> None:
    found = get(SEARCH, body=BODY)
    assert not [h for h in found.headers if h.startswith("x-hubspot")]
    listed = get(f"/crm/objects/{V}/deals").headers
    assert listed["x-hubspot-ratelimit-interval-milliseconds"] == "10000"
    assert listed["x-hubspot-ratelimit-daily"] == "650000"
    code = consent(authorization(box, "oauth crm.objects.deals.read"))["code"]
    app = httpx.post(f"{box.platform('hubspot')}/oauth/{V}/token", timeout=30, data={
        "grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **APP,
    }).json()["access_token"]
    assert "x-hubspot-ratelimit-daily" not in get(f"/crm/objects/{V}/deals", key=app).headers


@pytest.mark.parametrize("change", [
    {"limit": 201}, {"limit": "10"}, {"after": 0}, {"after": "x"}, {"sorts": ["amount", "amount"]},
    {"sorts": ["colour"]}, {"filterGroups": [{"filters": []}] * 6}, {"filterGroups": {}},
    {"filterGroups": [{"filters": [{"propertyName": "x", "operator": "EQ", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "ABOUT",
                                    "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": "x"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": 5}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "IN"}]}]},
    {"filterGroups": [{"filters": [], "more": 1}]}, {"colour": 1}, {"after": "10000"},
    {"after": "9995"},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "HAS_PROPERTY"}] * 11}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "HAS_PROPERTY"}] * 6}]
     * 5},
])
def test_wrong_searches_are_refused(get: Call, change: dict[str, Any]) -> None:
    refused(get(SEARCH, body={**BODY, **change}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("name", sorted(BODY))
def test_dated_searches_want_every_part_and_the_old_one_none(get: Call, name: str) -> None:
    body = {k: v for k, v in BODY.items() if k != name}
    refused(get(SEARCH, body=body), 400, "VALIDATION_ERROR")
    assert get("/crm/v3/objects/deals/search", body=body).status_code == 200


def test_ten_thousand_is_a_wall(get: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "CAP", 400)
    body = {**BODY, "limit": 200}
    first = get(SEARCH, body=body).json()
    assert first["total"] > 1_000
    assert first["paging"]["next"]["after"] == "200"
    second = get(SEARCH, body={**body, "after": "200"}).json()
    assert second["paging"]["next"]["after"] == "400"
    refused(get(SEARCH, body={**body, "after": "400"}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(("condition", "fits"), [
    ({"propertyName": "hs_is_closed_won", "operator": "EQ", "value": "true"},
     lambda d: d.is_won),
    ({"propertyName": "dealstage", "operator": "NEQ", "value": "closedlost"},
     lambda d: d.stage_id != 6),
    ({"propertyName": "amount", "operator": "GT", "value": "9999.5"},
     lambda d: (d.amount or 0) > 999_950),
    ({"propertyName": "amount", "operator": "BETWEEN", "value": "100", "highValue": "2500"},
     lambda d: 10_000 <= (d.amount or 0) <= 250_000),
    ({"propertyName": "deal_currency_code", "operator": "IN", "values": ["EUR"]},
     lambda d: d.currency == "EUR"),
    ({"propertyName": "deal_currency_code", "operator": "NOT_IN", "values": ["EUR"]},
     lambda d: d.currency != "EUR"),
    ({"propertyName": "amount", "operator": "NOT_HAS_PROPERTY"}, lambda d: d.amount is None),
    ({"propertyName": "closed_lost_reason", "operator": "HAS_PROPERTY"}, lambda d: d.lost_reason),
    ({"propertyName": "dealname", "operator": "CONTAINS_TOKEN", "value": "*reorder"},
     lambda d: d.repeat),
    ({"propertyName": "dealname", "operator": "NOT_CONTAINS_TOKEN", "value": "reorder"},
     lambda d: not d.repeat),
    ({"propertyName": "closedate", "operator": "LT", "value": "1767225600000"},
     lambda d: d.close_date.year < 2026),
    ({"propertyName": "closedate", "operator": "GTE", "value": "2026-01-01T00:00:00Z"},
     lambda d: d.close_date.year >= 2026),
])
def test_each_operator_finds_what_it_says(
    get: Call, box: RunningSandbox, condition: dict[str, Any], fits: Callable[[Any], bool]
) -> None:
    found = get(SEARCH, body=only(**condition)).json()
    alive = [d for d in box.world.crm_deals(as_of=box.clock()) if d.deleted_at is None]
    assert found["total"] == sum(bool(fits(d)) for d in alive)
    assert found["total"] > 0


def test_groups_are_alternatives_and_filters_add_up(get: Call, box: RunningSandbox) -> None:
    won = {"propertyName": "hs_is_closed_won", "operator": "EQ", "value": "true"}
    euro = {"propertyName": "deal_currency_code", "operator": "EQ", "value": "EUR"}
    both = get(SEARCH, body={**BODY, "filterGroups": [{"filters": [won, euro]}]}).json()["total"]
    either = get(SEARCH, body={
        **BODY, "filterGroups": [{"filters": [won]}, {"filters": [euro]}]}).json()["total"]
    alive = [d for d in box.world.crm_deals(as_of=box.clock()) if d.deleted_at is None]
    assert both == sum(d.is_won and d.currency == "EUR" for d in alive)
    assert either == sum(d.is_won or d.currency == "EUR" for d in alive)


@pytest.mark.parametrize("order", [
    "-amount", {"propertyName": "amount", "direction": "DESCENDING"},
])
def test_one_order_is_kept_with_what_has_no_value_last(get: Call, order: Any) -> None:
    rows = get(SEARCH, body={**BODY, "sorts": [order], "limit": 200}).json()["results"]
    amounts = [float(r["properties"]["amount"]) for r in rows]
    assert amounts == sorted(amounts, reverse=True)


def test_words_are_looked_for(get: Call) -> None:
    body = {**BODY, "query": "reorder", "properties": ["dealname"]}
    rows = get(SEARCH, body=body).json()["results"]
    assert rows
    assert all("reorder" in r["properties"]["dealname"] for r in rows)


def test_a_body_must_be_an_object_of_json(box: RunningSandbox) -> None:
    url, headers = box.platform("hubspot") + SEARCH, {"Authorization": f"Bearer {KEY}"}
    text = {**headers, "Content-Type": "application/json"}
    assert httpx.post(url, content=b"{", headers=text, timeout=30).status_code == 400
    assert httpx.post(url, content=b"[]", headers=text, timeout=30).status_code == 400
    assert httpx.post(url, data={"a": "b"}, headers=headers, timeout=30).status_code == 415


# Mails, campaigns, limits, trouble ----------------------------------------------------------------


def test_mails_are_paged_and_filtered(get: Call) -> None:
    params = {"limit": 50, "includeStats": "true", "type": "BATCH_EMAIL", "isPublished": "true"}
    first = get(f"/marketing/emails/{V}", params=params).json()
    assert first["total"] > 150
    second = get(f"/marketing/emails/{V}",
                 params={**params, "after": first["paging"]["next"]["after"]}).json()
    assert not {r["id"] for r in first["results"]} & {r["id"] for r in second["results"]}
    one = first["results"][0]
    assert one["stats"]["counters"]["sent"] >= one["stats"]["counters"]["delivered"] > 0
    assert 0 < one["stats"]["ratios"]["openratio"] < 100
    small = get(f"/marketing/emails/{V}", params={"includedProperties": "id,name"}).json()
    assert set(small["results"][0]) == {"id", "name"}
    alone = get(f"/marketing/emails/{V}/{one['id']}?includeStats=true").json()
    assert alone["stats"] == one["stats"]


def test_a_span_of_statistics_is_the_sum_of_its_days(get: Call) -> None:
    span = {"startTimestamp": "2026-10-01T04:00:00Z", "endTimestamp": "2026-10-11T04:00:00Z"}
    whole = get(f"/marketing/emails/{V}/statistics/list", params=span).json()
    days = get(f"/marketing/emails/{V}/statistics/histogram",
               params={**span, "interval": "DAY"}).json()
    assert days["total"] == 10
    assert days["results"][0]["interval"]["start"] == "2026-10-01T04:00:00.000Z"
    for name, value in whole["aggregate"]["counters"].items():
        assert value == sum(r["aggregations"]["counters"][name] for r in days["results"])
    assert whole["aggregate"]["counters"]["sent"] > 1_000
    assert all(isinstance(i, int) for i in whole["emails"])
    months = get(f"/marketing/emails/{V}/statistics/histogram",
                 params={**span, "interval": "MONTH"}).json()
    assert months["total"] == 1


def test_a_campaign_is_found_with_its_reports(get: Call) -> None:
    listed = get(f"/marketing/campaigns/{V}", params={"limit": 5, "properties": "hs_name"}).json()
    assert len(listed["results"]) == 5
    guid = listed["results"][1]["id"]
    assert get(f"/marketing/campaigns/{V}/{guid}").json()["id"] == guid
    report = f"/marketing/campaigns/{V}/{guid}/reports"
    assert get(f"{report}/metrics").json()["newContactsFirstTouch"] > 0
    whole = get(f"{report}/revenue?attributionModel=LINEAR").json()
    part = get(f"{report}/revenue?startDate=2026-01-01&endDate=2026-06-30").json()
    assert 0 < part["dealsNumber"] < whole["dealsNumber"]
    refused(get(f"{report}/revenue?attributionModel=MAGIC"), 400, "VALIDATION_ERROR")
    refused(get(f"{report}/revenue?startDate=soon"), 400, "VALIDATION_ERROR")
    refused(get(f"/marketing/campaigns/{V}/0/reports/metrics"), 404, "OBJECT_NOT_FOUND")


def test_full_windows_refuse_when_told_to(get: Call, box: RunningSandbox) -> None:
    assert get(SEARCH, body=BODY).status_code == 200
    memory = box.sandbox.memories["hubspot"]
    still = memory["desk"].elapsed.real()
    memory["desk"].elapsed.real = lambda: still  # only the sandbox's own clock counts
    memory["enforce_limits"] = True
    box.clock.advance(seconds=2)  # the first one, in real time, may be in the window or not
    for _ in range(5):
        assert get(SEARCH, body=BODY).status_code == 200
    body = refused(get(SEARCH, body=BODY), 429, "RATE_LIMITS")
    assert body["policyName"] == "SECONDLY"
    box.clock.advance(seconds=2)
    assert get(SEARCH, body=BODY).status_code == 200


@pytest.mark.parametrize(("kind", "status", "category"), [
    ("token_expired", 401, "EXPIRED_AUTHENTICATION"),
    ("token_revoked", 401, "INVALID_AUTHENTICATION"),
    ("missing_scope", 403, "MISSING_SCOPES"),
    ("rate_limited", 429, "RATE_LIMITS"),
    ("rate_limited_silent", 429, "RATE_LIMITS"),
    ("quota_exhausted", 429, "RATE_LIMITS"),
    ("server_error", 503, "INTERNAL_ERROR"),
])
def test_trouble_speaks_as_the_vendor_does(
    get: Call, box: RunningSandbox, kind: str, status: int, category: str
) -> None:
    box.trouble.add(kind, "hubspot", count=1)
    answer = get(SEARCH, body=BODY)
    body = refused(answer, status, category)
    assert ("retry-after" in answer.headers) is (kind == "rate_limited")
    if status == 429:
        assert body["policyName"] == ("DAILY" if kind == "quota_exhausted" else "SECONDLY")
    assert get(SEARCH, body=BODY).status_code == 200


def test_nothing_changes_while_nothing_happens(get: Call) -> None:
    first, second = (get(SEARCH, body={**BODY, "limit": 200}).text for _ in range(2))
    assert json.loads(first) == json.loads(second)
