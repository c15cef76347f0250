"""Campaigns one by one: the table behind the totals, from the same rows under the same rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, null
from sqlmodel import col, select

from liftos_app.errors import Invalid
from liftos_app.models import Entity, FactDaily
from liftos_app.models.facts import Level
from liftos_app.services.context import Context
from liftos_app.services.metrics import attribution, sums
from liftos_app.services.metrics.definitions import COMPONENTS, METRICS, Kind, Supply
from liftos_app.services.metrics.ledger import compute
from liftos_app.services.metrics.query import Reading, read
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.sources import Source
from liftos_app.services.metrics.values import Amount, Passport, Reason, Value

SHOWN = ("spend", "impressions", "clicks", "ctr", "cpc", "ad_conversions", "ad_value", "roas")
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign over the period."""

    entity_key: int  # inside only
    external_id: str
    name: str
    status: str
    connection_id: UUID
    connection: str
    platform: str
    account: str
    attribution: tuple[str, ...]
    values: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigns:
    """A page of campaigns; `count` is how many there are in all."""

    passport: Passport
    rows: tuple[Campaign, ...]
    totals: dict[str, Value]
    count: int


@dataclass(slots=True)
class _Row:
    source: Source
    amounts: dict[str, Amount]
    settings: set[int]


def campaigns(
    ctx: Context, question: Question, *, connection_id: UUID | None = None, sort: str = "spend",
    descending: bool = True, limit: int = 50, offset: int = 0,
) -> Campaigns:
    """Campaigns with rows in the period, unknown values last whatever the order. Raises Invalid."""
    if sort not in SHOWN or not 1 <= limit <= MOST or offset < 0:
        raise Invalid(
            "The table cannot be shown like this.",
            why=f"It sorts by {', '.join(SHOWN)} and shows 1 to {MOST} rows at once.",
            fix="Choose one of these.", field="sort",
        )
    reading = read(ctx, question)
    sources = {
        s.account_key: s for s in reading.counted
        if Supply.ADS in s.streams and connection_id in {None, s.connection_id}
    }
    rows = _rows(ctx, reading, sources)
    values = {
        key: {n: _value(n, row.amounts, reading) for n in SHOWN} for key, row in rows.items()
    }

    def order(key: int) -> tuple[bool, Decimal, int]:
        amount = values[key][sort].amount
        return amount is None, (amount or Decimal(0)) * (-1 if descending else 1), key

    shown = sorted(rows, key=order)[offset : offset + limit]
    names = _names(ctx, shown)
    keys = frozenset(sources) if connection_id else None
    return Campaigns(
        passport=reading.passport, count=len(rows),
        totals={n: reading.total(n, keys) for n in SHOWN},
        rows=tuple(
            Campaign(
                entity_key=key, external_id=names[key].external_id,
                name=names[key].name or names[key].external_id, status=names[key].status,
                connection_id=rows[key].source.connection_id,
                connection=rows[key].source.connection, platform=rows[key].source.platform,
                account=rows[key].source.account, values=values[key],
                attribution=tuple(attribution.name(n) for n in sorted(rows[key].settings)),
            )
            for key in shown if key in names
        ),
    )


def _rows(ctx: Context, reading: Reading, sources: dict[int, Source]) -> dict[int, _Row]:
    own = [k for k, s in sources.items() if s.currency == reading.currency]
    foreign = [k for k in sources if k not in set(own)]
    found: dict[int, _Row] = {}
    for accounts, by_day in ((own, False), (foreign, True)):
        for key, account, setting, day, count, *picked in _read(
            ctx, reading, accounts, by_day=by_day
        ):
            row = found.setdefault(key, _Row(sources[account], {}, set()))
            for index, name in enumerate(sums.FACTS):
                total, said = picked[2 * index], picked[2 * index + 1]
                amount = row.amounts.setdefault(name, Amount())
                if not said:
                    continue
                if name in sums.CLAIMED:
                    if row.settings - {setting}:
                        amount.add(Amount(reason=Reason.MIXED_ATTRIBUTION, refused=True))
                    row.settings.add(setting)
                found_amount = _amount(reading, row.source, name, int(total), day)
                found_amount.unsure = int(said < count)
                amount.add(found_amount)
    return found


def _amount(
    reading: Reading, source: Source, name: str, stored: int, day: dt.date | None
) -> Amount:
    if day is None or COMPONENTS[name].kind is not Kind.MONEY:
        return Amount(stored, known=1)
    rates = reading.ledger.rates
    converted = rates.convert(stored, source.currency, reading.currency, day)
    if converted is None:
        return Amount(missing=1, reason=Reason.NO_RATE, refused=True)
    return Amount(converted, known=1)


def _read(
    ctx: Context, reading: Reading, accounts: Sequence[int], *, by_day: bool
) -> Sequence[Any]:
    """Sums per campaign; per campaign and day where money must be converted day by day."""
    if not accounts:
        return []
    columns: list[Any] = list(sums.FACTS.values())
    picked = [e for c in columns for e in (func.sum(c), func.count(c))]
    group: list[Any] = [FactDaily.entity_key, FactDaily.account_key, FactDaily.setting]
    day: list[Any] = [FactDaily.day] if by_day else []
    statement = (
        select(*group, *(day or [null()]), func.count(), *picked)  # type: ignore[call-overload]
        .where(
            FactDaily.org_id == ctx.org, FactDaily.level == int(Level.CAMPAIGN),
            col(FactDaily.day) >= reading.period.start, col(FactDaily.day) <= reading.period.end,
            col(FactDaily.account_key).in_(accounts),
        )
        .group_by(*group, *day)
    )
    return list(ctx.session.exec(statement).all())


def _value(metric: str, amounts: dict[str, Amount], reading: Reading) -> Value:
    def find(name: str) -> Amount:
        amount = amounts.get(name, Amount())
        return amount if amount.known or amount.reason else Amount(reason=Reason.NOT_REPORTED)

    return compute(METRICS[metric], find, basis=reading.basis, currency=reading.currency)


def _names(ctx: Context, keys: Sequence[int]) -> dict[int, Entity]:
    if not keys:
        return {}
    rows = ctx.session.exec(
        select(Entity).where(Entity.org_id == ctx.org, col(Entity.key).in_(keys))
    ).all()
    return {r.key: r for r in rows if r.key is not None}
