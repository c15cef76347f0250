"""Small things that happen often: signing in, looking up a session."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from liftos_app import config
from liftos_app.services import accounts, boot, sessions


def best(act: Callable[[], object], times: int = 500, rounds: int = 5) -> float:
    """Microseconds per call, the best round."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            act()
        found.append((time.perf_counter() - began) / times)
    return min(found) * 1e6


def spread(act: Callable[[], object], times: int) -> tuple[float, float]:
    """Microseconds per call: the median and the 95th percentile."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append((time.perf_counter() - began) * 1e6)
    found.sort()
    return found[len(found) // 2], found[len(found) * 95 // 100]


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
        app.db.close()
    assert not Path(home).exists()


if __name__ == "__main__":
    main()
