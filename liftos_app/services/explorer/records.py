"""The untouched source record behind a stored row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from liftos_app.services.context import Context
from liftos_app.services.explorer.rows import Asked, browse
from liftos_app.services.sync import provenance

MOST: Final = 20  # records of one row; a platform that sends more is cut, and said so


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFound:
    """What the platform sent for a row. `kept` counts the slot's records, also those of others."""

    records: tuple[Any, ...]
    kept: int
    cut: bool
    read_at: datetime | None


def source_of(
    ctx: Context, connection_id: UUID, *, stream: str, account_id: UUID, slot: str, ident: str = ""
) -> SourceFound:
    """The records of a slot that speak of `ident`; all of them when none does or none is given."""
    place = browse(ctx, Asked(
        connection_id=connection_id, stream=stream, account_id=account_id, size=1
    ))
    found, read_at = provenance.records_of(ctx, place.account.key or 0, place.stream.name, slot)
    own = [r for r in found if ident and _speaks_of(r, ident)] or found
    return SourceFound(
        records=tuple(own[:MOST]), kept=len(found), cut=len(own) > MOST, read_at=read_at
    )


def _speaks_of(record: Any, ident: str) -> bool:
    """Whether an id stands in the record as a value of its own, or ends one (`gid://.../1`)."""
    if isinstance(record, dict):
        return any(_speaks_of(v, ident) for v in record.values())
    if isinstance(record, list):
        return any(_speaks_of(v, ident) for v in record)
    text = str(record)
    return text == ident or (text.endswith(ident) and not text[-len(ident) - 1].isalnum())


def pretty(record: Any) -> str:
    """A record as people read it."""
    return orjson.dumps(record, option=orjson.OPT_INDENT_2).decode()
