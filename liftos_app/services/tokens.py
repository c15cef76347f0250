"""Access and refresh tokens of the REST API. One algorithm, one issuer, short lives.

An access token (JWT, HS256, 15 minutes) says who; what they may do is read from the database. A
refresh token is random, stored as a keyed hash, and changes at each use.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry
from sqlmodel import Session, col, select

from liftos_app.errors import Denied, Invalid, SignInNeeded
from liftos_app.models import Membership, Organization, RefreshToken, Role, User
from liftos_app.services import accounts, audit, devices, limits, mailer, second_factor, sessions
from liftos_app.services.audit import notes
from liftos_app.services.context import App, Principal, open_context

log = logging.getLogger(__name__)
ALGORITHM: Final = "HS256"
ACCESS_LIFE: Final = timedelta(minutes=15)
REFRESH_LIFE: Final = timedelta(days=14)  # from the last use
FAMILY_LIFE: Final = timedelta(days=30)  # from the sign-in
GRACE: Final = timedelta(seconds=10)  # the answer to a rotation may have been lost
LEEWAY_SECONDS: Final = 10
BELIEVED_FOR: Final = timedelta(seconds=5)
LONGEST: Final = 8192
ISSUER: Final = "liftos"
AUDIENCE: Final = "liftos-api"
SCOPE: Final = "api"
_HEADER_NAMES: Final = {"alg", "typ", "kid"}
_CLAIM_NAMES: Final = {"iss", "aud", "sub", "org", "jti", "iat", "nbf", "exp", "epoch", "scope",
                       "auth_time"}


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a program gets. Lives are in seconds; `organization` is a public id."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    organization: UUID


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the database says about a person, remembered for at most 5 s."""

    name: str
    epoch: int
    disabled: bool
    super_admin: bool
    roles: dict[UUID, tuple[int, Role]]  # public id -> organization, role
    read_at: datetime


def sign_in(
    app: App, *, email: str, password: str, ip: str, client: str, organization: str = "",
    code: str = "",
) -> TokenPair:
    """Tokens for a person who proves who they are, with the code of their second factor if there
    is one. Raises WrongSignIn, SecondStepNeeded, WrongCode, TooMany, Denied.
    """
    user, home, attempt = accounts.verify(app, email=email, password=password, ip=ip)
    try:
        accounts.require_no_more(app, user, home, attempt)
    except accounts.SecondStepNeeded as step:
        if step.enrol or not code:
            raise
        second_factor.check(app, user.id, code, ip=ip)
    with app.db.read() as session:
        org = _organization(session, user, home, organization)
        org_id, public_id = org.id or 0, org.public_id
    who = Principal(kind="program", user_id=user.id, name=user.name or user.email, ip=ip)
    with open_context(app, who, org_id, write=True) as ctx:
        limits.succeeded(ctx.session, attempt)
        row = ctx.session.get_one(User, user.id)
        row.last_sign_in_at = ctx.now()
        refresh = secrets.token_urlsafe(32)
        link = _link(
            app, user_id=row.id, org_id=org_id, family=uuid4(), since=ctx.now(), token=refresh,
            client=client,
        )
        ctx.session.add(link)
        device = devices.program(client.rpartition("\x00")[2])
        if devices.is_new(ctx.session, row.id, device):
            mailer.tell(ctx, row, f"Somebody signed in to your account with {device}, new to it.")
        audit.record(ctx, devices.TOKENS_ISSUED, row, device=device)
    return _pair(app, user, public_id, refresh, link)


def refresh(app: App, token: str, *, ip: str, client: str) -> TokenPair:
    """The next pair of a chain. A spent token ends the whole chain, except within ten seconds
    from the same client whose answer was lost. Raises SignInNeeded.
    """
    who = Principal(kind="program", ip=ip)
    with open_context(app, who, None, write=True) as ctx:
        link = _find(ctx.session, app, token)
        if link is None:
            outcome: tuple[str, str, RefreshToken] | None = None
        else:
            ctx.org_id = link.org_id
            outcome = _rotate(ctx.session, app, link, token, client)
            if outcome is None and link.spent_at is not None:
                _end_family(ctx.session, app, link.family_id)
                audit.record(ctx, "auth.refresh_reused", link, result="refused",
                             user_id=str(link.user_id))
                log.warning("auth.refresh_reused", extra={"user_id": str(link.user_id)})
        if outcome is not None and link is not None:
            user = ctx.session.get_one(User, link.user_id)
            org = ctx.session.get_one(Organization, link.org_id)
            if _may_go_on(ctx.session, app, user, link.org_id):
                return _pair(app, user, org.public_id, outcome[1], outcome[2])
    limits.begin_attempt(app, account=f"refresh\x00{token[:200]}", ip=ip)  # failures count
    raise SignInNeeded(
        "This refresh token is not valid.", why="It was used, ended or never issued.",
        fix="Sign in again: POST /api/v1/auth/token.",
    )


def _may_go_on(session: Session, app: App, user: User, org_id: int) -> bool:
    """Whether a person may still renew: a member, not disabled, with a second factor if asked."""
    if user.disabled_at is not None or sessions.role_in(session, user, org_id) is None:
        return False
    return second_factor.step_for(session, app.settings, user) != "enrol"


def revoke(app: App, token: str, *, ip: str = "") -> None:
    """End the chain a refresh token belongs to. One that is not known is no error."""
    with open_context(app, Principal(kind="program", ip=ip), None, write=True) as ctx:
        link = _find(ctx.session, app, token)
        if link is not None:
            ctx.org_id = link.org_id
            _end_family(ctx.session, app, link.family_id)
            audit.record(ctx, "auth.tokens_revoked", link, user_id=str(link.user_id))


def access_token(
    app: App, *, user_id: UUID, organization: UUID, epoch: int, proved_at: datetime | None = None
) -> str:
    """A signed access token for one person and one organization. `proved_at` is when they last
    typed their password (claim auth_time); now, when it is not given.
    """
    now = int(app.now().timestamp())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": str(user_id), "org": str(organization),
        "jti": str(uuid4()), "iat": now, "nbf": now,
        "exp": now + int(ACCESS_LIFE.total_seconds()), "epoch": epoch, "scope": SCOPE,
        "auth_time": int(proved_at.timestamp()) if proved_at else now,
    }
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key_id(app)}
    return jwt.encode(header, claims, _key(app), algorithms=[ALGORITHM], default_type=None)


def check(
    app: App, token: str, *, organization: str | None = None, ip: str = ""
) -> sessions.SignedInAs:
    """Who an access token stands for. `organization` is the X-Organization-ID header.

    Raises SignInNeeded for a token that is not ours or not valid now, Denied for an organization
    the person is no member of.
    """
    claims = _claims(app, token)
    user_id, home = UUID(claims["sub"]), UUID(claims["org"])
    standing = _standing(app, user_id)
    if standing is None or standing.disabled or standing.epoch != claims["epoch"]:
        raise _not_valid("it was ended")
    asked = _asked(organization) or home
    if asked not in standing.roles:  # joined a moment ago? A refusal is never from memory
        standing = _standing(app, user_id, believed_for=timedelta(0)) or standing
    if asked not in standing.roles:
        org_id = standing.roles[home][0] if home in standing.roles else 0
        notes.foreign_organization(app, user_id=user_id, org_id=org_id, ip=ip, name=standing.name)
        raise Denied(
            "You are not a member of this organization.", why="Or it does not exist.",
            fix="Leave X-Organization-ID away, or send the id of one of your organizations.",
        )
    org_id, role = standing.roles[asked]
    who = Principal(
        kind="program", user_id=user_id, name=standing.name, role=role, ip=ip,
        proved_at=datetime.fromtimestamp(claims["auth_time"], UTC),
    )
    return sessions.SignedInAs(who, org_id)


def key_id(app: App) -> str:
    """Public name of the signing key: changes with it, tells nothing of it."""
    secret = app.settings.jwt_secret_key.encode()
    return hashlib.sha256(b"liftos/v1/jwt-kid\x00" + secret).hexdigest()[:16]


def _key(app: App) -> OctKey:
    """The signing key, spread to 32 bytes under a label of its own."""
    secret = app.settings.jwt_secret_key.encode()
    raw = hashlib.sha256(b"liftos/v1/jwt-hs256\x00" + secret).digest()
    return OctKey.import_key(raw)


def _claims(app: App, token: str) -> dict[str, Any]:
    """The claims of a token that is ours and valid now. Raises SignInNeeded for all others."""
    if len(token) > LONGEST or token.count(".") != 2:
        raise _not_valid("it has another form")
    now = int(app.now().timestamp())
    try:
        found = jwt.decode(
            token, _key(app), algorithms=[ALGORITHM],
            registry=JWSRegistry(algorithms=[ALGORITHM], strict_check_header=True),
        )
        _require(set(found.header) == _HEADER_NAMES, "header names")
        _require(found.header["alg"] == ALGORITHM, "alg")
        _require(found.header["typ"] == "at+jwt", "typ")
        _require(found.header["kid"] == key_id(app), "kid")
        _claims_registry(now).validate(found.claims)
        _check_claims(found.claims, now)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _not_valid("it is not ours or not valid now", detail=type(error).__name__) from error
    return found.claims


def _claims_registry(now: int) -> jwt.JWTClaimsRegistry:
    needed: Any = {"essential": True}
    return jwt.JWTClaimsRegistry(
        now=now, leeway=LEEWAY_SECONDS, iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE}, scope={"essential": True, "value": SCOPE},
        sub=needed, org=needed, jti=needed, iat=needed, nbf=needed, exp=needed, epoch=needed,
        auth_time=needed,
    )


def _check_claims(claims: dict[str, Any], now: int) -> None:
    """What the claims registry does not look at."""
    _require(set(claims) == _CLAIM_NAMES, "claim names")
    for name in ("iat", "nbf", "exp", "epoch", "auth_time"):
        _require(type(claims[name]) is int, name)
    for name in ("iss", "aud", "sub", "org", "jti", "scope"):
        _require(type(claims[name]) is str, name)
    life = int(ACCESS_LIFE.total_seconds())
    _require(claims["exp"] <= now + life + LEEWAY_SECONDS, "exp too far away")
    _require(0 < claims["exp"] - claims["iat"] <= life, "life")
    _require(0 <= claims["auth_time"] <= claims["iat"], "auth_time")
    for name in ("sub", "org", "jti"):
        _require(str(UUID(claims[name])) == claims[name], name)


def _require(ok: bool, what: str) -> None:
    if not ok:
        raise ValueError(what)


def _not_valid(why: str, **facts: object) -> SignInNeeded:
    return SignInNeeded(
        "This access token is not valid.", why=f"Expired, changed, or {why}.",
        fix="Get a new one: POST /api/v1/auth/refresh or /api/v1/auth/token.",
        challenge='Bearer error="invalid_token"', **facts,
    )


def _asked(organization: str | None, field: str = "X-Organization-ID") -> UUID | None:
    if organization is None:
        return None
    try:
        return UUID(organization)
    except ValueError as error:
        raise Invalid(
            f"{field} is not the id of an organization.",
            fix="Leave it away, or send one of those that GET /api/v1/organizations answers.",
            field=field,
        ) from error


def _standing(
    app: App, user_id: UUID, *, believed_for: timedelta = BELIEVED_FOR
) -> _Standing | None:
    cache = app.extras.setdefault("standings", {})
    assert isinstance(cache, dict)  # noqa: S101  (this module alone writes the key)
    known: _Standing | None = cache.get(user_id)
    now = app.now()
    if known is not None and timedelta(0) <= now - known.read_at < believed_for:
        return known
    with app.db.read() as session:
        user = session.get(User, user_id)
        if user is None:
            return None
        rows = session.exec(
            select(Membership, Organization)
            .join(Organization, col(Organization.id) == col(Membership.org_id))
            .where(Membership.user_id == user_id)
        ).all()
        roles = {
            org.public_id: (
                membership.org_id,
                Role.SUPER_ADMIN if user.is_super_admin else Role(membership.role),
            )
            for membership, org in rows
        }
        fresh = _Standing(
            name=user.name or user.email, epoch=user.auth_epoch,
            disabled=user.disabled_at is not None, super_admin=user.is_super_admin, roles=roles,
            read_at=now,
        )
    while len(cache) >= 10_000:
        cache.pop(next(iter(cache)), None)
    cache[user_id] = fresh
    return fresh


def _organization(session: Session, user: User, home: int, asked: str) -> Organization:
    wanted = _asked(asked or None, "organization_id")
    if wanted is None:
        return session.get_one(Organization, home)
    found = session.exec(
        select(Organization)
        .join(Membership, col(Membership.org_id) == col(Organization.id))
        .where(Organization.public_id == wanted, Membership.user_id == user.id)
    ).first()
    if found is None:
        raise Denied("You are not a member of this organization.", why="Or it does not exist.")
    return found


def _link(
    app: App, *, user_id: UUID, org_id: int, family: UUID, since: datetime, token: str, client: str
) -> RefreshToken:
    now = app.now()
    return RefreshToken(
        family_id=family, token_hash=app.vault.token_hash(token), user_id=user_id, org_id=org_id,
        client_hash=app.vault.token_hash(f"client\x00{client}"), family_started_at=since,
        created_at=now, expires_at=min(now + REFRESH_LIFE, since + FAMILY_LIFE),
    )


def _find(session: Session, app: App, token: str) -> RefreshToken | None:
    if not 20 <= len(token) <= 200:
        return None
    return session.exec(
        select(RefreshToken)
        .where(col(RefreshToken.token_hash).in_(app.vault.token_hashes(token)))
        .with_for_update()
    ).first()


def _rotate(
    session: Session, app: App, link: RefreshToken, token: str, client: str
) -> tuple[str, str, RefreshToken] | None:
    """(how, next token, its row), or None when this token may not be used."""
    now = app.now()
    if link.revoked_at is not None or link.expires_at <= now:
        return None
    following = app.vault.successor(token)
    if link.spent_at is None:
        link.spent_at = now
        after = _link(
            app, user_id=link.user_id, org_id=link.org_id, family=link.family_id,
            since=link.family_started_at, token=following, client=client,
        )
        session.add(after)
        return "rotated", following, after
    after_hash = app.vault.token_hash(following)
    next_link = session.exec(
        select(RefreshToken).where(RefreshToken.token_hash == after_hash)
    ).first()
    lost_answer = (
        now - link.spent_at <= GRACE and next_link is not None and next_link.spent_at is None
        and next_link.client_hash == app.vault.token_hash(f"client\x00{client}")
    )
    if lost_answer and next_link is not None:
        return "repeated", following, next_link
    return None


def _end_family(session: Session, app: App, family: UUID) -> None:
    for row in session.exec(
        select(RefreshToken).where(
            RefreshToken.family_id == family, col(RefreshToken.revoked_at).is_(None)
        )
    ).all():
        row.revoked_at = app.now()


def _pair(
    app: App, user: User, organization: UUID, refresh_token: str, link: RefreshToken
) -> TokenPair:
    access = access_token(
        app, user_id=user.id, organization=organization, epoch=user.auth_epoch,
        proved_at=link.family_started_at,
    )
    return TokenPair(
        access_token=access, refresh_token=refresh_token,
        expires_in=int(ACCESS_LIFE.total_seconds()),
        refresh_expires_in=int((link.expires_at - app.now()).total_seconds()),
        organization=organization,
    )


__all__: list[str] = [
    "ACCESS_LIFE", "GRACE", "TokenPair", "access_token", "check", "key_id", "refresh", "revoke",
    "sign_in",
]
