"""Validity: spend, counts and order amounts are not negative."""

from __future__ import annotations

from sqlalchemy import or_
from sqlmodel import col

from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope

COLUMNS = {
    Lands.FACTS: ("spend_micros", "impressions", "clicks"),
    Lands.ORDERS: ("gross_micros", "subtotal_micros", "discount_micros", "shipping_micros"),
    Lands.MAIL: ("recipients", "delivered", "opens_unique", "clicks_unique"),
}


def run(scope: Scope) -> Measure | None:
    """Rows without a negative value in these columns; a missing value breaks no rule."""
    names = COLUMNS.get(scope.stream.lands)
    if names is None or scope.window is None:
        return None
    model = tables.MODELS[scope.stream.lands]
    bad = or_(*(col(getattr(model, n)) < 0 for n in names))
    rows, negative = tables.counts(scope, tables.where(scope), bad)
    return Measure(
        rows - negative, rows,
        reason="Rows hold a negative amount or count." if negative else "",
        evidence={"negative_rows": negative},
    )


CHECK = Check(
    name="valid_amounts", title="No negative amounts", dimension=Dimension.VALIDITY,
    rule="Spend, impressions, clicks, order amounts and mail counts are zero or more.",
    target=1.0, run=run,
)
