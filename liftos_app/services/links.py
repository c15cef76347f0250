"""What joins the vault and the connectors: a platform client with a credential that is fresh.

Secrets are read in a short transaction and opened into memory. A renewal happens once at a time
per connection, across threads and processes; what it brings is stored before it is used. Only a
definite refusal turns a connection to needs_reauth, never an outage.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel import col, select

from liftos_app.errors import Missing, PlatformFault, Retry, SignInAgain
from liftos_app.models import Connection, ConnectionStatus, Credential, Provenance
from liftos_app.services import budgets, condition, leases, vault
from liftos_app.services.audit import notes
from liftos_app.services.connectors import addresses, client, grants, registry
from liftos_app.services.connectors.addresses import Addresses
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.spec import AuthMethod, Platform, TokenSet
from liftos_app.services.context import App, Context, Principal, job_principal, open_context
from liftos_app.services.secret import Secret

log = logging.getLogger(__name__)
PREVIOUS: Final = "refresh_token_previous"
LEASE_SECONDS: Final = 120.0  # a token endpoint answers within 30 s or not at all
WAIT_SECONDS: Final = 90.0  # how long we wait for somebody else's renewal
POLL_SECONDS: Final = 0.1
QUICK_TRIES: Final = 2  # while a person waits
_PATIENT: Final = frozenset({"sync"})
_WHO: Final[Principal] = job_principal("links")


@dataclass(slots=True, kw_only=True)
class Link:
    """A connection's credential in memory, with what is needed to use and renew it."""

    app: App
    org_id: int
    connection_id: UUID
    platform: Platform
    method: AuthMethod
    addresses: Addresses
    values: dict[str, Any] = field(repr=False)  # options in clear, secrets as Secret
    versions: dict[str, int]  # row_version of each sealed field, as read
    due: bool  # the access token is missing or near its end
    expired: bool  # its end has passed


@dataclass(frozen=True, slots=True)
class Trial:
    """A credential that is being tried and is stored nowhere."""

    client: Client
    tokens: TokenSet | None


@contextmanager
def open_client(
    app: App, org_id: int, connection_id: UUID, *, purpose: str,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Client]:
    """A client for one connection, its token renewed when it is due.

    Raises Missing, SignInAgain (and then marks the connection needs_reauth) and other
    PlatformFaults. `purpose`: sync, discover, test; all but sync give up early on outages.
    """
    link = load(app, org_id, connection_id, purpose=purpose)
    if purpose not in _PATIENT:
        notes.vault_used(app, org_id, connection_id, purpose)
    try:
        _freshen(link)
        opened_now: list[Client] = []
        own = client.Credential(
            method=link.method.id, values=dict(link.values),
            renew=_renewer(link, opened_now) if link.method.renewal != "never" else None,
        )
        link.values = own.values  # one dict: a renewal reaches the client at once
        with Client(
            link.platform, link.addresses, own,
            pacer=budgets.pacer_of(app, connection_id, link.platform.requests_per_minute),
            cancelled=cancelled,
            tries=client.TRIES if purpose in _PATIENT else QUICK_TRIES,
        ) as opened:
            opened_now.append(opened)
            yield opened
    except SignInAgain as error:
        if _is_unchanged(link):
            condition.mark_needs_reauth(app, org_id, connection_id, error)
            notes.needs_sign_in(app, org_id, connection_id, platform=link.platform.slug)
        raise


@contextmanager
def open_trial(
    app: App, platform: Platform, method: AuthMethod, *, inputs: Mapping[str, str], demo: bool
) -> Iterator[Trial]:
    """A client with a credential as typed: nothing is read or written. Raises PlatformFault."""
    found = addresses.resolve(platform, app.settings, demo=demo, inputs=inputs)
    tokens = None
    hidden = {i.name for i in method.inputs if i.secret}
    values: dict[str, Any] = {k: Secret(v) if k in hidden else v for k, v in inputs.items()}
    if method.kind == "client_credentials":
        tokens = grants.obtain(platform, method, found, values, now=app.now())
        values |= tokens.values()
        found = addresses.resolve(
            platform, app.settings, demo=demo, inputs={**inputs, **tokens.beside}
        )
    with Client(
        platform, found, client.Credential(method=method.id, values=values), tries=QUICK_TRIES
    ) as opened:
        yield Trial(opened, tokens)


def store_tokens(ctx: Context, connection: Connection, tokens: TokenSet | None) -> None:
    """Write a token set into the vault; a refresh token of an older grant goes."""
    if tokens is None:
        return
    vault.put(
        ctx, connection, "access_token", tokens.access_token, expires_at=tokens.expires_at,
        scopes=tokens.scopes,
    )
    for name, value in tokens.beside.items():
        vault.put(ctx, connection, name, value)
    if tokens.refresh_token:
        vault.put(
            ctx, connection, "refresh_token", tokens.refresh_token,
            expires_at=tokens.refresh_expires_at,
        )
    else:
        _drop(ctx, connection, "refresh_token")
    _drop(ctx, connection, PREVIOUS)


def revoke(app: App, org_id: int, connection_id: UUID) -> bool:
    """Give the tokens back to the platform. False when there is no way or nothing to give."""
    link = load(app, org_id, connection_id, purpose="revoke", complete=False)
    notes.vault_used(app, org_id, connection_id, "revoke")
    if not {"access_token", "refresh_token"} & set(link.versions):
        return False
    return grants.revoke(
        link.platform, link.method, link.addresses, link.values, now=app.now()
    )


def keep_alive(app: App, *, idle: timedelta = timedelta(hours=24)) -> int:
    """Renew what nears its end or was not renewed for a day, so that it never dies unused.

    For a scheduled job. Outages are left for the next time. Returns how many were renewed.
    """
    since = app.now() - idle
    with app.db.read() as session:
        rows = session.exec(
            select(Connection.org_id, Connection.id)
            .join(Credential, col(Credential.connection_id) == col(Connection.id))
            .where(
                col(Connection.deleted_at).is_(None),
                col(Connection.status).not_in([
                    ConnectionStatus.NEEDS_REAUTH.value, ConnectionStatus.DISABLED.value,
                    *(s.value for s in condition.NOT_STARTED),
                ]),
                col(Credential.org_id) == col(Connection.org_id),
                col(Credential.field) == "access_token",
                col(Credential.expires_at).is_not(None), col(Credential.updated_at) <= since,
            )
        ).all()
    renewed = 0
    for org_id, connection_id in rows:
        try:
            link = load(app, org_id, connection_id, purpose="refresh")
            if not _renewable(link):
                continue
            try:
                _renew(link)
            except SignInAgain as error:
                condition.mark_needs_reauth(app, org_id, connection_id, error)
                notes.needs_sign_in(app, org_id, connection_id, platform=link.platform.slug)
                continue
            renewed += 1
        except (PlatformFault, Missing) as error:
            log.info("credential.renewal_put_off", extra={"code": error.code})
    return renewed


def load(
    app: App, org_id: int, connection_id: UUID, *, purpose: str, complete: bool = True
) -> Link:
    """Read and open a connection's credential. Raises Missing, SignInAgain, VaultFault."""
    with open_context(app, _WHO, org_id) as ctx:
        connection = connection_of(ctx, connection_id)
        platform = registry.get(connection.platform)
        method = platform.method(connection.auth_kind)
        secrets = vault.get_all(ctx, connection, purpose=purpose)
        rows = _rows(ctx, connection)
        if complete and not condition.proven(method, secrets):
            raise SignInAgain(
                f"{connection.name} has no sign-in.", why="It was never finished.",
                fix="Sign in first.",
            )
        options = {str(k): str(v) for k, v in connection.options.items() if k != "streams"}
        ends = rows["access_token"].expires_at if "access_token" in rows else None
        now = app.now()
        early = timedelta(seconds=method.renew_early)
        hosts = {k.name: client.reveal(secrets.get(k.name)) for k in platform.keeps}
        return Link(
            app=app, org_id=org_id, connection_id=connection_id, platform=platform,
            method=method, values={**options, **secrets},
            addresses=addresses.resolve(
                platform, app.settings, demo=connection.provenance == Provenance.DEMO,
                inputs={**options, **{k: v for k, v in hosts.items() if v}},
            ),
            versions={name: row.row_version for name, row in rows.items()},
            due=method.renewal != "never"
            and ("access_token" not in rows or (ends is not None and now >= ends - early)),
            expired="access_token" not in rows or (ends is not None and now >= ends),
        )


def _renewable(link: Link) -> bool:
    """Whether there is something to renew with; some apps are given no refresh token (LinkedIn)."""
    return link.method.renewal != "never" and not (
        link.method.renewal == "refresh_token" and "refresh_token" not in link.versions
    )


def _freshen(link: Link) -> None:
    """Renew ahead of the end. While the old token still lives, an outage can wait."""
    if not link.due or not (link.expired or _renewable(link)):
        return
    try:
        _renew(link)
    except SignInAgain:
        raise
    except PlatformFault as error:
        if link.expired:
            raise
        log.info("credential.renewal_put_off", extra={"code": error.code})


def _renewer(link: Link, clients: list[Client]) -> Callable[[], None]:
    """What the client calls when the platform refuses a token before its time."""

    def again() -> None:
        _renew(link)
        for one in clients:  # a renewal may name another host
            one.addresses = link.addresses

    return again


def _renew(link: Link) -> None:
    """Get a fresh access token into `link.values`: ours, or the one somebody else just stored.

    Raises SignInAgain when the grant is dead, Retry when the platform is down or busy.
    """
    name, holder = f"renew:{link.connection_id}", uuid4().hex
    seen = link.versions.get("access_token", 0)
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        epoch = leases.take(link.app, name, holder=holder, seconds=LEASE_SECONDS)
        try:
            _adopt(link, load(
                link.app, link.org_id, link.connection_id, purpose="refresh", complete=False
            ))
            if link.versions.get("access_token", 0) != seen:
                return
            if epoch is not None:
                _store(link, *_ask(link))
                return
        finally:
            if epoch is not None:
                leases.release(link.app, name, epoch)
        if time.monotonic() > give_up:
            raise Retry(
                f"The sign-in with {link.platform.name} is being renewed.",
                why="Another process began it and has not finished.",
                fix="Nothing to do: it is tried again by itself.",
            )
        time.sleep(POLL_SECONDS)


def _ask(link: Link) -> tuple[TokenSet, str]:
    """A renewal at the platform, and the refresh token that worked for it.

    A rotated token whose answer got lost leaves us with the one before: it is tried once more.
    """
    current = client.reveal(link.values.get("refresh_token"))
    previous = client.reveal(link.values.get(PREVIOUS))
    try:
        return _ask_with(link, current), current
    except SignInAgain:
        if not previous or Secret(previous) == Secret(current):
            raise
        log.info("credential.trying_previous", extra={"platform": link.platform.slug})
        try:
            return _ask_with(link, previous), previous
        except SignInAgain:
            pass
        raise


def _ask_with(link: Link, refresh_token: str) -> TokenSet:
    values = dict(link.values)
    if refresh_token:
        values["refresh_token"] = refresh_token
    return grants.renew(
        link.platform, link.method, link.addresses, values, now=link.app.now()
    )


def _store(link: Link, tokens: TokenSet, used: str) -> None:
    """Commit what a renewal brought, then use it. A rotation keeps the token before it."""
    with open_context(link.app, _WHO, link.org_id, write=True) as ctx:
        connection = connection_of(ctx, link.connection_id)
        rows = _rows(ctx, connection, lock=True)
        if {n: r.row_version for n, r in rows.items()} == link.versions:
            scopes = tokens.scopes or (
                tuple(rows["access_token"].scopes) if "access_token" in rows else ()
            )
            vault.put(
                ctx, connection, "access_token", tokens.access_token,
                expires_at=tokens.expires_at, scopes=scopes,
            )
            for name, value in tokens.beside.items():
                vault.put(ctx, connection, name, value)
            if tokens.refresh_token and Secret(tokens.refresh_token) != Secret(used):
                vault.put(
                    ctx, connection, "refresh_token", tokens.refresh_token,
                    expires_at=tokens.refresh_expires_at
                    or (rows["refresh_token"].expires_at if "refresh_token" in rows else None),
                )
                if used:
                    vault.put(ctx, connection, PREVIOUS, used)
            else:
                if used and Secret(used) != Secret(client.reveal(link.values.get("refresh_token"))):
                    vault.put(ctx, connection, "refresh_token", used)
                _drop(ctx, connection, PREVIOUS)
        # else: a person signed in again meanwhile; that newer credential wins.
    _adopt(link, load(link.app, link.org_id, link.connection_id, purpose="refresh"))


def _adopt(link: Link, newer: Link) -> None:
    """Take over what is stored now."""
    link.values.clear()
    link.values.update(newer.values)
    link.versions = newer.versions
    link.due, link.expired = newer.due, newer.expired
    link.addresses = newer.addresses


def _is_unchanged(link: Link) -> bool:
    """Whether the refused credential is still the stored one; a newer one is not to blame."""
    try:
        now = load(
            link.app, link.org_id, link.connection_id, purpose="refresh", complete=False
        )
    except Missing:
        return False
    return now.versions == link.versions


def connection_of(ctx: Context, connection_id: UUID) -> Connection:
    """A connection of the organization, whoever asks. Raises Missing."""
    found = ctx.session.exec(
        select(Connection).where(
            col(Connection.org_id) == ctx.org, col(Connection.id) == connection_id,
            col(Connection.deleted_at).is_(None),
        )
    ).first()
    if found is None:
        raise Missing(
            "This connection is not there.", why="It was deleted, or it never was.",
            fix="Go back to the list of connections.",
        )
    return found


def _rows(ctx: Context, connection: Connection, *, lock: bool = False) -> dict[str, Credential]:
    query = select(Credential).where(
        col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id
    ).order_by(col(Credential.field))
    if lock:
        query = query.with_for_update()
    return {row.field: row for row in ctx.session.exec(query).all()}


def _drop(ctx: Context, connection: Connection, name: str) -> None:
    row = _rows(ctx, connection).get(name)
    if row is not None:
        ctx.session.delete(row)
        ctx.session.flush()
