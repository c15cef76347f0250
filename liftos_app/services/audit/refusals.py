"""What a failure at an edge may tell of: somebody who tries ids of other organizations (rule I4),
or addresses LiftOS must not call (rule I10).

Asked beside the answer, so that a foreign id takes no longer than one that exists nowhere (L17).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import Table, Uuid, and_, literal, select, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from liftos_app.db import metadata
from liftos_app.errors import LiftOSError, Missing
from liftos_app.services.audit import notes
from liftos_app.services.context import App, Principal

log = logging.getLogger(__name__)
THREAD: Final = "foreign-id"
_MOST_IDS: Final = 50


def note(
    app: App, who: Principal, org_id: int | None, error: Exception, *, values: Iterable[object],
    where: str,
) -> None:
    """Look at a failure of somebody signed in. `values` are what they sent: ids among them."""
    if not isinstance(error, LiftOSError) or org_id is None:
        return
    if error.facts.get("guarded"):
        notes.address_refused(app, who, org_id, reason=error.why)
    ids = _ids(values) if isinstance(error, Missing) else []
    if ids:
        threading.Thread(
            target=_look, args=(app, who, org_id, ids, where), name=THREAD, daemon=True
        ).start()


def _ids(values: Iterable[object]) -> list[UUID]:
    found = []
    for value in values:
        try:
            found.append(UUID(str(value)))
        except ValueError:
            continue
    return found[:_MOST_IDS]


def _look(app: App, who: Principal, org_id: int, ids: list[UUID], where: str) -> None:
    try:
        with app.db.read() as session:
            foreign = _is_foreign(session, org_id, ids)
        if foreign:
            notes.foreign_object(app, who, where=where)
    except SQLAlchemyError:
        log.exception("audit.not_written", extra={"act": notes.FOREIGN_OBJECT})


def _is_foreign(session: Session, org_id: int, ids: list[UUID]) -> bool:
    """Whether one of the ids names something of another organization only."""
    people, organizations = metadata.tables["membership"], metadata.tables["organization"]
    mine = select(people.c.user_id).where(people.c.org_id == org_id)
    asked = [
        select(literal(1)).where(and_(t.c.id.in_(ids), t.c.org_id != org_id))
        for t in metadata.sorted_tables if _has_public_id(t)
    ]
    asked.append(select(literal(1)).where(and_(
        organizations.c.public_id.in_(ids), organizations.c.id != org_id
    )))
    asked.append(select(literal(1)).where(and_(
        people.c.user_id.in_(ids), people.c.user_id.not_in(mine)
    )))
    return session.connection().execute(union_all(*asked).limit(1)).first() is not None


def _has_public_id(table: Table) -> bool:
    if "id" not in table.c or "org_id" not in table.c:
        return False
    column = table.c.id
    return isinstance(column.type, Uuid) and (column.primary_key or bool(column.unique))
