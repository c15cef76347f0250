"""Taking a re-sync back: the rows it replaced return, unless they have changed again since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, delete, select, update
from sqlmodel import col
from sqlmodel import select as sqlmodel_select

from liftos_app.db import metadata
from liftos_app.errors import Conflict
from liftos_app.models import Coverage, ResyncChange, RunState, SourceRecord, SyncEvent, SyncRun
from liftos_app.services import audit
from liftos_app.services.context import App, Context
from liftos_app.services.sync import codec, runs

KEPT: Final = timedelta(days=7)
_ENDED: Final = (RunState.SUCCEEDED, RunState.PARTIAL)


@dataclass(frozen=True, slots=True)
class Undone:
    """Rows put back, and rows left as they are because something changed them since."""

    rows: int
    left: int


def can_undo(ctx: Context, run: SyncRun) -> bool:
    """Whether a run is a re-sync that can still be taken back."""
    return (
        bool(run.request.get("start") or run.request.get("end"))
        and run.state in _ENDED and run.undone_at is None
        and run.finished_at is not None and ctx.now() - run.finished_at < KEPT
    )


def undo(ctx: Context, run_id: UUID) -> Undone:
    """Put back what a re-sync replaced, in one transaction. Raises Missing and Conflict."""
    ctx.require("connections.write")
    run = runs.get(ctx, run_id)
    if not can_undo(ctx, run):
        raise Conflict(
            "This sync cannot be taken back.",
            why="Only a finished re-sync of the last seven days can, and only once.",
            fix="Read the days again instead.",
        )
    if runs.active(ctx, run.connection_id) is not None:
        raise Conflict(
            "A sync of this connection is under way.", why="Both would write the same rows.",
            fix="Wait until it ends or cancel it, then try again.",
        )
    rows = left = 0
    changes = ctx.session.exec(
        sqlmodel_select(ResyncChange).where(
            ResyncChange.org_id == ctx.org, ResyncChange.run_id == run_id
        ).order_by(col(ResyncChange.id).desc())
    ).all()
    for change in changes:
        for key, before, after in reversed(codec.unpack(change.body)):
            if _put_back(ctx, change, key, before, after):
                rows += 1
            else:
                left += 1
        _forget(ctx, change)
    run.undone_at = ctx.now()
    ctx.session.add(run)
    ctx.session.add(SyncEvent(
        org_id=ctx.org, connection_id=run.connection_id, run_id=run.id, at=ctx.now(), kind="sync",
        level="warning",
        text=f"Re-sync taken back by {ctx.who.name or 'a program'}: {rows:,} rows as before, "
             f"{left:,} left because they changed since.",
    ))
    audit.record(ctx, "sync.undone", run, rows=rows, left=left)
    return Undone(rows, left)


def purge(app: App) -> None:
    """Forget replaced rows after their seven days. For an hourly job."""
    with app.db.write() as session:
        session.execute(delete(ResyncChange).where(col(ResyncChange.at) < app.now() - KEPT))


def _put_back(
    ctx: Context, change: ResyncChange, key: Mapping[str, Any], before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> bool:
    """One row as it was, provided that it still is as the re-sync left it."""
    table = metadata.tables[change.table_name]
    mine = {**key, **({"day": _day(key["day"])} if "day" in key else {})}
    where = [
        table.c.org_id == ctx.org, table.c.account_key == change.account_key,
        *(table.c[n] == v for n, v in mine.items()),
    ]
    connection = ctx.session.connection()
    now = connection.execute(select(table).where(*where).with_for_update()).mappings().first()
    if (now is None) != (after is None) or (
        now is not None and after is not None and any(now[n] != _typed(table, n, v)
                                                      for n, v in after.items())
    ):
        return False
    if before is None:
        connection.execute(table.delete().where(*where))
    elif after is None:
        connection.execute(table.insert().values(
            org_id=ctx.org, account_key=change.account_key, **mine,
            **{n: _typed(table, n, v) for n, v in before.items()},
        ))
    else:
        connection.execute(
            table.update().where(*where).values({n: _typed(table, n, v)
                                                 for n, v in before.items()})
        )
    return True


def _typed(table: Table, name: str, value: Any) -> Any:
    """A stored value in the form its column has in Python."""
    kind = table.c[name].type.python_type if name in table.c else str
    return _day(value) if kind is dt.date and isinstance(value, str) else value


def _day(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))


def _forget(ctx: Context, change: ResyncChange) -> None:
    """Digests and source records of the stream speak of rows that are gone again."""
    days = {str(k["day"]) for k, _, _ in codec.unpack(change.body) if "day" in k}
    ids = {str(k["external_id"]) for k, _, _ in codec.unpack(change.body) if "external_id" in k}
    if days:
        ctx.session.connection().execute(update(Coverage).where(
            col(Coverage.org_id) == ctx.org, col(Coverage.account_key) == change.account_key,
            col(Coverage.stream) == change.stream, col(Coverage.day).in_([_day(d) for d in days]),
        ).values(digest=""))
    for slots in (sorted(days | ids)[i:i + 500] for i in range(0, len(days | ids), 500)):
        ctx.session.connection().execute(delete(SourceRecord).where(
            col(SourceRecord.org_id) == ctx.org,
            col(SourceRecord.account_key) == change.account_key,
            col(SourceRecord.stream) == change.stream, col(SourceRecord.slot).in_(slots),
        ))
