"""Money of many currencies in one: exact conversion with the reference rate of the row's day.

Rates come from `RateDay` (fetched or entered by services.rates). A pair is found directly, turned
round, or crossed through the euro. A weekend or holiday uses the last earlier rate, at most
five days old. A missing rate is None: never 1.0, never a guess.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from sqlmodel import Session, col, select

from liftos_app.models import Provenance, RateDay

PIVOT: Final = "EUR"
OLDEST_DAYS: Final = 5
MILLION: Final = 1_000_000
MANUAL, ECB, SANDBOX = "manual", "ecb", "ecb_sandbox"
# Rates of the invented world never touch live money; what a person entered holds everywhere.
SOURCES: Final = {Provenance.LIVE: (MANUAL, ECB), Provenance.DEMO: (MANUAL, SANDBOX, ECB)}


@dataclass(frozen=True, slots=True)
class Quote:
    """A published figure: `rate` millionths of `base` for one unit of `currency`, on a day."""

    day: dt.date
    rate: int
    source: str


@dataclass(frozen=True, slots=True)
class Factor:
    """What to multiply by, where it came from, and how many days old its oldest part is."""

    value: Fraction
    age_days: int
    sources: tuple[str, ...]


@dataclass(slots=True)
class Used:
    """What conversions of one pair relied on, for the passport of the numbers."""

    sources: set[str] = field(default_factory=set)
    carried: set[dt.date] = field(default_factory=set)  # days that used an earlier rate
    missing: set[dt.date] = field(default_factory=set)  # days without any rate


class Rates:
    """The quotes of one organization for one question, and a record of which were used."""

    def __init__(self, quotes: dict[tuple[str, str], list[Quote]]) -> None:
        self._quotes = quotes
        self._found: dict[tuple[str, str, dt.date], Factor | None] = {}
        self.used: dict[tuple[str, str], Used] = {}

    def factor(self, source: str, target: str, day: dt.date) -> Factor | None:
        """How much of `target` one unit of `source` is on a day; None when nobody published it."""
        if source == target:
            return Factor(Fraction(1), 0, ())
        key = (source, target, day)
        if key not in self._found:
            self._found[key] = self._pair(source, target, day) or self._crossed(source, target, day)
            self._note(key)
        return self._found[key]

    def convert(self, micros: int, source: str, target: str, day: dt.date) -> Fraction | int | None:
        """Micro-units of `source` in micro-units of `target`, exact. Zero needs no rate."""
        if micros == 0 or source == target:
            return micros
        factor = self.factor(source, target, day)
        return None if factor is None else micros * factor.value

    def _pair(self, source: str, target: str, day: dt.date) -> Factor | None:
        direct = self._last(target, source, day)  # base target: target for one unit of source
        if direct:
            return Factor(
                Fraction(direct.rate, MILLION), (day - direct.day).days, (direct.source,)
            )
        turned = self._last(source, target, day)
        if turned:
            return Factor(
                Fraction(MILLION, turned.rate), (day - turned.day).days, (turned.source,)
            )
        return None

    def _crossed(self, source: str, target: str, day: dt.date) -> Factor | None:
        if PIVOT in {source, target}:
            return None
        first, second = self._pair(source, PIVOT, day), self._pair(PIVOT, target, day)
        if first is None or second is None:
            return None
        return Factor(
            first.value * second.value, max(first.age_days, second.age_days),
            tuple(sorted({*first.sources, *second.sources})),
        )

    def _last(self, base: str, currency: str, day: dt.date) -> Quote | None:
        quotes = self._quotes.get((base, currency), [])
        index = bisect_right(quotes, day, key=lambda q: q.day) - 1
        if index < 0 or (day - quotes[index].day).days > OLDEST_DAYS:
            return None
        return quotes[index]

    def _note(self, key: tuple[str, str, dt.date]) -> None:
        source, target, day = key
        used, factor = self.used.setdefault((source, target), Used()), self._found[key]
        if factor is None:
            used.missing.add(day)
            return
        used.sources.update(factor.sources)
        if factor.age_days:
            used.carried.add(day)


def load(
    session: Session, org_id: int, currencies: Iterable[str], *, start: dt.date, end: dt.date,
    mode: Provenance,
) -> Rates:
    """The quotes between any two of these currencies and the euro, with the days before `start`."""
    codes = {*currencies, PIVOT} - {""}
    if len(codes) <= 1 or codes == {PIVOT}:
        return Rates({})
    rows = session.exec(
        select(RateDay)
        .where(
            RateDay.org_id == org_id,
            col(RateDay.base).in_(codes),
            col(RateDay.currency).in_(codes),
            col(RateDay.day) >= start - dt.timedelta(days=OLDEST_DAYS),
            col(RateDay.day) <= end,
            col(RateDay.source).in_(SOURCES.get(mode, SOURCES[Provenance.LIVE])),
            RateDay.rate > 0,
        )
        .order_by(col(RateDay.day))
    ).all()
    quotes: dict[tuple[str, str], list[Quote]] = {}
    for row in rows:
        quotes.setdefault((row.base, row.currency), []).append(Quote(row.day, row.rate, row.source))
    return Rates(quotes)
