"""The one way out: HTTP without redirects, proxies or surprises, and the guard for hosts that a
person or a platform named.

The guard resolves a name once, judges every address it has, and connects to one of the judged
addresses, so that a second, different resolution never happens.
"""

from __future__ import annotations

import functools
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from liftos_app.errors import Fix

PORTS = frozenset({80, 443, 8443})
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=30.0)
RESOLVE_SECONDS = 10.0
# Outside global unicast lie the forms that carry another address (::a.b.c.d, ::ffff:0:a.b.c.d,
# NAT64) or belong to a site; inside it some more do (Teredo and its kin, 6to4) or are reserved.
_UNICAST = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(n)
    for n in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
)
_RELAYS = (ipaddress.ip_network("192.88.99.0/24"), ipaddress.ip_network("192.0.0.0/24"))
Resolver = Callable[[str, int], Sequence[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as texts, in the order of the system's resolver."""
    found = _in_time(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _in_time(ask: Callable[[], list[Any]]) -> list[Any]:
    """The system's resolver has no limit of its own: ask it aside. Raises OSError when late."""
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=work, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=RESOLVE_SECONDS)
    except queue.Empty:
        raise TimeoutError("the resolver does not answer") from None
    if isinstance(answer, Exception):
        raise OSError(str(answer)) from answer
    return answer


def is_public(text: str) -> bool:
    """Whether an address belongs to the open internet and hides no other one."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:  # a zone id, or no address at all
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address not in _UNICAST or any(address in n for n in _NOT_PUBLIC):
            return False
    if isinstance(address, ipaddress.IPv4Address) and any(address in n for n in _RELAYS):
        return False
    return address.is_global and not address.is_multicast


def check_url(
    url: str, *, allow: Iterable[str] = (), plain: bool = False, own: Iterable[str] = ()
) -> None:
    """Refuse an address whose form is already wrong. Raises Fix; resolves nothing.

    `allow` holds `host:port` pairs an operator opened, which lifts the demand for https and for
    one of the web's ports, and nothing else; `plain` lifts the former because the person who
    connects accepted it. `own` holds the host names of this installation.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
        ascii_host = host.encode("ascii").decode() if host.isascii() else ""
    except ValueError:
        raise refused("it is not a web address") from None
    default = 443 if parts.scheme == "https" else 80
    opened = f"{host}:{default if port is None else port}" in set(allow)
    if parts.scheme != "https" and not ((plain or opened) and parts.scheme == "http"):
        raise refused("it does not use https")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise refused("it holds a user name")
    if "#" in url or any(c.isspace() or ord(c) < 32 or c == "\\" for c in url):
        raise refused("it holds characters that do not belong there")
    if not ascii_host or len(ascii_host) > 253 or "%" in host or host.endswith("."):
        raise refused("its host name is not a plain one")
    if host in set(own) and not opened:
        raise refused("it is an address of LiftOS itself")
    if port is not None and port not in PORTS and not opened:
        raise refused(f"port {port} is not one of the web's ports")


def checked_addresses(host: str, port: int, resolver: Resolver) -> list[str]:
    """The addresses of a name, all of them public. Raises Fix when one is not."""
    try:
        found = list(resolver(host, port))
    except OSError as error:
        raise httpcore.ConnectError(f"no address for {host}") from error
    if not found:
        raise httpcore.ConnectError(f"no address for {host}")
    if not all(is_public(text) for text in found):
        raise refused("it leads into a private network")
    return found


def refused(reason: str) -> Fix:
    """The error for an address we do not call."""
    return Fix(
        "This address is not called.",
        why=f"For safety: {reason}.",
        fix="Check the address that was entered or that the platform sent.",
        cause="bad_configuration",
        owner="you",
        action="settings",
        guarded=True,
    )


class GuardedBackend(httpcore.SyncBackend):
    """Connects to addresses that were judged, never to a name."""

    def __init__(self, resolver: Resolver = resolve, allow: Iterable[str] = ()) -> None:
        self._resolver, self._allow = resolver, frozenset(allow)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection to the first judged address that answers."""
        if f"{host}:{port}" in self._allow:
            return super().connect_tcp(host, port, timeout, local_address, socket_options)
        last: Exception | None = None
        for address in checked_addresses(host, port, self._resolver):
            try:
                return _not_ourselves(
                    super().connect_tcp(address, port, timeout, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError(f"no address for {host}")

    def connect_unix_socket(self, *_: object, **__: object) -> httpcore.NetworkStream:
        """Never."""
        raise refused("it is a local socket")


def _not_ourselves(stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
    """The connection, unless it ends on this machine. Raises Fix before a byte is sent.

    A machine that calls one of its own addresses, also a public one, calls from that address.
    """
    here, there = (stream.get_extra_info(n) for n in ("client_addr", "server_addr"))
    if here and there and here[0] == there[0]:
        stream.close()
        raise refused("it is an address of this machine")
    return stream


class GuardedTransport(httpx.HTTPTransport):
    """httpx over the guarded backend; TLS still verifies the certificate for the name."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        super().__init__(verify=tls(), trust_env=False)
        # httpx offers no setting for the backend; a test holds this to httpx 0.28's behaviour.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls(),
            max_connections=10,
            max_keepalive_connections=5,
            keepalive_expiry=30.0,
            network_backend=backend,
        )


@functools.cache
def tls() -> ssl.SSLContext:
    """Certificate rules, loaded once: it takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Http:
    """A transport and what each request carries. No cookie jar, no redirects, no request log."""

    transport: httpx.BaseTransport
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)

    def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        """Send one request; the body of the answer is not read yet. Raises httpx errors."""
        request = httpx.Request(
            method,
            url,
            headers={**_HEADERS, **headers},
            content=body,
            extensions={"timeout": TIMEOUT.as_dict()},
        )
        if request.url.scheme not in {"http", "https"} or not request.url.host:
            raise httpx.UnsupportedProtocol("not a web address", request=request)
        return self.transport.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()


_HEADERS = {
    "User-Agent": "LiftOS",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}


def open_http(
    *,
    guarded: bool = False,
    transport: httpx.BaseTransport | None = None,
    resolver: Resolver = resolve,
    allow: Iterable[str] = (),
) -> Http:
    """The way out: no redirects, no proxies or certificates from the environment, timeouts.

    `guarded` for hosts that a person or a platform named; `transport` is for tests. httpx.Client
    is left out on purpose: it writes every address, with tokens in the query, to its log.
    """
    if transport is not None:
        return Http(transport)
    if guarded:
        return Http(GuardedTransport(GuardedBackend(resolver, allow)))
    return Http(httpx.HTTPTransport(verify=tls(), trust_env=False))
