"""Reference rates as the European Central Bank publishes them: units per euro on TARGET days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world.noise import Noise

FIRST: Final = date(2023, 1, 2)
# currency -> (level, digits after the point)
CURRENCIES: Final = {
    "USD": (1.085, 4),
    "GBP": (0.8562, 5),
    "JPY": (161.4, 2),
    "CHF": (0.9512, 4),
    "SEK": (11.32, 4),
    "DKK": (7.4585, 4),
    "NOK": (11.61, 4),
    "PLN": (4.283, 4),
    "CZK": (25.14, 3),
    "CAD": (1.482, 4),
    "AUD": (1.653, 4),
}
_PUBLISHED = (16, 0)  # Frankfurt time


def is_fixing_day(day: date) -> bool:
    """A working day of the TARGET calendar."""
    if day.weekday() >= 5 or (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}:
        return False
    easter = easter_sunday(day.year)
    return day not in {easter - timedelta(days=2), easter + timedelta(days=1)}


def easter_sunday(year: int) -> date:
    """Easter of the Gregorian calendar (Gauss's rule in the form of Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


class Rates:
    """Mean-reverting paths, one for each currency, up to a last day."""

    def __init__(self, noise: Noise, last: date) -> None:
        self._noise, self._days = noise, (last - FIRST).days + 1

    @cached_property
    def _tables(self) -> dict[str, list[Decimal]]:
        path = self._noise.walk(
            "fx", self._days, keep=0.992, sd=0.0038, series=np.arange(len(CURRENCIES))
        )
        found = {}
        for index, (currency, (level, digits)) in enumerate(CURRENCIES.items()):
            calm = 0.02 if currency == "DKK" else 1.0  # pegged
            values = level * np.exp(path[:, index] * calm)
            found[currency] = [Decimal(f"{value:.{digits}f}") for value in values]
        return found

    def rate(self, day: date, currency: str) -> Decimal | None:
        """Units per euro; None without a fixing. Raises KeyError for an unknown currency."""
        table = self._tables[currency]
        number = (day - FIRST).days
        return table[number] if 0 <= number < len(table) and is_fixing_day(day) else None

    def last_rate(self, day: date, currency: str) -> Decimal:
        """The newest fixing up to a day."""
        while day > FIRST:
            found = self.rate(day, currency)
            if found is not None:
                return found
            day -= timedelta(days=1)
        return self._tables[currency][0]


def published(day: date, as_of: datetime) -> bool:
    """Whether the fixing of a day is out."""
    out = datetime(day.year, day.month, day.day, *_PUBLISHED, tzinfo=ZoneInfo("Europe/Berlin"))
    return out <= as_of
