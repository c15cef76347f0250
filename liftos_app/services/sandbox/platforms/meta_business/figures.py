"""Delivery figures of insights: what adds up, what is derived, and how actions are written.

Money is whole micro-units of the account's currency inside; every number leaves as a string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

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
Action = dict[str, str]
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


def _money_of(f: Figures) -> Decimal:
    return Decimal(f.spend) / MICRO


def _landed(f: Figures) -> int:
    return f.clicks * 94 // 100


# The single-valued fields: (figures, decimals of the currency) -> text; None leaves it out.
PLAIN: dict[str, Callable[[Figures, int], str | None]] = {
    "impressions": lambda f, _: str(f.impressions),
    "reach": lambda f, _: str(f.people),
    "frequency": lambda f, _: _rate(f.impressions, f.people),
    "clicks": lambda f, _: str(f.clicks),
    "unique_clicks": lambda f, _: str(_landed(f)),
    "inline_link_clicks": lambda f, _: str(f.link_clicks),
    "inline_link_click_ctr": lambda f, _: _rate(f.link_clicks, f.impressions, 100),
    "spend": lambda f, digits: money(f.spend, digits),
    "social_spend": lambda _, digits: money(0, digits),
    "cpc": lambda f, _: _rate(_money_of(f), f.clicks),
    "cpm": lambda f, _: _rate(_money_of(f), f.impressions, 1000),
    "cpp": lambda f, _: _rate(_money_of(f), f.people, 1000),
    "ctr": lambda f, _: _rate(f.clicks, f.impressions, 100),
    "cost_per_inline_link_click": lambda f, _: _rate(_money_of(f), f.link_clicks),
    "cost_per_unique_click": lambda f, _: _rate(_money_of(f), _landed(f)),
}


def actions(f: Figures, windows: tuple[str, ...], _digits: int) -> list[Action]:
    """Counts. `value` is the default attribution, each asked window has its own key."""
    found: list[Action] = []
    for kind, amount in (
        ("link_click", f.link_clicks),
        ("landing_page_view", f.link_clicks * 82 // 100),
    ):
        if amount:
            clicks = {w: str(amount) for w in windows if w.endswith("_click")}
            found.append({"action_type": kind, "value": str(amount)} | clicks)
    if _total(f.counts) or any(f.counts.get(w) for w in windows):
        shared = _by_window(f.counts, windows, str)
        found += [{"action_type": kind} | shared for kind in PURCHASE_TYPES]
    return found


def _values(f: Figures, windows: tuple[str, ...], digits: int) -> list[Action]:
    if not (_total(f.values) or any(f.values.get(w) for w in windows)):
        return []
    shared = _by_window(f.values, windows, lambda micros: money(micros, digits))
    return [{"action_type": kind} | shared for kind in PURCHASE_TYPES]


def _costs(f: Figures, windows: tuple[str, ...], digits: int) -> list[Action]:
    spend = _money_of(f)
    costs = {a["action_type"]: _rate(spend, int(a["value"])) for a in actions(f, windows, digits)}
    return [{"action_type": kind, "value": cost} for kind, cost in costs.items() if cost]


def _returns(kind: str) -> Callable[[Figures, tuple[str, ...], int], list[Action]]:
    def of(f: Figures, _windows: tuple[str, ...], _digits: int) -> list[Action]:
        ratio = _rate(_total(f.values), f.spend) if _total(f.values) else None
        return [{"action_type": kind, "value": ratio}] if ratio else []

    return of


def _outbound(f: Figures, _windows: tuple[str, ...], _digits: int) -> list[Action]:
    amount = f.link_clicks * 97 // 100
    return [{"action_type": "outbound_click", "value": str(amount)}] if amount else []


# The fields that are lists of actions: (figures, asked windows, decimals) -> list.
LISTS: dict[str, Callable[[Figures, tuple[str, ...], int], list[Action]]] = {
    "actions": actions,
    "action_values": _values,
    "cost_per_action_type": _costs,
    "purchase_roas": _returns("omni_purchase"),
    "website_purchase_roas": _returns("offsite_conversion.fb_pixel_purchase"),
    "outbound_clicks": _outbound,
}


def _total(amounts: Mapping[str, int]) -> int:
    return sum(amounts.get(window, 0) for window in DEFAULT_WINDOWS)


def _by_window(
    amounts: Mapping[str, int], windows: tuple[str, ...], write: Callable[[int], str]
) -> Action:
    """`value` always, a window's key only where it was asked for and something fell into it."""
    asked = {w: write(amounts[w]) for w in windows if amounts.get(w)}
    return {"value": write(_total(amounts))} | asked
