"""At the start: rows from before the chain are sealed once, and never again."""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import func, select, update
from sqlmodel import Session

from liftos_app.models import AuditCheckpoint, AuditEntry, AuditHead
from liftos_app.services.audit import chain, checkpoints
from liftos_app.services.audit.canonical import FIELDS, GENESIS
from liftos_app.services.context import App

log = logging.getLogger(__name__)
_ENTRIES: Final = AuditEntry.__table__  # type: ignore[attr-defined]
_BATCH: Final = 2000


def prepare(app: App) -> int:
    """Chain the rows of an older LiftOS. Returns how many; 0 at every later start.

    Refuses (and leaves the finding to `audit verify`) when anything tells that there was a chain:
    otherwise whoever empties the hashes would have their own version sealed by us.
    """
    with app.db.read() as session:
        unsealed = select(_ENTRIES.c.seq).where(_ENTRIES.c.hash == "").limit(1)
        if session.execute(unsealed).first() is None:
            return 0
    with app.db.write() as session:
        if _was_chained(app, session):
            log.error("audit.unsealed_rows")
            return 0
        return _seal_all(app, session)


def _was_chained(app: App, session: Session) -> bool:
    sealed = session.execute(select(_ENTRIES.c.seq).where(_ENTRIES.c.hash != "").limit(1)).first()
    points = session.execute(select(func.count()).select_from(AuditCheckpoint)).scalar_one()
    return (
        sealed is not None or points > 0 or session.get(AuditHead, 1) is not None
        or checkpoints.path_of(app.settings).exists()
    )


def _seal_all(app: App, session: Session) -> int:
    seq, newest = 0, GENESIS
    while True:
        rows = session.execute(
            select(_ENTRIES).where(_ENTRIES.c.seq > seq).order_by(_ENTRIES.c.seq).limit(_BATCH)
        ).mappings().all()
        for row in rows:
            seq = row["seq"]
            done = chain.seal(app.vault, seq, newest, {name: row[name] for name in FIELDS})
            newest = done["hash"]
            session.execute(
                update(_ENTRIES).where(_ENTRIES.c.seq == seq).values(
                    prev_hash=done["prev_hash"], hash=newest, mac_kid=done["mac_kid"],
                    mac=done["mac"],
                )
            )
        if len(rows) < _BATCH:
            break
    chain.lock_head(session)
    chain.move_head(session, seq, newest)
    log.info("audit.sealed", extra={"rows": seq})
    return seq
