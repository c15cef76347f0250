"""Sign-in of the imitated Zoho: consent at any data centre, tokens at the right one only.

Errors of the token endpoint come with status 200. One refresh token gives ten access tokens in ten
minutes. The demo's pasted grant code works again and again, so that a demo can be set up twice;
`memory["strict_code"]` makes it good once. `memory["secret"]` is the client's secret in the demo's
data centre where, with Multi-DC, it has one of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox import oauth
from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.zoho_crm.centres import ACCOUNTS, CENTRES, DATA, HOME
from liftos_app.services.sandbox.platforms.zoho_crm.refusals import invalid_token
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

_MODULES: Final = ("leads", "contacts", "accounts", "deals", "campaigns")
SCOPES: Final[Mapping[str, str]] = {
    **{f"ZohoCRM.modules.{m}.READ": f"Read {m}" for m in _MODULES},
    "ZohoCRM.settings.modules.READ": "Read the list of modules",
    "ZohoCRM.settings.fields.READ": "Read the list of fields",
    "ZohoCRM.org.READ": "Read the company's details",
    "ZohoCRM.users.READ": "Read users",
    "ZohoCRM.coql.READ": "Run queries",
    "ZohoCRM.bulk.READ": "Read records in bulk",
}
ACCESS, CODE = timedelta(hours=1), timedelta(minutes=1)
MINTS, MINT_WINDOW = 10, timedelta(minutes=10)


@dataclass(slots=True)
class Ledger:
    """What signed tokens cannot carry: ended families, times of minting, used pasted codes."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: set[str] = field(default_factory=set)
    minted: dict[str, list[datetime]] = field(default_factory=dict)
    pasted: int = 0


class Refused(Exception):
    """An error of the token endpoint."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def ledger(call: Call) -> Ledger:
    """The ledger of this sandbox."""
    found: Ledger = call.memory.setdefault("ledger", Ledger())
    return found


def caller(call: Call) -> Grant:
    """Who calls, at the right data centre. Raises Refusal (401)."""
    if DATA.get(call.params["host"]) != HOME:
        raise invalid_token()
    try:
        grant = call.tokens.read(
            _opened(call.bearer("Zoho-oauthtoken")), platform=call.platform, now=call.now,
            kinds=("access",),
        )  # fmt: skip
    except TokenProblem:
        raise invalid_token() from None
    if grant.family in ledger(call).ended:
        raise invalid_token()
    return grant


def authorize(call: Call) -> Response:
    """The consent page at any data centre; the way back names the person's own."""
    client_id, _ = oauth.client_of(call.demo)
    if call.params["host"] not in ACCOUNTS:
        return json_answer({"error": "not_found"}, 404)
    return oauth.consent(call, oauth.ConsentSpec(
        platform="Zoho", scopes=SCOPES, separator=",", client_id=client_id,
        locked=tuple(SCOPES), accounts=("The company Larkspur Home Trade",),
        code_lifetime=CODE, denied={"error": "access_denied"}, finish=_back,
    ))  # fmt: skip


def token(call: Call) -> Response:
    """POST /oauth/v2/token: parameters in the form or the query."""
    form = {**call.query, **call.form}
    try:
        if call.params["host"] not in ACCOUNTS:
            return json_answer({"error": "not_found"}, 404)
        _check(call, form)
        match form.get("grant_type"):
            case "authorization_code":
                return _first(call, form)
            case "refresh_token":
                return _renewed(call, form.get("refresh_token", ""))
    except Refused as refused:
        return json_answer({"error": refused.error})
    return json_answer({"error": "unsupported_grant_type"})


def revoke(call: Call) -> Response:
    """POST /oauth/v2/token/revoke?token=."""
    text = call.query.get("token") or call.form.get("token", "")
    try:
        grant = call.tokens.read(
            _opened(text), platform=call.platform, now=call.now, kinds=("access", "refresh")
        )
    except TokenProblem:
        return json_answer({"error": "invalid_token"})
    with ledger(call).lock:
        ledger(call).ended.add(grant.family)
    return json_answer({"status": "success"})


def serverinfo(call: Call) -> Response:
    """GET /oauth/serverinfo."""
    found = {name: f"{call.base}/{accounts}" for name, (accounts, _) in CENTRES.items()}
    return json_answer({"result": "success", "locations": found})


def _back(call: Call, params: dict[str, str], _granted: tuple[str, ...]) -> dict[str, str]:
    accounts, _ = CENTRES[HOME]
    return {**params, "code": _closed(params["code"]), "location": HOME,
            "accounts-server": f"{call.base}/{accounts}"}  # fmt: skip


def _check(call: Call, form: Mapping[str, str]) -> None:
    at_home = ACCOUNTS[call.params["host"]] == HOME
    if at_home and call.memory.get("secret") not in (None, form.get("client_secret")):
        raise Refused("invalid_client")
    try:
        oauth.check_client(call, form.get("client_id", ""), _first_secret(call, form))
    except oauth.ExchangeProblem:
        raise Refused("invalid_client") from None
    if not at_home:
        raise Refused("invalid_code")  # codes and tokens are known in their own centre only


def _first_secret(call: Call, form: Mapping[str, str]) -> str:
    """The demo app's secret for that of a data centre, which stands for the same app."""
    given = form.get("client_secret", "")
    return oauth.client_of(call.demo)[1] if given and given == call.memory.get("secret") else given


def _first(call: Call, form: Mapping[str, str]) -> Response:
    code = form.get("code", "")
    if code and code == (call.demo.get("self_client") or {}).get("grant_code"):
        return _pasted(call)
    try:
        grant = oauth.exchange(
            call, code=_opened(code), client_id=form.get("client_id", ""),
            client_secret=_first_secret(call, form),
            redirect_uri=form.get("redirect_uri", ""),
        )  # fmt: skip
    except oauth.ExchangeProblem as problem:
        wrong = problem.error == "redirect_uri_mismatch"
        raise Refused("invalid_redirect_uri" if wrong else "invalid_code") from None
    offline = grant.extra.get("access_type") == "offline" and grant.extra.get("prompt") == "consent"
    return _answer(call, grant, refresh=offline)


def _pasted(call: Call) -> Response:
    """The demo's code from the API console."""
    place = ledger(call)
    with place.lock:
        place.pasted += 1
        if call.memory.get("strict_code") and place.pasted > 1:
            raise Refused("invalid_code")
    client_id, _ = oauth.client_of(call.demo)
    text = call.tokens.issue(
        call.platform, "code", client_id=client_id, scopes=tuple(SCOPES), now=call.now,
        lifetime=CODE,
    )  # fmt: skip
    return _answer(call, call.tokens.read(text, platform=call.platform, now=call.now), refresh=True)


def _renewed(call: Call, text: str) -> Response:
    try:
        grant = call.tokens.read(
            _opened(text), platform=call.platform, now=call.now, kinds=("refresh",)
        )
    except TokenProblem:
        raise Refused("invalid_code") from None
    place = ledger(call)
    with place.lock:
        if grant.family in place.ended:
            raise Refused("invalid_code")
        times = [t for t in place.minted.get(grant.family, []) if call.now - t < MINT_WINDOW]
        if len(times) >= MINTS:
            words = "You have made too many requests continuously. Please try again later."
            return json_answer(
                {"error": "Access Denied", "error_description": words, "status": "failure"}, 400
            )
        place.minted[grant.family] = [*times, call.now]
    return _answer(call, grant, refresh=False)


def _answer(call: Call, grant: Grant, *, refresh: bool) -> Response:
    _, data = CENTRES[HOME]
    mints = len(ledger(call).minted.get(grant.family, ()))
    access = call.tokens.reissue(
        grant, "access", now=call.now, lifetime=ACCESS, extra={"mint": str(mints)}
    )
    body: dict[str, Any] = {"access_token": _closed(access)}
    if refresh:
        body["refresh_token"] = _closed(
            call.tokens.reissue(grant, "refresh", now=call.now, lifetime=None)
        )
    body |= {"api_domain": f"{call.base}/{data}", "token_type": "Bearer",
             "expires_in": int(ACCESS.total_seconds())}  # fmt: skip
    return json_answer(body)


def _closed(text: str) -> str:
    """A token in Zoho's form: 1000, and two groups of hexadecimal digits."""
    digits = text.encode().hex()
    return f"1000.{digits[:32]}.{digits[32:]}"


def _opened(text: str) -> str:
    """What is inside a token of that form, "" when it is none."""
    try:
        return bytes.fromhex(text.removeprefix("1000.").replace(".", "")).decode()
    except ValueError:
        return ""
