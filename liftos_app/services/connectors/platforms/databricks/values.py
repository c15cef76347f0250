"""Values of JSON_ARRAY results: texts by the column's type, made exact JSON values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Plain = Literal["number", "text", "day", "time", "flag", "other"]
_WHOLE = frozenset({"BYTE", "SHORT", "INT", "LONG", "TINYINT", "SMALLINT", "BIGINT"})
_NUMBERS = _WHOLE | {"FLOAT", "DOUBLE", "DECIMAL"}
_PLAIN: Mapping[str, Plain] = {
    "STRING": "text", "CHAR": "text", "BOOLEAN": "flag", "DATE": "day", "TIMESTAMP": "time",
    "TIMESTAMP_NTZ": "time",
}


def kind_of(column: Mapping[str, Any]) -> str:
    """The type's name without its numbers; NTZ is told by the type's text only."""
    text = str(column.get("type_text") or "").upper().partition("(")[0].strip()
    name = str(column.get("type_name") or "").upper()
    return "TIMESTAMP_NTZ" if text == "TIMESTAMP_NTZ" else name or text


def exact_kind(column: Mapping[str, Any]) -> str:
    """As `kind_of`; SCALED for an exact number with decimals."""
    kind = kind_of(column)
    scale = column.get("type_scale") or str(column.get("type_text")).partition(",")[2].strip(" )")
    return "SCALED" if kind == "DECIMAL" and scale not in ("", "0", 0) else kind


def plain_type(column: Mapping[str, Any]) -> Plain:
    """A column's type in plain words."""
    kind = kind_of(column)
    return "number" if kind in _NUMBERS else _PLAIN.get(kind, "other")


def parsers(columns: Sequence[Mapping[str, Any]]) -> list[Callable[[str], Any]]:
    """One function per column; they get texts, never null. They raise ValueError."""
    return [_parser(kind_of(c)) for c in columns]


def _parser(kind: str) -> Callable[[str], Any]:
    if kind in _WHOLE:
        return _whole
    return _PARSERS.get(kind, str)


def _whole(text: str) -> int:
    return int(text)


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
    return text if number != number or abs(number) == float("inf") else number  # noqa: PLR0124


def _flag(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError(f"neither true nor false: {text[:60]!r}")


def _tree(text: str) -> Any:
    return json.loads(text, parse_float=str)


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "DECIMAL": _decimal, "FLOAT": _real, "DOUBLE": _real, "BOOLEAN": _flag, "ARRAY": _tree,
    "MAP": _tree, "STRUCT": _tree,
}
