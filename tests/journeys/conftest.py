"""The real thing for journeys: `liftos serve` on a free port, and Chromium in front of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)

from tests.journeys.script import Script

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]
EMAIL, PASSWORD = "ada@larkspur.example", "a quiet harbour in winter"
PASSED_ON = {"PATH", "HOME", "LANG", "TZ", "TMPDIR"}
SHOTS = ROOT / "test-results"
INSIDE = ROOT / "tests" / "journeys" / "inside"  # what the servers of journeys load beside LiftOS
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


@dataclass
class Server:
    """A running LiftOS: its address, its folder, its log, and ways to kill and restart it."""

    port: int
    home: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.log = self.home / "server.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "liftos_app.cli", "serve"], cwd=ROOT, env=self.env,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text(encoding="utf-8"))
            try:
                with urllib.request.urlopen(self.url + "/api/v1/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log = self.log.read_text(encoding="utf-8")
        raise AssertionError(f"LiftOS did not answer within a minute:\n{log}")

    def kill(self) -> None:
        """End it as a power cut would: no clean-up of any kind."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def told(self) -> str:
        """For a test that fails: where its threads are, how its log ends, how its runs stand."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGUSR1)
        time.sleep(1)
        log = self.log.read_text(encoding="utf-8").split("Thread 0x", 1)
        places = Counter(
            " < ".join(re.findall(r'/([^/"]+", line \d+ in \w+)', stack)[:1]
                       + re.findall(r'/(liftos_app/[^"]+", line \d+ in \w+)', stack)[:2])
            for stack in log[-1].split("Thread 0x")
        )
        with sqlite3.connect(f"file:{self.home / 'liftos.db'}?mode=ro", uri=True) as database:
            runs = database.execute(
                "select c.name, r.state, r.waiting_for, r.created_at, r.started_at, r.finished_at"
                " from sync_run r join connection c on c.id = r.connection_id"
            ).fetchall()
        return "\n".join([
            *(f"{count} threads: {place}" for place, count in places.most_common()),
            log[0][-2000:], *map(str, runs),
        ])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def servers_in(folder: Path) -> Iterator[Callable[..., Server]]:
    """Start servers with a bare environment plus what a test names; all are stopped at the end.

    Each has a home of its own: an empty one, or a copy of what another server left behind.
    """
    servers: list[Server] = []

    def start(*, left_by: Path | None = None, **env: str) -> Server:
        port, home = a_free_port(), folder / f"home{len(servers)}"
        if left_by is None:
            home.mkdir()
        else:
            shutil.copytree(left_by, home)
        base = {k: v for k, v in os.environ.items() if k in PASSED_ON}
        server = Server(port, home, {
            **base, "PORT": str(port), "LIFTOS_HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(INSIDE), str(ROOT)]), **env,
        })
        servers.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """start_server(DEMO_MODE="false") -> a fresh installation of its own."""
    with servers_in(tmp_path) as start:
        yield start


@pytest.fixture
def open_script() -> Iterator[Callable[[Server], Script]]:
    """A program signed in to a server: open_script(server)."""
    scripts: list[Script] = []

    def open_(server: Server) -> Script:
        scripts.append(Script(server, EMAIL, PASSWORD))
        return scripts[-1]

    yield open_
    for script in scripts:
        script.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, driven from this thread."""
    import find_chromium

    path = find_chromium.find()
    assert path, "No Chromium. Type: make setup"
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One a module, not a session: its driver keeps an event loop running in this thread, beside
    which no async test of another module could run.
    """
    with chromium() as launched:
        yield launched


@dataclass
class Watched:
    """A browser tab whose console errors and foreign requests are collected."""

    page: Page
    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """No console error (a CSP violation is one) and no request to another host."""
        assert self.errors == []
        assert self.foreign == []


@contextmanager
def tabs_of(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Open tabs, each in a fresh browser profile, and close them at the end."""
    contexts: list[BrowserContext] = []

    def open_(
        server: Server, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height}, base_url=server.url,
            color_scheme="dark" if dark else "light", locale="en-US",
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        watched = Watched(page, context)

        def note(message: Any) -> None:
            if message.type == "error":
                watched.errors.append(f"{page.url}: {message.text}")

        def check(request: Any) -> None:
            if not request.url.startswith((server.url, "data:", "blob:")):
                watched.foreign.append(request.url)

        page.on("console", note)
        page.on("pageerror", lambda error: watched.errors.append(f"{page.url}: {error}"))
        page.on("request", check)
        return watched

    try:
        yield open_
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """A fresh browser profile looking at one server: open_tab(server, width=390, dark=True)."""
    with tabs_of(browser) as opened:
        yield opened


@dataclass
class Tour:
    """An installation after its look-around, and what the person saw on the way."""

    server: Server
    seen: list[str] = field(default_factory=list)  # the first syncs, as painted
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    """An installation of this worker's own after the look-around, which one worker walks for all:
    the first syncs of all platforms are the dearest thing here.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tour"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = shared / "told.json"
        if not told.exists():
            # In a thread, so that its browser can come and go whatever the modules' browsers do.
            with servers_in(shared) as start, ThreadPoolExecutor(1) as thread:
                told.write_text(json.dumps(thread.submit(_walk, start()).result()))
    with servers_in(tmp_path_factory.mktemp("tour")) as start:
        yield Tour(start(left_by=shared / "home0"), **json.loads(told.read_text()))


def _walk(server: Server) -> dict[str, list[str]]:
    """Set up, look around and wait for the first syncs: what was seen on the way."""
    from tests.journeys import steps

    seen: list[str] = []
    with chromium() as launched, tabs_of(launched) as opened:
        tab = opened(server)
        steps.set_up(tab.page)
        try:
            steps.look_around(tab.page, seen)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{server.told()}") from None
        return {"seen": seen, "errors": tab.errors, "foreign": tab.foreign}


@pytest.fixture
def shot() -> Callable[[Page, str], Path]:
    """Save a full-page picture under test-results/, where SHOTS is set: they are for people."""

    def save(page: Page, name: str) -> Path:
        path = SHOTS / f"{name}.png"
        if "SHOTS" in os.environ:
            SHOTS.mkdir(exist_ok=True)
            page.screenshot(path=path, full_page=True)
        return path

    return save
