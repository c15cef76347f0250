"""The rules that look at the process and the machine: I6, I12, I13."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, cast

from sqlmodel import col, select

from liftos_app.models import AuditEntry, AuditHead
from liftos_app.services import backups, quotas
from liftos_app.services.audit import checkpoints, state
from liftos_app.services.context import App
from liftos_app.services.incidents.rules import Signal

CHECKPOINT_GAP: Final = timedelta(hours=2)
REFUSALS_PER_MINUTE: Final = 500
CLOCK_STEP: Final = 60.0  # seconds
FREE_DISK: Final = 0.10
BACKUP_AGE: Final = timedelta(hours=26)


def audit_log(app: App) -> Iterator[Signal]:
    """I6: the last verification failed, rows wait for a checkpoint for over two hours, or the
    database is older than the checkpoints outside it.
    """
    kept = checkpoints.read_file(app.settings)
    with app.db.read() as session:
        last = state.last_verified(session)
        waiting, head = checkpoints.oldest_unsigned(session), session.get(AuditHead, 1)
    if last is not None and not last.ok:
        where = f" Its first bad row is {last.first_bad}." if last.first_bad else ""
        yield Signal("I6", "critical", "verification", evidence=last.at.isoformat(),
                     words=f"The audit log does not verify.{where} Run: liftos audit verify")
    if waiting is not None and waiting < app.now() - CHECKPOINT_GAP:
        yield Signal("I6", "critical", "checkpoints", evidence=waiting.isoformat(),
                     words="No checkpoint of the audit log was made for over two hours.")
    if kept and (head is None or head.seq < kept[-1].seq):
        yield Signal("I6", "critical", "rolled back", evidence=str(kept[-1].seq),
                     words="The audit log is older than its checkpoints outside the database.")


def refusals(app: App) -> Iterator[Signal]:
    """I12: over 500 rate-limit refusals in one minute."""
    minute, count = quotas.refusals_of(app)
    if count > REFUSALS_PER_MINUTE:
        yield Signal("I12", "medium", "rate limits", evidence=str(minute),
                     words=f"{count} requests were refused by rate limits within a minute.")


def clock(app: App) -> Iterator[Signal]:
    """I13: the wall clock moved against the machine's own by over a minute."""
    wall, steady = app.now(), time.monotonic()
    before = cast("tuple[datetime, float] | None", app.extras.get("incidents.clock"))
    app.extras["incidents.clock"] = (wall, steady)
    if before is None:
        return
    moved = (wall - before[0]).total_seconds() - (steady - before[1])
    if abs(moved) > CLOCK_STEP:
        yield Signal("I13", "high", "clock", evidence=wall.isoformat(),
                     words=f"The clock of this machine moved by {moved:+.0f} seconds.")


def disk(app: App) -> Iterator[Signal]:
    """I13: less than a tenth of the disk under LIFTOS_HOME is free."""
    try:
        usage = shutil.disk_usage(app.settings.home)
    except OSError:
        return
    if usage.free < FREE_DISK * usage.total:
        yield Signal("I13", "high", "disk", evidence=app.now().strftime("%Y-%m-%dT%H"),
                     words=f"Only {usage.free / usage.total:.0%} of the disk is free.")


def backup(app: App) -> Iterator[Signal]:
    """I13: the last backup is older than 26 hours (or there is none, and LiftOS has run for so
    long), or the newest one could not be restored when it was tried.
    """
    with app.db.read() as session:
        made, tried = backups.newest(session), backups.newest(session, backups.CHECKED)
        begun = session.exec(select(AuditEntry.at).order_by(col(AuditEntry.seq)).limit(1)).first()
    since = made.at if made else begun
    if since is not None and since < app.now() - BACKUP_AGE:
        words = "The last backup is older than 26 hours." if made else "No backup was made yet."
        yield Signal("I13", "high", "backup", evidence=made.at.isoformat() if made else "none",
                     words=f"{words} Run every day: liftos backup")
    if tried is not None and tried.result != "ok":
        yield Signal("I13", "high", "restore test", evidence=str(tried.seq),
                     words=f"A backup was tried and failed. {tried.reason}")


LOOKS: Final = (audit_log, refusals, clock, disk, backup)
