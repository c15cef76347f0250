"""From counts to scores: the formulae of the data-quality page, pooled, never averaged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import Account, CheckResult, Connection, QualityScore
from liftos_app.services.context import Context
from liftos_app.services.metrics.question import Mode
from liftos_app.services.metrics.sources import choose_mode
from liftos_app.services.quality.check import Dimension

WEIGHTS: Final = {
    Dimension.COMPLETENESS: 0.30, Dimension.ACCURACY: 0.30, Dimension.TIMELINESS: 0.20,
    Dimension.CONSISTENCY: 0.20,
}
TARGETS: Final = {
    Dimension.COMPLETENESS: 0.95, Dimension.ACCURACY: 0.98, Dimension.TIMELINESS: 0.95,
    Dimension.CONSISTENCY: 0.90, Dimension.UNIQUENESS: 1.0,
}
WORST_DELAY: Final = timedelta(hours=2)
GREEN_FROM: Final = 0.90
RED_BELOW: Final = 0.10  # more than ten points under a target
FEWEST: Final = 2  # dimensions that must be measured for a number
Pool = Mapping[str, tuple[int, int]]  # check -> (numerator, denominator), summed over scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Fractions of 1; None is "not measured". `overall` is None with insufficient evidence."""

    completeness: float | None
    accuracy: float | None
    timeliness: float | None
    consistency: float | None
    validity: float | None
    uniqueness: float | None
    worst_delay_seconds: int | None
    overall: float | None
    measured: int
    verdict: str  # green, amber, red, insufficient


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check on one account and stream."""

    check: str
    dimension: str
    connection_id: UUID
    connection: str
    platform: str
    account: str
    stream: str
    numerator: int
    denominator: int
    result: str
    reason: str
    evidence: dict[str, Any]

    @property
    def share(self) -> float | None:
        """How often the rule held; None when it was never asked."""
        return self.numerator / self.denominator if self.denominator else None


FAILING: Final = ("warn", "fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The newest evaluation."""

    batch: UUID
    provenance: str
    evaluated_at: datetime
    scores: Scores
    findings: tuple[Finding, ...]

    def worst(self, count: int = 5) -> tuple[Finding, ...]:
        """The findings that failed most, lowest share first."""
        failing = [f for f in self.findings if f.result in FAILING]
        return tuple(sorted(failing, key=lambda f: (f.share or 0, -f.denominator))[:count])


def pool(counts: Iterable[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    """Sum numerators and denominators per check."""
    found: dict[str, tuple[int, int]] = {}
    for name, numerator, denominator in counts:
        before = found.get(name, (0, 0))
        found[name] = (before[0] + numerator, before[1] + denominator)
    return found


def scores(
    counts: Pool, dimensions: Mapping[str, Dimension], worst_delay_seconds: int | None
) -> Scores:
    """All scores from pooled counts. `dimensions` says where each check belongs."""
    measured: dict[Dimension, float | None] = dict.fromkeys(Dimension)
    for dimension in Dimension:
        names = [n for n, d in dimensions.items() if d is dimension]
        measured[dimension] = (
            completeness(counts) if dimension is Dimension.COMPLETENESS
            else _share(counts, names)
        )
    known = {d: measured[d] for d in WEIGHTS if measured[d] is not None}
    overall = None
    if len(known) >= FEWEST:
        weight = sum(WEIGHTS[d] for d in known)
        overall = sum(WEIGHTS[d] * (s or 0.0) for d, s in known.items()) / weight
    return Scores(
        **{d.value: measured[d] for d in Dimension},
        worst_delay_seconds=worst_delay_seconds, overall=overall, measured=len(known),
        verdict=verdict(measured, overall, worst_delay_seconds),
    )


def completeness(counts: Pool) -> float | None:
    """(0.5 day + 0.5 entity) x field; what is not measured drops out and its weight moves."""
    parts = [p for p in (_share(counts, ["day_coverage"]), _share(counts, ["entity_coverage"]))
             if p is not None]
    if not parts:
        return None
    field = _share(counts, ["field_coverage"])
    return sum(parts) / len(parts) * (1.0 if field is None else field)


def verdict(
    measured: Mapping[Dimension, float | None], overall: float | None, delay: int | None
) -> str:
    """Green: overall 90 and each measured dimension at its target; red: one is ten points under."""
    if overall is None:
        return "insufficient"
    known = {d: s for d, s in measured.items() if s is not None and d in TARGETS}
    if any(s < TARGETS[d] - RED_BELOW for d, s in known.items()):
        return "red"
    late = delay is not None and delay >= WORST_DELAY.total_seconds()
    if overall < GREEN_FROM or late or any(s < TARGETS[d] for d, s in known.items()):
        return "amber"
    return "green"


def latest(
    ctx: Context, *, mode: Mode = Mode.AUTO, results: Collection[str] = ()
) -> Report | None:
    """The newest evaluation of this provenance with its findings, all or those with one of these
    results; None before the first.
    """
    ctx.require("quality.read")
    provenance = choose_mode(ctx, mode)
    row = ctx.session.exec(
        select(QualityScore)
        .where(QualityScore.org_id == ctx.org, QualityScore.provenance == provenance)
        .order_by(col(QualityScore.evaluated_at).desc(), col(QualityScore.id).desc())
    ).first()
    if row is None:
        return None
    return Report(
        batch=row.batch, provenance=row.provenance, evaluated_at=row.evaluated_at,
        scores=Scores(**{f: getattr(row, f) for f in Scores.__dataclass_fields__}),
        findings=_findings(ctx, row.batch, results),
    )


def trend(ctx: Context, *, days: int = 90, mode: Mode = Mode.AUTO) -> list[QualityScore]:
    """Evaluations of the last days, oldest first."""
    ctx.require("quality.read")
    return list(
        ctx.session.exec(
            select(QualityScore)
            .where(
                QualityScore.org_id == ctx.org,
                QualityScore.provenance == choose_mode(ctx, mode),
                col(QualityScore.evaluated_at) >= ctx.now() - timedelta(days=days),
            )
            .order_by(col(QualityScore.evaluated_at))
        ).all()
    )


def _findings(ctx: Context, batch: UUID, results: Collection[str]) -> tuple[Finding, ...]:
    asked = (
        select(  # type: ignore[call-overload]
            CheckResult, Account.name, Connection.id, Connection.name, Connection.platform
        )
        .join(Account, col(CheckResult.account_key) == Account.key)
        .join(Connection, col(Account.connection_id) == Connection.id)
        .where(
            CheckResult.org_id == ctx.org, Account.org_id == ctx.org,
            Connection.org_id == ctx.org, CheckResult.batch == batch,
        )
        .order_by(col(CheckResult.id))
    )
    if results:
        asked = asked.where(col(CheckResult.result).in_(results))
    return tuple(
        Finding(
            check=r.check, dimension=r.dimension, connection_id=connection_id,
            connection=connection, platform=platform, account=account, stream=r.stream,
            numerator=r.numerator, denominator=r.denominator, result=r.result, reason=r.reason,
            evidence=r.evidence,
        )
        for r, account, connection_id, connection, platform in ctx.session.exec(asked)
    )


def _share(counts: Pool, names: Iterable[str]) -> float | None:
    numerator = denominator = 0
    for name in names:
        found = counts.get(name, (0, 0))
        numerator, denominator = numerator + found[0], denominator + found[1]
    return numerator / denominator if denominator else None
