"""Small things that happen often: opening a credential, looking up a session."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from liftos_app import config
from liftos_app.models import Connection
from liftos_app.services import accounts, boot, sessions, vault
from liftos_app.services.context import job_principal, open_context


def best(act: Callable[[], object], times: int = 500, rounds: int = 5) -> float:
    """Microseconds per call, the best round."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            act()
        found.append((time.perf_counter() - began) / times)
    return min(found) * 1e6


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    print("\n## Small things\n\n| What | Best of 5 rounds |\n|---|---|")
    with tempfile.TemporaryDirectory() as home:
        app = boot.build_app(
            config.load(
                {
                    "LIFTOS_HOME": home,
                    "LIFTOS_ADMIN_EMAIL": "bench@larkspur.example",
                    "LIFTOS_ADMIN_PASSWORD": "a quiet harbour in winter",
                    "LOG_LEVEL": "ERROR",
                }
            )
        )
        began = time.perf_counter()
        signed = accounts.sign_in(
            app,
            email="bench@larkspur.example",
            password="a quiet harbour in winter",  # noqa: S106
            ip="127.0.0.1",
            user_agent="bench",
        )
        print(f"| sign-in with password | {(time.perf_counter() - began) * 1000:.0f} ms |")
        sessions.resolve(app, signed.token)
        looked = best(lambda: sessions.resolve(app, signed.token))
        print(f"| session look-up, warm | {looked:.0f} microseconds |")
        who = job_principal("bench")
        with open_context(app, who, signed.org_id, write=True) as ctx:
            row = Connection(
                org_id=ctx.org, platform="x", name="x", created_at=ctx.now(), updated_at=ctx.now()
            )
            ctx.session.add(row)
            ctx.session.flush()
            vault.put(ctx, row, "api_key", "pk_" + "x" * 40)
        with open_context(app, who, signed.org_id) as ctx:
            there = ctx.session.get_one(Connection, row.id)
            opened = best(lambda: vault.get(ctx, there, "api_key"), times=200)
        print(f"| reading and opening a credential, query included | {opened:.0f} microseconds |")
        app.db.close()
    assert not Path(home).exists()


if __name__ == "__main__":
    main()
