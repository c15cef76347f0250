"""The metrics of adAnalytics, summed from the world's ads: counts as numbers, money as texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from liftos_app.services.sandbox.world import AdDay


@dataclass(slots=True)
class Sums:
    """Sums over ads and days. Money in micro-units of the account's currency."""

    impressions: int = 0
    clicks: int = 0
    landing: int = 0
    spend: int = 0
    usd: Decimal = Decimal(0)
    value: int = 0
    clicked: int = 0  # conversions after a click
    viewed: int = 0

    def add(self, row: AdDay, rate: Decimal) -> None:
        """Add one ad's day; `rate` is dollars per unit of the account's currency."""
        self.impressions += row.impressions
        self.clicks += row.clicks
        self.landing += row.link_clicks
        self.spend += row.spend
        self.usd += Decimal(row.spend) / 1_000_000 * rate
        self.value += row.value
        self.clicked += row.counts["7d_click"]
        self.viewed += row.counts["1d_view"]


def money(micros: int) -> str:
    """Micro-units as a decimal text, without zeros at its end."""
    text = f"{Decimal(micros) / 1_000_000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _part(of: Callable[[Sums], int], percent: int) -> Callable[[Sums], int]:
    return lambda s: of(s) * percent // 100


def _clicks(s: Sums) -> int:
    return s.clicks


def _shown(s: Sums) -> int:
    return s.impressions


METRICS: dict[str, Callable[[Sums], Any]] = {
    "impressions": _shown,
    "clicks": _clicks,
    "landingPageClicks": lambda s: s.landing,
    "costInLocalCurrency": lambda s: money(s.spend),
    "costInUsd": lambda s: f"{s.usd.quantize(Decimal('0.000001')).normalize():f}",
    "externalWebsiteConversions": lambda s: s.clicked + s.viewed,
    "externalWebsitePostClickConversions": lambda s: s.clicked,
    "externalWebsitePostViewConversions": lambda s: s.viewed,
    "conversionValueInLocalCurrency": lambda s: money(s.value),
    "oneClickLeads": _part(_clicks, 2),
    "oneClickLeadFormOpens": _part(_clicks, 7),
    "likes": _part(_clicks, 9),
    "comments": _part(_clicks, 1),
    "shares": _part(_clicks, 2),
    "reactions": _part(_clicks, 11),
    "follows": _part(_clicks, 1),
    "totalEngagements": _part(_clicks, 124),
    "videoViews": _part(_shown, 21),
    "videoStarts": _part(_shown, 34),
    "videoCompletions": _part(_shown, 6),
}
