"""The sandbox over real HTTP: dispatch, faults on the wire, consent, codes and tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.plugin import load_platforms
from liftos_app.services.sandbox.tokens import TokenProblem, Tokens
from tests.sandbox_example import (
    CHALLENGE,
    CLIENT,
    RETURN,
    SCOPES,
    SECRET,
    VERIFIER,
    running_example,
)
from tests.sandbox_server import NOW, RunningSandbox


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_example() as one:
        yield one


@pytest.fixture
def box(running: RunningSandbox) -> Iterator[RunningSandbox]:
    running.reset()
    yield running
    running.reset()


@pytest.fixture
def http(box: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.platform("example"), timeout=20, trust_env=False) as client:
        yield client


KEY = {"Authorization": "Bearer fixed-key"}
QUERY = {
    "client_id": CLIENT,
    "redirect_uri": RETURN,
    "state": "s&1",
    "scope": "read accounts:read",
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def approve(
    http: httpx.Client, *, decision: str = "approve", **changes: str | None
) -> dict[str, str]:
    form = {**QUERY, "granted:read": "on", "granted:accounts:read": "on", "decision": decision}
    for name, value in changes.items():
        form.pop(name.replace("__", ":"), None)
        if value is not None:
            form[name] = value
    answer = http.post("authorize", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(RETURN)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def trade(http: httpx.Client, code: str, **changes: str) -> httpx.Response:
    form = {"code": code, "redirect_uri": RETURN, "code_verifier": VERIFIER, **changes}
    return http.post("token", data=form, auth=(CLIENT, SECRET))


def test_platforms_are_found_without_being_listed() -> None:
    found = load_platforms()
    assert {"ecb", "meta_business", "google_ads", "shopify", "klaviyo"} <= set(found)
    assert all(name == platform.id for name, platform in found.items())


def test_a_call_reaches_its_handler_with_its_own_base(http: httpx.Client) -> None:
    answer = http.get("act_7/rows", params={"a": "1"}, headers=KEY)
    assert answer.status_code == 200
    body = answer.json()
    assert body["next"] == str(http.base_url) + "rows?page=2"
    assert (body["echo"], body["account"]) == ({"a": "1"}, "act_7")
    assert answer.headers["x-usage"] == "12"


def test_the_base_is_the_one_the_caller_used(http: httpx.Client) -> None:
    answer = http.get("rows", headers={**KEY, "Host": "liftos.example:8443"})
    assert answer.json()["next"] == "http://liftos.example:8443/sandbox/example/rows?page=2"


def test_unknown_platforms_paths_and_giant_bodies_are_refused(
    box: RunningSandbox, http: httpx.Client
) -> None:
    assert httpx.get(box.url + "/nobody/x", trust_env=False).status_code == 404
    assert http.get("nothing/here/at/all").status_code == 404
    assert http.post("token", content=b"x" * 1_100_000).status_code == 413


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("rate_limited", 429),
        ("rate_limited_silent", 429),
        ("server_error", 503),
        ("token_expired", 503),
        ("missing_scope", 503),
        ("quota_exhausted", 503),
    ],
)
def test_a_platform_words_its_own_faults(
    box: RunningSandbox, http: httpx.Client, kind: str, status: int
) -> None:
    box.trouble.add(kind, "example", retry_after=7 if kind == "rate_limited" else 0)
    answer = http.get("rows", headers=KEY)
    assert (answer.status_code, answer.json()) == (status, {"fault": kind})
    assert answer.headers.get("retry-after") == ("7" if kind == "rate_limited" else None)
    assert http.get("rows", headers=KEY).status_code == 200


def test_a_burst_of_server_errors_ends(box: RunningSandbox, http: httpx.Client) -> None:
    box.trouble.add("server_error", "example", count=3, status=502)
    seen = [http.get("rows", headers=KEY).status_code for _ in range(5)]
    assert seen == [502, 502, 502, 200, 200]


def test_a_slow_answer_takes_its_time_and_holds_up_nobody_else(
    box: RunningSandbox, http: httpx.Client
) -> None:
    box.trouble.add("slow", "example", account="slow", seconds=2)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(http.get, "slow/rows", headers=KEY)
        assert http.get("quick/rows", headers=KEY).status_code == 200
        assert not slow.done()
        assert slow.result().status_code == 200
    assert time.monotonic() - began >= 2


def test_a_cut_connection_breaks_in_the_body(box: RunningSandbox, http: httpx.Client) -> None:
    box.trouble.add("cut", "example")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("rows", headers=KEY)
    assert http.get("rows", headers=KEY).status_code == 200


def test_a_login_page_and_nonsense_come_with_status_200(
    box: RunningSandbox, http: httpx.Client
) -> None:
    box.trouble.add("login_page", "example")
    page = http.get("rows", headers=KEY)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<form" in page.text
    box.trouble.add("not_json", "example")
    answer = http.get("rows", headers=KEY)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_faults_do_not_touch_consent_or_control(box: RunningSandbox, http: httpx.Client) -> None:
    box.trouble.add("server_error", "*", count=None)
    assert http.get("authorize", params=QUERY).status_code == 200
    state = httpx.get(box.url + "/control/state", headers=box.control_headers, trust_env=False)
    assert state.status_code == 200


def test_the_consent_page_says_what_it_is_and_needs_no_script(http: httpx.Client) -> None:
    page = http.get("authorize", params={**QUERY, "state": '"><script>'})
    assert page.status_code == 200
    assert "LiftOS sandbox, imitating Example Ads" in page.text
    assert "<script" not in page.text
    assert "Larkspur &lt;US&gt;" in page.text
    for words in SCOPES.values():
        assert words.replace("'", "&#x27;") in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http://127.0.0.1:9" in policy


def test_the_whole_road_from_consent_to_rows(http: httpx.Client) -> None:
    params = approve(http)
    assert params["state"] == "s&1"
    answer = trade(http, params["code"])
    assert answer.status_code == 200
    rows = http.get("rows", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert rows.json()["scopes"] == ["read", "accounts:read"]


def test_a_person_can_untick_a_scope_or_refuse(http: httpx.Client) -> None:
    params = approve(http, granted__read=None)
    token = trade(http, params["code"]).json()["access_token"]
    rows = http.get("rows", headers={"Authorization": f"Bearer {token}"})
    assert rows.json()["scopes"] == ["accounts:read"]
    refused = approve(http, decision="refuse")
    assert refused["error"] == "access_denied"
    assert "code" not in refused
    assert refused["state"] == "s&1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "other"}, "client id"),
        ({"redirect_uri": "https://evil.example/oauth/callback"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "http://127.0.0.1:9/elsewhere"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "javascript:alert(1)//oauth/callback"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "http://[::1/oauth/callback"}, "redirect_uri_mismatch"),
        ({"code_challenge": ""}, "challenge"),
    ],
)
def test_a_wrong_request_ends_on_a_page_and_redirects_nowhere(
    http: httpx.Client, change: dict[str, str], words: str
) -> None:
    for answer in (
        http.get("authorize", params={**QUERY, **change}),
        http.post("authorize", data={**QUERY, **change, "decision": "approve"}),
    ):
        assert answer.status_code == 400
        assert words in answer.text


def test_an_unknown_scope_goes_back_as_an_error(http: httpx.Client) -> None:
    answer = http.get("authorize", params={**QUERY, "scope": "read admin"})
    assert "error=invalid_scope" in answer.headers["location"]


def test_a_code_works_once_in_time_for_its_own_address_and_verifier(
    box: RunningSandbox, http: httpx.Client
) -> None:
    code = approve(http)["code"]
    assert trade(http, code, redirect_uri=RETURN + "x").json() == {"error": "redirect_uri_mismatch"}
    assert trade(http, code, code_verifier="w" * 50).json() == {"error": "invalid_grant"}
    assert http.post(
        "token", data={"code": code, "redirect_uri": RETURN}, auth=(CLIENT, "no")
    ).json() == {"error": "invalid_client"}
    assert trade(http, code).status_code == 200
    assert trade(http, code).json() == {"error": "invalid_grant"}
    late = approve(http)["code"]
    box.clock.advance(minutes=11)
    assert trade(http, late).json() == {"error": "invalid_grant"}


def test_tokens_expire_renew_and_can_be_killed(box: RunningSandbox, http: httpx.Client) -> None:
    pair = trade(http, approve(http)["code"]).json()

    def use(token: str) -> tuple[int, str]:
        answer = http.get("rows", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json().get("refused", "")

    def renew() -> httpx.Response:
        return http.post(
            "token", data={"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
        )

    box.clock.advance(minutes=61)
    assert use(pair["access_token"]) == (401, "expired")
    fresh = renew().json()["access_token"]
    assert use(fresh) == (200, "")
    box.tokens.expire_all("example")
    assert use(fresh) == (401, "expired")
    assert use("fixed-key") == (401, "expired")
    newer = renew().json()["access_token"]
    assert use(newer) == (200, "")
    box.tokens.revoke_all("example")
    assert use(newer) == (401, "revoked")
    assert renew().status_code == 400
    again = trade(http, approve(http)["code"]).json()["access_token"]
    assert use(again) == (200, "")  # signing in anew mends it at the same second
    box.tokens.restore("example")
    assert use("fixed-key") == (200, "")
    assert use("ex.anything") == (401, "unknown")
    assert use(again[:-3] + "AAA") == (401, "unknown")


def test_short_hex_tokens_carry_what_they_need() -> None:
    tokens = Tokens("key")
    text = tokens.issue_hex(
        "shopify",
        "offline",
        scopes_mask=0b1011,
        now=NOW,
        lifetime=timedelta(hours=1),
        prefix="shpat_",
        rotation=3,
    )
    assert len(text) == 38
    assert int(text[6:], 16) >= 0
    grant = tokens.read(text, platform="shopify", now=NOW, hex_kinds={"shpat_": "offline"})
    assert (grant.extra["mask"], grant.rotation, grant.seconds_left(NOW)) == ("11", 3, 3600)
    for wrong in (text[:-1] + ("0" if text[-1] != "0" else "1"), "shpat_" + "z" * 32, "shpat_1"):
        with pytest.raises(TokenProblem, match="unknown"):
            tokens.read(wrong, platform="shopify", now=NOW, hex_kinds={"shpat_": "offline"})
    with pytest.raises(TokenProblem, match="unknown"):
        Tokens("other").read(text, platform="shopify", now=NOW, hex_kinds={"shpat_": "offline"})


def test_a_token_of_one_platform_opens_no_other() -> None:
    tokens = Tokens("key")
    text = tokens.issue("a", "access", client_id="c", scopes=(), now=NOW, lifetime=None)
    assert tokens.read(text, platform="a", now=NOW).expires is None
    for platform, kinds in (("b", ()), ("a", ("refresh",))):
        with pytest.raises(TokenProblem):
            tokens.read(text, platform=platform, now=NOW, kinds=kinds)


def test_two_platforms_with_one_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from liftos_app.services.sandbox.platforms import ecb, klaviyo

    monkeypatch.setattr(klaviyo, "PLATFORM", replace(ecb.PLATFORM))
    with pytest.raises(ValueError, match="ecb"):
        load_platforms()
