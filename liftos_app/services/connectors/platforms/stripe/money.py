"""Stripe's amounts: whole numbers of a currency's minor unit, which has 0, 2 or 3 digits.

The table is Stripe's, not ISO 4217's: it counts ISK and UGX in hundredths and MGA in whole ariary
(docs.stripe.com/currencies, checked 2026-11-22).
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from liftos_app.services.connectors.rows import BIGGEST, shown, whole

_WHOLE = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def currency(value: Any) -> str:
    """A currency code in capitals. Raises ValueError for anything else."""
    if type(value) is not str or len(value) != 3 or not (value.isascii() and value.isalpha()):
        raise ValueError(f"not a currency: {shown(value)}")
    return value.upper()


def digits(code: str) -> int:
    """Digits of the minor unit in which Stripe counts a currency."""
    return 0 if code in _WHOLE else 3 if code in _THOUSANDTHS else 2


def micros(value: Any, code: str) -> int:
    """An amount in minor units as whole micro-units, exact. Raises ValueError."""
    result: int = whole(value) * 10 ** (6 - digits(code))
    if not -BIGGEST <= result <= BIGGEST:
        raise ValueError(f"too large to be stored: {shown(value)}")
    return result


def micros_or_none(value: Any, code: str) -> int | None:
    """The same, or None where Stripe said nothing."""
    return None if value is None else micros(value, code)


def fraction(value: Any, code: str) -> int:
    """A decimal text in minor units, which may hold parts of one, to the nearest micro-unit."""
    try:
        number = Decimal(str(value)) * 10 ** (6 - digits(code))
        result = int(number.quantize(Decimal(1), ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError) as error:
        raise ValueError(f"not a number: {shown(value)}") from error
    if not -BIGGEST <= result <= BIGGEST:
        raise ValueError(f"too large to be stored: {shown(value)}")
    return result
