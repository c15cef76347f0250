"""The sandbox's clock: the process's clock plus an offset that tests and demos may set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


class SandboxClock:
    """Aware UTC. The offset moves every platform of the sandbox at once."""

    def __init__(self, source: Clock, offset: timedelta = timedelta()) -> None:
        self._source = source
        self.offset = offset

    def __call__(self) -> datetime:
        return (self._source() + self.offset).astimezone(UTC)
