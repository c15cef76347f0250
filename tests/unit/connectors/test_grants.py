"""Token endpoints, as each platform wants to be asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, PlatformFault, Retry, SignInAgain
from liftos_app.services.connectors import grants, registry
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.spec import AuthMethod, Platform
from tests.unit.connectors.helper import Edge, answers, example, reply

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
BACK = "https://lift.example/oauth/callback/x"
APP = {"client_id": "app-0001", "client_secret": "secret-value-0001"}


def desk(slug: str, method: str) -> tuple[Platform, AuthMethod, Addresses]:
    platform = registry.get(slug)
    values = {"shop": "kite-demo.myshopify.com"} if slug == "shopify" else {}
    hosts = {n: h.replace("{shop}", values.get("shop", "")) for n, h in platform.hosts.items()}
    return platform, platform.method(method), Addresses(slug, hosts, "", "", False, values)


def edge(handler: Callable[[httpx.Request], httpx.Response]) -> tuple[Edge, httpx.MockTransport]:
    found = Edge(handler)
    return found, httpx.MockTransport(found)


def form(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.content.decode()))


@pytest.mark.parametrize(("slug", "host", "expected"), [
    ("meta_business", "www.facebook.com", {"scope": "ads_read"}),
    ("google_ads", "accounts.google.com", {
        "scope": "https://www.googleapis.com/auth/adwords", "access_type": "offline",
        "prompt": "consent", "code_challenge_method": "S256"}),
    ("shopify", "kite-demo.myshopify.com", {"scope": "read_orders,read_products,read_customers"}),
    ("klaviyo", "www.klaviyo.com", {"code_challenge_method": "S256"}),
])
def test_consent_addresses(slug: str, host: str, expected: dict[str, str]) -> None:
    platform, method, addresses = desk(slug, "oauth")
    verifier = grants.new_verifier()
    url = grants.authorize_url(
        platform, method, addresses, APP, state="state-1", redirect_uri=BACK, verifier=verifier
    )
    parts = urlsplit(url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    assert parts.hostname == host
    assert query["state"] == "state-1"
    assert query["redirect_uri"] == BACK
    assert query["response_type"] == "code"
    assert query["client_id"] == "app-0001"
    assert expected.items() <= query.items()
    assert APP["client_secret"] not in url
    if method.oauth and method.oauth.pkce:
        digest = hashlib.sha256(verifier.encode()).digest()
        assert query["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    else:
        assert "code_challenge" not in query
        assert method.oauth
        assert method.oauth.without_pkce


def test_only_a_second_asking_repeats_declined_permissions() -> None:
    platform, method, addresses = desk("meta_business", "oauth")
    first = grants.authorize_url(platform, method, addresses, APP, state="s", redirect_uri=BACK)
    again = grants.authorize_url(
        platform, method, addresses, APP, state="s", redirect_uri=BACK, again=True
    )
    assert "auth_type" not in first
    assert "auth_type=rerequest" in again


def test_no_consent_page_asks_for_more_than_reading() -> None:
    for platform in registry.all_platforms():
        for scope in platform.scopes:
            assert "write" not in scope.name
            assert "management" not in scope.name
            assert scope.read_only or platform.slug == "google_ads"  # it has no smaller one


def test_meta_exchanges_twice_and_keeps_the_long_token() -> None:
    platform, method, addresses = desk("meta_business", "oauth")
    found, transport = edge(answers(
        {"access_token": "EAAshort", "token_type": "bearer", "expires_in": 5400},
        reply("meta_business", "token_long_lived"),
    ))
    tokens = grants.exchange(
        platform, method, addresses, APP, code="code-1", redirect_uri=BACK, now=NOW,
        transport=transport,
    )
    first, second = (dict(r.url.params) for r in found.requests)
    assert found.requests[0].method == "GET"
    assert found.requests[0].url.path == "/v26.0/oauth/access_token"
    assert first["code"] == "code-1"
    assert first["redirect_uri"] == BACK
    assert second["grant_type"] == "fb_exchange_token"
    assert second["fb_exchange_token"] == "EAAshort"
    assert tokens.access_token == "EAAexampleLONGLIVED0001"
    assert tokens.refresh_token is None
    assert tokens.expires_at == NOW + timedelta(seconds=5183944)


def test_meta_renews_a_living_token_and_says_so_when_it_is_dead() -> None:
    platform, method, addresses = desk("meta_business", "oauth")
    found, transport = edge(answers(reply("meta_business", "token_long_lived")))
    tokens = grants.renew(
        platform, method, addresses, {**APP, "access_token": "EAAold"}, now=NOW,
        transport=transport,
    )
    assert found.requests[0].url.params["fb_exchange_token"] == "EAAold"
    assert tokens.access_token == "EAAexampleLONGLIVED0001"
    _, transport = edge(answers(reply("meta_business", "error_token_expired")))
    with pytest.raises(SignInAgain):
        grants.renew(
            platform, method, addresses, {**APP, "access_token": "EAAold"}, now=NOW,
            transport=transport,
        )


def test_google_exchanges_with_the_verifier_and_renews_without_losing_the_refresh_token() -> None:
    platform, method, addresses = desk("google_ads", "oauth")
    found, transport = edge(answers(reply("google_ads", "token")))
    tokens = grants.exchange(
        platform, method, addresses, APP, code="4/code", redirect_uri=BACK, now=NOW,
        verifier="v" * 64, transport=transport,
    )
    sent = form(found.requests[0])
    assert str(found.requests[0].url) == "https://oauth2.googleapis.com/token"
    assert sent == {
        "grant_type": "authorization_code", "code": "4/code", "redirect_uri": BACK,
        "code_verifier": "v" * 64, **APP,
    }
    assert tokens.refresh_token == "1//0exampleREFRESH"
    assert tokens.expires_at == NOW + timedelta(seconds=3599)
    assert tokens.scopes == ("https://www.googleapis.com/auth/adwords",)
    found, transport = edge(answers({"access_token": "ya29.new", "expires_in": 3599}))
    renewed = grants.renew(
        platform, method, addresses, {**APP, "refresh_token": "1//0old"}, now=NOW,
        transport=transport,
    )
    assert form(found.requests[0])["refresh_token"] == "1//0old"
    assert renewed.refresh_token is None  # none came: the stored one stays
    assert renewed.values() == {"access_token": "ya29.new"}


def test_klaviyo_uses_basic_and_stores_what_comes_back() -> None:
    platform, method, addresses = desk("klaviyo", "oauth")
    found, transport = edge(answers(reply("klaviyo", "token_response")))
    tokens = grants.exchange(
        platform, method, addresses, APP, code="c", redirect_uri=BACK, now=NOW, verifier="v" * 64,
        transport=transport,
    )
    request = found.requests[0]
    expected = base64.b64encode(b"app-0001:secret-value-0001").decode()
    assert request.headers["authorization"] == f"Basic {expected}"
    assert request.url.host == "a.klaviyo.com"
    assert "client_secret" not in form(request)
    assert tokens.refresh_token == "demo-refresh-5f1c"
    assert "campaigns:read" in tokens.scopes


def test_shopify_speaks_json_and_asks_for_expiring_tokens() -> None:
    platform, method, addresses = desk("shopify", "oauth")
    found, transport = edge(answers(reply("shopify", "token_response_expiring")))
    tokens = grants.exchange(
        platform, method, addresses, APP, code="c", redirect_uri=BACK, now=NOW, transport=transport
    )
    request = found.requests[0]
    assert str(request.url) == "https://kite-demo.myshopify.com/admin/oauth/access_token"
    assert json.loads(request.content) == {**APP, "code": "c", "expiring": "1"}
    assert tokens.refresh_expires_at == NOW + timedelta(seconds=7776000)
    assert tokens.scopes == ("read_orders", "read_products", "read_customers")
    found, transport = edge(answers(reply("shopify", "token_response_expiring")))
    renewed = grants.renew(
        platform, method, addresses, {**APP, "refresh_token": "shprt_old"}, now=NOW,
        transport=transport,
    )
    assert json.loads(found.requests[0].content) == {
        **APP, "grant_type": "refresh_token", "refresh_token": "shprt_old",
    }
    assert renewed.refresh_token == "shprt_demo0123456789abcdef"  # rotates with each renewal


def test_shopify_client_credentials_are_asked_for_again_when_they_end() -> None:
    platform, method, addresses = desk("shopify", "client_credentials")
    found, transport = edge(answers(reply("shopify", "token_response_client_credentials")))
    tokens = grants.renew(platform, method, addresses, APP, now=NOW, transport=transport)
    assert json.loads(found.requests[0].content) == {**APP, "grant_type": "client_credentials"}
    assert tokens.expires_at == NOW + timedelta(seconds=86399)
    assert tokens.refresh_token is None


def signed(secret: str, params: dict[str, str]) -> dict[str, str]:
    text = "&".join(f"{k}={v}" for k, v in sorted(params.items()))
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {**params, "hmac": digest}


def test_shopifys_callback_is_checked() -> None:
    _, method, _ = desk("shopify", "oauth")
    inputs = {**APP, "shop": "kite-demo.myshopify.com"}
    good = {
        "code": "c", "shop": "kite-demo.myshopify.com", "state": "s",
        "timestamp": str(int(NOW.timestamp())), "host": "YWRtaW4=",
    }
    grants.verify_callback(method, inputs, signed(APP["client_secret"], good), now=NOW)
    encoded = {**good, "hmac": hmac.new(
        APP["client_secret"].encode(), urlencode(sorted(good.items())).encode(), hashlib.sha256
    ).hexdigest()}
    grants.verify_callback(method, inputs, encoded, now=NOW)
    wrong = [
        {**signed(APP["client_secret"], good), "code": "other"},
        signed("another secret", good),
        good,
        {**good, "hmac": ""},
        {**good, "hmac": "é"},
        signed(APP["client_secret"], {**good, "shop": "other.myshopify.com"}),
        signed(APP["client_secret"], {**good, "timestamp": str(int(NOW.timestamp()) - 3600)}),
        signed(APP["client_secret"], {**good, "timestamp": "soon"}),
        signed(APP["client_secret"], {k: v for k, v in good.items() if k != "timestamp"}),
    ]
    for params in wrong:
        with pytest.raises(SignInAgain, match="cannot be trusted"):
            grants.verify_callback(method, inputs, params, now=NOW)
    with pytest.raises(SignInAgain):
        grants.verify_callback(method, {"shop": good["shop"]}, signed("", good), now=NOW)


REFUSALS: list[tuple[str, int, Any, type[PlatformFault], str]] = [
    ("exchange", 400, {"error": "invalid_grant"}, SignInAgain, "could not be completed"),
    ("exchange", 400, {"error": "redirect_uri_mismatch"}, Fix, "redirect address"),
    ("exchange", 400, {"error": "invalid_request", "error_description": "Bad redirect_uri"}, Fix,
     "redirect address"),
    ("exchange", 401, {"error": "invalid_client"}, Fix, "id and secret"),
    ("exchange", 400, {"error": "invalid_scope"}, Fix, "permissions"),
    ("exchange", 400, {"error": "access_denied"}, Fix, "not given"),
    ("exchange", 503, {"error": "temporarily_unavailable"}, Retry, ""),
    ("exchange", 400, {"error": "temporarily_unavailable"}, Retry, "right now"),
    ("exchange", 200, "<html>Log in</html>", Fix, "web page"),
    ("exchange", 502, "<html>Bad gateway</html>", Retry, "web page"),
    ("exchange", 200, {"token": "elsewhere"}, GiveUp, "no token"),
    ("exchange", 200, {"access_token": "wörd"}, GiveUp, "no token"),
    ("renew", 400, {"error": "invalid_grant"}, SignInAgain, "has ended"),
    ("renew", 429, {}, Retry, ""),
    ("renew", 500, {}, Retry, ""),
    ("renew", 500, {"error": "invalid_grant"}, Retry, ""),  # an outage never ends a sign-in
    ("renew", 200, "not json", Retry, "cannot be read"),
]


@pytest.mark.parametrize("slug", ["google_ads", "klaviyo", "shopify"])
@pytest.mark.parametrize(("stage", "status", "body", "kind", "words"), REFUSALS)
def test_refusals_of_token_endpoints(
    slug: str, stage: str, status: int, body: Any, kind: type[PlatformFault], words: str
) -> None:
    platform, method, addresses = desk(slug, "oauth")
    answer = (
        httpx.Response(status, text=body) if isinstance(body, str)
        else httpx.Response(status, json=body)
    )
    _, transport = edge(answers(answer))
    with pytest.raises(kind, match=words or None) as caught:
        if stage == "exchange":
            grants.exchange(
                platform, method, addresses, APP, code="secret-code-1", redirect_uri=BACK, now=NOW,
                verifier="v" * 64, transport=transport,
            )
        else:
            grants.renew(
                platform, method, addresses, {**APP, "refresh_token": "refresh-token-1"}, now=NOW,
                transport=transport,
            )
    shown = f"{caught.value.sentence()} {caught.value.facts}"
    for secret in (APP["client_secret"], "secret-code-1", "refresh-token-1"):
        assert secret not in shown


@pytest.mark.parametrize(("code", "message", "kind"), [
    (100, "This authorization code has been used.", SignInAgain),
    (1, "Error validating client secret.", Fix),
    (191, "Can't load URL: The redirect_uri is not in the app's domains", Fix),
    (101, "Error validating application. Cannot get application info due to a system error.",
     PlatformFault),
])
def test_metas_own_envelope_at_the_token_endpoint(
    code: int, message: str, kind: type[PlatformFault]
) -> None:
    platform, method, addresses = desk("meta_business", "oauth")
    _, transport = edge(answers(httpx.Response(
        400, json={"error": {"code": code, "type": "OAuthException", "message": message}}
    )))
    with pytest.raises(kind):
        grants.exchange(
            platform, method, addresses, APP, code="c", redirect_uri=BACK, now=NOW,
            transport=transport,
        )


def test_what_cannot_be_renewed_asks_for_a_sign_in() -> None:
    for slug, name in (("klaviyo", "api_key"), ("shopify", "token"), ("meta_business", "token")):
        platform, method, addresses = desk(slug, name)
        with pytest.raises(SignInAgain):
            grants.renew(platform, method, addresses, {"access_token": "x"}, now=NOW)
    platform, method, addresses = desk("google_ads", "oauth")
    with pytest.raises(SignInAgain):
        grants.renew(platform, method, addresses, APP, now=NOW)


def test_giving_tokens_back() -> None:
    values = {**APP, "access_token": "access-1", "refresh_token": "refresh-1"}
    for slug, host, path in (
        ("google_ads", "oauth2.googleapis.com", "/revoke"),
        ("klaviyo", "a.klaviyo.com", "/oauth/revoke"),
    ):
        platform, method, addresses = desk(slug, "oauth")
        found, transport = edge(answers({}))
        assert grants.revoke(platform, method, addresses, values, now=NOW, transport=transport)
        assert (found.requests[0].url.host, found.requests[0].url.path) == (host, path)
        assert form(found.requests[0])["token"] == "refresh-1"
    platform, method, addresses = desk("meta_business", "oauth")
    found, transport = edge(answers({"success": True}))
    assert grants.revoke(platform, method, addresses, values, now=NOW, transport=transport)
    assert found.requests[0].method == "DELETE"
    assert found.requests[0].headers["authorization"] == "Bearer access-1"
    platform, method, addresses = desk("shopify", "oauth")
    assert not grants.revoke(platform, method, addresses, values, now=NOW)
    platform, method, addresses = desk("klaviyo", "api_key")
    assert not grants.revoke(platform, method, addresses, values, now=NOW)


def test_a_token_that_is_dead_already_counts_as_given_back() -> None:
    platform, method, addresses = desk("google_ads", "oauth")
    _, transport = edge(answers(httpx.Response(400, json={"error": "invalid_token"})))
    values = {**APP, "refresh_token": "r-1"}
    assert grants.revoke(platform, method, addresses, values, now=NOW, transport=transport)


def test_token_sets_do_not_show_their_tokens() -> None:
    body = example("google_ads", "token")["body"]
    platform, method, addresses = desk("google_ads", "oauth")
    _, transport = edge(answers(body))
    tokens = grants.exchange(
        platform, method, addresses, APP, code="c", redirect_uri=BACK, now=NOW, verifier="v" * 64,
        transport=transport,
    )
    assert body["access_token"] not in repr(tokens)
    assert body["refresh_token"] not in repr(tokens)
