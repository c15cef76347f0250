"""Who did what to which object, when, from where."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel


class AuditEntry(SQLModel, table=True):
    """One act. Rows are only ever added. Secrets never enter `data`."""

    __tablename__ = "audit_entry"

    seq: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    org_id: int | None = Field(default=None, index=True)
    actor_type: str = Field(max_length=12)  # person, program, job, operator, nobody
    actor_id: str = Field(default="", max_length=36)
    action: str = Field(max_length=60)
    object_type: str = Field(default="", max_length=40)
    object_id: str = Field(default="", max_length=60)
    result: str = Field(default="ok", max_length=12)
    reason: str = ""
    ip: str = Field(default="", max_length=64)
    request_id: str = Field(default="", max_length=40)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
