"""Reads the `fields` parameter: names, nested braces and `.limit(2)` modifiers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from liftos_app.services.sandbox.platforms.meta_business.answers import GraphError

_NAME = re.compile(r"[A-Za-z0-9_]+")
MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """One requested field: its name, its modifiers, and what is wished of the object behind it."""

    name: str
    modifiers: dict[str, str] = field(default_factory=dict)
    inner: tuple[Wish, ...] = ()


def parse(text: str) -> tuple[Wish, ...]:
    """Comma-separated names or a JSON list of them. Raises GraphError on bad syntax."""
    text = text.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            raise _wrong(text, 0) from None
        if not isinstance(listed, list) or not all(isinstance(x, str) for x in listed):
            raise _wrong(text, 0)
        text = ",".join(listed)
    if not text:
        return ()
    wishes, at = _wishes(text, 0, 0)
    if at != len(text):
        raise _wrong(text, at)
    return wishes


def _wishes(text: str, at: int, depth: int) -> tuple[tuple[Wish, ...], int]:
    if depth > MAX_DEPTH:
        raise GraphError(100, "(#100) Field expansion is nested too deeply")
    found: dict[str, Wish] = {}
    while True:
        at = _skip(text, at)
        match = _NAME.match(text, at)
        if match is None:
            raise _wrong(text, at)
        modifiers, at = _modifiers(text, match.end())
        inner: tuple[Wish, ...] = ()
        if text[at : at + 1] == "{":
            inner, at = _wishes(text, at + 1, depth + 1)
            if text[at : at + 1] != "}":
                raise _wrong(text, at)
            at += 1
        found.setdefault(match.group(), Wish(match.group(), modifiers, inner))
        at = _skip(text, at)
        if text[at : at + 1] != ",":
            return tuple(found.values()), at
        at += 1
        if _skip(text, at) == len(text):  # a trailing comma is forgiven
            return tuple(found.values()), len(text)


def _modifiers(text: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while text[at : at + 1] == ".":
        match = _NAME.match(text, at + 1)
        if match is None or text[match.end() : match.end() + 1] != "(":
            raise _wrong(text, at)
        start = match.end() + 1
        at = _closing(text, start)
        found[match.group()] = text[start:at]
        at += 1
    return found, at


def _closing(text: str, at: int) -> int:
    depth, quoted = 1, False
    while at < len(text):
        letter = text[at]
        if letter == '"' and text[at - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if depth == 0:
                return at
        at += 1
    raise _wrong(text, at)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _wrong(text: str, at: int) -> GraphError:
    seen = text[at : at + 20] or "end of string"
    return GraphError(
        2500, f'Syntax error "Expected name." at character {at}: {seen}', kind="OAuthException"
    )
