"""Signatures of OAuth 1.0a, held against an independent implementation and published examples."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_TYPE_AUTH_HEADER, Client
from oauthlib.oauth1.rfc5849.signature import (
    base_string_uri,
    normalize_parameters,
    signature_base_string,
)

from liftos_app.services.connectors import oauth1
from liftos_app.services.connectors.wire import Request

KEYS = oauth1.Keys("key0", "secret&of+app", "2417-token", "token/secret=")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
PAIRS = st.lists(st.tuples(st.text("abcxyz_[]", min_size=1, max_size=6), WORDS), max_size=5)


def fields_of(request: Request) -> dict[str, str]:
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    assert scheme == "OAuth"
    return {
        name: httpx.QueryParams(f"v={value.strip(chr(34))}")["v"]
        for name, _, value in (part.strip().partition("=") for part in rest.split(","))
    }


def independent(request: Request, url: str, *, nonce: str, stamp: str, body: str = "") -> str:
    """What oauthlib signs for the same request."""
    client = Client(
        KEYS.consumer, KEYS.consumer_secret, KEYS.token, KEYS.token_secret,
        signature_method=SIGNATURE_HMAC_SHA1, signature_type=SIGNATURE_TYPE_AUTH_HEADER,
        nonce=nonce, timestamp=stamp,
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    _, signed, _ = client.sign(url, request.method, body=body or None, headers=headers)
    return str(signed["Authorization"])


@settings(max_examples=60, deadline=None)
@given(params=PAIRS, form=PAIRS)
def test_any_query_and_form_is_signed_as_oauthlib_signs_it(
    params: list[tuple[str, str]], form: list[tuple[str, str]]
) -> None:
    body = oauth1.join(form)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    address = "https://ads-api.x.com/12/stats"
    request = Request("POST" if form else "GET", address, params, headers,
                      body.encode() if form else None)
    oauth1.sign(request, KEYS, nonce="n0nce", timestamp=1_790_000_000)
    theirs = independent(request, request.url, nonce="n0nce", stamp="1790000000", body=body)
    assert f'oauth_signature="{oauth1.encode(fields_of(request)["oauth_signature"])}"' in theirs
    assert request.params == []
    query = urlsplit(str(httpx.URL(request.url))).query  # what goes out is what was signed
    assert parse_qsl(query, keep_blank_values=True) == params


@pytest.mark.parametrize(("url", "place"), [
    ("HTTP://Example.COM:80/A/b?x=1", "http://example.com/A/b"),
    ("https://example.com:443", "https://example.com/"),
    ("https://example.com:8443/a", "https://example.com:8443/a"),
    ("http://127.0.0.1:8000/sandbox/x_ads/12/accounts", None),
    ("http://[::1]:8000/a", None),
])
def test_addresses_are_normalized_as_the_standard_says(url: str, place: str | None) -> None:
    theirs = base_string_uri(url)
    assert place is None or theirs == place
    pairs = [("b", "2 3"), ("a", "1"), ("a", "0")]
    assert oauth1.base_string("get", url, pairs) == signature_base_string(
        "GET", theirs, normalize_parameters(pairs)
    )


def test_the_example_of_x_gives_its_signature() -> None:
    request = Request(
        "POST", "https://api.twitter.com/1.1/statuses/update.json",
        [("include_entities", "true")], {"Content-Type": "application/x-www-form-urlencoded"},
        b"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21",
    )
    keys = oauth1.Keys(
        "xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
        "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
        "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
    )
    oauth1.sign(
        request, keys, nonce="kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", timestamp=1318622958
    )
    assert fields_of(request)["oauth_signature"] == "hCtSmYh+iHYCEqBWrE7C7hYmtUk="


def test_each_signing_has_a_nonce_of_its_own_and_the_time_of_now() -> None:
    seen = []
    for _ in range(2):
        request = Request("GET", "https://ads-api.x.com/12/accounts", [("count", "1")], {})
        oauth1.sign(request, KEYS)
        seen.append(fields_of(request))
    assert seen[0]["oauth_nonce"] != seen[1]["oauth_nonce"]
    assert abs(int(seen[0]["oauth_timestamp"]) - time.time()) < 60
    assert request.url == "https://ads-api.x.com/12/accounts?count=1"


def test_colons_and_commas_travel_as_they_were_signed() -> None:
    request = Request(
        "GET", "https://ads-api.x.com/12/stats?cursor=a%2Bb", [("entity_ids", "a1,b2"),
                                                                ("start_time", "T00:00:00Z")], {}
    )
    oauth1.sign(request, KEYS)
    assert str(httpx.URL(request.url)).endswith(
        "?cursor=a%2Bb&entity_ids=a1%2Cb2&start_time=T00%3A00%3A00Z"
    )


def test_json_bodies_are_not_signed_and_keys_are_not_shown() -> None:
    bodies = []
    for body in (b'{"a": 1}', b'{"a": 2}'):
        request = Request(
            "POST", "https://api.x.com/x", [], {"Content-Type": "application/json"}, body
        )
        oauth1.sign(request, KEYS, nonce="n", timestamp=1)
        bodies.append(request.headers["Authorization"])
    assert bodies[0] == bodies[1]
    assert "secret" not in repr(KEYS)
    assert "2417" not in repr(KEYS)
