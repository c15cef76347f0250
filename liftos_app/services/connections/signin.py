"""Signing in to a platform and what follows: accounts, permissions, tests, and the way out.

These functions call platforms: they take the App, open short contexts themselves and hold no
transaction across a call. What a platform answers is stored in one transaction or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from liftos_app.errors import Conflict, Fix, Invalid, LiftOSError, PlatformFault, Retry
from liftos_app.models import Account, Connection, ConnectionStatus, Provenance
from liftos_app.services import audit, catalogue, condition, links, sync
from liftos_app.services import format as fmt
from liftos_app.services.connections import choosing, defining, drafts, life, reading, scopes
from liftos_app.services.connections.choosing import Difference
from liftos_app.services.connections.inputs import check_inputs, check_name
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import accounts_of, read_all
from liftos_app.services.connectors.spec import AccountInfo, Platform
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.vault import VaultFault

log = logging.getLogger(__name__)
REVOKE_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class SignedIn:
    """How a sign-in ended. `run_id` is a sync that was asked for because of it."""

    connection_id: UUID
    status: ConnectionStatus
    missing_scopes: tuple[str, ...] = ()  # required ones that were not granted
    difference: Difference = field(default_factory=Difference)
    accounts: int = 0  # usable ones
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a credential sees."""

    accounts: tuple[AccountInfo, ...]
    granted: tuple[str, ...] | None  # None: the platform does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a program may settle in one call when it creates a connection."""

    name: str = ""
    accounts: str | Sequence[str] = ()  # "all", or external ids
    streams: Sequence[str] = ()
    definitions: Sequence[Mapping[str, Any]] = ()  # streams to define (connectors/defined.py)
    history_days: int | None = None
    schedule: str = ""
    schedule_zone: str | None = None
    start: bool = False


def create_connected(
    app: App, who: Principal, org_id: int, platform_id: str, *, method: str = "",
    inputs: Mapping[str, str], mode: str = "", wishes: Wishes | None = None,
) -> SignedIn:
    """Create a connection from a key: sign in, read the accounts, and only then write, all at once.

    Raises Invalid for inputs, PlatformFault when the platform refuses; nothing is left behind.
    """
    wishes = wishes or Wishes()
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        platform = catalogue.find(platform_id)
        chosen = catalogue.find_method(platform, method)
        provenance = drafts.resolve_mode(ctx, mode)
        _check_wishes(platform, wishes)
    if chosen.has_consent:
        raise Conflict(
            f"{platform.name} signs in on its own page with the method {chosen.id}.",
            why="A key alone does not open it.",
            fix="Begin with POST /platform-connections/oauth/initiate.",
        )
    checked = check_inputs(platform, chosen, inputs)
    with links.open_trial(
        app, platform, chosen, inputs=checked.all, demo=provenance is Provenance.DEMO
    ) as trial:
        seen = _look(platform, trial.client)
    with open_context(app, who, org_id, write=True) as ctx:
        connection = drafts.create_draft(
            ctx, platform.slug, mode=provenance, method=chosen.id, name=wishes.name
        )
        drafts.store_inputs(ctx, connection, chosen, checked)
        links.store_tokens(ctx, connection, trial.tokens)
        outcome = _land(ctx, connection, platform, seen)
        _settle(ctx, connection, wishes)
        run = life.start(ctx, connection.id) if wishes.start else None
        return _with(outcome, connection, run.id if run else None)


def sign_in(
    app: App, who: Principal, org_id: int, connection_id: UUID, *,
    inputs: Mapping[str, str] | None = None, method: str = "",
) -> SignedIn:
    """Sign in with a key or with client credentials, given now or kept before.

    New values are stored only when the platform has accepted them and, where the connection runs,
    they open the accounts it reads: a wrong or a foreign key never replaces a working one. Raises
    Invalid, Conflict or PlatformFault.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        platform = catalogue.find(connection.platform)
        chosen = catalogue.find_method(platform, method or connection.auth_kind)
        kept = (
            drafts.kept_inputs(ctx, connection, chosen)
            if chosen.id == connection.auth_kind else None
        )
        demo = connection.provenance == Provenance.DEMO
    if chosen.has_consent:
        raise Conflict(
            f"{platform.name} signs in on its own page with the method {chosen.id}.",
            why="A key alone does not open it.", fix="Go to the platform's page to sign in.",
        )
    checked = check_inputs(platform, chosen, inputs or {}, kept=kept)
    with links.open_trial(app, platform, chosen, inputs=checked.all, demo=demo) as trial:
        seen = _look(platform, trial.client)
    with open_context(app, who, org_id, write=True) as ctx:
        connection = reading.get(ctx, connection_id)
        foreign = _foreign(ctx, connection, platform, seen)
        if foreign is None:
            drafts.store_inputs(ctx, connection, chosen, checked)
            links.store_tokens(ctx, connection, trial.tokens)
            audit.record(ctx, "connection.signed_in", connection, method=chosen.id)
            return _land(ctx, connection, platform, seen)
        audit.record(ctx, "connection.key_refused", connection, method=chosen.id)
        condition.note(
            ctx, connection, "credential", f"A new key was not taken. {foreign.sentence()}",
            level="warning",
        )
    raise foreign


def _foreign(
    ctx: Context, connection: Connection, platform: Platform, seen: _Seen
) -> Fix | None:
    """What is wrong with a key of other accounts than those a running connection reads."""
    if not condition.started(connection) or scopes.missing(platform, seen.granted):
        return None
    found = accounts_of(platform, connection.options, seen.accounts)
    return choosing.lost_by(ctx, connection, found, origin=platform.name)


def after_sign_in(app: App, who: Principal, org_id: int, connection_id: UUID) -> SignedIn:
    """What follows a finished consent: read permissions and accounts, compare, go on.

    A running connection whose chosen accounts all came back catches up by itself.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        platform = catalogue.find(connection.platform)
        told = scopes.granted_scopes(ctx, connection)
    try:
        with links.open_client(app, org_id, connection_id, purpose="discover") as client:
            seen = _look(platform, client, told=told)
    except LiftOSError:
        with open_context(app, who, org_id, write=True) as ctx:
            _stop_reading(ctx, reading.get(ctx, connection_id))
        raise
    with open_context(app, who, org_id, write=True) as ctx:
        return _land(ctx, reading.get(ctx, connection_id), platform, seen)


def discover_accounts(
    app: App, who: Principal, org_id: int, connection_id: UUID
) -> list[Account]:
    """Read the accounts from the platform again. Choices stay; vanished ones are marked."""
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        condition.require_sign_in(ctx, connection)
        platform = catalogue.find(connection.platform)
    with links.open_client(app, org_id, connection_id, purpose="discover") as client:
        found = tuple(platform.discover(client))
    with open_context(app, who, org_id, write=True) as ctx:
        connection = reading.get(ctx, connection_id)
        difference = choosing.remember(
            ctx, connection, accounts_of(platform, connection.options, found)
        )
        if not condition.started(connection):
            choosing.choose_only_one(ctx, connection)
            condition.refresh(ctx, connection)
        elif difference.recoined or (connection.cause or {}).get("code") in {
            condition.UNCHECKED, condition.OTHER_CURRENCY,
        }:
            _returned(ctx, connection, difference)
            condition.refresh(ctx, connection)
        audit.record(ctx, "connection.accounts_read", connection, found=len(found))
        return reading.accounts_of(ctx, connection_id)


def disconnect(app: App, who: Principal, org_id: int, connection_id: UUID) -> None:
    """Take the permission back at the platform where it offers that, then delete everything here.

    A platform that fails is asked once more. Neither its failure nor a value of ours that does
    not open keeps our copy alive.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.delete")
        reading.get(ctx, connection_id)
    _revoke(app, org_id, connection_id)
    with open_context(app, who, org_id, write=True) as ctx:
        life.delete(ctx, connection_id)


def _revoke(app: App, org_id: int, connection_id: UUID) -> None:
    """Best effort: a person waits, so one more try has to be enough."""
    for tries_left in (1, 0):
        try:
            links.revoke(app, org_id, connection_id)
        except (PlatformFault, VaultFault) as error:
            log.info("connection.revoke_failed", extra={"code": error.code, "why": error.why})
            if tries_left and isinstance(error, Retry):
                time.sleep(REVOKE_PAUSE_SECONDS)
                continue
        return


def _look(
    platform: Platform, client: Client, *, told: tuple[str, ...] | None = None
) -> _Seen:
    """Permissions first: without them the list of accounts fails with a worse sentence.

    What the platform lists counts more than what its token answer told.
    """
    listed = platform.granted(client) if platform.granted else None
    granted = tuple(listed) if listed is not None else told
    if scopes.missing(platform, granted):
        return _Seen((), granted)
    return _Seen(tuple(platform.discover(client)), granted)


def _land(
    ctx: Context, connection: Connection, platform: Platform, seen: _Seen
) -> SignedIn:
    """Store what the sign-in sees, and settle what it means for the connection."""
    if seen.granted is not None:
        scopes.store_granted(ctx, connection, seen.granted)
    missing = scopes.missing(platform, seen.granted)
    if missing:
        scopes.note_missing(ctx, connection, platform, missing)
        return SignedIn(connection.id, condition.refresh(ctx, connection), missing)
    difference = choosing.remember(
        ctx, connection, accounts_of(platform, connection.options, seen.accounts)
    )
    usable = sum(a.usable for a in seen.accounts)
    run_id = None
    if not condition.started(connection):
        connection.cause = None
        connection.wizard_step = max(connection.wizard_step, 3)
        choosing.choose_only_one(ctx, connection)
        condition.note(
            ctx, connection, "credential",
            f"Signed in. {fmt.plural(len(seen.accounts), 'account')} found.",
        )
    else:
        run_id = _returned(ctx, connection, difference)
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    ctx.session.flush()
    status = condition.refresh(ctx, connection)
    return SignedIn(connection.id, status, (), difference, usable, run_id)


def _stop_reading(ctx: Context, connection: Connection) -> None:
    """End a sync that was asked for under another login: it might read somebody else's figures."""
    run = condition.active_run(ctx, connection.id)
    if run is not None and condition.started(connection):
        sync.cancel(ctx, run.id)


def _returned(ctx: Context, connection: Connection, difference: Difference) -> UUID | None:
    """A running connection was authorised again: catch up, or ask about other accounts."""
    if difference.missing:
        names = ", ".join(difference.missing)[:300]
        _ask_first(
            ctx, connection, condition.OTHER_ACCOUNTS,
            "This sign-in does not see all accounts that were chosen.",
            why=f"Not visible any more: {names}.",
            fix="Sign in with the first login, or choose the accounts anew.",
            said=f"Signed in again. Not visible: {names}.", new=list(difference.new),
        )
        return None
    if difference.recoined:  # rows in two currencies must not be added up
        names = "; ".join(difference.recoined)[:300]
        _ask_first(
            ctx, connection, condition.OTHER_CURRENCY,
            "The platform names another currency for an account.", why=f"{names}.",
            fix="If it is a mistake, set it right there and sign in again. If not, connect the "
            "account anew: what is stored keeps its currency.",
            said=f"The currency changed. {names}.",
        )
        return None
    kind = (connection.cause or {}).get("cause")
    recovered = kind in {"credential", "permission"}
    if recovered:
        connection.cause = None
    ctx.session.add(connection)
    ctx.session.flush()
    condition.note(
        ctx, connection, "credential",
        "Signed in again. Missed days are being read." if recovered else "Signed in again.",
    )
    if connection.paused_at is not None:
        return None
    condition.refresh(ctx, connection)
    return sync.request(ctx, connection.id, trigger="resume").id


def _ask_first(
    ctx: Context, connection: Connection, code: str, what: str, *, why: str, fix: str, said: str,
    **facts: Any,
) -> None:
    """Nothing more is read until a person has decided; `said` goes into the log."""
    connection.cause = condition.cause_of(
        Fix(what, why=why, fix=fix, cause="credential", owner="you"),
        now=ctx.now(), before=connection.cause, code=code,
    )
    condition.note(ctx, connection, "credential", said, level="warning", **facts)
    _stop_reading(ctx, connection)


def _settle(ctx: Context, connection: Connection, wishes: Wishes) -> None:
    """Settle what a program asked for in the same call."""
    if wishes.accounts == "all":
        choosing.select_accounts(ctx, connection.id, "all")
    elif wishes.accounts:
        choosing.select_accounts(
            ctx, connection.id, account_ids(ctx, connection.id, wishes.accounts)
        )
    if wishes.definitions:  # after the accounts: it adds and chooses some of its own
        defining.define(ctx, connection.id, wishes.definitions)
    if wishes.streams:
        drafts.choose_streams(ctx, connection.id, wishes.streams)
    if wishes.history_days is not None:
        drafts.set_history(ctx, connection.id, wishes.history_days)
    if wishes.schedule or wishes.schedule_zone:
        drafts.set_schedule(
            ctx, connection.id, wishes.schedule or connection.schedule, zone=wishes.schedule_zone
        )


def account_ids(ctx: Context, connection_id: UUID, texts: Sequence[str]) -> list[UUID]:
    """Accounts named by our id or by the platform's. Raises Invalid for one that is neither."""
    accounts = reading.accounts_of(ctx, connection_id)
    by_text = {str(a.id): a.id for a in accounts} | {a.external_id: a.id for a in accounts}
    unknown = [t for t in texts if t not in by_text]
    if unknown:
        raise Invalid(
            f"There is no account {unknown[0][:80]!r} in this connection.",
            why="Its accounts are: " + (", ".join(a.external_id for a in accounts)[:400] or "none"),
            fix="Send one of these ids, or all.", field="accounts",
        )
    return [by_text[t] for t in texts]


def _check_wishes(platform: Platform, wishes: Wishes) -> None:
    """What can be refused before a platform is called."""
    if wishes.name:
        check_name(wishes.name)
    known = {s.name for s in platform.streams}
    if wishes.definitions:
        known |= {d.name for d in read_all(platform, wishes.definitions)}
    unknown = sorted(set(wishes.streams) - known)
    if unknown:
        raise Invalid(
            f"{platform.name} has no stream called {unknown[0][:60]!r}.",
            why=f"Its streams are: {', '.join(sorted(known))}.", fix="Choose from these.",
            field="streams",
        )


def _with(outcome: SignedIn, connection: Connection, run_id: UUID | None) -> SignedIn:
    return SignedIn(
        outcome.connection_id, ConnectionStatus(connection.status), outcome.missing_scopes,
        outcome.difference, outcome.accounts, run_id or outcome.run_id,
    )
