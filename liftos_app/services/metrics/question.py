"""A question to the facts: which days, against what, in which currency, of which platforms."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from liftos_app.errors import Invalid
from liftos_app.services import currencies

LONGEST_DAYS = 1200  # beyond three years every platform has stopped answering
FIRST_DAY = dt.date(2000, 1, 1)
_T = TypeVar("_T", bound=StrEnum)


class Compare(StrEnum):
    """What the period is held against."""

    NONE = "none"
    PREVIOUS = "previous_period"
    WEEKDAYS = "previous_weekdays"  # as PREVIOUS, moved to fall on the same weekdays
    YEAR = "previous_year"  # 364 days before: the same weekdays, a year ago


class Mode(StrEnum):
    """Which rows answer. Live and demo rows never share an aggregate."""

    AUTO = ""  # live if a live connection exists and PREFER_LIVE_DATA, else demo
    LIVE = "live"
    DEMO = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Both days inclusive, in each account's own time zone. Empty means: all, or the usual.

    `currency` empty: the organization's reporting currency. `platforms`: slugs.
    """

    start: dt.date
    end: dt.date
    compare: Compare = Compare.NONE
    currency: str = ""
    platforms: tuple[str, ...] = ()
    mode: Mode = Mode.AUTO

    def __post_init__(self) -> None:
        """Refuse what no answer could be right for. Raises Invalid."""
        object.__setattr__(self, "compare", _choice(Compare, self.compare, "compare"))
        object.__setattr__(self, "mode", _choice(Mode, self.mode, "mode"))
        if self.end < self.start:
            raise Invalid(
                "The period ends before it starts.",
                why=f"It starts on {self.start} and ends on {self.end}.",
                fix="Swap the two days.", field="start",
            )
        if self.start < FIRST_DAY or (self.end - self.start).days >= LONGEST_DAYS:
            raise Invalid(
                "The period is too long.",
                why=f"At most {LONGEST_DAYS} days after 1 January 2000 are read at once.",
                fix="Choose fewer days.", field="start",
            )
        if self.currency and not currencies.is_currency(self.currency):
            raise Invalid(
                f"{self.currency[:12]!r} is not a currency.",
                why="Currencies are three capital letters of ISO 4217.",
                fix="For example: USD or EUR.", field="currency",
            )


def _choice(kind: type[_T], value: str, field: str) -> _T:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(k.value or "automatic" for k in kind)
        raise Invalid(
            f"{str(value)[:40]!r} is not a choice for {field}.", why=f"The choices are: {known}.",
            fix="Choose one of them.", field=field,
        ) from None
