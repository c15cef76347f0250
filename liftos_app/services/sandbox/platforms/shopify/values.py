"""How the platform writes money and moments: decimal strings in major units, UTC with a Z."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def amount(cents: int) -> str:
    """Major units with the trailing zero dropped but one digit kept: 9720 is "97.2"."""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    text = f"{sign}{cents // 100}.{cents % 100:02}"
    return text.removesuffix("0")


def price(cents: int) -> str:
    """The Money scalar, always with two digits."""
    return f"{cents // 100}.{cents % 100:02}"


def money(cents: int, currency: str) -> dict[str, str]:
    """A MoneyV2."""
    return {"amount": amount(cents), "currencyCode": currency}


def moment(value: datetime | None) -> str | None:
    """A DateTime."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value is not None else None


def count(number: int) -> dict[str, Any]:
    """A Count."""
    return {"count": number, "precision": "EXACT"}
