"""Turns what a platform answers into an error that says what happens next.

A platform lists its own error codes as `Rule`s; what no rule knows is judged by its status here.
Sentences are for people: what happened, why, what to do.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.redaction import said

if TYPE_CHECKING:
    from liftos_app.services.connectors.spec import AccountInfo

LATER = "Nothing to do: it is tried again by itself."
REPORT = "Report it to the people who run this installation, with the request id."
HOUR = 3600.0
_ID_HEADERS = ("request-id", "x-request-id", "x-fb-trace-id", "x-fb-request-id", "cf-ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One error of a platform: its code in the platform's words, and what it means for us.

    `again` False: the same request must not be repeated at once. `renew` False: a renewed token
    would not help either.
    """

    code: str
    kind: type[PlatformFault]
    what: str
    why: str
    fix: str
    cause: str = ""
    owner: str = ""
    after: float | None = None  # seconds, for Retry and Quota
    again: bool = True
    renew: bool = True
    action: str = ""  # as in PlatformFault

    def error(self, *, after: float | None = None, words: str = "", **facts: Any) -> PlatformFault:
        """The error, with the wait and the words the platform itself gave."""
        more: dict[str, Any] = {"platform_code": self.code, **facts}
        if words:
            more["said"] = said(words)
        if self.action:
            more["action"] = self.action
        if not self.again:
            more["again"] = False
        if not self.renew:
            more["renew"] = False
        why = (
            self.why
            if not words or "{said}" not in self.why
            else self.why.format(said=said(words).rstrip("."))
        )
        why = why.replace("{said}", "no reason given")
        if issubclass(self.kind, Retry):
            return self.kind(
                self.what,
                why=why,
                fix=self.fix,
                cause=self.cause,
                owner=self.owner,
                after=self.after if after is None else after,
                **more,
            )
        return self.kind(
            self.what, why=why, fix=self.fix, cause=self.cause, owner=self.owner, **more
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait a platform names, in seconds. A date is compared with the answer's own date."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until, sent = _date(value), _date(headers.get("date", ""))
    return None if until is None or sent is None else max(0.0, until - sent)


def until_midnight(date: str, zone: str = "UTC") -> float:
    """Seconds until a day's limit resets, by an answer's own `Date`; an hour when it has none."""
    sent = _date(date)
    if sent is None:
        return HOUR
    now = datetime.fromtimestamp(sent, ZoneInfo(zone))
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return midnight.timestamp() - sent


def _date(value: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None


def request_id(headers: Mapping[str, str]) -> str:
    """The platform's own id of a request, as its support asks for it."""
    for name in _ID_HEADERS:
        if headers.get(name):
            return said(headers[name], 100)
    return ""


def by_status(name: str, status: int, headers: Mapping[str, str], words: str = "") -> PlatformFault:
    """What a status means when the platform's own rules say nothing about the answer."""
    rule = _STATUS.get(status) or _STATUS[status // 100 * 100 if status >= 500 else 400]
    filled = Rule(
        code=str(status),
        kind=rule.kind,
        what=rule.what.format(name=name),
        why=rule.why,
        fix=rule.fix.format(name=name),
        cause=rule.cause,
        owner=rule.owner,
    )
    return filled.error(after=retry_after(headers), words=words, status=status)


def check_open(name: str, seen: AccountInfo) -> None:
    """Raise Fix for an account that could be read once and now is closed."""
    if seen.usable:
        return
    raise Fix(
        f"The account {seen.name} cannot be read any more.",
        why=seen.reason,
        fix=f"Have it opened again in {name}, or leave it out of the connection.",
        cause="permission",
        owner="your_platform_admin",
        action="accounts",
        account=seen.external_id,
    )


def web_page(name: str, status: int) -> PlatformFault:
    """A web page came where data was expected: a login, a firewall, a captive portal."""
    if status >= 400:
        return Retry(
            f"{name} answered with a web page instead of data.",
            why="A firewall or a fault page stood in between.",
            fix=LATER,
            status=status,
        )
    return Fix(
        f"{name} answered with a web page instead of data.",
        why="The address leads to a login page or to something else than its interface.",
        fix="Check the address in the connection's settings, and this machine's network.",
        cause="bad_configuration",
        owner="you",
        action="settings",
        status=status,
    )


def redirected(name: str, status: int) -> Fix:
    """A redirect: never followed, because it would carry the credential along."""
    return Fix(
        f"{name} sent us to another address.",
        why="Redirects are not followed, for safety.",
        fix="Check the address in the connection's settings.",
        action="settings",
        status=status,
    )


def unreadable(name: str, status: int) -> Retry:
    """An answer that is no JSON though it should be: mostly cut off."""
    return Retry(
        f"{name} sent an answer that cannot be read.",
        why="It is cut off or damaged.",
        fix=LATER,
        cause="platform_outage",
        status=status,
    )


def no_file(name: str, status: int) -> Retry:
    """A prepared file is not handed out: it is asked for again, and made again if it is gone."""
    return Retry(
        f"{name} did not hand out a file it had prepared.",
        why=f"Its storage answered with status {status}.",
        fix="Nothing to do: it is asked for again.",
        status=status,
    )


def _rule(
    kind: type[PlatformFault], what: str, why: str, fix: str, *, cause: str = "", owner: str = ""
) -> Rule:
    return Rule(code="", kind=kind, what=what, why=why, fix=fix, cause=cause, owner=owner)


_STATUS: dict[int, Rule] = {
    401: _rule(
        SignInAgain,
        "{name} no longer accepts our sign-in.",
        "The key or token is wrong, expired or was withdrawn.",
        "Sign in again.",
    ),
    402: _rule(
        Fix,
        "{name} has closed this account for now.",
        "A payment or its plan needs attention.",
        "Settle it in {name}, then sync again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    403: _rule(
        Fix,
        "{name} does not allow this.",
        "A permission is missing: {said}.",
        "Give the missing permission in {name}, then sign in again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    404: _rule(
        Fix,
        "{name} does not know what was asked for.",
        "The account is gone, or the address is not the right one.",
        "Check the account and the address in the connection's settings.",
    ),
    408: _rule(Retry, "{name} did not answer in time.", "It gave up waiting.", LATER),
    410: _rule(
        GiveUp,
        "{name} has retired the version of its interface we use.",
        "{said}.",
        "Update LiftOS.",
    ),
    423: _rule(Retry, "{name} has locked this account for the moment.", "{said}.", LATER),
    425: _rule(Retry, "{name} asks us to come back later.", "{said}.", LATER),
    429: _rule(
        Quota,
        "{name} asks us to slow down.",
        "Its limit of requests is used up.",
        "Nothing to do: reading goes on when the limit resets.",
        cause="quota",
    ),
    400: _rule(GiveUp, "{name} refused a request.", "It says: {said}.", REPORT, cause="our_fault"),
    500: _rule(
        Retry, "{name} has a fault right now.", "Its servers answered with an error.", LATER
    ),
}
