"""The vendor's own sign-in: portal page, code of an hour, token without an end, numeric scopes."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, html_answer
from liftos_app.services.sandbox.consent_page import refusal_page
from liftos_app.services.sandbox.oauth import (
    ConsentSpec,
    ExchangeProblem,
    client_of,
    consent,
    exchange,
)
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import Refusal, bad
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

PREFIX = "7a1ad5e0"  # with 32 digits behind it, a token is 40 hexadecimal digits
CODE_LIFE = timedelta(hours=1)
SCOPES = {
    "1": "See and manage ad accounts",
    "2": "See and manage campaigns, ad groups and ads",
    "4": "Read reports",
}
REPORTING = "4"


def portal(call: Call) -> Response:
    """The consent page. It takes `app_id`; what the app may ask for is fixed in the portal."""
    if call.method != "POST":
        query = dict(parse_qsl(call.query_string, keep_blank_values=True))
        extra = set(query) - {"app_id", "state", "redirect_uri", "rid"}
        if extra or not query.get("app_id"):
            words = f"The parameter {sorted(extra)[0]} is unknown." if extra else "No app_id."
            return html_answer(refusal_page("TikTok", words), 400)
        shaped = {
            "client_id": query["app_id"], "scope": " ".join(SCOPES),
            "redirect_uri": query.get("redirect_uri", ""), "state": query.get("state", ""),
        }
        call = replace(call, query_string=urlencode(shaped))
    return consent(call, ConsentSpec(
        platform="TikTok",
        client_id=client_of(call.demo)[0],
        scopes=SCOPES,
        accounts=[f"Ad account {a.name}" for a in call.accounts()],
        code_lifetime=CODE_LIFE,
        finish=_twice,
        extra={"nonce": secrets.token_hex(4)},
    ))


def _twice(_call: Call, params: dict[str, str], _granted: tuple[str, ...]) -> dict[str, str]:
    """The vendor sends the code under two names."""
    return {"auth_code": params["code"], **params}


def access_token(call: Call) -> dict[str, Any]:
    """A code becomes a token. Only JSON is understood."""
    values = _body(call)
    for name in ("app_id", "secret", "auth_code"):
        if not isinstance(values.get(name), str) or not values[name]:
            raise bad(f"{name}: Missing data for required field.")
    try:
        grant = exchange(
            call, code=values["auth_code"], client_id=values["app_id"],
            client_secret=values["secret"], redirect_uri=None,
        )
    except ExchangeProblem as problem:
        if problem.error == "invalid_client":
            raise Refusal(40101, "app_id or secret is incorrect.") from None
        raise Refusal(40110, f"auth_code is invalid. {problem.detail}") from None
    mask = sum(1 << int(s) for s in grant.scopes)
    token = call.tokens.issue_hex(
        call.platform, "access", scopes_mask=mask, now=call.now, lifetime=None, prefix=PREFIX,
        rotation=secrets.randbelow(256),
    )
    return {
        "access_token": token,
        "advertiser_ids": [a.id for a in call.accounts()],
        "scope": [int(s) for s in grant.scopes],
    }


def revoke_token(call: Call) -> dict[str, Any]:
    """The advertiser's authorization ends."""
    values = _body(call)
    _check_app(call, values.get("app_id"), values.get("secret"))
    read(call, str(values.get("access_token", "")))
    call.tokens.revoke_all(call.platform)
    return {}


def _body(call: Call) -> dict[str, Any]:
    if not call.content_type.startswith("application/json"):
        raise bad("Content-Type must be application/json.")
    try:
        values = call.json()
    except ValueError:
        raise bad("The body is not valid JSON.") from None
    if not isinstance(values, dict):
        raise bad("The body is not an object.")
    return values


def _check_app(call: Call, app_id: object, secret: object) -> None:
    known_id, known_secret = client_of(call.demo)
    fits = hmac.compare_digest(str(secret or "").encode(), known_secret.encode())
    if app_id != known_id or not fits:
        raise Refusal(40101, "app_id or secret is incorrect.")


def read(call: Call, text: str) -> Grant:
    """What a token stands for. Raises Refusal."""
    if not text:
        raise Refusal(40104, "Access token is empty.")
    try:
        return call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("access", "static"),
            hex_kinds={PREFIX: "access"},
        )
    except TokenProblem as problem:
        if problem.reason == "expired":
            raise Refusal(40102, "The access token has expired.") from None
        raise Refusal(40105, "The access token is not valid.") from None


def authenticate(call: Call, scope: str = "") -> Grant:
    """The grant behind the header `Access-Token`. Raises Refusal."""
    grant = read(call, call.headers.get("access-token", ""))
    if scope and not has(grant, scope):
        raise Refusal(40001, f"No permission: your app was not granted scope {scope}.")
    return grant


def has(grant: Grant, scope: str) -> bool:
    """Whether a numbered permission was granted; a pasted token has them all."""
    return grant.kind == "static" or bool(int(grant.extra.get("mask", "0")) >> int(scope) & 1)


def advertiser_get(call: Call) -> dict[str, Any]:
    """The ad accounts a token reaches."""
    _check_app(call, call.query.get("app_id"), call.query.get("secret"))
    authenticate(call)
    accounts = call.accounts()
    return {"list": [{"advertiser_id": a.id, "advertiser_name": a.name} for a in accounts]}


def user_info(call: Call) -> dict[str, Any]:
    """Who gave the access; e-mail is masked, as the vendor does."""
    grant = authenticate(call)
    return {
        "core_user_id": 7301990000000098765,
        "create_time": int(grant.issued.timestamp()),
        "display_name": "Robin Larkspur",
        "email": "r*****@larkspur-home.example",
    }
