"""Which days of which streams a run reads, and in which order. Pure: no clock, no database.

The unit of work is account x stream x a span of days; each unit lands in one transaction. Whole
streams come first (they carry the names), then increments, then the newest days, then the past.
A first load of orders ends with what changed in older orders since the history began: refunds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from liftos_app.services.connectors import cursors
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AccountInfo, Lands, Platform, Stream
from liftos_app.services.sync.schedule import zone_of

RECENT_DAYS = 30
CURSOR_DAYS_PER_UNIT = 7


class Phase(IntEnum):
    """Order of work inside a run."""

    WHOLE = 0
    INCREMENT = 1
    RECENT = 2
    BACKFILL = 3
    CATCH_UP = 4  # changes to orders from before the history, once


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction's worth of reading; both days inclusive, in the account's time zone."""

    account_key: int
    stream: str
    phase: Phase
    start: dt.date
    end: dt.date
    cursor: str = ""
    before: dt.date | None = None  # only records dated before this day are wanted

    @property
    def days(self) -> int:
        """How many days it covers."""
        return (self.end - self.start).days + 1

    def each_day(self) -> Iterator[dt.date]:
        """Its days, oldest first."""
        for offset in range(self.days):
            yield self.start + dt.timedelta(days=offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is already stored for one account x stream."""

    covered: frozenset[dt.date] = frozenset()  # complete, empty or partial
    done_in_run: frozenset[dt.date] = frozenset()  # days this very run has committed
    unsettled: frozenset[dt.date] = frozenset()  # may still change and were not read for a week
    cursor: str = ""
    caught_up_from: dt.date | None = None  # orders: changes since this day were read
    whole_done: bool = False  # this very run has read the whole stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the run was asked for; empty means the usual sync."""

    streams: tuple[str, ...] = ()
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def is_resync(self) -> bool:
        """Whether chosen days are to be read again, covered or not."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """An account and the day it is there now."""

    key: int
    today: dt.date
    info: AccountInfo | None = None  # how far back some streams reach depends on it


@dataclass(slots=True)
class Plan:
    """Units in order, and the days each stream will have covered when done."""

    units: list[Unit] = field(default_factory=list)
    days_total: dict[tuple[int, str], int] = field(default_factory=dict)


def make_plan(
    platform: Platform, *, accounts: Sequence[AccountDay], chosen: Sequence[str],
    history_days: int, known: Mapping[tuple[int, str], Known], ask: Ask | None = None,
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """All units of a run, those already committed by this run left out."""
    ask = ask or Ask()
    plan = Plan()
    offered = streams_of(platform, options or {})
    wanted = [s for s in offered if s.name in (ask.streams or chosen)]
    for account in accounts:
        for stream in wanted:
            if not stream.fits(account.info):
                continue
            facts = known.get((account.key, stream.name), Known())
            units = list(_units(stream, account, history_days, facts, ask))
            plan.units.extend(units)
            plan.days_total[account.key, stream.name] = sum(u.days for u in units)
    order = {s.name: i for i, s in enumerate(wanted)}
    plan.units.sort(key=lambda u: (u.phase, -u.end.toordinal(), order[u.stream], u.account_key))
    return plan


def asked_days(
    stream: Stream, account: AccountDay, history_days: int, ask: Ask
) -> tuple[dt.date, dt.date]:
    """First and last day to read; the first lies after the last where there is none.

    A first day that was named may lie before the history, as far as the platform answers.
    """
    limit = stream.history_days(account.info or AccountInfo("", ""))
    oldest = account.today - dt.timedelta(days=limit)
    if not ask.start:
        oldest = account.today - dt.timedelta(days=min(history_days, limit))
    return max(ask.start or oldest, oldest), min(ask.end or account.today, account.today)


def _units(
    stream: Stream, account: AccountDay, history_days: int, known: Known, ask: Ask
) -> Iterator[Unit]:
    today = account.today
    if stream.window is None and not stream.cursor:
        if not known.whole_done:
            yield Unit(account.key, stream.name, Phase.WHOLE, today, today)
        return
    oldest, _ = asked_days(stream, account, history_days, Ask())
    first, last = asked_days(stream, account, history_days, ask)
    if first > last:
        return
    span = (first + dt.timedelta(days=i) for i in range((last - first).days + 1))
    if ask.is_resync:
        days = [d for d in span if d not in known.done_in_run]
    else:
        reread = stream.window.reread_days if stream.window and stream.cursor != "time" else 0
        fresh = today - dt.timedelta(days=reread) if reread else today + dt.timedelta(days=1)
        days = [
            d for d in span
            if d not in known.done_in_run and (d >= fresh or d not in known.covered)
        ]
        # what was loaded is re-read as long as the platform restates it, whatever the history is
        days += [d for d in known.covered - known.done_in_run if fresh <= d < first]
        days += [d for d in known.unsettled - known.done_in_run if d < fresh]
    newest = max(known.covered, default=today)
    if not ask.is_resync and _meets(stream, account, known, newest):
        if today not in known.done_in_run:
            since = cursors.value(stream.cursor, known.cursor)
            yield Unit(
                account.key, stream.name, Phase.INCREMENT, min(newest, today), today, since
            )
        days = [d for d in days if d in known.covered or d < newest]
        if stream.cursor == "time":
            days = [d for d in days if d not in known.covered]
    size = stream.window.days_per_request if stream.window else CURSOR_DAYS_PER_UNIT
    recent = today - dt.timedelta(days=RECENT_DAYS)
    for start, end in _spans(days, size):
        phase = Phase.RECENT if end > recent else Phase.BACKFILL
        yield Unit(account.key, stream.name, phase, start, end)
    if _must_catch_up(stream, known, ask, oldest):
        since = f"{oldest - dt.timedelta(days=1)}T00:00:00Z"
        yield Unit(account.key, stream.name, Phase.CATCH_UP, today, today, since, before=oldest)


def _meets(stream: Stream, account: AccountDay, known: Known, newest: dt.date) -> bool:
    """Whether spans were read up to the day of the cursor, so that changes complete the rest.

    They were not where the first span failed: the days before the cursor would pass for complete.
    """
    if not stream.cursor or not known.cursor or not known.covered:
        return False
    reached = cursors.moment(stream.cursor, known.cursor)
    zone = zone_of(account.info.time_zone if account.info else "UTC")
    return reached is None or newest >= min(reached.astimezone(zone).date(), account.today)


def _must_catch_up(stream: Stream, known: Known, ask: Ask, oldest: dt.date) -> bool:
    """Refunds of orders older than the history fall into it: they are looked for once."""
    if stream.cursor != "time" or stream.lands is not Lands.ORDERS or ask.is_resync:
        return False
    return known.caught_up_from is None or known.caught_up_from > oldest


def _spans(days: Iterable[dt.date], size: int) -> Iterator[tuple[dt.date, dt.date]]:
    """Runs of consecutive days, newest first, each at most `size` long."""
    newest_first = sorted(days, reverse=True)
    index = 0
    while index < len(newest_first):
        end = start = newest_first[index]
        index += 1
        while (
            index < len(newest_first)
            and (end - newest_first[index]).days < size
            and (start - newest_first[index]).days == 1
        ):
            start = newest_first[index]
            index += 1
        yield start, end
