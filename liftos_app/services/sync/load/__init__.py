"""The only writer of facts: a window's rows become table rows, compared with what is there.

Values are absolute for their key, never added. Within the window that was read, a row that the
source no longer has goes away here too. Every row read is counted once as written, updated,
unchanged or rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from sqlmodel import Session

from liftos_app.models import RejectedRow
from liftos_app.services.connectors.spec import Lands, Rejected, Stream
from liftos_app.services.sync.load.changes import Cell, Changes, Replaced
from liftos_app.services.sync.load.daily import load_facts, load_mail
from liftos_app.services.sync.load.entities import load_entities
from liftos_app.services.sync.load.records import load_crm, load_orders, load_payments
from liftos_app.services.sync.load.shared import Counts, Landing, Target

RECORD_LIMIT = 10_000


def load(landing: Landing) -> Counts:
    """Make one window's rows table rows. Commits nothing."""
    before = len(landing.rejected)
    counts = _LOADERS[landing.stream.lands](landing)
    counts.read = len(landing.rows) + before
    counts.rejected = len(landing.rejected)
    keep_rejected(landing.session, landing.target, landing.stream, landing.rejected)
    return counts


def keep_rejected(
    session: Session, target: Target, stream: Stream, rejected: Iterable[Rejected]
) -> None:
    """Store source records that could not become rows, with their reason."""
    for item in rejected:
        session.add(RejectedRow(
            org_id=target.org_id, run_id=target.run_id, account_key=target.account_key,
            stream=stream.name, day=item.day[:10], reason=item.reason[:500],
            record=json.dumps(item.record, default=str)[:RECORD_LIMIT], at=target.now,
        ))


_LOADERS: dict[Lands, Callable[[Landing], Counts]] = {
    Lands.FACTS: load_facts, Lands.ENTITIES: load_entities, Lands.ORDERS: load_orders,
    Lands.MAIL: load_mail, Lands.CRM: load_crm, Lands.PAYMENTS: load_payments,
}

__all__ = [
    "Cell", "Changes", "Counts", "Landing", "Replaced", "Target", "keep_rejected", "load",
]
