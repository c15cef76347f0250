"""The metrics of a report as TikTok writes them: texts, money in whole units, rates in percent.

Everything is derived from the world's delivery of a day; "-" is what TikTok does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from liftos_app.services.sandbox.world import AdDay

UNKNOWN = "-"
_CENT = Decimal("0.01")


@dataclass(slots=True)
class Sums:
    """Sums over days. Money in micro-units, `conversions` whole."""

    impressions: int = 0
    clicks: int = 0
    reach: int = 0
    spend: int = 0
    conversions: int = 0
    value: int = 0
    engagements: int = 0

    def add(self, row: AdDay) -> None:
        """Add one day of the world."""
        self.impressions += row.impressions
        self.clicks += row.clicks
        self.reach += row.reach
        self.spend += row.spend
        self.conversions += row.conversions // 100
        self.value += row.value
        self.engagements += row.engagements


def money(micros: int) -> str:
    """Micro-units in whole units of the currency, with cents."""
    return _text(Decimal(micros) / 1_000_000)


def _text(value: Decimal) -> str:
    return f"{value.quantize(_CENT, ROUND_HALF_UP):f}"


def _rate(top: int, bottom: int, scale: int = 1) -> str:
    return _text(Decimal(top) * scale / bottom) if bottom else "0.00"


def _per(micros: int, count: int, scale: int = 1) -> str:
    return _text(Decimal(micros) * scale / 1_000_000 / count) if count else "0.00"


def _share(percent: int) -> Callable[[Sums], str]:
    return lambda s: str(s.impressions * percent // 100)


def _engaged(percent: int) -> Callable[[Sums], str]:
    return lambda s: str(s.engagements * percent // 100)


METRICS: dict[str, Callable[[Sums], str]] = {
    "spend": lambda s: money(s.spend),
    "impressions": lambda s: str(s.impressions),
    "clicks": lambda s: str(s.clicks),
    "ctr": lambda s: _rate(s.clicks, s.impressions, 100),
    "cpc": lambda s: _per(s.spend, s.clicks),
    "cpm": lambda s: _per(s.spend, s.impressions, 1000),
    "reach": lambda s: str(s.reach),
    "frequency": lambda s: _rate(s.impressions, s.reach),
    "conversion": lambda s: str(s.conversions),
    "cost_per_conversion": lambda s: _per(s.spend, s.conversions),
    "conversion_rate": lambda s: _rate(s.conversions, s.clicks, 100),
    "result": lambda s: str(s.conversions),
    "cost_per_result": lambda s: _per(s.spend, s.conversions),
    "secondary_goal_result": lambda _: UNKNOWN,
    "complete_payment": lambda s: str(s.conversions),
    "total_complete_payment_rate": lambda s: money(s.value),
    "total_purchase_value": lambda _: UNKNOWN,
    "video_play_actions": _share(94),
    "video_watched_2s": _share(41),
    "video_watched_6s": _share(17),
    "video_views_p25": _share(33),
    "video_views_p50": _share(16),
    "video_views_p75": _share(9),
    "video_views_p100": _share(6),
    "likes": _engaged(22),
    "comments": _engaged(2),
    "shares": _engaged(3),
    "follows": _engaged(1),
}
