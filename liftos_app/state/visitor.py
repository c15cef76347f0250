"""Who sends an event: the browser's session cookie, looked up on every event."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from liftos_app.services import accounts
from liftos_app.services.context import Principal
from liftos_app.state import process


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person, in the organization their session looks at."""

    who: Principal
    org_id: int

    @property
    def owner(self) -> str:
        """What a tab's state belongs to: changes with the session, the person or the organization."""
        return f"{self.who.session_id or 'open'}/{self.who.user_id}/{self.org_id}"


# Set by the guard before each handler runs, in the same task.
acting: ContextVar[Visitor | None] = ContextVar("acting", default=None)


async def find(cookie_header: str, *, ip: str) -> Visitor | None:
    """The visitor behind a Cookie header, from the database, or None."""
    return await process.in_thread(_find, cookie_header, ip)


def session_cookie(cookie_header: str) -> str:
    """The session id inside a Cookie header, or an empty text."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookie_header)
    except CookieError:
        return ""
    morsel = jar.get(accounts.cookie_name(process.app().settings))
    return morsel.value if morsel else ""


def token_digest(token: str) -> str:
    """A tab token as it may be kept: it is a bearer secret itself."""
    return hashlib.sha256(token.encode()).hexdigest()


def _find(cookie_header: str, ip: str) -> Visitor | None:
    found = accounts.resolve(process.app(), session_cookie(cookie_header), ip=ip)
    if found is None:
        return None
    who, org_id = found
    return Visitor(who=who, org_id=org_id)
