"""Append-only record of acts, written in the transaction of the act it records."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col

from liftos_app.models import AuditEntry
from liftos_app.services.context import Context


def drop_before(ctx: Context, limit: datetime) -> int:
    """Drop entries older than seven years, as `limit` says. Returns the rows removed."""
    ctx.require("jobs.run")
    found = ctx.session.connection().execute(
        delete(AuditEntry).where(col(AuditEntry.at) < limit)
    )
    return found.rowcount


def record(
    ctx: Context, action: str, target: object = None, *, result: str = "ok", reason: str = "",
    **data: object,
) -> None:
    """Add one entry. `target` is a table row; `data` is JSON without secrets."""
    ctx.session.add(
        AuditEntry(
            at=ctx.now(),
            org_id=ctx.org_id,
            actor_type=ctx.who.kind,
            actor_id=str(ctx.who.user_id or ctx.who.name)[:36],
            action=action,
            object_type=getattr(type(target), "__tablename__", "") if target is not None else "",
            object_id=str(getattr(target, "id", getattr(target, "key", "")))[:60]
            if target is not None else "",
            result=result,
            reason=reason[:500],
            ip=ctx.who.ip,
            request_id=ctx.who.request_id,
            data=dict(data),
        )
    )
