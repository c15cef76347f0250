"""Between the first factor and the session: a short-lived, random token in a cookie of its own.

It opens nothing but the second step: the code, or setting up a second factor first.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from liftos_app.errors import SignInNeeded
from liftos_app.models import PendingSignIn, User
from liftos_app.services import accounts, second_factor
from liftos_app.services.context import App

LIFE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits for its second step. `step` is `code` or `enrol`."""

    user: User
    org_id: int
    step: str
    next_path: str


def begin(app: App, user_id: UUID, org_id: int, *, next_path: str = "") -> str:
    """Remember that the first factor was right. Returns the token for the cookie."""
    token, now = secrets.token_urlsafe(32), app.now()
    with app.db.write() as session:
        session.exec(delete(PendingSignIn).where(col(PendingSignIn.expires_at) <= now))
        session.add(
            PendingSignIn(
                token_hash=app.vault.token_hash(token), user_id=user_id, org_id=org_id,
                next_path=next_path[:500], created_at=now, expires_at=now + LIFE,
            )
        )
    return token


def find(app: App, token: str) -> Waiting | None:
    """The sign-in behind a token, None when it is over."""
    with app.db.read() as session:
        row = _row(session, app, token)
        user = session.get(User, row.user_id) if row else None
        if row is None or user is None or user.disabled_at is not None:
            return None
        step = second_factor.step_for(session, app.settings, user) or "code"
        return Waiting(user, row.org_id, step, row.next_path)


def finish(
    app: App, token: str, code: str, *, ip: str, user_agent: str, old_token: str = ""
) -> accounts.SignedIn:
    """Check the code and open the session. Raises WrongCode, TooMany, or SignInNeeded when over."""
    waiting = find(app, token)
    if waiting is None or waiting.step != "code":
        raise over()
    second_factor.check(app, waiting.user.id, code, ip=ip)
    return conclude(app, token, waiting, ip=ip, user_agent=user_agent, old_token=old_token)


def conclude(
    app: App, token: str, waiting: Waiting, *, ip: str, user_agent: str, old_token: str = ""
) -> accounts.SignedIn:
    """Spend the token and open the session; the caller has just checked a code."""
    with app.db.write() as session:
        row = _row(session, app, token)
        if row is None:
            raise over()
        session.delete(row)
    return accounts.open_session(
        app, waiting.user, waiting.org_id, ip=ip, user_agent=user_agent, old_token=old_token,
        by="second factor",
    )


def over() -> SignInNeeded:
    """The answer to a token that is not, or no longer, one."""
    return SignInNeeded(
        "This sign-in took too long.", why="The second step has ten minutes.", fix="Sign in again."
    )


def _row(session: Session, app: App, token: str) -> PendingSignIn | None:
    if not 20 <= len(token) <= 200:
        return None
    row = session.exec(
        select(PendingSignIn)
        .where(col(PendingSignIn.token_hash).in_(app.vault.token_hashes(token)))
        .with_for_update()
    ).first()
    return row if row is not None and row.expires_at > app.now() else None
