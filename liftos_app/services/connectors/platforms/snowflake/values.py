"""Snowflake's typed strings as exact JSON values: no number through float, no digit of time lost.

Dates and times become ISO text: NTZ without a zone, LTZ in UTC, TZ with its offset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (a wall time)
_BILLION = Decimal(1_000_000_000)
Plain = Literal["number", "text", "day", "time", "flag", "other"]
_PLAIN: Mapping[str, Plain] = {
    "fixed": "number", "real": "number", "text": "text", "boolean": "flag", "date": "day",
    "timestamp_ntz": "time", "timestamp_ltz": "time", "timestamp_tz": "time",
}


def parsers(row_type: Sequence[Mapping[str, Any]]) -> list[Callable[[str], Any]]:
    """One function per column; they get texts, never null. They raise ValueError."""
    return [_parser(str(c.get("type") or "").lower(), c) for c in row_type]


def kind_of(column: Mapping[str, Any]) -> str:
    """The type's name; "scaled" for an exact number with decimals."""
    kind = str(column.get("type") or "").lower()
    return "scaled" if kind == "fixed" and column.get("scale") else kind


def plain_type(name: str) -> Plain:
    """A column type in plain words."""
    return _PLAIN.get(name.lower(), "other")


def _parser(kind: str, column: Mapping[str, Any]) -> Callable[[str], Any]:
    if kind == "fixed":
        return _whole if not column.get("scale") else _decimal
    return _PARSERS.get(kind, str)


def _whole(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else _decimal(text)


def _decimal(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a number: {text[:60]!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a number: {text[:60]!r}")
    return format(number, "f")


def _real(text: str) -> float | str:
    number = float(text)
    return number if number == number and abs(number) != float("inf") else text  # noqa: PLR0124


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    raise ValueError(f"neither true nor false: {text[:60]!r}")


def _day(text: str) -> str:
    if text.lstrip("-").isdigit():
        return (date(1970, 1, 1) + timedelta(days=int(text))).isoformat()
    return date.fromisoformat(text[:10]).isoformat()


def _clock(text: str) -> str:
    if ":" in text:
        return text
    whole, nanos = _seconds(text)
    return f"{(_EPOCH + timedelta(seconds=whole)).time().isoformat()}.{nanos:09d}"


def wall(text: str) -> str:
    """Epoch seconds with nine decimals as ISO text without a zone; formatted text as it is."""
    if ":" in text:
        return text.strip().replace(" ", "T", 1)
    whole, nanos = _seconds(text)
    return f"{(_EPOCH + timedelta(seconds=whole)).isoformat()}.{nanos:09d}"


def _utc(text: str) -> str:
    found = wall(text)
    if ":" in text and (found.endswith("Z") or found[19:].count("+") or found[19:].count("-")):
        return found.replace(" ", "")
    return f"{found}+00:00"


def _zoned(text: str) -> str:
    """`<epoch seconds> <offset minutes + 1440>`: the time in its own zone, with its offset."""
    if ":" in text:
        found = wall(text)
        return found.replace(" ", "")
    stamp, _, offset = text.partition(" ")
    minutes = int(offset) - 1440
    whole, nanos = _seconds(stamp)
    local = _EPOCH + timedelta(seconds=whole + minutes * 60)
    sign = "-" if minutes < 0 else "+"
    return (f"{local.isoformat()}.{nanos:09d}"
            f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}")


def _seconds(text: str) -> tuple[int, int]:
    """Whole seconds (rounded down) and nanoseconds."""
    try:
        total = int(Decimal(text) * _BILLION)
    except (InvalidOperation, ValueError):
        raise ValueError(f"not a time: {text[:60]!r}") from None
    return divmod(total, 1_000_000_000)


def _tree(text: str) -> Any:
    return json.loads(text, parse_float=str)


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "real": _real, "boolean": _flag, "date": _day, "time": _clock, "timestamp_ntz": wall,
    "timestamp_ltz": _utc, "timestamp_tz": _zoned, "variant": _tree, "object": _tree,
    "array": _tree,
}
