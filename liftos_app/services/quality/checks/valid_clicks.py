"""Validity: nothing is clicked more often than it was shown."""

from __future__ import annotations

from sqlalchemy import and_
from sqlmodel import col

from liftos_app.models import FactDaily
from liftos_app.services.connectors.spec import Lands
from liftos_app.services.metrics.sources import platform_of
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Rows with at least as many impressions as clicks, of the rows that have both."""
    platform = platform_of(scope.source.platform)
    if scope.stream.lands is not Lands.FACTS or scope.window is None:
        return None
    if platform is None or platform.category != "Ads":  # mail and analytics count otherwise
        return None
    shown, clicked = col(FactDaily.impressions), col(FactDaily.clicks)
    both = and_(shown.is_not(None), clicked.is_not(None))
    _, rows, wrong = tables.counts(scope, tables.where(scope), both, and_(both, clicked > shown))
    return Measure(
        rows - wrong, rows, reason="Rows have more clicks than impressions." if wrong else "",
        evidence={"rows": wrong},
    )


CHECK = Check(
    name="valid_clicks", title="Clicks do not exceed impressions", dimension=Dimension.VALIDITY,
    rule="A row of an advertising platform has at least as many impressions as clicks.",
    target=0.99, run=run,
)
