"""Retention, copies and erasure of data over REST. All of it asks for a recent sign-in."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from liftos_app.api.deps import CallerDep, ContextDep
from liftos_app.api.shapes import Exact, Listed, Strict
from liftos_app.db import metadata
from liftos_app.services import retention, rights
from liftos_app.services.context import App, Context, Principal
from liftos_app.services.retention import choices
from liftos_app.services.rights import datamap

router = APIRouter(tags=["Privacy"])
_Days = Annotated[int, Field(ge=choices.SHORTEST_DAYS, le=choices.LONGEST_DAYS)]
_ExactDays = Annotated[_Days, Exact]


class RetentionOut(Strict):
    """How long marketing data is kept, whether a legal hold stands, and when all is erased."""

    marketing_days: int
    legal_hold: bool
    hold_reason: str
    erase_at: dt.datetime | None

    @classmethod
    def of(cls, choice: choices.Choice) -> RetentionOut:
        """From the service's answer."""
        return cls(
            marketing_days=choice.marketing_days, legal_hold=choice.held,
            hold_reason=choice.hold_reason, erase_at=choice.erase_at,
        )


class RetentionChange(Strict):
    """Days to keep marketing data."""

    marketing_days: _ExactDays


class HoldChange(Strict):
    """Why nothing may be deleted."""

    reason: str = Field(min_length=3, max_length=300)


class PreviewOut(Strict):
    """What the next daily walk would delete, by table."""

    first_day_kept: dt.date
    legal_hold: bool
    rows: dict[str, int]
    total: int


class ErasureAsked(Strict):
    """The organization's name, typed once more."""

    name: str = Field(min_length=1, max_length=120)


class ErasureOut(Strict):
    """When the organization is deleted; until then it can be taken back."""

    erase_at: dt.datetime


class ExportAsked(Strict):
    """A token that downloads one copy, once. The person who asked sends it back to `/file`."""

    token: str
    expires_at: dt.datetime


class ExportToken(Strict):
    """The token of an export."""

    token: str = Field(min_length=1, max_length=200)


class TableOut(Strict):
    """One table of the data map."""

    table: str
    purpose: str
    ground: str
    kept: str
    columns: dict[str, str]


@router.get("/retention")
def read_retention(ctx: ContextDep) -> RetentionOut:
    """What holds now."""
    return RetentionOut.of(choices.get(ctx))


@router.put("/retention")
def change_retention(ctx: ContextDep, body: RetentionChange) -> RetentionOut:
    """Keep marketing data for so many days. Needs a sign-in of the last five minutes."""
    return RetentionOut.of(retention.change(ctx, body.marketing_days))


@router.get("/retention/preview")
def preview_retention(
    ctx: ContextDep, *,
    marketing_days: Annotated[
        int | None, Query(ge=choices.SHORTEST_DAYS, le=choices.LONGEST_DAYS)
    ] = None,
) -> PreviewOut:
    """What would be deleted, with the stored number of days or another one. Deletes nothing."""
    found = retention.preview(ctx, marketing_days)
    return PreviewOut(
        first_day_kept=found.first_day_kept, legal_hold=found.held, rows=found.counts,
        total=found.total,
    )


@router.put("/retention/hold")
def begin_hold(ctx: ContextDep, body: HoldChange) -> RetentionOut:
    """Legal hold: nothing is deleted until it ends. Needs a sign-in of the last five minutes."""
    return RetentionOut.of(retention.hold(ctx, body.reason))


@router.delete("/retention/hold")
def end_hold(ctx: ContextDep) -> RetentionOut:
    """End the legal hold. Needs a sign-in of the last five minutes."""
    return RetentionOut.of(retention.release(ctx))


@router.get("/data-map")
def data_map(ctx: ContextDep) -> Listed[TableOut]:
    """What each table is for, on which ground, how long, and the class of each column."""
    ctx.require("organization.read")
    return Listed(data=[_table(t) for t in sorted(metadata.tables.values(), key=lambda t: t.name)])


@router.post("/me/export", status_code=201)
def ask_mine(ctx: ContextDep) -> ExportAsked:
    """A token for a copy of all about you. Needs a sign-in of the last five minutes."""
    return _asked(ctx, rights.ask_mine(ctx))


@router.post("/me/export/file")
def export_me(ctx: ContextDep, body: ExportToken) -> dict[str, Any]:
    """All LiftOS stores about you. The token works once, within 24 hours."""
    return rights.export_me(ctx, body.token)


@router.delete("/me", status_code=204)
def erase_me(ctx: ContextDep) -> Response:
    """Erase your account for good. Needs a sign-in of the last five minutes."""
    rights.erase_me(ctx)
    return Response(status_code=204)


@router.post("/organization/export", status_code=201)
def ask_ours(ctx: ContextDep) -> ExportAsked:
    """A token for a copy of the organization. Needs a sign-in of the last five minutes."""
    return _asked(ctx, rights.ask_ours(ctx))


@router.post("/organization/export/file", response_class=StreamingResponse, responses={
    200: {"content": {"application/zip": {}}},
})
def export_organization(caller: CallerDep, body: ExportToken) -> StreamingResponse:
    """A ZIP of CSV files, streamed. The token works once, within 24 hours."""
    with caller.write() as ctx:
        name = rights.begin_export(ctx, body.token)
    return zipped(caller.app, caller.who, caller.org_id, name)


@router.post("/organization/erasure", status_code=202)
def ask_erasure(ctx: ContextDep, body: ErasureAsked) -> ErasureOut:
    """Delete the organization in seven days. Needs a sign-in of the last five minutes."""
    return ErasureOut(erase_at=choices.ask_erasure(ctx, body.name))


@router.delete("/organization/erasure", status_code=204)
def cancel_erasure(ctx: ContextDep) -> Response:
    """Take the deletion of the organization back."""
    choices.cancel_erasure(ctx)
    return Response(status_code=204)


def zipped(app: App, who: Principal, org_id: int, name: str) -> StreamingResponse:
    """The organization's ZIP as a download that no cache keeps."""
    return StreamingResponse(
        rights.organization_zip(app, who, org_id), media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"',
                 "Cache-Control": "no-store"},
    )


def _asked(ctx: Context, token: str) -> ExportAsked:
    return ExportAsked(token=token, expires_at=ctx.now() + rights.LINK_LIFE)


def _table(table: Any) -> TableOut:
    entry = datamap.of_table(table.name)
    return TableOut(
        table=table.name, purpose=entry.purpose, ground=entry.basis, kept=entry.keep,
        columns={c.name: entry.class_of(c.name) for c in table.columns},
    )
