"""Deletes what is too old: small batches, each its own transaction with its count.

A killed walk goes on where it was: what is gone is gone and counted, the rest is still too old.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, tuple_
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from liftos_app.models import Organization, RetentionRun
from liftos_app.services import audit
from liftos_app.services.audit import checkpoints
from liftos_app.services.context import App, Context, job_principal, open_context
from liftos_app.services.retention import choices, rules
from liftos_app.services.retention.rules import Rule

log = logging.getLogger(__name__)
BATCH: Final = 1000


def clear_temporary(app: App) -> int:
    """Hourly: sessions, consents, answers and attempts that have served their time."""
    removed = 0
    for rule in rules.temporary(app.now()):
        while True:
            with app.db.write() as session:
                count = _delete_batch(session, rule, BATCH)
            removed += count
            if count < BATCH:
                break
    return removed


def walk(app: App, *, batch: int = BATCH) -> dict[int, dict[str, int]]:
    """Daily: every organization's old rows, then old audit segments. Counts by organization."""
    with app.db.read() as session:
        orgs = session.exec(select(Organization.id).order_by(col(Organization.id))).all()
    found = {org: _walk_one(app, org, batch) for org in orgs if org is not None}
    with open_context(app, job_principal("retention"), None, write=True) as ctx:
        dropped = checkpoints.drop_before(ctx, ctx.now() - timedelta(days=rules.AUDIT_DAYS))
        if dropped:
            audit.record(ctx, "retention.audit_dropped", rows=dropped)
    return found


def _walk_one(app: App, org: int, batch: int) -> dict[str, int]:
    who = job_principal("retention")
    with open_context(app, who, org, write=True) as ctx:
        choice = choices.choice_of(ctx.session, org)
        if choice.held:
            return {}
        run = _open_run(ctx)
        run_id, todo = run.id, list(rules.of_organization(ctx, choice.marketing_days))
    for rule in todo:
        more = True
        while more:
            with open_context(app, who, org, write=True) as ctx:
                if choices.choice_of(ctx.session, org).held:  # it may begin at any moment
                    break
                count = _delete_batch(ctx.session, rule, batch)
                run = ctx.session.get_one(RetentionRun, run_id)
                if count:
                    run.counts = {**run.counts, rule.table: run.counts.get(rule.table, 0) + count}
                more = count >= batch
    with open_context(app, who, org, write=True) as ctx:
        run = ctx.session.get_one(RetentionRun, run_id)
        counts = dict(run.counts)
        run.finished_at = ctx.now()
        if counts:
            audit.record(ctx, "retention.deleted", run, rows=counts)
        else:
            ctx.session.delete(run)  # a quiet day leaves nothing
    if counts:
        log.info("retention.deleted", extra={"org": org, "rows": sum(counts.values())})
    return counts


def _open_run(ctx: Context) -> RetentionRun:
    """The run a killed walk left, or a new one."""
    run = ctx.session.exec(
        select(RetentionRun).where(
            RetentionRun.org_id == ctx.org, col(RetentionRun.finished_at).is_(None)
        )
    ).first()
    if run is None:
        run = RetentionRun(org_id=ctx.org, started_at=ctx.now())
        ctx.session.add(run)
        ctx.session.flush()
    return run


def _delete_batch(session: Session, rule: Rule, batch: int) -> int:
    """Delete at most so many rows of a rule. Returns how many went."""
    table: Any = rule.model.__table__  # type: ignore[attr-defined]
    keys = list(table.primary_key.columns)
    rows = session.connection().execute(sql_select(*keys).where(rule.where).limit(batch)).all()
    if rows:
        chosen = [tuple(row) for row in rows]
        session.connection().execute(delete(table).where(tuple_(*keys).in_(chosen)))
    return len(rows)
