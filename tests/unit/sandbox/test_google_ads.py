"""Google Ads as the sandbox serves it: sign-in, access through managers, reports, refusals."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.consent_page import TICK
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.google_ads import pages, quota
from liftos_app.services.sandbox.server import SandboxApp, create_app
from liftos_app.services.sandbox.trouble import Trouble
from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
APP = DEMO["google_ads"]["oauth"]
SCOPE = "https://www.googleapis.com/auth/adwords"
BACK = "http://localhost:8000/api/v1/platform-connections/oauth/callback"
TOP, PARTNER = "1234567890", "2345678901"
US, EU, CLOSED, ELSEWHERE = "3456789012", "4567890123", "5678901234", "6789012345"
PING = "SELECT customer.id FROM customer"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@dataclass
class Site:
    """The sandbox with a clock of its own, and a signed-in caller."""

    app: SandboxApp
    http: httpx.AsyncClient
    clock: list[datetime]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def trouble(self) -> Trouble:
        return self.app.sandbox.trouble

    async def consent(self, **changes: str) -> httpx.Response:
        """The redirect after the consent page; `untick` leaves the scope out, `refuse` says no."""
        fields = {
            "client_id": APP["client_id"], "redirect_uri": BACK, "response_type": "code",
            "scope": SCOPE, "state": "s1", "access_type": "offline", "prompt": "consent",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        fields = {k: v for k, v in fields.items() if v}
        page = await self.http.get("/google_ads/o/oauth2/v2/auth", params=fields)
        if page.status_code != 200:
            return page
        ticks = {} if "untick" in changes else {TICK + SCOPE: "on"}
        decision = {"decision": "refuse" if "refuse" in changes else "approve"}
        return await self.http.post("/google_ads/o/oauth2/v2/auth", data=fields | ticks | decision)

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        fields = {
            "grant_type": "authorization_code", "code": code, "client_id": APP["client_id"],
            "client_secret": APP["client_secret"], "redirect_uri": BACK,
            "code_verifier": VERIFIER, **changes,
        }  # fmt: skip
        return await self.http.post("/google_ads/token", data=fields)

    async def refresh(self, token: str) -> httpx.Response:
        fields = {
            "grant_type": "refresh_token", "refresh_token": token,
            "client_id": APP["client_id"], "client_secret": APP["client_secret"],
        }  # fmt: skip
        return await self.http.post("/google_ads/token", data=fields)

    async def sign_in(self, **changes: str) -> dict[str, Any]:
        code = code_of(await self.consent(**changes))
        tokens = (await self.exchange(code)).json()
        self.headers = {"authorization": f"Bearer {tokens['access_token']}"}
        return tokens

    async def ask(
        self, customer: str, query: str, *, login: str = TOP, method: str = "search",
        version: str = "v26", headers: Mapping[str, str] | None = None, **body: Any,
    ) -> httpx.Response:  # fmt: skip
        sent = {
            **self.headers,
            **({"login-customer-id": login} if login else {}),
            **(headers or {}),
        }
        url = f"/google_ads/{version}/customers/{customer}/googleAds:{method}"
        return await self.http.post(url, json={"query": query, **body}, headers=sent)

    async def rows(self, customer: str, query: str, **how: Any) -> list[dict[str, Any]]:
        """Every row, over all pages."""
        found, more = [], {}
        while True:
            answer = (await self.ask(customer, query, **how, **more)).json()
            found += answer.get("results", [])
            if "nextPageToken" not in answer:
                return found
            more = {"pageToken": answer["nextPageToken"]}


@pytest.fixture
async def site(world: World):
    clock = [NOW]
    app = create_app(clock=lambda: clock[0], control_token="c" * 40, world=world, plant=False)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield Site(app, http, clock)


def code_of(answer: httpx.Response) -> str:
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def reason(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, error class and name out of the envelope, array or not."""
    body = answer.json()
    body = body[0] if isinstance(body, list) else body
    ((group, name),) = body["error"]["details"][0]["errors"][0]["errorCode"].items()
    return answer.status_code, group, name


SPAN = "segments.date BETWEEN '2026-08-01' AND '2026-08-31'"


def gaql(fields: str, source: str, where: str = SPAN) -> str:
    """A query over August unless told otherwise."""
    return " ".join(("SELECT", fields, "FROM", source, "WHERE", where))


AUGUST = (date(2026, 8, 1), date(2026, 8, 31))


# Sign-in --------------------------------------------------------------------------------------


async def test_a_person_signs_in_and_the_tokens_look_like_googles(site: Site):
    redirect = await site.consent()
    assert redirect.status_code == 303
    assert redirect.headers["location"].startswith(BACK + "?")
    answer = await site.exchange(code_of(redirect))
    tokens = answer.json()
    assert answer.status_code == 200
    assert tokens["access_token"].startswith("ya29.")
    assert tokens["refresh_token"].startswith("1//")
    assert (tokens["expires_in"], tokens["token_type"]) == (3599, "Bearer")
    assert tokens["scope"] == SCOPE


async def test_a_refusal_comes_back_as_access_denied_with_the_state(site: Site):
    query = parse_qs(urlsplit((await site.consent(refuse="1")).headers["location"]).query)
    assert query == {"error": ["access_denied"], "state": ["s1"]}


async def test_a_foreign_redirect_address_never_gets_a_redirect(site: Site):
    answer = await site.consent(redirect_uri="https://evil.example/oauth/callback")
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "redirect_uri_mismatch" in answer.text


async def test_the_wrong_verifier_secret_or_a_used_code_is_refused(site: Site):
    code = code_of(await site.consent())
    wrong = await site.exchange(code, code_verifier="w" * 64)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    stranger = await site.exchange(code, client_secret="GOCSPX-no")
    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")
    elsewhere = await site.exchange(code, redirect_uri=BACK + "x")
    assert elsewhere.json()["error"] == "redirect_uri_mismatch"
    assert (await site.exchange(code)).status_code == 200
    assert (await site.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_comes_first_or_with_consent_and_only_offline(site: Site):
    assert "refresh_token" not in await site.sign_in(access_type="online")
    assert "refresh_token" in await site.sign_in(prompt="")
    assert "refresh_token" not in await site.sign_in(prompt="")
    assert "refresh_token" in await site.sign_in(prompt="consent")


async def test_a_refresh_gives_a_new_access_token_until_it_is_revoked(site: Site):
    refresh = (await site.sign_in())["refresh_token"]
    site.clock[0] += timedelta(hours=2)
    late = await site.ask(EU, "SELECT customer.id FROM customer")
    assert reason(late) == (401, "authenticationError", "OAUTH_TOKEN_EXPIRED")
    assert "invalid_token" in late.headers["www-authenticate"]
    again = (await site.refresh(refresh)).json()
    assert "refresh_token" not in again
    site.headers = {"authorization": f"Bearer {again['access_token']}"}
    assert (await site.ask(EU, "SELECT customer.id FROM customer")).status_code == 200
    assert (await site.http.post("/google_ads/revoke", data={"token": refresh})).status_code == 200
    dead = await site.refresh(refresh)
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")
    assert (
        reason(await site.ask(EU, "SELECT customer.id FROM customer"))[2] == "OAUTH_TOKEN_REVOKED"
    )


@pytest.mark.parametrize("path", ["/token", "/oauth2/v3/token", "/oauth2/v4/token"])
async def test_every_token_address_answers(site: Site, path: str):
    answer = await site.http.post("/google_ads" + path, data={"client_id": "nobody"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_token_without_the_scope_is_told_so(site: Site):
    await site.sign_in(untick="1")
    answer = await site.http.get(
        "/google_ads/v26/customers:listAccessibleCustomers", headers=site.headers
    )
    assert answer.status_code == 403
    info = answer.json()["error"]["details"][0]
    assert info["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


# Access ---------------------------------------------------------------------------------------


async def test_only_directly_reachable_customers_are_listed(site: Site):
    await site.sign_in()
    answer = await site.http.get(
        "/google_ads/v26/customers:listAccessibleCustomers", headers=site.headers
    )
    assert answer.json() == {"resourceNames": [f"customers/{TOP}", f"customers/{PARTNER}"]}
    assert answer.headers["request-id"]


@pytest.mark.parametrize("version", ["v23", "v24", "v25", "v26"])
async def test_live_versions_answer(site: Site, version: str):
    await site.sign_in()
    answer = await site.ask(EU, "SELECT customer.id FROM customer", version=version)
    assert answer.status_code == 200


@pytest.mark.parametrize("version", ["v22", "v21", "v1", "v99"])
async def test_other_versions_are_unsupported(site: Site, version: str):
    await site.sign_in()
    answer = await site.ask(EU, "SELECT customer.id FROM customer", version=version)
    assert reason(answer) == (400, "requestError", "UNSUPPORTED_VERSION")


async def test_a_manager_sees_itself_and_its_clients_closed_ones_too(site: Site):
    await site.sign_in()
    query = (
        "SELECT customer_client.id, customer_client.level, customer_client.manager, "
        "customer_client.status FROM customer_client"
    )
    seen = {r["customerClient"]["id"]: r["customerClient"] for r in await site.rows(TOP, query)}
    assert set(seen) == {TOP, US, EU, CLOSED}
    assert (seen[TOP]["level"], seen[TOP]["manager"]) == ("0", True)
    assert (seen[CLOSED]["level"], seen[CLOSED]["status"]) == ("1", "CANCELED")
    other = await site.rows(PARTNER, query, login=PARTNER)
    assert {r["customerClient"]["id"] for r in other} == {PARTNER, EU, ELSEWHERE}


@pytest.mark.parametrize(
    ("customer", "login", "status", "name"),
    [
        (EU, "", 403, "USER_PERMISSION_DENIED"),
        (EU, EU, 403, "USER_PERMISSION_DENIED"),
        (EU, "9999999999", 403, "USER_PERMISSION_DENIED"),
        ("9999999999", TOP, 403, "USER_PERMISSION_DENIED"),
        (ELSEWHERE, TOP, 403, "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION"),
        (CLOSED, TOP, 403, "CUSTOMER_NOT_ENABLED"),
        (EU, "123-456-7890", 400, "INVALID_LOGIN_CUSTOMER_ID"),
        ("456-789-0123", TOP, 400, "INVALID_CUSTOMER_ID"),
    ],
)
@pytest.mark.parametrize("method", ["search", "searchStream"])
async def test_access_follows_the_login_customer(
    *, site: Site, customer: str, login: str, status: int, name: str, method: str
):
    await site.sign_in()
    answer = await site.ask(
        customer, "SELECT customer.id FROM customer", login=login, method=method
    )
    assert (answer.status_code, reason(answer)[2]) == (status, name)
    assert isinstance(answer.json(), list if method == "searchStream" else dict)


async def test_both_managers_reach_the_shared_client(site: Site):
    await site.sign_in()
    for login in (TOP, PARTNER):
        answer = await site.ask(EU, "SELECT customer.id FROM customer", login=login)
        assert answer.json()["results"][0]["customer"]["id"] == EU


async def test_the_developer_token_is_neither_needed_nor_read(site: Site):
    await site.sign_in()
    answer = await site.ask(
        EU, "SELECT customer.id FROM customer", headers={"developer-token": "nonsense"}
    )
    assert answer.status_code == 200


# Reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("customer", [US, EU])
async def test_campaign_days_add_up_to_the_worlds_totals(site: Site, world: World, customer: str):
    await site.sign_in()
    rows = await site.rows(
        customer,
        gaql(
            "campaign.id, segments.date, metrics.impressions, metrics.clicks, "
            "metrics.cost_micros, metrics.conversions, metrics.conversions_value",
            "campaign",
        ),
    )
    truth = world.ad_totals(customer, *AUGUST, as_of=NOW)
    assert truth.spend > 0
    assert total(rows, "costMicros") == truth.spend
    assert total(rows, "impressions") == truth.impressions
    assert total(rows, "clicks") == truth.clicks
    assert round(total(rows, "conversions") * 100) == truth.conversions
    assert round(total(rows, "conversionsValue") * 1_000_000) == truth.value
    assert len({(r["campaign"]["id"], r["segments"]["date"]) for r in rows}) == len(rows)


def total(rows: list[dict[str, Any]], name: str) -> float:
    """Sum of a metric; strings are whole numbers, numbers are doubles."""
    values = [r["metrics"].get(name, 0) for r in rows]
    return sum(int(v) if isinstance(v, str) else v for v in values)


async def test_levels_meet_except_for_performance_max(site: Site):
    await site.sign_in()
    cost = {}
    for source in ("customer", "campaign", "ad_group", "ad_group_ad"):
        rows = await site.rows(EU, gaql("metrics.cost_micros, segments.month", source))
        cost[source] = total(rows, "costMicros")
    maximal = await site.rows(
        EU,
        gaql("metrics.cost_micros", "campaign")
        + " AND campaign.advertising_channel_type = 'PERFORMANCE_MAX'",
    )
    assert cost["customer"] == cost["campaign"]
    assert cost["ad_group"] == cost["ad_group_ad"]
    assert cost["campaign"] - cost["ad_group_ad"] == total(maximal, "costMicros") > 0


async def test_the_stream_is_an_array_with_field_mask_and_request_id(site: Site):
    await site.sign_in()
    answer = await site.ask(
        EU, "SELECT campaign.id, campaign.status FROM campaign", method="searchStream"
    )
    (chunk,) = answer.json()
    assert chunk["fieldMask"] == "campaign.id,campaign.status"
    assert chunk["requestId"] == answer.headers["request-id"]
    assert {r["campaign"]["status"] for r in chunk["results"]} == {"ENABLED", "REMOVED"}


async def test_an_empty_answer_has_no_results_key(site: Site):
    await site.sign_in()
    query = "SELECT campaign.id FROM campaign WHERE campaign.name = 'nobody'"
    assert "results" not in (await site.ask(EU, query)).json()
    (chunk,) = (await site.ask(EU, query, method="searchStream")).json()
    assert "results" not in chunk


async def test_pages_hold_ten_thousand_rows_and_end(site: Site, world: World):
    await site.sign_in()
    query = (
        "SELECT ad_group_ad.ad.id, segments.date, metrics.impressions FROM ad_group_ad "
        "WHERE segments.date BETWEEN '2024-10-01' AND '2026-11-01'"
    )
    wish = {"returnTotalResultsCount": True}
    first = (await site.ask(US, query, searchSettings=wish)).json()
    assert len(first["results"]) == pages.SIZE
    token = first["nextPageToken"]
    last = (await site.ask(US, query, pageToken=token)).json()
    assert "nextPageToken" not in last
    rows = first["results"] + last["results"]
    truth = world.ad_days(US, date(2024, 10, 1), date(2026, 11, 1), as_of=NOW, level="ad")
    assert len(rows) == len(truth) == int(first["totalResultsCount"])
    keys = {(r["adGroupAd"]["ad"]["id"], r["segments"]["date"]) for r in rows}
    assert len(keys) == len(rows)


async def test_page_tokens_fit_one_query_and_live_an_hour(site: Site):
    await site.sign_in()
    token = pages.write(PING, EU, 0, NOW)
    assert (await site.ask(EU, PING, pageToken=token)).status_code == 200
    for customer, query in ((US, PING), (EU, PING + " LIMIT 5")):
        assert reason(await site.ask(customer, query, pageToken=token))[2] == "INVALID_PAGE_TOKEN"
    site.clock[0] += timedelta(minutes=61)
    await site.sign_in()
    assert reason(await site.ask(EU, PING, pageToken=token))[2] == "EXPIRED_PAGE_TOKEN"


async def test_a_summary_row_sums_the_whole_query(site: Site, world: World):
    await site.sign_in()
    query = gaql("campaign.id, metrics.cost_micros", "campaign")
    answer = await site.ask(EU, query, searchSettings={"returnSummaryRow": True})
    truth = world.ad_totals(EU, *AUGUST, as_of=NOW)
    assert answer.json()["summaryRow"]["metrics"]["costMicros"] == str(truth.spend)


@pytest.mark.parametrize(
    ("query", "body", "name"),
    [
        ("SELECT campaign.nope FROM campaign", {}, "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id, segments.date FROM campaign", {}, "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("SELECT campaign.id FROM campaign", {"pageSize": 100}, "PAGE_SIZE_NOT_SUPPORTED"),
        ("", {}, "REQUIRED_FIELD_MISSING"),
        ("SELECT campaign.id FROM campaign", {"pageToken": "x"}, "INVALID_PAGE_TOKEN"),
    ],
)
async def test_bad_queries_are_400_with_the_vendors_code(
    site: Site, query: str, body: dict[str, Any], name: str
):
    await site.sign_in()
    answer = await site.ask(EU, query, **body)
    assert (answer.status_code, reason(answer)[2]) == (400, name)


async def test_metrics_on_a_manager_are_refused(site: Site):
    await site.sign_in()
    answer = await site.ask(TOP, "SELECT metrics.clicks FROM customer")
    assert reason(answer) == (400, "queryError", "REQUESTED_METRICS_FOR_MANAGER")


async def test_conversions_of_old_click_dates_grow_and_then_stand_still(site: Site):
    await site.sign_in()
    query = (
        "SELECT segments.date, metrics.conversions FROM customer "
        "WHERE segments.date BETWEEN '2026-09-01' AND '2026-11-20'"
    )
    before = {r["segments"]["date"]: r["metrics"].get("conversions", 0)
              for r in await site.rows(EU, query)}  # fmt: skip
    site.clock[0] += timedelta(days=10)
    await site.sign_in()
    after = {r["segments"]["date"]: r["metrics"].get("conversions", 0)
             for r in await site.rows(EU, query)}  # fmt: skip
    settled = [d for d in before if d < "2026-10-20"]
    assert all(before[d] == after[d] for d in settled)
    recent = [d for d in before if d > "2026-11-10"]
    assert sum(after[d] for d in recent) > sum(before[d] for d in recent)


async def test_writing_is_refused(site: Site):
    await site.sign_in()
    url = f"/google_ads/v26/customers/{EU}/campaigns:mutate"
    answer = await site.http.post(url, json={"operations": []}, headers=site.headers)
    assert reason(answer) == (403, "authorizationError", "ACTION_NOT_PERMITTED")


async def test_the_field_service_describes_names(site: Site):
    await site.sign_in()
    query = "SELECT name, data_type, selectable WHERE name IN ('metrics.clicks', 'campaign.id')"
    answer = await site.http.post(
        "/google_ads/v26/googleAdsFields:search", json={"query": query}, headers=site.headers
    )
    assert {r["name"]: r["dataType"] for r in answer.json()["results"]} == {
        "metrics.clicks": "INT64", "campaign.id": "INT64",
    }  # fmt: skip
    missing = await site.http.get(
        "/google_ads/v26/googleAdsFields/metrics.nope", headers=site.headers
    )
    assert missing.status_code == 404


# Trouble --------------------------------------------------------------------------------------


async def test_a_short_rate_limit_names_the_delay_and_an_array_carries_it(site: Site):
    await site.sign_in()
    site.trouble.add("rate_limited", "google_ads", retry_after=30)
    answer = await site.ask(EU, PING, method="searchStream")
    error = answer.json()[0]["error"]
    assert (answer.status_code, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    inner = error["details"][0]["errors"][0]
    assert inner["errorCode"] == {"quotaError": "RESOURCE_TEMPORARILY_EXHAUSTED"}
    assert inner["details"]["quotaErrorDetails"]["retryDelay"] == "30s"
    assert "retry-after" not in answer.headers
    assert (await site.ask(EU, PING, method="searchStream")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "detail", "status", "name"),
    [
        ("rate_limited_silent", {}, 429, "RESOURCE_TEMPORARILY_EXHAUSTED"),
        ("quota_exhausted", {}, 429, "RESOURCE_EXHAUSTED"),
        ("token_expired", {}, 401, "OAUTH_TOKEN_EXPIRED"),
        ("token_revoked", {}, 401, "OAUTH_TOKEN_REVOKED"),
        ("server_error", {}, 503, "TRANSIENT_ERROR"),
        ("missing_scope", {"reason": "project_level"}, 403,
         "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"),
        ("missing_scope", {"reason": "not_ads_user"}, 401, "NOT_ADS_USER"),
    ],
)  # fmt: skip
async def test_scripted_trouble_speaks_googles_words(
    site: Site, kind: str, detail: dict[str, str], status: int, name: str
):
    await site.sign_in()
    site.trouble.add(kind, "google_ads", detail=detail)
    answer = await site.ask(EU, PING)
    assert (answer.status_code, reason(answer)[2]) == (status, name)
    assert answer.json()["error"]["details"][0]["@type"].endswith("v26.errors.GoogleAdsFailure")


async def test_the_days_operations_run_out_and_come_back(site: Site):
    await site.sign_in()
    site.app.sandbox.memories["google_ads"]["operations"] = quota.Operations(limit=2)
    assert (await site.ask(EU, PING)).status_code == 200
    assert (await site.ask(EU, PING)).status_code == 200
    assert reason(await site.ask(EU, PING)) == (429, "quotaError", "RESOURCE_EXHAUSTED")
    site.clock[0] += timedelta(hours=25)
    await site.sign_in()
    assert (await site.ask(EU, PING)).status_code == 200


async def test_rows_are_doubled_renamed_or_missing_on_demand(site: Site):
    await site.sign_in()
    query = gaql("campaign.id, segments.date, metrics.clicks", "campaign")
    plain = await site.rows(EU, query)
    site.trouble.add("duplicated_rows", "google_ads", stream="daily")
    assert len(await site.rows(EU, query)) == len(plain) + 1
    site.trouble.add("missing_day", "google_ads", account=EU, detail={"day": "2026-08-09"})
    days = {r["segments"]["date"] for r in await site.rows(EU, query)}
    assert "2026-08-09" not in days
    assert len(days) == 30
    site.trouble.add(
        "changed_column", "google_ads", detail={"column": "metrics.clicks", "to": "taps"}
    )
    assert "taps" in (await site.rows(EU, query))[0]["metrics"]
    site.trouble.add("currency_change", "google_ads", account=EU, detail={"currency": "CHF"})
    customer = await site.rows(EU, "SELECT customer.currency_code FROM customer")
    assert customer[0]["customer"]["currencyCode"] == "CHF"


async def test_nothing_is_answered_without_a_token(site: Site):
    answer = await site.ask(EU, PING)
    assert reason(answer) == (401, "authenticationError", "OAUTH_TOKEN_HEADER_INVALID")
    site.headers = {"authorization": "Bearer ya29.invented"}
    assert reason(await site.ask(EU, PING))[2] == "OAUTH_TOKEN_INVALID"


async def test_a_disabled_api_is_told_in_an_error_info(site: Site):
    await site.sign_in()
    site.trouble.add("missing_scope", "google_ads", detail={"reason": "service_disabled"})
    info = (await site.ask(EU, PING)).json()["error"]["details"][0]
    assert info["@type"].endswith("google.rpc.ErrorInfo")
    assert info["reason"] == "SERVICE_DISABLED"


@pytest.mark.parametrize(("stream", "without", "whole"), [
    ("daily", "campaign", "customer"),
    ("daily", "ad_group_ad", "customer"),
    ("daily.ad", "ad_group_ad", "campaign"),
])
async def test_a_missing_day_leaves_the_totals_above_alone(
    site: Site, stream: str, without: str, whole: str
):
    await site.sign_in()
    day = {"detail": {"day": "2026-08-09"}, "stream": stream, "count": None}
    site.trouble.add("missing_day", "google_ads", account=EU, **day)
    wish = "segments.date, metrics.cost_micros"
    below = await site.rows(EU, gaql(wish, without))
    above = await site.rows(EU, gaql(wish, whole))
    assert "2026-08-09" not in {r["segments"]["date"] for r in below}
    assert "2026-08-09" in {r["segments"]["date"] for r in above}
