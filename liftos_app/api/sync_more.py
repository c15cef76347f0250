"""Syncs over REST beside the sync of one connection: several at once, re-syncs, clearing, defaults.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from liftos_app.api import cursors
from liftos_app.api.connection_models import Streams
from liftos_app.api.connections import wake_engine
from liftos_app.api.deps import CallerDep, ContextDep
from liftos_app.api.shapes import Day, Listed, Some, Strict, Whole
from liftos_app.errors import Missing
from liftos_app.services import connections, expiry, preferences, sync
from liftos_app.services.context import Context
from liftos_app.services.sync import preview as previews
from liftos_app.services.sync import restate, schema, undo

router = APIRouter(prefix="/platform-connections", tags=["Syncs"])
Name = Annotated[str, Field(max_length=80)]


class PreferencesBody(Strict):
    """How the organization's connections are synced. Empty and null: LiftOS's own default."""

    schedule: Annotated[str, Field(max_length=80)] = ""
    history_days: Whole | None = None
    sync_window: Annotated[str, Field(max_length=20)] = ""
    drift_policy: Literal["evolve", "ignore", "stop"] = "evolve"
    fallback: Literal["", "off", "last_good", "demo"] = ""


class BulkAsk(Strict):
    """Which connections to sync; null: all that run and are not paused."""

    connections: Annotated[list[UUID], Field(max_length=500)] | None = None


class BulkOut(Strict):
    """What came of one connection: its sync, or why there is none."""

    connection_id: UUID
    sync_id: UUID | None
    error: str | None
    fix: str | None


class ResyncAsk(Strict):
    """A re-sync: days (both inclusive) of streams and accounts; null means all chosen ones."""

    start: Day
    end: Day
    streams: Streams | None = None
    accounts: Annotated[list[UUID], Field(min_length=1), Some] | None = None


class ResyncPreview(Strict):
    """What a re-sync would take. An estimate, from earlier syncs where there are some. `left_out`
    names, in sentences, days asked for that are not read, because a stream has no history there.
    """

    accounts: list[str]
    streams: list[str]
    start: dt.date
    end: dt.date
    windows: int
    calls: int
    seconds: list[int]
    quota_minutes: float
    quota_used: float
    rows_stored: int
    restated_before: int
    left_out: list[str]


class ChangedCell(Strict):
    """One number that changed. Money is in millionths of the account's currency."""

    account: str
    currency: str
    stream: str
    entity_id: str
    day: dt.date
    field: str
    before: int | None
    after: int | None
    at: datetime
    sync_id: UUID
    undone: bool  # that sync was taken back since: the number is as before


class UndoneOut(Strict):
    """Rows put back, and rows left because they changed since."""

    rows: int
    left: int


class ClearAsk(Strict):
    """Streams whose rows are to be deleted; `confirm` is the connection's name."""

    streams: Annotated[list[Name], Field(min_length=1)]
    confirm: Annotated[str, Field(max_length=200)]


class ColumnOut(Strict):
    """A column of a stream's source. `new`, `gone`: announced, not accepted yet."""

    stream: str
    account: str
    column: str
    first_seen_at: datetime | None
    new: bool
    gone: bool


class StreamAsk(Strict):
    """One stream."""

    stream: Name


class ForecastOut(Strict):
    """When a sign-in ends and how it is renewed; null: no end that a person must act on."""

    ends_at: datetime | None
    renewal: str
    renewed_at: datetime | None
    renews_at: datetime | None
    warnings: list[dict[str, object]]


@router.get("/preferences")
def get_preferences(ctx: ContextDep) -> PreferencesBody:
    """How connections are synced unless a connection says otherwise."""
    return _preferences(preferences.get(ctx))


@router.put("/preferences")
def put_preferences(ctx: ContextDep, body: PreferencesBody) -> PreferencesBody:
    """Replace the preferences; what is left out becomes the default."""
    return _preferences(preferences.save(ctx, preferences.Preferences(**body.model_dump())))


@router.post("/sync", status_code=202)
def sync_many(caller: CallerDep, body: BulkAsk | None = None) -> Listed[BulkOut]:
    """Ask for a sync of several connections. One that cannot be synced says why."""
    with caller.write() as ctx:
        asked = connections.request_many(ctx, body.connections if body else None)
        found = [
            BulkOut(
                connection_id=a.connection_id, sync_id=a.run.id if a.run else None,
                error=a.error.what if a.error else None, fix=a.error.fix if a.error else None,
            )
            for a in asked
        ]
    wake_engine(caller.app)
    return Listed(data=found)


@router.post("/connections/{connection_id}/resync/preview")
def preview_resync(ctx: ContextDep, connection_id: UUID, body: ResyncAsk) -> ResyncPreview:
    """Calls, time, share of the quota and rows of a re-sync, before it is asked for."""
    found = previews.preview(
        ctx, connection_id, streams=body.streams, accounts=body.accounts, start=body.start,
        end=body.end,
    )
    return ResyncPreview(
        accounts=list(found.accounts), streams=list(found.streams), start=found.first_day,
        end=found.last_day, windows=found.windows, calls=found.calls, seconds=list(found.seconds),
        quota_minutes=found.quota_minutes, quota_used=round(found.quota_used, 3),
        rows_stored=found.rows_stored, restated_before=found.restated_before,
        left_out=list(found.left_out),
    )


@router.get("/connections/{connection_id}/sync/{sync_id}/changes")
def changed_cells(
    ctx: ContextDep, connection_id: UUID, sync_id: UUID, *,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Listed[ChangedCell]:
    """Numbers of days read before that this sync changed, with old and new values."""
    _run(ctx, connection_id, sync_id)
    cells, more = restate.cells(
        ctx, connection_id, run_id=sync_id, limit=limit,
        before=cursors.read_number(cursor) if cursor else None,
    )
    return _cells(cells, more)


@router.get("/connections/{connection_id}/restatements")
def restatements(
    ctx: ContextDep, connection_id: UUID, *, stream: Annotated[str, Query(max_length=80)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Listed[ChangedCell]:
    """Every number of a past day that the platform changed, newest first."""
    connections.get(ctx, connection_id)
    cells, more = restate.cells(
        ctx, connection_id, stream=stream, limit=limit,
        before=cursors.read_number(cursor) if cursor else None,
    )
    return _cells(cells, more)


@router.post("/connections/{connection_id}/sync/{sync_id}/undo")
def undo_resync(ctx: ContextDep, connection_id: UUID, sync_id: UUID) -> UndoneOut:
    """Take a re-sync back within seven days; rows that changed since are left."""
    _run(ctx, connection_id, sync_id)
    done = undo.undo(ctx, sync_id)
    return UndoneOut(rows=done.rows, left=done.left)


@router.post("/connections/{connection_id}/clear")
def clear_streams(ctx: ContextDep, connection_id: UUID, body: ClearAsk) -> dict[str, int]:
    """Delete the stored rows of streams; the next sync loads them anew. Rows by table."""
    return connections.clear(ctx, connection_id, body.streams, confirm=body.confirm)


@router.get("/connections/{connection_id}/schema")
def get_schema(ctx: ContextDep, connection_id: UUID) -> Listed[ColumnOut]:
    """The columns each stream's source has sent, with the moment each was first seen."""
    return Listed(data=[
        ColumnOut(
            stream=c.stream, account=c.account, column=c.column, first_seen_at=c.first_seen_at,
            new=c.is_new, gone=c.is_gone,
        )
        for c in schema.columns(ctx, connection_id)
    ])


@router.post("/connections/{connection_id}/schema/accept")
def accept_columns(ctx: ContextDep, connection_id: UUID, body: StreamAsk) -> Listed[str]:
    """Take the changed columns of a stream as known; one that stopped for them is read again."""
    connections.get(ctx, connection_id)
    return Listed(data=connections.accept_columns(ctx, connection_id, body.stream))


@router.get("/connections/{connection_id}/sign-in")
def sign_in_forecast(ctx: ContextDep, connection_id: UUID) -> ForecastOut:
    """When the sign-in ends, how it is renewed, and which warnings go out when."""
    found = expiry.forecast(ctx, connection_id)
    return ForecastOut(
        ends_at=found.ends_at, renewal=found.renewal, renewed_at=found.renewed_at,
        renews_at=found.renews_at,
        warnings=[{"days": n.days, "at": n.at.isoformat(), "told": n.told} for n in found.warnings],
    )


def _preferences(found: preferences.Preferences) -> PreferencesBody:
    return PreferencesBody.model_validate(asdict(found))


def _cells(cells: list[restate.Restated], more: int | None) -> Listed[ChangedCell]:
    return Listed(
        data=[
            ChangedCell(
                account=c.account, currency=c.currency, stream=c.stream, entity_id=c.entity_id,
                day=c.day, field=c.field, before=c.before, after=c.after, at=c.at,
                sync_id=c.run_id, undone=c.undone,
            )
            for c in cells
        ],
        next_cursor=cursors.write(str(more)) if more else None,
    )


def _run(ctx: Context, connection_id: UUID, sync_id: UUID) -> None:
    connections.get(ctx, connection_id)
    if sync.get(ctx, sync_id).connection_id != connection_id:
        raise Missing("There is no such sync.", why="It may have been deleted.", fix="Reload.")
