"""Klaviyo's fixed windows: burst of one second, steady of one minute, and a day for reports.

Counted per account (per app and account for OAuth) and endpoint. When limits are not enforced the
counts and headers stay true, only the refusal is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tier:
    """Calls allowed per second, minute and (0: unlimited) day."""

    burst: int
    steady: int
    daily: int = 0


XS, S, M, L, XL = Tier(1, 15), Tier(3, 60), Tier(10, 150), Tier(75, 750), Tier(350, 3500)
REPORTS = Tier(1, 2, 225)


@dataclass(slots=True)
class _Window:
    starts: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What counting one call found: how long to wait (0: go ahead), and the headers to send."""

    wait: int
    headers: dict[str, str]


@dataclass(slots=True)
class Counter:
    """The windows of every account and endpoint. `now` is in seconds of the sandbox's clock."""

    windows: dict[tuple[str, str, int], _Window] = field(default_factory=dict)

    def count(self, owner: str, endpoint: str, tier: Tier, now: float, *, enforce: bool) -> Verdict:
        """Count one call, unless a full window refuses it."""
        limits = [(1, tier.burst), (60, tier.steady)]
        if tier.daily:
            limits.append((86400, tier.daily))
        found = [
            (self._window(owner, endpoint, length, now), length, limit) for length, limit in limits
        ]
        waits = [
            max(1, math.ceil(window.starts + length - now))
            for window, length, limit in found
            if window.count >= limit
        ]
        if enforce and waits:
            return Verdict(max(waits), {"Retry-After": str(max(waits))})
        for window, _, _ in found:
            window.count += 1
        steady = found[1][0]
        return Verdict(
            0,
            {
                "RateLimit-Limit": str(tier.steady),
                "RateLimit-Remaining": str(max(0, tier.steady - steady.count)),
                "RateLimit-Reset": str(max(0, math.ceil(steady.starts + 60 - now))),
            },
        )

    def _window(self, owner: str, endpoint: str, length: int, now: float) -> _Window:
        key = (owner, endpoint, length)
        window = self.windows.get(key)
        if window is None or not window.starts <= now < window.starts + length:
            window = self.windows[key] = _Window(math.floor(now / length) * length)
        return window
