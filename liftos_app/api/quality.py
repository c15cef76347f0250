"""Data quality for programs: the newest evaluation, and running the checks now."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from liftos_app.api.deps import CallerDep, ContextDep
from liftos_app.api.shapes import Strict
from liftos_app.errors import Missing
from liftos_app.services.context import Context
from liftos_app.services.metrics.question import Mode
from liftos_app.services.quality import runner, score

router = APIRouter(prefix="/quality", tags=["Data quality"])
ModeQuery = Literal["", "live", "demo"]
Result = Literal["pass", "warn", "fail", "not_applicable"]


class ScoresOut(Strict):
    """Fractions of 1; null is "not measured". `overall` is null with insufficient evidence."""

    completeness: float | None
    accuracy: float | None
    timeliness: float | None
    consistency: float | None
    validity: float | None
    uniqueness: float | None
    worst_delay_seconds: int | None
    overall: float | None
    measured: int
    verdict: str


class FindingOut(Strict):
    """One check on one account and stream: how often the rule held, of how often it was asked."""

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


class ReportOut(Strict):
    """The newest evaluation of live or of demo data."""

    batch: UUID
    provenance: str
    evaluated_at: dt.datetime
    scores: ScoresOut
    findings: list[FindingOut]


class RuleOut(Strict):
    """What a check asks, and the share from which it holds."""

    check: str
    title: str
    dimension: str
    rule: str
    target: float


class RulesOut(Strict):
    """All checks."""

    data: list[RuleOut]


def _report(ctx: Context, mode: Mode, results: tuple[str, ...] = ()) -> ReportOut:
    found = score.latest(ctx, mode=mode, results=results)
    if found is None:
        raise Missing(
            "Nothing has been checked yet.", why="Checks run after each sync.",
            fix="Sync a connection, or POST /quality/checks.",
        )
    return ReportOut(
        batch=found.batch, provenance=found.provenance, evaluated_at=found.evaluated_at,
        scores=ScoresOut(**{n: getattr(found.scores, n) for n in ScoresOut.model_fields}),
        findings=[
            FindingOut(**{n: getattr(f, n) for n in FindingOut.model_fields})
            for f in found.findings
        ],
    )


@router.get("")
def latest(
    ctx: ContextDep, mode: ModeQuery = "", result: Annotated[list[Result] | None, Query()] = None
) -> ReportOut:
    """Scores and findings of the newest evaluation; `result` keeps only such findings."""
    return _report(ctx, Mode(mode), tuple(result or ()))


@router.get("/rules")
def rules(ctx: ContextDep) -> RulesOut:
    """Every check with its rule in words."""
    ctx.require("quality.read")
    return RulesOut(data=[
        RuleOut(
            check=c.name, title=c.title, dimension=c.dimension.value, rule=c.rule, target=c.target
        )
        for c in runner.all_checks()
    ])


@router.post("/checks")
def run_checks(caller: CallerDep, mode: ModeQuery = "") -> ReportOut:
    """Run all checks now and answer with what they found."""
    runner.evaluate(caller.app, caller.who, caller.org_id, mode=Mode(mode))
    with caller.read() as ctx:
        return _report(ctx, Mode(mode))
