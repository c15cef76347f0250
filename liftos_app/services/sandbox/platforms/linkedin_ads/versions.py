"""Which months are served and until when, as the vendor publishes it."""

from __future__ import annotations

from datetime import date
from typing import Final

ENDS: Final = {
    "202601": date(2027, 1, 15),
    "202602": date(2027, 2, 15),
    "202603": date(2027, 3, 16),
    "202604": date(2027, 4, 15),
    "202605": date(2027, 5, 15),
    "202606": date(2027, 6, 15),
    "202607": date(2027, 7, 15),
}


def is_served(version: str, today: date) -> bool:
    """Whether a month is known and not yet over."""
    end = ENDS.get(version)
    return end is not None and today < end
