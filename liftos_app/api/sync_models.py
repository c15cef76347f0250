"""Bodies of the sync routes: what to sync, how it stands, what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from liftos_app.api.connection_models import Streams
from liftos_app.api.shapes import CauseOut, Day, Some, Strict
from liftos_app.models import SyncRun
from liftos_app.services import sync


class SyncAsk(Strict):
    """Which part to sync; nothing means the usual sync. Days are the account's, both inclusive:
    they make it a re-sync, swapped in at once and to be undone within seven days.
    """

    streams: Streams | None = None
    accounts: Annotated[list[UUID], Field(min_length=1), Some] | None = None
    start: Day | None = None
    end: Day | None = None


class StreamProgressOut(Strict):
    """One account x stream of a sync, as it stands."""

    account_id: UUID
    account: str
    stream: str
    status: str
    days_done: int
    days_total: int
    current_day: str
    rows_read: int
    rows_written: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    rows_removed: int
    waiting_until: datetime | None
    cause: CauseOut | None


class SyncOut(Strict):
    """A sync. `streams` and the days are given for one sync, not in its history."""

    id: UUID
    connection_id: UUID
    status: str
    trigger: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waiting_until: datetime | None
    waiting_for: str
    attempts: int
    rows_read: int
    rows_written: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    rows_removed: int
    rows_restated: int
    requests: int
    undone_at: datetime | None
    cause: CauseOut | None
    days_done: int | None = None
    days_total: int | None = None
    seconds_left: list[int] | None = None
    streams: list[StreamProgressOut] | None = None

    @classmethod
    def of(cls, run: SyncRun) -> SyncOut:
        """From the stored run."""
        return cls(
            id=run.id, connection_id=run.connection_id, status=str(run.state),
            trigger=run.trigger, created_at=run.created_at, started_at=run.started_at,
            finished_at=run.finished_at, waiting_until=run.waiting_until,
            waiting_for=run.waiting_for, attempts=run.attempts,
            rows_read=run.rows_read, rows_written=run.rows_written,
            rows_updated=run.rows_updated, rows_unchanged=run.rows_unchanged,
            rows_rejected=run.rows_rejected, rows_removed=run.rows_removed,
            rows_restated=run.rows_restated,
            requests=run.requests, undone_at=run.undone_at, cause=CauseOut.of(run.cause),
        )

    @classmethod
    def with_progress(cls, progress: sync.RunProgress) -> SyncOut:
        """From a run with its streams."""
        found = cls.of(progress.run)
        found.days_done, found.days_total = progress.days_done, progress.days_total
        found.seconds_left = list(progress.seconds_left) if progress.seconds_left else None
        found.streams = [
            StreamProgressOut(
                account_id=s.account_id, account=s.account_name, stream=s.stream,
                status=str(s.state), days_done=s.days_done, days_total=s.days_total,
                current_day=s.current_day, rows_read=s.rows_read, rows_written=s.rows_written,
                rows_updated=s.rows_updated, rows_unchanged=s.rows_unchanged,
                rows_rejected=s.rows_rejected, rows_removed=s.rows_removed,
                waiting_until=s.waiting_until, cause=CauseOut.of(s.error),
            )
            for s in progress.streams
        ]
        return found


class SyncQueued(Strict):
    """A sync was asked for; ask again at `href`. `left_out` names, in sentences, days asked for
    that are not read, because a stream has no history there.
    """

    sync_id: UUID
    connection_id: UUID
    status: str
    href: str
    left_out: list[str] = Field(default_factory=list)
