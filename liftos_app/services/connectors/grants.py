"""Getting, renewing and giving back tokens: what a platform's token endpoint wants and answers.

Built on authlib's framework-free client. State, PKCE verifiers and the vault belong to
services/oauth.py and services/links.py; nothing here is stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.client import OAuth2Client

from liftos_app.errors import GiveUp, LiftOSError, PlatformFault, Retry
from liftos_app.services.connectors import faults, net, wire
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.addresses import named as named_host
from liftos_app.services.connectors.client import Request, judge, reveal
from liftos_app.services.connectors.grant_faults import ended, error_words, named
from liftos_app.services.connectors.redaction import redact
from liftos_app.services.connectors.spec import AuthMethod, OAuth2, Platform, TokenSet

_AUTH = {"basic": "client_secret_basic", "body": "client_secret_post", "json": "json"}


def new_verifier() -> str:
    """A PKCE code verifier: 64 random characters."""
    return str(generate_token(64))


def authorize_url(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    state: str,
    redirect_uri: str,
    verifier: str = "",
    again: bool = False,
) -> str:
    """The consent address for the person's browser.

    `verifier` is needed where `method.oauth.pkce`. `again` asks once more for declined permissions.
    """
    oauth = _oauth(method)
    if oauth.consent is not None:
        plain = {k: reveal(v) for k, v in inputs.items()}
        query = urlencode(oauth.consent(plain, state, redirect_uri), quote_via=quote)
        return f"{addresses.browser(oauth.authorize_url)}?{query}"
    extra = {k: v for k, v in oauth.authorize_extra.items() if again or k != "auth_type"}
    client = OAuth2Client(
        None,
        client_id=reveal(inputs.get("client_id")),
        redirect_uri=redirect_uri,
        scope=oauth.scope_separator.join(s.name for s in platform.scopes if s.asked),
        code_challenge_method="S256" if oauth.pkce else None,
    )
    url, _ = client.create_authorization_url(
        addresses.browser(oauth.authorize_url),
        state=state,
        code_verifier=verifier if oauth.pkce else None,
        **extra,
    )
    return str(url).replace("+", "%20")  # both mean a space; LinkedIn documents only this one


def verify_callback(
    method: AuthMethod, inputs: Mapping[str, Any], params: Mapping[str, str], *, now: datetime
) -> None:
    """Check what the platform signed on the way back (Shopify). Raises SignInAgain."""
    if method.oauth is not None and method.oauth.verify_callback is not None:
        plain = {k: reveal(v) for k, v in inputs.items()}
        method.oauth.verify_callback(plain, params, now)


def exchange(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    code: str,
    redirect_uri: str,
    now: datetime,
    verifier: str = "",
    transport: httpx.BaseTransport | None = None,
) -> TokenSet:
    """Turn the code of the consent page into tokens. Raises SignInAgain, Fix or Retry."""
    with _desk(
        platform, method, addresses, inputs, now=now, stage="exchange", transport=transport
    ) as desk:
        if desk.oauth.exchange is not None:
            return desk.oauth.exchange(desk, code)
        more = {"code_verifier": verifier} if desk.oauth.pkce else {}
        answer = desk.authlib.fetch_token(
            addresses.server(desk.oauth.token_url),
            method="GET" if desk.oauth.by_get else "POST",
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            **more,
            **desk.oauth.exchange_extra,
        )
        tokens = desk.tokens(answer)
        return desk.oauth.then(desk, tokens) if desk.oauth.then is not None else tokens


def obtain(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    now: datetime,
    transport: httpx.BaseTransport | None = None,
) -> TokenSet:
    """A token for the app itself (client credentials). Raises Fix, SignInAgain or Retry."""
    with _desk(
        platform, method, addresses, inputs, now=now, stage="obtain", transport=transport
    ) as desk:
        if desk.oauth.obtain is not None:
            return desk.oauth.obtain(desk)
        return desk.tokens(
            desk.authlib.fetch_token(
                addresses.server(desk.oauth.token_url), grant_type="client_credentials"
            )
        )


def renew(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    values: Mapping[str, Any],
    *,
    now: datetime,
    transport: httpx.BaseTransport | None = None,
) -> TokenSet:
    """A fresh access token from what is stored, by `method.renewal`.

    `values` holds inputs and tokens. A refresh token in the result replaces the stored one; None
    keeps it. SignInAgain means that the grant is dead; Retry that nothing is known.
    """
    if method.renewal == "client_credentials":
        return obtain(platform, method, addresses, values, now=now, transport=transport)
    if method.renewal == "never" or method.oauth is None:
        raise ended(platform)
    with _desk(
        platform, method, addresses, values, now=now, stage="renew", transport=transport
    ) as desk:
        if desk.oauth.renew is not None:
            return desk.oauth.renew(desk)
        old = desk.text("refresh_token")
        if not old:
            raise ended(platform)
        answer = desk.authlib.refresh_token(
            addresses.server(desk.oauth.token_url), refresh_token=old
        )
        if answer.get("refresh_token") == old:
            answer = {k: v for k, v in answer.items() if k != "refresh_token"}
        return desk.tokens(answer)


def revoke(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    values: Mapping[str, Any],
    *,
    now: datetime,
    transport: httpx.BaseTransport | None = None,
) -> bool:
    """Give tokens back to the platform. False when it offers no way; raises errors.* on failure."""
    if method.oauth1 is not None:
        from liftos_app.services.connectors import grants_oauth1

        return grants_oauth1.revoke(platform, method, addresses, values, transport=transport)
    oauth = method.oauth
    if oauth is None or not (oauth.revoke_url or oauth.revoke):
        return False
    with _desk(
        platform, method, addresses, values, now=now, stage="revoke", transport=transport
    ) as desk:
        if oauth.revoke is not None:
            oauth.revoke(desk)
            return True
        for name in ("refresh_token", "access_token"):
            if desk.text(name):
                desk.authlib.revoke_token(
                    addresses.server(oauth.revoke_url), token=desk.text(name), token_type_hint=name
                )
                return True
    return False


@dataclass(slots=True, kw_only=True)
class Desk:
    """A token endpoint during one act; a context manager. `stage` names the act for errors."""

    platform: Platform
    method: AuthMethod
    oauth: OAuth2
    addresses: Addresses
    inputs: Mapping[str, Any] = field(repr=False)
    now: datetime
    stage: str
    http: net.Http

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def text(self, name: str) -> str:
        """An input or token in clear, "" when there is none."""
        return reveal(self.inputs.get(name))

    @property
    def secret(self) -> str:
        """The app's secret, of the host that is asked where each has its own."""
        return self.oauth.secret(self) if self.oauth.secret else self.text("client_secret")

    @property
    def authlib(self) -> Any:
        """authlib's client, sending through us."""
        kind = "query" if self.oauth.by_get else _AUTH[self.oauth.client_auth]
        client = OAuth2Client(
            _Session(self),
            client_id=self.text("client_id"),
            client_secret=self.secret,
            token_endpoint_auth_method=kind,
            revocation_endpoint_auth_method=kind,
        )
        client.register_client_auth_method(("query", _in_query))
        client.register_client_auth_method(("json", _in_json))
        return client

    def ask(
        self,
        method: str,
        url: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> dict[str, Any]:
        """One request to a real address of the platform. Raises what `_wrong` makes of errors."""
        request = Request(method, url, list(params), dict(headers or {}), body)
        known = [t for t in (self.secret, *map(reveal, self.inputs.values())) if t]
        try:
            raw = wire.fetch(
                self.http, request, name=self.platform.name, max_bytes=1024 * 1024, total=30.0
            )
            data, wrong = judge(self.platform, raw)
            problem = self._wrong(raw, data, wrong)
            if problem is not None:
                problem.facts.setdefault("request_id", faults.request_id(raw.headers))
                raise problem
        except LiftOSError as error:
            error.what, error.why, error.fix = (
                redact(t, known) for t in (error.what, error.why, error.fix)
            )
            error.facts = {
                k: redact(v, known) if isinstance(v, str) else v for k, v in error.facts.items()
            }
            raise
        return data if isinstance(data, dict) else {}

    def tokens(self, data: Mapping[str, Any]) -> TokenSet:
        """A token answer with its ends as times. Raises GiveUp when it holds no token."""
        access = data.get("access_token")
        if not isinstance(access, str) or not access or not access.isascii():
            raise GiveUp(
                f"{self.platform.name} gave no token.",
                why="Its answer holds none.",
                fix=faults.REPORT,
                cause="source_data",
                owner="the_platform",
            )
        scope = data.get("scope") or data.get("scopes")  # HubSpot sends a list of them
        if isinstance(scope, list):
            scope = " ".join(str(s) for s in scope)
        words = scope.replace(",", " ").split() if isinstance(scope, str) else ()
        refresh = data.get("refresh_token")
        return TokenSet(
            access_token=access,
            refresh_token=refresh if isinstance(refresh, str) else None,
            expires_at=self._end(data.get("expires_in")) or self._end(self.oauth.life),
            refresh_expires_at=self._end(data.get("refresh_token_expires_in")),
            scopes=tuple(words),
            beside=self._hosts(data),
        )

    def _hosts(self, data: Mapping[str, Any]) -> dict[str, str]:
        """The platform's hosts: as the answer names them, else those used so far."""
        found = {}
        for one in self.platform.keeps:
            link = data.get(one.answer) if one.answer else None
            host = (self.addresses.values or {}).get(one.name, "")
            if link or not host:  # an empty name is refused as no address of the platform
                host = named_host(self.platform, self.addresses, one, str(link or ""))
            found[one.name] = host
        return found

    def _end(self, seconds: Any) -> datetime | None:
        try:
            length = float(seconds)
        except (TypeError, ValueError):
            return None
        return self.now + timedelta(seconds=length) if 0 < length < 1e9 else None

    def _wrong(self, raw: wire.Raw, data: Any, wrong: PlatformFault | None) -> PlatformFault | None:
        """The error of a token answer: standard names first, then words, then the status."""
        if wrong is None and not (isinstance(data, dict) and data.get("error")):
            return None
        if raw.status >= 500 or raw.status in (408, 429) or raw.looks_like_page:
            return wrong or faults.by_status(self.platform.name, raw.status, raw.headers)
        name, words = error_words(data)
        own = wrong is not None and isinstance(data, dict) and not (name or words)
        if own and isinstance(wrong, Retry):
            return wrong
        if self.stage == "revoke":
            return None  # already invalid is what we want
        if own:
            return wrong  # an envelope of the platform's own, which its rules understand
        return named(self.platform, self.stage, name, words) or wrong


class _Session:
    """What authlib needs of an HTTP session: `post` and `request`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> _TokenAnswer:
        """Send a form, or what the way of client authentication makes of it."""
        return self.request("POST", url, headers=headers, auth=auth, body=urlencode(data))

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], auth: Any, body: str = ""
    ) -> _TokenAnswer:
        """Sign as the client and send."""
        url, signed, body = auth.prepare(method, url, dict(headers), body)
        return _TokenAnswer(
            self._desk.ask(method, url, headers=signed, body=body.encode() if body else None)
        )


@dataclass(frozen=True, slots=True)
class _TokenAnswer:
    """A good answer in the form authlib reads; bad ones were raised before."""

    data: dict[str, Any]
    status_code: int = 200

    def json(self) -> dict[str, Any]:
        return self.data


def _in_query(client: Any, _: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
    """Client id and secret as query parameters (Meta)."""
    pairs = [("client_id", client.client_id), ("client_secret", client.client_secret)]
    return str(add_params_to_uri(uri, pairs)), headers, body


def _in_json(client: Any, _: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
    """Everything as one JSON object (Shopify), which takes no redirect address."""
    values = dict(parse_qsl(body, keep_blank_values=True))
    values.pop("redirect_uri", None)
    if values.get("grant_type") == "authorization_code":
        del values["grant_type"]
    values |= {"client_id": client.client_id, "client_secret": client.client_secret}
    headers["Content-Type"] = "application/json"
    return uri, headers, json.dumps(values)


def _desk(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    now: datetime,
    stage: str,
    transport: httpx.BaseTransport | None,
) -> Desk:
    """A desk for one act."""
    return Desk(
        platform=platform,
        method=method,
        oauth=_oauth(method),
        addresses=addresses,
        inputs=inputs,
        now=now,
        stage=stage,
        http=net.open_http(guarded=addresses.guarded, transport=transport),
    )


def _oauth(method: AuthMethod) -> OAuth2:
    if method.oauth is None:
        raise ValueError(f"{method.id} has no token endpoint")
    return method.oauth
