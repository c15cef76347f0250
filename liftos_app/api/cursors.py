"""Positions in lists, as opaque texts a program sends back unchanged."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from liftos_app.errors import Invalid


def write(text: str) -> str:
    """A position as the text that goes out."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _text(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise _wrong() from error


def read_id(cursor: str) -> UUID:
    """The id in a cursor. Raises Invalid."""
    try:
        return UUID(_text(cursor))
    except ValueError as error:
        raise _wrong() from error


def read_number(cursor: str) -> int:
    """The number in a cursor. Raises Invalid."""
    text = _text(cursor)
    if not text.isdecimal() or len(text) > 18:
        raise _wrong()
    return int(text)


def read_moment(cursor: str) -> datetime:
    """The moment in a cursor, aware. Raises Invalid."""
    try:
        found = datetime.fromisoformat(_text(cursor))
        if found.tzinfo is None:
            raise _wrong()
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the ends of the calendar have no UTC moment
        raise _wrong() from error


def _wrong() -> Invalid:
    return Invalid(
        "This cursor cannot be used.", why="It is not one that an answer gave.",
        fix="Send next_cursor of the page before, or leave it out.", field="cursor",
    )
