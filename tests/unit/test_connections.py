"""Connections: what may be typed, what a sign-in brings, how they live and how they end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from liftos_app.db import metadata
from liftos_app.errors import (
    Conflict,
    Denied,
    Fix,
    Invalid,
    LiftOSError,
    Missing,
    Retry,
    SignInAgain,
)
from liftos_app.models import (
    Account,
    AuditEntry,
    Connection,
    ConnectionStatus,
    Coverage,
    CoverageState,
    Credential,
    DataKey,
    Entity,
    FactDaily,
    Organization,
    Role,
    RunState,
    StreamRun,
    StreamState,
    SyncRun,
)
from liftos_app.services import condition, connections, links, wizard
from liftos_app.services.connections import daily
from liftos_app.services.connectors import registry
from liftos_app.services.context import Principal, open_context
from liftos_app.state import wizard_view
from tests import connection_fixtures, example_platform
from tests.conftest import Clock
from tests.connection_fixtures import CLIENT, KEY, Bench
from tests.example_platform import GOOD_KEY

bench, example = connection_fixtures.bench, connection_fixtures.example


def rows_in_all_tables(bench: Bench, *names: str) -> dict[str, int]:
    with bench.app.db.read() as session:
        return {
            n: len(session.connection().execute(metadata.tables[n].select()).all()) for n in names
        }


def end_run(bench: Bench, connection_id: UUID, state: RunState, **values: object) -> None:
    """Let the newest run end, as the engine would."""
    from liftos_app.services import status

    with bench.app.db.write() as session:
        run = session.exec(
            select(SyncRun).where(SyncRun.connection_id == connection_id)
        ).all()[-1]
        run.state, run.finished_at = state, bench.app.now()
        connection = session.get_one(Connection, connection_id)
        if state is RunState.SUCCEEDED:
            connection.last_success_at = bench.app.now()
        for name, value in values.items():
            setattr(connection, name, value)
        connection.status = status.derive(
            connection, last_state=state, active=False, now=bench.app.now()
        )
        session.add(run)
        session.add(connection)


# --- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "field", "words"),
    [
        ({}, "api_key", "missing"),
        ({"api_key": "wrong"}, "api_key", "begins with ex_"),
        ({"api_key": "pk_live_123456789"}, "api_key", "another product"),
        ({"api_key": "ex_good_key\r\nX-Evil: 1"}, "api_key", "line break"),
        ({"api_key": "ex_" + "a" * 9000}, "api_key", "characters"),
        ({"api_key": KEY["api_key"], "colour": "red"}, "colour", "no input called"),
    ],
)
def test_a_wrong_input_is_explained_before_the_platform_is_called(
    bench: Bench, inputs: dict[str, str], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        connections.create_connected(
            bench.app, bench.who, bench.org_id, "example", method="api_key", inputs=inputs,
            mode="live",
        )
    assert caught.value.facts["field"] == field
    assert words in caught.value.why
    assert bench.world.calls == []
    assert rows_in_all_tables(bench, "connection", "credential")["connection"] == 0


def test_a_long_key_of_the_right_form_is_not_refused_for_its_length(bench: Bench) -> None:
    key = "ex_" + "a1" * 700
    bench.world.keys = {key}
    outcome = connections.create_connected(
        bench.app, bench.who, bench.org_id, "example", method="api_key",
        inputs={"api_key": f"  {key}\n"}, mode="live",
    )
    assert outcome.accounts == 2


@pytest.mark.parametrize(
    "name", ["x" * 400, "<script>alert(1)</script>", "   ", "two\nlines", "\x00"]
)
def test_an_unusable_name_is_refused_and_nothing_is_written(bench: Bench, name: str) -> None:
    with bench.write() as ctx, pytest.raises(Invalid) as caught:
        connections.create_draft(ctx, "example", mode="live", name=name or "x")
    assert caught.value.facts["field"] == "name"
    assert caught.value.fix
    connection_id = bench.with_key()

    def change_both() -> None:
        with bench.write() as ctx:
            connections.set_history(ctx, connection_id, 30)
            connections.rename(ctx, connection_id, name)

    with pytest.raises(Invalid):
        change_both()
    with bench.read() as ctx:
        kept = connections.get(ctx, connection_id)
    assert (kept.name, kept.history_days) == ("Example", 90)


def test_names_do_not_repeat_by_themselves(bench: Bench) -> None:
    with bench.write() as ctx:
        names = [connections.create_draft(ctx, "example", mode="live").name for _ in range(3)]
    assert names == ["Example", "Example 2", "Example 3"]


def test_channels_take_the_first_free_colours_and_the_rest_is_grey(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("Ads", "CRM", "Mail", "Store", "Ads")
    made = [replace(example_platform.PLATFORM, slug=f"p{n}", category=kind)
            for n, kind in enumerate(kinds)]
    monkeypatch.setattr(registry, "all_platforms", lambda: tuple(made))
    with bench.write() as ctx:
        drafts = [connections.create_draft(ctx, p.slug, mode="live") for p in made]
        assert [d.color_index for d in drafts] == [0, 6, 1, 7, 2]
        connections.delete(ctx, drafts[0].id)
        assert connections.create_draft(ctx, "p0", mode="live").color_index == 0
        assert connections.create_draft(ctx, "p0", mode="demo").color_index == 0  # never beside it


# --- sign-in by key -------------------------------------------------------------------------------


def test_a_good_key_creates_everything_at_once(bench: Bench) -> None:
    outcome = connections.create_connected(
        bench.app, bench.who, bench.org_id, "example", method="api_key",
        inputs={**KEY, "region": "eu"}, mode="live",
        wishes=connections.Wishes(
            name="Main", accounts=["a1"], streams=["daily"], history_days=30,
            schedule="0 6 * * *", schedule_zone="Europe/Berlin", start=True,
        ),
    )
    assert outcome.status is ConnectionStatus.BACKFILLING
    assert outcome.run_id is not None
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, outcome.connection_id))
        hints = connections.credentials_of(ctx, outcome.connection_id)
    assert (row.name, row.accounts, row.streams, row.history_days) == ("Main", 1, ("daily",), 30)
    assert row.next_run_at == dt.datetime(2026, 11, 24, 5, 0, tzinfo=dt.UTC)
    assert row.active_run_id == outcome.run_id
    assert [(h.field, h.hint) for h in hints] == [("api_key", "0001")]


def test_a_wrong_key_leaves_nothing_behind(bench: Bench) -> None:
    with pytest.raises(SignInAgain):
        connections.create_connected(
            bench.app, bench.who, bench.org_id, "example", method="api_key",
            inputs={"api_key": "ex_wrong_key_00000"}, mode="live",
        )
    assert set(rows_in_all_tables(
        bench, "connection", "credential", "account", "sync_event"
    ).values()) == {0}


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"api_text": "<html>log in here</html>"}, Fix),
        ({"api_text": "not json"}, Retry),
        ({"api_status": 503}, Retry),
    ],
)
def test_an_answer_that_cannot_be_used_is_explained_and_leaves_nothing(
    bench: Bench, trouble: dict[str, object], error: type[LiftOSError]
) -> None:
    for name, value in trouble.items():
        setattr(bench.world, name, value)
    with pytest.raises(error) as caught:
        bench.with_key()
    assert caught.value.what
    assert caught.value.why
    assert caught.value.fix
    assert rows_in_all_tables(bench, "connection")["connection"] == 0


def test_an_unreachable_host_is_explained_quickly_and_leaves_nothing(bench: Bench) -> None:
    bench.app.settings = replace(
        bench.app.settings, platform_urls={"example": "http://127.0.0.1:9"}
    )
    with pytest.raises(Retry, match="cannot be reached"):
        bench.with_key()
    assert rows_in_all_tables(bench, "connection")["connection"] == 0


def test_wishes_that_cannot_be_met_leave_nothing_behind(bench: Bench) -> None:
    for wishes in (
        connections.Wishes(streams=["nope"]), connections.Wishes(history_days=0),
        connections.Wishes(history_days=40_000), connections.Wishes(schedule="every 1 min"),
        connections.Wishes(schedule="every 6 h", schedule_zone="Mars/Base"),
        connections.Wishes(accounts=["a9"]), connections.Wishes(accounts=["a3"]),
        connections.Wishes(start=True),
    ):
        with pytest.raises((Invalid, Conflict)):
            connections.create_connected(
                bench.app, bench.who, bench.org_id, "example", method="api_key", inputs=KEY,
                mode="live", wishes=wishes,
            )
    assert rows_in_all_tables(bench, "connection", "credential", "account") == {
        "connection": 0, "credential": 0, "account": 0,
    }


def test_a_consent_method_is_sent_to_its_page(bench: Bench) -> None:
    with pytest.raises(Conflict, match="own page"):
        connections.create_connected(
            bench.app, bench.who, bench.org_id, "example", method="oauth", inputs=CLIENT,
            mode="live",
        )


def test_demo_is_refused_when_the_installation_is_live(bench: Bench) -> None:
    bench.app.settings = replace(bench.app.settings, demo_mode=False)
    with bench.write() as ctx:
        with pytest.raises(Invalid, match="switched off"):
            connections.create_draft(ctx, "example", mode="demo")
        assert connections.create_draft(ctx, "example").provenance == "live"
    bench.app.settings = replace(bench.app.settings, demo_mode=True)
    with bench.write() as ctx:
        assert connections.create_draft(ctx, "example").provenance == "demo"
        with pytest.raises(Invalid):
            connections.create_draft(ctx, "example", mode="pretend")


# --- wizard order and settings --------------------------------------------------------------------


def test_L11_steps_out_of_order_are_refused(bench: Bench) -> None:
    connection_id = bench.draft()
    with bench.write() as ctx:
        with pytest.raises(Conflict):
            connections.select_accounts(ctx, connection_id, "all")
        with pytest.raises(Conflict):
            connections.start(ctx, connection_id)
        with pytest.raises(Conflict):
            connections.pause(ctx, connection_id)
    with pytest.raises(Conflict):
        connections.test(bench.app, bench.who, bench.org_id, connection_id)
    with pytest.raises(Conflict):
        connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)


def test_L11_a_connection_does_not_start_before_its_accounts_are_chosen(bench: Bench) -> None:
    connection_id = bench.signed_in()
    with bench.write() as ctx, pytest.raises(Conflict, match="No account"):
        connections.start(ctx, connection_id)
    assert rows_in_all_tables(bench, "sync_run") == {"sync_run": 0}
    assert bench.status(connection_id) == "selecting_accounts"


def test_the_only_usable_account_is_chosen_by_itself(bench: Bench) -> None:
    bench.world.accounts = bench.world.accounts[:1] + bench.world.accounts[2:]
    connection_id = bench.with_key()
    with bench.read() as ctx:
        found = connections.accounts_of(ctx, connection_id)
    assert [a.external_id for a in found if a.selected] == ["a1"]


def test_an_unusable_or_foreign_account_cannot_be_chosen(bench: Bench) -> None:
    connection_id = bench.with_key()
    with bench.write() as ctx:
        closed = [a for a in connections.accounts_of(ctx, connection_id) if not a.usable]
        with pytest.raises(Invalid, match="Closed shop"):
            connections.select_accounts(ctx, connection_id, [closed[0].id])
        with pytest.raises(Invalid):
            connections.select_accounts(ctx, connection_id, [uuid4()])
        with pytest.raises(Invalid, match="No account"):
            connections.select_accounts(ctx, connection_id, [])


def test_settings_are_checked_noted_and_audited(bench: Bench, clock: Clock) -> None:
    connection_id = bench.started()
    with bench.write() as ctx:
        connections.choose_streams(ctx, connection_id, ["daily", "campaigns"])
        connections.set_history(ctx, connection_id, 400)
        connections.set_schedule(ctx, connection_id, "every  2 h")
        connections.rename(ctx, connection_id, "  Spring   sale ")
        for wrong in (["nope"], []):
            with pytest.raises(Invalid):
                connections.choose_streams(ctx, connection_id, wrong)
        with pytest.raises(Invalid):
            connections.set_history(ctx, connection_id, 401)
    with bench.read() as ctx:
        found = connections.get(ctx, connection_id)
        assert found.streams == ["campaigns", "daily"]
        assert (found.schedule, found.name) == ("every 2 h", "Spring sale")
        assert found.next_run_at == clock() + dt.timedelta(hours=2)
        texts = [e.text for e in connections.log(ctx, connection_id, kinds=["settings"]).events]
        actions = {e.action for e in ctx.session.exec(select(AuditEntry)).all()}
    assert any("Spring sale" in t for t in texts)
    assert {"connection.renamed", "connection.history_set", "connection.schedule_set"} <= actions


def test_pause_and_resume_keep_the_data_and_catch_up(bench: Bench, clock: Clock) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    assert bench.status(connection_id) == "healthy"
    with bench.write() as ctx:
        connections.pause(ctx, connection_id, reason="holiday")
    assert bench.status(connection_id) == "paused"
    with bench.read() as ctx:
        assert connections.row_of(ctx, connections.get(ctx, connection_id)).next_run_at is None
    with bench.write() as ctx, pytest.raises(Conflict):
        connections.request_sync(ctx, connection_id)
    clock.advance(days=1)
    with bench.write() as ctx:
        assert connections.resume(ctx, connection_id).next_run_at == clock()
    assert bench.status(connection_id) == "healthy"


def test_a_healthy_connection_whose_run_did_not_come_is_shown_as_delayed(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    clock.advance(hours=12)
    with bench.read() as ctx:
        assert connections.overview(ctx).rows[0].status is ConnectionStatus.DELAYED


def test_the_overview_counts_and_judges(bench: Bench) -> None:
    with bench.read() as ctx:
        assert connections.overview(ctx).health is None
    good, bad, paused = bench.started(), bench.started(), bench.started()
    bench.draft()
    end_run(bench, good, RunState.SUCCEEDED)
    end_run(bench, bad, RunState.FAILED)
    end_run(bench, paused, RunState.SUCCEEDED)
    with bench.write() as ctx:
        connections.pause(ctx, paused)
    with bench.read() as ctx:
        found = connections.overview(ctx)
    assert found.health == 0.5
    assert {k: v for k, v in found.counts.items() if v} == {
        "healthy": 1, "failing": 1, "paused": 1, "draft": 1,
    }


# --- authorise again ------------------------------------------------------------------------------


def test_a_new_key_is_stored_only_when_it_works(bench: Bench) -> None:
    connection_id = bench.started()
    with pytest.raises(SignInAgain):
        connections.sign_in(
            bench.app, bench.who, bench.org_id, connection_id,
            inputs={"api_key": "ex_wrong_key_00000"},
        )
    assert all(t.ok for t in connections.test(
        bench.app, bench.who, bench.org_id, connection_id
    ))
    with bench.write() as ctx, pytest.raises(Conflict, match="signing in again"):
        connections.save_inputs(ctx, connection_id, {"api_key": "ex_wrong_key_00000"})


def test_a_revoked_key_is_replaced_and_missed_days_are_caught_up(bench: Bench) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    bench.world.keys = {"ex_new_key_000000002"}
    results = connections.test(bench.app, bench.who, bench.org_id, connection_id)
    assert [r.ok for r in results] == [False, False]
    assert bench.status(connection_id) == "needs_reauth"
    with bench.write() as ctx, pytest.raises(Conflict):
        connections.request_sync(ctx, connection_id)
    done = connections.reconnect(
        bench.app, bench.who, bench.org_id, connection_id, origin="",
        inputs={"api_key": "ex_new_key_000000002"},
    )
    assert done.outcome is not None
    assert done.outcome.run_id is not None
    assert bench.status(connection_id) == "healthy"
    with bench.read() as ctx:
        assert connections.get(ctx, connection_id).cause is None


def opened_by(bench: Bench, connection_id: UUID) -> str:
    """The key that is stored."""
    link = links.load(bench.app, bench.org_id, connection_id, purpose="test")
    return str(link.values["api_key"].reveal())


OTHERS = [{"id": "b1", "name": "Another shop", "currency": "USD", "zone": "UTC", "on": True}]


@pytest.mark.parametrize(("keeps", "what", "fix"), [
    (0, "This key opens another account of Example.", "connect Another shop as a connection of"),
    (1, "This key does not open all accounts that were chosen.", "first leave it out of"),
])
def test_a_key_of_another_account_is_refused_and_the_old_one_stays(
    bench: Bench, keeps: int, what: str, fix: str
) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    first = bench.world.accounts
    bench.world.keys = {GOOD_KEY, "ex_new_key_000000002"}
    bench.world.accounts = [*first[:keeps], *OTHERS]
    with pytest.raises(Fix) as caught:
        connections.reconnect(
            bench.app, bench.who, bench.org_id, connection_id, origin="",
            inputs={"api_key": "ex_new_key_000000002"},
        )
    assert caught.value.what == what
    assert "Another shop" in caught.value.why
    assert "The key before it was kept." in caught.value.why
    assert fix in caught.value.fix
    assert opened_by(bench, connection_id) == GOOD_KEY
    assert bench.status(connection_id) == "healthy"
    with bench.read() as ctx:
        assert {a.external_id for a in connections.accounts_of(ctx, connection_id)} == {
            a["id"] for a in first}
        told = connections.log(ctx, connection_id).events[0]
        assert told.text.startswith("A new key was not taken. This key ")
    bench.world.accounts = first  # a key of the same account is taken as before
    connections.reconnect(
        bench.app, bench.who, bench.org_id, connection_id, origin="",
        inputs={"api_key": "ex_new_key_000000002"},
    )
    assert opened_by(bench, connection_id) == "ex_new_key_000000002"


def test_an_account_that_was_gone_before_does_not_speak_against_a_key(bench: Bench) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    bench.world.accounts = bench.world.accounts[:1]
    connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)
    bench.world.keys = {"ex_new_key_000000002"}
    connections.sign_in(
        bench.app, bench.who, bench.org_id, connection_id,
        inputs={"api_key": "ex_new_key_000000002"},
    )
    assert opened_by(bench, connection_id) == "ex_new_key_000000002"


def test_other_accounts_come_back_and_a_person_is_asked(bench: Bench) -> None:
    connection_id = bench.signed_in(start=True)
    end_run(bench, connection_id, RunState.SUCCEEDED)
    bench.world.accounts = [
        {"id": "b1", "name": "Another shop", "currency": "USD", "zone": "UTC", "on": True}
    ]
    again = connections.reconnect(
        bench.app, bench.who, bench.org_id, connection_id, origin=""
    )
    assert again.consent is not None
    _, params = bench.consent(connection_id)
    bench.finish(params)
    outcome = connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    assert outcome.difference.missing == ("Larkspur EU", "Larkspur US")
    assert outcome.difference.new == ("Another shop",)
    assert outcome.run_id is None
    assert bench.status(connection_id) == "needs_reauth"
    with bench.write() as ctx:
        new = [a for a in connections.accounts_of(ctx, connection_id) if a.external_id == "b1"]
        connections.select_accounts(ctx, connection_id, [new[0].id])
    assert bench.status(connection_id) == "healthy"


def test_nothing_is_read_with_a_login_that_has_not_shown_its_accounts(bench: Bench) -> None:
    connection_id = bench.signed_in(start=True)
    _, params = bench.consent(connection_id)
    bench.finish(params)
    bench.world.api_status = 503
    with pytest.raises(Retry):
        connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    assert bench.status(connection_id) == "needs_reauth"
    with bench.write() as ctx:
        assert condition.active_run(ctx, connection_id) is None  # the first sync, asked for before
        with pytest.raises(Conflict, match="authorised again"):
            connections.request_sync(ctx, connection_id)
        assert "accounts of this sign-in" in connections.get(ctx, connection_id).cause["what"]
    bench.world.api_status = 0
    accounts, bench.world.accounts = bench.world.accounts, [
        {"id": "b1", "name": "Another shop", "currency": "USD", "zone": "UTC", "on": True}
    ]
    connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)
    with bench.read() as ctx:
        assert connections.get(ctx, connection_id).cause["code"] == "other_accounts"
    assert bench.status(connection_id) == "needs_reauth"
    bench.world.accounts = accounts
    _, params = bench.consent(connection_id)
    bench.finish(params)
    bench.world.api_status = 503
    with pytest.raises(Retry):
        connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    bench.world.api_status = 0
    connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)
    assert bench.status(connection_id) == "backfilling"
    with bench.read() as ctx:
        assert condition.active_run(ctx, connection_id).trigger == "resume"


def test_stored_rows_keep_their_currency_and_a_person_is_asked(bench: Bench) -> None:
    connection_id = bench.signed_in(start=True)
    end_run(bench, connection_id, RunState.SUCCEEDED)
    accounts = bench.world.accounts

    def read_again() -> dict[str, object]:
        connections.discover_accounts(bench.app, bench.who, bench.org_id, connection_id)
        with bench.read() as ctx:
            chosen = [a for a in connections.accounts_of(ctx, connection_id) if a.selected]
            cause = connections.get(ctx, connection_id).cause or {}
        assert {a.name: a.currency for a in chosen} == {"Larkspur EU": "EUR", "Larkspur US": "USD"}
        return cause

    bench.world.accounts = [{**a, "currency": "CAD"} for a in accounts]
    cause = read_again()
    assert cause["code"] == "other_currency"
    assert "Larkspur EU: EUR before, CAD now" in str(cause["why"])
    assert bench.status(connection_id) == "needs_reauth"
    bench.world.accounts = accounts
    assert read_again() == {}
    assert bench.status(connection_id) == "healthy"


def test_the_daily_look_finds_another_currency_and_a_vanished_account(bench: Bench) -> None:
    connection_id = bench.signed_in(start=True)
    end_run(bench, connection_id, RunState.SUCCEEDED)
    assert daily.look_at_accounts(bench.app) == 1
    assert bench.status(connection_id) == "healthy"
    accounts = bench.world.accounts
    bench.world.accounts = accounts[:1]
    daily.look_at_accounts(bench.app)
    with bench.read() as ctx:
        usable = {a.name: a.usable for a in connections.accounts_of(ctx, connection_id)}
    assert usable == {a["name"]: a in accounts[:1] for a in accounts}
    bench.world.accounts = [{**a, "currency": "CAD"} for a in accounts]
    daily.look_at_accounts(bench.app)
    with bench.read() as ctx:
        assert (connections.get(ctx, connection_id).cause or {})["code"] == "other_currency"


def test_the_daily_look_leaves_out_what_is_not_read_and_bears_an_outage(bench: Bench) -> None:
    working, paused = bench.started(), bench.started()
    bench.draft()
    with bench.write() as ctx:
        connections.pause(ctx, paused)
    bench.world.calls.clear()
    assert daily.look_at_accounts(bench.app) == 1
    assert bench.world.count("accounts") == 1
    bench.world.api_status = 503
    assert daily.look_at_accounts(bench.app) == 0
    assert bench.status(working) == "backfilling"


def test_what_another_connection_reads_is_shown(bench: Bench) -> None:
    bench.started()
    second = bench.with_key()
    with bench.read() as ctx:
        assert connections.also_connected(ctx, second) == {
            "a1": ["Example"], "a2": ["Example"],
        }


def test_tick_all_leaves_out_what_another_connection_reads(bench: Bench) -> None:
    first, second = bench.with_key(accounts=["a1"], start=True), bench.with_key()

    def shown(connection_id: UUID) -> wizard_view.View:
        with bench.read() as ctx:
            return wizard_view.view_of(
                ctx, connection_id=connection_id, platform="", method="", step=3,
                origin="http://localhost", fill=False,
            )

    view = shown(second)
    wizard_view.tick(view, chosen=True)
    assert {a.external_id: (a.elsewhere, a.selected) for a in view.accounts} == {
        "a1": (True, False), "a2": (False, True), "a3": (False, False),
    }
    assert view.any_elsewhere
    assert view.ticks == 1
    wizard_view.tick(view, chosen=False)
    assert not any(a.selected for a in view.accounts)
    with bench.write() as ctx:  # by hand it stays possible
        usable = [UUID(a.id) for a in view.accounts if a.usable]
        connections.select_accounts(ctx, second, usable)
    assert [a.external_id for a in shown(first).accounts if a.elsewhere] == ["a1", "a2"]


# --- the end --------------------------------------------------------------------------------------


def add_rows(bench: Bench, connection_id: UUID) -> None:
    """A little of everything that hangs on a connection."""
    now = bench.app.now()
    day = now.date()
    with bench.app.db.write() as session:
        account = session.exec(
            select(Account).where(Account.connection_id == connection_id)
        ).first()
        run = session.exec(select(SyncRun).where(SyncRun.connection_id == connection_id)).first()
        assert account is not None
        assert account.key is not None
        assert run is not None
        entity = Entity(
            org_id=bench.org_id, account_key=account.key, level=1, external_id="c1",
            first_seen_at=now, updated_at=now,
        )
        session.add(entity)
        session.flush()
        assert entity.key is not None
        session.add_all([
            FactDaily(
                entity_key=entity.key, day=day, org_id=bench.org_id, account_key=account.key,
                level=1, spend_micros=1,
            ),
            Coverage(
                account_key=account.key, stream="daily", day=day, org_id=bench.org_id,
                state=CoverageState.COMPLETE, first_read_at=now, read_at=now, run_id=run.id,
            ),
            StreamState(
                org_id=bench.org_id, account_key=account.key, stream="daily", newest_day=day
            ),
            StreamRun(
                org_id=bench.org_id, run_id=run.id, account_key=account.key, stream="daily"
            ),
        ])


def test_L52_L63_deleting_shreds_the_credential_and_removes_every_row(bench: Bench) -> None:
    kept, gone = bench.started(), bench.signed_in(start=True)
    add_rows(bench, kept)
    add_rows(bench, gone)
    connections.disconnect(bench.app, bench.who, bench.org_id, gone)
    assert len(bench.world.revoked) == 1
    with bench.app.db.read() as session:
        assert [c.id for c in session.exec(
            select(Connection).where(Connection.deleted_at == None)  # noqa: E711
        )] == [kept]
        assert {c.connection_id for c in session.exec(select(Credential))} == {kept}
        assert {a.connection_id for a in session.exec(select(Account))} == {kept}
        for table in (FactDaily, Coverage, StreamState, StreamRun, Entity):
            assert len(session.exec(select(table)).all()) == 1
        keys = session.exec(select(DataKey).where(DataKey.scope_id == str(gone))).all()
        assert [(k.wrapped, k.state) for k in keys] == [(None, "destroyed")]
    with bench.read() as ctx:
        with pytest.raises(Missing):
            connections.get(ctx, gone)
        assert [r.id for r in connections.list_all(ctx)] == [kept]


def test_L52_our_copy_goes_even_when_the_platform_is_down(bench: Bench) -> None:
    connection_id = bench.signed_in()
    bench.app.settings = replace(
        bench.app.settings, platform_urls={"example": "http://127.0.0.1:9"}
    )
    connections.disconnect(bench.app, bench.who, bench.org_id, connection_id)
    assert rows_in_all_tables(bench, "credential")["credential"] == 0


@pytest.mark.parametrize(("outages", "calls", "revoked"), [(1, 2, 1), (9, 2, 0)])
def test_L52_a_revocation_that_fails_is_tried_once_more(
    bench: Bench, outages: int, calls: int, revoked: int
) -> None:
    connection_id = bench.signed_in()
    bench.world.failing_revokes = outages
    connections.disconnect(bench.app, bench.who, bench.org_id, connection_id)
    assert (bench.world.count("revoke"), len(bench.world.revoked)) == (calls, revoked)
    assert rows_in_all_tables(bench, "credential")["credential"] == 0


def test_L52_a_value_that_does_not_open_keeps_no_copy_alive(bench: Bench) -> None:
    connection_id = bench.signed_in()
    with bench.app.db.write() as session:
        for row in session.exec(select(Credential)):
            row.sealed = f"{row.sealed[:-4]}AAAA"
    connections.disconnect(bench.app, bench.who, bench.org_id, connection_id)
    assert rows_in_all_tables(bench, "credential")["credential"] == 0


# --- who may --------------------------------------------------------------------------------------


def test_L17_another_organization_sees_nothing_and_changes_nothing(bench: Bench) -> None:
    connection_id = bench.started()
    acts: list[Callable[..., object]] = [
        lambda c: connections.get(c, connection_id),
        lambda c: connections.accounts_of(c, connection_id),
        lambda c: connections.credentials_of(c, connection_id),
        lambda c: connections.log(c, connection_id),
        lambda c: connections.rename(c, connection_id, "Mine"),
        lambda c: connections.select_accounts(c, connection_id, "all"),
        lambda c: connections.pause(c, connection_id),
        lambda c: connections.request_sync(c, connection_id),
        lambda c: connections.delete(c, connection_id),
        lambda c: wizard.view(c, connection_id=connection_id),
    ]
    for act in acts:
        with open_context(bench.app, bench.who, bench.other_org, write=True) as ctx, pytest.raises(
            Missing
        ):
            act(ctx)
    with open_context(bench.app, bench.who, bench.other_org) as ctx:
        assert connections.list_all(ctx) == []
    for call in (connections.test, connections.discover_accounts, connections.disconnect):
        with pytest.raises(Missing):
            call(bench.app, bench.who, bench.other_org, connection_id)
    assert bench.status(connection_id) == "backfilling"


def test_roles_are_asked_before_anything_is_done(
    bench: Bench, make_principal: Callable[..., Principal], organization: Organization
) -> None:
    connection_id = bench.started()
    viewer = make_principal(Role.VIEWER, organization)
    analyst = make_principal(Role.ANALYST, organization)
    with bench.write(viewer) as ctx:
        assert connections.list_all(ctx)
        for act in (connections.pause, connections.delete, connections.request_sync):
            with pytest.raises(Denied):
                act(ctx, connection_id)
        with pytest.raises(Denied):
            connections.create_draft(ctx, "example")
    with bench.write(analyst) as ctx:
        connections.request_sync(ctx, connection_id)
        with pytest.raises(Denied):
            connections.rename(ctx, connection_id, "x")
    with pytest.raises(Denied):
        connections.create_connected(
            bench.app, analyst, bench.org_id, "example", method="api_key", inputs=KEY
        )
    with pytest.raises(Denied):
        connections.disconnect(bench.app, analyst, bench.org_id, connection_id)


# --- log ------------------------------------------------------------------------------------------


def test_the_log_pages_and_searches(bench: Bench) -> None:
    connection_id = bench.started()
    with bench.write() as ctx:
        for number in range(5):
            connections.rename(ctx, connection_id, f"Name {number}")
    with bench.read() as ctx:
        first = connections.log(ctx, connection_id, limit=3)
        rest = connections.log(ctx, connection_id, limit=50, before=first.next_before)
        assert len(first.events) == 3
        assert {e.id for e in first.events}.isdisjoint({e.id for e in rest.events})
        assert rest.next_before is None
        assert len(connections.log(ctx, connection_id, search="name 3").events) == 2
        assert connections.log(ctx, connection_id, search="100%_").events == []


def test_a_key_that_was_only_typed_is_no_sign_in(bench: Bench) -> None:
    connection_id = bench.draft("api_key")
    assert bench.status(connection_id) == "draft"
    with bench.read() as ctx:
        assert not wizard.view(ctx, connection_id=connection_id).signed_in
    outcome = connections.sign_in(bench.app, bench.who, bench.org_id, connection_id)
    assert outcome.status is ConnectionStatus.SELECTING_ACCOUNTS
    with bench.read() as ctx:
        assert wizard.view(ctx, connection_id=connection_id).signed_in


def test_after_signing_in_again_an_old_credential_failure_no_longer_counts(bench: Bench) -> None:
    connection_id = bench.started()
    end_run(bench, connection_id, RunState.SUCCEEDED)
    with bench.write() as ctx:
        connections.request_sync(ctx, connection_id)
    cause = {"code": "sign_in_again", "cause": "credential", "what": "x", "why": "", "fix": ""}
    with bench.app.db.write() as session:
        run = session.exec(
            select(SyncRun).where(SyncRun.connection_id == connection_id, SyncRun.state == "queued")
        ).one()
        run.created_at = bench.app.now() + dt.timedelta(seconds=1)
        run.cause = cause
        session.add(run)
    with bench.app.db.write() as session:
        run = session.exec(select(SyncRun).where(SyncRun.state == "queued")).one()
        run.state = RunState.FAILED
        session.add(run)
        connection = session.get_one(Connection, connection_id)
        connection.cause, connection.status = cause, ConnectionStatus.NEEDS_REAUTH
        session.add(connection)
    outcome = connections.sign_in(
        bench.app, bench.who, bench.org_id, connection_id, inputs=KEY
    )
    assert outcome.run_id is not None
    assert bench.status(connection_id) == "healthy"


def test_another_way_to_sign_in_drops_the_values_of_the_first(bench: Bench) -> None:
    connection_id = bench.signed_in()
    with bench.write() as ctx:
        connections.save_inputs(ctx, connection_id, KEY, method="api_key")
    with bench.read() as ctx:
        assert [c.field for c in connections.credentials_of(ctx, connection_id)] == ["api_key"]
        assert connections.get(ctx, connection_id).options == {}
        assert connections.get(ctx, connection_id).auth_kind == "api_key"


def test_the_list_is_filtered_by_what_the_address_says(bench: Bench) -> None:
    running, draft = bench.started(), bench.draft()
    with bench.write() as ctx:
        connections.rename(ctx, draft, "100% wool")
    with bench.read() as ctx:
        def ids(**narrow: object) -> list[UUID]:
            return [r.id for r in connections.list_all(ctx, **narrow)]  # type: ignore[arg-type]

        assert ids(statuses=["draft"]) == [draft]
        assert ids(search="100% W") == [draft]
        assert ids(search="%") == [draft]
        assert sorted(ids(platform="example")) == sorted([running, draft])  # made at one moment
        assert ids(platform="other") == []
        assert ids(provenance="demo") == []


def test_the_data_day_is_that_of_the_slowest_stream(bench: Bench) -> None:
    connection_id = bench.started()
    with bench.app.db.write() as session:
        keys = session.exec(select(Account.key).where(Account.selected == True)).all()  # noqa: E712
        for key, day in zip(keys, (20, 18), strict=True):
            assert key is not None
            session.add(StreamState(
                org_id=bench.org_id, account_key=key, stream="daily",
                newest_day=dt.date(2026, 11, day),
            ))
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, connection_id))
    assert row.data_through == dt.date(2026, 11, 18)


def test_the_end_of_a_sign_in_is_shown_only_when_a_person_must_act(
    bench: Bench, clock: Clock
) -> None:
    by_consent = bench.signed_in()
    own_app = connections.create_connected(
        bench.app, bench.who, bench.org_id, "example", method="client_credentials",
        inputs=CLIENT, mode="live",
    ).connection_id
    with bench.read() as ctx:
        ends = {r.id: r.credential_expires_at for r in connections.list_all(ctx)}
    assert ends == {by_consent: None, own_app: None}
    with bench.app.db.write() as session:
        row = session.exec(select(Credential).where(
            Credential.connection_id == by_consent, Credential.field == "refresh_token"
        )).one()
        row.expires_at = clock() + dt.timedelta(days=9)
        session.add(row)
    with bench.read() as ctx:
        ends = {r.id: r.credential_expires_at for r in connections.list_all(ctx)}
    assert ends[by_consent] == clock() + dt.timedelta(days=9)
