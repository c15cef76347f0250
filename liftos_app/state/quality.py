"""Data quality: the scores against their targets, where they are lost, and every check's counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from liftos_app.services import fallback, figures, organization
from liftos_app.services import format as fmt
from liftos_app.services.connectors import registry
from liftos_app.services.context import Context
from liftos_app.services.metrics.periods import today_in
from liftos_app.services.quality import runner, score
from liftos_app.services.quality.check import Check, Dimension
from liftos_app.services.quality.score import Finding, Report, Scores
from liftos_app.state import words
from liftos_app.state.app import AppState, handler, perform, reach

_TITLES: Final = {
    Dimension.COMPLETENESS: (
        "Completeness",
        "Days, entities and fields that are there, of those expected",
    ),
    Dimension.ACCURACY: ("Accuracy", "Our totals beside the platform's own totals"),
    Dimension.TIMELINESS: ("Timeliness", "Periods read within 2 h of being due"),
    Dimension.CONSISTENCY: ("Consistency", "Sources that tell the same story"),
    Dimension.VALIDITY: ("Validity", "Values that can be true"),
    Dimension.UNIQUENESS: ("Uniqueness", "Rows stored once"),
}
_SCORED: Final = (
    Dimension.COMPLETENESS,
    Dimension.ACCURACY,
    Dimension.TIMELINESS,
    Dimension.CONSISTENCY,
)
_LATER: Final = {
    Dimension.ACCURACY: "Needs the platforms' own totals, which LiftOS does not ask for yet.",
    Dimension.CONSISTENCY: "Needs comparisons between sources, which LiftOS does not make yet.",
}
_VERDICT: Final = {
    "green": ("ok", "On target"),
    "amber": ("warn", "Under target"),
    "red": ("bad", "Far under target"),
    "insufficient": ("mute", "Not enough evidence"),
}
_RESULT: Final = {
    "pass": ("ok", "Passed"),
    "warn": ("warn", "Warning"),
    "fail": ("bad", "Failed"),
    "error": ("bad", "Not run"),
    "not_applicable": ("mute", "Nothing to check"),
}


@dataclass
class Score:
    """One dimension as a card."""

    title: str
    about: str
    value: str
    target: str
    kind: str
    word: str
    note: str


@dataclass
class Place:
    """One connection's row of the grid."""

    id: str
    name: str
    platform: str
    completeness: str
    timeliness: str
    validity: str
    uniqueness: str
    kind: str
    word: str


@dataclass
class Loss:
    """A finding that did not hold everywhere."""

    id: str
    title: str
    why: str
    where: str
    stream: str
    held: str
    kind: str
    word: str
    href: str


@dataclass
class Rule:
    """A check with its counts over all scopes."""

    name: str
    title: str
    rule: str
    dimension: str
    held: str
    kind: str
    word: str


@dataclass
class View:
    """Everything the page shows."""

    overall: str = ""
    kind: str = "mute"
    word: str = ""
    line: str = ""
    provenance: str = ""
    fallbacks: list[words.Standing] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    spark: str = ""
    spark_words: str = ""


class QualityState(AppState):
    """The Data quality page."""

    view: View = View()
    phase: str = "loading"  # loading, none, ready
    running: bool = False

    @handler("quality.read")
    async def load(self):
        """The newest evaluation."""
        await self._show()

    @handler("quality.run")
    async def run_checks(self):
        """Evaluate now."""
        self.running = True
        yield
        try:
            await reach(runner.evaluate)
            await self._show()
            self._note("ok", "Checks run.", more=self.view.line)
        finally:
            self.running = False

    async def _show(self) -> None:
        found = await perform(view_of)
        self.phase = "none" if found is None else "ready"
        self.view = found or View()


def view_of(ctx: Context) -> View | None:
    """The newest evaluation as finished texts; None before the first."""
    report = score.latest(ctx)
    if report is None:
        return None
    zone = organization.get(ctx).time_zone
    checks = {c.name: c for c in runner.all_checks()}
    kind, word = _VERDICT[report.scores.verdict]
    past = [s.overall for s in score.trend(ctx)]
    return View(
        overall=fmt.share(report.scores.overall),
        kind=kind,
        word=word,
        line=f"{report.scores.measured} of 4 dimensions measured, "
        f"{fmt.ago(report.evaluated_at, ctx.now(), zone)}",
        provenance=words.PROVENANCE.get(report.provenance, ""),
        fallbacks=[
            words.standing(f, zone) for f in fallback.active(ctx).values()
        ] if report.provenance == "live" else [],
        scores=[_score(d, report.scores) for d in Dimension],
        places=_places(report, checks),
        losses=_losses(report, checks),
        rules=[_rule(c, report.findings) for c in checks.values()],
        spark=figures.spark([None if v is None else round(v * 1000) for v in past]),
        spark_words=f"Score of the last {len(past)} evaluations up to "
        f"{fmt.day(today_in(zone, report.evaluated_at))}",
    )


def _score(dimension: Dimension, scores: Scores) -> Score:
    title, about = _TITLES[dimension]
    value = getattr(scores, dimension.value)
    target = score.TARGETS.get(dimension)
    late = (
        dimension is Dimension.TIMELINESS
        and scores.worst_delay_seconds is not None
        and scores.worst_delay_seconds >= score.WORST_DELAY.total_seconds()
    )
    note = ""
    if dimension is Dimension.TIMELINESS and scores.worst_delay_seconds is not None:
        note = f"Worst current delay: {fmt.duration(scores.worst_delay_seconds)}"
    if value is None:
        return Score(
            title,
            about,
            "Not measured",
            "",
            "mute",
            "Not measured",
            _LATER.get(dimension, "No settled days to look at yet."),
        )
    if target is not None and value < target - score.RED_BELOW:
        kind, word = "bad", "Far under target"
    elif late or (target is not None and value < target):
        kind, word = "warn", "Under target"
    else:
        kind, word = "ok", "On target" if target else "Measured"
    shown = f"Target {'100%' if target == 1 else '> ' + fmt.share(target, 0)}" if target else ""
    return Score(title, about, fmt.share(value), shown, kind, word, note)


def _places(report: Report, checks: dict[str, Check]) -> list[Place]:
    dimensions = {name: c.dimension for name, c in checks.items()}
    rows = []
    for connection_id in dict.fromkeys(f.connection_id for f in report.findings):
        mine = [f for f in report.findings if f.connection_id == connection_id]
        counts = score.pool((f.check, f.numerator, f.denominator) for f in mine)
        delays = [d for f in mine if (d := f.evidence.get(runner.DELAY)) is not None]
        found = score.scores(counts, dimensions, max(delays, default=None))
        kind, word = _VERDICT[found.verdict]
        rows.append(
            Place(
                id=str(connection_id),
                name=mine[0].connection,
                platform=registry.get(mine[0].platform).name,
                completeness=_share(found.completeness),
                timeliness=_share(found.timeliness),
                validity=_share(found.validity),
                uniqueness=_share(found.uniqueness),
                kind=kind,
                word=word,
            )
        )
    return rows


def _losses(report: Report, checks: dict[str, Check]) -> list[Loss]:
    rows = []
    for number, finding in enumerate(report.worst(50)):
        kind, word = _RESULT[finding.result]
        rows.append(
            Loss(
                id=str(number),
                title=checks[finding.check].title,
                why=finding.reason,
                where=f"{finding.connection}, {finding.account}",
                stream=_stream(finding),
                held=f"{fmt.count(finding.numerator)} of {fmt.count(finding.denominator)}",
                kind=kind,
                word=word,
                href=f"/connections/{finding.connection_id}",
            )
        )
    return rows


def _rule(check: Check, findings: Sequence[Finding]) -> Rule:
    mine = [f for f in findings if f.check == check.name]
    held, asked = sum(f.numerator for f in mine), sum(f.denominator for f in mine)
    order = ("fail", "warn", "error", "pass", "not_applicable")
    worst = next((r for r in order if any(f.result == r for f in mine)), "not_applicable")
    kind, word = _RESULT[worst]
    return Rule(
        name=check.name,
        title=check.title,
        rule=check.rule,
        dimension=_TITLES[check.dimension][0],
        held=f"{fmt.count(held)} of {fmt.count(asked)}" if asked else "Nothing to check",
        kind=kind,
        word=word,
    )


def _share(value: float | None) -> str:
    return fmt.share(value) if value is not None else "Not measured"


def _stream(finding: Finding) -> str:
    try:
        return registry.get(finding.platform).stream(finding.stream).title
    except KeyError:
        return finding.stream
