"""Report rows kept between the pages of one report, for as long as the platform publishes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

Rows = list[dict[str, Any]]
MOST_ROWS = 4_000  # a row takes about 4 kB; one bigger report is kept alone
MOST_REPORTS = 16


@dataclass(slots=True)
class Recall:
    """The newest reports. `world` is compared by identity: a changed world forgets them."""

    kept: OrderedDict[Hashable, tuple[object, Rows]] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def rows(self, key: Hashable, world: object, build: Callable[[], Rows]) -> Rows:
        """The kept rows, or new ones. Callers must not change them."""
        with self.lock:
            found = self.kept.get(key)
            if found is not None and found[0] is world:
                self.kept.move_to_end(key)
                return found[1]
        rows = build()
        with self.lock:
            self.kept[key] = (world, rows)
            self.kept.move_to_end(key)
            while len(self.kept) > 1 and (
                len(self.kept) > MOST_REPORTS
                or sum(len(r) for _, r in self.kept.values()) > MOST_ROWS
            ):
                self.kept.popitem(last=False)
        return rows
