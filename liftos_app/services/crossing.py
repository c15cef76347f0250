"""Super administrators look into organizations they are no members of: by asking for it with a
reason, which the audit log of that organization keeps (L7). Nothing else opens another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlmodel import col, func, select

from liftos_app.errors import Invalid, Missing
from liftos_app.models import Connection, Organization
from liftos_app.services import audit, people
from liftos_app.services.context import Context
from liftos_app.tenancy import lifted

SHORTEST_REASON: Final = 10


@dataclass(frozen=True, slots=True)
class Inside:
    """An organization as support needs to see it: who is in, what is connected; no figures."""

    organization: Organization
    members: Sequence[people.Member]
    connections: Sequence[Connection]


def list_organizations(ctx: Context, reason: str) -> list[Organization]:
    """Every organization of the installation, by name. Raises Denied, ProofNeeded, Invalid."""
    words = _checked(ctx, reason)
    with lifted(ctx.session):
        rows = ctx.session.exec(
            select(Organization).order_by(func.lower(Organization.name), col(Organization.id))
        ).all()
    audit.record(ctx, "admin.organizations_listed", reason=words, count=len(rows))
    return list(rows)


def look(ctx: Context, public_id: UUID, reason: str) -> Inside:
    """One organization from inside. Raises Denied, ProofNeeded, Invalid, Missing."""
    words = _checked(ctx, reason)
    with lifted(ctx.session):
        row = ctx.session.exec(
            select(Organization).where(Organization.public_id == public_id)
        ).first()
    if row is None:
        raise Missing("This organization does not exist.", fix="Choose one from the list.")
    inside = Context(app=ctx.app, session=ctx.session, who=ctx.who, org_id=row.id)
    audit.record(inside, "admin.organization_entered", row, reason=words)
    with lifted(ctx.session):
        connections = ctx.session.exec(
            select(Connection).where(
                Connection.org_id == row.id, col(Connection.deleted_at).is_(None)
            ).order_by(col(Connection.created_at))
        ).all()
        return Inside(row, people.list_members(inside), connections)


def _checked(ctx: Context, reason: str) -> str:
    ctx.require("installation.admin")
    ctx.require_proof()
    words = " ".join(reason.split())
    if not SHORTEST_REASON <= len(words) <= 300:
        raise Invalid(
            f"Say why, in {SHORTEST_REASON} to 300 characters.",
            why="The organization reads it in its audit log.", field="reason",
        )
    return words
