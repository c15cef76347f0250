"""A connection's beginning and its settings: draft, inputs, name, streams, history, schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from liftos_app.errors import Conflict, Invalid
from liftos_app.models import Connection, Credential, Provenance
from liftos_app.services import audit, catalogue, condition, preferences, vault
from liftos_app.services import format as fmt
from liftos_app.services.connections import reading
from liftos_app.services.connections.inputs import Checked, check_inputs, check_name
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AuthMethod, Platform
from liftos_app.services.context import Context
from liftos_app.services.sync import schedule

HISTORY_DAYS: Final = 90
COLORS: Final = 6  # the series colours of charts; what comes after is grey
CHANNELS: Final = ("Ads", "Mail")
SCHEDULE: Final = "every 1 h"  # what the 2-hour timeliness target needs
TOKEN_FIELDS: Final = (
    "access_token", "access_token_secret", "refresh_token", "refresh_token_previous",
)


def resolve_mode(ctx: Context, mode: str) -> Provenance:
    """`demo` or `live`; empty means what this installation does. Raises Invalid."""
    if mode == Provenance.DEMO and not ctx.settings.demo_mode:
        raise Invalid(
            "Demo connections are switched off here.",
            why="This installation runs with DEMO_MODE=false, so there is no sandbox.",
            fix="Connect with mode live, or ask the operator to switch demo mode on.",
            field="mode",
        )
    if mode in {Provenance.DEMO, Provenance.LIVE}:
        return Provenance(mode)
    if mode:
        raise Invalid(
            f"{mode[:40]!r} is not a mode.", why="A connection is either demo or live.",
            fix="Send demo or live.", field="mode",
        )
    return Provenance.DEMO if ctx.settings.demo_mode else Provenance.LIVE


def create_draft(
    ctx: Context, platform_id: str, *, mode: str = "", method: str = "", name: str = "",
) -> Connection:
    """A new connection that has no sign-in yet. Live or demo is fixed from here on."""
    ctx.require("connections.write")
    platform = catalogue.find(platform_id)
    chosen = catalogue.find_method(platform, method)
    provenance = resolve_mode(ctx, mode)
    usual = preferences.get(ctx)
    connection = Connection(
        org_id=ctx.org, platform=platform.slug, name=check_name(name) if name
        else _free_name(ctx, platform.name), provenance=provenance,
        auth_kind=chosen.id, streams=default_streams(platform),
        history_days=min(usual.history_days or HISTORY_DAYS, longest_history(platform)),
        schedule=usual.schedule or SCHEDULE, drift_policy=usual.drift_policy,
        schedule_zone=_organization_zone(ctx), wizard_step=2,
        color_index=_next_color(ctx, provenance, platform.category),
        created_by=ctx.who.user_id, created_at=ctx.now(), updated_at=ctx.now(),
    )
    ctx.session.add(connection)
    ctx.session.flush()
    condition.note(ctx, connection, "settings", f"Connection created by {_actor(ctx)}.")
    audit.record(
        ctx, "connection.created", connection, platform=platform.slug,
        provenance=connection.provenance,
    )
    return connection


def save_inputs(
    ctx: Context, connection_id: UUID, values: Mapping[str, str], *, method: str = "",
) -> Connection:
    """Check and keep what a person typed: secrets in the vault, the rest beside the connection.

    Values left empty keep what is stored. Raises Invalid, and then changes nothing.
    """
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    chosen = catalogue.find_method(platform, method or connection.auth_kind)
    same = chosen.id == connection.auth_kind
    if connection.status not in condition.NOT_STARTED and not (same and chosen.has_consent):
        raise Conflict(
            "The credential of a running connection is replaced by signing in again.",
            why="What is typed here is only kept once the platform has accepted it.",
            fix="Use Sign in again.",
        )
    checked = check_inputs(
        platform, chosen, values, kept=kept_inputs(ctx, connection, chosen) if same else None
    )
    store_inputs(ctx, connection, chosen, checked)
    audit.record(
        ctx, "connection.credentials_entered", connection, method=chosen.id,
        inputs=sorted(checked.all),
    )
    return connection


def kept_inputs(ctx: Context, connection: Connection, method: AuthMethod) -> dict[str, str]:
    """The values of a method that are stored, in clear, for the length of one act."""
    kept = {str(k): str(v) for k, v in connection.options.items() if k != "streams"}
    secrets = vault.get_all(ctx, connection)
    for one in method.inputs:
        if one.secret and one.name in secrets:
            kept[one.name] = secrets[one.name].reveal()
    return kept


def store_inputs(
    ctx: Context, connection: Connection, method: AuthMethod, checked: Checked
) -> None:
    """Write checked inputs. What belonged to another method of signing in goes."""
    if method.id != connection.auth_kind:
        drop_fields(ctx, connection, keep={i.name for i in method.inputs})
        kept = ("streams", "publish_to")  # what does not belong to a way of signing in
        connection.options = {k: v for k, v in connection.options.items() if k in kept}
    connection.auth_kind = method.id
    names = {i.name for i in method.inputs if not i.secret}
    others = {k: v for k, v in connection.options.items() if k not in names}
    connection.options = {**others, **checked.plain}
    connection.updated_at = ctx.now()
    connection.wizard_step = max(connection.wizard_step, 2)
    ctx.session.add(connection)
    for name, value in checked.secret.items():
        vault.put(ctx, connection, name, value)


def drop_fields(ctx: Context, connection: Connection, *, keep: set[str]) -> None:
    """Delete sealed values that are no longer used; tokens always."""
    rows = ctx.session.exec(
        select(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id
        )
    ).all()
    for row in rows:
        if row.field not in keep or row.field in TOKEN_FIELDS:
            ctx.session.delete(row)
    ctx.session.flush()


def rename(ctx: Context, connection_id: UUID, name: str) -> Connection:
    """Give a connection another name."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    before, connection.name = connection.name, check_name(name)
    if before != connection.name:
        _changed(ctx, connection, f"Renamed from {before!r} to {connection.name!r}")
        audit.record(
            ctx, "connection.renamed", connection, before=before, after=connection.name
        )
    return connection


def choose_streams(ctx: Context, connection_id: UUID, names: Sequence[str]) -> Connection:
    """Which streams are read. At least one; the order is the platform's. Raises Invalid."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    known = [s.name for s in streams_of(platform, connection.options)]
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        raise Invalid(
            f"{platform.name} has no stream called {unknown[0][:60]!r}." if unknown
            else "No stream is chosen.",
            why=f"Its streams are: {', '.join(known)}." if known or platform.define is None
            else "None is defined yet.",
            fix="Choose at least one of these." if known else "Add a stream first.",
            field="streams",
        )
    before = list(connection.streams)
    connection.streams = [n for n in known if n in set(names)]
    if before != connection.streams:
        _changed(ctx, connection, f"Streams set to {', '.join(connection.streams)}")
        audit.record(
            ctx, "connection.streams_chosen", connection, before=before, after=connection.streams
        )
    return connection


def set_history(ctx: Context, connection_id: UUID, days: int) -> Connection:
    """How far back the first load goes, in days before today. Raises Invalid."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    platform = catalogue.find(connection.platform)
    longest = longest_history(platform, connection.options)
    if not 1 <= days <= longest:
        raise Invalid(
            f"A history of {days} days cannot be read.",
            why=f"{platform.name} answers for the last {longest} days.",
            fix=f"Choose from 1 to {longest} days.", field="history_days",
        )
    before, connection.history_days = connection.history_days, days
    if before != days:
        _changed(ctx, connection, f"History set to {fmt.plural(days, 'day')}")
        audit.record(ctx, "connection.history_set", connection, before=before, after=days)
    return connection


def set_schedule(
    ctx: Context, connection_id: UUID, text: str, *, zone: str | None = None
) -> Connection:
    """When it runs by itself: `every 6 h`, or five cron fields in a time zone. Raises Invalid."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    zone = connection.schedule_zone if zone is None else zone
    upcoming = schedule.chosen_runs(text, zone, ctx.now(), 1)
    before = (connection.schedule, connection.schedule_zone)
    connection.schedule, connection.schedule_zone = " ".join(text.split()), zone
    if connection.status not in condition.NOT_STARTED and connection.paused_at is None:
        connection.next_run_at = upcoming[0]
    if before != (connection.schedule, zone):
        _changed(ctx, connection, f"Schedule set to {connection.schedule} ({zone})")
        audit.record(
            ctx, "connection.schedule_set", connection, before=list(before),
            after=[connection.schedule, zone],
        )
    return connection


def set_step(ctx: Context, connection_id: UUID, step: int) -> Connection:
    """Remember where the wizard was left."""
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    if not 1 <= step <= 5:
        raise Invalid(
            "The wizard has five steps.", why=f"There is no step {step}.", fix="Go back to step 1.",
            field="step",
        )
    connection.wizard_step = step
    ctx.session.add(connection)
    return connection


def default_streams(platform: Platform) -> list[str]:
    """What is read unless a person says otherwise."""
    return [s.name for s in platform.streams if s.default]


def longest_history(platform: Platform, options: Mapping[str, Any] | None = None) -> int:
    """The longest history any of its streams answers for, in days."""
    known = [s.window.history_days for s in streams_of(platform, options or {}) if s.window]
    return max(known, default=3650)


def _changed(ctx: Context, connection: Connection, text: str) -> None:
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    condition.note(ctx, connection, "settings", f"{text} by {_actor(ctx)}.")


def _actor(ctx: Context) -> str:
    return ctx.who.name or ("a program" if ctx.who.kind == "program" else "a person")


def _free_name(ctx: Context, base: str) -> str:
    taken = set(ctx.session.exec(
        select(Connection.name).where(
            col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None)
        )
    ).all())
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base} {number}"
    return name


def _next_color(ctx: Context, provenance: Provenance, category: str) -> int:
    """The first free one among connections shown together; channels come before the rest."""
    used = set(ctx.session.exec(
        select(Connection.color_index).where(
            col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None),
            col(Connection.provenance) == provenance.value,
        )
    ).all())
    return next(n for n in count(0 if category in CHANNELS else COLORS) if n not in used)


def _organization_zone(ctx: Context) -> str:
    from liftos_app.models import Organization

    organization = ctx.session.get(Organization, ctx.org)
    return organization.time_zone if organization else "UTC"
