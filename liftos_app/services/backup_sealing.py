"""Backups under a key of their own: AES-256-GCM in chunks of 1 MiB, so memory stays flat.

A file is a header (`MAGIC`, 8 bytes that name the key, 32 of salt) and chunks of ciphertext with
their tags. Each file has a key of its own (HKDF-SHA256 over the salt). The nonce counts the chunks
and tells the last one, and each chunk is bound to the header: chunks that are changed, moved, left
out or cut off at the end do not open (the STREAM construction: Hoang, Reyhanitabar, Rogaway and
Vizar, CRYPTO 2015).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from liftos_app.config import MasterKey

MAGIC: Final = b"LiftOS backup 1\n"
CHUNK: Final = 1024 * 1024
_NAME: Final = 8
_SALT: Final = 32
_HEADER: Final = len(MAGIC) + _NAME + _SALT
_TAG: Final = 16


class NotOpened(Exception):
    """Why a backup does not open, for people."""


def is_sealed(path: Path) -> bool:
    """Whether a file is a sealed backup, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def seal(source: Path, target: Path, key: MasterKey) -> None:
    """Write `source` sealed to `target`, which exists already with the right mode."""
    header = MAGIC + _name(key) + os.urandom(_SALT)
    cipher = _cipher(key, header)
    with source.open("rb") as plain, target.open("wb") as out:
        out.write(header)
        for number, chunk, last in _chunks(plain, CHUNK):
            out.write(cipher.encrypt(_nonce(number, last=last), chunk, header))
        out.flush()
        os.fsync(out.fileno())


def unseal(source: Path, target: Path, keys: Sequence[MasterKey]) -> None:
    """Write the content of a sealed file to `target`, which exists already with the right mode.

    Raises NotOpened; what stands in `target` then is not to be used.
    """
    with source.open("rb") as sealed, target.open("wb") as out:
        header = sealed.read(_HEADER)
        if len(header) < _HEADER or not header.startswith(MAGIC):
            raise NotOpened("It is not a sealed backup, or its beginning is missing.")
        cipher = _cipher(_chosen(keys, header), header)
        for number, chunk, last in _chunks(sealed, CHUNK + _TAG):
            try:
                out.write(cipher.decrypt(_nonce(number, last=last), chunk, header))
            except InvalidTag as error:
                raise NotOpened(
                    f"Its part {number + 1} was changed, or the file was cut off there."
                ) from error


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Number, content and whether it is the last; an empty file has one, empty chunk."""
    number, chunk = 0, file.read(size)
    while True:
        following = file.read(size)
        yield number, chunk, not following
        if not following:
            return
        number, chunk = number + 1, following


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _name(key: MasterKey) -> bytes:
    """Tells which key sealed a file, and nothing about the key."""
    return hmac.digest(key.key, b"liftos/v1/backup-name", hashlib.sha256)[:_NAME]


def _cipher(key: MasterKey, header: bytes) -> AESGCM:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=header[-_SALT:], info=b"liftos/v1/backup")
    return AESGCM(kdf.derive(key.key))


def _chosen(keys: Sequence[MasterKey], header: bytes) -> MasterKey:
    named = header[len(MAGIC) : len(MAGIC) + _NAME]
    for key in keys:
        if hmac.compare_digest(_name(key), named):
            return key
    if keys:
        raise NotOpened("It is sealed under another key than those in LIFTOS_BACKUP_KEY.")
    raise NotOpened("It is sealed, and LIFTOS_BACKUP_KEY is not set.")
