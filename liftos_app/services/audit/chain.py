"""Appending: entries wait until their transaction commits, then follow the head under its lock.

So the lock on the head is held for the end of a transaction only, acts that roll back leave no
entry, and an entry that cannot be written fails its act (L86).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event, func, insert, select, update
from sqlalchemy.orm import Session, SessionTransaction

from liftos_app.db import ReadOnly
from liftos_app.models import AuditEntry, AuditHead
from liftos_app.services.audit.canonical import GENESIS, clean, hash_of, plain
from liftos_app.services.context import Context
from liftos_app.tenancy import lifted, organization_of

if TYPE_CHECKING:
    from liftos_app.services.vault import Vault

_ENTRIES: Final = AuditEntry.__table__  # type: ignore[attr-defined]
_HEAD: Final = AuditHead.__table__  # type: ignore[attr-defined]
_WAITING: Final = "audit.waiting"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry that is not in the log yet, and the savepoint it was made in."""

    vault: Vault
    fields: dict[str, Any]
    savepoint: SessionTransaction | None


def record(
    ctx: Context, action: str, target: object = None, *, result: str = "ok", reason: str = "",
    **data: object,
) -> None:
    """Add one entry. `target` is a table row; `data` is JSON without secrets.

    Raises ReadOnly in a context that only reads.
    """
    session = ctx.session
    if session.info.get("reads"):
        raise ReadOnly("This session only reads; open the context with write=True.")
    if _WAITING not in session.info:
        session.info[_WAITING] = []
        event.listen(session, "before_commit", _append)
        event.listen(session, "after_soft_rollback", _forget)
    ident = getattr(target, "id", getattr(target, "key", None))  # None: not stored yet
    fields: dict[str, Any] = {
        "at": ctx.now(),
        "org_id": ctx.org_id,
        "actor_type": ctx.who.kind,
        "actor_id": plain(str(ctx.who.user_id or ctx.who.name)[:36]),
        "session_ref": str(ctx.who.session_id or ""),
        "action": action,
        "object_type": getattr(type(target), "__tablename__", "") if target is not None else "",
        "object_id": plain(str(ident)[:60]) if ident is not None else "",
        "result": result,
        "reason": plain(reason[:500]),
        "ip": plain(ctx.who.ip[:64]),
        "request_id": plain(ctx.who.request_id[:40]),
        "data": clean(data),
    }
    session.info[_WAITING].append(Waiting(ctx.app.vault, fields, session.get_nested_transaction()))


def seal(vault: Vault, seq: int, prev_hash: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The entry as it is stored behind `prev_hash`."""
    row = fields | {"seq": seq, "prev_hash": prev_hash}
    row["hash"] = hash_of(prev_hash, row)
    row["mac_kid"] = vault.active_kid
    row["mac"] = vault.audit_mac(row["hash"])
    return row


def lock_head(session: Session) -> tuple[int, str]:
    """(seq, hash) of the newest entry, locked until the transaction ends. (0, zeros) when empty."""
    wanted = select(_HEAD.c.seq, _HEAD.c.hash).where(_HEAD.c.id == 1).with_for_update()
    found = session.execute(wanted).first()
    if found is None:
        with lifted(session):  # the log is one for all organizations
            last = session.execute(
                select(_ENTRIES.c.seq, _ENTRIES.c.hash).order_by(_ENTRIES.c.seq.desc()).limit(1)
            ).first()
        seq, newest = (last.seq, last.hash or GENESIS) if last else (0, GENESIS)
        _make_head(session, seq, newest)
        found = session.execute(wanted).one()
    return found.seq, found.hash


def move_head(session: Session, seq: int, newest: str) -> None:
    """Let the head name another entry."""
    session.execute(update(_HEAD).where(_HEAD.c.id == 1).values(seq=seq, hash=newest))


def _make_head(session: Session, seq: int, newest: str) -> None:
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(
        dialect.insert(_HEAD).values(id=1, seq=seq, hash=newest).on_conflict_do_nothing()
    )


def _append(session: Session) -> None:
    if session.in_nested_transaction() or not session.info.get(_WAITING):
        return
    session.flush()  # the acts first: a statement that fails must not wait behind the lock
    waiting: list[Waiting] = session.info[_WAITING]
    session.info[_WAITING] = []
    seq, newest = lock_head(session)
    rows = []
    for one in waiting:
        seq += 1
        rows.append(seal(one.vault, seq, newest, one.fields))
        newest = rows[-1]["hash"]
    own = organization_of(session)
    with lifted(session, when=any(row["org_id"] != own for row in rows)):
        session.execute(insert(_ENTRIES), rows)
    move_head(session, seq, newest)


def _forget(session: Session, ended: SessionTransaction) -> None:
    """Drop what was recorded inside a savepoint (or transaction) that rolled back."""
    if ended.parent is None:
        session.info[_WAITING] = []
        return
    session.info[_WAITING] = [
        one for one in session.info[_WAITING] if not _is_inside(one.savepoint, ended)
    ]


def _is_inside(one: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while one is not None:
        if one is ended:
            return True
        one = one.parent
    return False


def count(session: Session) -> int:
    """How many entries are stored."""
    return int(session.execute(select(func.count()).select_from(_ENTRIES)).scalar_one())
