"""Another e-mail address: proved twice over, told to the old one, silent about other people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.config_mail import Smtp
from liftos_app.errors import Conflict, Denied, Invalid, SignInNeeded, TooMany
from liftos_app.models import AuditEntry, Organization, Role, User
from liftos_app.services import (
    accounts,
    email_change,
    links_once,
    mail,
    second_factor,
    tokens,
    totp,
)
from liftos_app.services.context import App, Principal, open_context
from tests.smtp_server import SmtpServer
from tests.unit.identity.conftest import IP, PASSWORD

OPERATOR = Principal(kind="operator", role=accounts.OPERATOR_ROLE)
NEW = "ann.new@example.com"
Read = Callable[[], dict[str, str]]


@pytest.fixture
def inbox(app: App) -> Iterator[Read]:
    """What has come in since the last look, by address."""
    with SmtpServer() as server:
        app.settings = replace(
            app.settings, smtp=Smtp("127.0.0.1", server.port, "none"),
            mail_from=("LiftOS", "liftos@example.com"),
        )

        def read() -> dict[str, str]:
            mail.deliver(app)
            found = {m.to[0]: m.text for m in server.received}
            server.received.clear()
            return found

        yield read


@pytest.fixture
def ann(app: App, make_person: Callable[..., Principal]) -> Principal:
    make_person(Role.ADMIN)
    return signed_in(app)


def signed_in(app: App, email: str = "ann@example.com") -> Principal:
    found = accounts.sign_in(app, email=email, password=PASSWORD, ip=IP, user_agent="")
    seen = accounts.resolve(app, found.token)
    assert seen is not None
    return replace(seen.who, ip=IP)


def ask(app: App, who: Principal, org: Organization, email: str = NEW, **other: str) -> None:
    email_change.ask(app, who, org.id or 0, email=email, **{"password": PASSWORD, **other})


def token_in(text: str) -> str:
    found = re.search(r"/auth/email#(\S+)", text)
    assert found, text
    return found[1]


def address_of(app: App, who: Principal) -> str:
    with app.db.read() as session:
        user = session.get_one(User, who.user_id)
        assert user.email.casefold() == user.email_key
        return user.email


def test_L30_an_address_changes_by_the_link_mailed_to_it_and_the_old_one_is_told(
    app: App, organization: Organization, ann: Principal, inbox: Read, clock: Any
) -> None:
    other = accounts.sign_in(
        app, email="ann@example.com", password=PASSWORD, ip=IP, user_agent=""
    )
    pair = tokens.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP, client="c")
    inbox()
    ask(app, ann, organization)
    assert address_of(app, ann) == "ann@example.com"
    found = inbox()
    assert set(found) == {NEW, "ann@example.com"}
    assert "asked to change" in found["ann@example.com"]
    assert "#" not in found["ann@example.com"]
    token = token_in(found[NEW])
    clock.advance(minutes=6)
    renewed = email_change.finish(app, ann, organization.id or 0, token)
    assert address_of(app, ann) == NEW
    seen = accounts.resolve(app, renewed)
    assert seen is not None
    assert seen.who.proved_at == ann.proved_at  # a mailbox is no proof of who sits here
    assert accounts.resolve(app, other.token) is None
    with pytest.raises(SignInNeeded):
        tokens.refresh(app, pair.refresh_token, ip=IP, client="c")
    told = inbox()
    assert set(told) == {"ann@example.com"}
    assert "was changed" in told["ann@example.com"]
    with pytest.raises(accounts.WrongSignIn):
        signed_in(app)
    assert signed_in(app, NEW).user_id == ann.user_id
    with pytest.raises(links_once.LinkOver):
        email_change.finish(app, ann, organization.id or 0, token)
    with app.db.read() as session:
        rows = session.exec(
            select(AuditEntry).where(AuditEntry.action == "user.email_changed")
        ).all()
        assert len(rows) == 1
        assert NEW not in str(rows[0].model_dump())


def test_L30_a_wrong_password_or_code_asks_nothing_and_is_counted(
    app: App, organization: Organization, ann: Principal, inbox: Read, clock: Any
) -> None:
    inbox()
    with pytest.raises(Invalid) as caught:
        ask(app, ann, organization, password="not this one")
    assert caught.value.facts["field"] == "current_password"
    assert ann.user_id is not None
    seed = second_factor.begin(app, ann.user_id, organization.id or 0).reveal()
    first = totp.code_at(seed, totp.step_of(app.now()))
    second_factor.confirm(app, ann.user_id, first, ip=IP)
    clock.advance(seconds=60)
    inbox()
    for wrong in ("", first, "000000"):
        with pytest.raises(second_factor.WrongCode):
            ask(app, ann, organization, code=wrong)
    assert inbox() == {}
    ask(app, ann, organization, code=totp.code_at(seed, totp.step_of(app.now())))
    assert NEW in inbox()
    clock.advance(seconds=60)
    for _ in range(5):
        with pytest.raises(Invalid):
            ask(app, ann, organization, password="not this one")
    with pytest.raises(TooMany):
        ask(app, ann, organization)


def test_L30_asking_for_an_address_of_somebody_answers_alike_and_tells_its_holder(
    app: App, organization: Organization, ann: Principal, inbox: Read,
    make_person: Callable[..., Principal],
) -> None:
    make_person(Role.VIEWER, name="Ben")
    for _ in range(2):
        ask(app, ann, organization, email="BEN@example.com")
        found = inbox()
        assert "nothing was changed" in found["BEN@example.com"]
        assert "/auth/email" not in found["BEN@example.com"]
    for _ in range(3):
        ask(app, ann, organization)
    for email in ("ben@example.com", "ann.newer@example.com"):
        with pytest.raises(TooMany) as caught:  # five a day, whoever has the address
            ask(app, ann, organization, email=email)
        assert caught.value.code == "too_many_links"


def test_L30_an_address_that_was_taken_meanwhile_does_not_change(
    app: App, organization: Organization, ann: Principal, inbox: Read,
    make_person: Callable[..., Principal],
) -> None:
    ask(app, ann, organization, email="ben@example.com")
    token = token_in(inbox()["ben@example.com"])
    make_person(Role.VIEWER, name="Ben")
    with pytest.raises(Conflict):
        email_change.finish(app, ann, organization.id or 0, token)
    assert address_of(app, ann) == "ann@example.com"


def test_L30_a_link_counts_for_its_person_its_address_and_thirty_minutes_only(
    app: App, organization: Organization, ann: Principal, inbox: Read, clock: Any,
    make_person: Callable[..., Principal],
) -> None:
    org = organization.id or 0
    eve = make_person(Role.ADMIN, name="Eve")
    ask(app, ann, organization)
    old = token_in(inbox()[NEW])
    ask(app, ann, organization, email="ann@elsewhere.example")
    token = token_in(inbox()["ann@elsewhere.example"])
    swapped = f"{token.partition('.')[0]}.{old.partition('.')[2]}"
    for who, given in ((ann, old), (ann, swapped), (ann, "x"), (eve, token)):
        with pytest.raises(Denied) as caught:
            email_change.finish(app, who, org, given)
        assert caught.value.code == "link_over"
    accounts.change_password(app, ann, org, current=PASSWORD, new="several unrelated words 77")
    with pytest.raises(links_once.LinkOver):  # whoever asked may have been the thief
        email_change.finish(app, ann, org, token)
    ask(app, ann, organization, password="several unrelated words 77")
    token = token_in(inbox()[NEW])
    clock.advance(minutes=30)
    with pytest.raises(links_once.LinkOver):
        email_change.finish(app, ann, org, token)
    assert address_of(app, ann) == "ann@example.com"


def test_L30_without_mail_only_the_operator_changes_an_address(
    app: App, organization: Organization, ann: Principal, make_person: Callable[..., Principal]
) -> None:
    make_person(Role.VIEWER, name="Ben")
    with pytest.raises(Conflict) as caught:
        ask(app, ann, organization)
    assert "liftos admin change-email" in caught.value.sentence()
    with pytest.raises(Denied), open_context(app, ann, organization.id, write=True) as ctx:
        email_change.set_for(ctx, "ann@example.com", NEW)
    with pytest.raises(Conflict), open_context(app, OPERATOR, None, write=True) as ctx:
        email_change.set_for(ctx, "ann@example.com", "Ben@example.com")
    with open_context(app, OPERATOR, None, write=True) as ctx:
        email_change.set_for(ctx, "ANN@example.com", NEW)
    assert address_of(app, ann) == NEW
    assert signed_in(app, NEW).user_id == ann.user_id
