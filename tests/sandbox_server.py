"""The sandbox on a real port of this machine, for every test that wants a platform to talk to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from liftos_app.services.sandbox import warehouse
from liftos_app.services.sandbox.server import Sandbox, SandboxApp, create_app
from liftos_app.services.sandbox.tokens import Tokens
from liftos_app.services.sandbox.trouble import Trouble
from liftos_app.services.sandbox.world import World

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONTROL_TOKEN = "sandbox-control-token-for-tests-only"
START_SECONDS = 20
warehouse.KEPT_LOADS = 8  # tests go back and forth in time


class SettableClock:
    """Stands still until told."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        """Move forward by a timedelta given in words."""
        self.now += timedelta(**parts)


@dataclass(slots=True)
class RunningSandbox:
    """A sandbox that answers. `url` ends with /sandbox; `platform(id)` is one platform's base."""

    origin: str  # http://127.0.0.1:port
    control_token: str
    clock: SettableClock
    app: SandboxApp

    @property
    def url(self) -> str:
        return f"{self.origin}/sandbox"

    def platform(self, platform_id: str) -> str:
        return f"{self.url}/{platform_id}"

    @property
    def sandbox(self) -> Sandbox:
        return self.app.sandbox

    @property
    def world(self) -> World:
        return self.app.sandbox.world

    @property
    def trouble(self) -> Trouble:
        return self.app.sandbox.trouble

    @property
    def tokens(self) -> Tokens:
        return self.app.sandbox.tokens

    @property
    def control_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.control_token}"}

    def reset(self, now: datetime = NOW) -> None:
        """Back to a fresh sandbox: faults, revocations, platform memories, clock."""
        self.trouble.clear()
        for platform_id in self.sandbox.platforms:
            self.tokens.restore(platform_id)
        for memory in self.sandbox.memories.values():
            memory.clear()
        self.clock.now = now


@contextlib.contextmanager
def running_sandbox(
    *,
    now: datetime = NOW,
    world: World | None = None,
    trouble: Trouble | None = None,
    state_path: Path | None = None,
    plant: bool = True,
    control_token: str = CONTROL_TOKEN,
) -> Iterator[RunningSandbox]:
    """Serve the sandbox under /sandbox on a free loopback port while the block runs."""
    clock = SettableClock(now)
    app = create_app(
        clock=clock,
        control_token=control_token,
        world=world,
        trouble=trouble,
        state_path=state_path,
        plant=plant,
    )
    # named TCP, else the loop leaves small answers to wait for their receipt: 40 ms each
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        Starlette(routes=[Mount("/sandbox", app)]),
        log_level="critical",
        lifespan="off",
        ws="none",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if time.monotonic() > end or not thread.is_alive():
            raise RuntimeError("The sandbox did not start.")
        time.sleep(0.01)
    try:
        yield RunningSandbox(f"http://127.0.0.1:{port}", control_token, clock, app)
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        listener.close()
