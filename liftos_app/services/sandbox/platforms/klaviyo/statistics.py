"""The statistics of Klaviyo's reports: plain counts, and rates as fractions from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

COUNTS = (
    "bounced",
    "clicks",
    "clicks_unique",
    "conversion_uniques",
    "conversion_value",
    "conversions",
    "delivered",
    "failed",
    "message_segment_count_sum",
    "opens",
    "opens_unique",
    "recipients",
    "spam_complaints",
    "text_message_credit_usage_amount",
    "text_message_spend",
    "unsubscribe_uniques",
    "unsubscribes",
)
_RATIOS = {
    "average_order_value": ("conversion_value", "conversions"),
    "bounce_rate": ("bounced", "recipients"),
    "bounced_or_failed_rate": ("bounced_or_failed", "recipients"),
    "click_rate": ("clicks_unique", "delivered"),
    "click_to_open_rate": ("clicks_unique", "opens_unique"),
    "conversion_rate": ("conversion_uniques", "delivered"),
    "delivery_rate": ("delivered", "recipients"),
    "failed_rate": ("failed", "recipients"),
    "open_rate": ("opens_unique", "delivered"),
    "revenue_per_recipient": ("conversion_value", "delivered"),
    "spam_complaint_rate": ("spam_complaints", "delivered"),
    "text_message_roi": ("conversion_value", "text_message_spend"),
    "unsubscribe_rate": ("unsubscribe_uniques", "delivered"),
}
STATISTICS = tuple(sorted((*COUNTS, *_RATIOS, "bounced_or_failed")))


def add(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum of several sets of counts."""
    total = dict.fromkeys(COUNTS, 0.0)
    for part in parts:
        for name, value in part.items():
            total[name] += value
    return total


def pick(counts: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    """The statistics asked for. Money has cents, rates four digits, as the platform shows them."""
    known = {**counts, "bounced_or_failed": counts["bounced"] + counts["failed"]}
    answer: dict[str, float] = {}
    for name in names:
        if name in _RATIOS:
            above, below = _RATIOS[name]
            answer[name] = round(known[above] / known[below], 4) if known[below] else 0.0
        else:
            answer[name] = round(float(known[name]), 2)
    return answer
