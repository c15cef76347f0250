"""Look around: every platform connected as a person would, once, and removed without a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, GiveUp
from liftos_app.models import Account, Credential, Organization, Role, SyncRun
from liftos_app.services import connections, demo
from liftos_app.services.context import Principal
from liftos_app.services.sandbox import credentials
from tests import connection_fixtures
from tests.connection_fixtures import CLIENT, Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


@pytest.fixture(autouse=True)
def _values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(credentials.DEMO, "example", {"oauth": dict(CLIENT)})


def look(bench: Bench) -> list[demo.Connected]:
    return demo.look_around(bench.app, bench.who, bench.org_id)


def test_looking_around_walks_the_consent_page_and_asks_for_the_first_sync(bench: Bench) -> None:
    steps: list[demo.Connected] = []
    found = demo.look_around(bench.app, bench.who, bench.org_id, on_step=steps.append)
    assert found == steps
    assert found[0].error == ""
    assert found[0].connection_id is not None
    assert bench.world.count("authorize") == 1
    assert bench.world.count("token:authorization_code") == 1
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, found[0].connection_id))
    assert (row.provenance, row.accounts, row.active_run_id) == ("demo", 2, found[0].run_id)


def test_looking_around_twice_changes_nothing(bench: Bench) -> None:
    first = look(bench)
    second = look(bench)
    assert second[0].was_there
    assert second[0].connection_id == first[0].connection_id
    with bench.app.db.read() as session:
        assert len(session.exec(select(SyncRun)).all()) == 1


def test_a_look_around_that_broke_off_is_finished_by_the_next(bench: Bench) -> None:
    bench.world.token_status = 500
    assert "sign anyone in" in look(bench)[0].error or look(bench)[0].error
    bench.world.token_status = 0
    assert look(bench)[0].error == ""
    with bench.read() as ctx:
        assert len(connections.list_all(ctx)) == 1


def test_live_connections_are_neither_used_nor_removed(bench: Bench) -> None:
    live = bench.started()
    look(bench)
    with bench.write() as ctx:
        assert demo.is_there(ctx)
        assert demo.remove(ctx) == 1
    with bench.read() as ctx:
        assert [r.id for r in connections.list_all(ctx)] == [live]
        assert not demo.is_there(ctx)
    with bench.app.db.read() as session:
        assert {a.connection_id for a in session.exec(select(Account))} == {live}
        assert {c.connection_id for c in session.exec(select(Credential))} == {live}


def test_without_demo_mode_or_without_the_right_there_is_no_look_around(
    bench: Bench, make_principal: Callable[..., Principal], organization: Organization
) -> None:
    viewer = make_principal(Role.VIEWER, organization)
    with pytest.raises(Denied):
        demo.look_around(bench.app, viewer, bench.org_id)
    bench.app.settings = replace(bench.app.settings, demo_mode=False)
    with pytest.raises(Conflict):
        look(bench)


def test_a_page_without_a_form_is_reported(bench: Bench) -> None:
    with pytest.raises(GiveUp):
        demo.walk_consent(
            f"{bench.url}/accounts", return_to="http://localhost:8000/x", reach=bench.url
        )
