"""Writing tables of ours into a warehouse: what a table is, and what a platform's writer does.

Rows are known by `LIFTOS_KEY` and compared by `LIFTOS_DIGEST`, both made by us: only what is new,
changed or gone is sent, and sending it twice changes nothing. Names here are in small letters; a
writer spells them as its warehouse stores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from liftos_app.errors import Fix

SCHEMA: Final = "liftos"
KEY: Final = "_liftos_key"
DIGEST: Final = "_liftos_digest"
SYNCED: Final = "_liftos_synced_at"
Kind = Literal["text", "number", "day", "time", "flag"]
Row = Mapping[str, Any]  # JSON: numbers as decimal text, days and times (UTC) as ISO text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ours."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours; the three columns of bookkeeping come first and by themselves."""

    name: str
    columns: tuple[Column, ...]

    @property
    def all(self) -> tuple[Column, ...]:
        """Every column."""
        return (Column(KEY, "text"), Column(DIGEST, "text"), Column(SYNCED, "time"), *self.columns)


class Writer(Protocol):
    """One database (or catalog) of a warehouse, our schema in it. Raises errors.* and Stopped."""

    def prepare(self, table: Table) -> list[str]:
        """Make the schema and the table, or add the columns it lacks; says what was done."""

    def digests(self, table: Table) -> dict[str, str]:
        """Key -> digest of every row that is there."""

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert or replace rows by key."""

    def delete(self, table: Table, keys: Sequence[str]) -> None:
        """Remove rows by key."""

    def count(self, table: Table) -> int:
        """How many rows are there."""


def not_ours(place: str) -> Fix:
    """The error for a table that carries our name but is somebody else's."""
    return Fix(
        f"{place} is a table that LiftOS did not make.",
        why="It lacks our key column, and we never write into tables of others.",
        fix="Rename that table, or choose another database to publish to.",
    )
