"""One text per entry: canonical JSON (RFC 8785), its hash, and the Merkle tree of RFC 6962."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

GENESIS: Final = "0" * 64
# Every column that is hashed, in the order of the alphabet; hash, mac and mac_kid cover it.
FIELDS: Final = (
    "action", "actor_id", "actor_type", "at", "data", "ip", "object_id", "object_type", "org_id",
    "reason", "request_id", "result", "seq", "session_ref",
)
_EXACT: Final = 2**53  # beyond it JSON numbers are not the same everywhere
_DEEPEST: Final = 8


def clean(value: Any, depth: int = 0) -> Any:
    """A value as JSON that has one canonical text, whatever came in.

    Numbers that not every reader reads alike become texts, as do keys, dates and unknown objects;
    NUL and lone surrogates, which PostgreSQL and UTF-8 refuse, become a replacement character.
    """
    if isinstance(value, str):
        return plain(value)
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {plain(str(k)): clean(v, depth + 1) for k, v in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        parts = value if isinstance(value, (list, tuple)) else sorted(value, key=str)
        return [clean(v, depth + 1) for v in parts]
    return plain(value.isoformat() if isinstance(value, (datetime, date)) else str(value))


def _number(value: float | None) -> float | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _EXACT else str(value)
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value if 1e-4 <= abs(value) < _EXACT else str(value)


def plain(text: str) -> str:
    """Text that every database and encoding takes."""
    if "\x00" in text:
        text = text.replace("\x00", "�")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def moment(at: datetime) -> str:
    """UTC with six digits of a second: what both databases keep."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text_of(entry: Mapping[str, Any]) -> bytes:
    """The canonical JSON of an entry (a mapping of its columns)."""
    row = {name: entry[name] for name in FIELDS}
    row["at"] = moment(row["at"])
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def hash_of(prev_hash: str, entry: Mapping[str, Any]) -> str:
    """SHA-256 over the hash before and the entry, hex."""
    return hashlib.sha256(bytes.fromhex(prev_hash) + text_of(entry)).hexdigest()


def merkle_root(leaves: Sequence[bytes]) -> str:
    """The Merkle tree hash of RFC 6962, section 2.1, hex."""
    if not leaves:
        return hashlib.sha256(b"").hexdigest()
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:  # pairs from the left; what is left over moves up: the same tree
        paired = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        level = paired + (level[-1:] if len(level) % 2 else [])
    return level[0].hex()
