"""An authorised link to a platform: its credential, accounts, stream states and coverage."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel


class ConnectionStatus(StrEnum):
    """The state machine of product.md section 4."""

    DRAFT = "draft"
    AUTHORISING = "authorising"
    SELECTING_ACCOUNTS = "selecting_accounts"
    BACKFILLING = "backfilling"
    HEALTHY = "healthy"
    DELAYED = "delayed"
    DEGRADED = "degraded"
    NEEDS_REAUTH = "needs_reauth"
    FAILING = "failing"
    PAUSED = "paused"
    DISABLED = "disabled"


class Provenance(StrEnum):
    """Where a value came from; a property of every stored row, through its connection."""

    LIVE = "live"
    DEMO = "demo"
    FALLBACK = "fallback"
    IMPORTED = "imported"
    ESTIMATED = "estimated"


class CoverageState(StrEnum):
    """What is known about one account x stream x day."""

    COMPLETE = "complete"
    EMPTY = "empty"  # asked for, answered, no rows: confirmed
    PARTIAL = "partial"  # some rows were rejected
    FAILED = "failed"


class Connection(SQLModel, table=True):
    """Organization + platform + credential + chosen accounts + schedule."""

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("org_id", "id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int = Field(foreign_key="organization.id", index=True)
    platform: str = Field(max_length=40)
    name: str = Field(max_length=120)
    status: ConnectionStatus = Field(default=ConnectionStatus.DRAFT, sa_type=String(24))
    provenance: Provenance = Field(default=Provenance.LIVE, sa_type=String(12))
    auth_kind: str = Field(default="", max_length=40)  # id of one of the platform's auth methods
    options: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # non-secret inputs: shop..
    streams: list[str] = Field(default_factory=list, sa_type=JSON)  # chosen stream names
    history_days: int = 90  # back-fill window, counted from yesterday
    schedule: str = Field(default="every 1 h", max_length=80)  # "every N h", "every N min", cron
    schedule_zone: str = Field(default="UTC", max_length=64)
    sync_window: str = Field(default="", max_length=11)  # 06:00-22:00 in schedule_zone, "" any time
    priority: int = Field(default=0, sa_type=SmallInteger)  # 1 first, 0 usual, -1 last
    drift_policy: str = Field(default="evolve", max_length=8)  # evolve, ignore, stop
    wizard_step: int = 1  # where a draft was left, 1..5
    next_run_at: datetime | None = Field(default=None, index=True)
    paused_at: datetime | None = None
    last_success_at: datetime | None = None
    cause: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # section 9 fields or None
    color_index: int = 0  # its series colour on every chart, by order of first connection
    created_by: UUID | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class Credential(SQLModel, table=True):
    """One sealed value of a connection (`field`: access_token, refresh_token, client_secret..)."""

    __tablename__ = "credential"
    __table_args__ = (
        UniqueConstraint("connection_id", "field"),
        ForeignKeyConstraint(["org_id", "connection_id"], ["connection.org_id", "connection.id"]),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int = Field(index=True)
    connection_id: UUID = Field(index=True)
    field: str = Field(max_length=40)
    sealed: str
    row_version: int = 1
    hint: str = Field(default="", max_length=8)  # last four characters, for people
    expires_at: datetime | None = None
    scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    updated_at: datetime


class OAuthRequest(SQLModel, table=True):
    """A consent that was started and not yet finished. Deleted before its code is exchanged."""

    __tablename__ = "oauth_request"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "connection_id"], ["connection.org_id", "connection.id"]),
    )

    state_hash: str = Field(max_length=64, primary_key=True)
    org_id: int = Field(index=True)
    connection_id: UUID
    user_id: UUID
    session_id: UUID | None = None  # the browser session that began; None when begun over REST
    platform: str = Field(max_length=40)
    redirect_uri: str
    verifier_sealed: str = ""
    created_at: datetime
    expires_at: datetime = Field(index=True)


class Account(SQLModel, table=True):
    """A container on the platform (ad account, store, property). `key` is what facts point at."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("connection_id", "external_id"),
        UniqueConstraint("org_id", "key"),
        ForeignKeyConstraint(["org_id", "connection_id"], ["connection.org_id", "connection.id"]),
    )

    key: int | None = Field(default=None, primary_key=True)
    id: UUID = Field(default_factory=uuid4, unique=True)
    org_id: int = Field(index=True)
    connection_id: UUID = Field(index=True)
    external_id: str = Field(max_length=120)
    name: str = Field(max_length=400)
    currency: str = Field(default="", max_length=3)
    time_zone: str = Field(default="UTC", max_length=64)
    status: str = Field(default="", max_length=40)
    usable: bool = True  # false: disabled or a manager; shown, not selectable
    reason: str = ""  # why it is not usable, for people
    selected: bool = False
    extra: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime


class StreamState(SQLModel, table=True):
    """The position reached for one account x stream; moved only with its rows."""

    __tablename__ = "stream_state"
    __table_args__ = (
        UniqueConstraint("account_key", "stream"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    account_key: int
    stream: str = Field(max_length=60)
    cursor: str = ""  # the platform's own form, for cursor streams
    newest_day: dt.date | None = None
    oldest_day: dt.date | None = None
    caught_up_from: dt.date | None = None  # orders: changes since this day have been read once
    columns: list[str] = Field(default_factory=list, sa_type=JSON)  # source columns last seen
    column_seen: dict[str, str] = Field(default_factory=dict, sa_type=JSON)  # column -> ISO moment
    new_columns: list[str] = Field(default_factory=list, sa_type=JSON)  # announced, not decided
    gone_columns: list[str] = Field(default_factory=list, sa_type=JSON)  # announced, not decided
    steady_columns: list[str] = Field(default_factory=list, sa_type=JSON)  # of all whole readings
    whole_readings: int = 0  # that had records
    last_read_at: datetime | None = None
    error: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class Coverage(SQLModel, table=True):
    """Account x stream x day was asked for and answered completely, even with zero rows."""

    __tablename__ = "coverage"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_coverage_org_day", "org_id", "day"),
    )

    account_key: int = Field(primary_key=True)
    stream: str = Field(max_length=60, primary_key=True)
    day: dt.date = Field(primary_key=True)
    org_id: int
    state: CoverageState = Field(sa_type=String(12))
    row_count: int = 0
    first_read_at: datetime
    read_at: datetime
    run_id: UUID | None = None
    digest: str = Field(default="", max_length=16)  # of the day's rows; "" when not known
