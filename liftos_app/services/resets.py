"""A new password without the old one: by a link that works once for thirty minutes.

The operator prints the link (`liftos admin reset`); with mail, people ask for it themselves. It
changes the password and nothing else: the second factor is still asked for at the next sign-in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from liftos_app.errors import Invalid
from liftos_app.models import Organization, User
from liftos_app.services import accounts, audit, limits, links_once, mailer, passwords
from liftos_app.services.context import App, Context, Principal, open_context

log = logging.getLogger(__name__)
PAUSE: Final = timedelta(minutes=2)  # nobody fills the mailbox of another


@dataclass(frozen=True, slots=True)
class ResetLink:
    """Where a person chooses a new password."""

    email: str
    url: str


def create(ctx: Context, email: str) -> ResetLink:
    """A link for somebody's account, to hand over by a safe way. Earlier links end."""
    ctx.require("installation.admin")
    user = accounts.by_email(ctx.session, email)
    if user is None:
        raise Invalid("There is no account with this e-mail.", field="email")
    return ResetLink(user.email, _link(ctx, user))


def count_ask(app: App, email: str, *, ip: str) -> None:
    """Count that somebody asks for a link, whoever it is. Public. Raises TooMany."""
    limits.begin_attempt(app, account=f"reset\x00{email.strip().casefold()[:254]}", ip=ip)


def mail_link(app: App, email: str, *, ip: str) -> None:
    """Mail a link to whoever has this address, at most one in two minutes. Public.

    Call it once the answer is out: its time would tell whether there is such an account (L27).
    """
    with open_context(app, Principal(ip=ip), None, write=True) as ctx:
        user = accounts.by_email(ctx.session, email)
        if user is None or user.disabled_at is not None or not mailer.is_on(app):
            return
        limits.one_at_a_time(ctx.session, f"reset {user.id}")
        if links_once.made_since(ctx, links_once.RESET, user.id, ctx.now() - PAUSE):
            return
        ctx.org_id = accounts.home_of(ctx.session, user)
        mailer.send(
            ctx, to=user.email, subject="Choose a new password for LiftOS", about="reset",
            life=links_once.LIFE,
            text=f"Open within thirty minutes:\n\n{_link(ctx, user)}\n\n"
                 "If you did not ask for it, do nothing.",
        )


def finish(app: App, token: str, *, password: str, ip: str) -> User:
    """Set the new password; sessions, tokens and other links of the person end.

    Public: the token is the right. Raises LinkOver, Invalid or TooMany; a password that is refused
    does not spend the link.
    """
    attempt = limits.begin_attempt(app, account=f"reset\x00{token[:200]}", ip=ip)
    with app.db.read() as session:
        user = session.get_one(User, links_once.look(session, app, links_once.RESET, token).user_id)
        home = session.get(Organization, accounts.home_of(session, user) or 0)
    passwords.check_new(password, about=(user.email, user.name, home.name if home else ""))
    hashed = passwords.make_hash(password)  # before the transaction: others wait for its end
    who = Principal(kind="person", ip=ip)
    with open_context(app, who, None, write=True) as ctx:
        row = links_once.use(ctx, links_once.RESET, token)
        user = ctx.session.get_one(User, row.user_id)
        ctx.org_id = accounts.home_of(ctx.session, user)
        limits.succeeded(ctx.session, attempt)
        accounts.set_hash(ctx, user, hashed, keep=None)
        audit.record(ctx, "auth.password_reset", user)
    return user


def _link(ctx: Context, user: User) -> str:
    token = links_once.make(ctx, links_once.RESET, user.id)
    audit.record(ctx, "auth.reset_link_made", user)
    return f"{ctx.settings.public_url}/auth/reset#{token}"
