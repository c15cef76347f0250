"""What follows a sync: fresh exchange rates, then the data-quality checks, for one organization."""

from __future__ import annotations

import logging

from liftos_app.errors import PlatformFault
from liftos_app.services import rates
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
