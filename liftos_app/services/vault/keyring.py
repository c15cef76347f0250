"""The master keys of this process and the data keys they unwrap. Knows no credential."""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import threading
from collections import Counter, OrderedDict
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from liftos_app.config import ConfigError, MasterKey
from liftos_app.models import AuditKey, DataKey, KeyCheck
from liftos_app.services.vault import sealing

_CACHED_DATA_KEYS: Final = 4096
_NAME: Final = "API_VAULT_MASTER_KEY"


class Vault:
    """Master keys in memory, first one active, the others for reading what they sealed."""

    def __init__(self, master_keys: tuple[MasterKey, ...]) -> None:
        if not master_keys:
            raise ConfigError(f"{_NAME} is empty. Leave it unset to have one generated.")
        self._keks = {k.kid: sealing.derive(k.key, "kek") for k in master_keys}
        self._peppers = tuple(sealing.derive(k.key, "token-pepper") for k in master_keys)
        self._audit_keys = {k.kid: sealing.derive(k.key, "audit-mac") for k in master_keys}
        self._message_keys = {
            k.kid: AESGCM(sealing.derive(k.key, "message")) for k in master_keys
        }
        self._active = master_keys[0].kid
        # Replaced by the stored one in `boot_check`: pseudonyms must outlive a change of keys.
        self._pseudonym_root = sealing.derive(master_keys[0].key, "pseudonym")
        self._ciphers: OrderedDict[UUID, AESGCM] = OrderedDict()
        self._lock = threading.Lock()
        self.reads: Counter[tuple[UUID, str]] = Counter()  # (connection id, purpose) -> openings

    @property
    def active_kid(self) -> str:
        """Name of the key that seals from now on."""
        return self._active

    # -- values that are only compared ---------------------------------------------------------

    def token_hash(self, text: str) -> str:
        """Keyed hash (HMAC-SHA256, hex) under which a random token is stored and looked up."""
        return sealing.mac(self._peppers[0], text)

    def token_hashes(self, text: str) -> tuple[str, ...]:
        """The hash under each key, active first: what older keys stored is found as well."""
        return tuple(sealing.mac(pepper, text) for pepper in self._peppers)

    def successor(self, token: str) -> str:
        """The one token that follows `token`; only a holder of the key can say it."""
        raw = hmac.digest(self._peppers[0], b"successor\x00" + token.encode(), "sha256")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def salt(self, org_id: int) -> str:
        """Pseudonym salt of an organization, hex. The same after a change of master keys."""
        return sealing.mac(self._pseudonym_root, f"organization\x00{org_id}")

    # -- messages that wait to be sent -----------------------------------------------------------

    def seal_message(self, text: str, row_id: UUID) -> str:
        """Seal a message for its row, by the active master key: it lives for a day at most."""
        place = sealing.enc("liftos-message-v1", self._active, row_id)
        body = sealing.encrypt(self._message_keys[self._active], text.encode(), place)
        return f"lm1.{self._active}.{body}"

    def open_message(self, sealed: str, row_id: UUID) -> str:
        """Open what `seal_message` made, in its own row only. Raises VaultFault."""
        _, kid, body = (*sealed.split("."), "", "")[:3]
        if not sealed.startswith("lm1.") or kid not in self._message_keys:
            raise sealing.broken("unknown format or key")
        place = sealing.enc("liftos-message-v1", kid, row_id)
        return sealing.decrypt(self._message_keys[kid], body, place).decode()

    # -- the audit log -------------------------------------------------------------------------

    def audit_mac(self, text: str, kid: str = "") -> str:
        """MAC of a text for the audit log, by the active or a named key. KeyError: not known."""
        return sealing.mac(self._audit_keys[kid or self._active], text)

    def knows_audit_key(self, kid: str) -> bool:
        """Whether MACs of this key can be checked; also of keys that have left."""
        return kid in self._audit_keys

    # -- start-up ------------------------------------------------------------------------------

    def boot_check(self, session: Session) -> None:
        """Register new keys; refuse to go on with a wrong or missing one. Raises ConfigError.

        Everything is checked before anything is written.
        """
        known = {row.kid: row for row in session.exec(select(KeyCheck)).all()}
        for kid, row in known.items():
            if kid in self._keks and not hmac.compare_digest(row.mac, self._check_mac(kid)):
                raise ConfigError(self._wrong_key(kid, row.mac))
        self._require_keys_in_use(session)
        roots = [self._open_root(known[kid]) for kid in self._keks if kid in known]
        if roots:
            self._pseudonym_root = roots[0]
        elif known:
            raise ConfigError(
                f"{_NAME} holds none of the keys of this database "
                f"({', '.join(sorted(known))}). Put the old key behind the new one: new,old."
            )
        for kid in self._keks:
            if kid not in known:
                self._register(session, kid)
        self._keep_audit_keys(session)

    def _keep_audit_keys(self, session: Session) -> None:
        """Read the MAC keys of master keys that left; seal each known one by each master key."""
        rows = {(r.kid, r.sealed_by): r.sealed for r in session.exec(select(AuditKey)).all()}
        for (kid, by), sealed in rows.items():
            if by in self._keks and kid not in self._audit_keys:
                place = sealing.enc("liftos-audit-key-v1", kid, by)
                try:
                    raw = sealing.decrypt(AESGCM(self._keks[by]), sealed, place)
                except sealing.VaultFault:  # `audit verify` names the rows that need it
                    continue
                self._audit_keys[kid] = raw
        for kid, raw in self._audit_keys.items():
            for by, kek in self._keks.items():
                if (kid, by) not in rows:
                    place = sealing.enc("liftos-audit-key-v1", kid, by)
                    row = AuditKey(kid=kid, sealed_by=by,
                                   sealed=sealing.encrypt(AESGCM(kek), raw, place))
                    with contextlib.suppress(IntegrityError), session.begin_nested():
                        session.add(row)  # another process may have started at the same moment

    def _register(self, session: Session, kid: str) -> None:
        place = sealing.enc("liftos-root-v1", kid)
        body = sealing.encrypt(AESGCM(self._keks[kid]), self._pseudonym_root, place)
        row = KeyCheck(kid=kid, mac=self._check_mac(kid), pseudonym_root=body)
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:  # another process started at the same moment; it must agree
            session.expire_all()
            self.boot_check(session)

    def _open_root(self, row: KeyCheck) -> bytes:
        place = sealing.enc("liftos-root-v1", row.kid)
        try:
            return sealing.decrypt(AESGCM(self._keks[row.kid]), row.pseudonym_root, place)
        except sealing.VaultFault as error:
            raise ConfigError(
                f"The vault's check entry for key {row.kid!r} was changed. Restore the database "
                f"from a backup."
            ) from error

    def _check_mac(self, kid: str) -> str:
        return sealing.mac(self._keks[kid], "check")

    def _wrong_key(self, kid: str, stored: str) -> str:
        for other in self._keks:
            if hmac.compare_digest(stored, self._check_mac(other)):
                return (
                    f"{_NAME} gives the key {kid!r} of this database the name {other!r}. "
                    f"Name both keys: <new name>:<new key>,{kid}:<old key>."
                )
        return (
            f"{_NAME} is not the key that sealed the credentials in this database "
            f"(key {kid!r}). Put the right key back; nothing was changed."
        )

    def _require_keys_in_use(self, session: Session) -> None:
        statement = (
            select(DataKey.kid, func.count())
            .where(col(DataKey.wrapped).is_not(None))
            .group_by(DataKey.kid)
            .order_by(DataKey.kid)
        )
        for kid, count in session.exec(statement).all():
            if kid not in self._keks:
                raise ConfigError(
                    f"{_NAME} lacks the key {kid!r}, which sealed {count} data "
                    f"{'key' if count == 1 else 'keys'} in this database. "
                    f"Put it behind the new one: <new name>:<new key>,{kid}:<old key>."
                )

    # -- data keys -----------------------------------------------------------------------------

    def active_data_key(
        self, session: Session, org_id: int, scope_type: str, scope_id: str, *, now: datetime
    ) -> tuple[UUID, AESGCM]:
        """The data key that seals for a scope; made at its first use."""
        statement = (
            select(DataKey)
            .where(
                DataKey.org_id == org_id,
                DataKey.scope_type == scope_type,
                DataKey.scope_id == scope_id,
            )
            .order_by(col(DataKey.generation).desc())
        )
        row = session.exec(statement).first()
        if row is not None and row.state == "active":
            return row.id, self.cipher(session, row.id, org_id)
        fresh = DataKey(
            id=uuid4(),
            org_id=org_id,
            scope_type=scope_type,
            scope_id=scope_id,
            generation=row.generation + 1 if row else 1,
            kid=self._active,
            created_at=now,
        )
        raw = os.urandom(32)
        fresh.wrapped = self._wrap(fresh, raw)
        try:
            with session.begin_nested():
                session.add(fresh)
        except IntegrityError:  # somebody else made it between our look and our insert
            return self.active_data_key(session, org_id, scope_type, scope_id, now=now)
        return fresh.id, self._remember(fresh.id, AESGCM(raw))

    def cipher(self, session: Session, dek_id: UUID, org_id: int) -> AESGCM:
        """The cipher of a data key of this organization. Raises VaultFault."""
        cached = self._ciphers.get(dek_id)
        if cached is not None:
            return cached
        row = session.exec(
            select(DataKey).where(DataKey.id == dek_id, DataKey.org_id == org_id)
        ).first()
        if row is None or row.wrapped is None:
            raise sealing.broken("the data key is gone")
        return self._remember(dek_id, AESGCM(self._unwrap(row)))

    def rewrap(self, row: DataKey) -> None:
        """Wrap a data key by the active master key; the values it sealed stay as they are."""
        raw = self._unwrap(row)
        row.kid = self._active
        row.wrapped = self._wrap(row, raw)

    def wrap_new(self, row: DataKey) -> None:
        """Give a new row a random data key, wrapped by the active master key."""
        row.wrapped = self._wrap(row, os.urandom(32))

    def open_data_key(self, row: DataKey) -> None:
        """Unwrap a data key to see that it opens. Raises VaultFault."""
        self._unwrap(row)

    def forget(self, dek_id: UUID) -> None:
        """Drop a data key from memory."""
        with self._lock:
            self._ciphers.pop(dek_id, None)

    def _wrap(self, row: DataKey, raw: bytes) -> str:
        place = sealing.wrap_place(row.kid, row.id, row.org_id, row.scope_type, row.scope_id)
        return sealing.encrypt(AESGCM(self._keks[row.kid]), raw, place)

    def _unwrap(self, row: DataKey) -> bytes:
        kek = self._keks.get(row.kid)
        if kek is None:
            raise sealing.broken("the master key is not loaded", kid=row.kid)
        place = sealing.wrap_place(row.kid, row.id, row.org_id, row.scope_type, row.scope_id)
        return sealing.decrypt(AESGCM(kek), row.wrapped or "", place)

    def _remember(self, dek_id: UUID, cipher: AESGCM) -> AESGCM:
        with self._lock:
            self._ciphers[dek_id] = cipher
            while len(self._ciphers) > _CACHED_DATA_KEYS:
                self._ciphers.popitem(last=False)
        return cipher
