"""Who sends an event: the browser's session cookie, looked up on every event."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass

from liftos_app.services import sessions
from liftos_app.services.context import Principal
from liftos_app.state import process


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person, in the organization their session looks at."""

    who: Principal
    org_id: int

    @property
    def owner(self) -> str:
        """What a tab's state belongs to: changes with session, person, role and organization."""
        role = self.who.role.value if self.who.role else ""
        return f"{self.who.session_id}/{self.who.user_id}/{self.org_id}/{role}"


# Set by the guard before each handler runs, in the same task.
acting: ContextVar[Visitor | None] = ContextVar("acting", default=None)


async def find(cookie_header: str, *, ip: str) -> Visitor | None:
    """The visitor behind a Cookie header, or None."""
    app = process.app()
    found = await sessions.resolve_async(
        app, sessions.token_from(app.settings, cookie_header), ip=ip
    )
    return Visitor(who=found.who, org_id=found.org_id) if found else None


def token_digest(token: str) -> str:
    """A tab token as it may be kept: it is a bearer secret itself."""
    return hashlib.sha256(token.encode()).hexdigest()
