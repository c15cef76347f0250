"""TikTok as the sandbox serves it: envelope, sign-in, strict parameters, deleted objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO, SPARE
from liftos_app.services.sandbox.server import SandboxApp, create_app
from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
APP = DEMO["tiktok_ads"]["oauth"]
TOKEN = DEMO["tiktok_ads"]["token"]["access_token"]
US, EU, OLD = "7301234567890123401", "7301234567890123402", "7301234567890123403"
BACK = "http://localhost:8000/oauth/callback/tiktok_ads"
API = "/tiktok_ads/open_api/v1.3"
TICKS = {f"granted:{n}": "on" for n in "124"}


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

    async def get(self, path: str, **params: Any) -> Any:
        """The envelope of a GET; lists and objects become JSON with spaces, as the SDK writes."""
        sent = {k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()}
        answer = await self.http.get(API + path, params=sent, headers={"Access-Token": self.token})
        assert answer.status_code == 200, answer.text
        assert not [h for h in answer.headers if "limit" in h or h == "retry-after"]
        body = answer.json()
        assert set(body) == {"code", "message", "request_id", "data"}
        return body

    async def consent(self, ticks: dict[str, str] | None = None) -> dict[str, str]:
        query = {"app_id": APP["client_id"], "state": "s1", "redirect_uri": BACK}
        page = await self.http.get("/tiktok_ads/portal/auth", params=query)
        assert page.status_code == 200, page.text
        form = {"client_id": APP["client_id"], "state": "s1", "redirect_uri": BACK,
                "scope": "1 2 4", "decision": "approve", **(TICKS if ticks is None else ticks)}
        answer = await self.http.post("/tiktok_ads/portal/auth", data=form)
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return {k: v[0] for k, v in query.items()}

    async def exchange(self, code: str, **changes: str) -> Any:
        body = {"app_id": APP["client_id"], "secret": APP["client_secret"], "auth_code": code,
                **changes}
        return (await self.http.post(f"{API}/oauth2/access_token/", json=body)).json()

    async def report(self, **changes: Any) -> Any:
        asked = {
            "advertiser_id": US, "service_type": "AUCTION", "report_type": "BASIC",
            "data_level": "AUCTION_CAMPAIGN", "dimensions": ["campaign_id", "stat_time_day"],
            "metrics": ["spend", "impressions"], "start_date": "2026-10-01",
            "end_date": "2026-10-30", "page_size": "1000", **changes,
        }
        return await self.get(
            "/report/integrated/get/", **{k: v for k, v in asked.items() if v is not None}
        )


@pytest.fixture
async def site(world: World):
    clock = [NOW]
    app = create_app(clock=lambda: clock[0], control_token="c" * 40, world=world, plant=False)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield Site(app, http, clock)


async def test_the_code_comes_twice_and_becomes_a_token_of_forty_digits(site: Site) -> None:
    params = await site.consent()
    assert params["auth_code"] == params["code"]
    assert params["state"] == "s1"
    body = await site.exchange(params["auth_code"])
    data = body["data"]
    assert body["code"] == 0
    assert len(data["access_token"]) == 40
    assert int(data["access_token"], 16)
    assert data["advertiser_ids"] == [US, EU, OLD]
    assert data["scope"] == [1, 2, 4]
    assert "refresh_token" not in data
    assert "expires_in" not in data
    site.token = data["access_token"]
    site.clock[0] += timedelta(days=400)  # it has no end
    assert (await site.get("/user/info/"))["code"] == 0


async def test_a_code_works_once_and_for_an_hour(site: Site) -> None:
    code = (await site.consent())["auth_code"]
    assert (await site.exchange(code))["code"] == 0
    assert (await site.exchange(code))["code"] == 40110
    late = (await site.consent())["auth_code"]
    site.clock[0] += timedelta(minutes=61)
    assert (await site.exchange(late))["code"] == 40110


async def test_the_exchange_takes_json_only_and_the_right_app(site: Site) -> None:
    code = (await site.consent())["auth_code"]
    form = {"app_id": APP["client_id"], "secret": APP["client_secret"], "auth_code": code}
    answer = await site.http.post(f"{API}/oauth2/access_token/", data=form)
    assert (answer.status_code, answer.json()["code"]) == (200, 40002)
    assert (await site.exchange(code, secret="0" * 40))["code"] == 40101
    assert (await site.exchange(code, auth_code=""))["code"] == 40002
    assert (await site.exchange(code))["code"] == 0


async def test_the_portal_takes_no_standard_oauth(site: Site) -> None:
    wrong = {"client_id": APP["client_id"], "response_type": "code", "redirect_uri": BACK}
    page = await site.http.get("/tiktok_ads/portal/auth", params=wrong)
    assert page.status_code == 400
    more = {"app_id": APP["client_id"], "redirect_uri": BACK, "scope": "1"}
    assert (await site.http.get("/tiktok_ads/portal/auth", params=more)).status_code == 400
    away = {"app_id": APP["client_id"], "redirect_uri": "https://evil.example/oauth/callback"}
    assert (await site.http.get("/tiktok_ads/portal/auth", params=away)).status_code == 400


async def test_what_was_not_granted_cannot_be_read(site: Site) -> None:
    params = await site.consent({"granted:1": "on", "granted:2": "on"})
    data = (await site.exchange(params["auth_code"]))["data"]
    assert data["scope"] == [1, 2]
    site.token = data["access_token"]
    assert (await site.get("/campaign/get/", advertiser_id=US))["code"] == 0
    assert (await site.report())["code"] == 40001


@pytest.mark.parametrize(("token", "code"), [
    ("", 40104), ("x" * 40, 40105), ("7a1ad5e0" + "0" * 32, 40105),
])
async def test_a_wrong_token_is_an_error_inside_status_200(
    site: Site, token: str, code: int
) -> None:
    site.token = token
    body = await site.get("/advertiser/info/", advertiser_ids=[US])
    assert (body["code"], body["data"]) == (code, {})


async def test_a_bearer_header_is_no_token(site: Site) -> None:
    answer = await site.http.get(
        f"{API}/user/info/", headers={"authorization": f"Bearer {site.token}"}
    )
    assert answer.json()["code"] == 40104


async def test_a_revoked_authorization_ends_every_token_but_a_spare_one(site: Site) -> None:
    body = {"app_id": APP["client_id"], "secret": APP["client_secret"], "access_token": TOKEN}
    answer = await site.http.post(f"{API}/oauth2/revoke_token/", json=body)
    assert answer.json()["code"] == 0
    assert (await site.get("/user/info/"))["code"] == 40105
    site.token = SPARE["tiktok_ads"]["access_token"]
    assert (await site.get("/user/info/"))["code"] == 0


@pytest.mark.parametrize("path", ["/campaign/get", "/report/integrated/get", "/nothing/"])
async def test_a_path_without_its_last_slash_is_plain_text_404(site: Site, path: str) -> None:
    answer = await site.http.get(API + path, headers={"Access-Token": TOKEN})
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert (await site.get("/user/info"))["code"] == 0  # known to work without


async def test_another_version_is_refused_in_the_envelope(site: Site) -> None:
    answer = await site.http.get("/tiktok_ads/open_api/v1.2/campaign/get/")
    assert (answer.status_code, answer.json()["code"]) == (200, 40051)


@pytest.mark.parametrize("change", [
    {"metrics": ["spend", "spendd"]}, {"dimensions": ["stat_time_day"]},
    {"dimensions": ["ad_id", "stat_time_day"]}, {"metrics": ["ad_name"]},
    {"metrics": "spend,impressions"}, {"end_date": "2026-10-31"}, {"start_date": "2026-13-01"},
    {"start_date": "20261001"}, {"start_date": None}, {"end_date": "2026-09-01"},
    {"report_type": None}, {"report_type": "AUDIENCE"}, {"data_level": "AUCTION_CREATIVE"},
    {"page_size": "1001"}, {"page": "0"}, {"page": "x"}, {"advertiser_id": None},
    {"filtering": [{"field_name": "ad_status", "filter_type": "IN",
                    "filter_value": '["STATUS_ALL"]'}]},
    {"filtering": [{"field_name": "campaign_status", "filter_type": "IN",
                    "filter_value": ["STATUS_ALL"]}]},
    {"filtering": {"campaign_status": "STATUS_ALL"}}, {"surprise": "1"},
    {"query_lifetime": "true"}, {"order_field": "campaign_name"},
])
async def test_a_wrong_report_parameter_is_40002(site: Site, change: dict[str, Any]) -> None:
    body = await site.report(**change)
    assert (body["code"], body["data"]) == (40002, {})
    if change.get("metrics") == ["spend", "spendd"]:
        assert "spendd" in body["message"]


async def test_another_advertiser_is_no_permission(site: Site) -> None:
    for path, params in (("/advertiser/info/", {"advertiser_ids": ["9" * 19]}),
                         ("/campaign/get/", {"advertiser_id": "9" * 19})):
        assert (await site.get(path, **params))["code"] == 40001


async def test_numbers_are_texts_and_days_are_times_without_a_zone(
    site: Site, world: World
) -> None:
    body = await site.report(metrics=["spend", "clicks", "complete_payment", "ctr",
                                      "secondary_goal_result", "campaign_name"])
    truth = world.ad_days(
        US, NOW.date().replace(month=10, day=1), NOW.date().replace(month=10, day=30), as_of=NOW,
        level="campaign",
    )
    assert len(body["data"]["list"]) == len(truth)
    for row, day in zip(body["data"]["list"], truth, strict=True):
        assert row["dimensions"] == {
            "campaign_id": day.campaign_id, "stat_time_day": f"{day.day} 00:00:00"
        }
        figures = row["metrics"]
        assert all(isinstance(v, str) for v in figures.values())
        assert figures["spend"] == f"{day.spend / 1_000_000:.2f}"
        assert figures["complete_payment"] == str(day.conversions // 100)
        assert float(figures["ctr"]) == pytest.approx(
            100 * day.clicks / day.impressions, abs=0.006
        )
        assert figures["secondary_goal_result"] == "-"


async def test_pages_hold_everything_once_and_their_totals_agree(site: Site) -> None:
    whole = (await site.report())["data"]["list"]
    pages = [(await site.report(page=str(n), page_size="25"))["data"] for n in (1, 2, 3)]
    assert [r for p in pages for r in p["list"]] == whole
    assert {(p["page_info"]["total_number"], p["page_info"]["total_page"]) for p in pages} == {
        (len(whole), -(-len(whole) // 25))
    }
    assert (await site.report(page="99"))["data"]["list"] == []


async def test_deleted_campaigns_are_hidden_unless_all_states_are_asked_for(site: Site) -> None:
    span = {"advertiser_id": EU, "start_date": "2025-07-01", "end_date": "2025-07-03"}
    every = [{"field_name": "campaign_status", "filter_type": "IN",
              "filter_value": '["STATUS_ALL"]'}]
    few = (await site.report(**span))["data"]["list"]
    all_ = (await site.report(**span, filtering=every))["data"]["list"]
    assert len(few) == 3
    assert len(all_) == 6
    shown = (await site.get("/campaign/get/", advertiser_id=EU, page_size="100"))["data"]["list"]
    for filtering in (
        {"secondary_status": "CAMPAIGN_STATUS_ALL"}, {"primary_status": "STATUS_ALL"},
    ):
        found = await site.get(
            "/campaign/get/", advertiser_id=EU, page_size="100", filtering=filtering
        )
        assert len(found["data"]["list"]) > len(shown)
    gone = (await site.get("/campaign/get/", advertiser_id=EU, page_size="100",
                           filtering={"primary_status": "STATUS_DELETE"}))["data"]["list"]
    assert {c["secondary_status"] for c in gone} == {"CAMPAIGN_STATUS_DELETE"}
    account = await site.report(**span, data_level="AUCTION_ADVERTISER",
                                dimensions=["advertiser_id", "stat_time_day"])
    assert len(account["data"]["list"]) == 3


async def test_lists_take_fields_and_ids_and_refuse_what_they_do_not_know(site: Site) -> None:
    ads = (await site.get("/ad/get/", advertiser_id=US, fields=["ad_id", "campaign_id"],
                          page_size="100"))["data"]["list"]
    assert all(set(a) == {"ad_id", "campaign_id"} for a in ads)
    smart = (await site.get("/smart_plus/ad/get/", advertiser_id=US, page_size="100"))["data"]
    assert smart["list"]
    assert not {a["smart_plus_ad_id"] for a in smart["list"]} & {a["ad_id"] for a in ads}
    one = ads[0]["ad_id"]
    found = await site.get("/ad/get/", advertiser_id=US, filtering={"ad_ids": [one]})
    assert [a["ad_id"] for a in found["data"]["list"]] == [one]
    for wrong in ({"fields": ["id"]}, {"filtering": {"ad_id": one}}, {"filtering": "{"},
                  {"filtering": {"ad_ids": one}}, {"filtering": {"primary_status": "ALL"}}):
        assert (await site.get("/ad/get/", advertiser_id=US, **wrong))["code"] == 40002


async def test_details_take_at_most_a_hundred_ids_as_texts(site: Site) -> None:
    found = (await site.get("/advertiser/info/", advertiser_ids=[US, EU, OLD],
                            fields=["name", "currency", "status"]))["data"]["list"]
    assert [(a["currency"], a["status"]) for a in found] == [
        ("USD", "STATUS_ENABLE"), ("EUR", "STATUS_ENABLE"), ("USD", "STATUS_DISABLE"),
    ]
    for ids in ([US] * 101, [int(US)], []):
        assert (await site.get("/advertiser/info/", advertiser_ids=ids))["code"] == 40002
    assert (await site.get("/advertiser/info/", advertiser_ids=[US], fields=["nme"]))[
        "code"] == 40002


async def test_limits_refuse_only_when_they_are_enforced(site: Site) -> None:
    for _ in range(15):
        assert (await site.get("/user/info/"))["code"] == 0
    site.app.sandbox.memories["tiktok_ads"]["enforce_limits"] = True
    codes = [(await site.get("/user/info/"))["code"] for _ in range(12)]
    assert codes[:10] == [0] * 10
    assert 40100 in codes[10:]
    site.clock[0] += timedelta(seconds=1)
    assert (await site.get("/user/info/"))["code"] == 0


@pytest.mark.parametrize(("kind", "more", "code"), [
    ("token_expired", {}, 40102), ("token_revoked", {}, 40105), ("missing_scope", {}, 40001),
    ("rate_limited", {}, 40100), ("rate_limited_silent", {}, 40100), ("server_error", {}, 50000),
    ("server_error", {"detail": {"code": "60001"}}, 60001),
])
async def test_trouble_speaks_tiktoks_language(
    site: Site, kind: str, more: dict[str, Any], code: int
) -> None:
    site.app.sandbox.trouble.add(kind, "tiktok_ads", account=US, **more)
    assert (await site.get("/campaign/get/", advertiser_id=EU))["code"] == 0
    assert (await site.get("/campaign/get/", advertiser_id=US))["code"] == code
    assert (await site.get("/campaign/get/", advertiser_id=US))["code"] == 0


async def test_an_outage_before_the_api_is_an_http_status(site: Site) -> None:
    site.app.sandbox.trouble.add(
        "server_error", "tiktok_ads", status=502, detail={"form": "http"}
    )
    answer = await site.http.get(f"{API}/user/info/", headers={"Access-Token": TOKEN})
    assert answer.status_code == 502
    site.app.sandbox.trouble.add("quota_exhausted", "tiktok_ads")
    body = await site.get("/user/info/")
    assert (body["code"], "daily" in body["message"]) == (40100, True)
