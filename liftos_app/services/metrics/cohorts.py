"""What customers are worth: LTV after n days by acquisition cohort, and LTV:CAC.

A cohort is the customers whose first order ever falls in the period. Their net sales up to n days
after that day are added up, goods they sent back by then taken off, and divided by their number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import and_, func
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from liftos_app.models import Order, Refund
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.metrics import currency
from liftos_app.services.metrics.currency import MILLION
from liftos_app.services.metrics.definitions import Supply
from liftos_app.services.metrics.ledger import PLACES
from liftos_app.services.metrics.periods import Period
from liftos_app.services.metrics.query import Reading, read
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.sums import VOID
from liftos_app.services.metrics.values import Passport, Reason

AGES: Final = (30, 90, 180, 365)
DEFINITION: Final = (
    "Net sales per customer whose first order ever falls in the period, up to n days after that "
    "order, minus goods returned by then. A cohort that is not n days old yet has none; nothing is "
    "extrapolated."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """LTV after `days`, money per customer. None with its reason while the cohort is too young."""

    days: int
    ltv: Decimal | None
    ratio_to_cac: Decimal | None
    reason: str = ""  # immature, or a Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The customers won in a period and what they are worth."""

    passport: Passport
    customers: int
    rows: tuple[Worth, ...]


@dataclass(frozen=True, slots=True)
class _Flow:
    first: dt.date
    day: dt.date
    currency: str
    micros: int


def lifetime(ctx: Context, question: Question, ages: Sequence[int] = AGES) -> Cohort:
    """LTV of the cohort won in the period, at each age."""
    reading = read(ctx, question)
    stores = [s for s in reading.counted if Supply.STORE in s.streams]
    keys = [s.account_key for s in stores]
    through = [s.data_through(reading.now) for s in stores]
    known = min((d for d in through if d), default=None) if all(through) else None
    customers = _customers(ctx, keys, reading.period)
    flows = [*_orders(ctx, keys, reading.period), *_returns(ctx, keys, reading.period)]
    cac = reading.total("cac").amount
    last = reading.period.end + dt.timedelta(days=max(ages, default=0))
    rates = currency.load(
        ctx.session, ctx.org, {f.currency for f in flows} | {reading.currency},
        start=reading.period.start, end=last, mode=reading.provenance,
    )
    return Cohort(
        passport=reading.passport, customers=customers,
        rows=tuple(
            _worth(age, reading, customers=customers, flows=flows, known=known, rates=rates,
                   cac=cac)
            for age in ages
        ),
    )


def _worth(
    age: int, reading: Reading, *, customers: int, flows: Sequence[_Flow], known: dt.date | None,
    rates: currency.Rates, cac: Decimal | None,
) -> Worth:
    span = dt.timedelta(days=age)
    if not reading.ledger.brings(Supply.STORE):
        return Worth(days=age, ltv=None, ratio_to_cac=None, reason=Reason.NO_SOURCE.value)
    if known is None or reading.period.end + span > known:
        return Worth(days=age, ltv=None, ratio_to_cac=None, reason="immature")
    if not customers:
        return Worth(days=age, ltv=None, ratio_to_cac=None, reason=Reason.ZERO.value)
    total = Fraction(0)
    for flow in flows:
        if flow.day - flow.first > span:
            continue
        amount = rates.convert(flow.micros, flow.currency, reading.currency, flow.day)
        if amount is None:
            return Worth(days=age, ltv=None, ratio_to_cac=None, reason=Reason.NO_RATE.value)
        total += amount
    exact = total / MILLION / customers
    ratio = fmt.rounded(exact / Fraction(cac), PLACES) if cac else None
    return Worth(days=age, ltv=fmt.rounded(exact, PLACES), ratio_to_cac=ratio)


def _valid(order: Any, org_id: int, keys: Sequence[int]) -> list[Any]:
    return [
        order.org_id == org_id, order.account_key.in_(keys), order.is_test.is_(False),
        order.financial_status.not_in(VOID), order.cancelled_at.is_(None), order.customer_ref != "",
    ]


def _won(first: Any, period: Period) -> list[Any]:
    return [first.customer_order_index == 1, first.day >= period.start, first.day <= period.end]


def _customers(ctx: Context, keys: Sequence[int], period: Period) -> int:
    if not keys:
        return 0
    first: Any = aliased(Order)
    return ctx.session.exec(
        select(func.count()).select_from(first)
        .where(*_valid(first, ctx.org, keys), *_won(first, period))
    ).one()


def _orders(ctx: Context, keys: Sequence[int], period: Period) -> list[_Flow]:
    """Goods by cohort day and order day; every later order of a customer that was won."""
    if not keys:
        return []
    first: Any = aliased(Order)
    order: Any = aliased(Order)
    rows = ctx.session.exec(
        select(first.day, order.day, order.currency, func.sum(order.subtotal_micros))
        .join(order, and_(
            order.account_key == first.account_key, order.customer_ref == first.customer_ref,
            order.day >= first.day,
        ))
        .where(*_valid(first, ctx.org, keys), *_won(first, period),
               *_valid(order, ctx.org, keys), order.day >= period.start)
        .group_by(first.day, order.day, order.currency)
    ).all()
    return [_Flow(start, day, code, int(total)) for start, day, code, total in rows]


def _returns(ctx: Context, keys: Sequence[int], period: Period) -> list[_Flow]:
    """Goods sent back, by cohort day and refund day, as negative amounts."""
    if not keys:
        return []
    first: Any = aliased(Order)
    order: Any = aliased(Order)
    rows = ctx.session.exec(
        select(  # type: ignore[call-overload]
            first.day, Refund.day, Refund.currency, func.sum(Refund.goods_micros)
        )
        .join(order, and_(
            order.account_key == first.account_key, order.customer_ref == first.customer_ref,
            order.day >= first.day,
        ))
        .join(Refund, and_(
            col(Refund.account_key) == order.account_key,
            col(Refund.order_id) == order.external_id, col(Refund.org_id) == ctx.org,
        ))
        .where(*_valid(first, ctx.org, keys), *_won(first, period),
               *_valid(order, ctx.org, keys), col(Refund.day) >= period.start)
        .group_by(first.day, col(Refund.day), col(Refund.currency))
    ).all()
    return [_Flow(start, day, code, -int(total or 0)) for start, day, code, total in rows]
