"""A small mail server for tests: takes messages, or refuses them as told. RFC 5321, 3207, 4954."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email
import email.policy
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Received:
    """One message as it came, and how its session stood."""

    sender: str
    to: list[str]
    raw: bytes
    encrypted: bool
    user: str

    @property
    def mail(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self) -> str:
        return str(self.mail.get_content())


@dataclass
class SmtpServer:
    """Listens on loopback while its `with` lasts. The fields may be changed meanwhile."""

    certificate: Path | None = None  # offers STARTTLS, or speaks TLS from the start
    implicit: bool = False
    account: tuple[str, str] | None = None  # asks for this sign-in
    mechanisms: str = "PLAIN LOGIN"
    refuse: dict[str, str] = field(default_factory=dict)  # verb -> answer; "RCPT a@b" for one
    vanish_after_data: int = 0  # so many times: takes the message, says nothing, hangs up
    received: list[Received] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # command lines
    port: int = 0

    def __enter__(self) -> SmtpServer:
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), client:
            if self.implicit:
                client = self._context().wrap_socket(client, server_side=True)
            Session(self, client).run()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        context.load_cert_chain(self.certificate)
        return context


class Session:
    """One connection, line by line."""

    def __init__(self, server: SmtpServer, client: socket.socket) -> None:
        self.server, self.client = server, client
        self.file = client.makefile("rb")
        self.encrypted, self.user, self.sender, self.to = server.implicit, "", "", list[str]()

    def say(self, text: str) -> None:
        self.client.sendall(text.encode() + b"\r\n")

    def ask(self, text: str) -> str:
        self.say(text)
        return self.file.readline().decode().strip()

    def run(self) -> None:
        try:
            self.say("220 mail.example.com ready")
            while line := self.file.readline():
                said = line.decode().strip()
                self.server.heard.append(said)
                if not self.answer(said.upper().partition(" ")[0], said.partition(" ")[2]):
                    return
        finally:
            self.file.close()
            self.client.close()

    def answer(self, verb: str, rest: str) -> bool:
        server = self.server
        address = rest.partition("<")[2].partition(">")[0]
        if no := server.refuse.get(f"{verb} {address}") or server.refuse.get(verb):
            self.say(no)
        elif verb == "EHLO":
            self.say("250-mail.example.com")
            if server.certificate and not self.encrypted:
                self.say("250-STARTTLS")
            if server.account and (self.encrypted or not server.certificate):
                self.say(f"250-AUTH {server.mechanisms}")
            self.say("250 8BITMIME")
        elif verb == "STARTTLS":
            self.say("220 go on")
            self.file.close()
            self.client = server._context().wrap_socket(self.client, server_side=True)
            self.file, self.encrypted = self.client.makefile("rb"), True
        elif verb == "AUTH":
            self.sign_in(rest)
        elif verb in {"MAIL", "RCPT"} and server.account and not self.user:
            self.say("530 5.7.0 sign in first")
        elif verb == "MAIL":
            self.sender, self.to = address, []
            self.say("250 ok")
        elif verb == "RCPT":
            self.to.append(address)
            self.say("250 ok")
        elif verb == "DATA":
            return self.take()
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("250 ok" if verb in {"RSET", "NOOP"} else "502 not known")
        return True

    def take(self) -> bool:
        self.say("354 go on")
        raw = b""
        while (line := self.file.readline()) != b".\r\n":
            raw += line[1:] if line.startswith(b"..") else line
        self.server.received.append(
            Received(self.sender, self.to, raw, self.encrypted, self.user)
        )
        if self.server.vanish_after_data > 0:
            self.server.vanish_after_data -= 1
            return False
        self.say("250 taken")
        return True

    def sign_in(self, rest: str) -> None:
        kind, _, first = rest.partition(" ")
        if kind == "PLAIN":
            _, user, password = base64.b64decode(first or self.ask("334 ")).decode().split("\0")
        else:
            user = base64.b64decode(first or self.ask("334 VXNlcm5hbWU6")).decode()
            password = base64.b64decode(self.ask("334 UGFzc3dvcmQ6")).decode()
        if (user, password) == self.server.account:
            self.user = user
            self.say("235 2.7.0 welcome")
        else:
            self.say(f"535 5.7.8 wrong: {user} {password}")  # servers may repeat what they got


def make_certificate(folder: Path) -> Path:
    """A self-made certificate for this machine, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([
            x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + made.public_bytes(serialization.Encoding.PEM))
    return path
