"""How much one session or socket may send: token buckets in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Final

EVENTS_PER_SECOND: Final = 30.0
BURST: Final = 60.0


class Limiter:
    """Token buckets in memory, one per session or address; the oldest are forgotten."""

    def __init__(
        self,
        *,
        rate: float = EVENTS_PER_SECOND,
        burst: float = BURST,
        clock: Any = time.monotonic,
        keep: int = 10_000,
    ) -> None:
        self._rate, self._burst, self._clock, self._keep = rate, burst, clock, keep
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Take one token if there is one."""
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        while len(self._buckets) > self._keep:
            self._buckets.popitem(last=False)
        return allowed
