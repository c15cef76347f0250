"""Validity: ids are well formed."""

from __future__ import annotations

from sqlalchemy import and_
from sqlmodel import col, func

from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Entities and records whose id is not empty and has no space at its ends."""
    if scope.stream.lands is not Lands.ENTITIES and not scope.stream.lands.records:
        return None
    if scope.stream.lands.records and scope.window is None:
        return None
    ident = col(tables.MODELS[scope.stream.lands].external_id)
    rows, good = tables.counts(
        scope, tables.where(scope), and_(ident != "", func.trim(ident) == ident)
    )
    return Measure(good, rows, reason="Ids are empty or padded." if good < rows else "")


CHECK = Check(
    name="valid_ids", title="Well-formed ids", dimension=Dimension.VALIDITY,
    rule="The platform's id of each campaign, ad, product and order is there and not padded.",
    target=1.0, run=run,
)
