"""Completeness: does everything that delivered, by the level above, have rows of its own?"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from liftos_app.models import Entity, FactDaily
from liftos_app.services.connectors.spec import Lands, Stream
from liftos_app.services.metrics.periods import Period
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope, chosen_streams

EXAMPLES = 20
EntityDays = set[tuple[str, dt.date]]


def run(scope: Scope) -> Measure | None:
    """Entity-days with delivery one level up that have at least one row here."""
    stream, settled = scope.stream, scope.settled
    if stream.lands is not Lands.FACTS or not stream.sums_to or settled is None:
        return None
    parent = next((s for s in chosen_streams(scope.source) if s.name == stream.sums_to), None)
    if parent is None or parent.level >= stream.level:
        return None  # nobody has an independent reading
    expected = _delivered(scope, parent, settled)
    missing = sorted(expected - _present(scope, parent, settled), key=lambda x: (x[1], x[0]))
    return Measure(
        len(expected) - len(missing), len(expected),
        reason="Something delivered, by the level above, and has no rows here." if missing else "",
        evidence={
            "missing": [[name, day.isoformat()] for name, day in missing[:EXAMPLES]],
            "settled": [settled.start.isoformat(), settled.end.isoformat()],
        },
    )


def _delivered(scope: Scope, parent: Stream, days: Period) -> EntityDays:
    """What the level above says was shown or paid for; kinds without rows here are left out."""
    rows = scope.session.exec(
        select(col(Entity.external_id), col(FactDaily.day))
        .join(FactDaily, and_(
            col(FactDaily.entity_key) == col(Entity.key),
            col(FactDaily.org_id) == col(Entity.org_id),
        ))
        .where(
            Entity.org_id == scope.org_id, *_span(scope, FactDaily, parent.level, days),
            or_(col(FactDaily.impressions) > 0, col(FactDaily.spend_micros) > 0),
        )
    ).all()
    skipped = _skipped(scope, parent)
    return {(name, day) for name, day in rows if name not in skipped}


def _skipped(scope: Scope, parent: Stream) -> set[str]:
    """Parents of a kind that never has rows at this level."""
    kinds = set(scope.stream.sums_except)
    if not kinds:
        return set()
    rows = scope.session.exec(
        select(col(Entity.external_id), col(Entity.attrs)).where(
            Entity.org_id == scope.org_id, Entity.account_key == scope.account_key,
            Entity.level == parent.level,
        )
    ).all()
    return {name for name, attrs in rows if attrs.get("channel_type") in kinds}


def _present(scope: Scope, parent: Stream, days: Period) -> EntityDays:
    """Entities of the level above that have rows below them, walking up the levels between."""
    child: Any = aliased(Entity)
    top, steps = child, []
    for level in range(scope.stream.level - 1, parent.level, -1):
        above: Any = aliased(Entity)
        steps.append((above, and_(
            above.account_key == top.account_key, above.level == level,
            above.external_id == top.parent_id,
        )))
        top = above
    query = select(col(FactDaily.day), top.parent_id).join(child, and_(
        col(FactDaily.entity_key) == child.key, col(FactDaily.org_id) == child.org_id
    ))
    for target, on in steps:
        query = query.join(target, on)
    rows = scope.session.exec(
        query.where(*_span(scope, FactDaily, scope.stream.level, days)).distinct()
    ).all()
    return {(str(name), day) for day, name in rows}


def _span(scope: Scope, table: Any, level: int, days: Period) -> list[Any]:
    return [
        table.org_id == scope.org_id, table.account_key == scope.account_key,
        table.level == level, table.day >= days.start, table.day <= days.end,
    ]


CHECK = Check(
    name="entity_coverage", title="Everything that delivered has rows",
    dimension=Dimension.COMPLETENESS,
    rule="On settled days, each campaign, ad group or ad that the level above reports with "
         "delivery has at least one row here. Things without delivery are not expected.",
    target=0.95, run=run,
)
