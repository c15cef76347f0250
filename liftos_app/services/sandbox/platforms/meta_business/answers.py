"""The Graph error envelope and the refusals this imitation knows, each in one place."""

from __future__ import annotations

import secrets
from typing import Any


class GraphError(Exception):
    """A refusal in the Graph envelope. Codes and subcodes as the vendor documents them."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        kind: str = "OAuthException",
        status: int = 400,
        transient: bool | None = None,
        title: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.subcode = code, message, subcode
        self.kind, self.status, self.transient = kind, status, transient
        self.title, self.advice = title, advice

    @property
    def headers(self) -> dict[str, str]:
        """A dead token is also announced in a header."""
        if self.code not in {102, 190}:
            return {}
        reason = self.message.replace('"', "'")
        return {"www-authenticate": f'OAuth "Facebook Platform" "invalid_token" "{reason}"'}

    def body(self) -> dict[str, Any]:
        """The envelope; fields that say nothing are left out, as the vendor does."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None:
            error["is_transient"] = self.transient
        if self.title:
            error["error_user_title"] = self.title
        if self.advice:
            error["error_user_msg"] = self.advice
        return {"error": error | {"fbtrace_id": "A" + secrets.token_urlsafe(16)}}


def dead_version(asked: str, newest: str) -> GraphError:
    """No version, or one the vendor no longer serves."""
    said = f"version {asked}" if asked else "no version"
    return GraphError(
        2635,
        f"(#2635) The call names {said} of the Ads API, which is not served. "
        f"Update to the latest version: {newest}.",
    )


def unknown_path(path: str) -> GraphError:
    """Nothing is served at this path."""
    return GraphError(2500, f"Unknown path components: /{path}")


def no_token(*, about_me: bool) -> GraphError:
    """A call without a token."""
    if about_me:
        return GraphError(
            2500, "An active access token must be used to query information about the current user."
        )
    return GraphError(104, "An access token is required to request this resource.")


DEAD_TOKENS = {
    "expired": (463, "Error validating access token: the session has expired. Log in again."),
    "revoked": (458, "Error validating access token: the user has not authorized the application."),
    "password": (460, "Error validating access token: the user changed the password."),
    "checkpoint": (459, "Error validating access token: the user must log in to a checkpoint."),
}


def dead_token(reason: str) -> GraphError:
    """A token past its end, withdrawn, or never issued (`reason` malformed)."""
    if reason not in DEAD_TOKENS:
        return GraphError(190, "Invalid OAuth access token - Cannot parse access token")
    subcode, message = DEAD_TOKENS[reason]
    return GraphError(190, message, subcode=subcode)


def bad_proof() -> GraphError:
    """The appsecret_proof sent does not belong to this token and app."""
    return GraphError(
        100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
    )


def invisible(object_id: str) -> GraphError:
    """The object is not there, or not for this token: the vendor does not tell which."""
    return GraphError(
        100,
        f"Unsupported get request. Object with ID '{object_id[:60]}' does not exist, cannot be "
        "loaded due to missing permissions, or does not support this operation.",
        subcode=33,
        kind="GraphMethodException",
    )


def not_granted(scope: str) -> GraphError:
    """The person did not grant this permission."""
    return GraphError(
        200,
        "(#200) Ad account owner has NOT grant ads_management or ads_read permission."
        if scope == "ads_read"
        else f"(#200) Requires {scope} permission to manage the object.",
        status=403,
    )


def unknown_field(name: str, node: str) -> GraphError:
    """A field the object type does not have."""
    return GraphError(
        100, f"(#100) Tried accessing nonexisting field ({name[:80]}) on node type ({node})"
    )


def bad_parameter(name: str, why: str) -> GraphError:
    """A parameter with a value that cannot be used; the message begins with its name."""
    return GraphError(100, f"(#100) Param {name} {why}")


def too_much_data() -> GraphError:
    """The page asked for is too big to put together."""
    return GraphError(
        1,
        "Please reduce the amount of data you're asking for, then retry your request",
        status=500,
        transient=False,
    )


def too_long_ago() -> GraphError:
    """Insights begin 37 months back."""
    return GraphError(
        3018,
        "(#3018) The start date of the time range cannot be beyond 37 months from the current date",
    )


def too_many_calls(minutes_left: int) -> GraphError:
    """The hourly budget of the ad account is used up."""
    return GraphError(
        80000,
        "(#80000) There have been too many calls from this ad-account for insights. "
        f"Wait about {minutes_left} minutes and try again.",
        subcode=2446079,
        transient=False,
        title="Ad account has too many API calls",
        advice="There have been too many calls from this ad account. Wait a bit and try again.",
    )
