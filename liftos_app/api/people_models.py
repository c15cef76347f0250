"""What the people part of the API takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from liftos_app.api.shapes import Exact, Flag, Strict
from liftos_app.models import ApiKey, Invitation, Role, WebSession
from liftos_app.services import access, api_keys, names, people
from liftos_app.services.context import Context


class OrganizationOut(Strict):
    """One of the caller's organizations; `here` marks the one this request acts for."""

    id: UUID
    name: str
    role: Role
    here: bool

    @classmethod
    def of(cls, home: people.Home) -> OrganizationOut:
        """From the service's answer."""
        return cls(id=home.public_id, name=home.name, role=home.role, here=home.here)


class OrganizationCreate(Strict):
    """A new organization."""

    name: str = Field(min_length=1, max_length=120, json_schema_extra={"pattern": names.PATTERN})


class MeOut(Strict):
    """Who a token or key stands for."""

    id: UUID
    email: str
    name: str
    role: Role
    organization_id: UUID
    permissions: list[str]


class PermissionOut(Strict):
    """One line of the permission matrix."""

    permission: str
    allows: str
    roles: list[Role]


class MemberOut(Strict):
    """A person of the organization."""

    id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime
    last_sign_in_at: datetime | None
    second_factor: bool
    disabled: bool

    @classmethod
    def of(cls, member: people.Member) -> MemberOut:
        """From the service's answer."""
        return cls(
            id=member.user_id, email=member.email, name=member.name, role=member.role,
            joined_at=member.joined_at, last_sign_in_at=member.last_sign_in_at,
            second_factor=member.second_factor, disabled=member.disabled,
        )


class MemberChange(Strict):
    """What to change of a member; what is left out stays. Only super admins may set the last two,
    which are of the whole installation.
    """

    role: Role | None = None
    super_admin: Flag | None = None
    disabled: Flag | None = None


class InvitationCreate(Strict):
    """Whom to invite, and as what."""

    email: str = Field(min_length=3, max_length=254, json_schema_extra={"format": "email"})
    role: Role = Role.VIEWER


class InvitationOut(Strict):
    """An open invitation, without its link."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: Invitation) -> InvitationOut:
        """From its row."""
        return cls(
            id=row.id, email=row.email, role=Role(row.role), created_at=row.created_at,
            expires_at=row.expires_at,
        )


class InvitationMade(InvitationOut):
    """A new invitation. The link is shown this once; hand it over by a safe way."""

    link: str
    mailed: bool


class SessionOut(Strict):
    """A signed-in browser."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: WebSession) -> SessionOut:
        """From its row."""
        return cls(
            id=row.id, address=row.ip, user_agent=row.user_agent, created_at=row.created_at,
            last_seen_at=row.last_seen_at, expires_at=row.expires_at,
        )


class EndedOut(Strict):
    """How many sessions ended."""

    sessions_ended: int


Scope = Annotated[str, Field(json_schema_extra={"enum": [*access.SCOPES]})]


class ApiKeyCreate(Strict):
    """A new key: what it is called, what it may do, how long."""

    name: str = Field(min_length=1, max_length=80, json_schema_extra={"pattern": names.PATTERN})
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    days: Annotated[int, Field(ge=1, le=api_keys.LONGEST_DAYS), Exact] = 90


class ApiKeyOut(Strict):
    """A key without its secret."""

    id: UUID
    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    live: bool

    @classmethod
    def of(cls, ctx: Context, row: ApiKey) -> ApiKeyOut:
        """From its row."""
        return cls(
            id=row.id, prefix=f"lft_{row.key_id}", name=row.name, scopes=row.scopes,
            created_at=row.created_at, expires_at=row.expires_at, last_used_at=row.last_used_at,
            revoked_at=row.revoked_at, live=api_keys.is_live(row, ctx.now()),
        )


class ApiKeyMade(ApiKeyOut):
    """A new key with its text, shown this once."""

    key: str
