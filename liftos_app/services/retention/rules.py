"""The retention table: which rows are too old, by organization and for the installation.

A row goes when its moment lies before the limit; one exactly at the limit stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, tuple_
from sqlmodel import SQLModel, col, select

from liftos_app.models import (
    Account,
    ApiKey,
    CheckResult,
    Coverage,
    CrmRecord,
    FactDaily,
    FactExtra,
    Invitation,
    KeptAnswer,
    LoginAttempt,
    MailFact,
    OneTimeLink,
    Order,
    OrderLine,
    Outbox,
    Payment,
    PendingSignIn,
    ProviderSignIn,
    QualityScore,
    RefreshToken,
    Refund,
    RejectedRow,
    Restatement,
    ResyncChange,
    RetentionRun,
    SourceRecord,
    StagedUnit,
    StreamRun,
    SyncEvent,
    SyncRun,
    WebSession,
)
from liftos_app.models.facts import Level
from liftos_app.services.context import Context
from liftos_app.services.retention import choices

LONGEST_DAYS: Final = choices.LONGEST_DAYS
AUDIT_DAYS: Final = 7 * 365 + 2
_DAY_SLOT: Final = "____-__-__"  # a source record of daily figures is kept under its day

# What people read: data, time, how. The audit log and platform keys have their own keepers.
PERMANENT: Final = (
    ("Marketing data", "2 years, or less if the organization chooses so", "every day, in batches"),
    ("Audit log", "7 years", "in whole sealed segments"),
    ("Platform keys", "until the connection is deleted", "shredded with their data key"),
    ("Browser sessions", "24 hours", "at use, and every hour"),
    ("Consents and sign-ins under way", "10 minutes", "at use, and every hour"),
    ("One-time links", "30 minutes, to copies of data 24 hours; their row a day more",
     "at use, and every hour"),
    ("Messages that wait to be mailed", "until sent, 24 hours at most", "at use, and every hour"),
    ("Answers kept for repeats, sign-in attempts", "24 hours", "every hour"),
    ("Refresh tokens", "24 hours after they end", "every hour"),
    ("Invitations and API keys that are over", "30 days", "every day"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of one table that are too old: `model` where `where` holds."""

    model: type[SQLModel]
    where: ColumnElement[bool]

    @property
    def table(self) -> str:
        """The table's name, under which its rows are counted."""
        return str(self.model.__tablename__)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next walk would delete, by table, and the first day that stays."""

    counts: dict[str, int]
    first_day_kept: dt.date
    held: bool

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts.values())


def temporary(now: datetime) -> list[Rule]:
    """What served its time, of the whole installation. Hourly; consents: `oauth.purge`."""
    yesterday = now - timedelta(hours=24)
    before: dict[Any, tuple[Any, datetime]] = {
        PendingSignIn: (PendingSignIn.expires_at, now),
        ProviderSignIn: (ProviderSignIn.expires_at, now), WebSession: (WebSession.expires_at, now),
        KeptAnswer: (KeptAnswer.created_at, yesterday), LoginAttempt: (LoginAttempt.at, yesterday),
        OneTimeLink: (OneTimeLink.expires_at, yesterday),
        RefreshToken: (RefreshToken.expires_at, yesterday),
    }
    alerts = Rule(Outbox, and_(  # messages themselves are given up, with an entry
        col(Outbox.kind).startswith("security."), col(Outbox.created_at) < yesterday
    ))
    return [alerts, *(Rule(model, col(at) < limit) for model, (at, limit) in before.items())]


def of_organization(ctx: Context, marketing_days: int) -> Iterator[Rule]:
    """What an organization keeps no longer. Children before parents."""
    now, org = ctx.now(), ctx.org
    day = first_day_kept(now, marketing_days)
    moment = datetime.combine(day, dt.time(), dt.UTC)
    month_ago = now - timedelta(days=30)
    mine = select(Account.key).where(Account.org_id == org)

    def old(model: Any, when: Any, limit: Any, *more: ColumnElement[bool]) -> Rule:
        return Rule(model, and_(col(model.org_id) == org, col(when) < limit, *more))

    for model in (FactDaily, FactExtra, MailFact):  # by the primary key: no table is walked whole
        yield old(model, model.day, day, col(model.account_key).in_(mine),
                  col(model.level).in_(list(Level)))
    ancient = select(Order.account_key, Order.external_id).where(Order.org_id == org,
                                                                 Order.day < day)
    line = tuple_(col(OrderLine.account_key), col(OrderLine.order_id))
    yield Rule(OrderLine, and_(col(OrderLine.org_id) == org, line.in_(ancient)))
    yield old(Refund, Refund.day, day)
    yield Rule(SourceRecord, _old_sources(org, day, moment))
    yield old(Order, Order.day, day)
    yield old(Payment, Payment.day, day)
    yield old(CrmRecord, CrmRecord.updated_at, moment)
    yield old(Coverage, Coverage.day, day)
    yield old(RejectedRow, RejectedRow.at, moment)
    yield old(Restatement, Restatement.day, day)
    yield old(ResyncChange, ResyncChange.at, moment)
    yield old(StagedUnit, StagedUnit.at, moment)
    yield old(CheckResult, CheckResult.evaluated_at, moment)
    yield old(QualityScore, QualityScore.evaluated_at, moment)
    yield old(SyncEvent, SyncEvent.at, moment)
    runs = select(SyncRun.id).where(SyncRun.org_id == org, col(SyncRun.finished_at) < moment)
    yield Rule(StreamRun, and_(col(StreamRun.org_id) == org, col(StreamRun.run_id).in_(runs)))
    needed = [
        col(SyncRun.id).not_in(
            select(model.run_id).where(col(model.org_id) == org, col(model.at) >= moment)
        )
        for model in (RejectedRow, ResyncChange, StagedUnit)
    ]
    yield old(SyncRun, SyncRun.finished_at, moment, *needed)
    over = or_(
        col(Invitation.accepted_at) < month_ago, col(Invitation.revoked_at) < month_ago,
        col(Invitation.expires_at) < month_ago,
    )
    yield Rule(Invitation, and_(col(Invitation.org_id) == org, over))
    ended = or_(col(ApiKey.revoked_at) < month_ago, col(ApiKey.expires_at) < month_ago)
    yield Rule(ApiKey, and_(col(ApiKey.org_id) == org, ended))
    yield old(RetentionRun, RetentionRun.finished_at, moment)


def _old_sources(org: int, day: dt.date, moment: datetime) -> ColumnElement[bool]:
    """Source records of old days, of old orders and payments, and those nobody read again."""
    place = tuple_(col(SourceRecord.account_key), col(SourceRecord.slot))
    parents = [
        place.in_(select(model.account_key, model.external_id).where(
            col(model.org_id) == org, col(model.day) < day
        ))
        for model in (Order, Payment, Refund)
    ]
    by_day = and_(col(SourceRecord.slot).like(_DAY_SLOT), col(SourceRecord.slot) < day.isoformat())
    return and_(
        col(SourceRecord.org_id) == org,
        or_(by_day, col(SourceRecord.read_at) < moment, *parents),
    )


def first_day_kept(now: datetime, marketing_days: int) -> dt.date:
    """The oldest day of marketing data that stays."""
    return now.date() - timedelta(days=marketing_days)


def preview(ctx: Context, marketing_days: int | None = None) -> Preview:
    """Count what the next walk would delete, with the stored number of days or another one."""
    ctx.require("organization.write")
    chosen = choices.choice_of(ctx.session, ctx.org)
    days = choices.checked_days(marketing_days) if marketing_days else chosen.marketing_days
    counts: dict[str, int] = {}
    for rule in of_organization(ctx, days):
        found = ctx.session.exec(
            select(func.count()).select_from(rule.model).where(rule.where)
        ).one()
        if found:
            counts[rule.table] = counts.get(rule.table, 0) + found
    return Preview(counts, first_day_kept(ctx.now(), days), chosen.held)
