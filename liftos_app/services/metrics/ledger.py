"""Cells, coverage and rates put together: what is known about each component on each account-day,
and its sums over any set of days and accounts. Applies the null and zero rules; reads nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from liftos_app.services import format as fmt
from liftos_app.services.metrics.coverage import Cover
from liftos_app.services.metrics.currency import MILLION, Rates
from liftos_app.services.metrics.definitions import (
    CLAIMS,
    COMPONENTS,
    METRICS,
    NOT_ADDITIVE,
    Kind,
    Metric,
    Sum,
    Supply,
    Unit,
    resolve,
)
from liftos_app.services.metrics.sources import Source
from liftos_app.services.metrics.sums import CLAIMED, Cell
from liftos_app.services.metrics.values import Amount, Gap, Reason, Value

PLACES = 6  # money to the micro-unit, ratios and shares to the millionth
_NOTHING = Amount()
UNREAD = frozenset({Gap.MISSING, Gap.FAILED, Gap.BEFORE_HISTORY, Gap.PARTIAL})


@dataclass(frozen=True, slots=True)
class Scope:
    """What to add up: days, and accounts (None: all)."""

    days: Iterable[dt.date]
    accounts: frozenset[int] | None = None


class Ledger:
    """All account-days of one question, in one currency."""

    def __init__(
        self, *, sources: Sequence[Source], cells: Sequence[Cell], cover: Cover, rates: Rates,
        currency: str, basis: str,
    ) -> None:
        self.sources, self.currency, self.basis = sources, currency, basis
        self.cover, self.rates = cover, rates
        self._cells: dict[tuple[int, Supply, dt.date], list[Cell]] = {}
        self._by_key = {s.account_key: s for s in sources}
        # Metrics share components, scopes share accounts: each sum is made once, and read only.
        self._known: dict[tuple[str, int, dt.date], Amount | None] = {}
        self._spans: dict[tuple[str, int, tuple[dt.date, ...]], Amount] = {}
        self._amounts: dict[tuple[str, tuple[dt.date, ...], frozenset[int] | None], Amount] = {}
        self._brought: dict[tuple[Supply, frozenset[int] | None], bool] = {}
        self.add(cells)

    def add(self, cells: Sequence[Cell]) -> None:
        """Take in cells of components that were not loaded at first."""
        self._known, self._spans, self._amounts = {}, {}, {}
        for cell in cells:
            self._cells.setdefault((cell.account_key, cell.supply, cell.day), []).append(cell)

    def value(self, metric: str | Metric, scope: Scope) -> Value:
        """A metric over a scope: None with its reason when it cannot be known.

        A ratio counts the days on which both of its sides are known, and says that it is partial.
        """
        rule = METRICS[metric] if isinstance(metric, str) else metric
        days = tuple(scope.days)
        found = self._over(rule, days, scope.accounts)
        if not rule.under or not found.missing or found.amount is None or len(days) < 2:
            return found
        sides = [(name, scope.accounts) for name in self.names(rule, scope.accounts)]
        both = self.common(days, sides)
        if len(both) == len(days):
            return found
        narrow = self._over(rule, both, scope.accounts)
        return replace(found, amount=narrow.amount, reason=narrow.reason, partial=True)

    def common(
        self, days: Iterable[dt.date], sides: Sequence[tuple[str, frozenset[int] | None]]
    ) -> tuple[dt.date, ...]:
        """Days on which each side (component, accounts) is whole; where there is none, those on
        which each is known in part.
        """
        spans = tuple(days)
        there = [d for d in spans if all(self.amount(n, (d,), a).known for n, a in sides)]
        whole = [d for d in there if not any(self.amount(n, (d,), a).missing for n, a in sides)]
        return tuple(whole or there)

    def _over(
        self, rule: Metric, days: tuple[dt.date, ...], accounts: frozenset[int] | None
    ) -> Value:
        return compute(
            rule, lambda name: self.amount(name, days, accounts), basis=self.basis,
            currency=self.currency, brings=lambda s: self.brings(s, accounts),
        )

    def names(self, metric: str | Metric, accounts: frozenset[int] | None = None) -> list[str]:
        """The components of a metric; of a ratio, those of both sides."""
        rule = METRICS[metric] if isinstance(metric, str) else metric
        return list(dict.fromkeys(
            name for parts in (rule.over, rule.under) if parts
            for name in _components(parts, self.basis, lambda s: self.brings(s, accounts))
        ))

    def amount(
        self, component: str, days: Iterable[dt.date], accounts: frozenset[int] | None = None
    ) -> Amount:
        """One component over days and accounts, exact, in stored units (money: micro-units).

        The same object for the same question: not to be changed.
        """
        key = (component, tuple(days), accounts)
        found = self._amounts.get(key)
        if found is None:
            found = self._amounts[key] = self._amount(*key)
        return found

    def _amount(
        self, component: str, days: tuple[dt.date, ...], accounts: frozenset[int] | None
    ) -> Amount:
        supply = COMPONENTS[component].supply
        total, any_source = Amount(), False
        for source in self.sources:
            if supply not in source.streams:
                continue
            if accounts is not None and source.account_key not in accounts:
                continue
            any_source = True
            total.add(self._span(component, source.account_key, days))
        if not any_source:
            return Amount(reason=Reason.NO_SOURCE)
        if component in NOT_ADDITIVE and total.known > 1:
            return Amount(reason=Reason.NOT_ADDITIVE, refused=True)
        if not total.known and not total.missing:  # days that have not begun
            total.reason = Reason.NOT_LOADED
        return total

    def _span(self, component: str, account_key: int, days: tuple[dt.date, ...]) -> Amount:
        if len(days) == 1:
            return self._at(component, account_key, days[0]) or _NOTHING
        key = (component, account_key, days)
        found = self._spans.get(key)
        if found is None:
            found = self._spans[key] = Amount()
            for day in days:
                there = self._at(component, account_key, day)
                if there is not None:
                    found.add(there)
        return found

    def brings(self, supply: Supply, accounts: frozenset[int] | None = None) -> bool:
        """Whether any of the accounts brings a supply."""
        key = (supply, accounts)
        if key not in self._brought:
            self._brought[key] = any(
                supply in s.streams for s in self.sources
                if accounts is None or s.account_key in accounts
            )
        return self._brought[key]

    def settings(self, accounts: frozenset[int] | None = None) -> list[int]:
        """Attribution settings whose claims are in the cells."""
        return sorted({
            c.setting for cells in self._cells.values() for c in cells
            if (accounts is None or c.account_key in accounts)
            and any(c.said.get(name) for name in CLAIMED)
        })

    def touch_money(self, days: Iterable[dt.date]) -> None:
        """Look up the rate of every foreign amount in a span, so that `rates.used` names them."""
        span = set(days)
        for (account, _, day), cells in self._cells.items():
            for cell in cells if day in span else ():
                source = cell.currency or self._by_key[account].currency
                if any(v and COMPONENTS[n].kind is Kind.MONEY for n, v in cell.sums.items()):
                    self.rates.factor(source, self.currency, day)

    def currencies(self) -> set[str]:
        """Currencies of the money that was added up."""
        return {
            c.currency or self._by_key[c.account_key].currency
            for cells in self._cells.values() for c in cells
        }

    def _at(self, component: str, account_key: int, day: dt.date) -> Amount | None:
        key = (component, account_key, day)
        if key not in self._known:
            self._known[key] = self._find(component, account_key, day)
        return self._known[key]

    def _find(self, component: str, account_key: int, day: dt.date) -> Amount | None:
        supply = COMPONENTS[component].supply
        spot = (account_key, supply, day)
        cells = [c for c in self._cells.get(spot, []) if component in c.said]
        if spot not in self.cover:
            if not cells:
                return None  # the day has not begun there
            gap: Gap | None = Gap.EARLY
        else:
            gap = self.cover[spot]
        if gap is Gap.SET_APART:
            return Amount(missing=1, reason=Reason.SET_APART)
        if not cells:
            if gap in UNREAD:
                return Amount(missing=1, reason=Reason.NOT_LOADED)
            return Amount(known=1, unsure=int(gap is not None))
        spoken = [c for c in cells if c.said[component]]
        if not spoken:
            return Amount(missing=1, reason=Reason.NOT_REPORTED)
        return _refusal(component, spoken) or self._convert(component, spoken, gap)

    def _convert(self, component: str, cells: Sequence[Cell], gap: Gap | None) -> Amount:
        kind = COMPONENTS[component].kind
        total: Fraction | int = 0
        for cell in cells:
            stored = cell.sums[component]
            if kind is Kind.WHOLE:
                total += stored
                continue
            source = cell.currency or self._by_key[cell.account_key].currency
            if kind is Kind.MICRO or source == self.currency:
                total += stored
                continue
            converted = self.rates.convert(stored, source, self.currency, cell.day)
            if converted is None:
                return Amount(missing=1, reason=Reason.NO_RATE, refused=True)
            total += converted
        silent = any(c.said[component] < c.rows for c in cells)
        return Amount(total, known=1, unsure=int(silent or gap is not None))


def _refusal(component: str, cells: Sequence[Cell]) -> Amount | None:
    """Why cells of one account-day must not be added up, if so."""
    if component in NOT_ADDITIVE and sum(c.rows for c in cells) > 1:
        return Amount(missing=1, reason=Reason.NOT_ADDITIVE, refused=True)
    if component in CLAIMED and len({c.setting for c in cells}) > 1:
        return Amount(missing=1, reason=Reason.MIXED_ATTRIBUTION, refused=True)
    return None


def compute(
    rule: Metric, find: Callable[[str], Amount], *, basis: str, currency: str,
    brings: Callable[[Supply], bool] = lambda _: True,
) -> Value:
    """A metric from its components, under the null and zero rules. Rounds once, at the end."""
    over = _sum(rule.over, find, basis, brings)
    under = _sum(rule.under, find, basis, brings) if rule.under else None
    parts = [over] if under is None else [over, under]
    exact, reason = _divide(rule, over, under)
    missing = max(p.missing for p in parts)
    return Value(
        metric=rule.key, amount=None if exact is None else fmt.rounded(exact, PLACES),
        currency=currency if rule.unit is Unit.MONEY else "",
        partial=any(p.partial for p in parts), missing=missing,
        expected=max(p.missing + p.known for p in parts), reason=reason,
    )


def _sum(
    parts: Sum, find: Callable[[str], Amount], basis: str, brings: Callable[[Supply], bool]
) -> Amount:
    """In millionths: of a currency unit, of one."""
    total = Amount()
    for name, factor in _components(parts, basis, brings).items():
        found = find(name)
        if found.value is None:
            return Amount(
                missing=found.missing, reason=found.reason or Reason.NOT_LOADED, refused=True
            )
        scale = MILLION if COMPONENTS[name].kind is Kind.WHOLE else 1
        known, missing = max(total.known, found.known), max(total.missing, found.missing)
        total.add(found, factor * scale)
        total.known, total.missing = known, missing  # the same account-days, not more of them
    return total


def _components(
    parts: Sum, basis: str, brings: Callable[[Supply], bool]
) -> dict[str, int]:
    """Components of a sum; of claims only those that are connected, unless none is."""
    found = resolve(parts, basis)
    if not any(name in CLAIMS for name in parts):
        return found
    here = {n: f for n, f in found.items() if brings(COMPONENTS[n].supply)}
    return here or found


def _divide(
    rule: Metric, over: Amount, under: Amount | None
) -> tuple[Fraction | None, Reason]:
    if over.value is None:
        return None, over.reason
    top = over.value * rule.times
    if under is None:
        return Fraction(top, MILLION), over.reason
    if under.value is None:
        return None, under.reason
    if under.value == 0:
        return None, Reason.ZERO
    return Fraction(top, under.value), over.reason or under.reason


def ratio(over: Value, under: Value) -> Decimal | None:
    """One answered value over another, None under the null rules. For shares of a total."""
    if over.amount is None or under.amount is None or under.amount == 0:
        return None
    return fmt.rounded(Fraction(over.amount) / Fraction(under.amount), PLACES)
