"""Asynchronous reports: queued, run, finished or failed; the result is kept as it was then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from liftos_app.services.sandbox.platforms.meta_business import names
from liftos_app.services.sandbox.platforms.meta_business.answers import (
    GraphError,
    invisible,
    unknown_field,
)
from liftos_app.services.sandbox.platforms.meta_business.expand import Wish

# What successive polls see. The third is 100 % and not yet done: its pages would be partial.
_STAGES = (("Job Not Started", 0), ("Job Started", 5), ("Job Running", 45), ("Job Running", 100))
MAX_RUNS = 50  # kept at once, and so many rows of them all
MAX_KEPT_ROWS = 60_000
MAX_SPAN_ROWS = 50_000  # a bigger report never ends well: split it


@dataclass(slots=True)
class Run:
    """One report run of one token's account."""

    id: str
    account_id: str
    params: Mapping[str, str]
    rows: list[bytes]  # JSON, which takes a fifth of the memory
    started: int  # Unix seconds
    fails: bool = False
    polls: int = 0
    ended: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the result may be read."""
        return self.polls > len(_STAGES) and not self.fails

    def poll(self, now: int) -> None:
        """Time passes for a run when somebody looks at it."""
        self.polls += 1
        if self.polls > len(_STAGES) and not self.ended:
            self.ended = now

    def values(self) -> dict[str, Any]:
        """The run as the vendor shows it."""
        out: dict[str, Any] = {
            "id": self.id,
            "account_id": self.account_id,
            "time_ref": self.started,
            "time_completed": self.ended,
            "is_running": self.polls <= len(_STAGES),
            "is_bookmarked": False,
        }
        if self.fails and self.polls >= len(_STAGES):
            return out | {
                "async_status": "Job Failed",
                "async_percent_completion": 41,
                "is_running": False,
                "error_code": -2,
                "error_subcode": 2490547,
                "error_message": "The report could not be generated",
                "error_user_title": "Report failed",
                "error_user_msg": "Ask for a smaller report: fewer days or a higher level.",
            }
        stages = (*_STAGES, ("Job Completed", 100))
        status, percent = stages[max(0, min(self.polls - 1, len(stages) - 1))]
        return out | {"async_status": status, "async_percent_completion": percent}


@dataclass(slots=True)
class Reports:
    """The runs of this imitation; the oldest make room."""

    runs: dict[str, Run] = field(default_factory=dict)
    count: int = 0

    def start(
        self,
        account_id: str,
        params: Mapping[str, str],
        rows: list[dict[str, Any]],
        *,
        now: int,
        fails: bool,
    ) -> Run:
        """Queue a run. A report too big to end well fails, as does one told to."""
        self.count += 1
        digest = hashlib.sha256(f"{account_id}/{self.count}".encode()).hexdigest()
        run_id = "618" + str(int(digest[:12], 16)).zfill(13)[-13:]
        fails = fails or len(rows) > MAX_SPAN_ROWS
        kept_rows = [] if fails else [orjson.dumps(row) for row in rows]
        run = Run(run_id, account_id, dict(params), kept_rows, now, fails)
        self.runs[run_id] = run
        while len(self.runs) > 1 and (
            len(self.runs) > MAX_RUNS
            or sum(len(kept.rows) for kept in self.runs.values()) > MAX_KEPT_ROWS
        ):
            self.runs.pop(next(iter(self.runs)))
        return run

    def find(self, run_id: str, visible: set[str]) -> Run:
        """A run of an account this token sees. Raises GraphError 100/33."""
        run = self.runs.get(run_id)
        if run is None or run.account_id not in visible:
            raise invisible(run_id)
        return run


def show(run: Run, wishes: tuple[Wish, ...], *, tells_errors: bool = True) -> dict[str, Any]:
    """The wished fields of a run; all of the usual ones when none is named.

    Why a run failed is told from v25.0 on.
    """
    values = run.values()
    if not tells_errors:
        values = {k: v for k, v in values.items() if not k.startswith("error_")}
    if not wishes:
        return {k: v for k, v in values.items() if not k.startswith("error_user")}
    for wish in wishes:
        untold = not tells_errors and wish.name.startswith("error_")
        if wish.name not in names.REPORT_RUN or untold:
            raise unknown_field(wish.name, "AdReportRun")
    return {"id": run.id} | {w.name: values[w.name] for w in wishes if w.name in values}


def results(run: Run) -> list[bytes]:
    """The rows of a run, each as JSON.

    At 100 % and not yet done there is only a part of them, a trap of the vendor. Raises GraphError
    before that.
    """
    if run.is_done:
        return run.rows
    if run.fails or run.polls < len(_STAGES):
        raise GraphError(
            2601,
            "(#2601) Loading async results: the report is not finished yet.",
            subcode=1815107,
            transient=True,
        )
    return run.rows[: len(run.rows) // 2]
