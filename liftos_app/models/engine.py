"""What the sync engine remembers beside runs: restated cells, re-syncs, breakers, budgets."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, SmallInteger
from sqlmodel import Field, SQLModel


class Restatement(SQLModel, table=True):
    """A stored number that the platform changed after its day was first read completely.

    `before` None: the cell did not exist; `after` None: it is gone. Money is micro-units.
    """

    __tablename__ = "restatement"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_restatement_day", "account_key", "stream", "day"),
        Index("ix_restatement_run", "run_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    run_id: UUID
    account_key: int
    stream: str = Field(max_length=60)
    level: int = Field(sa_type=SmallInteger)
    entity_id: str = Field(max_length=120)  # the platform's id
    day: dt.date
    field: str = Field(max_length=80)  # column, or `column@setting` beside the default setting
    before: int | None = Field(default=None, sa_type=BigInteger)
    after: int | None = Field(default=None, sa_type=BigInteger)
    at: datetime


class ResyncChange(SQLModel, table=True):
    """Rows that a re-sync replaced, as they were and as they became: what its undo puts back."""

    __tablename__ = "resync_change"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        ForeignKeyConstraint(["org_id", "run_id"], ["sync_run.org_id", "sync_run.id"]),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    run_id: UUID = Field(index=True)
    account_key: int
    stream: str = Field(max_length=60)
    table_name: str = Field(max_length=40)
    row_count: int
    body: bytes  # zlib over JSON lines [key, before or null, after or null]
    at: datetime


class StagedUnit(SQLModel, table=True):
    """What a re-sync has read of some days and not yet swapped in."""

    __tablename__ = "staged_unit"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        ForeignKeyConstraint(["org_id", "run_id"], ["sync_run.org_id", "sync_run.id"]),
    )

    run_id: UUID = Field(primary_key=True)
    account_key: int = Field(primary_key=True)
    stream: str = Field(max_length=60, primary_key=True)
    first_day: dt.date = Field(primary_key=True)
    last_day: dt.date
    org_id: int = Field(index=True)
    body: bytes  # zlib over tagged JSON of the reading
    at: datetime


class Breaker(SQLModel, table=True):
    """A circuit breaker. `name`: account:<key>, or platform:<slug> for an outage of all accounts.

    Open while `until` lies ahead; once it has passed one sync may try (half-open).
    """

    __tablename__ = "breaker"

    name: str = Field(max_length=120, primary_key=True)
    platform: str = Field(max_length=40, index=True)
    org_id: int | None = None
    failures: int = 0  # in a row
    trips: int = 0  # how often it opened since the last success
    until: datetime | None = None
    cause: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    updated_at: datetime


class RateBudget(SQLModel, table=True):
    """What is left of a credential's requests, shared by all processes."""

    __tablename__ = "rate_budget"

    name: str = Field(max_length=120, primary_key=True)
    tokens: float
    at: datetime
    held: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # lane -> ISO moment


class SyncPreference(SQLModel, table=True):
    """How an organization wants its connections synced unless a connection says otherwise."""

    __tablename__ = "sync_preference"

    org_id: int = Field(foreign_key="organization.id", primary_key=True)
    schedule: str = Field(default="", max_length=80)  # for new connections; empty: the usual
    history_days: int | None = None  # for new connections
    sync_window: str = Field(default="", max_length=11)  # 06:00-22:00; empty: any time
    drift_policy: str = Field(default="evolve", max_length=8)  # for new connections
    fallback: str = Field(default="", max_length=10)  # off, last_good, demo; "": as installed
    updated_at: datetime
