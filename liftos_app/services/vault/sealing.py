"""Pure cryptography of the vault: key derivation, associated data, the `lv1` value format."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from liftos_app.errors import LiftOSError

FORMAT: Final = "lv1"  # AES-256-GCM with the associated data of `value_place`
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class VaultFault(LiftOSError):
    """A sealed value does not open: it was changed, moved, or sealed by another key."""

    status, code = 500, "vault_fault"


def broken(reason: str, **facts: object) -> VaultFault:
    """The one error for everything that does not open; `reason` is for logs."""
    return VaultFault(
        "A stored credential could not be opened.",
        why="What is stored does not fit its place or its key: it was changed, moved, or restored "
        "from another installation.",
        fix="Authorise this connection again. If several connections show this, check "
        "API_VAULT_MASTER_KEY.",
        reason=reason,
        **facts,
    )


def derive(master: bytes, label: str) -> bytes:
    """32 bytes for one purpose, by HKDF-SHA256; a master key is never used directly."""
    info = f"liftos/v1/{label}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def enc(*parts: object) -> bytes:
    """Each part as UTF-8 behind its length in 4 bytes: no two lists of parts look alike."""
    out = bytearray()
    for part in parts:
        raw = str(part).encode()
        out += len(raw).to_bytes(4, "big") + raw
    return bytes(out)


def wrap_place(kid: str, dek_id: UUID, org_id: int, scope_type: str, scope_id: str) -> bytes:
    """Associated data of a wrapped data key."""
    return enc("liftos-dek-v1", kid, dek_id, org_id, scope_type, scope_id)


def value_place(
    *, org_id: int, table: str, row_id: object, field: str, dek_id: UUID, row_version: int
) -> bytes:
    """Associated data of a sealed value: where it lives and which writing of it this is."""
    return enc("liftos-val-v1", org_id, table, row_id, field, dek_id, row_version)


def encrypt(cipher: AESGCM, plaintext: bytes, place: bytes) -> str:
    """base64url(nonce, ciphertext, tag), without padding, under a fresh random nonce."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, plaintext, place)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def decrypt(cipher: AESGCM, text: str, place: bytes) -> bytes:
    """The plaintext of `encrypt`. Raises VaultFault for anything that is not exactly it."""
    if not _BASE64URL.fullmatch(text):
        raise broken("not base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise broken("not base64url") from error
    # One text per value: base64 ignores the low bits of its last character, we do not.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
        raise broken("not canonical base64url")
    if len(raw) < NONCE_BYTES + TAG_BYTES:
        raise broken("too short")
    try:
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place)
    except InvalidTag as error:
        raise broken("the tag does not fit") from error


def write_value(dek_id: UUID, body: str) -> str:
    """`lv1.<data key>.<body>`."""
    return f"{FORMAT}.{dek_id}.{body}"


def read_value(sealed: str) -> tuple[UUID, str]:
    """Data key and body of a sealed value. Raises VaultFault for another format."""
    parts = sealed.split(".")
    if len(parts) != 3 or parts[0] != FORMAT:
        raise broken("unknown format")
    try:
        dek_id = UUID(parts[1])
    except ValueError as error:
        raise broken("unknown data key") from error
    if str(dek_id) != parts[1]:
        raise broken("unknown data key")
    return dek_id, parts[2]


def mac(key: bytes, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
