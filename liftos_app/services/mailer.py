"""The seam where mail goes out. LiftOS sends none yet: links are shown to copy instead.

Whoever adds SMTP puts an object with `send` into `app.extras["mailer"]`; nothing else changes.
"""

from __future__ import annotations

import logging
from typing import Protocol, cast

from liftos_app.models import User
from liftos_app.services.context import App, Context

log = logging.getLogger(__name__)


class Mailer(Protocol):
    """Hands one plain-text message over for delivery; must not block for long nor raise."""

    def send(self, *, to: str, subject: str, text: str) -> None:
        """Queue a message."""


def mailer_of(app: App) -> Mailer | None:
    """The mailer of this process, None when no mail is configured."""
    return cast("Mailer | None", app.extras.get("mailer"))


def tell(ctx: Context, user: User, what: str) -> None:
    """Let a person know what happened to their account (L30); without mail it is only logged."""
    log.info("account.notice", extra={"user_id": str(user.id), "what": what})
    mailer = mailer_of(ctx.app)
    if mailer is not None:
        mailer.send(
            to=user.email, subject=f"LiftOS: {what}",
            text=f"{what}\n\nIf it was not you, sign in at {ctx.settings.public_url} and choose "
                 "Settings, Security, Sign out everywhere; then change your password.",
        )
