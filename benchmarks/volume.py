"""Cost per row where ten million rows stand already, beside where a hundred thousand do.

The same rows are synced from the local API by the real engine, twice, into a database that
holds FEW rows and into one that holds MANY. The rows that stand there belong to ten accounts, the
syncing one among them, and end the day before the days that are synced.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time

import httpx
from sqlalchemy import text
from sqlmodel import func, select

from benchmarks.api_server import DAYS, LAST_DAY, ROWS
from benchmarks.sync import databases, local_api, prepared, windows
from liftos_app.models import Account, Entity, FactDaily
from liftos_app.models.facts import Level
from liftos_app.services.context import App, open_context

FEW, MANY = 100_000, int(os.environ.get("BENCH_MANY", "10000000"))
ACCOUNTS, ENTITIES = 10, 2_500
FILL = """INSERT INTO fact_daily (account_key, level, day, entity_key, setting, org_id, impressions,
  clicks, spend_micros, conversions_micros, value_micros)
SELECT e.account_key, 1, d.day, e.key, 0, e.org_id, 1000 + e.key % 9000, e.key % 300,
  e.key % 90000 * 10000, e.key % 7 * 1000000, e.key % 700000 * 10000
FROM entity e CROSS JOIN bench_day d ORDER BY e.account_key, d.day, e.key"""


def fill(app: App, rows: int, org_id: int) -> None:
    """Put so many facts there, the quickest way the database knows."""
    entities = min(ENTITIES, rows // ACCOUNTS)
    days = rows // (ACCOUNTS * entities)
    last = LAST_DAY - dt.timedelta(days=DAYS)
    with app.db.write() as session:
        accounts = [session.exec(select(Account)).one()]
        accounts += [
            Account(org_id=org_id, connection_id=accounts[0].connection_id,
                    external_id=f"other-{i}", name=f"Other {i}", currency="USD",
                    created_at=app.now())
            for i in range(1, ACCOUNTS)
        ]
        session.add_all(accounts)
        session.flush()
        session.add_all([
            Entity(org_id=org_id, account_key=account.key, level=Level.CAMPAIGN,
                   external_id=f"old-{account.key}-{i}", name=f"Old {i}",
                   first_seen_at=app.now(), updated_at=app.now())
            for account in accounts for i in range(entities)
        ])
        session.flush()
        run, mark = session.connection().exec_driver_sql, "?" if app.db.is_sqlite else "%s"
        run("CREATE TEMP TABLE bench_day (day DATE)")
        for i in range(days):
            run(f"INSERT INTO bench_day VALUES ({mark})",
                ((last - dt.timedelta(days=i)).isoformat(),))
        if not app.db.is_sqlite:
            run("SET LOCAL session_replication_role = replica")  # no check of ten million keys
        session.connection().execute(text(FILL))
        run("DROP TABLE bench_day")
    with app.db.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT" if app.db.is_sqlite else "SELECT 1")
        connection.exec_driver_sql("ANALYZE")


def measured(api: str, url: str, standing: int) -> tuple[float, float]:
    """Microseconds a row of the first sync and of the next, beside so many rows."""
    from liftos_app.services import sync
    from liftos_app.services.sync.engine import SyncEngine

    with tempfile.TemporaryDirectory() as home:
        app, (who, org_id, connection_id) = prepared(api, url, home)
        fill(app, standing, org_id)
        engine = SyncEngine(app)
        cost = []
        for _ in range(2):
            with open_context(app, who, org_id, write=True) as ctx:
                run_id = sync.request(ctx, connection_id).id
            began = time.perf_counter()
            state = engine.run(run_id)
            took = time.perf_counter() - began
            assert state == "succeeded", state
            with open_context(app, who, org_id) as ctx:
                cost.append(took / sync.get(ctx, run_id).rows_read * 1e6)
        with app.db.read() as session:
            stored = session.exec(select(func.count()).select_from(FactDaily)).one()
        assert stored == standing + ROWS, stored
        app.db.close()
    return cost[0], cost[1]


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    wanted = [name for name in sys.argv[1:] if name in {"SQLite", "PostgreSQL"}]
    print(f"\n## Cost per row beside {FEW:,} and {MANY:,} rows\n")
    print("| Database | first, few | first, many | times | again, few | again, many | times |")
    print("|---|---|---|---|---|---|---|")
    with local_api() as api:
        for start, end in windows():  # prepare the pages once
            httpx.get(f"{api}/rows", params={"start": start, "end": end}, timeout=60)
        for name in wanted or ["SQLite", "PostgreSQL"]:
            found = []
            for standing in (FEW, MANY):
                with databases() as urls:
                    found.append(measured(api, urls[name], standing))
            (first, again), (first_many, again_many) = found
            print(f"| {name} | {first:.1f} µs | {first_many:.1f} µs | {first_many / first:.2f} "
                  f"| {again:.1f} µs | {again_many:.1f} µs | {again_many / again:.2f} |",
                  flush=True)


if __name__ == "__main__":
    main()
