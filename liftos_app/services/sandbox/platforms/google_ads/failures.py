"""Refusals in the vendor's envelope: one object, or an array of one for searchStream."""

from __future__ import annotations

from typing import Any

from liftos_app.services.sandbox.platforms.google_ads.gaql import GaqlError
from liftos_app.services.sandbox.trouble import Fault

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_SUMMARY = {
    400: "Request contains an invalid argument.",
    401: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential."
    ),
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}


class GoogleAdsError(Exception):
    """A refusal: HTTP status, error class and name of the vendor, sentence."""

    def __init__(
        self,
        status: int,
        group: str,
        name: str,
        message: str,
        *,
        trigger: str = "",
        details: dict[str, Any] | None = None,
        reason: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.group, self.name, self.message = status, group, name, message
        self.trigger, self.details, self.reason = trigger, details, reason

    @property
    def headers(self) -> dict[str, str]:
        """A refused token is also announced in a header."""
        if self.status != 401:
            return {}
        return {
            "www-authenticate": (
                'Bearer realm="https://accounts.google.com/", error="invalid_token"'
            )
        }

    def body(self, version: str, request_id: str, *, in_array: bool) -> Any:
        """The envelope; `version` names the failure type, as v26."""
        error: dict[str, Any] = {"errorCode": {self.group: self.name}, "message": self.message}
        if self.trigger:
            error["trigger"] = {"stringValue": self.trigger}
        if self.details:
            error["details"] = self.details
        kind = f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure"
        details: list[dict[str, Any]] = [
            {"@type": kind, "errors": [error], "requestId": request_id}
        ]
        if self.reason is not None:
            details = [self.reason]
        envelope = {
            "error": {
                "code": self.status,
                "message": self.message
                if self.reason is not None
                else _SUMMARY.get(self.status, self.message),
                "status": STATUS.get(self.status, "UNKNOWN"),
                "details": details,
            }
        }
        return [envelope] if in_array else envelope


def of_query(error: GaqlError) -> GoogleAdsError:
    """A query that cannot be run."""
    return GoogleAdsError(400, "queryError", error.code, error.message, trigger=error.subject)


def unsupported_version(version: str) -> GoogleAdsError:
    """A version the vendor has shut down or never had."""
    return GoogleAdsError(
        400,
        "requestError",
        "UNSUPPORTED_VERSION",
        f"Version {version} is deprecated. Requests to this version will be blocked.",
    )


def token(name: str) -> GoogleAdsError:
    """A dead or missing access token: OAUTH_TOKEN_EXPIRED, _INVALID, _REVOKED, _HEADER_INVALID."""
    sentences = {
        "OAUTH_TOKEN_EXPIRED": "The access token is past its end.",
        "OAUTH_TOKEN_REVOKED": "The access token was revoked by the user.",
        "OAUTH_TOKEN_HEADER_INVALID": "The Authorization header holds no bearer token.",
    }
    message = sentences.get(name, "The access token is not one the service issued.")
    return GoogleAdsError(401, "authenticationError", name, message)


def scope_missing() -> GoogleAdsError:
    """The token was granted without the adwords scope; told in an ErrorInfo, not a failure."""
    return GoogleAdsError(
        403,
        "authorizationError",
        "AUTHORIZATION_ERROR",
        "Request had insufficient authentication scopes.",
        reason={
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": {"service": "googleads.googleapis.com"},
        },
    )


def denied() -> GoogleAdsError:
    """The user cannot reach this customer in the way asked."""
    return GoogleAdsError(
        403,
        "authorizationError",
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. If a client customer is meant, set "
        "the id of its manager in the 'login-customer-id' header.",
    )


def quota(name: str, seconds: float | None) -> GoogleAdsError:
    """A quota refusal; `seconds` until a call may work again, None when that is not told."""
    details = {
        "quotaErrorDetails": {
            "rateScope": "ACCOUNT" if name.startswith("EXCESSIVE") else "DEVELOPER",
            "rateName": "Number of operations for basic access"
            if name == "RESOURCE_EXHAUSTED"
            else "Requests per service per method",
            "retryDelay": f"{seconds or 0:.0f}s",
        }
    }
    wait = f" Retry in {seconds:.0f} seconds." if seconds is not None else ""
    return GoogleAdsError(
        429,
        "quotaError",
        name,
        "Too many requests." + wait,
        details=details if seconds is not None else None,
    )


# Refusals that scripted trouble may ask for by name: missing_scope with detail reason=...
_REASONS = {
    "project_level": (
        403, "authorizationError", "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
        "The Cloud project has test access only. Apply for Explorer or Basic access.",
    ),
    "project_unknown": (
        403, "requestError", "CLOUD_PROJECT_NOT_FOUND", "The Cloud project was not found.",
    ),
    "not_ads_user": (
        401, "authenticationError", "NOT_ADS_USER",
        "The Google account of the token has no Google Ads account.",
    ),
    "denied": (
        403, "authorizationError", "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer.",
    ),
}  # fmt: skip


def of_fault(fault: Fault) -> GoogleAdsError:
    """Scripted trouble in the vendor's words."""
    reason = fault.detail.get("reason", "")
    match fault.kind:
        case "token_expired" | "token_revoked":
            return token(f"OAUTH_{fault.kind.upper()}")
        case "missing_scope":
            return _missing(reason)
        case "rate_limited" | "rate_limited_silent":
            told = fault.kind == "rate_limited"
            return quota("RESOURCE_TEMPORARILY_EXHAUSTED", fault.retry_after or 5 if told else None)
        case "quota_exhausted":
            return quota(reason or "RESOURCE_EXHAUSTED", fault.retry_after or 6 * 3600)
    status = fault.status if fault.status in STATUS and fault.status >= 500 else 503
    return GoogleAdsError(
        status,
        "internalError",
        "INTERNAL_ERROR" if status == 500 else "TRANSIENT_ERROR",
        "A transient error occurred. Retry the request.",
    )


def _missing(reason: str) -> GoogleAdsError:
    if reason == "service_disabled":
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {
                "service": "googleads.googleapis.com",
                "consumer": "projects/204816309715",
            },
        }
        message = "Google Ads API has not been used in this project before or it is disabled."
        return GoogleAdsError(403, "authorizationError", "PROJECT_DISABLED", message, reason=info)
    if reason in _REASONS:
        status, group, name, message = _REASONS[reason]
        return GoogleAdsError(status, group, name, message)
    return scope_missing()
