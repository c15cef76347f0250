"""Who calls: a personal token, a service principal's token, or a person's after consent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.databricks.wire import Refusal
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

ACCESS, REFRESH = timedelta(hours=1), timedelta(days=7)
USER: Final = "robin@larkspur.example"
_PREFIX = "eyJraWQiOiJsYXJrc3B1ciJ9."
_SCOPES = {
    "sql": "Run queries on SQL warehouses", "offline_access": "Stay signed in",
    "all-apis": "Use every interface",
}


def check(call: Call) -> Grant:
    """Read Authorization. Raises Refusal (401, 404 for another workspace)."""
    if call.params["workspace"] != call.demo["token"]["workspace"]:
        raise Refusal(404, "ENDPOINT_NOT_FOUND", "There is no workspace at this address.")
    token = call.bearer()
    if not token:
        raise Refusal(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported "
                      "type for this API.")
    try:
        return call.tokens.read(
            token, platform=call.platform, now=call.now, kinds=("access", "static"),
            prefixes=(_PREFIX,),
        )
    except TokenProblem as problem:
        word = "expired" if problem.reason == "expired" else "invalid"
        raise Refusal(401, "UNAUTHENTICATED", f"Request is not authenticated: token is {word}."
                      ) from None


def config(call: Call) -> Response:
    """GET /.well-known/databricks-config: where the official SDK begins."""
    return json_answer({
        "oidc_endpoint": _oidc(call), "account_id": "11111111-2222-3333-4444-555555555555",
        "workspace_id": "1234567890123456", "cloud": "AWS",
    })


def server(call: Call) -> Response:
    """The authorization server's description."""
    place = _oidc(call)
    return json_answer({
        "issuer": place, "authorization_endpoint": f"{place}/v1/authorize",
        "token_endpoint": f"{place}/v1/token", "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
    })


def authorize(call: Call) -> Response:
    """The consent page; PKCE is required."""
    client_id, _ = oauth.client_of(call.demo)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Databricks", scopes=_SCOPES, client_id=client_id, needs_pkce=True,
        locked=("sql",), accounts=(f"Workspace {call.params['workspace']}",),
    ))


def token(call: Call) -> Response:
    """POST /oidc/v1/token: form body, client as HTTP Basic."""
    grants = {"authorization_code": _exchanged, "refresh_token": _refreshed,
              "client_credentials": _machine}
    grant = grants.get(call.form.get("grant_type", ""))
    if grant is None:
        return _no("unsupported_grant_type", "This grant type is not supported.")
    try:
        return json_answer(grant(call))
    except oauth.ExchangeProblem as problem:
        wrong_client = problem.error == "invalid_client"
        error = problem.error if problem.error in ("invalid_client", "invalid_scope") else (
            "invalid_grant")
        return _no(error, problem.detail, 401 if wrong_client else 400)


def _machine(call: Call) -> dict[str, Any]:
    """Client credentials: an access token and no refresh token."""
    known = call.demo["service_principal"]
    machine = replace(call, demo={"oauth": known})
    oauth.check_client(machine, *call.basic())
    if call.form.get("scope") != "all-apis":
        raise oauth.ExchangeProblem("invalid_scope", "The scope must be all-apis.")
    text = call.tokens.issue(
        call.platform, "access", client_id=known["client_id"], scopes=("all-apis",), now=call.now,
        lifetime=ACCESS, prefix=_PREFIX,
    )
    return {"access_token": text, "token_type": "Bearer", "scope": "all-apis",
            "expires_in": int(ACCESS.total_seconds())}


def _exchanged(call: Call) -> dict[str, Any]:
    client_id, secret = call.basic()
    verifier = call.form.get("code_verifier", "")
    if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
        raise oauth.ExchangeProblem("invalid_grant", "code_verifier has 43 to 128 characters.")
    return _pair(call, oauth.exchange(
        call, code=call.form.get("code", ""), client_id=client_id, client_secret=secret,
        redirect_uri=call.form.get("redirect_uri", ""), verifier=verifier,
    ))


def _refreshed(call: Call) -> dict[str, Any]:
    """A refresh token works once: its answer holds the next one."""
    oauth.check_client(call, *call.basic())
    text = call.form.get("refresh_token", "")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=(_PREFIX,)
        )
        call.tokens.use_once(text, grant)
    except TokenProblem:
        raise oauth.ExchangeProblem("invalid_grant", "The refresh token is invalid.") from None
    return _pair(call, grant)


def _pair(call: Call, grant: Grant) -> dict[str, Any]:
    def text(kind: str, lifetime: timedelta) -> str:
        return call.tokens.reissue(
            grant, kind, now=call.now, lifetime=lifetime, prefix=_PREFIX, rotate=True
        )

    found: dict[str, Any] = {
        "access_token": text("access", ACCESS), "token_type": "Bearer",
        "expires_in": int(ACCESS.total_seconds()), "scope": " ".join(grant.scopes),
    }
    if grant.has("offline_access"):
        found["refresh_token"] = text("refresh", REFRESH)
    return found


def _oidc(call: Call) -> str:
    return f"{call.base}/{call.params['workspace']}/oidc"


def _no(error: str, detail: str, status: int = 400) -> Response:
    body: Mapping[str, str] = {"error": error, "error_description": detail}
    return json_answer(body, status)
