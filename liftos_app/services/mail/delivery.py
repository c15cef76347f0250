"""Sends what waits in `outbox`: each message is held by one process at a time while it is tried.

A process killed between sending and noting leaves a message that is sent again once its hold ends:
doubled at most, under the same Message-ID, never lost. Failures wait longer each time, and after a
day (or once the link in it is dead) a message is given up, with an entry in the audit log.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from liftos_app.models import AuditEntry, Outbox
from liftos_app.services import audit, mailer
from liftos_app.services.context import App, Context, job_principal
from liftos_app.services.mail import alerts, wire
from liftos_app.services.vault import VaultFault

log = logging.getLogger(__name__)
GIVEN_UP: Final = "mail.given_up"
HOLD: Final = timedelta(minutes=5)  # longer than a message may take
ROUND: Final = 60.0  # seconds after which a round ends
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How sending stands. `why` is the newest failure of what waits, "" when nothing failed."""

    on: bool
    waiting: int
    why: str
    given_up: int  # within the last seven days


@dataclass(frozen=True, slots=True)
class Held:
    """A message this process may try now; `tries` counts this one."""

    id: UUID
    sealed: str
    about: str
    tries: int


def deliver(app: App) -> int:
    """Send what is due. Returns how many messages went out. Does nothing without mail."""
    if not mailer.is_on(app):
        return 0
    alerts.queue(app)
    give_up_old(app)
    held = _hold(app)
    if held is None:
        return 0
    sent, until = 0, time.monotonic() + ROUND
    try:
        with wire.connect(app.settings) as line:
            while held is not None:
                sent += _try(app, line, held)
                held = _hold(app) if time.monotonic() < until else None
    except wire.NotSent as error:  # the others wait for the next round
        if held is not None:
            _failed(app, held, error)
    return sent


def give_up_old(app: App) -> int:
    """Give up what has waited too long; also for installations that turned mail off."""
    old = (*_due(app.now()), _text("until") <= mailer.moment(app.now()))
    with app.db.read() as session:
        found = session.exec(select(Outbox.id).where(*old).limit(_BATCH)).all()
    count = 0
    for row_id in found:
        with app.db.write() as session:
            row = session.exec(
                select(Outbox).where(col(Outbox.id) == row_id, *old)
                .with_for_update(skip_locked=True)
            ).first()
            if row is not None:
                _give_up(app, session, row, row.payload.get("why") or "Mail was not sent in time.")
                count += 1
    return count


def standing(session: Session, app: App) -> Standing:
    """How sending stands, for the doctor and the Protection page."""
    rows = session.exec(
        select(Outbox).where(Outbox.kind == mailer.KIND).order_by(col(Outbox.created_at).desc())
        .limit(_BATCH)
    ).all()
    return Standing(
        on=mailer.is_on(app),
        waiting=session.exec(
            select(func.count()).select_from(Outbox).where(Outbox.kind == mailer.KIND)
        ).one(),
        why=next((w for r in rows if (w := str(r.payload.get("why", "")))), ""),
        given_up=session.exec(
            select(func.count()).select_from(AuditEntry).where(
                AuditEntry.action == GIVEN_UP, AuditEntry.at > app.now() - timedelta(days=7)
            )
        ).one(),
    )


def _text(name: str) -> Any:
    return col(Outbox.payload)[name].as_string()


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return col(Outbox.kind) == mailer.KIND, _text("due") <= mailer.moment(now)


def _hold(app: App) -> Held | None:
    """Take the message that has been due longest, for this process alone until the hold ends."""
    now = app.now()
    query = select(Outbox).where(*_due(now)).order_by(_text("due"), col(Outbox.id)).limit(1)
    with app.db.read() as session:
        if session.exec(query).first() is None:
            return None
    with app.db.write() as session:
        row = session.exec(query.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        tries = int(row.payload.get("tries", 0)) + 1
        row.payload = {**row.payload, "tries": tries, "due": mailer.moment(now + HOLD)}
        row.taken_at = now
        session.add(row)
        return Held(row.id, str(row.payload["sealed"]), str(row.payload["about"]), tries)


def _try(app: App, line: wire.Line, held: Held) -> bool:
    """Send one message and delete it. Raises NotSent when no other would go out either."""
    try:
        body = json.loads(app.vault.open_message(held.sealed, held.id))
        line.send(wire.Message(held.id, body["to"], body["subject"], body["text"]), app.now())
    except VaultFault:
        _failed(app, held, wire.NotSent("Its master key is gone.", final=True, server=False))
        return False
    except wire.NotSent as error:
        if error.server:
            raise
        _failed(app, held, error)
        return False
    with app.db.write() as session:
        row = _mine(session, held)
        if row is not None:
            session.delete(row)
    log.info("mail.sent", extra={"id": str(held.id), "about": held.about, "tries": held.tries})
    return True


def _failed(app: App, held: Held, error: wire.NotSent) -> None:
    log.warning("mail.not_sent", extra={
        "id": str(held.id), "about": held.about, "tries": held.tries, "why": error.why,
    })
    with app.db.write() as session:
        row = _mine(session, held)
        if row is None:
            return
        if error.final:
            _give_up(app, session, row, error.why)
            return
        wait = min(_FIRST_WAIT * 2 ** min(held.tries - 1, 10), _LONGEST_WAIT)
        row.payload = {
            **row.payload, "why": error.why, "due": mailer.moment(app.now() + wait),
        }
        row.taken_at = None
        session.add(row)


def _mine(session: Session, held: Held) -> Outbox | None:
    """The row, locked, unless another process has taken it over meanwhile."""
    row = session.get(Outbox, held.id, with_for_update=True)
    return row if row is not None and row.payload.get("tries") == held.tries else None


def _give_up(app: App, session: Session, row: Outbox, why: str) -> None:
    ctx = Context(app=app, session=session, who=job_principal("mail"), org_id=row.org_id)
    audit.record(ctx, GIVEN_UP, row, result="failed", reason=why,
                 about=str(row.payload.get("about", "")), tries=int(row.payload.get("tries", 0)))
    session.delete(row)
    log.error("mail.given_up", extra={"id": str(row.id), "why": why})
