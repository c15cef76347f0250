"""Bytes as token text in two alphabets: base64url, or letters and digits only."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_B62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def encode(raw: bytes, alphabet: str) -> str:
    """`alphabet` is "b64" or "b62"; the first letter of the text tells which."""
    if alphabet == "b64":
        return "a" + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    number, digits = int.from_bytes(b"\x01" + raw, "big"), []
    while number:
        number, rest = divmod(number, 62)
        digits.append(_B62[rest])
    return "Z" + "".join(reversed(digits))


def decode(text: str) -> bytes | None:
    """The bytes, or None when the text is neither."""
    if len(text) > 4_000:
        return None
    try:
        if text.startswith("Z") and text.isascii() and text.isalnum():
            number = 0
            for char in text[1:]:
                number = number * 62 + _B62.index(char)
            raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return raw[1:] if raw[:1] == b"\x01" else None
        if not text.startswith("a"):
            return None
        body = text[1:]
        return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
