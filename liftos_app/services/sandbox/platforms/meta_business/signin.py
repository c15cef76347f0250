"""Sign-in with the vendor: consent dialog, code and long-lived exchange, introspection, proof."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.oauth import (
    ConsentSpec,
    ExchangeProblem,
    check_client,
    client_of,
    consent,
    exchange,
)
from liftos_app.services.sandbox.platforms.meta_business.answers import (
    GraphError,
    bad_parameter,
    bad_proof,
    dead_token,
    no_token,
)
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

PREFIX = "EAAKZB"
SHORT_LIFE = timedelta(seconds=5_183)
LONG_LIFE = timedelta(seconds=5_183_944)
DATA_ACCESS = timedelta(days=90)
USER = {"id": "10229874110254871", "name": "Robin Larkspur", "first_name": "Robin",
        "last_name": "Larkspur", "short_name": "Robin"}  # fmt: skip
SCOPES = {
    "public_profile": "See the name of your profile",
    "email": "See your e-mail address",
    "ads_read": "Read campaigns and results of your ad accounts",
    "ads_management": "Change campaigns of your ad accounts",
    "business_management": "See and change the assets of your businesses",
    "read_insights": "Read results of your pages",
    "pages_show_list": "See the pages you manage",
    "pages_read_engagement": "Read what people do on your pages",
}
USER_KINDS = ("short", "long", "static")


def dialog(call: Call) -> Response:
    """The consent page; a person may untick any permission but the public profile."""
    asked = (call.form if call.method == "POST" else call.query).get("scope", "")
    return consent(
        call,
        ConsentSpec(
            platform="Meta",
            client_id=client_of(call.demo)[0],
            scopes=SCOPES,
            separator=",",
            locked=("public_profile",),
            accounts=[f"Ad account {a.name}" for a in call.accounts()],
            subject=USER["id"],
            code_prefix="AQ",
            denied={
                "error": "access_denied",
                "error_code": "200",
                "error_description": "Permissions error",
                "error_reason": "user_denied",
            },
            # Two consents in one second must not share a code.
            extra={"asked": asked, "nonce": secrets.token_hex(4)},
        ),
    )


def access_token(call: Call, params: Mapping[str, str]) -> dict[str, Any]:
    """Code to short-lived token, short-lived to long-lived, or the token of the app itself."""
    kind = params.get("grant_type", "")
    for name in ("client_id", "client_secret"):
        if not params.get(name):
            raise GraphError(101, f"Missing {name} parameter.")
    _check_app(call, params)
    if kind == "client_credentials":
        token = f"{params['client_id']}|{params['client_secret']}"
        return {"access_token": token, "token_type": "bearer"}
    if kind == "fb_exchange_token":
        if not params.get("fb_exchange_token"):
            raise GraphError(100, "fb_exchange_token parameter not specified")
        grant = read_token(call, params["fb_exchange_token"])
        return _granted(call, grant, "long", LONG_LIFE, grant.extra)
    if kind not in {"", "authorization_code"}:
        raise bad_parameter("grant_type", "is not one of the known grants")
    return _from_code(call, params)


def _from_code(call: Call, params: Mapping[str, str]) -> dict[str, Any]:
    for name in ("code", "redirect_uri"):
        if not params.get(name):
            raise GraphError(100, f"Missing {name} parameter.")
    try:
        grant = exchange(
            call, code=params["code"], client_id=params["client_id"],
            client_secret=params["client_secret"], redirect_uri=params["redirect_uri"],
            verifier=params.get("code_verifier", ""), prefix="AQ",
        )  # fmt: skip
    except ExchangeProblem as problem:
        if problem.error == "redirect_uri_mismatch":
            raise GraphError(
                100,
                "Error validating verification code. Please make sure your redirect_uri is "
                "identical to the one you used in the OAuth dialog request",
                subcode=36008,
            ) from None
        used = "used" in problem.detail
        raise GraphError(
            100,
            "This authorization code has been used."
            if used
            else "This authorization code has expired or is not valid.",
            subcode=36009 if used else 36007,
        ) from None
    return _granted(call, grant, "short", SHORT_LIFE, {"asked": grant.extra.get("asked", "")})


def _check_app(call: Call, params: Mapping[str, str]) -> None:
    if params["client_id"] != client_of(call.demo)[0]:
        raise GraphError(101, "Error validating application. Invalid application ID.")
    try:
        check_client(call, params["client_id"], params["client_secret"])
    except ExchangeProblem:
        raise GraphError(1, "Error validating client secret.") from None


def _granted(
    call: Call, grant: Grant, kind: str, life: timedelta, extra: Mapping[str, str]
) -> dict[str, Any]:
    scopes = tuple(SCOPES) if grant.kind == "static" else grant.scopes
    token = call.tokens.reissue(
        grant, kind, now=call.now, lifetime=life, prefix=PREFIX, alphabet="b62", extra=extra,
        scopes=scopes,
    )  # fmt: skip
    return {
        "access_token": token,
        "token_type": "bearer",
        "expires_in": int(life.total_seconds()),
    }


def read_token(call: Call, text: str) -> Grant:
    """What a user token stands for. Raises GraphError 190 with the subcode of its death."""
    try:
        return call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=USER_KINDS, prefixes=(PREFIX,)
        )
    except TokenProblem as problem:
        raise dead_token(problem.reason) from None


def token_text(call: Call, params: Mapping[str, str]) -> str:
    """The token of a call: parameter or Authorization header."""
    return params.get("access_token", "") or call.bearer() or call.bearer("OAuth")


def authenticate(call: Call, params: Mapping[str, str], *, about_me: bool) -> Grant:
    """The grant behind the call's token, its proof checked when one was sent."""
    text = token_text(call, params)
    if not text:
        raise no_token(about_me=about_me)
    proof = params.get("appsecret_proof")
    if proof is not None:
        secret = client_of(call.demo)[1].encode()
        right = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right.encode(), proof.encode()):
            raise bad_proof()
    return read_token(call, text)


def has(grant: Grant, *scopes: str) -> bool:
    """Whether one of the scopes was granted; a pasted system-user token has them all."""
    return grant.kind == "static" or any(grant.has(s) for s in scopes)


def permissions(grant: Grant) -> list[dict[str, str]]:
    """Every permission asked for, granted or declined."""
    if grant.kind == "static":
        return [{"permission": s, "status": "granted"} for s in SCOPES]
    asked = grant.extra.get("asked", "").replace(",", " ").split()
    names = dict.fromkeys(["public_profile", *asked, *grant.scopes])
    given = {*grant.scopes, "public_profile"}
    return [{"permission": n, "status": "granted" if n in given else "declined"} for n in names]


def debug_token(call: Call, params: Mapping[str, str]) -> dict[str, Any]:
    """Introspection of `input_token`, asked with an app token or a user token of the app."""
    client_id, secret = client_of(call.demo)
    asking = token_text(call, params)
    if not asking:
        raise no_token(about_me=False)
    if not hmac.compare_digest(asking.encode(), f"{client_id}|{secret}".encode()):
        read_token(call, asking)
    if not params.get("input_token"):
        raise GraphError(100, "(#100) The parameter input_token is required")
    try:
        grant = read_token(call, params["input_token"])
    except GraphError as error:
        problem = {"code": error.code, "message": error.message, "subcode": error.subcode or 0}
        return {"data": {"app_id": client_id, "error": problem, "is_valid": False, "scopes": []}}
    issued = int(grant.issued.timestamp())
    scopes = [p["permission"] for p in permissions(grant) if p["status"] == "granted"]
    return {
        "data": {
            "app_id": client_id,
            "type": "SYSTEM_USER" if grant.kind == "static" else "USER",
            "application": "LiftOS",
            "data_access_expires_at": issued + int(DATA_ACCESS.total_seconds())
            if grant.kind != "static"
            else 0,
            "expires_at": int(grant.expires.timestamp()) if grant.expires else 0,
            "is_valid": True,
            "issued_at": issued,
            "scopes": scopes,
            "user_id": USER["id"],
        }
    }
