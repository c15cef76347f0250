"""What Google Ads' error codes mean.

From the errors of v26 (checked 2026-11-22). A stream's answer is a list, and its error sits in
the list; decide on the status first, then look inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, by_status

DAILY_WAIT = 3600.0  # the daily limit slides; an hour later some of it is free again
SHORT_WAIT = 5.0


class PageExpired(Retry):
    """The token of the next page ran out: the query starts again."""


def _sign_in(code: str, why: str, *, renew: bool = True) -> Rule:
    return Rule(
        code=code,
        kind=SignInAgain,
        what="Google no longer accepts our sign-in.",
        why=why,
        fix="Sign in again; history and settings stay.",
        renew=renew,
    )


def _closed(code: str, why: str) -> Rule:
    return Rule(
        code=code,
        kind=Fix,
        what="Google does not answer for this Ads account.",
        why=why,
        fix="Leave the account out, or reactivate it in Google Ads.",
        cause="permission",
        owner="your_platform_admin",
    )


def _access(code: str, why: str, fix: str) -> Rule:
    return Rule(
        code=code,
        kind=Fix,
        what="Google does not let us read this.",
        why=why,
        fix=fix,
        cause="permission",
        owner="your_platform_admin",
    )


def _project(code: str, why: str, fix: str) -> Rule:
    return Rule(
        code=code,
        kind=Fix,
        what="Your Google Cloud project may not read Google Ads yet.",
        why=why,
        fix=fix,
        cause="bad_configuration",
        owner="you",
    )


def _ours(code: str) -> Rule:
    return Rule(
        code=code, kind=GiveUp, what="Google refused a query.", why="It says: {said}.", fix=REPORT
    )


def _passing(code: str) -> Rule:
    return Rule(
        code=code,
        kind=Retry,
        what="Google Ads has a fault right now.",
        why="It says that the fault passes by itself.",
        fix=LATER,
    )


def _quota(code: str, why: str, after: float) -> Rule:
    return Rule(
        code=code,
        kind=Quota,
        what="Google asks us to slow down.",
        why=why,
        fix="Nothing to do: reading goes on when the limit resets.",
        after=after,
    )


_ACCESS_LEVEL = (
    "Open Google Ads API Center, or the API's page in Google Cloud, and apply for Explorer or "
    "Basic access."
)
_MANAGER = "Choose the manager account that leads to it, or give your login a role on the account."

RULES: tuple[Rule, ...] = (
    _sign_in("authenticationError.OAUTH_TOKEN_EXPIRED", "The access token ran out."),
    _sign_in("authenticationError.OAUTH_TOKEN_INVALID", "The access token is not valid."),
    _sign_in("authenticationError.OAUTH_TOKEN_REVOKED", "The access was withdrawn.", renew=False),
    _sign_in(
        "authenticationError.NOT_ADS_USER", "This Google login has no Ads account.", renew=False
    ),
    _access(
        "authorizationError.USER_PERMISSION_DENIED",
        "Your login does not reach this account, or it is reached through another manager.",
        _MANAGER,
    ),
    _access(
        "authorizationError.INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
        "The manager account that was named does not lead to this account.",
        _MANAGER,
    ),
    _closed("authorizationError.CUSTOMER_NOT_ENABLED", "It is closed or was never activated."),
    _closed("authorizationError.ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT", "It is suspended."),
    _project(
        "authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
        "The project's access level allows test accounts only.",
        _ACCESS_LEVEL,
    ),
    _project(
        "authorizationError.DEVELOPER_TOKEN_NOT_APPROVED",
        "The developer token allows test accounts only.",
        _ACCESS_LEVEL,
    ),
    _project(
        "authorizationError.CLOUD_PROJECT_NOT_FOUND",
        "The project that owns the OAuth client does not exist.",
        "Check the client id, or create the OAuth client again.",
    ),
    _project(
        "SERVICE_DISABLED",
        "The Google Ads API is not switched on in the project.",
        "Switch on the Google Ads API in Google Cloud, wait five minutes, try again.",
    ),
    Rule(
        code="ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        kind=SignInAgain,
        what="The permission for Google Ads was not given.",
        why="On Google's consent page the box for Google Ads stayed empty.",
        fix="Sign in again and tick the box for Google Ads.",
        cause="permission",
        renew=False,
    ),
    Rule(
        code="queryError.REQUESTED_METRICS_FOR_MANAGER",
        kind=Fix,
        what="This account is a manager account.",
        why="Managers have no results of their own.",
        fix="Choose the accounts below it.",
        cause="bad_configuration",
        action="accounts",
    ),
    _ours("queryError"),
    _ours("requestError"),
    _ours("fieldError"),
    Rule(
        code="requestError.UNSUPPORTED_VERSION",
        kind=GiveUp,
        what="Google has switched off the version of its interface we use.",
        why="Versions live about a year.",
        fix="Update LiftOS.",
    ),
    Rule(
        code="requestError.EXPIRED_PAGE_TOKEN",
        kind=PageExpired,
        what="Google forgot where a long answer was.",
        why="Its page token ran out.",
        fix=LATER,
        again=False,
    ),
    _quota(
        "quotaError.RESOURCE_EXHAUSTED",
        "The day's operations of the project are used up.",
        DAILY_WAIT,
    ),
    _quota(
        "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED",
        "Too many requests in a short time.",
        SHORT_WAIT,
    ),
    _quota(
        "quotaError.EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
        "The queries are heavy for the moment.",
        60.0,
    ),
    _quota(
        "quotaError.EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION",
        "The queries were heavy for a long time.",
        DAILY_WAIT,
    ),
    _quota("RESOURCE_EXHAUSTED", "Its limit of requests is used up.", SHORT_WAIT),
    _passing("internalError.TRANSIENT_ERROR"),
    _passing("internalError.INTERNAL_ERROR"),
    _passing("internalError.DEADLINE_EXCEEDED"),
    _passing("UNAVAILABLE"),
    _passing("INTERNAL"),
    _passing("DEADLINE_EXCEEDED"),
    _passing("ABORTED"),
    _sign_in("UNAUTHENTICATED", "The access token is not valid."),
    _access("PERMISSION_DENIED", "It says: {said}.", _MANAGER),
    Rule(
        code="NOT_FOUND",
        kind=Fix,
        what="Google does not know what was asked for.",
        why="The account is gone, or the version of the interface is switched off.",
        fix="Check the account; if it is there, update LiftOS.",
    ),
    _ours("INVALID_ARGUMENT"),
    _ours("UNIMPLEMENTED"),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer, in either envelope; None when there is none."""
    error = _envelope(body)
    if error is None:
        return None
    words = str(error.get("message") or "")
    delay: float | None = None
    rule: Rule | None = None
    for code, message, wait in _codes(error):
        words = message or words
        delay = wait if wait is not None else delay
        rule = rule or _BY_CODE.get(code) or _BY_CODE.get(code.split(".")[0])
    grpc = str(error.get("status") or "")
    rule = rule or _BY_CODE.get(grpc)
    if rule is None:
        return by_status("Google Ads", status if status >= 400 else 500, headers, words)
    found = rule.error(after=delay, words=words)
    request_id = _request_id(error) or headers.get("request-id", "")
    if request_id:
        found.facts["request_id"] = request_id[:100]
    return found


def _envelope(body: Any) -> dict[str, Any] | None:
    """The error object: alone, or anywhere in the list of a stream's answer."""
    parts = body if isinstance(body, list) else [body]
    for part in parts:
        error = part.get("error") if isinstance(part, dict) else None
        if isinstance(error, dict):
            return error
    return None


def _codes(error: Mapping[str, Any]) -> Iterator[tuple[str, str, float | None]]:
    """Codes as `family.NAME` (or the reason of an ErrorInfo), their words and stated waits."""
    for detail in error.get("details") or ():
        if not isinstance(detail, dict):
            continue
        for one in detail.get("errors") or ():
            quota = (one.get("details") or {}).get("quotaErrorDetails") or {}
            wait = _seconds(quota.get("retryDelay"))
            for family, name in (one.get("errorCode") or {}).items():
                yield f"{family}.{name}", str(one.get("message") or ""), wait
        if detail.get("reason"):
            yield str(detail["reason"]), "", None


def _seconds(text: Any) -> float | None:
    """A duration as `30s` or `1.5s`."""
    try:
        return float(str(text).removesuffix("s")) if text else None
    except ValueError:
        return None


def _request_id(error: Mapping[str, Any]) -> str:
    for detail in error.get("details") or ():
        if isinstance(detail, dict) and detail.get("requestId"):
            return str(detail["requestId"])
    return ""
