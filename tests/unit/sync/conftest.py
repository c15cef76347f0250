"""A platform of our own behind a real local HTTP API whose answers a test decides."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app import config
from liftos_app.db import Database
from liftos_app.models import Account, Connection, ConnectionStatus, Entity, FactDaily, Organization
from liftos_app.services import vault
from liftos_app.services.connectors import platforms, registry
from liftos_app.services.context import App, Context, job_principal, open_context
from liftos_app.services.vault import Vault
from tests.sandbox_server import RunningSandbox, running_sandbox

ROOT = Path(__file__).resolve().parents[3]
TODAY = dt.date(2026, 11, 23)


@dataclass
class Source:
    """What the platform knows, and the trouble it makes. `rows[day]` is a list of records."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    url: str = ""
    requests: list[str] = field(default_factory=list)
    page_size: int = 100
    served: int = 0  # good answers
    before: Callable[[str], tuple[int, dict[str, str], Any] | None] = lambda path: None

    def fill(self, days: int, campaigns: int = 3) -> None:
        """Records of the last days, each with its own value."""
        for back in range(days):
            day = (TODAY - dt.timedelta(days=back)).isoformat()
            self.rows[day] = [
                record(day, f"c{i}", spend=f"{back}.{i:02d}") for i in range(campaigns)
            ]

    def truth(self) -> dict[tuple[str, str], int]:
        """Spend in micros by campaign and day."""
        return {
            (r["campaign_id"], day): round(float(r["spend"]) * 100) * 10_000
            for day, rows in self.rows.items()
            for r in rows
        }


def record(day: str, campaign: str, *, spend: str = "1.00", **more: Any) -> dict[str, Any]:
    return {
        "date": day,
        "campaign_id": campaign,
        "campaign_name": campaign.upper(),
        "impressions": "10",
        "clicks": "1",
        "spend": spend,
        "conversions": "0",
        "value": "0",
        **more,
    }


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(self.path)
            special = made.before(self.path)
            if special is not None:
                status, headers, body = special
            else:
                query = parse_qs(urlsplit(self.path).query)
                found = [
                    r
                    for day, rows in sorted(made.rows.items())
                    if query["start"][0] <= day <= query["end"][0]
                    for r in rows
                ]
                page = int(query["page"][0])
                made.served += 1
                part = found[page * made.page_size : (page + 1) * made.page_size]
                more = len(found) > (page + 1) * made.page_size
                status, headers = 200, {}
                body = {"data": part, "next": page + 1 if more else None}
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = dict(headers)
            cut = headers.pop("cut", None)  # the connection ends after so many bytes of the body
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Type" not in headers:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(payload[: int(cut)] if cut is not None else payload)
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def bench_platform() -> Iterator[None]:
    """Lets the registry find the plain platform that benchmarks use too."""
    folder = str(ROOT / "benchmarks" / "platforms")
    platforms.__path__.append(folder)
    registry.all_platforms.cache_clear()
    yield
    platforms.__path__.remove(folder)
    registry.all_platforms.cache_clear()


@dataclass
class Bench:
    """A connection of the plain platform, ready to sync."""

    app: App
    org_id: int
    connection_id: UUID
    account_key: int

    def ctx(self, *, write: bool = False) -> Any:
        return open_context(self.app, job_principal("test"), self.org_id, write=write)

    def stored(self) -> dict[tuple[str, str], int | None]:
        """Spend in micros by campaign and day, as the database has it."""
        with self.app.db.read() as session:
            rows = session.exec(
                select(Entity.external_id, FactDaily).where(Entity.key == FactDaily.entity_key)
            ).all()
            return {(i, f.day.isoformat()): f.spend_micros for i, f in rows}


@pytest.fixture
def bench(
    database_url: str,
    source: Source,
    bench_platform: None,
    clock: Any,
    make_settings: Callable[..., config.Settings],
) -> Iterator[Bench]:
    settings = make_settings(DATABASE_URL=database_url, LIFTOS_BASE_URL_BENCH_ADS=source.url)
    app = App(
        settings=settings,
        db=Database(settings.database_url),
        vault=Vault(settings.master_keys),
        now=clock,
    )
    with app.db.write() as session:
        app.vault.boot_check(session)
        org = Organization(name="Bench", created_at=app.now())
        session.add(org)
        session.flush()
        org_id = org.id
    assert org_id is not None
    ctx: Context
    with open_context(app, job_principal("test"), org_id, write=True) as ctx:
        connection = Connection(
            org_id=org_id,
            platform="bench_ads",
            name="Bench",
            auth_kind="api_key",
            status=ConnectionStatus.BACKFILLING,
            streams=["campaign_daily"],
            history_days=39,
            created_at=ctx.now(),
            updated_at=ctx.now(),
        )
        ctx.session.add(connection)
        ctx.session.flush()
        vault.put(ctx, connection, "api_key", "bench-key")
        account = Account(
            org_id=org_id,
            connection_id=connection.id,
            external_id="bench-1",
            name="Bench",
            currency="USD",
            selected=True,
            created_at=ctx.now(),
        )
        ctx.session.add(account)
        ctx.session.flush()
        made = Bench(app, org_id, connection.id, account.key or 0)
    yield made
    app.db.close()


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    """A sandbox without planted trouble, for all tests of a module."""
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(served: RunningSandbox) -> RunningSandbox:
    """The sandbox as new; see `awake`."""
    return awake(served)


def awake(served: RunningSandbox) -> RunningSandbox:
    """As new. The Databricks warehouse runs, statements of Snowflake are done when asked for: how
    connectors wait is for the contract suite.
    """
    served.reset()
    served.sandbox.memories.setdefault("databricks", {})["start_polls"] = 0
    served.sandbox.memories.setdefault("snowflake", {})["polls"] = 0
    return served
