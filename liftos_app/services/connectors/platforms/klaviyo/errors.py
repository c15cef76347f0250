"""What Klaviyo's errors mean, and how long its limit headers ask us to wait.

From the JSON:API of revision 2026-07-15 (checked 2026-11-22). A 403 with a web page is its
firewall, not a missing permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, SignInAgain
from liftos_app.services.connectors.faults import REPORT, Rule, retry_after

_OURS = "Klaviyo refused a request."

RULES: tuple[Rule, ...] = (
    Rule(
        code="400",
        kind=GiveUp,
        what=_OURS,
        why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="401",
        kind=SignInAgain,
        what="Klaviyo no longer accepts our key or sign-in.",
        why="It is wrong, was deleted, or ran out.",
        fix="Enter a private key that is still there, or sign in again.",
    ),
    Rule(
        code="403",
        kind=Fix,
        what="Klaviyo does not let us read this.",
        why="The key lacks a permission, and permissions of a key cannot be changed later: {said}.",
        fix="Create a new private key with all read permissions listed in the wizard.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(code="404", kind=GiveUp, what=_OURS, why="It does not know the address.", fix=REPORT),
    Rule(code="405", kind=GiveUp, what=_OURS, why="It does not allow this way.", fix=REPORT),
    Rule(code="409", kind=GiveUp, what=_OURS, why="It says: {said}.", fix=REPORT),
    Rule(code="415", kind=GiveUp, what=_OURS, why="It does not take this form.", fix=REPORT),
    Rule(
        code="410",
        kind=GiveUp,
        what="Klaviyo has retired the revision of its interface we use.",
        why="Revisions live two years.",
        fix="Update LiftOS.",
    ),
    Rule(
        code="429",
        kind=Quota,
        what="Klaviyo asks us to slow down.",
        why="A limit of this account is used up; reports have 225 calls a day.",
        fix="Nothing to do: reading goes on when the limit resets.",
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; None when there is none, or when it is no JSON:API answer."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if status < 400 or not isinstance(errors, list):
        return None
    rule = _BY_CODE.get(str(status))
    if rule is None:
        return None
    first = errors[0] if errors and isinstance(errors[0], dict) else {}
    found = rule.error(
        after=retry_after(headers), words=str(first.get("detail") or first.get("title") or "")
    )
    if first.get("id"):
        found.facts["request_id"] = str(first["id"])[:100]
    return found


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds until the steady window opens again, once nothing of it is left."""
    if headers.get("ratelimit-remaining", "").strip() != "0":
        return 0.0
    try:
        return max(0.0, float(headers.get("ratelimit-reset", "")))
    except ValueError:
        return 0.0
