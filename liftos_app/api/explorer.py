"""Stored rows and their source records, for programs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from liftos_app.api.deps import ContextDep
from liftos_app.api.shapes import Day, Strict
from liftos_app.services import explorer

router = APIRouter(prefix="/platform-connections/connections/{connection_id}", tags=["Data"])


class ColumnOut(Strict):
    """A column of the rows."""

    name: str
    title: str
    kind: str


class RowOut(Strict):
    """A stored row; money is a decimal text in whole units of `currency`."""

    values: dict[str, str | int | bool | None]
    currency: str
    slot: str
    record: str


class RowsOut(Strict):
    """A page of stored rows with where they are from."""

    connection_id: UUID
    account_id: UUID
    stream: str
    provenance: str  # live, demo; fallback: the last good rows of a connection that fails
    stale_since: dt.datetime | None  # when it began to fail
    cause: str | None
    time_zone: str
    columns: list[ColumnOut]
    data: list[RowOut]
    total: int
    page: int
    pages: int


class SourceOut(Strict):
    """What the platform sent for a row, untouched."""

    read_at: dt.datetime | None
    records: list[Any]
    kept: int
    cut: bool


@router.get("/rows")
def stored_rows(
    ctx: ContextDep, connection_id: UUID, *,
    stream: Annotated[str, Query(max_length=60)] = "", account: UUID | None = None,
    start: Day | None = None, end: Day | None = None,
    search: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> RowsOut:
    """Stored rows of one stream of one account, newest day first."""
    found = explorer.browse(ctx, explorer.Asked(
        connection_id=connection_id, stream=stream, account_id=account, start=start, end=end,
        search=search, page=page, size=limit,
    ))
    return RowsOut(
        connection_id=found.connection.id, account_id=found.account.id, stream=found.stream.name,
        provenance=found.provenance,
        stale_since=found.fallback.since if found.fallback else None,
        cause=found.fallback.what if found.fallback else None,
        time_zone=found.account.time_zone,
        columns=[ColumnOut(name=c.name, title=c.title, kind=c.kind) for c in found.columns],
        data=[
            RowOut(
                values={c.name: _plain(v) for c, v in zip(found.columns, r.values, strict=True)},
                currency=r.currency, slot=r.slot, record=r.ident,
            )
            for r in found.rows
        ],
        total=found.total, page=found.page, pages=found.pages,
    )


@router.get("/source")
def source_records(
    ctx: ContextDep, connection_id: UUID, *, account: UUID,
    stream: Annotated[str, Query(max_length=60)], slot: Annotated[str, Query(max_length=120)],
    record: Annotated[str, Query(max_length=120)] = "",
) -> SourceOut:
    """The source records behind a row: `slot` and `record` as the row names them."""
    found = explorer.source_of(
        ctx, connection_id, stream=stream, account_id=account, slot=slot, ident=record
    )
    return SourceOut(
        read_at=found.read_at, records=list(found.records), kept=found.kept, cut=found.cut
    )


def _plain(value: Any) -> str | int | bool | None:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value.isoformat())
