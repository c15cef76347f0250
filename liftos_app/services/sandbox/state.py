"""What must outlive a restart of the sandbox: its anchor day, clock offset, interventions, faults
and revocations, in one small JSON file. Without a path all of it lives in memory.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

import orjson


class StateFile:
    """A JSON object on disk, replaced as a whole. A file that cannot be read counts as empty."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def load(self) -> dict[str, Any]:
        """What was saved last, or nothing."""
        if self._path is None:
            return {}
        try:
            data = orjson.loads(self._path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return data if isinstance(data, dict) else {}

    def save(self, data: dict[str, Any]) -> None:
        """Replace the file; a full or read-only disk costs only the memory of a restart."""
        if self._path is None:
            return
        with self._lock, contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._path.with_suffix(".part")
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(orjson.dumps(data))
            part.replace(self._path)
