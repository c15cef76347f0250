"""Where mail is asked for: a message is stored with the act it tells of, and sent later.

Without LIFTOS_SMTP_URL nothing is stored: links are shown to copy instead. services/mail sends.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import delete
from sqlmodel import Session, col

from liftos_app.errors import Invalid
from liftos_app.models import Outbox, User
from liftos_app.services.context import App, Context

log = logging.getLogger(__name__)
KIND: Final = "mail"  # of rows of `outbox`
LIFE: Final = timedelta(days=1)
_NOWHERE: Final = ("@localhost", ".invalid")  # people of a demo, and people who were erased


def is_on(app: App) -> bool:
    """Whether mail goes out from here."""
    return app.settings.smtp is not None


def send(
    ctx: Context, *, to: str, subject: str, text: str, about: str, life: timedelta = LIFE
) -> bool:
    """Queue a plain-text message in this transaction. True when it will be tried.

    `about` is a word for logs; after `life` the message is worth nothing and is given up.
    """
    if not is_on(ctx.app) or to.endswith(_NOWHERE):
        return False
    if len(to.splitlines()) != 1 or not to.isprintable() or "@" not in to:
        raise Invalid("This is not an e-mail address.", field="email")
    row_id = uuid4()
    body = json.dumps({"to": to, "subject": subject, "text": text})
    ctx.session.add(Outbox(
        id=row_id, kind=KIND, org_id=ctx.org_id, created_at=ctx.now(),
        payload={
            "sealed": ctx.app.vault.seal_message(body, row_id), "about": about, "tries": 0,
            "for": ctx.app.vault.token_hash(_whose(to)), "why": "",
            "due": moment(ctx.now()), "until": moment(ctx.now() + min(life, LIFE)),
        },
    ))
    return True


def tell(ctx: Context, user: User, what: str) -> None:
    """Let a person know what happened to their account (L30); without mail it is only logged."""
    log.info("account.notice", extra={"user_id": str(user.id), "what": what})
    send(
        ctx, to=user.email, subject=f"LiftOS: {what}", about="notice",
        text=f"{what}\n\nIf it was not you, sign in at {ctx.settings.public_url} and choose "
             "Settings, Security, Sign out everywhere; then change your password.",
    )


def forget(app: App, session: Session, address: str) -> None:
    """Delete what waits for somebody who is being erased."""
    session.connection().execute(delete(Outbox).where(
        col(Outbox.kind) == KIND,
        col(Outbox.payload)["for"].as_string().in_(app.vault.token_hashes(_whose(address))),
    ))


def moment(at: datetime) -> str:
    """A moment inside a payload: such texts sort as the moments do."""
    return at.isoformat(timespec="seconds")


def _whose(address: str) -> str:
    return f"mail\x00{address.casefold()}"
