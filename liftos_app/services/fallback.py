"""Fallback: which failing live connections are set apart, since when and why, and what is shown.

Off unless chosen. A connection set apart counts in no live total and no score; its figures are
shown beside them, marked. Nothing is stored: the first good sync ends it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlmodel import col, func, select

from liftos_app.config import Settings
from liftos_app.errors import Invalid
from liftos_app.models import (
    Connection,
    ConnectionStatus,
    Provenance,
    RunState,
    SyncPreference,
    SyncRun,
)
from liftos_app.services.context import Context

_NOT_RUNNING: Final = (
    ConnectionStatus.DRAFT, ConnectionStatus.AUTHORISING, ConnectionStatus.SELECTING_ACCOUNTS,
    ConnectionStatus.PAUSED, ConnectionStatus.DISABLED,
)


class Kind(StrEnum):
    """What stands in for a live connection that fails."""

    OFF = "off"
    LAST_GOOD = "last_good"  # our stored rows, as they were when it last worked
    DEMO = "demo"  # rows of the demo connection of the same platform


CHOICES: Final = {
    "": "As the installation says", Kind.OFF.value: "Nothing: stored rows go on counting",
    Kind.LAST_GOOD.value: "The last good figures, marked and in no total",
    Kind.DEMO.value: "Demo figures, marked and in no total",
}
TITLES: Final = {Kind.LAST_GOOD: "Last good", Kind.DEMO: "Demo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """One live connection that is set apart."""

    connection_id: UUID
    connection: str
    platform: str
    kind: Kind
    since: datetime
    last_good_at: datetime | None
    what: str
    why: str
    fix: str
    provenance: str = Provenance.FALLBACK.value

    @property
    def title(self) -> str:
        """Its badge."""
        return TITLES[self.kind]


def check(settings: Settings, text: str) -> str:
    """A choice as stored. Raises Invalid."""
    if text not in CHOICES:
        raise Invalid(
            f"{text[:40]!r} is no fallback.", why="It is off, last_good or demo.",
            fix="Choose one of these, or leave it empty.", field="fallback",
        )
    if text == Kind.DEMO and not settings.demo_mode:
        raise Invalid(
            "Demo figures cannot stand in here.", why="This installation is live only.",
            fix="Choose the last good figures, or set DEMO_MODE.", field="fallback",
        )
    return text


def usual(settings: Settings) -> Kind:
    """What organizations have that did not choose (FALLBACK_TO_MOCK)."""
    if not settings.fallback_to_mock:
        return Kind.OFF
    return Kind.DEMO if settings.demo_mode else Kind.LAST_GOOD


def chosen(ctx: Context) -> Kind:
    """The organization's choice, else the installation's."""
    row = ctx.session.get(SyncPreference, ctx.org)
    wanted = Kind(row.fallback) if row and row.fallback else usual(ctx.settings)
    if wanted is Kind.DEMO and not ctx.settings.demo_mode:  # chosen before the sandbox was shut
        return Kind.LAST_GOOD
    return wanted


def active(ctx: Context, only: Iterable[UUID] | None = None) -> dict[UUID, Fallback]:
    """The live connections that fail and are set apart; none while fallback is off."""
    kind = chosen(ctx)
    if kind is Kind.OFF:
        return {}
    query = select(Connection).where(
        Connection.org_id == ctx.org, Connection.provenance == Provenance.LIVE,
        col(Connection.deleted_at).is_(None), col(Connection.status).not_in(_NOT_RUNNING),
    )
    if only is not None:
        query = query.where(col(Connection.id).in_(list(only)))
    demos = _demo_platforms(ctx) if kind is Kind.DEMO else set()
    found = {}
    for connection in ctx.session.exec(query):
        since = _failing_since(ctx, connection)
        if since is not None:
            cause = connection.cause or {}
            found[connection.id] = Fallback(
                connection_id=connection.id, connection=connection.name,
                platform=connection.platform, since=since,
                last_good_at=connection.last_success_at,
                kind=kind if connection.platform in demos else Kind.LAST_GOOD,
                what=str(cause.get("what") or "It waits for its first good sync."),
                why=str(cause.get("why") or ""), fix=str(cause.get("fix") or ""),
            )
    return found


def _failing_since(ctx: Context, connection: Connection) -> datetime | None:
    """When the first sync failed after the last good one; None while nothing failed.

    Only a good sync ends it: neither a partial one nor a renewed sign-in says that all is well.
    """
    query = select(func.min(SyncRun.finished_at)).where(
        SyncRun.org_id == ctx.org, SyncRun.connection_id == connection.id,
        SyncRun.state == RunState.FAILED,
    )
    if connection.last_success_at is not None:
        query = query.where(col(SyncRun.finished_at) > connection.last_success_at)
    failed: datetime | None = ctx.session.exec(query).one()
    if connection.status != ConnectionStatus.NEEDS_REAUTH:
        return failed
    told = str((connection.cause or {}).get("first_at") or "")
    refused = datetime.fromisoformat(told) if told else connection.updated_at
    return min(failed, refused) if failed else refused


def _demo_platforms(ctx: Context) -> set[str]:
    """Platforms of which the organization has a demo connection that has loaded once."""
    return set(ctx.session.exec(
        select(Connection.platform).where(
            Connection.org_id == ctx.org, Connection.provenance == Provenance.DEMO,
            col(Connection.deleted_at).is_(None), col(Connection.last_success_at).is_not(None),
        )
    ))
