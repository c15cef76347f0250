"""JSON that keeps dates, moments and exact numbers, for rows that wait in the database."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from decimal import Decimal
from typing import Any, Final

import orjson

_TAG: Final = "\u0000"  # begins no key that a platform sends
_SLOW: Final = b"~"  # begins what only the standard library can write
_MARK: Final = b'"\\u0000'


def pack(value: Any) -> bytes:
    """The value as compressed JSON."""
    try:
        text = orjson.dumps(value, default=_tagged, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:  # a number of more than 64 bits, half a character: refused when it lands
        text = _SLOW + json.dumps(value, default=_tagged).encode()
    return zlib.compress(text, 1)


def unpack(body: bytes) -> Any:
    """What was packed; tuples come back as lists."""
    text = zlib.decompress(body)
    slow = text.startswith(_SLOW)
    found = json.loads(text[len(_SLOW):]) if slow else orjson.loads(text)
    return _restored(found) if _MARK in text else found


def _tagged(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return {_TAG + "t": value.isoformat()}
    if isinstance(value, dt.date):
        return {_TAG + "d": value.isoformat()}
    if isinstance(value, Decimal):
        return {_TAG + "n": str(value)}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        name, inner = next(iter(value.items()))
        made = _READ.get(name)
        if made is not None:
            return made(inner)
    return {k: _restored(v) for k, v in value.items()}


_READ: Final[dict[str, Any]] = {
    _TAG + "t": dt.datetime.fromisoformat, _TAG + "d": dt.date.fromisoformat,
    _TAG + "n": Decimal,
}
