"""Page tokens: they hold the moment and place of a query, and stop working after an hour."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta

from liftos_app.services.sandbox.platforms.google_ads.failures import GoogleAdsError

SIZE = 10_000
LIFE = timedelta(hours=1)


def write(query: str, customer: str, offset: int, as_of: datetime) -> str:
    """A token for the rows from `offset` on, as they stood at `as_of`."""
    text = f"{_mark(query, customer)}/{offset}/{as_of.timestamp()}"
    return "CP" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token: str, query: str, customer: str, now: datetime) -> tuple[int, datetime]:
    """Offset and moment. Raises GoogleAdsError for a foreign, broken or old token."""
    body = token.removeprefix("CP")
    try:
        text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
        mark, offset, moment = text.split("/")
        as_of = datetime.fromtimestamp(float(moment), UTC)
        first = int(offset)
    except (binascii.Error, ValueError, OverflowError, OSError):
        mark, first, as_of = "", -1, now
    if mark != _mark(query, customer) or first < 0 or not token.startswith("CP"):
        raise GoogleAdsError(
            400, "requestError", "INVALID_PAGE_TOKEN", "The page token does not fit this query."
        )
    if not now - LIFE <= as_of <= now:
        raise GoogleAdsError(
            400, "requestError", "EXPIRED_PAGE_TOKEN", "The page token is too old. Start again."
        )
    return first, as_of


def _mark(query: str, customer: str) -> str:
    return hashlib.sha256(f"{customer}\n{' '.join(query.split())}".encode()).hexdigest()[:16]
