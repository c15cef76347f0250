"""Keeps the untouched source records beside the rows made of them, and finds them again."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from liftos_app.models import SourceRecord
from liftos_app.services.connectors.spec import Lands, Page, Row, Stream
from liftos_app.services.context import Context
from liftos_app.services.sync.load import Target

LEVEL = 1  # of compression: a page of JSON becomes a tenth in a few milliseconds
LARGEST = 2_000_000  # bytes of JSON kept of one record; a longer one is named, not kept


def lines(page: Page) -> Iterator[bytes]:
    """The JSON of the record behind each row of a page; b"" for rows without one."""
    if len(page.source) != len(page.rows):
        return iter([b""] * len(page.rows))
    return (_line(record) for record in page.source)


def _line(record: Any) -> bytes:
    body = orjson.dumps(record, default=str)
    return body if len(body) <= LARGEST else b""


def slot_of(stream: Stream, row: Row) -> str:
    """Under which slot a row's record is kept: its day for daily figures, else its id."""
    if stream.lands in (Lands.FACTS, Lands.MAIL):
        return str(row.get("day"))
    return str(row.get("external_id"))[:120]


def keep(
    session: Session, target: Target, stream: Stream, *, rows: Sequence[Row],
    source: Sequence[bytes], span: tuple[dt.date, dt.date] | None,
) -> None:
    """Store the records of a window; what is the same is left alone, days without rows go.

    `span` as in `load.Landing`: the days that were read completely.
    """
    slots: dict[str, list[bytes]] = {}
    for row, line in zip(rows, source, strict=True):
        if line:
            slots.setdefault(slot_of(stream, row), []).append(line)
    digests = {slot: _digest(own) for slot, own in slots.items()}
    known = _digests(session, target, stream, list(slots))
    fresh = [
        {
            "account_key": target.account_key, "stream": stream.name, "slot": slot,
            "org_id": target.org_id, "records": len(own), "digest": digests[slot],
            "body": zlib.compress(b"\n".join(own), LEVEL), "read_at": target.now,
        }
        for slot, own in slots.items() if known.get(slot) != digests[slot]
    ]
    if span is not None and stream.lands in (Lands.FACTS, Lands.MAIL):
        _forget(session, target, stream, span=span, keep=set(slots))
    if not fresh:
        return
    dialect: Any = sqlite if session.connection().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(_TABLE)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_key", "stream", "slot"],
            set_={n: insert.excluded[n] for n in ("records", "digest", "body", "read_at")},
        ),
        fresh,
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
    return [orjson.loads(line) for line in zlib.decompress(found.body).split(b"\n")], found.read_at


def _forget(
    session: Session, target: Target, stream: Stream, *, span: tuple[dt.date, dt.date],
    keep: set[str],
) -> None:
    """Remove the records of days of the span that have none any more."""
    length = (span[1] - span[0]).days + 1
    days = {(span[0] + dt.timedelta(days=i)).isoformat() for i in range(length)}
    if gone := sorted(days - keep):
        session.execute(delete(_TABLE).where(
            _TABLE.c.org_id == target.org_id, _TABLE.c.account_key == target.account_key,
            _TABLE.c.stream == stream.name, _TABLE.c.slot.in_(gone),
        ))


def _digest(own: Sequence[bytes]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for line in own:
        found.update(line)
    return found.hexdigest()


def _digests(
    session: Session, target: Target, stream: Stream, slots: list[str]
) -> dict[str, str]:
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


_TABLE: Table = SourceRecord.__table__  # type: ignore[attr-defined]
