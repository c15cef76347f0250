"""What the loaders of all tables share: the window on its way in, its counts, rows by their id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Table
from sqlmodel import Session

from liftos_app.services.connectors.spec import Rejected, Row, Stream
from liftos_app.services.sync.load.changes import Changes

BIGGEST = 2**63 - 1
T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What happened to the rows of a window. read = written + updated + unchanged + rejected."""

    read: int = 0
    written: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    removed: int = 0  # rows the source no longer has; not among those read
    per_day: dict[str, int] = field(default_factory=dict)  # ISO day -> rows

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for."""
        return self.read == self.written + self.updated + self.unchanged + self.rejected

    def add(self, other: Counts) -> None:
        """Add another count to this one."""
        for name in ("read", "written", "updated", "unchanged", "rejected", "removed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.per_day.update(other.per_day)


@dataclass(slots=True)
class Entities:
    """The entities of an account and level, by the platform's id."""

    keys: dict[str, int]
    names: dict[str, str]


@dataclass(slots=True)
class Target:
    """Where rows go: one account of one organization, with what is known of its entities."""

    org_id: int
    account_key: int
    run_id: UUID
    now: datetime
    entities: dict[int, Entities] = field(default_factory=dict)  # by level, as far as looked up


@dataclass(slots=True)
class Landing:
    """One window's rows on their way into the tables, in the caller's transaction.

    `span` is the window that was read completely, both days inclusive; None means that the rows
    are changes only and nothing may be removed. Rejections found on the way join `rejected`.
    """

    session: Session
    target: Target
    stream: Stream
    rows: Sequence[Row]
    span: tuple[dt.date, dt.date] | None
    rejected: list[Rejected]
    whole: bool = False  # rows are all there is: what is not among them is gone
    changes: Changes = field(default_factory=Changes)  # what it replaces, for who listens
    gone: frozenset[str] = frozenset()  # CRM ids reported as deleted
    alive: frozenset[str] | None = None  # all CRM ids there are, when the platform listed them


def table_of(model: Any) -> Table:
    table: Table = model.__table__
    return table


def unique(
    rows: Sequence[Row], ident: Callable[[Row], Any], rejected: list[Rejected]
) -> tuple[dict[Any, Row], int]:
    """Rows by id. An exact repeat counts as unchanged; of two that differ the later one stays."""
    found: dict[Any, Row] = {}
    counts = Counts()
    for row in rows:
        key = ident(row)
        before = found.get(key)
        if before is not None:
            newer = row.get("updated_at") != before.get("updated_at")
            repeat(before, before == row or newer, counts, rejected)
        found[key] = row
    return found, counts.unchanged


def repeat(row: Row, same: bool, counts: Counts, rejected: list[Rejected]) -> None:
    if same:
        counts.unchanged += 1
    else:
        rejected.append(Rejected(
            row, "The platform sent two different rows for the same key.", str(row.get("day", ""))
        ))


def batches(items: list[T], size: int) -> Iterable[list[T]]:
    for start in range(0, len(items), size):
        yield items[start:start + size]


def days_of(span: tuple[dt.date, dt.date] | None, rows: Sequence[Row]) -> set[str]:
    """The days a row may have: those of the span, or any that is a real calendar day."""
    if span is not None:
        length = (span[1] - span[0]).days + 1
        return {(span[0] + dt.timedelta(days=i)).isoformat() for i in range(length)}
    return {
        day for day in {str(r.get("day")) for r in rows}
        if len(day) == 10 and as_day(day) is not None
    }


def as_day(value: object) -> dt.date | None:
    try:
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))
    except ValueError:
        return None
