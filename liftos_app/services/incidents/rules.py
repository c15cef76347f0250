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
from liftos_app.services.audit.notes import FOREIGN_OBJECT, STARTED, URL_REFUSED
from liftos_app.services.devices import SIGN_INS
from liftos_app.services.limits import bucket

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
EXPORT_ACTS: Final = ("audit.exported", "data.exported")
RETENTION_WORDS: Final = {
    "retention.changed": "How long marketing data is kept was changed.",
    "retention.held": "A legal hold was begun: nothing is deleted until it ends.",
    "retention.released": "A legal hold was ended: what is too old is deleted again.",
}


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
    """I2: a sign-in that worked right after what I1 looks for, on its account or address."""
    rows = session.exec(
        select(LoginAttempt).where(LoginAttempt.at > now - TEN, col(LoginAttempt.ok).is_(True))
    ).all()
    for row in rows:
        for same, most, what, key in (
            (LoginAttempt.account_hash == row.account_hash, ACCOUNT_FAILURES,
             "on the same account", row.account_hash),
            (LoginAttempt.ip == row.ip, ADDRESS_FAILURES, f"from the same address ({row.ip})",
             row.ip),
        ):
            failed = session.exec(
                select(func.count()).select_from(LoginAttempt).where(
                    same, col(LoginAttempt.ok).is_(False), LoginAttempt.at > row.at - TEN,
                    LoginAttempt.at <= row.at, col(LoginAttempt.id) < row.id,
                )
            ).one()
            if failed >= most:
                yield Signal("I2", "high", f"after failures {key}", evidence=str(row.id),
                             words=f"Somebody signed in after {failed} failures {what}.")


def new_place_of_admin(session: Session, now: datetime) -> Iterator[Signal]:
    """I2: an administrator signs in with a device, or from an address (IPv6: /64), that the log
    does not know of them. Countries are not known here: each new address counts.
    """
    for entry in _entries(session, now - LOOK_BACK, *SIGN_INS):
        if not _is_admin(session, entry.actor_id):
            continue
        before = session.exec(
            select(AuditEntry).where(
                col(AuditEntry.action).in_(SIGN_INS), AuditEntry.actor_id == entry.actor_id,
                col(AuditEntry.seq) < entry.seq,
            )
        ).all()
        device, devices = entry.data.get("device"), {e.data.get("device") for e in before}
        if entry.ip and before and bucket(entry.ip) not in {bucket(e.ip) for e in before}:
            where, key = f"from a new address ({entry.ip})", "new place"
        elif device and devices - {None} and device not in devices:
            where, key = f"with a new device ({device})", "new device"
        else:
            continue
        yield Signal("I2", "high", f"{key} {entry.actor_id}", evidence=str(entry.seq),
                     org_id=entry.org_id, words=f"An administrator signed in {where}.")


def spent_refresh_token(session: Session, now: datetime) -> Iterator[Signal]:
    """I3: a refresh token was used a second time; its family is revoked already."""
    for entry in _entries(session, now - LOOK_BACK, "auth.refresh_reused"):
        yield Signal("I3", "high", f"token {entry.object_id}", evidence=str(entry.seq),
                     org_id=entry.org_id, words="A spent refresh token was used again. Its whole "
                                                "family of tokens was revoked.")


def denials(session: Session, now: datetime) -> Iterator[Signal]:
    """I4: twenty refusals of one principal in five minutes, or five tries at what belongs to a
    foreign organization: its id in the header, or the id of something of it.
    """
    for kind, actions, most, words in (
        ("permission", ("permission.denied",), DENIALS,
         "refusals of one person or program within five minutes."),
        ("foreign", ("organization.denied", FOREIGN_OBJECT), FOREIGN,
         "tries of one person or program at what belongs to a foreign organization."),
    ):
        for key, rows in _grouped(session, now - timedelta(minutes=5), *actions,
                                  key=lambda e: e.actor_id or e.ip).items():
            if len(rows) >= most:
                alone = all(e.action != FOREIGN_OBJECT for e in rows)  # else: super admins only
                yield Signal("I4", "high", f"{kind} {key}", evidence=str(rows[-1].seq),
                             org_id=rows[-1].org_id if alone else None,
                             words=f"{len(rows)} {words}")


def vault_faults(session: Session, now: datetime) -> Iterator[Signal]:
    """I5: three values that did not open in ten minutes, or one whose master key is unknown."""
    for key, rows in _grouped(session, now - TEN, "vault.open_failed",
                              key=lambda e: str(e.org_id)).items():
        unknown = [r for r in rows if r.reason == "the master key is not loaded"]
        if len(rows) >= VAULT_FAULTS or unknown:
            words = "A value is sealed by a master key that is not loaded." if unknown else (
                f"{len(rows)} stored credentials did not open within ten minutes.")
            yield Signal("I5", "critical", f"vault {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id, words=words)


def consent_faults(session: Session, now: datetime) -> Iterator[Signal]:
    """I7: three answers to consents that did not fit, from one session or address."""
    for key, rows in _grouped(session, now - LOOK_BACK, "oauth.state_refused",
                              key=lambda e: e.session_ref or e.ip).items():
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
    for entry in _entries(session, since, "retention.changed", "retention.held",
                          "retention.released"):
        yield _i8(entry, RETENTION_WORDS[entry.action])
    for entry in _entries(session, since, STARTED):
        before = session.exec(
            select(AuditEntry).where(AuditEntry.action == STARTED, col(AuditEntry.seq) < entry.seq)
            .order_by(col(AuditEntry.seq).desc()).limit(1)
        ).first()
        known = before.data.get("ssrf_allow") if before else None
        if known is not None and known != entry.data.get("ssrf_allow"):
            yield _i8(entry, "Which addresses of the own network LiftOS may call (SSRF_ALLOW) was "
                             "changed.")


def exports(session: Session, now: datetime) -> Iterator[Signal]:
    """I9: five exports of any kind in ten minutes, or one over three times the largest of its
    kind in 30 days. Kinds: the audit log, what is stored about a person, an organization.
    """
    month = _entries(session, now - timedelta(days=30), *EXPORT_ACTS)
    for key, rows in _grouped(session, now - TEN, *EXPORT_ACTS,
                              key=lambda e: str(e.org_id)).items():
        if len(rows) >= EXPORTS:
            yield Signal("I9", "medium", f"exports {key}", evidence=str(rows[-1].seq),
                         org_id=rows[-1].org_id,
                         words=f"{len(rows)} exports within ten minutes.")
        for entry in rows:
            before = [
                int(e.data["rows"]) for e in month
                if e.org_id == entry.org_id and (e.seq or 0) < (entry.seq or 0)
                and e.data.get("what") == entry.data.get("what") and "rows" in e.data
            ]
            size = entry.data.get("rows")
            if before and size is not None and int(size) > EXPORT_TIMES * max(before):
                yield Signal("I9", "medium", f"large export {key}", evidence=str(entry.seq),
                             org_id=entry.org_id,
                             words=f"An export of {size} rows: the largest before had "
                                   f"{max(before)}.")


def refused_addresses(session: Session, now: datetime) -> Iterator[Signal]:
    """I10: three addresses of one organization refused in an hour."""
    for key, rows in _grouped(session, now - timedelta(hours=1), URL_REFUSED,
                              key=lambda e: str(e.org_id)).items():
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
    session: Session, since: datetime, *actions: str, key: Callable[[AuditEntry], str]
) -> dict[str, list[AuditEntry]]:
    groups: dict[str, list[AuditEntry]] = defaultdict(list)
    for entry in _entries(session, since, *actions):
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
