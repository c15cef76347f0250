"""Runs of connections: what was asked, what was read, what went wrong, and who holds the lease."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class RunState(StrEnum):
    """`partial` is never shown as success."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SyncRun(SQLModel, table=True):
    """One run of a connection. At most one is queued or running per connection."""

    __tablename__ = "sync_run"
    __table_args__ = (
        UniqueConstraint("org_id", "id"),
        ForeignKeyConstraint(["org_id", "connection_id"], ["connection.org_id", "connection.id"]),
        Index("ix_sync_run_connection", "connection_id", "created_at"),
        Index(
            "uq_sync_run_active", "connection_id", unique=True,
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int = Field(index=True)
    connection_id: UUID
    state: RunState = Field(default=RunState.QUEUED, sa_type=String(12), index=True)
    trigger: str = Field(max_length=20)  # schedule, person, first, resume
    request: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # streams, date range
    created_by: UUID | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    heartbeat_at: datetime | None = None
    waiting_until: datetime | None = None  # everything left waits until then
    waiting_for: str = Field(default="", max_length=12)  # quota, hours or outage
    holder: str = Field(default="", max_length=60)
    epoch: int = 0  # fencing number: a window commits only while its epoch is current
    attempts: int = 0
    windows_total: int = 0
    windows_done: int = 0
    rows_read: int = Field(default=0, sa_type=BigInteger)
    rows_written: int = Field(default=0, sa_type=BigInteger)
    rows_updated: int = Field(default=0, sa_type=BigInteger)
    rows_unchanged: int = Field(default=0, sa_type=BigInteger)
    rows_rejected: int = Field(default=0, sa_type=BigInteger)
    rows_removed: int = Field(default=0, sa_type=BigInteger)  # the platform has them no more
    rows_restated: int = Field(default=0, sa_type=BigInteger)  # cells of days read before
    requests: int = 0
    cause: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    undone_at: datetime | None = None  # a re-sync that was taken back


class StreamRun(SQLModel, table=True):
    """One account x stream inside a run, with its own counts, wait and error."""

    __tablename__ = "stream_run"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        ForeignKeyConstraint(["org_id", "run_id"], ["sync_run.org_id", "sync_run.id"]),
        Index("uq_stream_run", "run_id", "account_key", "stream", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    run_id: UUID
    account_key: int
    stream: str = Field(max_length=60)
    state: RunState = Field(default=RunState.QUEUED, sa_type=String(12))
    days_total: int = 0
    days_done: int = 0
    current_day: str = Field(default="", max_length=24)
    rows_read: int = Field(default=0, sa_type=BigInteger)
    rows_written: int = Field(default=0, sa_type=BigInteger)
    rows_updated: int = Field(default=0, sa_type=BigInteger)
    rows_unchanged: int = Field(default=0, sa_type=BigInteger)
    rows_rejected: int = Field(default=0, sa_type=BigInteger)
    rows_removed: int = Field(default=0, sa_type=BigInteger)  # the platform has them no more
    rows_restated: int = Field(default=0, sa_type=BigInteger)
    bytes_read: int = Field(default=0, sa_type=BigInteger)
    requests: int = 0
    seconds: float = 0.0
    waiting_until: datetime | None = None
    error: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class RejectedRow(SQLModel, table=True):
    """A source record that could not be stored, kept with its reason."""

    __tablename__ = "rejected_row"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        ForeignKeyConstraint(["org_id", "run_id"], ["sync_run.org_id", "sync_run.id"]),
        Index("ix_rejected_row_scope", "account_key", "stream", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    run_id: UUID = Field(index=True)
    account_key: int
    stream: str = Field(max_length=60)
    day: str = Field(default="", max_length=10)
    reason: str
    record: str  # the source record as JSON text, cut at 10,000 characters
    at: datetime


EventKind = Literal[
    "sync", "credential", "settings", "drift", "quota", "restatement", "note", "publish",
]
EventLevel = Literal["info", "warning", "error"]


class SyncEvent(SQLModel, table=True):
    """A line of a connection's timeline and log."""

    __tablename__ = "sync_event"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "connection_id"], ["connection.org_id", "connection.id"]),
        Index("ix_sync_event_connection", "connection_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    connection_id: UUID
    run_id: UUID | None = Field(default=None, index=True)
    at: datetime
    level: str = Field(default="info", max_length=8)  # EventLevel
    kind: str = Field(max_length=40)  # EventKind
    stream: str = Field(default="", max_length=60)
    text: str  # for people
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Lease(SQLModel, table=True):
    """Who may do a named thing now. Taking it raises `epoch`; releasing never lowers it."""

    __tablename__ = "lease"

    name: str = Field(max_length=80, primary_key=True)
    holder: str = Field(max_length=60)
    epoch: int = 1
    expires_at: datetime
