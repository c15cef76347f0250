"""What the wizard says when a consent did not end well, by the short code in its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why the last act did not end well, and the one button that helps."""

    what: str
    why: str
    fix: str
    button: str
    act: str  # sign_in, enter, accounts, retry, restart


# Short codes the callback puts into the wizard's address; the words stay here.
PROBLEMS: Final[Mapping[str, Problem]] = {
    "refused": Problem(
        what="The permission was not given.",
        why="On the platform's page the request was declined or closed.",
        fix="Sign in again and accept, or ask a person who may.", button="Try again", act="sign_in",
    ),
    "expired": Problem(
        what="This sign-in is no longer valid.",
        why="It took longer than ten minutes, or it was used before.",
        fix="Start it again.", button="Sign in again", act="sign_in",
    ),
    "other_session": Problem(
        what="This sign-in was started somewhere else.",
        why="It began in another browser or for another person.",
        fix="Start it again in this browser.", button="Sign in again", act="sign_in",
    ),
    "wrong_redirect": Problem(
        what="The platform did not accept the return address.",
        why="The redirect URI in the platform's app differs from ours.",
        fix="Copy the redirect URI shown below into the app's settings, letter by letter.",
        button="Copy and try again", act="enter",
    ),
    "wrong_client": Problem(
        what="The platform did not accept the app's id or secret.",
        why="One of the two is wrong, or the secret was replaced.",
        fix="Copy both again from the platform.", button="Enter them again", act="enter",
    ),
    "missing_scope": Problem(
        what="A permission we need was not given.",
        why="It was switched off on the platform's page, or the app does not ask for it.",
        fix="Sign in again and leave all permissions on.", button="Ask again", act="sign_in",
    ),
    "other_accounts": Problem(
        what="This sign-in does not see all accounts that were chosen.",
        why="Another login was used, or its access was reduced.",
        fix="Sign in with the first login, or choose the accounts anew.",
        button="Choose accounts", act="accounts",
    ),
    "accounts_unread": Problem(
        what="You are signed in, but the accounts could not be read.",
        why="The platform did not list them just now.", fix="Read the accounts again.",
        button="Go to the accounts", act="accounts",
    ),
    "forged": Problem(
        what="The answer did not come from the platform.",
        why="Its signature or its sender does not fit.", fix="Start the sign-in again.",
        button="Sign in again", act="sign_in",
    ),
    "platform": Problem(
        what="The platform did not complete the sign-in.",
        why="It answered with an error or not at all.",
        fix="Wait a minute, then try again.", button="Try again", act="sign_in",
    ),
}


def step_address(connection_id: UUID, step: int, result: str = "") -> str:
    """The path of a step, with at most a short result code; never a token, never a text."""
    tail = f"&result={result}" if result in PROBLEMS or result == "ok" else ""
    return f"/connections/new?id={connection_id}&step={step}{tail}"
