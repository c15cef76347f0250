"""The SQL of the metrics: sums per account and day, one level only, straight from the tables.

Every statement is limited to the organization, a span of days and the accounts asked for, so it
runs on the indexes (org_id, level, day) and (org_id, day).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlmodel import Session, col, select

from liftos_app.models import FactDaily, FactExtra, Order, Refund
from liftos_app.models.facts import Level
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.metrics.definitions import Supply
from liftos_app.services.metrics.periods import Period
from liftos_app.services.metrics.sources import Source

MAIL_SETTING = ATTRIBUTION["klaviyo_event_date"]
VOID = ("VOIDED", "voided")
FACTS = {
    "impressions": FactDaily.impressions, "clicks": FactDaily.clicks,
    "spend": FactDaily.spend_micros, "ad_conversions": FactDaily.conversions_micros,
    "ad_value": FactDaily.value_micros,
}
_MAIL = {"mail_conversions": FactDaily.conversions_micros, "mail_value": FactDaily.value_micros}
CLAIMED = frozenset({"ad_conversions", "ad_value", "mail_conversions", "mail_value"})


@dataclass(slots=True)
class Cell:
    """Sums of one account on one day in one currency (empty: the account's own).

    `said` counts the rows that had a value, `rows` all of them: fewer said is "did not say".
    """

    account_key: int
    day: dt.date
    supply: Supply
    currency: str = ""
    setting: int = 0
    rows: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)


def all_of(
    session: Session, org_id: int, sources: Sequence[Source], periods: Iterable[Period]
) -> list[Cell]:
    """Everything that some accounts bring in some periods, apart from reach."""
    ad, store = keys(sources, Supply.ADS), keys(sources, Supply.STORE)
    mails = [s for s in sources if Supply.MAIL in s.streams]
    cells: list[Cell] = []
    for period in periods:
        cells += ads(session, org_id, ad, period)
        cells += orders(session, org_id, store, period)
        cells += refunds(session, org_id, store, period)
        for level in {s.streams[Supply.MAIL].level for s in mails}:
            own = [s.account_key for s in mails if s.streams[Supply.MAIL].level == level]
            cells += mail(session, org_id, own, period, level=level)
    return cells


def keys(sources: Iterable[Source], supply: Supply) -> list[int]:
    """The accounts that bring a supply."""
    return [s.account_key for s in sources if supply in s.streams]


def ads(session: Session, org_id: int, accounts: Sequence[int], period: Period) -> list[Cell]:
    """Delivery and claims at campaign level."""
    where = (FactDaily.level == int(Level.CAMPAIGN),)
    return _daily(session, org_id, accounts, period, supply=Supply.ADS, columns=FACTS, where=where)


def mail(
    session: Session, org_id: int, accounts: Sequence[int], period: Period, *, level: int
) -> list[Cell]:
    """Claims of a mail platform by day of the order."""
    where = (FactDaily.level == level, FactDaily.setting == MAIL_SETTING)
    return _daily(session, org_id, accounts, period, supply=Supply.MAIL, columns=_MAIL, where=where)


def _daily(
    session: Session, org_id: int, accounts: Sequence[int], period: Period, *, supply: Supply,
    columns: dict[str, Any], where: tuple[Any, ...],
) -> list[Cell]:
    if not accounts:
        return []
    picked = [e for c in columns.values() for e in (func.sum(c), func.count(c))]
    statement = (
        select(FactDaily.account_key, FactDaily.day, FactDaily.setting, func.count(), *picked)  # type: ignore[call-overload]
        .where(
            FactDaily.org_id == org_id, *where, col(FactDaily.day) >= period.start,
            col(FactDaily.day) <= period.end, col(FactDaily.account_key).in_(accounts),
        )
        .group_by(FactDaily.account_key, FactDaily.day, FactDaily.setting)
    )
    cells = []
    for key, day, setting, rows, *values in session.exec(statement).all():
        cell = Cell(key, day, supply, setting=setting, rows=rows)
        for index, name in enumerate(columns):
            total, said = values[2 * index], values[2 * index + 1]
            cell.said[name] = said
            if said:
                cell.sums[name] = int(total)
        cells.append(cell)
    return cells


def reach(session: Session, org_id: int, accounts: Sequence[int], period: Period) -> list[Cell]:
    """People reached, per account and day; only a day of one single campaign has a figure."""
    if not accounts:
        return []
    statement = (
        select(  # type: ignore[call-overload]
            FactExtra.account_key, FactExtra.day, func.count(), func.sum(FactExtra.value)
        )
        .where(
            FactExtra.org_id == org_id, FactExtra.level == int(Level.CAMPAIGN),
            FactExtra.metric == "reach", col(FactExtra.day) >= period.start,
            col(FactExtra.day) <= period.end, col(FactExtra.account_key).in_(accounts),
        )
        .group_by(FactExtra.account_key, FactExtra.day)
    )
    return [
        Cell(key, day, Supply.ADS, rows=rows, sums={"reach": int(total)}, said={"reach": rows})
        for key, day, rows, total in session.exec(statement).all()
    ]


def orders(session: Session, org_id: int, accounts: Sequence[int], period: Period) -> list[Cell]:
    """Store orders by order day; test and voided ones left out."""
    if not accounts:
        return []
    kept = col(Order.cancelled_at).is_(None)
    first = and_(kept, col(Order.customer_order_index) == 1)
    sums: dict[str, ColumnElement[Any]] = {
        "sales_goods": func.sum(Order.subtotal_micros),
        "sales_charged": func.sum(Order.gross_micros),
        "discounts": func.sum(Order.discount_micros),
        "shipping": func.sum(Order.shipping_micros),
        "tax": func.sum(Order.tax_micros),
        "cancelled_orders": _total(~kept, 1),
        "orders": _total(kept, 1),
        "items": _total(kept, Order.items),
        "kept_goods": _total(kept, Order.subtotal_micros),
        "kept_charged": _total(kept, Order.gross_micros),
        "kept_discounts": _total(kept, Order.discount_micros),
        "new_customers": _total(first, 1),
        "first_goods": _total(first, Order.subtotal_micros),
        "first_charged": _total(first, Order.gross_micros),
        "first_discounts": _total(first, Order.discount_micros),
    }
    known_index = _total(and_(kept, col(Order.customer_order_index).is_not(None)), 1)
    statement = (
        select(  # type: ignore[call-overload]
            Order.account_key, Order.day, Order.currency, func.count(), known_index, *sums.values()
        )
        .where(
            Order.org_id == org_id, col(Order.account_key).in_(accounts),
            col(Order.day) >= period.start, col(Order.day) <= period.end,
            col(Order.is_test).is_(False), col(Order.financial_status).not_in(VOID),
        )
        .group_by(Order.account_key, Order.day, Order.currency)
    )
    cells = []
    for key, day, currency, rows, indexed, *values in session.exec(statement).all():
        cell = Cell(key, day, Supply.STORE, currency=currency, rows=rows)
        for name, value in zip(sums, values, strict=True):
            cell.sums[name] = int(value or 0)
            cell.said[name] = rows
        silent = cell.sums["orders"] - int(indexed or 0)  # nobody knows whether they are first
        for name in ("new_customers", "first_goods", "first_charged", "first_discounts"):
            cell.said[name] = 0 if silent and not indexed else rows - silent
        cells.append(cell)
    return cells


def refunds(session: Session, org_id: int, accounts: Sequence[int], period: Period) -> list[Cell]:
    """Money given back by day of the refund; those of test and voided orders left out.

    A refund whose order is older than the stored history counts: it lowers today's sales.
    """
    if not accounts:
        return []
    statement = (
        select(  # type: ignore[call-overload]
            Refund.account_key, Refund.day, Refund.currency, func.count(),
            func.sum(Refund.goods_micros), func.count(col(Refund.goods_micros)),
            func.sum(Refund.amount_micros),
        )
        .join(
            Order,
            and_(col(Order.account_key) == col(Refund.account_key),
                 col(Order.external_id) == col(Refund.order_id)),
            isouter=True,
        )
        .where(
            Refund.org_id == org_id, col(Refund.account_key).in_(accounts),
            col(Refund.day) >= period.start, col(Refund.day) <= period.end,
            or_(
                col(Order.key).is_(None),
                and_(col(Order.org_id) == org_id, col(Order.is_test).is_(False),
                     col(Order.financial_status).not_in(VOID)),
            ),
        )
        .group_by(Refund.account_key, Refund.day, Refund.currency)
    )
    return [
        Cell(
            key, day, Supply.STORE, currency=currency, rows=rows,
            sums={"returned_goods": int(goods or 0), "refunded": int(amount)},
            said={"returned_goods": goods_said, "refunded": rows},
        )
        for key, day, currency, rows, goods, goods_said, amount in session.exec(statement).all()
    ]


def _total(condition: ColumnElement[bool], value: Any) -> ColumnElement[Any]:
    return func.sum(case((condition, value), else_=0))
