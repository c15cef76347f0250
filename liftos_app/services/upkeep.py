"""What follows a sync (rates, quality checks), and what the clock repeats hourly and daily."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from liftos_app.errors import PlatformFault
from liftos_app.services import (
    backups,
    expiry,
    incidents,
    links,
    mail,
    oauth,
    rates,
    retention,
    rights,
)
from liftos_app.services.audit import checkpoints, notes, state
from liftos_app.services.connections import daily as daily_looks
from liftos_app.services.context import App, job_principal
from liftos_app.services.quality import runner
from liftos_app.services.sync import undo
from liftos_app.services.vault import rotation

log = logging.getLogger(__name__)
DATA_KEY_LIFE: Final = timedelta(days=90)


def after_sync(app: App, org_id: int) -> None:
    """Fetch missing rates and evaluate quality. A bank that does not answer stops nothing."""
    who = job_principal("upkeep")
    try:
        rates.refresh(app, who, org_id)
    except PlatformFault as error:
        log.warning("rates.unavailable", extra={"org": org_id, "detail": error.facts.get("detail")})
    runner.evaluate(app, who, org_id)


def hourly(app: App) -> None:
    """Remove what has served its time, renew tokens that were idle for a day, warn of ends."""
    oauth.purge(app)
    rotation.retire(app)
    undo.purge(app)
    links.keep_alive(app)
    expiry.warn(app)
    retention.clear_temporary(app)
    mail.give_up_old(app)


def daily(app: App) -> None:
    """Renew idle tokens, look at all accounts, verify the audit log, renew old data keys; delete
    what is too old; try the newest backup once a week."""
    links.keep_alive(app)
    daily_looks.look_at_accounts(app)
    state.verify_and_note(app)
    rotation.renew_data_keys(app, before=app.now() - DATA_KEY_LIFE)
    retention.walk(app)
    rights.erase_due(app)
    backups.rehearse(app)


def every_minute(app: App) -> None:
    """Close the audit log's segments that are due; ask the incident rules."""
    checkpoints.due(app)
    incidents.sweep(app)


def at_stop(app: App) -> None:
    """The last entry of this process, and a checkpoint over it."""
    notes.stopped(app)
    checkpoints.make(app)
