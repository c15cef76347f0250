"""Takes secrets out of texts that leave this package: errors, log fields, addresses.

The process-wide log filter is the second line; what is written here is already clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MASK = "[secret]"
SAID_LENGTH = 200  # characters of a platform's own words that are repeated
_SHORTEST = 6
# Names that carry secrets in queries and bodies, and tokens by their own look.
_PATTERNS = (
    re.compile(
        r"(?i)\b((?:access|refresh|id|input|exchange|fb_exchange)_?token|client_?secret|"
        r"oauth_token(?:_secret)?|oauth_verifier|oauth_signature|"
        r"appsecret_proof|api_?key|code_verifier|code|token|secret|password)"
        r"(\"\s*:\s*\"|=)[^\s&\"',;}]+"
    ),
    re.compile(r"(?i)\b(bearer|basic|klaviyo-api-key|zoho-oauthtoken)(\s+)[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(
        r"\b(EAA|ya29\.|1//|shp[a-z]{2}_|[prs]k_|whsec_|GOCSPX-|eyJ|00D\w{12}!|5Aep|1000\.\w{16,}\.)"
        r"()[A-Za-z0-9._/-]{8,}"
    ),
)


def redact(words: str, secrets: Iterable[str] = ()) -> str:
    """A text without the given values and without anything that looks like a credential."""
    for value in sorted(secrets, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            words = words.replace(value, MASK)
    for pattern in _PATTERNS:
        words = pattern.sub(rf"\1\2{MASK}", words)
    return words


def said(words: object, length: int = SAID_LENGTH) -> str:
    """A platform's own words, untrusted: one line, printable, without markup, short."""
    if not isinstance(words, str):
        return ""
    line = " ".join(re.sub(r"<[^>]{0,200}>", " ", words).split())
    line = "".join(c for c in line if c.isprintable())
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= length else line[: length - 1] + "…"


def place(url: str) -> str:
    """Host and path of an address: what a log may know of it."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"
