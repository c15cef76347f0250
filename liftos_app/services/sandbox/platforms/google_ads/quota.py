"""The day's budget of operations: one query is one operation, however many pages it has."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

DAY = 86_400.0
LEVELS = {"explorer": 2_880, "basic": 15_000}


@dataclass(slots=True)
class Operations:
    """Operations of the sliding last 24 hours, Unix seconds."""

    limit: int = LEVELS["basic"]
    times: deque[float] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)

    def use(self, now: float) -> float:
        """Count one operation; seconds until one is free again, 0 when it was granted."""
        with self.lock:
            while self.times and self.times[0] <= now - DAY:
                self.times.popleft()
            if len(self.times) >= self.limit:
                return self.times[0] + DAY - now
            self.times.append(now)
            return 0.0
