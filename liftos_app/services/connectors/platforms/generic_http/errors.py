"""What a legacy system's answers mean, and where a redirect leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, SignInAgain
from liftos_app.services.connectors.faults import Rule, retry_after
from liftos_app.services.connectors.redaction import said

NAME = "The source"


class Moved(Fix):
    """A redirect; `location` is for us and in no log. The reader decides whether to follow it."""

    location = ""


def moved(location: str, status: int) -> Moved:
    """The error of a redirect that nobody follows."""
    found = Moved(
        f"{NAME} sent us to another address.",
        why="It leads to another server, and our credential would travel along.",
        fix="Enter the address it leads to, if it is the right one.",
        cause="bad_configuration", owner="you", action="settings", status=status,
    )
    found.location = location
    return found


def _refused(headers: Mapping[str, str]) -> PlatformFault:
    """401: which sign-in does the server want? Basic is tried once only: accounts lock."""
    wanted = headers.get("www-authenticate", "")
    scheme = wanted.split(" ", 1)[0].strip(",").lower()
    if scheme in {"digest", "negotiate", "ntlm"}:
        return Fix(
            f"{NAME} wants another kind of sign-in.",
            why=f"It asks for {said(scheme, 20).capitalize()}, which LiftOS does not speak.",
            fix="Ask its administrator for Basic, a token or a key.",
            cause="bad_configuration", owner="your_platform_admin", action="settings",
        )
    realm = said(wanted.partition('realm="')[2].partition('"')[0], 60)
    return SignInAgain(
        f"{NAME} does not accept the sign-in.",
        why="User name, password or key are wrong" + (f" for {realm!r}." if realm else "."),
        fix="Enter them again. It was tried once only, so that no account is locked.",
        renew=False,
    )


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:  # noqa: ARG001
    """The error in an answer; None when the status alone says it, or when there is none."""
    if 300 <= status < 400 and status != 304:
        return moved(headers.get("location", ""), status)
    if status == 401:
        return _refused(headers)
    if status in _FINAL:
        return _FINAL[status].error(status=status)
    if status == 429:
        return Quota(
            f"{NAME} asks us to slow down.", why="Its limit of requests is used up.",
            fix="Nothing to do: reading goes on when the limit resets.",
            after=retry_after(headers) or _reset(headers),
        )
    return None


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds until the next request may go out, once the answer says nothing is left."""
    left = headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining", "")
    return (_reset(headers) or 0.0) if left.strip() == "0" else 0.0


def _reset(headers: Mapping[str, str]) -> float | None:
    """The wait in the usual headers: seconds, or a Unix time, which is not a wait."""
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        try:
            seconds = float(headers.get(name, ""))
        except ValueError:
            continue
        if 0 <= seconds < 86_400:
            return seconds
    return None


def _rule(code: int, kind: type[PlatformFault], why: str, fix: str, owner: str = "you") -> Rule:
    return Rule(
        code=str(code), kind=kind, what=f"{NAME} refused the request.", why=why, fix=fix,
        cause="bad_configuration", owner=owner,
    )


_FINAL: dict[int, Rule] = {
    400: _rule(400, Fix, "It does not understand it.", "Check the stream's path and parameters."),
    403: Rule(
        code="403", kind=Fix, what=f"{NAME} does not allow this.",
        why="The user may not read this address.", fix="Ask its administrator for read access.",
        cause="permission", owner="your_platform_admin",
    ),
    404: _rule(404, Fix, "There is nothing at this address.", "Check the stream's path."),
    405: _rule(405, Fix, "It does not take this method here.", "Try GET or POST."),
    410: _rule(410, Fix, "What was at this address is gone.", "Ask its administrator."),
    415: _rule(415, Fix, "It does not take this form of request.", "Check the stream's body."),
    422: _rule(422, Fix, "It cannot use the parameters.", "Check the stream's parameters."),
    413: _rule(413, GiveUp, "The request is too large.", "Ask for fewer days at a time."),
}
