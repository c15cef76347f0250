"""Sign-in of the imitated shop: consent page with signed callback, and the access_token endpoint.

Four roads end in a token: client credentials (24 hours), an authorization code (expiring when
`expiring` is 1), a refresh token (rotating) and the exchange of an old non-expiring token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.shopify.shops import shop_of, wrong_shop
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

SCOPES: Mapping[str, str] = {
    "read_orders": "Read orders of the last 60 days",
    "read_all_orders": "Read orders older than 60 days",
    "read_products": "Read products and variants",
    "read_customers": "Read customers, without names and addresses",
    "read_reports": "Read sales reports",
    "read_marketing_events": "Read marketing activities",
    "read_discounts": "Read discounts",
    "read_inventory": "Read inventory",
}
ACCESS, REFRESH, DAY = timedelta(hours=1), timedelta(days=90), timedelta(days=1)
RETRY, REPLAY = timedelta(days=30), timedelta(days=7)
PREFIXES = {"shpat_": "access"}
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(slots=True)
class Ledger:
    """What stateless tokens cannot carry: which refresh tokens were used, which were exchanged."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    used: dict[str, dict[int, datetime]] = field(default_factory=dict)  # family -> rotation -> when
    exchanged: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)


def ledger(call: Call) -> Ledger:
    """The ledger of this sandbox."""
    found: Ledger = call.memory.setdefault("ledger", Ledger())
    return found


class Refused(Exception):
    """An OAuth error answer with status 400."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error, self.detail = error, detail


def client(call: Call) -> tuple[str, str]:
    """Id and secret of the demo app."""
    return oauth.client_of(call.demo)


def authorize(call: Call) -> Response:
    """The consent page, and the way back from it."""
    shop = shop_of(call)
    if shop is None:
        return wrong_shop()
    client_id, _ = client(call)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Shopify", scopes=SCOPES, separator=",", client_id=client_id,
        accounts=(f"Store {shop}",), subject=shop, finish=_signed,
    ))  # fmt: skip


def _signed(call: Call, params: dict[str, str], _granted: tuple[str, ...]) -> dict[str, str]:
    """The callback's parameters with shop, host, timestamp and the HMAC over all of them."""
    shop = shop_of(call) or ""
    admin = f"admin.shopify.com/store/{shop.split('.')[0]}"
    host = base64.urlsafe_b64encode(admin.encode()).decode().rstrip("=")
    params = {
        **params, "shop": shop, "timestamp": str(int(call.now.timestamp())), "host": host,
    }  # fmt: skip
    return {**params, "hmac": callback_hmac(params, client(call)[1])}


def callback_hmac(params: Mapping[str, str], secret: str) -> str:
    """Hex HMAC-SHA256 over the sorted parameters, keyed with the client secret."""
    rest = sorted((name, value) for name, value in params.items() if name != "hmac")
    return hmac.new(secret.encode(), urlencode(rest).encode(), hashlib.sha256).hexdigest()


def access_token(call: Call) -> Response:
    """POST /admin/oauth/access_token, JSON or form."""
    shop = shop_of(call)
    if shop is None:
        return wrong_shop()
    try:
        return json_answer(_token(call, _body(call), shop))
    except Refused as refused:
        return _refusal(refused)
    except oauth.ExchangeProblem as problem:
        return _refusal(Refused(problem.error, problem.detail))


def _body(call: Call) -> dict[str, str]:
    try:
        body = call.form or call.json()
    except ValueError:
        raise Refused("invalid_request", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused("invalid_request", "The body must be an object.")
    return {str(name): str(value) for name, value in body.items()}


def _refusal(refused: Refused) -> Response:
    return json_answer({"error": refused.error, "error_description": refused.detail}, 400)


def _token(call: Call, body: Mapping[str, str], shop: str) -> dict[str, Any]:
    kind = body.get("grant_type", "")
    oauth.check_client(call, body.get("client_id", ""), body.get("client_secret", ""))
    if kind == "client_credentials":
        return _access(call, tuple(SCOPES), DAY, short_by=1)
    if kind == "refresh_token":
        return _refreshed(call, body.get("refresh_token", ""))
    if kind == _EXCHANGE:
        return _exchanged(call, body, shop)
    if kind not in {"", "authorization_code"}:
        raise Refused("unsupported_grant_type", "The grant type is not supported.")
    if not body.get("code"):
        raise Refused("invalid_request", "Missing or invalid code parameter.")
    grant = oauth.exchange(
        call, code=body["code"], client_id=body.get("client_id", ""),
        client_secret=body.get("client_secret", ""), redirect_uri=None,
    )  # fmt: skip
    if grant.subject != shop:
        raise Refused("invalid_request", "The code belongs to another shop.")
    if body.get("expiring", "").lower() in {"1", "true"}:
        return _pair(call, grant, rotate=False)
    return _access(call, grant.scopes, None)


def _access(
    call: Call, scopes: tuple[str, ...], lifetime: timedelta | None, *, short_by: int = 0
) -> dict[str, Any]:
    text = call.tokens.issue_hex(
        call.platform, "access", scopes_mask=_mask(scopes), now=call.now, lifetime=lifetime,
        prefix="shpat_",
    )  # fmt: skip
    answer: dict[str, Any] = {"access_token": text, "scope": ",".join(scopes)}
    if lifetime is not None:
        answer["expires_in"] = int(lifetime.total_seconds()) - short_by
    return answer


def _pair(call: Call, grant: Grant, *, rotate: bool, left: timedelta = REFRESH) -> dict[str, Any]:
    answer = _access(call, grant.scopes, ACCESS)
    refresh = call.tokens.reissue(
        grant, "refresh", now=call.now, lifetime=left, prefix="shprt_", rotate=rotate,
        alphabet="b62",
    )  # fmt: skip
    return {
        "access_token": answer["access_token"], "expires_in": answer["expires_in"],
        "refresh_token": refresh, "refresh_token_expires_in": int(left.total_seconds()),
        "scope": answer["scope"],
    }  # fmt: skip


def _refreshed(call: Call, text: str) -> dict[str, Any]:
    try:
        grant = call.tokens.read(
            text, platform=call.platform, now=call.now, kinds=("refresh",), prefixes=("shprt_",)
        )
    except TokenProblem:
        raise Refused("invalid_grant", "The refresh token is invalid or expired.") from None
    book = ledger(call)
    with book.lock:
        used = book.used.setdefault(grant.family, {})
        newest = max(used, default=-1)
        first_use = used.setdefault(grant.rotation, call.now)
        if grant.rotation < newest or call.now - first_use > RETRY:
            raise Refused("invalid_grant", "The refresh token was replaced.")
    return _pair(call, grant, rotate=True)


def _exchanged(call: Call, body: Mapping[str, str], shop: str) -> dict[str, Any]:
    text, book = body.get("subject_token", ""), ledger(call)
    if body.get("subject_token_type") != _OFFLINE or body.get("requested_token_type") != _OFFLINE:
        raise Refused("invalid_request", "Only offline access tokens can be exchanged here.")
    mark = hashlib.sha256(text.encode()).hexdigest()
    with book.lock:
        before = book.exchanged.get(mark)
    if before is not None:
        if call.now - before[0] > REPLAY:
            raise Refused("invalid_subject_token", "The token was exchanged before.")
        return before[1]
    try:
        grant = read(call, text)
    except TokenProblem:
        raise Refused("invalid_subject_token", "The subject token is not valid.") from None
    if grant.expires is not None:
        raise Refused("invalid_subject_token", "The subject token expires already.")
    family = mark[:12]
    renewed = Grant(
        platform=call.platform, kind="access", client_id=body["client_id"], scopes=grant.scopes,
        issued=call.now, expires=None, subject=shop, family=family,
    )  # fmt: skip
    answer = _pair(call, renewed, rotate=False)
    with book.lock:
        book.exchanged[mark] = (call.now, answer)
    return answer


def read(call: Call, text: str) -> Grant:
    """The grant behind an access token, with its scopes. Raises TokenProblem."""
    grant = call.tokens.read(
        text, platform=call.platform, now=call.now, kinds=("access", "static"),
        hex_kinds=PREFIXES,
    )  # fmt: skip
    if hashlib.sha256(text.encode()).hexdigest() in ledger(call).exchanged:
        raise TokenProblem("revoked", grant)
    if "mask" in grant.extra:
        scopes = _scopes(int(grant.extra["mask"]))
    else:
        scopes = grant.scopes or tuple(SCOPES)
    return Grant(
        platform=grant.platform, kind=grant.kind, client_id=grant.client_id,
        scopes=scopes, issued=grant.issued, expires=grant.expires,
    )  # fmt: skip


def _mask(scopes: tuple[str, ...]) -> int:
    return sum(1 << index for index, name in enumerate(SCOPES) if name in scopes)


def _scopes(mask: int) -> tuple[str, ...]:
    return tuple(name for index, name in enumerate(SCOPES) if mask & (1 << index))
