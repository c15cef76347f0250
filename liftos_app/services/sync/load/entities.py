"""Entities: campaigns, ads, products, lists. Seen ones are compared, unseen ones created."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlmodel import Session

from liftos_app.models import Entity
from liftos_app.services.connectors.spec import Row
from liftos_app.services.sync.load.shared import Counts, Landing, Target, table_of, unique


def _known(session: Session, target: Target, level: int) -> dict[tuple[int, str], tuple[int, str]]:
    if level not in target.names_loaded:
        found = session.execute(
            select(Entity.external_id, Entity.key, Entity.name).where(  # type: ignore[call-overload]
                Entity.org_id == target.org_id, Entity.account_key == target.account_key,
                Entity.level == level,
            )
        )
        target.entities.update({(level, i): (k, n) for i, k, n in found})
        target.names_loaded.add(level)
    return target.entities


def load_entities(landing: Landing) -> Counts:
    session, target, rejected = landing.session, landing.target, landing.rejected
    counts, table = Counts(), table_of(Entity)
    existing = {
        (r.level, r.external_id): r
        for r in session.execute(
            select(table).where(
                table.c.org_id == target.org_id, table.c.account_key == target.account_key
            )
        )
    }
    found, repeats = unique(
        landing.rows, lambda r: (r.get("level", landing.stream.level), r["external_id"]), rejected
    )
    counts.unchanged += repeats
    new, changed = [], []
    for (level, external_id), row in found.items():
        values = {
            "parent_id": row.get("parent_id") or "", "name": row.get("name") or "",
            "status": row.get("status") or "", "attrs": row.get("attrs") or {},
        }
        old = existing.get((level, external_id))
        if old is None:
            new.append({
                "org_id": target.org_id, "account_key": target.account_key, "level": level,
                "external_id": external_id, "first_seen_at": target.now, "updated_at": target.now,
                **values,
            })
        elif any(getattr(old, k) != v for k, v in values.items()):
            changed.append((old.key, values))
        else:
            counts.unchanged += 1
    if new:
        session.execute(table.insert(), new)
    for key, values in changed:
        session.execute(
            update(table).where(table.c.key == key).values(**values, updated_at=target.now)
        )
    counts.written, counts.updated = len(new), len(changed)
    target.names_loaded.clear()
    target.entities.clear()
    return counts


def entity_keys(
    session: Session, target: Target, level: int, rows: Sequence[Row]
) -> dict[str, int]:
    """Keys of all entities the rows name; unseen ones are created, renamed ones renamed."""
    known = _known(session, target, level)
    named = {(row["entity_id"], row.get("entity_name") or "") for row in rows}
    unseen = {i for i, _ in named if (level, i) not in known}
    table = table_of(Entity)
    if unseen:
        first = {row["entity_id"]: row for row in reversed(rows) if row["entity_id"] in unseen}
        session.execute(table.insert(), [
            {
                "org_id": target.org_id, "account_key": target.account_key, "level": level,
                "external_id": i, "parent_id": row.get("parent_id") or "",
                "name": row.get("entity_name") or "", "status": row.get("status") or "",
                "attrs": {}, "first_seen_at": target.now, "updated_at": target.now,
            }
            for i, row in first.items()
        ])
        target.names_loaded.discard(level)
        known = _known(session, target, level)
    renamed = [
        (i, name) for i, name in named if name and i not in unseen and known[level, i][1] != name
    ]
    for i, name in sorted(renamed):
        key, _ = known[level, i]
        session.execute(
            update(table).where(table.c.key == key).values(name=name, updated_at=target.now)
        )
        known[level, i] = (key, name)
    return {i: known[level, i][0] for i, _ in named}
