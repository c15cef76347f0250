"""Incidents become mail to the people who look after them: at most one message per quarter hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, select

from liftos_app.models import Membership, Outbox, Role, User
from liftos_app.services import mailer
from liftos_app.services.context import App, job_principal, open_context

PREFIX: Final = "security.incident."
QUIET: Final = timedelta(minutes=15)  # further incidents wait so long; critical ones do not
_MOST: Final = 50


def queue(app: App) -> int:
    """Queue what administrators are to be told; each incident goes out once. Counts messages."""
    with app.db.read() as session:
        orgs = set(session.exec(select(Outbox.org_id).where(*_WAITING).distinct()).all())
    return sum(_queue_of(app, org) for org in orgs)


_WAITING: Final = (col(Outbox.kind).startswith(PREFIX), col(Outbox.taken_at).is_(None))


def _queue_of(app: App, org: int | None) -> int:
    with open_context(app, job_principal("mail"), org, write=True) as ctx:
        rows = ctx.session.exec(
            select(Outbox).where(*_WAITING, col(Outbox.org_id).is_not_distinct_from(org))
            .order_by(col(Outbox.created_at)).limit(_MOST).with_for_update(skip_locked=True)
        ).all()
        urgent = any(r.payload.get("level") == "critical" for r in rows)
        told = ctx.session.exec(select(Outbox.id).where(
            col(Outbox.kind).startswith(PREFIX), col(Outbox.org_id).is_not_distinct_from(org),
            col(Outbox.taken_at) > ctx.now() - QUIET,
        )).first()
        if not rows or (told is not None and not urgent):
            return 0
        for row in rows:
            row.taken_at = ctx.now()
            ctx.session.add(row)
        subject, text = _words(rows, ctx.settings.public_url)
        return sum(
            mailer.send(ctx, to=person.email, subject=subject, text=text, about="alert")
            for person in _who_looks(ctx.session, org)
        )


def _words(rows: Sequence[Outbox], public_url: str) -> tuple[str, str]:
    first = rows[0].payload
    subject = f"LiftOS: {first.get('level', '')} incident {first.get('rule', '')}"
    if len(rows) > 1:
        subject = f"LiftOS: {len(rows)} incidents"
    lines = [
        f"- {r.payload.get('rule', '')}, {r.payload.get('level', '')}, "
        f"{r.payload.get('at', '')[:16]}Z: {r.payload.get('words', '')}" for r in rows
    ]
    return subject, "\n".join([
        *lines, "", f"Acknowledge what you look after: {public_url}/settings/protection",
    ])


def _who_looks(session: Session, org: int | None) -> Sequence[User]:
    """Administrators of the organization; super administrators for the installation."""
    statement = select(User).where(col(User.disabled_at).is_(None)).order_by(col(User.email_key))
    if org is None:
        return session.exec(statement.where(col(User.is_super_admin))).all()
    return session.exec(
        statement.join(Membership, col(Membership.user_id) == col(User.id))
        .where(Membership.org_id == org, Membership.role == Role.ADMIN)
    ).all()
