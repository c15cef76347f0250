"""WHERE: typed tests on values, and the span of days a query asks for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftos_app.services.sandbox.platforms.google_ads import dates
from liftos_app.services.sandbox.platforms.google_ads.fields import ENUMS, NUMBERS, Field
from liftos_app.services.sandbox.platforms.google_ads.gaql import (
    COMPARE,
    LISTS,
    Condition,
    GaqlError,
    Value,
)

Test = Callable[[Any], bool]
MAX_PATTERN = 1_000
_EQUALITY = frozenset({"=", "!=", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})
_LIKE = frozenset({"LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH"})
_ORDERED = (COMPARE | {"IN", "NOT IN", "BETWEEN", "IS NULL", "IS NOT NULL"}) - {"CONTAINS ANY"}
_MEMBERS = frozenset({"CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE", "IS NULL", "IS NOT NULL"})
ALLOWED = {
    "text": _EQUALITY | _LIKE | COMPARE,
    "enum": _EQUALITY,
    "bool": frozenset({"=", "!=", "IS NULL", "IS NOT NULL"}),
    "int": _ORDERED,
    "int32": _ORDERED,
    "num": _ORDERED,
    "texts": _MEMBERS,
    "ints": _MEMBERS,
    "enums": _MEMBERS,
    "msg": frozenset({"IS NULL", "IS NOT NULL"}),
    "date": COMPARE | {"IN", "NOT IN", "BETWEEN", "DURING"},
}


@dataclass(slots=True)
class Span:
    """Days asked for; None is open. `tests` take a day and must all hold."""

    first: dt.date | None = None
    last: dt.date | None = None
    tests: list[Callable[[dt.date], bool]] = field(default_factory=list)

    @property
    def is_finite(self) -> bool:
        """Whether both ends are known."""
        return self.first is not None and self.last is not None

    def narrow(self, first: dt.date | None, last: dt.date | None) -> None:
        """Intersect with another span."""
        if first is not None:
            self.first = first if self.first is None else max(self.first, first)
        if last is not None:
            self.last = last if self.last is None else min(self.last, last)

    def holds(self, day: dt.date) -> bool:
        """Whether a day is asked for."""
        if (self.first and day < self.first) or (self.last and day > self.last):
            return False
        return all(test(day) for test in self.tests)


def add_date(span: Span, item: Field, condition: Condition, today: dt.date) -> None:
    """Apply a condition on a core date segment to the span. Raises GaqlError."""
    _check_operator(item, condition, "date")
    if condition.operator == "DURING":
        literal = str(condition.values[0]).upper()
        if literal not in dates.LITERALS or item.name != "date":
            raise GaqlError(
                "INVALID_VALUE_WITH_DURING_OPERATOR",
                f"Error in query: '{condition.values[0]}' cannot follow DURING on '{item.path}'.",
                subject=str(condition.values[0]),
            )
        span.narrow(*dates.during(literal, today))
        return
    ends = [_days_of(item, value) for value in condition.values]
    first, last = min(e[0] for e in ends), max(e[1] for e in ends)
    match condition.operator:
        case "=" | "IN":
            span.narrow(first, last)
            span.tests.append(lambda day: any(a <= day <= b for a, b in ends))
        case "!=" | "NOT IN":
            span.tests.append(lambda day: not any(a <= day <= b for a, b in ends))
        case "BETWEEN":
            if ends[0][0] > ends[1][0]:
                raise GaqlError(
                    "INVALID_VALUE_WITH_BETWEEN_OPERATOR",
                    "Error in query: BETWEEN takes the earlier value first.",
                    subject=item.path,
                )
            span.narrow(ends[0][0], ends[1][1])
        case ">=":
            span.narrow(first, None)
        case ">":
            span.narrow(last + dt.timedelta(days=1), None)
        case "<=":
            span.narrow(None, last)
        case "<":
            span.narrow(None, first - dt.timedelta(days=1))


def _days_of(item: Field, value: Value) -> tuple[dt.date, dt.date]:
    """First and last day a value of date, week, month, quarter or year stands for."""
    try:
        if item.name == "year":
            value = f"{value}-01-01"
        day = dates.read_day(str(value))
    except ValueError:
        raise GaqlError(
            "INVALID_DATE_FORMAT",
            f"Error in query: '{value}' is no date of the form YYYY-MM-DD.",
            subject=str(value),
        ) from None
    if item.name == "date":
        return day, day
    if item.name == "year":
        return day, day.replace(month=12, day=31)
    if dates.of_day(item.name, day) != day.isoformat():
        raise GaqlError(
            "MISALIGNED_DATE_FOR_FILTER",
            f"Error in query: '{value}' is not the first day of a {item.name}.",
            subject=str(value),
        )
    if item.name == "week":
        return day, day + dt.timedelta(days=6)
    months = 1 if item.name == "month" else 3
    after = day.month - 1 + months
    return day, dt.date(day.year + after // 12, after % 12 + 1, 1) - dt.timedelta(days=1)


def test_of(item: Field, condition: Condition) -> Test:
    """A test on the value of one field. Unset values are null. Raises GaqlError."""
    _check_operator(item, condition, item.kind)
    operator = condition.operator
    if operator == "IS NULL":
        return lambda value: value is None
    if operator == "IS NOT NULL":
        return lambda value: value is not None
    if operator.endswith("LIKE"):
        pattern = _like(condition.values[0])
        wanted = not operator.startswith("NOT")
        return lambda value: bool(pattern.fullmatch(str(value or ""))) is wanted
    if operator.endswith("REGEXP_MATCH"):
        pattern = _regex(condition.values[0])
        wanted = not operator.startswith("NOT")
        return lambda value: bool(pattern.fullmatch(str(value or ""))) is wanted
    wanted_values = [_typed(item, value) for value in condition.values]
    if operator in LISTS:
        return _membership(operator, wanted_values)
    return _comparison(operator, wanted_values)


def _check_operator(item: Field, condition: Condition, kind: str) -> None:
    if condition.operator not in ALLOWED[kind]:
        raise GaqlError(
            "OPERATOR_FIELD_MISMATCH",
            f"Error in query: '{condition.operator}' cannot be used with '{item.path}'.",
            subject=item.path,
        )


def _typed(item: Field, value: Value) -> Any:
    kind = item.kind.rstrip("s") if item.kind in {"ints", "enums", "texts"} else item.kind
    text = str(value)
    if kind in NUMBERS:
        try:
            return float(text) if kind == "num" else int(text)
        except ValueError:
            raise GaqlError(
                "BAD_NUMBER", f"Error in query: '{text}' is no number.", subject=text
            ) from None
    if kind == "bool":
        if text.lower() not in {"true", "false"}:
            raise GaqlError(
                "BAD_VALUE", f"Error in query: '{text}' is neither TRUE nor FALSE.", subject=text
            )
        return text.lower() == "true"
    if kind == "enum" and item.path in ENUMS:
        allowed = {*ENUMS[item.path].split(), "UNSPECIFIED", "UNKNOWN"}
        if text not in allowed:
            raise GaqlError(
                "BAD_ENUM_CONSTANT",
                f"Error in query: invalid enum value '{text}' for '{item.path}'.",
                subject=text,
            )
    return text


def _membership(operator: str, listed: Sequence[Any]) -> Test:
    wanted = frozenset(listed)
    match operator:
        case "IN":
            return lambda value: value in wanted
        case "NOT IN":
            return lambda value: value not in wanted
        case "CONTAINS ANY":
            return lambda value: any(w in _listed(value) for w in wanted)
        case "CONTAINS ALL":
            return lambda value: all(w in _listed(value) for w in wanted)
    return lambda value: not any(w in _listed(value) for w in wanted)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _comparison(operator: str, wanted: Sequence[Any]) -> Test:
    first = wanted[0]
    if operator in {"=", "!="}:
        return lambda value: (_or_zero(value, first) == first) is (operator == "=")
    if operator == "BETWEEN":
        low, high = wanted
        return lambda value: _or_zero(value, low) >= low and _or_zero(value, low) <= high
    compare: dict[str, Test] = {
        "<": lambda value: _or_zero(value, first) < first,
        "<=": lambda value: _or_zero(value, first) <= first,
        ">": lambda value: _or_zero(value, first) > first,
        ">=": lambda value: _or_zero(value, first) >= first,
    }
    return compare[operator]


def _or_zero(value: Any, like: Any) -> Any:
    """An unset field compares as the zero of its type."""
    return type(like)() if value is None else value


def _like(value: Value) -> re.Pattern[str]:
    """% and _ are wildcards, [%] and [_] the characters; LIKE ignores case."""
    if len(str(value)) > MAX_PATTERN:
        raise GaqlError(
            "INVALID_VALUE_WITH_LIKE_OPERATOR", "Error in query: the LIKE pattern is too long."
        )
    pieces = [""]
    for part in re.findall(r"\[[%_\[\]]\]|.", str(value), re.DOTALL):
        if part == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if part == "_" else re.escape(part[1] if len(part) == 3 else part)
    if len(pieces) == 1:
        return re.compile(pieces[0], re.IGNORECASE | re.DOTALL)
    # Atomic groups keep a text of many % linear.
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    return re.compile(f"{pieces[0]}{middle}.*{pieces[-1]}", re.IGNORECASE | re.DOTALL)


def _regex(value: Value) -> re.Pattern[str]:
    """A pattern that cannot run away: no repeated groups, at most three repeats."""
    text = str(value)
    risky = len(text) > 128 or len(re.findall(r"[*+{?]", text)) > 3 or re.search(r"\)[*+{]", text)
    try:
        if risky:
            raise ValueError(text)  # noqa: TRY301 - one refusal for both reasons
        return re.compile(text)
    except (ValueError, re.error):
        raise GaqlError(
            "BAD_VALUE", "Error in query: the regular expression cannot be used.", subject=text[:80]
        ) from None
