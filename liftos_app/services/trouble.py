"""The sandbox's trouble, for administrators in demo mode: what is planted, what can be caused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from liftos_app.errors import Conflict, Invalid
from liftos_app.services import audit
from liftos_app.services.context import Context

if TYPE_CHECKING:
    from liftos_app.services.sandbox.server import Sandbox

ACTS: Final = {
    "expire": "Expire every access token now",
    "revoke": "Take every access back",
    "restore": "Give the access back",
}


@dataclass(frozen=True, slots=True)
class Planted:
    """One piece of trouble in the demo data. `trigger`: it waits until it is set off."""

    kind: str
    platform: str
    words: str
    trigger: bool
    day: date | None = None  # the day it is about


@dataclass(frozen=True, slots=True)
class InForce:
    """A fault that answers are bent by now. `left` None: until it is cleared."""

    id: str
    kind: str
    words: str
    platform: str
    left: int | None
    planted: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """All there is to show."""

    kinds: Mapping[str, str]
    platforms: tuple[str, ...]
    planted: tuple[Planted, ...]
    faults: tuple[InForce, ...]


def read(ctx: Context) -> Trouble:
    """What is planted and in force. Raises Conflict when there is no sandbox."""
    from liftos_app.services.sandbox.trouble import KINDS, planted

    box = _box(ctx)
    return Trouble(
        kinds=KINDS,
        platforms=tuple(sorted(box.platforms)),
        planted=tuple(
            Planted(p.kind, p.platform, p.words, p.trigger, p.day) for p in planted(box.anchor)
        ),
        faults=tuple(
            InForce(f.id, f.kind, KINDS[f.kind], f.platform, f.count, f.planted)
            for f in box.trouble.list_all()
        ),
    )


def cause(
    ctx: Context, kind: str, platform: str, *, count: int | None = 1, retry_after: int = 0
) -> None:
    """Bend the next answers of a platform. `count` None: until it is cleared. Raises Invalid."""
    from liftos_app.services.sandbox.trouble import KINDS

    box = _box(ctx)
    if kind not in KINDS or (platform != "*" and platform not in box.platforms):
        raise Invalid(
            "There is no such trouble.",
            why="The kind or the platform is unknown.",
            fix="Choose both from the lists.",
            field="kind",
        )
    if count is not None and not 1 <= count <= 1000:
        raise Invalid(
            "This cannot be caused so often.",
            why="From 1 to 1,000 answers are possible.",
            fix="Choose fewer answers.",
            field="count",
        )
    box.trouble.add(kind, platform, count=count, retry_after=max(0, min(retry_after, 3600)))
    audit.record(ctx, "sandbox.trouble_caused", kind=kind, platform=platform, count=count)


def clear(ctx: Context, fault_id: str = "") -> int:
    """End one fault, or all that are not planted. Returns how many ended."""
    gone = _box(ctx).trouble.clear(fault_id)
    audit.record(ctx, "sandbox.trouble_cleared", fault=fault_id, count=gone)
    return gone


def set_off(ctx: Context, act: str, platform: str) -> None:
    """Expire, revoke or restore every token of a platform. Raises Invalid."""
    box = _box(ctx)
    if act not in ACTS or platform not in box.platforms:
        raise Invalid(
            "There is no such act.",
            why="The act or the platform is unknown.",
            fix="Choose both from the lists.",
            field="act",
        )
    {
        "expire": box.tokens.expire_all,
        "revoke": box.tokens.revoke_all,
        "restore": box.tokens.restore,
    }[act](platform)
    audit.record(ctx, f"sandbox.tokens_{act}", platform=platform)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a channel really caused in a span of days: orders, and money in US dollars."""

    channel: str
    spend: Decimal
    orders: int
    revenue: Decimal


def truth(ctx: Context, *, days: int = 28) -> tuple[Truth, ...]:
    """The simulator's truth of the last full days, summed by channel. Takes up to a second."""
    from liftos_app.services.sandbox import truth as simulated

    box = _box(ctx)
    last = box.clock().date() - timedelta(days=1)
    start = last - timedelta(days=days - 1)
    return tuple(
        Truth(
            channel, Decimal(found.spend) / 1_000_000, found.orders, Decimal(found.revenue) / 100
        )
        for channel, found in simulated.totals(box.world, start, last).items()
    )


def _box(ctx: Context) -> Sandbox:
    ctx.require("sandbox.control")
    make = ctx.app.extras.get("sandbox")
    if not callable(make):
        raise Conflict(
            "The sandbox is switched off.",
            why="This installation runs with DEMO_MODE=false.",
            fix="Ask the operator to switch demo mode on.",
        )
    return cast("Sandbox", make().sandbox)
