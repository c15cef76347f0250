"""Who did what to which object, when, from where; what ties these rows together; incidents.

Rows of the log are only ever added: each carries the hash of the one before and a keyed MAC
(services/audit). Triggers refuse changes (revision 0006).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

_EMPTY = {"server_default": ""}


class AuditEntry(SQLModel, table=True):
    """One act. Rows are only ever added. Secrets never enter `data`."""

    __tablename__ = "audit_entry"
    # Each sign-in asks which devices this person has used.
    __table_args__ = (Index("ix_audit_entry_actor", "actor_id", "action"),)

    seq: int | None = Field(default=None, primary_key=True)  # gapless, from 1
    at: datetime = Field(index=True)
    org_id: int | None = Field(default=None, index=True)
    actor_type: str = Field(max_length=12)  # person, program, job, operator, nobody
    actor_id: str = Field(default="", max_length=36)
    session_ref: str = Field(default="", max_length=36, sa_column_kwargs=_EMPTY)
    action: str = Field(max_length=60)
    object_type: str = Field(default="", max_length=40)
    object_id: str = Field(default="", max_length=60)
    result: str = Field(default="ok", max_length=12)
    reason: str = ""
    ip: str = Field(default="", max_length=64)
    request_id: str = Field(default="", max_length=40)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    prev_hash: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    hash: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    mac_kid: str = Field(default="", max_length=16, sa_column_kwargs=_EMPTY)
    mac: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)


class AuditHead(SQLModel, table=True):
    """The newest row of the log. One row; whoever appends locks it first."""

    __tablename__ = "audit_head"

    id: int = Field(default=1, primary_key=True)
    seq: int
    hash: str = Field(max_length=64)


class AuditCheckpoint(SQLModel, table=True):
    """A closed segment of the log, also kept outside the database."""

    __tablename__ = "audit_checkpoint"

    seq: int = Field(primary_key=True)  # its last row
    first_seq: int
    hash: str = Field(max_length=64)  # of its last row
    root: str = Field(max_length=64)  # Merkle root over its rows (RFC 6962)
    at: datetime
    kid: str = Field(max_length=16)
    mac: str = Field(max_length=64)
    dropped_at: datetime | None = None  # its rows were removed as a whole, by age


class AuditKey(SQLModel, table=True):
    """The MAC key of the log for one master key, sealed by each master key, so that rows stay
    checkable after their master key has left.
    """

    __tablename__ = "audit_key"

    kid: str = Field(max_length=16, primary_key=True)
    sealed_by: str = Field(max_length=16, primary_key=True)
    sealed: str


class Incident(SQLModel, table=True):
    """Something a rule (I1 to I13) found. One per rule, key and fifteen minutes."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_rule_key", "rule", "key"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    rule: str = Field(max_length=4)
    key: str = Field(max_length=120)
    level: str = Field(max_length=10)  # medium, high, critical
    org_id: int | None = Field(default=None, index=True)  # None: of the installation
    opened_at: datetime = Field(index=True)
    last_at: datetime
    count: int = 1
    evidence: str = Field(default="", max_length=60)  # the newest thing counted: not counted twice
    words: str
    acknowledged_at: datetime | None = None
    acknowledged_by: UUID | None = None


class Outbox(SQLModel, table=True):
    """A message to be sent, or an alert to become some: written with the act it tells of."""

    __tablename__ = "outbox"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    kind: str = Field(max_length=60, index=True)
    org_id: int | None = Field(default=None, index=True)
    created_at: datetime
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    taken_at: datetime | None = None  # since when a process tries it; of alerts: when mailed
