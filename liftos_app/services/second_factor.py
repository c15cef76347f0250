"""The second factor: enrol, ask, recover, remove. Codes come from an authenticator app (TOTP).

The seed is sealed by the vault; a used step never works again; ten recovery codes work once each.
"""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import Session, col, func, select

from liftos_app.config import Settings
from liftos_app.errors import Conflict, Invalid, SignInNeeded
from liftos_app.models import Membership, Organization, RecoveryCode, Role, SecondFactor, User
from liftos_app.services import audit, limits, mailer, passwords, sessions, totp, vault
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.secret import Secret
from liftos_app.tenancy import lifted

ISSUER: Final = "LiftOS"
RECOVERY_CODES: Final = 10
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 signs, none of them easily misread
_HANDLE: Final = 4
_LENGTH: Final = 16
_TABLE: Final = SecondFactor.__tablename__


class WrongCode(SignInNeeded):
    """The code is wrong, was used before, or is too old."""

    status, code = 401, "wrong_code"


@dataclass(frozen=True, slots=True)
class Status:
    """How a person stands: whether a factor is set up, whether they need one, codes left."""

    confirmed: bool
    required: bool
    codes_left: int


def status(ctx: Context) -> Status:
    """The second factor of the person who asks."""
    ctx.require("profile.write")
    user = _user(ctx.session, ctx.who.user_id)
    with lifted(ctx.session):
        row = ctx.session.get(SecondFactor, user.id)
    left = ctx.session.exec(
        select(func.count()).select_from(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, col(RecoveryCode.used_at).is_(None))
    ).one()
    return Status(
        confirmed=row is not None and row.confirmed_at is not None,
        required=is_required(ctx.session, ctx.settings, user), codes_left=left,
    )


def is_required(session: Session, settings: Settings, user: User) -> bool:
    """Whether this person needs a second factor in any of their organizations."""
    if settings.require_mfa == "everyone":
        return True
    with lifted(session):
        rows = session.exec(
            select(Membership.role, Organization.require_mfa)
            .join(Organization, col(Organization.id) == col(Membership.org_id))
            .where(Membership.user_id == user.id)
        ).all()
    if any(required for _, required in rows):
        return True
    if settings.require_mfa == "nobody":
        return False
    return user.is_super_admin or any(role == Role.ADMIN for role, _ in rows)


def is_set_up(session: Session, user_id: UUID) -> bool:
    """Whether a person has a confirmed second factor."""
    with lifted(session):  # whichever organization's key seals it
        row = session.get(SecondFactor, user_id)
    return row is not None and row.confirmed_at is not None


def step_for(session: Session, settings: Settings, user: User) -> str:
    """What has to follow the first factor: `code`, `enrol`, or nothing."""
    if is_set_up(session, user.id):
        return "code"
    return "enrol" if is_required(session, settings, user) else ""


def begin(app: App, user_id: UUID, org_id: int) -> Secret:
    """The seed to show to a person who enrols; the same one until it is confirmed.

    Raises Conflict when a second factor is set up already: a seed is never shown again.
    """
    with open_context(app, Principal(kind="person", user_id=user_id), org_id, write=True) as ctx:
        with lifted(ctx.session):
            row = ctx.session.get(SecondFactor, user_id)
            if row is not None and row.confirmed_at is not None:
                raise Conflict(
                    "Your second factor is set up already.",
                    fix="Remove it first, to set up another.",
                )
            if row is not None and row.org_id != org_id:
                ctx.session.delete(row)
        if row is not None and row.org_id == org_id:
            return _open(ctx, row)
        seed = totp.new_seed()
        sealed = vault.seal(ctx, seed, table=_TABLE, row_id=user_id, field="sealed")
        ctx.session.add(
            SecondFactor(user_id=user_id, org_id=org_id, sealed=sealed, created_at=ctx.now())
        )
        return Secret(seed)


def confirm(app: App, user_id: UUID, code: str, *, ip: str) -> list[str]:
    """Finish enrolling with a first code: the ten recovery codes, shown this once.

    Raises WrongCode, Conflict or TooMany.
    """
    attempt = limits.begin_attempt(app, account=f"second factor\x00{user_id}", ip=ip)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    hashes = [passwords.make_code_hash(c) for c in codes]
    with _as_person(app, user_id, ip) as ctx:
        row = ctx.session.get(SecondFactor, user_id)
        if row is None or row.confirmed_at is not None:
            raise Conflict("There is nothing to confirm.", fix="Start again.")
        _spend_totp(ctx, row, code)
        row.confirmed_at = ctx.now()
        _store_codes(ctx, user_id, codes, hashes)
        limits.succeeded(ctx.session, attempt)
        user = _user(ctx.session, user_id)
        audit.record(ctx, "second_factor.enrolled", user)
        mailer.tell(ctx, user, "A second factor was set up for your account.")
    return codes


def check(app: App, user_id: UUID, code: str, *, ip: str) -> int:
    """Check a code of the app or a recovery code, which is spent. Returns the attempt to mark.

    Raises WrongCode or TooMany: ten failures a minute for a person, whatever the address.
    """
    attempt = limits.begin_attempt(app, account=f"second factor\x00{user_id}", ip=ip)
    typed = re.sub(r"[\s-]", "", code.casefold())[:40]
    if len(typed) == totp.DIGITS and typed.isascii() and typed.isdecimal():
        with _as_person(app, user_id, ip) as ctx:
            row = ctx.session.get(SecondFactor, user_id)
            if row is not None and row.confirmed_at is not None:
                _spend_totp(ctx, row, typed)
                limits.succeeded(ctx.session, attempt)
                return attempt
    elif len(typed) == _LENGTH and _spend_recovery(app, user_id, typed, ip):
        with app.db.write() as session:
            limits.succeeded(session, attempt)
        return attempt
    with open_context(app, Principal(ip=ip), None, write=True) as ctx:
        audit.record(ctx, "second_factor.refused", result="refused", user_id=str(user_id))
    raise _wrong()


def renew_codes(app: App, who: Principal, org_id: int) -> list[str]:
    """Ten new recovery codes; the old ones end. Sensitive: asks for a fresh proof."""
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    with open_context(app, who, org_id) as ctx:
        ctx.require("profile.write")
        ctx.require_proof()
    hashes = [passwords.make_code_hash(c) for c in codes]
    with open_context(app, who, org_id, write=True) as ctx:
        user = _user(ctx.session, who.user_id)
        if not is_set_up(ctx.session, user.id):
            raise Conflict("No second factor is set up.", fix="Set one up first.")
        _store_codes(ctx, user.id, codes, hashes)
        audit.record(ctx, "second_factor.codes_renewed", user)
        mailer.tell(ctx, user, "New recovery codes were made for your account.")
    return codes


def remove(app: App, who: Principal, org_id: int, code: str) -> None:
    """Take one's own second factor away; needs a fresh proof and a code. Other sessions end.

    Where one is required, the next sign-in asks to set up another.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("profile.write")
        ctx.require_proof()
        user = _user(ctx.session, who.user_id)
    check(app, user.id, code, ip=who.ip)
    with open_context(app, who, org_id, write=True) as ctx:
        forget(ctx, user.id)
        sessions.end_all(ctx, user.id, but=who.session_id)


def take_away(ctx: Context, email: str) -> None:
    """Remove somebody's second factor, from the command line. Everything they hold ends."""
    ctx.require("installation.admin")
    user = ctx.session.exec(
        select(User).where(User.email_key == email.strip().casefold()[:254])
    ).first()
    if user is None:
        raise Invalid("There is no account with this e-mail.", field="email")
    forget(ctx, user.id)
    sessions.end_all(ctx, user.id)


def forget(ctx: Context, user_id: UUID) -> None:
    """Delete a person's second factor and codes. The caller checked the right."""
    with lifted(ctx.session):
        for model in (RecoveryCode, SecondFactor):
            ctx.session.exec(delete(model).where(col(model.user_id) == user_id))
    user = _user(ctx.session, user_id)
    user.auth_epoch += 1
    audit.record(ctx, "second_factor.removed", user)
    mailer.tell(ctx, user, "The second factor of your account was removed.")


def _as_person(app: App, user_id: UUID, ip: str) -> AbstractContextManager[Context]:
    with app.db.read() as session:
        row = session.get(SecondFactor, user_id)
    who = Principal(kind="person", user_id=user_id, ip=ip)
    return open_context(app, who, row.org_id if row else None, write=True)


def _spend_totp(ctx: Context, row: SecondFactor, code: str) -> None:
    typed = re.sub(r"[\s-]", "", code)
    step = totp.matching_step(_open(ctx, row).reveal(), typed, ctx.now()) if typed else None
    if step is None:
        raise _wrong(enrolled=row.confirmed_at is not None)
    done = ctx.session.execute(
        update(SecondFactor)
        .where(col(SecondFactor.user_id) == row.user_id, col(SecondFactor.last_step) < step)
        .values(last_step=step)
        .execution_options(synchronize_session=False)
    )
    if getattr(done, "rowcount", 0) != 1:  # this code, or a later one, was used before
        raise _wrong(enrolled=row.confirmed_at is not None)
    ctx.session.refresh(row)


def _spend_recovery(app: App, user_id: UUID, typed: str, ip: str) -> bool:
    with app.db.read() as session:
        rows = session.exec(
            select(RecoveryCode).where(
                RecoveryCode.user_id == user_id, RecoveryCode.handle == typed[:_HANDLE],
                col(RecoveryCode.used_at).is_(None),
            )
        ).all()
    right = next((r for r in rows if passwords.fits_code(typed, r.code_hash)), None)
    if right is None:
        return False
    with _as_person(app, user_id, ip) as ctx:
        done = ctx.session.execute(
            update(RecoveryCode)
            .where(col(RecoveryCode.id) == right.id, col(RecoveryCode.used_at).is_(None))
            .values(used_at=ctx.now())
        )
        if getattr(done, "rowcount", 0) != 1:
            return False
        user = _user(ctx.session, user_id)
        audit.record(ctx, "second_factor.recovery_code_used", user)
        mailer.tell(ctx, user, "A recovery code was used to sign in to your account.")
    return True


def _store_codes(ctx: Context, user_id: UUID, codes: list[str], hashes: list[str]) -> None:
    ctx.session.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))
    for code, hashed in zip(codes, hashes, strict=True):
        ctx.session.add(
            RecoveryCode(
                user_id=user_id, handle=code.replace("-", "")[:_HANDLE], code_hash=hashed,
                created_at=ctx.now(),
            )
        )


def _open(ctx: Context, row: SecondFactor) -> Secret:
    return vault.unseal(ctx, row.sealed, table=_TABLE, row_id=row.user_id, field="sealed")


def _new_code() -> str:
    """`abcd-efgh-jkmn-pqrs`: 80 random bits."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return "-".join(text[i : i + 4] for i in range(0, _LENGTH, 4))


def _user(session: Session, user_id: UUID | None) -> User:
    user = session.get(User, user_id) if user_id else None
    if user is None:
        raise SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    return user


def _wrong(*, enrolled: bool = True) -> WrongCode:
    return WrongCode(
        "This code is not right.", why="It is mistyped, too old, or was used before.",
        fix="Type the newest code of your authenticator app"
        + (", or a recovery code." if enrolled else "."),
        field="code",
    )


__all__ = [
    "RECOVERY_CODES", "Status", "WrongCode", "begin", "check", "confirm", "forget",
    "is_required", "is_set_up", "remove", "renew_codes", "status", "step_for",
    "take_away",
]
