"""Signed-in browsers: looked up quickly, ended for good."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from liftos_app import config
from liftos_app.errors import Missing, SignInNeeded
from liftos_app.models import AuditEntry, Membership, Organization, Role, User, WebSession
from liftos_app.services import accounts, sessions
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sessions import SignedInAs

Clock = Any


@pytest.fixture
def ann(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Principal:
    return make_principal(Role.MANAGER, organization)


def begin(app: App, who: Principal, organization: Organization, **more: str) -> str:
    assert organization.id is not None
    given = {"ip": "203.0.113.9", "user_agent": "test", **more}
    with app.db.write() as session:
        user = session.get_one(User, who.user_id)
        return sessions.create(session, app, user=user, org_id=organization.id, **given)


@pytest.fixture
def token(app: App, ann: Principal, organization: Organization) -> str:
    return begin(app, ann, organization)


def seen(app: App, token: str) -> SignedInAs:
    found = sessions.resolve(app, token)
    assert found is not None
    return found


def test_a_token_stands_for_person_role_and_organization(
    app: App, token: str, ann: Principal, organization: Organization
) -> None:
    found = seen(app, token)
    assert (found.who.user_id, found.who.role, found.org_id) == (
        ann.user_id,
        Role.MANAGER,
        organization.id,
    )
    assert found.who.session_id is not None
    assert found.who.kind == "person"
    here = sessions.resolve(app, token, ip="198.51.100.1")
    assert here is not None
    assert here.who.ip == "198.51.100.1"


@pytest.mark.parametrize("text", ["", "x", "x" * 43, "x" * 5000, "ключ" * 10, "\x00" * 43])
def test_anything_else_stands_for_nobody(app: App, token: str, text: str) -> None:
    assert sessions.resolve(app, text) is None


def test_L31_only_a_keyed_hash_is_stored(app: App, token: str) -> None:
    with app.db.read() as session:
        row = session.exec(select(WebSession)).one()
    assert token not in repr(row.model_dump())
    assert row.token_hash == app.vault.token_hash(token)
    assert len(token) >= 43


def test_looking_up_again_asks_no_database(app: App, token: str) -> None:
    seen(app, token)
    app_without_database = dataclasses.replace(app, db=None)  # type: ignore[arg-type]
    assert seen(app_without_database, token)


def test_a_session_ends_after_an_hour_of_rest(app: App, token: str, clock: Clock) -> None:
    clock.advance(minutes=59)
    assert sessions.resolve(app, token) is not None
    settle()
    clock.advance(minutes=59)
    assert sessions.resolve(app, token) is not None
    settle()
    clock.advance(minutes=60)
    assert sessions.resolve(app, token) is None


def settle() -> None:
    """Wait for the note that the session is in use."""
    for thread in threading.enumerate():
        if thread.name == "session-touch":
            thread.join()


def test_a_session_ends_after_a_day_of_use(app: App, token: str, clock: Clock) -> None:
    for _ in range(47):
        clock.advance(minutes=30)
        seen(app, token)
        settle()
    clock.advance(minutes=30)
    assert sessions.resolve(app, token) is None


def test_use_is_noted_at_most_once_a_minute(app: App, token: str, clock: Clock) -> None:
    def last_seen() -> object:
        settle()
        with app.db.read() as session:
            return session.exec(select(WebSession.last_seen_at)).one()

    begun = app.now()
    clock.advance(seconds=59)
    seen(app, token)
    assert last_seen() == begun
    clock.advance(seconds=2)
    seen(app, token)
    assert last_seen() == app.now()


def test_signing_out_counts_at_once_and_twice_is_no_error(app: App, token: str) -> None:
    seen(app, token)
    sessions.sign_out(app, token)
    assert sessions.resolve(app, token) is None
    sessions.sign_out(app, token)
    sessions.sign_out(app, "")
    with app.db.read() as session:
        assert session.exec(select(WebSession)).all() == []
        assert "auth.signed_out" in session.exec(select(AuditEntry.action)).all()


def change_user(app: App, who: Principal, **columns: object) -> None:
    with app.db.write() as session:
        user = session.get_one(User, who.user_id)
        for name, value in columns.items():
            setattr(user, name, value)


def test_disabling_a_person_is_seen_within_five_seconds(
    app: App, token: str, ann: Principal, clock: Clock
) -> None:
    seen(app, token)
    change_user(app, ann, disabled_at=app.now())
    clock.advance(seconds=6)
    assert sessions.resolve(app, token) is None


def test_a_new_role_is_seen_within_five_seconds(
    app: App, token: str, ann: Principal, organization: Organization, clock: Clock
) -> None:
    seen(app, token)
    with app.db.write() as session:
        session.get_one(Membership, (organization.id, ann.user_id)).role = Role.VIEWER
    clock.advance(seconds=6)
    assert seen(app, token).who.role is Role.VIEWER


def test_removal_from_the_organization_ends_the_session(
    app: App, token: str, ann: Principal, organization: Organization, clock: Clock
) -> None:
    seen(app, token)
    with app.db.write() as session:
        session.delete(session.get_one(Membership, (organization.id, ann.user_id)))
    clock.advance(seconds=6)
    assert sessions.resolve(app, token) is None


def test_a_row_ended_by_another_process_is_seen_within_five_seconds(
    app: App, token: str, clock: Clock
) -> None:
    found = seen(app, token)
    assert sessions.is_live(app, found.who.session_id or uuid4())
    with app.db.write() as session:
        session.delete(session.exec(select(WebSession)).one())
    assert not sessions.is_live(app, found.who.session_id or uuid4())
    clock.advance(seconds=6)
    assert sessions.resolve(app, token) is None


def test_a_clock_set_back_does_not_make_memory_last(app: App, token: str, clock: Clock) -> None:
    seen(app, token)
    with app.db.write() as session:
        session.delete(session.exec(select(WebSession)).one())
    clock.advance(hours=-1)
    assert sessions.resolve(app, token) is None


def test_a_super_admin_is_one_in_every_organization_of_theirs(
    app: App, ann: Principal, organization: Organization
) -> None:
    change_user(app, ann, is_super_admin=True)
    assert seen(app, begin(app, ann, organization)).who.role is Role.SUPER_ADMIN


def test_people_see_and_end_only_their_own_sessions(
    app: App,
    ann: Principal,
    organization: Organization,
    token: str,
    make_principal: Callable[..., Principal],
) -> None:
    bob = make_principal(Role.ADMIN, organization)
    other = begin(app, bob, organization)
    second = begin(app, ann, organization, user_agent="phone")
    with open_context(app, ann, organization.id, write=True) as ctx:
        assert {s.user_agent for s in sessions.list_mine(ctx)} == {"test", "phone"}
        theirs = seen(app, other).who.session_id
        with pytest.raises(Missing):
            sessions.end_mine(ctx, theirs or uuid4())
        sessions.end_mine(ctx, seen(app, second).who.session_id or uuid4())
    assert sessions.resolve(app, second) is None
    assert sessions.resolve(app, other) is not None
    assert sessions.resolve(app, token) is not None


def test_ending_all_may_leave_the_one_in_use(
    app: App, ann: Principal, organization: Organization, token: str
) -> None:
    others = [begin(app, ann, organization) for _ in range(3)]
    here = seen(app, token).who.session_id
    with open_context(app, ann, organization.id, write=True) as ctx:
        assert sessions.end_all(ctx, ann.user_id or uuid4(), but=here) == 3
    assert [sessions.resolve(app, t) for t in others] == [None] * 3
    assert sessions.resolve(app, token) is not None


def test_switching_goes_to_organizations_of_ones_own_only(
    app: App,
    ann: Principal,
    organization: Organization,
    other_organization: Organization,
    token: str,
) -> None:
    def switch(public_id: object) -> None:
        found = seen(app, token)
        with open_context(app, found.who, found.org_id, write=True) as ctx:
            sessions.switch_organization(ctx, public_id)  # type: ignore[arg-type]

    for public_id in (other_organization.public_id, uuid4()):
        with pytest.raises(Missing):
            switch(public_id)
    with app.db.write() as session:
        session.add(
            Membership(
                org_id=other_organization.id or 0,
                user_id=ann.user_id or uuid4(),
                role=Role.VIEWER,
                created_at=app.now(),
            )
        )
    switch(other_organization.public_id)
    found = seen(app, token)
    assert (found.org_id, found.who.role) == (other_organization.id, Role.VIEWER)


def test_nobody_lists_no_sessions(app: App, organization: Organization) -> None:
    with open_context(app, Principal(), organization.id) as ctx, pytest.raises(SignInNeeded):
        sessions.list_mine(ctx)


def test_old_rows_go_when_new_ones_come(
    app: App, ann: Principal, organization: Organization, token: str, clock: Clock
) -> None:
    clock.advance(hours=2)
    begin(app, ann, organization)
    with app.db.read() as session:
        assert len(session.exec(select(WebSession)).all()) == 1


async def test_the_event_loop_waits_for_no_database(app: App, token: str) -> None:
    loop_thread = threading.get_ident()
    threads: list[int] = []
    read = app.db.read

    def noting() -> object:
        threads.append(threading.get_ident())
        return read()

    app.db.read = noting  # type: ignore[method-assign,assignment]
    first = await sessions.resolve_async(app, token)
    second = await asyncio.wait_for(sessions.resolve_async(app, token, ip="198.51.100.1"), 1)
    assert first is not None
    assert second is not None
    assert await sessions.resolve_async(app, "") is None
    assert threads
    assert loop_thread not in threads


# -- cookies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "token_"),
    [
        ("liftos_sid=abc", "abc"),
        ("a=b; liftos_sid=abc; c=d", "abc"),
        ("", ""),
        ("liftos_sid=", ""),
        ("other=abc", ""),
        ("__Host-liftos_sid=abc", ""),
        ("\x00;;;=", ""),
        ('liftos_sid="abc"', "abc"),
    ],
)
def test_the_token_is_found_in_a_cookie_header(
    make_settings: Callable[..., config.Settings], header: str, token_: str
) -> None:
    assert sessions.token_from(make_settings(), header) == token_


def test_L31_behind_https_the_cookie_is_bound_to_the_host(
    make_settings: Callable[..., config.Settings],
) -> None:
    settings = make_settings(LIFTOS_PUBLIC_URL="https://liftos.example.com")
    assert sessions.cookie_name(settings) == "__Host-liftos_sid"
    assert sessions.token_from(settings, "liftos_sid=a; __Host-liftos_sid=b") == "b"


# -- without sign-in -----------------------------------------------------------------------------


def without_sign_in(app: App) -> App:
    return dataclasses.replace(
        app, settings=dataclasses.replace(app.settings, require_auth=False), extras={}
    )


def test_without_sign_in_everybody_is_the_first_administrator(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> None:
    admin = make_principal(Role.ADMIN, organization)
    open_app = without_sign_in(app)
    found = sessions.resolve(open_app, "", ip="127.0.0.1")
    again = sessions.resolve(open_app, "anything")
    assert found is not None
    assert again is not None
    assert (found.who.user_id, found.who.role, found.org_id) == (
        admin.user_id,
        Role.ADMIN,
        organization.id,
    )
    assert found.who.session_id == again.who.session_id is not None
    sessions.sign_out(open_app, "anything")


def test_without_sign_in_and_people_there_is_one_nobody_can_sign_in_as(app: App) -> None:
    open_app = without_sign_in(app)
    assert sessions.resolve(open_app, "") is None
    with open_context(open_app, Principal(), None, write=True) as ctx:
        assert accounts.ensure_local_admin(ctx) is not None
        assert accounts.ensure_local_admin(ctx) is None
    found = sessions.resolve(open_app, "")
    assert found is not None
    assert found.who.role is Role.SUPER_ADMIN
    for password in ("", "!", "password"):
        with pytest.raises(SignInNeeded):
            accounts.sign_in(
                app, email=accounts.LOCAL_EMAIL, password=password, ip="", user_agent=""
            )


def test_outside_demo_mode_or_loopback_sign_in_stays(
    make_settings: Callable[..., config.Settings],
) -> None:
    off = {"REQUIRE_AUTH": "false"}
    assert not make_settings(**off).auth_required
    assert make_settings(**off, DEMO_MODE="false").auth_required
    assert make_settings(**off, LIFTOS_HOST="192.0.2.1").auth_required
    assert any("ignored" in n for n in make_settings(**off, DEMO_MODE="false").notices())
