"""Signs requests by OAuth 1.0a (RFC 5849) with HMAC-SHA1, for platforms that take no bearer token.

Query and form parameters are part of the signature, so they are written into the address exactly
as they were signed. JSON bodies are not signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from liftos_app.services.connectors.wire import Request

Pairs = Sequence[tuple[str, str]]
_FORM = "application/x-www-form-urlencoded"
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs: the app, and the person it acts for (empty while there is none yet)."""

    consumer: str
    consumer_secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    token_secret: str = field(default="", repr=False)


def sign(
    request: Request,
    keys: Keys,
    *,
    extra: Mapping[str, str] | None = None,
    nonce: str = "",
    timestamp: int = 0,
) -> None:
    """Put the Authorization header on a request and move its parameters into the address.

    `extra` are further protocol parameters (oauth_callback, oauth_verifier). `nonce` and
    `timestamp` (Unix seconds) are made here unless given.
    """
    parts = urlsplit(request.url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *request.params]
    protocol = {
        "oauth_consumer_key": keys.consumer,
        "oauth_nonce": nonce or secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(timestamp or int(time.time())),
        "oauth_version": "1.0",
        **({"oauth_token": keys.token} if keys.token else {}),
        **(extra or {}),
    }
    signed = [*query, *_form(request), *protocol.items()]
    protocol["oauth_signature"] = signature(request.method, request.url, signed, keys)
    fields = ", ".join(f'{encode(n)}="{encode(v)}"' for n, v in sorted(protocol.items()))
    request.headers["Authorization"] = f"OAuth {fields}"
    request.url = urlunsplit(parts._replace(query=join(query), fragment=""))
    request.params = []


def signature(method: str, url: str, params: Pairs, keys: Keys) -> str:
    """The HMAC-SHA1 of the signature base string, in base64."""
    key = f"{encode(keys.consumer_secret)}&{encode(keys.token_secret)}"
    text = base_string(method, url, params)
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def base_string(method: str, url: str, params: Pairs) -> str:
    """What is signed: method, address without query, and every parameter in order."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    place = host if port is None or port == _USUAL_PORTS.get(scheme) else f"{host}:{port}"
    pairs = sorted((encode(n), encode(v)) for n, v in params)
    listed = "&".join(f"{n}={v}" for n, v in pairs)
    return "&".join(
        (method.upper(), encode(f"{scheme}://{place}{parts.path or '/'}"), encode(listed))
    )


def join(params: Pairs) -> str:
    """Parameters as a query, encoded as they are signed."""
    return "&".join(f"{encode(n)}={encode(v)}" for n, v in params)


def encode(text: str) -> str:
    """Percent-encoding by RFC 3986: all but letters, digits and -._~."""
    return quote(text, safe="-._~")


def _form(request: Request) -> list[tuple[str, str]]:
    if request.body is None or not request.headers.get("Content-Type", "").startswith(_FORM):
        return []
    return parse_qsl(request.body.decode(), keep_blank_values=True)
