"""Rest.li 2.0 queries as LinkedIn reads them: literal structure, percent-encoded values."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

STRUCTURE = "(),:"


class BadQuery(ValueError):
    """The query is no Rest.li 2.0."""


def parse_query(raw: str) -> dict[str, Any]:
    """Parameters of a raw query: texts, lists and objects. Raises BadQuery."""
    found: dict[str, Any] = {}
    for pair in raw.split("&") if raw else ():
        name, _, value = pair.partition("=")
        if not name or unquote(name) in found:
            raise BadQuery("a parameter without a name, or named twice")
        found[unquote(name)] = parse(value)
    return found


def parse(text: str) -> Any:
    """One value. At the top a plain text may hold commas (fields=a,b). Raises BadQuery."""
    if not text.startswith(("(", "List(")):
        if any(c in text for c in "()"):
            raise BadQuery("brackets in a plain value")
        return unquote(text)
    value, end = _value(text, 0)
    if end != len(text):
        raise BadQuery("text behind the end of a value")
    return value


def _value(text: str, at: int) -> tuple[Any, int]:
    if text.startswith("List(", at):
        return _list(text, at + 5)
    if text.startswith("(", at):
        return _record(text, at + 1)
    end = at
    while end < len(text) and text[end] not in STRUCTURE:
        end += 1
    if end == at:
        raise BadQuery("an empty value")
    return unquote(text[at:end]), end


def _list(text: str, at: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    if text.startswith(")", at):
        return found, at + 1
    while True:
        value, at = _value(text, at)
        found.append(value)
        if text.startswith(")", at):
            return found, at + 1
        if not text.startswith(",", at):
            raise BadQuery("a list item with an unencoded sign")
        at += 1


def _record(text: str, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while True:
        key, at = _value(text, at)
        if not isinstance(key, str) or not text.startswith(":", at):
            raise BadQuery("an object without a key")
        found[key], at = _value(text, at + 1)
        if text.startswith(")", at):
            return found, at + 1
        if not text.startswith(",", at):
            raise BadQuery("an object's value with an unencoded sign")
        at += 1
