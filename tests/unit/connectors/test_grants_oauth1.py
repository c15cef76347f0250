"""The three steps of OAuth 1.0a: what is sent, and what each refusal means."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import grants, grants_oauth1, registry
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.grants_oauth1 import Ticket
from tests.conftest import NOW
from tests.unit.connectors.helper import Edge, Handler, answers

X = registry.get("x_ads")
OAUTH = X.method("oauth")
WHERE = Addresses("x_ads", X.hosts)
APP = {"client_id": "appkey000000", "client_secret": "appsecret00000000000000"}
BACK = "https://lift.example/oauth/callback/x_ads"
TICKET = Ticket("requesttoken00000000", "requestsecret0000000")


def form(text: str, status: int = 200) -> httpx.Response:
    return httpx.Response(status, text=text, headers={"content-type": "text/html; charset=utf-8"})


def ask(handler: Handler) -> tuple[Ticket, Edge]:
    edge = Edge(handler)
    found = grants_oauth1.request_token(
        X, OAUTH, WHERE, APP, callback=BACK, transport=httpx.MockTransport(edge)
    )
    return found, edge


def swap(handler: Handler) -> tuple[dict[str, str], Edge]:
    edge = Edge(handler)
    tokens = grants_oauth1.exchange(
        X, OAUTH, WHERE, APP, ticket=TICKET, verifier="thewordofX00",
        transport=httpx.MockTransport(edge),
    )
    assert tokens.expires_at is None
    assert "secret" not in repr(tokens)
    return tokens.values(), edge


def test_a_request_token_is_asked_with_our_address_signed() -> None:
    ticket, edge = ask(answers(form(
        "oauth_token=abc&oauth_token_secret=s%2Bx&oauth_callback_confirmed=true"
    )))
    assert (ticket.token, ticket.secret) == ("abc", "s+x")
    assert "s+x" not in repr(ticket)
    (request,) = edge.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.x.com/oauth/request_token")
    header = request.headers["authorization"]
    assert 'oauth_callback="https%3A%2F%2Flift.example%2Foauth%2Fcallback%2Fx_ads"' in header
    assert "oauth_token=" not in header
    url = grants_oauth1.authorize_url(OAUTH, WHERE, ticket)
    assert parse_qs(urlsplit(url).query) == {"oauth_token": ["abc"]}
    assert url.startswith("https://api.x.com/oauth/authorize?")


def test_the_approved_token_becomes_an_access_token_with_its_secret() -> None:
    values, edge = swap(answers(form(
        "oauth_token=2417-at&oauth_token_secret=ats&user_id=2417&screen_name=harbor"
    )))
    assert values == {"access_token": "2417-at", "access_token_secret": "ats"}
    header = edge.requests[0].headers["authorization"]
    assert 'oauth_verifier="thewordofX00"' in header
    assert 'oauth_token="requesttoken00000000"' in header


@pytest.mark.parametrize(("answer", "kind", "field"), [
    (httpx.Response(403, json={"errors": [{"code": 415, "message": "Callback URL not approved"}]}),
     Fix, "redirect_uri"),
    (httpx.Response(401, json={"errors": [{"code": 32, "message": "Could not authenticate you."}]}),
     Fix, "client_secret"),
    (httpx.Response(401, json={"errors": [{"code": 135, "message": "Timestamp out of bounds."}]}),
     Fix, ""),
    (form("Desktop applications only support the oauth_callback value 'oob'", 401), Fix,
     "redirect_uri"),
    (httpx.Response(503), Retry, ""),
    (httpx.Response(429), Quota, ""),
    (httpx.Response(302, headers={"location": "https://evil.example"}), Fix, ""),
    (form("<html>Sign in to this network</html>"), Fix, ""),
    (form("oauth_token=abc&oauth_token_secret=s&oauth_callback_confirmed=false"), GiveUp, ""),
    (form("oauth_callback_confirmed=true"), GiveUp, ""),
    (form("oauth_callback_confirmed=true&oauth_token=%C3%A9&oauth_token_secret=s"), GiveUp, ""),
    (form(""), GiveUp, ""),
])
def test_what_each_refusal_of_a_request_token_means(
    answer: httpx.Response, kind: type[PlatformFault], field: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(answers(answer))
    assert type(caught.value) is kind
    assert str(caught.value.facts.get("field", "")) == field
    assert caught.value.fix


@pytest.mark.parametrize(("answer", "kind"), [
    (form("Error processing your OAuth request: Invalid oauth_verifier parameter", 401),
     SignInAgain),
    (form("Reverse auth credentials are invalid", 401), SignInAgain),
    (httpx.Response(500), Retry),
])
def test_what_each_refusal_of_the_exchange_means(
    answer: httpx.Response, kind: type[PlatformFault]
) -> None:
    with pytest.raises(kind):
        swap(answers(answer))


def test_no_secret_stands_in_an_error() -> None:
    told = f"Wrong: {APP['client_secret']} thewordofX00 {TICKET.token} {TICKET.secret}"
    with pytest.raises(SignInAgain) as caught:
        swap(answers(form(told, 401)))
    shown = f"{caught.value!r}{caught.value.sentence()}{caught.value.facts}"
    for secret in (APP["client_secret"], "thewordofX00", TICKET.token, TICKET.secret):
        assert secret not in shown


def test_a_token_is_given_back_signed_by_itself() -> None:
    values = {**APP, "access_token": "2417-at", "access_token_secret": "ats"}
    for answer in (httpx.Response(200, json={"access_token": "2417-at"}),
                   httpx.Response(401, json={"errors": [{"code": 89}]})):
        edge = Edge(answers(answer))
        assert grants.revoke(
            X, OAUTH, WHERE, values, now=NOW, transport=httpx.MockTransport(edge)
        )
        assert edge.requests[0].url.path == "/1.1/oauth/invalidate_token"
        assert 'oauth_token="2417-at"' in edge.requests[0].headers["authorization"]
    assert OAUTH.oauth1
    without = replace(OAUTH, oauth1=replace(OAUTH.oauth1, revoke_url=""))
    assert not grants.revoke(X, without, WHERE, values, now=NOW)
