"""Personal API keys: shown once, hashed, scoped, ending, revoked."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Denied, Invalid, LiftOSError, Missing, ProofNeeded, SignInNeeded
from liftos_app.models import ApiKey, Membership, Organization, Role, User
from liftos_app.services import access, api_keys
from liftos_app.services.context import App, Principal, open_context
from tests.unit.identity.conftest import Act, audited

Make = Callable[..., Principal]


@pytest.fixture
def ann(make_person: Make) -> Principal:
    return make_person(Role.MANAGER)


@pytest.fixture
def made(ann: Principal, act: Act) -> api_keys.Made:
    with act(ann) as ctx:
        return api_keys.create(ctx, name=" Nightly  report ", scopes=["sync", "read"], days=30)


def test_L41_the_text_has_its_form_and_is_stored_as_a_hash(app: App, made: api_keys.Made) -> None:
    assert re.fullmatch(r"lft_[0-9a-z]{12}_[0-9A-Za-z]{49}", made.text)
    secret = made.text.split("_")[2][:43]
    with app.db.read() as session:
        row = session.exec(select(ApiKey)).one()
    assert row.secret_hash == app.vault.token_hash(secret)
    assert (row.name, row.scopes) == ("Nightly report", ["read", "sync"])
    assert "api_key.created" in audited(app)


def test_L41_a_key_stands_for_its_person_within_its_scopes(
    app: App, made: api_keys.Made, ann: Principal, organization: Organization
) -> None:
    found = api_keys.check(app, made.text, ip="203.0.113.9")
    assert (found.who.user_id, found.who.role, found.org_id) == (
        ann.user_id, Role.MANAGER, organization.id
    )
    allowed = {p for p in access.PERMISSIONS if access.permits(found.who, p)}
    assert allowed == {"metrics.read", "connections.read", "quality.read", "organization.read",
                       "syncs.run", "quality.run"}
    with open_context(app, found.who, found.org_id, write=True) as ctx:
        with pytest.raises(Denied, match="key"):
            ctx.require("connections.write")
        with pytest.raises(ProofNeeded):
            ctx.require_proof()


def test_L41_no_scope_lets_a_key_manage_people_keys_or_the_installation() -> None:
    held = frozenset().union(*(permissions for _, permissions in access.SCOPES.values()))
    assert held <= set(access.PERMISSIONS)
    assert held.isdisjoint({
        "profile.write", "keys.write", "members.read", "members.write", "organization.write",
        "audit.read", "installation.admin",
    })


def test_L8_a_key_follows_the_role_of_its_person(
    app: App, made: api_keys.Made, ann: Principal, organization: Organization, clock: Any
) -> None:
    with app.db.write() as session:
        session.get_one(Membership, (organization.id, ann.user_id)).role = Role.VIEWER
    api_keys.check(app, made.text)
    clock.advance(seconds=6)
    assert not access.permits(api_keys.check(app, made.text).who, "syncs.run")


@pytest.mark.parametrize("end", ["revoke", "expire", "disable", "leave"])
def test_L41_a_key_ends(
    app: App, made: api_keys.Made, ann: Principal, act: Act, organization: Organization,
    clock: Any, end: str,
) -> None:
    api_keys.check(app, made.text)
    if end == "revoke":
        with act(ann) as ctx:
            api_keys.revoke(ctx, made.key.id)
    elif end == "expire":
        clock.advance(days=30)
    else:
        with app.db.write() as session:
            if end == "disable":
                session.get_one(User, ann.user_id).disabled_at = app.now()
            else:
                session.delete(session.get_one(Membership, (organization.id, ann.user_id)))
    clock.advance(seconds=6)
    with pytest.raises(SignInNeeded):
        api_keys.check(app, made.text)


def test_L41_anything_but_the_key_is_refused_alike(app: App, made: api_keys.Made) -> None:
    text = made.text
    wrong = [
        text[:-1], text + "0", text[:-1] + ("0" if text[-1] != "0" else "1"), text.upper(),
        text.replace("_", "-"), "lft_", "lft_" + "0" * 62, " " + text, "x" * 5000,
        text[:20] + ("A" if text[20] != "A" else "B") + text[21:],
        f"lft_{'0' * 12}_{text.split('_')[2]}",
    ]
    said = set()
    for given in wrong:
        with pytest.raises(SignInNeeded) as caught:
            api_keys.check(app, given)
        said.add(caught.value.sentence())
    assert len(said) == 1


def test_L9_the_header_names_the_keys_own_organization_or_nothing(
    app: App, made: api_keys.Made, organization: Organization, other_organization: Organization
) -> None:
    api_keys.check(app, made.text, organization=str(organization.public_id).upper())
    for given in (str(other_organization.public_id), "1", "nonsense"):
        with pytest.raises(Denied):
            api_keys.check(app, made.text, organization=given)


@pytest.mark.parametrize(("change", "field"), [
    ({"name": " "}, "name"), ({"name": "x" * 81}, "name"), ({"days": 0}, "days"),
    ({"days": 367}, "days"), ({"scopes": []}, "scopes"), ({"scopes": ["all"]}, "scopes"),
])
def test_wrong_input_names_its_field(
    ann: Principal, act: Act, change: dict[str, Any], field: str
) -> None:
    with act(ann) as ctx, pytest.raises(Invalid) as caught:
        api_keys.create(ctx, **{"name": "k", "scopes": ["read"], "days": 9, **change})
    assert caught.value.facts["field"] == field


def test_L41_a_scope_above_the_role_is_not_given(make_person: Make, act: Act) -> None:
    with act(make_person(Role.VIEWER, name="Vera")) as ctx:
        for scope in ("sync", "connections", "sandbox"):
            with pytest.raises(Denied):
                api_keys.create(ctx, name="k", scopes=["read", scope], days=9)
        assert api_keys.create(ctx, name="k", scopes=["read"], days=9)


def test_L12_a_key_is_made_after_a_fresh_proof_only(ann: Principal, act: Act) -> None:
    with act(ann, old=True) as ctx, pytest.raises(ProofNeeded):
        api_keys.create(ctx, name="k", scopes=["read"], days=9)


def test_a_person_holds_so_many_keys_and_no_more(ann: Principal, act: Act, clock: Any) -> None:
    with act(ann) as ctx:
        for _ in range(api_keys.MOST_PER_PERSON):
            api_keys.create(ctx, name="k", scopes=["read"], days=9)
        with pytest.raises(Invalid):
            api_keys.create(ctx, name="k", scopes=["read"], days=9)
    clock.advance(days=9)
    with act(ann) as ctx:
        assert api_keys.create(ctx, name="k", scopes=["read"], days=9)


def test_L17_keys_of_others_are_not_there_but_administrators_end_those_of_members(
    app: App, made: api_keys.Made, make_person: Make, act: Act, other_organization: Organization
) -> None:
    ben = make_person(Role.VIEWER, name="Ben")
    far = make_person(Role.ADMIN, other_organization, name="Far")
    with act(ben) as ctx:
        assert api_keys.list_mine(ctx) == []
        with pytest.raises(Missing):
            api_keys.revoke(ctx, made.key.id)
    with act(far, other_organization) as ctx, pytest.raises(Missing):
        api_keys.revoke(ctx, made.key.id)
    with act(make_person(Role.ADMIN, name="Boss")) as ctx:
        api_keys.revoke(ctx, made.key.id)
    with pytest.raises(LiftOSError):
        api_keys.check(app, made.text)


def test_L41_the_last_use_is_noted_once_a_minute(
    app: App, made: api_keys.Made, clock: Any
) -> None:
    def wait() -> Any:
        for thread in threading.enumerate():
            if thread.name == "api-key-touch":
                thread.join()
        with app.db.read() as session:
            return session.exec(select(ApiKey.last_used_at)).one()

    assert wait() is None
    api_keys.check(app, made.text)
    first = wait()
    assert first == app.now()
    clock.advance(seconds=59)
    api_keys.check(app, made.text)
    assert wait() == first
    clock.advance(seconds=2)
    api_keys.check(app, made.text)
    assert wait() == app.now()


def test_a_key_cannot_make_a_key(app: App, made: api_keys.Made) -> None:
    found = api_keys.check(app, made.text)
    who = dataclasses.replace(found.who, proved_at=app.now())
    with open_context(app, who, found.org_id, write=True) as ctx, pytest.raises(Denied):
        api_keys.create(ctx, name="k", scopes=["read"], days=9)
