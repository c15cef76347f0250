"""The `liftos` command as an operator types it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from tests.smtp_server import SmtpServer

ROOT = Path(__file__).resolve().parents[2]


def liftos(
    home: Path, *words: str, typed: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    base = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "-m", "liftos_app.cli", *words], cwd=ROOT, text=True, timeout=60,
        capture_output=True, check=False, input=typed,
        env={**base, "PYTHONPATH": str(ROOT), "LIFTOS_HOME": str(home), **env},
    )


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("migrated") / "home"
    assert liftos(home, "migrate").returncode == 0
    return home


@pytest.fixture
def home(migrated: Path, tmp_path: Path) -> Path:
    """What `liftos migrate` leaves behind, of one's own."""
    return shutil.copytree(migrated, tmp_path / "home")


@pytest.mark.parametrize(("name", "value"), [
    ("PORT", "eighty"), ("PORT", "70000"), ("DEMO_MODE", "perhaps"), ("DATABASE_URL", "mysql://x"),
    ("DATABASE_URL", "sqlite://"), ("REDIS_URL", "http://x"), ("LOG_LEVEL", "LOUD"),
    ("LIFTOS_SMTP_URL", "mail.example.com"), ("LIFTOS_MAIL_FROM", "liftos"),
    ("JWT_SECRET_KEY", "short"), ("API_VAULT_MASTER_KEY", "your_secure_master_key"),
    ("API_VAULT_MASTER_KEY", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ("LIFTOS_PUBLIC_URL", "ftp://x"), ("LIFTOS_ADMIN_EMAIL", "nobody"),
    ("LIFTOS_BASE_URL_SHOPIFY", "not an address"),
])
def test_an_invalid_value_stops_the_start_with_one_sentence_naming_the_variable(
    tmp_path: Path, name: str, value: str
) -> None:
    done = liftos(tmp_path, "serve", **{name: value})
    assert done.returncode == 2
    said = done.stderr.strip()
    assert name in said or "LIFTOS_ADMIN_PASSWORD" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_generated_secrets_are_private_said_once_and_kept(tmp_path: Path) -> None:
    first = liftos(tmp_path, "migrate")
    assert first.returncode == 0, first.stderr
    assert "JWT_SECRET_KEY was not set" in first.stdout
    keys = sorted((tmp_path / "keys").iterdir())
    assert [k.name for k in keys] == ["api_vault_master_key", "jwt_secret_key"]
    assert all(k.stat().st_mode & 0o777 == 0o600 for k in keys)
    kept = [k.read_text() for k in keys]
    assert not any(k.strip() in first.stdout + first.stderr for k in kept)
    again = liftos(tmp_path, "migrate")
    assert "was not set" not in again.stdout
    assert [k.read_text() for k in keys] == kept


def test_migrations_go_up_and_down_and_say_so(tmp_path: Path) -> None:
    assert liftos(tmp_path, "migrate").returncode == 0
    down = liftos(tmp_path, "migrate", "--to", "base")
    assert down.returncode == 0, down.stderr
    assert liftos(tmp_path, "migrate").returncode == 0


def test_a_used_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = liftos(tmp_path, "serve", PORT=str(port))
    assert done.returncode == 2
    assert f"Port {port}" in done.stderr
    assert "PORT" in done.stderr


def test_an_address_that_is_not_this_machines_is_named_and_not_the_port(tmp_path: Path) -> None:
    for host in ("203.0.113.7", "no-such-host.invalid"):
        done = liftos(tmp_path, "serve", LIFTOS_HOST=host)
        assert done.returncode == 2
        assert f"LIFTOS_HOST is {host}" in done.stderr
        assert "Stop what uses it" not in done.stderr


def test_a_start_that_is_refused_says_why_and_never_that_it_starts(
    home: Path, free_port: int
) -> None:
    """The built page is there: `make test` builds it first."""
    wrong = {
        "names no platform": {"LIFTOS_BASE_URL_METTA": "http://127.0.0.1:9"},
        "REDIS_URL": {"REDIS_URL": f"redis://:hidden-word@127.0.0.1:{free_port}"},
        "API_VAULT_MASTER_KEY": {
            "API_VAULT_MASTER_KEY": "k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
        },
    }
    liftos(home, "doctor")
    for words, env in wrong.items():
        done = liftos(home, "serve", PORT=str(free_port), **env)
        assert done.returncode != 0
        assert words in done.stderr
        assert "starts at" not in done.stdout
        assert "hidden-word" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    with (home / "liftos.db.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = liftos(home, "serve", PORT=str(free_port))
    assert "Another LiftOS process uses this embedded database" in done.stderr
    assert "starts at" not in done.stdout


def test_doctor_finds_a_missing_schema_and_a_readable_key(tmp_path: Path) -> None:
    before = liftos(tmp_path, "doctor")
    assert before.returncode == 1
    assert "Run: liftos migrate" in before.stdout
    liftos(tmp_path, "migrate")
    (tmp_path / "keys" / "jwt_secret_key").chmod(0o644)
    after = liftos(tmp_path, "doctor")
    assert "readable by others" in after.stdout
    assert "Run: liftos migrate" not in after.stdout


def test_doctor_names_a_wrong_vault_key(home: Path) -> None:
    assert liftos(home, "doctor").returncode in (0, 1)
    other = "k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
    key = (home / "keys" / "api_vault_master_key").read_text().strip()
    liftos(home, "doctor", API_VAULT_MASTER_KEY=f"k1:{key}")
    done = liftos(home, "doctor", API_VAULT_MASTER_KEY=other)
    assert done.returncode == 1
    assert "API_VAULT_MASTER_KEY" in done.stdout


def test_the_first_administrator_can_be_made_and_only_once(tmp_path: Path) -> None:
    words = ("admin", "create", "--email", "ada@example.com", "--password",
             "a quiet harbour in winter", "--organization", "Larkspur")
    first = liftos(tmp_path, *words)
    assert first.returncode == 0, first.stderr
    assert "ada@example.com can sign in" in first.stdout
    second = liftos(tmp_path, *words)
    assert second.returncode == 2
    assert "Traceback" not in second.stderr


def test_L30_mail_test_sends_one_message_or_says_why_not(tmp_path: Path) -> None:
    none = liftos(tmp_path, "mail", "test", "ann@example.com")
    assert none.returncode == 1
    assert "LIFTOS_SMTP_URL" in none.stderr
    with SmtpServer() as server:
        given = {"LIFTOS_SMTP_URL": f"smtp://127.0.0.1:{server.port}",
                 "LIFTOS_MAIL_FROM": "liftos@example.com"}
        done = liftos(tmp_path, "mail", "test", "ann@example.com", **given)
        assert done.returncode == 0, done.stderr
        assert f"127.0.0.1:{server.port} took the message for ann@example.com." in done.stdout
        assert [m.to for m in server.received] == [["ann@example.com"]]
        server.refuse["RCPT"] = "550 5.1.1 nobody here"
        refused = liftos(tmp_path, "mail", "test", "eve@example.com", **given)
        odd = liftos(tmp_path, "mail", "test", "eve", **given)
    assert (refused.returncode, odd.returncode) == (1, 1)
    assert refused.stderr == "The mail server refused the recipient (550 5.1.1).\n"
    assert "address" in odd.stderr
    down = liftos(tmp_path, "mail", "test", "ann@example.com", **given)
    assert down.stderr == f"Nothing takes connections at 127.0.0.1:{server.port}.\n"


def test_the_doctor_tells_of_mail(home: Path) -> None:
    assert "Mail: not set up; links are shown to copy." in liftos(home, "doctor").stdout
    given = {"LIFTOS_SMTP_URL": "smtp://127.0.0.1:9", "LIFTOS_MAIL_FROM": "liftos@example.com"}
    assert "Mail goes out; 0 waiting." in liftos(home, "doctor", **given).stdout


def test_demo_is_refused_when_the_sandbox_is_off(tmp_path: Path) -> None:
    done = liftos(tmp_path, "demo", DEMO_MODE="false")
    assert done.returncode == 2
    assert "DEMO_MODE" in done.stderr


def test_evidence_is_written_verified_and_tampering_is_told(home: Path) -> None:
    made = liftos(home, "evidence", "make", "--out", str(home / "out"))
    assert made.returncode == 0, made.stderr
    [bundle] = (home / "out").iterdir()
    good = liftos(home, "evidence", "verify", str(bundle))
    assert (good.returncode, "is as it was made" in good.stdout) == (0, True), good.stderr
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("more.json", "{}")
    bad = liftos(home, "evidence", "verify", str(bundle))
    assert (bad.returncode, bad.stderr.strip()) == (1, "FAIL more.json was added.")
    none = liftos(home, "evidence", "make", "--junit", str(home / "none.xml"))
    assert none.returncode == 2
    assert "is no JUnit file" in none.stderr


def test_erasing_shows_what_goes_and_needs_the_word_typed(home: Path) -> None:
    made = liftos(
        home, "admin", "create", "--email", "ann@example.com", "--password",
        "kettle violin harbour 29", "--organization", "Larkspur",
    )
    assert made.returncode == 0, made.stderr
    with sqlite3.connect(home / "liftos.db") as database:
        [(org,)] = database.execute("SELECT public_id FROM organization").fetchall()

    def said(*words: str, typed: str = "") -> str:
        done = liftos(home, "erase", *words, typed=typed)
        return done.stdout + done.stderr

    for shown in (said("person", "ann@example.com", "--dry-run"),
                  said("person", "ann@example.com", typed="yes\n"),
                  said("organization", org, "--dry-run"),
                  said("organization", org, typed="larkspur\n")):
        assert "1 membership" in shown
        assert shown.rstrip().endswith("Nothing was erased.")
    assert "last administrator" in said("person", "ann@example.com", typed="erase\n")
    assert "is deleted after" in said("organization", org, typed="Larkspur\n")
    assert "was taken back" in said("organization", org, "--cancel")
    assert "does not exist" in said("person", "nobody@example.com", "--dry-run")
    assert "does not exist" in said("organization", str(uuid4()), "--dry-run")


def test_L30_the_operator_changes_an_address(tmp_path: Path) -> None:
    given = {"LIFTOS_ADMIN_EMAIL": "ann@example.com",
             "LIFTOS_ADMIN_PASSWORD": "kettle violin harbour 29"}
    done = liftos(tmp_path, "admin", "change-email", "ANN@example.com", "a@example.com", **given)
    assert done.returncode == 0, done.stderr
    assert "a@example.com" in done.stdout
    gone = liftos(tmp_path, "admin", "change-email", "ann@example.com", "b@example.com")
    assert gone.returncode == 2
    assert "no account" in gone.stderr
    wrong = liftos(tmp_path, "admin", "change-email", "a@example.com", "nothing")
    assert wrong.returncode == 2
