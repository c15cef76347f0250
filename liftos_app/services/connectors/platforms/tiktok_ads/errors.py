"""What TikTok's codes mean. They arrive with HTTP status 200: only `code` 0 is a good answer.

From the vendor's table of return codes (checked 2026-11-22). No header names a wait.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, until_midnight

NAME = "TikTok"
HOLD = 2.0  # seconds after a refusal: its limit by the second is over by then
MAINTENANCE = 300.0
_DAILY = re.compile(r"\b(daily|per day|a day|qpd)\b", re.IGNORECASE)
_NOT_OURS = re.compile(
    r"permission|not exist|no access|not accessible|not authori[sz]ed|does not belong|not found",
    re.IGNORECASE,
)
_IN_SETTINGS = "Give it in TikTok Ads Manager, then sign in again."


class TooLarge(GiveUp):
    """The answer would be too large: ask for fewer days."""


class Partial(Retry):
    """TikTok answered for a part of what was asked for."""


def _throttled(code: str, why: str) -> Rule:
    return Rule(
        code=code, kind=Quota, what=f"{NAME} asks us to slow down.", why=why,
        fix="Nothing to do: reading goes on when the limit resets.",
    )


def _dead(code: str, why: str) -> Rule:
    return Rule(
        code=code, kind=SignInAgain, what=f"{NAME} no longer accepts our sign-in.", why=why,
        fix="Sign in again; history and settings stay.", renew=False,
    )


def _permission(code: str, why: str, fix: str = _IN_SETTINGS) -> Rule:
    return Rule(
        code=code, kind=Fix, what=f"{NAME} does not let us read this.", why=why, fix=fix,
        cause="permission", owner="your_platform_admin",
    )


def _gone(code: str) -> Rule:
    return _permission(
        code, "The ad account was deleted, or it is no longer linked to this sign-in.",
        "Leave the account out, or link it again in TikTok and sign in once more.",
    )


def _passing(code: str) -> Rule:
    return Rule(
        code=code, kind=Retry, what=f"{NAME} has a fault right now.",
        why="It says that the fault passes by itself.", fix=LATER,
    )


def _setup(code: str) -> Rule:
    return Rule(
        code=code, kind=GiveUp, what=f"{NAME} does not serve the version or address we use.",
        why="It says: {said}.", fix="Update LiftOS, or check the address that replaces TikTok's.",
        cause="bad_configuration",
    )


def _ours(code: str) -> Rule:
    return Rule(
        code=code, kind=GiveUp, what=f"{NAME} refused a request.", why="It says: {said}.",
        fix=REPORT,
    )


_APP = Rule(
    code="40101", kind=Fix, what=f"{NAME} does not accept the app's id and secret.",
    why="It says: {said}.", fix="Check both on the app's page in TikTok and enter them again.",
    cause="credential",
)
RULES: tuple[Rule, ...] = (
    Rule(
        code="20001", kind=Partial, what=f"{NAME} answered only a part of a request.",
        why="It says: {said}.", fix=LATER, again=False,
    ),
    _throttled("40100", "Too many requests."),
    _throttled("40016", "Too many requests of one kind."),
    _throttled("40132", "The app's share of requests is used up."),
    _throttled("40133", "The ad account's share of requests is used up."),
    _dead("40105", "The access was withdrawn in TikTok, or the token is wrong."),
    _dead("40102", "The token ran out."),
    _dead("40104", "No token was sent."),
    _dead("40106", "The TikTok login behind the token can no longer be used."),
    Rule(
        code="40110", kind=SignInAgain, what=f"The sign-in with {NAME} could not be completed.",
        why="It took longer than an hour, or its code was used already.", fix="Sign in once more.",
        renew=False,
    ),
    _APP,
    Rule(
        code="40113", kind=Fix, what=f"{NAME} has blocked the app.", why="It says: {said}.",
        fix="Open the app's page in TikTok and follow what it asks for.", cause="permission",
        owner="your_platform_admin",
    ),
    _permission(
        "40001", "The app or the person has no permission for this ad account or this report."
    ),
    _permission("40118", "The app is not on TikTok's list for this part of the interface."),
    _permission(
        "40125", "The app has no developer permission for this part of the interface.",
        "Ask for it on the app's page in TikTok, then sign in again.",
    ),
    _permission(
        "40002/object", "The ad account is gone, or this sign-in does not reach it.",
        "Link the account to the app in TikTok, or choose another account.",
    ),
    _ours("40000"),
    _ours("40002"),
    _gone("40007"),
    _gone("40300"),
    _gone("40301"),
    Rule(
        code="40067", kind=TooLarge, what=f"{NAME} cannot report this much at once.",
        why="Even a single day is more than it allows.",
        fix="Leave the finest level out, or split the ad account.", cause="source_data",
        owner="the_platform",
    ),
    _passing("40202"),
    _passing("40700"),
    _passing("50000"),
    _passing("50002"),
    _passing("51305"),
    Rule(
        code="60001", kind=Retry, what=f"{NAME} is being maintained.",
        why="Its interface is closed for the moment.", fix=LATER, after=MAINTENANCE,
    ),
    _setup("40051"),
    _setup("40006"),
    _setup("40010"),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}
_LIMITS = frozenset(r.code for r in RULES if r.kind is Quota)


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:  # noqa: ARG001
    """The error in an envelope, whatever the status; None when its code is 0 or there is none."""
    code = code_of(body)
    if code in {"", "0"}:
        return None
    words = body.get("message")
    words = words if isinstance(words, str) else ""
    rule = _BY_CODE.get(code)
    if code in {"40000", "40002"} and _NOT_OURS.search(words):
        rule = _BY_CODE["40002/object"]
    if rule is None:
        rule = _ours(code)
    of_the_day = rule.kind is Quota and _DAILY.search(words)
    after = until_midnight(headers.get("date", "")) if of_the_day else None
    found = rule.error(after=after, words=words, platform_code=code)
    if isinstance(body.get("request_id"), str):
        found.facts["request_id"] = body["request_id"][:100]
    return found


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to hold back after a refusal; a good answer says nothing about limits."""
    return HOLD if code_of(body) in _LIMITS else 0.0


def code_of(body: Any) -> str:
    """The code of an envelope as text, "" when the answer is none."""
    code = body.get("code") if isinstance(body, dict) else None
    if type(code) is int or (type(code) is str and code.isdigit()):
        return str(code)
    return ""
