"""Does the log still say what was written? Names the first row that does not."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import RowMapping, inspect, select, text
from sqlmodel import Session, col

from liftos_app.models import AuditCheckpoint, AuditEntry, AuditHead
from liftos_app.services.audit import checkpoints
from liftos_app.services.audit.canonical import GENESIS, hash_of, merkle_root
from liftos_app.services.context import App

if TYPE_CHECKING:
    from liftos_app.services.vault import Vault

_ENTRIES: Final = AuditEntry.__table__  # type: ignore[attr-defined]
_BATCH: Final = 5000
MOST_FINDINGS: Final = 20
TRIGGERS: Final = frozenset(
    {"audit_entry_no_update", "audit_entry_no_delete", "audit_checkpoint_no_delete"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at which row; `seq` 0 when it is about no row."""

    seq: int
    code: str  # changed, removed, moved, mac, unsealed, cut, replaced, checkpoint, file, triggers
    words: str


@dataclass(slots=True)
class Report:
    """What a verification found; the first finding names the first bad row."""

    rows: int = 0
    checkpoints: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def first_bad(self) -> int | None:
        """The lowest row that is wrong, if any."""
        return min((f.seq for f in self.findings if f.seq), default=None)


def verify(app: App, *, told: Callable[[int], object] = lambda _seq: None) -> Report:
    """Read the whole log and compare; `told` hears how far it got. Changes nothing."""
    began, report = time.perf_counter(), Report()
    kept = checkpoints.read_file(app.settings)  # before the database: it may be ahead, never behind
    with app.db.read() as session:
        if not app.db.is_sqlite:  # one picture of the whole log, as SQLite gives by itself
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        points = list(session.scalars(select(AuditCheckpoint).order_by(col(AuditCheckpoint.seq))))
        head = session.get(AuditHead, 1)
        walk = _Walk(app.vault, report, {p.seq: p for p in points if p.dropped_at is None})
        walk.skip(points)
        for row in _rows(session, walk.seq):
            walk.take(row)
            if report.rows % _BATCH == 0:
                told(walk.seq)
        _look_at_end(report, walk, head, points)
        _look_at_file(kept, report, walk, points)
        _look_at_triggers(session, report)
    report.checkpoints = len(points)
    report.findings.sort(key=lambda f: f.seq or 2**62)
    report.seconds = time.perf_counter() - began
    return report


class _Walk:
    """Goes along the rows and remembers what the next one must follow."""

    def __init__(self, vault: Vault, report: Report, points: dict[int, AuditCheckpoint]) -> None:
        self.vault, self.report, self.points = vault, report, points
        self.seq, self.hash = 0, GENESIS
        self.hash_at: dict[int, str] = {}  # of the rows that end a segment
        self._leaves: list[bytes] = []
        self._ends = set(points)

    def skip(self, points: list[AuditCheckpoint]) -> None:
        """Begin behind the segments that were dropped by age."""
        for point in points:
            if not _is_signed(self.vault, point):
                self._say(point.first_seq, "checkpoint",
                          f"The checkpoint of rows {point.first_seq} to {point.seq} was changed.")
            if point.dropped_at is not None and point.first_seq == self.seq + 1:
                self.seq, self.hash = point.seq, point.hash
                self.hash_at[point.seq] = point.hash

    def take(self, row: RowMapping) -> None:
        """One row: its place, its link, its hash, its MAC."""
        seq, stored = row["seq"], row["hash"]
        self.report.rows += 1
        if seq != self.seq + 1:
            gone = f"row {self.seq + 1}" if seq == self.seq + 2 else (
                f"rows {self.seq + 1} to {seq - 1}"
            )
            self._say(self.seq + 1, "removed", f"Removed: {gone} is not there.")
            self._leaves = []
        elif not stored:
            self._say(seq, "unsealed", f"Row {seq} was never sealed: it was inserted, or emptied.")
        elif row["prev_hash"] != self.hash:
            self._say(seq, "moved", f"Row {seq} does not follow the row before it: rows were "
                                    "reordered, inserted or removed here.")
        if stored:
            self._check(row, seq, stored)
        self.seq, self.hash = seq, stored or self.hash
        self._end_segment(seq, stored)

    def _check(self, row: RowMapping, seq: int, stored: str) -> None:
        kid = row["mac_kid"]
        try:
            true = hash_of(row["prev_hash"], dict(row))
        except (ValueError, TypeError, AttributeError):
            true = ""
        if true != stored:
            self._say(seq, "changed", f"Row {seq} was changed after it was written.")
        elif not self.vault.knows_audit_key(kid):
            self._say(seq, "mac", f"Row {seq} is signed by a key that is not known: {kid!r}.")
        elif not hmac.compare_digest(self.vault.audit_mac(stored, kid), row["mac"]):
            self._say(seq, "mac", f"Row {seq} was not written by LiftOS: its signature is wrong.")

    def _end_segment(self, seq: int, stored: str) -> None:
        self._leaves.append(bytes.fromhex(stored or GENESIS))
        if seq not in self._ends:
            return
        point, leaves, self._leaves = self.points[seq], self._leaves, []
        self.hash_at[seq] = stored
        if point.hash != stored or (
            len(leaves) == point.seq - point.first_seq + 1 and merkle_root(leaves) != point.root
        ):
            self._say(point.first_seq, "replaced",
                      f"Rows {point.first_seq} to {seq} are not those of their checkpoint: they "
                      "were replaced.")

    def _say(self, seq: int, code: str, words: str) -> None:
        if len(self.report.findings) < MOST_FINDINGS:
            self.report.findings.append(Finding(seq, code, words))


def _rows(session: Session, after: int) -> Iterator[RowMapping]:
    """All rows in order, some thousand at a time."""
    while True:
        query = select(_ENTRIES).where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq)
        rows = session.execute(query.limit(_BATCH)).mappings().all()
        yield from rows
        if len(rows) < _BATCH:
            return
        after = rows[-1]["seq"]


def _is_signed(vault: Vault, point: AuditCheckpoint) -> bool:
    if not vault.knows_audit_key(point.kid):
        return False
    return hmac.compare_digest(checkpoints.mac_of(vault, point), point.mac)


def _look_at_end(
    report: Report, walk: _Walk, head: AuditHead | None, points: list[AuditCheckpoint]
) -> None:
    last = walk.seq
    known = max([head.seq if head else 0, points[-1].seq if points else 0])
    if known > last:
        report.findings.append(Finding(
            last + 1, "cut", f"The end was cut off: rows {last + 1} to {known} are not there."
        ))
    elif head is None and last:
        report.findings.append(Finding(last, "head", "What names the newest row is gone."))
    elif head is not None and (head.seq, head.hash) != (last, walk.hash):
        report.findings.append(Finding(min(last, head.seq + 1), "head",
                                       f"Row {last} is not the newest row LiftOS wrote: it was "
                                       "inserted or replaced."))


def _look_at_file(
    kept: list[checkpoints.Kept], report: Report, walk: _Walk, points: list[AuditCheckpoint]
) -> None:
    there = {p.seq: p for p in points}
    if points and not kept:
        report.findings.append(Finding(
            0, "file", f"{checkpoints.FILE} is gone or empty, though there are {len(points)} "
                       "checkpoints: nothing outside the database vouches for it."
        ))
    for one in kept:
        point = there.get(one.seq)
        if one.seq > walk.seq:
            report.findings.append(Finding(
                walk.seq + 1, "cut", "The log is older than its checkpoints outside the database: "
                f"rows {walk.seq + 1} to {one.seq} were cut off, or the database was rolled back."
            ))
            return
        if point is None or point.hash != one.hash:
            report.findings.append(Finding(
                point.first_seq if point else one.seq, "replaced",
                f"The checkpoint at row {one.seq} is not the one kept outside the database: the "
                "log was replaced, or the file was."
            ))
            return


def _look_at_triggers(session: Session, report: Report) -> None:
    bind = session.connection()
    if not inspect(bind).has_table("alembic_version"):
        return  # tables made without migrations: tests
    where = "sqlite_master WHERE type = 'trigger'" if bind.dialect.name == "sqlite" else (
        "pg_trigger WHERE tgenabled <> 'D'"
    )
    column = "name" if bind.dialect.name == "sqlite" else "tgname"
    found = {name for (name,) in session.execute(text(f"SELECT {column} FROM {where}"))}  # noqa: S608
    if not found >= TRIGGERS:
        gone = ", ".join(sorted(TRIGGERS - found))
        report.findings.append(Finding(
            0, "triggers", f"The database no longer refuses changes of the log ({gone} missing)."
        ))


def as_facts(report: Report) -> dict[str, Any]:
    """A report for the log itself."""
    return {
        "rows": report.rows, "checkpoints": report.checkpoints, "first_bad": report.first_bad,
        "findings": [f"{f.code}@{f.seq}" for f in report.findings][:MOST_FINDINGS],
        "milliseconds": round(report.seconds * 1000),
    }
