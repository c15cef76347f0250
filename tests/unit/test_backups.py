"""Backups: made while LiftOS writes, checked before they come back, private, rotated."""

from __future__ import annotations

import base64
import json
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import col, select

from liftos_app.config import ConfigError, MasterKey, Settings
from liftos_app.errors import Conflict, Missing
from liftos_app.models import AuditEntry, Organization, Role, User
from liftos_app.services import (
    accounts,
    audit,
    backup_sealing,
    backups,
    boot,
    protection,
    second_factor,
)
from liftos_app.services.audit import checkpoints, verify
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
    assert aside.stat().st_mode & 0o077 == 0
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


KEY = "LIFTOS_BACKUP_KEY"
FIRST, SECOND = (base64.b64encode(bytes(range(n, n + 32))).decode() for n in (1, 90))


def test_L112_a_sealed_backup_shows_nothing_and_comes_back_under_its_key(
    running: App, settings: Settings, make_settings: Callable[..., Settings], clock: Clock
) -> None:
    act(running, "Before the flood")
    plain = backups.make(running, OPERATOR)
    clock.advance(seconds=1)
    running.settings = make_settings(**PERSON, **{KEY: FIRST})
    made = backups.make(running, OPERATOR)
    act(running, "After")
    running.db.close()
    assert b"Before the flood" in plain.read_bytes()
    assert not any(w in made.read_bytes() for w in (b"Before the flood", b"SQLite", b"ann@example"))
    assert sorted(made.parent.iterdir()) == sorted(
        [plain, plain.with_suffix(".json"), made, made.with_suffix(".json")]
    )
    assert {p.stat().st_mode & 0o777 for p in made.parent.iterdir()} == {0o600}
    with pytest.raises(Conflict, match="cannot be restored") as refused:
        backups.restore(settings, made)
    assert "LIFTOS_BACKUP_KEY is not set" in refused.value.why
    with pytest.raises(Conflict) as refused:
        backups.restore(make_settings(**PERSON, **{KEY: SECOND}), made)
    assert "another key" in refused.value.why
    assert "LIFTOS_BACKUP_KEY" in refused.value.fix
    assert name_in(settings) == "After"
    rotated = make_settings(**PERSON, **{KEY: f"new:{SECOND},old:{FIRST}"})
    backups.restore(rotated, made)
    assert name_in(settings) == "Before the flood"
    backups.restore(rotated, plain)  # from before there was a key
    assert name_in(settings) == "Before the flood"


def sealed_file(folder: Path, size: int) -> tuple[Path, bytes]:
    plain, made = folder / "plain", folder / "made.sealed"
    content = os.urandom(size)
    plain.write_bytes(content)
    made.touch()
    backup_sealing.seal(plain, made, MasterKey("k", b"k" * 32))
    return made, content


@pytest.mark.parametrize("size", [0, 1, backup_sealing.CHUNK - 1, backup_sealing.CHUNK,
                                  backup_sealing.CHUNK + 1, 3 * backup_sealing.CHUNK])
def test_L112_a_sealed_file_opens_to_what_was_sealed(tmp_path: Path, size: int) -> None:
    made, content = sealed_file(tmp_path, size)
    backup_sealing.unseal(made, tmp_path / "back", [MasterKey("k", b"k" * 32)])
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize("harm", ["cut at a part", "cut to its header", "cut in a part", "swapped",
                                  "repeated", "longer", "one bit", "salt", "name", "magic"])
def test_L112_a_sealed_file_that_was_changed_or_cut_does_not_open(
    tmp_path: Path, harm: str
) -> None:
    made, _ = sealed_file(tmp_path, 3 * backup_sealing.CHUNK)
    raw = made.read_bytes()
    begin = len(backup_sealing.MAGIC) + 40
    step = backup_sealing.CHUNK + 16
    header, one, two, three = raw[:begin], *(raw[begin + n * step:][:step] for n in range(3))
    bit = bytearray(raw)
    place = {"salt": begin - 1, "name": 16, "magic": 0}.get(harm, begin + step + 7)
    bit[place] ^= 1
    made.write_bytes({
        "cut at a part": header + one + two, "cut to its header": header, "longer": raw + three,
        "cut in a part": raw[:-9], "swapped": header + two + one + three,
        "repeated": header + one + one + three,
    }.get(harm, bytes(bit)))
    with pytest.raises(backup_sealing.NotOpened):
        backup_sealing.unseal(made, tmp_path / "back", [MasterKey("k", b"k" * 32)])


def test_L112_sealing_a_large_file_keeps_memory_flat(tmp_path: Path) -> None:
    plain, made, back = (tmp_path / n for n in ("plain", "made", "back"))
    with plain.open("wb") as file:
        file.truncate(96 * backup_sealing.CHUNK)
    key = MasterKey("k", b"k" * 32)
    tracemalloc.start()
    try:
        backup_sealing.seal(plain, made, key)
        backup_sealing.unseal(made, back, [key])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert back.stat().st_size == plain.stat().st_size
    assert peak < 8 * backup_sealing.CHUNK


def test_L112_the_key_of_backups_comes_from_the_environment_or_a_file_and_is_its_own(
    make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    assert settings.backup_keys == ()
    with pytest.raises(ConfigError, match="LIFTOS_BACKUP_KEY is too short"):
        make_settings(**{KEY: "short"})
    same = base64.b64encode(settings.master_keys[0].key).decode()
    with pytest.raises(ConfigError, match="LIFTOS_BACKUP_KEY is the same"):
        make_settings(**{KEY: same})
    file = settings.home / "keys" / "liftos_backup_key"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{FIRST}\n")
    assert [k.key for k in make_settings().backup_keys] == [base64.b64decode(FIRST)]
    assert [k.key for k in make_settings(**{KEY: SECOND}).backup_keys] == [base64.b64decode(SECOND)]
    assert FIRST not in repr(make_settings())


@pytest.mark.parametrize(("harm", "said"), [
    ("log", "audit log is not whole"), ("value", "does not open"),
    ("key", "LIFTOS_BACKUP_KEY is not set"),
])
def test_L112_the_weekly_trial_reads_the_log_and_opens_what_is_sealed(
    running: App, make_settings: Callable[..., Settings], clock: Clock, harm: str, said: str
) -> None:
    running.settings = make_settings(**PERSON, **{KEY: FIRST})
    with running.db.read() as session:
        org = session.exec(select(Organization.id)).one() or 0
        ann = session.exec(select(User.id)).one()
    second_factor.begin(running, ann, org)
    checkpoints.publish(running)

    def tried() -> tuple[str, str]:
        clock.advance(days=7, seconds=1)
        backups.rehearse(running)
        with running.db.read() as session:
            row = session.exec(
                select(AuditEntry).where(AuditEntry.action == backups.CHECKED)
                .order_by(col(AuditEntry.seq).desc()).limit(1)
            ).one()
            return row.result, str(row.model_dump())

    backups.make(running, OPERATOR)
    act(running, "After")
    checkpoints.publish(running)  # newer than the copy
    assert tried()[0] == "ok"
    with running.db.write() as session:
        bind = session.connection()
        if harm == "log":
            bind.exec_driver_sql("DROP TRIGGER audit_entry_no_update")
            bind.exec_driver_sql("UPDATE audit_entry SET action = 'x' WHERE seq = 2")
        elif harm == "value":
            bind.exec_driver_sql("UPDATE second_factor SET sealed = substr(sealed, 1, 60) || "
                                 "'AAAA' || substr(sealed, 65)")
    backups.make(running, OPERATOR)
    if harm == "key":
        running.settings = make_settings(**PERSON)
    result, row = tried()
    assert result == "failed"
    assert said in row


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
