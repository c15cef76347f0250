"""What follows a sync (rates, quality checks), and what the clock repeats hourly and daily."""

from __future__ import annotations

import logging

from liftos_app.errors import PlatformFault
from liftos_app.services import links, oauth, rates, retention, rights
from liftos_app.services.context import App, job_principal, open_context
from liftos_app.services.quality import runner

log = logging.getLogger(__name__)


def after_sync(app: App, org_id: int) -> None:
    """Fetch missing rates and evaluate quality. A bank that does not answer stops nothing."""
    who = job_principal("upkeep")
    try:
        rates.refresh(app, who, org_id)
    except PlatformFault as error:
        log.warning("rates.unavailable", extra={"org": org_id, "detail": error.facts.get("detail")})
    with open_context(app, who, org_id, write=True) as ctx:
        runner.evaluate(ctx)


def hourly(app: App) -> None:
    """Remove what has served its time: consents, kept answers, sign-in attempts, old sessions."""
    oauth.purge(app)
    retention.clear_temporary(app)


def daily(app: App) -> None:
    """Renew tokens that idleness would kill, delete what is too old, erase who asked to go."""
    links.keep_alive(app)
    retention.walk(app)
    rights.erase_due(app)
