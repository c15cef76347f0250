"""Streams a person defines: previewed, kept, read for accounts of their own, changed, removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Fix, Invalid, Missing
from liftos_app.models import Account, Coverage, CrmRecord, FactDaily, Role, RunState, SyncRun
from liftos_app.services import attention, connections, coverage, explorer, wizard
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import read_definition
from liftos_app.services.connectors.spec import Input
from liftos_app.services.context import Context
from liftos_app.services.metrics import sources
from liftos_app.services.quality import check
from liftos_app.services.sync import provenance
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.state import wizard_view, words
from liftos_app.state.stream_view import Editor, fill, raw_of, settings_of, show
from tests import connection_fixtures, defining_platform
from tests.connection_fixtures import Bench
from tests.defining_platform import DEALS, FACTS, PLATFORM, TABLES

bench, example = connection_fixtures.bench, connection_fixtures.example


@pytest.fixture(autouse=True)
def _platform(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "all_platforms", lambda: (PLATFORM,))
    defining_platform.fill()


def accounts(bench: Bench, connection_id: UUID) -> dict[str, Account]:
    with bench.read() as ctx:
        found = {a.external_id: a for a in connections.accounts_of(ctx, connection_id)}
        ctx.session.expunge_all()
        return found


def define(bench: Bench, connection_id: UUID, *streams: dict[str, Any]) -> None:
    with bench.write() as ctx:
        connections.define(ctx, connection_id, streams)


def synced(bench: Bench, connection_id: UUID) -> SyncRun:
    with bench.write() as ctx:
        run_id = connections.request_sync(ctx, connection_id).id
    SyncEngine(bench.app).run(run_id)
    with bench.app.db.read() as session:
        return session.get_one(SyncRun, run_id)


def spend(bench: Bench) -> dict[str, int]:
    with bench.app.db.read() as session:
        keys = {a.key: a.external_id for a in session.exec(select(Account))}
        total: dict[str, int] = {}
        for row in session.exec(select(FactDaily)):
            total[keys[row.account_key]] = total.get(keys[row.account_key], 0) + (
                row.spend_micros or 0
            )
        return total


def test_the_explorer_offers_a_defined_streams_own_accounts(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS, DEALS],
                                   streams=["podcasts", "deals"], history_days=30)
    mine = accounts(bench, connection_id)
    with bench.read() as ctx:
        found = explorer.browse(ctx, explorer.Asked(
            connection_id=connection_id, stream="podcasts", account_id=mine["a1/deals"].id
        ))
        names = {a.external_id for a in found.accounts}
        assert names == {"a1/podcasts/EUR", "a1/podcasts/USD"}
        assert found.account.external_id in names


def test_the_editor_keeps_the_source_settings_through_a_preview() -> None:
    inputs = tuple(Input(name=n, label=n, help="") for n in ("path", "query"))
    typed = {"path": "/daily.csv", "query": "day={{ window_start }}"}
    editor = Editor(settings=settings_of(replace(PLATFORM, stream_inputs=inputs), {}))
    definition = replace(read_definition(FACTS, draft=True), source=typed)
    show(editor, connections.Preview(definition=definition, columns=(), rows=(), problem=""))
    assert {s.name: s.value for s in editor.settings} == typed


def test_defined_streams_are_synced_into_accounts_of_their_own(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS, DEALS],
                                   streams=["podcasts", "deals"], history_days=30)
    mine = accounts(bench, connection_id)
    euros, dollars = mine["a1/podcasts/EUR"], mine["a1/podcasts/USD"]
    assert (euros.currency, dollars.currency) == ("EUR", "USD")
    assert (euros.time_zone, euros.selected, mine["a1/deals"].selected) == (
        "Europe/Berlin", True, True)
    assert synced(bench, connection_id).state == RunState.SUCCEEDED
    expected = sum(i * 1_000_000 + 250_000 for i in range(31))
    assert spend(bench) == {"a1/podcasts/EUR": expected, "a1/podcasts/USD": expected}
    with bench.app.db.read() as session:
        deals = session.exec(select(CrmRecord)).all()
        assert [d.amount_micros for d in deals] == [100_500_000] * 3
        assert all(len(d.person_ref) == 64 for d in deals)
    with bench.read() as ctx:
        key = mine["a1/deals"].key
        assert key is not None
        records, _ = provenance.records_of(ctx, key, "deals", "1")
        assert records[0]["ID"] == 1
        assert "@" not in str(records)
        strips = coverage.by_stream(ctx, connection_id)
        assert {s for _, s in strips} == {"podcasts"}
    again = synced(bench, connection_id)
    assert (again.rows_written, again.rows_updated, again.rows_rejected) == (0, 0, 0)
    with bench.app.db.read() as session:
        pairs = {(r.account_key, r.stream) for r in session.exec(select(Coverage))}
    assert pairs == {(euros.key, "podcasts"), (dollars.key, "podcasts"),
                     (mine["a1/deals"].key, "deals")}


def test_metrics_and_checks_see_a_defined_stream_for_its_own_account_only(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS], streams=["podcasts"],
                                   start=True)
    with bench.read() as ctx:
        found = {s.external_id: s for s in sources.find(ctx, connections.get(
            ctx, connection_id).provenance)}
    assert [s.name for s in found["a1/podcasts/EUR"].streams.values()] == ["podcasts"]
    assert found["a1"].streams == {}
    assert [s.name for s in check.chosen_streams(found["a1/podcasts/USD"])] == ["podcasts"]
    assert check.chosen_streams(found["a2"]) == ()


def test_a_preview_proposes_a_mapping_and_shows_no_personal_value(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all")
    found = connections.preview(
        bench.app, bench.who, bench.org_id, connection_id,
        {"object": "T.DEALS", "lands": "crm", "kind": "deal", "name": "deals"},
    )
    assert {f: m.column for f, m in found.definition.fields.items()} == {
        "external_id": "ID", "created_at": "CREATED_AT", "amount": "AMOUNT"}
    assert found.problem == ""
    assert found.definition.cursor == ""
    email = next(c for c in found.columns if c.name == "EMAIL")
    assert email.personal == "an e-mail address"
    assert email.field == ""
    assert "@" not in str(found.rows)
    assert found.rows[0].row["amount_micros"] == "100500000"
    assert found.rows[0].source["EMAIL"] == "left out"
    assert spend(bench) == {}


def test_a_preview_says_what_is_missing_and_which_rows_would_be_rejected(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all")
    TABLES["T.DAILY"][0]["SPEND"] = "much"
    found = connections.preview(
        bench.app, bench.who, bench.org_id, connection_id,
        {"object": "T.DAILY", "lands": "facts", "name": "podcasts"},
    )
    assert found.problem == "Name the currency of the amounts, such as EUR."
    assert "not a number" in found.rows[0].reason
    assert found.rows[1].row["spend_micros"] == "250000"
    wrong = connections.preview(
        bench.app, bench.who, bench.org_id, connection_id,
        {**FACTS, "fields": {**FACTS["fields"], "clicks": "GONE"}},
    )
    assert wrong.problem == "The source has no column 'GONE'."
    with pytest.raises(Fix, match="no table"):
        connections.preview(bench.app, bench.who, bench.org_id, connection_id,
                            {**FACTS, "object": "T.GONE"})


def test_a_changed_definition_is_read_anew_and_a_removed_one_is_not_counted(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS], streams=["podcasts"],
                                   history_days=30)
    synced(bench, connection_id)
    cents = {**FACTS, "fields": {**FACTS["fields"], "spend": {"column": "SPEND", "unit": "cents"}}}
    define(bench, connection_id, cents)
    with bench.app.db.read() as session:
        assert session.exec(select(Coverage)).all() == []
    run = synced(bench, connection_id)
    assert run.rows_updated == 2 * 31
    assert spend(bench)["a1/podcasts/EUR"] == sum(i * 10_000 + 2_500 for i in range(31))
    define(bench, connection_id, cents)
    with bench.app.db.read() as session:
        assert session.exec(select(Coverage)).all() != []
    define(bench, connection_id, DEALS)
    mine = accounts(bench, connection_id)
    assert not mine["a1/podcasts/EUR"].selected
    assert mine["a1/podcasts/EUR"].reason == "Its stream was removed."
    with bench.read() as ctx:
        assert connections.get(ctx, connection_id).streams == ["deals"]
    found = connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)
    assert {a.external_id: a.usable for a in found}["a1/deals"]


def test_definitions_cannot_change_under_a_running_sync(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS], streams=["podcasts"])
    with bench.write() as ctx:
        connections.request_sync(ctx, connection_id)
    with pytest.raises(Conflict, match="under way"):
        define(bench, connection_id, DEALS)


def test_wrong_definitions_change_nothing(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS], streams=["podcasts"])
    for wrong in ({**FACTS, "name": "daily"}, {**FACTS, "lands": "shoes"}):
        with pytest.raises(Invalid):
            define(bench, connection_id, wrong)
    with bench.read() as ctx:
        assert [d.name for d in connections.defined(ctx, connection_id)] == ["podcasts"]
    with bench.write() as ctx, pytest.raises(Invalid, match="no stream called"):
        connections.choose_streams(ctx, connection_id, ["other"])


def test_only_a_manager_of_the_organization_defines_and_looks(
    bench: Bench, make_principal: Any, organization: Any
) -> None:
    connection_id = bench.with_key(accounts="all")
    viewer = make_principal(Role.VIEWER, organization)
    with pytest.raises(Denied):
        connections.objects(bench.app, viewer, bench.org_id, connection_id)
    with pytest.raises(Denied):
        connections.preview(bench.app, viewer, bench.org_id, connection_id, FACTS)
    with bench.write(viewer) as ctx, pytest.raises(Denied):
        connections.define(ctx, connection_id, [FACTS])
    with pytest.raises(Missing):
        connections.objects(bench.app, bench.who, bench.other_org, connection_id)


def shown(ctx: Context, connection_id: UUID) -> wizard_view.View:
    return wizard_view.view_of(
        ctx, connection_id=connection_id, platform="", method="", step=4, origin="", fill=False
    )


def test_without_a_stream_nothing_is_promised_and_the_stream_is_what_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = replace(PLATFORM, streams=())
    monkeypatch.setattr(registry, "all_platforms", lambda: (warehouse,))
    connection_id = bench.with_key()
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, connection_id))
        assert [i.what for i in attention.list_all(ctx)] == ["Example waits for its streams"]
        assert words.status(row) == ("mute", "Waits for streams")
        view = shown(ctx, connection_id)
    assert view.estimate == "unknown until a stream is defined"
    assert {h.estimate for h in view.history} == {view.estimate}
    define(bench, connection_id, FACTS)
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, connection_id))
        view = shown(ctx, connection_id)
    assert words.status(row) == ("mute", "Waits for accounts")
    assert view.estimate.startswith("at least 3 calls")  # of 31 days each, and who knows of pages
    assert view.estimate.endswith("more with many records")


def test_the_wizard_lists_what_was_defined(bench: Bench) -> None:
    connection_id = bench.with_key(accounts="all", definitions=[FACTS])
    with bench.read() as ctx:
        view = wizard.view(ctx, connection_id=connection_id, step=4)
    assert view.defines
    assert [(s.name, s.defined, s.chosen) for s in view.streams][-1] == ("podcasts", True, True)
    assert view.history[-1].days == 3650


def test_the_editor_keeps_what_a_cursor_column_holds() -> None:
    number = {**DEALS, "mode": "days", "cursor": "ID", "cursor_kind": "number",
              "overlap_numbers": 50}
    editor = Editor()
    fill(editor, read_definition(number))
    assert (editor.cursor_kind, editor.overlap_numbers) == ("number", "50")
    raw = raw_of({"cursor": "ID", "cursor_kind": "number", "overlap_numbers": "7"}, editor)
    assert (raw["cursor_kind"], raw["overlap_numbers"]) == ("number", 7)
    wrong = raw_of({"overlap_numbers": "a few"}, editor)
    with pytest.raises(Invalid) as caught:
        read_definition(wrong, draft=True)
    assert "overlap_numbers is a whole number" in caught.value.why
