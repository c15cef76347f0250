"""Ids as Stripe writes them: a prefix for the kind, and letters that give the world's key back."""

from __future__ import annotations

from typing import Final

from liftos_app.services.sandbox.world.payment_shapes import Kind

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_WIDTH: Final = 10
_TAIL: Final = "LrkB7WZ01zgkW"  # ids of one account share a part
ACCOUNT: Final = "acct_1LrkB7WZ01zgkW5n"
AGENCY: Final = "acct_1BrmB2QX88hqvT3c"
PREFIX: Final[dict[Kind, str]] = {
    "intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "du",
    "payout": "po",
    "invoice": "in",
    "subscription": "sub",
    "entry": "txn",
    "event": "evt",
}


def write(prefix: str, key: int) -> str:
    """The id of a thing."""
    digits = []
    while key:
        key, rest = divmod(key, 36)
        digits.append(_DIGITS[rest])
    return f"{prefix}_3{''.join(reversed(digits)):0>{_WIDTH}}{_TAIL}"


def of(kind: Kind, key: int) -> str:
    """The id of a thing of the world."""
    return write(PREFIX[kind], key)


def read(prefix: str, text: str) -> int | None:
    """The key in an id, or None when it is no id of this kind."""
    head = f"{prefix}_3"
    body = text[len(head) : -len(_TAIL)]
    if not text.startswith(head) or not text.endswith(_TAIL) or len(body) != _WIDTH:
        return None
    if any(c not in _DIGITS for c in body):
        return None
    return int(body, 36)
