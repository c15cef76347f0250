"""What LinkedIn's refusals mean. Decided by status and code; messages are only repeated.

From the vendor's documentation (checked 2026-11-22). No header names a limit or a wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, until_midnight

NAME = "LinkedIn"
HOLD = 10.0  # seconds after a refusal; nothing says how long it lasts
_IDS = ("x-li-uuid", "x-li-request-id")

RULES: tuple[Rule, ...] = (
    Rule(
        code="400", kind=GiveUp, what=f"{NAME} refused a request.", why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="401", kind=SignInAgain, what=f"{NAME} no longer accepts our sign-in.",
        why="The token is wrong, ran out or was withdrawn.",
        fix="Sign in again; history and settings stay.",
    ),
    Rule(
        code="403", kind=Fix, what=f"{NAME} does not let us read this.",
        why="A permission of the app or a role on the ad account is missing: {said}.",
        fix="Ask for a role on the ad account (viewer is enough), then sign in again and allow "
        "both permissions.",
        cause="permission", owner="your_platform_admin",
    ),
    Rule(
        code="404", kind=Fix, what=f"{NAME} does not show us this ad account.",
        why="It is gone, or neither this sign-in nor the app may see it.",
        fix="Leave the account out, or ask for a role on it in Campaign Manager.",
        cause="permission", owner="your_platform_admin",
    ),
    Rule(
        code="411", kind=GiveUp, what=f"{NAME} refused a request.", why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="414", kind=GiveUp, what=f"{NAME} found a request too long.", why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="426", kind=GiveUp,
        what=f"{NAME} has retired the version of its interface we use.",
        why="Each version lives for about a year: {said}.", fix="Update LiftOS.",
    ),
    Rule(
        code="429", kind=Quota, what=f"{NAME} asks us to slow down.",
        why="The share of requests is used up; LinkedIn's limits reset at 00:00 UTC.",
        fix="Nothing to do: reading goes on when the limit resets.",
    ),
    Rule(
        code="500", kind=Retry, what=f"{NAME} has a fault right now.",
        why="Its servers answered with an error.", fix=LATER,
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}

INVISIBLE = Rule(
    code="invisible", kind=Fix, what=f"{NAME} does not show us this ad account.",
    why="It answers without results, and the account is not among those this sign-in can see.",
    fix="Leave the account out, or ask for a role on it in Campaign Manager.",
    cause="permission", owner="your_platform_admin",
)
TRUNCATED = Rule(
    code="truncated", kind=GiveUp, what=f"{NAME} cannot report this much at once.",
    why="Even one day of one campaign has more rows than LinkedIn sends.",
    fix="Leave the finest level out.", cause="source_data", owner="the_platform",
)


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error of a refusal; None for good answers and for what is no answer of the API."""
    if status < 400 or not isinstance(body, dict):
        return None
    rule = _BY_CODE.get("500" if status >= 500 else str(status))
    if rule is None:
        return None
    found = rule.error(words=_words(body), platform_code=_code(status, body))
    for name in _IDS:
        if headers.get(name):
            found.facts.setdefault("request_id", headers[name][:100])
    if headers.get("x-li-fabric"):
        found.facts["fabric"] = headers["x-li-fabric"][:40]
    if status == 429:
        found.facts["midnight"] = until_midnight(headers.get("date", ""))
    return found


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to hold back after a refusal for its number."""
    return HOLD if status == 429 else 0.0


def _code(status: int, body: Mapping[str, Any]) -> str:
    more = body.get("code") or body.get("serviceErrorCode") or ""
    return f"{status}/{more}" if isinstance(more, int | str) and more else str(status)


def _words(body: Mapping[str, Any]) -> str:
    """The message, with the first wrong input where the newer shape names one."""
    found = body.get("message")
    words = found if isinstance(found, str) else ""
    detail = body.get("errorDetails")
    inputs = detail.get("inputErrors") if isinstance(detail, dict) else None
    if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict):
        more = inputs[0].get("description") or inputs[0].get("code")
        words = f"{words} ({more})" if isinstance(more, str) else words
    return words
