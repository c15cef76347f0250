"""What keeps organizations apart in the tables themselves: org_id, composite keys, random ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint, Uuid
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel

from liftos_app.api import docs
from liftos_app.api.routes import create_api
from liftos_app.db import metadata
from liftos_app.models import (
    Account,
    Connection,
    Coverage,
    CoverageState,
    Entity,
    FactDaily,
    Organization,
    RejectedRow,
    ResyncChange,
    RunState,
    StagedUnit,
    StreamRun,
    SyncRun,
)
from liftos_app.services.context import App

OF_NOBODY = {  # tables without org_id
    "audit_checkpoint": "closes a segment of the one log of the installation",
    "audit_head": "the end of that log",
    "audit_key": "keys of that log",
    "key_check": "tells whether the master key is the right one",
    "lease": "who does a named thing now; a name holds a random id, never data",
    "login_attempt": "made before anybody is known; only hashes and addresses",
    "organization": "is the organization",
    "provider_sign_in": "begun before anybody is known",
    "rate_budget": "how quickly a platform may be asked; numbers only",
    "user_account": "a person may belong to several organizations",
    "recovery_code": "hangs on the person",
    "user_identity": "hangs on the person",
}
OF_SOME = {  # tables whose org_id may be empty
    "audit_entry": "acts of the installation, and of people who are not signed in",
    "breaker": "the row of a platform as a whole, over all organizations",
    "incident": "some rules watch the installation",
    "outbox": "alerts of such incidents",
    "retention_run": "what belongs to nobody is cleared too",
    "one_time_link": "a link to a new password belongs to the person",
}
# Columns that name a parent and are not bound to it together with org_id.
LOOSE = {
    ("coverage", "run_id"): "a note of which run read the day; it outlives the run",
    ("restatement", "run_id"): "as above",
    ("sync_event", "run_id"): "as above; the connection binds the row",
    ("fact_daily", "account_key"): "copied from the entity, which binds the row",
    ("fact_extra", "account_key"): "as above",
    ("mail_fact", "account_key"): "as above",
}
PARENTS = {"connection_id": "connection", "account_key": "account", "entity_key": "entity",
           "run_id": "sync_run"}
TABLES = {t.name: t for t in metadata.sorted_tables}


def has_org(table: Table) -> bool:
    return "org_id" in table.c


def of_tenants() -> list[Table]:
    return [t for t in TABLES.values() if has_org(t) and t.name not in OF_SOME]


def keys_of(table: Table) -> list[set[str]]:
    """The sets of columns no two rows share."""
    return [{c.name for c in table.primary_key.columns}] + [
        {c.name for c in u.columns} for u in table.constraints if isinstance(u, UniqueConstraint)
    ]


def bonds(table: Table) -> list[ForeignKeyConstraint]:
    """Foreign keys to other tables of tenants; those to organizations and people are plain."""
    return [f for f in table.foreign_key_constraints if has_org(f.referred_table)]


def test_L13_every_table_names_its_organization_or_says_why_not() -> None:
    assert {t.name for t in TABLES.values() if not has_org(t)} == set(OF_NOBODY)
    assert {t.name for t in TABLES.values() if has_org(t) and t.c.org_id.nullable} == set(OF_SOME)


def test_L13_a_child_is_bound_to_its_parent_together_with_the_organization() -> None:
    plain = set()
    for table in of_tenants():
        for bond in bonds(table):
            pairs = {e.parent.name: e.column.name for e in bond.elements}
            if pairs.get("org_id") != "org_id":
                plain |= {(table.name, name) for name in pairs}
                continue
            assert set(pairs.values()) in keys_of(bond.referred_table), table.name
    assert plain <= set(LOOSE)


def test_L13_every_column_that_names_a_parent_is_bound_to_it() -> None:
    loose = set()
    for table in of_tenants():
        bound = {
            name for bond in bonds(table) if "org_id" in bond.column_keys
            for name in bond.column_keys
        }
        loose |= {
            (table.name, name) for name, parent in PARENTS.items()
            if name in table.c and name not in bound and table.name != parent
        }
    assert loose == set(LOOSE)


class Tree:
    """An organization with a connection, an account and an entity of its own."""

    def __init__(self, session: Session, app: App, org: Organization) -> None:
        self.app, self.org_id, at = app, org.id or 0, app.now()
        connection = Connection(
            org_id=self.org_id, platform="klaviyo", name="K", created_at=at, updated_at=at
        )
        session.add(connection)
        session.flush()
        account = Account(
            org_id=self.org_id, connection_id=connection.id, external_id="a", name="A",
            created_at=at,
        )
        session.add(account)
        session.flush()
        run = SyncRun(
            org_id=self.org_id, connection_id=connection.id, trigger="person", created_at=at,
            state=RunState.SUCCEEDED,
        )
        entity = Entity(
            org_id=self.org_id, account_key=account.key or 0, level=1, external_id="c",
            first_seen_at=at, updated_at=at,
        )
        session.add_all([run, entity])
        session.flush()
        self.connection_id, self.account_key = connection.id, account.key or 0
        self.entity_key, self.run_id = entity.key or 0, run.id


CHILDREN: dict[str, Callable[[Tree, int], SQLModel]] = {
    "account": lambda t, org: Account(
        org_id=org, connection_id=t.connection_id, external_id="b", name="B",
        created_at=t.app.now(),
    ),
    "run": lambda t, org: SyncRun(
        org_id=org, connection_id=t.connection_id, trigger="person", created_at=t.app.now()
    ),
    "entity": lambda t, org: Entity(
        org_id=org, account_key=t.account_key, level=1, external_id="d",
        first_seen_at=t.app.now(), updated_at=t.app.now(),
    ),
    "coverage": lambda t, org: Coverage(
        org_id=org, account_key=t.account_key, stream="daily", day=dt.date(2026, 11, 1),
        state=CoverageState.COMPLETE, first_read_at=t.app.now(), read_at=t.app.now(),
    ),
    "fact": lambda t, org: FactDaily(
        org_id=org, entity_key=t.entity_key, account_key=t.account_key, level=1,
        day=dt.date(2026, 11, 1), spend_micros=1,
    ),
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_L13_a_row_cannot_hang_on_the_parent_of_another_organization(
    app: App, organization: Organization, other_organization: Organization, kind: str
) -> None:
    with app.db.write() as session:
        theirs = Tree(session, app, organization)
    make, ours = CHILDREN[kind], other_organization.id or 0
    with pytest.raises(IntegrityError), app.db.write() as session:
        session.add(make(theirs, ours))
    with app.db.write() as session:
        session.add(make(theirs, theirs.org_id))


OF_RUNS: dict[str, Callable[[Tree, UUID], SQLModel]] = {
    "rejected_row": lambda t, run: RejectedRow(
        org_id=t.org_id, run_id=run, account_key=t.account_key, stream="daily", reason="r",
        record="{}", at=t.app.now(),
    ),
    "resync_change": lambda t, run: ResyncChange(
        org_id=t.org_id, run_id=run, account_key=t.account_key, stream="daily",
        table_name="fact_daily", row_count=1, body=b"", at=t.app.now(),
    ),
    "staged_unit": lambda t, run: StagedUnit(
        org_id=t.org_id, run_id=run, account_key=t.account_key, stream="daily",
        first_day=dt.date(2026, 11, 1), last_day=dt.date(2026, 11, 1), body=b"", at=t.app.now(),
    ),
    "stream_run": lambda t, run: StreamRun(
        org_id=t.org_id, run_id=run, account_key=t.account_key, stream="daily",
    ),
}


@pytest.mark.parametrize("table", OF_RUNS)
def test_L13_a_row_of_ones_own_account_cannot_name_the_run_of_another_organization(
    app: App, organization: Organization, other_organization: Organization, table: str
) -> None:
    with app.db.write() as session:
        theirs, ours = (Tree(session, app, o) for o in (organization, other_organization))
    with pytest.raises(IntegrityError), app.db.write() as session:
        session.add(OF_RUNS[table](ours, theirs.run_id))
    with app.db.write() as session:
        session.add(OF_RUNS[table](ours, ours.run_id))


def test_L16_ids_that_are_shown_are_random() -> None:
    found = {
        f"{mapper.class_.__tablename__}.{name}": column.default.arg(None)
        for mapper in SQLModel._sa_registry.mappers
        for name, column in mapper.local_table.c.items()  # type: ignore[attr-defined]
        if isinstance(column.type, Uuid) and column.default is not None
    }
    assert {"connection.id", "sync_run.id", "account.id", "organization.public_id",
            "user_account.id", "api_key.id", "invitation.id"} <= set(found)
    assert all(isinstance(i, UUID) and i.version == 4 for i in found.values())


def test_L16_the_api_names_things_by_random_ids(app: App) -> None:
    document = docs.schema(create_api(app))
    named = {
        (where["name"], where["schema"].get("format", ""))
        for acts in document["paths"].values() for act in acts.values()
        for where in act.get("parameters", ()) if where["name"].endswith("_id")
    }
    assert named - {("platform_id", "")} == {(name, "uuid") for name, _ in named} - {
        ("platform_id", "uuid")
    }
    counted = {
        (shape, name)
        for shape, parts in document["components"]["schemas"].items()
        for name, kind in parts.get("properties", {}).items()
        if (name == "id" or name.endswith("_id")) and kind.get("type") == "integer"
    }
    assert counted == {("EventOut", "id")}  # a line of one connection's own log
