"""What Meta's error codes mean, and how long its usage headers ask us to wait.

From the Marketing API's error table (checked 2026-11-22). An error may arrive with status 200.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, by_status

THROTTLE_WAIT = 300.0  # seconds, when a throttled answer names no time
LONGEST_WAIT = 3600.0
SIGN_IN = "Sign in again; history and settings stay."


class TooMuch(GiveUp):
    """The answer would be too large: ask for fewer rows or fewer days."""


class ReportFailed(GiveUp):
    """A report that Meta was to prepare failed: ask for a smaller one."""


def _dead(code: str, why: str) -> Rule:
    return Rule(
        code=code,
        kind=SignInAgain,
        what="Meta no longer accepts our sign-in.",
        why=why,
        fix=SIGN_IN,
        renew=False,
    )


def _throttled(code: str, why: str) -> Rule:
    return Rule(
        code=code,
        kind=Quota,
        what="Meta asks us to slow down.",
        why=why,
        fix="Nothing to do: reading goes on when the limit resets.",
    )


def _too_much(code: str) -> Rule:
    return Rule(
        code=code,
        kind=TooMuch,
        what="Meta cannot prepare this much data at once.",
        why="Even a single day is more than it allows.",
        fix="Leave the finest level out, or split the ad account.",
        cause="source_data",
        owner="the_platform",
    )


def _ours(code: str, why: str = "It says: {said}.") -> Rule:
    return Rule(code=code, kind=GiveUp, what="Meta refused a request.", why=why, fix=REPORT)


def _permission(code: str) -> Rule:
    return Rule(
        code=code,
        kind=Fix,
        what="Meta does not let us read this.",
        why="The permission ads_read is missing, or the person lost access to the ad account.",
        fix="Give access in Business settings, then sign in again and allow ads_read.",
        cause="permission",
        owner="your_platform_admin",
    )


_PASSING = Rule(
    code="1",
    kind=Retry,
    what="Meta has a fault right now.",
    why="It says that the fault passes by itself.",
    fix=LATER,
)

FAILED = Rule(
    code="-2",
    kind=ReportFailed,
    what="Meta could not prepare a report.",
    why="It failed even for a single day.",
    fix="Read these days again later.",
    cause="platform_outage",
    owner="the_platform",
)

RULES: tuple[Rule, ...] = (
    _dead("190", "The token is no longer valid."),
    _dead("190/458", "Our app was removed from the account's settings."),
    _dead("190/459", "Meta wants the person to sign in on its own page first."),
    _dead("190/460", "The person's password changed."),
    _dead("190/463", "The token ran out: Meta's tokens last about 60 days."),
    _dead("190/464", "Meta wants the person to confirm the account first."),
    _dead("190/467", "The token was withdrawn."),
    _dead("102", "The session ended."),
    _permission("3"),
    _permission("10"),
    _permission("200"),
    Rule(
        code="100/33",
        kind=Fix,
        what="Meta does not show this ad account to our sign-in.",
        why="The account was removed, or the person has no role on it.",
        fix="Give the person a role on the ad account, or choose another account.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="100/proof",
        kind=Fix,
        what="Meta does not accept the proof of our app.",
        why="The app secret does not belong to the app that issued this token.",
        fix="Enter the app secret of that same app, or leave it empty with a pasted token.",
        cause="credential",
    ),
    _too_much("100/1487534"),
    _too_much("100/1504018"),
    _too_much("2/1504038"),
    _ours("100"),
    _ours("2500"),
    _ours("2/1504041", "This breakdown cannot be reported: {said}."),
    _ours("2/1504042", "This figure cannot be reported: {said}."),
    _throttled("4", "The app's share of requests is used up."),
    _throttled("17", "The ad account's share of requests is used up."),
    _throttled("32", "The page's share of requests is used up."),
    _throttled("613", "Too many requests of one kind."),
    _throttled("80000", "The ad account's share of report requests is used up."),
    _PASSING,
    Rule(
        code="2",
        kind=Retry,
        what="Meta has a fault right now.",
        why="Its service is busy for the moment.",
        fix=LATER,
    ),
    FAILED,
    Rule(
        code="368",
        kind=Fix,
        what="Meta has blocked this sign-in.",
        why="It says that its rules were broken.",
        fix="Open Meta's account quality page and follow it.",
        cause="permission",
        owner="your_platform_admin",
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def rule_of(code: int, subcode: int, message: str = "") -> Rule | None:
    """The rule for a code and subcode; ranges are folded onto their first code."""
    if code == 100 and "appsecret_proof" in message:
        return _BY_CODE["100/proof"]
    exact = _BY_CODE.get(f"{code}/{subcode}")
    if exact is not None:
        return exact
    if 200 <= code <= 299:
        code = 200
    elif 80000 <= code <= 80014:
        code = 80000
    return _BY_CODE.get(str(code))


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer, whatever its status; None when there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    words = str(error.get("error_user_msg") or error.get("message") or "")
    rule = rule_of(code, subcode, words)
    if rule is None or (error.get("is_transient") is True and not issubclass(rule.kind, Retry)):
        if error.get("is_transient") is True:
            rule = _PASSING
        elif rule is None:
            return by_status("Meta", status if status >= 400 else 400, headers, words)
    wait = None
    if rule.kind is Quota:
        wait = advertised(headers) or THROTTLE_WAIT
    found = rule.error(
        after=wait, words=words, platform_code=f"{code}/{subcode}" if subcode else str(code)
    )
    if error.get("fbtrace_id"):
        found.facts["request_id"] = str(error["fbtrace_id"])[:100]
    return found


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds to hold back: 2 minutes from 85 % of a limit, from 95 % the named time or 10."""
    used = max(_shares(headers), default=0.0)
    if used < 85:
        return 0.0
    if used < 95:
        return 120.0
    return advertised(headers) or 600.0


def advertised(headers: Mapping[str, str]) -> float | None:
    """The longest wait the usage headers name, in seconds, at most an hour."""
    waits = [60.0 * _real(use.get("estimated_time_to_regain_access")) for use in _uses(headers)]
    account = _json(headers, "x-ad-account-usage")
    if _real(account.get("acc_id_util_pct")) >= 95:
        waits.append(_real(account.get("reset_time_duration")))
    longest = max(waits, default=0.0)
    return min(longest, LONGEST_WAIT) if longest > 0 else None


def _shares(headers: Mapping[str, str]) -> Iterator[float]:
    """All used shares, in percent, that the headers tell."""
    app = _json(headers, "x-app-usage")
    account = _json(headers, "x-ad-account-usage")
    insights = _json(headers, "x-fb-ads-insights-throttle")
    for use in (app, *_uses(headers)):
        for name in ("call_count", "total_time", "total_cputime"):
            yield _real(use.get(name))
    yield _real(account.get("acc_id_util_pct"))
    yield _real(insights.get("app_id_util_pct"))
    yield _real(insights.get("acc_id_util_pct"))


def _uses(headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for entries in _json(headers, "x-business-use-case-usage").values():
        if isinstance(entries, list):
            yield from (e for e in entries if isinstance(e, dict))


def _json(headers: Mapping[str, str], name: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(headers.get(name) or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
