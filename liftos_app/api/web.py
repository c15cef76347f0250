"""Forms of the browser: first run, sign in, sign out. Native posts, answered by a 303.

A new cookie takes effect with the next page load only, so each form ends in one. What went wrong
travels as a code; what was typed does not travel at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from liftos_app.api import plain_page
from liftos_app.api.deps import app_of, ip_of, is_same_origin
from liftos_app.api.forms import (
    LONGEST_NEXT,
    Form,
    agent_of,
    drop_cookie,
    foreign,
    let_in,
    local_path,
    require_own_page,
    session_token,
    step_cookie,
    to_second_step,
)
from liftos_app.errors import Conflict, Invalid, LiftOSError
from liftos_app.services import accounts, first_run, sessions
from liftos_app.services.context import App, Principal, open_context

__all__ = ["AFTER_SETUP", "LONGEST_NEXT", "local_path", "router"]
router = APIRouter(prefix="/auth", include_in_schema=False)
AFTER_SETUP: Final = "/welcome"
_FIELD: Final = re.compile(r"[a-z_]{1,40}")


@router.post("/setup")
def set_up(request: Request, given: Form) -> Response:
    """Create the first administrator and sign them in. Once only."""
    app = app_of(request)
    try:
        require_own_page(request)
        who = Principal(ip=ip_of(request))
        first_run.check_token(app, given.get("setup_token", ""), ip=who.ip)
        with open_context(app, who, None, write=True) as ctx:
            accounts.create_first_admin(
                ctx, email=given.get("email", ""), password=given.get("password", ""),
                organization=given.get("organization", ""), name=given.get("name", ""),
            )
            first_run.end_tokens(ctx)
        return _signed_in(request, app, given, go_to=AFTER_SETUP)
    except Conflict as error:
        return _back("/login", error)
    except LiftOSError as error:
        return _back("/setup", error)


@router.post("/login")
def log_in(request: Request, given: Form) -> Response:
    """Sign in and go on to `next`, when that is a path of ours."""
    go_to = local_path(given.get("next", ""))
    try:
        require_own_page(request)
        return _signed_in(request, app_of(request), given, go_to=go_to or "/")
    except LiftOSError as error:
        return _back("/login", error, go_to=go_to)


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session, take the cookies away and clear what the browser kept."""
    app = app_of(request)
    if not is_same_origin(request):
        return _back("/login", foreign())
    sessions.sign_out(app, session_token(request))
    return signed_out(app)


def signed_out(app: App) -> Response:
    """The answer that leaves nothing of a session in the browser (L35)."""
    answer = RedirectResponse("/login", status_code=303)
    drop_cookie(answer, app, sessions.cookie_name(app.settings))
    drop_cookie(answer, app, step_cookie(app))
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return plain_page.quiet(answer)


last = APIRouter(prefix="/auth", include_in_schema=False)  # after every other form of /auth


@last.get("/{rest:path}")
def look(rest: str) -> Response:  # noqa: ARG001
    """A form address opened like a page: show the page instead."""
    return RedirectResponse("/login", status_code=303)


def _signed_in(request: Request, app: App, given: Mapping[str, str], *, go_to: str) -> Response:
    try:
        found = accounts.sign_in(
            app, email=given.get("email", ""), password=given.get("password", ""),
            ip=ip_of(request), user_agent=agent_of(request), old_token=session_token(request),
        )
    except accounts.SecondStepNeeded as step:
        return to_second_step(request, step, go_to=go_to)
    return let_in(request, found.token, go_to=go_to)


def _back(page: str, error: LiftOSError, *, go_to: str = "") -> Response:
    """The page again with a code it knows a sentence for."""
    values = {"error": code_of(error)}
    field = error.facts.get("field")
    if isinstance(field, str) and _FIELD.fullmatch(field):
        values["field"] = field
    after = error.facts.get("retry_after")
    if isinstance(after, int | float):
        values["wait"] = str(max(1, round(after)))
    if go_to:
        values["next"] = go_to
    return _never_stored(
        RedirectResponse(f"{page}?{urlencode(values, quote_via=quote)}", status_code=303)
    )


def code_of(error: LiftOSError) -> str:
    """`password_short`, `invalid_email`: as exact as the page can put into words."""
    if not isinstance(error, Invalid):
        return error.code
    reason = error.facts.get("reason") or f"{error.code}_{error.facts.get('field', '')}"
    return reason if isinstance(reason, str) and _FIELD.fullmatch(reason) else error.code


def _never_stored(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
