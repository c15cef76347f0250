"""The audit log for people: filters, pages, export. Of one's organization; super administrators
also see the entries of the installation, which belong to none.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from liftos_app.models import AuditEntry, Role, User
from liftos_app.services import cells
from liftos_app.services.audit.canonical import moment
from liftos_app.services.audit.chain import record
from liftos_app.services.context import Context
from liftos_app.tenancy import lifted

MOST_EXPORTED: Final = 50_000
COLUMNS: Final = (
    "seq", "at", "actor_type", "actor", "actor_id", "action", "object_type", "object_id", "result",
    "reason", "ip", "request_id", "data", "hash",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to show; empty means all. `start` and `end` are aware, `end` is not included."""

    actor: str = ""  # an id, an e-mail or a part of a name
    action: str = ""  # whole, or its beginning: `auth.` or `auth`
    target: str = ""  # a type, an id, or `type:id`
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry and the name of who acted, as far as they are known."""

    entry: AuditEntry
    actor: str


def browse(
    ctx: Context, asked: Asked, *, before: int | None = None, limit: int = 50
) -> list[Shown]:
    """Entries, newest first; `before` is the seq of the last one of the page before."""
    ctx.require("audit.read")
    query = select(AuditEntry).where(_visible(ctx), *_conditions(ctx, asked))
    if before is not None:
        query = query.where(col(AuditEntry.seq) < before)
    with lifted(ctx.session, when=_sees_all(ctx)):
        rows = ctx.session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(limit)).all()
    names = _names(ctx, rows)
    return [Shown(row, names.get(row.actor_id, row.actor_id)) for row in rows]


def actions(ctx: Context) -> list[str]:
    """Every action that occurs, for the filter."""
    ctx.require("audit.read")
    with lifted(ctx.session, when=_sees_all(ctx)):
        return sorted(ctx.session.exec(
            select(AuditEntry.action).where(_visible(ctx)).distinct()
        ).all())


def export(ctx: Context, asked: Asked, *, as_csv: bool) -> str:
    """The newest 50,000 entries that fit, as CSV or JSON. The export itself is recorded (L91)."""
    found = browse(ctx, asked, limit=MOST_EXPORTED)
    record(ctx, "audit.exported", rows=len(found), form="csv" if as_csv else "json",
           actor=asked.actor, filter_action=asked.action, target=asked.target)
    rows = [plain(one) for one in found]
    if not as_csv:
        return json.dumps(rows, ensure_ascii=False, indent=1)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        row["data"] = json.dumps(row["data"], ensure_ascii=False, sort_keys=True)
        writer.writerow([cells.cell(row[name]) for name in COLUMNS])
    return out.getvalue()


def plain(one: Shown) -> dict[str, Any]:
    """An entry as it leaves the process."""
    row = one.entry
    return {
        "seq": row.seq, "at": moment(row.at), "actor_type": row.actor_type, "actor": one.actor,
        "actor_id": row.actor_id, "action": row.action, "object_type": row.object_type,
        "object_id": row.object_id, "result": row.result, "reason": row.reason, "ip": row.ip,
        "request_id": row.request_id, "data": row.data, "hash": row.hash,
    }


def day_begins(day: date | None) -> datetime | None:
    """Midnight UTC at which a day begins."""
    return datetime.combine(day, time.min, UTC) if day else None


def day_ends(day: date | None) -> datetime | None:
    """Midnight UTC at which a day ends."""
    return day_begins(min(day, date.max - timedelta(days=1)) + timedelta(days=1)) if day else None


def _sees_all(ctx: Context) -> bool:
    return ctx.who.role is Role.SUPER_ADMIN


def _visible(ctx: Context) -> ColumnElement[bool]:
    mine = col(AuditEntry.org_id) == ctx.org
    if _sees_all(ctx):
        return or_(mine, col(AuditEntry.org_id).is_(None))
    return mine


def _conditions(ctx: Context, asked: Asked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.actor:
        found.append(col(AuditEntry.actor_id).in_([asked.actor, *_people(ctx, asked.actor)]))
    if asked.action:
        exact = col(AuditEntry.action) == asked.action
        begins = col(AuditEntry.action).startswith(asked.action.rstrip(".") + ".", autoescape=True)
        found.append(or_(exact, begins))
    if asked.target:
        kind, _, ident = asked.target.partition(":")
        if ident:
            found += [col(AuditEntry.object_type) == kind, col(AuditEntry.object_id) == ident]
        else:
            found.append(or_(col(AuditEntry.object_type) == kind,
                             col(AuditEntry.object_id) == kind))
    if asked.start:
        found.append(col(AuditEntry.at) >= asked.start)
    if asked.end:
        found.append(col(AuditEntry.at) < asked.end)
    return found


def _people(ctx: Context, words: str) -> list[str]:
    """Ids of people whose e-mail or name holds the words; who acted here is filtered anyway."""
    wanted = words.casefold()[:254]
    rows = ctx.session.exec(
        select(User.id).where(or_(
            col(User.email_key).contains(wanted, autoescape=True),
            col(User.name).icontains(wanted, autoescape=True),
        )).limit(200)
    ).all()
    return [str(one) for one in rows]


def _names(ctx: Context, rows: Sequence[AuditEntry]) -> dict[str, str]:
    ids = set()
    for row in rows:
        try:
            ids.add(UUID(row.actor_id))
        except ValueError:
            continue
    people = ctx.session.exec(select(User).where(col(User.id).in_(ids))).all() if ids else []
    return {str(u.id): u.name or u.email for u in people}
