"""What each of the wizard's five steps shows, resumable by the connection's id and a step number.

Reads only. The acts themselves are in `connections` and `oauth`; the page calls them and asks for
a new view.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from liftos_app.errors import Invalid, LiftOSError
from liftos_app.models import Connection, ConnectionStatus, Provenance
from liftos_app.services import catalogue, condition, connections, sync
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AuthMethod, Platform
from liftos_app.services.consent_words import PROBLEMS, Problem, step_address
from liftos_app.services.context import Context
from liftos_app.services.sync import schedule

__all__ = [
    "HISTORY", "PROBLEMS", "STEPS", "Problem", "View", "preview_load", "preview_schedule",
    "redirect_uri", "step_address", "view",
]

STEPS: Final = ("Platform", "Sign in", "Accounts", "Streams and history", "Test and start")
HISTORY: Final = ((30, "30 days"), (90, "90 days"), (396, "13 months"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the five in the visible list. `why` says what a locked step waits for."""

    number: int
    title: str
    state: str  # done, current, open, locked
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of the chosen sign-in method. A secret never comes back: only its hint does."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    placeholder: str
    value: str  # non-secret values only
    multiline: bool
    choices: tuple[tuple[str, str], ...]
    hint: str  # last characters of a stored secret
    stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRow:
    """A permission in words, and whether it was granted; None before sign-in."""

    name: str
    reason: str
    required: bool
    read_only: bool
    without: str
    granted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account to choose."""

    id: UUID
    external_id: str
    name: str
    currency: str
    time_zone: str
    status: str
    usable: bool
    reason: str
    selected: bool
    also_in: tuple[str, ...]  # other connections that read it


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """A stream to choose."""

    name: str
    title: str
    grain: str
    chosen: bool
    reread_days: int
    history_days: int
    pii: bool
    defined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """A history to choose, with what its first load takes."""

    days: int
    title: str
    load: sync.Estimate
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the wizard's page needs for one connection."""

    connection_id: UUID | None
    name: str
    status: str
    provenance: str
    demo_possible: bool
    step: int
    steps: tuple[Step, ...]
    platform: catalogue.Card
    method: str
    kind: str  # oauth2, oauth1, key, client_credentials
    fields: tuple[Field, ...]
    redirect_uri: str  # empty for methods without a consent page
    signed_in: bool
    scopes: tuple[ScopeRow, ...]
    missing_scopes: tuple[str, ...]
    accounts: tuple[AccountRow, ...]
    streams: tuple[StreamRow, ...]
    defines: bool  # streams are added by a person
    history_days: int
    history: tuple[HistoryRow, ...]
    schedule: str
    schedule_zone: str
    next_runs: tuple[datetime, ...]
    schedule_problem: str
    load: sync.Estimate
    cause: dict[str, Any] | None
    run_id: UUID | None  # the newest run, once started


def view(
    ctx: Context, *, connection_id: UUID | None = None, platform_id: str = "", method: str = "",
    step: int | None = None, origin: str = "",
) -> View:
    """The wizard for a draft, or for a platform not yet chosen for good (no draft is written).

    `step` is what the address says; a locked step falls back to the first open one.
    """
    ctx.require("connections.read")
    connection = connections.get(ctx, connection_id) if connection_id else None
    platform = catalogue.find(connection.platform if connection else platform_id)
    chosen = catalogue.find_method(
        platform, method or (connection.auth_kind if connection else "")
    )
    accounts = _accounts(ctx, connection)
    selected = sum(a.selected for a in accounts)
    signed_in = connection is not None and condition.signed_in(ctx, connection)
    streams = connection.streams if connection else connections.default_streams(platform)
    days = connection.history_days if connection else connections.HISTORY_DAYS
    now_step, steps = _steps(connection, step, signed_in=signed_in, selected=selected)
    scopes, missing = _scopes(ctx, connection, platform, chosen)
    options = connection.options if connection else {}
    text = connection.schedule if connection else connections.SCHEDULE
    zone = connection.schedule_zone if connection else "UTC"
    upcoming, problem = _next_runs(text, zone, ctx.now())
    return View(
        connection_id=connection.id if connection else None,
        name=connection.name if connection else platform.name,
        status=str(connection.status) if connection else ConnectionStatus.DRAFT.value,
        provenance=str(connection.provenance if connection else connections.resolve_mode(ctx, "")),
        demo_possible=ctx.settings.demo_mode, step=now_step, steps=steps,
        platform=catalogue.card(platform, demo_mode=_shows_demo(ctx, connection)),
        method=chosen.id, kind=chosen.kind, fields=_fields(ctx, connection, chosen),
        redirect_uri=redirect_uri(ctx, platform, chosen, origin),
        signed_in=signed_in, scopes=scopes, missing_scopes=missing, accounts=accounts,
        streams=_streams(platform, streams, options), defines=platform.define is not None,
        history_days=days,
        history=_history(platform, streams, selected, days, options), schedule=text,
        schedule_zone=zone,
        next_runs=upcoming, schedule_problem=problem,
        load=sync.estimate(platform, streams, selected, days, options),
        cause=condition.whole_cause(connection.cause) if connection else None,
        run_id=_newest_run(ctx, connection),
    )


def redirect_uri(ctx: Context, platform: Platform, method: AuthMethod, origin: str = "") -> str:
    """The address to copy into the platform's app; empty when the method has no consent page."""
    if not method.has_consent:
        return ""
    base = origin if origin in ctx.settings.origins else ctx.settings.public_url
    return f"{base}/oauth/callback/{platform.slug}"


def preview_schedule(ctx: Context, text: str, zone: str) -> tuple[tuple[datetime, ...], str]:
    """The next three run times of a schedule being typed, or the sentence that says why not."""
    return _next_runs(text, zone, ctx.now())


def preview_load(
    ctx: Context, connection_id: UUID, *, streams: tuple[str, ...], days: int
) -> sync.Estimate:
    """Calls and seconds of a first load being chosen. Raises Invalid for impossible days."""
    connection = connections.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    longest = connections.longest_history(platform, connection.options)
    if not 1 <= days <= longest:
        raise Invalid(
            f"A history of {days} days cannot be read.",
            why=f"{platform.name} answers for the last {longest} days.",
            fix=f"Choose from 1 to {longest} days.", field="history_days",
        )
    selected = sum(a.selected for a in connections.accounts_of(ctx, connection_id))
    return sync.estimate(platform, streams, selected, days, connection.options)


def _steps(
    connection: Connection | None, asked: int | None, *, signed_in: bool, selected: int
) -> tuple[int, tuple[Step, ...]]:
    """The step to show, and all five with their states."""
    locked: dict[int, str] = {}
    if connection is None:
        locked = dict.fromkeys(range(2, 6), "Choose a platform first.")
    elif not signed_in:
        locked = dict.fromkeys(range(3, 6), "Sign in first.")
    elif not selected:
        locked = dict.fromkeys(range(4, 6), "Choose accounts first.")
    furthest = min(locked, default=6) - 1
    begun = connection is not None and condition.started(connection)
    wanted = asked or (connection.wizard_step if connection else 1)
    current = max(1, min(wanted, furthest))
    done = {1: connection is not None, 2: signed_in, 3: selected > 0, 4: begun or current > 4,
            5: begun}
    return current, tuple(
        Step(
            number=n, title=title, why=locked.get(n, ""),
            state="current" if n == current else "locked" if n in locked
            else "done" if done[n] else "open",
        )
        for n, title in enumerate(STEPS, 1)
    )


def _fields(
    ctx: Context, connection: Connection | None, method: AuthMethod
) -> tuple[Field, ...]:
    same = connection is not None and connection.auth_kind == method.id
    hints = (
        {c.field: c.hint for c in connections.credentials_of(ctx, connection.id)}
        if connection is not None and same else {}
    )
    plain = connection.options if connection is not None and same else {}
    return tuple(
        Field(
            name=i.name, label=i.label, help=i.help, secret=i.secret, required=i.required,
            placeholder=i.placeholder, multiline=i.multiline, choices=i.choices,
            value="" if i.secret else str(plain.get(i.name, "")),
            hint=hints.get(i.name, "") if i.secret else "",
            stored=i.name in hints if i.secret else bool(plain.get(i.name)),
        )
        for i in method.inputs
    )


def _scopes(
    ctx: Context, connection: Connection | None, platform: Platform, method: AuthMethod
) -> tuple[tuple[ScopeRow, ...], tuple[str, ...]]:
    granted = connections.granted_scopes(ctx, connection) if connection else None
    rows = tuple(
        ScopeRow(
            name=s.name, reason=s.reason, required=s.required, read_only=s.read_only,
            without=s.without, granted=None if granted is None else s.name in granted,
        )
        for s in platform.scopes if not s.methods or method.id in s.methods
    )
    return rows, tuple(r.name for r in rows if r.granted is False)


def _accounts(ctx: Context, connection: Connection | None) -> tuple[AccountRow, ...]:
    if connection is None:
        return ()
    others = connections.also_connected(ctx, connection.id)
    return tuple(
        AccountRow(
            id=a.id, external_id=a.external_id, name=a.name, currency=a.currency,
            time_zone=a.time_zone, status=a.status, usable=a.usable, reason=a.reason,
            selected=a.selected, also_in=tuple(others.get(a.external_id, ())),
        )
        for a in connections.accounts_of(ctx, connection.id)
    )


def _streams(
    platform: Platform, chosen: list[str], options: Mapping[str, Any]
) -> tuple[StreamRow, ...]:
    return tuple(
        StreamRow(
            name=s.name, title=s.title, grain=s.grain, chosen=s.name in chosen,
            reread_days=s.window.reread_days if s.window else 0,
            history_days=s.window.history_days if s.window else 0, pii=s.pii,
            defined=s.defined,
        )
        for s in streams_of(platform, options)
    )


def _history(
    platform: Platform, streams: list[str], selected: int, chosen: int,
    options: Mapping[str, Any],
) -> tuple[HistoryRow, ...]:
    longest = connections.longest_history(platform, options)
    offers = [(d, t) for d, t in HISTORY if d < longest] + [(longest, f"All, {longest:,} days")]
    if chosen not in {d for d, _ in offers}:
        offers.append((chosen, f"{chosen} days"))
    rows = []
    for days, title in sorted(offers):
        rows.append(HistoryRow(
            days=days, title=title, chosen=days == chosen,
            load=sync.estimate(platform, streams, selected, days, options),
        ))
    return tuple(rows)


def _next_runs(text: str, zone: str, now: dt.datetime) -> tuple[tuple[datetime, ...], str]:
    try:
        return tuple(schedule.chosen_runs(text, zone, now, 3)), ""
    except LiftOSError as error:
        return (), error.sentence()


def _newest_run(ctx: Context, connection: Connection | None) -> UUID | None:
    if connection is None or not condition.started(connection):
        return None
    run = sync.latest(ctx, connection.id)
    return run.id if run else None


def _shows_demo(ctx: Context, connection: Connection | None) -> bool:
    if not ctx.settings.demo_mode:
        return False
    return connection is None or connection.provenance == Provenance.DEMO
