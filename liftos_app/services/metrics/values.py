"""The shapes of answers: amounts with their certainty, and the passport every number carries."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from liftos_app.services import currencies
from liftos_app.services.fallback import Fallback
from liftos_app.services.metrics.periods import Period


class Reason(StrEnum):
    """Why there is no number, or why it is not the whole one."""

    NONE = ""
    NO_SOURCE = "no_source"  # nothing connected brings it
    NOT_LOADED = "not_loaded"  # days were not read
    SET_APART = "set_apart"  # a connection fails; its figures are shown beside the total
    NOT_REPORTED = "not_reported"  # the platform did not say
    NO_RATE = "no_rate"  # currencies differ and a rate is missing
    MIXED_ATTRIBUTION = "mixed_attribution"  # two settings for the same day
    ZERO = "zero"  # the denominator is 0
    NOT_ADDITIVE = "not_additive"


WORDS: Mapping[Reason, str] = {
    Reason.NONE: "",
    Reason.NO_SOURCE: "Nothing that brings this is connected.",
    Reason.NOT_LOADED: "These days have not been read yet.",
    Reason.SET_APART: "A connection that fails is not in it; its fallback is shown apart.",
    Reason.NOT_REPORTED: "The platform did not say.",
    Reason.NO_RATE: "Currencies differ and an exchange rate is missing.",
    Reason.MIXED_ATTRIBUTION: "Two attribution settings claim the same days; they cannot be added.",
    Reason.ZERO: "It cannot be divided: the number below the line is 0.",
    Reason.NOT_ADDITIVE: "This cannot be added up over days or campaigns.",
}


class Gap(StrEnum):
    """What is wrong with some days of an account."""

    MISSING = "missing"  # never read
    FAILED = "failed"  # reading failed
    PARTIAL = "partial"  # some rows were refused
    EARLY = "early"  # read before the day was over
    BEFORE_HISTORY = "before_history"  # older than the chosen history
    SET_APART = "set_apart"  # the connection fails and has a fallback


@dataclass(slots=True)
class Amount:
    """A component added up over account-days, exact, in stored units (money: micro-units)."""

    exact: Fraction | int = 0
    known: int = 0  # account-days with a value
    unsure: int = 0  # of those: days whose value may be incomplete
    missing: int = 0  # account-days without any value
    reason: Reason = Reason.NONE
    refused: bool = False  # no total may be shown whatever is known

    def add(self, other: Amount, factor: int = 1) -> None:
        """Take another in; certainty is the worst of both."""
        self.exact += other.exact * factor
        self.known += other.known
        self.unsure += other.unsure
        self.missing += other.missing
        self.refused = self.refused or other.refused
        if other.reason and (not self.reason or other.refused):
            self.reason = other.reason

    @property
    def value(self) -> Fraction | int | None:
        """The number, None when nothing is known or no total may be shown."""
        return None if self.refused or not self.known else self.exact

    @property
    def partial(self) -> bool:
        """Whether some of what belongs to it is missing or unsure."""
        return bool(self.missing or self.unsure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A metric's value. `amount`: currency units, ratio, fraction of 1, or count. None: unknown."""

    metric: str
    amount: Decimal | None
    currency: str = ""
    partial: bool = False
    reason: Reason = Reason.NONE
    missing: int = 0  # account-days without a value
    expected: int = 0  # account-days asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Current against previous. `relative` is (current - previous) / |previous|.

    `points` (shares only) is the plain difference. Without `relative`, `why` says so: "new" when
    there was nothing before, "incomplete" when too few days are loaded, "none".
    """

    base: Value  # the part of the period that is compared
    previous: Value
    relative: Decimal | None
    points: Decimal | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Days of one account that are missing or not whole, as runs of days."""

    connection_id: UUID
    connection: str
    account: str
    stream: str
    kind: Gap
    runs: tuple[Period, ...]
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How current one connection is."""

    connection_id: UUID
    connection: str
    platform: str
    status: str
    last_success_at: datetime | None
    data_through: dt.date | None  # last full day loaded for every account that counts
    brings: bool = True  # figures of these metrics; payments and CRM records do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One currency that was converted."""

    source: str
    target: str
    rate_sources: tuple[str, ...]
    carried_days: tuple[dt.date, ...]  # an earlier rate was used
    missing_days: tuple[dt.date, ...]  # no rate: null


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """Where numbers come from. Every answer carries one."""

    provenance: str
    period: Period
    against: Period | None
    currency: str
    revenue_basis: str
    time_zones: tuple[str, ...]
    attribution: tuple[str, ...]
    connections: tuple[Freshness, ...]
    data_through: dt.date | None
    as_of: datetime
    incomplete: bool  # the period is not over
    partial: bool
    holes: tuple[Hole, ...]
    conversions: tuple[Conversion, ...]
    mixed_currencies: bool
    fallbacks: tuple[Fallback, ...] = ()  # connections that are in no total

    @property
    def sources(self) -> tuple[Freshness, ...]:
        """The connections that bring figures."""
        return tuple(c for c in self.connections if c.brings)

    @property
    def mixed_time_zones(self) -> bool:
        """Days of different accounts start at different moments; that cannot be repaired."""
        return len(self.time_zones) > 1


def to_json(value: Any) -> Any:  # noqa: PLR0911 - one line per kind of value
    """Any answer as JSON: money and ratios as decimal strings, days ISO 8601, times UTC with Z."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(to_json(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(v) for v in value]
    if isinstance(value, Value) and value.currency and value.amount is not None:
        least = currencies.decimals(value.currency)
        return {**to_json(replace(value, currency="")), "currency": value.currency,
                "amount": plain(value.amount, least)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def plain(value: Decimal, least: int = 0) -> str:
    """`184220.14`, `0.1234`, `12`: no exponent, no trailing zeros beyond the `least` decimals."""
    whole, _, decimals = f"{value:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(least, "0")
    return f"{whole}.{decimals}" if decimals else whole
