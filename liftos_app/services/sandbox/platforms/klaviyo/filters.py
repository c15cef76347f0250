"""Klaviyo's filter grammar: `operator(field,value)`, lists in brackets, joined by `and(...)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.klaviyo.wire import Refusal, invalid

Value = str | float | bool | None | list[str]


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison."""

    operator: str
    field: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field allows. `kind`: string, time, bool, number."""

    operators: tuple[str, ...]
    kind: str = "string"
    values: tuple[str, ...] = ()


ORDER = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
_OPERATORS = {
    "equals",
    "any",
    "contains",
    "contains-any",
    "contains-all",
    "starts-with",
    "ends-with",
    "has",
    *ORDER,
}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<punct>[(),\[\]]) |
      (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") |
      (?P<bare>[^\s(),\[\]'"]+)
    )""",
    re.VERBOSE,
)


class _Reader:
    def __init__(self, text: str, parameter: str) -> None:
        self.parameter = parameter
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.refuse(f"unexpected character at position {position}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind)))
            position = match.end()
        self.at = 0

    def refuse(self, why: str) -> Refusal:
        return invalid(f"The filter could not be read: {why}.", parameter=self.parameter)

    def take(self, wanted: str = "") -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise self.refuse("it ends too early")
        token = self.tokens[self.at]
        if wanted and token[1] != wanted:
            raise self.refuse(f"expected '{wanted}' and found '{token[1]}'")
        self.at += 1
        return token

    def next_is(self, text: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] == ("punct", text)

    def clauses(self) -> list[Clause]:
        found = self.clause()
        while self.next_is(","):
            self.take(",")
            found += self.clause()
        if self.at != len(self.tokens):
            raise self.refuse(f"'{self.tokens[self.at][1]}' is left over")
        return found

    def clause(self) -> list[Clause]:
        _, operator = self.take()
        self.take("(")
        if operator == "and":
            found = self.clause()
            while self.next_is(","):
                self.take(",")
                found += self.clause()
            self.take(")")
            return found
        if operator in {"or", "not"}:
            raise self.refuse(f"the operator '{operator}' is not supported here")
        if operator not in _OPERATORS:
            raise self.refuse(f"'{operator}' is not an operator")
        kind, name = self.take()
        if kind != "bare":
            raise self.refuse("a field name is missing")
        value: Value = None
        if operator != "has":
            self.take(",")
            value = self.value()
        self.take(")")
        return [Clause(operator, name, value)]

    def value(self) -> Value:
        if self.next_is("["):
            self.take("[")
            items: list[str] = []
            while not self.next_is("]"):
                items.append(str(self.scalar()))
                if self.next_is(","):
                    self.take(",")
            self.take("]")
            return items
        return self.scalar()

    def scalar(self) -> str | float | bool | None:
        kind, text = self.take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "punct":
            raise self.refuse(f"a value is missing before '{text}'")
        if text in {"true", "false"}:
            return text == "true"
        # A '+' that was not percent-encoded arrives as a blank: the platform reads it all the same.
        if self.at < len(self.tokens) and re.fullmatch(r"\d{2}:?\d{2}", self.tokens[self.at][1]):
            return f"{text}+{self.take()[1]}"
        if text == "null":
            return None
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text


def parse(
    text: str | None, rules: Mapping[str, Rule], *, parameter: str = "filter"
) -> list[Clause]:
    """Read a filter and check it against what the resource allows. Raises Refusal (400)."""
    if text is None:
        return []
    if not text.strip():
        raise invalid("The filter is empty.", parameter=parameter)
    try:
        found = _Reader(text, parameter).clauses()
    except RecursionError:
        raise invalid("The filter is nested too deeply.", parameter=parameter) from None
    for clause in found:
        _check(clause, rules, parameter)
    return found


def _check(clause: Clause, rules: Mapping[str, Rule], parameter: str) -> None:
    rule = rules.get(clause.field)
    if rule is None:
        raise invalid(
            f"'{clause.field}' is not a filterable field. Allowed: {', '.join(rules)}.",
            parameter=parameter,
        )
    if clause.operator not in rule.operators:
        raise invalid(
            f"The operator '{clause.operator}' is not supported for '{clause.field}'. "
            f"Allowed: {', '.join(rule.operators)}.",
            parameter=parameter,
        )
    values = clause.value if isinstance(clause.value, list) else [clause.value]
    for value in values:
        _check_value(clause, rule, value, parameter)


def _check_value(clause: Clause, rule: Rule, value: Any, parameter: str) -> None:
    wrong = (
        (rule.kind == "time" and as_time(value) is None)
        or (rule.kind == "bool" and not isinstance(value, bool) and value not in {"true", "false"})
        or (rule.kind == "number" and not isinstance(value, float))
    )
    if wrong and clause.operator != "has":
        raise invalid(
            f"'{value}' is not a valid {rule.kind} for '{clause.field}'.", parameter=parameter
        )
    if rule.values and value not in rule.values:
        raise invalid(
            f"'{value}' is not a valid value for '{clause.field}'. "
            f"Allowed: {', '.join(rule.values)}.",
            parameter=parameter,
        )


def as_time(value: object, zone: ZoneInfo | None = None) -> datetime | None:
    """An instant in UTC; a text without an offset is read in `zone` (UTC by default)."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if not 1971 < moment.year < 2200:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    return moment.astimezone(UTC)


def keep(
    rows: Sequence[Any], clauses: Sequence[Clause], read: Mapping[str, Callable[[Any], Any]]
) -> list[Any]:
    """The rows every clause accepts."""
    return [row for row in rows if all(_accepts(c, read[c.field](row)) for c in clauses)]


def _accepts(clause: Clause, have: Any) -> bool:
    wanted: Any = clause.value
    if clause.operator == "has":
        return have is not None
    if isinstance(have, datetime):
        limit = as_time(wanted)
        return limit is not None and _ordered(clause.operator, have, limit)
    if isinstance(have, bool) and not isinstance(wanted, (list, bool)):
        wanted = wanted == "true"
    if clause.operator in {"any", "contains-any"} or isinstance(wanted, list):
        return have in wanted if not isinstance(have, list) else bool(set(have) & set(wanted))
    if clause.operator in ORDER:
        return have is not None and _ordered(clause.operator, float(have), float(wanted))
    text, part = str(have or "").lower(), str(wanted).lower()
    tests: dict[str, Callable[[], bool]] = {
        "contains": lambda: part in text,
        "starts-with": lambda: text.startswith(part),
        "ends-with": lambda: text.endswith(part),
        "equals": lambda: bool(have == wanted),
    }
    return tests[clause.operator]()


def _ordered(operator: str, have: Any, limit: Any) -> bool:
    return bool(
        {
            "greater-or-equal": have >= limit,
            "greater-than": have > limit,
            "less-or-equal": have <= limit,
            "less-than": have < limit,
            "equals": have == limit,
        }[operator]
    )
