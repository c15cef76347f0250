"""The second factor of a person: set up, asked, replayed, recovered, required, removed."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app import config
from liftos_app.errors import Conflict, LiftOSError, ProofNeeded, TooMany
from liftos_app.models import DataKey, Organization, RecoveryCode, Role, SecondFactor, User
from liftos_app.services import accounts, second_factor, second_step, sessions, tokens, totp
from liftos_app.services.context import App, Principal
from liftos_app.services.second_factor import WrongCode
from tests.unit.identity.conftest import IP, PASSWORD, Act, audited

Made = tuple[Principal, str, list[str]]


def code(app: App, seed: str, *, steps: int = 0) -> str:
    return totp.code_at(seed, totp.step_of(app.now()) + steps)


@pytest.fixture
def enrolled(
    app: App, organization: Organization, make_person: Callable[..., Principal], clock: Any
) -> Made:
    """Ann, an administrator with a second factor: she, the seed, the recovery codes."""
    ann = make_person(Role.ADMIN)
    assert ann.user_id is not None
    seed = second_factor.begin(app, ann.user_id, organization.id or 0).reveal()
    codes = second_factor.confirm(app, ann.user_id, code(app, seed), ip=IP)
    clock.advance(seconds=30)
    return ann, seed, codes


def sign_in(app: App, **more: str) -> accounts.SignedIn:
    given = {"email": "ann@example.com", "password": PASSWORD, "ip": IP, "user_agent": "t", **more}
    return accounts.sign_in(app, **given)


def required(app: App, who: str) -> App:
    return dataclasses.replace(app, settings=dataclasses.replace(app.settings, require_mfa=who))


def test_L55_the_seed_is_sealed_and_the_codes_are_hashed(app: App, enrolled: Made) -> None:
    ann, seed, codes = enrolled
    assert len(set(codes)) == second_factor.RECOVERY_CODES == 10
    with app.db.read() as session:
        row = session.get_one(SecondFactor, ann.user_id)
        assert row.sealed.startswith("lv1.")
        assert seed not in row.sealed
        assert session.exec(select(DataKey)).one().scope_type == "organization"
        assert len(session.exec(select(RecoveryCode)).all()) == 10
    assert "second_factor.enrolled" in audited(app)


def test_L26_a_seed_is_never_shown_again_once_confirmed(
    app: App, enrolled: Made, organization: Organization
) -> None:
    with pytest.raises(Conflict):
        second_factor.begin(app, enrolled[0].user_id, organization.id or 0)  # type: ignore[arg-type]


def test_a_wrong_first_code_does_not_speak_of_recovery_codes(
    app: App, organization: Organization, make_person: Callable[..., Principal]
) -> None:
    ann = make_person(Role.ADMIN)
    second_factor.begin(app, ann.user_id, organization.id or 0)  # type: ignore[arg-type]
    with pytest.raises(WrongCode) as caught:
        second_factor.confirm(app, ann.user_id, "000000", ip=IP)  # type: ignore[arg-type]
    assert "recovery" not in caught.value.sentence()


def test_L26_the_password_alone_opens_nothing(app: App, enrolled: Made) -> None:
    with pytest.raises(accounts.SecondStepNeeded) as caught:
        sign_in(app)
    assert not caught.value.enrol
    with pytest.raises(accounts.SecondStepNeeded):
        tokens.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP, client="c")


def test_L26_password_and_code_sign_in(app: App, enrolled: Made, clock: Any) -> None:
    ann, seed, _ = enrolled
    assert ann.user_id is not None
    token = second_step.begin(app, ann.user_id, _org(app, ann))
    found = second_step.finish(app, token, code(app, seed), ip=IP, user_agent="t")
    assert sessions.resolve(app, found.token) is not None
    with pytest.raises(LiftOSError):  # the waiting sign-in is spent
        second_step.finish(app, token, code(app, seed, steps=1), ip=IP, user_agent="t")
    clock.advance(seconds=60)
    pair = tokens.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP, client="c",
                          code=code(app, seed))
    assert tokens.check(app, pair.access_token).who.user_id == ann.user_id


def _org(app: App, who: Principal) -> int:
    with app.db.read() as session:
        return accounts.home_of(session, session.get_one(User, who.user_id)) or 0


def test_L26_a_code_works_once_also_in_parallel(app: App, enrolled: Made, clock: Any) -> None:
    ann, seed, _ = enrolled
    assert ann.user_id is not None
    user_id, same, passed = ann.user_id, code(app, seed), []

    def attempt() -> None:
        with contextlib.suppress(LiftOSError):
            passed.append(second_factor.check(app, user_id, same, ip=IP))

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1
    with pytest.raises(WrongCode):  # and no older code after it
        second_factor.check(app, user_id, code(app, seed, steps=-1), ip=IP)
    clock.advance(seconds=30)
    second_factor.check(app, user_id, code(app, seed), ip=IP)


def test_L26_a_recovery_code_works_once(app: App, enrolled: Made) -> None:
    ann, _, codes = enrolled
    assert ann.user_id is not None
    second_factor.check(app, ann.user_id, codes[3].upper().replace("-", " "), ip=IP)
    with pytest.raises(WrongCode):
        second_factor.check(app, ann.user_id, codes[3], ip=IP)
    second_factor.check(app, ann.user_id, codes[4], ip=IP)
    assert audited(app).count("second_factor.recovery_code_used") == 2


@pytest.mark.parametrize("typed", ["", "000000", "12345", "abcdef", "١٢٣٤٥٦", "x" * 16, "x" * 5000])
def test_L26_anything_else_is_refused(app: App, enrolled: Made, typed: str) -> None:
    with pytest.raises(WrongCode):
        second_factor.check(app, enrolled[0].user_id, typed, ip=IP)  # type: ignore[arg-type]


def test_L28_codes_cannot_be_tried_out(app: App, enrolled: Made, clock: Any) -> None:
    refused = 0
    for number in range(60):
        clock.advance(seconds=1)
        try:
            second_factor.check(app, enrolled[0].user_id, "000000", ip=f"203.0.113.{number}")  # type: ignore[arg-type]
        except TooMany:
            refused += 1
        except WrongCode:
            pass
    assert refused >= 45


@pytest.mark.parametrize(("setting", "role", "needed"), [
    ("nobody", Role.ADMIN, False), ("admins", Role.MANAGER, False), ("admins", Role.ADMIN, True),
    ("everyone", Role.VIEWER, True),
])
def test_L26_who_needs_a_second_factor(
    app: App, make_person: Callable[..., Principal], setting: str, role: Role, needed: bool
) -> None:
    make_person(role)
    if not needed:
        assert sign_in(required(app, setting)).token
        return
    with pytest.raises(accounts.SecondStepNeeded) as caught:
        sign_in(required(app, setting))
    assert caught.value.enrol


def test_L26_tokens_are_not_renewed_without_a_factor_that_is_required(
    app: App, organization: Organization, make_person: Callable[..., Principal]
) -> None:
    make_person(Role.VIEWER)
    pair = tokens.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP, client="c")
    with app.db.write() as session:
        session.get_one(Organization, organization.id).require_mfa = True
    with pytest.raises(LiftOSError):
        tokens.refresh(app, pair.refresh_token, ip=IP, client="c")


def test_L26_outside_demo_mode_administrators_need_one_by_default(
    make_settings: Callable[..., config.Settings],
) -> None:
    assert make_settings().require_mfa == "nobody"
    assert make_settings(DEMO_MODE="false").require_mfa == "admins"
    assert make_settings(DEMO_MODE="false", REQUIRE_MFA="nobody").require_mfa == "nobody"
    with pytest.raises(config.ConfigError, match="REQUIRE_MFA"):
        make_settings(REQUIRE_MFA="sometimes")


def test_L26_an_organization_may_require_it_of_everybody(
    app: App, organization: Organization, make_person: Callable[..., Principal], act: Act
) -> None:
    ann, ben = make_person(Role.ADMIN), make_person(Role.VIEWER, name="Ben")
    with app.db.write() as session:
        token = sessions.create(session, app, user=session.get_one(User, ben.user_id),
                                org_id=organization.id or 0, ip="", user_agent="")
    from liftos_app.services import people
    with act(ann, old=True) as ctx, pytest.raises(ProofNeeded):
        people.require_second_factor(ctx, on=True)
    with act(ann) as ctx:
        people.require_second_factor(ctx, on=True)
    assert sessions.resolve(app, token) is None
    with pytest.raises(accounts.SecondStepNeeded):
        sign_in(app, email="ben@example.com")


def test_L12_new_codes_and_removal_ask_for_a_fresh_proof(
    app: App, organization: Organization, enrolled: Made
) -> None:
    ann, seed, codes = enrolled
    org_id = organization.id or 0
    late = dataclasses.replace(ann, proved_at=app.now() - timedelta(minutes=5, seconds=1))
    with pytest.raises(ProofNeeded):
        second_factor.renew_codes(app, late, org_id)
    with pytest.raises(ProofNeeded):
        second_factor.remove(app, late, org_id, code(app, seed))
    fresh = dataclasses.replace(ann, proved_at=app.now())
    assert set(second_factor.renew_codes(app, fresh, org_id)).isdisjoint(codes)
    with pytest.raises(WrongCode):
        second_factor.remove(app, fresh, org_id, codes[0])
    second_factor.remove(app, fresh, org_id, code(app, seed))
    assert sign_in(app).token


def test_L26_the_operator_can_take_a_lost_one_away(app: App, enrolled: Made) -> None:
    from liftos_app.services.context import open_context

    operator = Principal(kind="operator", role=accounts.OPERATOR_ROLE)
    with open_context(app, operator, None, write=True) as ctx:
        second_factor.take_away(ctx, "ANN@example.com")
    assert sign_in(app).token


def test_a_waiting_sign_in_lasts_ten_minutes(app: App, enrolled: Made, clock: Any) -> None:
    ann, _, _ = enrolled
    assert ann.user_id is not None
    token = second_step.begin(app, ann.user_id, _org(app, ann), next_path="/connections")
    found = second_step.find(app, token)
    assert found is not None
    assert (found.step, found.next_path) == ("code", "/connections")
    assert second_step.find(app, token + "x") is None
    clock.advance(minutes=10)
    assert second_step.find(app, token) is None
