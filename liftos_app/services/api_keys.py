"""Personal API keys: `lft_<id>_<secret><crc>`, for one organization, with scopes and an end.

The text is shown once; stored is a keyed hash. A key may do what its person may, within its
scopes; the check sum lets scanners and mistypings be told without asking the database.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import string
import threading
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from liftos_app.errors import Denied, Invalid, Missing, SignInNeeded
from liftos_app.models import ApiKey, Organization, Role, User
from liftos_app.services import access, audit, mailer, names, sessions
from liftos_app.services.context import App, Context, Principal
from liftos_app.services.sessions import SignedInAs

log = logging.getLogger(__name__)
MOST_PER_PERSON: Final = 20
LONGEST_DAYS: Final = 366
TOUCH_EVERY: Final = timedelta(minutes=1)
_SIGNS: Final = string.digits + string.ascii_letters
_FORM: Final = re.compile(r"lft_([0-9a-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")


@dataclass(frozen=True, slots=True)
class Made:
    """A new key and the only copy of its text."""

    key: ApiKey
    text: str


def create(ctx: Context, *, name: str, scopes: list[str], days: int) -> Made:
    """A key of the person who asks, in this organization. Sensitive: asks for a fresh proof."""
    ctx.require("keys.write")
    ctx.require_proof()
    title = names.check(name, of="A key", longest=80)
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"A key lives for 1 to {LONGEST_DAYS} days.", field="days")
    chosen = _checked_scopes(ctx, scopes)
    if len([k for k in list_mine(ctx) if is_live(k, ctx.now())]) >= MOST_PER_PERSON:
        raise Invalid(
            f"You have {MOST_PER_PERSON} keys already.", fix="Revoke one you no longer use.",
            field="name",
        )
    key_id = "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(12))
    secret = "".join(secrets.choice(_SIGNS) for _ in range(43))
    row = ApiKey(
        key_id=key_id, secret_hash=ctx.app.vault.token_hash(secret), org_id=ctx.org,
        user_id=_me(ctx), name=title, scopes=chosen, created_at=ctx.now(),
        expires_at=ctx.now() + timedelta(days=days),
    )
    ctx.session.add(row)
    audit.record(ctx, "api_key.created", row, scopes=chosen, days=days)
    mailer.tell(ctx, ctx.session.get_one(User, row.user_id), f"The API key {title} was made.")
    return Made(row, f"lft_{key_id}_{secret}{_crc(key_id + secret)}")


def list_mine(ctx: Context) -> list[ApiKey]:
    """The keys of the person who asks in this organization, newest first."""
    ctx.require("keys.write")
    return list(
        ctx.session.exec(
            select(ApiKey)
            .where(ApiKey.org_id == ctx.org, ApiKey.user_id == ctx.who.user_id)
            .order_by(col(ApiKey.created_at).desc(), col(ApiKey.id))
        ).all()
    )


def revoke(ctx: Context, key_id: UUID) -> None:
    """End a key: one's own, or for administrators any key of the organization."""
    ctx.require("keys.write")
    row = ctx.session.exec(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.org_id == ctx.org)
    ).first()
    if row is None or (row.user_id != ctx.who.user_id and not ctx.can("members.write")):
        raise Missing("This key does not exist.", why="It was deleted, or is somebody else's.")
    row.revoked_at = row.revoked_at or ctx.now()
    _cache(ctx.app).pop(row.key_id, None)
    audit.record(ctx, "api_key.revoked", row)


def is_live(key: ApiKey, now: datetime) -> bool:
    """Whether a key still opens anything."""
    return key.revoked_at is None and key.expires_at > now


def looks_like_one(text: str) -> bool:
    """Whether a bearer text is meant to be a key of ours."""
    return text.startswith("lft_")


def check(
    app: App, text: str, *, organization: str | None = None, ip: str = ""
) -> SignedInAs:
    """Who a key stands for, read at most five seconds ago. Raises SignInNeeded or Denied.

    A key belongs to one organization: `organization` may only name that one.
    """
    form = _FORM.fullmatch(text) if len(text) <= 100 else None
    if form is None or _crc(form[1] + form[2]) != form[3]:
        raise _not_valid()
    known = _known(app, form[1])
    given = app.vault.token_hashes(form[2])
    if known is None or not any(hmac.compare_digest(known.secret_hash, h) for h in given):
        raise _not_valid()
    if organization is not None and organization.casefold() != str(known.organization):
        raise Denied(
            "This key belongs to another organization.",
            fix="Leave X-Organization-ID away, or use a key of that organization.",
        )
    _touch(app, known)
    who = Principal(
        kind="program", user_id=known.user_id, name=known.name, role=known.role, ip=ip,
        scopes=known.allowed,
    )
    return SignedInAs(who, known.org_id)


@dataclass(slots=True)
class _Known:
    """What the database says about a key, remembered for at most 5 s."""

    id: UUID
    secret_hash: str
    user_id: UUID
    name: str
    role: Role
    org_id: int
    organization: UUID
    allowed: frozenset[str]
    read_at: datetime
    touched_at: datetime | None


def _known(app: App, key_id: str) -> _Known | None:
    cache, now = _cache(app), app.now()
    known = cache.get(key_id)
    if known is not None and timedelta(0) <= now - known.read_at <= sessions.BELIEVED_FOR:
        return known
    cache.pop(key_id, None)
    with app.db.read() as session:
        row = session.exec(
            select(ApiKey, User, Organization)
            .join(User, col(User.id) == col(ApiKey.user_id))
            .join(Organization, col(Organization.id) == col(ApiKey.org_id))
            .where(ApiKey.key_id == key_id)
        ).first()
        if row is None:
            return None
        key, user, organization = row
        role = sessions.role_in(session, user, key.org_id)
        if not is_live(key, now) or user.disabled_at is not None or role is None:
            return None
        known = _Known(
            id=key.id, secret_hash=key.secret_hash, user_id=user.id,
            name=f"{user.name or user.email} ({key.name})",
            role=role, org_id=key.org_id, organization=organization.public_id,
            allowed=access.scope_permissions(key.scopes), read_at=now, touched_at=key.last_used_at,
        )
    while len(cache) >= 10_000:
        cache.pop(next(iter(cache)), None)
    cache[key_id] = known
    return known


def _touch(app: App, known: _Known) -> None:
    """Note the use, at most once a minute and beside the request."""
    now = app.now()
    if known.touched_at is not None and now - known.touched_at < TOUCH_EVERY:
        return
    known.touched_at = now

    def write() -> None:
        try:
            with app.db.write() as session:
                session.exec(
                    update(ApiKey).where(col(ApiKey.id) == known.id).values(last_used_at=now)
                )
        except SQLAlchemyError:
            log.warning("api_key.touch_failed", exc_info=True)

    threading.Thread(target=write, name="api-key-touch", daemon=True).start()


def _checked_scopes(ctx: Context, scopes: list[str]) -> list[str]:
    unknown = [s for s in scopes if s not in access.SCOPES]
    if unknown or not scopes:
        raise Invalid(
            "Choose what the key may do.", fix=f"Scopes are {', '.join(access.SCOPES)}.",
            field="scopes",
        )
    for scope in scopes:
        if not all(ctx.can(p) for p in access.SCOPES[scope][1]):
            raise Denied(
                f"Your role does not hold the scope {scope}.", fix="Choose less.", field="scopes"
            )
    return [s for s in access.SCOPES if s in scopes]


def _me(ctx: Context) -> UUID:
    if ctx.who.user_id is None:
        raise SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    return ctx.who.user_id


def _crc(text: str) -> str:
    """The CRC-32 of a text as six signs."""
    number, out = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, len(_SIGNS))
        out = _SIGNS[rest] + out
    return out


def _not_valid() -> SignInNeeded:
    return SignInNeeded(
        "This API key is not valid.", why="It was revoked, has ended, or is mistyped.",
        fix="Make a new one in Settings, API keys.", challenge='Bearer error="invalid_token"',
    )


def _cache(app: App) -> dict[str, _Known]:
    cache = app.extras.setdefault("api_keys", {})
    assert isinstance(cache, dict)  # noqa: S101  (this module alone writes the key)
    return cache
