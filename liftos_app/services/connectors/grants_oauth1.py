"""The three steps of an OAuth 1.0a consent: request token, the person's page, access token.

State, sealing and the vault belong to services/oauth.py; nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx

from liftos_app.errors import Fix, GiveUp, LiftOSError, PlatformFault
from liftos_app.services.connectors import faults, net, oauth1, wire
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.client import Request, reveal
from liftos_app.services.connectors.grant_faults import named
from liftos_app.services.connectors.redaction import redact, said
from liftos_app.services.connectors.spec import AuthMethod, OAuth1, Platform, TokenSet


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request token and its secret: good for one consent."""

    token: str
    secret: str = field(repr=False)


def request_token(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    callback: str,
    transport: httpx.BaseTransport | None = None,
) -> Ticket:
    """Announce a consent that returns to `callback`. Raises Fix for a wrong app or address."""
    answer = _ask(
        platform, addresses, inputs, url=_oauth(method).request_url, stage="request",
        extra={"oauth_callback": callback}, transport=transport,
    )  # fmt: skip
    if answer.get("oauth_callback_confirmed") != "true":
        raise _nothing(platform, "It did not confirm our return address.")
    return Ticket(*_pair(platform, answer))


def authorize_url(method: AuthMethod, addresses: Addresses, ticket: Ticket) -> str:
    """The consent address for the person's browser."""
    query = urlencode({"oauth_token": ticket.token})
    return f"{addresses.browser(_oauth(method).authorize_url)}?{query}"


def exchange(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    ticket: Ticket,
    verifier: str,
    transport: httpx.BaseTransport | None = None,
) -> TokenSet:
    """Turn an approved request token into an access token. Raises SignInAgain, Fix or Retry."""
    answer = _ask(
        platform, addresses, inputs, url=_oauth(method).access_url, stage="exchange",
        ticket=ticket, extra={"oauth_verifier": verifier}, transport=transport,
    )  # fmt: skip
    token, secret = _pair(platform, answer)
    return TokenSet(access_token=token, beside={"access_token_secret": secret})


def revoke(
    platform: Platform,
    method: AuthMethod,
    addresses: Addresses,
    values: Mapping[str, Any],
    *,
    transport: httpx.BaseTransport | None = None,
) -> bool:
    """Give the access token back. False when the platform offers no way."""
    if not _oauth(method).revoke_url:
        return False
    ticket = Ticket(reveal(values.get("access_token")), reveal(values.get("access_token_secret")))
    _ask(
        platform, addresses, values, url=_oauth(method).revoke_url, stage="revoke", ticket=ticket,
        transport=transport,
    )  # fmt: skip
    return True


def _ask(
    platform: Platform,
    addresses: Addresses,
    inputs: Mapping[str, Any],
    *,
    url: str,
    stage: str,
    ticket: Ticket | None = None,
    extra: Mapping[str, str] | None = None,
    transport: httpx.BaseTransport | None,
) -> dict[str, str]:
    """One signed POST; the answer is a form. Raises what `_wrong` makes of an error."""
    ticket = ticket or Ticket("", "")
    app = reveal(inputs.get("client_id")), reveal(inputs.get("client_secret"))
    request = Request("POST", addresses.server(url), [], {})
    oauth1.sign(request, oauth1.Keys(*app, ticket.token, ticket.secret), extra=extra)
    known = [t for t in (*app, ticket.token, ticket.secret, *(extra or {}).values()) if t]
    http = net.open_http(guarded=addresses.guarded, transport=transport)
    try:
        raw = wire.fetch(http, request, name=platform.name, max_bytes=1024 * 1024, total=30.0)
        problem = _wrong(platform, stage, raw)
        if problem is not None:
            problem.facts.setdefault("request_id", faults.request_id(raw.headers))
            raise problem
    except LiftOSError as error:
        error.what, error.why, error.fix = (
            redact(t, known) for t in (error.what, error.why, error.fix)
        )
        error.args = (error.what,)
        error.facts = {
            k: redact(v, known) if isinstance(v, str) else v for k, v in error.facts.items()
        }
        raise
    finally:
        http.close()
    return dict(parse_qsl(raw.body.decode("utf-8", "replace")))


def _wrong(platform: Platform, stage: str, raw: wire.Raw) -> PlatformFault | None:
    """The error of an answer: its words first, then its status. A form is no web page here."""
    found: PlatformFault | None = None
    if raw.status < 300:
        found = faults.web_page(platform.name, raw.status) if raw.body[:1] == b"<" else None
    elif raw.status < 400:
        found = faults.redirected(platform.name, raw.status)
    elif raw.status >= 500 or raw.status in (408, 429):
        found = faults.by_status(platform.name, raw.status, raw.headers)
    elif stage != "revoke":  # there already invalid is what we want
        found = _refused(platform, stage, _words(raw))
    return found


def _words(raw: wire.Raw) -> str:
    """A refusal's own words: of its first error, or the whole text where it is no JSON."""
    try:
        return said(raw.json()["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return said(raw.body.decode("utf-8", "replace"))


def _refused(platform: Platform, stage: str, words: str) -> PlatformFault | None:
    """What a refusal means: the clock, the return address, the app, or the person's answer."""
    low = words.lower()
    if "timestamp" in low:
        return Fix(
            f"{platform.name} does not accept the time of our request.",
            why="This machine's clock is wrong.",
            fix="Set the clock of the machine LiftOS runs on, then sign in again.",
            cause="bad_configuration", owner="you",
        )  # fmt: skip
    if "callback" in low:
        return named(platform, stage, "redirect_uri_mismatch", words)
    if stage == "request":
        return named(platform, stage, "invalid_client", words)
    return named(platform, stage, "", words)


def _pair(platform: Platform, answer: Mapping[str, str]) -> tuple[str, str]:
    token, secret = answer.get("oauth_token", ""), answer.get("oauth_token_secret", "")
    if not token or not secret or not (token + secret).isascii():
        raise _nothing(platform, "Its answer holds none.")
    return token, secret


def _nothing(platform: Platform, why: str) -> GiveUp:
    return GiveUp(
        f"{platform.name} gave no token.", why=why, fix=faults.REPORT, cause="source_data",
        owner="the_platform",
    )  # fmt: skip


def _oauth(method: AuthMethod) -> OAuth1:
    if method.oauth1 is None:
        raise ValueError(f"{method.id} has no OAuth 1.0a addresses")
    return method.oauth1
