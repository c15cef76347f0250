"""Completeness: was every expected day asked for and answered?"""

from __future__ import annotations

from sqlmodel import col, select

from liftos_app.models import Coverage, CoverageState
from liftos_app.services.metrics.coverage import runs
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope

ANSWERED = (CoverageState.COMPLETE, CoverageState.EMPTY)


def run(scope: Scope) -> Measure | None:
    """Days with a complete or confirmed empty answer, of the days that should be there."""
    if not scope.daily or scope.window is None:
        return None
    covered = set(
        scope.session.exec(
            select(col(Coverage.day)).where(
                Coverage.org_id == scope.org_id, Coverage.account_key == scope.account_key,
                Coverage.stream == scope.stream.name, col(Coverage.day) >= scope.window.start,
                col(Coverage.day) <= scope.window.end, col(Coverage.state).in_(ANSWERED),
            )
        ).all()
    )
    missing = [day for day in scope.window if day not in covered]
    return Measure(
        len(scope.window) - len(missing), len(scope.window),
        reason="Days were not read, or not whole." if missing else "",
        evidence={"missing": [[r.start.isoformat(), r.end.isoformat()] for r in runs(missing)]},
    )


CHECK = Check(
    name="day_coverage", title="Every day is there", dimension=Dimension.COMPLETENESS,
    rule="Each day from the start of the history to the last one the platform should have "
         "published was asked for and answered; a confirmed empty day counts as answered.",
    target=0.95, run=run,
)
