"""Consent on a platform's own page: begun here, finished here, bound to who began it.

State is 256 random bits, kept as a keyed hash for ten minutes and deleted before its code is
exchanged. The redirect address is built from settings only. Begun in a browser, it must come back
to the same browser session; begun over REST, to the same person. OAuth 1.0a has no state of its
own: its request token is the state, and the token's secret is sealed in the verifier's place.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from liftos_app.errors import Conflict, Denied, Fix, Invalid, LiftOSError, SignInNeeded
from liftos_app.models import Connection, ConnectionStatus, OAuthRequest, Provenance
from liftos_app.services import access, audit, condition, links, sessions, vault
from liftos_app.services.audit import notes
from liftos_app.services.connectors import addresses, grants, grants_oauth1, registry
from liftos_app.services.connectors.grants_oauth1 import Ticket
from liftos_app.services.connectors.spec import AuthMethod, Platform, TokenSet
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.oauth_errors import Forged, OtherSession, Refused, StateUnknown, refusal

log = logging.getLogger(__name__)
LIFE: Final = timedelta(minutes=10)
LONGEST_PARAM: Final = 4096
_OAUTH1_ANSWER: Final = ("oauth_token", "oauth_verifier")
_OPERATOR: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Begun:
    """A consent under way. `url` holds the state: it is for the person's browser only."""

    url: str
    redirect_uri: str
    expires_at: datetime
    connection_id: UUID


@dataclass(frozen=True, slots=True)
class Finished:
    """A consent that ended well; the tokens are stored."""

    connection_id: UUID
    org_id: int
    missing_scopes: tuple[str, ...] = ()  # required ones the answer itself shows as not granted


@dataclass(frozen=True, slots=True)
class Pending:
    """A consent that waits for its answer."""

    connection_id: UUID
    platform: str


@dataclass(frozen=True, slots=True)
class _Taken:
    """A pending request, taken out of the table: it can be used this once."""

    org_id: int
    connection_id: UUID
    user_id: UUID
    redirect_uri: str
    verifier: str
    method: AuthMethod
    inputs: dict[str, Any]
    demo: bool


def begin(ctx: Context, connection_id: UUID, *, origin: str) -> str:
    """The consent address for the browser. Needs a writing context."""
    return begin_in_full(ctx, connection_id, origin=origin).url


def begin_in_full(
    ctx: Context, connection_id: UUID, *, origin: str, ticket: Ticket | None = None
) -> Begun:
    """The same with the return address and the end of its life.

    `origin` is one of ours (`settings.origin_for`); anything else falls back to the public one.
    OAuth 1.0a needs the `ticket` its platform gave (consent.py). Raises Invalid when the inputs
    are missing, Conflict for a method without a consent page.
    """
    connection, platform, method, inputs = require(ctx, connection_id)
    if (method.kind == "oauth1") != (ticket is not None):
        raise ValueError(f"{method.kind} and the ticket do not fit")
    home = home_for(ctx.app, origin)
    state = ticket.token if ticket else secrets.token_urlsafe(32)
    verifier = ticket.secret if ticket else grants.new_verifier()
    row = _store(ctx, connection, home=home, state=state, verifier=verifier)
    where = addresses_of(ctx.app, platform, connection, inputs, home)
    if ticket:
        url = grants_oauth1.authorize_url(method, where, ticket)
    else:
        url = grants.authorize_url(
            platform, method, where, inputs,
            state=state, redirect_uri=row.redirect_uri, verifier=verifier,
            again=str((connection.cause or {}).get("code")) == condition.MISSING_SCOPE,
        )
    if connection.status == ConnectionStatus.DRAFT:
        connection.status = ConnectionStatus.AUTHORISING
        connection.updated_at = ctx.now()
        ctx.session.add(connection)
    audit.record(ctx, "oauth.begun", connection, platform=platform.slug)
    return Begun(url, row.redirect_uri, row.expires_at, connection.id)


def require(
    ctx: Context, connection_id: UUID
) -> tuple[Connection, Platform, AuthMethod, dict[str, Any]]:
    """What a consent needs before it can begin. Raises as `begin_in_full` says."""
    ctx.require("connections.write")
    connection = links.connection_of(ctx, connection_id)
    platform = registry.get(connection.platform)
    method = platform.method(connection.auth_kind)
    if not method.has_consent:
        raise Conflict(
            f"{method.title} has no consent page.", why="It signs in with a key.",
            fix="Enter the key instead, or choose another method.",
        )
    if _holder(ctx.who) is None:
        raise SignInNeeded("This needs a person.", why="A consent is bound to who begins it.")
    inputs = _inputs(ctx, connection)
    missing = [i.label for i in method.inputs if i.required and not inputs.get(i.name)]
    if missing:
        raise Invalid(
            f"{missing[0]} is missing.", why="The platform asks which app wants to sign in.",
            fix="Enter it first.", field=missing[0],
        )
    return connection, platform, method, inputs


def home_for(app: App, origin: str) -> str:
    """The origin a consent returns to: one of ours, else the public one."""
    return origin if origin in app.settings.origins else app.settings.public_url


def return_address(home: str, platform_slug: str) -> str:
    """The address of ours that the platform sends the person back to."""
    return f"{home}/oauth/callback/{platform_slug}"


def finish(
    app: App, platform_slug: str, params: Mapping[str, str], *, session_id: UUID | None,
    origin: str = "", who: Principal,
) -> Finished:
    """Take the platform's answer: check it, use its state up, exchange its code, store tokens.

    `params` are the query parameters as they came. Raises StateUnknown, OtherSession, Forged,
    Refused, or a PlatformFault of the exchange.
    """
    params = {k: v for k, v in params.items() if len(v) <= LONGEST_PARAM}
    platform = registry.get(platform_slug)
    try:
        taken = _take(app, platform, params, session_id=session_id, who=who)
    except LiftOSError as error:
        notes.consent_refused(app, who, None, code=error.code)
        raise
    try:
        if params.get("error") or params.get("denied"):
            raise refusal(platform, taken.method, params)
        _check_answer(app, taken, params)
        tokens = _exchange(app, platform, taken, params, origin=origin)
    except LiftOSError as error:
        _note_failure(app, who, taken, error)
        raise
    return _keep(app, who, platform, taken, tokens)


def pending(
    app: App, params: Mapping[str, str], *, session_id: UUID | None, who: Principal
) -> Pending | None:
    """What a state belongs to, when it is this caller's; for the way back to the wizard."""
    with app.db.read() as session:
        row = _pending(app, session, _state_in(params))
        if row is None or not _is_theirs(row, session_id=session_id, who=who):
            return None
        return Pending(row.connection_id, row.platform)


def purge(app: App) -> int:
    """Delete consents that were never finished; for an hourly job."""
    with app.db.write() as session:
        found = session.connection().execute(
            delete(OAuthRequest).where(col(OAuthRequest.expires_at) <= app.now())
        )
        return int(found.rowcount)


def _store(
    ctx: Context, connection: Connection, *, home: str, state: str, verifier: str
) -> OAuthRequest:
    """Keep the request: the state as a keyed hash, the verifier sealed for this row alone."""
    holder = _holder(ctx.who)
    assert holder is not None  # noqa: S101  (begin checked it)
    state_hash = ctx.app.vault.token_hash(state)
    ctx.session.connection().execute(
        delete(OAuthRequest).where(
            col(OAuthRequest.org_id) == ctx.org, col(OAuthRequest.expires_at) <= ctx.now()
        )
    )
    row = OAuthRequest(
        state_hash=state_hash, org_id=ctx.org, connection_id=connection.id,
        user_id=holder, session_id=ctx.who.session_id, platform=connection.platform,
        redirect_uri=return_address(home, connection.platform),
        verifier_sealed=vault.seal(
            ctx, verifier, table="oauth_request", row_id=state_hash, field="verifier"
        ),
        created_at=ctx.now(), expires_at=ctx.now() + LIFE,
    )
    ctx.session.add(row)
    ctx.session.flush()
    return row


def _take(
    app: App, platform: Platform, params: Mapping[str, str], *, session_id: UUID | None,
    who: Principal,
) -> _Taken:
    """Delete the pending request and return what it held: of two callers one gets it."""
    with app.db.write() as session:
        row = _pending(app, session, _state_in(params), lock=True)
        if row is None or row.platform != platform.slug:
            raise _unknown()
        if not _is_theirs(row, session_id=session_id, who=who):
            raise OtherSession(
                "This sign-in was started somewhere else.",
                why="It began in another browser or for another person.",
                fix="Start it again where you are signed in.",
            )
        who = sessions.acting_in(session, who, row.org_id)
        if not access.permits(who, "connections.write"):
            raise Denied("You may not finish this sign-in.", why="Your role changed meanwhile.")
        gone = session.connection().execute(
            delete(OAuthRequest).where(col(OAuthRequest.state_hash) == row.state_hash)
        )
        if gone.rowcount != 1 or row.expires_at <= app.now():
            expired = True
        else:
            expired = False
            ctx = Context(app=app, session=session, who=who, org_id=row.org_id)
            connection = links.connection_of(ctx, row.connection_id)
            taken = _Taken(
                org_id=row.org_id, connection_id=row.connection_id, user_id=row.user_id,
                redirect_uri=row.redirect_uri,
                verifier=vault.unseal(
                    ctx, row.verifier_sealed, table="oauth_request", row_id=row.state_hash,
                    field="verifier",
                ).reveal(),
                method=platform.method(connection.auth_kind), inputs=_inputs(ctx, connection),
                demo=connection.provenance == Provenance.DEMO,
            )
        session.expunge(row)
    if expired:
        raise _unknown()
    return taken


def _state_in(params: Mapping[str, str]) -> str:
    """The state of an answer; OAuth 1.0a names the request token instead, also when refused."""
    return params.get("state") or params.get("oauth_token") or params.get("denied") or ""


def _pending(app: App, session: Session, state: str, *, lock: bool = False) -> OAuthRequest | None:
    if not 20 <= len(state) <= 200:
        return None
    query = select(OAuthRequest).where(
        col(OAuthRequest.state_hash).in_(app.vault.token_hashes(state))
    )
    return session.exec(query.with_for_update() if lock else query).first()


def _is_theirs(row: OAuthRequest, *, session_id: UUID | None, who: Principal) -> bool:
    """Same browser session, or for a consent begun over REST the same person."""
    if row.session_id is not None:
        return session_id is not None and hmac.compare_digest(
            str(row.session_id), str(session_id)
        )
    return _holder(who) == row.user_id


def _holder(who: Principal) -> UUID | None:
    """Who a consent is bound to: a person, or the operator at the command line."""
    return _OPERATOR if who.user_id is None and who.kind == "operator" else who.user_id


def _check_answer(app: App, taken: _Taken, params: Mapping[str, str]) -> None:
    """The platform's own signature where it has one, and a code to exchange."""
    try:
        grants.verify_callback(taken.method, taken.inputs, params, now=app.now())
    except LiftOSError as error:
        raise Forged(
            "The answer did not come from the platform.", why=error.why or error.what,
            fix="Start the sign-in again.",
        ) from error
    needed = _OAUTH1_ANSWER if taken.method.kind == "oauth1" else ("code",)
    if not all(params.get(name) for name in needed):
        raise Refused(
            "The platform sent no code.", why="Its answer holds neither a code nor an error.",
            fix="Sign in again.",
        )


def _with_hosts(
    app: App, platform: Platform, taken: _Taken, params: Mapping[str, str]
) -> dict[str, Any]:
    """The inputs with the hosts this very answer named."""
    where = addresses.resolve(platform, app.settings, demo=taken.demo, inputs=taken.inputs)
    return {**taken.inputs, **addresses.told(platform, where, params)}


def _exchange(
    app: App, platform: Platform, taken: _Taken, params: Mapping[str, str], *, origin: str
) -> TokenSet:
    """Turn the answer into tokens. Raises a PlatformFault."""
    where = addresses.resolve(
        platform, app.settings, demo=taken.demo, origin=origin,
        inputs=_with_hosts(app, platform, taken, params),
    )
    if taken.method.kind == "oauth1":
        return grants_oauth1.exchange(
            platform, taken.method, where, taken.inputs,
            ticket=Ticket(_state_in(params), taken.verifier), verifier=params["oauth_verifier"],
        )
    return grants.exchange(
        platform, taken.method, where, taken.inputs, code=params["code"],
        redirect_uri=taken.redirect_uri, now=app.now(), verifier=taken.verifier,
    )


def _keep(
    app: App, who: Principal, platform: Platform, taken: _Taken, tokens: TokenSet
) -> Finished:
    with open_context(app, who, taken.org_id, write=True) as ctx:
        connection = links.connection_of(ctx, taken.connection_id)
        links.store_tokens(ctx, connection, tokens)
        if condition.started(connection):
            _hold(ctx, connection)
        condition.refresh(ctx, connection)
        if not condition.started(connection):
            connection.wizard_step = max(connection.wizard_step, 3)
            ctx.session.add(connection)
        condition.note(ctx, connection, "credential", f"{platform.name} gave its consent.")
        audit.record(
            ctx, "oauth.finished", connection, platform=platform.slug, scopes=list(tokens.scopes)
        )
    told = tokens.scopes if platform.granted is None else ()  # else the platform is asked itself
    missing = tuple(s.name for s in platform.scopes if s.required and told and s.name not in told)
    return Finished(taken.connection_id, taken.org_id, missing)


def _hold(ctx: Context, connection: Connection) -> None:
    """Nothing is read with another login before it has shown the accounts that were chosen."""
    connection.cause = condition.cause_of(
        Fix(
            "The accounts of this sign-in were not read yet.",
            why="The platform gave its consent, then did not list the accounts.",
            fix="Open the accounts and read them again, or sign in again.",
            cause="credential", owner="you",
        ),
        now=ctx.now(), before=connection.cause, code=condition.UNCHECKED,
    )
    ctx.session.add(connection)


def _note_failure(app: App, who: Principal, taken: _Taken, error: LiftOSError) -> None:
    """The connection's log and the audit log say how it failed; a draft stays a draft."""
    with open_context(app, who, taken.org_id, write=True) as ctx:
        connection = links.connection_of(ctx, taken.connection_id)
        if connection.status == ConnectionStatus.AUTHORISING:
            connection.status = ConnectionStatus.DRAFT
            ctx.session.add(connection)
            condition.refresh(ctx, connection)
        condition.note(
            ctx, connection, "credential", error.sentence(), level="error",
            request_id=str(error.facts.get("request_id", ""))[:120],
        )
        audit.record(ctx, "oauth.failed", connection, result="failed", reason=error.code)


def addresses_of(
    app: App, platform: Platform, connection: Connection, inputs: Mapping[str, Any], origin: str
) -> addresses.Addresses:
    """Where a connection's platform is, as the browser at `origin` reaches it."""
    return addresses.resolve(
        platform, app.settings, demo=connection.provenance == Provenance.DEMO, inputs=inputs,
        origin=origin,
    )


def _inputs(ctx: Context, connection: Connection) -> dict[str, Any]:
    """Options in clear, secrets as Secret; hosts that an older sign-in named are left out."""
    options: dict[str, Any] = {str(k): str(v) for k, v in connection.options.items()}
    named = {k.name for k in registry.get(connection.platform).keeps}
    sealed = vault.get_all(ctx, connection, purpose="consent")
    return {**options, **{k: v for k, v in sealed.items() if k not in named}}


def _unknown() -> StateUnknown:
    return StateUnknown(
        "This sign-in is no longer valid.",
        why="It took longer than ten minutes, or it was used before.", fix="Start it again.",
    )
