"""How an organization wants its connections synced: defaults for new ones, hours, fallback."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from liftos_app.errors import Invalid
from liftos_app.models import SyncPreference
from liftos_app.services import audit, fallback
from liftos_app.services.context import Context
from liftos_app.services.sync import drift, hours, schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Empty text and None: LiftOS's own default."""

    schedule: str = ""  # of new connections
    history_days: int | None = None  # of new connections
    sync_window: str = ""  # 06:00-22:00 in each connection's zone, for scheduled syncs
    drift_policy: str = "evolve"  # of new connections
    fallback: str = ""  # off, last_good, demo: what is shown of live connections that fail


def get(ctx: Context) -> Preferences:
    """The organization's preferences."""
    ctx.require("connections.read")
    row = ctx.session.get(SyncPreference, ctx.org)
    return Preferences(**{n: getattr(row, n) for n in _NAMES}) if row else Preferences()


def save(ctx: Context, wanted: Preferences) -> Preferences:
    """Replace them. Raises Invalid, and then changes nothing."""
    ctx.require("connections.write")
    before = get(ctx)
    after = Preferences(
        schedule=" ".join(wanted.schedule.split()), history_days=wanted.history_days,
        sync_window=hours.check(wanted.sync_window),
        drift_policy=check_policy(wanted.drift_policy),
        fallback=fallback.check(ctx.settings, wanted.fallback),
    )
    if after.schedule:
        schedule.chosen_runs(after.schedule, "UTC", ctx.now())  # refuses what never comes
    if after.history_days is not None and not 1 <= after.history_days <= 3650:
        raise Invalid(
            f"A history of {after.history_days} days cannot be read.",
            why="It lies between a day and ten years.", fix="Choose from 1 to 3650 days.",
            field="history_days",
        )
    row = ctx.session.get(SyncPreference, ctx.org) or SyncPreference(
        org_id=ctx.org, updated_at=ctx.now()
    )
    for name, value in asdict(after).items():
        setattr(row, name, value)
    row.updated_at = ctx.now()
    ctx.session.add(row)
    ctx.session.flush()
    changed: dict[str, Any] = {
        n: [getattr(before, n), getattr(after, n)] for n in _NAMES
        if getattr(before, n) != getattr(after, n)
    }
    audit.record(ctx, "sync_preferences.saved", row, changed=changed)
    return after


def check_policy(text: str) -> str:
    """A policy for changed columns. Raises Invalid."""
    if text not in drift.POLICIES:
        raise Invalid(
            f"{text[:40]!r} is no policy for changed columns.",
            why="; ".join(f"{n}: {w}" for n, w in drift.POLICIES.items()) + ".",
            fix="Choose evolve, ignore or stop.", field="drift_policy",
        )
    return text


_NAMES = tuple(Preferences.__dataclass_fields__)
