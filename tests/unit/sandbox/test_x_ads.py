"""X's Ads API as the sandbox serves it: signatures, sign-in, lists, analytics, limits, refusals."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from oauthlib.oauth1 import Client as Signer

from liftos_app.services.sandbox.credentials.x_ads import DEMO, SPARE
from tests.sandbox_server import RunningSandbox, running_sandbox

US, EU = "18ce54d4x5t", "18ce54uhx0z"
KEYS = DEMO["token"]
BACK = "http://localhost:8000/oauth/callback/x_ads"
WEEK = {"start_time": "2026-11-02", "end_time": "2026-11-09"}
ASK = {
    "entity": "LINE_ITEM", "entity_ids": "idox5kx", "granularity": "DAY",
    "metric_groups": "ENGAGEMENT,BILLING", "placement": "ALL_ON_TWITTER", **WEEK,
}


@dataclass
class Site:
    """The sandbox, called with signatures of oauthlib."""

    box: RunningSandbox
    http: httpx.Client

    def signer(self, token: str = "", secret: str = "", **more: Any) -> Signer:
        return Signer(
            more.pop("key", KEYS["client_id"]), more.pop("app_secret", KEYS["client_secret"]),
            token or None, secret or None, **more,
        )

    def call(
        self, path: str, params: dict[str, str] | None = None, *, method: str = "GET",
        token: str = KEYS["access_token"], secret: str = KEYS["access_token_secret"], **more: Any,
    ) -> httpx.Response:
        url = self.box.platform("x_ads") + path + (f"?{urlencode(params)}" if params else "")
        signed, headers, _ = self.signer(token, secret, **more).sign(url, method)
        return self.http.request(method, signed, headers=headers)

    def stats(self, account: str = US, **changes: str | None) -> httpx.Response:
        asked = {k: v for k, v in {**ASK, **changes}.items() if v is not None}
        return self.call(f"/12/stats/accounts/{account}", asked)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def site(server: RunningSandbox) -> Iterator[Site]:
    server.reset()
    with httpx.Client() as http:
        yield Site(server, http)


def error(answer: httpx.Response) -> tuple[int, Any, str]:
    found = answer.json()["errors"][0]
    return answer.status_code, found["code"], found.get("parameter", "")


# --- signatures -----------------------------------------------------------------------------------


def test_a_good_signature_opens_and_every_answer_tells_version_and_limit(site: Site) -> None:
    answer = site.call("/12/accounts", {"count": "1"})
    assert answer.status_code == 200
    assert answer.headers["x-current-api-version"] == "12"
    assert answer.headers["x-rate-limit-limit"] == "5"
    assert int(answer.headers["x-rate-limit-reset"]) > time.time()
    assert "x-api-warn" not in answer.headers
    assert "deprecated" in site.call("/11/accounts").headers["x-api-warn"]


@pytest.mark.parametrize("wrong", [
    {"secret": "W" * 45}, {"app_secret": "W" * 50}, {"key": "Another"}, {"token": "2417-unknown"},
    {"timestamp": "1700000000"}, {"timestamp": str(int(time.time()) + 3600)},
    {"timestamp": "soon"}, {"signature_method": "PLAINTEXT"},
    {"signature_method": "HMAC-SHA256"},
])
def test_whatever_is_wrong_with_a_signature_is_401(site: Site, wrong: dict[str, Any]) -> None:
    assert error(site.call("/12/accounts", **wrong)) == (401, "UNAUTHORIZED_ACCESS", "")


def test_a_bearer_token_or_no_signature_is_401(site: Site) -> None:
    url = site.box.platform("x_ads") + "/12/accounts"
    for headers in ({}, {"authorization": f"Bearer {KEYS['access_token']}"},
                    {"authorization": "OAuth oauth_token"}):
        assert error(site.http.get(url, headers=headers))[0] == 401


def test_a_nonce_is_good_once_and_a_signature_for_its_own_query_only(site: Site) -> None:
    url = site.box.platform("x_ads") + "/12/accounts?count=1"
    _, headers, _ = site.signer(KEYS["access_token"], KEYS["access_token_secret"]).sign(url)
    assert site.http.get(url.replace("count=1", "count=2"), headers=headers).status_code == 401
    assert site.http.get(url, headers=headers).status_code == 200
    assert site.http.get(url, headers=headers).status_code == 401
    assert site.http.post(url, headers=headers).status_code == 401


def test_the_spare_key_lives_when_the_other_was_taken_back(site: Site) -> None:
    site.box.tokens.revoke_all("x_ads")
    assert site.call("/12/accounts").status_code == 401
    spare = {"token": SPARE["access_token"], "secret": SPARE["access_token_secret"]}
    assert site.call("/12/accounts", **spare).status_code == 200


# --- sign-in --------------------------------------------------------------------------------------


def ask_token(site: Site, callback: str = BACK, **more: Any) -> httpx.Response:
    url = site.box.platform("x_ads") + "/oauth/request_token"
    _, headers, _ = site.signer(callback_uri=callback, **more).sign(url, "POST")
    return site.http.post(url, headers=headers)


def decide(site: Site, token: str, decision: str = "approve") -> httpx.Response:
    url = site.box.platform("x_ads") + "/oauth/authorize"
    page = site.http.get(url, params={"oauth_token": token})
    assert page.status_code == 200
    assert "Larkspur US" in page.text
    return site.http.post(url, data={"oauth_token": token, "decision": decision})


def swap(site: Site, token: str, secret: str, verifier: str) -> httpx.Response:
    url = site.box.platform("x_ads") + "/oauth/access_token"
    _, headers, _ = site.signer(token, secret, verifier=verifier).sign(url, "POST")
    return site.http.post(url, headers=headers)


def test_three_steps_bring_a_token_that_works_until_it_is_given_back(site: Site) -> None:
    answer = ask_token(site)
    assert answer.headers["content-type"].startswith("text/html")
    given = dict(parse_qsl(answer.text))
    assert given["oauth_callback_confirmed"] == "true"
    token, secret = given["oauth_token"], given["oauth_token_secret"]
    back = urlsplit(decide(site, token).headers["location"])
    assert back._replace(query="").geturl() == BACK
    params = {k: v[0] for k, v in parse_qs(back.query).items()}
    assert params["oauth_token"] == token
    assert swap(site, token, secret, "wrong").status_code == 401
    assert swap(site, token, "W" * 40, params["oauth_verifier"]).status_code == 401
    access = dict(parse_qsl(swap(site, token, secret, params["oauth_verifier"]).text))
    assert access["oauth_token"].startswith(access["user_id"] + "-")
    assert access["screen_name"] == "larkspurhome"
    assert swap(site, token, secret, params["oauth_verifier"]).status_code == 401  # once
    own = {"token": access["oauth_token"], "secret": access["oauth_token_secret"]}
    site.box.clock.advance(days=400)  # no end
    assert site.call("/12/accounts", **own).status_code == 200
    gone = site.call("/1.1/oauth/invalidate_token.json", method="POST", **own)
    assert gone.json() == {"access_token": access["oauth_token"]}
    assert site.call("/12/accounts", **own).status_code == 401
    assert error(site.call("/1.1/oauth/invalidate_token", method="POST", **own)) == (401, 89, "")


def test_a_refusal_names_the_token_and_ends_it(site: Site) -> None:
    given = dict(parse_qsl(ask_token(site).text))
    answer = decide(site, given["oauth_token"], "refuse")
    assert answer.headers["location"] == f"{BACK}?denied={given['oauth_token']}"
    url = site.box.platform("x_ads") + "/oauth/authorize"
    page = site.http.get(url, params={"oauth_token": given["oauth_token"]})
    assert page.status_code == 400


def test_an_unapproved_or_late_request_token_gives_nothing(site: Site) -> None:
    given = dict(parse_qsl(ask_token(site).text))
    assert swap(site, given["oauth_token"], given["oauth_token_secret"], "x").status_code == 401
    site.box.clock.advance(minutes=11)
    url = site.box.platform("x_ads") + "/oauth/authorize"
    page = site.http.get(url, params={"oauth_token": given["oauth_token"]})
    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(("callback", "code"), [
    ("https://evil.example/steal", 415), ("ftp://localhost/oauth/callback/x_ads", 415),
    (BACK + "?state=1", 415),
])
def test_a_return_address_that_is_not_registered_is_refused(
    site: Site, callback: str, code: int
) -> None:
    assert error(ask_token(site, callback)) == (403, code, "")


def test_a_foreign_origin_is_refused_on_the_page(site: Site) -> None:
    given = dict(parse_qsl(ask_token(site, "https://evil.example/oauth/callback/x_ads").text))
    url = site.box.platform("x_ads") + "/oauth/authorize"
    page = site.http.get(url, params={"oauth_token": given["oauth_token"]})
    assert (page.status_code, "not registered" in page.text) == (400, True)


def test_wrong_app_keys_get_no_request_token(site: Site) -> None:
    assert error(ask_token(site, app_secret="W" * 50)) == (401, 32, "")


def test_the_pin_way_shows_a_number(site: Site) -> None:
    given = dict(parse_qsl(ask_token(site, "oob").text))
    pin = re.search(r"PIN in the app: (\d{7})", decide(site, given["oauth_token"]).text)
    assert pin
    answer = swap(site, given["oauth_token"], given["oauth_token_secret"], pin[1])
    assert "user_id=2417000001" in answer.text


# --- lists ----------------------------------------------------------------------------------------


def test_pages_hang_together_and_cursors_belong_to_their_list(site: Site) -> None:
    path, seen, cursor = f"/12/accounts/{US}/promoted_tweets", [], ""
    while True:
        params = {"count": "2", "with_deleted": "true", **({"cursor": cursor} if cursor else {})}
        data = site.call(path, params).json()
        seen += [r["id"] for r in data["data"]]
        assert data["request"]["params"]["account_id"] == US
        if data["next_cursor"] is None:
            break
        cursor = data["next_cursor"]
    assert len(seen) == len(set(seen)) == len(site.box.world.ads(US, as_of=site.box.clock()))
    other = site.call(f"/12/accounts/{US}/line_items", {"cursor": cursor})
    assert error(other) == (400, "INVALID_PARAMETER", "cursor")


def test_version_12_keeps_objective_and_times_on_the_line_item(site: Site) -> None:
    campaign = site.call(f"/12/accounts/{US}/campaigns", {"count": "1"}).json()["data"][0]
    item = site.call(f"/12/accounts/{US}/line_items", {"count": "1"}).json()["data"][0]
    assert not {"objective", "start_time", "end_time"} & set(campaign)
    assert {"objective", "start_time", "end_time", "currency"} <= set(item)
    assert re.fullmatch(r"[0-9a-z]{4,}", campaign["id"])
    assert "currency" not in site.call(f"/12/accounts/{US}").json()["data"]


def test_order_total_and_deleted(site: Site) -> None:
    path = f"/12/accounts/{US}/campaigns"
    rows = site.call(path, {"sort_by": "updated_at-desc", "with_deleted": "true"}).json()["data"]
    times = [r["updated_at"] for r in rows]
    assert times == sorted(times, reverse=True)
    counted = site.call(path, {"with_total_count": "true", "count": "1"})
    assert counted.json()["total_count"] >= 1
    assert counted.headers["x-account-rate-limit-limit"] == "200"
    plain = site.call(path)
    assert plain.headers["x-account-rate-limit-limit"] == "10000"


@pytest.mark.parametrize(("path", "params", "expected"), [
    (f"/12/accounts/{US}/campaigns", {"count": "1001"}, (400, "INVALID_PARAMETER", "count")),
    (f"/12/accounts/{US}/campaigns", {"limit": "10"}, (400, "INVALID_PARAMETER", "limit")),
    (f"/12/accounts/{US}/campaigns", {"sort_by": "spend-desc"},
     (400, "INVALID_PARAMETER", "sort_by")),
    (f"/12/accounts/{US}/campaigns", {"with_deleted": "maybe"},
     (400, "INVALID_PARAMETER", "with_deleted")),
    (f"/12/accounts/{US}/campaigns", {"cursor": "c-1", "with_total_count": "true"},
     (400, "EXCLUSIVE_PARAMETERS", "")),
    (f"/12/accounts/{US}/tweets", {}, (400, "MISSING_PARAMETER", "tweet_type")),
    ("/12/accounts/2417000001/campaigns", {}, (403, "ACCOUNT_NOT_FOUND", "account_id")),
    (f"/12/accounts/{US}/campaigns/zzzzz", {}, (404, "CAMPAIGN_NOT_FOUND", "")),
    (f"/12/accounts/{US}/audiences", {}, (404, "ROUTE_NOT_FOUND", "")),
])
def test_what_lists_refuse(
    site: Site, path: str, params: dict[str, str], expected: tuple[int, str, str]
) -> None:
    assert error(site.call(path, params)) == expected


def test_writing_and_other_versions_are_refused(site: Site) -> None:
    answer = site.call(f"/12/accounts/{US}/campaigns", method="POST")
    assert error(answer) == (405, "METHOD_NOT_ALLOWED", "")
    page = site.call("/10/accounts")
    assert page.status_code == 404
    assert page.text.startswith("<html>")


# --- analytics ------------------------------------------------------------------------------------


def test_arrays_stand_by_position_with_an_exclusive_end_and_null_for_zeros(site: Site) -> None:
    data = site.stats().json()
    assert (data["data_type"], data["time_series_length"]) == ("stats", 7)
    metrics = data["data"][0]["id_data"][0]["metrics"]
    assert all(v is None or len(v) == 7 for v in metrics.values())
    assert metrics["follows"] is None
    assert data["request"]["params"]["start_time"] == "2026-11-02T05:00:00Z"  # New York
    day = site.stats(start_time="2026-11-04", end_time="2026-11-05").json()
    assert day["data"][0]["id_data"][0]["metrics"]["impressions"] == [metrics["impressions"][2]]
    web = site.stats(metric_groups="WEB_CONVERSION").json()["data"][0]["id_data"][0]["metrics"]
    assert set(web["conversion_purchases"]) >= {"post_view", "post_engagement", "sale_amount"}
    assert web["conversion_sign_ups"] is None


@pytest.mark.parametrize(("start", "end"), [
    ("2026-11-02T05:00:00Z", "2026-11-09T05:00:00Z"),
    ("2026-11-02T00:00:00-0500", "2026-11-09T00:00:00-05:00"),
    ("2026-11-02T06:00:00+01", "2026-11-09T06:00:00+0100"),
    # before the change of clocks too, today's offset counts
    ("2026-10-20T05:00:00Z", "2026-10-27T05:00:00Z"),
])
def test_days_begin_at_midnight_of_the_account_by_todays_offset(
    site: Site, start: str, end: str
) -> None:
    assert site.stats(start_time=start, end_time=end).json()["time_series_length"] == 7


@pytest.mark.parametrize(("changes", "expected"), [
    ({"entity_ids": ",".join(f"a{i}" for i in range(21))}, ("INVALID_PARAMETER", "entity_ids")),
    ({"end_time": "2026-11-10"}, ("INVALID_TIME_WINDOW", "end_time")),
    ({"end_time": "2026-11-02"}, ("INVALID_TIME_WINDOW", "end_time")),
    ({"start_time": "2026-11-02T04:00:00Z"}, ("INVALID_TIME_WINDOW", "end_time")),
    ({"start_time": "2026-10-20T04:00:00Z", "end_time": "2026-10-27T04:00:00Z"},
     ("INVALID_TIME_WINDOW", "end_time")),
    ({"start_time": "2026-11-02T05:30:00Z"}, ("INVALID_PARAMETER", "start_time")),
    ({"start_time": "yesterday"}, ("INVALID_PARAMETER", "start_time")),
    ({"start_time": "2026-02-31"}, ("INVALID_PARAMETER", "start_time")),
    ({"start_time": None}, ("MISSING_PARAMETER", "start_time")),
    ({"placement": None}, ("MISSING_PARAMETER", "placement")),
    ({"placement": "ALL_ON_TWITTER,SPOTLIGHT"}, ("INVALID_PARAMETER", "placement")),
    ({"entity": "AD"}, ("INVALID_PARAMETER", "entity")),
    ({"entity": "ACCOUNT"}, ("INVALID_PARAMETER", "metric_groups")),
    ({"metric_groups": "MONEY"}, ("INVALID_PARAMETER", "metric_groups")),
    ({"metric_groups": "MOBILE_CONVERSION,BILLING"}, ("EXCLUSIVE_PARAMETERS", "metric_groups")),
    ({"granularity": "WEEK"}, ("INVALID_PARAMETER", "granularity")),
    ({"segmentation_type": "AGE"}, ("INVALID_PARAMETER", "segmentation_type")),
])
def test_what_analytics_refuse(
    site: Site, changes: dict[str, str | None], expected: tuple[str, str]
) -> None:
    assert error(site.stats(**changes)) == (400, *expected)


def test_direct_questions_count_for_the_person(site: Site) -> None:
    left = [int(site.stats(a).headers["x-rate-limit-remaining"]) for a in (US, EU, US)]
    assert left == [249, 248, 247]


def test_active_entities_reach_back_as_far_as_their_changes(site: Site) -> None:
    path = f"/12/stats/accounts/{US}/active_entities"
    found = site.call(path, {"entity": "PROMOTED_TWEET", **WEEK}).json()["data"]
    places = {p for one in found for p in one["placements"]}
    assert places == {"ALL_ON_TWITTER", "SPOTLIGHT"}
    assert min(one["activity_start_time"] for one in found) < "2026-11-02"
    for params in ({**WEEK}, {"entity": "ACCOUNT", **WEEK},
                   {"entity": "CAMPAIGN", "start_time": "2026-08-01", "end_time": "2026-11-09"},
                   {"entity": "CAMPAIGN", **WEEK, "campaign_ids": "a", "line_item_ids": "b"}):
        assert site.call(path, params).status_code == 400


def order(site: Site, **changes: str | None) -> httpx.Response:
    asked = {k: v for k, v in {**ASK, **changes}.items() if v is not None}
    return site.call(f"/12/stats/jobs/accounts/{US}", asked, method="POST")


def look(site: Site, **params: str) -> Any:
    return site.call(f"/12/stats/jobs/accounts/{US}", params).json()["data"]


def test_a_job_ends_with_a_file_for_two_days(site: Site) -> None:
    made = order(site, start_time="2026-08-20").json()["data"]
    assert (made["status"], made["url"], made["expires_at"]) == ("PROCESSING", None, None)
    states = [look(site, job_ids=made["id_str"])[0] for _ in range(3)]
    assert [(s["status"], bool(s["url"])) for s in states] == [
        ("PROCESSING", False), ("SUCCESS", False), ("SUCCESS", True)
    ]
    url = states[-1]["url"]
    assert site.http.get(url, headers={"authorization": "OAuth x"}).status_code == 403
    data = json.loads(gzip.decompress(site.http.get(url).content))
    assert data["time_series_length"] == 81
    assert states[-1]["expires_at"] == "2026-11-25T12:00:00Z"
    site.box.clock.advance(days=2, minutes=1)
    assert site.http.get(url).status_code == 404


def test_limits_of_jobs(site: Site) -> None:
    assert error(order(site, start_time="2026-08-01"))[1] == "INVALID_TIME_WINDOW"
    too_long = order(site, start_time="2026-09-20", segmentation_type="AGE")
    assert error(too_long)[1] == "INVALID_TIME_WINDOW"
    assert error(order(site, segmentation_type="METROS")) == (
        400, "MISSING_PARAMETER", "country"
    )
    for _ in range(100):
        assert order(site).status_code == 200
    assert error(order(site)) == (400, "TOO_MANY_JOBS", "")
    assert order(site, entity="CAMPAIGN", entity_ids="x").status_code == 400
    site.box.clock.advance(seconds=31)
    assert order(site).status_code == 200


def test_scripted_trouble_in_the_vendors_words(site: Site) -> None:
    def next_one(kind: str, **more: Any) -> httpx.Response:
        site.box.trouble.add(kind, "x_ads", **more)
        return site.call("/12/accounts")

    assert error(next_one("token_revoked"))[:2] == (401, "UNAUTHORIZED_ACCESS")
    assert error(next_one("missing_scope"))[:2] == (403, "UNAUTHORIZED_CLIENT_APPLICATION")
    limited = next_one("rate_limited", retry_after=7)
    assert error(limited)[:2] == (429, "TOO_MANY_REQUESTS")
    assert 5 <= int(limited.headers["x-rate-limit-reset"]) - time.time() <= 8
    assert "x-rate-limit-reset" not in next_one("rate_limited_silent").headers
    busy = next_one("server_error", status=503, retry_after=4)
    assert (error(busy)[1], busy.headers["retry-after"]) == ("SERVICE_UNAVAILABLE", "4")
    assert next_one("server_error", status=502).text.startswith("<html>")


def test_closing_days_restate_spend(site: Site) -> None:
    asked = {"start_time": "2026-11-22", "end_time": "2026-11-23", "metric_groups": "BILLING"}

    def spent() -> int:
        found = site.stats(**asked).json()["data"][0]["id_data"][0]["metrics"]
        return int(found["billed_charge_local_micro"][0])

    early = spent()
    site.box.clock.advance(days=5)
    assert spent() != early
