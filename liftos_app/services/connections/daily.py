"""Once a day every connection that reads is asked for its accounts again.

So a currency that the platform changed, and an account that it no longer shows, are found without
anybody opening the page. What follows is what follows a person's own look.
"""

from __future__ import annotations

import logging

from sqlmodel import col, select

from liftos_app.errors import LiftOSError
from liftos_app.models import Connection, ConnectionStatus
from liftos_app.services import condition
from liftos_app.services.connections.signin import discover_accounts
from liftos_app.services.context import App, job_principal

log = logging.getLogger(__name__)
_WHO = job_principal("accounts")
_NOT_ASKED = (
    ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.DISABLED, *condition.NOT_STARTED,
)


def look_at_accounts(app: App) -> int:
    """Read the accounts of all connections again; how many answered.

    A platform that does not answer is asked tomorrow; a sync says what is wrong with it sooner.
    """
    with app.db.read() as session:
        rows = session.exec(
            select(Connection.org_id, Connection.id).where(
                col(Connection.deleted_at).is_(None), col(Connection.paused_at).is_(None),
                col(Connection.status).not_in([s.value for s in _NOT_ASKED]),
            )
        ).all()
    answered = 0
    for org_id, connection_id in rows:
        try:
            discover_accounts(app, _WHO, org_id, connection_id)
            answered += 1
        except LiftOSError as error:
            log.info("accounts.not_read", extra={"org": org_id, "code": error.code})
    return answered
