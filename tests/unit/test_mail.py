"""Mail going out: once, later when the server is down, given up in the end, never in clear."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.config_mail import Smtp, parse_server
from liftos_app.errors import Invalid
from liftos_app.models import AuditEntry, Outbox, User
from liftos_app.services import doctor, logs, mail, mailer, resets, retention
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.mail import delivery, wire
from liftos_app.services.rights import erasing
from liftos_app.services.vault import Vault
from tests.conftest import NOW
from tests.smtp_server import SmtpServer, make_certificate

OpenCtx = Callable[..., AbstractContextManager[Context]]
FROM = ("LiftOS", "liftos@example.com")
CANARY = "canary-secret-value"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as opened:
        yield opened


@pytest.fixture
def mailing(app: App, server: SmtpServer) -> App:
    """The app, with mail going to `server`."""
    return point(app, f"smtp://127.0.0.1:{server.port}")


def point(app: App, url: str) -> App:
    app.settings = replace(app.settings, smtp=parse_server(url), mail_from=FROM)
    return app


def queue(app: App, to: str = "ann@example.com", subject: str = "Hello", text: str = "Hi.") -> None:
    with open_context(app, Principal(), None, write=True) as ctx:
        assert mailer.send(ctx, to=to, subject=subject, text=text, about="notice")


def rows(app: App) -> list[Outbox]:
    with app.db.read() as session:
        return list(session.exec(select(Outbox).where(Outbox.kind == mailer.KIND)).all())


def given_up(app: App) -> list[AuditEntry]:
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry).where(
            AuditEntry.action == delivery.GIVEN_UP)).all())


def standing(app: App) -> mail.Standing:
    with app.db.read() as session:
        return mail.standing(session, app)


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What is logged at the finest level, past the filter: nothing may rely on masking."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


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


@pytest.mark.parametrize(("answer", "over"), [
    ("550 5.1.1 <ann@example.com> unknown", True), ("450 4.2.0 later", False),
])
def test_L30_a_refused_recipient_is_given_up_and_the_others_get_theirs(
    mailing: App, server: SmtpServer, answer: str, *, over: bool
) -> None:
    server.refuse["RCPT ann@example.com"] = answer
    for name in ("ann", "ben", "cid"):
        queue(mailing, to=f"{name}@example.com")
    assert mail.deliver(mailing) == 2
    assert sorted(m.to[0] for m in server.received) == ["ben@example.com", "cid@example.com"]
    said = f"The mail server refused the recipient ({answer[:9]})."
    assert [e.reason for e in given_up(mailing)] == ([said] if over else [])
    assert [r.payload["why"] for r in rows(mailing)] == ([] if over else [said])


@pytest.mark.parametrize(("verb", "answer", "over"), [
    ("DATA", "554 5.7.1 spam", True), ("DATA", "451 later", False), ("MAIL", "550 no", False),
    ("EHLO", "421 4.3.2 too busy", False),
])
def test_other_refusals_are_named_and_tried_again_where_that_helps(
    mailing: App, server: SmtpServer, verb: str, answer: str, *, over: bool
) -> None:
    server.refuse |= {verb: answer, "HELO": answer}
    queue(mailing)
    assert mail.deliver(mailing) == 0
    why = given_up(mailing)[0].reason if over else standing(mailing).why
    assert answer[:3] in why
    assert ("LIFTOS_MAIL_FROM" in why) is (verb == "MAIL")
    assert len(rows(mailing)) == (0 if over else 1)


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
@pytest.mark.parametrize("implicit", [False, True])
def test_L30_mail_is_encrypted_and_signed_in(
    app: App, certificate: Path, monkeypatch: pytest.MonkeyPatch, mechanisms: str, *,
    implicit: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with SmtpServer(
        certificate, implicit, account=("ann", CANARY), mechanisms=mechanisms
    ) as server:
        scheme = "smtps" if implicit else "smtp"
        point(app, f"{scheme}://ann:{CANARY}@127.0.0.1:{server.port}")
        queue(app)
        assert mail.deliver(app) == 1
        (got,) = server.received
        assert got.encrypted
        assert got.user == "ann"
        assert ("STARTTLS" in server.heard) is not implicit


def test_L30_a_certificate_that_nobody_trusts_gets_no_password(
    app: App, certificate: Path
) -> None:
    with SmtpServer(certificate, account=("ann", CANARY)) as server:
        point(app, f"smtp://ann:{CANARY}@127.0.0.1:{server.port}")
        queue(app)
        assert mail.deliver(app) == 0
        assert not any(line.startswith(("AUTH", "MAIL")) for line in server.heard)
        assert "is not trusted" in standing(app).why


def test_L30_a_server_without_starttls_gets_no_password(app: App) -> None:
    with SmtpServer(account=("ann", CANARY)) as server:
        point(app, f"smtp://ann:{CANARY}@127.0.0.1:{server.port}")
        queue(app)
        assert mail.deliver(app) == 0
        assert not any(line.startswith(("AUTH", "MAIL")) for line in server.heard)
        assert "offers no STARTTLS" in standing(app).why


def test_L30_a_refused_sign_in_is_named_without_the_password_anywhere(
    app: App, certificate: Path, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with everything_logged() as logged, SmtpServer(certificate, account=("ann", "x")) as server:
        point(app, f"smtp://ann:{CANARY}@127.0.0.1:{server.port}")
        queue(app, subject="Choose", text="https://x.example/auth/reset#link-canary")
        mail.deliver(app)
        said = standing(app).why
        assert said == (f"127.0.0.1:{server.port} refused the sign-in (535 5.7.8): check user and "
                        "password in LIFTOS_SMTP_URL.")
        clock.advance(days=2)
        mail.deliver(app)
    assert [e.reason for e in given_up(app)] == [said]
    assert "mail.not_sent" in logged.getvalue()
    stored = repr([e.model_dump() for e in given_up(app)])
    for secret in (CANARY, "link-canary", "ann@example.com"):
        assert secret not in logged.getvalue()
        assert secret not in stored


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


@pytest.mark.parametrize("to", [
    "ann@example.com\r\nRCPT TO:<eve@example.com>", "ann@example.com\nBcc: eve@example.com",
    "ann@example.com\x00", "ann@example.com\x85x", "ann@example.com\u2028x", "ann", "",
])
def test_L30_no_address_carries_a_second_line(mailing: App, to: str) -> None:
    with pytest.raises(Invalid), open_context(mailing, Principal(), None, write=True) as ctx:
        mailer.send(ctx, to=to, subject="a", text="b", about="notice")


@pytest.mark.parametrize("subject", [
    "Join X\r\nBcc: eve@example.com", "Join X\n\nhttps://evil.example", "Join\x00\x85\u2028X",
    "Join \ud800", "=?utf-8?q?Bcc=3A?=\r eve", "J" * 5000,
])
def test_L30_no_subject_becomes_a_second_header(
    mailing: App, server: SmtpServer, subject: str
) -> None:
    queue(mailing, subject=subject, text="Body\r\n.\r\nMAIL FROM:<eve@example.com>\n..x\udcff")
    assert mail.deliver(mailing) == 1
    (got,) = server.received
    assert got.mail["Bcc"] is None
    assert sorted(got.mail.keys()) == sorted([
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    ])
    assert got.text.splitlines() == ["Body", ".", "MAIL FROM:<eve@example.com>", "..x?"]


@pytest.mark.parametrize(("to", "envelope"), [
    ("a,b@example.com", '"a,b"@example.com'), ("a;b:(c)@example.com", '"a;b:(c)"@example.com'),
    ("ann@bücher.example", "ann@xn--bcher-kva.example"), ("a\\b@example.com", None),
])
def test_odd_addresses_reach_one_person_or_nobody(
    mailing: App, server: SmtpServer, to: str, envelope: str | None
) -> None:
    queue(mailing, to=to)
    mail.deliver(mailing)
    if envelope is not None:
        assert [m.to for m in server.received] == [[envelope]]
        assert len(server.received[0].mail["To"].addresses) == 1
    else:
        assert all(len(m.to) == 1 for m in server.received)


def test_an_address_the_server_cannot_take_is_given_up(mailing: App, server: SmtpServer) -> None:
    queue(mailing, to="ännchen@example.com")
    queue(mailing, to="ben@example.com")
    assert mail.deliver(mailing) == 1
    assert "beyond ASCII" in given_up(mailing)[0].reason


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


def test_a_server_that_says_nothing_is_left_in_time(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point(app, f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        queue(app)
        assert mail.deliver(app) == 0
        assert "did not answer" in standing(app).why


def test_a_message_names_no_machine_when_there_is_no_public_name(make_settings: Any) -> None:
    assert wire._own_name(make_settings()) == "[127.0.0.1]"
    public = make_settings(LIFTOS_PUBLIC_URL="https://liftos.example.com")
    assert wire._own_name(public) == "liftos.example.com"
    assert Smtp("::1", 25, "none").place == "[::1]:25"
