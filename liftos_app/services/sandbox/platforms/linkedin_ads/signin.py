"""LinkedIn's OAuth: consent, 60-day tokens, refresh for a year where the app may, introspection."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, html_answer, json_answer
from liftos_app.services.sandbox.consent_page import refusal_page
from liftos_app.services.sandbox.credentials.linkedin_ads import WITHOUT_REFRESH
from liftos_app.services.sandbox.oauth import (
    ConsentSpec,
    ExchangeProblem,
    check_client,
    client_of,
    consent,
    exchange,
)
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

ACCESS, REFRESH, CODE = "AQX", "AQW", "AQT"
ACCESS_LIFE, REFRESH_LIFE = timedelta(days=60), timedelta(days=365)
CODE_LIFE = timedelta(minutes=30)
SCOPES = {
    "r_ads": "See your ad accounts, campaigns and creatives",
    "r_ads_reporting": "See the results of your ad accounts",
    "rw_ads": "Manage your ad accounts",
    "r_basicprofile": "See your name and photo",
}


@dataclass
class Refusal(Exception):
    """A refusal of the API. `service` is the old number, `code` and `more` the newer shape."""

    status: int
    message: str
    service: int = 0
    code: str = ""
    more: Mapping[str, Any] | None = None

    def answer(self) -> Response:
        """The refusal as JSON; there is no Retry-After."""
        body: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.service:
            body["serviceErrorCode"] = self.service
        if self.code:
            body["code"] = self.code
        return json_answer({**body, **(self.more or {})}, self.status)


def authorization(call: Call) -> Response:
    """The consent page; only `response_type=code` is understood."""
    query = call.query if call.method != "POST" else call.form
    if call.method != "POST" and query.get("response_type") != "code":
        return html_answer(refusal_page("LinkedIn", "response_type must be code."), 400)
    call = _as_app(call, query.get("client_id", ""))
    return consent(call, ConsentSpec(
        platform="LinkedIn",
        client_id=client_of(call.demo)[0],
        scopes=SCOPES,
        accounts=[f"Ad account {a.name}" for a in call.accounts()],
        code_prefix=CODE,
        code_lifetime=CODE_LIFE,
        denied={
            "error": "user_cancelled_authorize",
            "error_description": "The user cancelled the authorization",
        },
        extra={"nonce": secrets.token_hex(4)},
    ))


def _as_app(call: Call, client_id: str) -> Call:
    """The call as its own app sees it: the demo app, or the one without refresh tokens."""
    if client_id == WITHOUT_REFRESH["client_id"]:
        return replace(call, demo={"oauth": WITHOUT_REFRESH})
    return call


def access_token(call: Call) -> Response:
    """Code or refresh token to access token; a form is the only body."""
    form = call.form
    call = _as_app(call, form.get("client_id", ""))
    kind = form.get("grant_type", "")
    try:
        if kind == "authorization_code":
            return _from_code(call, form)
        if kind == "refresh_token":
            return _from_refresh(call, form)
    except ExchangeProblem as problem:
        error = {"redirect_uri_mismatch": "invalid_redirect_uri"}.get(problem.error, problem.error)
        return _no(error, problem.detail)
    return _no("unsupported_grant_type", "The grant type is not supported")


def _from_code(call: Call, form: Mapping[str, str]) -> Response:
    for name in ("code", "redirect_uri", "client_id", "client_secret"):
        if not form.get(name):
            return _no("invalid_request", f"A required parameter {name} is missing")
    grant = exchange(
        call, code=form["code"], client_id=form["client_id"], client_secret=form["client_secret"],
        redirect_uri=form["redirect_uri"], prefix=CODE,
    )
    body = _access(call, grant, ACCESS_LIFE)
    if form["client_id"] != WITHOUT_REFRESH["client_id"]:
        refresh = call.tokens.reissue(
            grant, "refresh", now=call.now, lifetime=REFRESH_LIFE, prefix=REFRESH
        )
        body |= {
            "refresh_token": refresh,
            "refresh_token_expires_in": int(REFRESH_LIFE.total_seconds()),
        }
    return json_answer({**body, "scope": ",".join(grant.scopes)})


def _from_refresh(call: Call, form: Mapping[str, str]) -> Response:
    """A new access token. The refresh token stays, and so does its end, which both then share."""
    check_client(call, form.get("client_id", ""), form.get("client_secret", ""))
    text = form.get("refresh_token", "")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=(REFRESH,)
        )
    except TokenProblem:
        return _no("invalid_grant", "The provided refresh token is invalid, expired or revoked")
    left = timedelta(seconds=grant.seconds_left(call.now))
    body = _access(call, grant, min(ACCESS_LIFE, left))
    return json_answer({
        **body, "refresh_token": text, "refresh_token_expires_in": int(left.total_seconds()),
        "scope": ",".join(grant.scopes),
    })


def _access(call: Call, grant: Grant, life: timedelta) -> dict[str, Any]:
    token = call.tokens.reissue(
        grant, "access", now=call.now, lifetime=life, prefix=ACCESS,
        extra={"nonce": secrets.token_hex(4)},
    )
    return {"access_token": token, "expires_in": int(life.total_seconds())}


def _no(error: str, words: str) -> Response:
    status = 401 if error == "invalid_client" else 400
    return json_answer({"error": error, "error_description": words}, status)


def introspect(call: Call) -> Response:
    """What a token is good for, asked by its own app."""
    form = call.form
    call = _as_app(call, form.get("client_id", ""))
    try:
        check_client(call, form.get("client_id", ""), form.get("client_secret", ""))
    except ExchangeProblem as problem:
        return _no(problem.error, problem.detail)
    try:
        grant = read(call, form.get("token", ""))
    except TokenProblem as problem:
        status = {"expired": "expired", "revoked": "revoked"}.get(problem.reason, "unknown")
        return json_answer({"active": False, "status": status})
    issued = int(grant.issued.timestamp())
    ends = issued + int(ACCESS_LIFE.total_seconds())
    scopes = ("r_ads", "r_ads_reporting") if grant.kind == "static" else grant.scopes
    return json_answer({
        "active": True,
        "client_id": form["client_id"],
        "authorized_at": issued,
        "created_at": issued,
        "status": "active",
        "expires_at": int(grant.expires.timestamp()) if grant.expires else ends,
        "scope": ",".join(scopes),
        "auth_type": "3L",
    })


def read(call: Call, text: str) -> Grant:
    """What a token stands for. Raises TokenProblem."""
    return call.tokens.read(
        text, platform=call.platform, now=call.now, kinds=("access", "static"), prefixes=(ACCESS,)
    )


def authenticate(call: Call) -> Grant:
    """The grant behind the call's token. Raises Refusal."""
    text = call.bearer()
    if not text:
        raise Refusal(401, "Empty oauth2_access_token", service=65604, code="EMPTY_ACCESS_TOKEN")
    try:
        return read(call, text)
    except TokenProblem as problem:
        raise dead_token(problem.reason) from None


def dead_token(reason: str) -> Refusal:
    """Why a token is not taken, in LinkedIn's words."""
    if reason == "expired":
        return Refusal(401, "Expired access token", service=65601)
    if reason == "revoked":
        words = "The token used in the request has been revoked by the user"
        return Refusal(401, words, service=65601, code="REVOKED_ACCESS_TOKEN")
    return Refusal(401, "Invalid access token", service=65600, code="INVALID_ACCESS_TOKEN")


def has(grant: Grant, scope: str) -> bool:
    """Whether a permission was granted; a pasted token has both."""
    return grant.kind == "static" or grant.has(scope)
