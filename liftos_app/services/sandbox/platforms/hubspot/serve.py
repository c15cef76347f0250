"""What every endpoint goes through: version, sign-in, scope, limits, parameters, envelope."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.hubspot import signin
from liftos_app.services.sandbox.platforms.hubspot.refusals import (
    Refusal,
    invalid,
    limited,
    missing_scopes,
    not_found,
)
from liftos_app.services.sandbox.trouble import Fault

VERSIONS = ("2026-03", "2026-09", "2027-03-beta")
PER_TEN_SECONDS, PER_DAY, SEARCHES = 190, 650_000, 5
_BLANK = frozenset({"hapikey"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered. `dated` is False for the addresses before 2026."""

    call: Call
    dated: bool
    query: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    scopes: tuple[str, ...]

    def flag(self, name: str) -> bool:
        """A boolean parameter. Raises Refusal (400)."""
        value = self.query.get(name, "false").lower()
        if value not in ("true", "false"):
            raise invalid(f"{name} must be true or false.", name=name)
        return value == "true"

    def limit(self, *, default: int, most: int) -> int:
        """The page size. Raises Refusal (400)."""
        text = self.query.get("limit", str(default))
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise invalid(f"limit must be between 1 and {most}.", name="limit")
        return int(text)

    def body(self, *allowed: str) -> dict[str, Any]:
        """The JSON body. Raises Refusal (400, 415)."""
        if not self.call.content_type.startswith("application/json"):
            raise Refusal(415, "VALIDATION_ERROR", "Unsupported media type.")
        try:
            found = orjson.loads(self.call.body)
        except orjson.JSONDecodeError:
            raise invalid("Invalid input JSON.") from None
        if not isinstance(found, dict):
            raise invalid("Invalid input JSON: an object is expected.")
        for name in found:
            if name not in allowed:
                raise invalid(f'Unrecognized field "{name}".', name=name, place="body")
        return found


@dataclass(slots=True)
class _Desk:
    """Calls of each caller: moments of the last ten seconds, and how many in all."""

    recent: dict[str, list[float]] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    elapsed: Elapsed = field(default_factory=Elapsed)
    lock: threading.Lock = field(default_factory=threading.Lock)


Answer = Callable[[Asked], Any]


def endpoint(
    *, scope: str = "", singles: Sequence[str] = (), lists: Sequence[str] = (), search: bool = False
) -> Callable[[Answer], Callable[[Call], Response]]:
    """Makes a handler of a function that returns a body, or (body, status).

    `singles` and `lists` name the query parameters there are. A `{scope}` may hold path parameters.
    """

    def decorate(answer: Answer) -> Callable[[Call], Response]:
        @functools.wraps(answer)
        def handler(call: Call) -> Response:
            headers: dict[str, str] = {}
            try:
                who = signin.caller(call)
                dated = _version(call)
                needed = scope.format(**call.params)
                if needed and needed not in who.scopes:
                    raise missing_scopes(needed)
                headers = _count(call, who, search=search)
                query, many = _parameters(call, singles, lists)
                found = answer(Asked(call, dated, query, many, who.scopes))
            except Refusal as refusal:
                return _refuse(refusal, headers)
            body, status = found if isinstance(found, tuple) else (found, 200)
            return json_answer(body, status, headers=headers)

        handler.scope = scope  # type: ignore[attr-defined]
        handler.search = search  # type: ignore[attr-defined]
        return handler

    return decorate


def _version(call: Call) -> bool:
    """Whether the address is dated. Raises Refusal (404) for a version there is not."""
    version = call.params.get("version", "")
    if version in ("v1", "v3", "v4"):
        return False
    if version not in VERSIONS:
        raise not_found(f"There is no version {version[:40]} of this endpoint.")
    return True


def _parameters(
    call: Call, singles: Sequence[str], lists: Sequence[str]
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Single and repeated parameters. Raises Refusal (400) for one that is not known."""
    single: dict[str, str] = {}
    many: dict[str, tuple[str, ...]] = {}
    for name, value in call.query_pairs:
        if name in lists:
            parts = tuple(p.strip() for p in value.split(",") if p.strip())
            many[name] = many.get(name, ()) + parts
        elif name in singles:
            if name in single:
                raise invalid(f"{name} was given more than once.", name=name)
            single[name] = value
        else:
            raise invalid(f"Unknown query parameter: {name[:60]}.", name=name[:60])
    return single, many


def _count(call: Call, who: signin.Caller, *, search: bool) -> dict[str, str]:
    """Count a call and say what is left; only refused when the sandbox is told to enforce."""
    desk: _Desk = call.memory.setdefault("desk", _Desk())
    with desk.lock:
        now = desk.elapsed(call.now)
        key = "search" if search else who.owner
        span = 1.0 if search else 10.0
        most = SEARCHES if search else PER_TEN_SECONDS
        recent = [t for t in desk.recent.get(key, ()) if t > now - span]
        if call.memory.get("enforce_limits") and len(recent) >= most:
            raise limited("SECONDLY" if search else "TEN_SECONDLY_ROLLING")
        desk.recent[key] = [*recent, now]
        desk.whole[who.owner] = desk.whole.get(who.owner, 0) + 1
    if search:
        return {}
    headers = {
        "X-HubSpot-RateLimit-Max": str(PER_TEN_SECONDS),
        "X-HubSpot-RateLimit-Remaining": str(max(0, most - len(recent) - 1)),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }
    if not call.memory.get("enforce_limits"):
        headers["X-HubSpot-RateLimit-Remaining"] = str(
            max(PER_TEN_SECONDS // 2, most - len(recent) - 1)
        )
    if not who.is_app:
        left = max(0, PER_DAY - desk.whole[who.owner])
        headers["X-HubSpot-RateLimit-Daily"] = str(PER_DAY)
        headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(left)
    return headers


def _refuse(refusal: Refusal, headers: Mapping[str, str]) -> Response:
    return json_answer(refusal.body(), refusal.status, headers={**headers, **dict(refusal.headers)})


def classify(call: Call) -> Target:
    """What a call is about: the kind of record, or the part of the path that names it."""
    parts = call.path.strip("/").split("/")
    if parts[0] == "oauth":
        consent = parts[-1] == "authorize"
        return Target(kind="consent" if consent else "token")
    if "associations" in parts:
        return Target(stream="associations")
    for name in ("deals", "contacts", "companies", "owners", "pipelines", "properties"):
        if name in parts:
            return Target(stream=name)
    for name in ("statistics", "emails", "reports", "campaigns", "details"):
        if name in parts:
            return Target(stream=name)
    return Target()


def fault(call: Call, trouble: Fault, handler: Callable[[Call], Response]) -> Response:
    """A wire fault in HubSpot's own words. A missing scope leaves calls alone that need none."""
    needed = str(getattr(handler, "scope", "")).format(**call.params)
    if trouble.kind == "token_expired":
        refusal = signin.expired(call)
    elif trouble.kind == "token_revoked":
        refusal = signin.invalid()
    elif trouble.kind == "missing_scope":
        scope = trouble.detail.get("scope", "") or needed
        if not needed or scope != needed:
            return handler(call)
        refusal = missing_scopes(scope)
    elif trouble.kind == "quota_exhausted":
        refusal = limited("DAILY")
    elif trouble.kind in ("rate_limited", "rate_limited_silent"):
        policy = "SECONDLY" if getattr(handler, "search", False) else "TEN_SECONDLY_ROLLING"
        named = trouble.kind == "rate_limited"
        refusal = limited(policy, wait=trouble.retry_after or 1 if named else None)
    else:
        refusal = Refusal(trouble.status, "INTERNAL_ERROR", "internal error")
    return _refuse(refusal, {})


def lost(call: Call) -> Response:
    """Any other path or method."""
    return _refuse(not_found(f"No endpoint {call.method} {call.path[:120]}."), {})


def wrong_method(call: Call) -> Response:
    """A known path with another method."""
    return _refuse(Refusal(405, "METHOD_NOT_ALLOWED", f"{call.method} is not allowed here."), {})
