"""What an endpoint gets: who calls, for which organization, and a Context per request.

Endpoints are plain `def`, so that database work runs in worker threads. Take `ContextDep` for one
act in one transaction, `CallerDep` when a platform is called in between (no transaction may be
held open meanwhile).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from liftos_app.api import problems, wall
from liftos_app.errors import Denied, SignInNeeded
from liftos_app.services import api_keys, sessions, tokens
from liftos_app.services.context import App, Context, Principal, open_context

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", scheme_name="Access token",
    description="From POST /api/v1/auth/token, or an API key; sent as Authorization: Bearer.",
)
OrganizationHeader = Annotated[str | None, Header(
    alias="X-Organization-ID", json_schema_extra={"format": "uuid"},
    description="Public id of one of your organizations; without it, the one of the token.",
)]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent this request, and for which organization."""

    app: App
    who: Principal
    org_id: int

    def read(self) -> AbstractContextManager[Context]:
        """A context that only looks."""
        return open_context(self.app, self.who, self.org_id)

    def write(self) -> AbstractContextManager[Context]:
        """A context committed at its end."""
        return open_context(self.app, self.who, self.org_id, write=True)


def app_of(request: Request) -> App:
    """The App this API was created with."""
    app = request.app.state.liftos
    assert isinstance(app, App)  # noqa: S101  (create_api sets it)
    return app


def ip_of(request: Request) -> str:
    """The address of the other end, as api/client_address.py believes it."""
    return request.client.host if request.client else ""


def caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    organization: OrganizationHeader = None,
) -> Caller:
    """Who calls, by bearer token only; cookies mean nothing here. Raises SignInNeeded, Denied."""
    app, ip = app_of(request), ip_of(request)
    if bearer is not None:
        check = api_keys.check if api_keys.looks_like_one(bearer.credentials) else tokens.check
        found: sessions.SignedInAs | None = check(
            app, bearer.credentials, organization=organization, ip=ip
        )
    elif app.settings.auth_required:
        raise SignInNeeded(
            "This needs an access token.", why="The request has no Authorization header.",
            fix="Send Authorization: Bearer with a token from POST /api/v1/auth/token.",
        )
    else:
        if request.method not in SAFE_METHODS:
            require_same_origin(request)
        found = sessions.resolve(app, "", ip=ip)
    if found is None:
        raise SignInNeeded("Nobody is set up yet.", fix="Open LiftOS in a browser first.")
    who = replace(found.who, request_id=problems.request_id(request.scope)[:40])
    wall.check(request, app, who, found.org_id)
    return Caller(app=app, who=who, org_id=found.org_id)


def request_context(
    request: Request, caller: Annotated[Caller, Depends(caller)]
) -> Iterator[Context]:
    """One context for the whole request: reading for GET and HEAD, else writing."""
    writing = request.method not in SAFE_METHODS
    with open_context(caller.app, caller.who, caller.org_id, write=writing) as ctx:
        yield ctx


def is_same_origin(request: Request) -> bool:
    """Whether a browser says that our own page sent this (L74). No evidence counts as no."""
    origins = app_of(request).settings.origins
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return origin in origins
    return site == "same-origin"


def require_same_origin(request: Request) -> None:
    """Without sign-in any page in the browser could act as us: refuse what it sends."""
    headers = request.headers
    if "origin" not in headers and "sec-fetch-site" not in headers:
        return  # not a browser
    if not is_same_origin(request):
        raise Denied(
            "Another web page sent this request.", why="Only LiftOS's own pages may.",
            fix="Open LiftOS itself and try there.",
        )


CallerDep = Annotated[Caller, Depends(caller)]
# "function": ends, and so commits, before the answer is sent; a failed commit is a failed request.
ContextDep = Annotated[Context, Depends(request_context, scope="function")]
