"""What the mail server is told, what its refusals mean, what never reaches it in clear."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from liftos_app.config_mail import Smtp
from liftos_app.errors import Invalid
from liftos_app.services import mail, mailer
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.mail import wire
from tests.smtp_server import SmtpServer
from tests.unit.mail.conftest import (
    CANARY,
    everything_logged,
    given_up,
    point,
    queue,
    rows,
    standing,
)


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
