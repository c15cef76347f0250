"""What one unit's pages bring, read and arranged before anything is stored."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Any
from uuid import UUID

from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.spec import AccountInfo, Page, Rejected, Row, Stream, Task
from liftos_app.services.context import App
from liftos_app.services.sync import cover, provenance
from liftos_app.services.sync.cover import Digest, Place
from liftos_app.services.sync.job import Stored
from liftos_app.services.sync.load import Target
from liftos_app.services.sync.plan import Phase, Unit
from liftos_app.services.sync.provenance import Packed, Slot, Span


class TooMany(Exception):
    """Some days bring more rows than one transaction should hold: they are read again in parts."""


@dataclass(slots=True)
class Reading:
    """What one unit's pages held, before anything is stored."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read: int = 0
    skipped: int = 0
    columns: set[str] = field(default_factory=set)
    cursor: str = ""
    bytes_read: int = 0
    notes: set[str] = field(default_factory=set)
    seconds: float = 0.0
    requests: int = 0
    began_at: datetime | None = None
    gone: frozenset[str] = frozenset()
    alive: frozenset[str] | None = None
    by_day: dict[str, list[Row]] = field(default_factory=dict)  # daily figures only
    digests: dict[str, Digest] = field(default_factory=dict)  # of by_day
    packed: Future[Packed] | Packed = field(default_factory=Packed)  # the source records

    @property
    def adds_up(self) -> bool:
        """Whether every source record became a row, was rejected or was rightly left out."""
        return self.read == len(self.rows) + len(self.rejected) + self.skipped

    def take(self, stream: Stream, page: Page, slots: dict[str, Slot], *, whole: bool) -> None:
        """Add a page. Its rows are gone through here once, while they are still at hand: sorted by
        day or id, with the records they came from, and digested. `whole`: the unit's days are read
        completely, so that their daily figures can be compared by digest.
        """
        self.rows.extend(page.rows)
        self.rejected.extend(page.rejected)
        self.read += page.read_count
        self.skipped += page.skipped
        self.columns |= page.columns
        self.cursor = page.cursor or self.cursor
        self.bytes_read += page.bytes_read
        self.notes.update(page.notes)
        self.gone |= page.gone
        if page.alive is not None:
            self.alive = (self.alive or frozenset()) | page.alive
        records = page.source if len(page.source) == len(page.rows) else ()
        if stream.lands.daily:
            self._take_days(stream, page.rows, records, slots=slots, whole=whole)
        elif records:
            by_id: dict[str, list[Any]] = {}
            for row, record in zip(page.rows, records, strict=True):
                by_id.setdefault(str(row.get("external_id"))[:120], []).append(record)
            provenance.gather(by_id, slots)

    def _take_days(
        self, stream: Stream, rows: Sequence[Row], records: Sequence[Any], *,
        slots: dict[str, Slot], whole: bool,
    ) -> None:
        of_day: dict[str, tuple[list[Row], list[Any]]] = {}
        for row, record in zip(rows, records or repeat(None, len(rows)), strict=True):
            day = row.get("day")
            if type(day) is not str:
                day = str(day)
            found = of_day.get(day)
            if found is None:
                found = of_day[day] = ([], [])
            found[0].append(row)
            found[1].append(record)
        if records:
            provenance.gather({day: found[1] for day, found in of_day.items()}, slots)
        if whole:
            for day, found in of_day.items():
                if day not in self.digests:
                    self.by_day[day], self.digests[day] = [], cover.Digest(stream)
                self.by_day[day] += found[0]
                self.digests[day].add(found[0])

    def records(self) -> Packed:
        """The source records, once they are compressed."""
        return self.packed.result() if isinstance(self.packed, Future) else self.packed


@dataclass(slots=True, kw_only=True)
class Work:
    """One account's part of a run."""

    app: App
    run_id: UUID
    epoch: int
    org_id: int
    connection_id: UUID
    account_key: int
    account: AccountInfo
    target: Target
    options: dict[str, Any]
    salt: str
    today: dt.date
    drift_policy: str
    holder: str
    stored: Stored
    packer: Executor | None = None  # where source records are compressed
    told: set[str] = field(default_factory=set)  # notes already in the log of this run
    listed: dict[str, int] = field(default_factory=dict)  # restated cells written, by stream
    given_up: int = 0  # requests of readings that ended in TooMany, not counted yet

    def place(self, stream: Stream, now: datetime) -> Place:
        """Where and when a stream of this account is read."""
        return Place(
            org_id=self.org_id, account_key=self.account_key, stream=stream,
            zone=self.account.time_zone, run_id=self.run_id, now=now,
        )


def read_unit(
    client: Client, work: Work, stream: Stream, unit: Unit, cancelled: Callable[[], bool],
    *, most: int | None = None,
) -> Reading:
    """Fetch all pages of a unit. Raises what the client raises, Stopped when cancelled, and TooMany
    when days that can be read in parts bring more rows than `most`.
    """
    task = Task(
        stream=stream, account=work.account, start=unit.start, end=unit.end, today=work.today,
        cursor=unit.cursor, before=unit.before, options=work.options, salt=work.salt,
    )
    reading = Reading(began_at=work.app.now())
    slots: dict[str, Slot] = {}
    began, sent = time.monotonic(), client.requests - work.given_up
    whole = span_of(unit) is not None
    divisible = most is not None and unit.days > 1 and whole
    for page in stream.read(client, task):
        if cancelled():
            raise Stopped
        reading.take(stream, page, slots, whole=whole)
        if divisible and len(reading.rows) > (most or 0):
            work.given_up = client.requests - sent
            raise TooMany
    reading.seconds, reading.requests = time.monotonic() - began, client.requests - sent
    work.given_up = 0
    if slots:
        with work.app.db.read() as session:
            known = provenance.known_digests(session, work.target, stream, list(slots))
        if work.packer is None:
            reading.packed = provenance.pack(work.target, stream, slots, known)
        else:
            reading.packed = work.packer.submit(
                provenance.pack, work.target, stream, slots, known
            )
    return reading


def span_of(unit: Unit) -> Span | None:
    """The days a unit reads completely; None when it reads changes or everything."""
    complete = unit.phase in (Phase.RECENT, Phase.BACKFILL)
    return (unit.start, unit.end) if complete else None
