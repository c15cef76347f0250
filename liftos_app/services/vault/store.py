"""Credentials of connections, and other values of an organization, in and out of the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, col, select

from liftos_app.errors import Missing
from liftos_app.models import Connection, Credential, DataKey
from liftos_app.services import audit
from liftos_app.services.context import Context, open_context
from liftos_app.services.secret import Secret
from liftos_app.services.vault import sealing
from liftos_app.services.vault.sealing import VaultFault

log = logging.getLogger(__name__)
_TABLE: Final = Credential.__tablename__


def put(
    ctx: Context,
    connection: Connection,
    field: str,
    value: str | Secret,
    *,
    expires_at: datetime | None = None,
    scopes: Sequence[str] = (),
) -> None:
    """Seal one value of a connection, replacing the one before. `expires_at` is aware UTC."""
    ctx.require("connections.write")
    _mine(ctx, connection)
    plain = value if isinstance(value, Secret) else Secret(value)
    dek_id, cipher = ctx.app.vault.active_data_key(
        ctx.session, ctx.org, "connection", str(connection.id), now=ctx.now()
    )
    row = ctx.session.exec(
        select(Credential)
        .where(
            Credential.org_id == ctx.org,
            Credential.connection_id == connection.id,
            Credential.field == field,
        )
        .with_for_update()
    ).first()
    if row is None:
        row = Credential(
            org_id=ctx.org,
            connection_id=connection.id,
            field=field,
            sealed="",
            row_version=0,
            updated_at=ctx.now(),
        )
        ctx.session.add(row)
    row.row_version += 1
    body = sealing.encrypt(cipher, plain.reveal().encode(), _place(row, dek_id))
    row.sealed = sealing.write_value(dek_id, body)
    row.hint, row.expires_at, row.scopes = plain.hint, expires_at, list(scopes)
    row.updated_at = ctx.now()
    ctx.session.flush()
    audit.record(ctx, "credential.stored", row, field=field, connection_id=str(connection.id))


def get(ctx: Context, connection: Connection, field: str, *, purpose: str = "") -> Secret | None:
    """One value of a connection, or None when it was never stored. Raises VaultFault."""
    rows = _rows(ctx, connection, field)
    return _open(ctx, rows[0], purpose) if rows else None


def get_all(ctx: Context, connection: Connection, *, purpose: str = "") -> dict[str, Secret]:
    """Every value of a connection by field. Raises VaultFault when one of them does not open."""
    return {row.field: _open(ctx, row, purpose) for row in _rows(ctx, connection)}


def shred(ctx: Context, connection: Connection) -> None:
    """Destroy the data keys and the sealed values of a connection together."""
    ctx.require("connections.delete")
    _mine(ctx, connection)
    keys = ctx.session.exec(
        select(DataKey).where(
            DataKey.org_id == ctx.org,
            DataKey.scope_type == "connection",
            DataKey.scope_id == str(connection.id),
            DataKey.state != "destroyed",
        )
    ).all()
    for key in keys:
        key.wrapped, key.state, key.destroyed_at = None, "destroyed", ctx.now()
        ctx.app.vault.forget(key.id)
    ctx.session.exec(
        delete(Credential).where(
            col(Credential.org_id) == ctx.org, col(Credential.connection_id) == connection.id
        )
    )
    ctx.session.flush()
    audit.record(ctx, "credential.shredded", connection, keys=len(keys))


def seal(ctx: Context, text: str | Secret, *, table: str, row_id: object, field: str) -> str:
    """Seal a value of the organization that is not a connection's: a verifier, a signing key.

    The caller stores the result in that table, row and field, and nowhere else.
    """
    plain = text if isinstance(text, Secret) else Secret(text)
    dek_id, cipher = ctx.app.vault.active_data_key(
        ctx.session, ctx.org, "organization", str(ctx.org), now=ctx.now()
    )
    place = sealing.value_place(
        org_id=ctx.org, table=table, row_id=row_id, field=field, dek_id=dek_id, row_version=1
    )
    return sealing.write_value(dek_id, sealing.encrypt(cipher, plain.reveal().encode(), place))


def unseal(ctx: Context, sealed: str, *, table: str, row_id: object, field: str) -> Secret:
    """Open what `seal` made, in its own place only. Raises VaultFault."""
    try:
        dek_id, body = sealing.read_value(sealed)
        cipher = ctx.app.vault.cipher(ctx.session, dek_id, ctx.org)
        place = sealing.value_place(
            org_id=ctx.org, table=table, row_id=row_id, field=field, dek_id=dek_id, row_version=1
        )
        return Secret(sealing.decrypt(cipher, body, place).decode())
    except VaultFault as fault:
        _record_fault(ctx, fault, table=table, field=field)
        raise


def open_value(row: Credential, cipher_of: Callable[[UUID], AESGCM]) -> Secret:
    """Open one credential row with the cipher of its data key. Raises VaultFault."""
    dek_id, body = sealing.read_value(row.sealed)
    return Secret(sealing.decrypt(cipher_of(dek_id), body, _place(row, dek_id)).decode())


def _place(row: Credential, dek_id: UUID) -> bytes:
    return sealing.value_place(
        org_id=row.org_id,
        table=_TABLE,
        row_id=row.id,
        field=row.field,
        dek_id=dek_id,
        row_version=row.row_version,
    )


def _rows(ctx: Context, connection: Connection, field: str = "") -> Sequence[Credential]:
    ctx.require("syncs.run")
    _mine(ctx, connection)
    statement = select(Credential).where(
        Credential.org_id == ctx.org, Credential.connection_id == connection.id
    )
    if field:
        statement = statement.where(Credential.field == field)
    return ctx.session.exec(statement).all()


def _open(ctx: Context, row: Credential, purpose: str) -> Secret:
    vault, session = ctx.app.vault, ctx.session
    try:
        secret = open_value(row, lambda dek_id: vault.cipher(session, dek_id, row.org_id))
    except VaultFault as fault:
        _record_fault(ctx, fault, table=_TABLE, field=row.field, row_id=str(row.id))
        raise
    vault.reads[row.connection_id, purpose] += 1
    return secret


def _mine(ctx: Context, connection: Connection) -> None:
    if connection.org_id != ctx.org:
        raise Missing(
            "This connection does not exist.",
            why="It was deleted, or the address is wrong.",
            fix="Choose one from the list of connections.",
        )


def _record_fault(ctx: Context, fault: VaultFault, **where: str) -> None:
    """Audit a value that did not open, once the transaction that noticed it has ended.

    That transaction rolls back (or only reads), and SQLite has one writer: so the entry waits for
    its end and gets a transaction of its own.
    """
    log.error("vault.open_failed", extra={**fault.facts, **where})
    app, who, org_id = ctx.app, ctx.who, ctx.org_id

    waiting = [True]  # a listener cannot take itself away while it is being called

    def write(_session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None or not waiting:
            return
        waiting.clear()
        try:
            with open_context(app, who, org_id, write=True) as own:
                audit.record(
                    own,
                    "vault.open_failed",
                    result="failed",
                    reason=str(fault.facts.get("reason", "")),
                    **where,
                )
        except SQLAlchemyError:
            log.exception("vault.audit_failed")

    event.listen(ctx.session, "after_transaction_end", write)
