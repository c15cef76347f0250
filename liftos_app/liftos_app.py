"""Puts the parts together: pages, socket, REST, sandbox, sync engine. Knows all of them.

Importing it declares; the process itself (settings, database, vault) is made when the server asks
for the ASGI app, so that building the page needs neither a database nor a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import reflex as rx

from liftos_app import __version__, config, pages  # noqa: F401  (pages registers itself)
from liftos_app.components.shell import lost_contact
from liftos_app.services.context import App
from liftos_app.state import process
from liftos_app.state.ahead import AheadOfPage
from liftos_app.state.guard import EventGuard
from liftos_app.state.socket import SocketGate

if TYPE_CHECKING:
    from liftos_app.services.sync.engine import Chore

log = logging.getLogger(__name__)


def assemble(page_server: Any) -> Any:
    """REST and sandbox before the page, the socket gate and the security headers around all."""
    from liftos_app.api.built_files import BuiltFiles
    from liftos_app.api.client_address import ClientAddress
    from liftos_app.api.routes import create_api
    from liftos_app.api.security import SecurityHeaders, client_folder
    from liftos_app.services import boot, first_run, logs

    settings = config.load()
    logs.set_up(settings)
    try:
        held = boot.hold_alone(settings)
        boot.check_redis(settings)
        services = boot.build_app(settings, migrate=False)
    except config.ConfigError as error:
        sys.stderr.write(f"LiftOS did not start. {error}\n")
        sys.stderr.flush()
        os._exit(2)
    services.extras["alone"] = held
    process.install(services)
    _say(settings, first_run.words_at_start(services))
    api = create_api(services)
    if services.settings.demo_mode:
        sandbox = SandboxLater(services)
        services.extras["sandbox"] = sandbox.made
        api.mount("/sandbox", sandbox)
    api.mount("", page_server)
    inner = BuiltFiles(AheadOfPage(SocketGate(api, services)), client_folder())
    outer = SecurityHeaders(inner, services.settings)
    return ClientAddress(outer, services.settings.trusted_proxy_hops)


def _say(settings: config.Settings, token_words: str) -> None:
    """What the operator reads at a start that succeeds: where it is, and what to know."""
    mode = "demo mode, the sandbox is on" if settings.demo_mode else "live mode"
    words = [
        f"LiftOS {__version__} ({mode}) starts at {settings.public_url}",
        *settings.notices()[len(settings.generated):], *([token_words] if token_words else []),
    ]
    sys.stdout.write("\n".join(words) + "\n")
    sys.stdout.flush()


class SandboxLater:
    """The imitated platforms, made at the first request or just after start, never before it.

    Loading them takes as long as the rest of a start. `made` is also what the page for trouble
    calls, through `extras["sandbox"]`.
    """

    def __init__(self, services: App) -> None:
        self._services, self._lock = services, threading.Lock()
        self._inner: Any = None

    def made(self) -> Any:
        """The ASGI app of the sandbox. Blocks while it is being made: not for the event loop."""
        from liftos_app.services.sandbox.server import create_app

        with self._lock:
            if self._inner is None:
                self._inner = create_app(
                    clock=self._services.now,
                    control_token=self._services.vault.token_hash("sandbox control"),
                    state_path=self._services.settings.home / "sandbox.json",
                )
        return self._inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI entry."""
        inner = self._inner or await process.in_thread(self.made)
        await inner(scope, receive, send)


@contextlib.asynccontextmanager
async def background_work() -> AsyncIterator[None]:
    """The sync engine and its schedule live as long as the server."""
    from liftos_app.services import upkeep
    from liftos_app.services.audit import notes
    from liftos_app.services.sync.engine import SyncEngine

    engine = SyncEngine(process.app(), after_run=[upkeep.after_sync], chores=chores())
    process.app().extras |= {"engine": engine, "wake_engine": engine.wake}
    await process.in_thread(notes.started, process.app())
    await process.in_thread(engine.start)
    warming = asyncio.create_task(_warm_up())
    try:
        yield
    finally:
        warming.cancel()
        await process.in_thread(engine.stop)
        await process.in_thread(upkeep.at_stop, process.app())
        process.app().db.close()


def chores() -> list[Chore]:
    """Everything the clock does beside syncs, each with the permission of a job it needs."""
    from liftos_app.services import mail, upkeep
    from liftos_app.services.sync.engine import Chore

    return [
        Chore("mail", 10, mail.deliver, allow="jobs.run"),
        Chore("every minute", 60, upkeep.every_minute, allow="jobs.run"),
        Chore("hourly", 3600, upkeep.hourly, allow="jobs.run"),
        Chore("daily", 86_400, upkeep.daily, allow="jobs.run"),
    ]


async def _warm_up() -> None:
    """Make the sandbox once the first answers are out."""
    await asyncio.sleep(2)
    make = process.app().extras.get("sandbox")
    if callable(make):
        await process.in_thread(make)


def _overlay(stateful: bool) -> rx.Component | None:
    return rx.fragment(rx.memo(lost_contact_banner)()) if stateful else None


def lost_contact_banner() -> rx.Component:
    """The banner for a lost socket, drawn by the browser alone."""
    return lost_contact()


class Application(rx.App):
    """The page's framework, and one layer around what it serves."""

    def __call__(self) -> Any:
        """The ASGI app of the process."""
        from liftos_app.api.preflights import Preflights

        served = super().__call__()
        return Preflights(served, process.app().settings)


app = Application(
    stylesheets=["/tokens.css", "/app.css"],
    html_lang="en",
    reset_style=False,
    toaster=None,
    head_components=[
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(
            rel="preload",
            href="/fonts/geist-latin.woff2",
            custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": "anonymous"},
        ),
    ],
    api_transformer=assemble,
)
app.app_wraps[5, "Overlay"] = _overlay
app.add_middleware(EventGuard())
app.register_lifespan_task(background_work)
