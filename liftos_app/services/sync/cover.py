"""Coverage: which days were asked for and answered, when first, with how many rows and which.

A day's digest says which rows it had; the same digest again means that nothing needs comparing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from liftos_app.models import Coverage, CoverageState, CrmRecord, Order, Payment
from liftos_app.services.connectors import rows as row_shapes
from liftos_app.services.connectors.spec import Lands, Row, Stream
from liftos_app.services.sync.plan import Phase, Unit
from liftos_app.services.sync.schedule import zone_of

RECORD_MODELS: dict[Lands, Any] = {
    Lands.ORDERS: Order, Lands.CRM: CrmRecord, Lands.PAYMENTS: Payment,
}
NOTHING = "-"  # the digest of a day without rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One account x stream, and when it is read."""

    org_id: int
    account_key: int
    stream: Stream
    zone: str
    run_id: UUID
    now: datetime

    def due(self, day: dt.date) -> datetime:
        """When the platform should have published a day: its local end plus the usual delay."""
        midnight = dt.time(tzinfo=zone_of(self.zone))
        end = dt.datetime.combine(day + dt.timedelta(days=1), midnight)
        window = self.stream.window
        return end.astimezone(dt.UTC) + dt.timedelta(hours=window.latency_hours if window else 0)


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a day. `settled`: it had been read completely, after it was over."""

    first_read_at: datetime
    row_count: int
    digest: str
    settled: bool


def known(session: Session, place: Place, first: dt.date, last: dt.date) -> dict[dt.date, Before]:
    """What is known of the days of a span, both inclusive."""
    rows = session.execute(
        sql_select(
            col(Coverage.day), col(Coverage.first_read_at), col(Coverage.row_count),
            col(Coverage.digest), col(Coverage.state),
        ).where(
            col(Coverage.org_id) == place.org_id, col(Coverage.account_key) == place.account_key,
            col(Coverage.stream) == place.stream.name, col(Coverage.day) >= first,
            col(Coverage.day) <= last,
        )
    ).all()
    return {
        day: Before(
            at, count, digest, state != CoverageState.FAILED.value and at >= place.due(day)
        )
        for day, at, count, digest, state in rows
    }


class Digest:
    """A short digest of a day's rows, page by page; "" where they hold what JSON cannot."""

    __slots__ = ("_broken", "_found")

    def __init__(self, stream: Stream) -> None:
        self._found = hashlib.blake2b(_loader() + bytes([stream.level]), digest_size=8)
        self._broken = False

    def add(self, rows: list[Row]) -> None:
        try:
            self._found.update(orjson.dumps(rows, default=str)[1:-1] + b",")
        except TypeError:  # a number of more than 64 bits: it will be rejected
            self._broken = True

    def text(self) -> str:
        return "" if self._broken else self._found.hexdigest()


def write(
    session: Session, place: Place, unit: Unit, *, counts: Mapping[str, int], left: int,
    bad_days: Iterable[str], whole_is_partial: bool, before: Mapping[dt.date, Before],
    digests: Mapping[str, str],
) -> None:
    """Record that each day was asked for and answered. A confirmed empty day is not missing.

    `counts` are rows by ISO day, `left` the rows of a stream that is read whole.
    """
    if unit.phase is Phase.WHOLE:
        numbers = {unit.end: left}
    elif place.stream.lands.records:
        numbers = dict.fromkeys(unit.each_day(), 0)
        numbers.update(_records_by_day(session, place, unit))
    else:
        numbers = {day: counts.get(day.isoformat(), 0) for day in unit.each_day()}
    bad = set(bad_days)
    rows = []
    for day, number in numbers.items():
        was = before.get(day)
        first = was.first_read_at if was is not None else place.now
        if first < place.due(day):
            first = place.now  # read while the day was still running does not count as read
        state = CoverageState.COMPLETE if number else CoverageState.EMPTY
        if (unit.phase is Phase.WHOLE and whole_is_partial) or day.isoformat() in bad:
            state = CoverageState.PARTIAL
        rows.append({
            "account_key": place.account_key, "stream": place.stream.name, "day": day,
            "org_id": place.org_id, "state": state.value, "row_count": number,
            "first_read_at": first, "read_at": place.now, "run_id": place.run_id,
            "digest": digests.get(day.isoformat(), ""),
        })
    table: Any = Coverage.__table__  # type: ignore[attr-defined]
    dialect: Any = sqlite if session.connection().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    changed = ("state", "row_count", "first_read_at", "read_at", "run_id", "digest")
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["account_key", "stream", "day"],
            set_={n: insert.excluded[n] for n in changed},
        ),
        rows,
    )


def _records_by_day(session: Session, place: Place, unit: Unit) -> dict[dt.date, int]:
    """Records of the span's days that are stored now, whenever they were read."""
    model = RECORD_MODELS[place.stream.lands]
    limits = [
        model.org_id == place.org_id, model.account_key == place.account_key,
        model.day >= unit.start, model.day <= unit.end,
    ]
    if place.stream.kind:
        limits.append(model.kind == place.stream.kind)
    return dict(session.exec(
        select(model.day, func.count()).where(*limits).group_by(model.day)
    ).all())


@lru_cache(maxsize=1)
def _loader() -> bytes:
    """Changes with the code that stores rows: an older digest is worth nothing then."""
    found = hashlib.blake2b(digest_size=8)
    files = [*sorted((Path(__file__).parent / "load").glob("*.py")), Path(row_shapes.__file__)]
    for path in files:
        found.update(path.read_bytes())
    return found.digest()


__all__ = [
    "NOTHING", "RECORD_MODELS", "Before", "Digest", "Place", "known", "write",
]
