"""What Zoho CRM's errors mean. An error is {"code", "details", "message", "status": "error"}.

From the documentation of v8 (checked 2026-11-22). 429 means too many calls at once or that the
day's credits are used up; only a header tells, and only sometimes. No waiting time is ever named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, SignInAgain
from liftos_app.services.connectors.faults import REPORT, Rule

FLOOR = 500  # credits of a day that are left to others
RESTING = 3600.0  # seconds until we look again when the credits are used up
CROWDED = 10.0  # seconds to wait when too many calls run at once
_LEFT = "x-api-credits-remaining"


class BadQuery(GiveUp):
    """A query that speaks of something this company does not have."""


class ModuleOff(Fix):
    """A module that this edition or this person does not have: its stream is empty."""


_DONE = "Nothing to do: reading goes on when the limit resets."
_PROFILE = "Ask an administrator to add it to the profile of the person who signed in."


def _ours(code: str, kind: type[PlatformFault] = GiveUp) -> Rule:
    return Rule(
        code=code, kind=kind, what="Zoho CRM refused a request.", why="It says: {said}.",
        fix=REPORT, cause="our_fault",
    )  # fmt: skip


def _sign_in(code: str) -> Rule:
    return Rule(
        code=code, kind=SignInAgain, what="Zoho CRM no longer accepts our sign-in.",
        why="The access was withdrawn, or it belongs to another data centre.",
        fix="Sign in again.",
    )  # fmt: skip


def _off(code: str) -> Rule:
    return Rule(
        code=code, kind=ModuleOff, what="Zoho CRM does not have this module here.",
        why="It is switched off in this edition, or hidden from the person who signed in: {said}.",
        fix=_PROFILE, cause="permission", owner="your_platform_admin",
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    _sign_in("INVALID_TOKEN"),
    _sign_in("AUTHENTICATION_FAILURE"),
    Rule(
        code="OAUTH_SCOPE_MISMATCH",
        kind=Fix,
        what="Zoho CRM does not let us read this.",
        why="A permission was not asked for when you signed in: {said}.",
        fix="Sign in again; with a self client, generate a code with all permissions listed here.",
        cause="permission",
        owner="you",
    ),
    _off("NO_PERMISSION"),
    _off("INVALID_MODULE"),
    _off("MODULE_NOT_SUPPORTED"),
    _off("API_NOT_SUPPORTED"),
    _ours("INVALID_QUERY", BadQuery),
    _ours("SYNTAX_ERROR"),
    _ours("LIMIT_EXCEEDED"),
    _ours("DUPLICATE_DATA"),
    _ours("REQUIRED_PARAM_MISSING"),
    _ours("DISCRETE_PAGINATION_LIMIT_EXCEEDED"),
    _ours("INVALID_DATA"),
    _ours("INVALID_URL_PATTERN"),
    Rule(
        code="INVALID_HOST",
        kind=Fix,
        what="Zoho CRM does not answer at this address.",
        why="It is not the host of the data.",
        fix="Sign in again, so that Zoho names the right one.",
        action="reauthorise",
    ),
    Rule(
        code="TOO_MANY_REQUESTS",
        kind=Quota,
        what="Zoho CRM asks us to slow down.",
        why="Too many calls run at once, or the credits of 24 hours are used up.",
        fix=_DONE,
        after=CROWDED,
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}
_TOO_MANY = 429


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; sign-in errors arrive with status 200 and are judged elsewhere."""
    if status == _TOO_MANY:
        used_up = _credits(headers) == 0
        return _BY_CODE["TOO_MANY_REQUESTS"].error(after=RESTING if used_up else CROWDED)
    if not isinstance(body, dict) or body.get("status") != "error":
        return None
    rule = _BY_CODE.get(str(body.get("code", "")))
    return rule.error(words=str(body.get("message", ""))) if rule is not None else None


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to rest once few credits of the day are left; they are told from half of them on."""
    left = _credits(headers)
    return RESTING if left is not None and left <= FLOOR else 0.0


def exhausted(error: Quota) -> Quota:
    """After all tries a 429 is taken for used-up credits: look again in an hour."""
    if (error.after or 0) >= RESTING:
        return error
    return Quota(
        error.what, why="It stayed so after several tries: the day's credits are used up.",
        fix=_DONE, after=RESTING, again=False,
    )  # fmt: skip


def _credits(headers: Mapping[str, str]) -> int | None:
    text = headers.get(_LEFT, "").strip()
    return int(text) if text.isdigit() else None
