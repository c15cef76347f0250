"""One request out, one answer in: read with a deadline, a size limit and a limit on unpacking.

Knows nothing of platforms. Whatever breaks on the way becomes Retry or Fix.
"""

from __future__ import annotations

import json
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from liftos_app.errors import Fix, GiveUp, LiftOSError, Retry
from liftos_app.services.connectors import faults
from liftos_app.services.connectors.net import Http
from liftos_app.services.connectors.redaction import place

MAX_BYTES = 64 * 1024 * 1024
TOTAL_SECONDS = 120.0
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(slots=True)
class Request:
    """What is about to be sent; a platform's `authorize` may add headers and parameters."""

    method: str
    url: str
    params: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None = None

    def set_param(self, name: str, value: str) -> None:
        """Set a query parameter, replacing one of that name."""
        self.params = [(n, v) for n, v in self.params if n != name]
        self.params.append((name, value))


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came: header names in lower case, the body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def looks_like_page(self) -> bool:
        """Whether it is a web page (a login or a firewall) where data was expected."""
        kind = self.headers.get("content-type", "")
        return "html" in kind or self.body.lstrip()[:1] == b"<"

    def json(self) -> Any:
        """The parsed body. Raises ValueError when it is no JSON.

        A text with half a character, or a NaN, fails orjson as a whole; the slower parser lets it
        through, so that only the row which holds it is refused.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return json.loads(self.body)


def send(http: Http, request: Request) -> httpx.Response:
    """Send it; parameters already in the address are kept."""
    url = httpx.URL(request.url)
    if request.params:
        url = url.copy_with(params=[*url.params.multi_items(), *request.params])
    return http.send(request.method, url, request.headers, request.body)


def fetch(
    http: Http,
    request: Request,
    *,
    name: str,
    max_bytes: int = MAX_BYTES,
    total: float = TOTAL_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Raw:
    """Send one request and read all of its answer. Raises Retry, Fix or GiveUp.

    `total` is in seconds, from sending to the last byte; `max_bytes` counts unpacked bytes.
    """
    deadline = clock() + total
    try:
        response = send(http, request)
        try:
            parts = list(_parts(response, max_bytes, deadline, clock, name))
        finally:
            response.close()
    except LiftOSError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise broken(error, name, place(request.url)) from error
    headers = {k.lower(): v for k, v in response.headers.items()}
    return Raw(response.status_code, headers, b"".join(parts))


def stream_lines(
    http: Http,
    request: Request,
    *,
    name: str,
    max_bytes: int,
    clock: Callable[[], float] = time.monotonic,
    total: float = 3600.0,
) -> Iterator[bytes]:
    """The lines of a large file, one by one, never whole in memory. Raises as `fetch` does."""
    deadline = clock() + total
    try:
        response = send(http, request)
        try:
            if response.status_code != 200:
                raise faults.no_file(name, response.status_code)
            rest = b""
            for part in _parts(response, max_bytes, deadline, clock, name):
                *lines, rest = (rest + part).split(b"\n")
                yield from lines
            if rest:
                yield rest
        finally:
            response.close()
    except LiftOSError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise broken(error, name, place(request.url)) from error


def unpacked(body: bytes, *, name: str, max_bytes: int) -> bytes:
    """A file's content: unpacked when it is gzip, else as it is. Raises Retry or GiveUp."""
    if body[:2] != b"\x1f\x8b":
        return body
    unpack = _Unpacker()
    parts, count = [], 0
    for part in unpack.feed(body, name):
        count += len(part)
        if count > max_bytes:
            raise _too_large(name, max_bytes)
        parts.append(part)
    if unpack.open:
        raise _cut_off(name)
    return b"".join(parts)


def _too_large(name: str, max_bytes: int) -> GiveUp:
    return GiveUp(
        f"{name} sent more than fits.",
        why=f"One answer was larger than {max_bytes // 1024 // 1024} MB.",
        fix="Read fewer days at a time, or report it.",
        cause="source_data",
        owner="the_platform",
    )


def _cut_off(name: str) -> Retry:
    return Retry(
        f"{name} broke off its answer.",
        why="The packed answer has no end.",
        fix="Nothing to do: it is asked for again.",
    )


def _parts(
    response: httpx.Response,
    max_bytes: int,
    deadline: float,
    clock: Callable[[], float],
    name: str,
) -> Iterator[bytes]:
    """The body piece by piece, unpacked, never more than allowed and never later."""
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in {"", "identity"}:
        unpack = None
    elif packing in _PACKED:
        unpack = _Unpacker()
    else:
        raise GiveUp(
            f"{name} sent an answer that cannot be unpacked.",
            why=f"It is packed as {packing[:20]!r}, which was not asked for.",
            fix="Report it to the people who run this installation.",
            cause="source_data",
        )
    count = 0
    stream = response.stream
    if not isinstance(stream, httpx.SyncByteStream):  # never with our transports
        raise TypeError(type(stream).__name__)
    for chunk in stream:
        if clock() > deadline:
            raise Retry(
                f"{name} answers too slowly.",
                why="The answer did not end in time.",
                fix="Nothing to do: it is asked for again.",
            )
        for part in (chunk,) if unpack is None else unpack.feed(chunk, name):
            count += len(part)
            if count > max_bytes:
                raise _too_large(name, max_bytes)
            yield part
    if unpack is not None and unpack.open:
        raise _cut_off(name)


class _Unpacker:
    """gzip or deflate in pieces of at most 1 MB: a small answer cannot become a huge one."""

    _PIECE = 1024 * 1024

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(47)  # gzip or zlib, told apart by its first bytes
        self._first = True
        self.open = False

    def feed(self, chunk: bytes, name: str) -> Iterator[bytes]:
        """Unpacked pieces of one more chunk."""
        rest = chunk
        while rest:
            if self._engine.eof:  # several packed parts in a row are allowed
                self._engine = zlib.decompressobj(47)
            try:
                part = self._engine.decompress(rest, self._PIECE)
            except zlib.error as error:
                if self._first:  # some servers send deflate without its frame
                    self._engine, self._first = zlib.decompressobj(-zlib.MAX_WBITS), False
                    continue
                raise Retry(
                    f"{name} sent a damaged answer.",
                    why="It cannot be unpacked.",
                    fix="Nothing to do: it is asked for again.",
                ) from error
            self._first = False
            rest = self._engine.unconsumed_tail or self._engine.unused_data
            self.open = not self._engine.eof
            if part:
                yield part


def broken(error: Exception, name: str, where: str) -> LiftOSError:
    """What a failed connection means: a wrong certificate is for a person, the rest passes."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, LiftOSError):
            return chain
        if isinstance(chain, ssl.SSLCertVerificationError):
            return Fix(
                f"{name} could not prove who it is.",
                why="The certificate of the address is not valid for it.",
                fix="Check the address and this machine's clock and network.",
                action="settings",
                where=where,
            )
        chain = chain.__cause__ or chain.__context__
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Fix(
            f"The address of {name} cannot be called.",
            why="It is not a web address.",
            fix="Check the address that was entered.",
            action="settings",
            where=where,
        )
    if isinstance(error, httpx.TimeoutException):
        what, why = f"{name} does not answer in time.", "The connection timed out."
    elif isinstance(error, httpx.ConnectError):
        what, why = f"{name} cannot be reached.", "No connection could be made to its address."
    else:
        what, why = f"{name} broke off its answer.", "The connection was cut."
    return Retry(
        what,
        why=why,
        fix="Nothing to do: it is tried again. If it lasts, check this machine's network.",
        where=where,
        network=type(error).__name__,
    )
