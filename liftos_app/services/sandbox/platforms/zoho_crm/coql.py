"""COQL as text made into a query: select ... from Module where ... order by ... limit from, count.

Criteria are joined in pairs: a third one needs brackets. Times are written in quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from liftos_app.services.sandbox.platforms.zoho_crm.refusals import (
    Refusal,
    bad_query,
    bad_syntax,
    missing,
)

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_.$]*)|(?P<sign><=|>=|!=|[=<>(),]))"
)
COLUMNS, CRITERIA, ORDERS = 50, 25, 10
MOST, REACH, USUAL = 2000, 100_000, 200
_TIMES: Final = frozenset({"datetime"})
_NUMBERS: Final = frozenset({"bigint", "integer", "double", "currency"})


@dataclass(frozen=True, slots=True)
class Compare:
    """One criterion; values are texts, numbers, booleans or None."""

    field: str
    sign: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conditions joined by `and` or `or`."""

    joint: str
    left: Condition
    right: Condition


Condition = Compare | Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole query."""

    fields: tuple[str, ...]
    module: str
    where: Condition
    order: tuple[tuple[str, bool], ...]  # field, descending
    offset: int
    limit: int

    def mentions(self, field: str) -> bool:
        """Whether a criterion speaks of a field."""
        return field in fields_of(self.where)


def fields_of(condition: Condition) -> list[str]:
    """The fields of all criteria."""
    if isinstance(condition, Compare):
        return [condition.field]
    return [*fields_of(condition.left), *fields_of(condition.right)]


def parse(text: str) -> Query:
    """The query. Raises Refusal (400)."""
    found, at, text = [], 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise bad_syntax(text[at : at + 20])
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return _Parser(found).query()


class _Parser:
    """Reads the tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def query(self) -> Query:
        """select ... and everything behind it."""
        self._need("select")
        fields = [self._word()]
        while self._take(","):
            fields.append(self._word())
        if len(fields) > COLUMNS:
            raise Refusal(400, "LIMIT_EXCEEDED", "maximum columns exceeded", {"limit": COLUMNS})
        if len(set(fields)) < len(fields):
            raise Refusal(400, "DUPLICATE_DATA", "duplicate columns in the query")
        self._need("from")
        module = self._word()
        if not self._take("where"):
            raise bad_syntax("where")
        where = self._condition()
        if len(fields_of(where)) > CRITERIA:
            raise Refusal(400, "LIMIT_EXCEEDED", "maximum criteria exceeded", {"limit": CRITERIA})
        order = self._order() if self._take("order") else ()
        offset, limit = self._window()
        if self._at < len(self._tokens):
            raise bad_syntax(self._tokens[self._at][1])
        return Query(
            fields=tuple(fields), module=module, where=where, order=order, offset=offset,
            limit=limit,
        )  # fmt: skip

    def _condition(self) -> Condition:
        left = self._single()
        for joint in ("and", "or"):
            if self._take(joint):
                right = self._single()
                if self._peek("and") or self._peek("or"):
                    raise bad_syntax(self._tokens[self._at][1])  # a third one without brackets
                return Pair(joint, left, right)
        return left

    def _single(self) -> Condition:
        if self._take("("):
            inner = self._condition()
            self._need(")")
            return inner
        field = self._word()
        if self._take("is"):
            sign = "!=" if self._take("not") else "="
            self._need("null")
            return Compare(field, sign, (None,))
        if self._take("between"):
            low = self._value()
            self._need("and")
            return Compare(field, "between", (low, self._value()))
        negative = self._take("not")
        if self._take("in"):
            self._need("(")
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            self._need(")")
            return Compare(field, "not in" if negative else "in", tuple(values))
        if self._take("like"):
            return Compare(field, "like", (self._value(),))
        kind, sign = self._next()
        if kind != "sign" or sign not in {"=", "!=", "<", "<=", ">", ">="}:
            raise bad_syntax(sign)
        return Compare(field, sign, (self._value(),))

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._need("by")
        found = [self._one_order()]
        while self._take(","):
            found.append(self._one_order())
        if len(found) > ORDERS:
            raise Refusal(400, "LIMIT_EXCEEDED", "maximum order by exceeded", {"limit": ORDERS})
        return tuple(found)

    def _one_order(self) -> tuple[str, bool]:
        field = self._word()
        down = self._take("desc")
        if not down:
            self._take("asc")
        return field, down

    def _window(self) -> tuple[int, int]:
        """`limit from, count`, or `limit count offset from`."""
        offset, limit = 0, USUAL
        if self._take("limit"):
            limit = self._whole()
            if self._take(","):
                offset, limit = limit, self._whole()
            elif self._take("offset"):
                offset = self._whole()
        if limit > MOST or offset + limit > REACH:
            raise Refusal(400, "LIMIT_EXCEEDED", "maximum limit exceeded", {"limit": MOST})
        return offset, limit

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "text":
            return text[1:-1].replace("\\'", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "word" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        raise bad_syntax(text)

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            raise bad_syntax(text)
        return int(text)

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise bad_syntax(text)
        return text

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise bad_syntax("end of the query")
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
            there = self._tokens[self._at][1] if self._at < len(self._tokens) else "end"
            raise bad_syntax(there)


def literal(value: Any, field: str, kind: str) -> Any:
    """A value in the form its field is compared in. Raises Refusal for another type."""
    if value is None:
        return None
    wrong = bad_query("value given seems to be invalid", column_name=field)
    try:
        if kind in _TIMES:
            found = datetime.fromisoformat(value)
            if found.tzinfo is None:
                raise wrong
            return found
        if kind == "date":
            return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong from None
    if kind == "textarea":
        raise bad_query("unsupported column in criteria", column_name=field)
    allowed: Any = bool if kind == "boolean" else (int, float) if kind in _NUMBERS else (str, int)
    if not isinstance(value, allowed) or (kind in _NUMBERS and isinstance(value, bool)):
        raise wrong
    return value


def select_query(body: Any) -> str:
    """The query of a request. Raises Refusal."""
    text = body.get("select_query") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise missing("select_query")
    return text
