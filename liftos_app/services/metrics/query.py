"""The only reader of facts: totals, days, channels, claims, campaigns, each with its passport.

`read` loads what a question needs once; the answers are then taken from the same rows, so that
tiles, charts and tables of one page agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from liftos_app.models import Organization, Provenance
from liftos_app.services import fallback
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.fallback import Fallback, Kind
from liftos_app.services.metrics import attribution, coverage, currency, sums
from liftos_app.services.metrics.definitions import BASES, METRICS, Supply, Unit
from liftos_app.services.metrics.ledger import PLACES, Ledger, Scope, ratio
from liftos_app.services.metrics.periods import Comparison, Period, comparison, today_in
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.sources import Source, choose_mode, find
from liftos_app.services.metrics.values import (
    Conversion,
    Delta,
    Freshness,
    Gap,
    Passport,
    Reason,
    Value,
)

# A change against a period with more than a tenth of its account-days unread would mislead.
COMPARABLE = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """One value per metric over the whole period, and its change when a comparison was asked."""

    passport: Passport
    values: dict[str, Value]
    deltas: dict[str, Delta]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's values. `day` is the day in each account's own zone."""

    day: dt.date
    values: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The days of the period that have begun; `previous` are those of the comparison, in order."""

    passport: Passport
    days: tuple[Day, ...]
    previous: tuple[Day, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One connection. `spend_share` is its part of all spend, a fraction of 1.

    Of one that is set apart the values are what stands in for it, and are in no total.
    """

    connection_id: UUID
    connection: str
    platform: str
    platform_name: str
    color_index: int
    supplies: tuple[Supply, ...]
    values: dict[str, Value]
    deltas: dict[str, Delta]
    spend_share: Decimal | None
    attribution: tuple[str, ...]
    provenance: str
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Every connection that answers, in the order they were made."""

    passport: Passport
    rows: tuple[Channel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one platform claims. `of_revenue` is its part of store revenue, a fraction of 1."""

    connection_id: UUID
    connection: str
    platform: str
    color_index: int
    attribution: tuple[str, ...]
    claimed: Value
    of_revenue: Decimal | None
    provenance: str
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Platform claims beside store revenue; claims overlap, so their sum may exceed it."""

    passport: Passport
    rows: tuple[Claim, ...]
    claimed: Value
    revenue: Value
    claim_ratio: Value


class Reading:
    """What one question needs, loaded once. Made by `read`."""

    def __init__(self, ctx: Context, question: Question) -> None:
        organization = ctx.session.get_one(Organization, ctx.org)
        self.question, self._ctx, self._has_reach = question, ctx, False
        self.now = ctx.now()
        self.today = today_in(organization.time_zone, self.now)
        self.period = Period(question.start, question.end)
        self.compared = comparison(self.period, question.compare, self.today)
        self.provenance = choose_mode(ctx, question.mode)
        self.sources = find(ctx, self.provenance, question.platforms)
        self.apart = self._set_apart()
        self.counted = [s for s in self.sources if s.connection_id not in self.apart]
        self.currency = question.currency or organization.currency
        self.basis = (
            organization.revenue_basis if organization.revenue_basis in BASES else "net_sales"
        )
        self.ledger = self._load(self.sources, self.provenance, apart=self.apart)
        self._beside: dict[UUID, tuple[Ledger, frozenset[int]]] = {}
        self.passport = self._passport()

    # --- answers -----------------------------------------------------------------------------

    def totals(self, metrics: Sequence[str] = ()) -> Totals:
        """Each metric over the period, with its change."""
        names = metrics or tuple(METRICS)
        self._complete(names)
        return Totals(
            passport=self.passport,
            values={n: self.ledger.value(n, Scope(self.period)) for n in names},
            deltas=self._deltas(names, None),
        )

    def total(self, metric: str, accounts: frozenset[int] | None = None) -> Value:
        """One metric over the period, of some accounts or all."""
        return self.ledger.value(metric, Scope(self.period, accounts))

    def by_day(self, metrics: Sequence[str], before: Sequence[str] | None = None) -> Days:
        """Each metric on each day. A day nobody has read is None, a confirmed empty one 0.

        `before`: the metrics wanted of the days before; None: all of them.
        """
        self._complete(metrics)
        earlier = metrics if before is None else before
        return Days(
            passport=self.passport, days=self._days(metrics, self.period),
            previous=self._days(earlier, self.compared.against) if self.compared else (),
        )

    def by_channel(self, metrics: Sequence[str]) -> Channels:
        """Each metric for each connection; a metric a connection cannot have is None.

        A connection that brings none of them (payments, CRM) is no channel and left out.
        """
        self._complete(metrics)
        spend = self.ledger.value("spend", Scope(self.period))
        rows = []
        for sources in self._connections():
            if not any(s.streams for s in sources):
                continue
            first = sources[0]
            aside = self.apart.get(first.connection_id)
            ledger, keys = self.figures(sources)
            scope = Scope(self.period, keys)
            rows.append(Channel(
                connection_id=first.connection_id, connection=first.connection,
                platform=first.platform, platform_name=first.platform_name,
                color_index=first.color_index,
                supplies=tuple(sorted({x for s in sources for x in s.streams})),
                values={n: ledger.value(n, scope) for n in metrics},
                deltas={} if aside else self._deltas(metrics, keys),
                spend_share=None if aside else ratio(ledger.value("spend", scope), spend),
                attribution=tuple(attribution.name(n) for n in ledger.settings(keys)),
                provenance=aside.provenance if aside else self.provenance.value, fallback=aside,
            ))
        return Channels(passport=self.passport, rows=tuple(rows))

    def claims(self) -> Claims:
        """What each platform claims beside what the store took."""
        revenue = self.ledger.value("revenue", Scope(self.period))
        rows = []
        for sources in self._connections():
            if not any(x in s.streams for s in sources for x in (Supply.ADS, Supply.MAIL)):
                continue
            aside = self.apart.get(sources[0].connection_id)
            ledger, keys = self.figures(sources)
            claimed = ledger.value("claimed_value", Scope(self.period, keys))
            rows.append(Claim(
                connection_id=sources[0].connection_id, connection=sources[0].connection,
                platform=sources[0].platform, color_index=sources[0].color_index,
                attribution=tuple(attribution.name(n) for n in ledger.settings(keys)),
                claimed=claimed,
                of_revenue=None if aside else self._of_revenue(claimed, revenue, keys),
                provenance=aside.provenance if aside else self.provenance.value, fallback=aside,
            ))
        return Claims(
            passport=self.passport, rows=tuple(rows), revenue=revenue,
            claimed=self.ledger.value("claimed_value", Scope(self.period)),
            claim_ratio=self.ledger.value("claim_ratio", Scope(self.period)),
        )

    def _of_revenue(
        self, claimed: Value, revenue: Value, keys: frozenset[int]
    ) -> Decimal | None:
        """A platform's claims over what the store took, on the days that both have."""
        if not (claimed.missing or revenue.missing):
            return ratio(claimed, revenue)
        both = self.ledger.common(self.period, [
            *((name, keys) for name in self.ledger.names("claimed_value", keys)),
            *((name, None) for name in self.ledger.names("revenue")),
        ])
        return ratio(
            self.ledger.value("claimed_value", Scope(both, keys)),
            self.ledger.value("revenue", Scope(both)),
        )

    # --- loading -----------------------------------------------------------------------------

    def _set_apart(self) -> dict[UUID, Fallback]:
        """Connections of this question that fail and have a stand-in; live questions only."""
        if self.provenance is not Provenance.LIVE:
            return {}
        return fallback.active(self._ctx, {s.connection_id for s in self.sources})

    def figures(self, sources: Sequence[Source]) -> tuple[Ledger, frozenset[int]]:
        """Where a connection's own figures are, and for which accounts: of one that is set apart,
        those that stand in for it.
        """
        aside = self.apart.get(sources[0].connection_id)
        if aside is None:
            return self.ledger, frozenset(s.account_key for s in sources)
        if aside.connection_id not in self._beside:
            mode = Provenance.DEMO if aside.kind is Kind.DEMO else self.provenance
            own = find(self._ctx, mode, (aside.platform,)) if mode is Provenance.DEMO else sources
            self._beside[aside.connection_id] = (
                self._load(own, mode), frozenset(s.account_key for s in own)
            )
        return self._beside[aside.connection_id]

    def _load(
        self, sources: Sequence[Source], mode: Provenance, apart: Container[UUID] = (),
    ) -> Ledger:
        """Everything of some accounts; of connections set apart only that they are."""
        session, org = self._ctx.session, self._ctx.org
        spans = self._spans()
        read = [s for s in sources if s.connection_id not in apart]
        cells = sums.all_of(session, org, read, spans)
        codes = {s.currency for s in sources} | {c.currency for c in cells}
        start, end = min(s.start for s in spans), max(s.end for s in spans)
        cover = coverage.load(session, org, sources, spans, self.now)
        aside = {s.account_key for s in sources} - {s.account_key for s in read}
        return Ledger(
            sources=sources, cells=cells, currency=self.currency, basis=self.basis,
            cover={at: Gap.SET_APART if at[0] in aside else gap for at, gap in cover.items()},
            rates=currency.load(
                session, org, codes | {self.currency}, start=start, end=end, mode=mode,
            ),
        )

    def _complete(self, metrics: Iterable[str]) -> None:
        """Load what only rare metrics need, once."""
        if self._has_reach or not any("reach" in METRICS[m].parts for m in metrics):
            return
        self._has_reach = True
        for span in self._spans():
            self.ledger.add(
                sums.reach(
                    self._ctx.session, self._ctx.org, sums.keys(self.counted, Supply.ADS), span
                )
            )

    def _spans(self) -> list[Period]:
        return [self.period, *([self.compared.against] if self.compared else [])]

    # --- helpers -----------------------------------------------------------------------------

    def _days(self, metrics: Sequence[str], period: Period) -> tuple[Day, ...]:
        return tuple(
            Day(day=day, values={n: self.ledger.value(n, Scope((day,))) for n in metrics})
            for day in period if day <= self.today
        )

    def _deltas(self, metrics: Iterable[str], keys: frozenset[int] | None) -> dict[str, Delta]:
        if self.compared is None:
            return {}
        return {
            n: change(
                n, self.ledger.value(n, Scope(self.compared.base, keys)),
                self.ledger.value(n, Scope(self.compared.against, keys)),
            )
            for n in metrics
        }

    def _connections(self) -> list[list[Source]]:
        groups: dict[UUID, list[Source]] = {}
        for source in self.sources:
            groups.setdefault(source.connection_id, []).append(source)
        return list(groups.values())

    def _passport(self) -> Passport:
        holes = coverage.holes(self.sources, self.ledger.cover, self.period)
        fresh = tuple(_freshness(group, self.now) for group in self._connections())
        bringing = [s.data_through(self.now) for s in self.counted if s.streams]
        reached = [d for d in bringing if d is not None]
        compared: Comparison | None = self.compared
        return Passport(
            provenance=self.provenance.value, period=self.period,
            against=compared.against if compared else None, currency=self.currency,
            revenue_basis=self.basis,
            time_zones=tuple(sorted({s.time_zone for s in self.sources})),
            attribution=tuple(attribution.name(n) for n in self.ledger.settings()),
            connections=fresh,
            data_through=min(reached) if reached and len(reached) == len(bringing) else None,
            as_of=self.now, incomplete=self.period.end >= self.today, partial=bool(holes),
            holes=holes, conversions=self._conversions(),
            mixed_currencies=len(self.ledger.currencies()) > 1,
            fallbacks=tuple(self.apart.values()),
        )

    def _conversions(self) -> tuple[Conversion, ...]:
        self.ledger.touch_money(self.period)
        return tuple(
            Conversion(
                source=source, target=target, rate_sources=tuple(sorted(used.sources)),
                carried_days=tuple(sorted(d for d in used.carried if d in self.period)),
                missing_days=tuple(sorted(d for d in used.missing if d in self.period)),
            )
            for (source, target), used in sorted(self.ledger.rates.used.items())
        )


def read(ctx: Context, question: Question) -> Reading:
    """Load what a question needs."""
    ctx.require("metrics.read")
    return Reading(ctx, question)


def totals(ctx: Context, question: Question, metrics: Sequence[str] = ()) -> Totals:
    """Each metric over the period; all metrics when none is named."""
    return read(ctx, question).totals(metrics)


def by_day(ctx: Context, question: Question, metrics: Sequence[str]) -> Days:
    """Each metric on each day."""
    return read(ctx, question).by_day(metrics)


def by_channel(ctx: Context, question: Question, metrics: Sequence[str]) -> Channels:
    """Each metric for each connection."""
    return read(ctx, question).by_channel(metrics)


def claims(ctx: Context, question: Question) -> Claims:
    """Platform claims beside store revenue."""
    return read(ctx, question).claims()


def change(metric: str, current: Value, previous: Value) -> Delta:
    """(current - previous) / |previous|; previous 0 or unknown gives no percentage."""
    relative: Decimal | None = None
    points: Decimal | None = None
    why = ""
    if current.amount is None:
        why = "none"
    elif _thin(current) or _thin(previous) or previous.reason is Reason.NOT_LOADED:
        why = "incomplete"
    elif previous.amount is None or previous.amount == 0:
        why = "new"
    else:
        gap = Fraction(current.amount) - Fraction(previous.amount)
        relative = fmt.rounded(gap / abs(Fraction(previous.amount)), PLACES)
        if METRICS[metric].unit is Unit.SHARE:
            points = fmt.rounded(gap, PLACES)
    return Delta(base=current, previous=previous, relative=relative, points=points, why=why)


def _thin(value: Value) -> bool:
    return value.expected > 0 and Decimal(value.missing) / value.expected > COMPARABLE


def _freshness(sources: Sequence[Source], now: dt.datetime) -> Freshness:
    first = sources[0]
    days = [s.data_through(now) for s in sources if s.streams]
    reached = [d for d in days if d is not None]
    return Freshness(
        connection_id=first.connection_id, connection=first.connection, platform=first.platform,
        status=str(first.status), last_success_at=first.last_success_at,
        data_through=min(reached) if reached and len(reached) == len(days) else None,
        brings=bool(days),
    )
