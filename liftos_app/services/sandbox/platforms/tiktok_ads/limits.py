"""The basic level's limits: 10 calls a second, 600 a minute. Refused only when they are enforced
(`POST /sandbox/control/limits`), so that demo syncs need not wait.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.elapsed import Elapsed

SECOND, MINUTE = 10, 600


class TooFrequent(Exception):
    """A window is full."""


@dataclass(slots=True)
class _Counter:
    elapsed: Elapsed = field(default_factory=Elapsed)
    windows: dict[tuple[int, int], int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def count(call: Call) -> None:
    """Count one call. Raises TooFrequent when limits are enforced and one is reached."""
    if not call.memory.get("enforce_limits"):
        return
    counter = call.memory.setdefault("limits", _Counter())
    with counter.lock:
        now = int(counter.elapsed(call.now))
        keys = ((1, now), (60, now // 60))
        counter.windows = {k: n for k, n in counter.windows.items() if k in keys}
        used = [counter.windows.get(k, 0) for k in keys]
        if used[0] >= SECOND or used[1] >= MINUTE:
            raise TooFrequent
        counter.windows |= {k: n + 1 for k, n in zip(keys, used, strict=True)}
