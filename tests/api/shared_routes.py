"""The REST application for tests, whose routes are worked out once in a process."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import FastAPI

from liftos_app.api.routes import create_api
from liftos_app.services.context import App


def api_of(app: App) -> FastAPI:
    """As `create_api(app)`. FastAPI works a route out at the first request that passes it, for
    each application anew, which would take longer than most tests.
    """
    api = create_api(app)
    api.router.routes[:] = _routes_of(create_api)
    return api


@functools.cache
def _routes_of(make: Any) -> tuple[Any, ...]:
    return tuple(make(None).router.routes)
