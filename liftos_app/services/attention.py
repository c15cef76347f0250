"""What needs a person now: connections that stopped, settings left half-done, sign-ins ending."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from liftos_app.models import ConnectionStatus
from liftos_app.services import connections
from liftos_app.services import format as fmt
from liftos_app.services.connections import ConnectionRow
from liftos_app.services.context import Context
from liftos_app.services.metrics.sources import platform_of
from liftos_app.services.sync import breakers

VERSION_DAYS = 60  # ahead of the end of a platform's version
_RANK = {"bad": 0, "warn": 1, "info": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to do. `kind`: bad, warn, info. `act` names the way: reauthorise, look, finish."""

    kind: str
    what: str
    why: str
    act: str
    connection_id: UUID | None
    urgent: bool  # counts in the navigation's badge


def list_all(ctx: Context) -> list[Item]:
    """Everything that needs a person, the worst first."""
    rows = connections.list_all(ctx)
    down = breakers.outages(ctx)
    found = [_outage(name, rows) for name in down]
    found += [item for row in rows if not _is_told(row, down) for item in _of(ctx, row)]
    found += _ending_versions(ctx, rows)
    return sorted(found, key=lambda item: _RANK[item.kind])


def count(ctx: Context) -> int:
    """How many connections need a person: the number in the navigation."""
    return len({i.connection_id for i in list_all(ctx) if i.urgent})


def _outage(platform: str, rows: list[ConnectionRow]) -> Item:
    """One line for a platform that answers nobody, however many connections it has."""
    hit = [r for r in rows if r.platform == platform]
    return Item(
        kind="warn",
        what=f"{hit[0].platform_name} does not answer ({fmt.plural(len(hit), 'connection')})",
        why="All of its accounts fail alike. Syncs wait and go on by themselves.",
        act="look",
        connection_id=hit[0].id,
        urgent=False,
    )


def _is_told(row: ConnectionRow, down: Collection[str]) -> bool:
    """Whether a connection's trouble is that of its platform, which is told once."""
    return row.platform in down and (row.cause or {}).get("cause") == "platform_outage"


def _ending_versions(ctx: Context, rows: Sequence[ConnectionRow]) -> Iterator[Item]:
    """Platforms in use whose interface version ends soon: LiftOS must be updated before."""
    today = ctx.now().date()
    first = {row.platform: row for row in reversed(rows)}
    for slug, row in sorted(first.items()):
        platform = platform_of(slug)
        end = platform.version_ends if platform else None
        if platform is None or end is None or (end - today).days > VERSION_DAYS:
            continue
        over = end < today
        yield Item(
            kind="bad" if over else "warn",
            what=f"{platform.name} {'ended' if over else 'ends'} version {platform.api_version} "
            f"{'on' if over else 'of its interface on'} {fmt.day(end, today)}",
            why="LiftOS reads through this version. Update LiftOS before then; nothing that was "
            "read is lost.",
            act="look",
            connection_id=row.id,
            urgent=over,
        )


def _of(ctx: Context, row: ConnectionRow) -> Iterator[Item]:
    cause = row.cause or {}
    why = " ".join(str(cause.get(k, "")) for k in ("what", "why", "fix") if cause.get(k))
    broken = {
        ConnectionStatus.NEEDS_REAUTH: (f"{row.name} needs a new sign-in", "reauthorise", "bad"),
        ConnectionStatus.FAILING: (f"{row.name} could not sync", "look", "bad"),
        ConnectionStatus.DISABLED: (
            f"{row.name} was switched off after repeated failures",
            "look",
            "bad",
        ),
        ConnectionStatus.DEGRADED: (f"{row.name} loads only in part", "look", "warn"),
        ConnectionStatus.DELAYED: (
            f"{row.name} is late, last read {fmt.ago(row.last_success_at, ctx.now())}",
            "look",
            "warn",
        ),
        ConnectionStatus.DRAFT: (f"{row.name} is not set up yet", "finish", "info"),
        ConnectionStatus.AUTHORISING: (f"{row.name} waits for its sign-in", "finish", "info"),
        ConnectionStatus.SELECTING_ACCOUNTS: (
            f"{row.name} waits for its {'streams' if row.awaits_streams else 'accounts'}",
            "finish",
            "info",
        ),
    }.get(row.status)
    if broken:
        what, act, kind = broken
        yield Item(
            kind=kind,
            what=what,
            why=why,
            act=act,
            connection_id=row.id,
            urgent=kind != "info",
        )
    end = row.credential_expires_at
    if end is not None and row.status is not ConnectionStatus.NEEDS_REAUTH:
        days = (end - ctx.now()).days
        if days <= 14:
            yield Item(
                kind="warn",
                what=f"The sign-in of {row.name} ends {fmt.ago(end, ctx.now())}",
                why="Sign in again before then and nothing is missed.",
                act="reauthorise",
                connection_id=row.id,
                urgent=days <= 3,
            )
