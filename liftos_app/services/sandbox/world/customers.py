"""Who bought, without anything personal: a customer is the first order of a chain of orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from liftos_app.services.sandbox.world.sales import FIRST_CUSTOMER, FIRST_ORDER, TEST, Sales
from liftos_app.services.sandbox.world.shop import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer at one moment. `spent` in cents of USD, refunds taken off."""

    id: int
    created_at: datetime
    updated_at: datetime  # of the last order
    orders: int
    spent: int
    order_ids: tuple[int, ...]  # oldest first


def find(sales: Sales, *, rows: slice, updated: Span = (None, None)) -> list[int]:
    """Ids of the customers of these rows of orders, oldest first; staff tests are no customers."""
    shown = np.arange(rows.start, rows.stop)
    shown = shown[sales.cause[shown] != TEST]
    latest = np.zeros(len(sales.id), dtype=np.int64)
    np.maximum.at(latest, sales.root[shown], sales.created[shown])
    keep = latest > 0
    low, high = updated
    if low is not None:
        keep &= latest >= low.timestamp()
    if high is not None:
        keep &= latest < high.timestamp()
    found: list[int] = (sales.id[np.flatnonzero(keep)] - FIRST_ORDER + FIRST_CUSTOMER).tolist()
    return found


def one(sales: Sales, customer_id: int, *, as_of: datetime) -> Customer | None:
    """One customer, None before the first order."""
    first = customer_id - FIRST_CUSTOMER + FIRST_ORDER
    row = int(np.searchsorted(sales.id, first))
    moment = int(as_of.timestamp())
    if row >= len(sales.id) or int(sales.id[row]) != first or sales.created[row] > moment:
        return None
    last = int(np.searchsorted(sales.created, moment, side="right"))
    own = np.flatnonzero(sales.root[:last] == row)
    if len(own) == 0 or sales.cause[row] == TEST:
        return None
    back = own[sales.refunded_at[own] <= moment]
    returned = sales.refund_subtotal[back] + sales.refund_tax[back] + sales.refund_shipping[back]
    return Customer(
        id=customer_id,
        created_at=_at(sales, row),
        updated_at=_at(sales, int(own[-1])),
        orders=len(own),
        spent=int(sales.total[own].sum() - returned.sum()),
        order_ids=tuple(sales.id[own].tolist()),
    )


def _at(sales: Sales, row: int) -> datetime:
    return datetime.fromtimestamp(int(sales.created[row]), UTC)
