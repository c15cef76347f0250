"""The second step of signing in, and setting a second factor up: forms made on the server, because
a seed or a recovery code must never become part of the page's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from uuid import UUID

import segno
from fastapi import APIRouter, Request
from starlette.responses import Response

from liftos_app.api import plain_page
from liftos_app.api.deps import Caller, app_of, ip_of
from liftos_app.api.forms import (
    Form,
    act,
    agent_of,
    drop_cookie,
    go,
    let_in,
    require_own_page,
    session_token,
    set_session,
    step_cookie,
)
from liftos_app.errors import Conflict, LiftOSError, SignInNeeded
from liftos_app.services import accounts, second_factor, second_step, sessions, totp
from liftos_app.services.context import App, open_context
from liftos_app.services.secret import Secret

router = APIRouter(prefix="/auth", include_in_schema=False)
SECURITY = "/settings?tab=security"


@dataclass(frozen=True, slots=True)
class _Enrolling:
    """Who sets a second factor up: signed in already, or on the way in."""

    app: App
    user_id: UUID
    email: str
    org_id: int
    waiting: second_step.Waiting | None


@router.get("/second-step")
def ask_code(request: Request) -> Response:
    """The form for the code."""
    waiting = _waiting(request)
    if waiting is None:
        return go("/login?error=expired")
    return go("/auth/second-factor") if waiting.step == "enrol" else _code_page()


@router.post("/second-step")
def check_code(request: Request, given: Form) -> Response:
    """Check the code and sign in."""
    app = app_of(request)
    try:
        require_own_page(request)
        waiting = _waiting(request)
        if waiting is None:
            return go("/login?error=expired")
        found = second_step.finish(
            app, request.cookies.get(step_cookie(app), ""), given.get("code", ""),
            ip=ip_of(request), user_agent=agent_of(request), old_token=session_token(request),
        )
    except second_factor.WrongCode as error:
        return _code_page(error.sentence(), status=422)
    except LiftOSError as error:
        return _code_page(error.sentence(), status=error.status)
    return let_in(request, found.token, go_to=waiting.next_path)


@router.get("/second-factor")
def show_seed(request: Request) -> Response:
    """How to set up an authenticator app: the QR code, the key by hand, a first code."""
    return _enrol_page(request)


@router.get("/second-factor/code.svg")
def draw_seed(request: Request) -> Response:
    """The QR code of the seed, for whoever is setting it up and for nobody else."""
    try:
        who = _enrolling(request)
        seed = second_factor.begin(who.app, who.user_id, who.org_id)
    except LiftOSError as error:
        return Response(status_code=error.status, headers=plain_page.QUIET)
    out = BytesIO()
    address = totp.address(seed.reveal(), account=who.email, issuer=second_factor.ISSUER)
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=4, scale=4,
                                                     light="white")
    return Response(out.getvalue(), media_type="image/svg+xml", headers=plain_page.QUIET)


@router.post("/second-factor")
def confirm_seed(request: Request, given: Form) -> Response:
    """Check the first code, show the recovery codes, and go on signed in."""
    require_own_page(request)  # before anything is shown or made
    try:
        who = _enrolling(request)
        codes = second_factor.confirm(
            who.app, who.user_id, given.get("code", ""), ip=ip_of(request)
        )
    except SignInNeeded as error:
        if isinstance(error, second_factor.WrongCode):
            return _enrol_page(request, wrong=error.sentence())
        return go("/login?error=expired")
    except LiftOSError as error:
        return _enrol_page(request, wrong=error.sentence())
    if who.waiting is not None:
        token = request.cookies.get(step_cookie(who.app), "")
        found = second_step.conclude(
            who.app, token, who.waiting, ip=ip_of(request), user_agent=agent_of(request),
            old_token=session_token(request),
        )
        answer = _codes_page(codes, go_to=who.waiting.next_path or "/")
        set_session(answer, who.app, found.token)
        drop_cookie(answer, who.app, step_cookie(who.app))
        return answer
    answer = _codes_page(codes, go_to=SECURITY)
    set_session(answer, who.app, _renewed(request, who))
    return answer


@router.post("/second-factor/codes")
def new_codes(request: Request, given: Form) -> Response:
    """Ten new recovery codes."""

    def work(caller: Caller) -> Response:
        return _codes_page(
            second_factor.renew_codes(caller.app, caller.who, caller.org_id), go_to=SECURITY
        )

    return act(request, given, work, title="New recovery codes", back=SECURITY)


@router.post("/second-factor/remove")
def remove(request: Request, given: Form) -> Response:
    """Take the second factor away; asks for a code of it."""

    def work(caller: Caller) -> Response:
        if not given.get("code"):
            with caller.read() as ctx:
                ctx.require_proof()
            return plain_page.page(
                "Remove the second factor",
                plain_page.text("Afterwards your password alone signs you in, unless a second "
                                "factor is required of you: then the next sign-in sets one up."),
                plain_page.form(
                    "/auth/second-factor/remove", plain_page.code_entry(), send="Remove it",
                    danger=True,
                ),
                plain_page.link("Keep it", SECURITY),
            )
        second_factor.remove(caller.app, caller.who, caller.org_id, given["code"])
        return go(f"{SECURITY}&done=factor_removed")

    return act(request, given, work, title="Remove the second factor", back=SECURITY)


def _waiting(request: Request) -> second_step.Waiting | None:
    app = app_of(request)
    return second_step.find(app, request.cookies.get(step_cookie(app), ""))


def _enrolling(request: Request) -> _Enrolling:
    """By waiting sign-in first, else by session. Raises SignInNeeded."""
    app, waiting = app_of(request), _waiting(request)
    if waiting is not None and waiting.step == "enrol":
        return _Enrolling(app, waiting.user.id, waiting.user.email, waiting.org_id, waiting)
    found = sessions.resolve(app, session_token(request), ip=ip_of(request))
    if found is None or found.who.user_id is None:
        raise SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    with open_context(app, found.who, found.org_id) as ctx:
        user = accounts.me(ctx)
        ctx.require_proof()
    return _Enrolling(app, user.id, user.email, found.org_id, None)


def _renewed(request: Request, who: _Enrolling) -> str:
    """A new session id after the step up (L32)."""
    found = sessions.resolve(who.app, session_token(request), ip=ip_of(request))
    if found is None:
        return ""
    with open_context(who.app, found.who, found.org_id, write=True) as ctx:
        return sessions.renew(ctx)


def _code_page(wrong: str = "", *, status: int = 200) -> Response:
    return plain_page.page(
        "Second step",
        plain_page.text("Type the code that your authenticator app shows for LiftOS."),
        plain_page.trouble(wrong),
        plain_page.form(
            "/auth/second-step",
            plain_page.code_entry(help_text="Without your phone: one of your recovery codes."),
            send="Sign in",
        ),
        plain_page.link("Sign in as somebody else", "/login"),
        status=status,
    )


def _enrol_page(request: Request, *, wrong: str = "") -> Response:
    try:
        who = _enrolling(request)
        seed = second_factor.begin(who.app, who.user_id, who.org_id)
    except Conflict:
        return go(SECURITY)
    except SignInNeeded as error:
        code = error.code
        return go(
            "/auth/confirm?next=/auth/second-factor" if code == "proof_needed"
            else "/login?error=expired"
        )
    why = (
        "Your account needs a second factor. It takes a minute and any authenticator app."
        if who.waiting else "Every sign-in will ask for a code of your authenticator app."
    )
    return plain_page.page(
        "Set up a second factor", plain_page.text(why),
        plain_page.picture("/auth/second-factor/code.svg", "QR code for your authenticator app"),
        plain_page.text("Scan it, or type this key into the app:"),
        plain_page.shown_once(_spaced(seed), label="Key to type by hand", name="seed"),
        plain_page.trouble(wrong),
        plain_page.form(
            "/auth/second-factor",
            plain_page.code_entry("Code the app shows", help_text="Six digits."), send="Confirm",
        ),
        plain_page.link(*(("Not now", SECURITY) if who.waiting is None
                          else ("Sign in as somebody else", "/login"))),
        status=422 if wrong else 200,
    )


def _spaced(seed: Secret) -> str:
    text = seed.reveal()
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def _codes_page(codes: list[str], *, go_to: str) -> Response:
    return plain_page.page(
        "Recovery codes",
        plain_page.text("Keep these where you can reach them without your phone. Each signs you "
                        "in once in place of a code. They are not shown again."),
        plain_page.code_list(codes),
        plain_page.done("I have kept them", go_to),
    )



