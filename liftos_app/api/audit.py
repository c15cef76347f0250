"""The audit log over REST, and its download from the browser."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from liftos_app.api import cursors
from liftos_app.api.deps import Caller, CallerDep, ContextDep
from liftos_app.api.forms import Form, act
from liftos_app.api.shapes import Day, Listed, Strict
from liftos_app.errors import Invalid
from liftos_app.services.audit import reading

router = APIRouter(prefix="/audit", tags=["Audit"])
browser = APIRouter(prefix="/auth", include_in_schema=False)
Text = Annotated[str, Query(max_length=254)]


class AuditOut(Strict):
    """One act. `hash` chains it to the one before."""

    seq: int
    at: str
    actor_type: str
    actor: str
    actor_id: str
    action: str
    object_type: str
    object_id: str
    result: str
    reason: str
    ip: str
    request_id: str
    data: dict[str, Any]
    hash: str


@router.get("")
def list_audit(
    ctx: ContextDep, *, actor: Text = "", action: Text = "", target: Text = "",
    start: Day | None = None, end: Day | None = None,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Listed[AuditOut]:
    """Entries of the organization, newest first. Days are UTC and inclusive."""
    before = cursors.read_number(cursor) if cursor else None
    asked = asked_of(actor, action, target, start, end)
    rows = reading.browse(ctx, asked, before=before, limit=limit + 1)
    more = len(rows) > limit
    return Listed(
        data=[AuditOut(**reading.plain(r)) for r in rows[:limit]],
        next_cursor=cursors.write(str(rows[limit - 1].entry.seq)) if more else None,
    )


@router.get("/export", response_class=Response, responses={
    200: {"content": {"text/csv": {}, "application/json": {}}},
})
def export_audit(
    caller: CallerDep, *, actor: Text = "", action: Text = "", target: Text = "",
    start: Day | None = None, end: Day | None = None,
    form: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
) -> Response:
    """The newest 50,000 entries as a file. Formulas in CSV cells are neutralised."""
    return _file(caller, asked_of(actor, action, target, start, end), form)


@browser.post("/audit")
def download(request: Request, given: Form) -> Response:
    """The same file for the page, by session."""

    def work(caller: Caller) -> Response:
        asked = asked_of(given.get("actor", ""), given.get("action", ""), given.get("target", ""),
                         _day(given, "start"), _day(given, "end"))
        return _file(caller, asked, "json" if given.get("form") == "json" else "csv")

    return act(request, given, work, title="Export the audit log", back="/settings/audit")


def asked_of(
    actor: str, action: str, target: str, start: date | None, end: date | None
) -> reading.Asked:
    """Filters from texts and days (UTC, inclusive)."""
    return reading.Asked(
        actor=actor.strip()[:254], action=action.strip()[:60], target=target.strip()[:101],
        start=reading.day_begins(start), end=reading.day_ends(end),
    )


def _file(caller: Caller, asked: reading.Asked, form: str) -> Response:
    with caller.write() as ctx:
        text = reading.export(ctx, asked, as_csv=form == "csv")
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return Response(text, media_type=kind, headers={
        "Content-Disposition": f'attachment; filename="audit-log.{form}"',
        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
    })


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Invalid("This is not a day.", fix="Write it as 2026-11-23.", field=name) from error
