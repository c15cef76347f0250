"""Codes and tokens of the sandbox: stateless and signed, so that they outlive a restart.

A token carries platform, kind, client, subject, scopes, issue time, lifetime, rotation and the
generation of its platform. Revoking raises the generation; what is dead is decided by two numbers
per platform, which a state file keeps.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from liftos_app.services.sandbox.token_text import decode, encode

Reason = Literal["unknown", "expired", "revoked", "used", "wrong_kind"]


class TokenProblem(Exception):
    """A token cannot be used. `grant` is what it was, where that could be read."""

    def __init__(self, reason: Reason, grant: Grant | None = None) -> None:
        super().__init__(reason)
        self.reason, self.grant = reason, grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a code or token stands for."""

    platform: str
    kind: str  # "code", "access", "refresh", "long", "static"... the platform's choice
    client_id: str
    scopes: tuple[str, ...]
    issued: datetime
    expires: datetime | None
    subject: str = ""  # user, shop, account
    rotation: int = 0
    generation: int = 0
    family: str = ""  # the same from the first code through all refreshes
    extra: Mapping[str, str] = field(default_factory=dict)  # redirect_uri, challenge, ...

    def has(self, scope: str) -> bool:
        """Whether the scope was granted."""
        return scope in self.scopes

    def seconds_left(self, now: datetime) -> int:
        """Until it expires; 0 when over, 10 years when it never does."""
        if self.expires is None:
            return 315_360_000
        return max(0, int((self.expires - now).total_seconds()))


class Tokens:
    """Issues and reads tokens. `statics` are pasted tokens: platform -> text -> scopes."""

    def __init__(
        self,
        key: str,
        *,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._key = hashlib.sha256(b"liftos/sandbox/tokens\x00" + key.encode()).digest()
        self._lock = threading.Lock()
        self._statics: dict[str, dict[str, Grant]] = {}
        self._used: dict[str, int] = {}  # hash of a code -> unix time after which it is forgotten
        self._generation: dict[str, int] = {}
        self._expired: dict[str, int] = {}  # tokens below this generation count as expired
        self._dead_statics: dict[str, str] = {}  # hash -> reason
        self._changed = changed or (lambda: None)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call this after each change that a state file should keep."""
        self._changed = changed

    def register(
        self,
        platform: str,
        text: str,
        *,
        kind: str = "static",
        client_id: str = "",
        scopes: Sequence[str] = (),
        subject: str = "",
    ) -> None:
        """Accept a fixed token or key, which never expires by itself; repeatable."""
        grant = Grant(
            platform=platform,
            kind=kind,
            client_id=client_id,
            scopes=tuple(scopes),
            issued=datetime(2026, 1, 1, tzinfo=UTC),
            expires=None,
            subject=subject,
        )
        self._statics.setdefault(platform, {})[text] = grant

    def issue(
        self,
        platform: str,
        kind: str,
        *,
        client_id: str,
        scopes: Iterable[str],
        now: datetime,
        lifetime: timedelta | None,
        prefix: str = "",
        subject: str = "",
        rotation: int = 0,
        family: str = "",
        extra: Mapping[str, str] | None = None,
        alphabet: str = "b64",
    ) -> str:
        """A new token text. `alphabet`: "b64" (with - and _) or "b62" (letters and digits)."""
        generation = self._generation.get(platform, 0)
        issued = int(now.timestamp())
        family = family or secrets.token_hex(6)  # two consents of one second differ
        payload = orjson.dumps(
            [
                kind,
                client_id,
                subject,
                " ".join(scopes),
                issued,
                int(lifetime.total_seconds()) if lifetime is not None else -1,
                rotation,
                generation,
                family,
                dict(extra or {}),
            ]
        )
        return prefix + encode(self._mac(platform, payload) + payload, alphabet)

    def reissue(
        self,
        grant: Grant,
        kind: str,
        *,
        now: datetime,
        lifetime: timedelta | None,
        prefix: str = "",
        scopes: Iterable[str] | None = None,
        rotate: bool = False,
        alphabet: str = "b64",
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """A token of the same family: access from refresh, long from short, next refresh."""
        return self.issue(
            grant.platform,
            kind,
            client_id=grant.client_id,
            now=now,
            lifetime=lifetime,
            scopes=grant.scopes if scopes is None else scopes,
            prefix=prefix,
            subject=grant.subject,
            rotation=grant.rotation + int(rotate),
            family=grant.family,
            extra=extra,
            alphabet=alphabet,
        )

    def issue_hex(
        self,
        platform: str,
        kind: str,
        *,
        scopes_mask: int,
        now: datetime,
        lifetime: timedelta | None,
        prefix: str,
        rotation: int = 0,
    ) -> str:
        """A token of prefix + 32 hex digits (Shopify). It names no client and no subject.

        `scopes_mask` is up to 16 bits; reading gives it back in `extra["mask"]`.
        """
        minutes = int(lifetime.total_seconds() // 60) if lifetime is not None else 0
        body = (
            int(now.timestamp()).to_bytes(4, "big")
            + min(minutes, 0xFFFFFF).to_bytes(3, "big")
            + (scopes_mask & 0xFFFF).to_bytes(2, "big")
            + bytes([rotation % 256])
            + bytes([self._generation.get(platform, 0) % 256])
        )
        return prefix + (body + self._mac(f"{platform}/{kind}", body)[:5]).hex()

    def read(
        self,
        text: str,
        *,
        platform: str,
        now: datetime,
        kinds: Sequence[str] = (),
        prefixes: Sequence[str] = ("",),
        hex_kinds: Mapping[str, str] | None = None,
    ) -> Grant:
        """What a presented text stands for. Raises TokenProblem.

        `prefixes` are those the platform puts before its tokens. `hex_kinds` maps a prefix of
        32-digit tokens to the kind they were issued as.
        """
        grant = self._static(platform, text) or self._hex(platform, text, hex_kinds or {})
        if grant is None:
            grant = self._signed(platform, text, prefixes)
        if grant is None:
            raise TokenProblem("unknown")
        if kinds and grant.kind not in kinds:
            raise TokenProblem("wrong_kind", grant)
        if grant.generation < self._generation.get(platform, 0):
            late = grant.generation < self._expired.get(platform, 0)
            if late and grant.kind not in {"refresh"}:
                raise TokenProblem("expired", grant)
            if grant.generation < self._revoked_below(platform):
                raise TokenProblem("revoked", grant)
        if grant.expires is not None and grant.expires <= now:
            raise TokenProblem("expired", grant)
        return grant

    def use_once(self, text: str, grant: Grant) -> None:
        """Mark a code as used. Raises TokenProblem when it was used before."""
        mark = _hash(text)
        with self._lock:
            if mark in self._used:
                raise TokenProblem("used", grant)
            limit = int(grant.issued.timestamp())
            self._used = {k: v for k, v in self._used.items() if v > limit - 7_200}
            self._used[mark] = limit
        self._changed()

    def expire_all(self, platform: str) -> None:
        """Every access token issued so far is too old now; refresh tokens still work.

        Pasted tokens and keys expire as well and stay so until `restore`.
        """
        with self._lock:
            self._generation[platform] = self._generation.get(platform, 0) + 1
            self._expired[platform] = self._generation[platform]
            for text in self._statics.get(platform, {}):
                if not self._is_spare(platform, text):
                    self._dead_statics[_hash(text)] = "expired"
        self._changed()

    def revoke_all(self, platform: str) -> None:
        """Everything issued so far is dead, refresh tokens and pasted keys too."""
        with self._lock:
            self._generation[platform] = self._generation.get(platform, 0) + 1
            self._expired[platform + "/revoked"] = self._generation[platform]
            for text in self._statics.get(platform, {}):
                if not self._is_spare(platform, text):
                    self._dead_statics[_hash(text)] = "revoked"
        self._changed()

    def restore(self, platform: str) -> None:
        """Take expiry and revocation back for everything that was issued."""
        with self._lock:
            self._expired.pop(platform, None)
            self._expired.pop(platform + "/revoked", None)
            for text in self._statics.get(platform, {}):
                self._dead_statics.pop(_hash(text), None)
        self._changed()

    def dump(self) -> dict[str, Any]:
        """What a state file keeps; holds hashes, no token."""
        with self._lock:
            return {
                "used": dict(self._used),
                "generation": dict(self._generation),
                "expired": dict(self._expired),
                "dead": dict(self._dead_statics),
            }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take up what `dump` gave."""
        with self._lock:
            self._used = dict(saved.get("used", {}))
            self._generation = dict(saved.get("generation", {}))
            self._expired = dict(saved.get("expired", {}))
            self._dead_statics = dict(saved.get("dead", {}))

    def _revoked_below(self, platform: str) -> int:
        return self._expired.get(platform + "/revoked", 0)

    @staticmethod
    def _is_spare(platform: str, text: str) -> bool:
        from liftos_app.services.sandbox.credentials import SPARE

        return text in SPARE.get(platform, {}).values()

    def _static(self, platform: str, text: str) -> Grant | None:
        grant = self._statics.get(platform, {}).get(text)
        if grant is None:
            return None
        reason = self._dead_statics.get(_hash(text))
        if reason:
            raise TokenProblem("expired" if reason == "expired" else "revoked", grant)
        return Grant(
            platform=platform,
            kind=grant.kind,
            client_id=grant.client_id,
            scopes=grant.scopes,
            issued=grant.issued,
            expires=None,
            subject=grant.subject,
            generation=self._generation.get(platform, 0),
        )

    def _hex(self, platform: str, text: str, kinds: Mapping[str, str]) -> Grant | None:
        prefix = next((p for p in kinds if text.startswith(p)), None)
        if prefix is None or len(text) != len(prefix) + 32:
            return None
        try:
            raw = bytes.fromhex(text[len(prefix) :])
        except ValueError:
            return None
        kind, body, mac = kinds[prefix], raw[:11], raw[11:]
        if not hmac.compare_digest(self._mac(f"{platform}/{kind}", body)[:5], mac):
            return None
        issued = datetime.fromtimestamp(int.from_bytes(body[:4], "big"), UTC)
        minutes = int.from_bytes(body[4:7], "big")
        return Grant(
            platform=platform,
            kind=kind,
            client_id="",
            scopes=(),
            issued=issued,
            expires=issued + timedelta(minutes=minutes) if minutes else None,
            rotation=body[9],
            generation=body[10],
            extra={"mask": str(int.from_bytes(body[7:9], "big"))},
        )

    def _signed(self, platform: str, text: str, prefixes: Sequence[str]) -> Grant | None:
        for prefix in prefixes:
            raw = decode(text[len(prefix) :]) if text.startswith(prefix) else None
            if raw is None or len(raw) < 20:
                continue
            mac, payload = raw[:12], raw[12:]
            if hmac.compare_digest(self._mac(platform, payload), mac):
                return _grant(platform, payload)
        return None

    def _mac(self, domain: str, payload: bytes) -> bytes:
        return hmac.new(self._key, domain.encode() + b"\x00" + payload, "sha256").digest()[:12]


def _grant(platform: str, payload: bytes) -> Grant:
    (kind, client, subject, scopes, issued, seconds, rotation, generation, family, extra) = (
        orjson.loads(payload)
    )
    start = datetime.fromtimestamp(issued, UTC)
    return Grant(
        platform=platform,
        kind=kind,
        client_id=client,
        subject=subject,
        scopes=tuple(scopes.split()),
        issued=start,
        rotation=rotation,
        generation=generation,
        expires=start + timedelta(seconds=seconds) if seconds >= 0 else None,
        family=family,
        extra=extra,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
