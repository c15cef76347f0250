"""Connections: is every source flowing? Filters live in the address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import reflex as rx

from liftos_app.models import ConnectionStatus
from liftos_app.services import connections, coverage, organization
from liftos_app.services import format as fmt
from liftos_app.services.connections import ConnectionRow
from liftos_app.services.context import Context
from liftos_app.services.metrics.periods import today_in
from liftos_app.state import words
from liftos_app.state.app import AppState, as_id, handler, perform

_SETTING_UP: Final = frozenset(
    {
        ConnectionStatus.DRAFT,
        ConnectionStatus.AUTHORISING,
        ConnectionStatus.SELECTING_ACCOUNTS,
    }
)
GROUPS: Final = (
    ("", "All states"),
    ("good", "Healthy"),
    ("trouble", "Needs you or late"),
    ("paused", "Paused"),
    ("setup", "Not finished"),
)
_IN_GROUP: Final = {
    "good": {ConnectionStatus.HEALTHY, ConnectionStatus.BACKFILLING},
    "trouble": {
        ConnectionStatus.DELAYED,
        ConnectionStatus.DEGRADED,
        ConnectionStatus.NEEDS_REAUTH,
        ConnectionStatus.FAILING,
        ConnectionStatus.DISABLED,
    },
    "paused": {ConnectionStatus.PAUSED},
    "setup": set(_SETTING_UP),
}
_SOON: Final = timedelta(days=14)
SORTS: Final = ("name", "status", "success", "through", "rows", "next")


@dataclass
class Cell:
    """One day of a strip."""

    state: str
    title: str


@dataclass
class Row:
    """A connection in the list."""

    id: str
    name: str
    platform: str
    mark: str
    demo: str
    accounts: str
    kind: str
    word: str
    reason: str
    success: str
    success_exact: str
    through: str
    rows: str
    next: str
    next_exact: str
    expires: str
    href: str
    action: str  # reauthorise, finish, run or ""
    strip: list[Cell] = field(default_factory=list)
    strip_words: str = ""


@dataclass
class View:
    """The list and its summary."""

    rows: list[Row] = field(default_factory=list)
    summary: str = ""
    total: int = 0


class ConnectionsState(AppState):
    """The list."""

    view: View = View()
    loaded: bool = False
    search: str = ""
    group: str = ""
    sort: str = ""
    narrowed: bool = False

    @handler("connections.read")
    async def load(self):
        """Read filters from the address, then the rows."""
        given = self.router.url.query_parameters
        self.search = str(given.get("search", ""))[:80]
        self.group = str(given.get("state", ""))[:20]
        self.sort = str(given.get("sort", ""))[:20]
        self.narrowed = bool(self.search or self.group)
        self.view = await perform(view_of, self.search, self.group, self.sort)
        self.loaded = True
        return ConnectionsState.follow

    @handler("connections.read", background=True)
    async def follow(self):
        """While the page is open: show what syncs change. Three small columns are asked for."""
        known = ""
        for _ in range(1800):
            pulse = await perform(connections.pulse)
            if known and pulse != known:
                async with self:
                    asked = (self.search, self.group, self.sort)
                    self.view = await perform(view_of, *asked)
            known = pulse
            await asyncio.sleep(2)

    @handler("connections.read")
    async def find(self, form: dict[str, Any]):
        """Search by name."""
        return self._go(search=str(form.get("search", "")).strip()[:80])

    @handler("connections.read")
    async def pick_group(self, value: str):
        """Show one group of states."""
        return self._go(state=value)

    @handler("connections.read")
    async def clear(self):
        """All connections again."""
        return rx.redirect("/connections")

    @handler("syncs.run")
    async def run_now(self, connection_id: str):
        """Ask for a sync."""
        name = await perform(_run, connection_id, write=True)
        self._note("ok", f"Sync of {name} requested.", more="It starts within seconds.")
        self.view = await perform(view_of, self.search, self.group, self.sort)

    @handler("connections.write")
    async def pause(self, connection_id: str, resume: bool):
        """Pause or resume scheduled syncs."""
        name = await perform(_pause, connection_id, resume, write=True)
        self._note(
            "ok",
            f"{name} {'runs again' if resume else 'is paused'}.",
            more="" if resume else "Data already loaded stays.",
        )
        self.view = await perform(view_of, self.search, self.group, self.sort)

    def _go(self, **changes: str) -> Any:
        said = {"search": self.search, "state": self.group, "sort": self.sort, **changes}
        query = urlencode({k: v for k, v in said.items() if v})
        return rx.redirect("/connections" + (f"?{query}" if query else ""))


def view_of(ctx: Context, search: str, group: str, sort: str) -> View:
    """Rows of the list, narrowed and sorted as the address says."""
    overview = connections.overview(ctx)
    zone = organization.get(ctx).time_zone
    chosen = [r for r in overview.rows if search.lower() in f"{r.name} {r.platform_name}".lower()]
    if group in _IN_GROUP:
        chosen = [r for r in chosen if r.status in _IN_GROUP[group]]
    strips = coverage.strips(ctx, [r.id for r in chosen], days=60)
    return View(
        rows=[_row(ctx, r, zone, strips) for r in _sorted(chosen, sort)],
        summary=_summary(overview.counts),
        total=len(overview.rows),
    )


def _row(ctx: Context, row: ConnectionRow, zone: str, strips: dict[UUID, coverage.Strip]) -> Row:
    now = ctx.now()
    today = today_in(zone, now)
    kind, word = words.status(row)
    cause = words.cause(row.cause, now, zone)
    strip = strips.get(row.id)
    unfinished = row.status in _SETTING_UP
    return Row(
        id=str(row.id),
        name=row.name,
        platform=row.platform_name,
        mark=row.platform,
        demo=words.PROVENANCE.get(row.provenance, ""),
        accounts=fmt.plural(row.accounts, "account") if row.accounts else fmt.UNKNOWN,
        kind=kind,
        word=word,
        reason=cause.what or words.wait_of(row, zone),
        success=fmt.ago(row.last_success_at, now, zone),
        success_exact=fmt.moment(row.last_success_at, zone, today),
        through=fmt.day(row.data_through, today),
        rows=fmt.count(row.rows_24h),
        next=words.next_run(row, fmt.ago(row.next_run_at, now, zone)),
        next_exact=fmt.moment(row.next_run_at, zone, today),
        expires=_expires(row, now, zone),
        href=f"/connections/new?id={row.id}" if unfinished else f"/connections/{row.id}",
        action="finish"
        if unfinished
        else "reauthorise"
        if row.status is ConnectionStatus.NEEDS_REAUTH
        else "",
        strip=[Cell(c.state, c.title) for c in strip.cells] if strip else [],
        strip_words=strip.words if strip else "",
    )


def _expires(row: ConnectionRow, now: datetime, zone: str) -> str:
    """When the sign-in ends, once that is near enough to matter."""
    end = row.credential_expires_at
    if end is None or row.status is ConnectionStatus.NEEDS_REAUTH or end - now > _SOON:
        return ""
    return fmt.ago(end, now, zone)


def _summary(counts: dict[str, int]) -> str:
    good = counts["healthy"] + counts["backfilling"]
    late = counts["delayed"] + counts["degraded"]
    need = counts["needs_reauth"] + counts["failing"] + counts["disabled"]
    parts = [
        f"{good} healthy" if any(counts.values()) else "",
        f"{late} late or partly failing" if late else "",
        f"{need} {'needs' if need == 1 else 'need'} you" if need else "",
        f"{counts['paused']} paused" if counts["paused"] else "",
    ]
    return ", ".join(p for p in parts if p)


def _sorted(rows: Sequence[ConnectionRow], sort: str) -> list[ConnectionRow]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        return list(rows)
    keys: dict[str, Any] = {
        "name": lambda r: r.name.lower(),
        "status": lambda r: words.status(r)[1],
        "success": lambda r: r.last_success_at.timestamp() if r.last_success_at else 0,
        "through": lambda r: str(r.data_through or ""),
        "rows": lambda r: r.rows_24h,
        "next": lambda r: r.next_run_at.timestamp() if r.next_run_at else float("inf"),
    }
    return sorted(rows, key=keys[name], reverse=sort.startswith("-"))


def _run(ctx: Context, connection_id: str) -> str:
    wanted = as_id(connection_id)
    connections.request_sync(ctx, wanted)
    return connections.get(ctx, wanted).name


def _pause(ctx: Context, connection_id: str, resume: bool) -> str:
    act = connections.resume if resume else connections.pause
    return act(ctx, as_id(connection_id)).name
