"""The organization's settings: checked, audited, limited to administrators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Denied, Invalid
from liftos_app.models import AuditEntry, Organization, Role
from liftos_app.services import organization as service
from liftos_app.services.organization import Choices

GOOD = Choices(
    name="Larkspur Home",
    currency="EUR",
    time_zone="Europe/Berlin",
    week_start=6,
    revenue_basis="total_sales",
)


def test_an_administrator_changes_what_figures_are_reported_in(
    open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with open_ctx(Role.ADMIN, write=True) as ctx:
        service.change(ctx, GOOD)
    with open_ctx(Role.VIEWER) as ctx:
        found = service.get(ctx)
        assert (found.currency, found.time_zone, found.week_start) == ("EUR", "Europe/Berlin", 6)
        entry = ctx.session.exec(
            select(AuditEntry).where(AuditEntry.action == "organization.changed")
        ).one()
    assert entry.data["before"]["currency"] == "USD"
    assert entry.data["after"]["currency"] == "EUR"
    assert "name" not in entry.data["after"]


def test_saving_the_same_again_writes_nothing(
    open_ctx: Callable[..., Any], organization: Organization
) -> None:
    for _ in range(2):
        with open_ctx(Role.ADMIN, write=True) as ctx:
            service.change(ctx, GOOD)
    with open_ctx(Role.ADMIN) as ctx:
        entries = ctx.session.exec(
            select(AuditEntry).where(AuditEntry.action == "organization.changed")
        ).all()
    assert len(entries) == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.MANAGER])
def test_lower_roles_may_look_but_not_change(
    role: Role, open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with open_ctx(role, write=True) as ctx:
        assert service.get(ctx).name == "Larkspur Home"
        with pytest.raises(Denied):
            service.change(ctx, GOOD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "   "),
        ("name", "x" * 121),
        ("currency", "XXX"),
        ("currency", "dollars"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc/passwd"),
        ("week_start", 7),
        ("week_start", -1),
        ("revenue_basis", "guess"),
    ],
)
def test_a_wrong_value_names_its_field_and_changes_nothing(
    field: str, value: Any, open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with pytest.raises(Invalid) as caught, open_ctx(Role.ADMIN, write=True) as ctx:
        service.change(ctx, replace(GOOD, **{field: value}))
    assert caught.value.facts["field"] == field
    assert caught.value.fix
    with open_ctx(Role.ADMIN) as ctx:
        assert service.get(ctx).currency == "USD"


def test_time_zones_are_those_a_person_would_choose() -> None:
    zones = service.time_zones()
    assert {"UTC", "Europe/Berlin", "America/New_York"} <= set(zones)
    assert not [z for z in zones if z.startswith("Etc/")]
