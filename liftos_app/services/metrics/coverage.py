"""What is known about each account-day: read whole, read early, in part, failed, or never."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from liftos_app.models import Coverage, CoverageState
from liftos_app.services.metrics.definitions import Supply
from liftos_app.services.metrics.periods import Period
from liftos_app.services.metrics.sources import Source
from liftos_app.services.metrics.values import Gap, Hole

WHOLE = None  # a day without a gap
Cover = dict[tuple[int, Supply, dt.date], Gap | None]


def day_end(day: dt.date, zone: ZoneInfo) -> datetime:
    """The moment a day ends in a time zone, in UTC. Days of a clock change last 23 or 25 h."""
    return datetime.combine(day + dt.timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def load(
    session: Session, org_id: int, sources: Sequence[Source], periods: Iterable[Period],
    now: datetime,
) -> Cover:
    """The state of every account x supply x day that has begun. Absent keys lie in the future."""
    spans = list(periods)
    wanted = {(s.account_key, stream.name): (s, supply)
              for s in sources for supply, stream in s.streams.items()}
    if not wanted or not spans:
        return {}
    rows = session.exec(
        select(  # type: ignore[call-overload]
            Coverage.account_key, Coverage.stream, Coverage.day, Coverage.state, Coverage.read_at
        ).where(
            Coverage.org_id == org_id,
            col(Coverage.account_key).in_({key for key, _ in wanted}),
            col(Coverage.stream).in_({name for _, name in wanted}),
            col(Coverage.day) >= min(p.start for p in spans),
            col(Coverage.day) <= max(p.end for p in spans),
        )
    ).all()
    found: dict[tuple[int, str, dt.date], tuple[str, datetime]] = {
        (key, name, day): (state, read_at) for key, name, day, state, read_at in rows
    }
    cover: Cover = {}
    for (key, name), (source, supply) in wanted.items():
        first, today = source.first_day(source.streams[supply]), source.today(now)
        for span in spans:
            for day in span:
                if day > today:
                    break
                cover[key, supply, day] = _gap(found.get((key, name, day)), day, first, source.zone)
    return cover


def _gap(
    row: tuple[str, datetime] | None, day: dt.date, first: dt.date, zone: ZoneInfo
) -> Gap | None:
    if row is None:
        return Gap.BEFORE_HISTORY if day < first else Gap.MISSING
    state, read_at = row
    if state == CoverageState.FAILED:
        return Gap.FAILED
    if state == CoverageState.PARTIAL:
        return Gap.PARTIAL
    return Gap.EARLY if read_at < day_end(day, zone) else WHOLE


def holes(sources: Sequence[Source], cover: Cover, period: Period) -> tuple[Hole, ...]:
    """The gaps inside a period as runs of days, per account, stream and kind."""
    found: list[Hole] = []
    for source in sources:
        for supply, stream in source.streams.items():
            by_kind: dict[Gap, list[dt.date]] = {}
            for day in period:
                gap = cover.get((source.account_key, supply, day))
                if gap is not None:
                    by_kind.setdefault(gap, []).append(day)
            found.extend(
                Hole(
                    connection_id=source.connection_id, connection=source.connection,
                    account=source.account, stream=stream.name, kind=kind, runs=runs(days),
                    days=len(days),
                )
                for kind, days in by_kind.items()
            )
    return tuple(found)


def runs(days: Sequence[dt.date]) -> tuple[Period, ...]:
    """Sorted days as runs of consecutive days."""
    found: list[Period] = []
    for day in days:
        if found and (day - found[-1].end).days == 1:
            found[-1] = Period(found[-1].start, day)
        else:
            found.append(Period(day, day))
    return tuple(found)
