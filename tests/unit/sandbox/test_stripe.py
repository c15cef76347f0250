"""The imitated payment platform over HTTP: keys, versions, strict parameters, cursors, Connect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.credentials.stripe import DEMO, SPARE
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.stripe import ids, serve, versions
from tests.sandbox_server import RunningSandbox, running_sandbox

KEY = DEMO["restricted_key"]["api_key"]
APP = DEMO["oauth"]
VERSION = {"Stripe-Version": versions.CURRENT}
BACK = "http://127.0.0.1:8000/oauth/callback/stripe"


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def web(box: RunningSandbox) -> Iterator[httpx.Client]:
    box.reset()
    headers = {"Authorization": f"Bearer {KEY}", **VERSION}
    with httpx.Client(base_url=box.platform("stripe"), headers=headers, timeout=60) as client:
        yield client


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["error"]
    assert found["message"]
    assert found["type"]
    return found


# --- keys and versions ------------------------------------------------------------------------


def test_every_kind_of_key_is_taken_in_both_schemes(web: httpx.Client) -> None:
    for key in (KEY, DEMO["secret_key"]["api_key"], *SPARE.values()):
        path = "/v1/charges"
        assert web.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert web.get(path, auth=(key, ""), headers={}).status_code in {200, 401}
    bare = httpx.get(f"{web.base_url}v1/charges", auth=(KEY, ""))
    assert bare.status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rk_live_unknown0000", "Token x"])
def test_without_a_good_key_nothing_is_told(web: httpx.Client, header: str) -> None:
    answer = httpx.get(f"{web.base_url}v1/account", headers={"Authorization": header, **VERSION})
    found = error(answer, 401)
    assert found["type"] == "invalid_request_error"
    assert answer.headers["www-authenticate"] == 'Bearer realm="Stripe"'
    assert answer.headers["request-id"].startswith("req_")
    assert "rk_live_unknown0000" not in answer.text


def test_expired_and_revoked_keys_are_told_apart_and_a_spare_still_works(
    web: httpx.Client, box: RunningSandbox
) -> None:
    box.tokens.expire_all("stripe")
    assert error(web.get("/v1/account"), 401)["code"] == "api_key_expired"
    box.tokens.restore("stripe")
    box.tokens.revoke_all("stripe")
    assert "code" not in error(web.get("/v1/account"), 401)
    spare = {"Authorization": f"Bearer {SPARE['api_key']}"}
    assert web.get("/v1/account", headers=spare).json()["id"] == ids.ACCOUNT


def test_a_version_is_echoed_and_without_one_the_pinned_one_answers(web: httpx.Client) -> None:
    assert web.get("/v1/invoices").headers["stripe-version"] == versions.CURRENT
    bare = httpx.get(f"{web.base_url}v1/invoices", headers={"Authorization": f"Bearer {KEY}"})
    assert bare.headers["stripe-version"] == versions.PINNED
    assert "parent" not in bare.json()["data"][0]
    assert bare.json()["data"][0]["subscription"].startswith("sub_")
    unknown = web.get("/v1/invoices", headers={"Stripe-Version": "2026-10-28"})
    assert "Invalid Stripe API version" in error(unknown, 400)["message"]


def test_a_key_reads_its_own_account_only(web: httpx.Client) -> None:
    own = web.get("/v1/account", headers={"Stripe-Account": ids.ACCOUNT})
    assert own.json()["default_currency"] == "usd"
    assert own.json()["settings"]["dashboard"]["timezone"] == "America/New_York"
    other = web.get("/v1/account", headers={"Stripe-Account": ids.AGENCY})
    assert error(other, 403)["code"] == "account_invalid"


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "query", "param", "code"), [
    ("charges", "size=3", "size", "parameter_unknown"),
    ("charges", "created[since]=3", "created[since]", "parameter_unknown"),
    ("charges", "types[]=x", "types[]", "parameter_unknown"),
    ("charges", "limit=ten", "limit", "parameter_invalid_integer"),
    ("charges", "limit=101", "limit", "parameter_invalid_integer"),
    ("charges", "limit=", "limit", "parameter_invalid_integer"),
    ("charges", "created[gte]=today", "created[gte]", "parameter_invalid_integer"),
    ("charges", "customer=", "customer", "parameter_invalid_empty"),
    ("charges", "starting_after=ch_1", "starting_after", "resource_missing"),
    ("refunds", "starting_after=ch_1", "starting_after", "resource_missing"),
    ("invoices", "status=gone", "status", ""),
    ("subscriptions", "status=gone", "status", ""),
    ("events", "type=charge.failed&types[]=charge.failed", "types", ""),
    ("charges", "expand[]=data.nothing", "expand", ""),
    ("charges", "expand[]=balance_transaction", "expand", ""),
    ("account", "limit=1", "limit", "parameter_unknown"),
    ("charges/CH", "limit=1", "limit", "parameter_unknown"),
])  # fmt: skip
def test_what_is_unknown_or_wrong_is_refused_and_named(
    web: httpx.Client, path: str, query: str, param: str, code: str
) -> None:
    if path.endswith("CH"):
        path = "charges/" + web.get("/v1/charges?limit=1").json()["data"][0]["id"]
    found = error(web.get(f"/v1/{path}?{query}"), 400)
    assert found["param"] == param
    assert found.get("code", "") == code


def test_both_cursors_at_once_and_more_than_twenty_types_are_refused(web: httpx.Client) -> None:
    ident = web.get("/v1/charges?limit=1").json()["data"][0]["id"]
    both = web.get("/v1/charges", params={"starting_after": ident, "ending_before": ident})
    assert "both" in error(both, 400)["message"]
    many = [("types[]", f"x.{n}") for n in range(21)]
    assert error(web.get("/v1/events", params=many), 400)["param"] == "types"


def test_lists_of_values_are_taken_with_and_without_their_places(web: httpx.Client) -> None:
    for name in ("types[0]", "types[]"):
        found = web.get("/v1/events", params={name: "payout.paid", "limit": 3}).json()["data"]
        assert {e["type"] for e in found} == {"payout.paid"}
    wish = {"expand[0]": "data.balance_transaction", "limit": "1", "payment_intent": ""}
    assert error(web.get("/v1/charges", params=wish), 400)["code"] == "parameter_invalid_empty"


def test_nothing_can_be_written_and_other_paths_are_not_there(web: httpx.Client) -> None:
    assert "rak_charges_write" in error(web.post("/v1/charges", data={"a": "b"}), 403)["message"]
    assert "Unrecognized request URL" in error(web.get("/v1/nothing"), 404)["message"]
    assert error(web.get("/v1/charges/ch_nothing"), 404)["code"] == "resource_missing"
    assert error(web.get("/v1/charges/pi_" + "3" * 24), 404)["code"] == "resource_missing"
    assert httpx.get(f"{web.base_url}v1/nothing").status_code == 401


# --- lists ----------------------------------------------------------------------------------------


def walk(web: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    for _ in range(200):
        body = web.get(path, params={**params, **after}).json()
        assert body["object"] == "list"
        assert body["url"] == path
        found += body["data"]
        if not body["has_more"]:
            return found
        after = {"starting_after": found[-1]["id"]}
    raise AssertionError("no end")


def test_a_walk_brings_each_thing_once_newest_first(web: httpx.Client, box: Any) -> None:
    now = box.clock()
    span = {"created[gte]": int((now - timedelta(days=2)).timestamp()),
            "created[lte]": int(now.timestamp())}  # fmt: skip
    view = box.world.payments(as_of=now)
    for path, kind in (("/v1/charges", "charge"), ("/v1/balance_transactions", "entry")):
        found = walk(web, path, limit=23, **span)
        keys = view.keys(kind, since=now - timedelta(days=2))
        assert [f["id"] for f in found] == [ids.of(kind, k) for k in reversed(keys)]
        assert found == walk(web, path, limit=100, **span)
        times = [f["created"] for f in found]
        assert times == sorted(times, reverse=True)


def test_a_cursor_outside_the_filter_goes_on_from_its_moment(web: httpx.Client, box: Any) -> None:
    newest = web.get("/v1/payouts?limit=1").json()["data"][0]
    before = int((box.clock() - timedelta(days=5)).timestamp())
    params = {"created[lt]": before, "starting_after": newest["id"], "limit": 2}
    found = web.get("/v1/payouts", params=params).json()["data"]
    assert len(found) == 2
    assert all(f["created"] < before for f in found)


def test_what_happens_during_a_walk_does_not_shift_it(web: httpx.Client, box: Any) -> None:
    first = web.get("/v1/charges?limit=5").json()["data"]
    expected = web.get("/v1/charges?limit=10").json()["data"][5:]
    box.clock.advance(hours=6)
    following = web.get("/v1/charges", params={"limit": 5, "starting_after": first[-1]["id"]})
    assert [f["id"] for f in following.json()["data"]] == [e["id"] for e in expected]
    newer = web.get("/v1/charges", params={"limit": 3, "ending_before": first[0]["id"]}).json()
    assert newer["has_more"] is True
    assert all(n["created"] >= first[0]["created"] for n in newer["data"])


def test_a_page_of_a_payout_names_what_it_carried(web: httpx.Client) -> None:
    payout = web.get("/v1/payouts?limit=1&status=paid").json()["data"][0]
    source = web.get("/v1/balance_transactions", params={"source": payout["id"]}).json()["data"]
    assert [s["amount"] for s in source] == [-payout["amount"]]
    assert source[0]["id"] == payout["balance_transaction"]
    carried = walk(web, "/v1/balance_transactions", payout=payout["id"], limit=50)
    assert len(carried) > 20
    assert sum(c["net"] for c in carried) == 0  # what came in, and the payout itself
    fees = walk(web, "/v1/balance_transactions", payout=payout["id"], type="charge", limit=100)
    assert {f["type"] for f in fees} == {"charge"}
    first = web.get("/v1/balance_transactions", params={"source": fees[0]["source"]}).json()
    assert [f["id"] for f in first["data"]] == [fees[0]["id"]]
    late = {"source": payout["id"], "created[gt]": payout["created"]}
    assert web.get("/v1/balance_transactions", params=late).json()["data"] == []


def test_events_are_forgotten_after_thirty_days(web: httpx.Client, box: Any) -> None:
    newest = web.get("/v1/events?limit=1").json()["data"][0]["id"]
    assert web.get(f"/v1/events/{newest}").status_code == 200
    box.clock.advance(days=31)
    assert error(web.get(f"/v1/events/{newest}"), 404)["code"] == "resource_missing"
    oldest = int((box.clock() - timedelta(days=30)).timestamp())
    params = {"created[lt]": oldest, "limit": 1}
    assert web.get("/v1/events", params=params).json()["data"] == []


def test_an_event_shows_its_thing_as_it_was_then(web: httpx.Client) -> None:
    told = web.get("/v1/events?type=charge.refunded&limit=1").json()["data"][0]
    before = web.get("/v1/events", params={"type": "charge.succeeded", "limit": 1}).json()["data"]
    assert told["data"]["object"]["amount_refunded"] > 0
    assert before[0]["data"]["object"]["amount_refunded"] == 0
    assert told["api_version"] == versions.PINNED
    now = web.get(f"/v1/charges/{told['data']['object']['id']}").json()
    assert now["amount_refunded"] == told["data"]["object"]["amount_refunded"]


def test_test_mode_has_its_own_things(web: httpx.Client) -> None:
    test = {"Authorization": f"Bearer {SPARE['test_key']}"}
    with httpx.Client(base_url=web.base_url, headers={**test, **VERSION}, timeout=60) as other:
        own = walk(other, "/v1/charges", limit=100)
    assert own
    assert {c["livemode"] for c in own} == {False}
    assert web.get(f"/v1/charges/{own[0]['id']}").status_code == 404
    assert web.get("/v1/subscriptions", headers=test).json()["data"] == []


# --- limits and trouble -----------------------------------------------------------------------


def test_the_published_limits_refuse_where_they_are_switched_on(
    web: httpx.Client, box: RunningSandbox
) -> None:
    memory = box.sandbox.memories.setdefault("stripe", {})
    memory["enforce_limits"] = True
    memory["desk"] = serve.Second(Elapsed(real=lambda: 0.0))
    answers = [web.get("/v1/payouts?limit=1") for _ in range(26)]
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 1
    assert refused[0].json()["error"]["code"] == "rate_limit"
    assert refused[0].headers["stripe-rate-limited-reason"] == "endpoint-rate"
    assert "retry-after" not in refused[0].headers
    box.clock.advance(seconds=2)
    assert web.get("/v1/payouts?limit=1").status_code == 200


@pytest.mark.parametrize(("kind", "more", "status"), [
    ("rate_limited", {"retry_after": 3}, 429), ("rate_limited_silent", {}, 429),
    ("quota_exhausted", {}, 429), ("server_error", {}, 503), ("server_error", {"status": 500}, 500),
    ("server_error", {"status": 409, "detail": {"code": "lock_timeout"}}, 409),
    ("missing_scope", {}, 403), ("token_expired", {}, 401), ("token_revoked", {}, 401),
])  # fmt: skip
def test_trouble_speaks_stripes_language(
    web: httpx.Client, box: RunningSandbox, kind: str, more: Any, status: int
) -> None:
    box.trouble.add(kind, "stripe", **more)
    answer = web.get("/v1/charges")
    found = error(answer, status)
    assert found["type"] == ("api_error" if status >= 500 else "invalid_request_error")
    if kind == "rate_limited":
        assert answer.headers["retry-after"] == "3"
    if kind == "missing_scope":
        assert "rak_charge_read" in found["message"]
    assert web.get("/v1/charges").status_code == 200


def test_rows_can_be_bent(web: httpx.Client, box: RunningSandbox) -> None:
    plain = web.get("/v1/charges?limit=5").json()["data"]
    box.trouble.add("duplicated_rows", "stripe", stream="charges")
    assert len(web.get("/v1/charges?limit=5").json()["data"]) == 6
    box.trouble.add("changed_column", "stripe", detail={"column": "amount", "to": "sum"})
    assert web.get("/v1/charges?limit=5").json()["data"][0]["sum"] == plain[0]["amount"]
    box.trouble.add("currency_change", "stripe", detail={"currency": "CAD"})
    assert web.get("/v1/account").json()["default_currency"] == "cad"


# --- Connect --------------------------------------------------------------------------------------


def approve(web: httpx.Client, **more: str) -> httpx.Response:
    fields = {
        "client_id": APP["client_id"], "scope": "read_only", "state": "s1",
        "response_type": "code", "redirect_uri": BACK, "decision": "approve", **more,
    }  # fmt: skip
    return web.post("/oauth/authorize", data=fields)


def swap(web: httpx.Client, code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code,
            "client_secret": APP["client_secret"], **more}  # fmt: skip
    return httpx.post(f"{web.base_url}oauth/token", data=form)


def code_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]


def test_a_code_gives_tokens_once_and_only_to_the_platform(web: httpx.Client) -> None:
    code = code_of(approve(web))
    assert code.startswith("ac_")
    stranger = swap(web, code, client_secret="sk_" + "live_0000000000")
    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")
    found = swap(web, code).json()
    assert found["stripe_user_id"] == ids.ACCOUNT
    assert (found["scope"], found["token_type"], found["livemode"]) == ("read_only", "bearer", True)
    assert "expires_in" not in found
    used = swap(web, code)
    assert (used.status_code, used.json()["error"]) == (400, "invalid_grant")
    assert set(used.json()) == {"error", "error_description"}
    other = swap(web, "x", grant_type="password")
    assert other.json()["error"] == "unsupported_grant_type"
    fresh = swap(web, "", grant_type="refresh_token", refresh_token=found["refresh_token"])
    assert fresh.json()["refresh_token"].startswith("rt_")
    late = swap(web, "", grant_type="refresh_token", refresh_token="rt_unknown")
    assert late.json()["error"] == "invalid_grant"


def test_a_code_lives_for_minutes(web: httpx.Client, box: RunningSandbox) -> None:
    code = code_of(approve(web))
    box.clock.advance(minutes=6)
    assert swap(web, code).json()["error"] == "invalid_grant"


def test_consent_is_refused_for_strangers_and_by_people(web: httpx.Client) -> None:
    assert approve(web, client_id="ca_Unknown00000").status_code == 400
    assert approve(web, redirect_uri="https://evil.example/oauth/callback").status_code == 400
    refused = approve(web, decision="refuse")
    query = dict(parse_qsl(urlsplit(refused.headers["location"]).query))
    assert query == {"error": "access_denied", "error_description": "The person said no.",
                     "state": "s1"}  # fmt: skip
    odd = approve(web, scope="read_all")
    assert "invalid_scope" in odd.headers["location"]


def test_letting_go_ends_access_for_good(web: httpx.Client) -> None:
    tokens = swap(web, code_of(approve(web))).json()
    platform = {"Authorization": f"Bearer {APP['client_secret']}", "Stripe-Account": ids.ACCOUNT}
    assert web.get("/v1/charges?limit=1", headers=platform).status_code == 200
    form = {"client_id": APP["client_id"], "stripe_user_id": ids.ACCOUNT}
    wrong = web.post("/oauth/deauthorize", data=form)
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    done = web.post("/oauth/deauthorize", data=form, headers=platform)
    assert done.json() == {"stripe_user_id": ids.ACCOUNT}
    assert error(web.get("/v1/charges", headers=platform), 403)["code"] == "account_invalid"
    own = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert error(web.get("/v1/charges", headers=own), 401)
    late = swap(web, "", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert late.json()["error"] == "invalid_grant"
    assert web.post("/oauth/deauthorize", data=form, headers=platform).status_code == 401
    swap(web, code_of(approve(web)))
    assert web.get("/v1/charges?limit=1", headers=platform).status_code == 200


def test_ids_give_their_keys_back_and_nothing_else_is_an_id() -> None:
    for kind, prefix in ids.PREFIX.items():
        for key in (1, 4_000_000_020_780, 900_001_043_100_115):
            text = ids.of(kind, key)
            assert ids.read(prefix, text) == key
            assert ids.read("zz", text) is None
    good = ids.of("charge", 5)
    for text in ("", "ch_", "ch_3", good[:-1], good + "x", good.replace("5", "-"), good.upper()):
        assert ids.read("ch", text) is None
