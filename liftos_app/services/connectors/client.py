"""Talks to one platform with one credential: pacing, retries, one renewal, limits, redaction.

Synchronous, for worker threads; one Client per account and thread. All failures are `errors.*`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import orjson
import tenacity

from liftos_app.errors import GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import faults, net, wire
from liftos_app.services.connectors.pacing import Pacer
from liftos_app.services.connectors.redaction import redact
from liftos_app.services.connectors.wire import Request

if TYPE_CHECKING:
    from liftos_app.services.connectors.addresses import Addresses
    from liftos_app.services.connectors.spec import Platform

log = logging.getLogger(__name__)
TRIES = 6
PATIENCE = 60.0  # seconds we wait ourselves; a longer wait is handed to the engine as Quota
_SAME = 304  # nothing changed since the moment we named: an answer without a body
SLICE = 0.5  # seconds between two looks at `cancelled`
Params = Mapping[str, Any] | Sequence[tuple[str, str]]


class Stopped(Exception):
    """The caller's `cancelled` became true while we waited. Nothing is wrong."""


@dataclass(slots=True)
class Credential:
    """What signs requests. `values` holds inputs and tokens by vault field name, plain or Secret.

    `renew` gets a fresh access token, persists it and puts it into `values` (single flight is its
    own business). It raises SignInAgain when the grant is dead, Retry when the platform is. None
    means that nothing can be renewed.
    """

    method: str  # id of the sign-in method
    values: dict[str, Any] = field(repr=False)
    renew: Callable[[], None] | None = None

    def text(self, name: str) -> str:
        """A value in clear, "" when there is none."""
        return reveal(self.values.get(name))

    def secrets(self) -> list[str]:
        """All values in clear, for redaction."""
        return [t for t in map(reveal, self.values.values()) if t]


def reveal(value: Any) -> str:
    """The text of a plain value or of a Secret, which has `.reveal()`."""
    if value is None:
        return ""
    opened = getattr(value, "reveal", None)
    return str(opened()) if opened is not None else str(value)


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer. Header names are in lower case; `size` is the unpacked body in bytes."""

    status: int
    headers: Mapping[str, str]
    data: Any
    size: int


class Client:
    """Requests to one platform; a context manager. `requests` and `bytes_read` only grow."""

    def __init__(
        self,
        platform: Platform,
        addresses: Addresses,
        credential: Credential,
        *,
        pacer: Pacer | None = None,
        cancelled: Callable[[], bool] | None = None,
        on_wait: Callable[[float], None] | None = None,
        tries: int = TRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int = wire.MAX_BYTES,
    ) -> None:
        self.platform, self.addresses, self.credential = platform, addresses, credential
        self.requests = 0
        self.bytes_read = 0
        self.waited = 0.0  # seconds spent waiting for limits and between tries
        self.kept: dict[str, Any] = {}  # what a platform's functions learned on the way
        self.pacer = pacer or Pacer(platform.requests_per_minute, clock)
        self._cancelled = cancelled or (lambda: False)
        self._on_wait, self._tries = on_wait, tries
        self._sleep, self._clock, self._max_bytes = sleep, clock, max_bytes
        self._transport = transport
        self._http = net.open_http(
            guarded=addresses.guarded, transport=transport, allow=addresses.allow
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections and forget the credential."""
        self._http.close()
        self.credential.values.clear()

    # --- requests -----------------------------------------------------------------------------

    def get(
        self,
        path: str,
        *,
        host: str = "api",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        lane: str = "",
        raw: bool = False,
    ) -> Answer:
        """GET a path of one of the platform's hosts. Raises errors.* and Stopped.

        `raw`: a good answer is no JSON (a CSV or ZIP file); its data are the bytes as they came.
        """
        url = self.addresses.url(host, path)
        asked = Request("GET", url, _pairs(params), dict(headers or {}))
        return self._answer(asked, lane, raw=raw)

    def delete(self, path: str, *, host: str = "api", lane: str = "") -> Answer:
        """DELETE what we made on the platform ourselves, such as a finished export."""
        return self._answer(Request("DELETE", self.addresses.url(host, path), [], {}), lane)

    def post(
        self,
        path: str,
        *,
        host: str = "api",
        params: Params | None = None,
        json: Any = None,
        form: Params | None = None,
        headers: Mapping[str, str] | None = None,
        lane: str = "",
        raw: bool = False,
    ) -> Answer:
        """POST JSON or a form. Everything we post only reads, so it may be sent again."""
        more = dict(headers or {})
        body: bytes | None = None
        if form is not None:
            body = urlencode(_pairs(form)).encode()
            more.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif json is not None:
            body = orjson.dumps(json)
            more.setdefault("Content-Type", "application/json")
        url = self.addresses.url(host, path)
        return self._answer(Request("POST", url, _pairs(params), more, body), lane, raw=raw)

    def follow(
        self, url: str, *, headers: Mapping[str, str] | None = None, lane: str = "",
        raw: bool = False,
    ) -> Answer:
        """GET a link the platform sent, unchanged. GiveUp when it leads to another host."""
        target = self.addresses.follow(url)
        return self._answer(Request("GET", target, [], dict(headers or {})), lane, raw=raw)

    def lines(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int = 4 * 1024**3
    ) -> Iterator[bytes]:
        """The lines of a file the platform prepared at a signed address; no credential is sent.

        `headers` are those the platform names for this address.
        """
        target, own = self.addresses.download(url)
        self.requests += 1
        http = net.open_http(guarded=not own, transport=self._transport)
        try:
            for line in wire.stream_lines(
                http,
                Request("GET", target, [], dict(headers or {})),
                name=self.platform.name,
                max_bytes=max_bytes,
                clock=self._clock,
            ):
                self.bytes_read += len(line) + 1
                yield line
        finally:
            http.close()

    def download(self, url: str, *, max_bytes: int = wire.MAX_BYTES) -> bytes:
        """A packed or plain file the platform prepared, unpacked; no credential is sent.

        For files that fit into memory; `lines` is for the others. Raises errors.* and Stopped.
        """
        target, own = self.addresses.download(url)
        http = net.open_http(guarded=not own, transport=self._transport)

        def fetch() -> bytes:
            self.requests += 1
            request = Request("GET", target, [], {})
            name = self.platform.name
            raw = wire.fetch(http, request, name=name, max_bytes=max_bytes, clock=self._clock)
            if raw.status != 200:
                raise faults.no_file(name, raw.status)
            body = wire.unpacked(raw.body, name=name, max_bytes=max_bytes)
            self.bytes_read += len(body)
            return body

        try:
            found: bytes = self._retrying()(fetch)
            return found
        finally:
            http.close()

    def leave(self, path: str, *, host: str = "api") -> None:
        """One POST on the way out, also when we are asked to stop: ends what we began there.

        Sent once; what it answers changes nothing.
        """
        request = Request("POST", self.addresses.url(host, path), [], {}, b"{}")
        request.headers["Content-Type"] = "application/json"
        self.platform.authorize(request, self.credential)
        self.requests += 1
        try:
            wire.fetch(self._http, request, name=self.platform.name, total=10.0)
        except (PlatformFault, httpx.HTTPError) as error:
            log.info("platform.leave_failed", extra={"error": type(error).__name__})

    def pause(self, seconds: float) -> None:
        """Wait, looking every half second whether to stop. Raises Stopped."""
        if self._on_wait is not None and seconds >= 1:
            self._on_wait(seconds)
        left = seconds
        while left > 0:
            if self._cancelled():
                raise Stopped
            self._sleep(min(SLICE, left))
            self.waited += min(SLICE, left)
            left -= SLICE
        if self._cancelled():
            raise Stopped

    # --- the way of one request -----------------------------------------------------------------

    def _answer(self, request: Request, lane: str, *, raw: bool = False) -> Answer:
        """Send until there is a good answer or an error that waiting does not mend."""
        try:
            return self._retrying()(self._signed, request, lane, raw)
        except PlatformFault as error:
            raise self._clean(error) from None

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._tries),
            retry=tenacity.retry_if_exception(_passes),
            wait=_wait,
            sleep=self.pause,
            reraise=True,
        )

    def _signed(self, request: Request, lane: str, raw: bool) -> Answer:
        """One try; a refused sign-in is renewed once."""
        try:
            return self._once(request, lane, raw=raw)
        except SignInAgain as error:
            if self.credential.renew is None or error.facts.get("renew") is False:
                raise
        log.info("platform.renewing", extra={"platform": self.platform.slug})
        self.credential.renew()
        settle = self._settle()
        try:
            return self._once(request, lane, raw=raw)
        except SignInAgain:
            if not settle:
                raise
        self.pause(settle)
        return self._once(request, lane, raw=raw)

    def _settle(self) -> float:
        """Seconds for which this platform may refuse a token it has just given."""
        oauth = self.platform.method(self.credential.method).oauth
        return oauth.settle if oauth is not None else 0.0

    def _once(self, request: Request, lane: str, *, raw: bool) -> Answer:
        self._pace(lane)
        signed = Request(
            request.method, request.url, list(request.params), dict(request.headers), request.body
        )
        self.platform.authorize(signed, self.credential)
        self.requests += 1
        came = wire.fetch(
            self._http,
            signed,
            name=self.platform.name,
            max_bytes=self._max_bytes,
            clock=self._clock,
        )
        self.bytes_read += len(came.body)
        is_file = raw and came.status < 300 and not came.looks_like_page
        data, wrong = (came.body, None) if is_file else judge(self.platform, came)
        if self.platform.pace is not None:
            wait = self.platform.pace(came.status, came.headers, data)
            if wait > 0:
                self.pacer.hold(wait, lane)
        if wrong is not None:
            wrong.facts.setdefault("platform", self.platform.slug)
            wrong.facts.setdefault("request_id", faults.request_id(came.headers))
            wrong.facts.setdefault("status", came.status)
            raise wrong
        return Answer(came.status, came.headers, data, len(came.body))

    def _pace(self, lane: str) -> None:
        if self._cancelled():
            raise Stopped
        wait = self.pacer.take(lane)
        if wait > PATIENCE:
            self.pacer.give_back()
            raise Quota(
                f"{self.platform.name} asks us to slow down.",
                why="Its limit of requests is nearly used up.",
                fix="Nothing to do: reading goes on when the limit resets.",
                after=wait,
                platform=self.platform.slug,
                again=False,
            )
        if wait > 0:
            self.pause(wait)

    def _clean(self, error: PlatformFault) -> PlatformFault:
        """The error without secrets in its sentences and facts."""
        known = self.credential.secrets()
        error.what, error.why, error.fix = (
            redact(t, known) for t in (error.what, error.why, error.fix)
        )
        error.args = (error.what,)
        error.facts = {
            k: redact(v, known) if isinstance(v, str) else v for k, v in error.facts.items()
        }
        return error


def judge(platform: Platform, raw: wire.Raw) -> tuple[Any, PlatformFault | None]:
    """The parsed body of an answer and the error it means, None when it is a good one."""
    data: Any = None
    readable = True
    if raw.body and not raw.looks_like_page:
        try:
            data = raw.json()
        except (ValueError, RecursionError):
            readable = False
    firewall = raw.looks_like_page and (raw.status == 403 or raw.status >= 500)
    wrong = None if firewall else platform.fault(raw.status, raw.headers, data)
    if wrong is not None:
        return data, wrong
    if 300 <= raw.status < 400 and raw.status != _SAME:
        return data, faults.redirected(platform.name, raw.status)
    if raw.looks_like_page and (firewall or raw.status < 400):
        return data, faults.web_page(platform.name, raw.status)
    if raw.status >= 400:
        return data, faults.by_status(platform.name, raw.status, raw.headers, _words(data))
    if not readable or (not raw.body and raw.status not in (204, _SAME)):
        return data, faults.unreadable(platform.name, raw.status)
    return data, None


def _words(data: Any) -> str:
    """The platform's own words in an error body of unknown form."""
    if isinstance(data, dict):
        for key in ("error_description", "message", "detail", "errors", "error"):
            value = data.get(key)
            if isinstance(value, str):
                return value
            if isinstance(value, dict | list):
                return _words(value)
    if isinstance(data, list) and data:
        return _words(data[0]) if not isinstance(data[0], str) else data[0]
    return ""


def _passes(error: BaseException) -> bool:
    """Whether the same request may be sent again after a wait that we sit out ourselves."""
    if not isinstance(error, Retry) or error.facts.get("again") is False:
        return False
    return error.after is None or error.after <= PATIENCE


_full_jitter = tenacity.wait_random_exponential(multiplier=1, max=300)


def _wait(state: tenacity.RetryCallState) -> float:
    """The wait the platform named plus a little, else full jitter from 1 s, doubling."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Retry) and error.after is not None:
        return float(error.after) + min(1.0, _full_jitter(state) / 4)
    return _full_jitter(state)


def _pairs(params: Params | None) -> list[tuple[str, str]]:
    if params is None:
        return []
    items = params.items() if isinstance(params, Mapping) else params
    return [(str(n), str(v)) for n, v in items if v is not None]


__all__ = ["Answer", "Client", "Credential", "GiveUp", "Request", "Stopped", "judge", "reveal"]
