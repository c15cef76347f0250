"""What a platform file exports, and how the sandbox finds it: nobody lists platforms anywhere."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from starlette.responses import Response
from starlette.routing import compile_path

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.trouble import Fault

Handler = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """`pattern` as Starlette writes paths: "/{version}/act_{account}/insights"."""

    method: str  # "GET", "POST"... or "*"
    pattern: str
    handler: Handler

    @cached_property
    def matcher(self) -> re.Pattern[str]:
        """The pattern as a regular expression with named groups."""
        return compile_path(self.pattern)[0]


def _no_route(call: Call) -> Response:
    return json_answer({"error": "not_found", "path": call.path}, 404)


def _generic_fault(_call: Call, fault: Fault) -> Response:
    status = {
        "token_expired": 401,
        "token_revoked": 401,
        "missing_scope": 403,
        "rate_limited": 429,
        "quota_exhausted": 429,
    }.get(fault.kind, 503)
    headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
    return json_answer({"error": fault.kind}, status, headers=headers)


@dataclass(frozen=True)
class SandboxPlatform:
    """The imitation of one platform. A platform module exports it as `PLATFORM`.

    `fault` writes a wire-level fault in the platform's own words (envelope, code, headers).
    `classify` says what a call is about; without it every call is "api" of no account.
    `wrap` may add headers to every answer (usage headers, request ids).
    """

    id: str
    name: str
    routes: Sequence[Route]
    fault: Callable[[Call, Fault], Response] = _generic_fault
    classify: Callable[[Call], Target] = field(default=lambda _call: Target())
    otherwise: Handler = _no_route
    wrap: Callable[[Call, Response], Response] | None = None

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """The first route that fits, with its parameters; else `otherwise`."""
        for route in self.routes:
            if route.method in {"*", method} or (method == "HEAD" and route.method == "GET"):
                found = route.matcher.match(path)
                if found:
                    return route.handler, found.groupdict()
        return self.otherwise, {}


def load_platforms() -> dict[str, SandboxPlatform]:
    """Every module or package in `platforms/` that exports PLATFORM. Refuses two with one id."""
    # By name: platform files import this module, and imports must not run in a circle.
    platforms = importlib.import_module(f"{__package__}.platforms")
    found: dict[str, SandboxPlatform] = {}
    for info in pkgutil.iter_modules(platforms.__path__):
        module = importlib.import_module(f"{platforms.__name__}.{info.name}")
        platform = getattr(module, "PLATFORM", None)
        if platform is None:
            continue
        if platform.id in found:
            raise ValueError(f"Two sandbox platforms are called {platform.id}.")
        found[platform.id] = platform
    return found
