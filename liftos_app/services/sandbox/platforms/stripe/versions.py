"""Which versions answer, and what the shapes of old ones were.

A request without a version gets the one the account was pinned to when it was opened.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from liftos_app.services.sandbox.platforms.stripe.refusals import Refusal

CURRENT: Final = "2026-10-28.endive"
PINNED: Final = "2024-06-20"
_KNOWN: Final = frozenset({
    CURRENT, "2026-09-30.endive", "2026-08-26.dahlia", "2026-07-29.dahlia", "2026-06-24.dahlia",
    "2026-05-27.dahlia", "2026-04-22.dahlia", "2026-03-25.dahlia", "2026-02-25.clover",
    "2025-12-15.clover", "2025-11-17.clover", "2025-10-29.clover", "2025-09-30.clover",
    "2025-08-27.basil", "2025-07-30.basil", "2025-06-30.basil", "2025-05-28.basil",
    "2025-04-30.basil", "2025-03-31.basil", "2025-02-24.acacia", "2025-01-27.acacia",
    "2024-12-18.acacia", "2024-11-20.acacia", "2024-10-28.acacia", "2024-09-30.acacia",
    "2024-06-20", "2024-04-10", "2023-10-16", "2023-08-16", "2022-11-15", "2022-08-01",
    "2020-08-27",
})  # fmt: skip
_BASIL: Final = date(2025, 3, 31)


def version(header: str) -> str:
    """The version of a request. Raises Refusal (400)."""
    if not header:
        return PINNED
    if header not in _KNOWN:
        raise Refusal(400, f"Invalid Stripe API version: {header[:40]}")
    return header


def shaped(data: dict[str, Any], asked: str) -> dict[str, Any]:
    """An object as a version shows it: before basil an invoice named its subscription and payment,
    and a subscription its period.
    """
    if date.fromisoformat(asked[:10]) >= _BASIL:
        return data
    found = dict(data)
    match found.get("object"):
        case "invoice":
            parent = found.pop("parent", None) or {}
            details = parent.get("subscription_details") or {}
            found.pop("payments", None)
            found["subscription"] = details.get("subscription")
            found["paid"] = found["status"] == "paid"
            found["tax"] = None
        case "subscription":
            first = found["items"]["data"][0]
            for name in ("current_period_start", "current_period_end"):
                found[name] = first[name]
        case "charge" | "payment_intent":
            found["invoice"] = None
        case _:
            return data
    return found
