"""Mail going out: once, later when the server is down, given up in the end, never in clear."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app import liftos_app
from liftos_app.models import Outbox, User
from liftos_app.services import doctor, mail, mailer, resets, retention
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.mail import delivery, wire
from liftos_app.services.rights import erasing
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.vault import Vault
from tests.conftest import NOW
from tests.smtp_server import SmtpServer
from tests.unit.mail.conftest import (
    CANARY,
    given_up,
    point,
    queue,
    rows,
    standing,
)

OpenCtx = Callable[..., AbstractContextManager[Context]]


def test_L30_a_message_goes_out_once_in_good_form(
    mailing: App, server: SmtpServer, clock: Any
) -> None:
    queue(mailing, subject="Grüße", text="First line\n\nhttps://x.example/#" + "t" * 90)
    row_id = rows(mailing)[0].id
    assert [mail.deliver(mailing), mail.deliver(mailing)] == [1, 0]
    clock.advance(hours=2)
    assert mail.deliver(mailing) == 0
    (got,) = server.received
    assert (got.sender, got.to) == ("liftos@example.com", ["ann@example.com"])
    sent = got.mail
    assert sent["From"] == "LiftOS <liftos@example.com>"
    assert sent["To"] == "ann@example.com"
    assert sent["Subject"] == "Grüße"
    assert sent["Message-ID"] == f"<{row_id}@example.com>"
    assert sent["Date"].datetime == NOW
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent.get_content_type() == "text/plain"
    assert got.text.splitlines() == ["First line", "", "https://x.example/#" + "t" * 90]
    assert rows(mailing) == []
    assert standing(mailing) == mail.Standing(on=True, waiting=0, why="", given_up=0)


def test_without_mail_nothing_is_stored(app: App) -> None:
    with open_context(app, Principal(), None, write=True) as ctx:
        assert not mailer.send(ctx, to="ann@example.com", subject="a", text="b", about="notice")
    assert rows(app) == []
    assert mail.deliver(app) == 0
    assert not standing(app).on


def test_a_message_is_stored_with_its_act_or_not_at_all(mailing: App) -> None:
    with pytest.raises(ZeroDivisionError), open_context(
        mailing, Principal(), None, write=True
    ) as ctx:
        mailer.send(ctx, to="ann@example.com", subject="a", text="b", about="notice")
        ctx.session.flush()
        raise ZeroDivisionError
    assert rows(mailing) == []


def test_L30_two_processes_send_it_once(mailing: App, server: SmtpServer) -> None:
    for number in range(6):
        queue(mailing, to=f"p{number}@example.com")
    sent: list[int] = []
    threads = [
        threading.Thread(target=lambda: sent.append(mail.deliver(mailing))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 6
    assert sorted(m.to[0] for m in server.received) == [f"p{n}@example.com" for n in range(6)]


def test_L30_a_server_that_was_down_gets_it_later(app: App, free_port: int, clock: Any) -> None:
    point(app, f"smtp://127.0.0.1:{free_port}")
    queue(app, to="ann@example.com")
    queue(app, to="ben@example.com")
    for _ in range(9):
        assert mail.deliver(app) == 0
        assert standing(app).why == f"Nothing takes connections at 127.0.0.1:{free_port}."
        assert mail.deliver(app) == 0
        clock.advance(minutes=61)
    assert sum(int(r.payload["tries"]) for r in rows(app)) == 18  # one message for each round
    with SmtpServer(port=free_port) as server:
        assert mail.deliver(app) == 2
        assert len(server.received) == 2
    assert standing(app).why == ""


def test_waits_grow_to_an_hour(app: App, free_port: int, clock: Any) -> None:
    point(app, f"smtp://127.0.0.1:{free_port}")
    queue(app)
    waits = []
    for _ in range(9):
        mail.deliver(app)
        due = clock.now.fromisoformat(rows(app)[0].payload["due"])
        waits.append(int((due - clock.now).total_seconds() // 60))
        clock.now = due
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_day_it_is_given_up_with_an_entry_and_without_a_trace(
    app: App, organization: Any, open_ctx: OpenCtx, free_port: int, clock: Any
) -> None:
    point(app, f"smtp://127.0.0.1:{free_port}")
    with open_ctx(write=True) as ctx:
        mailer.send(ctx, to="ann@example.com", subject="a", text=CANARY, about="notice")
    mail.deliver(app)
    clock.advance(hours=23, minutes=59)
    mail.deliver(app)
    assert len(rows(app)) == 1
    clock.advance(hours=1)
    mail.deliver(app)
    assert rows(app) == []
    (entry,) = given_up(app)
    assert entry.org_id == organization.id
    assert entry.result == "failed"
    assert entry.data == {"about": "notice", "tries": 2}
    assert entry.reason.startswith("Nothing takes connections")
    assert standing(app).given_up == 1


def test_an_installation_that_turned_mail_off_keeps_nothing(mailing: App, clock: Any) -> None:
    queue(mailing)
    with mailing.db.write() as session:
        session.add(Outbox(kind="security.incident.I1", created_at=mailing.now()))
    mailing.settings = replace(mailing.settings, smtp=None)
    clock.advance(hours=25)
    assert mail.give_up_old(mailing) == 1
    retention.clear_temporary(mailing)
    with mailing.db.read() as session:
        assert session.exec(select(Outbox)).all() == []


def test_a_link_that_is_dead_is_not_sent(
    app: App, server: SmtpServer, free_port: int, clock: Any, make_principal: Any
) -> None:
    make_principal()
    point(app, f"smtp://127.0.0.1:{free_port}")
    resets.mail_link(app, "person0@example.com", ip="")
    mail.deliver(app)
    clock.advance(minutes=31)
    point(app, f"smtp://127.0.0.1:{server.port}")
    assert mail.deliver(app) == 0
    assert [e.data["about"] for e in given_up(app)] == ["reset"]
    assert server.received == []


def test_L30_the_clock_sends_with_the_rights_of_a_job(mailing: App, server: SmtpServer) -> None:
    queue(mailing)
    engine = SyncEngine(mailing, chores=liftos_app.chores())
    engine._do_chore(next(c for c in liftos_app.chores() if c.name == "mail"))
    assert len(server.received) == 1


def test_what_waits_is_sealed_and_bound_to_its_row(mailing: App) -> None:
    queue(mailing, to="ann@example.com", subject="Join us", text=CANARY)
    (row,) = rows(mailing)
    stored = repr(row.model_dump())
    assert not any(t in stored for t in (CANARY, "ann@example.com", "Join us"))
    with mailing.db.write() as session:
        session.add(Outbox(kind=mailer.KIND, created_at=mailing.now(), payload=row.payload))
    assert mail.deliver(mailing) == 1  # the copy does not open
    assert [e.reason for e in given_up(mailing)] == ["Its master key is gone."]


def test_a_new_master_key_still_opens_what_the_old_one_sealed(
    mailing: App, make_settings: Any, server: SmtpServer
) -> None:
    queue(mailing)
    old = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    keys = make_settings(
        API_VAULT_MASTER_KEY=f"k2:{bytes(range(32, 64)).hex()},{old}").master_keys
    mailing.vault = Vault(keys)
    queue(mailing)
    assert mail.deliver(mailing) == 2
    assert "lm1." not in repr(server.received)


def test_L30_killed_between_sending_and_noting_it_comes_twice_at_most_and_is_never_lost(
    mailing: App, server: SmtpServer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    queue(mailing)
    with monkeypatch.context() as dying:
        dying.setattr(delivery, "_mine", die)
        with pytest.raises(Killed):
            mail.deliver(mailing)
    assert len(server.received) == 1
    assert mail.deliver(mailing) == 0  # held, by whoever died
    clock.advance(minutes=5)
    assert mail.deliver(mailing) == 1
    clock.advance(minutes=5)
    assert mail.deliver(mailing) == 0
    first, second = (m.mail["Message-ID"] for m in server.received)
    assert first == second


def test_L30_a_line_that_breaks_after_the_message_leaves_it_waiting(
    mailing: App, server: SmtpServer, clock: Any
) -> None:
    server.vanish_after_data = 1
    queue(mailing)
    assert mail.deliver(mailing) == 0
    assert "hung up" in standing(mailing).why
    clock.advance(minutes=1)
    assert mail.deliver(mailing) == 1
    assert len({m.mail["Message-ID"] for m in server.received}) == 1


def test_a_process_that_slept_does_not_note_what_another_has_taken_over(
    mailing: App, clock: Any
) -> None:
    queue(mailing)
    slept = delivery._hold(mailing)
    clock.advance(minutes=5)
    taken = delivery._hold(mailing)
    assert slept is not None
    assert taken is not None
    delivery._failed(mailing, slept, wire.NotSent("late", final=True))
    assert rows(mailing)[0].payload["why"] == ""
    delivery._failed(mailing, taken, wire.NotSent("no", final=True))
    assert rows(mailing) == []


def test_erasing_a_person_takes_their_mail_along(
    mailing: App, server: SmtpServer, make_principal: Any, organization: Any
) -> None:
    who = make_principal(org=organization)
    with mailing.db.write() as session:
        user = session.get_one(User, who.user_id)
        user.email = "Person0@example.com"
    queue(mailing, to="Person0@example.com")
    queue(mailing, to="ben@example.com")
    with mailing.db.write() as session:
        erasing._pseudonymise(mailing, session, session.get_one(User, who.user_id))
    mail.deliver(mailing)
    assert [m.to[0] for m in server.received] == ["ben@example.com"]


@pytest.mark.parametrize("to", ["you@localhost", "erased-1@erased.invalid"])
def test_addresses_that_lead_nowhere_are_left_out(mailing: App, to: str) -> None:
    with open_context(mailing, Principal(), None, write=True) as ctx:
        assert not mailer.send(ctx, to=to, subject="a", text="b", about="notice")


def test_the_doctor_says_how_mail_stands(
    mailing: App, server: SmtpServer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.Vault, "boot_check", lambda *_: None)

    def found() -> doctor.Finding:
        return next(doctor._mail(mailing.settings, mailing.db))

    assert found() == doctor.Finding(True, "Mail goes out; 0 waiting.")
    server.refuse["MAIL"] = "550 no"
    queue(mailing)
    mail.deliver(mailing)
    assert not found().ok
    assert "1 waiting. The mail server refused the sender (550)" in found().text
    assert "liftos mail test" in found().fix
    mailing.settings = replace(mailing.settings, smtp=None)
    assert found().ok


def test_the_protection_page_says_how_mail_stands(
    mailing: App, server: SmtpServer, open_ctx: OpenCtx
) -> None:
    from liftos_app.state.protection import _view

    def fact() -> list[str]:
        with open_ctx() as ctx:
            return next(f for f in _view(ctx).facts if f[0] == "Mail")

    assert fact() == ["Mail", "Sent", "ok"]
    server.refuse["MAIL"] = "550 no"
    queue(mailing)
    mail.deliver(mailing)
    assert fact()[1].startswith("1 message waiting. The mail server refused the sender (550)")
    assert fact()[2] == "bad"
    mailing.settings = replace(mailing.settings, smtp=None)
    assert fact()[2] == "mute"
