"""A metric's value and its change as people read them. Uses services.format; adds no rule."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from liftos_app.services import format as fmt
from liftos_app.services.metrics.definitions import METRICS, Better, Unit
from liftos_app.services.metrics.values import WORDS, Delta, Freshness, Passport, Value

_FLOWING = {"healthy", "backfilling", "paused"}


@dataclass(frozen=True, slots=True)
class Change:
    """A change in words (`+6.1%`, ratios `+0.12`, shares `+1.2 pts`) and whether it is good."""

    text: str
    direction: str  # up, down, flat, none
    verdict: str  # good, worse, or "" for neutral metrics and no change
    words: str  # "vs 26 Sep to 23 Oct", or why there is no comparison


def text(value: Value, *, compact: bool = False, exact: bool = False) -> str:
    """The value in its unit; a dash when it is unknown. `exact` keeps the currency's decimals."""
    unit = METRICS[value.metric].unit
    if unit is Unit.MONEY:
        form = fmt.money_compact if compact else fmt.money if exact else fmt.money_whole
        return form(value.amount, value.currency)
    if unit is Unit.SHARE:
        return fmt.share(value.amount)
    if unit is Unit.RATIO:
        return fmt.ratio(value.amount)
    return fmt.compact(value.amount) if compact else fmt.count(value.amount)


def why(value: Value) -> str:
    """Why it is a dash or not the whole number; empty when it is whole."""
    if value.amount is None:
        return WORDS[value.reason]
    if value.partial:
        return WORDS[value.reason] or "Some days of this period are missing or not whole."
    return ""


def change(delta: Delta | None, passport: Passport, today: dt.date) -> Change:
    """A delta in words. None: no comparison was asked for."""
    if delta is None or passport.against is None:
        return Change("", "none", "", "")
    against = f"vs {fmt.days(passport.against.start, passport.against.end, today)}"
    if delta.relative is None:
        words = {
            "new": f"new, nothing {against}",
            "incomplete": "no comparison: days are missing",
        }.get(delta.why, "no comparison")
        return Change("", "none", "", words)
    direction = "flat" if not delta.relative else "up" if delta.relative > 0 else "down"
    return Change(_change_text(delta), direction, _verdict(delta, direction), against)


def freshness(passport: Passport, today: dt.date, zone: str = "UTC") -> tuple[str, str, str]:
    """Kind of pill, its words, and a line per connection for hover."""
    rows = passport.sources
    if not rows:
        return "mute", "No data yet", ""
    stale = [r for r in rows if _is_stale(r, today)]
    lines = "\n".join(_line(r, passport, today, zone) for r in rows)
    newest = max((r.last_success_at for r in rows if r.last_success_at), default=None)
    if not stale:
        return "ok", f"Fresh, {fmt.ago(newest, passport.as_of, zone)}", lines
    if len(stale) < len(rows):
        return "warn", f"Partial, {len(rows) - len(stale)} of {len(rows)} fresh", lines
    reached = passport.data_through
    return (
        "warn",
        f"Late, through {fmt.day(reached, today)}" if reached else "Not fully loaded",
        lines,
    )


def _line(row: Freshness, passport: Passport, today: dt.date, zone: str) -> str:
    through = (
        f"through {fmt.day(row.data_through, today)}" if row.data_through else "not loaded yet"
    )
    return f"{row.connection}: {through}, read {fmt.ago(row.last_success_at, passport.as_of, zone)}"


def _is_stale(row: Freshness, today: dt.date) -> bool:
    """Late or failing by its own schedule, or more than the newest full day behind.

    Two days: somewhere on earth yesterday is not over yet.
    """
    return (
        row.status not in _FLOWING
        or row.data_through is None
        or (today - row.data_through).days > 2
    )


def _change_text(delta: Delta) -> str:
    unit = METRICS[delta.base.metric].unit
    percent = fmt.change(delta.relative)
    if unit is Unit.SHARE:
        return fmt.points(delta.points)
    if unit is Unit.RATIO and delta.base.amount is not None and delta.previous.amount is not None:
        return fmt.signed(fmt.ratio(delta.base.amount - delta.previous.amount))
    return percent


def _verdict(delta: Delta, direction: str) -> str:
    better = METRICS[delta.base.metric].better
    if (
        better is Better.NEUTRAL
        or direction == "flat"
        or abs(delta.relative or Decimal(0)) < Decimal("0.0005")
    ):
        return ""
    return "good" if (direction == "up") is (better is Better.UP) else "worse"
