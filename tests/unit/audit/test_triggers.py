"""What the database itself refuses, on tables made by the migrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from liftos_app import config
from liftos_app.db import Database
from liftos_app.services import audit, boot, migrations
from liftos_app.services.audit import checkpoints, verify
from liftos_app.services.context import App, job_principal, open_context

OLD = "INSERT INTO audit_entry (seq, at, actor_type, actor_id, action, object_type, object_id, " \
      "result, reason, ip, request_id, data) VALUES (:seq, '2026-11-01 10:00:00.5+00:00', " \
      "'job', 'x', 'test.old', '', '', 'ok', '', '', '', '{\"n\": 1}')"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at the revision before the chain, with rows and gaps."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    admin = None
    if request.param == "postgresql":
        admin = create_engine(request.getfixturevalue("postgres_server"),
                              isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS liftos_triggers WITH (FORCE)"))
            connection.execute(text("CREATE DATABASE liftos_triggers"))
        url = admin.url.set(database="liftos_triggers").render_as_string(hide_password=False)
    database = Database(url)
    migrations.migrate(database, "0003")
    with database.write() as session:
        for seq in (2, 3, 7):
            moment = OLD if admin is not None else OLD.replace(".5+00:00", ".500000")
            session.execute(text(moment), {"seq": seq})
    database.close()
    yield url
    if admin is not None:
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE liftos_triggers WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def app(old_url: str, tmp_path: Path) -> Iterator[App]:
    made = boot.build_app(config.load({"LIFTOS_HOME": str(tmp_path), "DATABASE_URL": old_url}))
    with open_context(made, job_principal("t"), None, write=True) as ctx:
        audit.record(ctx, "test.act")
    checkpoints.make(made)
    yield made
    made.db.close()


def test_L87_old_rows_are_numbered_sealed_and_then_stay(app: App) -> None:
    with app.db.read() as session:
        rows = session.execute(text("SELECT seq, action FROM audit_entry ORDER BY seq")).all()
    assert [tuple(r) for r in rows] == [
        (1, "test.old"), (2, "test.old"), (3, "test.old"), (4, "test.act"),
    ]
    assert verify.verify(app).ok


@pytest.mark.parametrize("statement", [
    "UPDATE audit_entry SET action = 'x' WHERE seq = 1", "UPDATE audit_entry SET hash = ''",
    "DELETE FROM audit_entry WHERE seq = 4", "DELETE FROM audit_entry",
    "DELETE FROM audit_checkpoint",
])
def test_L87_changing_and_deleting_is_refused(app: App, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"), app.db.write() as session:
        session.execute(text(statement))
    assert verify.verify(app).ok


def test_L87_truncating_is_refused(app: App) -> None:
    if app.db.is_sqlite:
        pytest.skip("SQLite knows no TRUNCATE")
    with pytest.raises(DBAPIError, match="append-only"), app.db.write() as session:
        session.execute(text("TRUNCATE audit_entry"))


def test_L90_a_whole_segment_dropped_by_age_may_go(app: App) -> None:
    with open_context(app, job_principal("t"), None, write=True) as ctx:
        assert checkpoints.drop_before(ctx, app.now()) == 4
    assert verify.verify(app).ok


def test_L89_missing_triggers_are_named(app: App) -> None:
    on = "" if app.db.is_sqlite else " ON audit_entry"
    with app.db.write() as session:
        session.execute(text(f"DROP TRIGGER audit_entry_no_update{on}"))
    assert [f.code for f in verify.verify(app).findings] == ["triggers"]
