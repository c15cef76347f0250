"""The imitated mail platform over HTTP: contract, sign-in, totals, limits, trouble."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from liftos_app.services.sandbox.credentials import DEMO, SPARE
from tests.sandbox_server import NOW, RunningSandbox, running_sandbox

CONTRACT = Path(__file__).parents[2] / "vendor_data" / "contracts" / "klaviyo.openapi.json"
KEY = DEMO["klaviyo"]["api_key"]["api_key"]
APP = DEMO["klaviyo"]["oauth"]
ZONE = ZoneInfo("America/New_York")
CALLBACK = "http://127.0.0.1:8000/api/v1/platform-connections/oauth/callback"
HEADERS = {
    "Authorization": f"Klaviyo-API-Key {KEY}",
    "revision": "2026-07-15",
    "Accept": "application/vnd.api+json",
    "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
}
EMAIL = "equals(messages.channel,'email')"
STATISTICS = [
    "recipients",
    "delivered",
    "opens",
    "opens_unique",
    "open_rate",
    "clicks",
    "clicks_unique",
    "click_rate",
    "unsubscribes",
    "spam_complaints",
    "bounced",
    "conversions",
    "conversion_uniques",
    "conversion_value",
    "revenue_per_recipient",
]


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture(scope="module")
def contract() -> OpenAPI:
    return OpenAPI.from_dict(json.loads(CONTRACT.read_text()))


@pytest.fixture(autouse=True)
def _fresh(box: RunningSandbox) -> None:
    box.reset()


@pytest.fixture
def web(box: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.platform("klaviyo"), headers=HEADERS, timeout=60) as client:
        yield client


def fits(contract: OpenAPI, answer: httpx.Response) -> None:
    """The request is allowed and the answer is in the shape the vendor publishes."""
    request = answer.request
    parts = urlsplit(str(request.url))
    names = dict(parse_qsl(parts.query))
    mock = MockRequest(
        "https://a.klaviyo.com",
        request.method.lower(),
        parts.path.removeprefix("/sandbox/klaviyo"),
        args=names,
        headers=dict(request.headers),
        data=request.content or None,
        content_type=request.headers.get("content-type", "application/json"),
    )
    operation = json.loads(CONTRACT.read_text())["paths"]
    path = next(p for p in operation if _same(p, mock.path))
    known = {q["name"] for q in operation[path][request.method.lower()].get("parameters", ())}
    assert set(names) <= known
    contract.validate_request(mock)
    contract.validate_response(
        mock,
        MockResponse(
            answer.content,
            status_code=answer.status_code,
            content_type=answer.headers["content-type"],
        ),
    )


def _same(pattern: str, path: str) -> bool:
    one, two = pattern.split("/"), path.split("/")
    return len(one) == len(two) and all(
        a == b or a.startswith("{") for a, b in zip(one, two, strict=True)
    )


def everything(web: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """A collection to its end, by links.next as it is."""
    found: list[dict[str, Any]] = []
    answer = web.get(path, params=params)
    for _ in range(100):
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += body["data"]
        if body["links"]["next"] is None:
            return found
        answer = web.get(body["links"]["next"])
    raise AssertionError("The pages do not end.")


def report(subject: str, start: str, end: str, kind: str = "values", **more: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": f"{subject}-{kind}-report",
            "attributes": {
                "statistics": STATISTICS,
                "timeframe": {"start": start, "end": end},
                "conversion_metric_id": "RESQ6t",
                **more,
            },
        }
    }


def send(web: httpx.Client, path: str, body: Any, **kwargs: Any) -> httpx.Response:
    return web.post(
        path,
        content=json.dumps(body),
        headers={"Content-Type": "application/vnd.api+json"},
        **kwargs,
    )


def aggregate(start: str, end: str, **more: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": "metric-aggregate",
            "attributes": {
                "metric_id": "RESQ6t",
                "measurements": ["count", "sum_value", "unique"],
                "interval": "day",
                "timezone": "America/New_York",
                "filter": [f"greater-or-equal(datetime,{start})", f"less-than(datetime,{end})"],
                **more,
            },
        }
    }


# The contract -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/api/accounts", {}),
        ("/api/metrics", {}),
        ("/api/metrics", {"filter": "equals(integration.name,'Shopify')"}),
        ("/api/campaigns", {"filter": EMAIL}),
        (
            "/api/campaigns",
            {
                "filter": f"and({EMAIL},equals(archived,true),greater-or-equal("
                "updated_at,2026-01-01T00:00:00Z))",
                "sort": "-updated_at",
                "page[size]": "7",
                "include": "campaign-messages",
            },
        ),
        ("/api/campaigns", {"filter": EMAIL, "include": "campaign-messages,tags"}),
        ("/api/flows", {}),
        ("/api/flows", {"filter": "equals(archived,false)", "sort": "updated", "page[size]": "2"}),
        ("/api/lists", {"sort": "name"}),
        ("/api/events", {"page[size]": "50", "sort": "-datetime"}),
        (
            "/api/events",
            {
                "filter": "equals(metric_id,'RESQ6t'),greater-or-equal(datetime,"
                "2026-11-20T00:00:00Z)",
                "include": "metric",
            },
        ),
    ],
)
def test_reading_answers_fit_the_contract(
    web: httpx.Client, contract: OpenAPI, path: str, params: dict[str, str]
) -> None:
    answer = web.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]
    fits(contract, answer)


def test_messages_of_a_campaign_fit_the_contract(web: httpx.Client, contract: OpenAPI) -> None:
    row = web.get("/api/campaigns", params={"filter": EMAIL}).json()["data"][3]
    answer = web.get(
        f"/api/campaigns/{row['id']}/campaign-messages", params={"include": "campaign"}
    )
    fits(contract, answer)
    assert (
        answer.json()["data"][0]["id"] == row["relationships"]["campaign-messages"]["data"][0]["id"]
    )
    one = web.get(f"/api/campaigns/{row['id']}")
    assert one.json()["data"] == row


def test_reports_and_aggregates_fit_the_contract(web: httpx.Client, contract: OpenAPI) -> None:
    for path, body in (
        (
            "/api/campaign-values-reports",
            report("campaign", "2026-11-01T00:00:00+00:00", "2026-11-08T00:00:00+00:00"),
        ),
        (
            "/api/metric-aggregates",
            aggregate("2026-11-01T00:00:00", "2026-11-03T00:00:00", by=["$attributed_message"]),
        ),
        (
            "/api/metric-aggregates",
            aggregate(
                "2026-11-01T00:00:00",
                "2026-11-03T00:00:00",
                interval="hour",
                by=["$attributed_flow"],
            ),
        ),
    ):
        answer = send(web, path, body)
        assert answer.status_code == 200, answer.text
        fits(contract, answer)


def test_flow_reports_fit_the_campaign_reports_shape(web: httpx.Client) -> None:
    schemas = json.loads(CONTRACT.read_text())["components"]["schemas"]
    values = schemas["ValuesData"]
    answer = send(web, "/api/flow-values-reports", report("flow", "2026-10-01", "2026-11-01"))
    rows = answer.json()["data"]["attributes"]["results"]
    assert rows
    for row in rows:
        Draft202012Validator(values).validate(row)
        assert set(row["groupings"]) == {"flow_id", "flow_message_id", "send_channel"}
        assert list(row["statistics"]) == STATISTICS


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/api/campaigns", {}, 400),
        ("/api/campaigns", {"filter": "equals(name,'x')"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "page[size]": "101"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "sort": "status"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "colour": "red"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "include": "flows"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "fields[campaign]": "colour"}, 400),
        ("/api/campaigns", {"filter": EMAIL, "page[cursor]": "nonsense"}, 400),
        ("/api/flows", {"page[size]": "51"}, 400),
        ("/api/lists", {"page[size]": "11"}, 400),
        ("/api/segments", {"page[size]": "0"}, 400),
        ("/api/metrics", {"page[size]": "10"}, 400),
        ("/api/events", {"page[size]": "1001"}, 400),
        ("/api/events", {"filter": "equals(metric_id,'nope')"}, 400),
        ("/api/campaigns/none", {}, 404),
        ("/api/profiles", {}, 404),
    ],
)
def test_wrong_requests_are_refused_in_the_envelope(
    web: httpx.Client, path: str, params: dict[str, str], status: int
) -> None:
    answer = web.get(path, params=params)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/vnd.api+json"
    schema = json.loads(CONTRACT.read_text())["components"]["responses"]["ClientError"]["content"][
        "application/vnd.api+json"
    ]["schema"]
    Draft202012Validator(schema).validate(answer.json())
    error = answer.json()["errors"][0]
    assert error["status"] == status
    assert error["source"]


def test_bodies_methods_and_media_types(web: httpx.Client) -> None:
    assert web.post("/api/campaigns").status_code == 405
    assert web.get("/api/metric-aggregates").status_code == 405
    assert (
        web.post(
            "/api/metric-aggregates", content=b"x", headers={"Content-Type": "text/plain"}
        ).status_code
        == 415
    )
    assert (
        web.post(
            "/api/metric-aggregates", content=b"{", headers={"Content-Type": "application/json"}
        ).status_code
        == 400
    )
    wrong = send(
        web, "/api/campaign-values-reports", report("campaign", "2024-01-01", "2026-01-01")
    )
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["source"]["pointer"].endswith("timeframe")
    missing = send(web, "/api/metric-aggregates", aggregate("a", "b", metric_id="nope"))
    assert missing.status_code == 404


@pytest.mark.parametrize(
    "attributes",
    [
        {"interval": []},
        {"interval": {}},
        {"timezone": []},
        {"by": "x"},
        {"filter": [1]},
        {"filter": ["greater-or-equal(datetime,0001-01-01)", "less-than(datetime,9999-12-31)"]},
        {"filter": ["greater-or-equal(datetime,9998-12-31)", "less-than(datetime,9999-12-31)"]},
        {"page_cursor": "x"},
        {"page_size": 1e9},
        {"sort": 7},
        {"metric_id": []},
        {"measurements": [["count"]]},
    ],
)
def test_odd_aggregate_requests_are_refused_not_broken(
    web: httpx.Client, attributes: dict[str, Any]
) -> None:
    answer = send(
        web,
        "/api/metric-aggregates",
        aggregate("2026-11-01T00:00:00", "2026-11-02T00:00:00", **attributes),
    )
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "body",
    [
        "[" * 50_000,
        "null",
        "[]",
        '{"data": 1}',
        '{"data": {"type": [], "attributes": 3}}',
        '{"data": {"type": "campaign-values-report", "attributes": {"statistics": ["opens"], '
        '"timeframe": {"start": "9999-12-31", "end": "9999-12-31"}, "conversion_metric_id": []}}}',
        '{"data": {"type": "campaign-values-report", "attributes": {"statistics": ["opens"], '
        '"timeframe": {"start": "0001-01-01", "end": "0001-02-01"}, '
        '"conversion_metric_id": "RESQ6t"}}}',
    ],
)
def test_odd_report_bodies_are_refused_not_broken(web: httpx.Client, body: str) -> None:
    answer = web.post(
        "/api/campaign-values-reports", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "and(" * 3000 + EMAIL},
        {"filter": f"and({EMAIL},any(id,[]))"},
        {"filter": f"{EMAIL},greater-than(updated_at,0001-01-01)"},
        {"filter": EMAIL, "page[cursor]": "bmV4dB9hH2I"},
        {"filter": EMAIL, "page[size]": "9" * 30},
        {"filter": "\u0000"},
        {"filter": EMAIL, "fields[campaign]": ","},
    ],
)
def test_odd_queries_never_break_the_server(web: httpx.Client, params: dict[str, str]) -> None:
    assert web.get("/api/campaigns", params=params).status_code in {200, 400}
    assert (
        web.get(
            "/api/events", params={"filter": "less-than(timestamp,1" + "0" * 40 + ")"}
        ).status_code
        == 400
    )


# Sign-in and revisions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", f"Bearer {KEY}", "Klaviyo-API-Key pk_wrong", KEY, "Klaviyo-API-Key VqK7dR"]
)
def test_wrong_key_is_a_401(box: RunningSandbox, header: str) -> None:
    headers = {"revision": "2026-07-15"} | ({"Authorization": header} if header else {})
    answer = httpx.get(box.platform("klaviyo") + "/api/accounts", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "not_authenticated"


def test_revision_rules(web: httpx.Client) -> None:
    bare = {k: v for k, v in HEADERS.items() if k != "revision"}

    def status(**headers: str) -> int:
        request = httpx.Request("GET", f"{web.base_url}api/accounts", headers={**bare, **headers})
        return web.send(request, auth=None).status_code

    assert status() == 400
    assert status(revision="2026-07-15") == 200
    assert status(revision="2026-10-15") == 200
    assert status(revision="2024-06-15") == 410
    bare.pop("X-Klaviyo-Revision-Fall-Forward-Opt-Out")
    assert status(revision="2024-06-15") == 200
    assert status(revision="soon") == 400


class Form(HTMLParser):
    """The inputs of a page's form, as a browser would send them."""

    def __init__(self, page: str, without: str = "") -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)
        self.values = {k: v for k, v in self.values.items() if not without or without not in k}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        is_sent = found.get("type") != "checkbox" or "checked" in found
        if tag == "input" and found.get("name") and is_sent:
            self.values[str(found["name"])] = found.get("value") or ""


VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


def consent(web: httpx.Client, scope: str, *, without: str = "") -> str:
    asked = {
        "response_type": "code",
        "client_id": APP["client_id"],
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "s-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    page = web.get("/oauth/authorize", params=asked)
    assert page.status_code == 200
    answer = web.post(
        "/oauth/authorize", data={**Form(page.text, without).values, "decision": "approve"}
    )
    params = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert params["state"] == "s-1"
    return params["code"]


def token(web: httpx.Client, **form: str) -> httpx.Response:
    return web.post("/oauth/token", data=form, auth=(APP["client_id"], APP["client_secret"]))


def exchanged(web: httpx.Client, scope: str, *, without: str = "") -> dict[str, Any]:
    answer = token(
        web,
        grant_type="authorization_code",
        code=consent(web, scope, without=without),
        code_verifier=VERIFIER,
        redirect_uri=CALLBACK,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def as_bearer(web: httpx.Client, access: str, path: str = "/api/accounts") -> httpx.Response:
    return web.get(path, headers={"Authorization": f"Bearer {access}"})


def test_oauth_with_pkce_refresh_and_revoke(web: httpx.Client, box: RunningSandbox) -> None:
    pair = exchanged(web, "accounts:read metrics:read")
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 3600)
    assert pair["scope"] == "accounts:read metrics:read"
    assert as_bearer(web, pair["access_token"]).status_code == 200
    assert as_bearer(web, pair["access_token"], "/api/lists").status_code == 403
    box.clock.advance(hours=1, seconds=1)
    assert as_bearer(web, pair["access_token"]).status_code == 401
    again = token(web, grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
    assert as_bearer(web, again["access_token"]).status_code == 200
    gone = web.post(
        "/oauth/revoke",
        data={"token": again["refresh_token"]},
        auth=(APP["client_id"], APP["client_secret"]),
    )
    assert gone.status_code == 200
    assert as_bearer(web, again["access_token"]).status_code == 401
    dead = token(web, grant_type="refresh_token", refresh_token=again["refresh_token"])
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")


def test_unticked_scope_is_missing(web: httpx.Client) -> None:
    pair = exchanged(web, "accounts:read campaigns:read", without="campaigns")
    assert pair["scope"] == "accounts:read"
    answer = web.get(
        "/api/campaigns",
        params={"filter": EMAIL},
        headers={"Authorization": f"Bearer {pair['access_token']}"},
    )
    assert answer.status_code == 403
    assert "campaigns:read" in answer.json()["errors"][0]["detail"]


def test_token_endpoint_refusals(web: httpx.Client, box: RunningSandbox) -> None:
    asked = {
        "response_type": "code",
        "client_id": APP["client_id"],
        "redirect_uri": CALLBACK,
        "scope": "accounts:read",
        "state": "s",
    }
    assert web.get("/oauth/authorize", params=asked).status_code == 400  # PKCE is required
    code = consent(web, "accounts:read")
    good = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
    }
    assert web.post("/oauth/token", data=good).status_code == 401
    assert web.post("/oauth/token", data=good, auth=(APP["client_id"], "no")).status_code == 401
    assert token(web, **{**good, "code_verifier": "w" * 64}).json()["error"] == "invalid_grant"
    assert token(web, **{**good, "code_verifier": "short"}).json()["error"] == "invalid_request"
    assert token(web, **{**good, "redirect_uri": "x"}).json()["error"] == "invalid_grant"
    box.clock.advance(minutes=6)
    assert token(web, **good).json()["error"] == "invalid_grant"
    assert token(web, grant_type="password").json()["error"] == "unsupported_grant_type"


# Reading ------------------------------------------------------------------------------------


def test_account_tells_zone_and_currency(web: httpx.Client) -> None:
    body = web.get("/api/accounts").json()
    assert len(body["data"]) == 1
    row = body["data"][0]
    assert row["attributes"]["timezone"] == "America/New_York"
    assert row["attributes"]["preferred_currency"] == "USD"
    assert len(row["id"]) == 6
    assert body["links"]["next"] is None
    assert web.get("/api/accounts/").status_code == 200


def test_campaigns_are_paged_to_the_end_archived_ones_apart(
    web: httpx.Client, box: RunningSandbox
) -> None:
    every = {c.id: c for c in box.world.mail_campaigns(as_of=NOW)}
    current = everything(
        web, "/api/campaigns", filter=EMAIL, sort="updated_at", **{"page[size]": "13"}
    )
    archived = everything(web, "/api/campaigns", filter=f"and({EMAIL},equals(archived,true))")
    assert [c["id"] for c in current if c["attributes"]["archived"]] == []
    assert len(current) + len(archived) == len(every)
    assert {c["id"] for c in current + archived} == set(every)
    moments = [c["attributes"]["updated_at"] for c in current]
    assert moments == sorted(moments)
    for filter_, size in ((f"and({EMAIL},equals(status,'Sent'))", 0), (EMAIL, 1)):
        drafts = everything(web, "/api/campaigns", filter=filter_)
        assert any(c["attributes"]["status"] == "Draft" for c in drafts) is bool(size)
    assert everything(web, "/api/campaigns", filter="equals(messages.channel,'sms')") == []


def test_links_are_absolute_keep_the_filter_and_lead_back(web: httpx.Client) -> None:
    first = web.get(
        "/api/campaigns", params={"filter": EMAIL, "page[size]": "5", "sort": "-updated_at"}
    ).json()
    assert first["links"]["prev"] is None
    assert first["links"]["next"].startswith(str(web.base_url))
    second = web.get(first["links"]["next"]).json()
    assert not {c["id"] for c in first["data"]} & {c["id"] for c in second["data"]}
    back = web.get(second["links"]["prev"]).json()
    assert [c["id"] for c in back["data"]] == [c["id"] for c in first["data"]]
    both = first["data"] + second["data"]
    moments = [c["attributes"]["updated_at"] for c in both]
    assert moments == sorted(moments, reverse=True)


def test_flows_lists_segments_metrics(web: httpx.Client, box: RunningSandbox) -> None:
    flows = everything(web, "/api/flows", **{"page[size]": "2"})
    assert {f["id"] for f in flows} == {f.id for f in box.world.mail_flows(as_of=NOW)}
    rows = box.world.mail_lists(as_of=NOW)
    lists = everything(web, "/api/lists", **{"page[size]": "1"})
    assert {x["id"] for x in lists} == {r.id for r in rows if not r.segment}
    segments = everything(web, "/api/segments", sort="-name")
    assert [x["attributes"]["name"] for x in segments] == sorted(
        (r.name for r in rows if r.segment), key=str.lower, reverse=True
    )
    metrics = everything(web, "/api/metrics")
    assert len([m for m in metrics if m["attributes"]["name"] == "Placed Order"]) == 2
    shop = everything(web, "/api/metrics", filter="equals(integration.name,'Shopify')")
    assert "RESQ6t" in {m["id"] for m in shop}


def test_newest_revision_keeps_campaign_data_under_definition(
    web: httpx.Client, box: RunningSandbox
) -> None:
    newer = {"revision": "2026-10-15"}
    answer = web.get("/api/campaigns", params={"include": "campaign-messages"}, headers=newer)
    row = answer.json()["data"][0]
    assert set(row["attributes"]) == {"created_at", "updated_at", "definition"}
    assert answer.json()["included"][0]["attributes"]["definition"]["status"] in {
        "sent",
        "draft",
        "scheduled",
        "cancelled",
    }
    assert web.get("/api/campaigns", params={"filter": EMAIL}, headers=newer).status_code == 400
    one = web.get(f"/api/campaigns/{row['id']}", headers=newer)
    assert one.json()["data"] == row


def test_single_resources_by_id(web: httpx.Client) -> None:
    for path in ("/api/metrics", "/api/lists", "/api/segments", "/api/flows", "/api/accounts"):
        row = web.get(path).json()["data"][0]
        assert web.get(f"{path}/{row['id']}").json()["data"] == row
        assert web.get(f"{path}/none").status_code == 404


def test_sparse_fields_leave_only_what_was_asked(web: httpx.Client) -> None:
    body = web.get(
        "/api/campaigns",
        params={
            "filter": EMAIL,
            "fields[campaign]": "name,audiences.included",
            "include": "campaign-messages",
            "fields[campaign-message]": "definition.content.subject",
        },
    ).json()
    assert set(body["data"][0]["attributes"]) == {"name", "audiences"}
    assert set(body["data"][0]["attributes"]["audiences"]) == {"included"}
    assert list(body["included"][0]["attributes"]["definition"]) == ["content"]
    account = web.get("/api/accounts", params={"fields[account]": "timezone,preferred_currency"})
    assert set(account.json()["data"][0]["attributes"]) == {"timezone", "preferred_currency"}


def test_events_hold_ids_and_amounts_and_nothing_personal(
    web: httpx.Client, box: RunningSandbox
) -> None:
    filter_ = (
        "equals(metric_id,'RESQ6t'),greater-or-equal(datetime,2026-11-10T05:00:00Z),"
        "less-than(datetime,2026-11-12T05:00:00Z)"
    )
    found = everything(web, "/api/events", filter=filter_, sort="datetime", **{"page[size]": "60"})
    truth = box.world.store_total(date(2026, 11, 10), date(2026, 11, 11), as_of=NOW)
    assert len(found) == len({e["id"] for e in found}) == truth.orders
    value = sum(round(e["attributes"]["event_properties"]["$value"] * 100) for e in found)
    assert value == truth.total
    moments = [e["attributes"]["datetime"] for e in found]
    assert moments == sorted(moments)
    assert "@" not in json.dumps(found)
    profile = found[0]["relationships"]["profile"]["data"]["id"]
    own = everything(web, "/api/events", filter=f"{filter_},equals(profile_id,'{profile}')")
    assert {e["relationships"]["profile"]["data"]["id"] for e in own} == {profile}
    whole = web.get("/api/events", params={"include": "profile,attributions", "page[size]": "5"})
    assert {r["type"] for r in whole.json()["included"]} <= {"profile", "attribution"}
    pair = exchanged(web, "accounts:read events:read")
    refused = web.get(
        "/api/events",
        params={"include": "profile"},
        headers={"Authorization": f"Bearer {pair['access_token']}"},
    )
    assert refused.status_code == 403
    assert everything(web, "/api/events", filter="equals(metric_id,'V9rHcL')") == []
    custom = web.get("/api/events", params={"filter": "equals(metric_id,'Zc1LtR')"})
    assert custom.json()["errors"][0]["detail"] == "Metric IDs do not exist."


# Reports ------------------------------------------------------------------------------------


def test_campaign_report_counts_by_send_date_like_the_world(
    web: httpx.Client, box: RunningSandbox
) -> None:
    answer = send(
        web,
        "/api/campaign-values-reports",
        report("campaign", "2026-10-01T00:00:00", "2026-11-01T00:00:00+00:00"),
    )
    rows = answer.json()["data"]["attributes"]["results"]
    truth = {
        s.message_id: s
        for s in box.world.mail_campaign_stats(date(2026, 10, 1), date(2026, 10, 31), as_of=NOW)
    }
    assert {r["groupings"]["campaign_message_id"] for r in rows} == set(truth)
    for row in rows:
        own = truth[row["groupings"]["campaign_message_id"]]
        stats = row["statistics"]
        assert row["groupings"]["campaign_id"] == own.parent_id
        assert (stats["recipients"], stats["delivered"], stats["conversions"]) == (
            own.recipients,
            own.delivered,
            own.conversions,
        )
        assert round(stats["conversion_value"] * 100) == own.value
        assert stats["open_rate"] == round(own.opens_unique / own.delivered, 4)
        assert 0 <= stats["click_rate"] <= stats["open_rate"] <= 1
    assert sum(r["statistics"]["conversion_value"] for r in rows) > 0
    data = answer.json()["data"]["relationships"]["campaigns"]["data"]
    assert {d["id"] for d in data} == {s.parent_id for s in truth.values()}


def test_conversions_belong_to_the_metric_asked_for(web: httpx.Client) -> None:
    body = report("campaign", "2026-10-01", "2026-11-01")
    body["data"]["attributes"]["conversion_metric_id"] = "Zc1LtR"
    rows = send(web, "/api/campaign-values-reports", body).json()["data"]["attributes"]["results"]
    assert rows
    assert {r["statistics"]["conversion_value"] for r in rows} == {0.0}


def test_report_filter_and_grouping(web: httpx.Client, box: RunningSandbox) -> None:
    whole = send(
        web, "/api/campaign-values-reports", report("campaign", "2026-10-01", "2026-11-01")
    )
    one = whole.json()["data"]["attributes"]["results"][0]["groupings"]["campaign_id"]
    body = report(
        "campaign",
        "2026-10-01",
        "2026-11-01",
        filter=f'and(equals(campaign_id,"{one}"),contains-any(send_channel,["email"]))',
        group_by=["campaign_id", "campaign_message_id", "campaign_message_name"],
    )
    rows = send(web, "/api/campaign-values-reports", body).json()["data"]["attributes"]["results"]
    assert [r["groupings"]["campaign_id"] for r in rows] == [one]
    assert list(rows[0]["groupings"]) == [
        "campaign_id",
        "campaign_message_id",
        "campaign_message_name",
    ]
    assert box.world.mail_campaigns(as_of=NOW)


def test_flow_report_and_series_agree(web: httpx.Client, box: RunningSandbox) -> None:
    start, end = "2026-10-12T00:00:00", "2026-11-02T00:00:00"
    values = send(web, "/api/flow-values-reports", report("flow", start, end)).json()
    rows = {
        r["groupings"]["flow_message_id"]: r["statistics"]
        for r in values["data"]["attributes"]["results"]
    }
    truth: dict[str, int] = {}
    for stat in box.world.mail_flow_days(date(2026, 10, 12), date(2026, 11, 1), as_of=NOW):
        truth[stat.message_id] = truth.get(stat.message_id, 0) + stat.value
    assert {k: round(v["conversion_value"] * 100) for k, v in rows.items()} == truth
    for interval, size in (("daily", 21), ("weekly", 3), ("monthly", 2)):
        body = send(
            web,
            "/api/flow-series-reports",
            report("flow", start, end, kind="series", interval=interval),
        ).json()
        attributes = body["data"]["attributes"]
        assert len(attributes["date_times"]) == size
        for row in attributes["results"]:
            series = row["statistics"]
            own = rows[row["groupings"]["flow_message_id"]]
            assert len(series["recipients"]) == size
            assert sum(series["recipients"]) == own["recipients"]
            assert round(sum(series["conversion_value"]), 2) == own["conversion_value"]


def test_late_results_grow_and_then_stand_still(web: httpx.Client, box: RunningSandbox) -> None:
    body = report("campaign", "2026-11-17", "2026-11-18")

    def opens() -> float:
        rows = send(web, "/api/campaign-values-reports", body).json()["data"]["attributes"][
            "results"
        ]
        return sum(float(r["statistics"]["opens_unique"]) for r in rows)

    box.clock.now = datetime(2026, 11, 17, 16, tzinfo=UTC)
    early = opens()
    box.clock.now = datetime(2026, 11, 18, 16, tzinfo=UTC)
    later = opens()
    box.clock.now = datetime(2026, 11, 24, 16, tzinfo=UTC)
    settled = opens()
    box.clock.now = datetime(2026, 12, 24, 16, tzinfo=UTC)
    assert early < later < settled == opens()


# Aggregates ---------------------------------------------------------------------------------


Rows = dict[tuple[str, ...], dict[str, list[float]]]


@pytest.fixture
def placed(web: httpx.Client) -> Callable[..., tuple[list[str], Rows]]:
    def ask(start: str, end: str, **more: Any) -> tuple[list[str], Rows]:
        answer = send(web, "/api/metric-aggregates", aggregate(start, end, **more))
        assert answer.status_code == 200, answer.text
        found = answer.json()["data"]["attributes"]
        return found["dates"], {tuple(r["dimensions"]): r["measurements"] for r in found["data"]}

    return ask


Placed = Callable[..., tuple[list[str], Rows]]


def test_aggregate_by_day_is_the_stores_revenue(placed: Placed, box: RunningSandbox) -> None:
    dates, rows = placed("2026-11-02T00:00:00", "2026-11-09T00:00:00")
    truth = box.world.store_days(date(2026, 11, 2), date(2026, 11, 8), as_of=NOW)
    assert [d[:10] for d in dates] == [str(d.day) for d in truth]
    assert rows[()]["count"] == [d.orders for d in truth]
    assert [round(v * 100) for v in rows[()]["sum_value"]] == [d.total for d in truth]


def test_aggregate_by_message_matches_the_worlds_events(
    placed: Placed, box: RunningSandbox
) -> None:
    _, rows = placed("2026-11-02T00:00:00", "2026-11-09T00:00:00", by=["$attributed_message"])
    truth: dict[str, int] = {}
    for event in box.world.mail_events(date(2026, 11, 2), date(2026, 11, 8), as_of=NOW):
        truth[event.message_id] = truth.get(event.message_id, 0) + event.value
    assert {k[0]: round(sum(v["sum_value"]) * 100) for k, v in rows.items()} == truth
    assert len(truth) > 5
    _, by_flow = placed(
        "2026-11-02T00:00:00", "2026-11-09T00:00:00", by=["$attributed_flow", "$value_currency"]
    )
    assert {k[1] for k in by_flow} == {"USD"}
    assert {k[0] for k in by_flow} - {""} <= {f.id for f in box.world.mail_flows(as_of=NOW)}
    total = sum(sum(v["sum_value"]) for v in by_flow.values())
    assert round(total * 100) == sum(truth.values())


def test_intervals_and_zones_cut_the_same_orders(placed: Placed) -> None:
    start, end = "2026-10-30T00:00:00", "2026-11-03T00:00:00"  # the clocks go back in between
    _, days = placed(start, end)
    hours_dates, hours = placed(start, end, interval="hour")
    assert len(hours_dates) == 97
    assert sum(hours[()]["count"]) == sum(days[()]["count"])
    assert round(sum(hours[()]["sum_value"]), 2) == round(sum(days[()]["sum_value"]), 2)
    assert max(hours[()]["count"]) < max(days[()]["count"])
    months_dates, months = placed("2026-09-01T00:00:00", "2026-11-01T00:00:00", interval="month")
    assert [d[:10] for d in months_dates] == ["2026-09-01", "2026-10-01"]
    weeks_dates, weeks = placed("2026-09-01T00:00:00", "2026-11-01T00:00:00", interval="week")
    assert sum(weeks[()]["count"]) == sum(months[()]["count"])
    assert [d[:10] for d in weeks_dates][:2] == ["2026-09-01", "2026-09-07"]
    _, utc = placed("2026-11-10T00:00:00", "2026-11-11T00:00:00", timezone="UTC")
    _, local = placed("2026-11-10T00:00:00", "2026-11-11T00:00:00")
    assert utc[()]["sum_value"] != local[()]["sum_value"]


def test_aggregate_pages_and_filters(web: httpx.Client, placed: Placed) -> None:
    span = ("2026-10-01T00:00:00", "2026-11-01T00:00:00")
    _, whole = placed(*span, by=["$attributed_message"])
    found: Rows = {}
    cursor = ""
    for _ in range(50):
        more = {"page_cursor": cursor} if cursor else {}
        body = send(
            web,
            "/api/metric-aggregates",
            aggregate(*span, by=["$attributed_message"], page_size=4, **more),
        ).json()
        found |= {
            tuple(r["dimensions"]): r["measurements"] for r in body["data"]["attributes"]["data"]
        }
        if body["links"]["next"] is None:
            break
        cursor = dict(parse_qsl(urlsplit(body["links"]["next"]).query))["page_cursor"]
    assert found == whole
    some = next(k[0] for k in whole if k[0])
    _, one = placed(
        *span,
        by=["$attributed_message"],
        filter=[
            f"greater-or-equal(datetime,{span[0]})",
            f"less-than(datetime,{span[1]})",
            f'equals($attributed_message,"{some}")',
        ],
    )
    assert set(one) == {(some,)}
    _, opened = placed(*span, metric_id="V9rHcL")
    assert sum(opened[()]["count"]) > sum(opened[()]["unique"]) > 0


# Limits -------------------------------------------------------------------------------------


def test_headers_are_true_without_enforcement(web: httpx.Client) -> None:
    body = report("campaign", "2026-11-01", "2026-11-02")
    answers = [send(web, "/api/campaign-values-reports", body) for _ in range(4)]
    assert [a.status_code for a in answers] == [200] * 4
    assert [a.headers["RateLimit-Remaining"] for a in answers] == ["1", "0", "0", "0"]
    assert answers[0].headers["RateLimit-Limit"] == "2"
    assert 0 <= int(answers[0].headers["RateLimit-Reset"]) <= 60
    other = web.get("/api/accounts")
    assert (other.headers["RateLimit-Limit"], other.headers["RateLimit-Remaining"]) == ("15", "14")


def test_enforced_windows_refuse_with_retry_after(web: httpx.Client, box: RunningSandbox) -> None:
    web.get("/api/accounts")
    told = httpx.post(
        f"{box.url}/control/limits",
        headers=box.control_headers,
        json={"platform": "klaviyo", "enforce": True},
    )
    assert told.status_code == 200
    body = report("campaign", "2026-11-01", "2026-11-02")

    def ask() -> httpx.Response:
        return send(web, "/api/campaign-values-reports", body)

    box.clock.now = datetime(2026, 11, 23, 12, 1, 0, tzinfo=UTC)
    assert ask().status_code == 200
    burst = ask()
    assert (burst.status_code, burst.headers["Retry-After"]) == (429, "1")
    assert "RateLimit-Limit" not in burst.headers
    assert burst.json()["errors"][0]["code"] == "throttled"
    box.clock.advance(seconds=2)
    assert ask().status_code == 200
    box.clock.advance(seconds=2)
    steady = ask()
    assert steady.status_code == 429
    assert 40 <= int(steady.headers["Retry-After"]) <= 60
    box.clock.advance(seconds=int(steady.headers["Retry-After"]) + 1)
    assert ask().status_code == 200


# Trouble ------------------------------------------------------------------------------------


def test_expired_and_revoked_keys(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("token_expired", "klaviyo")
    assert web.get("/api/accounts").status_code == 401
    assert web.get("/api/accounts").status_code == 200
    box.tokens.revoke_all("klaviyo")
    assert web.get("/api/accounts").status_code == 401
    spare = {"Authorization": f"Klaviyo-API-Key {SPARE['klaviyo']['api_key']}"}
    assert web.get("/api/accounts", headers=spare).status_code == 200


def test_missing_scope_names_it_and_leaves_other_endpoints(
    web: httpx.Client, box: RunningSandbox
) -> None:
    box.trouble.add("missing_scope", "klaviyo", count=None, detail={"scope": "accounts:read"})
    refused = web.get("/api/accounts")
    assert refused.status_code == 403
    assert "accounts:read" in refused.json()["errors"][0]["detail"]
    assert web.get("/api/metrics").status_code == 200


def test_rate_trouble_with_and_without_a_time(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("rate_limited", "klaviyo", retry_after=7)
    answer = web.get("/api/metrics")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    box.trouble.add("rate_limited_silent", "klaviyo")
    assert "Retry-After" not in web.get("/api/metrics").headers
    box.trouble.add("quota_exhausted", "klaviyo")
    assert int(web.get("/api/metrics").headers["Retry-After"]) >= 3600


@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_server_trouble_keeps_the_envelope(
    web: httpx.Client, box: RunningSandbox, status: int
) -> None:
    box.trouble.add("server_error", "klaviyo", status=status)
    answer = web.get("/api/metrics")
    assert answer.status_code == status
    assert answer.json()["errors"][0]["status"] == status


def test_firewall_page_retired_revision_and_cut(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("server_error", "klaviyo", status=403)
    page = web.get("/api/metrics")
    assert page.status_code == 403
    assert page.headers["content-type"].startswith("text/html")
    box.trouble.add("server_error", "klaviyo", status=410)
    assert web.get("/api/metrics").json()["errors"][0]["status"] == 410
    box.trouble.add("cut", "klaviyo")
    with pytest.raises(httpx.HTTPError):
        web.get("/api/metrics")
    box.trouble.add("slow", "klaviyo", seconds=0.3)
    began = time.monotonic()
    web.get("/api/metrics")
    assert time.monotonic() - began >= 0.3


def test_row_trouble_bends_reports_and_lists(web: httpx.Client, box: RunningSandbox) -> None:
    body = report("campaign", "2026-10-01", "2026-11-01")

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = send(web, "/api/campaign-values-reports", body).json()[
            "data"
        ]["attributes"]["results"]
        return found

    clean = rows()
    box.trouble.add("duplicated_rows", "klaviyo", stream="campaign-values-reports")
    assert len(rows()) == len(clean) + 1
    box.trouble.add("truncated_page", "klaviyo", stream="campaign-values-reports")
    assert len(rows()) == len(clean) // 2
    box.trouble.add(
        "changed_column",
        "klaviyo",
        stream="campaign-values-reports",
        detail={"column": "statistics.conversion_value", "to": "revenue"},
    )
    assert {"revenue"} == {k for r in rows() for k in r["statistics"]} - set(STATISTICS)
    box.trouble.add("added_column", "klaviyo", stream="flows", detail={"column": "beta"})
    assert all("beta" in f for f in web.get("/api/flows").json()["data"])
    box.trouble.add("currency_change", "klaviyo", detail={"currency": "CAD"})
    assert web.get("/api/accounts").json()["data"][0]["attributes"]["preferred_currency"] == "CAD"


def test_missing_day_leaves_no_sends_and_no_events(
    web: httpx.Client, box: RunningSandbox, placed: Placed
) -> None:
    day = timedelta(days=1)
    start = datetime(2026, 11, 3, tzinfo=ZONE)
    _, before = placed(f"{start:%Y-%m-%dT00:00:00}", f"{start + 3 * day:%Y-%m-%dT00:00:00}")
    assert all(before[()]["count"])
    box.trouble.add("missing_day", "klaviyo", count=None, detail={"day": "2026-11-03"})
    body = report("campaign", "2026-11-03", "2026-11-04")
    answer = send(web, "/api/campaign-values-reports", body)
    assert answer.json()["data"]["attributes"]["results"] == []
    _, after = placed("2026-11-03T00:00:00", "2026-11-06T00:00:00")
    assert after[()]["count"] == [0.0, *before[()]["count"][1:]]
