"""REST for programs, mounted under /api/v1, and the few forms of the browser under /auth."""

from __future__ import annotations

import re

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route, compile_path
from starlette.types import Receive, Scope, Send

from liftos_app import __version__
from liftos_app.api import (
    account_forms,
    audit,
    auth,
    callback,
    connections,
    crossing,
    defining,
    docs,
    explorer,
    health,
    link_forms,
    metrics,
    organization,
    people,
    problems,
    provider,
    quality,
    rights,
    rights_forms,
    second_factor_forms,
    sync_more,
    web,
)
from liftos_app.services.context import App

PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (
    auth.router, health.router, connections.router, defining.router, callback.router,
    explorer.router, docs.router, people.router, sync_more.router, audit.router, rights.router,
    crossing.router, metrics.router, quality.router, organization.router,
)
BROWSER_ROUTERS: tuple[APIRouter, ...] = (  # the last one takes what the others leave of /auth
    web.router, second_factor_forms.router, account_forms.router, link_forms.router,
    rights_forms.router, provider.router, callback.browser, audit.browser, web.last,
)


def create_api(app: App) -> FastAPI:
    """The REST application of one process. What it does not know is left to what is mounted
    behind it, except below /api, where an unknown path or method is answered here, and of the
    forms an unknown method.
    """
    api = FastAPI(
        title=docs.TITLE, version=__version__, docs_url=None, redoc_url=None, openapi_url=None,
        redirect_slashes=False,
    )
    api.state.liftos = app
    api.state.known_paths = _known_paths()
    for router in ROUTERS:
        api.include_router(router, prefix=PREFIX)
    for router in BROWSER_ROUTERS:
        api.include_router(router)
    for path in ("/api/{rest:path}", "/auth/{rest:path}", "/oauth/callback/{rest}"):
        api.router.routes.append(Route(path, NothingHere(), include_in_schema=False))
    problems.install(api)
    return api


class NothingHere:
    """404 for an unknown path, 405 with Allow for a known one asked with another method, whichever:
    an ASGI app as endpoint takes them all.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """ASGI entry."""
        allowed: set[str] = set()
        for pattern, methods in scope["app"].state.known_paths:
            if pattern.fullmatch(scope["path"]):
                allowed |= methods
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)


def _known_paths() -> list[tuple[re.Pattern[str], set[str]]]:
    """Every path of the API with its methods. FastAPI's own table keeps them out of reach."""
    return [
        (compile_path(prefix + route.path)[0], set(route.methods or ()))
        for prefix, routers in ((PREFIX, ROUTERS), ("", BROWSER_ROUTERS))
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
