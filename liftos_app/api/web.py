"""Forms of the browser: first run, sign in, sign out. Native posts, answered by a 303.

A new cookie takes effect with the next page load only, so each form ends in one. What went wrong
travels as a code; what was typed does not travel at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from liftos_app.api.deps import app_of, ip_of, is_same_origin
from liftos_app.errors import Conflict, Denied, Invalid, LiftOSError
from liftos_app.services import accounts, sessions
from liftos_app.services.context import App, Principal, open_context

router = APIRouter(prefix="/auth", include_in_schema=False)
AFTER_SETUP: Final = "/welcome"
LONGEST_NEXT: Final = 500
_LOCAL_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")
_NOT_IN_PATHS: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_FIELD: Final = re.compile(r"[a-z_]{1,40}")


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


@router.post("/setup")
def set_up(request: Request, given: Form) -> Response:
    """Create the first administrator and sign them in. Once only."""
    app = app_of(request)
    try:
        _require_own_page(request)
        with open_context(app, Principal(ip=ip_of(request)), None, write=True) as ctx:
            accounts.create_first_admin(
                ctx, email=given.get("email", ""), password=given.get("password", ""),
                organization=given.get("organization", ""), name=given.get("name", ""),
            )
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
        _require_own_page(request)
        return _signed_in(request, app_of(request), given, go_to=go_to or "/")
    except LiftOSError as error:
        return _back("/login", error, go_to=go_to)


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session, take the cookie away and clear what the browser kept."""
    app = app_of(request)
    if not is_same_origin(request):
        return _back("/login", _foreign())
    name = sessions.cookie_name(app.settings)
    sessions.sign_out(app, request.cookies.get(name, ""))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(
        name, path="/", secure=app.settings.secure_cookies, httponly=True, samesite="lax"
    )
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return _never_stored(answer)


@router.get("/{rest:path}")
def look(rest: str) -> Response:  # noqa: ARG001
    """A form address opened like a page: show the page instead."""
    return RedirectResponse("/login", status_code=303)


def _signed_in(request: Request, app: App, given: Mapping[str, str], *, go_to: str) -> Response:
    name = sessions.cookie_name(app.settings)
    found = accounts.sign_in(
        app, email=given.get("email", ""), password=given.get("password", ""),
        ip=ip_of(request), user_agent=request.headers.get("user-agent", ""),
        old_token=request.cookies.get(name, ""),
    )
    answer = RedirectResponse(go_to, status_code=303)
    answer.set_cookie(
        name, found.token, max_age=int(sessions.ABSOLUTE_LIMIT.total_seconds()), path="/",
        secure=app.settings.secure_cookies, httponly=True, samesite="lax",
    )
    return _never_stored(answer)


def _require_own_page(request: Request) -> None:
    if not is_same_origin(request):
        raise _foreign()


def _foreign() -> Denied:
    """A refusal with its own code: the form was sent by another page, or through another name."""
    error = Denied(
        "This form was sent from another address.",
        why="LiftOS is opened under an address it does not know as its own.",
        fix="Open the address LiftOS printed at start, or set LIFTOS_PUBLIC_URL.",
    )
    error.code = "origin"
    return error


def _back(page: str, error: LiftOSError, *, go_to: str = "") -> Response:
    """The page again with a code it knows a sentence for."""
    values = {"error": _code(error)}
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


def _code(error: LiftOSError) -> str:
    """`password_short`, `invalid_email`: as exact as the page can put into words."""
    if not isinstance(error, Invalid):
        return error.code
    reason = error.facts.get("reason") or f"{error.code}_{error.facts.get('field', '')}"
    return reason if isinstance(reason, str) and _FIELD.fullmatch(reason) else error.code


def _never_stored(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
