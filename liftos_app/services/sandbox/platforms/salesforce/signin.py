"""Sign-in: the consent page, the token endpoint with rotation, revocation, and sessions.

Access tokens name no end: a session dies two hours after its last call. `memory["rotation"]`
(default on) gives a new refresh token at each renewal; one that was used before ends its whole
family. `memory["app_policy"]` holds an error that the way back from the consent page then carries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer, redirect
from liftos_app.services.sandbox.credentials.salesforce import MY_DOMAIN
from liftos_app.services.sandbox.platforms.salesforce.ids import ORGANIZATION, USER
from liftos_app.services.sandbox.platforms.salesforce.refusals import (
    Refusal,
    not_found,
    session_expired,
    sign_in_error,
)
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

SCOPES: Final[Mapping[str, str]] = {
    "api": "Manage user data via APIs",
    "refresh_token": "Perform requests at any time",
    "id": "Access the identity URL service",
    "openid": "Access unique user identifiers",
    "offline_access": "Perform requests at any time",
}
LOGIN_HOSTS: Final = frozenset({"login.salesforce.com", MY_DOMAIN})
IDLE: Final = timedelta(hours=2)
REFRESH_IDLE: Final = timedelta(days=30)
_ACCESS, _REFRESH = f"{ORGANIZATION[:15]}!", "5Aep861"
_PREFIXES = (_ACCESS, _REFRESH)


@dataclass(slots=True)
class Sessions:
    """What signed tokens cannot carry: last uses, used refresh tokens, ended families."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    used_at: dict[str, datetime] = field(default_factory=dict)
    rotated: dict[str, int] = field(default_factory=dict)  # family -> rotations used up below this
    ended: set[str] = field(default_factory=set)


def sessions(call: Call) -> Sessions:
    """The sessions of this sandbox."""
    found: Sessions = call.memory.setdefault("sessions", Sessions())
    return found


def caller(call: Call) -> Grant:
    """Who calls; the session lives on. Raises Refusal (401)."""
    text = call.bearer() or call.bearer("OAuth")
    if not text:
        raise Refusal(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("access",), prefixes=_PREFIXES
        )
    except TokenProblem:
        raise session_expired() from None
    desk, mark = sessions(call), hashlib.sha256(text.encode()).hexdigest()
    with desk.lock:
        last = desk.used_at.get(mark, grant.issued)
        if grant.family in desk.ended or call.now - last > IDLE:
            raise session_expired()
        desk.used_at[mark] = call.now
    return grant


def authorize(call: Call) -> Response:
    """The consent page, and the way back from it."""
    if call.params["host"] not in LOGIN_HOSTS:
        return not_found().answer()
    client_id, _ = oauth.client_of(call.demo)
    policy = str(call.memory.get("app_policy") or "")
    asked = call.query
    allowed = oauth.is_redirect_allowed(call, asked.get("redirect_uri", ""))
    if policy and call.method == "GET" and allowed:
        words = "this app is blocked by admin"
        back = {"error": policy, "error_description": words, "state": asked.get("state", "")}
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}", 302)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Salesforce", scopes=SCOPES, client_id=client_id, needs_pkce=True,
        locked=tuple(SCOPES), accounts=("The organization Larkspur Home Trade",), subject=USER,
        code_prefix="aPrx",
        denied={"error": "access_denied", "error_description": "end-user denied authorization"},
    ))  # fmt: skip


def token(call: Call) -> Response:
    """POST /services/oauth2/token."""
    host, form = call.params["host"], call.form
    client = call.basic() if call.bearer("Basic") else (
        form.get("client_id", ""), form.get("client_secret", "")
    )  # fmt: skip
    if host not in LOGIN_HOSTS:
        return not_found().answer()
    try:
        match form.get("grant_type"):
            case "authorization_code":
                return _pair(call, _by_code(call, client))
            case "refresh_token":
                _check(call, client)
                return _pair(call, _by_refresh(call, form.get("refresh_token", "")))
            case "client_credentials":
                return _for_itself(call, host, client)
    except oauth.ExchangeProblem as problem:
        status = 401 if problem.error == "invalid_client" else 400
        return sign_in_error(problem.error, problem.detail, status)
    return sign_in_error("unsupported_grant_type", "grant type not supported")


def revoke(call: Call) -> Response:
    """POST (or GET) /services/oauth2/revoke: a refresh token takes its access tokens along."""
    text = call.form.get("token") or call.query.get("token", "")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("access", "refresh"),
            prefixes=_PREFIXES,
        )  # fmt: skip
    except TokenProblem:
        return sign_in_error("unsupported_token_type", "this token type is not supported")
    with sessions(call).lock:
        sessions(call).ended.add(grant.family)
    return Response(b"", 200)


def userinfo(call: Call) -> Response:
    """GET /services/oauth2/userinfo, with the scope openid or id."""
    try:
        grant = caller(call)
    except Refusal as refusal:
        return refusal.answer()
    if not {"id", "openid"} & set(grant.scopes):
        return Response(b"Bad_OAuth_Token", 403)
    return json_answer({
        "user_id": USER, "organization_id": ORGANIZATION, "zoneinfo": "America/New_York",
        "urls": {"custom_domain": f"{call.base}/{MY_DOMAIN}"},
    })  # fmt: skip


def _check(call: Call, client: tuple[str, str]) -> None:
    known, secret = oauth.client_of(call.demo)
    if client[0] != known:
        raise oauth.ExchangeProblem("invalid_client_id", "client identifier invalid")
    if not hmac.compare_digest(client[1].encode(), secret.encode()):
        raise oauth.ExchangeProblem("invalid_client", "invalid client credentials")


def _by_code(call: Call, client: tuple[str, str]) -> Grant:
    _check(call, client)
    verifier = call.form.get("code_verifier", "")
    if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
        raise oauth.ExchangeProblem("invalid_grant", "invalid code verifier")
    try:
        return oauth.exchange(
            call, code=call.form.get("code", ""), client_id=client[0], client_secret=client[1],
            redirect_uri=call.form.get("redirect_uri", ""), verifier=verifier, prefix="aPrx",
        )  # fmt: skip
    except oauth.ExchangeProblem as problem:
        if problem.error == "redirect_uri_mismatch":
            raise oauth.ExchangeProblem(
                problem.error, "redirect_uri must match configuration"
            ) from problem
        words = "invalid authorization code" if "verifier" not in problem.detail else (
            "invalid code verifier"
        )  # fmt: skip
        raise oauth.ExchangeProblem(problem.error, words) from problem


def _by_refresh(call: Call, text: str) -> Grant:
    dead = oauth.ExchangeProblem("invalid_grant", "expired access/refresh token")
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=_PREFIXES
        )
    except TokenProblem:
        raise dead from None
    desk = sessions(call)
    with desk.lock:
        if grant.family in desk.ended:
            raise dead
        if call.memory.get("rotation", True):
            if grant.rotation < desk.rotated.get(grant.family, 0):
                desk.ended.add(grant.family)  # a used one came again: somebody copied it
                raise dead
            desk.rotated[grant.family] = grant.rotation + 1
    return grant


def _for_itself(call: Call, host: str, client: tuple[str, str]) -> Response:
    """The client credentials flow, at My Domain only; there is no refresh token."""
    if host != MY_DOMAIN:
        return sign_in_error("invalid_grant", "request not supported on this domain")
    _check(call, client)
    access = call.tokens.issue(
        call.platform, "access", client_id=client[0], scopes=("api",), now=call.now,
        lifetime=None, prefix=_ACCESS, subject=USER,
    )  # fmt: skip
    return json_answer(_answer(call, access, ("api",)))


def _pair(call: Call, grant: Grant) -> Response:
    """A session, and a refresh token where there is a new one to give."""
    rotate = call.memory.get("rotation", True)
    access = call.tokens.reissue(
        grant, "access", now=call.now, lifetime=None, prefix=_ACCESS, rotate=True
    )
    body = _answer(call, access, grant.scopes)
    wants = {"refresh_token", "offline_access"} & set(grant.scopes)
    if wants and (grant.kind == "code" or rotate):
        body["refresh_token"] = call.tokens.reissue(
            grant, "refresh", now=call.now, lifetime=REFRESH_IDLE, prefix=_REFRESH, rotate=True
        )
    return json_answer(body, headers={"cache-control": "no-cache, no-store"})


def _answer(call: Call, access: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    issued = str(int(call.now.timestamp() * 1000))
    identity = f"{call.base}/login.salesforce.com/id/{ORGANIZATION}/{USER}"
    _, secret = oauth.client_of(call.demo)
    signature = hmac.new(secret.encode(), (identity + issued).encode(), hashlib.sha256).digest()
    return {
        "access_token": access, "signature": base64.b64encode(signature).decode(),
        "scope": " ".join(scopes), "instance_url": f"{call.base}/{MY_DOMAIN}", "id": identity,
        "token_type": "Bearer", "issued_at": issued,
    }  # fmt: skip
