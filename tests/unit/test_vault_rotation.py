"""New keys: killed at every step and continued, beside writers, and everything checked."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlmodel import select

from liftos_app.config import parse_master_keys
from liftos_app.models import AuditEntry, Connection, Credential, DataKey, Role, SecondFactor
from liftos_app.services import vault
from liftos_app.services.audit import verify
from liftos_app.services.context import App, Context, Principal
from liftos_app.services.vault import Vault, rotation

OpenCtx = Callable[..., AbstractContextManager[Context]]
K1 = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
K2 = "k2:" + base64.b64encode(bytes(range(32, 64))).decode()


class Killed(BaseException):
    """Stands for a kill: no `except Exception` holds it up."""


@pytest.fixture
def values(open_ctx: OpenCtx, make_principal: Callable[..., Principal]) -> dict[str, str]:
    """Three connections with two values each, and a second factor's seed; by place."""
    found = {}
    with open_ctx(write=True) as ctx:
        for number in range(3):
            row = Connection(org_id=ctx.org, platform="klaviyo", name="K", created_at=ctx.now(),
                             updated_at=ctx.now())
            ctx.session.add(row)
            ctx.session.flush()
            for name in ("api_key", "refresh_token"):
                found[f"{row.id} {name}"] = f"canary-{number}-{name}"
                vault.put(ctx, row, name, found[f"{row.id} {name}"])
        user_id = ctx.who.user_id
        assert user_id is not None
        sealed = vault.seal(ctx, "canary-seed", table="second_factor", row_id=user_id,
                            field="sealed")
        ctx.session.add(SecondFactor(user_id=user_id, org_id=ctx.org, sealed=sealed,
                                     created_at=ctx.now()))
    return found


def read_all(open_ctx: OpenCtx) -> dict[str, str]:
    with open_ctx() as ctx:
        found = {
            f"{row.id} {name}": secret.reveal()
            for row in ctx.session.exec(select(Connection)).all()
            for name, secret in vault.get_all(ctx, row).items()
        }
        factor = ctx.session.exec(select(SecondFactor)).one()
        seed = vault.unseal(ctx, factor.sealed, table="second_factor", row_id=factor.user_id,
                            field="sealed")
        assert seed.reveal() == "canary-seed"
    return found


def restart(app: App, keys: str) -> None:
    """Another process, with empty caches, on the same database."""
    app.vault = Vault(parse_master_keys(keys))
    with app.db.write() as session:
        app.vault.boot_check(session)


def kill_after(monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
    """Die at the n-th call of a step of the rotation."""
    true, count = getattr(Vault, name), iter(range(1000))

    def dying(self: Vault, *args: object, **kwargs: object) -> object:
        if next(count) == calls:
            raise Killed
        return true(self, *args, **kwargs)

    monkeypatch.setattr(Vault, name, dying)


@pytest.mark.parametrize("step", range(4))
def test_L61_rewrapping_killed_at_every_step_goes_on(
    app: App, open_ctx: OpenCtx, values: dict[str, str], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    restart(app, f"{K2},{K1}")
    with monkeypatch.context() as patched:
        kill_after(patched, "rewrap", step)
        with pytest.raises(Killed):
            rotation.rewrap(app, batch=1)
    restart(app, f"{K2},{K1}")
    assert read_all(open_ctx) == values
    assert rotation.left(app) == {"k1": 4 - step}
    assert rotation.rewrap(app, batch=1) == {}
    assert rotation.rewrap(app) == {}
    restart(app, K2)
    assert read_all(open_ctx) == values
    assert rotation.check(app).failures == []
    with app.db.read() as session:
        acts = session.exec(select(AuditEntry.action)).all()
    assert acts.count("vault.rewrapped") == 4
    assert verify.verify(app).ok


@pytest.mark.parametrize(("name", "calls"), [
    *(("wrap_new", n) for n in range(4)), *(("cipher", n) for n in range(0, 14, 3)),
    *(("active_data_key", n) for n in range(0, 7, 2)),
])
def test_L61_new_data_keys_killed_at_every_step_go_on(
    app: App, open_ctx: OpenCtx, values: dict[str, str], clock: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch, name: str, calls: int,
) -> None:
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        kill_after(patched, name, calls)
        with pytest.raises(Killed):
            rotation.renew_data_keys(app)
    restart(app, K1)
    assert read_all(open_ctx) == values
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    rotation.renew_data_keys(app)
    assert read_all(open_ctx) == values
    with app.db.read() as session:
        keys = session.exec(select(DataKey)).all()
        used = {s.split(".")[1] for s in session.exec(select(Credential.sealed)).all()}
    assert sorted(k.generation for k in keys if k.state == "active") == [2, 2, 2, 2]  # once each
    assert used <= {str(k.id) for k in keys if k.state == "active"}
    assert rotation.check(app).failures == []


def test_L61_replaced_data_keys_are_destroyed_after_an_hour(
    app: App, open_ctx: OpenCtx, values: dict[str, str], clock: Callable[[], object]
) -> None:
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert rotation.renew_data_keys(app) == 4
    assert rotation.retire(app) == 0
    clock.advance(minutes=61)  # type: ignore[attr-defined]
    assert rotation.retire(app) == 4
    assert rotation.retire(app) == 0
    restart(app, K1)
    assert read_all(open_ctx) == values
    with app.db.read() as session:
        old = session.exec(select(DataKey).where(DataKey.state == "destroyed")).all()
    assert len(old) == 4
    assert all(k.wrapped is None for k in old)


def test_L61_a_late_writer_under_the_old_key_loses_nothing(
    app: App, open_ctx: OpenCtx, values: dict[str, str], clock: Callable[[], object]
) -> None:
    """A value sealed by the replaced key is moved before the key goes."""
    with app.db.read() as session:
        late = session.exec(select(Credential)).first()
        assert late is not None
        before = (late.id, late.sealed)
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    rotation.renew_data_keys(app)
    with app.db.write() as session:
        session.get_one(Credential, before[0]).sealed = before[1]
    clock.advance(minutes=61)  # type: ignore[attr-defined]
    assert rotation.retire(app) == 3  # the fourth still had something to give
    assert rotation.retire(app) == 1
    assert read_all(open_ctx) == values


def test_L59_keys_verify_names_what_does_not_open(
    app: App, values: dict[str, str]
) -> None:
    with app.db.write() as session:
        row = session.exec(select(Credential)).first()
        assert row is not None
        row.row_version += 1
        key = session.exec(select(DataKey).where(DataKey.scope_type == "organization")).one()
        key.scope_id = "999"
    found = rotation.check_and_note(app)
    assert (found.keys, found.values) == (4, 7)
    said = [f.what for f in found.failures]
    assert said[0].startswith(f"data key {key.id} of organization")
    assert f"credential {row.id}, field {row.field}" in said
    with app.db.read() as session:
        entry = session.exec(select(AuditEntry).where(AuditEntry.action == "vault.verified")).one()
    assert entry.result == "failed"
    assert not any(v in repr(entry.data) for v in values.values())


def test_L63_after_disconnecting_nothing_of_a_secret_is_left_even_with_the_master_key(
    app: App, open_ctx: OpenCtx, values: dict[str, str], tmp_path: object
) -> None:
    """The wrapped key and the ciphertext are gone from the rows, and from SQLite's file as well."""
    with app.db.read() as session:
        row = session.exec(select(Connection)).first()
        assert row is not None
        key = session.exec(select(DataKey).where(DataKey.scope_id == str(row.id))).one()
        sealed = session.exec(
            select(Credential.sealed).where(Credential.connection_id == row.id)
        ).all()
        wrapped = key.wrapped
        assert wrapped is not None
    with open_ctx(Role.MANAGER, write=True) as ctx:
        vault.shred(ctx, row)
    with app.db.read() as session:
        after = repr(session.execute(text("SELECT * FROM data_key")).all())
        after += repr(session.execute(text("SELECT * FROM credential")).all())
        after += repr(session.execute(text("SELECT * FROM audit_entry")).all())
    lost = [wrapped, *(s.rpartition(".")[2] for s in sealed), *values.values()]
    assert [v for v in lost if v in after] == []
    if not app.db.is_sqlite:
        return
    path = app.settings.database_url.removeprefix("sqlite:///")
    with app.db.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    with open(path, "rb") as file:  # noqa: PTH123
        raw = file.read()
    assert [v for v in lost if v.encode() in raw] == []
    assert str(uuid4()).encode() not in raw  # the search itself can miss
    assert str(row.id).encode() in raw or row.id.hex.encode() in raw
