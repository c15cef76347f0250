"""One budget of requests per credential, shared by all threads and by all replicas.

One process alone keeps it in memory. With PostgreSQL the budget is a row, with REDIS_URL a key in
Redis; requests are taken from it in small blocks, so that a request costs no round trip of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, cast
from uuid import UUID

from sqlalchemy import text

from liftos_app.services.connectors.pacing import Pacer
from liftos_app.services.context import App

log = logging.getLogger(__name__)
BLOCK_SECONDS: Final = 1.0  # a block is worth about a second of requests
FORGET_SECONDS: Final = 86_400
_lock = threading.Lock()


class Shared(Protocol):
    """Where processes meet. Times are seconds of the store's own clock, or lengths of time."""

    def take(self, name: str, number: int, rate: float, room: float) -> float:
        """Count requests as sent: what is left, below zero what is owed."""

    def hold(self, name: str, lane: str, seconds: float) -> None:
        """Nothing more in this lane for so many seconds."""

    def held(self, name: str) -> dict[str, float]:
        """Seconds that each lane is still held."""


class SharedPacer(Pacer):
    """A Pacer whose budget other processes draw on too. Without its store it paces alone."""

    def __init__(
        self, name: str, per_minute: int, store: Shared, troubles: tuple[type[Exception], ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(per_minute, clock)
        self._name, self._store, self._troubles = name, store, troubles
        self._block = max(1, min(int(self._rate * BLOCK_SECONDS), int(self._room / 8)))
        self._granted = 0
        self._owed_until = 0.0

    def take(self, lane: str = "") -> float:
        """Seconds to wait before sending one request; it is counted as sent."""
        with self._lock:
            if self._granted > 0 or self._refill():
                self._granted -= 1
            now = self._clock()
            return max(0.0, self._owed_until - now, self._held(lane, now))

    def give_back(self) -> None:
        """A counted request was not sent after all."""
        with self._lock:
            self._granted += 1

    def hold(self, seconds: float, lane: str = "") -> None:
        """Nothing more in this lane for so many seconds, in any process."""
        super().hold(seconds, lane)
        try:
            self._store.hold(self._name, lane, seconds)
        except self._troubles:
            log.warning("budget.store_away", extra={"budget": self._name})

    def _refill(self) -> bool:
        """Fetch a block, or one request when little is left. False: the store is away."""
        try:
            left = self._store.take(self._name, self._block, self._rate, self._room)
            if left < 0 and self._block > 1:
                left = self._store.take(self._name, 1 - self._block, self._rate, self._room)
                self._granted = 1
            else:
                self._granted = self._block
            lanes = self._store.held(self._name)
        except self._troubles:
            log.warning("budget.store_away", extra={"budget": self._name})
            self._owed_until = self._clock() + self._alone()
            return False
        now = self._clock()
        self._owed_until = now - left / self._rate if left < 0 else 0.0
        for lane, seconds in lanes.items():
            self._until[lane] = max(self._until.get(lane, 0.0), now + seconds)
        return True

    def _alone(self) -> float:
        """The wait by this process's own count, while the shared one cannot be asked."""
        now = self._clock()
        self._tokens = min(self._room, self._tokens + (now - self._at) * self._rate) - 1.0
        self._at = now
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate


class InDatabase:
    """The budget as a row of `rate_budget`, by the clock of PostgreSQL."""

    def __init__(self, app: App) -> None:
        self._app = app

    def take(self, name: str, number: int, rate: float, room: float) -> float:
        """See Shared."""
        with self._app.db.write() as session:
            row = session.connection().execute(
                _TAKE, {"name": name, "number": number, "rate": rate, "room": room}
            ).one()
        return float(row.tokens)

    def hold(self, name: str, lane: str, seconds: float) -> None:
        """See Shared."""
        with self._app.db.write() as session:
            session.connection().execute(
                _HOLD, {"name": name, "lane": lane, "seconds": seconds}
            )

    def held(self, name: str) -> dict[str, float]:
        """See Shared."""
        with self._app.db.read() as session:
            row = session.connection().execute(_HELD, {"name": name}).first()
        if row is None:
            return {}
        return {
            lane: float(until) - float(row.now)
            for lane, until in (row.held or {}).items() if float(until) > float(row.now)
        }


class InRedis:
    """The budget as a hash in Redis, by the clock of Redis, in one script per question."""

    def __init__(self, url: str) -> None:
        from redis import Redis

        self._redis = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._take = self._redis.register_script(_TAKE_LUA)
        self._hold = self._redis.register_script(_HOLD_LUA)

    def take(self, name: str, number: int, rate: float, room: float) -> float:
        """See Shared."""
        left = self._take(keys=[f"liftos:budget:{name}"], args=[number, rate, room, FORGET_SECONDS])
        return float(cast("bytes", left))

    def hold(self, name: str, lane: str, seconds: float) -> None:
        """See Shared."""
        self._hold(keys=[f"liftos:held:{name}"], args=[lane, seconds, FORGET_SECONDS])

    def held(self, name: str) -> dict[str, float]:
        """See Shared."""
        key = f"liftos:held:{name}"
        lanes = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        if not lanes:
            return {}
        seconds, micro = cast("tuple[int, int]", self._redis.time())
        now = seconds + micro / 1e6
        return {k.decode(): float(v) - now for k, v in lanes.items() if float(v) > now}


def pacer_of(app: App, connection_id: UUID, per_minute: int) -> Pacer:
    """The pacer of a credential: one per process, drawing on one budget for all of them."""
    with _lock:
        pacers = cast("dict[UUID, Pacer]", app.extras.setdefault("pacers", {}))
        found = pacers.get(connection_id)
        if found is None:
            found = pacers[connection_id] = _new(app, str(connection_id), per_minute)
        return found


def used(app: App, connection_id: UUID, per_minute: int) -> tuple[float, float]:
    """Share of the burst that is used now, 0 to 1, and seconds the credential is held."""
    store = _store(app)
    if store is None:
        pacers = cast("dict[UUID, Pacer]", app.extras.get("pacers", {}))
        found = pacers.get(connection_id)
        return found.state() if found is not None else (0.0, 0.0)
    try:
        rate, room = max(per_minute, 1) / 60.0, max(per_minute / 2.0, 1.0)
        left = store[0].take(str(connection_id), 0, rate, room)
        held = store[0].held(str(connection_id))
    except store[1]:
        return 0.0, 0.0
    return min(1.0, max(0.0, 1 - left / room)), max(held.values(), default=0.0)


def _new(app: App, name: str, per_minute: int) -> Pacer:
    store = _store(app)
    return Pacer(per_minute) if store is None else SharedPacer(name, per_minute, *store)


def _store(app: App) -> tuple[Shared, tuple[type[Exception], ...]] | None:
    """Where this installation keeps shared budgets; None when one process has them alone."""
    if app.settings.redis_url:
        from redis import RedisError

        kept = app.extras.get("redis_budgets")
        if not isinstance(kept, InRedis):
            kept = app.extras["redis_budgets"] = InRedis(app.settings.redis_url)
        return kept, (RedisError, OSError)
    if app.settings.is_sqlite:
        return None
    from sqlalchemy.exc import DBAPIError

    return InDatabase(app), (DBAPIError,)


_TAKE: Any = text("""
INSERT INTO rate_budget AS b (name, tokens, at, held)
VALUES (:name, CAST(:room AS double precision) - :number, clock_timestamp(), '{}')
ON CONFLICT (name) DO UPDATE SET
  tokens = LEAST(:room, b.tokens
    + GREATEST(0, extract(epoch FROM clock_timestamp() - b.at)) * :rate) - :number,
  at = clock_timestamp()
RETURNING tokens
""")
_HOLD: Any = text("""
INSERT INTO rate_budget AS b (name, tokens, at, held)
VALUES (:name, 1e12, clock_timestamp(),
  json_build_object(CAST(:lane AS text), extract(epoch FROM clock_timestamp()) + :seconds))
ON CONFLICT (name) DO UPDATE SET held = (b.held::jsonb || jsonb_build_object(
  CAST(:lane AS text), GREATEST(
    COALESCE((b.held::jsonb ->> :lane)::double precision, 0),
    extract(epoch FROM clock_timestamp()) + :seconds)))::json
""")
_HELD: Any = text(
    "SELECT held, extract(epoch FROM clock_timestamp()) AS now FROM rate_budget WHERE name = :name"
)
_TAKE_LUA: Final = """
local t = redis.call('TIME') local now = t[1] + t[2] / 1000000
local number, rate, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens = tonumber(redis.call('HGET', KEYS[1], 'tokens') or room)
local at = tonumber(redis.call('HGET', KEYS[1], 'at') or now)
tokens = math.min(room, tokens + math.max(0, now - at) * rate) - number
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return tostring(tokens)
"""
_HOLD_LUA: Final = """
local t = redis.call('TIME') local until_ = t[1] + t[2] / 1000000 + tonumber(ARGV[2])
local before = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.6f', math.max(before, until_)))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
__all__ = ["InDatabase", "InRedis", "Shared", "SharedPacer", "pacer_of", "used"]
