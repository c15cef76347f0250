"""To the OpenID Connect provider and back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from liftos_app.api import plain_page
from liftos_app.api.deps import app_of, ip_of
from liftos_app.api.forms import (
    agent_of,
    drop_cookie,
    go,
    let_in,
    local_path,
    session_token,
    to_second_step,
)
from liftos_app.errors import LiftOSError
from liftos_app.services import accounts, oidc
from liftos_app.services.context import App

router = APIRouter(prefix="/auth", include_in_schema=False)


@router.get("/provider")
def leave(request: Request) -> Response:
    """Send the browser to the provider. A link, not a form: our policy lets forms go nowhere else;
    nothing is changed but a row of ten minutes that only this browser can use.
    """
    app = app_of(request)
    if not oidc.is_offered(app) or request.headers.get("sec-fetch-site") == "cross-site":
        return go("/login")
    try:
        begun = oidc.begin(app, next_path=local_path(request.query_params.get("next", "")))
    except LiftOSError as error:
        return go(f"/login?error={error.code}")
    answer = plain_page.quiet(RedirectResponse(begun.url, status_code=303))
    answer.set_cookie(
        _cookie(app), begun.browser_secret, max_age=int(oidc.LIFE.total_seconds()), path="/",
        secure=app.settings.secure_cookies, httponly=True, samesite="lax",
    )
    return answer


@router.get("/provider/callback")
def come_back(request: Request) -> Response:
    """The provider's answer: a session, a second step, or a sentence on the sign-in page."""
    app, query = app_of(request), request.query_params
    if not oidc.is_offered(app):
        return go("/login")
    try:
        found = oidc.finish(
            app, state=query.get("state", ""), code=query.get("code", ""),
            issuer=query.get("iss", ""), browser_secret=request.cookies.get(_cookie(app), ""),
            ip=ip_of(request),
        )
        if not found.strong:
            accounts.require_no_more(app, found.user, found.org_id, 0)
        signed_in = accounts.open_session(
            app, found.user, found.org_id, ip=ip_of(request), user_agent=agent_of(request),
            old_token=session_token(request), by="provider",
        )
        answer = let_in(request, signed_in.token, go_to=found.next_path)
    except accounts.SecondStepNeeded as step:
        answer = to_second_step(request, step, go_to=found.next_path)
    except LiftOSError as error:
        answer = go(f"/login?error={error.code}")
    drop_cookie(answer, app, _cookie(app))
    return answer


def _cookie(app: App) -> str:
    return "__Host-liftos_provider" if app.settings.secure_cookies else "liftos_provider"
