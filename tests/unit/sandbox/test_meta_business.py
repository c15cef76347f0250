"""The Marketing API as the sandbox serves it: sign-in, discovery, reports, limits, refusals."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.consent_page import TICK
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.meta_business import usage
from liftos_app.services.sandbox.server import SandboxApp, create_app
from liftos_app.services.sandbox.trouble import Trouble
from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
APP = DEMO["meta_business"]["oauth"]
PASTED = DEMO["meta_business"]["token"]["access_token"]
BACK = "http://localhost:8000/api/v1/platform-connections/oauth/callback"
US, EU, JP = "1024500000000001", "1024500000000002", "1024500000000003"
AUGUST = (date(2026, 8, 1), date(2026, 8, 31))
RANGE = json.dumps({"since": "2026-08-01", "until": "2026-08-31"})
MICRO = Decimal(1_000_000)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@dataclass
class Site:
    """The sandbox with a clock of its own, called with a pasted token unless told otherwise."""

    app: SandboxApp
    http: httpx.AsyncClient
    clock: list[datetime]
    token: str = PASTED

    @property
    def trouble(self) -> Trouble:
        return self.app.sandbox.trouble

    async def get(self, path: str, **params: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"/meta_business/v26.0/{path}"
        return await self.http.get(url, params=params, headers=headers)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        url = f"/meta_business/v26.0/{path}"
        return await self.http.post(url, data={"access_token": self.token, **fields})

    async def everything(self, path: str, **params: str) -> list[dict[str, Any]]:
        """All rows, following `next` as it is."""
        answer = await self.get(path, **params)
        found = []
        while True:
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            following = answer.json().get("paging", {}).get("next")
            if following is None:
                return found
            answer = await self.http.get(
                following, headers={"authorization": f"Bearer {self.token}"}
            )

    async def consent(self, scope: str = "ads_read", **changes: str) -> httpx.Response:
        """The redirect after the dialog; `untick` names a scope to leave out, `refuse` says no."""
        fields = {
            "client_id": APP["client_id"], "redirect_uri": BACK, "response_type": "code",
            "scope": scope, "state": "s1", **changes,
        }  # fmt: skip
        url = "/meta_business/v26.0/dialog/oauth"
        page = await self.http.get(url, params=fields)
        if page.status_code != 200:
            return page
        ticked = {TICK + s: "on" for s in scope.split(",") if s != changes.get("untick")}
        decision = {"decision": "refuse" if "refuse" in changes else "approve"}
        return await self.http.post(url, data=fields | ticked | decision)

    async def exchange(self, **params: str) -> httpx.Response:
        known = {k: APP[k] for k in ("client_id", "client_secret")}
        return await self.http.get("/meta_business/v26.0/oauth/access_token", params=known | params)

    async def sign_in(self, scope: str = "ads_read", **changes: str) -> None:
        """Sign in as a person and keep the long-lived token."""
        code = code_of(await self.consent(scope, **changes))
        short = (await self.exchange(code=code, redirect_uri=BACK)).json()["access_token"]
        longer = await self.exchange(grant_type="fb_exchange_token", fb_exchange_token=short)
        self.token = longer.json()["access_token"]


@pytest.fixture
async def site(world: World):
    clock = [NOW]
    app = create_app(clock=lambda: clock[0], control_token="c" * 40, world=world, plant=False)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield Site(app, http, clock)


def code_of(answer: httpx.Response) -> str:
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def error(answer: httpx.Response) -> tuple[int, int | None]:
    """Code and subcode."""
    body = answer.json()["error"]
    assert body["fbtrace_id"]
    assert body["type"]
    return body["code"], body.get("error_subcode")


# Sign-in --------------------------------------------------------------------------------------


async def test_a_code_becomes_a_short_token_and_that_a_long_one(site: Site):
    answer = await site.exchange(code=code_of(await site.consent()), redirect_uri=BACK)
    short = answer.json()
    assert set(short) == {"access_token", "token_type", "expires_in"}
    assert short["access_token"].startswith("EAA")
    assert short["access_token"].isalnum()
    assert short["expires_in"] < 7200
    longer = await site.exchange(
        grant_type="fb_exchange_token", fb_exchange_token=short["access_token"]
    )
    assert longer.json()["expires_in"] == 5_183_944
    assert longer.json()["access_token"] != short["access_token"]


async def test_a_refusal_says_user_denied(site: Site):
    query = parse_qs(urlsplit((await site.consent(refuse="1")).headers["location"]).query)
    assert query["error"] == ["access_denied"]
    assert query["error_reason"] == ["user_denied"]
    assert query["state"] == ["s1"]


async def test_a_foreign_redirect_address_is_never_followed(site: Site):
    answer = await site.consent(redirect_uri="https://evil.example/oauth/callback")
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secret": "0" * 32}, (1, None)),
        ({"client_id": "1"}, (101, None)),
        ({"redirect_uri": BACK + "x"}, (100, 36008)),
        ({"code": "AQinvented"}, (100, 36007)),
    ],
)
async def test_a_wrong_exchange_is_refused(
    site: Site, change: dict[str, str], code: tuple[int, int | None]
):
    params = {"code": code_of(await site.consent()), "redirect_uri": BACK}
    answer = await site.exchange(**(params | change))
    assert (answer.status_code, error(answer)) == (400, code)


async def test_a_code_works_once(site: Site):
    params = {"code": code_of(await site.consent()), "redirect_uri": BACK}
    assert (await site.exchange(**params)).status_code == 200
    assert error(await site.exchange(**params)) == (100, 36009)


async def test_a_declined_permission_shows_and_closes_the_accounts(site: Site):
    await site.sign_in(untick="ads_read")
    granted = (await site.get("me/permissions")).json()["data"]
    assert {p["permission"]: p["status"] for p in granted} == {
        "public_profile": "granted", "ads_read": "declined",
    }  # fmt: skip
    answer = await site.get("me/adaccounts")
    assert (answer.status_code, error(answer)[0]) == (403, 200)


async def test_an_expired_token_is_dead_and_cannot_be_exchanged(site: Site):
    await site.sign_in()
    assert (await site.get("me/adaccounts")).status_code == 200
    site.clock[0] += timedelta(days=61)
    answer = await site.get("me/adaccounts")
    assert (answer.status_code, error(answer)) == (400, (190, 463))
    assert "invalid_token" in answer.headers["www-authenticate"]
    again = await site.exchange(grant_type="fb_exchange_token", fb_exchange_token=site.token)
    assert error(again) == (190, 463)


async def test_tokens_are_inspected_with_the_app_token(site: Site):
    await site.sign_in()
    app = f"{APP['client_id']}|{APP['client_secret']}"
    url = "/meta_business/v26.0/debug_token"
    data = (
        await site.http.get(url, params={"input_token": site.token, "access_token": app})
    ).json()
    inner = data["data"]
    assert inner["is_valid"] is True
    assert inner["expires_at"] == int(NOW.timestamp()) + 5_183_944
    assert "ads_read" in inner["scopes"]
    dead = (await site.http.get(url, params={"input_token": "EAAx", "access_token": app})).json()
    assert dead["data"]["is_valid"] is False
    assert dead["data"]["error"]["code"] == 190
    stranger = await site.http.get(url, params={"input_token": site.token, "access_token": "1|2"})
    assert error(stranger)[0] == 190


async def test_access_can_be_taken_back(site: Site):
    await site.sign_in()
    url = "/meta_business/v26.0/me/permissions"
    answer = await site.http.delete(url, params={"access_token": site.token})
    assert answer.json() == {"success": True}
    assert error(await site.get("me")) == (190, 458)


@pytest.mark.parametrize("where", ["query", "form", "header"])
async def test_the_token_is_taken_from_query_form_and_header(site: Site, where: str):
    url = "/meta_business/v26.0/me"
    if where == "query":
        answer = await site.http.get(url, params={"access_token": PASTED})
    elif where == "form":
        answer = await site.http.post(url, data={"access_token": PASTED, "method": "get"})
    else:
        answer = await site.http.get(url, headers={"authorization": f"Bearer {PASTED}"})
    assert answer.json()["name"] == "Robin Larkspur"


async def test_the_proof_is_checked_when_it_is_sent(site: Site):
    proof = hmac.new(APP["client_secret"].encode(), PASTED.encode(), hashlib.sha256).hexdigest()
    assert (await site.get("me", appsecret_proof=proof)).status_code == 200
    wrong = await site.get("me", appsecret_proof="0" * 64)
    assert (wrong.status_code, error(wrong)[0]) == (400, 100)


async def test_no_token_and_a_made_up_token_are_told_apart(site: Site):
    site.token = ""
    assert error(await site.get("me"))[0] == 2500
    assert error(await site.get(f"act_{US}"))[0] == 104
    site.token = "EAAinvented"
    assert error(await site.get("me")) == (190, None)


# Versions and objects -------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v26.0", "v25.0", "v24.0"])
async def test_served_versions_answer(site: Site, version: str):
    answer = await site.http.get(f"/meta_business/{version}/me", params={"access_token": PASTED})
    assert answer.status_code == 200
    assert answer.headers["facebook-api-version"] == version


@pytest.mark.parametrize("prefix", ["", "v23.0/", "v1.0/", "v99.0/"])
async def test_no_version_or_a_dead_one_is_an_oauth_exception(site: Site, prefix: str):
    answer = await site.http.get(f"/meta_business/{prefix}me", params={"access_token": PASTED})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "OAuthException"


async def test_accounts_are_discovered_page_by_page(site: Site):
    found = await site.everything(
        "me/adaccounts",
        fields="id,account_id,name,currency,timezone_name,account_status",
        limit="2",
    )
    assert [(a["account_id"], a["currency"], a["account_status"]) for a in found] == [
        (US, "USD", 1), (EU, "EUR", 1), (JP, "JPY", 2),
    ]  # fmt: skip
    assert found[1] == {
        "id": f"act_{EU}", "account_id": EU, "name": "Larkspur EU", "currency": "EUR",
        "timezone_name": "Europe/Berlin", "account_status": 1,
    }  # fmt: skip


async def test_next_stays_on_the_address_that_was_called(site: Site):
    answer = await site.get("me/adaccounts", limit="1")
    following = answer.json()["paging"]["next"]
    assert following.startswith("http://127.0.0.1:8000/meta_business/v26.0/me/adaccounts?")


async def test_the_tree_holds_together(site: Site, world: World):
    wished = "name,status,effective_status"
    campaigns = await site.everything(f"act_{US}/campaigns", fields=wished, limit="3")
    adsets = await site.everything(f"act_{US}/adsets", fields=f"{wished},campaign_id")
    ads = await site.everything(
        f"act_{US}/ads", fields=f"{wished},adset_id,campaign_id,creative{{id}}", limit="7"
    )
    creatives = await site.everything(f"act_{US}/adcreatives", fields="name,title,body")
    assert len(campaigns) == len(world.campaigns(US, as_of=NOW))
    assert len(ads) == len(world.ads(US, as_of=NOW))
    assert {a["campaign_id"] for a in adsets} <= {c["id"] for c in campaigns}
    assert {a["adset_id"] for a in ads} <= {a["id"] for a in adsets}
    assert {a["creative"]["id"] for a in ads} <= {c["id"] for c in creatives}
    assert len({a["id"] for a in ads}) == len(ads)
    inside = await site.everything(f"{campaigns[0]['id']}/ads", fields="campaign_id")
    assert {a["campaign_id"] for a in inside} == {campaigns[0]["id"]}


async def test_money_of_entities_is_in_minor_units(site: Site, world: World):
    answer = (await site.get(f"act_{EU}", fields="amount_spent,currency")).json()
    assert answer["amount_spent"] == str(world.amount_spent(EU, as_of=NOW) // 10_000)
    campaign = (await site.get(f"act_{EU}/campaigns", fields="daily_budget", limit="1")).json()
    assert campaign["data"][0]["daily_budget"] == "14000"


async def test_what_the_token_does_not_see_is_100_33(site: Site):
    for path in ("act_999", "act_999/insights", "23859999999999999", "23859999999999999/ads"):
        answer = await site.get(path)
        assert (answer.status_code, error(answer)) == (400, (100, 33))


async def test_an_unknown_field_is_named(site: Site):
    for path, params in (
        (f"act_{US}", {"fields": "name,colour"}),
        (f"act_{US}/ads", {"fields": "colour"}),
        (f"act_{US}/insights", {"fields": "spend,colour"}),
        ("me", {"fields": "colour"}),
    ):
        answer = await site.get(path, **params)
        assert error(answer)[0] == 100
        assert "colour" in answer.json()["error"]["message"]


async def test_writing_needs_a_permission_nobody_gave(site: Site):
    answer = await site.post(f"act_{US}/campaigns", name="New")
    assert (answer.status_code, error(answer)[0]) == (403, 200)


async def test_several_objects_come_by_ids(site: Site):
    answer = await site.get("", ids=f"act_{US},act_{EU}", fields="name")
    assert {k: v["name"] for k, v in answer.json().items()} == {
        f"act_{US}": "Larkspur US", f"act_{EU}": "Larkspur EU",
    }  # fmt: skip


async def test_a_batch_answers_each_call_by_itself(site: Site):
    batch = [
        {"method": "GET", "relative_url": "me?fields=id"},
        {"method": "GET", "relative_url": f"v26.0/act_{US}/campaigns?limit=1"},
        {"method": "GET", "relative_url": "act_999"},
    ]
    answer = (await site.post("", batch=json.dumps(batch))).json()
    assert [part["code"] for part in answer] == [200, 200, 400]
    assert len(json.loads(answer[1]["body"])["data"]) == 1


# Insights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
@pytest.mark.parametrize("account", [US, EU])
async def test_every_level_adds_up_to_the_worlds_totals(
    *, site: Site, world: World, account: str, level: str
):
    rows = await site.everything(
        f"act_{account}/insights", level=level, time_increment="1", time_range=RANGE, limit="200",
        fields="account_id,campaign_id,adset_id,ad_id,spend,impressions,clicks,inline_link_clicks,"
        "actions,action_values",
    )  # fmt: skip
    truth = world.ad_totals(account, *AUGUST, as_of=NOW)
    assert truth.spend > 0
    assert sum(Decimal(r["spend"]) for r in rows) * MICRO == truth.spend
    assert sum(int(r["impressions"]) for r in rows) == truth.impressions
    assert sum(int(r["clicks"]) for r in rows) == truth.clicks
    assert sum(int(r["inline_link_clicks"]) for r in rows) == truth.link_clicks
    assert sum(int(bought(r, "actions")) for r in rows) * 100 == truth.conversions
    assert sum(Decimal(bought(r, "action_values")) for r in rows) * MICRO == truth.value
    entity = {"account": "account_id"}.get(level, f"{level}_id")
    assert len({(r[entity], r["date_start"]) for r in rows}) == len(rows)


def bought(row: dict[str, Any], name: str, kind: str = "omni_purchase") -> str:
    """The value of one purchase type."""
    return next((a["value"] for a in row.get(name, []) if a["action_type"] == kind), "0")


async def test_windows_are_columns_of_their_own_and_dead_ones_stay_away(site: Site):
    rows = await site.everything(
        f"act_{US}/insights", time_increment="1", time_range=RANGE, fields="actions", limit="100",
        action_attribution_windows='["1d_click","7d_click","28d_click","1d_view","7d_view"]',
    )  # fmt: skip
    for row in rows:
        one = next(a for a in row["actions"] if a["action_type"] == "omni_purchase")
        assert int(one["value"]) == int(one.get("7d_click", 0)) + int(one.get("1d_view", 0))
        assert int(one.get("28d_click", 0)) >= int(one["7d_click"]) >= int(one.get("1d_click", 0))
        assert "7d_view" not in one


async def test_the_last_28_days_grow_between_two_reads_and_older_ones_do_not(site: Site):
    params = {
        "time_range": json.dumps({"since": "2026-09-20", "until": "2026-11-21"}),
        "time_increment": "1", "fields": "spend,actions", "limit": "500",
    }  # fmt: skip
    before = {r["date_start"]: r for r in await site.everything(f"act_{US}/insights", **params)}
    site.clock[0] += timedelta(days=5)
    after = {r["date_start"]: r for r in await site.everything(f"act_{US}/insights", **params)}
    settled = [d for d in before if d < "2026-10-20"]
    assert settled
    assert all(before[d] == after[d] for d in settled)
    recent = [d for d in before if d >= "2026-11-10"]
    counts = [sum(int(bought(rows[d], "actions")) for d in recent) for rows in (before, after)]
    assert counts[1] > counts[0]


async def test_today_is_partial_in_the_accounts_time_zone(site: Site):
    rows = await site.everything(f"act_{US}/insights", date_preset="today", fields="spend")
    assert [r["date_start"] for r in rows] == ["2026-11-23"]
    site.clock[0] = datetime(2026, 11, 24, 3, tzinfo=UTC)  # still the 23rd in New York
    later = await site.everything(f"act_{US}/insights", date_preset="today", fields="spend")
    assert [r["date_start"] for r in later] == ["2026-11-23"]
    assert Decimal(later[0]["spend"]) > Decimal(rows[0]["spend"])


async def test_an_account_without_delivery_has_no_rows(site: Site):
    assert await site.everything(f"act_{JP}/insights", time_range=RANGE) == []


async def test_insights_of_one_campaign_and_of_an_expanded_field(site: Site, world: World):
    truth = world.ad_totals_by_campaign(US, *AUGUST, as_of=NOW)
    campaign, totals = next(iter(truth.items()))
    rows = await site.everything(f"{campaign}/insights", time_range=RANGE, fields="spend")
    assert [Decimal(r["spend"]) * MICRO for r in rows] == [totals.spend]
    wish = f"name,insights.time_range({RANGE}).time_increment(1){{spend}}"
    node = (await site.get(campaign, fields=wish)).json()
    assert sum(Decimal(r["spend"]) for r in node["insights"]["data"]) > 0


async def test_a_report_runs_in_the_background(site: Site, world: World):
    params = {"level": "ad", "time_increment": "1", "time_range": RANGE,
              "fields": '["spend","ad_id"]'}  # fmt: skip
    run = (await site.post(f"act_{US}/insights", **params)).json()["report_run_id"]
    early = await site.get(f"{run}/insights")
    assert early.status_code == 400
    states = []
    for _ in range(8):
        shown = (await site.get(run, fields="async_status,async_percent_completion")).json()
        states.append((shown["async_status"], shown["async_percent_completion"]))
        if states[-1] == ("Job Completed", 100):
            break
    assert states[0] == ("Job Not Started", 0)
    assert ("Job Running", 100) in states
    rows = await site.everything(f"{run}/insights", limit="100")
    truth = world.ad_totals(US, *AUGUST, as_of=NOW)
    assert sum(Decimal(r["spend"]) for r in rows) * MICRO == truth.spend


async def test_a_report_can_fail(site: Site):
    site.trouble.add("server_error", "meta_business", stream="report")
    run = (await site.post(f"act_{US}/insights", time_range=RANGE)).json()["report_run_id"]
    for _ in range(5):
        shown = (await site.get(run)).json()
    assert shown["async_status"] == "Job Failed"
    assert (shown["error_code"], shown["error_subcode"]) == (-2, 2490547)


# Limits and trouble ---------------------------------------------------------------------------


async def test_every_ads_call_tells_how_much_is_used(site: Site):
    answer = await site.get(f"act_{US}/insights", time_range=RANGE)
    assert {"x-app-usage", "x-ad-account-usage", "x-business-use-case-usage",
            "x-fb-ads-insights-throttle"} <= set(answer.headers)  # fmt: skip
    cases = json.loads(answer.headers["x-business-use-case-usage"])
    (case,) = next(iter(cases.values()))
    assert case["type"] == "ads_insights"
    assert case["estimated_time_to_regain_access"] == 0


async def test_usage_climbs_to_the_limit_and_then_calls_are_refused_for_an_hour(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(usage.BASE, "ads_insights", 10)
    monkeypatch.setitem(usage.PER_ACTIVE_AD, "ads_insights", 0)
    seen = []
    for _ in range(11):
        site.clock[0] += timedelta(minutes=1)
        answer = await site.get(f"act_{US}/insights", time_range=RANGE, limit="1")
        seen.append(json.loads(answer.headers["x-ad-account-usage"])["acc_id_util_pct"])
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (10, 100)
    assert error(answer) == (80000, 2446079)
    cases = json.loads(answer.headers["x-business-use-case-usage"])
    assert 45 < next(iter(cases.values()))[0]["estimated_time_to_regain_access"] <= 60
    site.clock[0] += timedelta(minutes=61)
    assert (await site.get(f"act_{US}/insights", time_range=RANGE)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "aim", "code", "status"),
    [
        ("token_expired", {}, (190, 463), 400),
        ("token_revoked", {}, (190, 458), 400),
        ("missing_scope", {}, (200, None), 403),
        ("rate_limited", {"retry_after": 180}, (80000, 2446079), 400),
        ("rate_limited_silent", {}, (17, 2446079), 400),
        ("quota_exhausted", {}, (4, 1504022), 400),
        ("server_error", {}, (2, 1504043), 503),
        ("server_error", {"detail": {"reason": "too_much_data"}}, (1, None), 500),
        ("server_error", {"detail": {"code": "368"}, "status": 400}, (368, None), 400),
        ("server_error", {"detail": {"code": "2", "subcode": "1504042"}, "status": 200},
         (2, 1504042), 200),
    ],
)  # fmt: skip
async def test_scripted_trouble_speaks_metas_words(
    *, site: Site, kind: str, aim: dict[str, Any], code: tuple[int, int | None], status: int
):
    site.trouble.add(kind, "meta_business", **aim)
    answer = await site.get(f"act_{US}/insights", time_range=RANGE)
    assert (answer.status_code, error(answer)) == (status, code)
    assert "retry-after" not in answer.headers
    if kind == "rate_limited":
        cases = json.loads(answer.headers["x-business-use-case-usage"])
        assert next(iter(cases.values()))[0]["estimated_time_to_regain_access"] == 3
    assert (await site.get(f"act_{US}/insights", time_range=RANGE)).status_code == 200


async def test_a_scripted_climb_ends_in_a_refusal_that_names_the_minutes(site: Site):
    site.trouble.add("rate_limited", "meta_business", stream="usage", count=3, retry_after=600)
    seen = []
    for _ in range(4):
        answer = await site.get(f"act_{US}/insights", time_range=RANGE, limit="1")
        used = json.loads(answer.headers["x-fb-ads-insights-throttle"])["acc_id_util_pct"]
        seen.append((answer.status_code, used))
    assert seen[:3] == [(200, 80), (200, 90), (400, 100)]
    assert seen[3][0] == 200


async def test_old_reach_with_a_breakdown_comes_from_ten_reports_a_day_only(site: Site):
    params = {
        "time_range": json.dumps({"since": "2025-06-01", "until": "2025-06-02"}),
        "fields": "reach,spend", "breakdowns": "publisher_platform",
    }  # fmt: skip
    rows = await site.everything(f"act_{US}/insights", **params)
    assert rows
    assert not any("reach" in row for row in rows)
    kept = []
    for _ in range(11):
        answer = await site.post(f"act_{US}/insights", **params)
        assert "x-fb-ads-insights-reach-throttle" in answer.headers
        run = answer.json()["report_run_id"]
        for _ in range(5):
            await site.get(run)
        kept.append("reach" in (await site.get(f"{run}/insights")).json()["data"][0])
    assert kept == [True] * 10 + [False]


async def test_why_a_report_failed_is_told_from_v25_on(site: Site):
    site.trouble.add("server_error", "meta_business", stream="report")
    run = (await site.post(f"act_{US}/insights", time_range=RANGE)).json()["report_run_id"]
    for _ in range(5):
        await site.get(run)
    old = await site.http.get(f"/meta_business/v24.0/{run}", params={"access_token": PASTED})
    assert old.json()["async_status"] == "Job Failed"
    assert "error_code" not in old.json()
    asked = {"access_token": PASTED, "fields": "error_code"}
    assert error(await site.http.get(f"/meta_business/v24.0/{run}", params=asked))[0] == 100


async def test_a_pasted_token_keeps_its_permissions_when_it_is_exchanged(site: Site):
    answer = await site.exchange(grant_type="fb_exchange_token", fb_exchange_token=PASTED)
    site.token = answer.json()["access_token"]
    assert (await site.get("me/adaccounts")).status_code == 200


async def test_a_summary_sums_the_whole_report_and_not_the_page(site: Site, world: World):
    answer = await site.get(
        f"act_{US}/insights", time_range=RANGE, time_increment="1", fields="spend", limit="2",
        default_summary="true",
    )  # fmt: skip
    truth = world.ad_totals(US, *AUGUST, as_of=NOW)
    assert Decimal(answer.json()["summary"]["spend"]) * MICRO == truth.spend


async def test_rows_are_doubled_cut_or_changed_on_demand(site: Site):
    params = {"level": "campaign", "time_increment": "1", "time_range": RANGE, "limit": "40",
              "fields": "campaign_id,spend"}  # fmt: skip
    path = f"act_{US}/insights"
    plain = await site.everything(path, **params)
    fault = site.trouble.add("duplicated_rows", "meta_business", stream="insights", count=None)
    doubled = await site.everything(path, **params)
    assert len(doubled) == len(plain) + 1
    assert doubled[0] == doubled[1]
    site.trouble.clear(fault.id)
    fault = site.trouble.add("missing_day", "meta_business", count=None,
                             detail={"day": "2026-08-09"})  # fmt: skip
    assert "2026-08-09" not in {r["date_start"] for r in await site.everything(path, **params)}
    site.trouble.clear(fault.id)
    site.trouble.add("added_column", "meta_business", detail={"column": "spend_v2"})
    assert "spend_v2" in (await site.get(path, **params)).json()["data"][0]
    site.trouble.add("truncated_page", "meta_business", stream="insights")
    assert len((await site.get(path, **params | {"limit": "500"})).json()["data"]) < len(plain)
    site.trouble.add("currency_change", "meta_business", account=US, detail={"currency": "CAD"})
    assert (await site.get(f"act_{US}", fields="currency")).json()["currency"] == "CAD"
    assert await site.everything(path, **params) == plain


async def test_a_doubled_object_does_not_trap_the_reader_in_a_loop(site: Site):
    site.trouble.add("duplicated_rows", "meta_business", stream="campaigns", count=None)
    found = await site.everything(f"act_{EU}/campaigns", fields="name", limit="1")
    assert len(found) == len({c["id"] for c in found}) + 1


@pytest.mark.parametrize(
    "path", ["nothing", f"act_{US}/nothing", f"act_{US}/ads/more/parts", "me/nothing"]
)
async def test_unknown_paths_are_refused_in_the_envelope(site: Site, path: str):
    answer = await site.get(path)
    assert answer.status_code == 400
    assert error(answer)[0] in {100, 2500}
