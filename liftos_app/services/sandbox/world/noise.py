"""Chance without state: a number is a function of seed, name and coordinates, never of the order in
which it was asked for. So a day looks the same in every world that contains it, and two worlds
that differ by an intervention share every draw.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GOLD = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Noise:
    """Draws of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def bits(self, name: str, *at: Any) -> NDArray[np.uint64]:
        """64 random bits for each coordinate; coordinates broadcast as arrays do."""
        digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        state = np.asarray(int.from_bytes(digest[:8], "big"), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for part in at:
                values = np.asarray(part).astype(np.int64).astype(np.uint64)
                state = _mix(state ^ (values * _GOLD + _MIX_2))
            return _mix(state)

    def uniform(self, name: str, *at: Any) -> Floats:
        """In (0, 1)."""
        top = (self.bits(name, *at) >> np.uint64(11)).astype(np.float64)
        return np.asarray((top + 0.5) / 9_007_199_254_740_992.0)

    def normal(self, name: str, *at: Any) -> Floats:
        """Standard normal."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(name + "/r", *at)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(name + "/a", *at)))

    def factor(self, sd: float, name: str, *at: Any) -> Floats:
        """Log-normal with mean 1 and about this relative spread."""
        return np.asarray(np.exp(sd * self.normal(name, *at) - sd * sd / 2))

    def poisson(self, rate: Floats, name: str, *at: Any) -> Ints:
        """Counts of these rates: the quantile of one uniform, so more rate never means fewer."""
        return quantile(rate, np.broadcast_to(self.uniform(name, *at), rate.shape))

    def walk(self, name: str, days: int, *, keep: float, sd: float, series: Any = 0) -> Floats:
        """An autoregressive path over days 0..days-1, one row per day and column per series."""
        shocks = sd * self.normal(name, np.arange(days)[:, None], np.atleast_1d(series)[None, :])
        path = np.empty_like(shocks)
        level = np.zeros(shocks.shape[1])
        for day in range(days):
            level = keep * level + shocks[day]
            path[day] = level
        return path


def quantile(rate: Floats, share: Floats) -> Ints:
    """Poisson quantiles; above 40 the normal curve is near enough and keeps the order."""
    flat, u = rate.ravel(), share.ravel()
    found = np.zeros(flat.shape, dtype=np.int64)
    small = np.flatnonzero((flat > 0) & (flat <= 40))
    lam, target = flat[small], u[small]
    mass = np.exp(-lam)
    total = mass.copy()
    count = np.zeros(small.shape, dtype=np.int64)
    open_ = np.flatnonzero(total < target)
    step = 0
    while open_.size and step < 200:
        step += 1
        mass[open_] *= lam[open_] / step
        total[open_] += mass[open_]
        count[open_] = step
        open_ = open_[total[open_] < target[open_]]
    found[small] = count
    large = np.flatnonzero(flat > 40)
    if large.size:
        spread = flat[large] + np.sqrt(flat[large]) * probit(u[large])
        found[large] = np.maximum(0, np.rint(spread)).astype(np.int64)
    return found.reshape(rate.shape)


def probit(share: Floats) -> Floats:
    """The inverse of the normal distribution, to about 4.5e-4 (rational form by Hastings, 1955)."""
    tail = np.minimum(share, 1 - share)
    t = np.sqrt(-2.0 * np.log(tail))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    low = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    return np.asarray(np.where(share < 0.5, -(t - top / low), t - top / low))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    state = state + _GOLD
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return np.asarray(state ^ (state >> np.uint64(31)))
