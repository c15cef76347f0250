"""Validity: money is in a currency that exists."""

from __future__ import annotations

from sqlmodel import col, func, select

from liftos_app.models import Order
from liftos_app.services import currencies
from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Rows whose currency is a code of ISO 4217: the order's own, else the account's."""
    if scope.stream.lands is Lands.ENTITIES or scope.window is None:
        return None
    if scope.stream.lands is Lands.ORDERS:
        found = scope.session.exec(
            select(Order.currency, func.count()).where(*tables.where(scope))
            .group_by(col(Order.currency))
        ).all()
    else:
        [rows] = tables.counts(scope, tables.where(scope))
        found = [(scope.source.currency, rows)]
    unknown = {code: n for code, n in found if not currencies.is_currency(code) and n}
    total = sum(n for _, n in found)
    return Measure(
        total - sum(unknown.values()), total,
        reason="Money has no currency that is known." if unknown else "",
        evidence={"unknown": unknown},
    )


CHECK = Check(
    name="valid_currency", title="Known currencies", dimension=Dimension.VALIDITY,
    rule="Each amount is in a currency of ISO 4217.", target=1.0, run=run,
)
