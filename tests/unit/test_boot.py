"""Starting: one way for server, command line and tests; each obstacle is one sentence."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlmodel import select

from liftos_app.config import ROOT, ConfigError, Settings
from liftos_app.db import Database
from liftos_app.models import Organization, User
from liftos_app.services import accounts, boot, migrations, revisions, sessions
from liftos_app.services.context import Principal, open_context

Make = Callable[..., Settings]


def test_a_fresh_home_becomes_a_working_app(make_settings: Make) -> None:
    app = boot.build_app(make_settings())
    assert migrations.current(app.db) == revisions.newest()
    assert migrations.drift(app.db) == []
    with open_context(app, Principal(), None) as ctx:
        assert accounts.needs_setup(ctx)
    app.db.close()


def test_starting_again_finds_everything_as_it_was(make_settings: Make) -> None:
    settings = make_settings(
        LIFTOS_ADMIN_EMAIL="ann@example.com", LIFTOS_ADMIN_PASSWORD="pass-12345"
    )
    for _ in range(2):
        app = boot.build_app(settings)
        with app.db.read() as session:
            assert session.exec(select(User.email)).all() == ["ann@example.com"]
            assert session.exec(select(Organization.name)).all() == [boot.FIRST_ORGANIZATION]
        app.db.close()


def test_the_operators_administrator_can_sign_in(make_settings: Make) -> None:
    settings = make_settings(
        LIFTOS_ADMIN_EMAIL="ann@example.com", LIFTOS_ADMIN_PASSWORD="pass-12345"
    )
    app = boot.build_app(settings)
    found = accounts.sign_in(
        app, email="ann@example.com", password="pass-12345", ip="", user_agent=""
    )
    assert sessions.resolve(app, found.token) is not None
    assert any("LIFTOS_ADMIN_PASSWORD" in line for line in settings.notices())
    assert not any("pass-12345" in line for line in settings.notices())
    app.db.close()


def test_a_second_administrator_from_the_environment_is_not_made(make_settings: Make) -> None:
    app = boot.build_app(
        make_settings(LIFTOS_ADMIN_EMAIL="ann@example.com", LIFTOS_ADMIN_PASSWORD="pass-12345")
    )
    app.db.close()
    app = boot.build_app(
        make_settings(LIFTOS_ADMIN_EMAIL="eve@example.com", LIFTOS_ADMIN_PASSWORD="pass-67890")
    )
    with app.db.read() as session:
        assert session.exec(select(User.email)).all() == ["ann@example.com"]
    app.db.close()


@pytest.mark.parametrize("password", ["1234567", "x" * 129])
def test_an_operators_password_has_bounds(make_settings: Make, password: str) -> None:
    settings = make_settings(LIFTOS_ADMIN_EMAIL="a@b.example", LIFTOS_ADMIN_PASSWORD=password)
    with pytest.raises(ConfigError, match="LIFTOS_ADMIN_PASSWORD has"):
        boot.build_app(settings)
    database = Database(settings.database_url)
    with database.read() as session:
        assert session.exec(select(User)).all() == []
    database.close()


def test_without_sign_in_there_is_somebody_to_be(make_settings: Make) -> None:
    settings = make_settings(REQUIRE_AUTH="false")
    app = boot.build_app(settings)
    found = sessions.resolve(app, "")
    assert found is not None
    assert found.who.name == "You"
    assert any("Sign-in is off" in line for line in settings.notices())
    app.db.close()


def test_an_old_schema_is_refused_where_migrating_was_not_asked_for(make_settings: Make) -> None:
    with pytest.raises(ConfigError, match="Run: liftos migrate"):
        boot.build_app(make_settings(), migrate=False)


def test_a_newer_schema_is_refused(make_settings: Make) -> None:
    settings = make_settings()
    boot.build_app(settings).db.close()
    database = Database(settings.database_url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(ConfigError, match="newer LiftOS"):
        boot.build_app(settings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@127.0.0.1:1/none?connect_timeout=1",
        "sqlite:////proc/nowhere/liftos.db",
    ],
)
def test_a_database_out_of_reach_is_one_sentence_without_its_password(
    make_settings: Make, url: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        boot.build_app(make_settings(DATABASE_URL=url))
    assert "DATABASE_URL" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_alone(make_settings: Make, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes, not a database" * 100, encoding="utf-8")
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        boot.build_app(make_settings(DATABASE_URL=f"sqlite:///{file}"))
    assert file.read_text(encoding="utf-8").startswith("my notes")


def test_another_master_key_stops_the_start(make_settings: Make) -> None:
    boot.build_app(make_settings()).db.close()
    other = make_settings(API_VAULT_MASTER_KEY="k1:" + bytes(range(50, 82)).hex())
    with pytest.raises(ConfigError, match="API_VAULT_MASTER_KEY"):
        boot.build_app(other)


def test_generated_secrets_are_said_by_name_and_never_by_value(tmp_path: Path) -> None:
    from liftos_app import config

    settings = config.load({"LIFTOS_HOME": str(tmp_path)})
    said = "\n".join(settings.notices())
    assert "JWT_SECRET_KEY was not set" in said
    assert "API_VAULT_MASTER_KEY was not set" in said
    assert settings.jwt_secret_key not in said


def test_a_start_logs_no_secret(make_settings: Make, caplog: pytest.LogCaptureFixture) -> None:
    settings = make_settings(
        LIFTOS_ADMIN_EMAIL="a@b.example", LIFTOS_ADMIN_PASSWORD="canary-password-1"
    )
    with caplog.at_level(logging.DEBUG):
        boot.build_app(settings).db.close()
    shown = repr([vars(r) for r in caplog.records])
    assert "canary" not in shown
    assert settings.jwt_secret_key not in shown
    assert any(r.getMessage() == "app.built" for r in caplog.records)


def test_starting_on_an_up_to_date_database_is_quick(make_settings: Make) -> None:
    """Measured in a process of its own: importing is part of a start."""
    settings = make_settings()
    boot.build_app(settings).db.close()
    script = (
        "import time; a = time.process_time();"
        "from liftos_app import config; from liftos_app.services import boot;"
        "boot.build_app(config.load()).db.close();"
        "import sys, json; print(json.dumps([time.process_time() - a, 'alembic' in sys.modules]))"
    )
    env = {
        **os.environ,
        "LIFTOS_HOME": str(settings.home),
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "API_VAULT_MASTER_KEY": f"k1:{settings.master_keys[0].key.hex()}",
    }
    best = 99.0
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=env,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        seconds, alembic = json.loads(done.stdout)
        assert alembic is False
        best = min(best, seconds)
    assert best < 3


def test_L111_a_second_process_on_the_embedded_database_is_refused(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings()
    first = boot.hold_alone(settings)
    with pytest.raises(ConfigError, match="only one may"):
        boot.hold_alone(settings)
    assert first is not None
    first.close()
    again = boot.hold_alone(settings)
    assert again is not None
    again.close()
    assert boot.hold_alone(make_settings(DATABASE_URL="postgresql://u@h/n")) is None


@pytest.mark.parametrize("has_it", [True, False])  # glibc, and C libraries without such heaps
def test_the_threads_of_a_process_share_few_heaps(
    monkeypatch: pytest.MonkeyPatch, *, has_it: bool
) -> None:
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *what: asked.append(what)) if has_it else object()
    monkeypatch.setattr(boot.ctypes, "CDLL", lambda _: library)
    boot._limit_heaps()
    assert asked == ([(-8, 2)] if has_it else [])
