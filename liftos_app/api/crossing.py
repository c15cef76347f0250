"""Super administrators look into organizations, each time with a reason. POST, because every look
is written into an audit log.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from liftos_app.api.deps import ContextDep
from liftos_app.api.people_models import MemberOut
from liftos_app.api.shapes import Listed, Strict
from liftos_app.services import crossing

router = APIRouter(prefix="/admin/organizations", tags=["Installation"])


class LookAsked(Strict):
    """Why; the organization reads it in its audit log."""

    reason: str = Field(min_length=crossing.SHORTEST_REASON, max_length=300)


class OrganizationFound(Strict):
    """An organization of the installation."""

    id: UUID
    name: str


class ConnectionSeen(Strict):
    """A connection, without its settings or data."""

    id: UUID
    platform: str
    name: str
    status: str


class InsideOut(Strict):
    """Who is in an organization and what is connected."""

    id: UUID
    name: str
    members: list[MemberOut]
    connections: list[ConnectionSeen]


@router.post("/look")
def list_organizations(ctx: ContextDep, body: LookAsked) -> Listed[OrganizationFound]:
    """Every organization, by name. Needs a sign-in of the last five minutes."""
    rows = crossing.list_organizations(ctx, body.reason)
    return Listed(data=[OrganizationFound(id=r.public_id, name=r.name) for r in rows])


@router.post("/{organization_id}/look")
def look(ctx: ContextDep, organization_id: UUID, body: LookAsked) -> InsideOut:
    """One organization from inside. Needs a sign-in of the last five minutes."""
    found = crossing.look(ctx, organization_id, body.reason)
    return InsideOut(
        id=found.organization.public_id, name=found.organization.name,
        members=[MemberOut.of(m) for m in found.members],
        connections=[
            ConnectionSeen(id=c.id, platform=c.platform, name=c.name, status=str(c.status))
            for c in found.connections
        ],
    )
