"""Backups: made while LiftOS writes, checked before they come back, private, rotated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import col, select

from liftos_app.config import ConfigError, Settings
from liftos_app.errors import Conflict, Missing
from liftos_app.models import AuditEntry, Organization, Role
from liftos_app.services import accounts, audit, backups, boot, protection
from liftos_app.services.audit import verify
from liftos_app.services.context import App, Principal, open_context
from tests.conftest import Clock
from tests.unit.test_cli import liftos

OPERATOR = Principal(kind="operator", name="test", role=accounts.OPERATOR_ROLE)
PERSON = {"LIFTOS_ADMIN_EMAIL": "ann@example.com",
          "LIFTOS_ADMIN_PASSWORD": "kettle violin harbour 29"}


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(**PERSON)


@pytest.fixture
def running(settings: Settings, clock: Clock) -> App:
    return boot.build_app(settings, now=clock)


def act(app: App, name: str) -> None:
    with open_context(app, OPERATOR, None, write=True) as ctx:
        ctx.session.exec(select(Organization)).one().name = name
        audit.record(ctx, "test.act", name=name)


def name_in(settings: Settings) -> str:
    app = boot.build_app(settings)
    with app.db.read() as session:
        found = session.exec(select(Organization.name)).one()
    report = verify.verify(app)
    app.db.close()
    assert report.ok, report.findings
    return found


def test_L112_a_backup_comes_back_whole_and_the_replaced_database_stays(
    running: App, settings: Settings
) -> None:
    act(running, "Before")
    made = backups.make(running, OPERATOR)
    act(running, "After")
    running.db.close()
    aside = backups.restore(settings, made)
    assert aside.is_file()
    assert name_in(settings) == "Before"
    app = boot.build_app(settings)
    with app.db.read() as session:
        acts = session.exec(select(AuditEntry.action).order_by(col(AuditEntry.seq))).all()
    app.db.close()
    assert "backup.restored" in acts


def test_L112_a_backup_under_writes_is_one_moment(running: App, settings: Settings) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.01):  # the one writer's turn is not fair to who waits for it
            act(running, f"Name {(number := number + 1)}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backups.make(running, OPERATOR) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    running.db.close()
    for path in made:
        backups.check(settings, path)
    backups.restore(settings, made[-1])
    assert name_in(settings).startswith("Name ") or name_in(settings) == boot.FIRST_ORGANIZATION


def test_L112_files_are_private_hold_no_master_key_and_leave_no_scrap(
    running: App, settings: Settings
) -> None:
    made = backups.make(running, OPERATOR)
    backups.check(settings, made)
    there = sorted(made.parent.iterdir())
    assert there == [made, made.with_suffix(".json")]
    assert {p.stat().st_mode & 0o777 for p in there} == {0o600}
    for key in settings.master_keys:
        assert all(key.key not in p.read_bytes() for p in there)
    assert json.loads(there[1].read_text())["rows"]["organization"] == 1


@pytest.mark.parametrize("harm", ["byte", "manifest", "rows", "revision", "nothing"])
def test_L112_a_damaged_backup_is_refused_and_changes_nothing(
    running: App, settings: Settings, harm: str
) -> None:
    made = backups.make(running, OPERATOR)
    act(running, "After")
    running.db.close()
    notes = made.with_suffix(".json")
    manifest = json.loads(notes.read_text())
    if harm == "byte":
        content = bytearray(made.read_bytes())
        content[len(content) // 2] ^= 1
        made.write_bytes(content)
    elif harm == "nothing":
        made.unlink()
    elif harm == "manifest":
        notes.unlink()
    else:
        manifest[harm] = {} if harm == "rows" else "0001"
        notes.write_text(json.dumps(manifest))
    with pytest.raises((Conflict, Missing)):
        backups.restore(settings, made)
    assert name_in(settings) == "After"


def test_L112_a_backup_under_another_master_key_is_refused(
    running: App, make_settings: Callable[..., Settings]
) -> None:
    made = backups.make(running, OPERATOR)
    other = make_settings(API_VAULT_MASTER_KEY="k2:HxobHB0eHwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxg=")
    with pytest.raises(Conflict) as refused:
        backups.check(other, made)
    assert "k1" in refused.value.why


def test_L112_nothing_is_restored_under_a_running_server(running: App, settings: Settings) -> None:
    made = backups.make(running, OPERATOR)
    held = boot.hold_alone(settings)
    try:
        with pytest.raises(ConfigError):
            backups.restore(settings, made)
    finally:
        assert held is not None
        held.close()


def test_L112_old_backups_go_but_never_the_newest(running: App, clock: Clock) -> None:
    old = backups.make(running, OPERATOR)
    clock.advance(days=35)
    kept = backups.make(running, OPERATOR)
    assert old.exists()  # just 35 days old
    clock.advance(seconds=1)
    newest = backups.make(running, OPERATOR)
    assert sorted(newest.parent.glob("*.db")) == [kept, newest]
    assert len(list(newest.parent.glob("*.json"))) == 2


def test_L112_the_newest_backup_is_tried_once_a_week(running: App, clock: Clock) -> None:
    def tried() -> list[str]:
        backups.rehearse(running)
        with running.db.read() as session:
            return list(session.exec(
                select(AuditEntry.result).where(AuditEntry.action == backups.CHECKED)
                .order_by(col(AuditEntry.seq))
            ).all())

    assert tried() == []
    made = backups.make(running, OPERATOR)
    assert tried() == ["ok"]
    made.write_bytes(b"broken")
    assert tried() == ["ok"]
    clock.advance(days=7)
    assert tried() == ["ok", "failed"]


def test_the_protection_page_knows_the_last_backup(
    app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> None:
    admin = make_principal(Role.ADMIN, organization)

    def last() -> object:
        with open_context(app, admin, organization.id) as ctx:
            return protection.read(ctx).last_backup

    assert last() is None
    with open_context(app, OPERATOR, None, write=True) as ctx:
        backups.record(ctx, by="operator")
    assert last() == app.now()


def test_on_postgresql_the_operator_is_told_what_to_run(app: App) -> None:
    if app.settings.is_sqlite:
        pytest.skip("about PostgreSQL")
    with pytest.raises(Conflict) as refused:
        backups.make(app, OPERATOR)
    assert "pg_dump" in refused.value.fix
    assert "liftos backup --record" in refused.value.fix


def test_the_commands_make_check_and_restore(tmp_path: Path) -> None:
    done = liftos(tmp_path, "backup")
    assert done.returncode == 0, done.stderr
    file = next((tmp_path / "backups").glob("*.db"))
    assert str(file) in done.stdout
    assert liftos(tmp_path, "restore", "--check", str(file)).returncode == 0
    back = liftos(tmp_path, "restore", str(file))
    assert back.returncode == 0, back.stderr
    verified = liftos(tmp_path, "audit", "verify")
    assert verified.returncode == 0, verified.stderr
    assert liftos(tmp_path, "restore", str(tmp_path / "none.db")).returncode == 2
    assert liftos(tmp_path, "backup", "--record").returncode == 0
