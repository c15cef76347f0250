"""Seconds for rate limits: whichever ran faster, the sandbox's clock or real time.

A clock that stands still in a test must not lock a waiting client out for ever, and a clock that is
moved forward must free it at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Elapsed:
    """Never goes back. `real` is replaced in tests."""

    real: Callable[[], float] = time.monotonic
    seconds: float = -1.0
    _clock: float = 0.0
    _real: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, now: datetime) -> float:
        """Seconds since the epoch at first, then moved on by the faster of the two."""
        with self._lock:
            clock, real = now.timestamp(), self.real()
            if self.seconds < 0:
                self.seconds = clock
            else:
                self.seconds += max(0.0, clock - self._clock, real - self._real)
            self._clock, self._real = clock, real
            return self.seconds
