"""What protection costs: the guard, a credential, an audit entry, a verification, a checkpoint."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert

from benchmarks.sync import databases
from liftos_app import config
from liftos_app.models import AuditEntry, Connection
from liftos_app.services import access, accounts, audit, boot, quotas, sessions, vault
from liftos_app.services.audit import chain, verify
from liftos_app.services.context import App, job_principal, open_context
from liftos_app.services.vault import store
from liftos_app.state import guard

ROWS = int(os.environ.get("LIFTOS_BENCH_AUDIT_ROWS", "100000"))
Spread = tuple[float, float]  # microseconds: median, 95th percentile
WHO = {"LIFTOS_ADMIN_EMAIL": "bench@larkspur.example",
       "LIFTOS_ADMIN_PASSWORD": "a quiet harbour in winter", "LOG_LEVEL": "ERROR"}


def main() -> None:
    """Print the table for docs/benchmarks.md, for both databases."""
    with databases() as urls:
        for name, url in urls.items():
            with tempfile.TemporaryDirectory() as home:
                _measure(boot.build_app(config.load(
                    {"LIFTOS_HOME": home, **WHO, "DATABASE_URL": url}
                )), name)


def spread(act: Callable[[], object], times: int) -> tuple[float, float]:
    """Microseconds per call: the median and the 95th percentile."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append((time.perf_counter() - began) * 1e6)
    found.sort()
    return found[len(found) // 2], found[len(found) * 95 // 100]


def _measure(app: App, name: str) -> None:
    print(f"\n## Protection, {name}\n\n| What | median | p95 |\n|---|---|---|")
    signed = accounts.sign_in(
        app, email=WHO["LIFTOS_ADMIN_EMAIL"], password=WHO["LIFTOS_ADMIN_PASSWORD"],
        ip="127.0.0.1", user_agent="bench",
    )
    _line("what the guard does per event, warm", *_guard(app, signed.token))
    alone, query = _credential(app, signed.org_id)
    _line("opening a sealed credential", *alone)
    _line("the same with its query", *query)
    bare, with_entry = _append(app, signed.org_id)
    _line("a transaction with one update", *bare)
    _line("the same with an audit entry", *with_entry)
    _fill(app, ROWS)
    report = verify.verify(app)
    rate = report.rows / report.seconds
    print(f"\n`audit verify`, {report.rows:,} rows: {report.seconds:.1f} s, {rate:,.0f} rows/s.")
    if not report.ok:
        raise RuntimeError(str(report.findings[:3]))
    app.db.close()


def _line(what: str, middle: float, late: float) -> None:
    print(f"| {what} | {middle:,.0f} µs | {late:,.0f} µs |", flush=True)


def _guard(app: App, token: str) -> tuple[float, float]:
    """Session, permission, payload, hourly counter: the parts of state/guard.py, without Reflex."""
    async def event(self: Any, user_id: str, role: str) -> None: ...

    registered: Any = SimpleNamespace(handler=SimpleNamespace(fn=event))
    app.extras.pop("quotas", None)

    def one() -> None:
        seen = sessions.resolve(app, token)
        if seen is None or not access.permits(seen.who, "members.write"):
            raise RuntimeError("the guard refuses the benchmark")
        guard.payload_fits(registered, {"user_id": "x", "role": "viewer"})
        try:
            quotas.spend(app, "analytics", who=seen.who, org_id=seen.org_id)
        except quotas.TooMany:
            app.extras.pop("quotas", None)

    one()
    return spread(one, 5000)


def _credential(app: App, org_id: int) -> tuple[Spread, Spread]:
    who = job_principal("bench")
    with open_context(app, who, org_id, write=True) as ctx:
        row = Connection(org_id=org_id, platform="x", name="x", created_at=ctx.now(),
                         updated_at=ctx.now())
        ctx.session.add(row)
        ctx.session.flush()
        vault.put(ctx, row, "api_key", "pk_" + "x" * 40)
    with open_context(app, who, org_id) as ctx:
        there = ctx.session.get_one(Connection, row.id)
        sealed = store._rows(ctx, there)[0]
        alone = spread(lambda: store.open_value(
            sealed, lambda dek: app.vault.cipher(ctx.session, dek, org_id)
        ), 5000)
        return alone, spread(lambda: vault.get(ctx, there, "api_key"), 1000)


def _append(app: App, org_id: int) -> tuple[Spread, Spread]:
    who = job_principal("bench")

    def act(*, entry: bool) -> None:
        with open_context(app, who, org_id, write=True) as ctx:
            ctx.session.connection().exec_driver_sql(
                "UPDATE organization SET week_start = 1 - week_start"
            )
            if entry:
                audit.record(ctx, "bench.act", number=1)

    return spread(lambda: act(entry=False), 500), spread(lambda: act(entry=True), 500)


def _fill(app: App, rows: int) -> None:
    """Many sealed rows at once, as a long life would leave them."""
    with app.db.write() as session:
        seq, newest = chain.lock_head(session)
        made: list[dict[str, Any]] = []
        for number in range(rows):
            fields = {
                "at": app.now(), "org_id": 1, "actor_type": "job", "actor_id": "bench",
                "session_ref": "", "action": "sync.ended", "object_type": "sync_run",
                "object_id": str(number), "result": "ok", "reason": "", "ip": "", "request_id": "",
                "data": {"rows_read": number, "state": "succeeded", "trigger": "schedule"},
            }
            made.append(chain.seal(app.vault, seq + 1, newest, fields))
            seq, newest = seq + 1, made[-1]["hash"]
            if len(made) == 5000 or number == rows - 1:
                session.execute(insert(AuditEntry), made)
                made = []
        chain.move_head(session, seq, newest)


if __name__ == "__main__":
    main()
