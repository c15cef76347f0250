"""Entries of acts that have no context of their own: refusals, uses of the vault, syncs, the
process itself. Each function says which transaction it writes in.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from liftos_app import __version__
from liftos_app.models import SyncRun
from liftos_app.services.audit.chain import record
from liftos_app.services.context import App, Context, Principal, job_principal, open_context

log = logging.getLogger(__name__)
# At most so many refusals of one actor are written in five minutes: enough for rule I4, and nobody
# fills the disk by asking.
MOST_DENIALS: Final = 30
_DENIAL_SECONDS: Final = 300
_USE_SECONDS: Final = 600
FOREIGN_OBJECT: Final = "object.denied"
URL_REFUSED: Final = "net.refused"
STARTED: Final = "app.started"


def denied(
    app: App, who: Principal, org_id: int | None, *, need: str, where: str, reason: str = ""
) -> None:
    """A permission that was refused, in a transaction of its own."""
    actor = str(who.user_id or who.name or who.ip)
    if not _fits(app, "denied", actor, most=MOST_DENIALS, seconds=_DENIAL_SECONDS):
        return
    _write(app, who, org_id, "permission.denied", result="denied", reason=reason or need,
           permission=need, where=where[:120])


def foreign_organization(app: App, *, user_id: UUID, org_id: int, ip: str, name: str) -> None:
    """Somebody named an organization that is not theirs (rule I4); a transaction of its own."""
    who = Principal(kind="program", user_id=user_id, name=name, ip=ip)
    if _fits(app, "denied", str(user_id), most=MOST_DENIALS, seconds=_DENIAL_SECONDS):
        _write(app, who, org_id, "organization.denied", result="denied",
               reason="X-Organization-ID names another organization")


def foreign_object(app: App, who: Principal, *, where: str) -> None:
    """Somebody named an object of another organization (rule I4); a transaction of its own.

    The entry belongs to no organization: whoever reads the log of theirs must not learn from it
    which ids exist elsewhere.
    """
    if _fits(app, "denied", str(who.user_id or who.name), most=MOST_DENIALS,
             seconds=_DENIAL_SECONDS):
        _write(app, who, None, FOREIGN_OBJECT, result="denied",
               reason="an id of another organization", where=where[:120])


def address_refused(app: App, who: Principal, org_id: int, *, reason: str) -> None:
    """An address that LiftOS must not call (rule I10); a transaction of its own."""
    if _fits(app, "address", str(org_id), most=10, seconds=_DENIAL_SECONDS):
        _write(app, who, org_id, URL_REFUSED, result="denied", reason=reason)


def vault_used(app: App, org_id: int, connection_id: UUID, purpose: str) -> None:
    """A credential was opened outside a sync: once per connection and purpose in ten minutes.

    Syncs say it themselves, once a run. A transaction of its own (L64).
    """
    key = f"{connection_id} {purpose}"
    if purpose and _fits(app, "vault", key, most=1, seconds=_USE_SECONDS):
        _write(app, job_principal("vault"), org_id, "vault.used", connection=str(connection_id),
               purpose=purpose)


def consent_refused(app: App, who: Principal, org_id: int | None, *, code: str) -> None:
    """An answer to a consent whose state is unknown, spent, or another session's (rule I7)."""
    if _fits(app, "consent", str(who.session_id or who.ip), most=10, seconds=_DENIAL_SECONDS):
        _write(app, who, org_id, "oauth.state_refused", result="denied", reason=code)


def sync_started(app: App, session: Session, run: SyncRun, *, windows: int) -> None:
    """In the transaction that announces the run."""
    ctx = _job(app, session, run.org_id)
    record(ctx, "sync.started", run, connection=str(run.connection_id), trigger=run.trigger,
           windows=windows)
    record(ctx, "vault.used", run, connection=str(run.connection_id), purpose="sync")


def sync_ended(app: App, session: Session, run: SyncRun) -> None:
    """In the transaction that ends the run: its counts."""
    record(
        _job(app, session, run.org_id), "sync.ended", run,
        result="ok" if run.state == "succeeded" else str(run.state)[:12],
        connection=str(run.connection_id), state=str(run.state), rows_read=run.rows_read,
        rows_written=run.rows_written, rows_updated=run.rows_updated,
        rows_unchanged=run.rows_unchanged, rows_rejected=run.rows_rejected,
        rows_removed=run.rows_removed, requests=run.requests,
    )


def needs_sign_in(app: App, org_id: int, connection_id: UUID, *, platform: str) -> None:
    """A platform no longer takes a connection's credential (rule I11); its own transaction."""
    _write(app, job_principal("vault"), org_id, "connection.refused", result="failed",
           connection=str(connection_id), platform=platform)


def started(app: App) -> None:
    """The server began; with a keyed hash that changes when any setting does, and the addresses
    of our own network that the operator opened (rule I8).
    """
    _write(app, Principal(kind="operator", name="server"), None, STARTED,
           version=__version__, config=config_hash(app), kids=[app.vault.active_kid],
           ssrf_allow=sorted(app.settings.ssrf_allow))


def stopped(app: App) -> None:
    """The server ends."""
    _write(app, Principal(kind="operator", name="server"), None, "app.stopped")


def config_hash(app: App) -> str:
    """A keyed hash of all settings: tells whether they changed, and nothing else."""
    facts = sorted((k, repr(v)) for k, v in asdict(app.settings).items())
    return app.vault.audit_mac(repr(facts))[:16]


def _job(app: App, session: Session, org_id: int) -> Context:
    return Context(app=app, session=session, who=job_principal("sync"), org_id=org_id)


def _write(app: App, who: Principal, org_id: int | None, action: str, **more: Any) -> None:
    """An entry that must not break what it tells of: that was refused or over already."""
    try:
        with open_context(app, who, org_id, write=True) as ctx:
            record(ctx, action, **more)
    except SQLAlchemyError:
        log.exception("audit.not_written", extra={"act": action})


def _fits(app: App, name: str, key: str, *, most: int, seconds: int) -> bool:
    """Whether this is one of the first `most` within `seconds`, in this process."""
    counts = cast("dict[tuple[str, str], list[float]]", app.extras.setdefault("audit.notes", {}))
    now = time.monotonic()
    if len(counts) > 5000:
        counts.clear()
    recent = [t for t in counts.get((name, key), []) if now - t < seconds]
    if len(recent) >= most:
        return False
    counts[name, key] = [*recent, now]
    return True
