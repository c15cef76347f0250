"""Time-based one-time codes (RFC 6238): six digits, SHA-1, thirty seconds, as all apps expect.

Forty lines of standard library; the tests hold the RFC's own vectors.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

PERIOD: Final = 30
DIGITS: Final = 6
WINDOW: Final = 1  # steps of clock difference that are forgiven, before and after


def new_seed() -> str:
    """160 random bits in base32, as authenticator apps take them."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(seed: str, step: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of a step (seconds since 1970 over thirty)."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    digest = hmac.digest(key, step.to_bytes(8, "big"), getattr(hashlib, algorithm))
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(now: datetime) -> int:
    """The step a moment lies in."""
    return int(now.timestamp()) // PERIOD


def matching_step(seed: str, code: str, now: datetime) -> int | None:
    """The step a code belongs to, within the window; None when it is wrong."""
    found = None
    here = step_of(now)
    for step in range(here - WINDOW, here + WINDOW + 1):
        if hmac.compare_digest(code_at(seed, step), code):
            found = step
    return found


def address(seed: str, *, account: str, issuer: str) -> str:
    """The otpauth address a QR code carries."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    values = {"secret": seed, "issuer": issuer, "digits": DIGITS, "period": PERIOD}
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"
