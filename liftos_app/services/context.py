"""The Context: who acts, for which organization, in which transaction, at what time.

First argument of every service function. The edge (request, event, job, command) opens it with
`open_context`, which commits once at the end or rolls back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlmodel import Session

from liftos_app.config import Settings
from liftos_app.db import Database
from liftos_app.errors import ProofNeeded, SignInNeeded
from liftos_app.models import Role
from liftos_app.services import access

if TYPE_CHECKING:
    from liftos_app.services.vault import Vault

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
PROOF_LASTS: Final = timedelta(minutes=5)


def utc_now() -> datetime:
    """The one place that reads the wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `kind` is person, program, job, operator or nobody."""

    kind: str = "nobody"
    user_id: UUID | None = None
    name: str = ""
    role: Role | None = None  # in the organization of the context
    session_id: UUID | None = None
    ip: str = ""
    request_id: str = ""
    scopes: frozenset[str] | None = None  # of an API key: the permissions it is limited to
    proved_at: datetime | None = None  # when they last typed their password or code


NOBODY = Principal()


@dataclass(slots=True)
class App:
    """What one process shares: settings, database, vault, clock. Made once, in liftos_app.py."""

    settings: Settings
    db: Database
    vault: Vault
    now: Clock = utc_now
    extras: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Context:
    """One act: its actor, organization, transaction and clock."""

    app: App
    session: Session
    who: Principal
    org_id: int | None

    @property
    def settings(self) -> Settings:
        """Settings of this process."""
        return self.app.settings

    def now(self) -> datetime:
        """Aware UTC time."""
        return self.app.now()

    @property
    def org(self) -> int:
        """The organization every query is limited to. Raises SignInNeeded when there is none."""
        if self.org_id is None:
            raise SignInNeeded(
                "This needs an organization.", why="Nobody is signed in.", fix="Sign in first."
            )
        return self.org_id

    def can(self, permission: str) -> bool:
        """Whether the actor may do this, without raising."""
        return access.permits(self.who, permission)

    def require(self, permission: str, resource: object = None) -> None:
        """Raise SignInNeeded, Denied or Missing unless the actor may do this here."""
        access.authorize(self.who, permission, org_id=self.org_id, resource=resource)

    def require_proof(self) -> None:
        """Raise ProofNeeded unless the person proved who they are within five minutes (L12)."""
        if self.who.kind == "operator" or not self.settings.auth_required:
            return
        at = self.who.proved_at
        if at is None or not timedelta(0) <= self.now() - at <= PROOF_LASTS:
            raise ProofNeeded(
                "Type your password again.",
                why="This is sensitive, and you last proved who you are more than five minutes "
                    "ago.",
                fix="Confirm it is you, then do it again.",
                challenge='Bearer error="insufficient_user_authentication", max_age=300',
            )


@contextmanager
def open_context(
    app: App, who: Principal, org_id: int | None, *, write: bool = False
) -> Iterator[Context]:
    """A context in one transaction: committed at the end when `write`, rolled back on error.

    With an organization, its session stands behind the walls of tenancy.py; without one it works
    for the system: sign-in, jobs, the command line.
    """
    with (app.db.write(org_id) if write else app.db.read(org_id)) as session:
        yield Context(app=app, session=session, who=who, org_id=org_id)


def job_principal(name: str) -> Principal:
    """The actor of scheduled work: may do what a manager may, in the organization it works for."""
    return Principal(kind="job", name=name, role=Role.MANAGER)
