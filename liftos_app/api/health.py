"""Is it well? One public answer that tells nothing else, and three for members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from liftos_app.api.deps import ContextDep, app_of
from liftos_app.services import connections, health

router = APIRouter(prefix="/health", tags=["Health"])


class Health(BaseModel):
    """`ok`, or `down` with status 503."""

    status: str


class ServiceOut(BaseModel):
    """One part of the installation."""

    name: str
    status: str
    detail: str
    milliseconds: float


class ServicesOut(BaseModel):
    """All parts, and the worst of them."""

    status: str
    services: list[ServiceOut]


class DatabaseOut(BaseModel):
    """The database, its schema and its size in bytes."""

    status: str
    software: str
    revision: str
    newest_revision: str
    size_bytes: int | None
    milliseconds: float


class ConnectionHealth(BaseModel):
    """One connection; `cause` says in words why it is not healthy."""

    id: str
    platform: str
    name: str
    status: str
    provenance: str
    last_success_at: datetime | None
    cause: dict[str, Any] | None


class ConnectionsOut(BaseModel):
    """Counts by status; `health_percent` is null without a connection to judge."""

    status: str
    health_percent: float | None
    counts: dict[str, int]
    connections: list[ConnectionHealth]


@router.get("")
def is_well(request: Request, response: Response) -> Health:
    """Public. 200 when this process and its database answer, else 503."""
    if health.answers(app_of(request)):
        return Health(status="ok")
    response.status_code = 503
    return Health(status="down")


@router.get("/services")
def services(ctx: ContextDep) -> ServicesOut:
    """Database, scheduler, vault and sandbox, each with the time the look took."""
    found = health.services(ctx)
    return ServicesOut(
        status=health.worst([s.status for s in found]),
        services=[
            ServiceOut(name=s.name, status=s.status, detail=s.detail, milliseconds=s.milliseconds)
            for s in found
        ],
    )


@router.get("/database")
def database(ctx: ContextDep) -> DatabaseOut:
    """Kind, schema revision and size of the database."""
    found = health.database(ctx)
    return DatabaseOut(
        status=found.status, software=found.software, revision=found.revision,
        newest_revision=found.newest_revision, size_bytes=found.size_bytes,
        milliseconds=found.milliseconds,
    )


@router.get("/connections")
def connection_health(ctx: ContextDep) -> ConnectionsOut:
    """Every connection of the organization with its status and cause."""
    found = connections.overview(ctx)
    percent = None if found.health is None else round(found.health * 100, 1)
    return ConnectionsOut(
        status="ok" if percent is None or percent >= 95 else "degraded",
        health_percent=percent,
        counts=found.counts,
        connections=[
            ConnectionHealth(
                id=str(row.id), platform=row.platform, name=row.name, status=row.status.value,
                provenance=row.provenance, last_success_at=row.last_success_at, cause=row.cause,
            )
            for row in found.rows
        ],
    )
