"""New keys while syncs run: master keys (rewrapping), data keys (re-encrypting); checks of all.

Every step is one short transaction that leaves the vault whole; a killed rotation goes on where it
was when it is asked again, and asking twice does nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlmodel import Session, col, func, select

from liftos_app.models import AuditEntry, Credential, DataKey, OAuthRequest, SecondFactor
from liftos_app.services import audit
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.vault import sealing
from liftos_app.services.vault.sealing import VaultFault

OPERATOR: Final = Principal(kind="operator", name="keys")
BEGUN: Final = "vault.data_keys_rotation_begun"
ENDED: Final = "vault.data_keys_rotated"
GRACE: Final = timedelta(hours=1)  # a writer that chose the old key before must have committed
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Value:
    """A sealed value wherever it stands: how to read, write and place it."""

    table: str
    row_id: str
    field: str
    sealed: str
    row: Any
    column: str
    row_version: int

    def place(self, org_id: int, dek_id: UUID) -> bytes:
        """Its associated data under a data key."""
        return sealing.value_place(
            org_id=org_id, table=self.table, row_id=self.row_id, field=self.field, dek_id=dek_id,
            row_version=self.row_version,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A value or data key that does not open, named without its content."""

    what: str
    reason: str


@dataclass(slots=True)
class Checked:
    """What `check` opened and what it could not."""

    keys: int = 0
    values: int = 0
    failures: list[Failure] = field(default_factory=list)


def rewrap(app: App, *, batch: int = _BATCH, told: Callable[[int], object] = lambda _n: None
           ) -> dict[str, int]:
    """Wrap all data keys by the active master key. Returns what is left per older key: all gone
    means the older keys may leave API_VAULT_MASTER_KEY.
    """
    while True:
        with open_context(app, OPERATOR, None, write=True) as ctx:
            rows = ctx.session.exec(
                select(DataKey)
                .where(col(DataKey.wrapped).is_not(None), DataKey.kid != app.vault.active_kid)
                .order_by(col(DataKey.id)).limit(batch).with_for_update(skip_locked=True)
            ).all()
            for row in rows:
                app.vault.rewrap(row)
            if rows:
                audit.record(ctx, "vault.rewrapped", keys=len(rows), by=app.vault.active_kid)
        told(len(rows))
        if len(rows) < batch:
            return left(app)


def left(app: App) -> dict[str, int]:
    """How many data keys each older master key still wraps."""
    with app.db.read() as session:
        return dict(session.exec(
            select(DataKey.kid, func.count())
            .where(col(DataKey.wrapped).is_not(None), DataKey.kid != app.vault.active_kid)
            .group_by(DataKey.kid)
        ).all())


def renew_data_keys(
    app: App, *, before: datetime | None = None, told: Callable[[int], object] = lambda _n: None
) -> int:
    """New data keys for every scope whose key is older than `before` (aware; default: now), and its
    values encrypted anew, scope by scope. An unfinished rotation is finished first.
    """
    limit = _begin(app, before)
    done = 0
    for org_id, scope_type, scope_id in _due(app, limit):
        with open_context(app, OPERATOR, org_id, write=True) as ctx:
            done += _renew_scope(ctx, scope_type, scope_id, limit)
        told(done)
    with open_context(app, OPERATOR, None, write=True) as ctx:
        audit.record(ctx, ENDED, scopes=done, before=limit)
    retire(app)
    return done


def retire(app: App) -> int:
    """Destroy replaced data keys that seal nothing any more, an hour after they were replaced."""
    gone = 0
    with app.db.read() as session:
        old = [(k.id, k.org_id) for k in session.exec(
            select(DataKey).where(DataKey.state == "decrypt_only")
        )]
    for dek_id, org_id in old:
        with open_context(app, OPERATOR, org_id, write=True) as ctx:
            row = ctx.session.get(DataKey, dek_id, with_for_update=True)
            if row is None or row.state != "decrypt_only":
                continue
            if not _is_replaced(ctx, row):
                continue
            moved = _reseal(ctx, row)
            if moved:  # a late writer: its value has moved now, the key goes the next time
                continue
            row.wrapped, row.state, row.destroyed_at = None, "destroyed", ctx.now()
            app.vault.forget(row.id)
            audit.record(ctx, "vault.data_key_destroyed", row)
            gone += 1
    return gone


def check(app: App, *, told: Callable[[int], object] = lambda _n: None) -> Checked:
    """Open every data key and every value, one by one, and name what does not. Shows nothing."""
    found = Checked()
    with app.db.read() as session:
        for key in session.exec(
            select(DataKey).where(col(DataKey.wrapped).is_not(None)).order_by(col(DataKey.id))
        ):
            found.keys += 1
            try:
                app.vault.open_data_key(key)
            except VaultFault as fault:
                found.failures.append(Failure(
                    f"data key {key.id} of {key.scope_type} {key.scope_id}", _why(fault)
                ))
        for org_id, value in _all_values(session):
            found.values += 1
            try:
                _open(app, session, org_id, value)
            except VaultFault as fault:
                found.failures.append(Failure(
                    f"{value.table} {value.row_id}, field {value.field}", _why(fault)
                ))
            if found.values % 500 == 0:
                told(found.values)
    return found


def check_and_note(app: App) -> Checked:
    """`check`, with its outcome in the audit log."""
    found = check(app)
    with open_context(app, OPERATOR, None, write=True) as ctx:
        audit.record(
            ctx, "vault.verified", result="failed" if found.failures else "ok", keys=found.keys,
            values=found.values, failures=[f.what for f in found.failures][:20],
        )
    return found


def _begin(app: App, before: datetime | None) -> datetime:
    """The moment that separates old from new: of the unfinished rotation, else of this one."""
    with open_context(app, OPERATOR, None, write=True) as ctx:
        last = ctx.session.exec(
            select(AuditEntry).where(col(AuditEntry.action).in_([BEGUN, ENDED]))
            .order_by(col(AuditEntry.seq).desc()).limit(1)
        ).first()
        if last is not None and last.action == BEGUN:
            return datetime.fromisoformat(str(last.data["before"]))
        limit = before or ctx.now()
        audit.record(ctx, BEGUN, before=limit)
        return limit


def _due(app: App, limit: datetime) -> list[tuple[int, str, str]]:
    with app.db.read() as session:
        return list(session.exec(
            select(DataKey.org_id, DataKey.scope_type, DataKey.scope_id)
            .where(DataKey.state == "active", DataKey.created_at < limit)
            .order_by(col(DataKey.id))
        ).all())


def _renew_scope(ctx: Context, scope_type: str, scope_id: str, limit: datetime) -> int:
    """Another generation for one scope; its values move in the same transaction."""
    old = ctx.session.exec(
        select(DataKey).where(
            DataKey.org_id == ctx.org, DataKey.scope_type == scope_type,
            DataKey.scope_id == scope_id, DataKey.state == "active", DataKey.created_at < limit,
        ).with_for_update()
    ).first()
    if old is None:  # somebody else did it, or the connection was disconnected
        return 0
    old.state = "decrypt_only"
    fresh = DataKey(
        id=uuid4(), org_id=ctx.org, scope_type=scope_type, scope_id=scope_id,
        generation=old.generation + 1, kid=ctx.app.vault.active_kid, created_at=ctx.now(),
    )
    ctx.app.vault.wrap_new(fresh)
    ctx.session.add(fresh)
    ctx.session.flush()
    moved = _reseal(ctx, old)
    audit.record(ctx, "vault.data_key_renewed", fresh, scope=scope_type, values=moved)
    return 1


def _reseal(ctx: Context, old: DataKey) -> int:
    """Move what a data key sealed to the active key of its scope."""
    vault, session, moved = ctx.app.vault, ctx.session, 0
    for value in _values_of(session, old):
        if sealing.read_value(value.sealed)[0] != old.id:
            continue
        plain = sealing.decrypt(
            vault.cipher(session, old.id, ctx.org), sealing.read_value(value.sealed)[1],
            value.place(ctx.org, old.id),
        )
        dek_id, cipher = vault.active_data_key(
            session, ctx.org, old.scope_type, old.scope_id, now=ctx.now()
        )
        body = sealing.encrypt(cipher, plain, value.place(ctx.org, dek_id))
        setattr(value.row, value.column, sealing.write_value(dek_id, body))
        moved += 1
    session.flush()
    return moved


def _is_replaced(ctx: Context, old: DataKey) -> bool:
    newer = ctx.session.exec(
        select(DataKey).where(
            DataKey.org_id == ctx.org, DataKey.scope_type == old.scope_type,
            DataKey.scope_id == old.scope_id, DataKey.generation == old.generation + 1,
        )
    ).first()
    return newer is not None and newer.created_at <= ctx.now() - GRACE


def _values_of(session: Session, key: DataKey) -> Iterator[Value]:
    """The values of a data key's scope, locked against other writers."""
    if key.scope_type == "connection":
        for row in session.exec(
            select(Credential).where(
                Credential.org_id == key.org_id, Credential.connection_id == UUID(key.scope_id)
            ).with_for_update()
        ).all():
            yield _of_credential(row)
        return
    factors = select(SecondFactor).where(SecondFactor.org_id == key.org_id).with_for_update()
    requests = select(OAuthRequest).where(OAuthRequest.org_id == key.org_id).with_for_update()
    yield from map(_of_factor, session.exec(factors).all())
    yield from map(_of_request, session.exec(requests).all())


def _all_values(session: Session) -> Iterator[tuple[int, Value]]:
    for row in session.exec(select(Credential).order_by(col(Credential.id))):
        yield row.org_id, _of_credential(row)
    for factor in session.exec(select(SecondFactor)):
        yield factor.org_id, _of_factor(factor)
    for request in session.exec(select(OAuthRequest)):
        yield request.org_id, _of_request(request)


def _of_credential(row: Credential) -> Value:
    return Value(str(Credential.__tablename__), str(row.id), row.field, row.sealed, row, "sealed",
                 row.row_version)


def _of_factor(row: SecondFactor) -> Value:
    return Value("second_factor", str(row.user_id), "sealed", row.sealed, row, "sealed", 1)


def _of_request(row: OAuthRequest) -> Value:
    return Value("oauth_request", row.state_hash, "verifier", row.verifier_sealed, row,
                 "verifier_sealed", 1)


def _open(app: App, session: Session, org_id: int, value: Value) -> None:
    dek_id, body = sealing.read_value(value.sealed)
    sealing.decrypt(app.vault.cipher(session, dek_id, org_id), body, value.place(org_id, dek_id))


def _why(fault: VaultFault) -> str:
    return str(fault.facts.get("reason", "it does not open"))
