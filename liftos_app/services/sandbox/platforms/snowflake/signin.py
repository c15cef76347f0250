"""Who calls: a key-pair token (its signature is really verified), a pasted token, OAuth."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.snowflake.wire import Refusal
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

USER: Final = "LIFTOS_SVC"
ROLES: Final = ("LIFTOS_READER", "PUBLIC")
ACCESS, REFRESH = timedelta(minutes=10), timedelta(days=90)
_ACCESS_PREFIX, _REFRESH_PREFIX = "ver:1-hint:2048-", "ver:2-hint:2048-did:"
_TYPES = frozenset({"KEYPAIR_JWT", "OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"})
_SCOPES = {"refresh_token": "Stay signed in", "session:role:LIFTOS_READER": "Use LIFTOS_READER"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The user and the role it acts with when it names none."""

    user: str
    role: str


@lru_cache(maxsize=4)
def public_key(private_pem: str, passphrase: str) -> tuple[str, str]:
    """The registered public key (PEM) of the demo user, and its fingerprint."""
    key = serialization.load_pem_private_key(
        private_pem.encode(), passphrase.encode() if passphrase else None
    ).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def caller(call: Call) -> Caller:
    """Read Authorization. Raises Refusal (401)."""
    token = call.bearer()
    kind = call.headers.get("x-snowflake-authorization-token-type", "")
    if kind and kind not in _TYPES:
        raise Refusal(400, "390102", f"Unknown authorization token type {kind}.")
    if not token:
        raise Refusal(401, "390100", "Authorization header is missing.")
    if kind == "KEYPAIR_JWT":
        return _signed(call, token)
    try:
        grant = call.tokens.read(
            token, platform=call.platform, now=call.now, kinds=("access", "static"),
            prefixes=(_ACCESS_PREFIX,),
        )
    except TokenProblem as problem:
        if problem.reason == "unknown" and token.count(".") == 2 and not kind:
            return _signed(call, token)
        if problem.reason == "expired":
            raise Refusal(401, "390318", "OAuth access token expired. [a1]") from None
        raise Refusal(401, "390303", "Invalid OAuth access token. [b2]") from None
    expected = "OAUTH" if grant.kind == "access" else "PROGRAMMATIC_ACCESS_TOKEN"
    if kind and kind != expected:
        raise Refusal(401, "390303", f"The token is not of type {kind}.")
    return Caller(USER, ROLES[0])


def _signed(call: Call, token: str) -> Caller:
    """Verify signature, issuer, subject and times, as the vendor documents them."""
    known = call.demo["key_pair"]
    pem, mark = public_key(known["private_key"], known["passphrase"])
    try:
        found = jwt.decode(token, RSAKey.import_key(pem), algorithms=["RS256"])
    except (JoseError, ValueError):
        raise _bad_jwt() from None
    claims: dict[str, Any] = found.claims
    subject = f"{call.params['account'].partition('.')[0].upper()}.{known['user'].upper()}"
    now = int(call.now.timestamp())
    try:
        begins, ends = int(claims["iat"]), int(claims["exp"])
    except (KeyError, TypeError, ValueError):
        raise _bad_jwt() from None
    if claims.get("sub") != subject or claims.get("iss") != f"{subject}.{mark}":
        raise _bad_jwt()
    if not (begins <= now + 60 and now < ends <= begins + 3600):
        raise _bad_jwt()
    return Caller(known["user"].upper(), ROLES[0])


def _bad_jwt() -> Refusal:
    return Refusal(401, "390144", "JWT token is invalid. [7fb87e37-2f26-4a10-9f9c-c0ffee000001]")


def authorize(call: Call) -> Response:
    """The consent page; PKCE is required by the integration."""
    client_id, _ = oauth.client_of(call.demo)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Snowflake", scopes=_SCOPES, client_id=client_id, needs_pkce=True,
        locked=("refresh_token",), accounts=(f"Account {call.params['account'].upper()}",),
    ))


def token(call: Call) -> Response:
    """POST /oauth/token-request: form body, client as HTTP Basic."""
    grants = {"authorization_code": _exchanged, "refresh_token": _refreshed}
    grant = grants.get(call.form.get("grant_type", ""))
    if grant is None:
        return _no("unsupported_grant_type", "Only authorization_code and refresh_token are known.")
    try:
        return json_answer(grant(call))
    except oauth.ExchangeProblem as problem:
        wrong_client = problem.error == "invalid_client"
        error = "invalid_client" if wrong_client else "invalid_grant"
        return _no(error, problem.detail, 401 if wrong_client else 400)


def _exchanged(call: Call) -> dict[str, Any]:
    client_id, secret = call.basic()
    verifier = call.form.get("code_verifier", "")
    if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
        raise oauth.ExchangeProblem("invalid_grant", "code_verifier has 43 to 128 characters.")
    grant = oauth.exchange(
        call, code=call.form.get("code", ""), client_id=client_id, client_secret=secret,
        redirect_uri=call.form.get("redirect_uri", ""), verifier=verifier,
    )
    refresh = call.tokens.reissue(
        grant, "refresh", now=call.now, lifetime=REFRESH, prefix=_REFRESH_PREFIX
    )
    return {**_access(call, grant), "refresh_token": refresh,
            "refresh_token_expires_in": int(REFRESH.total_seconds())}


def _refreshed(call: Call) -> dict[str, Any]:
    oauth.check_client(call, *call.basic())
    try:
        grant = call.tokens.read(
            call.form.get("refresh_token", ""), platform=call.platform, now=call.now,
            kinds=("refresh",), prefixes=(_REFRESH_PREFIX,),
        )
    except TokenProblem:
        raise oauth.ExchangeProblem("invalid_grant", "The refresh token is invalid.") from None
    return _access(call, grant)


def _access(call: Call, grant: Grant) -> dict[str, Any]:
    return {
        "access_token": call.tokens.reissue(
            grant, "access", now=call.now, lifetime=ACCESS, prefix=_ACCESS_PREFIX
        ),
        "expires_in": int(ACCESS.total_seconds()), "token_type": "Bearer", "username": USER,
        "scope": " ".join(grant.scopes),
    }


def _no(error: str, detail: str, status: int = 400) -> Response:
    return json_answer({"error": error, "message": detail, "error_description": detail}, status)
