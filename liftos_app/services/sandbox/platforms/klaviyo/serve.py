"""What every Klaviyo endpoint goes through: sign-in, revision, limits, parameters, envelope."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, html_answer, json_answer
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.klaviyo import limits, signin, wire
from liftos_app.services.sandbox.platforms.klaviyo.catalog import Endpoint
from liftos_app.services.sandbox.platforms.klaviyo.wire import CONTENT_TYPE, Refusal
from liftos_app.services.sandbox.trouble import Fault

_BODIES = ("application/vnd.api+json", "application/json")
FIREWALL = "<!doctype html><title>Just a moment...</title><p>Checking your connection.</p>"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be answered: its checked query and sparse fieldsets."""

    call: Call
    endpoint: Endpoint
    revision: str
    query: dict[str, str]
    fields: dict[str, list[str]]
    includes: list[str]
    scopes: tuple[str, ...] = ()


@dataclass(slots=True)
class Desk:
    """What the platform remembers between calls."""

    counter: limits.Counter = field(default_factory=limits.Counter)
    elapsed: Elapsed = field(default_factory=Elapsed)
    lock: threading.Lock = field(default_factory=threading.Lock)


Answer = Callable[[Admitted], Mapping[str, Any]]


def endpoint(rules: Endpoint) -> Callable[[Answer], Callable[[Call], Response]]:
    """Makes a handler of a function that returns a document."""

    def decorate(answer: Answer) -> Callable[[Call], Response]:
        @functools.wraps(answer)
        def handler(call: Call) -> Response:
            return respond(call, rules, answer)

        handler.rules = rules  # type: ignore[attr-defined]
        return handler

    return decorate


def respond(call: Call, rules: Endpoint, answer: Answer) -> Response:
    """The answer of one endpoint, or the refusal in Klaviyo's envelope."""
    headers: dict[str, str] = {}
    try:
        caller = signin.caller(call)
        revision = wire.revision(call.headers, call.now.date())
        if rules.scope not in caller.scopes:
            raise signin.no_permission(rules.scope)
        headers = _count(call, caller.owner, rules)
        asked = replace(admit(call, rules.at(revision), revision), scopes=caller.scopes)
        return _jsonapi(answer(asked), 200, headers)
    except Refusal as refusal:
        return _jsonapi(refusal.body(), refusal.status, headers | refusal.headers)


def admit(call: Call, rules: Endpoint, revision: str) -> Admitted:
    """Check the query against the endpoint's rules. Raises Refusal (400)."""
    query = wire.check_query(call.query_pairs, rules.parameters())
    fields: dict[str, list[str]] = {}
    for kind, allowed in rules.fields.items():
        name = f"fields[{kind}]"
        parts = [p.strip() for p in query.get(name, "").split(",") if p.strip()]
        for part in parts:
            if part.split(".")[0] not in allowed:
                raise wire.invalid(
                    f"'{part}' is not a valid field for the resource '{kind}'.", parameter=name
                )
        if name in query:
            fields[kind] = parts
    includes = wire.choices(query, "include", rules.includes)
    return Admitted(call, rules, revision, query, fields, includes)


def body_of(call: Call) -> object:
    """The JSON body. Raises Refusal (400, 415)."""
    if call.content_type.split(";")[0].strip() not in _BODIES:
        raise Refusal(415, "unsupported_media_type", "Unsupported media type.",
                      "Send the body as application/vnd.api+json.")  # fmt: skip
    try:
        return json.loads(call.body)
    except (ValueError, RecursionError):
        raise wire.invalid("The body is not valid JSON.", pointer="/") from None


def _count(call: Call, owner: str, rules: Endpoint) -> dict[str, str]:
    desk: Desk = call.memory.setdefault("desk", Desk())
    with desk.lock:
        verdict = desk.counter.count(
            owner, rules.name, rules.tier, desk.elapsed(call.now),
            enforce=bool(call.memory.get("enforce_limits")),
        )  # fmt: skip
    if verdict.wait:
        raise _throttled(verdict.wait)
    return verdict.headers


def _throttled(wait: int | None) -> Refusal:
    detail = "Request was throttled."
    headers = {}
    if wait is not None:
        detail += f" Expected available in {wait} second{'' if wait == 1 else 's'}."
        headers = {"Retry-After": str(wait)}
    return Refusal(429, "throttled", "Request was throttled.", detail, headers=headers)


def _jsonapi(body: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    return json_answer(dict(body), status, headers=headers, content_type=CONTENT_TYPE)


def classify(call: Call) -> Target:
    """What a call is about; the stream is the first part of the path after /api."""
    if call.path.startswith("/oauth/authorize"):
        return Target(kind="consent")
    if call.path.startswith("/oauth/"):
        return Target(kind="token")
    parts = call.path.strip("/").split("/")
    return Target(stream=parts[-1] if parts[-1] == "campaign-messages" else
                  parts[1] if len(parts) > 1 else "")  # fmt: skip


def fault(call: Call, trouble: Fault, handler: Callable[[Call], Response] | None) -> Response:
    """A wire fault in Klaviyo's own words.

    missing_scope names `detail["scope"]` or the scope of the endpoint; server_error with status 403
    is the firewall's HTML page.
    """
    rules: Endpoint | None = getattr(handler, "rules", None)
    if trouble.kind in {"token_expired", "token_revoked"}:
        word = "expired" if trouble.kind == "token_expired" else "invalid"
        what = "private key" if call.bearer("Klaviyo-API-Key") else "access token"
        refusal = signin.not_authenticated(f"Missing or {word} {what}.")
    elif trouble.kind == "missing_scope":
        scope = trouble.detail.get("scope", "") or (rules.scope if rules else "accounts:read")
        if rules is not None and rules.scope != scope and handler is not None:
            return handler(call)
        refusal = signin.no_permission(scope)
    elif trouble.kind == "rate_limited_silent":
        refusal = _throttled(None)
    elif trouble.kind in {"rate_limited", "quota_exhausted"}:
        daily = 3_600 if trouble.kind == "quota_exhausted" else 1
        refusal = _throttled(trouble.retry_after or daily)
    elif trouble.status == 403:
        return html_answer(FIREWALL, 403)
    elif trouble.status == 410:
        refusal = Refusal(410, "revision_retired", "Revision is no longer available.",
                          "The revision of this request is retired.", {"pointer": "/"})  # fmt: skip
    else:
        refusal = Refusal(trouble.status, "server_error", "Internal server error.",
                          "An unexpected error occurred.")  # fmt: skip
    return _jsonapi(refusal.body(), refusal.status, refusal.headers)


def lost(call: Call) -> Response:
    """Any other path or method."""
    refusal = Refusal(404, "not_found", "Not found.", f"The path {call.path[:120]} does not exist.",
                      {"pointer": "/"})  # fmt: skip
    return _jsonapi(refusal.body(), 404, {})


def wrong_method(call: Call) -> Response:
    """A known path with another method."""
    refusal = Refusal(405, "method_not_allowed", "Method not allowed.",
                      f"Method {call.method} is not allowed here.", {"pointer": "/"})  # fmt: skip
    return _jsonapi(refusal.body(), 405, {})
