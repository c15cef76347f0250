"""Forms of signed-in people: proof, password, e-mail, everywhere out, organization, keys, links.

What they make is shown on a page of its own, once, and never enters the state of a page.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from liftos_app.api import plain_page
from liftos_app.api.deps import Caller
from liftos_app.api.forms import PROOF, Form, act, ask_again, go, local_path, set_session
from liftos_app.api.web import code_of, signed_out
from liftos_app.errors import Invalid, LiftOSError, Missing
from liftos_app.models import Role
from liftos_app.services import access, accounts, api_keys, email_change, invitations, sessions
from liftos_app.services.invitations import Made

router = APIRouter(prefix="/auth", include_in_schema=False)
SECURITY: Final = "/settings?tab=security"
PROFILE: Final = "/settings?tab=profile"
KEYS: Final = "/settings?tab=keys"
PEOPLE: Final = "/settings/people"
_AFTER_PROOF: Final = ("/auth/second-factor",)  # the only pages of /auth that a proof leads to


@router.get("/confirm")
def ask_proof(request: Request) -> Response:
    """The form that asks for the password again, on the way to `next`."""
    wanted = request.query_params.get("next", "")[:500]

    def work(_: Caller) -> Response:
        return ask_again("/auth/confirm", {"next": wanted})

    return act(request, {}, work, title="Confirm it is you", back="/")


@router.post("/confirm")
def give_proof(request: Request, given: Form) -> Response:
    """Go on to `next`, proved."""
    wanted = given.get("next", "")

    def work(_: Caller) -> Response:
        if not given.get(PROOF):
            return ask_again("/auth/confirm", given)
        return go(wanted if wanted in _AFTER_PROOF else local_path(wanted) or "/")

    return act(request, given, work, title="Confirm it is you", back="/")


@router.post("/password")
def change_password(request: Request, given: Form) -> Response:
    """Change the password; other sessions end and this one gets a new id."""

    def work(caller: Caller) -> Response:
        try:
            if given.get("new", "") != given.get("again", ""):
                raise Invalid("The two new passwords differ.", reason="passwords_differ")
            token = accounts.change_password(
                caller.app, caller.who, caller.org_id, current=given.get("current", ""),
                new=given.get("new", ""),
            )
        except LiftOSError as error:
            return go(f"{SECURITY}&{urlencode({'error': code_of(error)})}")
        answer = go(f"{SECURITY}&done=password")
        if token:
            set_session(answer, caller.app, token)
        return answer

    return act(request, {}, work, title="Password", back=SECURITY)


@router.post("/email")
def ask_for_email(request: Request, given: Form) -> Response:
    """Mail a link to the new address; the answer does not tell whether somebody has it."""

    def work(caller: Caller) -> Response:
        try:
            email_change.ask(
                caller.app, caller.who, caller.org_id, email=given.get("email", ""),
                password=given.get("current", ""), code=given.get("code", ""),
            )
        except LiftOSError as error:
            return go(f"{PROFILE}&{urlencode({'error': code_of(error)})}")
        return go(f"{PROFILE}&done=email_asked")

    return act(request, {}, work, title="E-mail address", back=PROFILE)


@router.get("/email")
def show_email() -> Response:
    """Takes the token of the link and asks to go on."""
    return plain_page.page(
        "Use this e-mail address",
        plain_page.text("Your other browsers are signed out, and you sign in with the new address "
                        "from now on."),
        plain_page.form(
            "/auth/email/confirm",
            plain_page.entry(
                "token", "Token of your link", data_from_hash="keep", longest=1500,
                help_text="The part behind # in the link you were mailed.",
            ),
            send="Use the new address",
        ),
        plain_page.link("Back to settings", PROFILE),
    )


@router.post("/email/confirm")
def change_email(request: Request, given: Form) -> Response:
    """Use the address that the link was mailed to; this session gets a new id."""

    def work(caller: Caller) -> Response:
        token = email_change.finish(
            caller.app, caller.who, caller.org_id, given.get("token", "")
        )
        answer = go(f"{PROFILE}&done=email")
        if token:
            set_session(answer, caller.app, token)
        return answer

    return act(request, {}, work, title="E-mail address", back=PROFILE)


@router.post("/everywhere")
def leave_everywhere(request: Request) -> Response:
    """End every session of the person, this one too."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            sessions.end_everywhere(ctx)
        return signed_out(caller.app)

    return act(request, {}, work, title="Sign out everywhere", back=SECURITY)


@router.post("/organization")
def switch(request: Request, given: Form) -> Response:
    """Look at another organization of one's own from now on."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            sessions.switch_organization(ctx, _id(given.get("organization", "")))
        return go("/")

    return act(request, given, work, title="Switch organization", back="/")


@router.post("/keys")
def make_key(request: Request, given: Form) -> Response:
    """A new API key, shown once."""

    def work(caller: Caller) -> Response:
        days = given.get("days", "90")
        with caller.write() as ctx:
            made = api_keys.create(
                ctx, name=given.get("name", ""),
                scopes=[s for s in access.SCOPES if given.get(f"scope_{s}")],
                days=int(days) if days.isdecimal() and len(days) < 6 else 0,
            )
            text, name = made.text, made.key.name
        return plain_page.page(
            "Your new API key",
            plain_page.text(f"{name}: copy it now. It is not shown again, and LiftOS keeps only a "
                            "hash of it."),
            plain_page.shown_once(text, label="API key"),
            plain_page.text("Send it as Authorization: Bearer with every request."),
            plain_page.done("I have copied it", KEYS),
        )

    return act(request, given, work, title="API key", back=KEYS)


@router.post("/invite")
def invite(request: Request, given: Form) -> Response:
    """Invite somebody, and show the link."""

    def work(caller: Caller) -> Response:
        role = given.get("role", "")
        with caller.write() as ctx:
            made = invitations.create(
                ctx, email=given.get("email", ""),
                role=Role(role) if role in set(Role) else Role.VIEWER,
            )
            return _invited(made, ctx.settings.public_url)

    return act(request, given, work, title="Invitation", back=PEOPLE)


@router.post("/invite/again")
def invite_again(request: Request, given: Form) -> Response:
    """A new link for an open invitation; the old one ends."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            made = invitations.resend(ctx, _id(given.get("invitation", "")))
            return _invited(made, ctx.settings.public_url)

    return act(request, given, work, title="Invitation", back=PEOPLE)


def _invited(made: Made, public_url: str) -> Response:
    row = made.invitation
    sent = "A message with this link is on its way." if made.mailed else (
        "No mail is set up: hand the link over yourself, by a way only they can read."
    )
    return plain_page.page(
        "Invitation",
        plain_page.text(f"{row.email} can join as {access.word(Role(row.role))}. {sent}"),
        plain_page.shown_once(made.link(public_url), label="Invitation link"),
        plain_page.text("It works once, for seven days, and is not shown again."),
        plain_page.done("Back to people", PEOPLE),
    )


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Missing("It does not exist.", why="The address is wrong.") from error
