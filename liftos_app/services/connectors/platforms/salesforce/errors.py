"""What Salesforce's errors mean. The data interface answers a list of them, sign-in one object.

From the REST and Bulk documentation (checked 2026-11-22).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, retry_after

SHARE = 0.8  # of the organization's calls in 24 h that we use at most; others need the rest
RESTING = 3600.0  # seconds until we look again
_USAGE = re.compile(r"(?<![a-z-])api-usage=(\d+)/(\d+)")


class FieldRefused(Fix):
    """A field is not there or may not be read: ask without it."""


class ObjectRefused(Fix):
    """A whole object may not be read."""


class LocatorGone(Retry):
    """Salesforce forgot where we were in its pages: begin this slice again."""


class TooLarge(Retry):
    """A query takes too long to be answered at once: have it prepared as a file."""


_QUOTA_FIX = "Nothing to do: reading goes on when the limit resets."
_ASK_ADMIN = "Ask an administrator to give the integration user the permission, then sync again."


def _quota(code: str, why: str) -> Rule:
    return Rule(
        code=code, kind=Quota, what="Salesforce's limit is used up.", why=why, fix=_QUOTA_FIX,
        after=RESTING,
    )  # fmt: skip


def _permission(code: str, why: str, kind: type[PlatformFault] = Fix) -> Rule:
    return Rule(
        code=code, kind=kind, what="Salesforce does not let us read this.", why=why,
        fix=_ASK_ADMIN, cause="permission", owner="your_platform_admin",
    )  # fmt: skip


def _passing(code: str, why: str, kind: type[PlatformFault] = Retry) -> Rule:
    return Rule(
        code=code, kind=kind, what="Salesforce cannot answer right now.", why=why, fix=LATER,
        again=kind is Retry,  # the others are answered by asking in another way
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    Rule(
        code="INVALID_SESSION_ID",
        kind=SignInAgain,
        what="Salesforce no longer accepts our sign-in.",
        why="The session ended, or a policy of the organization refuses it: {said}.",
        fix="Sign in again. If it comes back, ask about IP ranges and API access control.",
    ),
    Rule(
        code="INVALID_AUTH_HEADER",
        kind=SignInAgain,
        what="Salesforce does not understand our sign-in.",
        why="It says: {said}.",
        fix="Sign in again.",
    ),
    _quota("REQUEST_LIMIT_EXCEEDED", "The calls of 24 hours are used up, by all apps together."),
    _quota("LIMIT_EXCEEDED", "The exports of 24 hours are used up."),
    _quota("EXCEEDED_QUOTA", "The exports of 24 hours are used up."),
    Rule(
        code="concurrent",
        kind=Quota,
        what="Salesforce asks us to slow down.",
        why="Too many long queries run at once.",
        fix=_QUOTA_FIX,
        after=30.0,
    ),
    _permission("API_DISABLED_FOR_ORG", "Its edition or the user has no access to the interface."),
    _permission("API_CURRENTLY_DISABLED", "The interface is switched off for the user."),
    _permission("INSUFFICIENT_ACCESS", "The user lacks a permission: {said}."),
    _permission("INSUFFICIENT_ACCESS_OR_READONLY", "The user lacks a permission: {said}."),
    _permission("FUNCTIONALITY_NOT_ENABLED", "A function is not switched on: {said}."),
    _permission("TXN_SECURITY_METERING_ERROR", "A transaction security policy refused the call."),
    _permission("INVALID_TYPE", "An object cannot be read: {said}.", ObjectRefused),
    _permission("INVALID_FIELD", "A field cannot be read: {said}.", FieldRefused),
    Rule(
        code="MALFORMED_QUERY",
        kind=GiveUp,
        what="Salesforce refused a query.",
        why="It says: {said}.",
        fix=REPORT,
        cause="our_fault",
    ),
    _passing("INVALID_QUERY_LOCATOR", "It forgot the place in its pages.", LocatorGone),
    _passing("QUERY_TIMEOUT", "A query ran out of time.", TooLarge),
    _passing("OPERATION_TOO_LARGE", "A query covers too many records.", TooLarge),
    _passing("SERVER_UNAVAILABLE", "Its servers are busy."),
    _passing("UNABLE_TO_LOCK_ROW", "Records are being changed."),
    Rule(
        code="NOT_FOUND",
        kind=Fix,
        what="Salesforce does not know what was asked for.",
        why="The object or the address is not there: {said}.",
        fix="Check the sign-in address and the edition.",
    ),
    Rule(
        code="InvalidVersion",
        kind=GiveUp,
        what="Salesforce has retired the version of its interface we use.",
        why="{said}.",
        fix="Update LiftOS.",
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}
# Statuses that pass, often with an empty body.
_PASSING = frozenset({406, 420})


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer of the data interface; sign-in errors are judged by name elsewhere."""
    if status < 400:
        return None
    if status in _PASSING:
        return Rule(
            code=str(status), kind=Retry, what="Salesforce cannot answer right now.",
            why="Its edge servers refused the request.", fix=LATER,
        ).error(after=retry_after(headers))  # fmt: skip
    if status == 410 or not isinstance(body, list) or not body or not isinstance(body[0], dict):
        return None
    code, words = str(body[0].get("errorCode", "")), str(body[0].get("message", ""))
    if code == "REQUEST_LIMIT_EXCEEDED" and words.lower().startswith("concurrent"):
        code = "concurrent"
    rule = _BY_CODE.get(code)
    return rule.error(words=words, after=retry_after(headers)) if rule is not None else None


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to rest once our share of the organization's calls is used."""
    found = _USAGE.search(headers.get("sforce-limit-info", ""))
    if found is None:
        return 0.0
    used, most = int(found[1]), int(found[2])
    return RESTING if most and used >= most * SHARE else 0.0
