"""How often somebody may fail to sign in. Counted in the database, so a restart forgets nothing.

Ten failures a minute per address and per account; from the fifth failure in a row each further
try on an account waits a little longer, up to half a minute. Nobody is ever locked out for long,
and an address that signed in to the account during the last day is not held up by the failures
of others.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, text
from sqlmodel import Session, col, func, select

from liftos_app.errors import TooMany
from liftos_app.models import LoginAttempt
from liftos_app.services.context import App

FAILURES_PER_MINUTE: Final = 10
FREE_FAILURES: Final = 5
LONGEST_WAIT_SECONDS: Final = 30
_MINUTE: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=1)


def begin_attempt(app: App, *, account: str, ip: str) -> int:
    """Count a try before it is made, so that parallel tries cannot slip through.

    Returns its number for `succeeded`. Raises TooMany with `retry_after` in seconds.
    """
    key, address = app.vault.token_hash(f"account\x00{account}"), bucket(ip)
    now = app.now()
    with app.db.write() as session:
        one_at_a_time(session, f"ip {address}", f"account {key}")
        wait = _wait(session, key, address, now)
        if wait > 0:
            raise _too_many(wait)
        session.exec(delete(LoginAttempt).where(col(LoginAttempt.at) < now - _KEPT))
        row = LoginAttempt(at=now, account_hash=key, ip=address, ok=False)
        session.add(row)
        session.flush()
        return row.id or 0


def succeeded(session: Session, attempt_id: int) -> None:
    """Turn a counted try into a success, in the transaction that signs the person in."""
    row = session.get(LoginAttempt, attempt_id)
    if row is not None:
        row.ok = True


def bucket(ip: str) -> str:
    """The address as it is counted: IPv6 by /64, because one person owns that many."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _wait(session: Session, key: str, address: str, now: datetime) -> float:
    by_ip = _window(session, now, LoginAttempt.ip == address)
    mine = LoginAttempt.account_hash == key
    if _is_known(session, key, address, now):
        by_account = _window(session, now, mine, LoginAttempt.ip == address)
        row = _failures_in_a_row(session, now, mine, LoginAttempt.ip == address)
    else:
        by_account = _window(session, now, mine)
        row = _failures_in_a_row(session, now, mine)
    return max(by_ip, by_account, _growing(row, now))


def _window(session: Session, now: datetime, *where: object) -> float:
    """Seconds until fewer than ten failures lie in the last minute."""
    moments = session.exec(
        select(LoginAttempt.at)
        .where(col(LoginAttempt.at) > now - _MINUTE, col(LoginAttempt.ok).is_(False), *where)  # type: ignore[arg-type]
        .order_by(col(LoginAttempt.at).desc())
        .limit(FAILURES_PER_MINUTE)
    ).all()
    if len(moments) < FAILURES_PER_MINUTE:
        return 0.0
    return (moments[-1] + _MINUTE - now).total_seconds()


def _failures_in_a_row(
    session: Session, now: datetime, *where: object
) -> tuple[int, datetime | None]:
    """Failures since the last success or the last quiet quarter of an hour, and the newest."""
    moments = session.exec(
        select(LoginAttempt.at, LoginAttempt.ok)
        .where(col(LoginAttempt.at) > now - timedelta(minutes=15), *where)  # type: ignore[arg-type]
        .order_by(col(LoginAttempt.at).desc(), col(LoginAttempt.id).desc())
        .limit(60)
    ).all()
    count = 0
    for _at, ok in moments:
        if ok:
            break
        count += 1
    return count, moments[0][0] if count else None


def _growing(row: tuple[int, datetime | None], now: datetime) -> float:
    count, newest = row
    if count < FREE_FAILURES or newest is None:
        return 0.0
    pause = min(2 ** (count - FREE_FAILURES), LONGEST_WAIT_SECONDS)
    return (newest + timedelta(seconds=pause) - now).total_seconds()


def _is_known(session: Session, key: str, address: str, now: datetime) -> bool:
    found = session.exec(
        select(func.count())
        .select_from(LoginAttempt)
        .where(
            LoginAttempt.account_hash == key, LoginAttempt.ip == address,
            col(LoginAttempt.ok).is_(True), col(LoginAttempt.at) > now - _KEPT,
        )
    ).one()
    return found > 0


def one_at_a_time(session: Session, *names: str) -> None:
    """Let no other transaction pass here under the same names until this one ends."""
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        connection.exec_driver_sql("SELECT 1")  # SQLite has one writer: take it before looking
        return
    for name in sorted(names):
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})


def _too_many(wait: float) -> TooMany:
    seconds = max(1, -int(-wait // 1))
    unit = "second" if seconds == 1 else "seconds"
    return TooMany(
        "There were too many tries to sign in.", why="Several tries in a row did not succeed.",
        fix=f"Wait {seconds} {unit}, then try again.", retry_after=seconds,
        limit=FAILURES_PER_MINUTE,
    )
