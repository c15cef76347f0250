"""How states, dates and causes of connections read on screen: lists, detail, wizard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from liftos_app.models import ConnectionStatus, Provenance, RunState
from liftos_app.services import format as fmt
from liftos_app.services.connections import ConnectionRow
from liftos_app.services.fallback import Fallback, Kind

_STATUS: Final[dict[ConnectionStatus, tuple[str, str]]] = {
    ConnectionStatus.DRAFT: ("mute", "Not started"),
    ConnectionStatus.AUTHORISING: ("mute", "Waits for sign-in"),
    ConnectionStatus.SELECTING_ACCOUNTS: ("mute", "Waits for accounts"),
    ConnectionStatus.BACKFILLING: ("info", "First sync"),
    ConnectionStatus.HEALTHY: ("ok", "Healthy"),
    ConnectionStatus.DELAYED: ("warn", "Late"),
    ConnectionStatus.DEGRADED: ("warn", "Partly failing"),
    ConnectionStatus.NEEDS_REAUTH: ("bad", "Sign-in expired"),
    ConnectionStatus.FAILING: ("bad", "Failed"),
    ConnectionStatus.PAUSED: ("mute", "Paused"),
    ConnectionStatus.DISABLED: ("bad", "Switched off"),
}
_NO_STREAMS: Final = ("mute", "Waits for streams")
_SYNCING: Final = ("info", "Syncing")
_WAITING: Final = {"outage": ("warn", "Waiting")}
RUN: Final[dict[RunState, tuple[str, str]]] = {
    RunState.QUEUED: ("info", "Queued"),
    RunState.RUNNING: ("info", "Running"),
    RunState.SUCCEEDED: ("ok", "Succeeded"),
    RunState.PARTIAL: ("warn", "Partial"),
    RunState.FAILED: ("bad", "Failed"),
    RunState.CANCELLED: ("mute", "Cancelled"),
}
PROVENANCE: Final = {
    Provenance.DEMO.value: "Demo",
    Provenance.FALLBACK.value: "Fallback",
    Provenance.IMPORTED.value: "Imported",
    Provenance.ESTIMATED.value: "Estimated",
}
STANDS_IN: Final = {
    Kind.LAST_GOOD: "Its last good figures are shown instead, marked.",
    Kind.DEMO: "Demo figures are shown instead, marked.",
}
OWNERS: Final = {
    "you": "You can fix this",
    "your_platform_admin": "Your platform administrator can fix this",
    "the_platform": "The platform has to fix this",
    "liftos": "LiftOS has to fix this",
}
CAUSES: Final = {
    "credential": "Credential",
    "permission": "Permission",
    "quota": "Quota",
    "platform_outage": "Platform outage",
    "bad_configuration": "Configuration",
    "source_data": "Source data",
    "our_fault": "Fault of ours",
}


@dataclass
class Cause:
    """A stored cause as finished texts: all fields of the message pattern."""

    what: str = ""
    why: str = ""
    fix: str = ""
    kind: str = ""
    owner: str = ""
    meanwhile: str = ""
    request_id: str = ""
    since: str = ""
    streams: str = ""
    stream: str = ""  # the name of the only one that is hit
    action: str = ""  # reauthorise, retry, settings, accounts, definition, schema, wait, log


def status(row: ConnectionRow) -> tuple[str, str]:
    """Colour and words of a connection's state. Trouble is said before what a run does."""
    if row.status is ConnectionStatus.SELECTING_ACCOUNTS and row.awaits_streams:
        return _NO_STREAMS
    if row.status in {ConnectionStatus.HEALTHY, ConnectionStatus.BACKFILLING}:
        if row.waiting_until is not None:
            return _WAITING.get(row.waiting_for, ("info", "Waiting"))
        if row.status is ConnectionStatus.HEALTHY and row.active_run_id is not None:
            return _SYNCING
    return _STATUS[row.status]


def wait_of(row: ConnectionRow, zone: str) -> str:
    """What the run under way waits for as a whole; empty when it does not."""
    return waiting(row.waiting_for, row.waiting_until, zone) if row.waiting_until else ""


def cause(
    stored: dict[str, Any] | None, now: datetime, zone: str,
    titles: Mapping[str, str] | None = None,
) -> Cause:
    """The texts of a cause; empty ones when there is none. `titles` are those of streams."""
    from liftos_app.services import condition

    found = condition.whole_cause(stored)
    if not found:
        return Cause()
    first = _moment(found.get("first_at"))
    streams = [str(s) for s in found.get("streams") or []]
    return Cause(
        what=str(found["what"]),
        why=str(found["why"]),
        fix=str(found["fix"]),
        kind=CAUSES.get(str(found["cause"]), ""),
        owner=OWNERS.get(str(found["owner"]), ""),
        meanwhile=str(found["meanwhile"]),
        request_id=str(found["request_id"]),
        since=f"Since {fmt.moment(first, zone, now.date())}" if first else "",
        streams=", ".join((titles or {}).get(s, s) for s in streams),
        stream=streams[0] if len(streams) == 1 else "",
        action=str(found["action"]),
    )


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def next_run(row: ConnectionRow, at: str) -> str:
    """When a schedule runs next; `at` says its time."""
    if row.status is ConnectionStatus.NEEDS_REAUTH:
        return "after sign-in"
    return at if row.next_run_at else fmt.UNKNOWN


def waiting(why: str, until: datetime, zone: str) -> str:
    """What a run waits for, and until when."""
    what = {"hours": "for its hours", "outage": "after failures"}.get(why, "for quota")
    return f"Waiting {what} until {fmt.clock(until, zone)}; it goes on by itself."


@dataclass
class Standing:
    """A connection that fails and what stands in for it, for the banner."""

    what: str = ""
    why: str = ""
    href: str = ""


def standing(found: Fallback, zone: str) -> Standing:
    """Who fails since when, what is shown instead, and why."""
    good = f" They are of {fmt.moment(found.last_good_at, zone)}." if (
        found.last_good_at and found.kind is Kind.LAST_GOOD
    ) else ""
    return Standing(
        what=f"{found.connection} fails since {fmt.moment(found.since, zone)}.",
        why=f"{found.what} {found.why} {STANDS_IN[found.kind]}{good} They are in no total and no "
        "score. This ends by itself at the first good sync.",
        href=f"/connections/{found.connection_id}",
    )
