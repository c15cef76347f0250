"""All platforms of the demo organization from empty, 90 days, against the sandbox in its process.

What the least is, and why, stands in `least.py`.
"""

from __future__ import annotations

import dataclasses
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import httpx
from sqlmodel import func, select

from benchmarks.least import least
from benchmarks.sync import free_port
from liftos_app import config
from liftos_app.models import Account, Connection, Organization, Role, StreamRun, SyncRun
from liftos_app.models.syncs import RunState
from liftos_app.services import boot, catalogue, demo
from liftos_app.services.connectors import net, registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Platform, Stream
from liftos_app.services.context import App, Principal
from liftos_app.services.sync.engine import SyncEngine

WHO = Principal(kind="operator", name="bench", role=Role.SUPER_ADMIN)
OVER = (RunState.SUCCEEDED, RunState.FAILED, RunState.PARTIAL, RunState.CANCELLED)
_SIZE = re.compile(
    r"\b(?:limit|page_?size|page\[size\]|per_page|first|count|\$top|rows_per_page)\W{1,4}(\d{1,6})",
    re.IGNORECASE,
)
_reading = threading.local()
_sizes: defaultdict[tuple[str, str], int] = defaultdict(int)
_sent: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)  # with the account


@dataclasses.dataclass(slots=True)
class Line:
    """One platform's first sync."""

    streams: int = 0
    rows: int = 0
    requests: int = 0
    least: int = 0
    seconds: float = 0.0
    pages: set[int] = dataclasses.field(default_factory=set)

    def sizes(self) -> str:
        """The page sizes asked for."""
        return ", ".join(f"{n:,}" for n in sorted(self.pages)) or "none"


@contextmanager
def sandbox() -> Iterator[int]:
    """The sandbox in a process of its own. Yields its port."""
    port = free_port()
    process = subprocess.Popen([
        sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "error",
        "benchmarks.sandbox_server:app",
    ])
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/", timeout=5):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def noted(slug: str, stream: Stream) -> Stream:
    """The stream, saying in its thread which one is being read."""

    def read(client: Any, task: Any) -> Iterator[Any]:
        pages = stream.read(client, task)
        while True:
            _reading.stream = (slug, stream.name, task.account.external_id)
            try:
                page = next(pages)
            except StopIteration:
                return
            finally:
                _reading.stream = None
            yield page

    return dataclasses.replace(stream, read=read)


def listen() -> None:
    """Read page sizes off what is sent from now on, in this process."""
    found = tuple(
        dataclasses.replace(p, streams=tuple(noted(p.slug, s) for s in p.streams))
        for p in registry.all_platforms()
    )
    registry.all_platforms = lambda: found  # type: ignore[assignment]
    send = net.Http.send

    def watched(
        self: net.Http, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        key = getattr(_reading, "stream", None)
        if key is not None:
            sent = f"{unquote(url.query.decode())} {(body or b'').decode(errors='replace')}"
            _sent[key].append(sent)
            for size in map(int, _SIZE.findall(sent)):
                if size > 1:  # who asks for one only looks whether it may
                    _sizes[key[:2]] = max(_sizes[key[:2]], size)
        return send(self, method, url, headers, body)

    net.Http.send = watched  # type: ignore[method-assign]


def wait_for(app: App) -> None:
    """Until every first sync has ended."""
    while True:
        with app.db.read() as session:
            states = session.exec(select(SyncRun.state)).all()
        if states and all(s in OVER for s in states):
            return
        time.sleep(0.2)


def lines_of(app: App) -> dict[str, Line]:
    """Rows, requests and the least requests of each platform."""
    found: defaultdict[str, Line] = defaultdict(Line)
    with app.db.read() as session:
        rows = session.exec(
            select(StreamRun, Connection, Account.external_id)
            .join(Account, Account.key == StreamRun.account_key)  # type: ignore[arg-type]
            .join(Connection, Connection.id == Account.connection_id)  # type: ignore[arg-type]
        ).all()
        for part, connection, account in rows:
            platform = catalogue.find(connection.platform)
            line = found[platform.name]
            line.streams += 1
            line.rows += part.rows_read
            line.requests += part.requests
            line.seconds += part.seconds
            size = page_size(platform, connection, part.stream)
            stream = next(
                s for s in streams_of(platform, connection.options) if s.name == part.stream
            )
            sent = _sent[platform.slug, part.stream, account]
            line.least += least(platform.slug, stream, part, size=size, sent=sent)
            line.pages |= {size} - {0}
    return dict(found)


def page_size(platform: Platform, connection: Connection, stream: str) -> int:
    """Records a page, as the connector asks for them; 0 when it names none."""
    for made in connection.options.get("streams", []):
        if made["name"] == stream:
            return int(made.get("source", {}).get("page_size") or 0)
    return _sizes.get((platform.slug, stream), 0)


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    print("\n## All platforms of the demo organization, 90 days, from empty\n")
    listen()
    with sandbox() as port, tempfile.TemporaryDirectory() as home:
        app = boot.build_app(config.load({
            "LIFTOS_HOME": home, "PORT": str(port), "LOG_LEVEL": "ERROR",
            "LIFTOS_PUBLIC_URL": f"http://127.0.0.1:{port}",
        }))
        with app.db.write() as session:
            org = Organization(name="Bench", created_at=app.now())
            session.add(org)
            session.flush()
            org_id = org.id or 0
        began = time.perf_counter()
        steps = demo.look_around(app, WHO, org_id, origin=app.settings.public_url)
        signed_in = time.perf_counter() - began
        assert [s.error for s in steps if s.error] == []
        began = time.perf_counter()
        engine = SyncEngine(app)
        engine.start()
        wait_for(app)
        took = time.perf_counter() - began
        engine.stop()
        report(app, signed_in=signed_in, took=took)
        app.db.close()


def report(app: App, *, signed_in: float, took: float) -> None:
    """The table, and what it all took."""
    found = lines_of(app)
    with app.db.read() as session:
        failed = session.exec(
            select(func.count()).select_from(SyncRun).where(SyncRun.state != RunState.SUCCEEDED)
        ).one()
        extra = session.exec(select(func.sum(SyncRun.requests))).one() or 0
    print("| Platform | accounts x streams | rows | requests | least | of the least | page size |")
    print("|---|---|---|---|---|---|---|")
    for name, line in sorted(found.items()):
        print(
            f"| {name} | {line.streams} | {line.rows:,} | {line.requests:,} | {line.least:,} "
            f"| {line.requests / line.least:.2f} | {line.sizes()} |"
        )
    rows, sent, least_ = (
        sum(getattr(v, n) for v in found.values()) for n in ("rows", "requests", "least")
    )
    print(f"| all | {sum(v.streams for v in found.values())} | {rows:,} | {sent:,} | {least_:,} "
          f"| {sent / least_:.2f} | |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nSigning in to all: {signed_in:.1f} s. Syncing all: {took:.1f} s, {rows / took:,.0f} "
        f"rows/s, {sent / rows:.3f} requests a row (least {least_ / rows:.3f}), {extra:,} "
        f"requests in the runs, {failed} runs not succeeded. "
        f"Peak memory, without the sandbox: {peak:.0f} MB."
    )


