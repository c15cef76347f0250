"""Windows of 15 minutes for each user, ad account and endpoint, and the headers that tell them.

When limits are not enforced (control API), counts stay true but never reach zero, so that a client
which heeds the headers need not wait in a demo.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

LENGTH = 900
GLOBAL, STATS, CORE, OTHER, COUNTED, WRITES = 5, 250, 10_000, 2_000, 200, 450


@dataclass(slots=True)
class Limits:
    """Every window. `now` is in seconds and never goes back."""

    windows: dict[str, tuple[float, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(
        self, scope: str, most: int, *, account: bool, now: float, enforce: bool
    ) -> tuple[bool, dict[str, str]]:
        """Count one call: whether it may pass, and the headers of its answer."""
        with self.lock:
            start, used = self.windows.get(scope, (now, 0))
            if now >= start + LENGTH:
                start, used = now, 0
            passes = used < most or not enforce
            used += 1 if passes else 0
            self.windows[scope] = (start, used)
        left = max(0 if enforce else 1, most - used)
        reset = int(time.time() + start + LENGTH - now) + 1
        return passes, headers(most, left, reset, account=account)


def headers(most: int, left: int, reset: int, *, account: bool) -> dict[str, str]:
    """The three headers; `reset` in Unix seconds."""
    kind = "x-account-rate-limit" if account else "x-rate-limit"
    return {f"{kind}-limit": str(most), f"{kind}-remaining": str(left), f"{kind}-reset": str(reset)}
