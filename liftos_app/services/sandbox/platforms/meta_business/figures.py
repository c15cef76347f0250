"""Delivery figures of insights: what adds up, what is derived, and how actions are written.

Money is whole micro-units of the account's currency inside; every number leaves as a string.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

# Windows the vendor still answers; 7d_view and 28d_view are taken and ignored since 2026-01-12.
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view", "1d_ev")
DEFAULT_WINDOWS = ("7d_click", "1d_view")
# One purchase is listed under each of these names; a reader must pick one.
PURCHASE_TYPES = (
    "purchase",
    "omni_purchase",
    "offsite_conversion.fb_pixel_purchase",
    "onsite_web_purchase",
    "web_in_store_purchase",
    "onsite_web_app_purchase",
)
MICRO = Decimal(1_000_000)
CENT = 10_000  # micro-units; parts of money stay whole cents


@dataclass(slots=True)
class Figures:
    """Sums over ads and days. `spend` and `values` in micro-units; counts by window."""

    impressions: int = 0
    reach: int = 0
    reach_top: int = 0  # the largest single cell: nobody is reached less than that
    clicks: int = 0
    link_clicks: int = 0
    spend: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)

    def add(self, other: Figures) -> None:
        """Sum in place."""
        self.impressions += other.impressions
        self.reach += other.reach
        self.reach_top = max(self.reach_top, other.reach_top or other.reach)
        self.clicks += other.clicks
        self.link_clicks += other.link_clicks
        self.spend += other.spend
        for mine, theirs in ((self.counts, other.counts), (self.values, other.values)):
            for window, amount in theirs.items():
                mine[window] = mine.get(window, 0) + amount

    def is_zero(self) -> bool:
        """Whether there was neither delivery nor a claimed result."""
        return not (self.impressions or self.spend or any(self.counts.values()))

    @property
    def people(self) -> int:
        """Reach of the sum: people met twice count once, so it grows slower than its parts."""
        top = self.reach_top or self.reach
        return min(self.impressions, top + (self.reach - top) * 2 // 5)

    def split(self, weights: Iterable[int]) -> list[Figures]:
        """Parts by weight that add up to exactly this; the last takes the rest."""
        shares = list(weights)
        return [self._part(shares, index) for index in range(len(shares))]

    def _part(self, shares: list[int], index: int) -> Figures:
        def piece(amount: int, step: int = 1) -> int:
            units, total = amount // step, sum(shares)
            if index < len(shares) - 1:
                return units * shares[index] // total * step
            return (units - sum(units * share // total for share in shares[:-1])) * step

        return Figures(
            piece(self.impressions), piece(self.reach), 0, piece(self.clicks),
            piece(self.link_clicks), piece(self.spend, CENT),
            {w: piece(n) for w, n in self.counts.items()},
            {w: piece(n, CENT) for w, n in self.values.items()},
        )  # fmt: skip


def money(micros: int, digits: int = 2) -> str:
    """Micro-units as a decimal text in the currency itself."""
    return f"{(Decimal(micros) / MICRO).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def _rate(top: Decimal | int, bottom: int, scale: int = 1) -> str | None:
    if not bottom:
        return None
    ratio = Decimal(top) * scale / Decimal(bottom)
    return f"{ratio.quantize(Decimal('0.000001'), ROUND_HALF_UP).normalize():f}"


def plain(figures: Figures, digits: int) -> dict[str, str | None]:
    """The single-valued fields; None ones are left out of a row."""
    f, spend = figures, Decimal(figures.spend) / MICRO
    return {
        "impressions": str(f.impressions),
        "reach": str(f.people),
        "frequency": _rate(f.impressions, f.people),
        "clicks": str(f.clicks),
        "unique_clicks": str(f.clicks * 94 // 100),
        "inline_link_clicks": str(f.link_clicks),
        "inline_link_click_ctr": _rate(f.link_clicks, f.impressions, 100),
        "spend": money(f.spend, digits),
        "social_spend": money(0, digits),
        "cpc": _rate(spend, f.clicks),
        "cpm": _rate(spend, f.impressions, 1000),
        "cpp": _rate(spend, f.people, 1000),
        "ctr": _rate(f.clicks, f.impressions, 100),
        "cost_per_inline_link_click": _rate(spend, f.link_clicks),
        "cost_per_unique_click": _rate(spend, f.clicks * 94 // 100),
    }


def lists(figures: Figures, windows: tuple[str, ...], digits: int) -> dict[str, Any]:
    """The action lists. `value` is the default attribution, each asked window its own key."""
    f = figures
    actions = _counts(f, windows)
    worth = [
        {"action_type": kind} | _by_window(f.values, windows, lambda v: money(v, digits))
        for kind in PURCHASE_TYPES
        if _total(f.values) or any(f.values.get(w) for w in windows)
    ]
    spend = Decimal(f.spend) / MICRO
    costs = [
        {"action_type": a["action_type"], "value": _rate(spend, int(a["value"]))}
        for a in actions
        if int(a["value"])
    ]
    returns = _rate(Decimal(_total(f.values)), f.spend) if f.spend else None
    roas = [{"action_type": "omni_purchase", "value": returns}] if returns and worth else []
    pixel = [{"action_type": "offsite_conversion.fb_pixel_purchase", "value": returns}]
    return {
        "actions": actions,
        "action_values": worth,
        "cost_per_action_type": costs,
        "purchase_roas": roas,
        "website_purchase_roas": pixel if roas else [],
        "outbound_clicks": _outbound(f),
    }


def _outbound(f: Figures) -> list[dict[str, str]]:
    amount = f.link_clicks * 97 // 100
    return [{"action_type": "outbound_click", "value": str(amount)}] if amount else []


def _counts(f: Figures, windows: tuple[str, ...]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    landings = f.link_clicks * 82 // 100
    for kind, amount in (("link_click", f.link_clicks), ("landing_page_view", landings)):
        if amount:
            clicks = {w: str(amount) for w in windows if w.endswith("_click")}
            found.append({"action_type": kind, "value": str(amount)} | clicks)
    if _total(f.counts) or any(f.counts.get(w) for w in windows):
        found += [
            {"action_type": kind} | _by_window(f.counts, windows, str) for kind in PURCHASE_TYPES
        ]
    return found


def _total(amounts: dict[str, int]) -> int:
    return sum(amounts.get(window, 0) for window in DEFAULT_WINDOWS)


def _by_window(amounts: dict[str, int], windows: tuple[str, ...], write: Any) -> dict[str, str]:
    """`value` always, a window's key only where it was asked for and something fell into it."""
    asked = {w: write(amounts[w]) for w in windows if amounts.get(w)}
    return {"value": write(_total(amounts))} | asked
