"""Who calls: private key or OAuth token, its scopes, and the OAuth endpoints themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.klaviyo.wire import Refusal
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

SCOPES: Mapping[str, str] = {
    "accounts:read": "Read account details: name, time zone, currency",
    "metrics:read": "Read metrics and their aggregates",
    "campaigns:read": "Read campaigns and their results",
    "flows:read": "Read flows and their results",
    "lists:read": "Read the names of lists",
    "segments:read": "Read the names of segments",
    "events:read": "Read events such as orders",
    "profiles:read": "Read profiles",
    "templates:read": "Read templates",
    "tags:read": "Read tags",
    "forms:read": "Read forms",
}
CODE, ACCESS, REFRESH = timedelta(minutes=5), timedelta(hours=1), timedelta(days=90)
_PREFIX = "kla_"


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller: `owner` is whose quota counts, all keys of an account share one."""

    owner: str
    scopes: tuple[str, ...]


def not_authenticated(detail: str) -> Refusal:
    """401."""
    return Refusal(
        401, "not_authenticated", "Authentication credentials were not provided.", detail
    )


def no_permission(scope: str) -> Refusal:
    """403: the key or token lacks a scope."""
    return Refusal(
        403, "permission_denied", "You do not have permission to perform this action.",
        f"The API key or token is missing the required scope: {scope}.",
    )  # fmt: skip


def caller(call: Call) -> Caller:
    """Read Authorization. Raises Refusal (401)."""
    header = call.headers.get("authorization", "")
    if not header:
        raise not_authenticated("Missing or invalid private key.")
    key = call.bearer("Klaviyo-API-Key")
    try:
        if key:
            grant = call.tokens.read(
                key, platform=call.platform, now=call.now, kinds=("static",), prefixes=()
            )
            return Caller("account", grant.scopes or tuple(SCOPES))
        grant = call.tokens.read(
            call.bearer(), platform=call.platform, now=call.now, kinds=("access",),
            prefixes=(_PREFIX,),
        )  # fmt: skip
    except TokenProblem as problem:
        words = "expired" if problem.reason == "expired" else "invalid"
        what = "private key" if key else "access token"
        raise not_authenticated(f"Missing or {words} {what}.") from None
    if grant.family in _revoked(call):
        raise not_authenticated("Missing or invalid access token.")
    return Caller(f"app {grant.client_id}", grant.scopes)


def authorize(call: Call) -> Response:
    """The consent page; PKCE is required."""
    client_id, _ = oauth.client_of(call.demo)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Klaviyo", scopes=SCOPES, client_id=client_id, needs_pkce=True,
        code_lifetime=CODE, locked=("accounts:read",), accounts=("One Klaviyo account",),
    ))  # fmt: skip


def token(call: Call) -> Response:
    """POST /oauth/token: form body, client as HTTP Basic."""
    client_id, secret = call.basic()
    if not client_id:
        return _no("invalid_client", "Client id and secret belong into HTTP Basic.", 401)
    form = call.form
    try:
        if form.get("grant_type") == "authorization_code":
            verifier = form.get("code_verifier", "")
            if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
                return _no("invalid_request", "code_verifier must have 43 to 128 characters.")
            grant = oauth.exchange(
                call, code=form.get("code", ""), client_id=client_id, client_secret=secret,
                redirect_uri=form.get("redirect_uri", ""), verifier=verifier,
            )  # fmt: skip
            return json_answer(_pair(call, grant))
        if form.get("grant_type") == "refresh_token":
            oauth.check_client(call, client_id, secret)
            return json_answer(_pair(call, _refresh_grant(call, form.get("refresh_token", ""))))
    except oauth.ExchangeProblem as problem:
        status = 401 if problem.error == "invalid_client" else 400
        error = problem.error if problem.error == "invalid_client" else "invalid_grant"
        return _no(error, problem.detail, status)
    return _no("unsupported_grant_type", "Only authorization_code and refresh_token are known.")


def revoke(call: Call) -> Response:
    """POST /oauth/revoke: ends a token and everything that came from the same consent."""
    try:
        oauth.check_client(call, *call.basic())
    except oauth.ExchangeProblem as problem:
        return _no("invalid_client", problem.detail, 401)
    try:
        grant = call.tokens.read(
            call.form.get("token", ""), platform=call.platform, now=call.now,
            kinds=("access", "refresh"), prefixes=(_PREFIX,),
        )  # fmt: skip
        _revoked(call).add(grant.family)
    except TokenProblem:
        pass  # an unknown token counts as revoked already
    return json_answer({"success": True})


def _refresh_grant(call: Call, text: str) -> Grant:
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=(_PREFIX,)
        )
    except TokenProblem:
        raise oauth.ExchangeProblem("invalid_grant", "The refresh token is invalid.") from None
    if grant.family in _revoked(call):
        raise oauth.ExchangeProblem("invalid_grant", "The app was uninstalled.")
    return grant


def _pair(call: Call, grant: Grant) -> dict[str, Any]:
    def text(kind: str, lifetime: timedelta) -> str:
        return call.tokens.reissue(grant, kind, now=call.now, lifetime=lifetime, prefix=_PREFIX)

    return {
        "access_token": text("access", ACCESS), "refresh_token": text("refresh", REFRESH),
        "expires_in": int(ACCESS.total_seconds()), "token_type": "bearer",
        "scope": " ".join(grant.scopes),
    }  # fmt: skip


def _revoked(call: Call) -> set[str]:
    found: set[str] = call.memory.setdefault("revoked_families", set())
    return found


def _no(error: str, detail: str, status: int = 400) -> Response:
    return json_answer({"error": error, "error_description": detail}, status)
