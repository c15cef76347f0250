"""What the signed-out pages need: is there an administrator yet, what went wrong, where to next."""

from __future__ import annotations

from typing import Final

import reflex as rx

from liftos_app.services import first_run, oidc
from liftos_app.state import process, visitor
from liftos_app.state.app import PUBLIC, AppState, handler, needs_setup

# Codes that the form routes put in the address; words stay here so that nothing is reflected.
TROUBLES: Final = {
    "wrong_sign_in": "E-mail and password do not belong together. Check both and try again.",
    "too_many": "Too many tries. Wait a minute, then try again.",
    "unavailable": "Many people are signing in at this moment. Try again in a few seconds.",
    "origin": "This page was opened under an address LiftOS does not know as its own. Open the "
    "address LiftOS printed at start, or set LIFTOS_PUBLIC_URL.",
    "invalid_email": "This is not an e-mail address. It looks like name@example.com.",
    "invalid_organization": "The organization needs a name of 1 to 120 characters, all of which "
    "print.",
    "invalid_name": "A name has at most 120 characters, all of which print.",
    "password_short": "This password is too short. Use at least 15 characters: several unrelated "
    "words work well.",
    "password_long": "This password is too long. Use at most 128 characters.",
    "password_odd": "This password holds a character that cannot be typed.",
    "password_repeats": "This password repeats the same few characters. Several unrelated words "
    "work well.",
    "password_about_you": "This password is made of your name, your address or the name of this "
    "product. Several unrelated words work well.",
    "password_common": "This password is among the first that attackers try. Several unrelated "
    "words work well.",
    "denied": "Your account belongs to no organization. Ask an administrator to invite you.",
    "conflict": "LiftOS is set up already. Sign in, or ask an administrator for an account.",
    "link_over": "This set-up token is not right, or is older than 30 minutes. Take the newest "
    "one from the log of the server, or make another with: liftos admin setup-token",
    "second_factor_needed": "Your account needs a second factor. Sign in again.",
    "provider_refused": "The sign-in provider did not let you in. Try again, or use your password.",
    "provider_unknown": "Nobody here has the verified address your provider named. Ask an "
    "administrator to invite you.",
    "provider_down": "The sign-in provider does not answer. Try again in a minute.",
    "provider_expired": "That sign-in took too long or was begun in another browser. Try again.",
    "expired": "Your session ended. Sign in again; nothing you saved is lost.",
}


_DONE: Final = {"reset": "Your new password is set. Sign in with it."}


class GateState(AppState):
    """Sign-in and first run."""

    next_path: str = ""
    trouble: str = ""
    field: str = ""
    known: bool = False
    said: str = ""
    provider: bool = False
    needs_token: bool = False

    @handler(PUBLIC)
    async def open_login(self):
        """Send people on who need no sign-in; else show the form and what went wrong."""
        if visitor.acting.get() is not None:
            return rx.redirect(safe_path(self._asked("next")) or "/", replace=True)
        if await process.in_thread(needs_setup):
            return rx.redirect("/setup", replace=True)
        self.provider = oidc.is_offered(process.app())
        self._read()
        return None

    @handler(PUBLIC)
    async def open_setup(self):
        """The first run only: afterwards this page sends people to sign in."""
        if not await process.in_thread(needs_setup):
            return rx.redirect("/welcome" if visitor.acting.get() else "/login", replace=True)
        self.needs_token = await process.in_thread(first_run.needs_token, process.app())
        self._read()
        return None

    def _read(self) -> None:
        self.next_path = safe_path(self._asked("next"))
        code = self._asked("error") or self._asked("code")
        self.trouble = (
            TROUBLES.get(code, "That did not work. Check what you typed and try again.")
            if code
            else ""
        )
        self.said = _DONE.get(self._asked("done"), "")
        self.field = self._asked("field")[:40]
        self.known = True

    def _asked(self, name: str) -> str:
        return str(self.router.url.query_parameters.get(name, ""))


def safe_path(text: str) -> str:
    """A path of our own to go on to, or an empty text: never another host."""
    fine = text.startswith("/") and not text.startswith("//") and "\\" not in text
    fine = fine and text.isprintable()  # browsers drop tabs and line breaks from addresses
    return text[:500] if fine else ""
