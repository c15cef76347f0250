"""Rules I1 to I13: each fires once, is quiet just below, and does not repeat itself."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlmodel import select

from liftos_app.errors import Denied, Fix, Missing
from liftos_app.models import (
    AuditEntry,
    Connection,
    ConnectionStatus,
    Incident,
    LoginAttempt,
    Organization,
    Outbox,
    Role,
)
from liftos_app.services import audit, backups, incidents
from liftos_app.services.audit import checkpoints, notes, refusals, state
from liftos_app.services.connectors import net
from liftos_app.services.context import App, Context, Principal, job_principal, open_context
from liftos_app.services.incidents import signals

OpenCtx = Callable[..., AbstractContextManager[Context]]
Disk = namedtuple("Disk", "total used free")


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals.shutil, "disk_usage", lambda _: Disk(100, 50, 50))


def opened(app: App) -> list[str]:
    incidents.sweep(app)
    with app.db.read() as session:
        return sorted(session.exec(select(Incident.rule)).all())


def attempts(app: App, many: int, *, account: str = "a", ip: str = "192.0.2.1", ok: bool = False,
             minutes_ago: float = 1) -> None:
    with app.db.write() as session:
        for _ in range(many):
            session.add(LoginAttempt(at=app.now() - timedelta(minutes=minutes_ago), ok=ok, ip=ip,
                                     account_hash=account))
            session.flush()


def write(app: App, org: Organization, action: str, many: int = 1, *, who: str = "somebody",
          target: object = None, reason: str = "", ip: str = "", **data: object) -> None:
    for _ in range(many):
        person = Principal(kind="program", name=who, ip=ip)
        with open_context(app, person, org.id, write=True) as ctx:
            audit.record(ctx, action, target, reason=reason, **data)


def test_L102_I1_ten_failures_on_an_account(app: App) -> None:
    attempts(app, 9)
    attempts(app, 5, minutes_ago=11)
    assert opened(app) == []
    attempts(app, 1)
    assert opened(app) == ["I1"]


def test_L102_I1_fifty_failures_from_an_address(app: App) -> None:
    for number in range(49):
        attempts(app, 1, account=f"account {number}")
    assert opened(app) == []
    attempts(app, 1, account="account 49")
    assert opened(app) == ["I1"]


def test_L102_I2_success_after_failures(app: App) -> None:
    attempts(app, 9, minutes_ago=3)
    attempts(app, 1, ok=True, minutes_ago=2)
    assert opened(app) == []
    attempts(app, 10, account="b", minutes_ago=3)
    attempts(app, 1, account="b", ok=True, minutes_ago=2)
    assert opened(app) == ["I1", "I2"]


def test_L102_I2_success_after_failures_of_its_address(app: App) -> None:
    for number in range(49):
        attempts(app, 1, account=f"account {number}", minutes_ago=3)
    attempts(app, 1, account="mine", ok=True, minutes_ago=2)
    assert opened(app) == []
    attempts(app, 1, account="account 49", minutes_ago=3)
    attempts(app, 1, account="mine", ok=True, minutes_ago=1)
    assert opened(app) == ["I1", "I2"]


@pytest.mark.parametrize(("role", "found"), [(Role.ADMIN, ["I2"]), (Role.MANAGER, [])])
def test_L102_I2_an_administrator_with_a_new_device(
    app: App, organization: Organization, make_principal: Callable[..., Principal], role: Role,
    found: list[str],
) -> None:
    user_id = str(make_principal(role, organization).user_id)
    for device in ("Firefox on Linux", "Edge on Windows"):
        write(app, organization, "auth.signed_in", who="another", ip="192.0.2.1", device=device)
    for _ in range(2):
        write(app, organization, "auth.signed_in", who=user_id, ip="192.0.2.1",
              device="Firefox on Linux")
    assert opened(app) == []
    write(app, organization, "auth.signed_in", who=user_id, ip="192.0.2.1",
          device="Edge on Windows")
    assert opened(app) == found


def test_L102_I2_another_address_of_the_same_ipv6_network_is_not_new(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
) -> None:
    user_id = str(make_principal(Role.ADMIN, organization).user_id)
    for ip in ("2001:db8:1:2::1", "2001:db8:1:2:a::9"):
        write(app, organization, "auth.signed_in", who=user_id, ip=ip)
    assert opened(app) == []
    write(app, organization, "auth.tokens_issued", who=user_id, ip="2001:db8:1:3::1")
    assert opened(app) == ["I2"]


@pytest.mark.parametrize(("role", "found"), [(Role.ADMIN, ["I2"]), (Role.MANAGER, [])])
def test_L102_I2_an_administrator_from_a_new_address(
    app: App, organization: Organization, make_principal: Callable[..., Principal], role: Role,
    found: list[str],
) -> None:
    user_id = str(make_principal(role, organization).user_id)
    write(app, organization, "auth.signed_in", who=user_id, ip="192.0.2.1")
    write(app, organization, "auth.signed_in", who=user_id, ip="192.0.2.1")
    assert opened(app) == []
    write(app, organization, "auth.signed_in", who=user_id, ip="198.51.100.7")
    assert opened(app) == found


def test_L102_I3_a_spent_refresh_token(app: App, organization: Organization) -> None:
    write(app, organization, "auth.tokens_issued")
    assert opened(app) == []
    write(app, organization, "auth.refresh_reused")
    assert opened(app) == ["I3"]


@pytest.mark.parametrize(("action", "most"), [
    ("permission.denied", 20), ("organization.denied", 5),
])
def test_L102_I4_denials_of_one_principal(
    app: App, organization: Organization, action: str, most: int
) -> None:
    write(app, organization, action, most - 1)
    write(app, organization, action, most - 1, who="another")
    assert opened(app) == []
    write(app, organization, action)
    assert opened(app) == ["I4"]


def test_L102_I4_ids_of_a_foreign_organization_and_its_header_count_together(
    app: App, organization: Organization
) -> None:
    write(app, organization, "organization.denied", 2)
    write(app, organization, "object.denied", 2)
    write(app, organization, "object.denied", 2, who="another")
    assert opened(app) == []
    write(app, organization, "object.denied")
    assert opened(app) == ["I4"]
    with app.db.read() as session:  # which ids exist elsewhere is nothing for administrators here
        assert session.exec(select(Incident.org_id)).one() is None


def test_L102_I5_values_that_do_not_open(app: App, organization: Organization) -> None:
    write(app, organization, "vault.open_failed", 2, reason="the tag does not fit")
    assert opened(app) == []
    write(app, organization, "vault.open_failed", reason="the tag does not fit")
    assert opened(app) == ["I5"]


def test_L102_I5_one_value_of_an_unknown_master_key(app: App, organization: Organization) -> None:
    write(app, organization, "vault.open_failed", reason="the master key is not loaded")
    assert opened(app) == ["I5"]


def test_L102_I6_a_failed_verification(app: App, organization: Organization) -> None:
    write(app, organization, "test.act", 2)
    assert state.verify_and_note(app).ok
    assert opened(app) == []
    with app.db.write() as session:
        session.execute(text("UPDATE audit_entry SET action = 'x' WHERE seq = 1"))
    assert not state.verify_and_note(app).ok
    assert opened(app) == ["I6"]


def test_L102_I6_a_gap_of_checkpoints_and_an_older_database(
    app: App, organization: Organization, clock: Callable[[], object]
) -> None:
    write(app, organization, "test.act")
    clock.advance(hours=2)  # type: ignore[attr-defined]
    app.extras.clear()
    assert opened(app) == []
    clock.advance(seconds=1)  # type: ignore[attr-defined]
    assert opened(app) == ["I6"]
    checkpoints.make(app)
    with app.db.write() as session:  # the whole database as it was before
        for table in ("audit_entry", "audit_checkpoint", "audit_head"):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608  (fixed names)
    assert opened(app) == ["I6", "I6"]


def test_L102_I7_consents_that_do_not_fit(app: App, organization: Organization) -> None:
    write(app, organization, "oauth.state_refused", 2, ip="192.0.2.1")
    write(app, organization, "oauth.state_refused", 2, ip="192.0.2.2")
    assert opened(app) == []
    write(app, organization, "oauth.state_refused", ip="192.0.2.1")
    assert opened(app) == ["I7"]


def test_L102_I8_weaker_protection(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> None:
    class Target:
        __tablename__ = "user_account"

        def __init__(self, user: Principal) -> None:
            self.id = user.user_id

    admin, analyst = (make_principal(r, organization) for r in (Role.ADMIN, Role.ANALYST))
    write(app, organization, "second_factor.removed", target=Target(analyst))
    write(app, organization, "organization.second_factor_required", on=True)
    assert opened(app) == []
    write(app, organization, "second_factor.removed", target=Target(admin))
    write(app, organization, "user.super_admin_granted", target=Target(analyst))
    write(app, organization, "organization.second_factor_required", on=False)
    assert opened(app) == ["I8", "I8", "I8"]


def test_L102_I8_settings_of_retention(app: App, organization: Organization) -> None:
    write(app, organization, "retention.deleted")
    assert opened(app) == []
    write(app, organization, "retention.changed", before=730, after=30)
    assert opened(app) == ["I8"]
    write(app, organization, "retention.held", reason="a dispute")
    write(app, organization, "retention.released")
    assert opened(app) == ["I8", "I8", "I8"]


def test_L102_I8_other_addresses_of_the_own_network(app: App) -> None:
    notes.started(app)
    notes.started(app)
    assert opened(app) == []
    app.settings = dataclasses.replace(app.settings, ssrf_allow=("10.0.0.1:443",))
    notes.started(app)
    assert opened(app) == ["I8"]
    notes.started(app)
    assert opened(app) == ["I8"]


def test_L102_I9_exports(app: App, organization: Organization) -> None:
    write(app, organization, "audit.exported", 2, rows=10)
    write(app, organization, "data.exported", what="person", rows=90)
    write(app, organization, "data.exported", what="organization")  # of an unknown size
    assert opened(app) == []
    write(app, organization, "audit.exported", rows=30)
    assert opened(app) == ["I9"]  # five; thirty rows are just three times ten
    write(app, organization, "audit.exported", rows=91)
    assert opened(app) == ["I9", "I9"]


def test_L102_I9_a_large_export_of_data(
    app: App, organization: Organization, clock: Callable[[], object]
) -> None:
    write(app, organization, "data.exported", what="organization", rows=10)
    clock.advance(days=29)  # type: ignore[attr-defined]
    app.extras.clear()
    write(app, organization, "audit.exported", rows=9000)  # another kind
    write(app, organization, "data.exported", what="organization", rows=30)
    found = opened(app)
    assert "I9" not in found
    write(app, organization, "data.exported", what="organization", rows=91)
    assert opened(app) == sorted([*found, "I9"])


def test_L102_I9_copies_of_all_data_count_and_have_no_size(
    app: App, organization: Organization
) -> None:
    write(app, organization, "data.exported", 3, what="organization")
    write(app, organization, "audit.exported", rows=10)
    assert opened(app) == []
    write(app, organization, "data.exported", what="organization")
    assert opened(app) == ["I9"]


def test_L102_I10_refused_addresses(app: App, organization: Organization) -> None:
    write(app, organization, "net.refused", 2)
    assert opened(app) == []
    write(app, organization, "net.refused")
    assert opened(app) == ["I10"]


def test_L102_I10_an_address_the_guard_refuses_is_counted(
    app: App, organization: Organization
) -> None:
    who = Principal(kind="program", name="somebody")
    for _ in range(3):
        with pytest.raises(Fix) as refused:
            net.check_url("https://user@example.com/")
        refusals.note(app, who, organization.id, refused.value, values=(), where="test")
    refusals.note(app, who, organization.id, Fix("Another.", why="", fix=""), values=(), where="t")
    assert opened(app) == ["I10"]


def test_L102_I11_all_connections_of_a_platform(app: App, organization: Organization) -> None:
    rows = [
        Connection(org_id=organization.id or 0, platform="klaviyo", name=str(n),
                   status=ConnectionStatus.HEALTHY, created_at=app.now(), updated_at=app.now())
        for n in range(2)
    ]
    with app.db.write() as session:
        session.add_all(rows)

    def lose(row: Connection) -> None:
        with app.db.write() as session:
            session.get_one(Connection, row.id).status = ConnectionStatus.NEEDS_REAUTH
        notes.needs_sign_in(app, row.org_id, row.id, platform="klaviyo")

    lose(rows[0])
    assert opened(app) == []
    lose(rows[1])
    assert opened(app) == ["I11"]


def test_L102_I12_refusals_by_rate_limits(app: App) -> None:
    from liftos_app.services import quotas

    for _ in range(500):
        quotas._count_refusal(app)
    assert opened(app) == []
    quotas._count_refusal(app)
    assert opened(app) == ["I12"]


def test_L102_I13_a_clock_that_moves(app: App, clock: Callable[[], object]) -> None:
    assert opened(app) == []
    clock.advance(seconds=55)  # type: ignore[attr-defined]
    assert opened(app) == []
    clock.advance(seconds=70)  # type: ignore[attr-defined]
    assert opened(app) == ["I13"]


@pytest.mark.parametrize(("free", "found"), [(10, []), (9, ["I13"])])
def test_L102_I13_a_full_disk(
    app: App, monkeypatch: pytest.MonkeyPatch, free: int, found: list[str]
) -> None:
    monkeypatch.setattr(signals.shutil, "disk_usage", lambda _: Disk(100, 100 - free, free))
    assert opened(app) == found


def test_L102_I13_an_old_backup(app: App, clock: Callable[[], object]) -> None:
    def later(**parts: float) -> list[str]:
        clock.advance(**parts)  # type: ignore[attr-defined]
        app.extras.pop("incidents.clock", None)
        checkpoints.make(app)
        return opened(app)

    notes.started(app)
    assert later(hours=26) == []
    assert later(seconds=1) == ["I13"]  # never one
    with open_context(app, job_principal("test"), None, write=True) as ctx:
        backups.record(ctx, by="operator")
    assert later(hours=26) == ["I13"]
    assert later(seconds=1) == ["I13", "I13"]


def test_L102_I13_a_backup_that_cannot_be_restored(app: App) -> None:
    for result, found in (("ok", []), ("failed", ["I13"])):
        with open_context(app, job_principal("test"), None, write=True) as ctx:
            audit.record(ctx, backups.CHECKED, result=result)
        assert opened(app) == found


def test_L102_one_alert_per_quarter_of_an_hour_and_key(
    app: App, organization: Organization, clock: Callable[[], object]
) -> None:
    def alerts() -> int:
        incidents.sweep(app)
        app.extras.pop("incidents.clock", None)
        with app.db.read() as session:
            return len(session.exec(select(Outbox)).all())

    write(app, organization, "auth.refresh_reused")
    assert [alerts(), alerts()] == [1, 1]
    clock.advance(minutes=14)  # type: ignore[attr-defined]
    write(app, organization, "auth.refresh_reused")
    assert alerts() == 1  # counted on
    clock.advance(minutes=2)  # type: ignore[attr-defined]
    assert alerts() == 1  # nothing new happened
    write(app, organization, "auth.refresh_reused")
    assert alerts() == 2
    with app.db.read() as session:
        rows = session.exec(select(Incident).order_by(Incident.opened_at)).all()  # type: ignore[arg-type]
        kinds = session.exec(select(Outbox.kind)).all()
        acts = session.exec(select(AuditEntry.action)).all()
    assert [r.count for r in rows] == [2, 1]
    assert set(kinds) == {"security.incident.I3"}
    assert acts.count("incident.opened") == 2


def test_L110_an_alert_is_written_with_its_incident_or_not_at_all(
    app: App, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    def kept() -> tuple[int, int]:
        with app.db.read() as session:
            return (len(session.exec(select(Incident)).all()),
                    len(session.exec(select(Outbox)).all()))

    write(app, organization, "auth.refresh_reused")
    with monkeypatch.context() as broken:
        broken.setattr("liftos_app.services.incidents.book.audit.record", fail)
        with pytest.raises(OSError, match="full"):
            incidents.sweep(app)
    assert kept() == (0, 0)
    incidents.sweep(app)
    assert kept() == (1, 1)


def test_incidents_are_seen_and_acknowledged_by_their_organization_only(
    app: App, open_ctx: OpenCtx, organization: Organization, other_organization: Organization
) -> None:
    write(app, organization, "auth.refresh_reused")
    write(app, other_organization, "net.refused", 3)
    attempts(app, 10)
    incidents.sweep(app)
    with open_ctx() as ctx:
        assert [i.rule for i in incidents.list_open(ctx)] == ["I3"]
        own = incidents.list_open(ctx)[0].id
    with open_ctx(Role.SUPER_ADMIN) as ctx:
        assert sorted(i.rule for i in incidents.list_open(ctx)) == ["I1", "I3"]
    with app.db.read() as session:
        foreign = session.exec(select(Incident.id).where(Incident.rule == "I10")).one()
    for wanted in (foreign, uuid4()):
        with open_ctx(write=True) as ctx, pytest.raises(Missing):
            incidents.acknowledge(ctx, wanted)
    with open_ctx(Role.MANAGER) as ctx, pytest.raises(Denied):
        incidents.list_open(ctx)
    with open_ctx(write=True) as ctx:
        incidents.acknowledge(ctx, own)
    with open_ctx() as ctx:
        assert incidents.list_open(ctx) == []
