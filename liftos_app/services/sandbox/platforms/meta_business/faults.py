"""Scripted trouble in the vendor's own words."""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.meta_business.answers import (
    GraphError,
    dead_token,
    not_granted,
    too_many_calls,
    too_much_data,
)
from liftos_app.services.sandbox.trouble import Fault


def of(fault: Fault) -> tuple[GraphError, int | None]:
    """The refusal, and the minutes to wait that the usage headers name (None: they say nothing)."""
    minutes = max(1, -(-(fault.retry_after or 3600) // 60))
    detail = fault.detail
    match fault.kind:
        case "token_expired":
            return dead_token("expired"), None
        case "token_revoked":
            return dead_token(detail.get("reason", "revoked")), None
        case "missing_scope":
            return not_granted(detail.get("scope", "ads_read")), None
        case "rate_limited":
            return too_many_calls(minutes), minutes
    return (_quota(), minutes) if fault.kind == "quota_exhausted" else (_other(fault), None)


def _quota() -> GraphError:
    return GraphError(4, "(#4) Application request limit reached", subcode=1504022, transient=True)


def _other(fault: Fault) -> GraphError:
    if fault.kind == "rate_limited_silent":
        return GraphError(17, "(#17) User request limit reached", subcode=2446079, transient=False)
    if fault.detail.get("reason") == "too_much_data":
        return too_much_data()
    # Any other refusal of the vendor's table: detail code, subcode, message.
    code, subcode = (_whole(fault.detail.get(n, "")) for n in ("code", "subcode"))
    if code is not None:
        message = fault.detail.get("message", "An error of the platform")
        return GraphError(code, f"(#{code}) {message}", subcode=subcode, status=fault.status)
    return GraphError(
        2,
        "(#2) Service temporarily unavailable",
        subcode=1504043,
        status=fault.status,
        transient=True,
    )


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
