"""What the errors of token endpoints mean, by standard name or by the words they use."""

from __future__ import annotations

from typing import Any

from liftos_app.errors import Fix, PlatformFault, Retry, SignInAgain
from liftos_app.services.connectors import faults
from liftos_app.services.connectors.redaction import said
from liftos_app.services.connectors.spec import Platform

_BUSY = frozenset({"temporarily_unavailable", "server_error"})
_BAD_CLIENT = frozenset({
    "invalid_client", "invalid_client_id", "invalid_client_secret", "unauthorized_client",
    "application_cannot_be_found",
})
_CLIENT_WORDS = ("client secret", "client_secret", "client id", "client_id", "app_id")


def error_words(data: Any) -> tuple[str, str]:
    """The standard error name and the words of a token endpoint's error."""
    if not isinstance(data, dict):
        return "", ""
    error = data.get("error")
    if isinstance(error, dict):
        return str(error.get("type", "")), str(error.get("message", ""))
    words = data.get("error_description") or data.get("errors") or ""
    return str(error or ""), words if isinstance(words, str) else ""


def named(platform: Platform, stage: str, name: str, words: str) -> PlatformFault | None:
    """The error behind a standard name, or behind what the words speak of."""
    name, low = name.lower(), words.lower()
    told = said(words).rstrip(".") or name or "no reason given"
    found: PlatformFault | None = None
    if name in _BUSY:
        found = Retry(
            f"{platform.name} cannot sign anyone in right now.",
            why="Its sign-in is busy.",
            fix=faults.LATER,
        )
    elif "too many requests" in low:
        found = Retry(
            f"{platform.name} gives no new sign-in right now.",
            why="It was asked for too many in a short time.",
            fix=faults.LATER,
            after=600.0,
        )
    elif "redirect" in name or "redirect" in low:
        found = Fix(
            f"{platform.name} does not know our redirect address.",
            why="The address registered with the app differs from the one we sent.",
            fix="Copy the redirect address shown in the wizard into the app's settings, "
            "character by character.",
            field="redirect_uri",
            said=said(words),
        )
    elif name in _BAD_CLIENT or any(w in low for w in _CLIENT_WORDS):
        found = Fix(
            f"{platform.name} does not accept the app's id and secret.",
            why=f"It says: {told}.",
            fix="Check both in the app's settings and enter them again.",
            cause="credential",
            field="client_secret",
        )
    elif name == "invalid_scope":
        found = Fix(
            f"{platform.name} does not give the permissions that were asked for.",
            why=f"It says: {told}.",
            fix="Add the permissions to the app, then sign in again.",
            cause="permission",
        )
    elif name == "access_denied":
        found = refused_consent(platform, words)
    elif stage == "exchange":
        found = SignInAgain(
            f"The sign-in with {platform.name} could not be completed.",
            why="It took too long, or its code was used already.",
            fix="Sign in once more.",
            renew=False,
            said=said(words),
        )
    elif name in {"invalid_grant", "invalid_code"}:
        found = ended(platform)
    return found


def refused_consent(platform: Platform, words: str = "") -> Fix:
    """The person, or an administrator of the platform, said no on the consent page."""
    return Fix(
        f"The permissions were not given in {platform.name}.",
        why="The consent page was closed or answered with no.",
        fix="Sign in again and allow reading; nothing is ever written.",
        cause="permission",
        said=said(words),
    )


def ended(platform: Platform) -> SignInAgain:
    return SignInAgain(
        f"The sign-in with {platform.name} has ended.",
        why="The permission was withdrawn, the password changed, or its time ran out.",
        fix="Sign in again; history and settings stay.",
        renew=False,
    )
