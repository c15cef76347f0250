"""The search syntax of `query:` arguments: terms, comparisons, AND, OR, NOT, parentheses, quotes.

Dates without a zone are read in the shop's own time zone, as the platform does; a day without a
time means its first second for comparisons and the whole day for equality.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Node = Any
Predicate = Callable[[Node], bool]
DEFAULT = ""  # the field that words without a name are looked for in

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\() | (?P<close>\)) |
      (?P<word>-?[^\s()'":]+(?=[\s()]|$)) |
      (?P<field>-?[A-Za-z_][\w.]*):(?P<op>>=|<=|>|<)?
      (?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]*) |
      (?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") |
      (?P<rest>\S)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Field:
    """How one searchable name is compared. `kind`: time, word, words, number, bool, id."""

    kind: str
    read: Callable[[Node], object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A half-open interval of one time field that every match lies in; an index can use it."""

    low: datetime | None = None
    high: datetime | None = None


@dataclass(slots=True)
class Search:
    """A parsed query: whether a node matches, what was not understood, and usable time bounds."""

    matches: Predicate
    warnings: list[dict[str, str]] = field(default_factory=list)
    bounds: dict[str, Bounds] = field(default_factory=dict)
    only_bounds: bool = True  # nothing but the bounds decides
    numbers: dict[str, float] = field(default_factory=dict)  # id:7 and name:#7 outside any OR


@dataclass(slots=True)
class _Parser:
    tokens: list[dict[str, str]]
    fields: Mapping[str, Field]
    zone: ZoneInfo
    at: int = 0
    warnings: list[dict[str, str]] = field(default_factory=list)
    only_bounds: bool = True
    numbers: dict[str, float] = field(default_factory=dict)

    def peek(self) -> dict[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else {}

    def either(self) -> tuple[Predicate, dict[str, Bounds]]:
        left, bounds = self.both()
        while self.peek().get("word") == "OR":
            self.at += 1
            right, _ = self.both()
            left, bounds, self.only_bounds, self.numbers = _any(left, right), {}, False, {}
        return left, bounds

    def both(self) -> tuple[Predicate, dict[str, Bounds]]:
        parts: list[Predicate] = []
        bounds: dict[str, Bounds] = {}
        while (token := self.peek()) and not token.get("close") and token.get("word") != "OR":
            if token.get("word") == "AND":
                self.at += 1
                continue
            part, found = self.one()
            parts.append(part)
            for name, more in found.items():
                bounds[name] = _tighter(bounds.get(name, Bounds()), more)
        return (lambda node: all(part(node) for part in parts)), bounds

    def one(self) -> tuple[Predicate, dict[str, Bounds]]:
        token = self.peek()
        self.at += 1
        if token.get("word") == "NOT":
            before = dict(self.numbers)
            inner, _ = self.one()
            self.only_bounds, self.numbers = False, before
            return (lambda node: not inner(node)), {}
        if token.get("open"):
            group, bounds = self.either()
            if self.peek().get("close"):
                self.at += 1
            return group, bounds
        if name := token.get("field"):
            if name.startswith("-"):
                before = dict(self.numbers)
                positive, _ = self.term(name[1:], token.get("op") or "", _bare(token["value"]))
                self.only_bounds, self.numbers = False, before
                return (lambda node: not positive(node)), {}
            return self.term(name, token.get("op") or "", _bare(token["value"]))
        return self.free_text(
            _bare(token.get("quoted") or token.get("word") or token.get("rest") or "")
        ), {}

    def free_text(self, text: str) -> Predicate:
        self.only_bounds = False
        if re.fullmatch(r"#?\d{1,15}", text):
            self.numbers["name"] = float(text.removeprefix("#"))
        known = self.fields.get(DEFAULT)
        if known is None:
            return lambda _node: True
        return lambda node: text.lower() in str(known.read(node) or "").lower()

    def term(self, name: str, op: str, value: str) -> tuple[Predicate, dict[str, Bounds]]:
        known = self.fields.get(name)
        if known is None:
            self.warnings.append({"field": name, "message": "Invalid search field for this query."})
            return (lambda _node: True), {}
        if known.kind == "time":
            return self.time_term(name, known.read, op, value)
        return self.plain_term(name, known, op, value), {}

    def plain_term(self, name: str, known: Field, op: str, value: str) -> Predicate:
        self.only_bounds = self.only_bounds and name == "status" and value == "any"
        read = known.read
        if not op and name in {"id", "name"} and re.fullmatch(r"#?\d{1,15}", value):
            self.numbers[name] = float(value.removeprefix("#"))
        if known.kind in {"number", "id"}:
            try:
                wanted = float(value.rsplit("/", 1)[-1])
            except ValueError:
                self.warnings.append({"field": name, "message": "Input is not a number."})
                return lambda _node: known.kind == "number"
            return lambda node: _ordered(float(str(read(node) or 0)), op, wanted)
        if known.kind == "bool":
            truth = value.lower() == "true"
            return lambda node: bool(read(node)) is truth
        if known.kind == "words":
            options = {part.strip().lower() for part in value.split(",")}
            return lambda node: bool(options & {str(w).lower() for w in _each(read(node))})
        return lambda node: _word_matches(str(read(node) or ""), value)

    def time_term(
        self, name: str, read: Callable[[Node], object], op: str, value: str
    ) -> tuple[Predicate, dict[str, Bounds]]:
        instant, is_day = parse_time(value, self.zone)
        if instant is None:
            self.warnings.append({"field": name, "message": "Input is not a valid date."})
            return (lambda _node: True), {}
        length = timedelta(days=1) if is_day else timedelta(seconds=1)
        bounds = {
            ">=": Bounds(low=instant),
            ">": Bounds(low=instant + timedelta(microseconds=1)),
            "<": Bounds(high=instant),
            "<=": Bounds(high=instant + timedelta(microseconds=1)),
            "": Bounds(instant, instant + length),
        }[op]

        def matches(node: Node) -> bool:
            moment = read(node)
            if not isinstance(moment, datetime):
                return False
            return (bounds.low is None or moment >= bounds.low) and (
                bounds.high is None or moment < bounds.high
            )

        return matches, {name: bounds}


def parse(text: str | None, fields: Mapping[str, Field], zone: ZoneInfo) -> Search:
    """Read a search text. Unknown fields are left out with a warning, as the platform does."""
    if not text or not text.strip():
        return Search(matches=lambda _node: True)
    try:
        return _parsed(text, fields, zone)
    except RecursionError:
        fault = {"field": "query", "message": "The query is nested too deeply."}
        return Search(lambda _node: False, [fault], only_bounds=False)


def _parsed(text: str, fields: Mapping[str, Field], zone: ZoneInfo) -> Search:
    tokens = [m.groupdict(default="") for m in _TOKEN.finditer(text) if m.group().strip()]
    parser = _Parser(tokens, fields, zone)
    predicate, bounds = parser.either()
    while parser.at < len(tokens):  # a stray closing parenthesis ends nothing
        parser.at += 1
        right, _ = parser.either()
        predicate = _all(predicate, right)
    return Search(predicate, parser.warnings, bounds, parser.only_bounds, parser.numbers)


def parse_time(value: str, zone: ZoneInfo) -> tuple[datetime | None, bool]:
    """An instant in UTC and whether the text named a whole day; None when it is no date."""
    text = value.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            return _known(datetime(day.year, day.month, day.day, tzinfo=zone)), True
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None, False
    return _known(moment if moment.tzinfo else moment.replace(tzinfo=zone)), False


def _known(moment: datetime) -> datetime:
    """In UTC, moved into the years a shop can know, so that arithmetic stays possible."""
    return moment.replace(year=min(max(moment.year, 1972), 2196)).astimezone(UTC)


def _bare(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _any(left: Predicate, right: Predicate) -> Predicate:
    return lambda node: left(node) or right(node)


def _all(left: Predicate, right: Predicate) -> Predicate:
    return lambda node: left(node) and right(node)


def _tighter(one: Bounds, two: Bounds) -> Bounds:
    lows = [b for b in (one.low, two.low) if b is not None]
    highs = [b for b in (one.high, two.high) if b is not None]
    return Bounds(max(lows, default=None), min(highs, default=None))


def _ordered(have: float, op: str, wanted: float) -> bool:
    return {
        ">=": have >= wanted,
        ">": have > wanted,
        "<": have < wanted,
        "<=": have <= wanted,
        "": have == wanted,
    }[op]


def _each(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _word_matches(have: str, wanted: str) -> bool:
    if wanted == "*":
        return bool(have)
    if wanted.endswith("*"):
        return have.lower().startswith(wanted[:-1].lower())
    return have.lower() in {part.strip().lower() for part in wanted.split(",")}
