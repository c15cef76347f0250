"""People: the first administrator, signing in, one's own name and password."""

from __future__ import annotations

import logging
import re
from typing import Final, NamedTuple, NoReturn
from uuid import UUID

from sqlmodel import Session, col, func, select

from liftos_app.config import EMAIL
from liftos_app.errors import Conflict, Denied, Invalid, SignInNeeded
from liftos_app.models import Membership, Organization, RefreshToken, Role, User, WebSession
from liftos_app.services import (
    audit,
    devices,
    limits,
    links_once,
    mailer,
    names,
    passwords,
    second_factor,
    sessions,
)
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.organization import check_title
from liftos_app.services.sessions import SignedInAs, resolve, resolve_async, sign_out
from liftos_app.tenancy import lifted

__all__ = [
    "SecondStepNeeded", "SignedIn", "SignedInAs", "WrongSignIn", "change_password",
    "check_password", "create_first_admin", "end_what_they_hold", "ensure_local_admin", "me",
    "needs_setup", "new_user", "open_session", "prove", "rename", "require_no_more", "resolve",
    "resolve_async", "set_hash", "set_password", "sign_in", "sign_out", "verify",
]
log = logging.getLogger(__name__)
OPERATOR_ROLE: Final = Role.SUPER_ADMIN  # whoever can run commands on the machine owns it anyway
LOCAL_EMAIL: Final = "you@localhost"
LONGEST_NAME: Final = 120  # characters of a person's name


class WrongSignIn(SignInNeeded):
    """E-mail and password do not belong together. Says nothing about which of them is wrong."""

    status, code = 401, "wrong_sign_in"


class SecondStepNeeded(SignInNeeded):
    """The password was right; a code has to follow, or a second factor has to be set up first."""

    status, code = 401, "second_factor_needed"

    def __init__(self, user: User, org_id: int, attempt: int, *, enrol: bool) -> None:
        super().__init__(
            "This account needs a second factor.",
            why="None is set up yet." if enrol else "The password alone is not enough.",
            fix="Sign in with a browser once and set it up." if enrol
            else "Send the code of your authenticator app as `code`.",
        )
        self.user, self.org_id, self.attempt, self.enrol = user, org_id, attempt, enrol


class SignedIn(NamedTuple):
    """A new session: its cookie token, its person, the organization it looks at."""

    token: str
    user: User
    org_id: int


def needs_setup(ctx: Context) -> bool:
    """Whether nobody can sign in yet. Public: the set-up page asks it before anyone exists."""
    return _people(ctx.session) == 0


def create_first_admin(
    ctx: Context, *, email: str, password: str, organization: str, name: str = "",
    shortest: int = passwords.SHORTEST,
) -> User:
    """Create the organization and its first administrator. Raises Conflict when there is one.

    Public by nature, and once only: afterwards people come by invitation.
    """
    limits.one_at_a_time(ctx.session, "first administrator")
    if not needs_setup(ctx):
        raise Conflict(
            "LiftOS is set up already.", why="There is an administrator.",
            fix="Sign in, or ask an administrator for an account.",
        )
    address, title = clean_email(email), check_title(organization, field="organization")
    if shortest == passwords.SHORTEST:
        passwords.check_new(password, about=(address, title, name))
    elif len(password) < shortest:
        raise Invalid(
            "Choose another password.", why=f"Use at least {shortest} characters.",
            field="password",
        )
    return _create(
        ctx, email=address, password_hash=passwords.make_hash(password), organization=title,
        name=name,
    )


def ensure_local_admin(ctx: Context) -> User | None:
    """For REQUIRE_AUTH=false: an administrator nobody can sign in as, when there is nobody."""
    if not needs_setup(ctx):
        return None
    return _create(
        ctx, email=LOCAL_EMAIL, password_hash=passwords.UNUSABLE, organization="Demo organization",
        name="You",
    )


def sign_in(
    app: App, *, email: str, password: str, ip: str, user_agent: str, old_token: str = ""
) -> SignedIn:
    """A new session for a person who proves who they are; the browser's old one ends.

    Blocks for about a third of a second: call it from a worker thread. Raises WrongSignIn or
    TooMany; a known and an unknown e-mail answer alike, also in time.
    """
    user, org_id, attempt = verify(app, email=email, password=password, ip=ip)
    require_no_more(app, user, org_id, attempt)
    return open_session(
        app, user, org_id, ip=ip, user_agent=user_agent, old_token=old_token, attempt=attempt,
        password=password,
    )


def require_no_more(app: App, user: User, org_id: int, attempt: int) -> None:
    """Raise SecondStepNeeded unless the first factor is enough for this person."""
    with app.db.read() as session:
        step = second_factor.step_for(session, app.settings, user)
    if step:
        raise SecondStepNeeded(user, org_id, attempt, enrol=step == "enrol")


def open_session(
    app: App, user: User, org_id: int, *, ip: str, user_agent: str, old_token: str = "",
    attempt: int = 0, password: str = "", by: str = "password",
) -> SignedIn:
    """A new session for a person who has proved everything. The browser's old session ends."""
    if old_token:
        sign_out(app, old_token)
    who = _principal(user, ip)
    with open_context(app, who, org_id, write=True) as ctx:
        limits.succeeded(ctx.session, attempt)
        row = ctx.session.get_one(User, user.id)
        row.last_sign_in_at = ctx.now()
        if password and passwords.is_outdated(row.password_hash):
            row.password_hash = passwords.make_hash(password)
        token = sessions.create(
            ctx.session, app, user=row, org_id=org_id, ip=ip, user_agent=user_agent
        )
        device = devices.name(user_agent)
        if devices.is_new(ctx.session, row.id, device):
            mailer.tell(ctx, row, f"Somebody signed in to your account with {device}, new to it.")
        audit.record(ctx, devices.SIGNED_IN, row, by=by, device=device)
    return SignedIn(token, row, org_id)


def verify(app: App, *, email: str, password: str, ip: str) -> tuple[User, int, int]:
    """Check e-mail and password: the person, their organization, the attempt to mark as done.

    Raises WrongSignIn or TooMany. Also used by the REST API, which gives tokens, not sessions.
    """
    user, attempt = check_password(app, email=email, password=password, ip=ip)
    with app.db.read() as session:
        org_id = home_of(session, user)
    if org_id is None:
        raise Denied(
            "Your account belongs to no organization.", why="You were removed from the last one.",
            fix="Ask an administrator to invite you.",
        )
    return user, org_id, attempt


def check_password(app: App, *, email: str, password: str, ip: str) -> tuple[User, int]:
    """The person with this e-mail and password, member of something or not. Raises as `verify`."""
    key = email.strip().casefold()[:254]
    attempt = limits.begin_attempt(app, account=key, ip=ip)
    with app.db.read() as session:
        user = session.exec(select(User).where(User.email_key == key)).first()
    known = user is not None and user.disabled_at is None and len(password) <= passwords.LONGEST
    right = passwords.fits(password[: passwords.LONGEST], user.password_hash if user else "")
    if user is None or not (known and right):
        with open_context(app, Principal(ip=ip), None, write=True) as ctx:
            audit.record(ctx, "auth.sign_in_failed", user, result="refused")
        _wrong_sign_in()
    return user, attempt


def _wrong_sign_in() -> NoReturn:
    raise WrongSignIn(
        "E-mail and password do not belong together.",
        why="One of them is mistyped, or there is no such account.",
        fix="Check both and try again.",
    )


def prove(app: App, who: Principal, org_id: int, *, password: str) -> str:
    """Check the password (or the code) of a signed-in person again: a new session token, proved
    just now (L12). Raises WrongSignIn, WrongCode or TooMany.
    """
    with open_context(app, who, org_id) as ctx:
        user = me(ctx)
        has_factor = second_factor.is_set_up(ctx.session, user.id)
    if has_factor and re.fullmatch(r"\d{6}", password, re.ASCII):
        attempt = second_factor.check(app, user.id, password, ip=who.ip)
    else:
        attempt = limits.begin_attempt(app, account=user.email_key, ip=who.ip)
        if not passwords.fits(password[: passwords.LONGEST], user.password_hash):
            _wrong_sign_in()
    with open_context(app, who, org_id, write=True) as ctx:
        limits.succeeded(ctx.session, attempt)
        token = sessions.renew(ctx)
        audit.record(ctx, "auth.proved", user)
    return token


def me(ctx: Context) -> User:
    """The person who acts. Raises SignInNeeded."""
    ctx.require("profile.write")
    return _me(ctx)


def rename(ctx: Context, name: str) -> User:
    """Change one's own name, at most 120 characters."""
    ctx.require("profile.write")
    user = _me(ctx)
    user.name = _name(name)
    sessions.forget(ctx.app, user_id=user.id)
    audit.record(ctx, "profile.renamed", user)
    return user


def change_password(app: App, who: Principal, org_id: int, *, current: str, new: str) -> str:
    """Change one's own password; every other session and every token of this person ends.

    Returns the new token of the session in use, empty for a program.
    """
    with open_context(app, who, org_id) as ctx:
        user = me(ctx)
        organization = ctx.session.get_one(Organization, ctx.org)
    attempt = limits.begin_attempt(app, account=user.email_key, ip=who.ip)
    if not passwords.fits(current[: passwords.LONGEST], user.password_hash):
        raise Invalid(
            "The current password is not right.", fix="Type it again.", field="current_password",
            reason="current_password",
        )
    passwords.check_new(new, about=(user.email, user.name, organization.name))
    hashed = passwords.make_hash(new)
    with open_context(app, who, org_id, write=True) as ctx:
        ctx.require("profile.write")
        limits.succeeded(ctx.session, attempt)
        set_hash(ctx, _me(ctx), hashed, keep=who.session_id)
        with lifted(ctx.session):
            here = ctx.session.get(WebSession, who.session_id) if who.session_id else None
        return sessions.renew(ctx) if here is not None else ""


def set_password(app: App, *, email: str, password: str) -> User:
    """Give a person a new password, from the command line of the machine. Ends all they hold."""
    hashed = passwords.make_hash(password)
    operator = Principal(kind="operator", role=OPERATOR_ROLE)
    with open_context(app, operator, None, write=True) as ctx:
        ctx.require("installation.admin")
        user = by_email(ctx.session, email)
        if user is None:
            raise Invalid("There is no account with this e-mail.", field="email")
        set_hash(ctx, user, hashed, keep=None)
        return user


def clean_email(email: str) -> str:
    """An e-mail address as typed, without spaces around it. Raises Invalid. The one rule of set-up,
    invitations and changed addresses; a host without a dot is allowed, as in a private network.
    """
    text = email.strip()
    if not EMAIL.fullmatch(text):
        raise Invalid(
            "This is not an e-mail address.", fix="It looks like name@example.com.", field="email"
        )
    return text


def _create(
    ctx: Context, *, email: str, password_hash: str, organization: str, name: str
) -> User:
    now = ctx.now()
    home = _orphan(ctx.session) or Organization(created_at=now, name=organization)
    home.name = organization
    user = new_user(ctx, email=email, name=name, password_hash=password_hash)
    user.is_super_admin = True
    ctx.session.add_all([home, user])
    ctx.session.flush()
    assert home.id is not None  # noqa: S101  (flushed)
    ctx.session.add(
        Membership(org_id=home.id, user_id=user.id, role=Role.ADMIN, created_at=now)
    )
    ctx.session.flush()
    ctx.org_id = home.id
    audit.record(ctx, "organization.created", home)
    audit.record(ctx, "user.created", user, role="super_admin")
    return user


def new_user(ctx: Context, *, email: str, name: str, password_hash: str) -> User:
    """A person who is not yet stored and belongs to no organization. Raises Invalid."""
    return User(
        email=email, email_key=email.casefold(), name=_name(name), password_hash=password_hash,
        created_at=ctx.now(),
    )


def _orphan(session: Session) -> Organization | None:
    """The organization that `liftos demo` filled before anybody was there."""
    found = session.exec(select(Organization)).all()
    return found[0] if len(found) == 1 else None


def set_hash(ctx: Context, user: User, hashed: str, *, keep: UUID | None) -> None:
    user.password_hash = hashed
    user.auth_epoch += 1
    ended = end_what_they_hold(ctx, user, keep=keep)
    audit.record(ctx, "user.password_changed", user, sessions_ended=ended)
    mailer.tell(ctx, user, "Your password was changed.")


def end_what_they_hold(ctx: Context, user: User, *, keep: UUID | None) -> int:
    """End a person's sessions but one, refresh tokens and open links. How many sessions."""
    ended = sessions.end_all(ctx, user.id, but=keep)
    links_once.end_all(ctx, user.id)
    with lifted(ctx.session):
        for token in ctx.session.exec(
            select(RefreshToken).where(
                RefreshToken.user_id == user.id, col(RefreshToken.revoked_at).is_(None)
            )
        ).all():
            token.revoked_at = ctx.now()
    return ended


def _me(ctx: Context) -> User:
    user = ctx.session.get(User, ctx.who.user_id) if ctx.who.user_id else None
    if user is None:
        raise SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    return user


def _principal(user: User, ip: str) -> Principal:
    return Principal(kind="person", user_id=user.id, name=user.name or user.email, ip=ip)


def _people(session: Session) -> int:
    return session.exec(select(func.count()).select_from(User)).one()


def home_of(session: Session, user: User) -> int | None:
    """The organization looked at last, else the first one joined."""
    last = session.exec(
        select(WebSession.org_id)
        .join(
            Membership,
            (col(Membership.org_id) == col(WebSession.org_id))
            & (col(Membership.user_id) == col(WebSession.user_id)),
        )
        .where(WebSession.user_id == user.id)
        .order_by(col(WebSession.last_seen_at).desc())
    ).first()
    if last is not None:
        return last
    return session.exec(
        select(Membership.org_id)
        .where(Membership.user_id == user.id)
        .order_by(col(Membership.created_at), col(Membership.org_id))
    ).first()


def _name(text: str) -> str:
    return names.check(text, of="A person", longest=LONGEST_NAME, optional=True)


def by_email(session: Session, email: str) -> User | None:
    """The account with an address, however it is written; disabled ones too."""
    key = email.strip().casefold()[:254]
    return session.exec(select(User).where(User.email_key == key)).first()
