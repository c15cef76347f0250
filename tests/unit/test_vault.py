"""The vault: what is sealed opens only in its place, with its key, and nowhere is it seen."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import orjson
import pytest
from sqlmodel import select

from liftos_app.config import ConfigError, parse_master_keys
from liftos_app.errors import Denied, Missing
from liftos_app.models import (
    AuditEntry,
    Connection,
    Credential,
    DataKey,
    KeyCheck,
    Organization,
    Role,
)
from liftos_app.services import vault
from liftos_app.services.context import App, Context
from liftos_app.services.vault import Secret, Vault, VaultFault, sealing, store

OpenCtx = Callable[..., AbstractContextManager[Context]]
CANARY = "canary-7f3a91-Zugangsschlüssel-\U0001f511"
K1 = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the key of the `app` fixture
K2 = "k2:" + base64.b64encode(bytes(range(32, 64))).decode()


def keys(text_: str) -> Vault:
    return Vault(parse_master_keys(text_))


def make_connection(ctx: Context, org_id: int | None = None) -> Connection:
    row = Connection(
        org_id=org_id or ctx.org,
        platform="klaviyo",
        name="Klaviyo",
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    ctx.session.add(row)
    ctx.session.flush()
    return row


@pytest.fixture
def connection(open_ctx: OpenCtx) -> Connection:
    """A connection with one sealed value, `api_key`."""
    with open_ctx(write=True) as ctx:
        row = make_connection(ctx)
        vault.put(ctx, row, "api_key", CANARY)
    return row


def stored(app: App, connection: Connection, field: str = "api_key") -> Credential:
    with app.db.read() as session:
        row = session.exec(
            select(Credential).where(
                Credential.connection_id == connection.id, Credential.field == field
            )
        ).one()
        session.expunge(row)
    return row


def overwrite(app: App, credential: Credential, **columns: object) -> None:
    with app.db.write() as session:
        row = session.get(Credential, credential.id)
        assert row is not None
        for name, value in columns.items():
            setattr(row, name, value)


# -- in and out ----------------------------------------------------------------------------------


def test_a_value_comes_back_as_it_went_in(open_ctx: OpenCtx, connection: Connection) -> None:
    with open_ctx() as ctx:
        found = vault.get(ctx, connection, "api_key")
        assert found is not None
        assert found.reveal() == CANARY
        assert vault.get(ctx, connection, "refresh_token") is None


def test_all_values_of_a_connection_come_by_field(
    open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        vault.put(ctx, connection, "access_token", Secret("second-value-1234"))
    with open_ctx() as ctx:
        values = vault.get_all(ctx, connection, purpose="sync")
        assert {k: v.reveal() for k, v in values.items()} == {
            "api_key": CANARY,
            "access_token": "second-value-1234",
        }
        assert ctx.app.vault.reads[connection.id, "sync"] == 2


def test_a_new_value_replaces_the_old_and_raises_the_version(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    before = stored(app, connection)
    with open_ctx(write=True) as ctx:
        vault.put(
            ctx,
            connection,
            "api_key",
            "another-value-9876",
            scopes=["a", "b"],
            expires_at=ctx.now(),
        )
    after = stored(app, connection)
    assert (before.row_version, after.row_version) == (1, 2)
    assert (after.id, after.hint, after.scopes) == (before.id, "9876", ["a", "b"])
    assert after.expires_at == app.now()
    assert before.sealed.split(".")[2] != after.sealed.split(".")[2]


def test_L60_sealing_the_same_text_twice_never_looks_the_same(open_ctx: OpenCtx) -> None:
    with open_ctx(write=True) as ctx:
        first, second = make_connection(ctx), make_connection(ctx)
        for row in (first, second):
            vault.put(ctx, row, "api_key", CANARY)
    assert (
        stored(ctx.app, first).sealed.split(".")[2][:16]
        != (stored(ctx.app, second).sealed.split(".")[2][:16])
    )


def test_each_connection_has_its_own_data_key(app: App, open_ctx: OpenCtx) -> None:
    with open_ctx(write=True) as ctx:
        rows = [make_connection(ctx) for _ in range(3)]
        for row in rows:
            vault.put(ctx, row, "api_key", CANARY)
            vault.put(ctx, row, "access_token", CANARY)
    with app.db.read() as session:
        found = session.exec(select(DataKey)).all()
        assert sorted(k.scope_id for k in found) == sorted(str(r.id) for r in rows)


# -- what does not open --------------------------------------------------------------------------


def test_a_changed_bit_in_any_byte_is_refused(app: App, connection: Connection) -> None:
    row = stored(app, connection)
    head, dek, body = row.sealed.split(".")
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    with app.db.read() as session:

        def opened(sealed: str) -> str:
            row.sealed = sealed
            return store.open_value(
                row, lambda dek_id: app.vault.cipher(session, dek_id, row.org_id)
            ).reveal()

        assert opened(row.sealed) == CANARY
        for index in range(len(raw)):
            for bit in (1, 128):
                changed = bytearray(raw)
                changed[index] ^= bit
                again = base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
                with pytest.raises(VaultFault):
                    opened(f"{head}.{dek}.{again}")


def test_a_changed_character_anywhere_in_the_text_is_refused(
    app: App, connection: Connection
) -> None:
    row = stored(app, connection)
    original = row.sealed
    with app.db.read() as session:
        for index, char in enumerate(original):
            other = "A" if char != "A" else "B"
            row.sealed = original[:index] + other + original[index + 1 :]
            with pytest.raises(VaultFault):
                store.open_value(row, lambda dek_id: app.vault.cipher(session, dek_id, row.org_id))


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "lv1",
        "lv1..",
        "lv2.{dek}.{body}",
        "lv1.{dek}.{body}.x",
        "lv1.{dek}.",
        "lv1.{dek}.AAAA",
        "lv1.not-a-uuid.{body}",
        "lv1.{DEK}.{body}",
        "{body}",
        "lv1.{dek}.{body}=",
        "lv1.{dek}. {body}",
        "lv1.00000000-0000-4000-8000-000000000000.{body}",
        "lv1.{dek}.{body}\n",
        "canary in clear",
    ],
)
def test_another_form_is_refused(app: App, connection: Connection, sealed: str) -> None:
    row = stored(app, connection)
    _, dek, body = row.sealed.split(".")
    row.sealed = sealed.format(dek=dek, body=body, DEK=dek.upper())
    with app.db.read() as session, pytest.raises(VaultFault):
        store.open_value(row, lambda dek_id: app.vault.cipher(session, dek_id, row.org_id))


def test_L58_a_value_moved_to_another_connection_is_refused(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        other = make_connection(ctx)
        vault.put(ctx, other, "api_key", "its-own-value-0001")
    overwrite(app, stored(app, other), sealed=stored(app, connection).sealed)
    with open_ctx() as ctx, pytest.raises(VaultFault):
        vault.get(ctx, other, "api_key")


def test_L58_a_value_moved_to_another_field_is_refused(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        vault.put(ctx, connection, "access_token", "its-own-value-0001")
    overwrite(app, stored(app, connection, "access_token"), sealed=stored(app, connection).sealed)
    with open_ctx() as ctx, pytest.raises(VaultFault):
        vault.get(ctx, connection, "access_token")


def test_L58_a_row_moved_to_another_organization_is_refused(
    app: App, open_ctx: OpenCtx, connection: Connection, other_organization: Organization
) -> None:
    with open_ctx(write=True, org=other_organization) as ctx:
        other = make_connection(ctx, other_organization.id)
    row = stored(app, connection)
    overwrite(app, row, org_id=other_organization.id, connection_id=other.id)
    app.vault = keys(K1)  # nothing cached
    with open_ctx(org=other_organization) as ctx, pytest.raises(VaultFault):
        vault.get(ctx, other, "api_key")


def test_L58_an_older_value_put_back_is_refused(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    old = stored(app, connection).sealed
    with open_ctx(write=True) as ctx:
        vault.put(ctx, connection, "api_key", "the-newer-value-0002")
    overwrite(app, stored(app, connection), sealed=old)
    with open_ctx() as ctx, pytest.raises(VaultFault):
        vault.get(ctx, connection, "api_key")


@pytest.mark.parametrize("column", ["org_id", "scope_type", "scope_id", "kid"])
def test_L58_a_data_key_whose_row_was_changed_does_not_unwrap(
    app: App,
    open_ctx: OpenCtx,
    connection: Connection,
    other_organization: Organization,
    column: str,
) -> None:
    app.vault = keys(f"{K1},{K2}")
    values = {
        "org_id": other_organization.id,
        "scope_type": "organization",
        "scope_id": str(uuid4()),
        "kid": "k2",
    }
    with app.db.write() as session:
        setattr(session.exec(select(DataKey)).one(), column, values[column])
    with open_ctx() as ctx, pytest.raises(VaultFault):
        vault.get(ctx, connection, "api_key")


def test_L59_a_value_that_does_not_open_is_an_audited_error_and_never_an_empty_value(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    row = stored(app, connection)
    overwrite(app, row, sealed=row.sealed[:-4] + "AAAA")

    def try_to_open(ctx: Context) -> None:
        with pytest.raises(VaultFault) as caught:
            vault.get(ctx, connection, "api_key")
        assert caught.value.what
        assert caught.value.why
        assert caught.value.fix
        assert CANARY not in repr(caught.value.__dict__)

    with open_ctx() as ctx:
        try_to_open(ctx)
    with open_ctx(write=True) as ctx:  # the one writer of SQLite is busy here: must not hang
        try_to_open(ctx)
    with app.db.read() as session:
        entries = session.exec(
            select(AuditEntry).where(AuditEntry.action == "vault.open_failed")
        ).all()
    assert [(e.result, e.data["field"]) for e in entries] == [("failed", "api_key")] * 2


# -- other values of an organization -------------------------------------------------------------


def test_L58_other_values_open_only_in_their_table_row_and_field(open_ctx: OpenCtx) -> None:
    place = {"table": "oauth_request", "row_id": "abc", "field": "verifier"}
    with open_ctx(write=True) as ctx:
        sealed = vault.seal(ctx, CANARY, **place)
    with open_ctx() as ctx:
        assert vault.unseal(ctx, sealed, **place).reveal() == CANARY
        for name in place:
            with pytest.raises(VaultFault):
                vault.unseal(ctx, sealed, **{**place, name: "other"})


def test_L58_other_values_do_not_open_in_another_organization(
    open_ctx: OpenCtx, other_organization: Organization
) -> None:
    place = {"table": "oauth_request", "row_id": "abc", "field": "verifier"}
    with open_ctx(write=True) as ctx:
        sealed = vault.seal(ctx, CANARY, **place)
    with open_ctx(org=other_organization) as ctx, pytest.raises(VaultFault):
        vault.unseal(ctx, sealed, **place)


# -- rights and walls ----------------------------------------------------------------------------


def test_roles_below_are_refused(open_ctx: OpenCtx, connection: Connection) -> None:
    with open_ctx(Role.VIEWER) as ctx, pytest.raises(Denied):
        vault.get_all(ctx, connection)
    with open_ctx(Role.ANALYST, write=True) as ctx:
        with pytest.raises(Denied):
            vault.put(ctx, connection, "api_key", "x")
        with pytest.raises(Denied):
            vault.shred(ctx, connection)


def test_another_organizations_connection_is_missing(
    open_ctx: OpenCtx, connection: Connection, other_organization: Organization
) -> None:
    with open_ctx(write=True, org=other_organization) as ctx:
        for act in (
            lambda: vault.get(ctx, connection, "api_key"),
            lambda: vault.get_all(ctx, connection),
            lambda: vault.put(ctx, connection, "api_key", "x"),
            lambda: vault.shred(ctx, connection),
        ):
            with pytest.raises(Missing):
                act()


# -- shredding -----------------------------------------------------------------------------------


def test_L63_shredding_destroys_key_and_values_and_a_kept_copy_no_longer_opens(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    copy_of_row = stored(app, connection)
    with open_ctx(write=True) as ctx:
        vault.shred(ctx, connection)
    with open_ctx() as ctx:
        assert vault.get_all(ctx, connection) == {}
    with app.db.read() as session:
        key = session.exec(select(DataKey)).one()
        assert (key.wrapped, key.state, key.destroyed_at) == (None, "destroyed", app.now())
        with pytest.raises(VaultFault):
            store.open_value(
                copy_of_row, lambda dek_id: app.vault.cipher(session, dek_id, copy_of_row.org_id)
            )


def test_a_connection_can_be_used_again_after_shredding(
    open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        vault.shred(ctx, connection)
        vault.put(ctx, connection, "api_key", "a-new-value-0003")
    with open_ctx() as ctx:
        found = vault.get(ctx, connection, "api_key")
        assert found is not None
        assert found.reveal() == "a-new-value-0003"


# -- master keys ---------------------------------------------------------------------------------


def dump(app: App) -> str:
    """Every column of every row of every table, as text."""
    from liftos_app.db import metadata

    with app.db.read() as session:
        return "\n".join(
            repr(tuple(row))
            for table in metadata.sorted_tables
            for row in session.execute(table.select())
        )


def test_L55_nothing_secret_stands_in_the_database(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        vault.put(ctx, connection, "refresh_token", "canary-refresh-55511")
        vault.shred(ctx, make_connection(ctx))
    everything = dump(app)
    assert "api_key" in everything
    secrets = [CANARY, "canary-refresh-55511", K1.split(":")[1], app.settings.jwt_secret_key]
    secrets += [base64.b64encode(s.encode()).decode().rstrip("=") for s in secrets[:2]]
    secrets += [secrets[0].encode().hex(), repr(app.settings.master_keys[0].key)[2:20]]
    assert [s for s in secrets if s in everything] == []


def boot(app: App, text_: str) -> Vault:
    fresh = keys(text_)
    with app.db.write() as session:
        fresh.boot_check(session)
    return fresh


def test_L56_a_wrong_master_key_stops_the_start_and_changes_nothing(
    app: App, connection: Connection
) -> None:
    before = dump(app)
    with pytest.raises(ConfigError, match="API_VAULT_MASTER_KEY is not the key that sealed"):
        boot(app, K2.replace("k2:", "k1:"))
    assert dump(app) == before


def test_L56_a_missing_old_master_key_stops_the_start_and_changes_nothing(
    app: App, connection: Connection
) -> None:
    before = dump(app)
    with pytest.raises(ConfigError, match="lacks the key 'k1', which sealed 1 data key "):
        boot(app, K2)
    assert dump(app) == before


def test_a_database_of_other_keys_stops_the_start_also_without_credentials(app: App) -> None:
    with pytest.raises(ConfigError, match=r"none of the keys of this database \(k1\)"):
        boot(app, K2)


def test_two_unnamed_keys_in_new_order_are_explained(app: App, connection: Connection) -> None:
    new, old = K2.split(":")[1], K1.split(":")[1]
    with pytest.raises(ConfigError, match="gives the key 'k1' of this database the name 'k2'"):
        boot(app, f"{new},{old}")


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    salt, token = app.vault.salt(7), app.vault.token_hash("a session id")
    app.vault = boot(app, f"{K2},{K1}")
    with open_ctx(write=True) as ctx:
        assert vault.get_all(ctx, connection)["api_key"].reveal() == CANARY
        vault.put(ctx, make_connection(ctx), "api_key", "sealed-by-the-new-key")
    with app.db.read() as session:
        assert sorted(session.exec(select(DataKey.kid)).all()) == ["k1", "k2"]
    assert app.vault.salt(7) == salt
    assert token in app.vault.token_hashes("a session id")


def test_rewrapping_lets_the_old_key_go(
    app: App, open_ctx: OpenCtx, connection: Connection
) -> None:
    with open_ctx(write=True) as ctx:
        others = [make_connection(ctx) for _ in range(4)]
        for row in others:
            vault.put(ctx, row, "api_key", f"value of {row.id}")
        vault.shred(ctx, others.pop())
    values = {r.id: stored(app, r).sealed for r in [connection, *others]}
    salt = app.vault.salt(7)
    app.vault = boot(app, f"{K2},{K1}")
    assert vault.rewrap(app, batch=2) == {}
    assert vault.rewrap(app, batch=2) == {}
    app.vault = boot(app, K2)
    assert app.vault.salt(7) == salt
    with open_ctx() as ctx:
        for row in others:
            assert vault.get_all(ctx, row)["api_key"].reveal() == f"value of {row.id}"
    assert {r.id: stored(app, r).sealed for r in [connection, *others]} == values


def test_a_changed_check_entry_stops_the_start(app: App) -> None:
    with app.db.write() as session:
        row = session.exec(select(KeyCheck)).one()
        row.pseudonym_root = row.pseudonym_root[:-4] + "AAAA"
    with pytest.raises(ConfigError, match="check entry"):
        boot(app, K1)


def test_starting_twice_changes_nothing(app: App) -> None:
    before = dump(app)
    boot(app, K1)
    assert dump(app) == before


# -- hashes and salts ----------------------------------------------------------------------------


def test_hashes_and_salts_depend_on_key_and_input(app: App) -> None:
    other = keys(K2)
    assert app.vault.token_hash("a") == app.vault.token_hash("a")
    assert len({app.vault.token_hash("a"), app.vault.token_hash("b"), other.token_hash("a")}) == 3
    assert len({app.vault.salt(1), app.vault.salt(2), other.salt(1)}) == 3
    assert len(app.vault.token_hash("a")) == len(app.vault.salt(1)) == 64
    assert app.vault.successor("a") != other.successor("a")


def test_lengths_in_front_keep_parts_apart() -> None:
    assert sealing.enc("ab", "c") != sealing.enc("a", "bc")
    assert sealing.enc("a", "") != sealing.enc("a")
    assert sealing.enc("é") == b"\x00\x00\x00\x02\xc3\xa9"


# -- Secret --------------------------------------------------------------------------------------


def test_L57_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        repr([secret]),
        repr({"token": secret}),
        format(secret),
    ]
    assert [s for s in shown if "canary" in s] == []
    assert secret.reveal() == CANARY


def test_L57_a_secret_cannot_be_pickled_copied_or_put_into_json() -> None:
    secret = Secret(CANARY)
    for act in (
        lambda: pickle.dumps(secret),
        lambda: copy.copy(secret),
        lambda: copy.deepcopy(secret),
        lambda: json.dumps(secret),
        lambda: orjson.dumps(secret),
        lambda: hash(secret),
        lambda: vars(secret),
    ):
        with pytest.raises(TypeError):
            act()


def test_secrets_compare_by_value_and_only_with_secrets() -> None:
    assert Secret("abc") == Secret("abc")
    assert Secret("abc") != Secret("abd")
    assert Secret("abc") != "abc"
    assert not Secret("")


def test_L62_the_hint_is_the_end_of_a_long_value_only() -> None:
    assert Secret("pk_0123456789abcdef").hint == "cdef"
    assert Secret("short").hint == ""
