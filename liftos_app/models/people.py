"""Who uses LiftOS, for which organization, and how they prove it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import String, UniqueConstraint, false
from sqlmodel import Field, SQLModel


class Role(StrEnum):
    """What a person may do in one organization; each includes the ones before it."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    MANAGER = "manager"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"  # of the installation; never stored in a membership


class Organization(SQLModel, table=True):
    """Tenant that owns all data."""

    __tablename__ = "organization"

    id: int | None = Field(default=None, primary_key=True)
    public_id: UUID = Field(default_factory=uuid4, unique=True)
    name: str = Field(max_length=120)
    currency: str = Field(default="USD", max_length=3)  # reporting currency, ISO 4217
    time_zone: str = Field(default="UTC", max_length=64)  # reporting time zone, IANA
    week_start: int = 0  # 0 Monday .. 6 Sunday
    revenue_basis: str = Field(default="net_sales", max_length=20)
    settings: str = "{}"  # JSON text: checklist dismissed, preferences
    require_mfa: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: datetime


class User(SQLModel, table=True):
    """A person with a password. E-mail is kept as typed and compared in lower case."""

    __tablename__ = "user_account"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(max_length=254)
    email_key: str = Field(max_length=254, unique=True)
    name: str = Field(default="", max_length=120)
    password_hash: str
    is_super_admin: bool = False
    auth_epoch: int = 1  # rises at password change, role change, disable: kills access tokens
    created_at: datetime
    disabled_at: datetime | None = None
    last_sign_in_at: datetime | None = None


class Membership(SQLModel, table=True):
    """A person's role in one organization."""

    __tablename__ = "membership"

    org_id: int = Field(foreign_key="organization.id", primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", primary_key=True, index=True)
    role: Role = Field(sa_type=String(20))
    created_at: datetime


class WebSession(SQLModel, table=True):
    """A signed-in browser. Only the keyed hash of the cookie is stored."""

    __tablename__ = "web_session"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    org_id: int = Field(foreign_key="organization.id")  # the organization being looked at
    tab_hashes: str = ""  # hashes of the socket tokens bound to this session, comma separated
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    proved_at: datetime | None = None  # when the person last proved who they are (step-up, L12)
    ip: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)


class RefreshToken(SQLModel, table=True):
    """One link of a rotating chain; using a spent one revokes its family."""

    __tablename__ = "refresh_token"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    family_id: UUID = Field(index=True)
    token_hash: str = Field(max_length=64, unique=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    org_id: int = Field(foreign_key="organization.id")
    client_hash: str = Field(default="", max_length=64)  # keyed hash of address and user agent
    family_started_at: datetime  # ends 30 days later, however often it rotates
    created_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None
    revoked_at: datetime | None = None


class LoginAttempt(SQLModel, table=True):
    """Failed and successful sign-ins, counted for the rate limit; kept for a day."""

    __tablename__ = "login_attempt"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    account_hash: str = Field(max_length=64, index=True)  # keyed hash of the e-mail
    ip: str = Field(max_length=64, index=True)
    ok: bool


class KeyCheck(SQLModel, table=True):
    """Proof that a master key of this name is the one that sealed our data keys."""

    __tablename__ = "key_check"

    kid: str = Field(max_length=16, primary_key=True)
    mac: str = Field(max_length=64)
    pseudonym_root: str = ""  # the installation's pseudonym key, sealed by this master key


class DataKey(SQLModel, table=True):
    """A data key, wrapped by a master key. Destroying the wrap shreds all that it sealed."""

    __tablename__ = "data_key"
    __table_args__ = (UniqueConstraint("org_id", "scope_type", "scope_id", "generation"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int = Field(foreign_key="organization.id", index=True)
    scope_type: str = Field(max_length=20)  # connection, organization, person
    scope_id: str = Field(max_length=36)
    generation: int = 1
    kid: str = Field(max_length=16, index=True)
    wrapped: str | None = None  # base64url(nonce, ciphertext, tag); None once destroyed
    state: str = Field(default="active", max_length=16)  # active, decrypt_only, destroyed
    created_at: datetime
    destroyed_at: datetime | None = None
