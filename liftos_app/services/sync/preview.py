"""What a re-sync would take, before it is asked for: calls, time, share of the quota, rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from liftos_app.models import Coverage, Restatement, StreamRun
from liftos_app.services import budgets
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import Platform
from liftos_app.services.context import Context
from liftos_app.services.sync import reach
from liftos_app.services.sync.plan import Ask, Known, make_plan
from liftos_app.services.sync.runs import check_ask, connection_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """An estimate, from earlier runs where there are some. `seconds` is a (low, high) range."""

    accounts: tuple[str, ...]
    streams: tuple[str, ...]
    first_day: dt.date
    last_day: dt.date
    windows: int
    calls: int
    seconds: tuple[int, int]
    quota_minutes: float  # of the platform's whole budget of requests
    quota_used: float  # share of the burst that is in use now, 0 to 1
    rows_stored: int  # rows of these days that are stored now
    restated_before: int  # numbers of these days that the platform has changed so far
    left_out: tuple[str, ...]  # days that are not read, stream by stream, in sentences


def preview(
    ctx: Context, connection_id: UUID, *, streams: Sequence[str] | None = None,
    accounts: Sequence[UUID] | None = None, start: dt.date, end: dt.date,
) -> Preview:
    """Estimate a re-sync of these days. Raises Missing and Invalid like the request itself."""
    ctx.require("syncs.run")
    connection = connection_of(ctx, connection_id)
    left_out = check_ask(
        ctx, connection, streams=streams, accounts=accounts, start=start, end=end
    )
    platform = registry.get(connection.platform)
    found = [
        a for a in reach.selected(ctx, connection) if not accounts or a.id in accounts
    ]
    wanted = list(streams or connection.streams)
    plan = make_plan(
        platform,
        accounts=[reach.day_of(ctx, a) for a in found],
        chosen=connection.streams, history_days=reach.history_of(ctx, connection),
        known=dict[tuple[int, str], Known](), options=connection.options,
        ask=Ask(streams=tuple(wanted), start=start, end=end),
    )
    keys = [a.key for a in found if a.key is not None]
    pace = _pace(ctx, keys)
    calls, spent = 0.0, 0.0
    for (_, stream), days in plan.days_total.items():
        per_day, seconds = pace.get(stream, (0.0, 0.0))
        windows = sum(u.stream == stream for u in plan.units) / max(len(found), 1)
        calls += max(per_day * days, windows)
        spent += seconds * days
    least = max(spent / max(platform.concurrency, 1), _by_pace(platform, calls), 1)
    used, _ = budgets.used(ctx.app, connection_id, platform.requests_per_minute)
    return Preview(
        accounts=tuple(a.name for a in found), streams=tuple(wanted), first_day=start,
        last_day=end, windows=len(plan.units), calls=round(calls),
        seconds=(int(least * 0.7), int(least * 1.6) + 1),
        quota_minutes=round(calls / max(platform.requests_per_minute, 1), 2), quota_used=used,
        rows_stored=_rows(ctx, keys, wanted, start, end),
        restated_before=_restated(ctx, keys, wanted, start, end), left_out=tuple(left_out),
    )


def _pace(ctx: Context, keys: list[int]) -> dict[str, tuple[float, float]]:
    """Calls and seconds per day and account of each stream, from all runs so far."""
    rows = ctx.session.exec(
        select(
            col(StreamRun.stream), func.sum(StreamRun.requests), func.sum(StreamRun.seconds),
            func.sum(StreamRun.days_done),
        ).where(
            StreamRun.org_id == ctx.org, col(StreamRun.account_key).in_(keys),
            StreamRun.days_done > 0,
        ).group_by(col(StreamRun.stream))
    ).all()
    return {
        stream: (float(requests) / float(days), float(seconds) / float(days))
        for stream, requests, seconds, days in rows
    }


def _by_pace(platform: Platform, calls: float) -> float:
    """Seconds that the platform's own limit makes of so many calls; half a minute is a burst."""
    beyond = max(0.0, calls - platform.requests_per_minute / 2)
    return beyond * 60 / max(platform.requests_per_minute, 1)


def _rows(
    ctx: Context, keys: list[int], streams: list[str], start: dt.date, end: dt.date
) -> int:
    return int(ctx.session.exec(
        select(func.coalesce(func.sum(Coverage.row_count), 0)).where(
            Coverage.org_id == ctx.org, col(Coverage.account_key).in_(keys),
            col(Coverage.stream).in_(streams), Coverage.day >= start, Coverage.day <= end,
        )
    ).one())


def _restated(
    ctx: Context, keys: list[int], streams: list[str], start: dt.date, end: dt.date
) -> int:
    return int(ctx.session.exec(
        select(func.count()).select_from(Restatement).where(
            Restatement.org_id == ctx.org, col(Restatement.account_key).in_(keys),
            col(Restatement.stream).in_(streams), Restatement.day >= start,
            Restatement.day <= end,
        )
    ).one())


__all__ = ["Preview", "preview"]
