"""What the form routes share: reading a form, whose it is, cookies, and asking for proof again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Final
from urllib.parse import quote, unquote

from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from liftos_app.api import plain_page, problems, wall
from liftos_app.api.deps import Caller, app_of, ip_of, is_same_origin
from liftos_app.errors import Denied, LiftOSError, ProofNeeded, SignInNeeded
from liftos_app.services import access, accounts, second_factor, second_step, sessions
from liftos_app.services.context import App

LONGEST_NEXT: Final = 500
PROOF: Final = "proof"  # the field in which a password is typed once more
_LOCAL_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")
_NOT_IN_PATHS: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def local_path(text: str) -> str:
    """The path to go on to, when it is one of ours; else an empty text (L48)."""
    if len(text) > LONGEST_NEXT or not _LOCAL_PATH.fullmatch(text):
        return ""
    decoded = unquote(text)
    if decoded.startswith(("//", "/auth/", "/api/")) or _NOT_IN_PATHS.search(decoded):
        return ""
    return text


async def form(request: Request) -> dict[str, str]:
    """The typed values of a posted form; files are refused."""
    async with request.form(max_files=0, max_fields=20) as found:
        return {k: v for k, v in found.items() if isinstance(v, str)}


Form = Annotated[dict[str, str], Depends(form)]


def agent_of(request: Request) -> str:
    """What the browser says it is."""
    return request.headers.get("user-agent", "")


def require_own_page(request: Request) -> None:
    """Raise Denied for a form that another web page sent, or one through an unknown name."""
    if not is_same_origin(request):
        raise foreign()


def foreign() -> Denied:
    """A refusal with its own code: the form was sent by another page, or through another name."""
    error = Denied(
        "This form was sent from another address.",
        why="LiftOS is opened under an address it does not know as its own.",
        fix="Open the address LiftOS printed at start, or set LIFTOS_PUBLIC_URL.",
    )
    error.code = "origin"
    return error


def session_token(request: Request) -> str:
    """The session cookie's text."""
    return request.cookies.get(sessions.cookie_name(app_of(request).settings), "")


def set_session(answer: Response, app: App, token: str) -> None:
    """Give the browser its session."""
    _set_cookie(
        answer, app, sessions.cookie_name(app.settings), token,
        int(sessions.ABSOLUTE_LIMIT.total_seconds()),
    )


def step_cookie(app: App) -> str:
    """Name of the cookie of a sign-in that waits for its second step."""
    return "__Host-liftos_step" if app.settings.secure_cookies else "liftos_step"


def set_step(answer: Response, app: App, token: str) -> None:
    """Give the browser the token of its waiting sign-in."""
    _set_cookie(answer, app, step_cookie(app), token, int(second_step.LIFE.total_seconds()))


def drop_cookie(answer: Response, app: App, name: str) -> None:
    """Take a cookie away."""
    answer.delete_cookie(
        name, path="/", secure=app.settings.secure_cookies, httponly=True, samesite="lax"
    )


def _set_cookie(answer: Response, app: App, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(
        name, value, max_age=seconds, path="/", secure=app.settings.secure_cookies, httponly=True,
        samesite="lax",
    )


def go(path: str) -> Response:
    """Send the browser on to a page of ours."""
    return plain_page.quiet(RedirectResponse(path, status_code=303))


def signed_in(request: Request) -> Caller:
    """The person behind a form, who may use it. Raises SignInNeeded or Denied."""
    app = app_of(request)
    if request.method != "GET":
        require_own_page(request)
    found = sessions.resolve(app, session_token(request), ip=ip_of(request))
    if found is None:
        raise SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    request.scope[wall.CALLER] = (found.who, found.org_id)
    access.authorize(found.who, wall.need_of(request))
    who = replace(found.who, request_id=problems.request_id(request.scope)[:40])
    return Caller(app=app, who=who, org_id=found.org_id)


def to_second_step(
    request: Request, error: accounts.SecondStepNeeded, *, go_to: str
) -> Response:
    """Send a person whose first factor was right on to the second step."""
    app = app_of(request)
    token = second_step.begin(app, error.user.id, error.org_id, next_path=go_to)
    answer = go("/auth/second-factor" if error.enrol else "/auth/second-step")
    set_step(answer, app, token)
    return answer


def let_in(request: Request, token: str, *, go_to: str) -> Response:
    """The end of every way of signing in: the session's cookie and a full page load."""
    app, answer = app_of(request), go(go_to or "/")
    set_session(answer, app, token)
    if step_cookie(app) in request.cookies:
        drop_cookie(answer, app, step_cookie(app))
    return answer


def act(
    request: Request, given: Mapping[str, str], work: Callable[[Caller], Response], *,
    title: str, back: str,
) -> Response:
    """Do what a signed-in form asks. A sensitive act asks for the password first and goes on
    by itself afterwards; any other failure is said on a page of its own with a way back.
    """
    token = ""
    try:
        caller = signed_in(request)
        if given.get(PROOF):
            token = accounts.prove(
                caller.app, caller.who, caller.org_id, password=given[PROOF]
            )
            who = replace(caller.who, proved_at=caller.app.now())
            caller = Caller(app=caller.app, who=who, org_id=caller.org_id)
        answer = work(caller)
    except ProofNeeded:
        answer = ask_again(request.url.path, given)
    except (accounts.WrongSignIn, second_factor.WrongCode) as error:
        if token or not given.get(PROOF):
            return _failed(title, error, back)
        answer = ask_again(
            request.url.path, given, wrong="This is not your password. Try again."
        )
    except SignInNeeded as error:
        if error.code != "sign_in_needed":
            answer = _failed(title, error, back)
        else:
            answer = go(f"/login?next={quote(back, safe='')}")
    except LiftOSError as error:
        wall.look_at(request, error, sent=given.values())
        answer = _failed(title, error, back)
    if token:
        set_session(answer, app_of(request), token)
    return answer


def ask_again(action: str, given: Mapping[str, str], *, wrong: str = "") -> Response:
    """The page that asks for the password once more and then sends the same form again."""
    kept = {k: v[:LONGEST_NEXT] for k, v in given.items() if k not in {PROOF, "password"}}
    return plain_page.page(
        "Confirm it is you",
        plain_page.text(
            "This is sensitive, and you last typed your password more than five minutes ago."
        ),
        plain_page.trouble(wrong),
        plain_page.form(
            action,
            plain_page.password_entry(
                PROOF, "Password", help_text="Or the code of your authenticator app."
            ),
            send="Confirm", hidden=kept,
        ),
        status=422 if wrong else 200,
    )


def _failed(title: str, error: LiftOSError, back: str) -> Response:
    return plain_page.page(
        title, plain_page.trouble(error.sentence()), plain_page.done("Go back", back),
        status=error.status,
    )
