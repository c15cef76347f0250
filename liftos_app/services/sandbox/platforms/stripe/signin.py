"""Who calls: a key of one account, or a Connect platform for an account; and Connect OAuth.

Access tokens of Connect do not end by themselves; they die when the account takes access back.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.credentials.stripe import SPARE
from liftos_app.services.sandbox.platforms.stripe import ids
from liftos_app.services.sandbox.platforms.stripe.refusals import Refusal
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

SCOPES: Final[Mapping[str, str]] = {
    "read_only": "Read payments, refunds, disputes, payouts, invoices and subscriptions",
    "read_write": "Read and change everything in the account",
}
_ACCESS: Final = "sk_" + "live_"
_PUBLISHABLE: Final = "pk_" + "live_" + "51LrkB7WZ01zgkWdemoPublic"
_REFRESH, _CODE_PREFIX = "rt_", "ac_"
_CODE: Final = timedelta(minutes=5)
_LACKS: Final = frozenset({"rak_accounts_kyc_basic_read", "rak_event_read"})  # the limited key


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller: which account answers, in which mode, and what it may not read."""

    account: str
    live: bool = True
    lacks: frozenset[str] = frozenset()
    shown: str = ""  # the key as errors repeat it


def caller(call: Call) -> Caller:
    """Read the key and the account asked for. Raises Refusal (401, 403)."""
    key = call.bearer() or call.basic()[0]
    if not key:
        raise Refusal(
            401, "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY').", headers={"WWW-Authenticate": 'Bearer realm="Stripe"'},
        )  # fmt: skip
    if key.startswith("pk_"):
        raise Refusal(
            401, "This API call cannot be made with a publishable API key. Please use a secret "
            "API key.", code="secret_key_required",
        )  # fmt: skip
    wanted = call.headers.get("stripe-account", "")
    if _is_platform(call, key):
        if not wanted:
            return Caller(ids.AGENCY, shown=masked(key))
        if wanted != ids.ACCOUNT or not _is_connected(call):
            raise _no_access(key, wanted)
        return Caller(ids.ACCOUNT, shown=masked(key))
    grant = _read(call, key)
    if wanted and wanted != ids.ACCOUNT:
        raise _no_access(key, wanted)
    limited = key == SPARE["limited_key"]
    return Caller(
        ids.ACCOUNT,
        live="_test_" not in key,
        lacks=_LACKS if limited else frozenset(),
        shown=masked(key if grant.kind == "static" else _ACCESS + "hidden"),
    )


def masked(key: str) -> str:
    """The beginning of a key and its last four characters."""
    head = "_".join(key.split("_")[:2])
    return f"{head}_****{key[-4:]}"


def no_permission(who: Caller, permission: str) -> Refusal:
    """403: only the message names what is missing."""
    return Refusal(
        403, f"The provided key '{who.shown}' does not have the required permissions for this "
        f"endpoint on account '{who.account}'. Having the '{permission}' permission would allow "
        "this request to continue.",
    )  # fmt: skip


def bad_key(key: str, *, expired: bool = False) -> Refusal:
    """401: wrong, rolled or expired."""
    word = "Expired" if expired else "Invalid"
    return Refusal(
        401, f"{word} API Key provided: {masked(key)}", code="api_key_expired" if expired else "",
        headers={"WWW-Authenticate": 'Bearer realm="Stripe"'},
    )  # fmt: skip


def _no_access(key: str, account: str) -> Refusal:
    return Refusal(
        403, f"The provided key '{masked(key)}' does not have access to account '{account[:40]}' "
        "(or that account does not exist). Application access may have been revoked.",
        code="account_invalid",
    )  # fmt: skip


def _read(call: Call, key: str) -> Grant:
    try:
        grant = call.tokens.read(
            key, platform=call.platform, now=call.now, kinds=("static", "access"),
            prefixes=(_ACCESS,),
        )  # fmt: skip
    except TokenProblem as problem:
        raise bad_key(key, expired=problem.reason == "expired") from None
    if grant.family and grant.family in _cut_off(call):
        raise bad_key(key)
    return grant


def _is_platform(call: Call, key: str) -> bool:
    return hmac.compare_digest(key.encode(), oauth.client_of(call.demo)[1].encode())


def _cut_off(call: Call) -> set[str]:
    """Families of tokens whose account took access back."""
    found: set[str] = call.memory.setdefault("cut_off", set())
    return found


def _is_connected(call: Call) -> bool:
    """Whether the account still lets the platform in. What a restart forgot counts as a yes."""
    token = call.memory.get("standing", "")
    if not token:
        return not call.memory.get("gone", False)
    try:
        _read(call, token)
    except Refusal as refusal:
        return refusal.code == "api_key_expired"  # an old token ends nothing but itself
    return True


def authorize(call: Call) -> Response:
    """The consent page. Connect has no PKCE."""
    client_id, _ = oauth.client_of(call.demo)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Stripe", scopes=SCOPES, client_id=client_id, code_lifetime=_CODE,
        code_prefix=_CODE_PREFIX, locked=("read_only",), accounts=("Larkspur Home",),
    ))  # fmt: skip


def token(call: Call) -> Response:
    """POST /oauth/token: a form, the platform's key as Bearer, Basic or client_secret."""
    form = call.form
    secret = call.bearer() or call.basic()[0] or form.get("client_secret", "")
    if not secret or not _is_platform(call, secret):
        return _no("invalid_client", "No such API key, or it is not that of a platform.", 401)
    kind = form.get("grant_type", "")
    if kind == "authorization_code":
        try:
            grant = oauth.exchange(
                call, code=form.get("code", ""), client_id=oauth.client_of(call.demo)[0],
                client_secret=secret, redirect_uri=None, prefix=_CODE_PREFIX,
            )  # fmt: skip
        except oauth.ExchangeProblem as problem:
            return _no("invalid_grant", problem.detail)
    elif kind == "refresh_token":
        try:
            grant = call.tokens.read(
                form.get("refresh_token", ""), platform=call.platform, now=call.now,
                kinds=("refresh",), prefixes=(_REFRESH,),
            )  # fmt: skip
        except TokenProblem:
            return _no("invalid_grant", "This refresh token does not exist.")
        if grant.family in _cut_off(call):
            return _no("invalid_grant", "This application is not connected to the account.")
    else:
        return _no("unsupported_grant_type", "Use authorization_code or refresh_token.")
    return json_answer(_tokens(call, grant))


def _tokens(call: Call, grant: Grant) -> dict[str, Any]:
    access = call.tokens.reissue(
        grant, "access", now=call.now, lifetime=None, prefix=_ACCESS, alphabet="b62"
    )
    call.memory["standing"] = access
    call.memory["gone"] = False
    return {
        "access_token": access,
        "livemode": True,
        "refresh_token": call.tokens.reissue(
            grant, "refresh", now=call.now, lifetime=None, prefix=_REFRESH, alphabet="b62"
        ),
        "token_type": "bearer",
        "stripe_publishable_key": _PUBLISHABLE,
        "stripe_user_id": ids.ACCOUNT,
        "scope": " ".join(grant.scopes) or "read_only",
    }


def deauthorize(call: Call) -> Response:
    """POST /oauth/deauthorize: the platform lets go of an account."""
    form = call.form
    secret = call.bearer() or call.basic()[0] or form.get("client_secret", "")
    client_id, _ = oauth.client_of(call.demo)
    if not secret or not _is_platform(call, secret) or form.get("client_id") != client_id:
        return _no("invalid_client", "No such application.", 401)
    if form.get("stripe_user_id") != ids.ACCOUNT or not _is_connected(call):
        return _no("invalid_client", "This application is not connected to the account.", 401)
    standing = call.memory.get("standing", "")
    if standing:
        _cut_off(call).add(_read(call, standing).family)
    call.memory["gone"] = True
    return json_answer({"stripe_user_id": ids.ACCOUNT})


def _no(error: str, detail: str, status: int = 400) -> Response:
    return json_answer({"error": error, "error_description": detail}, status)


__all__ = ["Caller", "authorize", "caller", "deauthorize", "no_permission", "token"]
