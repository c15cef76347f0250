"""What an organization chose: days of marketing data, legal hold, and its own end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from liftos_app.errors import Conflict, Invalid
from liftos_app.models import Organization, RetentionSetting
from liftos_app.services import audit
from liftos_app.services.context import Context

SHORTEST_DAYS: Final = 30
LONGEST_DAYS: Final = 730
GRACE: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Choice:
    """What holds now."""

    marketing_days: int = LONGEST_DAYS
    held: bool = False
    hold_reason: str = ""
    erase_at: datetime | None = None


def choice_of(session: Session, org_id: int) -> Choice:
    """The stored choice of an organization, or the longest times."""
    row = session.get(RetentionSetting, org_id)
    if row is None:
        return Choice()
    return Choice(row.marketing_days, row.hold_since is not None, row.hold_reason, row.erase_at)


def get(ctx: Context) -> Choice:
    """The choice of the organization of the context."""
    ctx.require("organization.read")
    return choice_of(ctx.session, ctx.org)


def change(ctx: Context, marketing_days: int) -> Choice:
    """Keep marketing data for so many days. What is older goes with the next walk."""
    ctx.require("organization.write")
    ctx.require_proof()
    row = _row(ctx)
    before, row.marketing_days = row.marketing_days, checked_days(marketing_days)
    row.changed_at = ctx.now()
    if before != row.marketing_days:
        audit.record(
            ctx, "retention.changed", row, before=before, after=row.marketing_days
        )
    return choice_of(ctx.session, ctx.org)


def hold(ctx: Context, reason: str) -> Choice:
    """Legal hold: from now on nothing of the organization is deleted by age or by erasure."""
    ctx.require("organization.write")
    ctx.require_proof()
    words = " ".join(reason.split())
    if not 3 <= len(words) <= 300:
        raise Invalid(
            "A hold needs its reason in 3 to 300 characters.",
            fix="Name the case, so that somebody knows when it may end.", field="reason",
        )
    row = _row(ctx)
    row.hold_since, row.hold_reason = row.hold_since or ctx.now(), words
    row.hold_by, row.changed_at = ctx.who.user_id, ctx.now()
    audit.record(ctx, "retention.held", row, reason=words)
    return choice_of(ctx.session, ctx.org)


def release(ctx: Context) -> Choice:
    """End the hold; the next walk deletes what is too old by then."""
    ctx.require("organization.write")
    ctx.require_proof()
    row = _row(ctx)
    if row.hold_since is not None:
        row.hold_since, row.hold_reason, row.hold_by = None, "", None
        row.changed_at = ctx.now()
        audit.record(ctx, "retention.released", row)
    return choice_of(ctx.session, ctx.org)


def ask_erasure(ctx: Context, name: str) -> datetime:
    """Delete the organization in seven days. `name` is its name, typed. Raises Invalid, Conflict.
    """
    ctx.require("data.erase")
    ctx.require_proof()
    organization = ctx.session.get_one(Organization, ctx.org)
    if name.strip() != organization.name:
        raise Invalid(
            "This is not the organization's name.",
            why="It is typed once more so that nothing is deleted by accident.",
            fix="Type it exactly as it is shown.", field="name",
        )
    require_no_hold(ctx.session, ctx.org)
    row = _row(ctx)
    if row.erase_at is None:
        row.erase_at, row.erase_asked_by = ctx.now() + GRACE, ctx.who.user_id
        row.changed_at = ctx.now()
        audit.record(ctx, "organization.erasure_asked", organization, at=row.erase_at.isoformat())
    return row.erase_at


def cancel_erasure(ctx: Context) -> None:
    """Take the deletion of the organization back."""
    ctx.require("data.erase")
    row = _row(ctx)
    if row.erase_at is not None:
        row.erase_at, row.erase_asked_by, row.changed_at = None, None, ctx.now()
        audit.record(ctx, "organization.erasure_cancelled", row)


def require_no_hold(session: Session, org_id: int) -> None:
    """Raise Conflict while a legal hold stands."""
    if choice_of(session, org_id).held:
        raise Conflict(
            "A legal hold stands.", why="Nothing of this organization may be deleted.",
            fix="End the hold first, once whoever asked for it agrees.",
        )


def checked_days(days: int) -> int:
    """A number of days that may be chosen. Raises Invalid."""
    if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        raise Invalid(
            f"Marketing data is kept for {SHORTEST_DAYS} to {LONGEST_DAYS} days.",
            why="Two years is the longest we keep it.", field="marketing_days",
        )
    return days


def _row(ctx: Context) -> RetentionSetting:
    row = ctx.session.get(RetentionSetting, ctx.org, with_for_update=True)
    if row is None:
        row = RetentionSetting(org_id=ctx.org, changed_at=ctx.now())
        ctx.session.add(row)
        ctx.session.flush()
    return row
