"""How far a cursor stream has been read: a time, or a whole number that only grows.

- "time": a UTC time as `2026-11-22T10:00:00Z`. The engine sets the first one to the moment at
  which its first span reading began.
- "number": digits that every new or changed record raises. A span that reaches `task.today`
  carries on its last page the greatest number there was when it began, "" for none: that is where
  changes begin. A number says nothing of days, so it is kept with the moment at which it was
  reached, as `<number>@<UTC time>`. One that only new records raise finds no changed ones: the
  last `reread_days` are read by spans as well.

Times of one form compare as texts, numbers as numbers, whatever their sign and length.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

CursorKind = Literal["", "time", "number"]  # "": the stream has none
BEFORE_ALL: Final = "start"  # stands for a number below every other: all there is, is new
FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
LONGEST: Final = 38  # digits, as in the largest whole number of a warehouse


def value(kind: CursorKind, kept: str) -> str:
    """What the source is asked with: the time or the number of a kept position; "" for none."""
    return kept.partition("@")[0] if kind == "number" else kept


def moment(kind: CursorKind, kept: str) -> datetime | None:
    """When a kept position was reached; None for one whose form tells no time."""
    text = kept.partition("@")[2] if kind == "number" else kept
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def first(kind: CursorKind, read: str, at: datetime) -> str:
    """The position after the first reading, which began `at` and came as far as `read`.

    Changes after that moment come with the first increment.
    """
    stamp = at.astimezone(UTC).strftime(FORM)
    return f"{read or BEFORE_ALL}@{stamp}" if kind == "number" else stamp


def moved(kind: CursorKind, kept: str, read: str, at: datetime) -> str:
    """The position after changes were read up to `read`, from `at` on. It never goes back."""
    if kind != "number":
        return max(kept, read)
    return f"{later(value(kind, kept), read)}@{at.astimezone(UTC).strftime(FORM)}"


def later(one: str, other: str) -> str:
    """The greater of two numbers in digits; BEFORE_ALL and "" are below every number."""
    if not _is_number(other):
        return one or other
    return max(one, other, key=int) if _is_number(one) else other


def less(number: str, overlap: int) -> str:
    """A number less the overlap; BEFORE_ALL stays."""
    return str(int(number) - overlap) if _is_number(number) else number


def _is_number(text: str) -> bool:
    return text not in ("", BEFORE_ALL)
