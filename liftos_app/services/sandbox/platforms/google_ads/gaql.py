"""Reads GAQL text into a `Query`. Grammar only: which fields exist is `fields.py`'s business."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Value = str | int | float

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>'(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*")
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.-]))
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<symbol><=|>=|!=|=|<|>|\(|\)|,)""",
    re.VERBOSE,
)
_CLAUSES = {"FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "'": "'", '"': '"', "\\": "\\"}
COMPARE = frozenset({"=", "!=", "<", "<=", ">", ">="})
LISTS = frozenset({"IN", "NOT IN", "CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE"})
TEXTS = frozenset({"LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH"})
PARAMETERS = frozenset({"include_drafts", "omit_unselected_resource_names"})


class GaqlError(Exception):
    """A query that cannot be run; `code` is the QueryError name, `subject` what triggered it."""

    def __init__(self, code: str, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.subject = code, message, subject


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; conditions are joined by AND, the only joint GAQL has."""

    field: str
    operator: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One column to sort by."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query, names as written."""

    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # string, number, word, symbol, end
    text: str
    value: Value = ""

    @property
    def upper(self) -> str:
        """The keyword this token could be; strings and numbers are none."""
        return self.text.upper() if self.kind == "word" else ""


def parse(text: str, *, needs_from: bool = True) -> Query:
    """Raise GaqlError when the text is no query. The field service has no FROM."""
    return _Parser(_tokens(text)).query(needs_from=needs_from)


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _refuse(text, at)
        assert match is not None  # noqa: S101 - _refuse always raises
        kind, body = str(match.lastgroup), match.group()
        if kind == "string":
            found.append(_Token(kind, body, _unquote(body)))
        elif kind == "number" and len(body) > 25:
            raise GaqlError(
                "BAD_NUMBER", "Error in query: a number is too long.", subject=body[:30]
            )
        elif kind == "number":
            found.append(_Token(kind, body, float(body) if "." in body else int(body)))
        elif kind != "space":
            found.append(_Token(kind, body, body))
        at = match.end()
    found.append(_Token("end", ""))
    return found


def _refuse(text: str, at: int) -> None:
    rest = text[at : at + 20]
    if rest[0] in "'\"":
        raise GaqlError(
            "STRING_NOT_TERMINATED", "Error in query: a string has no closing quote.", subject=rest
        )
    if rest[0].isdigit() or rest[0] == "-":
        raise GaqlError("BAD_NUMBER", f"Error in query: invalid number '{rest}'.", subject=rest)
    raise GaqlError(
        "BAD_SYMBOL", f"Error in query: unexpected symbol '{rest[0]}'.", subject=rest[0]
    )


def _unquote(body: str) -> str:
    if "\n" in body:
        raise GaqlError(
            "PROHIBITED_NEWLINE_IN_STRING", "Error in query: a string holds a line break."
        )

    def swap(match: re.Match[str]) -> str:
        letter = match.group(1)
        if letter not in _ESCAPES:
            raise GaqlError(
                "BAD_ESCAPE_SEQUENCE",
                f"Error in query: unknown escape sequence '\\{letter}'.",
                subject=f"\\{letter}",
            )
        return _ESCAPES[letter]

    return re.sub(r"\\(.)", swap, body[1:-1])


class _Parser:
    """Recursive descent over the token list; one method per clause."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._all, self._at = tokens, 0

    @property
    def _now(self) -> _Token:
        return self._all[self._at]

    def _take(self) -> _Token:
        token = self._now
        self._at += token.kind != "end"
        return token

    def _accept(self, *words: str) -> bool:
        """Consume these keywords or symbols when all of them come next."""
        ahead = self._all[self._at : self._at + len(words)]
        if [t.upper or t.text for t in ahead] != list(words):
            return False
        if any(t.kind in {"string", "number"} for t in ahead):
            return False
        self._at += len(words)
        return True

    def query(self, *, needs_from: bool) -> Query:
        if not self._accept("SELECT"):
            raise self._wrong("EXPECTED_SELECT", "expected SELECT")
        select = self._names()
        resource = ""
        if self._accept("FROM"):
            resource = self._name().lower()
            if self._now.text == ",":
                raise self._wrong("UNEXPECTED_FROM_CLAUSE", "only one resource may follow FROM")
        elif needs_from:
            raise self._wrong("EXPECTED_FROM", "expected FROM")
        where = self._where() if self._accept("WHERE") else ()
        order = self._order() if self._accept("ORDER") else ()
        limit = self._limit() if self._accept("LIMIT") else None
        parameters = self._parameters() if self._accept("PARAMETERS") else {}
        if self._now.kind != "end":
            raise self._wrong("UNEXPECTED_INPUT", f"unexpected input '{self._now.text}'")
        return Query(select, resource, where, order, limit, parameters)

    def _names(self) -> tuple[str, ...]:
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        return tuple(dict.fromkeys(names))

    def _name(self) -> str:
        token = self._now
        if token.kind == "end":
            raise self._wrong("UNEXPECTED_END_OF_QUERY", "unexpected end of query")
        if token.kind != "word" or token.upper in _CLAUSES:
            raise self._wrong("BAD_FIELD_NAME", f"expected a name, found '{token.text}'")
        return self._take().text

    def _where(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._accept("AND"):
            found.append(self._condition())
        if self._now.kind != "end" and self._now.upper not in _CLAUSES:
            raise self._wrong("EXPECTED_AND", f"expected AND, found '{self._now.text}'")
        return tuple(found)

    def _condition(self) -> Condition:
        name = self._name()
        operator = self._operator()
        if operator in {"IS NULL", "IS NOT NULL"}:
            return Condition(name, operator)
        if operator in LISTS:
            return Condition(name, operator, self._list())
        if operator == "BETWEEN":
            low = self._value()
            if not self._accept("AND"):
                raise self._wrong(
                    "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "BETWEEN takes two values joined by AND"
                )
            return Condition(name, operator, (low, self._value()))
        if self._now.text == "(":
            raise self._wrong("EXPECTED_SINGLE_VALUE", f"{operator} takes one value")
        return Condition(name, operator, (self._value(),))

    def _operator(self) -> str:
        token = self._now
        if token.kind == "symbol" and token.text in COMPARE:
            return self._take().text
        for words in (
            "IS NOT NULL", "IS NULL", "NOT IN", "NOT LIKE", "NOT REGEXP_MATCH", "CONTAINS ANY",
            "CONTAINS ALL", "CONTAINS NONE", "IN", "LIKE", "REGEXP_MATCH", "BETWEEN", "DURING",
        ):  # fmt: skip
            if self._accept(*words.split()):
                return words
        if token.kind == "end":
            raise self._wrong("UNEXPECTED_END_OF_QUERY", "unexpected end of query")
        raise self._wrong("BAD_OPERATOR", f"unknown operator '{token.text}'")

    def _list(self) -> tuple[Value, ...]:
        if not self._accept("("):
            raise self._wrong("EXPECTED_LIST", "expected a list in parentheses")
        if self._accept(")"):
            raise self._wrong("PROHIBITED_EMPTY_LIST_IN_CONDITION", "a list may not be empty")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        if not self._accept(")"):
            raise self._wrong("EXPECTED_LIST", "expected ')' at the end of a list")
        if len(values) > 20_000:
            raise self._wrong("FILTER_HAS_TOO_MANY_VALUES", "a list holds over 20,000 values")
        return tuple(values)

    def _value(self) -> Value:
        token = self._now
        if token.kind == "end":
            raise self._wrong("UNEXPECTED_END_OF_QUERY", "unexpected end of query")
        if token.kind == "symbol":
            raise self._wrong("BAD_VALUE", f"expected a value, found '{token.text}'")
        return self._take().value

    def _order(self) -> tuple[Order, ...]:
        if not self._accept("BY"):
            raise self._wrong("EXPECTED_BY", "expected BY after ORDER")
        found: list[Order] = []
        while True:
            name = self._name()
            descending = self._accept("DESC")
            if not descending:
                self._accept("ASC")
            found.append(Order(name, descending))
            if not self._accept(","):
                return tuple(found)

    def _limit(self) -> int:
        value = self._take().value
        if not isinstance(value, int):
            raise self._wrong("BAD_LIMIT_VALUE", "LIMIT takes a whole number")
        if value < 1:
            raise self._wrong("LIMIT_VALUE_TOO_LOW", "LIMIT must be at least 1")
        return value

    def _parameters(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            name = self._name().lower()
            if name not in PARAMETERS:
                raise self._wrong("BAD_PARAMETER_NAME", f"unknown parameter '{name}'")
            if not self._accept("="):
                raise self._wrong("BAD_OPERATOR", "expected '=' after a parameter")
            value = str(self._value()).lower()
            if value not in {"true", "false"}:
                raise self._wrong("BAD_PARAMETER_VALUE", f"'{name}' takes true or false")
            found[name] = value
            if not self._accept(","):
                return found

    def _wrong(self, code: str, message: str) -> GaqlError:
        return GaqlError(code, f"Error in query: {message}.", subject=self._now.text)
