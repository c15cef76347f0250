"""Circuit breakers: an account that keeps failing is left alone for a while, a platform too.

State lives in the database, so all replicas and a restart know it. Open while `until` lies ahead;
then one sync may try (half-open). Several accounts failing alike with no success between them is
an outage of the platform: all of its connections slow down, and it is told once.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from liftos_app.errors import LiftOSError
from liftos_app.models import Account, Breaker, Connection, StreamState
from liftos_app.services.context import App, Context
from liftos_app.tenancy import lifted

FAILURES: Final = 5  # in a row, tries of one request counted
FIRST: Final = timedelta(seconds=60)
LONGEST: Final = timedelta(hours=1)
PROBE: Final = timedelta(minutes=3)  # how long one sync has for its try
ACCOUNTS: Final = 2  # that fail alike before it is called an outage
TOGETHER: Final = timedelta(hours=1)


def wait_of(app: App, platform: str, account_key: int) -> datetime | None:
    """Until when an account is left alone; None: go on. Of several that ask after it, one goes."""
    now = app.now()
    names = [f"platform:{platform}", f"account:{account_key}"]
    with app.db.read() as session:
        if not _open(session, names):
            return None
    with app.db.write() as session:
        rows = _open(session, names, lock=True)
        ahead = [r.until for r in rows if r.until is not None and r.until > now]
        if ahead:
            return max(ahead)
        for row in rows:  # half-open: this one tries, others wait for what comes of it
            row.until = now + PROBE
            session.add(row)
    return None


def failed(
    app: App, platform: str, account_key: int, org_id: int, *, error: LiftOSError, tries: int
) -> datetime | None:
    """Count failed tries. Returns until when the account is left alone, None while it is closed."""
    now = app.now()
    cause = {"code": error.code, "what": error.what, "status": error.facts.get("status")}
    with app.db.write() as session:
        row = _mine(session, f"account:{account_key}", platform, org_id, now)
        row.failures, row.cause, row.updated_at = row.failures + tries, cause, now
        if row.failures >= FAILURES:
            row.until, row.trips = now + _pause(row.trips), row.trips + 1
        session.add(row)
        session.flush()
        until = row.until
        if until is not None and _is_outage(session, platform, cause, now):
            whole = _mine(session, f"platform:{platform}", platform, None, now)
            if whole.until is None or whole.until <= now + PROBE:
                whole.until, whole.trips = now + _pause(whole.trips), whole.trips + 1
            whole.failures, whole.cause, whole.updated_at = whole.failures + 1, cause, now
            session.add(whole)
            until = max(until, whole.until)
    return until


def succeeded(app: App, platform: str, account_key: int) -> None:
    """Close the account's breaker, and the platform's: it answers."""
    names = [f"platform:{platform}", f"account:{account_key}"]
    with app.db.read() as session:
        if session.exec(
            select(Breaker.name).where(col(Breaker.name).in_(names), Breaker.failures > 0)
        ).first() is None:
            return
    with app.db.write() as session:
        for row in session.exec(
            select(Breaker).where(col(Breaker.name).in_(names)).order_by(col(Breaker.name))
            .with_for_update()
        ):
            row.failures, row.trips, row.until, row.cause = 0, 0, None, None
            row.updated_at = app.now()
            session.add(row)


def outages(ctx: Context) -> dict[str, Breaker]:
    """Platforms that do not answer anybody now, of those this organization has connected."""
    ctx.require("connections.read")
    mine = select(Connection.platform).where(
        Connection.org_id == ctx.org, col(Connection.deleted_at).is_(None)
    )
    with lifted(ctx.session):  # an outage belongs to no organization
        rows = ctx.session.exec(select(Breaker).where(
            col(Breaker.name).like("platform:%"), Breaker.failures > 0,
            col(Breaker.platform).in_(mine),
        )).all()
    return {row.platform: row for row in rows}


def open_accounts(ctx: Context, account_keys: list[int]) -> dict[int, Breaker]:
    """Open breakers of these accounts."""
    ctx.require("connections.read")
    names = {f"account:{key}": key for key in account_keys}
    rows = ctx.session.exec(select(Breaker).where(
        Breaker.org_id == ctx.org, col(Breaker.name).in_(list(names)),
        col(Breaker.until).is_not(None),
    )).all()
    return {names[row.name]: row for row in rows}


def _is_outage(session: Session, platform: str, cause: dict[str, Any], now: datetime) -> bool:
    """Whether several accounts fail in the same way, and none was read since they began to."""
    rows = session.exec(select(Breaker).where(
        Breaker.platform == platform, col(Breaker.name).like("account:%"), Breaker.failures > 0,
        Breaker.updated_at >= now - TOGETHER,
    )).all()
    alike = [r for r in rows if r.cause and r.cause.get("code") == cause["code"]]
    if len(alike) < ACCOUNTS:
        return False
    newest = session.exec(
        select(func.max(StreamState.last_read_at))
        .join(Account, col(Account.key) == col(StreamState.account_key))
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .where(Connection.platform == platform)
    ).one()
    return newest is None or newest <= min(r.updated_at for r in alike)


def _pause(trips: int) -> timedelta:
    """60 s, doubled each time up to an hour, and up to a tenth more at random."""
    base = min(LONGEST.total_seconds(), FIRST.total_seconds() * 2.0 ** min(trips, 10))
    return timedelta(seconds=base * (1 + random.random() / 10))


def _open(session: Session, names: list[str], *, lock: bool = False) -> list[Breaker]:
    query = select(Breaker).where(
        col(Breaker.name).in_(names), col(Breaker.until).is_not(None)
    ).order_by(col(Breaker.name))
    return list(session.exec(query.with_for_update() if lock else query).all())


def _mine(
    session: Session, name: str, platform: str, org_id: int | None, now: datetime
) -> Breaker:
    """The row, locked; made when it is not there, whoever of several inserts it."""
    dialect: Any = sqlite if session.connection().dialect.name == "sqlite" else postgresql
    session.execute(
        dialect.insert(Breaker).on_conflict_do_nothing(index_elements=["name"]),
        {"name": name, "platform": platform, "org_id": org_id, "failures": 0, "trips": 0,
         "updated_at": now},
    )
    return session.exec(
        select(Breaker).where(Breaker.name == name).with_for_update()
        .execution_options(populate_existing=True)
    ).one()
