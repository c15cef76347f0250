"""The wizard's view: five steps, resumable by address, and never a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from liftos_app.services import connections, wizard
from liftos_app.state import wizard_view
from tests import connection_fixtures
from tests.connection_fixtures import CLIENT, Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


def test_the_wizard_is_resumable_at_every_step(bench: Bench) -> None:
    with bench.read() as ctx:
        first = wizard.view(ctx, platform_id="example")
    assert (first.step, first.steps[1].state) == (1, "locked")
    assert first.redirect_uri.endswith("/oauth/callback/example")
    assert len(first.next_runs) == 3
    connection_id = bench.draft()
    with bench.read() as ctx:
        second = wizard.view(ctx, connection_id=connection_id, step=5)
    assert second.step == 2
    assert [f.value for f in second.fields] == [CLIENT["client_id"], ""]
    assert second.fields[1].stored
    _, params = bench.consent(connection_id)
    bench.finish(params)
    connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    with bench.read() as ctx:
        third = wizard.view(ctx, connection_id=connection_id)
    assert third.step == 3
    assert [s.granted for s in third.scopes] == [True, True]
    with bench.write() as ctx:
        connections.select_accounts(ctx, connection_id, "all")
    with bench.read() as ctx:
        fourth = wizard.view(ctx, connection_id=connection_id)
        assert fourth.step == 4
        assert [h.days for h in fourth.history] == [30, 90, 396, 400]
        assert fourth.load.calls > 0
        assert wizard.preview_load(ctx, connection_id, streams=("daily",), days=7).calls == 4
        assert wizard.preview_schedule(ctx, "every 1 min", "UTC")[1]
    with bench.write() as ctx:
        run = connections.start(ctx, connection_id)
    with bench.read() as ctx:
        fifth = wizard.view(ctx, connection_id=connection_id)
    assert (fifth.step, fifth.run_id) == (5, run.id)
    assert fifth.steps[2].state == "done"


def test_L62_a_secret_never_enters_the_wizards_view(bench: Bench) -> None:
    connection_id = bench.signed_in()
    with bench.read() as ctx:
        text = repr(wizard.view(ctx, connection_id=connection_id))
    assert CLIENT["client_secret"] not in text
    assert "at_" not in text.replace("created_at_", "")


def test_the_address_of_a_step_carries_known_codes_only() -> None:
    connection_id = uuid4()
    assert wizard.step_address(connection_id, 2, "refused").endswith("&step=2&result=refused")
    assert wizard.step_address(connection_id, 2, "ya29.secret").endswith("&step=2")


def test_after_a_refused_consent_no_permission_is_shown_as_granted(bench: Bench) -> None:
    connection_id = bench.signed_in(start=True)

    def words(*, refused: bool) -> set[str]:
        with bench.read() as ctx:
            view = wizard_view.view_of(
                ctx, connection_id=connection_id, platform="", method="", step=2,
                origin="http://localhost", fill=False, refused=refused,
            )
        return {s.word for s in view.scopes}

    assert words(refused=False) == {"Granted"}
    assert words(refused=True) <= {"Missing", "Not granted"}


def test_every_problem_has_cause_fix_and_a_button_in_calm_words() -> None:
    for problem in wizard.PROBLEMS.values():
        assert problem.what.endswith(".")
        assert problem.why.endswith(".")
        assert problem.fix.endswith(".")
        assert problem.button
        assert "!" not in problem.what + problem.why + problem.fix


def test_a_permission_is_shown_to_the_ways_to_sign_in_that_need_it(
    open_ctx: Callable[..., Any]
) -> None:
    with open_ctx() as ctx:
        named = {
            way: [s.name for s in wizard.view(ctx, platform_id="snowflake", method=way).scopes]
            for way in ("key_pair", "oauth")
        }
    assert named == {"key_pair": [], "oauth": ["refresh_token"]}
