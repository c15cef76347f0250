"""REST for programs, mounted under /api/v1, and the few forms of the browser under /auth."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match

from liftos_app import __version__
from liftos_app.api import auth, callback, connections, docs, health, problems, web
from liftos_app.services.context import App

PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (
    auth.router, health.router, connections.router, callback.router,
    docs.router,
)
_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def create_api(app: App) -> FastAPI:
    """The REST application of one process. What it does not know is left to what is mounted
    behind it, except below /api, where an unknown path or method is answered here.
    """
    api = FastAPI(
        title=docs.TITLE, version=__version__, docs_url=None, redoc_url=None, openapi_url=None,
        redirect_slashes=False,
    )
    api.state.liftos = app
    for router in ROUTERS:
        api.include_router(router, prefix=PREFIX)
    api.include_router(web.router)
    api.include_router(callback.browser)
    api.add_api_route(
        "/api/{rest:path}", _nothing_here, methods=_EVERY_METHOD, include_in_schema=False
    )
    problems.install(api)
    return api


async def _nothing_here(request: Request, rest: str) -> None:  # noqa: ARG001
    """404 for an unknown path, 405 with Allow for a known one asked with another method."""
    allowed: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            allowed |= set(getattr(route, "methods", None) or ())
    if allowed:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
    raise HTTPException(404)
