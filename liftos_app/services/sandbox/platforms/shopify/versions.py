"""Quarterly API versions: which are served today, and which one answers a request for another.

A version is served for twelve months; a request for an expired one is answered by the oldest still
served (compare the X-Shopify-API-Version header); the next quarter is a release candidate.
"""

from __future__ import annotations

import re
from datetime import date

MONTHS = (1, 4, 7, 10)
UNSTABLE = "unstable"


def _quarter(today: date, step: int) -> str:
    index = today.year * 4 + (today.month - 1) // 3 + step
    return f"{index // 4}-{MONTHS[index % 4]:02}"


def supported(today: date) -> list[str]:
    """Stable versions served today, oldest first."""
    return [_quarter(today, step) for step in (-3, -2, -1, 0)]


def candidate(today: date) -> str:
    """The release candidate of the next quarter."""
    return _quarter(today, 1)


def serving(asked: str, today: date) -> str | None:
    """The version that answers a request for `asked`; None when there is no such version."""
    known = supported(today)
    if not asked:
        return known[0]
    if asked == UNSTABLE or asked in known or asked == candidate(today):
        return asked
    match = re.fullmatch(r"(20\d{2})-(01|04|07|10)", asked)
    return known[0] if match and "2019-04" <= asked < known[0] else None


def public(today: date) -> list[dict[str, object]]:
    """The publicApiVersions list of the shop."""
    known = supported(today)
    listed: list[dict[str, object]] = [
        {"handle": v, "displayName": f"{v} (Latest)" if v == known[-1] else v, "supported": True}
        for v in known
    ]
    following = candidate(today)
    listed.append(
        {"handle": following, "displayName": f"{following} (Release candidate)", "supported": False}
    )
    return [*listed, {"handle": UNSTABLE, "displayName": UNSTABLE, "supported": False}]
