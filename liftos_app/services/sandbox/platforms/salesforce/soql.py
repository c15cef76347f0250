"""SOQL as text made into a query: SELECT fields FROM object WHERE ... ORDER BY ... LIMIT ...

What the grammar does not know is refused with MALFORMED_QUERY, as the vendor does: AND and OR may
not stand beside each other without brackets, and dates are written without quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from liftos_app.services.sandbox.platforms.salesforce.refusals import malformed

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<day>\d{4}-\d\d-\d\d)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}
LONGEST: Final = 100_000  # characters of a query


@dataclass(frozen=True, slots=True)
class Value:
    """A literal and what it was written as: text, number, day, moment, flag or null."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    """One condition: a field, an operator (=, !=, <, <=, >, >=, like, in, not in) and values."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by `and` or `or`, or one behind `not`."""

    joint: str
    parts: tuple[Condition, ...]


Condition = Compare | Group


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by."""

    field: str
    down: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole query; `fields` is empty for COUNT()."""

    fields: tuple[str, ...]
    object: str
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Query:
    """The query. Raises Refusal (400 MALFORMED_QUERY)."""
    if len(text) > LONGEST:
        raise malformed("SOQL statements cannot be longer than 100000 characters.")
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(f"unexpected token: '{text[at:].split()[0][:40]}'")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """Reads the tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def query(self) -> Query:
        """SELECT ... and everything behind it."""
        self._need("select")
        fields = self._fields()
        self._need("from")
        name = self._word()
        where = self._conditions() if self._take("where") else None
        order = self._order() if self._take("order") else ()
        limit = self._whole() if self._take("limit") else None
        offset = self._whole() if self._take("offset") else 0
        if self._at < len(self._tokens):
            raise malformed(f"unexpected token: '{self._tokens[self._at][1]}'")
        return Query(
            fields=fields, object=name, where=where, order=order, limit=limit, offset=offset
        )

    def _fields(self) -> tuple[str, ...]:
        first = self._word()
        if first.lower() == "count" and self._take("("):
            self._need(")")
            return ()
        fields = [first]
        while self._take(","):
            fields.append(self._word())
        twice = [f for i, f in enumerate(fields) if f.lower() in {g.lower() for g in fields[:i]}]
        if twice:
            raise malformed(f"duplicate field selected: {twice[0]}")
        return tuple(fields)

    def _conditions(self) -> Condition:
        parts = [self._condition()]
        joint = ""
        while True:
            found = next((w for w in ("and", "or") if self._peek(w)), "")
            if not found:
                return parts[0] if len(parts) == 1 else Group(joint, tuple(parts))
            if joint and found != joint:
                raise malformed(f"unexpected token: '{found}'")
            joint = found
            self._at += 1
            parts.append(self._condition())

    def _condition(self) -> Condition:
        if self._take("not"):
            return Group("not", (self._condition(),))
        if self._take("("):
            inner = self._conditions()
            self._need(")")
            return inner
        field = self._word()
        if self._take("not"):
            self._need("in")
            return Compare(field, "not in", self._list())
        if self._take("in"):
            return Compare(field, "in", self._list())
        if self._take("like"):
            return Compare(field, "like", (self._value(),))
        kind, sign = self._next()
        if kind != "sign" or sign not in {"=", "!=", "<>", "<", "<=", ">", ">="}:
            raise malformed(f"unexpected token: '{sign}'")
        return Compare(field, "!=" if sign == "<>" else sign, (self._value(),))

    def _list(self) -> tuple[Value, ...]:
        self._need("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need(")")
        return tuple(values)

    def _value(self) -> Value:
        kind, text = self._next()
        try:
            if kind == "text":
                plain = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text[1:-1])
                return Value("text", plain)
            if kind == "moment":
                return Value("moment", datetime.fromisoformat(text).astimezone(UTC))
            if kind == "day":
                return Value("day", date.fromisoformat(text))
        except ValueError:
            raise malformed(f"'{text}' is not a valid date") from None
        if kind == "number":
            return Value("number", float(text))
        low = text.lower()
        if kind == "word" and low in {"true", "false"}:
            return Value("flag", low == "true")
        if kind == "word" and low == "null":
            return Value("null", None)
        raise malformed(f"unexpected token: '{text}'")

    def _order(self) -> tuple[Order, ...]:
        self._need("by")
        found = [self._one_order()]
        while self._take(","):
            found.append(self._one_order())
        return tuple(found)

    def _one_order(self) -> Order:
        field = self._word()
        down = self._take("desc")
        if not down:
            self._take("asc")
        last = False
        if self._take("nulls"):
            last = self._take("last")
            if not last:
                self._need("first")
        return Order(field, down, last)

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            raise malformed(f"unexpected token: '{text}'")
        return int(text)

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise malformed(f"unexpected token: '{text}'")
        return text

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise malformed("unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self, word: str) -> bool:
        if self._at >= len(self._tokens):
            return False
        kind, text = self._tokens[self._at]
        return kind in {"word", "sign"} and text.lower() == word

    def _take(self, word: str) -> bool:
        found = self._peek(word)
        self._at += found
        return found

    def _need(self, word: str) -> None:
        if not self._take(word):
            there = self._tokens[self._at][1] if self._at < len(self._tokens) else "<EOF>"
            raise malformed(f"unexpected token: '{there}'")
