"""Validity: no value of conversions where the platform named no conversions."""

from __future__ import annotations

from sqlalchemy import and_
from sqlmodel import col

from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Rows whose conversion value is empty when their conversions are."""
    if scope.stream.lands not in {Lands.FACTS, Lands.MAIL} or scope.window is None:
        return None
    model = tables.MODELS[scope.stream.lands]
    number = model.conversions_micros if scope.stream.lands is Lands.FACTS else model.conversions
    wrong = and_(col(number).is_(None), col(model.value_micros).is_not(None))
    rows, bad = tables.counts(scope, tables.where(scope), wrong)
    return Measure(
        rows - bad, rows,
        reason="Rows have a conversion value but no conversions." if bad else "",
        evidence={"rows": bad},
    )


CHECK = Check(
    name="valid_conversions", title="No value without conversions", dimension=Dimension.VALIDITY,
    rule="Where the platform reports no conversions, it reports no conversion value either.",
    target=1.0, run=run,
)
