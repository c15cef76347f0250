"""Copies and erasure: of a person, of an organization; the data map behind both."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import threading
import zipfile
import zlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select as sql_select
from sqlmodel import col, select

from liftos_app.config import ROOT
from liftos_app.db import metadata
from liftos_app.errors import Conflict, Denied, Invalid, Missing, ProofNeeded
from liftos_app.models import (
    Account,
    ApiKey,
    AuditEntry,
    Connection,
    Credential,
    CrmRecord,
    DataKey,
    Entity,
    Invitation,
    Membership,
    OneTimeLink,
    Organization,
    Role,
    SecondFactor,
    SourceRecord,
    User,
    WebSession,
)
from liftos_app.models.facts import Level
from liftos_app.services import audit, cells, retention, rights, sessions, totp, vault
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.links_once import LinkOver
from liftos_app.services.retention import choices
from liftos_app.services.rights import datamap, exporting
from tests.conftest import Clock

CANARY = "canary-91c4"
HOSTILE = [  # PostgreSQL stores no NUL
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "=cmd|' /C calc'!A0"]
STORED = [text for text in HOSTILE if "\0" not in text]


def a_person(app: App, org: Organization, role: Role = Role.ADMIN, name: str = "ann") -> Principal:
    """A member with everything a person has."""
    now = app.now()
    with app.db.write() as session:
        user = User(email=f"{name}-{CANARY}@Example.com", email_key=f"{name}-{CANARY}@example.com",
                    name=f"{name} {CANARY}", password_hash="hash", created_at=now)
        session.add(user)
        session.flush()
        session.add_all([
            Membership(org_id=org.id or 0, user_id=user.id, role=role, created_at=now),
            ApiKey(key_id=f"k{user.id.hex[:9]}", secret_hash=f"secret-{user.id}",
                   org_id=org.id or 0, user_id=user.id, name="key", created_at=now, expires_at=now),
            Invitation(org_id=org.id or 0, email=user.email, email_key=user.email_key,
                       role=Role.VIEWER, token_hash=f"t{user.id}", created_at=now, expires_at=now),
        ])
        sessions.create(session, app, user=user, org_id=org.id or 0, ip="198.51.100.7",
                        user_agent=f"agent {CANARY}")
    return Principal(kind="person", user_id=user.id, name=user.name, role=role, proved_at=now)


def ctx_of(app: App, who: Principal, org: Organization, *, write: bool = True) -> Any:
    return open_context(app, who, org.id, write=write)


def fill(app: App, org: Organization, name: str) -> None:
    """A connection with a sealed credential and rows, every text of them a canary."""
    now = app.now()
    with open_context(app, Principal(kind="job", role=Role.ADMIN), org.id, write=True) as ctx:
        connection = Connection(org_id=ctx.org, platform="x", name=name, created_at=now,
                                updated_at=now)
        ctx.session.add(connection)
        ctx.session.flush()
        vault.put(ctx, connection, "access_token", f"token {name}")
        account = Account(org_id=ctx.org, connection_id=connection.id, external_id="a", name=name,
                          created_at=now)
        ctx.session.add(account)
        ctx.session.flush()
        own = {"org_id": ctx.org, "account_key": account.key}
        ctx.session.add_all([
            Entity(**own, level=Level.CAMPAIGN, external_id="e", name=name, first_seen_at=now,
                   updated_at=now),
            SourceRecord(**own, stream="s", slot="1", records=1, digest="d", read_at=now,
                         body=zlib.compress(b'{"sent": 1}')),
            *(CrmRecord(**own, kind="deal", external_id=str(i), day=now.date(), created_at=now,
                        updated_at=now, name=text) for i, text in enumerate([name, *STORED])),
        ])


# --- the map --------------------------------------------------------------------------------------


def test_L101_every_column_has_exactly_one_class() -> None:
    for table in metadata.sorted_tables:
        assert table.name in datamap.TABLES, f"describe {table.name} in rights/datamap.py"
        entry = datamap.TABLES[table.name]
        listed = [n for names in entry.classes.values() for n in names.split()]
        assert len(listed) == len(set(listed)), table.name
        missing = {c.name for c in table.columns} - set(listed)
        assert not missing, f"give a class to {table.name}: {missing}"
        assert set(entry.classes) <= set(datamap.CLASSES)
        assert entry.of in {"organization", "person", "installation"}
        assert entry.purpose
        assert entry.basis
        assert entry.keep


def test_L101_hashes_and_sealed_values_are_hidden_and_names_are_personal() -> None:
    for table in metadata.sorted_tables:
        entry = datamap.TABLES[table.name]
        for column in table.columns:
            kind = entry.class_of(column.name)
            if "hash" in column.name and column.name not in {"request_hash", "account_hash"}:
                assert kind == "hidden", (table.name, column.name)
            if "sealed" in column.name and column.name != "sealed_by":
                assert kind == "hidden", (table.name, column.name)
            if column.name in {"email", "email_key", "ip", "user_agent"}:
                assert kind == "personal", (table.name, column.name)


def test_L101_the_page_shows_the_map_of_today() -> None:
    page = (ROOT / "docs/security/data-map.md").read_text(encoding="utf-8")
    assert datamap.markdown(metadata.sorted_tables) in page, "run scripts/data_map.py"


# --- copies ---------------------------------------------------------------------------------------


def test_L99_a_person_gets_all_about_them_and_no_hash(app: App, organization: Organization) -> None:
    who, other = a_person(app, organization), a_person(app, organization, name="beatrix")
    with ctx_of(app, who, organization) as ctx:
        found = rights.export_me(ctx, rights.ask_mine(ctx))
    text = json.dumps(found)
    assert found["user_account"][0]["email"] == f"ann-{CANARY}@Example.com"
    assert {len(found[t]) for t in ("membership", "web_session", "api_key", "invitation")} == {1}
    assert str(other.user_id) not in text
    assert "beatrix" not in text
    assert "secret-" not in text
    assert "password_hash" not in text
    with app.db.read() as session:
        [web] = session.exec(select(WebSession).where(WebSession.user_id == who.user_id)).all()
        assert web.token_hash not in text
        assert session.exec(select(AuditEntry).where(AuditEntry.action == "data.exported")).one()


def test_L99_an_organizations_zip_holds_its_rows_and_nobody_elses(
    app: App, organization: Organization, other_organization: Organization
) -> None:
    who = a_person(app, organization)
    a_person(app, other_organization, name="theirs")
    fill(app, organization, f"mine {CANARY}")
    fill(app, other_organization, "theirs alone")
    with ctx_of(app, who, organization) as ctx:
        assert rights.begin_export(ctx, rights.ask_ours(ctx)).endswith(".zip")
    body = b"".join(rights.organization_zip(app, who, organization.id or 0))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        files = {n: archive.read(n).decode() for n in archive.namelist()}
    assert "token " not in "".join(files.values())
    assert "theirs" not in "".join(files.values())
    assert f"mine {CANARY}" in files["connection.csv"]
    assert '{""sent"": 1}' in files["source_record.csv"]
    assert {"user_account.csv", "key_check.csv", "lease.csv"}.isdisjoint(files)
    assert "sealed" not in files["credential.csv"].splitlines()[0]
    rows = list(csv.DictReader(io.StringIO(files["crm_record.csv"])))
    assert len(rows) == 1 + len(STORED)


def test_L68_no_cell_of_an_export_is_a_formula(app: App, organization: Organization) -> None:
    who = a_person(app, organization)
    fill(app, organization, "=HYPERLINK(1)")
    body = b"".join(rights.organization_zip(app, who, organization.id or 0))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                text = io.TextIOWrapper(archive.open(name), encoding="utf-8", newline="")
                for row in csv.reader(text):
                    for cell in row:
                        assert not cell.startswith(cells.FORMULA_SIGNS) or is_number(cell)
    for text in HOSTILE:
        assert cells.cell(text) == f"'{text}"
    assert [cells.cell(v) for v in (-5, 1.5, None, True)] == ["-5", "1.5", "", "true"]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_L99_only_administrators_with_a_fresh_proof_export(
    app: App, organization: Organization
) -> None:
    who = a_person(app, organization)
    for other, error in (
        (dataclasses.replace(who, proved_at=None), ProofNeeded),
        (dataclasses.replace(who, proved_at=app.now() - timedelta(minutes=6)), ProofNeeded),
        (dataclasses.replace(who, role=Role.MANAGER), Denied),
        (dataclasses.replace(who, scopes=frozenset({"metrics.read"})), Denied),
    ):
        with ctx_of(app, other, organization) as ctx, pytest.raises(error):
            rights.ask_ours(ctx)


def test_L99_a_link_is_stored_as_a_hash_and_works_once_for_a_day(
    app: App, organization: Organization, clock: Clock
) -> None:
    who = a_person(app, organization)
    unproved = dataclasses.replace(who, proved_at=None)

    def asked() -> str:
        proved = dataclasses.replace(who, proved_at=app.now())
        with ctx_of(app, proved, organization) as ctx:
            return rights.ask_mine(ctx)

    replaced, token = asked(), asked()
    with app.db.read() as session:
        rows = session.exec(select(OneTimeLink)).all()
        assert {r.purpose for r in rows} == {exporting.MINE}
        assert token not in str([r.model_dump() for r in rows])
        acts = session.exec(select(AuditEntry).where(AuditEntry.actor_id == str(who.user_id)))
        assert [a.action for a in acts.all()] == ["data.export_asked"] * 2
    for wrong in (replaced, "", "x" * 43):
        with ctx_of(app, unproved, organization) as ctx, pytest.raises(LinkOver):
            rights.export_me(ctx, wrong)
    clock.advance(hours=23, minutes=59)
    with ctx_of(app, unproved, organization) as ctx:
        assert rights.export_me(ctx, token)["user_account"]
    with ctx_of(app, unproved, organization) as ctx, pytest.raises(LinkOver):
        rights.export_me(ctx, token)
    late = asked()
    clock.advance(hours=24)
    with ctx_of(app, unproved, organization) as ctx, pytest.raises(LinkOver):
        rights.export_me(ctx, late)


def test_L20_L99_a_link_is_for_the_person_who_asked_in_their_organization(
    app: App, organization: Organization, other_organization: Organization
) -> None:
    who, bea = a_person(app, organization), a_person(app, organization, name="beatrix")
    with app.db.write() as session:
        session.add(Membership(org_id=other_organization.id or 0, user_id=who.user_id,
                               role=Role.ADMIN, created_at=app.now()))
    with ctx_of(app, who, organization) as ctx:
        mine, ours = rights.ask_mine(ctx), rights.ask_ours(ctx)
    for thief, org in ((bea, organization), (who, other_organization)):
        with ctx_of(app, thief, org) as ctx, pytest.raises(LinkOver):
            rights.begin_export(ctx, ours)
    with ctx_of(app, bea, organization) as ctx, pytest.raises(LinkOver):
        rights.export_me(ctx, mine)
    for token in (mine, ours):  # no purpose fits another
        with ctx_of(app, who, organization) as ctx, pytest.raises(LinkOver):
            (rights.begin_export if token is mine else rights.export_me)(ctx, token)
    lesser = dataclasses.replace(who, role=Role.MANAGER)
    with ctx_of(app, lesser, organization) as ctx, pytest.raises(Denied):
        rights.begin_export(ctx, ours)
    with ctx_of(app, who, organization) as ctx:  # nobody's attempt has spent it
        assert rights.begin_export(ctx, ours)
        assert rights.export_me(ctx, mine)


def test_L99_of_two_downloads_at_once_one_gets_the_copy(
    app: App, organization: Organization
) -> None:
    who = a_person(app, organization)
    with ctx_of(app, who, organization) as ctx:
        token = rights.ask_ours(ctx)
    gate, ends = threading.Barrier(4), []

    def download() -> None:
        gate.wait()
        try:
            with ctx_of(app, who, organization) as ctx:
                ends.append(rights.begin_export(ctx, token))
        except LinkOver:
            ends.append("")

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bool(e) for e in ends) == [False, False, False, True]


# --- erasure of a person --------------------------------------------------------------------------


def test_L100_an_erased_person_is_nowhere_but_as_a_pseudonym(
    app: App, organization: Organization
) -> None:
    who, _ = a_person(app, organization), a_person(app, organization, name="beatrix")
    with ctx_of(app, who, organization) as ctx:
        audit.record(ctx, "thing.done")
        rights.erase_me(ctx)
    assert found_in(app, f"ann-{CANARY}") == set()
    assert found_in(app, f"ann {CANARY}") == set()
    assert found_in(app, "198.51.100.7") == {"web_session"}  # bea's
    with app.db.read() as session:
        user = session.get_one(User, who.user_id)
        assert user.email.endswith("@erased.invalid")
        assert (user.password_hash, user.disabled_at) == ("", app.now())
        acts = {e.action for e in session.exec(
            select(AuditEntry).where(AuditEntry.actor_id == str(who.user_id))
        ).all()}
        assert acts == {"thing.done", "user.erased"}  # the skeleton stays
    with pytest.raises(Missing), open_context(
        app, Principal(kind="operator", role=Role.SUPER_ADMIN), None, write=True
    ) as ctx:
        rights.erase_account(ctx, f"ann-{CANARY}@example.com")


def test_L100_nobody_leaves_an_organization_without_an_administrator(
    app: App, organization: Organization
) -> None:
    who = a_person(app, organization)
    with ctx_of(app, who, organization) as ctx, pytest.raises(Conflict, match="last administrator"):
        rights.erase_me(ctx)
    a_person(app, organization, name="beatrix")
    with ctx_of(app, who, organization) as ctx:
        retention.hold(ctx, "a reason")
    with ctx_of(app, who, organization) as ctx, pytest.raises(Conflict, match="hold"):
        rights.erase_me(ctx)


# --- erasure of an organization -------------------------------------------------------------------


def found_in(app: App, text: str) -> set[str]:
    """Tables with a text anywhere in a row."""
    found = set()
    with app.db.read() as session:
        for table in metadata.sorted_tables:
            for row in session.connection().execute(sql_select(table)):
                if any(text in str(value) for value in row):
                    found.add(table.name)
    return found


def of_org(app: App, org_id: int) -> dict[str, int]:
    """Rows by table that carry the organization's id."""
    with app.db.read() as session:
        found = {}
        for table in metadata.sorted_tables:
            if "org_id" in table.c:
                query = sql_select(table).where(table.c.org_id == org_id)
                found[table.name] = len(session.connection().execute(query).all())
        found["organization"] = len(session.exec(
            select(Organization).where(Organization.id == org_id)
        ).all())
    return {name: count for name, count in found.items() if count}


def test_L100_an_organization_goes_after_seven_days_with_everything(
    app: App, organization: Organization, other_organization: Organization, clock: Clock
) -> None:
    who = a_person(app, organization)
    a_person(app, other_organization, name="theirs")
    both = a_person(app, organization, Role.VIEWER, name="both")
    with app.db.write() as session:
        session.add(Membership(org_id=other_organization.id or 0, user_id=both.user_id,
                               role=Role.VIEWER, created_at=app.now()))
    seed = totp.new_seed()
    with ctx_of(app, both, organization) as ctx:
        sealed = vault.seal(ctx, seed, table="second_factor", row_id=both.user_id, field="sealed")
        ctx.session.add(SecondFactor(user_id=both.user_id, org_id=ctx.org, sealed=sealed,
                                     created_at=app.now(), confirmed_at=app.now()))
    fill(app, organization, f"mine {CANARY}")
    fill(app, other_organization, "theirs")
    theirs = of_org(app, other_organization.id or 0)
    with ctx_of(app, who, organization) as ctx:
        with pytest.raises(Invalid):
            choices.ask_erasure(ctx, "larkspur")
        assert choices.ask_erasure(ctx, "Larkspur Home") == app.now() + timedelta(days=7)
    clock.advance(days=7, seconds=-1)
    assert rights.erase_due(app) == 0
    clock.advance(seconds=1)
    assert rights.erase_due(app) == 1
    assert set(of_org(app, organization.id or 0)) <= {"audit_entry"}
    assert found_in(app, f"mine {CANARY}") <= {"audit_entry"}
    assert found_in(app, f"ann-{CANARY}") == set()
    left = of_org(app, other_organization.id or 0)
    assert {k: left[k] for k in theirs if k not in {"data_key", "audit_entry"}} == {
        k: theirs[k] for k in theirs if k not in {"data_key", "audit_entry"}
    }
    with app.db.read() as session:
        user = session.get_one(User, both.user_id)
        assert user.email.startswith("both")
        row = session.get_one(SecondFactor, both.user_id)
        ctx = Context(app=app, session=session, who=both, org_id=other_organization.id)
        opened = vault.unseal(ctx, row.sealed, table="second_factor", row_id=both.user_id,
                              field="sealed")
        assert opened.reveal() == seed
        entry = session.exec(
            select(AuditEntry).where(AuditEntry.action == "organization.erased")
        ).one()
        assert entry.org_id is None
        assert entry.data["rows"]["crm_record"] == 1 + len(STORED)
    assert rights.erase_due(app) == 0


def test_L100_it_can_be_taken_back_and_a_hold_stops_it(
    app: App, organization: Organization, clock: Clock
) -> None:
    who = a_person(app, organization)
    with ctx_of(app, who, organization) as ctx:
        choices.ask_erasure(ctx, "Larkspur Home")
        retention.hold(ctx, "a reason")
    clock.advance(days=8)
    assert rights.erase_due(app) == 0
    late = dataclasses.replace(who, proved_at=app.now())
    with ctx_of(app, late, organization) as ctx:
        choices.cancel_erasure(ctx)
        retention.release(ctx)
    assert rights.erase_due(app) == 0
    assert of_org(app, organization.id or 0)["organization"] == 1


def test_L100_a_killed_erasure_goes_on(
    app: App, organization: Organization, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liftos_app.services.rights import erasing

    who = a_person(app, organization)
    fill(app, organization, "x")
    with ctx_of(app, who, organization) as ctx:
        choices.ask_erasure(ctx, "Larkspur Home")
    clock.advance(days=7)
    real, left = erasing._delete_batch, [4]

    def dying(*args: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise SystemExit
        return real(*args)

    monkeypatch.setattr(erasing, "_delete_batch", dying)
    with pytest.raises(SystemExit):
        rights.erase_due(app)
    with app.db.read() as session:  # nobody gets in any more, no key opens anything
        assert session.exec(select(WebSession)).all() == []
        assert session.exec(select(ApiKey)).all() == []
        assert session.exec(select(DataKey).where(
            DataKey.scope_type == "connection", col(DataKey.wrapped).is_not(None)
        )).all() == []
    monkeypatch.setattr(erasing, "_delete_batch", real)
    assert rights.erase_due(app) == 1
    assert set(of_org(app, organization.id or 0)) <= {"audit_entry"}
    with app.db.read() as session:
        assert session.exec(select(Credential)).all() == []


# --- the operator's preview -----------------------------------------------------------------------


def test_L100_a_preview_counts_what_goes_and_erases_nothing(
    app: App, organization: Organization, other_organization: Organization
) -> None:
    who = a_person(app, organization)
    fill(app, organization, f"mine {CANARY}")
    fill(app, other_organization, "theirs")
    operator = Principal(kind="operator", role=Role.SUPER_ADMIN)
    email = f"ann-{CANARY}@example.com"
    before = of_org(app, organization.id or 0)
    with open_context(app, operator, None) as ctx:
        assert rights.preview_account(ctx, email.upper()) == {
            "api_key": 1, "invitation": 1, "membership": 1, "web_session": 1,
        }
        with pytest.raises(Missing):
            rights.preview_account(ctx, "nobody@example.com")
    with app.db.write() as session:
        session.get_one(User, who.user_id).email_key = "strasse@example.com"
    with open_context(app, operator, None) as ctx:
        assert rights.preview_account(ctx, "Straße@example.com ")["membership"] == 1
    assert rights.find_organization(app, operator, organization.public_id) == (
        organization.id, organization.name
    )
    with pytest.raises(Missing):
        rights.find_organization(app, operator, who.user_id)
    with pytest.raises(Denied):
        rights.find_organization(app, who, organization.public_id)
    with ctx_of(app, operator, organization, write=False) as ctx:
        counts = rights.preview_organization(ctx)
    assert {name: counts[name] for name in ("connection", "credential", "membership")} == {
        "connection": 1, "credential": 1, "membership": 1
    }
    assert "audit_entry" not in counts
    assert of_org(app, organization.id or 0) == before
