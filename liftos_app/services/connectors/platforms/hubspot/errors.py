"""What HubSpot's errors mean, and how long its limits ask us to hold back.

From the 2026-09 interface (checked 2026-11-22). Errors name a category; limits name a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import HOUR, LATER, REPORT, Rule, retry_after

SEARCH_SECONDS = 0.25  # HubSpot takes five searches a second, and says nothing about them
_FEW = 3  # calls left of ten seconds' worth at which we wait for the next
_OURS = "HubSpot refused a request."
_SLOWER = "HubSpot asks us to slow down."
_NOTHING = "Nothing to do: reading goes on when the limit resets."

RULES: tuple[Rule, ...] = (
    Rule(code="VALIDATION_ERROR", kind=GiveUp, what=_OURS, why="It says: {said}.", fix=REPORT),
    Rule(
        code="OBJECT_NOT_FOUND",
        kind=GiveUp,
        what=_OURS,
        why="It does not know what was asked for: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="EXPIRED_AUTHENTICATION",
        kind=SignInAgain,
        what="The sign-in with HubSpot has run out.",
        why="Its tokens live 30 minutes, and this one could not be renewed.",
        fix="Sign in again; history and settings stay.",
    ),
    Rule(
        code="INVALID_AUTHENTICATION",
        kind=SignInAgain,
        what="HubSpot no longer accepts our key or sign-in.",
        why="It is wrong, was rotated or deleted, or the app was uninstalled.",
        fix="Enter a key that is still there, or sign in again.",
        renew=False,
    ),
    Rule(
        code="BAD_REFRESH_TOKEN",
        kind=SignInAgain,
        what="The sign-in with HubSpot has ended.",
        why="The app was uninstalled from the portal, or its secret was replaced.",
        fix="Sign in again; history and settings stay.",
        renew=False,
    ),
    Rule(
        code="MISSING_SCOPES",
        kind=Fix,
        what="HubSpot does not let us read this.",
        why="A permission is missing: {said}.",
        fix="Add the permission to the key or app, then sign in again; or leave the stream out.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="403",
        kind=Fix,
        what="HubSpot does not let us read this.",
        why="The portal lacks the product, or the key the permission: {said}.",
        fix="Leave the stream out, or give the permission in HubSpot and sign in again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="SECONDLY",
        kind=Quota,
        what=_SLOWER,
        why="Its limit of searches a second is used up.",
        fix=_NOTHING,
        after=1.0,
    ),
    Rule(
        code="TEN_SECONDLY_ROLLING",
        kind=Quota,
        what=_SLOWER,
        why="Its limit of requests in ten seconds is used up.",
        fix=_NOTHING,
        after=10.0,
    ),
    Rule(
        code="DAILY",
        kind=Quota,
        what="HubSpot takes no more requests today.",
        why="The portal's limit of the day is used up, by all its apps together. "
        "It resets at midnight in the portal's time zone.",
        fix=_NOTHING,
        after=HOUR,  # until `portal.until_reset` knows the zone
        again=False,
    ),
    Rule(
        code="423",
        kind=Retry,
        what="HubSpot has locked this for the moment.",
        why="Something else is changing it.",
        fix=LATER,
        after=2.0,
    ),
    Rule(
        code="477",
        kind=Retry,
        what="HubSpot is moving this portal to another data centre.",
        why="It can take up to a day.",
        fix=LATER,
        after=3600.0,
        again=False,
    ),
    Rule(
        code="530",
        kind=Fix,
        what="HubSpot's edge does not know this address.",
        why="The address or region is not right.",
        fix="Check the address in the connection's settings.",
        cause="bad_configuration",
        owner="you",
        action="settings",
    ),
    Rule(
        code="413",
        kind=GiveUp,
        what=_OURS,
        why="It was too long.",
        fix=REPORT,
    ),
    Rule(
        code="414",
        kind=GiveUp,
        what=_OURS,
        why="Its address was too long.",
        fix=REPORT,
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; None when there is none, or when its status says it all."""
    if status < 400:
        return None
    told = body if isinstance(body, dict) else {}
    if status in (477, 530):
        return _BY_CODE[str(status)].error(after=retry_after(headers), words=_words(told))
    if status == 429:
        return _limit(told, headers)
    if status >= 500 or not isinstance(body, dict):
        return None
    names = (str(told.get(n) or "") for n in ("category", "status"))
    rule = next((_BY_CODE[n] for n in names if n in _BY_CODE), _BY_CODE.get(str(status)))
    if rule is None or (rule.kind is GiveUp and told.get("error")):
        return None  # the token endpoint's own words are judged in grant_faults
    found = rule.error(after=retry_after(headers), words=_words(told))
    if told.get("correlationId"):
        found.facts["request_id"] = str(told["correlationId"])[:100]
    return found


def _limit(told: Mapping[str, Any], headers: Mapping[str, str]) -> PlatformFault:
    policy = str(told.get("policyName") or "").upper()
    rule = _BY_CODE.get(policy) if policy in ("SECONDLY", "DAILY") else None
    rule = rule or _BY_CODE["TEN_SECONDLY_ROLLING"]
    found = rule.error(after=retry_after(headers), words=_words(told))
    if rule.code == "DAILY" and retry_after(headers) is None:
        found.facts["answered"] = headers.get("date", "")
    return found


def _words(told: Mapping[str, Any]) -> str:
    """HubSpot's words; of a missing permission its name."""
    scopes: list[str] = []
    errors = told.get("errors")
    places = [told.get("context")]
    places += (
        [e.get("context") for e in errors if isinstance(e, dict)]
        if isinstance(errors, list)
        else []
    )
    for place in places:
        named = place.get("requiredGranularScopes") if isinstance(place, dict) else None
        scopes += [str(s) for s in named] if isinstance(named, list) else []
    return ", ".join(dict.fromkeys(scopes)) or str(told.get("message") or "")


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:
    """Four searches a second; elsewhere a wait once little of the ten seconds' worth is left."""
    left = headers.get("x-hubspot-ratelimit-remaining", "").strip()
    if not left:
        is_search = status == 200 and isinstance(body, dict) and "total" in body
        return SEARCH_SECONDS if is_search else 0.0
    if not left.isdecimal() or int(left) > _FEW:
        return 0.0
    span = headers.get("x-hubspot-ratelimit-interval-milliseconds", "").strip()
    return int(span) / 1000 if span.isdecimal() else 10.0
