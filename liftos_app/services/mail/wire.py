"""Speaks SMTP: one message, one recipient; what went wrong is said in a sentence.

Sentences hold no text of the server, which may repeat an address; its numbers tell enough.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from liftos_app.config import Settings
from liftos_app.config_mail import Smtp
from liftos_app.services.context import utc_now

TIMEOUT: Final = 10.0  # seconds, for each step
_DETAIL: Final = re.compile(rb"\A\s*([245]\.\d{1,3}\.\d{1,3})\b")
# The first kind that fits.
_TROUBLES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (smtplib.SMTPAuthenticationError, "{place} refused the sign-in ({numbers}): check user and "
     "password in LIFTOS_SMTP_URL."),
    (smtplib.SMTPNotSupportedError, "{place} offers no STARTTLS or no sign-in, and LIFTOS_SMTP_URL "
     "asks for it: try smtps:// or another port."),
    (smtplib.SMTPResponseException, "{place} answered {numbers}."),
    (smtplib.SMTPServerDisconnected, f"{{place}} hung up, or did not answer for {TIMEOUT:.0f} "
     "seconds."),
    (ssl.SSLCertVerificationError, "The certificate of {place} is not trusted, or not for this "
     "name."),
    (ssl.SSLError, "No encrypted connection came about with {place}: check port and scheme."),
    (socket.gaierror, "The name in {place} is not known: check LIFTOS_SMTP_URL."),
    (TimeoutError, f"{{place}} did not answer within {TIMEOUT:.0f} seconds."),
    (ConnectionRefusedError, "Nothing takes connections at {place}."),
)


class NotSent(Exception):
    """The message did not go out. `final`: not later either. `server`: no other would, now."""

    def __init__(self, why: str, *, final: bool = False, server: bool = True) -> None:
        super().__init__(why)
        self.why, self.final, self.server = why, final, server


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is queued."""

    id: UUID
    to: str
    subject: str
    text: str


def compose(settings: Settings, message: Message, at: datetime) -> tuple[EmailMessage, str]:
    """The message as it travels, and the recipient of its envelope. Raises NotSent.

    The same row gives the same Message-ID, so that a message sent twice can be told as one.
    """
    name, sender = settings.mail_from
    try:
        to, origin = _address(message.to), _address(sender, name)
    except (ValueError, IndexError, UnicodeError):
        raise NotSent("The address cannot be written into a message.", final=True,
                      server=False) from None
    mail = EmailMessage(policy=WIRE)
    mail["From"], mail["To"], mail["Subject"] = origin, to, _line(message.subject)
    mail["Date"] = at
    mail["Message-ID"] = f"<{message.id}@{origin.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text.encode(errors="replace").decode())
    return mail, to.addr_spec


class Line:
    """A connection to the mail server, signed in."""

    def __init__(self, settings: Settings, client: smtplib.SMTP) -> None:
        self._settings, self._client = settings, client

    def send(self, message: Message, at: datetime) -> None:
        """Hand one message over. Raises NotSent."""
        mail, recipient = compose(self._settings, message, at)
        try:
            self._client.send_message(mail, self._settings.mail_from[1], [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise NotSent(f"The mail server refused the recipient ({_numbers(code, said)}).",
                          final=code >= 500, server=False) from None
        except smtplib.SMTPSenderRefused as error:
            raise NotSent(
                f"The mail server refused the sender ({_numbers(error.smtp_code, error.smtp_error)}"
                "): check LIFTOS_MAIL_FROM.") from None
        except smtplib.SMTPDataError as error:
            raise NotSent(
                "The mail server refused the message "
                f"({_numbers(error.smtp_code, error.smtp_error)}).",
                final=error.smtp_code >= 500, server=False) from None
        except smtplib.SMTPNotSupportedError:
            raise NotSent("The mail server takes no address with letters beyond ASCII.",
                          final=True, server=False) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(_trouble(error, self._settings.smtp)) from None


@contextlib.contextmanager
def connect(settings: Settings) -> Iterator[Line]:
    """An open line, encrypted and signed in as LIFTOS_SMTP_URL says. Raises NotSent."""
    server = settings.smtp
    if server is None:
        raise NotSent("No mail is set up: set LIFTOS_SMTP_URL and LIFTOS_MAIL_FROM.")
    client: smtplib.SMTP | None = None
    try:
        client = _dial(server, _own_name(settings))
        if server.security == "starttls":
            client.starttls(context=ssl.create_default_context())
        if server.user:
            client.login(server.user, server.password)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        if client is not None:
            client.close()
        raise NotSent(_trouble(error, server)) from None
    try:
        yield Line(settings, client)
    finally:
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            client.close()


def send_test(settings: Settings, to: str) -> str:
    """Send one message now. Returns where it went. Raises NotSent."""
    message = Message(
        uuid4(), to, "LiftOS: mail works",
        f"This is the message that `liftos mail test` sends from {settings.public_url}.",
    )
    with connect(settings) as line:
        line.send(message, utc_now())
    return settings.smtp.place if settings.smtp else ""


def _dial(server: Smtp, own_name: str) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=own_name, timeout=TIMEOUT,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(server.host, server.port, local_hostname=own_name, timeout=TIMEOUT)


def _own_name(settings: Settings) -> str:
    """How we greet the server: by our public name when there is one."""
    name = urlsplit(settings.public_url).hostname or ""
    return name if re.fullmatch(r"[a-z0-9.-]*[a-z][a-z0-9.-]*", name) and "." in name else (
        "[127.0.0.1]")


def _address(text: str, name: str = "") -> Address:
    """One address, whatever stands in it; its domain in ASCII. Raises ValueError."""
    user, _, domain = text.rpartition("@")
    if not user or not domain or not text.isprintable():
        raise ValueError("not an address")
    return Address(name, user, domain.encode("idna").decode())


def _line(text: str) -> str:
    """One line without control characters, cut to what a subject may be."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:200]


def _numbers(code: int, said: bytes | str) -> str:
    found = _DETAIL.match(said if isinstance(said, bytes) else said.encode())
    return f"{code} {found.group(1).decode()}" if found else str(code)


def _trouble(error: Exception, server: Smtp | None) -> str:
    place = server.place if server else "The mail server"
    words = next(
        (words for kind, words in _TROUBLES if isinstance(error, kind)),
        "The connection to {place} broke ({kind}).",
    )
    numbers = _numbers(error.smtp_code, error.smtp_error) if isinstance(
        error, smtplib.SMTPResponseException) else ""
    return words.format(place=place, numbers=numbers, kind=type(error).__name__)
