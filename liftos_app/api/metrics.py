"""The numbers of the Overview, for programs: the same answers from the same rows."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from liftos_app.api.deps import ContextDep
from liftos_app.api.metrics_models import (
    ChannelsOut,
    ClaimsOut,
    DaysOut,
    DefinitionOut,
    DefinitionsOut,
    TotalsOut,
)
from liftos_app.api.shapes import Day
from liftos_app.errors import Invalid
from liftos_app.services import overview
from liftos_app.services.context import Context
from liftos_app.services.metrics import periods, query
from liftos_app.services.metrics.asked import CUSTOM, Asked, question
from liftos_app.services.metrics.definitions import METRICS

router = APIRouter(prefix="/metrics", tags=["Metrics"])
_RANGES = "|".join([*periods.PRESETS, CUSTOM])


def _asked(
    ranged: Annotated[str, Query(alias="range", pattern=f"^({_RANGES})$")] = "last_28",
    start: Day | None = None,
    end: Day | None = None,
    compare: Literal["none", "previous_period", "previous_weekdays", "previous_year"] = "none",
    mode: Literal["", "live", "demo"] = "",
    *,
    today: bool = False,
) -> Asked:
    """`range`, or `start` and `end` (both inclusive); `today`: the day that is not over counts."""
    if start or end:
        if ranged not in {CUSTOM, "last_28"}:
            raise Invalid(
                "A named range and days are both given.", why="Only one of them can hold.",
                fix="Leave out range, or leave out start and end.", field="range",
            )
        ranged = CUSTOM
    return Asked(
        range=ranged, start=start.isoformat() if start else "", end=end.isoformat() if end else "",
        compare=compare, mode=mode, today="1" if today else "",
    )


AskedDep = Annotated[Asked, Depends(_asked)]
MetricsQuery = Annotated[
    list[Annotated[str, Query(json_schema_extra={"enum": list(METRICS)})]] | None,
    Query(alias="metric", description="Repeat it for several; without it the Overview's own."),
]


def _names(given: list[str] | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(given or overview.TILES))
    unknown = [n for n in names if n not in METRICS]
    if unknown:
        raise Invalid(
            f"{unknown[0]!r} is no metric.", why="GET /metrics/definitions lists them all.",
            fix="Use one of its names.", field="metric",
        )
    return names


def _reading(ctx: Context, asked: Asked) -> query.Reading:
    wanted, _ = question(ctx, asked)
    return query.read(ctx, wanted)


@router.get("/definitions")
def definitions(ctx: ContextDep) -> DefinitionsOut:
    """Every metric: its title, unit, definition and formula."""
    ctx.require("metrics.read")
    return DefinitionsOut(data=[
        DefinitionOut(
            metric=m.key, title=m.title, unit=m.unit.value, better=m.better.value,
            definition=m.definition, formula=m.formula, additive=m.additive,
            attributed=m.attributed, uses_basis=m.uses_basis,
        )
        for m in METRICS.values()
    ])


@router.get("/totals")
def totals(ctx: ContextDep, asked: AskedDep, metric: MetricsQuery = None) -> TotalsOut:
    """Metrics over the period, each with its change when a comparison is asked for."""
    return TotalsOut.of(_reading(ctx, asked).totals(_names(metric)))


@router.get("/days")
def days(ctx: ContextDep, asked: AskedDep, metric: MetricsQuery = None) -> DaysOut:
    """Metrics on each day. A day nobody has read is null, a confirmed empty one 0."""
    return DaysOut.of(_reading(ctx, asked).by_day(_names(metric)))


@router.get("/channels")
def channels(ctx: ContextDep, asked: AskedDep, metric: MetricsQuery = None) -> ChannelsOut:
    """Metrics of each connection; one that it cannot have is null."""
    names = _names(metric) if metric else overview.CHANNEL_METRICS
    return ChannelsOut.of(_reading(ctx, asked).by_channel(names))


@router.get("/claims")
def claims(ctx: ContextDep, asked: AskedDep) -> ClaimsOut:
    """What each platform claims beside what the store took."""
    return ClaimsOut.of(_reading(ctx, asked).claims())
