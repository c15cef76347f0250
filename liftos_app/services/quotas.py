"""How much somebody may ask for in an hour, by category; the same counters for REST and pages.

In memory for one process, in Redis for several. Sign-in is counted apart, in the database
(`limits`): a restart must not forget it. With Redis down these let everything pass and say so in
the log; sign-in, which needs the database anyway, does not.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItemPerHour
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from liftos_app.errors import TooMany
from liftos_app.services.context import App, Principal

log = logging.getLogger(__name__)
HOUR: Final = 3600
_BY_PERMISSION: Final = {
    "syncs.run": "sync", "connections.write": "connections", "connections.delete": "connections",
    "demo.use": "connections",
}
_WORDS: Final = {
    "connections": "changes to connections", "sync": "syncs", "analytics": "requests for figures",
}


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit: `reset` is in seconds."""

    category: str
    limit: int
    remaining: int
    reset: int


def category_of(permission: str, *, looks: bool = False) -> str:
    """The counter an act belongs to. `looks` is for acts that only read: GET, loading a page."""
    return "analytics" if looks else _BY_PERMISSION.get(permission, "analytics")


def spend(app: App, category: str, *, who: Principal, org_id: int, points: int = 1) -> Quota | None:
    """Count an act. Raises TooMany with `retry_after`; None when the counter cannot be reached."""
    amount = app.settings.hourly_limits[category]
    limiter = _limiter(app)
    item = RateLimitItemPerHour(max(1, amount), 1, namespace=f"liftos/{category}")
    key = _key(category, who, org_id)
    try:
        passed = amount > 0 and limiter.hit(item, *key, cost=points)
        window = limiter.get_window_stats(item, *key)
    except RedisError:
        log.exception("quota.storage_down", extra={"category": category})
        return None
    reset = max(1, min(HOUR, round(window.reset_time - time.time())))
    quota = Quota(category, amount, max(0, window.remaining if amount else 0), reset)
    if not passed:
        _count_refusal(app)
        raise TooMany(
            f"There were too many {_WORDS[category]}.", why=f"At most {amount} fit into an hour.",
            fix=f"Wait {_wait_words(reset)}, then try again.", retry_after=reset, quota=quota,
        )
    return quota


def refusals_of(app: App) -> tuple[int, int]:
    """The fuller of this minute and the one before: (minute since 1970, refusals in it)."""
    counts = app.extras.get("quota.refusals")
    here = int(app.now().timestamp() // 60)
    found = counts if isinstance(counts, dict) else {}
    return max(((m, found.get(m, 0)) for m in (here - 1, here)), key=lambda pair: pair[1])


def _count_refusal(app: App) -> None:
    counts = app.extras.setdefault("quota.refusals", {})
    assert isinstance(counts, dict)  # noqa: S101  (ours alone)
    here = int(app.now().timestamp() // 60)
    counts[here] = counts.get(here, 0) + 1
    for old in [m for m in counts if m < here - 1]:
        counts.pop(old, None)


def _key(category: str, who: Principal, org_id: int) -> tuple[str, ...]:
    """Whose counter it is: the organization's, the person's in it, or the person's or key's."""
    person = str(who.user_id or who.name or who.ip)
    if category == "sync":
        return (f"org {org_id}",)
    if category == "connections":
        return (f"org {org_id}", person)
    return (f"org {org_id}", person, "key" if who.scopes is not None else "")


def _limiter(app: App) -> SlidingWindowCounterRateLimiter:
    found = app.extras.get("quotas")
    if found is None:
        url = app.settings.redis_url
        storage: Storage = RedisStorage(url) if url else MemoryStorage()
        found = app.extras.setdefault("quotas", SlidingWindowCounterRateLimiter(storage))
    assert isinstance(found, SlidingWindowCounterRateLimiter)  # noqa: S101  (ours alone)
    return found


def _wait_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds"
    return f"{-(-seconds // 60)} minutes"
