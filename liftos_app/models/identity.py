"""How people come in and prove themselves: invitations, one-time links, second factors, API keys.

Secrets are stored as keyed hashes (random ones), as Argon2id (recovery codes) or sealed (seeds).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, String
from sqlmodel import Field, SQLModel

from liftos_app.models.people import Role


class Invitation(SQLModel, table=True):
    """An offer to join one organization with one role; its link works once."""

    __tablename__ = "invitation"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int = Field(foreign_key="organization.id", index=True)
    email: str = Field(max_length=254)
    email_key: str = Field(max_length=254, index=True)
    role: Role = Field(sa_type=String(20))
    token_hash: str = Field(max_length=64, unique=True)
    invited_by: UUID | None = Field(default=None, foreign_key="user_account.id")
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None


class OneTimeLink(SQLModel, table=True):
    """A link that works once: `setup` for the first administrator, `reset` for a new password,
    `email` for a new address, `export_me` and `export_org` for a copy of data.
    """

    __tablename__ = "one_time_link"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    purpose: str = Field(max_length=12)
    user_id: UUID | None = Field(default=None, foreign_key="user_account.id", index=True)
    org_id: int | None = Field(default=None, foreign_key="organization.id")
    token_hash: str = Field(max_length=64, unique=True)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class PendingSignIn(SQLModel, table=True):
    """A person whose password was right and whose second step is still to come; ten minutes."""

    __tablename__ = "pending_sign_in"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    org_id: int = Field(foreign_key="organization.id")
    next_path: str = Field(default="", max_length=500)
    created_at: datetime
    expires_at: datetime


class SecondFactor(SQLModel, table=True):
    """A person's TOTP seed, sealed by the vault in the organization they enrolled in."""

    __tablename__ = "second_factor"

    user_id: UUID = Field(foreign_key="user_account.id", primary_key=True)
    org_id: int = Field(foreign_key="organization.id")  # whose data key sealed the seed
    sealed: str
    last_step: int = Field(default=0, sa_type=BigInteger)  # newest used step: none works twice
    created_at: datetime
    confirmed_at: datetime | None = None  # until then it asks nobody for a code


class RecoveryCode(SQLModel, table=True):
    """One of ten codes that replace the second factor once."""

    __tablename__ = "recovery_code"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    handle: str = Field(max_length=8)  # its first letters: only one hash has to be tried
    code_hash: str
    created_at: datetime
    used_at: datetime | None = None


class ApiKey(SQLModel, table=True):
    """A personal key for programs, in one organization: `lft_<id>_<secret><crc>`."""

    __tablename__ = "api_key"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    key_id: str = Field(max_length=16, unique=True)  # the public part of the key's text
    secret_hash: str = Field(max_length=64)
    org_id: int = Field(foreign_key="organization.id", index=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    name: str = Field(max_length=80)
    scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class UserIdentity(SQLModel, table=True):
    """A person as an OpenID Connect provider knows them."""

    __tablename__ = "user_identity"

    issuer: str = Field(max_length=255, primary_key=True)
    subject: str = Field(max_length=255, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", index=True)
    created_at: datetime


class ProviderSignIn(SQLModel, table=True):
    """A sign-in under way at the OpenID Connect provider; single use, ten minutes.

    Verifier and nonce are not here: they follow from a secret only the browser's cookie holds.
    """

    __tablename__ = "provider_sign_in"

    state_hash: str = Field(max_length=64, primary_key=True)
    browser_hash: str = Field(max_length=64)
    next_path: str = Field(default="", max_length=500)
    created_at: datetime
    expires_at: datetime
