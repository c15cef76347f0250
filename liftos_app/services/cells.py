"""Cells of files that people open in a spreadsheet: nothing in them is run (L68)."""

from __future__ import annotations

import json
import zlib
from datetime import date, datetime
from typing import Any, Final

FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def cell(value: Any) -> str:
    """A value as a CSV cell: nothing a spreadsheet would run. Our own numbers are exempt."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = text_of(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def text_of(value: Any) -> str:
    """A stored value as text: times as ISO 8601, lists and objects as JSON, bytes unpacked."""
    if isinstance(value, bytes):
        return zlib.decompress(value).decode("utf-8", "replace")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
