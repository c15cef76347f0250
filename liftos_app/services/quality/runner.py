"""Runs every check on every account and stream, keeps each count, and scores the whole."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel import col, select

from liftos_app.models import Account, CheckResult, Provenance, QualityScore
from liftos_app.services import audit, fallback
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.metrics.question import Mode
from liftos_app.services.metrics.sources import choose_mode, find
from liftos_app.services.quality import checks as package
from liftos_app.services.quality import score
from liftos_app.services.quality.check import Check, Measure, Scope, chosen_streams, periods

# Rows that only exist once per account need no window; they are dated with the day of evaluation.
DELAY: Final = "current_delay_seconds"


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Every module of `checks/` that exports CHECK. Raises ValueError for two with one name."""
    found: dict[str, Check] = {}
    for info in pkgutil.iter_modules(package.__path__):
        check: Check = importlib.import_module(f"{package.__name__}.{info.name}").CHECK
        if check.name != info.name or check.name in found:
            raise ValueError(f"The check in {info.name} must be called {info.name!r}.")
        found[check.name] = check
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Findings:
    """What one evaluation found, not stored yet."""

    batch: UUID
    provenance: Provenance
    evaluated_at: datetime
    results: tuple[CheckResult, ...]

    @property
    def scores(self) -> score.Scores:
        """What the results make together."""
        counts = [(r.check, r.numerator, r.denominator) for r in self.results]
        delays = [d for r in self.results if (d := r.evidence.get(DELAY)) is not None]
        return score.scores(
            score.pool(counts), {c.name: c.dimension for c in all_checks()},
            max(delays, default=None),
        )


def evaluate(app: App, who: Principal, org_id: int | None, *, mode: Mode = Mode.AUTO) -> UUID:
    """Check everything of one provenance and store the results. Returns the batch.

    Counting millions of rows takes its time: it is done in a reading context, so that it holds
    nobody's writing up. Raises Denied.
    """
    with open_context(app, who, org_id) as ctx:
        found = look(ctx, mode=mode)
    with open_context(app, who, org_id, write=True) as ctx:
        return keep(ctx, found)


def look(ctx: Context, *, mode: Mode = Mode.AUTO) -> Findings:
    """Run every check on every account and stream.

    Live and demo are evaluated apart and never share a score; a connection with a fallback has
    none until its next good sync.
    """
    ctx.require("quality.run")
    provenance = choose_mode(ctx, mode)
    batch, results = uuid4(), []
    for scope in _scopes(ctx, provenance.value):
        for check in all_checks():
            measure = check.run(scope)
            if measure is not None:
                results.append(_row(ctx, batch, check, scope, measure))
    return Findings(batch, provenance, ctx.now(), tuple(results))


def keep(ctx: Context, found: Findings) -> UUID:
    """Store an evaluation. Returns its batch. Accounts deleted meanwhile have no part in it."""
    ctx.require("quality.run")
    there = _still_there(ctx, {r.account_key for r in found.results})
    found = replace(found, results=tuple(r for r in found.results if r.account_key in there))
    scores = found.scores
    ctx.session.add_all(found.results)
    row = QualityScore(
        org_id=ctx.org, batch=found.batch, provenance=found.provenance.value,
        evaluated_at=found.evaluated_at,
        **{name: getattr(scores, name) for name in score.Scores.__dataclass_fields__},
    )
    ctx.session.add(row)
    audit.record(
        ctx, "quality.evaluated", row, batch=str(found.batch), verdict=scores.verdict
    )
    return found.batch


def _still_there(ctx: Context, keys: set[int]) -> set[int]:
    """Those of these accounts that exist; nobody deletes them before the transaction ends."""
    found = ctx.session.exec(
        select(Account.key).where(col(Account.org_id) == ctx.org, col(Account.key).in_(keys))
        .with_for_update(read=True, key_share=True)
    )
    return {key for key in found if key is not None}


def _scopes(ctx: Context, provenance: str) -> Iterator[Scope]:
    now = ctx.now()
    apart = fallback.active(ctx) if provenance == Provenance.LIVE else {}
    found = find(ctx, choose_mode(ctx, Mode(provenance)))
    sources = tuple(s for s in found if s.connection_id not in apart)
    for source in sources:
        for stream in chosen_streams(source):
            window, settled = periods(source, stream, now)
            yield Scope(
                session=ctx.session, org_id=ctx.org, source=source, peers=sources, stream=stream,
                window=window, settled=settled, now=now,
            )


def _row(ctx: Context, batch: UUID, check: Check, scope: Scope, measure: Measure) -> CheckResult:
    today = scope.source.today(scope.now)
    return CheckResult(
        org_id=ctx.org, batch=batch, check=check.name, dimension=check.dimension.value,
        rule_version=check.version, account_key=scope.account_key, stream=scope.stream.name,
        window_start=scope.window.start if scope.window else today,
        window_end=scope.window.end if scope.window else today,
        numerator=measure.numerator, denominator=measure.denominator,
        result=_result(check, measure), reason=measure.reason,
        evidence=_json(measure), evaluated_at=scope.now,
    )


def _result(check: Check, measure: Measure) -> str:
    if not measure.denominator:
        return "not_applicable"
    if measure.numerator >= measure.denominator:
        return "pass"
    return "warn" if measure.numerator / measure.denominator >= check.target else "fail"


def _json(measure: Measure) -> dict[str, Any]:
    return dict(measure.evidence)
