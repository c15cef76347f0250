"""Counting rows of a scope: which table a stream lands in, and how to limit it to the window."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import col, select

from liftos_app.models import CrmRecord, Entity, FactDaily, MailFact, Order, Payment
from liftos_app.services.connectors.spec import Lands
from liftos_app.services.quality.check import Scope

MODELS: dict[Lands, Any] = {
    Lands.FACTS: FactDaily, Lands.ENTITIES: Entity, Lands.ORDERS: Order, Lands.MAIL: MailFact,
    Lands.CRM: CrmRecord, Lands.PAYMENTS: Payment,
}


def where(scope: Scope, *, dated: bool = True) -> list[Any]:
    """Conditions that limit the stream's table to the organization, account, level and window."""
    model = MODELS[scope.stream.lands]
    limits = [model.org_id == scope.org_id, model.account_key == scope.account_key]
    if not scope.stream.lands.records:
        limits.append(model.level == scope.stream.level)
    elif scope.stream.kind:
        limits.append(model.kind == scope.stream.kind)
    if dated and scope.stream.lands is not Lands.ENTITIES and scope.window is not None:
        limits += [col(model.day) >= scope.window.start, col(model.day) <= scope.window.end]
    return limits


def counts(scope: Scope, limits: list[Any], *conditions: Any) -> list[int]:
    """How many rows there are, and how many meet each condition, in one pass."""
    model = MODELS[scope.stream.lands]
    picked = [_count(c) for c in conditions]
    row: Any = scope.session.exec(
        select(func.count(), *picked).select_from(model).where(*limits)
    ).one()
    return [int(v or 0) for v in (row if picked else (row,))]


def _count(condition: SQLCoreOperations[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))
