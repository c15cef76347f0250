"""What follows a sync (rates, quality checks), and what the clock repeats hourly and daily."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col

from liftos_app.errors import PlatformFault
from liftos_app.models import (
    KeptAnswer,
    LoginAttempt,
    OneTimeLink,
    PendingSignIn,
    ProviderSignIn,
    RefreshToken,
    WebSession,
)
from liftos_app.services import expiry, links, oauth, rates
from liftos_app.services.context import App, job_principal, open_context
from liftos_app.services.quality import runner
from liftos_app.services.sync import undo

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
    """Remove what has served its time, renew tokens that were idle for a day, warn of ends."""
    oauth.purge(app)
    undo.purge(app)
    links.keep_alive(app)
    expiry.warn(app)
    yesterday = app.now() - timedelta(hours=24)
    with app.db.write() as session:
        for model, moment in (
            (KeptAnswer, KeptAnswer.created_at), (LoginAttempt, LoginAttempt.at),
            (WebSession, WebSession.expires_at), (RefreshToken, RefreshToken.expires_at),
            (OneTimeLink, OneTimeLink.expires_at), (PendingSignIn, PendingSignIn.expires_at),
            (ProviderSignIn, ProviderSignIn.expires_at),
        ):
            session.execute(delete(model).where(col(moment) < yesterday))


def daily(app: App) -> None:
    """Renew tokens that idleness would kill."""
    links.keep_alive(app)
