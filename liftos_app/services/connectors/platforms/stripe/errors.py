"""What Stripe's errors mean. One envelope: a type, sometimes a code, and words.

From the interface of 2026-10-28.endive (checked 2026-11-22). A missing permission has no code: only
the words of a 403 name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, retry_after
from liftos_app.services.connectors.redaction import said

GONE = "resource_missing"
PERMISSION = "403"
_KEY_FIX = "Make a new restricted key in Stripe's Dashboard and enter it here."

RULES: tuple[Rule, ...] = (
    Rule(
        code="400",
        kind=GiveUp,
        what="Stripe refused a request.",
        why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="401",
        kind=SignInAgain,
        what="Stripe no longer accepts our key.",
        why="It is wrong, was rolled, or was deleted.",
        fix=_KEY_FIX,
    ),
    Rule(
        code="api_key_expired",
        kind=SignInAgain,
        what="Stripe's key has expired.",
        why="Keys end when they are rolled; keys of Stripe's command line end after 90 days.",
        fix=_KEY_FIX,
    ),
    Rule(
        code="platform_api_key_expired",
        kind=SignInAgain,
        what="The key of the Connect platform has expired.",
        why="It was rolled in Stripe.",
        fix="Enter the platform's new secret key and sign in again.",
    ),
    Rule(
        code="secret_key_required",
        kind=SignInAgain,
        what="Stripe needs another kind of key.",
        why="A publishable key cannot read anything.",
        fix=_KEY_FIX,
    ),
    Rule(
        code="account_invalid",
        kind=SignInAgain,
        what="Stripe no longer lets the platform into this account.",
        why="The account took its permission back, or it is gone.",
        fix="Sign in again with the account's owner.",
    ),
    Rule(
        code="402",
        kind=GiveUp,
        what="Stripe refused a request.",
        why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code=PERMISSION,
        kind=Fix,
        what="The key may not read this in Stripe.",
        why="A permission is missing: {said}.",
        fix="Edit the restricted key in Stripe's Dashboard and give it read permission for this.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code=GONE,
        kind=Fix,
        what="Stripe does not know what was asked for.",
        why="It was deleted, or belongs to the other mode: test and live keys see different data.",
        fix="Check that the key is of the mode you want to read.",
    ),
    Rule(
        code="404",
        kind=GiveUp,
        what="Stripe does not know the address.",
        why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="409",
        kind=Retry,
        what="Stripe is busy with the same thing.",
        why="Another request holds it.",
        fix=LATER,
    ),
    Rule(
        code="lock_timeout",
        kind=Retry,
        what="Stripe is busy with the same thing.",
        why="Another request held it for too long.",
        fix=LATER,
    ),
    Rule(
        code="rate_limit",
        kind=Quota,
        what="Stripe asks us to slow down.",
        why="The account's limit of requests is used up.",
        fix="Nothing to do: reading goes on when the limit resets.",
    ),
    Rule(
        code="500",
        kind=Retry,
        what="Stripe has a fault right now.",
        why="It says: {said}.",
        fix=LATER,
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; None when there is none or when it is no error of the interface."""
    error = body.get("error") if isinstance(body, dict) else None
    if status < 400 or not isinstance(error, dict):
        return None
    rule = _rule(status, str(error.get("code") or ""))
    if rule is None:
        return None
    found = rule.error(after=retry_after(headers), words=str(error.get("message") or ""))
    if headers.get("stripe-should-retry", "").strip() == "false":
        found.facts["again"] = False
    reason = headers.get("stripe-rate-limited-reason")
    if reason:
        found.facts["limit"] = said(reason, 60)
    if error.get("param"):
        found.facts["param"] = said(error["param"], 100)
    return found


def _rule(status: int, code: str) -> Rule | None:
    """By code first: older versions send `rate_limit` with status 400."""
    if code in _BY_CODE and not code.isdigit():
        return _BY_CODE[code]
    if status == 429:
        return _BY_CODE["rate_limit"]
    return _BY_CODE.get("500" if status >= 500 else str(status))
