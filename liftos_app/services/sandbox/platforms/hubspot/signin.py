"""Who calls: a key, a private app or an installed app; its scopes; the token endpoints."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.hubspot.refusals import Refusal
from liftos_app.services.sandbox.platforms.hubspot.view import PORTAL, USERS, time_text
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

SCOPES: Mapping[str, str] = {
    "oauth": "Know which portal this is",
    "crm.objects.contacts.read": "View contacts",
    "crm.objects.companies.read": "View companies",
    "crm.objects.deals.read": "View deals",
    "crm.objects.owners.read": "View owners",
    "crm.schemas.contacts.read": "View properties of contacts",
    "crm.schemas.companies.read": "View properties of companies",
    "crm.schemas.deals.read": "View pipelines and properties of deals",
    "content": "View marketing e-mails and their statistics",
    "marketing.campaigns.read": "View campaigns",
    "marketing.campaigns.revenue.read": "View the revenue of campaigns",
}
CODE, ACCESS = timedelta(minutes=10), timedelta(seconds=1800)
_PREFIX = "na1-"
_FORM = frozenset(
    {"grant_type", "client_id", "client_secret", "redirect_uri", "code", "refresh_token",
     "code_verifier", "scope"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller: `owner` is whose calls are counted. Keys see the day's limit, apps do not."""

    owner: str
    scopes: tuple[str, ...]
    is_app: bool


def caller(call: Call) -> Caller:
    """Read Authorization. Raises Refusal (401)."""
    text = call.bearer()
    if not text:
        raise Refusal(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication "
            "and you can find more details in the documentation.",
        )
    try:
        grant = call.tokens.read(
            text,
            platform=call.platform,
            now=call.now,
            kinds=("static", "access"),
            prefixes=(_PREFIX,),
        )
    except TokenProblem as problem:
        raise _dead(call, problem) from None
    if grant.family and grant.family in _uninstalled(call):
        raise _invalid()
    if grant.kind == "static":
        return Caller(f"key {text[-8:]}", tuple(SCOPES), is_app=False)
    return Caller(f"app {grant.client_id}", grant.scopes, is_app=True)


def expired(call: Call, since: int = 12) -> Refusal:
    """401: the token was right once."""
    return Refusal(
        401,
        "EXPIRED_AUTHENTICATION",
        f"The OAuth token used to make this call expired {since} second(s) ago.",
        context={"expire time": [time_text(call.now - timedelta(seconds=since))]},
    )


def _invalid() -> Refusal:
    return Refusal(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. The access token is not valid.",
    )


def invalid() -> Refusal:
    """401: the token is none of this portal's."""
    return _invalid()


def _dead(call: Call, problem: TokenProblem) -> Refusal:
    if problem.reason != "expired":
        return _invalid()
    ends = problem.grant.expires if problem.grant else None
    return expired(call, int((call.now - ends).total_seconds()) if ends else 12)


def authorize(call: Call) -> Response:
    """The consent page. Optional scopes are asked for beside the required ones."""
    query = dict(call.form if call.method == "POST" else call.query)
    asked = query.get("scope", "").split()
    optional = query.pop("optional_scope", "").split()
    query["scope"] = " ".join(dict.fromkeys([*asked, *optional]))
    text = urlencode(query)
    fresh = replace(call, query_string=text)
    if call.method == "POST":
        fresh = replace(call, body=text.encode())
    elif optional:
        # The page's own form sends one list; what may be left out is remembered here.
        call.memory.setdefault("optional", set()).update(optional)
    client_id, _ = oauth.client_of(call.demo)
    free = call.memory.get("optional", set())
    return oauth.consent(
        fresh,
        oauth.ConsentSpec(
            platform="HubSpot",
            scopes=SCOPES,
            client_id=client_id,
            subject=str(PORTAL),
            code_prefix=_PREFIX,
            code_lifetime=CODE,
            locked=tuple(s for s in SCOPES if s not in free),
            accounts=(f"Portal {PORTAL} (Larkspur Home trade program)",),
        ),
    )


def token(call: Call) -> Response:
    """POST /oauth/{version}/token. The dated ones want everything in the form body."""
    dated = call.params.get("version", "v1") != "v1"
    if dated and call.query_pairs:
        return _no("BAD_REQUEST", "parameters belong in the request body", "invalid_request")
    form = {**({} if dated else call.query), **call.form}
    unknown = sorted(set(form) - _FORM)
    if unknown:
        return _no("BAD_REQUEST", f"unknown parameter {unknown[0]}", "invalid_request")
    kind = form.get("grant_type", "")
    if kind not in ("authorization_code", "refresh_token"):
        return _no("BAD_GRANT_TYPE", "missing or unknown grant type", "unsupported_grant_type")
    try:
        if kind == "authorization_code":
            grant = oauth.exchange(
                call,
                code=form.get("code", ""),
                client_id=form.get("client_id", ""),
                client_secret=form.get("client_secret", ""),
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
                prefix=_PREFIX,
            )
            refresh = ""
        else:
            _check_client(call, form)
            refresh = form.get("refresh_token", "")
            grant = _refresh_grant(call, refresh)
    except oauth.ExchangeProblem as problem:
        return _refused(problem)
    return json_answer(_pair(call, grant, refresh))


def introspect(call: Call) -> Response:
    """POST /oauth/{version}/token/introspect."""
    try:
        _check_client(call, call.form)
    except oauth.ExchangeProblem as problem:
        return _refused(problem)
    try:
        grant = _any_token(call, call.form.get("token", ""))
    except TokenProblem:
        return json_answer({"active": False})
    if grant.family in _uninstalled(call):
        return json_answer({"active": False})
    return json_answer(
        {
            "active": True,
            "token_use": f"{grant.kind}_token",
            "client_id": grant.client_id,
            "hub_id": PORTAL,
            "user_id": USERS + 1,
            "scopes": list(grant.scopes),
            "expires_in": grant.seconds_left(call.now) if grant.expires else None,
        }
    )


def revoke(call: Call) -> Response:
    """POST /oauth/{version}/token/revoke: ends everything that came from the same installation."""
    try:
        _check_client(call, call.form)
    except oauth.ExchangeProblem as problem:
        return _refused(problem)
    try:
        _uninstalled(call).add(_any_token(call, call.form.get("token", "")).family)
    except TokenProblem:
        return _no("BAD_TOKEN", "missing or invalid token", "invalid_request")
    return Response(b"", 204)


def _any_token(call: Call, text: str) -> Grant:
    return call.tokens.read(
        text, platform=call.platform, now=call.now, kinds=("access", "refresh"),
        prefixes=(_PREFIX,),
    )  # fmt: skip


def _refresh_grant(call: Call, text: str) -> Grant:
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=(_PREFIX,)
        )
    except TokenProblem:
        raise oauth.ExchangeProblem("bad_refresh_token", "") from None
    if grant.family in _uninstalled(call):
        raise oauth.ExchangeProblem("bad_refresh_token", "")
    return grant


def _check_client(call: Call, form: Mapping[str, str]) -> None:
    oauth.check_client(call, form.get("client_id", ""), form.get("client_secret", ""))


def _pair(call: Call, grant: Grant, refresh: str) -> dict[str, Any]:
    """The refresh token has no end, and the same one comes back each time."""
    again = refresh or call.tokens.reissue(
        grant, "refresh", now=call.now, lifetime=None, prefix=_PREFIX
    )
    access = call.tokens.reissue(
        grant, "access", now=call.now, lifetime=ACCESS, prefix=_PREFIX,
        extra={"turn": uuid.uuid4().hex[:6]},
    )  # fmt: skip
    return {
        "token_type": "bearer",
        "refresh_token": again,
        "access_token": access,
        "expires_in": int(ACCESS.total_seconds()),
        "hub_id": PORTAL,
        "user_id": USERS + 1,
        "scopes": list(grant.scopes),
        "token_use": "access_token",
    }


def _uninstalled(call: Call) -> set[str]:
    found: set[str] = call.memory.setdefault("uninstalled", set())
    return found


def _refused(problem: oauth.ExchangeProblem) -> Response:
    status, words, error = {
        "invalid_client": ("BAD_CLIENT_SECRET", problem.detail, "invalid_client"),
        "redirect_uri_mismatch": (
            "REDIRECT_URI_MISMATCH",
            "redirect URI does not match the one used to get the code",
            "invalid_grant",
        ),
        "bad_refresh_token": (
            "BAD_REFRESH_TOKEN",
            "missing or invalid refresh token",
            "invalid_grant",
        ),
    }.get(problem.error, ("BAD_AUTH_CODE", "missing or unknown auth code", "invalid_grant"))
    return _no(status, words, error)


def _no(status: str, message: str, error: str) -> Response:
    """Errors of the token endpoint have HubSpot's old names beside those of RFC 6749."""
    body = {
        "status": status,
        "message": message,
        "error": error,
        "error_description": message,
        "correlationId": str(uuid.uuid4()),
    }
    return json_answer(body, 400)
