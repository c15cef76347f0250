"""How long data is kept: one row just inside stays, one just outside goes, and holds hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from liftos_app.errors import Conflict, Denied, Invalid, ProofNeeded
from liftos_app.models import (
    Account,
    AuditEntry,
    Connection,
    Coverage,
    CoverageState,
    CrmRecord,
    Entity,
    FactDaily,
    FactExtra,
    KeptAnswer,
    LoginAttempt,
    MailFact,
    OAuthRequest,
    OneTimeLink,
    Order,
    OrderLine,
    Organization,
    Payment,
    PendingSignIn,
    Provenance,
    ProviderSignIn,
    QualityScore,
    RefreshToken,
    Refund,
    RejectedRow,
    RetentionRun,
    RetentionSetting,
    Role,
    RunState,
    SourceRecord,
    SyncEvent,
    SyncRun,
    WebSession,
)
from liftos_app.models.facts import Level
from liftos_app.services import audit, retention, upkeep
from liftos_app.services.audit import checkpoints, verify
from liftos_app.services.context import App, Principal, job_principal, open_context
from liftos_app.services.retention import choices, rules, walking
from liftos_app.services.sync.job import prepare
from tests.conftest import Clock

TODAY = dt.date(2026, 11, 23)
EDGE = TODAY - timedelta(days=730)  # the oldest day that stays


class Org:
    """One organization with one account, and rows of any day in any table of marketing data."""

    def __init__(self, app: App, org: Organization) -> None:
        self.app, self.org_id = app, org.id or 0
        with app.db.write() as session:
            connection = Connection(org_id=self.org_id, platform="x", name="x",
                                    created_at=app.now(), updated_at=app.now())
            session.add(connection)
            session.flush()
            account = Account(org_id=self.org_id, connection_id=connection.id, external_id="a",
                              name="a", created_at=app.now())
            session.add(account)
            session.flush()
            self.connection_id, self.key = connection.id, account.key or 0
            entity = Entity(org_id=self.org_id, account_key=self.key, level=Level.CAMPAIGN,
                            external_id="e", first_seen_at=app.now(), updated_at=app.now())
            session.add(entity)
            session.flush()
            self.entity = entity.key or 0

    def put(self, day: dt.date) -> None:
        """One row of that day in each table."""
        at = dt.datetime.combine(day, dt.time(), dt.UTC)
        name, own = day.isoformat(), {"org_id": self.org_id, "account_key": self.key}
        amounts = {"currency": "EUR", "amount_micros": 1}
        daily = {**own, "level": 1, "day": day, "entity_key": self.entity}
        order = dict.fromkeys(("gross_micros", "subtotal_micros", "discount_micros",
                               "shipping_micros", "tax_micros"), 1)
        with self.app.db.write() as session:
            run = SyncRun(org_id=self.org_id, connection_id=self.connection_id, trigger="person",
                          state="succeeded", created_at=at, finished_at=at)
            session.add(run)
            session.flush()
            session.add_all([
                FactDaily(**daily, clicks=1), FactExtra(**daily, metric="reach", value=1),
                MailFact(**daily), Order(**own, external_id=name, day=day, processed_at=at,
                                         updated_at=at, currency="EUR", **order),
                OrderLine(**own, external_id=name, order_id=name, amount_micros=1),
                Refund(**own, external_id=name, order_id=name, day=day, processed_at=at, **amounts),
                Payment(**own, kind="charge", external_id=f"p{name}", day=day, occurred_at=at,
                        updated_at=at, **amounts),
                CrmRecord(**own, kind="deal", external_id=name, day=day, created_at=at,
                          updated_at=at),
                Coverage(**own, stream="s", day=day, state=CoverageState.COMPLETE,
                         first_read_at=at, read_at=at),
                # read only today: it goes with the day or the order it tells of
                SourceRecord(**own, stream="s", slot=name, records=1, digest="d", body=b"x",
                             read_at=self.app.now()),
                SourceRecord(**own, stream="p", slot=f"p{name}", records=1, digest="d", body=b"x",
                             read_at=self.app.now()),
                RejectedRow(**own, run_id=run.id, stream="s", reason="r", record="{}", at=at),
                SyncEvent(org_id=self.org_id, connection_id=self.connection_id, at=at, kind="sync",
                          text="t"),
                QualityScore(org_id=self.org_id, batch=run.id, provenance="live", evaluated_at=at),
            ])


TABLES = (FactDaily, FactExtra, MailFact, Order, OrderLine, Refund, Payment, CrmRecord, Coverage,
          SourceRecord, RejectedRow, SyncEvent, QualityScore, SyncRun)


@pytest.fixture
def shop(app: App, organization: Organization) -> Org:
    return Org(app, organization)


@pytest.fixture
def admin(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Callable[..., Any]:
    """Contexts of an administrator who has just proved who they are."""
    import dataclasses

    found = dataclasses.replace(make_principal(Role.ADMIN, organization), proved_at=app.now())

    def make(*, write: bool = True, proved: bool = True) -> Any:
        who = found if proved else dataclasses.replace(found, proved_at=None)
        return open_context(app, who, organization.id, write=write)

    return make


def counts(app: App, org_id: int) -> dict[str, int]:
    """Rows of the organization by table."""
    with app.db.read() as session:
        return {
            str(t.__tablename__): len(session.exec(select(t).where(t.org_id == org_id)).all())
            for t in TABLES
        }


def test_L98_one_row_just_inside_stays_and_one_just_outside_goes(app: App, shop: Org) -> None:
    shop.put(EDGE)
    shop.put(EDGE - timedelta(days=1))
    before = counts(app, shop.org_id)
    found = retention.walk(app)[shop.org_id]
    assert all(before[t] == 2 * after for t, after in counts(app, shop.org_id).items())
    assert set(found) == set(before)
    assert sum(found.values()) == sum(before.values()) // 2
    with app.db.read() as session:
        [left] = session.exec(select(Order)).all()
        assert left.day == EDGE
        [entry] = session.exec(
            select(AuditEntry).where(AuditEntry.action == "retention.deleted")
        ).all()
        assert entry.data["rows"] == found
    assert retention.walk(app)[shop.org_id] == {}


def test_L98_an_organization_may_keep_less_and_never_more(
    app: App, shop: Org, admin: Callable[..., Any]
) -> None:
    shop.put(TODAY - timedelta(days=30))
    shop.put(TODAY - timedelta(days=31))
    with admin() as ctx:
        retention.change(ctx, 30)
        for days in (29, 731, 0, -1):
            with pytest.raises(Invalid):
                retention.change(ctx, days)
    retention.walk(app)
    assert set(counts(app, shop.org_id).values()) <= {1, 2}
    with app.db.read() as session:
        assert [o.day for o in session.exec(select(Order)).all()] == [TODAY - timedelta(days=30)]


def test_L98_the_preview_counts_exactly_what_goes_and_deletes_nothing(
    app: App, shop: Org, admin: Callable[..., Any]
) -> None:
    for age in (10, 100, 729, 731, 900):
        shop.put(TODAY - timedelta(days=age))
    before = counts(app, shop.org_id)
    with admin(write=False) as ctx:
        stored, shorter = retention.preview(ctx), retention.preview(ctx, 90)
    assert counts(app, shop.org_id) == before
    assert stored.first_day_kept == EDGE
    assert shorter.total == stored.total * 2
    assert retention.walk(app)[shop.org_id] == stored.counts


def test_L98_a_legal_hold_stops_deletion_until_it_ends(
    app: App, shop: Org, admin: Callable[..., Any], clock: Clock
) -> None:
    shop.put(EDGE - timedelta(days=9))
    before = counts(app, shop.org_id)
    with admin() as ctx:
        retention.hold(ctx, "Case 4711 against Example Inc.")
        assert retention.preview(ctx).held
    assert retention.walk(app)[shop.org_id] == {}
    assert counts(app, shop.org_id) == before
    with admin() as ctx, pytest.raises(Conflict, match="hold"):
        choices.ask_erasure(ctx, "Larkspur Home")
    with admin() as ctx:
        retention.release(ctx)
    assert sum(retention.walk(app)[shop.org_id].values()) == sum(before.values())
    with app.db.read() as session:
        acts = [e.action for e in session.exec(select(AuditEntry).order_by(col(AuditEntry.seq)))]
    assert [a for a in acts if a.startswith("retention.")] == [
        "retention.held", "retention.released", "retention.deleted",
    ]


def test_L98_a_killed_walk_goes_on_and_counts_everything_once(
    app: App, shop: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in range(731, 738):
        shop.put(TODAY - timedelta(days=age))
    whole, real, left = counts(app, shop.org_id), walking._delete_batch, [9]

    def dying(*args: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise SystemExit  # as a kill: whatever is in the transaction is lost
        return real(*args)

    monkeypatch.setattr(walking, "_delete_batch", dying)
    with pytest.raises(SystemExit):
        retention.walk(app, batch=2)
    half = counts(app, shop.org_id)
    assert 0 < sum(half.values()) < sum(whole.values())
    with app.db.read() as session:
        run = session.exec(select(RetentionRun)).one()
        assert sum(run.counts.values()) == sum(whole.values()) - sum(half.values())
    monkeypatch.setattr(walking, "_delete_batch", real)
    assert retention.walk(app, batch=2)[shop.org_id] == whole
    assert set(counts(app, shop.org_id).values()) == {0}
    with app.db.read() as session:
        assert session.exec(select(RetentionRun)).one().finished_at is not None


def test_L98_another_organization_keeps_its_rows(
    app: App, shop: Org, other_organization: Organization, admin: Callable[..., Any]
) -> None:
    other = Org(app, other_organization)
    for org in (shop, other):
        org.put(TODAY - timedelta(days=60))
    with admin() as ctx:
        retention.change(ctx, 30)
    before = counts(app, other.org_id)
    retention.walk(app)
    assert counts(app, other.org_id) == before
    assert counts(app, shop.org_id)["store_order"] == 0


def test_L12_what_deletes_or_keeps_asks_for_a_proof_and_the_role(
    admin: Callable[..., Any], open_ctx: Callable[..., Any]
) -> None:
    acts: list[Callable[[Any], Any]] = [
        lambda c: retention.change(c, 90), lambda c: retention.hold(c, "a reason"),
        retention.release, lambda c: choices.ask_erasure(c, "x"),
    ]
    for act in acts:
        with admin(proved=False) as ctx, pytest.raises(ProofNeeded):
            act(ctx)
        with open_ctx(Role.MANAGER, write=True) as ctx, pytest.raises(Denied):
            act(ctx)


@pytest.mark.parametrize(
    ("model", "moment", "keep_hours"),
    [
        (WebSession, "expires_at", 0), (PendingSignIn, "expires_at", 0),
        (ProviderSignIn, "expires_at", 0), (OAuthRequest, "expires_at", 0),
        (KeptAnswer, "created_at", 24), (LoginAttempt, "at", 24),
        (OneTimeLink, "expires_at", 24), (RefreshToken, "expires_at", 24),
    ],
)
def test_L98_what_served_its_time_goes_within_the_hour(
    app: App, shop: Org, make_principal: Callable[..., Principal], organization: Organization,
    model: Any, moment: str, keep_hours: int,
) -> None:
    user_id, now = make_principal(Role.VIEWER, organization).user_id, app.now()
    second = timedelta(seconds=1)
    for number, at in enumerate((now - timedelta(hours=keep_hours) + second,
                                 now - timedelta(hours=keep_hours) - second)):
        common: dict[str, Any] = {
            "org_id": shop.org_id, "user_id": user_id, "created_at": now, "expires_at": now,
            "last_seen_at": now, "family_id": shop.connection_id, "family_started_at": now,
            "actor": "a", "key": str(number), "request_hash": "h", "at": now, "ok": False,
            "account_hash": "h", "ip": "", "purpose": "reset", "token_hash": f"h{number}",
            "state_hash": f"h{number}", "browser_hash": "b", "platform": "x", "redirect_uri": "",
            "connection_id": shop.connection_id, moment: at,
        }
        with app.db.write() as session:
            session.add(model(**{k: v for k, v in common.items() if k in model.model_fields}))
    upkeep.hourly(app)
    with app.db.read() as session:
        left = session.exec(select(model)).all()
    assert [getattr(row, moment) for row in left] == [now - timedelta(hours=keep_hours) + second]


def test_L90_audit_entries_stay_for_seven_years(app: App, shop: Org, clock: Clock) -> None:
    def act(name: str) -> None:
        with open_context(app, job_principal("test"), shop.org_id, write=True) as ctx:
            audit.record(ctx, name)
        checkpoints.make(app)

    act("test.old")
    clock.advance(seconds=1)
    act("test.young")
    clock.advance(days=rules.AUDIT_DAYS)  # young lies exactly at the limit
    retention.walk(app)
    with app.db.read() as session:
        left = session.exec(select(AuditEntry.action)).all()
    assert "test.old" not in left
    assert "test.young" in left
    assert verify.verify(app).ok


def test_L98_no_sync_reads_what_would_go_the_next_night(app: App, shop: Org) -> None:
    with app.db.write() as session:
        connection = session.exec(select(Connection)).one()
        connection.platform, connection.provenance = "google_ads", Provenance.DEMO
        connection.streams, connection.history_days = ["campaign_daily"], 1000
        account = session.exec(select(Account)).one()
        account.selected = True
        run = SyncRun(org_id=shop.org_id, connection_id=connection.id, state=RunState.RUNNING,
                      trigger="manual", epoch=1, created_at=app.now())
        session.add_all([connection, account, run])
        session.flush()
        run_id = run.id

    def oldest() -> dt.date:
        job = prepare(app, run_id, 1, lambda: False)
        assert job is not None
        return min(unit.start for unit in job.plan.units)

    assert oldest() == EDGE
    with app.db.write() as session:
        session.add(RetentionSetting(org_id=shop.org_id, marketing_days=90,
                                     changed_at=app.now()))
    assert oldest() == TODAY - timedelta(days=90)
