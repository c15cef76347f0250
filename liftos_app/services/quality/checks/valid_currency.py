"""Validity: money is in a currency that exists."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, func, select

from liftos_app.models import CrmRecord
from liftos_app.services import currencies
from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import Check, Dimension, Measure, Scope


def run(scope: Scope) -> Measure | None:
    """Rows whose currency is a code of ISO 4217: the record's own, else the account's."""
    if scope.stream.lands is Lands.ENTITIES or scope.window is None:
        return None
    if scope.stream.lands.records:
        model = tables.MODELS[scope.stream.lands]
        found = scope.session.exec(
            select(model.currency, func.count()).where(*tables.where(scope), *_with_money(model))
            .group_by(col(model.currency))
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


def _with_money(model: Any) -> list[Any]:
    """Records of a CRM need no currency when they carry no amount."""
    return [col(model.amount_micros).is_not(None)] if model is CrmRecord else []


CHECK = Check(
    name="valid_currency", title="Known currencies", dimension=Dimension.VALIDITY,
    rule="Each amount is in a currency of ISO 4217.", target=1.0, run=run,
)
