# ruff: noqa: S608
"""Publishing into both warehouses from both databases: exact, idempotent, only into our tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Fix, Invalid
from liftos_app.models import (
    Account,
    Connection,
    Coverage,
    CrmRecord,
    FactDaily,
    Order,
    Organization,
    Payment,
    Role,
    RunState,
    SyncEvent,
    SyncRun,
)
from liftos_app.services import connections, leases, publish
from liftos_app.services.connectors.client import Stopped
from liftos_app.services.connectors.writing import Column
from liftos_app.services.context import App, Principal
from liftos_app.services.publish import job, tables
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from liftos_app.services.sandbox.warehouse import Store
from liftos_app.services.sync.engine import SyncEngine
from tests.sandbox_server import RunningSandbox, running_sandbox

PLACES = {"snowflake": "LARKSPUR", "databricks": "larkspur"}
HOSTS = {"snowflake": "{account}", "databricks": "{workspace}"}
METHODS = {"snowflake": "key_pair", "databricks": "service_principal"}


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@dataclass
class Place:
    """An organization whose figures came from one warehouse, and another one to publish to."""

    app: App
    who: Principal
    org_id: int
    box: RunningSandbox
    target: str
    connection_id: UUID

    def publish(self, who: Principal | None = None) -> job.Published:
        return job.run(self.app, who or self.who, self.org_id, self.connection_id,
                       PLACES[self.target])

    @property
    def store(self) -> Store:
        found: Store = self.box.sandbox.memories[self.target]["store"]
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        name = self.store.name("liftos", table)
        names, rows = self.store.select(f'SELECT * FROM "{name}"', ())
        return [dict(zip([n.lower() for n in names], r, strict=True)) for r in rows]

    def lines(self) -> list[SyncEvent]:
        with self.app.db.read() as session:
            return list(session.exec(select(SyncEvent).where(
                SyncEvent.kind == "publish").order_by(SyncEvent.id)))  # type: ignore[arg-type]


@pytest.fixture(params=["snowflake", "databricks"])
def every_place(
    request: pytest.FixtureRequest, app: App, organization: Organization, served: RunningSandbox,
    make_principal: Callable[..., Principal],
) -> Place:
    """Each warehouse with each database."""
    return made(app, organization, served, make_principal, target=request.param)


@pytest.fixture
def place(
    app: App, organization: Organization, served: RunningSandbox,
    make_principal: Callable[..., Principal],
) -> Place:
    """Each warehouse once, with one of the databases."""
    target = "snowflake" if app.settings.database_url.startswith("sqlite") else "databricks"
    return made(app, organization, served, make_principal, target=target)


def made(
    app: App, organization: Organization, served: RunningSandbox,
    make_principal: Callable[..., Principal], *, target: str,
) -> Place:
    served.reset()
    source = "databricks" if target == "snowflake" else "snowflake"
    for slug in PLACES:
        served.sandbox.memories.setdefault(slug, {})["start_polls"] = 0
        served.sandbox.memories[slug]["polls"] = 0
    app.settings = replace(app.settings, platform_urls={
        slug: f"{served.platform(slug)}/{host}" for slug, host in HOSTS.items()})
    who = make_principal(Role.ADMIN, organization)
    assert organization.id is not None
    first = connections.create_connected(
        app, who, organization.id, source, method=METHODS[source], mode="live",
        inputs=DEMO[source][METHODS[source]], wishes=connections.Wishes(
            accounts="all", definitions=STREAMS[source], history_days=6, start=True),
    )
    assert first.run_id is not None
    assert SyncEngine(app).run(first.run_id) is RunState.SUCCEEDED
    _add_a_deal(app, organization.id, first.connection_id)
    second = connections.create_connected(
        app, who, organization.id, target, method=METHODS[target], mode="live",
        inputs=DEMO[target][METHODS[target]],
        wishes=connections.Wishes(accounts="all", definitions=STREAMS[target][:1]),
    )
    return Place(app, who, organization.id, served, target, second.connection_id)


def _add_a_deal(app: App, org_id: int, connection_id: UUID) -> None:
    with app.db.write() as session:
        account = session.exec(select(Account).where(
            Account.connection_id == connection_id, Account.external_id.endswith("orders"))  # type: ignore[attr-defined]
        ).one()
        session.add(CrmRecord(
            org_id=org_id, account_key=account.key or 0, kind="deal", external_id="d-1",
            day=date(2026, 11, 3), created_at=app.now(), updated_at=app.now(), name="Ärmel & Co ✓",
            amount_micros=-1_234_567, currency="EUR", is_won=None, is_closed=True,
        ))


def micros(text: Any) -> int | None:
    return None if text is None else int(Decimal(str(text)) * 1_000_000)


def test_every_table_arrives_exactly_and_a_second_time_changes_nothing(
    every_place: Place,
) -> None:
    place = every_place
    first = place.publish()
    assert [t.name for t in first.tables] == ["daily_facts", "orders", "payments", "crm_records"]
    with place.app.db.read() as session:
        facts = session.exec(select(FactDaily)).all()
        orders = session.exec(select(Order)).all()
        payments = session.exec(select(Payment)).all()
    assert [t.rows for t in first.tables] == [len(facts), len(orders), len(payments), 1]
    assert all(t.rows == t.new for t in first.tables)
    kept = place.rows("daily_facts")
    assert sum(micros(r["spend"]) or 0 for r in kept) == sum(f.spend_micros or 0 for f in facts)
    assert sum(int(r["clicks"]) for r in kept) == sum(f.clicks or 0 for f in facts)
    assert {r["currency"] for r in kept} == {"USD", "EUR"}
    assert {r["level"] for r in kept} == {"campaign"}
    assert {r["attribution"] for r in kept} == {"imported"}
    sold = {r["order_id"]: r for r in place.rows("orders")}
    for order in orders:
        row = sold[order.external_id]
        assert micros(row["gross"]) == order.gross_micros
        assert row["day"] == order.day.isoformat()
        assert row["customer_ref"] == order.customer_ref
        assert row["ordered_at"].startswith(order.processed_at.strftime("%Y-%m-%dT%H:%M:%S"))
    assert "larkspur.example" not in str(sold)
    deal = place.rows("crm_records")[0]
    assert (deal["name"], deal["amount"], deal["is_won"], deal["is_closed"]) == (
        "Ärmel & Co ✓", "-1.234567", None, 1)
    again = place.publish()
    assert [(t.new, t.changed, t.removed) for t in again.tables] == [(0, 0, 0)] * 4
    assert place.rows("daily_facts") == kept
    texts = [e.text for e in place.lines()]
    assert texts[-1] == f"Published to {PLACES[place.target]}: nothing had changed."
    assert any("daily_facts: " in t and " 0 new" not in t for t in texts)


def test_every_row_says_where_it_is_from_and_reading_it_again_sends_nothing(
    every_place: Place,
) -> None:
    place = every_place
    place.publish()
    names = ("daily_facts", "orders", "payments", "crm_records")
    with place.app.db.read() as session:
        source = session.exec(select(Connection).where(
            Connection.id != place.connection_id)).one()
        run = session.exec(select(SyncRun).where(SyncRun.connection_id == source.id)).one()
        accounts = {a.external_id: a for a in session.exec(select(Account))}
        orders = {o.external_id: o.currency for o in session.exec(select(Order))}
        day = session.exec(select(Coverage).where(Coverage.stream == "marketing_daily")).first()
    before = {n: place.rows(n) for n in names}
    for row in (r for rows in before.values() for r in rows):
        account = accounts[row["account_id"]]
        assert (row["platform"], row["account_name"]) == (source.platform, account.name)
        assert row["provenance"] == "live"
        if row["account_id"].endswith("shop_orders") and "kind" in row:
            continue  # the deal, which no sync brought
        assert row["sync_run_id"] == str(run.id)
        assert row["read_at"].startswith(place.app.now().strftime("%Y-%m-%dT%H:%M:%S"))
    assert day is not None
    assert {r["order_id"]: r["currency"] for r in before["orders"]} == orders
    assert before["crm_records"][0]["sync_run_id"] == ""
    with place.app.db.write() as session:  # another sync has read it all, and changed one order
        for one in session.exec(select(Coverage)):
            one.read_at, one.run_id = place.app.now() + timedelta(hours=1), UUID(int=7)
            session.add(one)
        order = session.exec(select(Order)).first()
        assert order is not None
        order.gross_micros += 10_000
        session.add(order)
    again = place.publish()
    assert [(t.new, t.changed, t.removed) for t in again.tables] == [
        (0, 0, 0), (0, 1, 0), (0, 0, 0), (0, 0, 0)]
    told = {r["order_id"]: r["sync_run_id"] for r in place.rows("orders")}
    assert {i for i, run_id in told.items() if run_id == str(UUID(int=7))} == {order.external_id}
    assert place.rows("daily_facts") == before["daily_facts"]


def test_only_what_changed_is_sent_and_what_is_gone_goes(place: Place) -> None:
    place.publish()
    with place.app.db.write() as session:
        order = session.exec(select(Order)).first()
        assert order is not None
        order.gross_micros += 10_000
        session.add(order)
        session.delete(session.exec(select(CrmRecord)).one())
    found = {t.name: t for t in place.publish().tables}
    assert (found["orders"].new, found["orders"].changed, found["orders"].removed) == (0, 1, 0)
    assert (found["crm_records"].rows, found["crm_records"].removed) == (0, 1)
    assert (found["daily_facts"].changed, found["payments"].changed) == (0, 0)
    row = next(r for r in place.rows("orders") if r["order_id"] == order.external_id)
    assert micros(row["gross"]) == order.gross_micros
    with place.app.db.write() as session:  # accounts that are not counted any more
        for account in session.exec(select(Account).where(Account.currency == "EUR")):
            account.selected = False
            session.add(account)
    assert {t.name: t for t in place.publish().tables}["daily_facts"].removed > 0
    assert {r["currency"] for r in place.rows("daily_facts")} == {"USD"}


def test_trouble_in_the_middle_changes_no_row(place: Place) -> None:
    place.box.trouble.add("server_error", place.target, count=1)
    place.box.trouble.add("cut", place.target, count=1, stream="publish")
    first = place.publish()
    assert sum(t.new for t in first.tables) == sum(t.rows for t in first.tables)
    assert sum(t.new + t.changed + t.removed for t in place.publish().tables) == 0


def test_a_stop_is_gone_on_with_by_the_next(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BATCH_ROWS", 50)

    def alive() -> bool:
        made = "store" in place.box.sandbox.memories[place.target] and (
            place.store.name("liftos", "daily_facts") in place.store.tables)
        return not made or not place.rows("daily_facts")

    with pytest.raises(Stopped):
        job.run(place.app, place.who, place.org_id, place.connection_id, PLACES[place.target],
                alive=alive)
    there = len(place.rows("daily_facts"))
    found = place.publish()
    assert 0 < there < found.tables[0].rows
    assert found.tables[0].new == found.tables[0].rows - there


def test_a_table_of_somebody_else_is_never_written(place: Place) -> None:
    connections.test(place.app, place.who, place.org_id, place.connection_id)
    connections.preview(place.app, place.who, place.org_id, place.connection_id,
                        STREAMS[place.target][0])
    name = place.store.name("liftos", "daily_facts")
    place.store.create(name, [_column("mine")])
    with pytest.raises(Fix, match="did not make"):
        place.publish()
    assert place.rows("daily_facts") == []
    assert place.lines()[-1].level == "error"
    assert "LiftOS did not make" in place.lines()[-1].text


def test_a_row_of_somebody_else_in_our_table_is_noticed_and_removed_by_the_next(
    place: Place,
) -> None:
    place.publish()
    name = place.store.name("liftos", "crm_records")
    key, digest = place.store.fold("_liftos_key"), place.store.fold("_liftos_digest")
    place.store.db.execute(f'INSERT INTO "{name}" ("{key}", "{digest}") VALUES (?, ?)', ("x", "y"))
    assert place.publish().tables[3].removed == 1
    for _ in range(2):  # two rows of one key: the counts cannot agree
        place.store.db.execute(
            f'INSERT INTO "{name}" SELECT * FROM "{name}" LIMIT 1')
    with pytest.raises(Fix, match="does not hold what was sent"):
        place.publish()


def test_a_column_we_add_later_is_added_to_the_table(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.publish()
    whole = tables.sources

    def wider(origins: Any) -> Any:
        found = whole(origins)
        facts = found[0]
        table = replace(facts.table, columns=(*facts.table.columns, Column("reach", "number")))
        return (tables.Source(table, facts.read), *found[1:])

    monkeypatch.setattr(tables, "sources", wider)
    again = place.publish().tables[0]
    assert any("reach" in d.lower() for d in again.done)
    assert again.changed == 0
    assert "reach" in place.rows("daily_facts")[0]


def test_what_came_from_the_warehouse_itself_is_not_sent_back(place: Place) -> None:
    with place.app.db.read() as session:
        own = {a.external_id for a in session.exec(select(Account).where(
            Account.connection_id == place.connection_id))}
    place.publish()
    assert not own & {r["account_id"] for r in place.rows("daily_facts")}


def test_one_at_a_time_and_only_by_a_manager_into_a_warehouse(
    place: Place, make_principal: Callable[..., Principal], organization: Organization
) -> None:
    ask = (place.app, place.who, place.org_id, place.connection_id)
    assert publish.begin(*ask, f" {PLACES[place.target]} ", wait=True) == PLACES[place.target]
    with place.app.db.read() as session:
        options = session.get_one(Connection, place.connection_id).options
    assert options["publish_to"] == PLACES[place.target]
    epoch = leases.take(place.app, f"publish:{place.connection_id}", holder="other", seconds=60)
    with pytest.raises(Conflict, match="already"):
        publish.begin(*ask, PLACES[place.target])
    assert epoch is not None
    leases.release(place.app, f"publish:{place.connection_id}", epoch)
    for wrong in ("", '"X"', "a.b", "x`y", "x" * 300):
        with pytest.raises(Invalid):
            publish.begin(*ask, wrong)
    viewer = make_principal(Role.ANALYST, organization)
    with pytest.raises(Denied):
        publish.begin(place.app, viewer, place.org_id, place.connection_id, "X")
    with pytest.raises(Denied):
        place.publish(viewer)


def test_a_database_that_is_not_there_is_told_in_the_timeline(place: Place) -> None:
    publish.begin(place.app, place.who, place.org_id, place.connection_id, "NOWHERE")
    for thread in threading.enumerate():
        if thread.name == "publish":
            thread.join(20)
    last = place.lines()[-1]
    assert last.level == "error"
    assert "Publishing to NOWHERE stopped." in last.text


def _column(name: str) -> Any:
    from liftos_app.services.sandbox.warehouse import Column as Stored

    return Stored(name, "text")
