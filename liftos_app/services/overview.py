"""Everything the Overview shows, from one reading: tiles with their days and passports, days,
channels, claims, and what needs a person. Pages, REST and the command line take it from here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from liftos_app.services import attention
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.fallback import Fallback
from liftos_app.services.metrics import attribution, query, readout
from liftos_app.services.metrics.definitions import (
    BASIS_TITLES,
    COMPONENTS,
    METRICS,
    Metric,
    Supply,
    resolve,
)
from liftos_app.services.metrics.ledger import Scope
from liftos_app.services.metrics.query import Channels, Claims, Days, Reading, Totals
from liftos_app.services.metrics.question import Question
from liftos_app.services.metrics.sources import platform_of
from liftos_app.services.metrics.values import Delta, Gap, Passport, Value
from liftos_app.services.quality import score

TILES: Final = (
    "spend",
    "revenue",
    "blended_roas",
    "mer",
    "orders",
    "aov",
    "new_customers",
    "cac",
    "claimed_value",
    "claim_ratio",
)
CHANNEL_METRICS: Final = ("spend", "claimed_value", "roas", "revenue")
NOT_OVER: Final = "The last day is not over in every account's time zone: it still grows."
_CHECKS: Final = 5  # failed checks that are listed at most
_RANK: Final = {"bad": 0, "warn": 1, "info": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What stands in for a connection that fails. `value` None: a ratio is not shown apart."""

    fallback: Fallback
    value: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A metric: its value, its change, its days, and where it comes from in words."""

    metric: str
    title: str
    value: Value
    delta: Delta | None
    spark: tuple[Decimal | None, ...]
    passport: str
    beside: tuple[Beside, ...] = ()  # what stands in for connections that are not in it
    not_over: bool = False  # its last day still runs in the time zone of an account


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something for a person. `kind`: bad, warn, info. `link`: the page that helps."""

    kind: str
    what: str
    why: str
    link: str
    act: str = ""  # of an attention item: reauthorise, look, finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One page's answers, all from the same rows."""

    passport: Passport
    tiles: tuple[Tile, ...]
    days: Days
    channels: Channels
    claims: Claims
    needs: tuple[Need, ...]
    verdict: str  # of the newest quality evaluation; empty before the first

    def tile(self, metric: str) -> Tile:
        """A tile by its metric. Raises KeyError."""
        for tile in self.tiles:
            if tile.metric == metric:
                return tile
        raise KeyError(metric)


def read(ctx: Context, question: Question, metrics: Sequence[str] = TILES) -> Overview:
    """The Overview of a period."""
    reading = query.read(ctx, question)
    totals, days = reading.totals(metrics), reading.by_day(metrics, before=("revenue",))
    report = score.latest(ctx, mode=question.mode, results=score.FAILING)
    return Overview(
        passport=reading.passport,
        tiles=tuple(_tile(METRICS[name], reading, totals, days) for name in metrics),
        days=days,
        channels=reading.by_channel(CHANNEL_METRICS),
        claims=reading.claims(),
        needs=needs(ctx, reading, report),
        verdict=report.scores.verdict if report else "",
    )


def _tile(metric: Metric, reading: Reading, totals: Totals, days: Days) -> Tile:
    value, not_over = totals.values[metric.key], _not_over(metric, reading)
    return Tile(
        metric=metric.key,
        title=metric.title,
        value=value,
        delta=totals.deltas.get(metric.key),
        spark=tuple(d.values[metric.key].amount for d in days.days),
        passport=passport_words(metric, value, reading, not_over=not_over),
        beside=_beside(metric, reading),
        not_over=not_over,
    )


def _not_over(metric: Metric, reading: Reading) -> bool:
    supplies = _supplies(metric, reading)
    return any(
        reading.ledger.cover.get((source.account_key, supply, reading.period.end)) is Gap.EARLY
        for source in reading.counted for supply in supplies
    )


def _supplies(metric: Metric, reading: Reading) -> set[Supply]:
    names = resolve(dict.fromkeys(metric.parts, 1), reading.basis)
    return {COMPONENTS[n].supply for n in names}


def _beside(metric: Metric, reading: Reading) -> tuple[Beside, ...]:
    supplies = _supplies(metric, reading)
    found = []
    for fallback in reading.apart.values():
        own = [s for s in reading.sources if s.connection_id == fallback.connection_id]
        if any(supplies & set(s.streams) for s in own):
            ledger, keys = reading.figures(own)
            value = None if metric.under else ledger.value(metric, Scope(reading.period, keys))
            found.append(Beside(fallback=fallback, value=value))
    return tuple(found)


def passport_words(metric: Metric, value: Value, reading: Reading, *, not_over: bool) -> str:
    """Definition, basis, attribution, days, zone, source and freshness of a number, as one text."""
    passport, today = reading.passport, reading.today
    parts = [f"{metric.definition} {_capital(metric.formula)}."]
    if metric.uses_basis:
        parts.append(f"Revenue is {BASIS_TITLES[passport.revenue_basis]}.")
    if metric.attributed and passport.attribution:
        told = [attribution.words_of(n) for n in passport.attribution]
        parts.append(f"Attribution: {'; '.join(told)}.")
    parts.append(
        f"{_capital(fmt.days(passport.period.start, passport.period.end, today))}, "
        f"{_zones(passport)}."
    )
    names = [c.connection for c in passport.sources if c.connection_id not in reading.apart]
    if names:
        parts.append(f"{_capital(passport.provenance)} data from {fmt.listed(names)}.")
    if passport.fallbacks:
        parts.append(f"Not in it: {fmt.listed([f.connection for f in passport.fallbacks])}.")
    if passport.data_through:
        parts.append(f"Complete through {fmt.day(passport.data_through, today)}.")
    parts.extend(_conversions(passport, today) if value.currency else [])
    if not_over:
        parts.append(NOT_OVER)
    why = readout.why(value)
    return " ".join([*parts, *([why] if why else [])])


def needs(ctx: Context, reading: Reading, report: score.Report | None) -> tuple[Need, ...]:
    """Connections that stopped, rates that are missing, checks that failed: the worst first."""
    found = [
        Need(
            kind=item.kind,
            what=item.what,
            why=item.why,
            link=f"/connections/{item.connection_id}" if item.connection_id else "/connections",
            act=item.act,
        )
        for item in attention.list_all(ctx)
    ]
    found += _rates(reading)
    found += _checks(report)
    return tuple(sorted(found, key=lambda n: _RANK[n.kind]))


def _rates(reading: Reading) -> Iterator[Need]:
    for one in reading.passport.conversions:
        if one.missing_days:
            days = fmt.day_list(one.missing_days, reading.today)
            yield Need(
                kind="warn",
                what=f"No exchange rate from {one.source} to {one.target}",
                why=f"Missing for {days}. Amounts of these days are left out until a rate is "
                "fetched or entered.",
                link="/settings",
            )


def _checks(report: score.Report | None) -> Iterator[Need]:
    """Failed checks, the worst first; one line for all that two connections read both."""
    if report is None:
        return
    failed = [f for f in report.worst(len(report.findings)) if f.result == "fail"]
    twice = [f for f in failed if f.evidence.get("also_in")]
    yield from _twice(twice)
    for finding in [f for f in failed if f not in twice][:_CHECKS]:
        part = fmt.share(Decimal(finding.numerator) / finding.denominator)
        yield Need(
            kind="warn",
            what=f"{finding.connection}, {finding.account}: {finding.reason}",
            why=f"{_stream(finding)}: {part} passed the check.",
            link="/quality",
        )


def _twice(findings: Sequence[score.Finding]) -> Iterator[Need]:
    """Accounts that two connections read both, one line for each pair of connections."""
    pairs: dict[tuple[UUID, str], list[score.Finding]] = {}
    for one in findings:
        pairs.setdefault((one.connection_id, str(one.evidence["also_in"])), []).append(one)
    for (connection_id, twin), found in pairs.items():
        accounts = list({str(f.evidence.get("account")): f.account for f in found}.values())
        streams = sorted({_stream(f).lower() for f in found})
        same = "the same account" if len(accounts) == 1 else f"the same {len(accounts)} accounts"
        yield Need(
            kind="warn",
            what=f"{twin} and {found[0].connection} read {same}",
            why=f"{fmt.listed(accounts)}: {fmt.listed(streams)} count twice in every total. Leave "
            f"{'it' if len(accounts) == 1 else 'them'} out of one of the two connections.",
            link=f"/connections/{connection_id}",
        )


def _stream(finding: score.Finding) -> str:
    """A stream as people know it; those that a person defined have only their name."""
    platform = platform_of(finding.platform)
    titles = {s.name: s.title for s in platform.streams} if platform else {}
    return titles.get(finding.stream, finding.stream.replace("_", " ").capitalize())


def _zones(passport: Passport) -> str:
    if passport.mixed_time_zones:
        return f"days of {len(passport.time_zones)} time zones"
    return f"days of {passport.time_zones[0]}" if passport.time_zones else "no account yet"


def _conversions(passport: Passport, today: dt.date) -> Iterator[str]:
    for one in passport.conversions:
        text = f"{one.source} converted with each day's reference rate"
        if one.carried_days:
            text += f"; {fmt.day_list(one.carried_days, today)} with the last one before"
        yield f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
