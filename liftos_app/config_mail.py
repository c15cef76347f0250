"""Where mail is handed over: the two settings for it, read and checked.

`LIFTOS_SMTP_URL` may hold a password: what is wrong with it is said without repeating it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

PORTS: Final = {"smtp": 587, "smtps": 465}
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_SENDER: Final = re.compile(
    r"(?P<name>[^<>\"\x00-\x1f\x7f]{0,80})<(?P<inside>[^<>]*)>|(?P<bare>[^<>]*)"
)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server. `security`: starttls, tls, or none: loopback without sign-in only."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port, as people are told of it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_server(text: str) -> Smtp:
    """`smtp[s]://[user:password@]host[:port]`. Raises ValueError with half a sentence."""
    try:
        parts = urlsplit(text)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode()
    except ValueError:  # also what idna cannot write
        raise ValueError("cannot be read: it looks like smtp://user:password@host:587, special "
                         "characters written as %40") from None
    if parts.scheme not in PORTS:
        raise ValueError("must start with smtp:// or smtps://")
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise ValueError("must hold nothing behind the port; write special characters of the "
                         "password as %40")
    inside = is_loopback(host)
    if not (_HOST.fullmatch(host) or inside or _is_address(host)) or port == 0:
        raise ValueError("must name a host and may name a port")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("must hold both user and password, or neither")
    if re.search(r"[^\x20-\x7e]", user + password):  # smtplib signs in with nothing else
        raise ValueError("must hold user and password in plain ASCII")
    security = "tls" if parts.scheme == "smtps" else "none" if inside and not user else "starttls"
    return Smtp(host, port or PORTS[parts.scheme], security, user, password)


def parse_sender(text: str) -> tuple[str, str]:
    """Name and address of `Name <address>` or a bare address. Raises ValueError."""
    found = _SENDER.fullmatch(text)
    address = (found["inside"] or found["bare"] or "").strip() if found else ""
    if found is None or not _ADDRESS.fullmatch(address):
        raise ValueError("must be an address, or a name and one: LiftOS <liftos@example.com>")
    return (found["name"] or "").strip(), address


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name or address."""
    bare = host.strip("[]")
    return host == "localhost" or (_is_address(bare) and ipaddress.ip_address(bare).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
