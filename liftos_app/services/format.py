"""Numbers, money, dates and durations as people read them: the only place that formats.

Exact values come in (Decimal, int, date, aware datetime), finished text goes out. Rounding is
half-even and happens here, once. None is always the em-width dash, never 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

from liftos_app.services import currencies

UNKNOWN = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
_SCALES = tuple((Decimal(10**power), letter) for power, letter in
                ((3, "k"), (6, "M"), (9, "B"), (12, "T")))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Number = int | Decimal | Fraction


def rounded(value: Number, places: int) -> Decimal:
    """Half-even to so many decimals. The one rounding rule."""
    with localcontext() as context:
        context.prec = 60
        number = (
            Decimal(value.numerator) / Decimal(value.denominator)
            if isinstance(value, Fraction) else Decimal(value)
        )
        result = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return abs(result) if result == 0 else result  # no negative zero


def number(value: Number | None, places: int = 0) -> str:
    """`1,204,551`; a minus is U+2212."""
    if value is None:
        return UNKNOWN
    text = f"{rounded(value, places):,f}"
    return text.replace("-", MINUS)


def count(value: Number | None) -> str:
    """A whole count; a fraction (Google reports fractions of conversions) shows one decimal."""
    if value is None:
        return UNKNOWN
    return number(value, 0 if value == int(value) else 1)


def compact(value: Number | None, *, prefix: str = "") -> str:
    """`184k`, `1.2M`, `912`: at most three or four digits, for tiles and axes."""
    if value is None:
        return UNKNOWN
    exact = rounded(value, 6)
    size, minus = abs(exact), MINUS if exact < 0 else ""
    if rounded(size, 0) < 1000:
        places = 0 if size == int(size) or size >= 100 else 1 if size >= 10 else 2
        text = f"{rounded(size, places):f}"
        return f"{minus if Decimal(text) else ''}{prefix}{text}"
    text = ""
    for scale, letter in _SCALES:
        scaled = size / scale
        short = rounded(scaled, 1 if scaled < Decimal("99.95") else 0)
        text = f"{short:,f}".removesuffix(".0") + letter
        if short < 1000:
            break
    return f"{minus}{prefix}{text}"


def money(
    value: Number | None, currency: str, *, code: bool = False, places: int | None = None
) -> str:
    """`$184,220.14`, `¥18,422`, `KWD 1.500`; `code` writes the ISO code where currencies mix."""
    if value is None:
        return UNKNOWN
    digits = currencies.decimals(currency) if places is None else places
    amount = rounded(value, digits)
    minus = MINUS if amount < 0 else ""
    return f"{minus}{_prefix(currency, code=code)}{abs(amount):,f}"


def money_whole(value: Number | None, currency: str, *, code: bool = False) -> str:
    """For tiles: `$184,220`; under 1,000 the currency's own decimals are kept, `$4.20`."""
    if value is None:
        return UNKNOWN
    return money(value, currency, code=code, places=0 if abs(rounded(value, 6)) >= 1000 else None)


def money_compact(value: Number | None, currency: str, *, code: bool = False) -> str:
    """For narrow tiles and axes: `$184k`, `$1.2M`."""
    return compact(value, prefix=_prefix(currency, code=code))


def ratio(value: Number | None) -> str:
    """`4.95`."""
    return number(value, 2)


def share(value: Number | None, places: int = 1) -> str:
    """A fraction of 1 as `12.4%`."""
    return UNKNOWN if value is None else f"{number(_hundred(value), places)}%"


def signed(text: str) -> str:
    """Puts the plus before a positive finished number; zero keeps no sign."""
    if text == UNKNOWN or text.startswith(MINUS) or not text.strip("0.,% pts" + _SPACE):
        return text
    return f"+{text}"


def change(value: Number | None) -> str:
    """A relative change, fraction of 1, as `+6.1%`."""
    return signed(share(value))


def points(value: Number | None) -> str:
    """A change between two shares (fractions of 1) in percentage points: `+1.2 pts`."""
    return UNKNOWN if value is None else signed(f"{number(_hundred(value), 1)} pts")


def estimate(value: Number, low: Number, high: Number, *, level: int = 90) -> str:
    """`2.1 (90% range 1.6 to 2.7)`: as many decimals as the width of the range supports."""
    width = abs(rounded(high, 6) - rounded(low, 6))
    places = 0 if width >= 20 else 1 if width >= Decimal("0.2") else 2
    low_text, high_text = number(low, places), number(high, places)
    return f"{number(value, places)} ({level}% range {low_text} to {high_text})"


def day(value: dt.date | None, today: dt.date | None = None) -> str:
    """`19 Nov`; with the year when it is not this year's, or when no today is given."""
    if value is None:
        return UNKNOWN
    text = f"{value.day} {_MONTHS[value.month - 1]}"
    return text if today is not None and value.year == today.year else f"{text} {value.year}"


def weekday(value: dt.date) -> str:
    """`Mon`."""
    return _WEEKDAYS[value.weekday()]


def days(start: dt.date, end: dt.date, today: dt.date | None = None) -> str:
    """A range: `1 to 28 Nov`, `28 Oct to 24 Nov`, `20 Dec 2025 to 16 Jan 2026`."""
    if start == end:
        return day(start, today)
    this_year = today is not None and start.year == end.year == today.year
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day} to {day(end, today)}"
    if start.year == end.year:
        first = f"{start.day} {_MONTHS[start.month - 1]}"
        return f"{first} to {day(end, today)}"
    return f"{day(start, today if this_year else None)} to {day(end, None)}"


def day_list(values: Iterable[dt.date], today: dt.date | None = None, *, most: int = 3) -> str:
    """Days grouped into runs: `3 Nov, 7 to 9 Nov and 2 more`."""
    runs: list[list[dt.date]] = []
    for value in sorted(set(values)):
        if runs and (value - runs[-1][1]).days == 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    shown = [days(first, last, today) for first, last in runs[:most]]
    rest = len(runs) - most
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def moment(value: datetime | None, zone: str = "UTC", today: dt.date | None = None) -> str:
    """`19 Nov 06:00 UTC`, `19 Nov 01:00 EST`: exact, for hover."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone))
    return f"{day(local.date(), today)} {clock(value, zone)}"


def clock(value: datetime, zone: str = "UTC") -> str:
    """`06:00 UTC`."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M} {local.tzname() or zone}"


def ago(value: datetime | None, now: datetime, zone: str = "UTC") -> str:
    """`just now`, `12 min ago`, `in 3 h`; from seven days on the date."""
    if value is None:
        return "never"
    gap = now - value
    if abs(gap) >= timedelta(days=7):
        here = now.astimezone(ZoneInfo(zone)).date()
        return day(value.astimezone(ZoneInfo(zone)).date(), here)
    if abs(gap) < timedelta(seconds=45):
        return "just now"
    text = duration(abs(gap), parts=1)
    return f"{text} ago" if gap > timedelta(0) else f"in {text}"


def duration(value: timedelta | float | None, *, parts: int = 2) -> str:
    """Seconds or a timedelta: `35 s`, `4 min`, `1 h 12 min`, `2 d 3 h`."""
    if value is None:
        return UNKNOWN
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if 0 < seconds < 1:
        return "under 1 s"
    left = round(abs(seconds))
    if parts == 1:  # the nearest of the largest unit, so that 119 min is 2 h
        for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
            if left >= size * 0.995:
                return f"{max(1, round(left / size))} {name}"
        return f"{left} s"
    words: list[str] = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size and len(words) < parts and (name != "s" or not words):
            words.append(f"{left // size} {name}")
            left %= size
        elif words and len(words) < parts:
            break
    return " ".join(words) or "0 s"


def size(value: int | None) -> str:
    """Bytes: `2.4 MB`, powers of 1,000."""
    if value is None:
        return UNKNOWN
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= unit:
            return f"{number(Decimal(value) / unit, 1)} {name}"
    return f"{number(value)} B"


def plural(value: int, one: str, many: str = "") -> str:
    """`1 day`, `1,200 days`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def listed(names: Iterable[str], *, most: int = 4) -> str:
    """`Meta Ads, Google Ads and Shopify`; from the fifth on `and 2 more`."""
    items = list(names)
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def _prefix(currency: str, *, code: bool) -> str:
    if code and currency:
        return f"{currency}{_SPACE}"
    return currencies.sign(currency)


def _hundred(value: Number) -> Number:
    return value * 100
