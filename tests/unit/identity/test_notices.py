"""What people are told by mail about their account (L30), each in the transaction of the act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.config_mail import Smtp
from liftos_app.models import Organization, Outbox, Role, User
from liftos_app.services import accounts, mail, mailer, resets, second_factor, tokens, totp
from liftos_app.services.context import App, Context, Principal, open_context
from tests.smtp_server import SmtpServer
from tests.unit.identity.conftest import IP, PASSWORD

NEW = "several unrelated words 77"
OPERATOR = Principal(kind="operator", role=accounts.OPERATOR_ROLE)


@pytest.fixture
def inbox(app: App) -> Iterator[Callable[[], list[str]]]:
    """The first lines of what has come in since the last look, all of it for Ann."""
    with SmtpServer() as server:
        app.settings = replace(
            app.settings, smtp=Smtp("127.0.0.1", server.port, "none"),
            mail_from=("LiftOS", "liftos@example.com"),
        )

        def read() -> list[str]:
            mail.deliver(app)
            found = list(server.received)
            server.received.clear()
            assert all(m.to == ["ann@example.com"] for m in found)
            return sorted(m.text.splitlines()[0] for m in found)

        yield read


def code(app: App, seed: str) -> str:
    return totp.code_at(seed, totp.step_of(app.now()))


def test_L30_a_second_factor_and_its_codes_are_told(
    app: App, organization: Organization, make_person: Callable[..., Principal], clock: Any,
    inbox: Callable[[], list[str]],
) -> None:
    ann, org = make_person(Role.ADMIN), organization.id or 0
    assert ann.user_id is not None
    seed = second_factor.begin(app, ann.user_id, org).reveal()
    codes = second_factor.confirm(app, ann.user_id, code(app, seed), ip=IP)
    assert inbox() == ["A second factor was set up for your account."]
    second_factor.check(app, ann.user_id, codes[0], ip=IP)
    assert inbox() == ["A recovery code was used to sign in to your account."]
    second_factor.renew_codes(app, replace(ann, proved_at=app.now()), org)
    assert inbox() == ["New recovery codes were made for your account."]
    clock.advance(seconds=60)
    who = replace(ann, proved_at=app.now())
    second_factor.remove(app, who, org, code(app, seed))
    assert inbox() == ["The second factor of your account was removed."]
    clock.advance(seconds=60)
    seed = second_factor.begin(app, ann.user_id, org).reveal()
    second_factor.confirm(app, ann.user_id, code(app, seed), ip=IP)
    inbox()
    with open_context(app, OPERATOR, None, write=True) as ctx:
        second_factor.take_away(ctx, "ann@example.com")
    assert inbox() == ["The second factor of your account was removed."]


def test_L30_a_new_password_is_told_whichever_way_it_came(
    app: App, organization: Organization, make_person: Callable[..., Principal],
    inbox: Callable[[], list[str]],
) -> None:
    ann = make_person(Role.ADMIN)
    accounts.change_password(app, ann, organization.id or 0, current=PASSWORD, new=NEW)
    assert inbox() == ["Your password was changed."]
    accounts.set_password(app, email="ann@example.com", password=f"{NEW} again")
    assert inbox() == ["Your password was changed."]
    with open_context(app, OPERATOR, None, write=True) as ctx:
        token = resets.create(ctx, "ann@example.com").url.partition("#")[2]
    assert inbox() == []  # the operator hands this link over
    resets.finish(app, token, password=f"{NEW} anew", ip=IP)
    assert inbox() == ["Your password was changed."]


def test_L30_tokens_for_a_new_program_are_told(
    app: App, make_person: Callable[..., Principal], inbox: Callable[[], list[str]]
) -> None:
    make_person(Role.ADMIN)
    accounts.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP,
                     user_agent="Mozilla/5.0 (X11; Linux) Firefox/140")
    assert inbox() == []
    new = "Somebody signed in to your account with the program curl, new to it."
    for agent, told in (
        ("curl/8.1", [new]), ("curl/8.2", []), ("Mozilla/5.0 (X11; Linux) Firefox/141", []),
        ("", [new.replace("the program curl", "a program")]),
        ("x\r\nBcc: eve@example.com", [new.replace("curl", "x")]),
    ):
        tokens.sign_in(app, email="ann@example.com", password=PASSWORD, ip=IP,
                       client=f"{IP}\x00{agent}")
        assert inbox() == told, agent


def test_L30_an_act_that_fails_tells_nobody(
    app: App, organization: Organization, make_person: Callable[..., Principal],
    inbox: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, tell = make_person(Role.ADMIN), mailer.tell

    def fail(ctx: Context, user: User, what: str) -> None:
        tell(ctx, user, what)
        ctx.session.flush()
        raise OSError("the disk is full")

    monkeypatch.setattr(mailer, "tell", fail)
    with pytest.raises(OSError, match="full"):
        accounts.change_password(app, ann, organization.id or 0, current=PASSWORD, new=NEW)
    with app.db.read() as session:
        assert session.exec(select(Outbox)).all() == []
    assert inbox() == []


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@example.com "])
def test_L30_a_forgotten_password_gets_one_link_in_two_minutes(
    app: App, make_person: Callable[..., Principal], clock: Any,
    inbox: Callable[[], list[str]], email: str,
) -> None:
    make_person(Role.ADMIN)
    for _ in range(3):
        resets.mail_link(app, email, ip=IP)
    resets.mail_link(app, "nobody@example.com", ip=IP)
    assert inbox() == ["Open within thirty minutes:"]
    clock.advance(minutes=2)
    resets.mail_link(app, email, ip=IP)
    assert len(inbox()) == 1
