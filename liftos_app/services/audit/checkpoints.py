"""Closed segments of the log, signed, and kept outside the database as well.

Only what stands outside can tell of a log whose end was cut off or that was put back whole: the
file `audit-checkpoints.jsonl` under LIFTOS_HOME, and the log stream.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from sqlmodel import Session, col

from liftos_app.config import Settings
from liftos_app.models import AuditCheckpoint, AuditEntry, AuditHead
from liftos_app.services.audit import chain
from liftos_app.services.audit.canonical import merkle_root, moment
from liftos_app.services.context import App, Context, job_principal, open_context
from liftos_app.tenancy import lifted

if TYPE_CHECKING:
    from liftos_app.services.vault import Vault

log = logging.getLogger(__name__)
MOST_ROWS: Final = 1000
EVERY: Final = timedelta(hours=1)
FILE: Final = "audit-checkpoints.jsonl"
_ENTRIES: Final = AuditEntry.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Kept:
    """A line of the file."""

    seq: int
    hash: str
    line: str


def path_of(settings: Settings) -> Path:
    """Where the checkpoints are kept outside the database."""
    return settings.home / FILE


def due(app: App) -> int:
    """Close what is due: a full segment, or one that waits for an hour. Returns how many."""
    return make(app, force=False)


def make(app: App, *, force: bool = True) -> int:
    """Close segments of at most 1000 rows, the last open one too when forced or an hour old."""
    if not force and not _is_due(app):
        return 0
    made = 0
    with app.db.write() as session:
        chain.lock_head(session)  # two processes close nothing twice
        while _close_next(app, session, force=force):
            made += 1
    publish(app, made=made)
    return made


def _is_due(app: App) -> bool:
    with app.db.read() as session:
        head, last = session.get(AuditHead, 1), newest(session)
        open_rows = (head.seq if head else 0) - (last.seq if last else 0)
        if open_rows <= 0:
            return _missing_lines(app, last)
        return open_rows >= MOST_ROWS or _waits_since(session, last) <= app.now() - EVERY


def _missing_lines(app: App, last: AuditCheckpoint | None) -> bool:
    if last is None:
        return False
    kept = read_file(app.settings)
    return not kept or kept[-1].seq < last.seq


def _waits_since(session: Session, last: AuditCheckpoint | None) -> datetime:
    first_open = (last.seq if last else 0) + 1
    row = session.execute(
        select(_ENTRIES.c.at).where(_ENTRIES.c.seq >= first_open).order_by(_ENTRIES.c.seq).limit(1)
    ).one()
    found: datetime = row.at
    return found


def oldest_unsigned(session: Session) -> datetime | None:
    """When the oldest row that stands in no checkpoint was written."""
    head, last = session.get(AuditHead, 1), newest(session)
    if head is None or (last is not None and head.seq <= last.seq) or head.seq == 0:
        return None
    return _waits_since(session, last)


def newest(session: Session) -> AuditCheckpoint | None:
    """The last checkpoint of the database."""
    return session.scalars(
        select(AuditCheckpoint).order_by(col(AuditCheckpoint.seq).desc()).limit(1)
    ).first()


def _close_next(app: App, session: Session, *, force: bool) -> bool:
    last = newest(session)
    first = (last.seq if last else 0) + 1
    rows = session.execute(
        select(_ENTRIES.c.seq, _ENTRIES.c.hash, _ENTRIES.c.at).where(_ENTRIES.c.seq >= first)
        .order_by(_ENTRIES.c.seq).limit(MOST_ROWS)
    ).all()
    if not rows:
        return False
    if not force and len(rows) < MOST_ROWS and rows[0].at > app.now() - EVERY:
        return False
    point = AuditCheckpoint(
        seq=rows[-1].seq, first_seq=first, hash=rows[-1].hash, at=app.now(),
        root=merkle_root([bytes.fromhex(r.hash) for r in rows]), kid=app.vault.active_kid, mac="",
    )
    point.mac = mac_of(app.vault, point)
    session.add(point)
    session.flush()
    return True


def mac_of(vault: Vault, point: AuditCheckpoint) -> str:
    """What signs a checkpoint. KeyError: its key is not known here."""
    parts = [
        "liftos-checkpoint-v1", point.first_seq, point.seq, point.hash, point.root,
        moment(point.at), moment(point.dropped_at) if point.dropped_at else "",
    ]
    return vault.audit_mac("|".join(map(str, parts)), point.kid)


def publish(app: App, *, made: int = 0) -> None:
    """Bring the file up to the database: append what it lacks (`made` are new), flushed to disk."""
    with app.db.read() as session:
        points = list(session.scalars(select(AuditCheckpoint).order_by(col(AuditCheckpoint.seq))))
    if not points:
        return
    path, kept = path_of(app.settings), read_file(app.settings)
    begun = not kept and len(points) > made
    after = kept[-1].seq if kept else 0
    fresh = [p for p in points if p.seq > after]
    if not fresh:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
        for point in fresh:
            file.write(json.dumps(line_of(point), separators=(",", ":")) + "\n")
            log.info("audit.checkpoint", extra={"seq": point.seq, "root": point.root,
                                                "hash": point.hash})
        file.flush()
        os.fsync(file.fileno())
    if begun:  # somebody removed the file, or LIFTOS_HOME is another one
        with open_context(app, job_principal("audit"), None, write=True) as ctx:
            chain.record(ctx, "audit.checkpoint_file_begun", checkpoints=len(points))


def line_of(point: AuditCheckpoint) -> dict[str, Any]:
    """A checkpoint as its line of the file."""
    return {
        "seq": point.seq, "first_seq": point.first_seq, "hash": point.hash, "root": point.root,
        "at": moment(point.at), "kid": point.kid, "mac": point.mac,
    }


def read_file(settings: Settings) -> list[Kept]:
    """The lines of the file; a broken line (a power cut in mid-write) is left out."""
    try:
        text = path_of(settings).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    found = []
    for line in text.splitlines():
        try:
            parts = json.loads(line)
            found.append(Kept(int(parts["seq"]), str(parts["hash"]), line))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def drop_before(ctx: Context, limit: datetime) -> int:
    """Remove whole segments whose checkpoint is older; their headers stay, so that the chain still
    verifies (L90). For the retention job. Returns the rows removed.
    """
    ctx.require("jobs.run")
    with lifted(ctx.session):  # the log is one for all organizations
        removed = _drop(ctx, limit)
    if removed:
        chain.record(ctx, "audit.segments_dropped", rows=removed, before=limit)
    return removed


def _drop(ctx: Context, limit: datetime) -> int:
    session, removed = ctx.session, 0
    for point in session.scalars(
        select(AuditCheckpoint).order_by(col(AuditCheckpoint.seq))
    ).all():
        if point.at >= limit:
            break
        if point.dropped_at is not None:
            continue
        point.dropped_at, point.kid = ctx.now(), ctx.app.vault.active_kid
        point.mac = mac_of(ctx.app.vault, point)
        session.flush()
        gone = session.execute(
            _ENTRIES.delete().where(_ENTRIES.c.seq.between(point.first_seq, point.seq))
        )
        removed += gone.rowcount  # type: ignore[attr-defined]
    return removed
