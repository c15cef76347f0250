"""The ledger of restated numbers: what the platform changed in days that had been read before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from liftos_app.models import Account, Restatement, SyncRun
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context
from liftos_app.services.sync.load import Cell, Target

MOST_CELLS: Final = 10_000  # listed per run, account and stream; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """One number that changed, with its account. Money is micro-units of its currency."""

    account: str
    currency: str
    stream: str
    level: int
    entity_id: str
    day: dt.date
    field: str
    before: int | None
    after: int | None
    at: datetime
    run_id: UUID
    undone: bool  # seen by a re-sync that was taken back: the number is as before


def store(session: Session, target: Target, stream: Stream, cells: Sequence[Cell]) -> None:
    """Write cells into the ledger, with the ids the platform uses."""
    if not cells:
        return
    names = {key: i for known in target.entities.values() for i, key in known.keys.items()}
    table: Any = Restatement.__table__  # type: ignore[attr-defined]
    session.execute(table.insert(), [
        {
            "org_id": target.org_id, "run_id": target.run_id, "account_key": target.account_key,
            "stream": stream.name, "level": stream.level,
            "entity_id": (c.entity if isinstance(c.entity, str) else names.get(c.entity, ""))[:120],
            "day": dt.date.fromisoformat(c.day), "field": c.field, "before": c.before,
            "after": c.after, "at": target.now,
        }
        for c in cells
    ])


def cells(
    ctx: Context, connection_id: UUID, *, run_id: UUID | None = None, stream: str = "",
    before: int | None = None, limit: int = 100,
) -> tuple[list[Restated], int | None]:
    """Restated numbers, newest first, and where the next page begins."""
    ctx.require("connections.read")
    query = (
        select(Restatement, Account, SyncRun.undone_at)
        .join(Account, col(Account.key) == col(Restatement.account_key))
        .outerjoin(
            SyncRun,
            (col(SyncRun.id) == col(Restatement.run_id)) & (col(SyncRun.org_id) == ctx.org),
        )
        .where(
            Restatement.org_id == ctx.org, Account.org_id == ctx.org,
            Account.connection_id == connection_id,
        )
    )
    if run_id is not None:
        query = query.where(Restatement.run_id == run_id)
    if stream:
        query = query.where(Restatement.stream == stream)
    if before is not None:
        query = query.where(col(Restatement.id) < before)
    limit = max(1, min(limit, 500))
    found = ctx.session.exec(query.order_by(col(Restatement.id).desc()).limit(limit + 1)).all()
    page = [
        Restated(
            account=a.name, currency=a.currency, stream=r.stream, level=r.level,
            entity_id=r.entity_id, day=r.day, field=r.field, before=r.before, after=r.after,
            at=r.at, run_id=r.run_id, undone=undone_at is not None,
        )
        for r, a, undone_at in found[:limit]
    ]
    return page, found[limit - 1][0].id if len(found) > limit else None


def by_day(
    ctx: Context, account_key: int, stream: str, *, since: datetime
) -> dict[dt.date, int]:
    """How many numbers of each day were restated since a moment: for data quality."""
    ctx.require("connections.read")
    return dict(ctx.session.exec(
        select(col(Restatement.day), func.count()).where(
            Restatement.org_id == ctx.org, Restatement.account_key == account_key,
            Restatement.stream == stream, Restatement.at >= since,
        ).group_by(col(Restatement.day))
    ).all())
