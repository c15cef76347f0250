"""Another e-mail address for one's account: asked for with password and code, then confirmed by a
link that was mailed to the new address. Without mail the operator changes it.

The link carries the address it was mailed to, and only its keyed hash is stored: no other address
fits. It counts in the hands of its person only, signed in; a mailbox alone takes no account over.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final
from uuid import UUID

from liftos_app.errors import Conflict, Invalid, TooMany
from liftos_app.models import User
from liftos_app.services import (
    accounts,
    audit,
    limits,
    links_once,
    mailer,
    passwords,
    second_factor,
    sessions,
)
from liftos_app.services.context import App, Context, Principal, open_context

A_DAY: Final = 5  # links per person: LiftOS is no way to send mail to strangers
_DAY: Final = timedelta(days=1)


def ask(
    app: App, who: Principal, org_id: int, *, email: str, password: str, code: str = ""
) -> None:
    """Mail a link to the new address, and tell the old one. The answer is the same whether or not
    somebody has the new address already. Raises Conflict without mail, Invalid, WrongCode, TooMany.
    """
    with open_context(app, who, org_id) as ctx:
        user = accounts.me(ctx)
        has_factor = second_factor.is_set_up(ctx.session, user.id)
    if not mailer.is_on(app):
        raise Conflict(
            "Your e-mail address cannot be changed here.",
            why="This installation sends no mail, so nobody could confirm the new one.",
            fix="Ask whoever runs the server: liftos admin change-email <old> <new>",
        )
    address = accounts.clean_email(email)
    if address == user.email:
        raise Invalid("This is your address already.", field="email", reason="same_email")
    attempt = limits.begin_attempt(app, account=user.email_key, ip=who.ip)
    if not passwords.fits(password[: passwords.LONGEST], user.password_hash):
        raise Invalid(
            "The current password is not right.", fix="Type it again.", field="current_password",
            reason="current_password",
        )
    if has_factor:
        second_factor.check(app, user.id, code, ip=who.ip)
    with open_context(app, who, org_id, write=True) as ctx:
        limits.succeeded(ctx.session, attempt)
        limits.one_at_a_time(ctx.session, f"email {user.id}")
        if links_once.count_since(ctx, links_once.EMAIL, user.id, ctx.now() - _DAY) >= A_DAY:
            raise _too_many()
        carried = base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")
        token = links_once.make(ctx, links_once.EMAIL, user.id, carried=carried)
        holder = accounts.by_email(ctx.session, address)
        if holder is not None and holder.id != user.id:
            words = ("Somebody asked to use this address for another account of LiftOS. It "
                     "belongs to yours already, so nothing was changed.")
        else:
            words = ("Somebody asked to use this address for their account of LiftOS. If it was "
                     "you, open this within thirty minutes in the browser in which you are "
                     f"signed in:\n\n{ctx.settings.public_url}/auth/email#{token}\n\n"
                     "If it was not you, do nothing.")
        mailer.send(ctx, to=address, subject="Your e-mail address for LiftOS", text=words,
                    about="email", life=links_once.LIFE)
        mailer.tell(ctx, user, "Somebody asked to change the e-mail address of your account.")
        audit.record(ctx, "user.email_change_asked", user)


def finish(app: App, who: Principal, org_id: int, token: str) -> str:
    """Use the address that the link was mailed to; every other session and every token of the
    person ends. Returns the new token of the session in use. Raises LinkOver, Conflict or TooMany.
    """
    attempt = limits.begin_attempt(app, account=f"email\x00{who.user_id}", ip=who.ip)
    with open_context(app, who, org_id, write=True) as ctx:
        user = accounts.me(ctx)
        links_once.use_own(ctx, links_once.EMAIL, token)
        limits.succeeded(ctx.session, attempt)
        carried = token.partition(".")[2]
        address = base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4)).decode()
        _change(ctx, user, address, keep=who.session_id)
        return sessions.renew(ctx, proved=False) if who.session_id else ""


def set_for(ctx: Context, email: str, new: str) -> User:
    """Change somebody's address, as the operator; all their sessions, tokens and links end."""
    ctx.require("installation.admin")
    user = accounts.by_email(ctx.session, email)
    if user is None:
        raise Invalid("There is no account with this e-mail.", field="email")
    _change(ctx, user, accounts.clean_email(new), keep=None)
    return user


def _change(ctx: Context, user: User, address: str, *, keep: UUID | None) -> None:
    limits.one_at_a_time(ctx.session, f"address {address.casefold()}")
    holder = accounts.by_email(ctx.session, address)
    if holder is not None and holder.id != user.id:
        raise Conflict(
            "This address belongs to another account.", why="Each account has its own.",
            fix="Choose another address.",
        )
    mailer.send(  # to the old one: nobody signs in with it any more
        ctx, to=user.email, subject="LiftOS: Your e-mail address was changed.", about="notice",
        text="The e-mail address of your account was changed. You sign in with the new one.\n\n"
             "If it was not you, tell an administrator of your LiftOS now: they can disable the "
             "account, and put this address back.",
    )
    user.email, user.email_key = address, address.casefold()
    user.auth_epoch += 1
    ended = accounts.end_what_they_hold(ctx, user, keep=keep)
    audit.record(ctx, "user.email_changed", user, sessions_ended=ended)


def _too_many() -> TooMany:
    error = TooMany(
        f"You asked for {A_DAY} links during the last day.", why="More are not sent.",
        fix="Use the newest one, or try again tomorrow.", limit=A_DAY,
        retry_after=int(_DAY.total_seconds()),
    )
    error.code = "too_many_links"
    return error
