"""The `filtering` parameter: a JSON list of {field, operator, value} joined by AND."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from liftos_app.services.sandbox.platforms.meta_business.answers import bad_parameter

Read = Callable[[Any, str], Any]
_COMPARE: dict[str, Callable[[Decimal, Decimal, Decimal], bool]] = {
    "GREATER_THAN": lambda have, low, _: have > low,
    "GREATER_THAN_OR_EQUAL": lambda have, low, _: have >= low,
    "LESS_THAN": lambda have, low, _: have < low,
    "LESS_THAN_OR_EQUAL": lambda have, low, _: have <= low,
    "IN_RANGE": lambda have, low, high: low <= have <= high,
    "NOT_IN_RANGE": lambda have, low, high: not low <= have <= high,
}
_TEXTS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "EQUAL": lambda have, wanted: have[0] == wanted[0],
    "NOT_EQUAL": lambda have, wanted: have[0] != wanted[0],
    "IN": lambda have, wanted: any(h in wanted for h in have),
    "ANY": lambda have, wanted: any(h in wanted for h in have),
    "NOT_IN": lambda have, wanted: not any(h in wanted for h in have),
    "NONE": lambda have, wanted: not any(h in wanted for h in have),
    "ALL": lambda have, wanted: all(w in have for w in wanted),
    "CONTAIN": lambda have, wanted: any(w in have[0] for w in wanted),
    "NOT_CONTAIN": lambda have, wanted: not any(w in have[0] for w in wanted),
    "STARTS_WITH": lambda have, wanted: any(have[0].startswith(w) for w in wanted),
}
OPERATORS = frozenset({*_COMPARE, *_TEXTS})
Test = Callable[[Any], bool]


def load_json(name: str, text: str) -> Any:
    """A JSON parameter. Raises GraphError naming it."""
    try:
        return json.loads(text)
    except ValueError:
        raise bad_parameter(name, "must be valid JSON") from None


def listed(name: str, text: str) -> list[str]:
    """A list parameter: JSON, or names joined by commas."""
    if not text:
        return []
    found = load_json(name, text) if text.lstrip().startswith(("[", '"')) else text.split(",")
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(x, str | int) for x in found):
        raise bad_parameter(name, "must be an array")
    return [str(x).strip() for x in found]


def parse(text: str, *, known: Callable[[str], bool], read: Read) -> Test:
    """A test of a record. `known` says which fields may be filtered, `read` gets their values."""
    if not text:
        return lambda _: True
    found = load_json("filtering", text)
    if not isinstance(found, list):
        raise bad_parameter("filtering", "must be an array")
    tests = [_condition(index, item, known, read) for index, item in enumerate(found)]
    return lambda record: all(test(record) for test in tests)


def _condition(index: int, item: Any, known: Callable[[str], bool], read: Read) -> Test:
    here = f"filtering[{index}]"
    if not isinstance(item, Mapping):
        raise bad_parameter(here, "must be an object with field, operator and value")
    name = str(item.get("field", ""))
    operator = str(item.get("operator", "EQUAL")).upper()
    if not known(name):
        raise bad_parameter(
            f"{here}[field]", f"cannot be '{name[:60]}': this field cannot be filtered"
        )
    if operator not in OPERATORS:
        raise bad_parameter(
            f"{here}[operator]", "must be one of {" + ", ".join(sorted(OPERATORS)) + "}"
        )
    value = item.get("value")
    values = value if isinstance(value, list) and value else [value]
    if operator in _COMPARE:
        return _numeric(here, operator, values, lambda record: read(record, name))
    return _textual(operator, [_text(v) for v in values], lambda record: read(record, name))


def _text(value: Any) -> str:
    return str(value).lower() if value is not None else ""


def _textual(operator: str, wanted: list[str], get: Callable[[Any], Any]) -> Test:
    def test(record: Any) -> bool:
        found = get(record)
        have = [_text(v) for v in found] if isinstance(found, list) else [_text(found)]
        return _TEXTS[operator](have or [""], wanted)

    return test


def _numeric(here: str, operator: str, wanted: list[Any], get: Callable[[Any], Any]) -> Test:
    numbers = [_number(v) for v in wanted]
    count = 2 if operator.endswith("IN_RANGE") else 1
    if len(numbers) < count or None in numbers:
        raise bad_parameter(f"{here}[value]", f"must hold {count} number(s) for {operator}")
    low = numbers[0]
    high = numbers[-1]

    def test(record: Any) -> bool:
        have = _number(get(record))
        if have is None or low is None or high is None:
            return False
        return _COMPARE[operator](have, low, high)

    return test


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
