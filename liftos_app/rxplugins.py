"""Plugins of the page build. Imported by rxconfig.py in every process, so it knows Reflex only."""

from __future__ import annotations

import os
from typing import Any

from reflex.plugins import Plugin

_NEEDLE = "endpoint.hostname = frontend_hostname;"
_MARK = "/*same-origin*/"
_PATCH = f"""{_MARK}
    endpoint.protocol = endpoint.protocol.startsWith("ws")
      ? (window.location.protocol === "https:" ? "wss:" : "ws:")
      : window.location.protocol;
    endpoint.hostname = frontend_hostname;
    endpoint.port = window.location.port;
    return endpoint;"""


class SameOriginPlugin(Plugin):
    """Make the browser use the page's own scheme, host and port for its socket.

    A stock build bakes the build machine's port into the script, so one build could serve one
    port only (upstream issues 5536 and 5551).
    """

    def pre_compile(self, **context: Any) -> None:
        """Patch the generated socket helper of a production build."""
        if os.environ.get("REFLEX_ENV_MODE") != "dev":
            context["add_modify_task"]("utils/state.js", patch_socket_address)


def patch_socket_address(code: str) -> str:
    """The socket helper with the page's own address. Raises RuntimeError if Reflex changed it."""
    if _MARK in code:
        return code
    if code.count(_NEEDLE) != 1:
        raise RuntimeError("getBackendURL changed upstream: review SameOriginPlugin")
    return code.replace(_NEEDLE, _PATCH)


_REDIRECT_NEEDLE = "if (url.host !== window.location.host) {"
_REDIRECT_MARK = "/*not-a-page*/"


class FullNavigationPlugin(Plugin):
    """Make redirects to our own HTTP routes leave the page.

    Reflex hands every same-host redirect to the client-side router, which would answer
    `/sandbox/...`, `/auth/...` and `/api/...` (consent pages, sign-in) with "not found".
    """

    def pre_compile(self, **context: Any) -> None:
        """Patch the generated redirect helper."""
        context["add_modify_task"]("utils/state.js", patch_redirect)


def patch_redirect(code: str) -> str:
    """The redirect helper, knowing which paths are no pages. Raises RuntimeError if it changed."""
    if _REDIRECT_MARK in code:
        return code
    if code.count(_REDIRECT_NEEDLE) != 1:
        raise RuntimeError("the redirect event changed upstream: review FullNavigationPlugin")
    return code.replace(
        _REDIRECT_NEEDLE,
        f"{_REDIRECT_MARK} if (url.host !== window.location.host || "
        r"/^\/(sandbox|auth|api)\//.test(url.pathname)) {",
    )
