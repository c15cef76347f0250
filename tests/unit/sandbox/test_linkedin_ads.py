"""LinkedIn as the sandbox serves it: versions, Rest.li, silent cuts, tokens that end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO, SPARE
from liftos_app.services.sandbox.credentials.linkedin_ads import WITHOUT_REFRESH
from liftos_app.services.sandbox.platforms.linkedin_ads import analytics
from liftos_app.services.sandbox.platforms.linkedin_ads.restli import BadQuery, parse, parse_query
from liftos_app.services.sandbox.server import SandboxApp, create_app
from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
APP = DEMO["linkedin_ads"]["oauth"]
TOKEN = DEMO["linkedin_ads"]["token"]["access_token"]
US, EU, HELD = "509800001", "509800002", "509800003"
BACK = "http://localhost:8000/oauth/callback/linkedin_ads"
BASE = "/linkedin_ads"
BOTH = ("r_ads", "r_ads_reporting")
SPAN = "(start:(year:2026,month:10,day:1),end:(year:2026,month:10,day:7))"


def urns(kind: str, *numbers: str) -> str:
    return f"List({','.join(quote(f'urn:li:{kind}:{n}', safe='') for n in numbers)})"


ANALYTICS = {
    "q": "analytics", "pivot": "(value:CAMPAIGN)", "timeGranularity": "(value:DAILY)",
    "dateRange": SPAN, "accounts": urns("sponsoredAccount", US),
    "fields": "dateRange,pivotValues,impressions,costInLocalCurrency",
}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@dataclass
class Site:
    """The sandbox with a clock of its own, and a caller with a token."""

    app: SandboxApp
    http: httpx.AsyncClient
    clock: list[datetime]
    token: str = TOKEN

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "LinkedIn-Version": "202607",
                "X-Restli-Protocol-Version": "2.0.0"}

    async def get(self, path: str, raw: str = "", **headers: Any) -> httpx.Response:
        """GET with a raw query; a header set to None is left out."""
        more = {k.replace("_", "-"): v for k, v in headers.items()}
        sent = {k: v for k, v in (self.headers | more).items() if v is not None}
        answer = await self.http.get(f"{BASE}/rest{path}?{raw}", headers=sent)
        assert not [h for h in answer.headers if "limit" in h or h == "retry-after"]
        return answer

    async def report(self, **changes: str | None) -> httpx.Response:
        asked = {k: v for k, v in (ANALYTICS | changes).items() if v is not None}
        return await self.get("/adAnalytics", "&".join(f"{k}={v}" for k, v in asked.items()))

    async def consent(self, app: dict[str, str], scopes: tuple[str, ...] = BOTH) -> str:
        form = {"client_id": app["client_id"], "redirect_uri": BACK, "response_type": "code",
                "scope": " ".join(BOTH), "state": "s1"}
        page = await self.http.get(f"{BASE}/oauth/v2/authorization", params=form)
        assert page.status_code == 200, page.text
        ticks = {f"granted:{s}": "on" for s in scopes}
        answer = await self.http.post(
            f"{BASE}/oauth/v2/authorization", data={**form, **ticks, "decision": "approve"}
        )
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    async def tokens(self, **form: str) -> httpx.Response:
        return await self.http.post(f"{BASE}/oauth/v2/accessToken", data=form)

    async def sign_in(self, app: dict[str, str] = APP, scopes: tuple[str, ...] = BOTH) -> Any:
        answer = await self.tokens(
            grant_type="authorization_code", code=await self.consent(app, scopes),
            redirect_uri=BACK, **app,
        )
        self.token = answer.json()["access_token"]
        return answer.json()

    async def introspect(self, token: str, **app: str) -> Any:
        return (await self.http.post(
            f"{BASE}/oauth/v2/introspectToken", data={"token": token, **(app or APP)}
        )).json()


@pytest.fixture
async def site(world: World):
    clock = [NOW]
    app = create_app(clock=lambda: clock[0], control_token="c" * 40, world=world, plant=False)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield Site(app, http, clock)


# --- tokens ---------------------------------------------------------------------------------------


async def test_a_code_becomes_sixty_days_and_a_year(site: Site) -> None:
    found = await site.sign_in()
    assert (found["expires_in"], found["refresh_token_expires_in"]) == (5_184_000, 31_536_000)
    assert found["scope"] == "r_ads,r_ads_reporting"
    assert found["access_token"].startswith("AQX")
    assert (await site.report()).status_code == 200
    site.clock[0] += timedelta(days=61)
    answer = await site.report()
    assert (answer.status_code, answer.json()["message"]) == (401, "Expired access token")


async def test_a_refresh_never_lengthens_the_life_of_the_refresh_token(site: Site) -> None:
    first = await site.sign_in()
    site.clock[0] += timedelta(days=360)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **APP}
    newer = (await site.tokens(**form)).json()
    assert newer["refresh_token"] == first["refresh_token"]
    assert newer["access_token"] != first["access_token"]
    assert newer["expires_in"] == newer["refresh_token_expires_in"] == 5 * 86_400
    site.clock[0] += timedelta(days=6)
    late = await site.tokens(**form)
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")


async def test_an_app_without_the_approval_gets_no_refresh_token(site: Site) -> None:
    found = await site.sign_in(WITHOUT_REFRESH)
    assert set(found) == {"access_token", "expires_in", "scope"}
    assert (await site.introspect(site.token, **WITHOUT_REFRESH))["active"] is True
    assert (await site.report()).status_code == 200


async def test_codes_work_once_with_their_address_their_app_and_for_half_an_hour(
    site: Site,
) -> None:
    code = await site.consent(APP)
    form = {"grant_type": "authorization_code", "redirect_uri": BACK, **APP}
    away = await site.tokens(**{**form, "code": code, "redirect_uri": BACK + "/x"})
    assert away.json()["error"] == "invalid_redirect_uri"
    wrong = await site.tokens(**{**form, "code": code, "client_secret": "no"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert (await site.tokens(**form, code=code)).status_code == 200
    assert (await site.tokens(**form, code=code)).json()["error"] == "invalid_grant"
    late = await site.consent(APP)
    site.clock[0] += timedelta(minutes=31)
    assert (await site.tokens(**form, code=late)).json()["error"] == "invalid_grant"
    assert (await site.tokens(grant_type="password")).json()["error"] == "unsupported_grant_type"


async def test_introspection_tells_life_and_death(site: Site) -> None:
    await site.sign_in()
    seen = await site.introspect(site.token)
    assert (seen["active"], seen["status"], seen["scope"]) == (
        True, "active", "r_ads,r_ads_reporting")
    assert seen["expires_at"] - seen["created_at"] == 5_184_000
    site.app.sandbox.tokens.revoke_all("linkedin_ads")
    assert await site.introspect(site.token) == {"active": False, "status": "revoked"}
    assert (await site.introspect(SPARE["linkedin_ads"]["access_token"]))["active"] is True
    assert (await site.introspect("x", client_id="no", client_secret="no"))["error"]


@pytest.mark.parametrize(("token", "number"), [("", 65604), ("AQXnothing", 65600)])
async def test_a_wrong_token_has_its_own_number(site: Site, token: str, number: int) -> None:
    site.token = token
    answer = await site.report()
    assert (answer.status_code, answer.json()["serviceErrorCode"]) == (401, number)


async def test_one_permission_lists_accounts_but_reads_no_results(site: Site) -> None:
    await site.sign_in(scopes=("r_ads",))
    assert (await site.get("/adAccounts", "q=search")).status_code == 200
    answer = await site.report()
    assert answer.status_code == 403
    assert answer.json()["serviceErrorCode"] == 100
    assert answer.json()["message"] == (
        "Not enough permissions to access: GET-analytics /adAnalytics")


# --- versions and protocol ------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "status", "code"), [
    (None, 400, "VERSION_MISSING"), ("202511", 426, "NONEXISTENT_VERSION"),
    ("202512", 426, "NONEXISTENT_VERSION"), ("202510", 426, "NONEXISTENT_VERSION"),
    ("209901", 426, "NONEXISTENT_VERSION"), ("latest", 426, "NONEXISTENT_VERSION"),
    ("202601", 200, None), ("202607", 200, None), ("202607.01", 200, None),
])
async def test_versions(site: Site, version: str | None, status: int, code: str | None) -> None:
    answer = await site.get("/adAccounts", "q=search", LinkedIn_Version=version)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_version_dies_on_its_day(site: Site) -> None:
    site.clock[0] = datetime(2027, 7, 14, 23, 59, tzinfo=UTC)
    assert (await site.get("/adAccounts", "q=search")).status_code == 200
    site.clock[0] = datetime(2027, 7, 15, tzinfo=UTC)
    answer = await site.get("/adAccounts", "q=search")
    assert answer.status_code == 426
    assert answer.json()["message"] == "Requested version 20260701 is not active"


@pytest.mark.parametrize("raw", [
    "q=search&search=(status:(values:List(ACTIVE)))",
    "search=(status:(values:List(ACTIVE,DRAFT)))&q=search",
])
async def test_structure_is_read_in_any_order(site: Site, raw: str) -> None:
    assert len((await site.get("/adAccounts", raw)).json()["elements"]) == 3


@pytest.mark.parametrize("raw", [
    "q=search&search=%28status%3A%28values%3AList%28ACTIVE%29%29%29",  # encoded by a form encoder
    "q=search&search=(id:(values:List(urn:li:sponsoredAccount:509800001)))",  # not encoded
    "q=search&search=(status:(values:List(ACTIVE))",
    "q=search&search=(status:(values:List(LIVE)))", "q=search&search=(name:(values:List(x)))",
    "q=search&surprise=1", "q=all", "", "q=search&q=search", "q=search&pageSize=5000",
    "q=search&pageSize=x", "q=search&pageToken=abc",
])
async def test_what_is_no_restli_or_unknown_is_400(site: Site, raw: str) -> None:
    answer = await site.get("/adAccounts", raw)
    assert answer.status_code == 400
    assert answer.json()["errorDetails"]["inputErrors"]


@pytest.mark.parametrize(("text", "value"), [
    ("a,b", "a,b"), ("List()", []), ("List(a,b%2Cc)", ["a", "b,c"]),
    ("(a:1,b:(c:List(d)))", {"a": "1", "b": {"c": ["d"]}}), ("urn%3Ali%3Ax", "urn:li:x"),
])
def test_values_of_restli(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text", ["(a)", "(a:)", "List(a", "List(a:b)", "(a:1)x", "a(b)", "List(,)"]
)
def test_broken_values_of_restli(text: str) -> None:
    with pytest.raises(BadQuery):
        parse(text)
    with pytest.raises(BadQuery):
        parse_query("=1")


async def test_a_query_may_be_tunnelled_and_must_be_when_it_is_long(site: Site) -> None:
    raw = "&".join(f"{k}={v}" for k, v in ANALYTICS.items())
    headers = {**site.headers, "X-HTTP-Method-Override": "GET",
               "Content-Type": "application/x-www-form-urlencoded"}
    answer = await site.http.post(f"{BASE}/rest/adAnalytics", content=raw, headers=headers)
    assert answer.json()["elements"] == (await site.report()).json()["elements"]
    many = urns("sponsoredCampaign", *(str(320000000 + i) for i in range(300)))
    assert (await site.report(accounts=None, campaigns=many)).status_code == 414
    long = raw.replace(f"accounts={ANALYTICS['accounts']}", f"campaigns={many}")
    answer = await site.http.post(f"{BASE}/rest/adAnalytics", content=long, headers=headers)
    assert answer.status_code == 200
    del headers["X-HTTP-Method-Override"]
    answer = await site.http.post(f"{BASE}/rest/adAnalytics", content=raw, headers=headers)
    assert answer.status_code == 405


async def test_another_protocol_or_path_is_refused(site: Site) -> None:
    answer = await site.get("/adAccounts", "q=search", X_Restli_Protocol_Version="1.0.0")
    assert answer.status_code == 400
    assert (await site.get("/adBudgets", "q=search")).status_code == 404
    assert "x-li-uuid" in answer.headers


# --- objects --------------------------------------------------------------------------------------


async def test_accounts_page_by_opaque_token(site: Site) -> None:
    first = (await site.get("/adAccounts", "q=search&pageSize=2")).json()
    token = first["metadata"]["nextPageToken"]
    second = (await site.get("/adAccounts", f"q=search&pageSize=2&pageToken={token}")).json()
    assert [a["id"] for a in first["elements"] + second["elements"]] == [int(US), int(EU),
                                                                        int(HELD)]
    assert "nextPageToken" not in second["metadata"]
    assert second["elements"][0]["servingStatuses"] == ["BILLING_HOLD"]
    elsewhere = await site.get(f"/adAccounts/{US}/adCampaigns", f"q=search&pageToken={token}")
    assert elsewhere.status_code == 400


async def test_an_id_without_a_role_is_left_out_and_its_own_path_is_404(site: Site) -> None:
    raw = f"q=search&search=(id:(values:{urns('sponsoredAccount', US, '999')}))"
    found = (await site.get("/adAccounts", raw)).json()["elements"]
    assert [a["id"] for a in found] == [int(US)]
    assert (await site.get(f"/adAccounts/{US}")).json()["id"] == int(US)
    for path in ("/adAccounts/999", "/adAccounts/999/adCampaigns?q=search"):
        assert (await site.get(*path.split("?"))).status_code == 404


async def test_groups_campaigns_and_creatives_hang_together(site: Site, world: World) -> None:
    groups = (await site.get(f"/adAccounts/{US}/adCampaignGroups", "q=search")).json()["elements"]
    campaigns = (await site.get(f"/adAccounts/{US}/adCampaigns", "q=search")).json()["elements"]
    assert {g["id"] for g in groups} == {int(c.id) for c in world.campaigns(US, as_of=NOW)}
    assert {c["campaignGroup"] for c in campaigns} <= {
        f"urn:li:sponsoredCampaignGroup:{g['id']}" for g in groups}
    assert all(isinstance(c["dailyBudget"]["amount"], str) for c in campaigns)
    refused = await site.get(f"/adAccounts/{US}/creatives", "q=criteria")
    assert refused.status_code == 400
    creatives = (await site.get(f"/adAccounts/{US}/creatives", "q=criteria",
                                X_RestLi_Method="FINDER")).json()["elements"]
    assert {c["id"] for c in creatives} == {
        f"urn:li:sponsoredCreative:{a.id}" for a in world.ads(US, as_of=NOW)}
    one = campaigns[0]["id"]
    raw = f"q=criteria&campaigns={urns('sponsoredCampaign', str(one))}"
    some = (await site.get(f"/adAccounts/{US}/creatives", raw,
                           X_RestLi_Method="FINDER")).json()["elements"]
    assert {c["campaign"] for c in some} == {f"urn:li:sponsoredCampaign:{one}"}


async def test_lists_by_position_name_their_next_page(site: Site) -> None:
    account = quote(f"urn:li:sponsoredAccount:{US}", safe="")
    first = (await site.get("/conversions", f"q=account&account={account}&count=1")).json()
    assert first["paging"]["links"][0]["rel"] == "next"
    last = (await site.get("/conversions", f"q=account&account={account}&start=1&count=1")).json()
    assert last["paging"]["links"] == []
    assert first["elements"][0]["id"] != last["elements"][0]["id"]
    assert (await site.get("/conversions", f"q=account&account={account}&count=501")
            ).status_code == 400
    other = quote("urn:li:sponsoredAccount:999", safe="")
    assert (await site.get("/conversions", f"q=account&account={other}")).status_code == 403
    users = (await site.get("/adAccountUsers", "q=authenticatedUser")).json()["elements"]
    assert {u["role"] for u in users} == {"VIEWER"}


# --- results --------------------------------------------------------------------------------------


async def test_rows_are_the_worlds_with_counts_as_numbers_and_costs_as_texts(
    site: Site, world: World
) -> None:
    rows = (await site.report(
        fields="dateRange,pivotValues,impressions,costInLocalCurrency,costInUsd,"
        "externalWebsiteConversions,externalWebsitePostClickConversions,"
        "externalWebsitePostViewConversions,conversionValueInLocalCurrency",
    )).json()["elements"]
    truth = world.ad_days(US, date(2026, 10, 1), date(2026, 10, 7), as_of=NOW, level="group")
    found = {
        (r["pivotValues"][0], r["dateRange"]["start"]["day"]): r for r in rows
    }
    assert len(found) == len(rows) == len(truth)
    for day in truth:
        row = found[f"urn:li:sponsoredCampaign:{day.group_id}", day.day.day]
        assert row["impressions"] == day.impressions
        assert isinstance(row["costInLocalCurrency"], str)
        assert float(row["costInLocalCurrency"]) * 1_000_000 == pytest.approx(day.spend)
        assert row["costInUsd"] == row["costInLocalCurrency"]
        assert row["externalWebsiteConversions"] * 100 == day.conversions
        assert row["externalWebsiteConversions"] == (
            row["externalWebsitePostClickConversions"] + row["externalWebsitePostViewConversions"])
        assert row["dateRange"]["start"] == row["dateRange"]["end"]


async def test_too_many_rows_are_cut_without_a_sign(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (await site.report()).json()
    monkeypatch.setattr(analytics, "MOST_ROWS", 5)
    cut = (await site.report()).json()
    assert len(cut["elements"]) == 5 < len(whole["elements"])
    assert cut["elements"] == whole["elements"][:5]
    assert cut["paging"] == whole["paging"]


async def test_facets_narrow_granularities_sum_and_pivots_may_be_plain(
    site: Site, world: World
) -> None:
    group = world.ad_groups(US, as_of=NOW)[0].id
    one = (await site.report(
        accounts=None, campaigns=urns("sponsoredCampaign", group))).json()["elements"]
    assert {r["pivotValues"][0] for r in one} == {f"urn:li:sponsoredCampaign:{group}"}
    daily = (await site.report(pivot="ACCOUNT")).json()["elements"]
    total = (await site.report(pivot="ACCOUNT", timeGranularity="ALL")).json()["elements"]
    month = (await site.report(pivot="ACCOUNT", timeGranularity="MONTHLY")).json()["elements"]
    assert len(daily) == 7
    assert total == month
    assert total[0]["impressions"] == sum(r["impressions"] for r in daily)
    two = (await site.report(
        q="statistics", pivot=None, pivots="List(CAMPAIGN,CREATIVE)")).json()["elements"]
    assert {len(r["pivotValues"]) for r in two} == {2}
    plain = (await site.report(fields=None)).json()["elements"]
    assert set(plain[0]) == {"impressions", "clicks"}


async def test_without_a_role_there_are_no_rows_and_no_error(site: Site) -> None:
    answer = await site.report(accounts=urns("sponsoredAccount", "999"))
    assert (answer.status_code, answer.json()["elements"]) == (200, [])


@pytest.mark.parametrize("change", [
    {"fields": ",".join(["impressions"] * 21)}, {"fields": "impressions,spend"},
    {"pivot": "(value:MEMBER_NAME)"}, {"pivot": None}, {"timeGranularity": "HOURLY"},
    {"accounts": None}, {"accounts": urns("sponsoredCampaign", US)}, {"accounts": "List()"},
    {"accounts": US}, {"dateRange": "(start:(year:2026,month:2,day:30))"},
    {"dateRange": "(start:(year:2026,month:2))"}, {"dateRange": None},
    {"dateRange": "(start:(year:2026,month:2,day:3),end:(year:2026,month:2,day:1))"},
    {"dateRange.start.day": "1"}, {"q": "statistics"}, {"surprise": "1"},
])
async def test_a_wrong_report_is_400(site: Site, change: dict[str, str | None]) -> None:
    assert (await site.report(**change)).status_code == 400


# --- limits and trouble ---------------------------------------------------------------------------


async def test_the_days_limit_ends_at_midnight_utc(site: Site) -> None:
    memory = site.app.sandbox.memories.setdefault("linkedin_ads", {})
    memory |= {"enforce_limits": True, "daily_limit": 2}
    codes = [(await site.report()).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    assert (await site.get("/adAccounts", "q=search")).status_code == 200  # its own limit
    site.clock[0] = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)
    assert (await site.report()).status_code == 429
    site.clock[0] = datetime(2026, 11, 24, tzinfo=UTC)
    assert (await site.report()).status_code == 200


@pytest.mark.parametrize(("kind", "more", "status"), [
    ("token_expired", {}, 401), ("token_revoked", {}, 401), ("missing_scope", {}, 403),
    ("rate_limited", {}, 429), ("rate_limited_silent", {}, 429), ("quota_exhausted", {}, 429),
    ("server_error", {}, 503), ("server_error", {"status": 500}, 500),
])
async def test_trouble_speaks_linkedins_language(
    site: Site, kind: str, more: dict[str, Any], status: int
) -> None:
    site.app.sandbox.trouble.add(kind, "linkedin_ads", account=US, stream="daily", **more)
    assert (await site.get(f"/adAccounts/{US}/adCampaigns", "q=search")).status_code == 200
    answer = await site.report()
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert (await site.report()).status_code == 200
