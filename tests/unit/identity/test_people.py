"""Roles and members: nobody grants more than they hold, and somebody can always manage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Invalid, LiftOSError, Missing, ProofNeeded
from liftos_app.models import ApiKey, Membership, Organization, Role, User
from liftos_app.services import access, api_keys, people, sessions, tokens
from liftos_app.services.context import App, Principal, open_context
from tests.unit.identity.conftest import Act, audited, role_of

Make = Callable[..., Principal]
STORED = [Role.VIEWER, Role.ANALYST, Role.MANAGER, Role.ADMIN]


@pytest.mark.parametrize("role", STORED)
@pytest.mark.parametrize("given", STORED)
def test_L6_nobody_grants_above_their_own_role_nor_to_those_above(
    app: App, organization: Organization, make_person: Make, act: Act, role: Role, given: Role
) -> None:
    make_person(Role.ADMIN, name="Other")
    actor, target = make_person(role), make_person(Role.VIEWER, name="Ben")
    if role is not Role.ADMIN:
        with act(actor) as ctx, pytest.raises(Denied):
            people.set_role(ctx, target.user_id, given)  # type: ignore[arg-type]
        assert role_of(app, target, organization) is Role.VIEWER
        return
    with act(actor) as ctx:
        people.set_role(ctx, target.user_id, given)  # type: ignore[arg-type]
    assert role_of(app, target, organization) is given


def test_L6_a_membership_never_holds_super_admin(make_person: Make, act: Act) -> None:
    boss, ben = make_person(super_admin=True), make_person(Role.VIEWER, name="Ben")
    with act(boss) as ctx, pytest.raises(Invalid):
        people.set_role(ctx, ben.user_id, Role.SUPER_ADMIN)  # type: ignore[arg-type]


def test_L6_an_administrator_has_no_power_over_a_super_administrator(
    app: App, organization: Organization, make_person: Make, act: Act
) -> None:
    boss, ann = make_person(name="Boss", super_admin=True), make_person(Role.ADMIN)
    for attempt in (
        lambda ctx: people.set_role(ctx, boss.user_id, Role.VIEWER),  # type: ignore[arg-type]
        lambda ctx: people.remove(ctx, boss.user_id),  # type: ignore[arg-type]
        lambda ctx: people.end_sessions_of(ctx, boss.user_id),  # type: ignore[arg-type]
        lambda ctx: people.set_super_admin(ctx, boss.user_id, on=False),  # type: ignore[arg-type]
        lambda ctx: people.set_disabled(ctx, boss.user_id, on=True),  # type: ignore[arg-type]
    ):
        with act(ann) as ctx, pytest.raises(Denied):
            attempt(ctx)
    assert role_of(app, boss, organization) is Role.ADMIN


def test_L6_nobody_changes_their_own_role(make_person: Make, act: Act) -> None:
    make_person(Role.ADMIN, name="Other")
    boss = make_person(name="Boss", super_admin=True)
    for attempt in (
        lambda ctx: people.set_role(ctx, boss.user_id, Role.VIEWER),  # type: ignore[arg-type]
        lambda ctx: people.remove(ctx, boss.user_id),  # type: ignore[arg-type]
        lambda ctx: people.set_super_admin(ctx, boss.user_id, on=False),  # type: ignore[arg-type]
        lambda ctx: people.set_disabled(ctx, boss.user_id, on=True),  # type: ignore[arg-type]
    ):
        with act(boss) as ctx, pytest.raises(Denied):
            attempt(ctx)


def test_L6_the_last_administrator_stays(
    app: App, organization: Organization, make_person: Make, act: Act
) -> None:
    boss = make_person(Role.MANAGER, name="Boss", super_admin=True)  # may manage, is none here
    ann = make_person(Role.ADMIN)
    for attempt in (
        lambda ctx: people.set_role(ctx, ann.user_id, Role.MANAGER),  # type: ignore[arg-type]
        lambda ctx: people.remove(ctx, ann.user_id),  # type: ignore[arg-type]
        lambda ctx: people.set_disabled(ctx, ann.user_id, on=True),  # type: ignore[arg-type]
    ):
        with act(boss) as ctx, pytest.raises(Conflict):
            attempt(ctx)
    assert role_of(app, ann, organization) is Role.ADMIN


def test_L6_two_administrators_who_remove_each_other_at_once_leave_one(
    app: App, organization: Organization, make_person: Make, act: Act
) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.ADMIN, name="Ben")

    def go(actor: Principal, target: Principal) -> None:
        with contextlib.suppress(LiftOSError), act(actor) as ctx:
            people.set_role(ctx, target.user_id, Role.VIEWER)  # type: ignore[arg-type]

    threads = [threading.Thread(target=go, args=pair) for pair in ((ann, ben), (ben, ann))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [role_of(app, p, organization) for p in (ann, ben)].count(Role.ADMIN) == 1


def test_L6_the_last_super_administrator_stays(make_person: Make, act: Act) -> None:
    boss, second = make_person(name="Boss", super_admin=True), make_person(name="Second")
    with act(boss) as ctx:
        people.set_super_admin(ctx, second.user_id, on=True)  # type: ignore[arg-type]
    with act(second) as ctx, pytest.raises(Denied):  # the grant came after this principal
        people.set_super_admin(ctx, boss.user_id, on=False)  # type: ignore[arg-type]
    second = Principal(kind="person", user_id=second.user_id, role=Role.SUPER_ADMIN)
    with act(second) as ctx:
        people.set_super_admin(ctx, boss.user_id, on=False)  # type: ignore[arg-type]
    boss = Principal(kind="person", user_id=boss.user_id, role=Role.SUPER_ADMIN)
    with act(boss) as ctx, pytest.raises(Conflict):
        people.set_super_admin(ctx, second.user_id, on=False)  # type: ignore[arg-type]


def test_L12_roles_change_after_a_fresh_proof_only(make_person: Make, act: Act) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.VIEWER, name="Ben")
    with act(ann, old=True) as ctx:
        with pytest.raises(ProofNeeded):
            people.set_role(ctx, ben.user_id, Role.ADMIN)  # type: ignore[arg-type]
        with pytest.raises(ProofNeeded):
            people.remove(ctx, ben.user_id)  # type: ignore[arg-type]


def test_L32_L39_a_new_role_ends_sessions_and_tokens(
    app: App, organization: Organization, make_person: Make, act: Act, clock: Any
) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.VIEWER, name="Ben")
    with app.db.write() as session:
        user = session.get_one(User, ben.user_id)
        browser = sessions.create(
            session, app, user=user, org_id=organization.id or 0, ip="", user_agent=""
        )
    pair = tokens.sign_in(app, email="ben@example.com", password="kettle violin harbour 29",
                          ip="", client="c")
    assert tokens.check(app, pair.access_token).who.role is Role.VIEWER
    with act(ann) as ctx:
        people.set_role(ctx, ben.user_id, Role.MANAGER)  # type: ignore[arg-type]
    assert sessions.resolve(app, browser) is None
    clock.advance(seconds=6)
    for attempt in (lambda: tokens.check(app, pair.access_token),
                    lambda: tokens.refresh(app, pair.refresh_token, ip="", client="c")):
        with pytest.raises(LiftOSError):
            attempt()
    assert "member.role_changed" in audited(app)


def test_removal_ends_what_a_person_holds_here_and_nothing_elsewhere(
    app: App, organization: Organization, other_organization: Organization, make_person: Make,
    act: Act, clock: Any,
) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.ANALYST, name="Ben")
    make_person(Role.VIEWER, other_organization, name="Ben")
    made = {}
    for home in (organization, other_organization):
        with act(ben, home) as ctx:
            made[home.id] = api_keys.create(ctx, name="k", scopes=["read"], days=9).text
    with act(ann) as ctx:
        people.remove(ctx, ben.user_id)  # type: ignore[arg-type]
    clock.advance(seconds=6)
    assert role_of(app, ben, other_organization) is Role.VIEWER
    assert api_keys.check(app, made[other_organization.id]).org_id == other_organization.id
    with pytest.raises(LiftOSError):
        api_keys.check(app, made[organization.id])
    with app.db.read() as session:
        ended = session.exec(select(ApiKey.org_id).where(ApiKey.revoked_at != None)).all()  # noqa: E711
    assert list(ended) == [organization.id]


def test_L17_members_of_others_do_not_exist(
    other_organization: Organization, make_person: Make, act: Act
) -> None:
    ann, far = make_person(Role.ADMIN), make_person(Role.VIEWER, other_organization, name="Far")
    for attempt in (
        lambda ctx: people.set_role(ctx, far.user_id, Role.VIEWER),  # type: ignore[arg-type]
        lambda ctx: people.remove(ctx, far.user_id),  # type: ignore[arg-type]
        lambda ctx: people.sessions_of(ctx, far.user_id),  # type: ignore[arg-type]
        lambda ctx: people.end_sessions_of(ctx, far.user_id),  # type: ignore[arg-type]
    ):
        with act(ann) as ctx, pytest.raises(Missing):
            attempt(ctx)
    with act(ann) as ctx:
        assert [m.name for m in people.list_members(ctx)] == ["Ann"]


def test_L34_an_administrator_ends_the_sessions_of_a_member_in_this_organization(
    app: App, organization: Organization, other_organization: Organization, make_person: Make,
    act: Act,
) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.VIEWER, name="Ben")
    make_person(Role.VIEWER, other_organization, name="Ben")
    with app.db.write() as session:
        user = session.get_one(User, ben.user_id)
        here, there = (
            sessions.create(session, app, user=user, org_id=o.id or 0, ip="", user_agent="")
            for o in (organization, other_organization)
        )
    with act(ann) as ctx:
        assert len(people.sessions_of(ctx, ben.user_id)) == 1  # type: ignore[arg-type]
        assert people.end_sessions_of(ctx, ben.user_id) == 1  # type: ignore[arg-type]
    assert sessions.resolve(app, here) is None
    assert sessions.resolve(app, there) is not None


def test_a_person_sees_their_own_organizations_with_the_role_in_each(
    app: App, organization: Organization, other_organization: Organization, make_person: Make,
    act: Act,
) -> None:
    ann = make_person(Role.VIEWER)
    make_person(Role.ADMIN, other_organization)
    with act(ann) as ctx:
        homes = people.my_organizations(ctx)
    assert [(h.name, h.role, h.here) for h in homes] == [
        ("Larkspur Home", Role.VIEWER, True), ("Other Shop", Role.ADMIN, False)
    ]


def test_only_super_administrators_make_organizations(
    app: App, make_person: Make, act: Act
) -> None:
    ann, boss = make_person(Role.ADMIN), make_person(name="Boss", super_admin=True)
    with act(ann) as ctx, pytest.raises(Denied):
        people.create_organization(ctx, "New")
    with act(boss) as ctx:
        with pytest.raises(Invalid):
            people.create_organization(ctx, " ")
        made = people.create_organization(ctx, " New  shop ")
    assert (made.name, role_of(app, boss, made)) == ("New shop", Role.ADMIN)


def test_L5_each_role_holds_what_the_ones_below_hold() -> None:
    for name, words, holds in access.matrix():
        assert holds == sorted(holds), name
        assert holds[-1], name
        assert words[0].isupper()


def test_L1_the_wall_refuses_nobody_unknown_permissions_and_other_organizations(
    organization: Organization,
) -> None:
    nobody, viewer = Principal(), Principal(kind="person", role=Role.VIEWER)
    with pytest.raises(LiftOSError):
        access.authorize(nobody, "metrics.read")
    with pytest.raises(KeyError):
        access.authorize(viewer, "metrics.raed")
    mine = Membership(org_id=1, user_id=organization.public_id, role=Role.VIEWER)
    access.authorize(viewer, "metrics.read", org_id=1, resource=mine)
    with pytest.raises(Missing):
        access.authorize(viewer, "metrics.read", org_id=2, resource=mine)


def test_disabling_shuts_an_account_everywhere(
    app: App, organization: Organization, make_person: Make, act: Act
) -> None:
    boss, ben = make_person(name="Boss", super_admin=True), make_person(Role.VIEWER, name="Ben")
    with app.db.write() as session:
        token = sessions.create(session, app, user=session.get_one(User, ben.user_id),
                                org_id=organization.id or 0, ip="", user_agent="")
    with act(boss) as ctx:
        people.set_disabled(ctx, ben.user_id, on=True)  # type: ignore[arg-type]
    assert sessions.resolve(app, token) is None
    with open_context(app, boss, organization.id) as ctx:
        assert [m.disabled for m in people.list_members(ctx) if m.name == "Ben"] == [True]
    with act(boss) as ctx:
        people.set_disabled(ctx, ben.user_id, on=False)  # type: ignore[arg-type]
    with open_context(app, boss, organization.id) as ctx:
        assert not any(m.disabled for m in people.list_members(ctx))
