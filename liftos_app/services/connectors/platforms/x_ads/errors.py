"""What X's error codes mean, and how long its limit headers ask us to wait.

From the Ads API's error table (checked 2026-11-22). A 404 or a fault may come as a web page.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, retry_after

LONGEST_WAIT = 900.0  # seconds: all windows are of 15 minutes
JOBS_WAIT = 20.0


class TooComplex(GiveUp):
    """A question is too large: ask about fewer entities."""


def _dead(code: str, why: str) -> Rule:
    return Rule(
        code=code,
        kind=SignInAgain,
        what="X no longer accepts our sign-in.",
        why=why,
        fix="Compare the four keys with the app's and check this machine's clock, then sign in "
        "again; history and settings stay.",
        renew=False,
    )


def _refused(code: str, why: str, fix: str, *, owner: str = "your_platform_admin") -> Rule:
    return Rule(
        code=code,
        kind=Fix,
        what="X does not let us read this.",
        why=why,
        fix=fix,
        cause="permission",
        owner=owner,
    )


def _passing(code: str, why: str) -> Rule:
    return Rule(code=code, kind=Retry, what="X has a fault right now.", why=why, fix=LATER)


def _ours(code: str) -> Rule:
    return Rule(
        code=code,
        kind=GiveUp,
        what="X refused a request.",
        why="It says: {said}.",
        fix=REPORT,
        cause="our_fault",
    )


_ROLE = (
    "Have the person who signed in added to the ad account as Campaign analyst, or choose another "
    "account."
)
_SUSPENDED = "Sign in to X in a browser and follow what it says."

RULES: tuple[Rule, ...] = (
    _dead("UNAUTHORIZED_ACCESS", "The access was taken back, a key is wrong, or our clock is."),
    _dead("32", "X could not check the signature: a key is wrong, or our clock is."),
    _dead("89", "The access token is invalid or was taken back."),
    _dead("215", "X could not read the signature."),
    Rule(
        code="135",
        kind=Fix,
        what="X does not accept the time of our request.",
        why="This machine's clock is wrong.",
        fix="Set the clock of the machine LiftOS runs on.",
        cause="bad_configuration",
        owner="you",
    ),
    _refused(
        "UNAUTHORIZED_CLIENT_APPLICATION",
        "The app has no access to the Ads API yet.",
        "Apply for Ads API access for this app in X's developer console, then sync again.",
    ),
    _refused(
        "READONLY_CLIENT_APPLICATION",
        "The app's permission is too small: {said}.",
        "Raise the app's permission in X's developer console, then make new tokens.",
    ),
    _refused("ACTION_NOT_ALLOWED", "The person's role does not allow it: {said}.", _ROLE),
    _refused(
        "ACCOUNT_NOT_FOUND",
        "The person has no role on this ad account, or it is gone. A user id is no account id.",
        _ROLE,
    ),
    _refused("NOT_FOUND", "The account is gone, or the person has no role on it.", _ROLE),
    _refused("USER_NOT_FOUND", "X does not know the person who signed in.", _ROLE),
    _refused("CURRENT_USER_SUSPENDED", "X has suspended the person who signed in.", _SUSPENDED),
    _refused("64", "X has suspended the person who signed in.", _SUSPENDED),
    _refused("ACCOUNT_LOCKED_OUT", "X has locked the login for the moment.", _SUSPENDED),
    _ours("INVALID_PARAMETER"),
    _ours("MISSING_PARAMETER"),
    _ours("INVALID_TIME_WINDOW"),
    _ours("EXCLUSIVE_PARAMETERS"),
    _ours("ROUTE_NOT_FOUND"),
    Rule(
        code="REQUEST_TOO_COMPLEX",
        kind=TooComplex,
        what="X cannot prepare this much data at once.",
        why="Even a single entity is more than it allows.",
        fix="Read these days again later, or leave the finest level out.",
        cause="source_data",
        owner="the_platform",
    ),
    Rule(
        code="TOO_MANY_JOBS",
        kind=Retry,
        what="X is preparing too many reports for this account.",
        why="Another program orders reports too; at most 100 run at once.",
        fix=LATER,
        after=JOBS_WAIT,
    ),
    Rule(
        code="TOO_MANY_REQUESTS",
        kind=Quota,
        what="X asks us to slow down.",
        why="Its limit of requests for these 15 minutes is used up.",
        fix="Nothing to do: reading goes on when the limit resets.",
        cause="quota",
    ),
    _passing("CANCELLED_REQUEST", "It gave up waiting for itself."),
    _passing("LOCK_ACQUISITION_TIMEOUT", "The account is busy for the moment."),
    _passing("INTERNAL_ERROR", "Its servers answered with an error."),
    _passing("SERVICE_UNAVAILABLE", "Its service is down for the moment."),
    _passing("OVER_CAPACITY", "Its service is busy for the moment."),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; None when there is none, or none that the table knows."""
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if status < 400 or not isinstance(first, dict):
        return _by_headers(status, headers)
    code = str(first.get("code", ""))
    rule = _BY_CODE.get(code)
    if rule is None and code.endswith("_NOT_FOUND"):
        rule = _BY_CODE["NOT_FOUND"]
    if rule is None:
        return _by_headers(status, headers)
    words = str(first.get("message") or "")
    if first.get("parameter"):
        words = f"{first['parameter']}: {words}"
    wait = until_reset(headers) if rule.kind is Quota else retry_after(headers)
    return rule.error(after=wait, words=words)


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to hold the lane back: until its window resets when nothing is left in it."""
    _, left, _ = _limit(headers)
    return (until_reset(headers) or 0.0) if left == 0 else 0.0


def until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the window resets, at most 15 minutes; None when the headers do not say.

    Measured by the answer's own date, so that a wrong clock of ours does not matter.
    """
    _, _, reset = _limit(headers)
    if reset is None:
        return retry_after(headers)
    return min(max(1.0, reset - _sent(headers) + 1.0), LONGEST_WAIT)


def _limit(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    """Limit, remaining and reset: of the ad account when it has one, else of the person."""
    for kind in ("x-account-rate-limit", "x-rate-limit"):
        found = [headers.get(f"{kind}-{part}", "") for part in ("limit", "remaining", "reset")]
        if any(text.isdecimal() for text in found):
            limit, left, reset = (int(t) if t.isdecimal() else None for t in found)
            return limit, left, reset
    return None, None, None


def _sent(headers: Mapping[str, str]) -> float:
    try:
        return email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return time.time()


def _by_headers(status: int, headers: Mapping[str, str]) -> PlatformFault | None:
    """A bare 429 still tells its reset in the headers."""
    if status != 429:
        return None
    return _BY_CODE["TOO_MANY_REQUESTS"].error(after=until_reset(headers))
