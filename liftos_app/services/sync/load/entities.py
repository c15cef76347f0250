"""Entities: campaigns, ads, products, lists. Seen ones are compared, unseen ones created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select, update
from sqlmodel import Session

from liftos_app.models import Entity
from liftos_app.services.connectors.spec import Row
from liftos_app.services.sync.load.shared import (
    Counts,
    Entities,
    Landing,
    Target,
    table_of,
    unique,
)


def _known(session: Session, target: Target, level: int) -> Entities:
    found = target.entities.get(level)
    if found is None:
        rows = session.execute(
            select(Entity.external_id, Entity.key, Entity.name).where(  # type: ignore[call-overload]
                Entity.org_id == target.org_id, Entity.account_key == target.account_key,
                Entity.level == level,
            )
        ).all()
        found = target.entities[level] = Entities(
            {i: key for i, key, _ in rows}, {i: name for i, _, name in rows}
        )
    return found


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
    target.entities.clear()
    return counts


def entity_keys(
    session: Session, target: Target, level: int, rows: Sequence[Row]
) -> Mapping[str, int]:
    """Keys of all entities the rows name; unseen ones are created, renamed ones renamed."""
    known = _known(session, target, level)
    names = known.names
    odd = [r for r in rows if names.get(r["entity_id"]) != (r.get("entity_name") or "")]
    if not odd:
        return known.keys
    table = table_of(Entity)
    unseen = {row["entity_id"]: row for row in reversed(odd) if row["entity_id"] not in known.keys}
    if unseen:
        session.execute(table.insert(), [
            {
                "org_id": target.org_id, "account_key": target.account_key, "level": level,
                "external_id": i, "parent_id": row.get("parent_id") or "",
                "name": row.get("entity_name") or "", "status": row.get("status") or "",
                "attrs": {}, "first_seen_at": target.now, "updated_at": target.now,
            }
            for i, row in unseen.items()
        ])
        del target.entities[level]
        known = _known(session, target, level)
    renamed = {
        (i, name) for row in odd
        if (name := row.get("entity_name")) and (i := row["entity_id"]) not in unseen
        and known.names[i] != name
    }
    for i, name in sorted(renamed):
        session.execute(
            update(table).where(table.c.key == known.keys[i])
            .values(name=name, updated_at=target.now)
        )
        known.names[i] = name
    return known.keys
