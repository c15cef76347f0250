"""Answers given to programs, kept for a day so that a repeated request gets the same one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel


class KeptAnswer(SQLModel, table=True):
    """One request with an idempotency key. `status` is 0 while it is being worked on."""

    __tablename__ = "kept_answer"

    org_id: int = Field(foreign_key="organization.id", primary_key=True)
    actor: str = Field(max_length=40, primary_key=True)
    key: str = Field(max_length=100, primary_key=True)
    request_hash: str = Field(max_length=64)
    status: int = 0
    answer: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(index=True)
