"""Validity: no row lies in the future."""

from __future__ import annotations

from sqlmodel import col

from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Rows dated up to today in the account's time zone, of all rows since the window began."""
    if scope.stream.lands is Lands.ENTITIES or scope.window is None:
        return None
    day = col(tables.MODELS[scope.stream.lands].day)
    limits = [*tables.where(scope, dated=False), day >= scope.window.start]
    rows, good = tables.counts(scope, limits, day <= scope.source.today(scope.now))
    return Measure(good, rows, reason="Rows are dated in the future." if good < rows else "")


CHECK = Check(
    name="valid_days", title="No day in the future", dimension=Dimension.VALIDITY,
    rule="The day of each row is today or earlier in the account's time zone.", target=1.0, run=run,
)
