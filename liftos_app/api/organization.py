"""The organization's own settings, for programs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from liftos_app.api.deps import ContextDep
from liftos_app.api.shapes import Exact, Strict
from liftos_app.models import Organization
from liftos_app.services import names, organization

router = APIRouter(prefix="/organization", tags=["Organization"])


class SettingsBody(Strict):
    """How figures are reported. Stored ones keep their own currency and days."""

    name: Annotated[
        str, Field(min_length=1, max_length=120, json_schema_extra={"pattern": names.PATTERN})
    ]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217")]
    time_zone: Annotated[str, Field(max_length=64, description="IANA name, such as Europe/Berlin")]
    week_start: Annotated[int, Field(ge=0, le=6, description="0 is Monday"), Exact]
    revenue_basis: Annotated[str, Field(pattern=f"^({'|'.join(organization.REVENUE_BASES)})$")]


class SettingsOut(SettingsBody):
    """The settings, with the organization's public id."""

    id: UUID


def _out(row: Organization) -> SettingsOut:
    return SettingsOut(
        id=row.public_id, name=row.name, currency=row.currency, time_zone=row.time_zone,
        week_start=row.week_start, revenue_basis=row.revenue_basis,
    )


@router.get("")
def read(ctx: ContextDep) -> SettingsOut:
    """Name, reporting currency, time zone, first day of the week and what revenue means."""
    return _out(organization.get(ctx))


@router.put("")
def change(ctx: ContextDep, body: SettingsBody) -> SettingsOut:
    """Replace the settings."""
    return _out(organization.change(ctx, organization.Choices(**body.model_dump())))
