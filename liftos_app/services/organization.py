"""The organization itself: its name, reporting currency and time zone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from liftos_app.errors import Invalid, Missing
from liftos_app.models import Organization
from liftos_app.services import audit, currencies, names
from liftos_app.services.context import Context
from liftos_app.services.metrics.definitions import BASIS_TITLES

WEEK_STARTS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REVENUE_BASES: Final = {name: title.capitalize() for name, title in BASIS_TITLES.items()}
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Choices:
    """What an administrator may set."""

    name: str
    currency: str
    time_zone: str
    week_start: int
    revenue_basis: str


def get(ctx: Context) -> Organization:
    """The organization of the context. Raises Missing."""
    ctx.require("organization.read")
    found = ctx.session.get(Organization, ctx.org)
    if found is None:
        raise Missing("This organization does not exist.", why="It was deleted meanwhile.")
    return found


def change(ctx: Context, choices: Choices) -> Organization:
    """Set name, currency (ISO 4217), time zone (IANA), week start and revenue basis.

    Stored figures keep their own currency and days; only how they are reported changes. Raises
    Invalid naming the field.
    """
    ctx.require("organization.write")
    found = get(ctx)
    checked = _checked(choices)
    before = {name: getattr(found, name) for name in checked}
    changed = {name: value for name, value in checked.items() if before[name] != value}
    for name, value in changed.items():
        setattr(found, name, value)
    if changed:
        audit.record(
            ctx,
            "organization.changed",
            found,
            before={name: before[name] for name in changed},
            after=changed,
        )
    return found


@cache
def time_zones() -> tuple[str, ...]:
    """Names of the time-zone database that a person would choose, sorted."""
    return tuple(
        sorted(
            name
            for name in available_timezones()
            if name == "UTC"
            or ("/" in name and not name.startswith(("Etc/", "posix/", "right/", "SystemV/")))
        )
    )


def check_title(text: str, *, field: str = "name") -> str:
    """The name of an organization, or Invalid."""
    return names.check(
        text, of="The organization", longest=_LONGEST_NAME, field=field,
        fix="Use the name your colleagues know.",
    )


def _checked(choices: Choices) -> dict[str, str | int]:
    name = check_title(choices.name)
    currency = choices.currency.strip().upper()
    if not currencies.is_currency(currency):
        raise Invalid(
            "This is not a currency.",
            why=f"No currency has the code {currency[:8]!r}.",
            fix="Use a code of three letters such as USD or EUR.",
            field="currency",
        )
    if choices.time_zone not in time_zones():
        raise Invalid(
            "This is not a time zone.",
            why="The name is not in the time-zone database.",
            fix="Use a name such as Europe/Berlin or UTC.",
            field="time_zone",
        )
    ZoneInfo(choices.time_zone)
    if choices.week_start not in range(7):
        raise Invalid(
            "A week starts on one of seven days.",
            why="The day is not one of them.",
            fix="Choose a day from the list.",
            field="week_start",
        )
    if choices.revenue_basis not in REVENUE_BASES:
        raise Invalid(
            "This is not a way to count revenue.",
            why="The choice is unknown.",
            fix="Choose one from the list.",
            field="revenue_basis",
        )
    return {
        "name": name,
        "currency": currency,
        "time_zone": choices.time_zone,
        "week_start": choices.week_start,
        "revenue_basis": choices.revenue_basis,
    }
