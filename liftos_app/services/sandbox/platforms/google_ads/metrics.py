"""Figures that add up, and the ratios the vendor derives from them. Integers throughout.

Fractional conversions and values are whole millionths inside, so sums over days, devices and
levels agree exactly; they become doubles only on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

MILLION = 1_000_000


@dataclass(slots=True)
class Tally:
    """Additive figures. `cost`, `*conversions*` and `*value*` are in millionths."""

    impressions: int = 0
    clicks: int = 0
    interactions: int = 0
    engagements: int = 0
    video_views: int = 0
    view_through: int = 0
    cost: int = 0
    conversions: int = 0
    value: int = 0
    all_conversions: int = 0
    all_value: int = 0

    def add(self, other: Tally) -> None:
        """Sum in place."""
        for name in NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def is_zero(self) -> bool:
        """Whether nothing at all was delivered or counted."""
        return not any(getattr(self, name) for name in NAMES)

    def split(self, weights: Sequence[int]) -> list[Tally]:
        """Parts by weight whose sum is exactly this; the last part takes the rest."""
        total = sum(weights)
        parts = [Tally() for _ in weights]
        for name in NAMES:
            whole = left = getattr(self, name)
            for part, weight in zip(parts[:-1], weights[:-1], strict=True):
                piece = whole * weight // total
                setattr(part, name, piece)
                left -= piece
            setattr(parts[-1], name, left)
        return parts


NAMES = tuple(f.name for f in fields(Tally))


def _ratio(top: str, bottom: str, scale: float = 1.0) -> Callable[[Tally], float]:
    def of(tally: Tally) -> float:
        below = getattr(tally, bottom)
        return getattr(tally, top) * scale / below if below else 0.0

    return of


def _whole(name: str) -> Callable[[Tally], int]:
    return lambda tally: int(getattr(tally, name))


def _double(name: str) -> Callable[[Tally], float]:
    return lambda tally: getattr(tally, name) / MILLION


# Averages of money are doubles in millionths of the currency, as the vendor's are.
METRICS: dict[str, Callable[[Tally], int | float]] = {
    "impressions": _whole("impressions"),
    "clicks": _whole("clicks"),
    "interactions": _whole("interactions"),
    "engagements": _whole("engagements"),
    "video_trueview_views": _whole("video_views"),
    "view_through_conversions": _whole("view_through"),
    "cost_micros": _whole("cost"),
    "conversions": _double("conversions"),
    "conversions_value": _double("value"),
    "all_conversions": _double("all_conversions"),
    "all_conversions_value": _double("all_value"),
    "ctr": _ratio("clicks", "impressions"),
    "average_cpc": _ratio("cost", "clicks"),
    "average_cpm": _ratio("cost", "impressions", 1000),
    "average_cost": _ratio("cost", "interactions"),
    "trueview_average_cpv": _ratio("cost", "video_views"),
    "interaction_rate": _ratio("interactions", "impressions"),
    "engagement_rate": _ratio("engagements", "impressions"),
    "cost_per_conversion": _ratio("cost", "conversions", MILLION),
    "cost_per_all_conversions": _ratio("cost", "all_conversions", MILLION),
    "value_per_conversion": _ratio("value", "conversions"),
    "value_per_all_conversions": _ratio("all_value", "all_conversions"),
    "conversions_value_per_cost": _ratio("value", "cost"),
    "all_conversions_value_per_cost": _ratio("all_value", "cost"),
    "conversions_from_interactions_rate": _ratio("conversions", "interactions", 1 / MILLION),
    "all_conversions_from_interactions_rate": _ratio(
        "all_conversions", "interactions", 1 / MILLION
    ),
}
