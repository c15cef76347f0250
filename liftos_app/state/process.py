"""The one App of this process and the threads that work for the page.

liftos_app.py installs the App before the first event; handlers reach it through `app()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from liftos_app.services.context import App

P = ParamSpec("P")
T = TypeVar("T")

_here: dict[str, App] = {}
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="page")


def install(app: App) -> None:
    """Make this App the one that events work with. A second call replaces it (tests)."""
    _here["app"] = app


def app() -> App:
    """The installed App. Raises KeyError before the process is assembled."""
    return _here["app"]


async def in_thread(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run synchronous work beside the event loop: a handler that blocks would freeze every tab."""
    return await asyncio.get_running_loop().run_in_executor(_pool, lambda: fn(*args, **kwargs))
