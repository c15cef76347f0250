"""People: the first administrator, signing in, one's own name and password."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Invalid, LiftOSError, SignInNeeded, TooMany
from liftos_app.models import (
    AuditEntry,
    LoginAttempt,
    Membership,
    Organization,
    RefreshToken,
    Role,
    User,
    WebSession,
)
from liftos_app.services import accounts, limits, passwords, tokens
from liftos_app.services.context import App, Context, Principal, open_context

OpenCtx = Callable[..., AbstractContextManager[Context]]
PASSWORD = "kettle violin harbour 29"
WRONG = "another violin harbour 30"
EMAIL = "Ann@Example.com"


def set_up(app: App, **given: str) -> User:
    values = {"email": EMAIL, "password": PASSWORD, "organization": "Larkspur Home", **given}
    with open_context(app, Principal(), None, write=True) as ctx:
        return accounts.create_first_admin(ctx, **values)


def sign_in(
    app: App, *, email: str = EMAIL, password: str = PASSWORD, ip: str = "203.0.113.9", **more: str
) -> accounts.SignedIn:
    return accounts.sign_in(app, email=email, password=password, ip=ip, user_agent="test", **more)


def audited(app: App) -> list[str]:
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry.action).order_by(AuditEntry.seq)).all())


@pytest.fixture
def ann(app: App) -> User:
    return set_up(app)


# -- first run -----------------------------------------------------------------------------------


def test_the_first_administrator_gets_an_organization_and_every_right(app: App) -> None:
    with open_context(app, Principal(), None) as ctx:
        assert accounts.needs_setup(ctx)
    user = set_up(app, name="  Ann   Example ")
    with open_context(app, Principal(), None) as ctx:
        assert not accounts.needs_setup(ctx)
        assert user.name == "Ann Example"
        assert user.is_super_admin
        home = ctx.session.exec(select(Organization)).one()
        membership = ctx.session.exec(select(Membership)).one()
        assert (home.name, home.currency) == ("Larkspur Home", "USD")
        assert (membership.org_id, membership.user_id, membership.role) == (
            home.id,
            user.id,
            Role.ADMIN,
        )
    assert audited(app) == ["organization.created", "user.created"]


def test_there_is_only_one_first_administrator(app: App, ann: User) -> None:
    with pytest.raises(Conflict):
        set_up(app, email="eve@example.com")


def test_two_set_up_pages_sent_at_once_make_one_administrator(app: App) -> None:
    results: list[object] = []

    def go(name: str) -> None:
        try:
            results.append(set_up(app, email=f"{name}@example.com"))
        except Conflict as error:
            results.append(error)

    threads = [threading.Thread(target=go, args=(n,)) for n in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(r, User) for r in results) == 1
    assert sum(isinstance(r, Conflict) for r in results) == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "not an address"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "<script>@example.com"}, "email"),
        ({"email": "a" * 300 + "@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "passwordpassword"}, "password"),
        ({"organization": "   "}, "organization"),
        ({"organization": "x" * 121}, "organization"),
        ({"name": "x" * 121}, "name"),
    ],
)
def test_wrong_input_at_set_up_names_its_field_and_writes_nothing(
    app: App, given: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        set_up(app, **given)
    assert caught.value.facts["field"] == field
    with app.db.read() as session:
        assert session.exec(select(User)).all() == []
        assert session.exec(select(Organization)).all() == []


# -- signing in ----------------------------------------------------------------------------------


def test_a_person_signs_in_with_any_case_of_the_e_mail(app: App, ann: User) -> None:
    found = sign_in(app, email="  aNN@exampLE.com ")
    assert found.user.id == ann.id
    assert accounts.resolve(app, found.token) is not None
    with app.db.read() as session:
        assert session.get_one(User, ann.id).last_sign_in_at == app.now()
        row = session.exec(select(WebSession)).one()
        assert found.token not in repr(row.model_dump())
        assert row.token_hash == app.vault.token_hash(found.token)
    assert audited(app)[-1] == "auth.signed_in"


def failure(app: App, **given: str) -> LiftOSError:
    with pytest.raises(LiftOSError) as caught:
        sign_in(app, **given)
    return caught.value


def test_unknown_disabled_and_mistyped_answer_alike(app: App, ann: User) -> None:
    with app.db.write() as session:
        session.add(
            User(
                email="bob@example.com",
                email_key="bob@example.com",
                password_hash=passwords.make_hash(PASSWORD),
                created_at=app.now(),
                disabled_at=app.now(),
            )
        )
    found = [
        failure(app, password=WRONG),
        failure(app, email="nobody@example.com"),
        failure(app, email="bob@example.com"),
        failure(app, password=""),
        failure(app, email=""),
        failure(app, password=PASSWORD + "x" * 200),
    ]
    assert {(type(e), e.code, e.sentence(), str(e.facts)) for e in found} == {
        (accounts.WrongSignIn, "wrong_sign_in", found[0].sentence(), "{}"),
    }
    assert audited(app)[-6:] == ["auth.sign_in_failed"] * 6
    with app.db.read() as session:
        assert session.exec(select(WebSession)).all() == []


def test_an_unknown_e_mail_takes_as_long_as_a_known_one(app: App, ann: User) -> None:
    passwords.fits("x", "")

    def seconds(email: str, ip: str) -> float:
        best = 9.0
        for number in range(3):
            start = time.process_time()
            failure(app, email=email, password=WRONG, ip=f"{ip}{number}")
            best = min(best, time.process_time() - start)
        return best

    known, unknown = seconds(EMAIL, "203.0.113.1"), seconds("no@example.com", "203.0.113.2")
    assert 0.5 < known / unknown < 2  # processor time: other work on the machine does not count


def test_a_new_sign_in_ends_the_session_the_browser_held(app: App, ann: User) -> None:
    first = sign_in(app)
    second = sign_in(app, old_token=first.token)
    assert accounts.resolve(app, first.token) is None
    assert accounts.resolve(app, second.token) is not None
    assert first.token != second.token


def test_a_person_of_no_organization_is_told_so(app: App, ann: User) -> None:
    with app.db.write() as session:
        session.delete(session.exec(select(Membership)).one())
    assert isinstance(failure(app), Denied)


@pytest.mark.usefixtures("real_hashes")
def test_an_outdated_hash_is_renewed_at_sign_in(app: App, ann: User) -> None:
    from argon2 import PasswordHasher

    with app.db.write() as session:
        session.get_one(User, ann.id).password_hash = PasswordHasher(
            time_cost=1, memory_cost=8192, parallelism=1
        ).hash(PASSWORD)
    sign_in(app)
    with app.db.read() as session:
        assert "m=65536,t=3,p=4" in session.get_one(User, ann.id).password_hash


# -- the limit -----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is not what these tests are about."""
    monkeypatch.setattr(passwords, "fits", lambda given, stored: given == PASSWORD and bool(stored))


def test_L28_the_eleventh_failure_of_an_address_in_a_minute_waits(
    app: App, ann: User, quick: None, clock: Any
) -> None:
    for number in range(10):
        assert failure(app, email=f"p{number}@example.com").code == "wrong_sign_in"
    refused = failure(app, email="p11@example.com")
    assert isinstance(refused, TooMany)
    assert refused.facts["retry_after"] == 60
    assert sign_in(app, ip="198.51.100.7").user.id == ann.id  # another address is free
    clock.advance(seconds=61)
    assert failure(app, email="p12@example.com").code == "wrong_sign_in"


def test_L28_failures_on_one_account_from_many_addresses_slow_down(
    app: App, ann: User, quick: None, clock: Any
) -> None:
    waits = []
    for number in range(12):
        error = failure(app, password=WRONG, ip=f"203.0.113.{number}")
        while isinstance(error, TooMany):
            waits.append(error.facts["retry_after"])
            clock.advance(seconds=float(str(error.facts["retry_after"])))
            error = failure(app, password=WRONG, ip=f"203.0.113.{number}")
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) <= 60


def test_a_refused_try_does_not_prolong_the_wait(
    app: App, ann: User, quick: None, clock: Any
) -> None:
    for number in range(5):
        failure(app, password=WRONG, ip=f"203.0.113.{number}")
    for number in range(20):
        assert isinstance(failure(app, ip=f"198.51.100.{number}"), TooMany)
    clock.advance(seconds=1)
    assert sign_in(app).user.id == ann.id


def test_failures_of_others_do_not_hold_up_an_address_that_signed_in_lately(
    app: App, ann: User, quick: None
) -> None:
    sign_in(app, ip="192.0.2.1")
    for number in range(9):
        try:
            sign_in(app, password=WRONG, ip=f"203.0.113.{number}")
        except LiftOSError:
            continue
    assert isinstance(failure(app, ip="203.0.113.77"), TooMany)
    assert sign_in(app, ip="192.0.2.1").user.id == ann.id


def test_the_limit_is_the_same_for_accounts_that_do_not_exist(
    app: App, ann: User, quick: None
) -> None:
    def codes(email: str) -> list[str]:
        return [
            failure(app, email=email, password=WRONG, ip=f"{abs(hash(email)) % 200}.0.0.{n}").code
            for n in range(8)
        ]

    assert codes(EMAIL) == codes("nobody@example.com")


def test_success_ends_the_row_of_failures(app: App, ann: User, quick: None) -> None:
    for number in range(4):
        failure(app, password=WRONG, ip=f"203.0.113.{number}")
    sign_in(app)
    for number in range(4, 9):
        assert failure(app, password=WRONG, ip=f"203.0.113.{number}").code == "wrong_sign_in"
    assert failure(app, password=WRONG, ip="203.0.113.10").code == "too_many"


def test_L28_L95_exactly_ten_of_fifty_parallel_tries_are_looked_at(
    app: App, ann: User, quick: None
) -> None:
    codes: list[str] = []

    def go(number: int) -> None:
        codes.append(failure(app, email=f"p{number}@example.com").code)

    threads = [threading.Thread(target=go, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count("wrong_sign_in") == 10
    assert codes.count("too_many") == 40


def test_L94_a_restart_forgets_no_failure_and_stores_no_e_mail(
    app: App, ann: User, quick: None
) -> None:
    for number in range(10):
        failure(app, email=f"p{number}@example.com")
    again = App(settings=app.settings, db=app.db, vault=app.vault, now=app.now)
    with pytest.raises(TooMany):
        sign_in(again, email="p11@example.com")
    with app.db.read() as session:
        rows = session.exec(select(LoginAttempt)).all()
        assert len(rows) == 10
        assert "example.com" not in repr([r.model_dump() for r in rows])


def test_attempts_are_kept_for_a_day(app: App, ann: User, quick: None, clock: Any) -> None:
    failure(app, password=WRONG)
    clock.advance(hours=25)
    failure(app, password=WRONG)
    with app.db.read() as session:
        assert len(session.exec(select(LoginAttempt)).all()) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix", "unix", True),
    ],
)
def test_addresses_are_counted_as_people_own_them(one: str, other: str, *, same: bool) -> None:
    assert (limits.bucket(one) == limits.bucket(other)) is same


# -- one's own account ---------------------------------------------------------------------------


def test_L32_L34_changing_the_password_ends_everything_else(app: App, ann: User) -> None:
    here, there = sign_in(app), sign_in(app)
    pair = tokens.sign_in(app, email=EMAIL, password=PASSWORD, ip="", client="c")
    found = accounts.resolve(app, here.token)
    assert found is not None
    renewed = accounts.change_password(
        app, found.who, found.org_id, current=PASSWORD, new=WRONG
    )
    assert accounts.resolve(app, renewed) is not None
    assert accounts.resolve(app, here.token) is None
    assert accounts.resolve(app, there.token) is None
    with pytest.raises(SignInNeeded):
        tokens.refresh(app, pair.refresh_token, ip="", client="c")
    assert failure(app).code == "wrong_sign_in"
    assert sign_in(app, password=WRONG).user.auth_epoch == 2


def test_a_wrong_current_password_changes_nothing_and_is_counted(app: App, ann: User) -> None:
    found = accounts.resolve(app, sign_in(app).token)
    assert found is not None
    with pytest.raises(Invalid) as caught:
        accounts.change_password(app, found.who, found.org_id, current="no", new=WRONG)
    assert caught.value.facts["field"] == "current_password"
    with pytest.raises(Invalid):
        accounts.change_password(app, found.who, found.org_id, current=PASSWORD, new="short")
    with app.db.read() as session:
        assert session.get_one(User, ann.id).auth_epoch == 1
        assert not all(session.exec(select(LoginAttempt.ok)).all())


def test_the_command_line_sets_a_password_and_ends_all_sessions(app: App, ann: User) -> None:
    before = sign_in(app)
    accounts.set_password(app, email="ANN@example.com", password=WRONG)
    assert accounts.resolve(app, before.token) is None
    assert sign_in(app, password=WRONG).user.id == ann.id
    with pytest.raises(Invalid):
        accounts.set_password(app, email="nobody@example.com", password=WRONG)
    with app.db.read() as session:
        assert session.exec(select(RefreshToken)).all() == []


def test_L23_a_password_is_taken_as_it_was_typed(app: App) -> None:
    """No character is dropped, cut off or changed on the way to the hash."""
    typed = f"  Kettle violin HARBOUR 29 {'näher ' * 16}é  "[:128]
    set_up(app, password=typed)
    assert sign_in(app, password=typed)
    for other in (typed.strip(), typed[:-1], typed[:72], typed.casefold()):
        with pytest.raises(LiftOSError):
            sign_in(app, password=other, ip=f"203.0.113.{len(other)}")


def test_L23_a_password_does_not_age(app: App, ann: User, clock: Any) -> None:
    clock.advance(days=3 * 365)
    assert sign_in(app).user.id == ann.id


def test_a_person_renames_themselves(app: App, ann: User) -> None:
    token = sign_in(app).token
    found = accounts.resolve(app, token)
    assert found is not None
    with open_context(app, found.who, found.org_id, write=True) as ctx:
        accounts.rename(ctx, "  Ann <b>Example</b> ")
        assert accounts.me(ctx).name == "Ann <b>Example</b>"
        with pytest.raises(Invalid):
            accounts.rename(ctx, "x" * 121)
    again = accounts.resolve(app, token)
    assert again is not None
    assert again.who.name == "Ann <b>Example</b>"


def test_nobody_has_no_account(app: App, organization: Organization) -> None:
    with open_context(app, Principal(), organization.id) as ctx, pytest.raises(SignInNeeded):
        accounts.me(ctx)
    nameless = Principal(role=Role.ADMIN)
    with open_context(app, nameless, organization.id) as ctx, pytest.raises(SignInNeeded):
        accounts.me(ctx)
