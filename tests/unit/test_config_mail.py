"""The two settings for mail: what they mean, and one sentence for each wrong value."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftos_app import config
from liftos_app.config import ConfigError, Settings
from liftos_app.config_mail import Smtp

FROM = "LiftOS <liftos@example.com>"
GIVEN = "smtp://ann:canary-secret@mail.example.com"


def load(home: Path, url: str, sender: str = FROM) -> Settings:
    return config.load({
        "LIFTOS_HOME": str(home), "LIFTOS_SMTP_URL": url, "LIFTOS_MAIL_FROM": sender,
    })


def test_without_the_two_no_mail_is_sent(tmp_path: Path) -> None:
    assert load(tmp_path, "", " ").smtp is None


@pytest.mark.parametrize(("url", "server"), [
    ("smtp://ann:p%40ss@x.example", Smtp("x.example", 587, "starttls", "ann", "p@ss")),
    ("smtp://mail.example.com:25", Smtp("mail.example.com", 25, "starttls")),
    ("smtps://a%40b.example:x@Mail.example.com/", Smtp("mail.example.com", 465, "tls",
                                                      "a@b.example", "x")),
    ("smtp://127.0.0.1:1025", Smtp("127.0.0.1", 1025, "none")),
    ("smtp://localhost", Smtp("localhost", 587, "none")),
    ("smtp://[::1]:25", Smtp("::1", 25, "none")),
    ("smtp://ann:x@127.0.0.1", Smtp("127.0.0.1", 587, "starttls", "ann", "x")),
    ("smtp://192.0.2.7", Smtp("192.0.2.7", 587, "starttls")),
    ("smtp://bücher.example", Smtp("xn--bcher-kva.example", 587, "starttls")),
])
def test_only_loopback_without_sign_in_goes_without_encryption(
    tmp_path: Path, url: str, server: Smtp
) -> None:
    assert load(tmp_path, url).smtp == server


@pytest.mark.parametrize(("sender", "parts"), [
    ("liftos@example.com", ("", "liftos@example.com")),
    ("LiftOS <liftos@example.com>", ("LiftOS", "liftos@example.com")),
    ("Larkspur Home, Marketing <a.b+c@example.com>", ("Larkspur Home, Marketing",
                                                      "a.b+c@example.com")),
])
def test_the_sender_is_an_address_or_a_name_and_one(
    tmp_path: Path, sender: str, parts: tuple[str, str]
) -> None:
    assert load(tmp_path, "smtp://localhost", sender).mail_from == parts


@pytest.mark.parametrize("url", [
    "mail.example.com:587", "http://mail.example.com", "smtp://", "smtp://:587", "smtp:///x",
    "smtp://mail.example.com:0", "smtp://mail.example.com:99999", "smtp://mail.example.com:x",
    "smtp://ann@mail.example.com", "smtp://:canary-secret@mail.example.com",
    "smtp://ann:canary-secret@mail.example.com/inbox", "smtp://ann:canary-secret?x@mail.example.com",
    "smtp://ann:canary-secret#@mail.example.com", "smtp://ann:canary-secret/@mail.example.com",
    "smtp://ann:canary%0d%0asecret@mail.example.com", "smtp://ann:canary-s%C3%A9cret@x.example",
    "smtp://mail example.com", "smtp://[::1", "smtp://-x.example",
    "smtp://" + "a" * 70 + ".example",
])
def test_a_wrong_server_is_one_sentence_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, url)
    said = str(caught.value)
    assert said.startswith("LIFTOS_SMTP_URL ")
    assert said.endswith(".")
    assert "canary" not in said
    assert "\n" not in said
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("sender", [
    "liftos", "@example.com", "a@b@c", "Name <liftos@example.com", "<>", "a b@example.com",
    "Name <a@example.com>, b@example.com", "Na\nme <a@example.com>", "a@example.com\nBcc: x@y.z",
    "N\"x <a@example.com>", "ä@example.com",
])
def test_a_wrong_sender_is_named(tmp_path: Path, sender: str) -> None:
    with pytest.raises(ConfigError, match="^LIFTOS_MAIL_FROM "):
        load(tmp_path, "smtp://localhost", sender)


@pytest.mark.parametrize(("url", "sender", "missing"), [
    ("", FROM, "LIFTOS_SMTP_URL is missing"), (GIVEN, "", "LIFTOS_MAIL_FROM is missing"),
])
def test_one_without_the_other_is_named(
    tmp_path: Path, url: str, sender: str, missing: str
) -> None:
    with pytest.raises(ConfigError, match=missing):
        load(tmp_path, url, sender)


def test_the_password_does_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    settings = load(tmp_path, GIVEN)
    assert settings.smtp is not None
    assert settings.smtp.password == "canary-secret"
    assert "canary-secret" not in repr(settings) + str(settings)
