"""Incidents as they are kept: opened once per rule, key and 15 minutes, with a row for delivery."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from liftos_app.errors import Missing
from liftos_app.models import Incident, Outbox, Role
from liftos_app.services import audit
from liftos_app.services.context import App, Context, job_principal, open_context
from liftos_app.services.incidents import rules, signals
from liftos_app.services.incidents.rules import Signal
from liftos_app.tenancy import lifted

log = logging.getLogger(__name__)
QUIET: Final = timedelta(minutes=15)


def sweep(app: App) -> int:
    """Ask every rule and keep what is new. Returns how many incidents were opened."""
    with app.db.read() as session:
        found = [s for rule in rules.RULES for s in rule(session, app.now())]
    for look in signals.LOOKS:
        found.extend(look(app))
    return sum(_keep(app, one) for one in found)


def list_open(ctx: Context) -> list[Incident]:
    """Incidents nobody has acknowledged, newest first: of the organization, and for super
    administrators those of the installation.
    """
    ctx.require("audit.read")
    with lifted(ctx.session, when=_sees_all(ctx)):
        return list(ctx.session.exec(
            select(Incident).where(_visible(ctx), col(Incident.acknowledged_at).is_(None))
            .order_by(col(Incident.opened_at).desc()).limit(100)
        ).all())


def acknowledge(ctx: Context, incident_id: UUID) -> Incident:
    """Somebody looks after it. Raises Missing."""
    ctx.require("audit.read")
    with lifted(ctx.session, when=_sees_all(ctx)):
        row = ctx.session.exec(
            select(Incident).where(_visible(ctx), Incident.id == incident_id)
        ).first()
        if row is None:
            raise Missing(
                "There is no such incident.", why="It was deleted, or the address is wrong."
            )
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = ctx.now(), ctx.who.user_id
            audit.record(ctx, "incident.acknowledged", row, rule=row.rule)
    return row


def _sees_all(ctx: Context) -> bool:
    return ctx.who.role is Role.SUPER_ADMIN


def _visible(ctx: Context) -> ColumnElement[bool]:
    mine = col(Incident.org_id) == ctx.org
    if _sees_all(ctx):
        return or_(mine, col(Incident.org_id).is_(None))
    return mine


def _keep(app: App, signal: Signal) -> bool:
    """Open an incident, or count on the one of the last fifteen minutes. True when it is new."""
    with app.db.read() as session:
        newest = session.exec(
            select(Incident).where(Incident.rule == signal.rule, Incident.key == signal.key[:120])
            .order_by(col(Incident.opened_at).desc()).limit(1)
        ).first()
    if newest is not None and newest.evidence == signal.evidence[:60]:
        return False
    who = job_principal("incidents")
    with open_context(app, who, signal.org_id, write=True) as ctx:
        if newest is not None and newest.opened_at > ctx.now() - QUIET:
            with lifted(ctx.session):  # it may have begun in another organization
                row = ctx.session.get_one(Incident, newest.id)
                row.count, row.last_at = row.count + 1, ctx.now()
                row.evidence, row.words = signal.evidence[:60], signal.words
            return False
        _open(ctx, signal)
    return True


def _open(ctx: Context, signal: Signal) -> None:
    row = Incident(
        rule=signal.rule, key=signal.key[:120], level=signal.level, org_id=signal.org_id,
        opened_at=ctx.now(), last_at=ctx.now(), evidence=signal.evidence[:60], words=signal.words,
    )
    ctx.session.add(row)
    ctx.session.add(Outbox(
        kind=f"security.incident.{signal.rule}", org_id=signal.org_id, created_at=ctx.now(),
        payload={"incident": str(row.id), "rule": row.rule, "level": row.level,
                 "words": row.words, "at": ctx.now().isoformat()},
    ))
    audit.record(ctx, "incident.opened", row, rule=row.rule, level=row.level)
    log.warning("incident.opened", extra={"rule": row.rule, "level": row.level, "id": str(row.id)})
