"""Results of data-quality checks, kept run by run with numerator and denominator."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel


class CheckResult(SQLModel, table=True):
    """One check on one scope (account x stream). Denominator 0 means not measured."""

    __tablename__ = "check_result"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_check_result_org_at", "org_id", "evaluated_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    batch: UUID = Field(index=True)  # all results of one evaluation
    check: str = Field(max_length=60)  # file name of the check
    dimension: str = Field(max_length=20)
    rule_version: int = 1
    account_key: int
    stream: str = Field(default="", max_length=60)
    window_start: dt.date
    window_end: dt.date
    numerator: int = Field(sa_type=BigInteger)
    denominator: int = Field(sa_type=BigInteger)
    result: str = Field(max_length=16)  # pass, warn, fail, error, not_applicable
    reason: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    evaluated_at: datetime


class QualityScore(SQLModel, table=True):
    """The pooled scores of one evaluation, for the trend. Scores are 0..1; None = not measured."""

    __tablename__ = "quality_score"

    id: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(foreign_key="organization.id", index=True)
    batch: UUID = Field(unique=True)
    provenance: str = Field(max_length=12)
    completeness: float | None = None
    accuracy: float | None = None
    timeliness: float | None = None
    consistency: float | None = None
    validity: float | None = None
    uniqueness: float | None = None
    worst_delay_seconds: int | None = Field(default=None, sa_type=BigInteger)
    overall: float | None = None
    measured: int = 0
    verdict: str = Field(default="insufficient", max_length=16)  # green, amber, red, insufficient
    evaluated_at: datetime = Field(index=True)
