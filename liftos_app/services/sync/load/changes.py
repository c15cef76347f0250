"""What a window changed in rows that were stored before: for the ledger and for an undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liftos_app.services.connectors.rows import ATTRIBUTION

_SETTINGS = {number: name for name, number in ATTRIBUTION.items()}
_LATER = frozenset({"refunded_micros"})  # grows by its nature: a refund counts on its own day


@dataclass(frozen=True, slots=True)
class Cell:
    """One number that changed. `entity` is the entity's key (figures) or the record's id."""

    entity: int | str
    day: str
    field: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """One row as it was and as it became; None: it did not exist, it is gone."""

    table: str
    key: Mapping[str, Any]  # columns that find it, beside organization and account
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A daily table: its key columns (the second is `day`) and its value columns."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(slots=True)
class Changes:
    """Collects while a window lands. `settled` are the ISO days that were read completely before.

    At most `room` cells are listed, all are counted. Rows are kept whole only when `undo` is set.
    """

    settled: frozenset[str] = frozenset()
    room: int = 0
    undo: bool = False
    count: int = 0
    cells: list[Cell] = field(default_factory=list)
    rows: list[Replaced] = field(default_factory=list)

    @property
    def listening(self) -> bool:
        """Whether anybody wants to know: false on a first load, which costs nothing then."""
        return self.undo or bool(self.settled)

    def figures(
        self, shape: Shape, level: int, key: tuple[Any, ...],
        before: tuple[Any, ...] | None, after: tuple[Any, ...] | None,
    ) -> None:
        """A row of a daily table: its key (entity, day, setting or metric) and its values."""
        names = shape.values
        if self.undo:
            self.rows.append(Replaced(
                shape.name, {**dict(zip(shape.keys, key, strict=True)), "level": level},
                dict(zip(names, before, strict=True)) if before else None,
                dict(zip(names, after, strict=True)) if after else None,
            ))
        if key[1] not in self.settled:
            return
        empty = (None,) * len(names)
        for name, old, new in zip(names, before or empty, after or empty, strict=True):
            if old != new and (old or new):  # a nothing that became a zero is no news
                self._cell(Cell(key[0], key[1], _named(name, key[2:]), old, new))

    def record(
        self, table: str, key: Mapping[str, Any], names: Iterable[str],
        before: Mapping[str, Any] | None, after: Mapping[str, Any] | None,
    ) -> None:
        """A record with an id and a day: its amounts are its cells."""
        if self.undo:
            self.rows.append(Replaced(table, key, before, after))
        day = str((before or after or {}).get("day", ""))
        if before is None or after is None or day not in self.settled:
            return
        for name in names:
            if name.endswith("_micros") and name not in _LATER and before[name] != after[name]:
                self._cell(Cell(str(key["external_id"]), day, name, before[name], after[name]))

    def _cell(self, cell: Cell) -> None:
        self.count += 1
        if len(self.cells) < self.room:
            self.cells.append(cell)


def _named(name: str, rest: tuple[Any, ...]) -> str:
    """`column`, `column@setting`, or the metric's name where the value column says nothing."""
    if not rest:
        return name
    if isinstance(rest[0], str):
        return rest[0][:80]
    return f"{name}@{_SETTINGS.get(rest[0], rest[0])}" if rest[0] else name
