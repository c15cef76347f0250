"""Keeps the untouched source records beside the rows made of them, and finds them again.

Records are turned to JSON while their pages are read, digests are looked up and changed slots
compressed beside the storing of the window before; a transaction only writes what is ready.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from liftos_app.models import SourceRecord
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context
from liftos_app.services.sync.load import Target

LEVEL = 1  # of compression: a page of JSON becomes a tenth in a few milliseconds
LARGEST = 2_000_000  # bytes of JSON kept of one record; a longer one is named, not kept
Span = tuple[dt.date, dt.date]


@dataclass(slots=True)
class Slot:
    """The records of one slot as JSON, without the brackets around them."""

    records: int = 0
    parts: list[bytes] = field(default_factory=list)

    def digest(self) -> str:
        """Eight bytes over all records, in hex."""
        found = hashlib.blake2b(digest_size=8)
        for part in self.parts:
            found.update(part)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Packed:
    """A window's records, ready to be written: `fresh` are the slots that changed."""

    slots: frozenset[str] = frozenset()
    fresh: tuple[dict[str, Any], ...] = ()


def gather(records: Mapping[str, Sequence[Any]], into: dict[str, Slot]) -> None:
    """Add the records of a page to their slots: the day for daily figures, else the id."""
    for slot, found in records.items():
        body, number = orjson.dumps(found, default=str)[1:-1], len(found)
        if len(body) > LARGEST:
            lines = [orjson.dumps(r, default=str) for r in found]
            kept = [line for line in lines if len(line) <= LARGEST]
            body, number = b",".join(kept), len(kept)
        if body:
            to = into.setdefault(slot, Slot())
            to.records += number
            to.parts.append(body)


def known_digests(
    session: Session, target: Target, stream: Stream, slots: Sequence[str]
) -> dict[str, str]:
    """The digests stored for these slots."""
    known: dict[str, str] = {}
    for start in range(0, len(slots), 500):
        rows = session.execute(
            select(_TABLE.c.slot, _TABLE.c.digest).where(
                _TABLE.c.org_id == target.org_id, _TABLE.c.account_key == target.account_key,
                _TABLE.c.stream == stream.name, _TABLE.c.slot.in_(slots[start:start + 500]),
            )
        )
        known.update({slot: digest for slot, digest in rows})  # noqa: C416
    return known


def pack(
    target: Target, stream: Stream, slots: dict[str, Slot], known: dict[str, str]
) -> Packed:
    """Compress what differs from what is stored. Holds no database and frees the interpreter."""
    fresh = []
    for name, slot in slots.items():
        digest = slot.digest()
        if known.get(name) != digest:
            fresh.append({
                "account_key": target.account_key, "stream": stream.name, "slot": name,
                "org_id": target.org_id, "records": slot.records, "digest": digest,
                "body": zlib.compress(b"[" + b",".join(slot.parts) + b"]", LEVEL),
            })
    return Packed(frozenset(slots), tuple(fresh))


def keep(
    session: Session, target: Target, stream: Stream, packed: Packed, *, span: Span | None
) -> None:
    """Store the changed slots of a window; days of the span without records are forgotten.

    `span` as in `load.Landing`: the days that were read completely.
    """
    if span is not None and stream.lands.daily:
        _forget(session, target, stream, span=span, keep=packed.slots)
    if not packed.fresh:
        return
    dialect: Any = sqlite if session.connection().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(_TABLE)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_key", "stream", "slot"],
            set_={n: insert.excluded[n] for n in ("records", "digest", "body", "read_at")},
        ),
        [{**row, "read_at": target.now} for row in packed.fresh],
    )


def records_of(
    ctx: Context, account_key: int, stream: str, slot: str
) -> tuple[list[Any], datetime | None]:
    """The source records of a slot and when they were read; nothing when none are kept."""
    ctx.require("metrics.read")
    found = ctx.session.execute(
        select(_TABLE.c.body, _TABLE.c.read_at).where(
            _TABLE.c.org_id == ctx.org, _TABLE.c.account_key == account_key,
            _TABLE.c.stream == stream, _TABLE.c.slot == slot,
        )
    ).first()
    if found is None:
        return [], None
    records: list[Any] = orjson.loads(zlib.decompress(found.body))
    return records, found.read_at


def _forget(
    session: Session, target: Target, stream: Stream, *, span: Span, keep: frozenset[str]
) -> None:
    """Remove the records of days of the span that have none any more."""
    length = (span[1] - span[0]).days + 1
    days = {(span[0] + dt.timedelta(days=i)).isoformat() for i in range(length)}
    if gone := sorted(days - keep):
        session.execute(delete(_TABLE).where(
            _TABLE.c.org_id == target.org_id, _TABLE.c.account_key == target.account_key,
            _TABLE.c.stream == stream.name, _TABLE.c.slot.in_(gone),
        ))


_TABLE: Table = SourceRecord.__table__  # type: ignore[attr-defined]
