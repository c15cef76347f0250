"""Signed-in browsers: made, looked up at every event, ended. Only keyed hashes are stored."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import delete, or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from liftos_app.config import Settings
from liftos_app.errors import Missing
from liftos_app.models import Membership, Organization, Role, User, WebSession
from liftos_app.services import audit
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.tenancy import lifted

log = logging.getLogger(__name__)
IDLE_LIMIT: Final = timedelta(hours=1)
ABSOLUTE_LIMIT: Final = timedelta(hours=24)
BELIEVED_FOR: Final = timedelta(seconds=5)  # how late a revocation elsewhere may be seen
TOUCH_EVERY: Final = timedelta(minutes=1)
_CACHE_KEY: Final = "sessions"
_CACHE_SIZE: Final = 10_000


class SignedInAs(NamedTuple):
    """Who a cookie stands for, and the organization being looked at."""

    who: Principal
    org_id: int


@dataclass(slots=True)
class _Remembered:
    answer: SignedInAs
    checked_at: datetime
    touched_at: datetime


def cookie_name(settings: Settings) -> str:
    """`__Host-` needs https, so plain http on one's own machine goes without it."""
    return "__Host-liftos_sid" if settings.secure_cookies else "liftos_sid"


def token_from(settings: Settings, cookie_header: str) -> str:
    """The session token in a Cookie header, empty when there is none."""
    try:
        found = SimpleCookie(cookie_header).get(cookie_name(settings))
    except CookieError:
        return ""
    return found.value if found is not None else ""


def create(
    session: Session, app: App, *, user: User, org_id: int, ip: str, user_agent: str
) -> str:
    """Store a new session and return its token: the only place where the token is known."""
    token = secrets.token_urlsafe(32)
    now = app.now()
    session.add(
        WebSession(
            token_hash=app.vault.token_hash(token), user_id=user.id, org_id=org_id,
            created_at=now, last_seen_at=now, expires_at=now + ABSOLUTE_LIMIT, proved_at=now,
            ip=ip[:64], user_agent=user_agent[:300],
        )
    )
    session.exec(
        delete(WebSession).where(
            or_(col(WebSession.expires_at) <= now, col(WebSession.last_seen_at) <= now - IDLE_LIMIT)
        )
    )
    return token


def resolve(app: App, cookie_token: str, *, ip: str = "") -> SignedInAs | None:
    """Who this token stands for, or None. Believed for 5 s; under a millisecond when remembered.

    Without sign-in (REQUIRE_AUTH=false) everybody is the first administrator.
    """
    if not app.settings.auth_required:
        return _local(app, ip=ip)
    if not 20 <= len(cookie_token) <= 200:
        return None
    key = app.vault.token_hash(cookie_token)
    now = app.now()
    cache = _cache(app)
    known = cache.get(key)
    if known is None or not timedelta(0) <= now - known.checked_at <= BELIEVED_FOR:
        known = _look_up(app, cookie_token, now)
        if known is None:
            cache.pop(key, None)
            return None
        _remember(cache, key, known)
    if now - known.touched_at >= TOUCH_EVERY:
        known.touched_at = now
        _touch_later(app, known.answer.who.session_id, now)
    who, org_id = known.answer
    return SignedInAs(replace(who, ip=ip), org_id) if ip and ip != who.ip else known.answer


async def resolve_async(app: App, cookie_token: str, *, ip: str = "") -> SignedInAs | None:
    """`resolve` for the event loop: answers from memory at once, else asks in a thread."""
    known = _cache(app).get(app.vault.token_hash(cookie_token)) if cookie_token else None
    if known is not None and timedelta(0) <= app.now() - known.checked_at <= BELIEVED_FOR:
        return resolve(app, cookie_token, ip=ip)
    return await asyncio.to_thread(resolve, app, cookie_token, ip=ip)


def sign_out(app: App, cookie_token: str) -> None:
    """End one session. Ending one that is not there is no error."""
    found = resolve(app, cookie_token) if app.settings.auth_required else None
    if found is None:
        return
    with open_context(app, found.who, found.org_id, write=True) as ctx, lifted(ctx.session):
        ctx.session.exec(delete(WebSession).where(col(WebSession.id) == found.who.session_id))
        audit.record(ctx, "auth.signed_out")
    forget(app, user_id=found.who.user_id)


def end_all(ctx: Context, user_id: UUID, *, but: UUID | None = None) -> int:
    """End every session of a person, except one. Returns how many. The caller checked the right."""
    with lifted(ctx.session):
        rows = ctx.session.exec(
            select(WebSession).where(WebSession.user_id == user_id, WebSession.id != but)
            if but else select(WebSession).where(WebSession.user_id == user_id)
        ).all()
        for row in rows:
            ctx.session.delete(row)
    forget(ctx.app, user_id=user_id)
    return len(rows)


def list_mine(ctx: Context) -> list[WebSession]:
    """The signed-in browsers of the person who asks, newest first."""
    ctx.require("profile.write")
    with lifted(ctx.session):
        return list(
            ctx.session.exec(
                select(WebSession)
                .where(
                    WebSession.user_id == ctx.who.user_id, col(WebSession.expires_at) > ctx.now(),
                    col(WebSession.last_seen_at) > ctx.now() - IDLE_LIMIT,
                )
                .order_by(col(WebSession.last_seen_at).desc())
            ).all()
        )


def end_mine(ctx: Context, session_id: UUID) -> None:
    """End one of one's own sessions. Raises Missing for anybody else's."""
    ctx.require("profile.write")
    with lifted(ctx.session):
        row = ctx.session.exec(
            select(WebSession).where(
                WebSession.id == session_id, WebSession.user_id == ctx.who.user_id
            )
        ).first()
        if row is None:
            raise Missing("This session does not exist.", why="It ended already.")
        ctx.session.delete(row)
    forget(ctx.app, user_id=ctx.who.user_id)
    audit.record(ctx, "auth.session_ended", row)


def end_everywhere(ctx: Context) -> int:
    """End all of one's own sessions, this one too. Returns how many."""
    ctx.require("profile.write")
    if ctx.who.user_id is None:
        return 0
    ended = end_all(ctx, ctx.who.user_id)
    audit.record(ctx, "auth.signed_out_everywhere", sessions_ended=ended)
    return ended


def renew(ctx: Context, *, proved: bool = True) -> str:
    """A new token for the session in use; the old one stands for nobody from now on (L32).

    Whoever calls it has just checked a password or a code, so the session counts as proved; after
    anything less `proved` is false, and the last proof stays what it was.
    """
    ctx.require("profile.write")
    token = secrets.token_urlsafe(32)
    with lifted(ctx.session):  # another tab may have switched the organization just now
        web = ctx.session.get(WebSession, ctx.who.session_id) if ctx.who.session_id else None
        if web is None or web.user_id != ctx.who.user_id:
            raise Missing(
                "This session does not exist.", why="It ended already.", fix="Sign in again."
            )
        web.token_hash = ctx.app.vault.token_hash(token)
        web.proved_at = ctx.now() if proved else web.proved_at
    forget(ctx.app, user_id=ctx.who.user_id)
    return token


def switch_organization(ctx: Context, public_id: UUID) -> Organization:
    """Look at another organization of one's own from now on. Raises Missing for any other."""
    ctx.require("profile.write")
    with lifted(ctx.session):
        row = ctx.session.exec(
            select(Organization, Membership)
            .join(Membership, col(Membership.org_id) == col(Organization.id))
            .where(Organization.public_id == public_id, Membership.user_id == ctx.who.user_id)
        ).first()
        web = ctx.session.get(WebSession, ctx.who.session_id) if ctx.who.session_id else None
        if row is None or web is None or row[0].id is None:
            raise Missing(
                "This organization does not exist.", why="Or you are not a member of it.",
                fix="Choose one from the list.",
            )
        web.org_id = row[0].id
    forget(ctx.app, user_id=ctx.who.user_id)
    audit.record(ctx, "auth.organization_switched", row[0])
    return row[0]


def forget(app: App, *, user_id: UUID | None) -> None:
    """Let this process look a person up again at their next event. None forgets everybody."""
    cache = _cache(app)
    for key, known in list(cache.items()):
        if user_id is None or known.answer.who.user_id == user_id:
            cache.pop(key, None)


def is_live(app: App, session_id: UUID) -> bool:
    """Whether this session still stands, read now. For the socket: may its tab go to another?"""
    now = app.now()
    with app.db.read() as session:
        row = session.get(WebSession, session_id)
        return row is not None and row.expires_at > now and row.last_seen_at + IDLE_LIMIT > now


def role_in(session: Session, user: User, org_id: int) -> Role | None:
    """The role of a person in an organization, read now; None outside of it."""
    membership = session.get(Membership, (org_id, user.id))
    if membership is None:  # also for super admins: they cross over by explicit endpoints only
        return None
    return Role.SUPER_ADMIN if user.is_super_admin else Role(membership.role)


def acting_in(session: Session, who: Principal, org_id: int) -> Principal:
    """The same actor with the role they hold now in an organization other than the one they came
    for; whoever is no person stays as they are.
    """
    user = session.get(User, who.user_id) if who.user_id else None
    return who if user is None else replace(who, role=role_in(session, user, org_id))


def _look_up(app: App, token: str, now: datetime) -> _Remembered | None:
    with app.db.read() as session:
        row = session.exec(
            select(WebSession, User)
            .join(User, col(User.id) == col(WebSession.user_id))
            .where(col(WebSession.token_hash).in_(app.vault.token_hashes(token)))
        ).first()
        if row is None:
            return None
        web, user = row
        over = web.expires_at <= now or web.last_seen_at + IDLE_LIMIT <= now
        role = role_in(session, user, web.org_id)
        if over or user.disabled_at is not None or role is None:
            return None
        who = Principal(
            kind="person", user_id=user.id, name=user.name or user.email, role=role,
            session_id=web.id, ip=web.ip, proved_at=web.proved_at,
        )
        return _Remembered(SignedInAs(who, web.org_id), now, web.last_seen_at)


def _local(app: App, *, ip: str) -> SignedInAs | None:
    """The first administrator of the first organization, when nobody has to sign in."""
    now = app.now()
    known = _cache(app).get("local")
    if known is None or not timedelta(0) <= now - known.checked_at <= BELIEVED_FOR:
        with app.db.read() as session:
            row = session.exec(
                select(User, Membership)
                .join(Membership, col(Membership.user_id) == col(User.id))
                .where(col(User.disabled_at).is_(None))
                .order_by(
                    col(User.is_super_admin).desc(), col(User.created_at), col(Membership.org_id)
                )
            ).first()
            if row is None:
                return None
            user, membership = row
            who = Principal(
                kind="person", user_id=user.id, name=user.name or user.email,
                role=role_in(session, user, membership.org_id),
                session_id=uuid5(NAMESPACE_URL, f"liftos:local:{user.id}"),
            )
        known = _Remembered(SignedInAs(who, membership.org_id), now, now)
        _cache(app)["local"] = known
    return SignedInAs(replace(known.answer.who, ip=ip), known.answer.org_id)


def _cache(app: App) -> dict[str, _Remembered]:
    cache = app.extras.setdefault(_CACHE_KEY, {})
    assert isinstance(cache, dict)  # noqa: S101  (this module alone writes the key)
    return cache


def _remember(cache: dict[str, _Remembered], key: str, known: _Remembered) -> None:
    while len(cache) >= _CACHE_SIZE:
        cache.pop(next(iter(cache)), None)
    cache[key] = known


def _touch_later(app: App, session_id: UUID | None, now: datetime) -> None:
    """Note that a session is in use, beside the event: it must not wait for the writer."""
    threading.Thread(
        target=_touch, args=(app, session_id, now), name="session-touch", daemon=True
    ).start()


def _touch(app: App, session_id: UUID | None, now: datetime) -> None:
    try:
        with app.db.write() as session:
            session.exec(
                update(WebSession).where(col(WebSession.id) == session_id).values(last_seen_at=now)
            )
    except SQLAlchemyError:
        log.warning("session.touch_failed", exc_info=True)
