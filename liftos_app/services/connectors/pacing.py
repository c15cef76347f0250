"""Keeps requests below a platform's limits, shared by all threads that use one credential."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pacer:
    """At most so many requests a minute, and lanes that are held until a moment.

    A lane is a group of requests under one limit of the platform; "" is all of them. Half a
    minute's worth may go out at once, which keeps small syncs quick.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = max(per_minute, 1) / 60.0
        self._room = max(per_minute / 2.0, 1.0)
        self._tokens = self._room
        self._clock = clock
        self._at = clock()
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, lane: str = "") -> float:
        """Seconds to wait before sending one request; it is counted as sent."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._room, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1.0
            wait = 0.0 if self._tokens >= 0 else -self._tokens / self._rate
            return max(wait, self._held(lane, now))

    def give_back(self) -> None:
        """A counted request was not sent after all."""
        with self._lock:
            self._tokens = min(self._room, self._tokens + 1.0)

    def hold(self, seconds: float, lane: str = "") -> None:
        """Nothing more in this lane for so many seconds; a longer hold stays."""
        with self._lock:
            self._until[lane] = max(self._until.get(lane, 0.0), self._clock() + seconds)

    def state(self) -> tuple[float, float]:
        """Share of the burst that is used now, 0 to 1, and seconds that any lane is held."""
        with self._lock:
            now = self._clock()
            left = min(self._room, self._tokens + (now - self._at) * self._rate)
            longest = max((until - now for until in self._until.values()), default=0.0)
            return min(1.0, max(0.0, 1 - left / self._room)), max(0.0, longest)

    def _held(self, lane: str, now: float) -> float:
        return max(0.0, self._until.get("", 0.0) - now, self._until.get(lane, 0.0) - now)
