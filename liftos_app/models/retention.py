"""How long an organization keeps its data, what stops deletion, and what was deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel


class RetentionSetting(SQLModel, table=True):
    """An organization's choice; without a row the longest times hold."""

    __tablename__ = "retention_setting"

    org_id: int = Field(foreign_key="organization.id", primary_key=True)
    marketing_days: int = 730
    hold_since: datetime | None = None  # legal hold: nothing of the organization is deleted
    hold_reason: str = Field(default="", max_length=300)
    hold_by: UUID | None = None
    erase_at: datetime | None = None  # everything goes then, unless somebody takes it back
    erase_asked_by: UUID | None = None
    changed_at: datetime


class RetentionRun(SQLModel, table=True):
    """One walk over what is too old. `counts` grows with each batch, so a killed run goes on."""

    __tablename__ = "retention_run"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    org_id: int | None = Field(default=None, index=True)  # None: what belongs to nobody
    started_at: datetime
    finished_at: datetime | None = None
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
