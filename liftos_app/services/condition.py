"""A connection's condition as stored: its status, the seven-field cause beside it, its log lines.

The rule itself is `status.derive`; this module feeds it from the database and keeps the answer, so
that the list, the detail page, REST and the engine tell one story.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from liftos_app.errors import Conflict, LiftOSError, PlatformFault, Retry, SignInAgain
from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Credential,
    RunState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import status
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import AuthMethod
from liftos_app.services.context import App, Context, job_principal, open_context

NOT_STARTED: Final = frozenset(
    {ConnectionStatus.DRAFT, ConnectionStatus.AUTHORISING, ConnectionStatus.SELECTING_ACCOUNTS}
)
MISSING_SCOPE: Final = "missing_scope"  # codes of causes that only the sign-in sets
OTHER_ACCOUNTS: Final = "other_accounts"
OTHER_CURRENCY: Final = "other_currency"
UNCHECKED: Final = "unchecked_accounts"
TOKENS: Final = frozenset({"access_token", "refresh_token"})

_ACTIVE: Final = (RunState.QUEUED.value, RunState.RUNNING.value)
_SPOKE: Final = (RunState.SUCCEEDED.value, RunState.PARTIAL.value, RunState.FAILED.value)
_MEANWHILE: Final = {
    "credential": "Scheduled syncs wait. Everything loaded so far stays.",
    "permission": "What is still allowed goes on loading. Everything loaded so far stays.",
    "quota": "The sync goes on by itself when the platform allows it. Rows and position are kept.",
    "platform_outage": "We try again at the next scheduled time. Everything loaded so far stays.",
    "bad_configuration": "We try again at the next scheduled time. Everything loaded so far stays.",
    "source_data": "What could be read is stored, rows that could not are kept aside. We try again "
    "at the next scheduled time.",
    "our_fault": "We try again at the next scheduled time. Everything loaded so far stays.",
}
_ACTION: Final = {
    "credential": "reauthorise",
    "permission": "reauthorise",
    "quota": "wait",
    "platform_outage": "retry",
    "bad_configuration": "retry",  # after it was mended, mostly at the platform
    "source_data": "log",
    "our_fault": "retry",
}


def started(connection: Connection) -> bool:
    """Whether its wizard was finished once."""
    return ConnectionStatus(connection.status) not in NOT_STARTED


def refresh(ctx: Context, connection: Connection) -> ConnectionStatus:
    """Derive the status anew and store it. Needs a writing context."""
    found = _derived(ctx, connection)
    if found != connection.status:
        connection.status, connection.updated_at = found, ctx.now()
        ctx.session.add(connection)
    return found


def signed_in(ctx: Context, connection: Connection) -> bool:
    """Whether a sign-in was done: a token is there, or a key that has shown its accounts once.

    A key that was only typed into a draft does not count.
    """
    fields = ctx.session.exec(
        select(Credential.field).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id
        )
    ).all()
    method = _method(connection)
    if not proven(method, fields):
        return False
    if started(connection) or method is None or method.kind != "key":
        return True
    return ctx.session.exec(
        select(Account.key).where(
            col(Account.org_id) == ctx.org, col(Account.connection_id) == connection.id
        )
    ).first() is not None


def proven(method: AuthMethod | None, fields: Iterable[str]) -> bool:
    """Whether stored fields are a sign-in: a token, or every secret that a pasted key must have.

    A method without a secret needs none.
    """
    if method is None or method.kind != "key":
        return bool(TOKENS.intersection(fields))
    return {i.name for i in method.inputs if i.secret and i.required} <= set(fields)


def require_sign_in(ctx: Context, connection: Connection) -> None:
    """Raise Conflict before the sign-in is done."""
    if not signed_in(ctx, connection):
        raise Conflict(
            "This connection has no sign-in yet.", why="The wizard's second step is not done.",
            fix="Sign in first.",
        )


def active_run(ctx: Context, connection_id: UUID) -> SyncRun | None:
    """The queued or running run, when there is one."""
    return ctx.session.exec(
        select(SyncRun).where(
            col(SyncRun.org_id) == ctx.org,
            col(SyncRun.connection_id) == connection_id,
            col(SyncRun.state).in_(_ACTIVE),
        )
    ).first()


def last_finished(ctx: Context, connection_id: UUID) -> SyncRun | None:
    """The newest run that ended by itself; a cancelled one says nothing about health."""
    return ctx.session.exec(
        select(SyncRun)
        .where(
            col(SyncRun.org_id) == ctx.org,
            col(SyncRun.connection_id) == connection_id,
            col(SyncRun.state).in_(_SPOKE),
        )
        .order_by(col(SyncRun.created_at).desc())
    ).first()


def shown_status(
    connection: Connection, *, active: bool, failing: bool, now: datetime
) -> ConnectionStatus:
    """The status at this moment. The clock alone can make a healthy connection late; `failing`, a
    stream that could not be read when it was last asked for, makes it fail in part, also while its
    run goes on or after a person has stopped it.
    """
    stored = ConnectionStatus(connection.status)
    if stored is not ConnectionStatus.HEALTHY:
        return stored
    last = RunState.PARTIAL if failing else RunState.SUCCEEDED
    return status.derive(connection, last_state=last, active=active, now=now)


def cause_of(
    error: LiftOSError, *, now: datetime, before: dict[str, Any] | None = None, code: str = ""
) -> dict[str, Any]:
    """An error as the fields of a cause, ready to be stored.

    `before` is the cause already stored: the same code keeps its first time. `code` replaces the
    error's own where we know more than its class.
    """
    kind = error.cause if isinstance(error, PlatformFault) else "our_fault"
    owner = error.owner if isinstance(error, PlatformFault) else "liftos"
    code = code or error.code
    first = _iso(now)
    if before and before.get("code") == code:
        first = str(before.get("first_at") or before.get("at") or first)
    cause: dict[str, Any] = {
        "code": code,
        "what": error.what[:500],
        "why": error.why[:1000],
        "fix": error.fix[:500],
        "cause": kind,
        "owner": owner,
        "request_id": str(error.facts.get("request_id", ""))[:120],
        "first_at": first,
        "last_at": _iso(now),
    }
    if error.facts.get("action"):
        cause["action"] = str(error.facts["action"])
    if isinstance(error, Retry) and error.after is not None:
        cause["until"] = _iso(now + timedelta(seconds=error.after))
    return whole_cause(cause) or cause


def whole_cause(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """A stored cause with every field of the pattern, whoever wrote it."""
    if not stored:
        return None
    kind = str(stored.get("cause") or "our_fault")
    at = str(stored.get("last_at") or stored.get("at") or "")
    stream = str(stored.get("stream") or "")
    return {
        "code": "",
        "what": "",
        "why": "",
        "fix": "",
        "owner": "liftos",
        "request_id": "",
        "days": "",
        "streams": [stream] if stream else [],
        "first_at": at,
        "last_at": at,
        "action": _ACTION.get(kind, "retry"),
        "meanwhile": _MEANWHILE.get(kind, _MEANWHILE["our_fault"]),
        **{k: v for k, v in stored.items() if k not in {"at", "stream"}},
        "cause": kind,
    }


def note(
    ctx: Context, connection: Connection, kind: str, text: str, *, level: str = "info",
    run_id: UUID | None = None, stream: str = "", **facts: object,
) -> None:
    """Add a line to the connection's timeline. `facts` are JSON without secrets."""
    ctx.session.add(
        SyncEvent(
            org_id=connection.org_id, connection_id=connection.id, run_id=run_id, at=ctx.now(),
            level=level, kind=kind, stream=stream, text=text, facts=facts,
        )
    )


def mark_needs_reauth(app: App, org_id: int, connection_id: UUID, error: SignInAgain) -> None:
    """Store that a person must sign in again, in a transaction of its own.

    Only a definite refusal of the credential comes here; an outage never does. Told twice, it
    writes one line.
    """
    with open_context(app, job_principal("links"), org_id, write=True) as ctx:
        connection = ctx.session.exec(
            select(Connection).where(
                col(Connection.org_id) == ctx.org,
                col(Connection.id) == connection_id,
                col(Connection.deleted_at).is_(None),
            )
        ).first()
        if connection is None:
            return
        known = (connection.cause or {}).get("code") == error.code
        connection.cause = cause_of(error, now=ctx.now(), before=connection.cause)
        connection.updated_at = ctx.now()
        ctx.session.add(connection)
        refresh(ctx, connection)
        if not known:
            note(
                ctx, connection, "credential", error.sentence(), level="error",
                request_id=str(error.facts.get("request_id", ""))[:120],
            )


def _derived(ctx: Context, connection: Connection) -> ConnectionStatus:
    if not started(connection):
        if signed_in(ctx, connection):
            return ConnectionStatus.SELECTING_ACCOUNTS
        waiting = connection.status == ConnectionStatus.AUTHORISING
        return ConnectionStatus.AUTHORISING if waiting else ConnectionStatus.DRAFT
    return status.derive(
        connection, last_state=_verdict(ctx, connection),
        active=active_run(ctx, connection.id) is not None, now=ctx.now(),
    )


def _verdict(ctx: Context, connection: Connection) -> RunState | None:
    """The newest verdict that still counts: a credential that was mended is no fault any more."""
    last = last_finished(ctx, connection.id)
    if last is None:
        return None
    mended = (last.cause or {}).get("cause") == "credential" and connection.cause is None
    if not mended:
        return RunState(last.state)
    return RunState.SUCCEEDED if connection.last_success_at else None


def _method(connection: Connection) -> AuthMethod | None:
    for platform in registry.all_platforms():
        if platform.slug == connection.platform:
            return next((m for m in platform.auth if m.id == connection.auth_kind), None)
    return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
