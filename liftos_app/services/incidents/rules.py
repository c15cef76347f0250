"""The rules that read the audit log and the sign-in attempts: I1 to I5, I7 to I11.

Each is a function of a session and the time; it returns what it finds now. It may find the same
thing at every look: book.py keeps one incident per key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, func, select

from liftos_app.models import (
    AuditEntry,
    Connection,
    ConnectionStatus,
    LoginAttempt,
    Membership,
    Role,
    User,
)

ACCOUNT_FAILURES: Final = 10
ADDRESS_FAILURES: Final = 50
DENIALS: Final = 20
FOREIGN: Final = 5
VAULT_FAULTS: Final = 3
STATE_FAULTS: Final = 3
EXPORTS: Final = 5
EXPORT_TIMES: Final = 3
REFUSED_URLS: Final = 3
LOOK_BACK: Final = timedelta(minutes=15)
TEN: Final = timedelta(minutes=10)
URL_REFUSED: Final = "net.refused"  # written by whatever guards outgoing addresses


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a rule saw. `evidence` is the newest thing it counted: only newer ones count on."""

    rule: str
    level: str  # medium, high, critical
    key: str
    words: str
    evidence: str
    org_id: int | None = None


Rule = Callable[[Session, datetime], Iterator[Signal]]


def failed_sign_ins(session: Session, now: datetime) -> Iterator[Signal]:
    """I1: ten failures on one account in ten minutes, or fifty from one address."""
    for column, most, what in (
        (LoginAttempt.account_hash, ACCOUNT_FAILURES, "on one account"),
        (LoginAttempt.ip, ADDRESS_FAILURES, "from one address"),
    ):
        rows = session.exec(
            select(column, func.count(), func.max(LoginAttempt.id))
            .where(LoginAttempt.at > now - TEN, col(LoginAttempt.ok).is_(False))
            .group_by(col(column)).having(func.count() >= most)
        ).all()
        for key, count, newest in rows:
            shown = f" ({key})" if column is LoginAttempt.ip else ""
            yield Signal("I1", "medium", f"{what} {key}", evidence=str(newest),
                         words=f"{count} failed sign-ins {what}{shown} within ten minutes.")


def success_after_failures(session: Session, now: datetime) -> Iterator[Signal]:
    """I2: a sign-in that worked right after ten failures on the same account."""
    rows = session.exec(
        select(LoginAttempt).where(LoginAttempt.at > now - TEN, col(LoginAttempt.ok).is_(True))
    ).all()
    for row in rows:
        failed = session.exec(
            select(func.count()).select_from(LoginAttempt).where(
                LoginAttempt.account_hash == row.account_hash, col(LoginAttempt.ok).is_(False),
                LoginAttempt.at > row.at - TEN, LoginAttempt.at <= row.at,
                col(LoginAttempt.id) < row.id,
            )
        ).one()
        if failed >= ACCOUNT_FAILURES:
            yield Signal("I2", "high", f"after failures {row.account_hash}", evidence=str(row.id),
                         words=f"Somebody signed in after {failed} failures on the same account.")


def new_place_of_admin(session: Session, now: datetime) -> Iterator[Signal]:
    """I2: an administrator signs in from an address the log does not know of them."""
    for entry in _entries(session, now - LOOK_BACK, "auth.signed_in"):
        if not entry.ip or not _is_admin(session, entry.actor_id):
            continue
        before = session.exec(
            select(AuditEntry.ip).where(
                AuditEntry.action == "auth.signed_in", AuditEntry.actor_id == entry.actor_id,
                col(AuditEntry.seq) < entry.seq,
            ).distinct()
        ).all()
        if before and entry.ip not in before:
            yield Signal("I2", "high", f"new place {entry.actor_id}", evidence=str(entry.seq),
                         org_id=entry.org_id,
                         words=f"An administrator signed in from a new address ({entry.ip}).")


def spent_refresh_token(session: Session, now: datetime) -> Iterator[Signal]:
    """I3: a refresh token was used a second time; its family is revoked already."""
    for entry in _entries(session, now - LOOK_BACK, "auth.refresh_reused"):
        yield Signal("I3", "high", f"token {entry.object_id}", evidence=str(entry.seq),
                     org_id=entry.org_id, words="A spent refresh token was used again. Its whole "
                                                "family of tokens was revoked.")


def denials(session: Session, now: datetime) -> Iterator[Signal]:
    """I4: twenty refusals of one principal in five minutes, or five foreign organizations."""
    for action, most, words in (
        ("permission.denied", DENIALS, "refusals of one person or program within five minutes."),
        ("organization.denied", FOREIGN, "tries to act for a foreign organization."),
    ):
        for key, rows in _grouped(session, now - timedelta(minutes=5), action,
                                  lambda e: e.actor_id or e.ip).items():
            if len(rows) >= most:
                yield Signal("I4", "high", f"{action} {key}", evidence=str(rows[-1].seq),
                             org_id=rows[-1].org_id, words=f"{len(rows)} {words}")


def vault_faults(session: Session, now: datetime) -> Iterator[Signal]:
    """I5: three values that did not open in ten minutes, or one whose master key is unknown."""
    for key, rows in _grouped(session, now - TEN, "vault.open_failed",
                              lambda e: str(e.org_id)).items():
        unknown = [r for r in rows if r.reason == "the master key is not loaded"]
        if len(rows) >= VAULT_FAULTS or unknown:
            words = "A value is sealed by a master key that is not loaded." if unknown else (
                f"{len(rows)} stored credentials did not open within ten minutes.")
            yield Signal("I5", "critical", f"vault {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id, words=words)


def consent_faults(session: Session, now: datetime) -> Iterator[Signal]:
    """I7: three answers to consents that did not fit, from one session or address."""
    for key, rows in _grouped(session, now - LOOK_BACK, "oauth.state_refused",
                              lambda e: e.session_ref or e.ip).items():
        if len(rows) >= STATE_FAULTS:
            yield Signal("I7", "medium", f"consent {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id,
                         words=f"{len(rows)} answers to consents did not belong to their session.")


def weaker_protection(session: Session, now: datetime) -> Iterator[Signal]:
    """I8: a new super administrator, or protection taken away from administrators."""
    since = now - LOOK_BACK
    for entry in _entries(session, since, "user.super_admin_granted"):
        yield _i8(entry, "Somebody became super administrator of the installation.")
    for entry in _entries(session, since, "second_factor.removed"):
        if _is_admin(session, entry.object_id):
            yield _i8(entry, "The second factor of an administrator was removed.")
    for entry in _entries(session, since, "organization.second_factor_required"):
        if entry.data.get("on") is False:
            yield _i8(entry, "A second factor is no longer required of everybody.")
    for entry in _entries(session, since, "audit.checkpoint_file_begun"):
        yield _i8(entry, "The file that vouches for the audit log was gone and begun anew.")


def exports(session: Session, now: datetime) -> Iterator[Signal]:
    """I9: five exports in ten minutes, or one over three times the largest of 30 days. The size
    of a copy of all data is not known when it begins: it only counts.
    """
    for key, rows in _grouped(session, now - TEN, ("audit.exported", "data.exported"),
                              lambda e: str(e.org_id)).items():
        if len(rows) >= EXPORTS:
            yield Signal("I9", "medium", f"exports {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id,
                         words=f"{len(rows)} exports within ten minutes.")
        for entry in rows:
            before = [
                int(e.data.get("rows", 0))
                for e in _entries(session, now - timedelta(days=30), "audit.exported")
                if e.org_id == entry.org_id and (e.seq or 0) < (entry.seq or 0)
            ]
            size = int(entry.data.get("rows", 0))
            if before and size > EXPORT_TIMES * max(before):
                yield Signal("I9", "medium", f"large export {key}", evidence=str(entry.seq),
                             org_id=entry.org_id,
                             words=f"An export of {size} rows: the largest before had "
                                   f"{max(before)}.")


def refused_addresses(session: Session, now: datetime) -> Iterator[Signal]:
    """I10: three addresses of one organization refused in an hour."""
    for key, rows in _grouped(session, now - timedelta(hours=1), URL_REFUSED,
                              lambda e: str(e.org_id)).items():
        if len(rows) >= REFUSED_URLS:
            yield Signal("I10", "medium", f"addresses {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id,
                         words=f"{len(rows)} addresses that LiftOS must not call were entered.")


def platform_lost(session: Session, now: datetime) -> Iterator[Signal]:
    """I11: within an hour every connection (two at least) of a platform needs a new sign-in."""
    rows = _entries(session, now - timedelta(hours=1), "connection.refused")
    by_platform: dict[tuple[int | None, str], list[AuditEntry]] = defaultdict(list)
    for entry in rows:
        by_platform[entry.org_id, str(entry.data.get("platform", ""))].append(entry)
    for (org_id, platform), found in by_platform.items():
        lost = {str(e.data.get("connection")) for e in found}
        there = session.exec(
            select(Connection).where(
                Connection.org_id == org_id, Connection.platform == platform,
                col(Connection.deleted_at).is_(None),
                col(Connection.status).not_in([ConnectionStatus.DRAFT, ConnectionStatus.DISABLED]),
            )
        ).all()
        if len(there) >= 2 and all(
            c.status == ConnectionStatus.NEEDS_REAUTH and str(c.id) in lost for c in there
        ):
            yield Signal("I11", "high", f"platform {org_id} {platform}", org_id=org_id,
                         evidence=str(found[-1].seq),
                         words=f"All {len(there)} connections of {platform} need a new sign-in "
                               "within an hour.")


RULES: Final[tuple[Rule, ...]] = (
    failed_sign_ins, success_after_failures, new_place_of_admin, spent_refresh_token, denials,
    vault_faults, consent_faults, weaker_protection, exports, refused_addresses, platform_lost,
)


def _i8(entry: AuditEntry, words: str) -> Signal:
    return Signal("I8", "high", f"{entry.action} {entry.object_id}", evidence=str(entry.seq),
                  org_id=entry.org_id, words=words)


def _entries(session: Session, since: datetime, *actions: str) -> list[AuditEntry]:
    return list(session.exec(
        select(AuditEntry).where(AuditEntry.at > since, col(AuditEntry.action).in_(actions))
        .order_by(col(AuditEntry.seq))
    ).all())


def _grouped(
    session: Session, since: datetime, action: str | tuple[str, ...],
    key: Callable[[AuditEntry], str],
) -> dict[str, list[AuditEntry]]:
    groups: dict[str, list[AuditEntry]] = defaultdict(list)
    for entry in _entries(session, since, *([action] if isinstance(action, str) else action)):
        groups[key(entry)].append(entry)
    return groups


def _is_admin(session: Session, user_id: str) -> bool:
    try:
        user = session.get(User, UUID(user_id))
    except ValueError:
        return False
    if user is None:
        return False
    roles = session.exec(select(Membership.role).where(Membership.user_id == user.id)).all()
    return user.is_super_admin or Role.ADMIN in {Role(r) for r in roles}
