"""Streams a person defines, over REST: what they can be made of, and a preview of real rows.

Definitions themselves are `options.streams` of a connection (POST and PUT of connections).
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from liftos_app.api.deps import CallerDep
from liftos_app.api.shapes import Listed, Strict
from liftos_app.services import connections

router = APIRouter(prefix="/platform-connections", tags=["Platform connections"])


class ObjectOut(Strict):
    """Something a stream can be defined on; a folder's id is asked for again."""

    id: str
    name: str
    kind: str
    about: str


class PreviewAsk(Strict):
    """A definition, complete or not: without fields the mapping is proposed."""

    stream: dict[str, Any]


class ColumnOut(Strict):
    """A source column. `personal` says what personal data it seems to hold."""

    name: str
    type: str
    detail: str
    personal: str
    field: str


class PreviewRowOut(Strict):
    """A source record beside the row it becomes, or the reason why it would be rejected."""

    source: dict[str, str]
    row: dict[str, str]
    reason: str


class PreviewOut(Strict):
    """The definition with its mapping completed. `problem` is empty when it can be kept."""

    stream: dict[str, Any]
    columns: list[ColumnOut]
    rows: list[PreviewRowOut]
    problem: str
    notes: list[str]


@router.get("/connections/{connection_id}/objects")
def list_objects(
    caller: CallerDep, connection_id: UUID, folder: Annotated[str, Query(max_length=500)] = "",
) -> Listed[ObjectOut]:
    """Tables, views and folders a stream can be defined on, asked for at the platform."""
    found = connections.objects(caller.app, caller.who, caller.org_id, connection_id, folder)
    return Listed(
        data=[ObjectOut(id=o.id, name=o.name, kind=o.kind, about=o.about) for o in found]
    )


@router.post("/connections/{connection_id}/preview")
def preview_stream(caller: CallerDep, connection_id: UUID, body: PreviewAsk) -> PreviewOut:
    """Up to 20 real rows beside what becomes of them. Nothing is stored."""
    found = connections.preview(
        caller.app, caller.who, caller.org_id, connection_id, body.stream
    )
    return PreviewOut(
        stream=found.definition.json(), problem=found.problem, notes=list(found.notes),
        columns=[
            ColumnOut(name=c.name, type=c.type, detail=c.detail, personal=c.personal,
                      field=c.field)
            for c in found.columns
        ],
        rows=[
            PreviewRowOut(source=dict(r.source), row=dict(r.row), reason=r.reason)
            for r in found.rows
        ],
    )
