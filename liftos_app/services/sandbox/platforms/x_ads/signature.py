"""Checks OAuth 1.0a signatures as RFC 5849 says: base string from the address as it was called,
a time window of five minutes, each nonce once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.oauth import client_of
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, unauthorized

WINDOW = 300  # seconds a timestamp may be off
_NEEDED = ("oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_timestamp")
_USUAL = {("http", 80), ("https", 443)}


@dataclass(slots=True)
class Nonces:
    """What was used within the window."""

    used: dict[tuple[str, str, str], int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: tuple[str, str, str], stamp: int) -> bool:
        """Whether it is fresh; it is used up by asking."""
        with self.lock:
            if key in self.used:
                return False
            if len(self.used) > 5_000:
                oldest = stamp - 2 * WINDOW
                self.used = {k: v for k, v in self.used.items() if v > oldest}
            self.used[key] = stamp
            return True


def header_of(call: Call) -> dict[str, str]:
    """The protocol parameters of the Authorization header."""
    found = {}
    for part in call.bearer("OAuth").split(","):
        name, equals, value = part.strip().partition("=")
        if equals and len(value) >= 2 and value[0] == value[-1] == '"':
            found[unquote(name)] = unquote(value[1:-1])
    return found


def check(
    call: Call,
    secret_of: Callable[[str], str],
    *,
    problem: Callable[[], Refusal] = unauthorized,
) -> dict[str, str]:
    """The protocol parameters of a call signed well. Raises `problem()`.

    `secret_of` gives a token's secret ("" for an unknown one) and may raise itself. The time is
    the machine's own: a client signs with its clock, which knows nothing of the sandbox's.
    """
    given = header_of(call)
    if any(not given.get(name) for name in _NEEDED):
        raise problem()
    if given.get("oauth_signature_method") != "HMAC-SHA1":
        raise problem()
    if given.get("oauth_version", "1.0") != "1.0":
        raise problem()
    stamp = given["oauth_timestamp"]
    if not stamp.isdecimal() or len(stamp) > 12 or abs(int(stamp) - time.time()) > WINDOW:
        raise problem()
    known_id, known_secret = client_of(call.demo)
    if given["oauth_consumer_key"] != known_id:
        raise problem()
    token = given.get("oauth_token", "")
    secret = secret_of(token) if token else ""
    wanted = expected(call, given, known_secret, secret)
    if not hmac.compare_digest(wanted.encode(), given["oauth_signature"].encode()):
        raise problem()
    nonces: Nonces = call.memory.setdefault("nonces", Nonces())
    if not nonces.take((known_id + token, stamp, given["oauth_nonce"]), int(stamp)):
        raise problem()
    return given


def expected(call: Call, given: dict[str, str], app_secret: str, token_secret: str) -> str:
    """The signature this call should carry."""
    pairs = [*call.query_pairs, *call.form_pairs]
    pairs += [(n, v) for n, v in given.items() if n not in {"oauth_signature", "realm"}]
    listed = "&".join(f"{n}={v}" for n, v in sorted((_enc(n), _enc(v)) for n, v in pairs))
    text = f"{call.method.upper()}&{_enc(_address(call.url))}&{_enc(listed)}"
    key = f"{_enc(app_secret)}&{_enc(token_secret)}"
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and (parts.scheme, parts.port) not in _USUAL:
        host = f"{host}:{parts.port}"
    return f"{parts.scheme.lower()}://{host}{parts.path}"


def _enc(text: str) -> str:
    return quote(text, safe="~-._")
