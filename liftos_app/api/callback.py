"""The way back from a platform's consent page, for browsers and for programs.

A browser gets a 303 to the wizard with a short code in its address, never a token, a platform's
code or its words. A program that asks for JSON, or sends a bearer token, gets the outcome itself.
"""

from __future__ import annotations

import logging
from typing import Final

from fastapi import APIRouter, Request
from fastapi.security import HTTPAuthorizationCredentials
from starlette.responses import JSONResponse, RedirectResponse, Response

from liftos_app.api import problems
from liftos_app.api.connection_models import AccountOut, ConsentDone
from liftos_app.api.connections import wake_engine
from liftos_app.api.deps import CallerDep, app_of, caller, ip_of
from liftos_app.errors import LiftOSError, Missing, PlatformFault, SignInNeeded
from liftos_app.services import condition, connections, oauth, oauth_errors, sessions, wizard
from liftos_app.services.connections import SignedIn
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.oauth import Finished, Pending

log = logging.getLogger(__name__)
router = APIRouter(prefix="/platform-connections/oauth", tags=["Platform connections"])
browser = APIRouter(include_in_schema=False)
_QUIET: Final = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_CODES: Final = (
    (oauth_errors.StateUnknown, "expired"), (oauth_errors.OtherSession, "other_session"),
    (oauth_errors.Forged, "forged"), (oauth_errors.Refused, "refused"), (Missing, "expired"),
)
_FIELDS: Final = {"redirect_uri": "wrong_redirect", "client_secret": "wrong_client"}


@router.get("/callback")
def finish_consent(caller: CallerDep, request: Request) -> JSONResponse:
    """Hand over what the platform's redirect carried: `state` and `code`, or `error`; for
    OAuth 1.0a `oauth_token` and `oauth_verifier`, or `denied`.

    Send every query parameter of the redirect unchanged: some platforms sign them all.
    """
    params = _params(request)
    waiting = oauth.pending(caller.app, params, session_id=None, who=caller.who)
    platform = waiting.platform if waiting else ""
    if not platform:  # says why: used, too old, or somebody else's
        raise oauth_errors.StateUnknown(
            "This sign-in is no longer valid.",
            why="It took longer than ten minutes, was used before, or is somebody else's.",
            fix="Begin again with POST /platform-connections/oauth/initiate.",
        )
    outcome = _finish(
        caller.app, caller.who, platform, params, origin=_origin(caller.app, request)
    )
    return JSONResponse(_done(caller.app, caller.who, caller.org_id, outcome), headers=_QUIET)


@browser.get("/oauth/callback/{platform}")
def return_from_platform(platform: str, request: Request) -> Response:
    """Where every platform sends the person back to."""
    app = app_of(request)
    if request.headers.get("authorization"):
        return _for_program(request, platform)
    signed_in = sessions.resolve(
        app, request.cookies.get(sessions.cookie_name(app.settings), ""), ip=ip_of(request)
    )
    if signed_in is None:
        return _nobody(request)
    who, params = signed_in.who, _params(request)
    waiting = oauth.pending(app, params, session_id=who.session_id, who=who)
    finished = None
    try:
        finished = oauth.finish(
            app, platform, params, session_id=who.session_id, origin=_origin(app, request), who=who
        )
        outcome = _follow_up(app, who, finished)
    except LiftOSError as error:
        log.info("oauth.callback_failed", extra={"code": error.code, "platform": platform[:40]})
        if finished is not None:  # signed in; what failed is the reading of the accounts
            return _see(wizard.step_address(finished.connection_id, 3, "accounts_unread"))
        return _see(_step_after(waiting, error))
    wake_engine(app)
    return _see(_next_page(outcome))


def _finish(
    app: App, who: Principal, platform: str, params: dict[str, str], *, origin: str
) -> SignedIn:
    """Exchange the code, then read permissions and accounts with the new token."""
    finished = oauth.finish(
        app, platform, params, session_id=who.session_id, origin=origin, who=who
    )
    return _follow_up(app, who, finished)


def _follow_up(app: App, who: Principal, finished: Finished) -> SignedIn:
    with app.db.read(finished.org_id) as session:
        there = sessions.acting_in(session, who, finished.org_id)
    return connections.after_sign_in(app, there, finished.org_id, finished.connection_id)


def _for_program(request: Request, platform: str) -> Response:
    """The redirect was followed by a program with its own token: the outcome as JSON."""
    try:
        kind, _, token = request.headers["authorization"].partition(" ")
        if kind.lower() != "bearer":
            raise _needs_token()
        found = caller(
            request, bearer=HTTPAuthorizationCredentials(scheme="Bearer", credentials=token),
            organization=request.headers.get("x-organization-id"),
        )
        outcome = _finish(
            found.app, found.who, platform, _params(request),
            origin=_origin(found.app, request),
        )
        wake_engine(found.app)
        return JSONResponse(
            _done(found.app, found.who, found.org_id, outcome), headers=_QUIET
        )
    except LiftOSError as error:
        answer = problems.of_error(request.scope, error)
        answer.headers.update(_QUIET)
        return answer


def _nobody(request: Request) -> Response:
    """Without a session a browser signs in first; a program is told where to go instead."""
    if "text/html" in request.headers.get("accept", ""):
        return _see("/login")
    answer = problems.of_error(request.scope, _needs_token())
    answer.headers.update(_QUIET)
    return answer


def _needs_token() -> SignInNeeded:
    return SignInNeeded(
        "This sign-in belongs to a person or a program we know.",
        why="The request carries neither a session nor an access token.",
        fix="Send the same query to /api/v1/platform-connections/oauth/callback with "
            "Authorization: Bearer.",
    )


def _done(app: App, who: Principal, org_id: int, outcome: SignedIn) -> dict[str, object]:
    with open_context(app, who, org_id) as ctx:
        accounts = connections.accounts_of(ctx, outcome.connection_id)
        return ConsentDone(
            connection_id=outcome.connection_id, status=outcome.status.value,
            missing_scopes=list(outcome.missing_scopes),
            accounts=[AccountOut.of(a) for a in accounts],
            missing_accounts=list(outcome.difference.missing),
            new_accounts=list(outcome.difference.new), sync_id=outcome.run_id,
        ).model_dump(mode="json")


def _next_page(outcome: SignedIn) -> str:
    """The wizard's next step, or the page of a connection that was authorised again."""
    if outcome.missing_scopes:
        return wizard.step_address(outcome.connection_id, 2, "missing_scope")
    if outcome.difference.missing:
        return wizard.step_address(outcome.connection_id, 3, "other_accounts")
    if outcome.status in condition.NOT_STARTED:
        return wizard.step_address(outcome.connection_id, 3, "ok")
    return f"/connections/{outcome.connection_id}?result=ok"


def _step_after(waiting: Pending | None, error: LiftOSError) -> str:
    """The step that can mend it, with the code of its sentence."""
    code = _code(error)
    if waiting is None:
        return f"/connections/new?result={code}"
    return wizard.step_address(waiting.connection_id, 2, code)


def _code(error: LiftOSError) -> str:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    by_field = _FIELDS.get(str(error.facts.get("field", "")))
    if by_field:
        return by_field
    if isinstance(error, PlatformFault) and error.cause == "permission":
        return "missing_scope"
    return "platform"


def _params(request: Request) -> dict[str, str]:
    return {k: v for k, v in request.query_params.items() if len(k) <= 100}


def _origin(app: App, request: Request) -> str:
    return app.settings.origin_for(request.headers.get("host", ""))


def _see(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303, headers=_QUIET)
