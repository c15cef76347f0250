"""Validity: records of the platform that could not become rows."""

from __future__ import annotations

from sqlmodel import col, func, select

from liftos_app.models import RejectedRow
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope

REASONS = 5


def run(scope: Scope) -> Measure | None:
    """Stored rows, of stored and refused ones. A record refused in several syncs counts once."""
    if scope.window is None:
        return None
    [rows] = tables.counts(scope, tables.where(scope))
    refused = (
        select(RejectedRow.day, RejectedRow.reason, RejectedRow.record)
        .where(
            RejectedRow.org_id == scope.org_id, RejectedRow.account_key == scope.account_key,
            RejectedRow.stream == scope.stream.name,
            col(RejectedRow.day) >= scope.window.start.isoformat(),
            col(RejectedRow.day) <= scope.window.end.isoformat(),
        )
        .distinct()
        .subquery()
    )
    reasons = scope.session.exec(
        select(refused.c.reason, func.count()).group_by(refused.c.reason)
        .order_by(func.count().desc(), refused.c.reason)
    ).all()
    number = sum(n for _, n in reasons)
    return Measure(
        rows, rows + number,
        reason="Records of the platform were refused." if number else "",
        evidence={"reasons": [[text, n] for text, n in reasons[:REASONS]]},
    )


CHECK = Check(
    name="rejected_rows", title="No record was refused", dimension=Dimension.VALIDITY,
    rule="Each record the platform sent for the window could be stored.", target=0.99, run=run,
)
