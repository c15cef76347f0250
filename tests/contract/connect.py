"""Signs in to the sandbox the way a person does, and hands out clients as the services do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from liftos_app.services.connectors import grants, grants_oauth1
from liftos_app.services.connectors.addresses import Addresses, resolve, told
from liftos_app.services.connectors.client import Client, Credential
from liftos_app.services.connectors.spec import AuthMethod, Platform, TokenSet
from liftos_app.services.sandbox.credentials import DEMO

BACK = "http://localhost:8000/oauth/callback/{slug}"


def addresses(
    platform: Platform, origin: str, values: Mapping[str, Any] | None = None
) -> Addresses:
    """The sandbox at `origin`, as `addresses.resolve` gives it in demo mode.

    `values` are those of a sign-in: they hold the hosts it named, where a platform names some.
    """
    there: Any = SimpleNamespace(platform_urls={}, self_url=origin, public_url=origin)
    given = inputs(platform) if values is None else values
    return resolve(platform, there, demo=True, inputs=given)


def answered(
    platform: Platform, origin: str, values: Mapping[str, Any], params: Mapping[str, str]
) -> Addresses:
    """Where a code is exchanged: at the host the way back named, where one may."""
    where = addresses(platform, origin, values)
    return addresses(platform, origin, {**values, **told(platform, where, params)})


def inputs(platform: Platform, method: str = "") -> dict[str, str]:
    """The sandbox's own credentials for a way to sign in."""
    methods = DEMO[platform.slug]
    return dict(methods[method or next(iter(methods))])


def consent(
    url: str, *, allow: bool = True, untick: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Answer the consent page; returns the parameters it sends the browser back with."""
    with httpx.Client(follow_redirects=False, timeout=30) as browser:
        page = browser.get(url)
        assert page.status_code == 200, page.text[:500]
        fields: dict[str, str] = {}
        for tag in re.findall(r"<input[^>]*>", page.text):
            found = {k: html.unescape(v) for k, v in re.findall(r'(\w+)="([^"]*)"', tag)}
            if found.get("name", "").removeprefix("granted:") not in untick:
                fields[found["name"]] = found.get("value", "")
        action = re.search(r'<form method="post" action="([^"]+)"', page.text)
        assert action
        fields["decision"] = "approve" if allow else "refuse"
        answer = browser.post(urljoin(url, html.unescape(action[1])), data=fields)
        assert answer.status_code in (302, 303), answer.text[:500]
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def sign_in(
    platform: Platform, method: AuthMethod, origin: str, now: datetime,
    *, untick: frozenset[str] = frozenset(), typed: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], TokenSet | None]:
    """The values a connection would hold after signing in."""
    values = dict(inputs(platform, method.id) if typed is None else typed)
    where = addresses(platform, origin, values)
    tokens: TokenSet | None = None
    if method.kind == "client_credentials":
        tokens = grants.obtain(platform, method, where, values, now=now)
    elif method.kind == "oauth2":
        verifier = grants.new_verifier()
        back = BACK.format(slug=platform.slug)
        url = grants.authorize_url(
            platform, method, where, values, state="state-1", redirect_uri=back, verifier=verifier
        )
        params = consent(url, untick=untick)
        assert params["state"] == "state-1"
        grants.verify_callback(method, values, params, now=now)
        where = answered(platform, origin, values, params)
        tokens = grants.exchange(
            platform, method, where, values, code=params["code"], redirect_uri=back, now=now,
            verifier=verifier,
        )
    elif method.kind == "oauth1":
        ticket = grants_oauth1.request_token(
            platform, method, where, values, callback=BACK.format(slug=platform.slug)
        )
        params = consent(grants_oauth1.authorize_url(method, where, ticket))
        assert params["oauth_token"] == ticket.token
        tokens = grants_oauth1.exchange(
            platform, method, where, values, ticket=ticket, verifier=params["oauth_verifier"]
        )
    return {**values, **(tokens.values() if tokens else {})}, tokens


@contextmanager
def opened(
    platform: Platform, method: AuthMethod, origin: str, now: Callable[[], datetime],
    values: Mapping[str, Any] | None = None, **more: Any,
) -> Iterator[Client]:
    """A client that renews as links.open_client does. Waits are slept for no time at all."""
    own = dict(values) if values is not None else sign_in(platform, method, origin, now())[0]
    where = addresses(platform, origin, own)

    def renew() -> None:
        tokens = grants.renew(platform, method, where, own, now=now())
        own.update(tokens.values())

    credential = Credential(
        method=method.id, values=own, renew=renew if method.renewal != "never" else None
    )
    more.setdefault("sleep", lambda _: None)
    with Client(platform, where, credential, **more) as client:
        yield client

