"""How syncs have been going: outcomes and lengths of a connection's runs. Coverage strips are in
coverage.py, the state of a connection in connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import RunState, SyncRun
from liftos_app.services.context import Context

FINISHED = (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Finished runs of a span of days. A partial run is no success; a cancelled one is no run."""

    succeeded: int = 0
    partial: int = 0
    failed: int = 0
    typical_seconds: float | None = None  # median length of the runs that ended well

    @property
    def finished(self) -> int:
        """All that ended by themselves."""
        return self.succeeded + self.partial + self.failed

    @property
    def share(self) -> float | None:
        """Successful runs of all finished ones, 0..1; None without any."""
        return self.succeeded / self.finished if self.finished else None


def outcomes(
    ctx: Context, *, days: int = 30, connection_ids: Sequence[UUID] | None = None
) -> dict[UUID, Outcomes]:
    """Outcomes per connection; a connection without a finished run is left out."""
    ctx.require("connections.read")
    query = select(
        SyncRun.connection_id, col(SyncRun.state), col(SyncRun.started_at),
        col(SyncRun.finished_at),
    ).where(
        SyncRun.org_id == ctx.org, col(SyncRun.state).in_(FINISHED),
        col(SyncRun.finished_at) >= ctx.now() - timedelta(days=days),
    )
    if connection_ids is not None:
        query = query.where(col(SyncRun.connection_id).in_(connection_ids))
    states: dict[UUID, list[str]] = {}
    lengths: dict[UUID, list[float]] = {}
    for connection_id, state, started, finished in ctx.session.exec(query).all():
        states.setdefault(connection_id, []).append(state)
        if state == RunState.SUCCEEDED and started and finished:
            lengths.setdefault(connection_id, []).append((finished - started).total_seconds())
    return {
        key: Outcomes(
            succeeded=found.count(RunState.SUCCEEDED), partial=found.count(RunState.PARTIAL),
            failed=found.count(RunState.FAILED),
            typical_seconds=median(lengths[key]) if key in lengths else None,
        )
        for key, found in states.items()
    }


def total(found: dict[UUID, Outcomes]) -> Outcomes:
    """All connections together; lengths of different platforms are not comparable."""
    return Outcomes(
        succeeded=sum(o.succeeded for o in found.values()),
        partial=sum(o.partial for o in found.values()),
        failed=sum(o.failed for o in found.values()),
    )
