"""Answers of the metrics routes: the dataclasses of `services.metrics`, field by field."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, Self
from uuid import UUID

from liftos_app.api.shapes import Strict
from liftos_app.services.metrics.values import to_json


class OfAnswer(Strict):
    """Made from an answer; a field that one side lacks fails loudly."""

    @classmethod
    def of(cls, answer: Any) -> Self:
        """From a dataclass of `services.metrics`."""
        return cls.model_validate(to_json(answer))


class PeriodOut(Strict):
    """Days of an account's own time zone, both inclusive."""

    start: dt.date
    end: dt.date


class ValueOut(Strict):
    """A metric's value. `amount` is a decimal text: currency units, a ratio, a fraction of 1 or a
    count. Null is unknown, and `reason` says why; it is never 0.
    """

    metric: str
    amount: str | None
    currency: str
    partial: bool
    reason: str
    missing: int
    expected: int


class DeltaOut(Strict):
    """The change. `relative` is (now - before) / |before|; without it `why` says so."""

    base: ValueOut
    previous: ValueOut
    relative: str | None
    points: str | None
    why: str


class HoleOut(Strict):
    """Days of one account that are missing or not whole."""

    connection_id: UUID
    connection: str
    account: str
    stream: str
    kind: str
    runs: list[PeriodOut]
    days: int


class FreshnessOut(Strict):
    """How current a connection is."""

    connection_id: UUID
    connection: str
    platform: str
    status: str
    last_success_at: dt.datetime | None
    data_through: dt.date | None
    brings: bool


class ConversionOut(Strict):
    """A currency that was converted, with the rates' sources and the days without one."""

    source: str
    target: str
    rate_sources: list[str]
    carried_days: list[dt.date]
    missing_days: list[dt.date]


class FallbackOut(Strict):
    """A live connection that fails and is in no total."""

    connection_id: UUID
    connection: str
    platform: str
    kind: str
    since: dt.datetime
    last_good_at: dt.datetime | None
    what: str
    why: str
    fix: str
    provenance: str


class PassportOut(Strict):
    """Where the numbers come from."""

    provenance: str
    period: PeriodOut
    against: PeriodOut | None
    currency: str
    revenue_basis: str
    time_zones: list[str]
    attribution: list[str]
    connections: list[FreshnessOut]
    data_through: dt.date | None
    as_of: dt.datetime
    incomplete: bool
    partial: bool
    holes: list[HoleOut]
    conversions: list[ConversionOut]
    mixed_currencies: bool
    fallbacks: list[FallbackOut]


class TotalsOut(OfAnswer):
    """Each metric over the period, with its change."""

    passport: PassportOut
    values: dict[str, ValueOut]
    deltas: dict[str, DeltaOut]


class DayOut(Strict):
    """One day's values."""

    day: dt.date
    values: dict[str, ValueOut]


class DaysOut(OfAnswer):
    """The days of the period that have begun, and those compared with, in order."""

    passport: PassportOut
    days: list[DayOut]
    previous: list[DayOut]


class ChannelOut(Strict):
    """One connection. `spend_share` is its part of all spend, a fraction of 1."""

    connection_id: UUID
    connection: str
    platform: str
    platform_name: str
    color_index: int
    supplies: list[str]
    values: dict[str, ValueOut]
    deltas: dict[str, DeltaOut]
    spend_share: str | None
    attribution: list[str]
    provenance: str
    fallback: FallbackOut | None


class ChannelsOut(OfAnswer):
    """Every connection that answers."""

    passport: PassportOut
    rows: list[ChannelOut]


class ClaimOut(Strict):
    """What one platform claims. `of_revenue` is its part of store revenue, a fraction of 1."""

    connection_id: UUID
    connection: str
    platform: str
    color_index: int
    attribution: list[str]
    claimed: ValueOut
    of_revenue: str | None
    provenance: str
    fallback: FallbackOut | None


class ClaimsOut(OfAnswer):
    """Platform claims beside store revenue; claims overlap, so their sum may exceed it."""

    passport: PassportOut
    rows: list[ClaimOut]
    claimed: ValueOut
    revenue: ValueOut
    claim_ratio: ValueOut


class DefinitionOut(Strict):
    """What a metric is. Its amounts are in `unit`; a share is a fraction of 1."""

    metric: str
    title: str
    unit: Literal["money", "ratio", "share", "count"]
    better: Literal["up", "down", "neutral"]
    definition: str
    formula: str
    additive: bool
    attributed: bool
    uses_basis: bool


class DefinitionsOut(Strict):
    """All metrics."""

    data: list[DefinitionOut]
