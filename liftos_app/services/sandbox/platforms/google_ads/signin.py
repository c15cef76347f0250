"""Google's OAuth: consent, tokens, refresh, revocation, token info."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.oauth import (
    ConsentSpec,
    ExchangeProblem,
    check_client,
    client_of,
    consent,
    exchange,
)
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

ADWORDS = "https://www.googleapis.com/auth/adwords"
SCOPES = {
    ADWORDS: "See, edit, create and delete your Google Ads accounts and data",
    "openid": "Know who you are on Google",
    "email": "See your e-mail address",
    "profile": "See your name and picture",
    "https://www.googleapis.com/auth/userinfo.email": "See your e-mail address",
    "https://www.googleapis.com/auth/userinfo.profile": "See your name and picture",
}
SUBJECT = "108204816309715667788"
CODE, ACCESS, REFRESH = "4/0A", "ya29.", "1//0"
ACCESS_LIFE = timedelta(seconds=3599)


def ask(call: Call) -> Response:
    """The consent page. Unticking the only permission gives a token without it, as in life."""
    fields = call.form if call.method == "POST" else call.query
    spec = ConsentSpec(
        platform="Google Ads",
        client_id=client_of(call.demo)[0],
        scopes=SCOPES,
        accounts=[f"{a.name} ({a.id})" for a in call.accounts()],
        subject=SUBJECT,
        code_prefix=CODE,
        denied={"error": "access_denied"},
        # Two consents in one second must not share a code.
        extra={
            "access_type": fields.get("access_type", "online"),
            "nonce": secrets.token_hex(4),
        },
        finish=_tell_scope,
    )
    return consent(call, spec)


def _tell_scope(_call: Call, params: dict[str, str], granted: tuple[str, ...]) -> dict[str, str]:
    return params | {"scope": " ".join(granted), "authuser": "0", "prompt": "consent"}


def token(call: Call) -> Response:
    """The token endpoint: authorization_code and refresh_token."""
    params = dict(call.form)
    if not params and call.content_type.startswith("application/json"):
        try:
            found = call.json()
        except ValueError:
            found = None
        params = {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}
    user, password = call.basic()
    if user:
        params = {"client_id": user, "client_secret": password} | params
    if not params.get("client_id"):
        return _no("invalid_request", "Could not determine client ID from request.")
    try:
        check_client(call, params["client_id"], params.get("client_secret", ""))
        if params.get("grant_type") == "authorization_code":
            return _from_code(call, params)
        if params.get("grant_type") == "refresh_token":
            return _refresh(call, params)
    except ExchangeProblem as problem:
        return _no(problem.error, problem.detail)
    if not params.get("grant_type"):
        return _no("invalid_request", "Required parameter is missing: grant_type")
    return _no("unsupported_grant_type", f"Invalid grant_type: {params['grant_type'][:60]}")


def _from_code(call: Call, params: Mapping[str, str]) -> Response:
    if not params.get("code"):
        return _no("invalid_request", "Missing required parameter: code")
    grant = exchange(
        call, code=params["code"], client_id=params["client_id"],
        client_secret=params.get("client_secret", ""),
        redirect_uri=params.get("redirect_uri", ""), verifier=params.get("code_verifier", ""),
        prefix=CODE,
    )  # fmt: skip
    data = _access(call, grant)
    # A refresh token comes with the first consent of this user, later only with prompt=consent.
    seen: set[str] = call.memory.setdefault("consented", set())
    is_first = f"{grant.client_id}/{grant.generation}" not in seen
    asked = "consent" in grant.extra.get("prompt", "").split()
    if grant.extra.get("access_type") == "offline" and (is_first or asked):
        data["refresh_token"] = call.tokens.reissue(
            grant, "refresh", now=call.now, lifetime=None, prefix=REFRESH
        )
        seen.add(f"{grant.client_id}/{grant.generation}")
    return _yes(data)


def _refresh(call: Call, params: Mapping[str, str]) -> Response:
    text = params.get("refresh_token", "")
    if not text:
        return _no("invalid_request", "Missing required parameter: refresh_token")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=(REFRESH,)
        )
    except TokenProblem as problem:
        words = "Token has been expired or revoked." if problem.grant else "Bad Request"
        return _no("invalid_grant", words)
    return _yes(_access(call, grant))


def _access(call: Call, grant: Grant) -> dict[str, Any]:
    return {
        "access_token": call.tokens.reissue(
            grant, "access", now=call.now, lifetime=ACCESS_LIFE, prefix=ACCESS
        ),
        "expires_in": int(ACCESS_LIFE.total_seconds()),
        "scope": " ".join(grant.scopes),
        "token_type": "Bearer",
    }


def revoke(call: Call) -> Response:
    """Take the whole grant back: every token of the app, as the vendor does."""
    text = call.form.get("token") or call.query.get("token", "")
    try:
        _read(call, text)
    except TokenProblem:
        return _no("invalid_token", "Token expired or revoked")
    call.tokens.revoke_all(call.platform)
    return _yes({})


def token_info(call: Call) -> Response:
    """What an access token is good for."""
    text = call.query.get("access_token") or call.form.get("access_token", "")
    try:
        grant = _read(call, text)
    except TokenProblem:
        return _no("invalid_token", "Invalid Value")
    left = grant.seconds_left(call.now)
    return _yes(
        {
            "azp": grant.client_id,
            "aud": grant.client_id,
            "scope": " ".join(grant.scopes),
            "exp": str(int(call.now.timestamp()) + left),
            "expires_in": str(left),
            "access_type": "offline",
        }
    )


def _read(call: Call, text: str) -> Grant:
    return call.tokens.read(
        text, platform=call.platform, now=call.now, kinds=("access", "refresh"),
        prefixes=(ACCESS, REFRESH),
    )  # fmt: skip


def access_grant(call: Call) -> Grant:
    """The grant behind the call's bearer token. Raises TokenProblem."""
    return call.tokens.read(
        call.bearer(), platform=call.platform, now=call.now, kinds=("access",), prefixes=(ACCESS,)
    )


def _yes(data: Any) -> Response:
    return json_answer(data, headers={"cache-control": "no-store", "pragma": "no-cache"})


def _no(error: str, detail: str) -> Response:
    status = 401 if error == "invalid_client" else 400
    body = {"error": error, "error_description": detail}
    return json_answer(body, status, headers={"cache-control": "no-store"})
