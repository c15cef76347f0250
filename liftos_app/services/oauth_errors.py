"""How a consent can end badly, in sentences for people."""

from __future__ import annotations

from collections.abc import Mapping

from liftos_app.errors import Conflict, Fix, LiftOSError
from liftos_app.services.connectors.redaction import said
from liftos_app.services.connectors.spec import AuthMethod, Platform


class StateUnknown(Conflict):
    """The state is not one we gave, was used, or is too old."""

    code = "state_expired"


class OtherSession(Conflict):
    """The consent was begun by somebody else or in another browser."""

    code = "state_other_session"


class Forged(Conflict):
    """The answer does not carry the platform's signature, or names another sender."""

    code = "callback_forged"


class Refused(Conflict):
    """The person said no on the platform's page, or the platform did."""

    code = "consent_refused"


def refusal(
    platform: Platform, method: AuthMethod, params: Mapping[str, str]
) -> LiftOSError:
    """What an error on the way back means; the platform's words are quoted as plain text."""
    name = said(params.get("error") or "the person said no", 60)
    words = said(params.get("error_description") or params.get("error_reason") or "")
    known = method.oauth.refusals.get(name) if method.oauth is not None else None
    if known is not None:  # only an administrator can mend it
        return Fix(
            f"{platform.name} does not let this app sign in yet.", why=known[0], fix=known[1],
            cause="permission", owner="your_platform_admin", platform_code=name,
        )
    if "redirect" in name.lower() or "redirect" in words.lower():
        return Fix(
            f"{platform.name} does not know our redirect address.",
            why="The address registered with the app differs from the one we sent.",
            fix="Copy the redirect address shown in the wizard into the app's settings.",
            field="redirect_uri",
        )
    return Refused(
        f"The permissions were not given in {platform.name}.",
        why=f"It says: {words or name}.".replace("..", "."),
        fix="Sign in again and allow reading; nothing is ever written.",
    )
