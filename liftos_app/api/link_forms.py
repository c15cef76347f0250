"""Where links that work once lead: a new password, and joining by invitation.

The token stands behind '#', which browsers send to nobody; a small script puts it into the form.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from liftos_app.api import plain_page
from liftos_app.api.deps import app_of, ip_of
from liftos_app.api.forms import (
    Form,
    agent_of,
    go,
    let_in,
    require_own_page,
    session_token,
    to_second_step,
)
from liftos_app.errors import LiftOSError
from liftos_app.services import access, accounts, invitations, mailer, resets

router = APIRouter(prefix="/auth", include_in_schema=False)
_PASSWORD_HELP: Final = "At least 15 characters. A few words in a row are easy to remember."  # noqa: S105


@router.get("/reset")
def show_reset() -> Response:
    """The form for a new password."""
    return _reset_page()


@router.post("/reset")
def reset(request: Request, given: Form) -> Response:
    """Set the new password; signing in comes after it, second step included."""
    token = given.get("token", "")
    try:
        require_own_page(request)
        if given.get("new", "") != given.get("again", ""):
            return _reset_page(token, "The two passwords differ. Type the same twice.")
        resets.finish(app_of(request), token, password=given.get("new", ""), ip=ip_of(request))
    except LiftOSError as error:
        return _reset_page(token, error.sentence(), status=error.status)
    return go("/login?done=reset")


@router.get("/forgot")
def show_forgot(request: Request) -> Response:
    """How to get a new password: by mail, or from whoever runs the machine."""
    if not mailer.is_on(app_of(request)):
        return plain_page.page(
            "Forgot your password?",
            plain_page.text("This installation sends no mail. Whoever runs the server makes a "
                            "link for you, which works once for thirty minutes:"),
            plain_page.shown_once("liftos admin reset <your e-mail>", label="Command"),
            plain_page.link("Back to sign-in", "/login"),
        )
    return _forgot_page()


@router.post("/forgot")
def forgot(request: Request, given: Form) -> Response:
    """Mail a link, when there is such an account; neither the answer nor its time says so."""
    app, email = app_of(request), given.get("email", "")
    try:
        require_own_page(request)
        resets.count_ask(app, email, ip=ip_of(request))
    except LiftOSError as error:
        return _forgot_page(error.sentence(), status=error.status)
    answer = plain_page.page(
        "Look into your mail",
        plain_page.text("If there is an account with this address, a link is on its way. It works "
                        "once, for thirty minutes."),
        plain_page.link("Back to sign-in", "/login"),
    )
    answer.background = BackgroundTask(resets.mail_link, app, email, ip=ip_of(request))
    return answer


@router.get("/invitation")
def show_invitation() -> Response:
    """Takes the token and asks what it offers."""
    return _invitation_page()


@router.post("/invitation")
def look_at_invitation(request: Request, given: Form) -> Response:
    """What the invitation offers, and the form to accept it."""
    token = given.get("token", "")
    try:
        require_own_page(request)
        offer = invitations.look(app_of(request), token, ip=ip_of(request))
    except LiftOSError as error:
        return _invitation_page(error.sentence(), status=error.status)
    return _offer_page(token, offer)


@router.post("/invitation/accept")
def accept(request: Request, given: Form) -> Response:
    """Join, and sign in, second step included."""
    app, token = app_of(request), given.get("token", "")
    require_own_page(request)
    try:
        user, org_id, attempt = invitations.accept(
            app, token, password=given.get("password", ""), name=given.get("name", ""),
            ip=ip_of(request),
        )
        accounts.require_no_more(app, user, org_id, attempt)
        found = accounts.open_session(
            app, user, org_id, ip=ip_of(request), user_agent=agent_of(request),
            old_token=session_token(request), attempt=attempt, by="invitation",
        )
    except accounts.SecondStepNeeded as step:
        return to_second_step(request, step, go_to="/")
    except LiftOSError as error:
        try:
            offer = invitations.look(app, token, ip=ip_of(request))
        except LiftOSError as over:
            return _invitation_page(over.sentence(), status=over.status)
        return _offer_page(token, offer, error.sentence(), status=error.status)
    return let_in(request, found.token, go_to="/")


def _reset_page(token: str = "", wrong: str = "", *, status: int = 422) -> Response:
    field = plain_page.entry(
        "token", "Token of your link", value=token, data_from_hash="keep",
        help_text="The part behind # in the link you were given.",
    )
    return plain_page.page(
        "Choose a new password", plain_page.trouble(wrong),
        plain_page.form(
            "/auth/reset", "" if token else field,
            plain_page.password_entry("new", "New password", new=True, help_text=_PASSWORD_HELP),
            plain_page.password_entry("again", "New password again", new=True),
            send="Set password", hidden={"token": token} if token else None,
        ),
        plain_page.link("Back to sign-in", "/login"),
        status=status if wrong else 200,
    )


def _forgot_page(wrong: str = "", *, status: int = 200) -> Response:
    return plain_page.page(
        "Forgot your password?", plain_page.trouble(wrong),
        plain_page.form(
            "/auth/forgot",
            plain_page.entry("email", "E-mail", kind="email", auto_complete="username",
                             longest=254),
            send="Send me a link",
        ),
        plain_page.link("Back to sign-in", "/login"), status=status,
    )


def _invitation_page(wrong: str = "", *, status: int = 200) -> Response:
    return plain_page.page(
        "Your invitation", plain_page.trouble(wrong),
        plain_page.form(
            "/auth/invitation",
            plain_page.entry(
                "token", "Token of your invitation", data_from_hash="" if wrong else "send",
                help_text="The part behind # in the link you were given.",
            ),
            send="Open invitation",
        ),
        plain_page.link("Sign in instead", "/login"), status=status,
    )


def _offer_page(
    token: str, offer: invitations.Offer, wrong: str = "", *, status: int = 200
) -> Response:
    name = plain_page.entry(
        "name", "Your name", required=False, auto_complete="name", longest=120,
        help_text="Optional; shown beside what you do.",
    )
    password = plain_page.password_entry(
        "password", "Your LiftOS password" if offer.has_account else "Password",
        new=not offer.has_account, help_text="" if offer.has_account else _PASSWORD_HELP,
    )
    what = (
        "You have an account already: sign in to join."
        if offer.has_account else "Choose a password to make your account."
    )
    return plain_page.page(
        f"Join {offer.organization}",
        plain_page.text(f"You are invited as {access.word(offer.role)}, with {offer.email}. "
                        f"{what}"),
        plain_page.trouble(wrong),
        plain_page.form(
            "/auth/invitation/accept", "" if offer.has_account else name, password, send="Join",
            hidden={"token": token},
        ),
        status=status,
    )
