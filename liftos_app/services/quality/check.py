"""What a check is: a rule that counts how often it held, on one account x stream x window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlmodel import Session

from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Lands, Stream
from liftos_app.services.metrics.coverage import day_end
from liftos_app.services.metrics.periods import Period
from liftos_app.services.metrics.sources import Source, platform_of

WINDOW_DAYS: Final = 30


class Dimension(StrEnum):
    """The four scored dimensions, and the two that support them."""

    COMPLETENESS = "completeness"
    ACCURACY = "accuracy"
    TIMELINESS = "timeliness"
    CONSISTENCY = "consistency"
    VALIDITY = "validity"
    UNIQUENESS = "uniqueness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a check looks. `settled`: 30 days that no longer change. `window`: from there up to
    the last day the platform should have published.
    """

    session: Session
    org_id: int
    source: Source
    peers: tuple[Source, ...]  # all accounts of the same provenance
    stream: Stream
    window: Period | None
    settled: Period | None
    now: datetime

    @property
    def account_key(self) -> int:
        """The account whose rows are counted."""
        return self.source.account_key

    @property
    def daily(self) -> bool:
        """Whether each day of the stream is asked for and confirmed."""
        return self.stream.window is not None or bool(self.stream.cursor)

    def due(self, day: dt.date) -> datetime:
        """When a day should have been published: its end plus the platform's latency."""
        return due(self.source, self.stream, day)


@dataclass(frozen=True, slots=True)
class Measure:
    """How often a rule held, of how often it was asked. Denominator 0: nothing to ask."""

    numerator: int
    denominator: int
    reason: str = ""  # for people, when it did not always hold
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule. `run` answers None when it does not apply to a scope."""

    name: str
    title: str
    rule: str  # in words
    dimension: Dimension
    version: int = 1
    target: float  # warns below 1, fails below this
    run: Callable[[Scope], Measure | None]


def due(source: Source, stream: Stream, day: dt.date) -> datetime:
    """When a day of a stream should have been published, in UTC."""
    latency = stream.window.latency_hours if stream.window else 0
    return day_end(day, source.zone) + timedelta(hours=latency)


def periods(
    source: Source, stream: Stream, now: datetime
) -> tuple[Period | None, Period | None]:
    """(window, settled window) of a stream; None when no day lies in it."""
    today = source.today(now)
    settle = stream.window.settle_days if stream.window else 0
    settled_end = today - timedelta(days=settle + 1)
    start = max(source.first_day(stream), settled_end - timedelta(days=WINDOW_DAYS - 1))
    last = today - timedelta(days=1)
    while last >= start and due(source, stream, last) > now:
        last -= timedelta(days=1)
    if source.paused_at is not None:
        last = min(last, source.today(source.paused_at) - timedelta(days=1))
    window = Period(start, last) if start <= last else None
    settled = Period(start, min(settled_end, last)) if start <= min(settled_end, last) else None
    return window, settled


def chosen_streams(source: Source) -> tuple[Stream, ...]:
    """The streams a connection reads."""
    platform = platform_of(source.platform)
    return tuple(
        s for s in (streams_of(platform, source.options) if platform else ())
        if (not source.chosen or s.name in source.chosen) and s.fits(source.info)
    )


def lands(scope: Scope, *kinds: Lands) -> bool:
    """Whether the stream lands in one of these tables."""
    return scope.stream.lands in kinds
