"""Completeness: do rows hold the values the stream promises?"""

from __future__ import annotations

from sqlalchemy import and_
from sqlmodel import col

from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Required values that are there, of all required values."""
    model = tables.MODELS[scope.stream.lands]
    fields = [f for f in scope.stream.required if f in model.model_fields]
    if not fields or scope.window is None:
        return None
    present = [
        and_(col(getattr(model, f)).is_not(None), getattr(model, f) != "")
        if model.model_fields[f].annotation is str else col(getattr(model, f)).is_not(None)
        for f in fields
    ]
    rows, *filled = tables.counts(scope, tables.where(scope), *present)
    empty = {f: rows - n for f, n in zip(fields, filled, strict=True) if n < rows}
    return Measure(
        sum(filled), rows * len(fields),
        reason="Required values are empty." if empty else "", evidence={"empty": empty},
    )


CHECK = Check(
    name="field_coverage", title="Required values are filled in",
    dimension=Dimension.COMPLETENESS,
    rule="Each value that the stream always has to carry is there in each stored row.",
    target=0.95, run=run,
)
