"""Invitations: for seven days, one person, one role, one use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.config_mail import Smtp
from liftos_app.errors import Conflict, Denied, Invalid, LiftOSError, Missing, ProofNeeded
from liftos_app.models import Invitation, Membership, Organization, Role, User
from liftos_app.services import accounts, invitations, mail
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.invitations import InvitationOver
from tests.smtp_server import SmtpServer
from tests.unit.identity.conftest import IP, PASSWORD, Act, audited, role_of

Make = Callable[..., Principal]


@pytest.fixture
def token(make_person: Make, act: Act) -> str:
    """Ann invites Ben as an analyst."""
    with act(make_person(Role.ADMIN)) as ctx:
        return invitations.create(ctx, email="Ben@Example.com", role=Role.ANALYST).token


def accept(app: App, token: str, password: str = PASSWORD, **more: str) -> User:
    return invitations.accept(app, token, password=password, ip=IP, **more)[0]


def test_L29_only_a_hash_is_stored_and_the_link_hides_the_token_behind_a_hash_sign(
    app: App, token: str
) -> None:
    with app.db.read() as session:
        row = session.exec(select(Invitation)).one()
    assert len(token) == 43
    assert token not in f"{row.token_hash}{row.id}"
    made = invitations.Made(row, token, mailed=False)
    assert made.link("https://l.example") == f"https://l.example/auth/invitation#{token}"


def test_a_new_person_chooses_a_password_and_is_in(
    app: App, token: str, organization: Organization
) -> None:
    offer = invitations.look(app, token, ip=IP)
    assert (offer.organization, offer.email, offer.role, offer.has_account) == (
        "Larkspur Home", "Ben@Example.com", Role.ANALYST, False
    )
    user = accept(app, token, name="Ben")
    assert role_of(app, Principal(user_id=user.id), organization) is Role.ANALYST
    found = accounts.sign_in(app, email="ben@example.com", password=PASSWORD, ip=IP, user_agent="")
    assert found.org_id == organization.id
    assert {"invitation.created", "invitation.accepted", "user.created"} <= set(audited(app))


def test_L29_an_invitation_works_once(app: App, token: str) -> None:
    accept(app, token)
    with pytest.raises(InvitationOver):
        accept(app, token)
    with pytest.raises(InvitationOver):
        invitations.look(app, token, ip=IP)


def test_L29_of_two_who_accept_at_once_one_is_in(app: App, token: str) -> None:
    outcomes: list[str] = []

    def go() -> None:
        try:
            accept(app, token)
            outcomes.append("in")
        except LiftOSError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("in") == 1
    with app.db.read() as session:
        assert len(session.exec(select(User)).all()) == 2


@pytest.mark.parametrize("days", [6.99, 7.01])
def test_L29_an_invitation_lasts_seven_days(
    app: App, token: str, clock: Any, days: float
) -> None:
    clock.advance(days=days)
    if days < 7:
        assert accept(app, token).email == "Ben@Example.com"
        return
    with pytest.raises(InvitationOver):
        accept(app, token)


def test_sending_again_ends_the_old_link_and_withdrawing_ends_all(
    app: App, token: str, make_person: Make, act: Act, clock: Any
) -> None:
    ann = Principal(kind="person", user_id=_ann(app), role=Role.ADMIN)
    clock.advance(days=6)
    with act(ann) as ctx:
        again = invitations.resend(ctx, invitations.list_open(ctx)[0].id)
    with pytest.raises(InvitationOver):
        invitations.look(app, token, ip=IP)
    clock.advance(days=6)
    assert invitations.look(app, again.token, ip=IP).role is Role.ANALYST
    with act(ann) as ctx:
        invitations.revoke(ctx, again.invitation.id)
        assert invitations.list_open(ctx) == []
        with pytest.raises(Missing):
            invitations.resend(ctx, again.invitation.id)
    with pytest.raises(InvitationOver):
        accept(app, again.token)


def _ann(app: App) -> Any:
    with app.db.read() as session:
        return session.exec(select(User.id).where(User.email_key == "ann@example.com")).one()


def test_a_second_invitation_for_the_same_address_ends_the_first(
    app: App, token: str, act: Act
) -> None:
    with act(Principal(kind="person", user_id=_ann(app), role=Role.ADMIN)) as ctx:
        newer = invitations.create(ctx, email=" BEN@example.com ", role=Role.VIEWER)
        assert len(invitations.list_open(ctx)) == 1
    with pytest.raises(InvitationOver):
        invitations.look(app, token, ip=IP)
    assert invitations.look(app, newer.token, ip=IP).role is Role.VIEWER


def test_somebody_with_an_account_joins_with_its_password_only(
    app: App, token: str, organization: Organization, other_organization: Organization,
    make_person: Make,
) -> None:
    ben = make_person(Role.VIEWER, other_organization, name="Ben")
    assert invitations.look(app, token, ip=IP).has_account
    with pytest.raises(accounts.WrongSignIn):
        accept(app, token, "another violin harbour 30")
    assert role_of(app, ben, organization) is None
    assert accept(app, token).id == ben.user_id
    assert role_of(app, ben, organization) is Role.ANALYST
    assert role_of(app, ben, other_organization) is Role.VIEWER


@pytest.mark.parametrize("password", ["short", "a" * 15, "benexamplecom123", "password12345678"])
def test_L24_a_weak_password_is_refused_and_leaves_the_invitation_open(
    app: App, token: str, password: str
) -> None:
    with pytest.raises(Invalid):
        accept(app, token, password)
    assert accept(app, token)


@pytest.mark.parametrize(("role", "given", "fine"), [
    (Role.VIEWER, Role.VIEWER, False), (Role.MANAGER, Role.VIEWER, False),
    (Role.ADMIN, Role.ADMIN, True), (Role.ADMIN, Role.VIEWER, True),
])
def test_L6_who_may_invite_whom(
    make_person: Make, act: Act, role: Role, given: Role, fine: bool
) -> None:
    with act(make_person(role)) as ctx:
        if fine:
            assert invitations.create(ctx, email="x@example.com", role=given).token
            return
        with pytest.raises(Denied):
            invitations.create(ctx, email="x@example.com", role=given)


def test_L12_inviting_an_administrator_asks_for_a_fresh_proof(
    make_person: Make, act: Act
) -> None:
    with act(make_person(Role.ADMIN), old=True) as ctx:
        with pytest.raises(ProofNeeded):
            invitations.create(ctx, email="x@example.com", role=Role.ADMIN)
        with pytest.raises(Invalid):
            invitations.create(ctx, email="x@example.com", role=Role.SUPER_ADMIN)


def test_L17_members_and_invitations_of_others_are_not_there(
    app: App, token: str, other_organization: Organization, make_person: Make, act: Act
) -> None:
    far = make_person(Role.ADMIN, other_organization, name="Far")
    with app.db.read() as session:
        row = session.exec(select(Invitation)).one()
    with act(far, other_organization) as ctx:
        assert invitations.list_open(ctx) == []
        for attempt in (invitations.resend, invitations.revoke):
            with pytest.raises(Missing):
                attempt(ctx, row.id)
    with act(Principal(kind="person", user_id=_ann(app), role=Role.ADMIN)) as ctx:
        with pytest.raises(Conflict):
            invitations.create(ctx, email="ann@example.com", role=Role.VIEWER)
        with pytest.raises(Invalid):
            invitations.create(ctx, email="no address", role=Role.VIEWER)


@pytest.mark.parametrize("text", ["", "x" * 43, "x" * 5000, "' or 1=1 --"])
def test_L27_unknown_tokens_answer_like_spent_ones(app: App, token: str, text: str) -> None:
    accept(app, token)
    said = []
    for given in (text, token):
        with pytest.raises(InvitationOver) as caught:
            invitations.look(app, given, ip=IP)
        said.append(caught.value.sentence())
    assert said[0] == said[1]


def test_joining_ends_older_sessions_because_rights_have_grown(
    app: App, token: str, other_organization: Organization, make_person: Make
) -> None:
    make_person(Role.VIEWER, other_organization, name="Ben")
    old = accounts.sign_in(app, email="ben@example.com", password=PASSWORD, ip=IP, user_agent="")
    accept(app, token)
    assert accounts.resolve(app, old.token) is None


def test_mail_takes_the_link_when_there_is_a_mailer(
    app: App, make_person: Make, act: Act
) -> None:
    with SmtpServer() as server:
        app.settings = replace(
            app.settings, smtp=Smtp("127.0.0.1", server.port, "none"),
            mail_from=("LiftOS", "liftos@example.com"),
        )
        with act(make_person(Role.ADMIN)) as ctx:
            made = invitations.create(ctx, email="ben@example.com", role=Role.VIEWER)
        assert made.mailed
        assert mail.deliver(app) == 1
    (got,) = server.received
    assert got.to == ["ben@example.com"]
    assert f"/auth/invitation#{made.token}" in got.text
    assert got.mail["Subject"] == "Join Larkspur Home on LiftOS"


def test_a_disabled_account_does_not_come_in_by_invitation(
    app: App, token: str, other_organization: Organization, make_person: Make
) -> None:
    ben = make_person(Role.VIEWER, other_organization, name="Ben")
    with app.db.write() as session:
        session.get_one(User, ben.user_id).disabled_at = app.now()
    with pytest.raises(accounts.WrongSignIn):
        accept(app, token)
    with open_context(app, Principal(), None) as ctx:
        rows = ctx.session.exec(select(Membership).where(Membership.user_id == ben.user_id)).all()
    assert [m.org_id for m in rows] == [other_organization.id]
