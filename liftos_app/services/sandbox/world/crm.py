"""The trade program's CRM: lives of leads, companies, contacts, deals, campaigns and members.

A life is every state a record goes through, each with its moment, so that a reading is the newest
state up to its moment and a later reading never changes what an earlier one saw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Generic, TypeVar

from liftos_app.services.sandbox.world.crm_shapes import (
    CrmCampaign,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmLead,
    CrmMember,
)

T = TypeVar("T")
Event = tuple[int, dict[str, Any]]  # second, what it changes
Span = tuple[datetime | None, datetime | None]
EVER: Final[Span] = (None, None)


@dataclass(frozen=True, slots=True)
class Life(Generic[T]):
    """The states of one record. `root` is the day of the lead it goes back to."""

    root: date
    times: tuple[int, ...]
    states: tuple[T, ...]

    def at(self, moment: int) -> T | None:
        """The record at a second, None before it exists."""
        if moment >= self.times[-1]:
            return self.states[-1]
        place = bisect_right(self.times, moment)
        return self.states[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class Crm:
    """All lives, each kind in order of id."""

    leads: tuple[Life[CrmLead], ...]
    companies: tuple[Life[CrmCompany], ...]
    contacts: tuple[Life[CrmContact], ...]
    deals: tuple[Life[CrmDeal], ...]
    campaigns: tuple[Life[CrmCampaign], ...]
    members: tuple[Life[CrmMember], ...]


def live(first: T, events: Sequence[Event], *, root: date) -> Life[T]:
    """A life from its first state and what happens later; nothing happens after a deletion."""
    times, states = [int(first.created_at.timestamp())], [first]  # type: ignore[attr-defined]
    for second, changes in sorted(events, key=lambda e: e[0]):
        told = {k: v(states[-1]) if callable(v) else v for k, v in changes.items()}
        changed = replace(states[-1], updated_at=moment(second), **told)  # type: ignore[type-var]
        if second == times[-1]:
            states[-1] = changed
        else:
            times.append(second)
            states.append(changed)
        if "deleted_at" in changes:
            break
    return Life(root, tuple(times), tuple(states))


def seen(
    lives: Sequence[Life[T]],
    *,
    as_of: datetime,
    since: date | None,
    created: Span = EVER,
    updated: Span = EVER,
) -> list[T]:
    """Records as they stand at a moment, by id. Spans are [from, to), None is open."""
    second = int(as_of.timestamp())
    found = []
    for life in lives:
        record = life.at(second)
        if record is None or (since is not None and life.root < since):
            continue
        if _inside(record.created_at, created) and _inside(record.updated_at, updated):  # type: ignore[attr-defined]
            found.append(record)
    return found


def won(deals: Sequence[CrmDeal], start: date, end: date) -> dict[tuple[date, str], int]:
    """Won amounts by close date and currency, cents, deleted deals left out."""
    found: dict[tuple[date, str], int] = {}
    for deal in deals:
        if deal.is_won and deal.deleted_at is None and start <= deal.close_date <= end:
            key = deal.close_date, deal.currency
            found[key] = found.get(key, 0) + (deal.amount or 0)
    return found


def moment(second: int) -> datetime:
    """A second as aware UTC."""
    return datetime.fromtimestamp(int(second), UTC)


def second_of(day: date, hour: float = 0.0) -> int:
    """The second of an hour of a day, UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp() + hour * 3_600)


def _inside(value: datetime, span: Span) -> bool:
    low, high = span
    return (low is None or value >= low) and (high is None or value < high)
