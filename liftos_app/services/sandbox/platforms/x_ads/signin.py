"""The three steps of a sign-in, who a token stands for, and taking a token back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from liftos_app.services.sandbox.call import (
    Call,
    html_answer,
    json_answer,
    redirect,
    text_answer,
)
from liftos_app.services.sandbox.consent_page import consent_page, refusal_page
from liftos_app.services.sandbox.credentials import x_ads as credentials
from liftos_app.services.sandbox.oauth import CALLBACK_END, client_of, is_redirect_allowed
from liftos_app.services.sandbox.platforms.x_ads import signature
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, unauthorized
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

USER_ID, SCREEN_NAME = "2417000001", "larkspurhome"
LIFE = timedelta(minutes=10)
READ = "read"
PREFIX = f"{USER_ID}-"
_FORM = "text/html; charset=utf-8"  # what the vendor calls its form-encoded answers


@dataclass(slots=True)
class Asked:
    """A request token on its way through the consent page."""

    secret: str
    callback: str
    until: datetime
    verifier: str = ""  # set when the person said yes


def who(call: Call) -> Grant:
    """Whom a signed call of the Ads API acts for. Raises Refusal (401)."""
    given = signature.check(call, lambda token: _secret_of(call, token))
    return _grant(call, given.get("oauth_token", ""))


def request_token(call: Call) -> Response:
    """Step 1: a token for one consent."""
    try:
        given = signature.check(call, lambda _: "", problem=_not_authenticated)
    except Refusal as refusal:
        return json_answer(refusal.body(), refusal.status)
    callback = given.get("oauth_callback") or call.form.get("oauth_callback", "")
    known = callback == "oob" or _is_web_address(call, callback)
    if not known or call.trouble.take(("redirect_uri_mismatch",), call.platform):
        words = (
            "Callback URL not approved for this client application. Approved callback URLs can be "
            "adjusted in your application settings"
        )
        return json_answer(Refusal(403, 415, words).body(), 403)
    token, secret = secrets.token_hex(14), secrets.token_hex(20)
    _requests(call)[token] = Asked(secret, callback, call.now + LIFE)
    return _form(
        {"oauth_token": token, "oauth_token_secret": secret, "oauth_callback_confirmed": "true"}
    )


def authorize(call: Call) -> Response:
    """Step 2: the person's page; GET asks, POST answers."""
    fields = call.form if call.method == "POST" else call.query
    token = fields.get("oauth_token", "")
    asked = _asked(call, token)
    if asked is None or asked.verifier:
        return html_answer(refusal_page("X", "The request token is unknown or too old."), 400)
    if asked.callback != "oob" and not is_redirect_allowed(call, asked.callback):
        return html_answer(refusal_page("X", "The return address is not registered."), 400)
    if call.method != "POST":
        page = consent_page(
            platform="X",
            path=urlsplit(call.url).path,
            fields={"oauth_token": token},
            accounts=[f"{a.name} ({a.id})" for a in call.accounts()],
            scopes=[(READ, "Read posts, campaigns and their results", True)],
        )
        target = urlsplit(asked.callback)
        return html_answer(page, form_targets=[f"{target.scheme}://{target.netloc}"])
    if fields.get("decision") != "approve":
        del _requests(call)[token]
        return redirect(f"{asked.callback}?{urlencode({'denied': token})}")
    if asked.callback == "oob":
        asked.verifier = f"{secrets.randbelow(10_000_000):07}"
        return html_answer(refusal_page("X", f"Enter this PIN in the app: {asked.verifier}"))
    asked.verifier = secrets.token_urlsafe(24)
    answer = urlencode({"oauth_token": token, "oauth_verifier": asked.verifier})
    return redirect(f"{asked.callback}?{answer}")


def access_token(call: Call) -> Response:
    """Step 3: an approved request token becomes an access token, once."""
    try:
        given = signature.check(
            call,
            lambda token: a.secret if (a := _asked(call, token)) else "",
            problem=_not_authenticated,
        )
    except Refusal as refusal:
        return json_answer(refusal.body(), refusal.status)
    token = given.get("oauth_token", "")
    asked = _asked(call, token)
    verifier = given.get("oauth_verifier") or {**call.form, **call.query}.get("oauth_verifier", "")
    right = asked is not None and hmac.compare_digest(verifier.encode(), asked.verifier.encode())
    if asked is None or not asked.verifier or not right:
        words = "Error processing your OAuth request: Invalid oauth_verifier parameter"
        return text_answer(words, 401)
    del _requests(call)[token]
    access = call.tokens.issue(
        call.platform,
        "access",
        client_id="",
        scopes=(READ,),
        now=call.now,
        lifetime=None,
        subject=USER_ID,
        prefix=PREFIX,
        alphabet="b62",
    )
    return _form(
        {
            "oauth_token": access, "oauth_token_secret": _derived(call, access),
            "user_id": USER_ID, "screen_name": SCREEN_NAME,
        }
    )  # fmt: skip


def invalidate(call: Call) -> Response:
    """The token that signed the call is dead from now on."""
    try:
        grant = who(call)
    except Refusal:
        refusal = Refusal(401, 89, "Invalid or expired token.")
        return json_answer(refusal.body(), 401)
    _revoked(call).add(grant.family)
    return json_answer({"access_token": signature.header_of(call)["oauth_token"]})


def _grant(call: Call, token: str) -> Grant:
    try:
        grant = call.tokens.read(
            token,
            platform=call.platform,
            now=call.now,
            kinds=("access", "static"),
            prefixes=(PREFIX,),
        )
    except TokenProblem:
        raise unauthorized() from None
    if grant.family and grant.family in _revoked(call):
        raise unauthorized()
    return grant


def _secret_of(call: Call, token: str) -> str:
    """The secret of an access token; pasted ones have theirs beside them."""
    for pasted in (call.demo.get("token", {}), credentials.SPARE):
        if token == pasted.get("access_token"):
            return pasted["access_token_secret"]
    return _derived(call, token)


def _derived(call: Call, token: str) -> str:
    """Nothing is stored: a token's secret follows from it and from the app's."""
    key = client_of(call.demo)[1].encode()
    digest = hmac.new(key, b"token secret of " + token.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().rstrip("=")[:45]


def _not_authenticated() -> Refusal:
    return Refusal(401, 32, "Could not authenticate you.")


def _is_web_address(call: Call, address: str) -> bool:
    """What can be judged before the browser comes: its own origin is judged on the page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    ends = (CALLBACK_END, f"{CALLBACK_END}/{call.platform}")
    return parts.scheme in {"http", "https"} and parts.path.endswith(ends) and not parts.query


def _asked(call: Call, token: str) -> Asked | None:
    asked = _requests(call).get(token)
    return asked if asked is not None and asked.until > call.now else None


def _requests(call: Call) -> dict[str, Asked]:
    found: dict[str, Asked] = call.memory.setdefault("requests", {})
    for token in [t for t, a in found.items() if a.until <= call.now]:
        found.pop(token, None)
    return found


def _revoked(call: Call) -> set[str]:
    found: set[str] = call.memory.setdefault("revoked", set())
    return found


def _form(values: dict[str, Any]) -> Response:
    return text_answer(urlencode(values), content_type=_FORM)
