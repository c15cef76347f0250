"""The Ads API endpoint: version, signature, account, limit, answer."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, html_answer, json_answer
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.x_ads import jobs, limits, lists, signin, stats, view
from liftos_app.services.sandbox.platforms.x_ads.limits import Limits
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, unauthorized
from liftos_app.services.sandbox.trouble import Fault

VERSIONS = ("12", "11")
CORE = ("funding_instruments", "campaigns", "line_items", "promoted_tweets")
PERMISSIONS = ("CAMPAIGN_ANALYST",)
_OAUTH = re.compile(r"/oauth/(request_token|access_token)|/1\.1/oauth/invalidate_token(\.json)?")
_CONSENT = re.compile(r"/oauth/(authorize|authenticate)")
Answer = tuple[dict[str, Any], dict[str, str]]


def dispatch(call: Call) -> Response:
    """Any path of the Ads API."""
    parts = call.path.strip("/").split("/")
    if parts[0] not in VERSIONS:
        return html_answer("<html><body><h1>Not Found</h1></body></html>", 404)
    try:
        signin.who(call)
        data, headers = _route(call, parts[1:])
    except Refusal as refusal:
        return json_answer(refusal.body(), refusal.status, headers=refusal.headers)
    return json_answer(data, headers=headers, content_type="application/json; charset=UTF-8")


def _route(call: Call, parts: list[str]) -> Answer:
    match parts:
        case ["accounts"] if call.method == "GET":
            return _counted(call, "accounts", limits.GLOBAL, lambda: lists.accounts(call))
        case ["accounts", account_id, *rest] if call.method == "GET":
            return _about_account(call, account_id, rest)
        case ["stats", "accounts", account_id] if call.method == "GET":
            a = view.account(call, account_id)
            return _counted(
                call,
                "stats",
                limits.STATS,
                lambda: stats.answer(call, a, stats.read(call, a, job=False)),
            )
        case ["stats", "accounts", account_id, "active_entities"] if call.method == "GET":
            a = view.account(call, account_id)
            return _counted(
                call, "active_entities", limits.OTHER, lambda: stats.active(call, a), account=a.id
            )
        case ["stats", "jobs", "accounts", account_id]:
            return _jobs(call, account_id)
        case [_, *_] if call.method not in {"GET", "HEAD"}:
            raise Refusal(405, "METHOD_NOT_ALLOWED", "This sandbox is read only")
        case _:
            raise Refusal(404, "ROUTE_NOT_FOUND", f"The requested resource {call.path} is unknown")


def _about_account(call: Call, account_id: str, rest: list[str]) -> Answer:
    a = view.account(call, account_id)
    match rest:
        case []:
            rows = [view.account_record(a)]
            return _other(call, a.id, "account", lambda: _one(call, rows, a.id, "accounts"))
        case ["authenticated_user_access"]:
            data = {"user_id": signin.USER_ID, "permissions": list(PERMISSIONS)}
            return _other(
                call,
                a.id,
                rest[0],
                lambda: {"request": {"params": {"account_id": a.id}}, "data": data},
            )
        case [name] if name in view.LISTS:
            most = limits.CORE if name in CORE else limits.OTHER
            if call.query.get("with_total_count", "").lower() == "true":
                most = limits.COUNTED
            return _counted(
                call, f"{name}{most}", most, lambda: lists.of_account(call, a, name), account=a.id
            )
        case [name, ident] if name in CORE:
            rows = view.LISTS[name](call, a)
            return _counted(
                call, f"{name}/", limits.CORE, lambda: _one(call, rows, ident, name), account=a.id
            )
        case _:
            raise Refusal(404, "ROUTE_NOT_FOUND", f"The requested resource {call.path} is unknown")


def _jobs(call: Call, account_id: str) -> Answer:
    a = view.account(call, account_id)
    if call.method == "POST":
        return _counted(call, "writes", limits.WRITES, lambda: jobs.create(call, a))
    if call.method == "GET":
        return _other(call, a.id, "jobs", lambda: jobs.look(call, a))
    raise Refusal(405, "METHOD_NOT_ALLOWED", "Jobs are created and read")


def _one(call: Call, rows: list[dict[str, Any]], ident: str, name: str) -> dict[str, Any]:
    return {
        "request": {"params": {"account_id": ident}},
        "data": lists.one(call, rows, ident, name),
    }


def _other(call: Call, account: str, name: str, answer: Callable[[], dict[str, Any]]) -> Answer:
    return _counted(call, name, limits.OTHER, answer, account=account)


def _counted(
    call: Call, scope: str, most: int, answer: Callable[[], dict[str, Any]], *, account: str = ""
) -> Answer:
    """The answer with its limit's headers; the limit counts before anything is looked at."""
    kept: Limits = call.memory.setdefault("limits", Limits())
    clock: Elapsed = call.memory.setdefault("clock", Elapsed())
    passes, headers = kept.count(
        f"{account}/{scope}",
        most,
        account=bool(account),
        now=clock(call.now),
        enforce=call.memory.get("enforce_limits", False),
    )
    if not passes:
        raise _too_many(headers)
    try:
        return answer(), headers
    except Refusal as refusal:
        refusal.headers |= headers
        raise


def _too_many(headers: dict[str, str]) -> Refusal:
    return Refusal(
        429, "TOO_MANY_REQUESTS", "Rate limit reached for this endpoint", headers=headers
    )


def fault(_call: Call, trouble: Fault) -> Response:
    """Scripted trouble in the vendor's words."""
    reset = int(time.time()) + (trouble.retry_after or limits.LENGTH)
    known = limits.headers(limits.STATS, 0, reset, account=False)
    refusal = {
        "token_expired": unauthorized(),
        "token_revoked": unauthorized(),
        "missing_scope": Refusal(
            403,
            trouble.detail.get("code", "UNAUTHORIZED_CLIENT_APPLICATION"),
            "The client application making this request does not have access to the Ads API",
        ),
        "rate_limited": _too_many(known),
        "quota_exhausted": _too_many(known),
        "rate_limited_silent": _too_many({}),
    }.get(trouble.kind)
    if refusal is not None:
        return json_answer(refusal.body(), refusal.status, headers=refusal.headers)
    if trouble.detail.get("body") == "html" or trouble.status in {502, 504}:
        return html_answer("<html><body>Service trouble</body></html>", trouble.status)
    code = {408: "CANCELLED_REQUEST", 423: "LOCK_ACQUISITION_TIMEOUT", 500: "INTERNAL_ERROR"}.get(
        trouble.status, "SERVICE_UNAVAILABLE"
    )
    again = {"retry-after": str(trouble.retry_after)} if trouble.retry_after else {}
    refusal = Refusal(trouble.status, trouble.detail.get("code", code), "Something went wrong")
    return json_answer(refusal.body(), trouble.status, headers=again)


def wrap(call: Call, response: Response) -> Response:
    """Every answer tells the version that is current, and an id for support."""
    response.headers["x-current-api-version"] = VERSIONS[0]
    response.headers["x-transaction-id"] = secrets.token_hex(8)
    if call.path.startswith(f"/{VERSIONS[1]}/"):
        response.headers["x-api-warn"] = "Version 11 is deprecated; use version 12"
    return response


def classify(call: Call) -> Target:
    """What a call is about."""
    if _CONSENT.fullmatch(call.path):
        return Target(kind="consent")
    if _OAUTH.fullmatch(call.path):
        return Target(kind="token")
    if call.path.startswith(jobs.FOLDER):
        return Target(kind="file", stream="file")
    account, stream = "", ""
    match call.path.strip("/").split("/")[1:]:
        case ["accounts"]:
            stream = "accounts"
        case ["accounts", account]:
            stream = "account"
        case ["accounts", account, stream, *_]:
            pass
        case ["stats", "accounts", account]:
            stream = "daily"
        case ["stats", "accounts", account, *_]:
            stream = "active_entities"
        case ["stats", "jobs", "accounts", account]:
            stream = "jobs"
    return Target(account=account, stream=stream)
