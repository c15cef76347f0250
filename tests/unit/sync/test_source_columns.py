"""Columns that come and go at sources whose streams a person defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.errors import Fix, LiftOSError
from liftos_app.models import Organization, Role, RunState, StreamState, SyncEvent
from liftos_app.services import connections, sync
from liftos_app.services.connectors.faults import redirected
from liftos_app.services.connectors.platforms.salesforce.accounts import _currency
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from liftos_app.services.sync.engine import SyncEngine
from liftos_app.services.sync.job import cause_of
from liftos_app.state import connection_view
from liftos_app.state.connection_sync_view import ColumnLine, view_of
from tests.conftest import NOW
from tests.sandbox_server import RunningSandbox


class Made:
    """A connection whose first sync has ended."""

    def __init__(
        self, app: App, organization: Organization, who: Principal, slug: str, method: str,
        definition: dict[str, Any],
    ) -> None:
        assert organization.id is not None
        self.app, self.who, self.org_id = app, who, organization.id
        made = connections.create_connected(
            app, who, self.org_id, slug, method=method, mode="live", inputs=DEMO[slug][method],
            wishes=connections.Wishes(
                accounts="all", definitions=[definition], history_days=8, start=True
            ),
        )
        self.id: UUID = made.connection_id
        assert made.run_id is not None
        self.ended = SyncEngine(app).run(made.run_id)

    def sync(self) -> RunState | None:
        with open_context(self.app, self.who, self.org_id, write=True) as ctx:
            run_id = sync.request(ctx, self.id).id
        return SyncEngine(self.app).run(run_id)

    def schema(self) -> list[ColumnLine]:
        with open_context(self.app, self.who, self.org_id) as ctx:
            return view_of(ctx, self.id, None).columns

    def cause(self) -> Any:
        with open_context(self.app, self.who, self.org_id) as ctx:
            return connection_view.view_of(ctx, self.id, kind="", run="", before=None).cause


@pytest.fixture
def make(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    box: RunningSandbox,
) -> Callable[..., Made]:
    def made(slug: str, method: str, definition: dict[str, Any], place: str = "") -> Made:
        app.settings = replace(app.settings, platform_urls={slug: box.platform(slug) + place})
        who = make_principal(Role.ADMIN, organization)
        return Made(app, organization, who, slug, method, definition)

    return made


@pytest.mark.parametrize(("policy", "told", "ends"), [
    ("evolve", True, RunState.SUCCEEDED), ("ignore", False, RunState.SUCCEEDED),
    ("stop", True, RunState.FAILED),
])
def test_a_column_added_to_an_http_source_follows_the_policy(
    policy: str, told: bool, ends: RunState, app: App, make: Callable[..., Made],
    box: RunningSandbox,
) -> None:
    made = make("generic_http", "basic", STREAMS["generic_http"][0])
    with open_context(app, made.who, made.org_id, write=True) as ctx:
        connections.set_drift_policy(ctx, made.id, policy)
    box.trouble.add("added_column", "generic_http", count=None)
    assert made.sync() is ends
    with app.db.read() as session:
        [state] = session.exec(select(StreamState)).all()
        assert (state.new_columns == ["beta_metric_2027"]) is told
        said = session.exec(select(SyncEvent.text).where(SyncEvent.kind == "drift")).all()
    assert bool(said) is told
    [line] = made.schema()
    assert line.fresh == ("New: beta_metric_2027" if told else "")
    if policy == "stop":
        assert made.cause().action == "schema"


@pytest.mark.parametrize(("slug", "place"), [
    ("snowflake", "/{account}"), ("databricks", "/{workspace}"),
])
def test_a_mapped_column_that_vanished_is_on_the_schema_tab_and_leads_to_the_definition(
    slug: str, place: str, make: Callable[..., Made]
) -> None:
    definition = STREAMS[slug][0]
    gone = {**definition, "fields": {**definition["fields"], "clicks": "CLICKS_OF_OLD"}}
    made = make(slug, "token", gone, place)
    assert made.ended is RunState.FAILED
    for line in made.schema():  # one for each currency
        assert "A column cannot be found." in line.wrong
        assert line.defined
    cause = made.cause()
    assert (cause.action, cause.stream) == ("definition", definition["name"])
    assert cause.streams == definition["title"]


def test_rows_of_an_http_source_that_lack_a_mapped_column_lead_to_the_definition(
    make: Callable[..., Made], box: RunningSandbox
) -> None:
    made = make("generic_http", "basic", STREAMS["generic_http"][0])
    assert [line.wrong for line in made.schema()] == [""]
    box.trouble.add(
        "changed_column", "generic_http", count=None, detail={"column": "figures.cost", "to": "x"}
    )
    assert made.sync() is not RunState.SUCCEEDED
    [line] = made.schema()
    assert "no 'figures_cost'" in line.wrong
    assert line.defined
    assert made.cause().action == "definition"


def error_of(make_it: Callable[[], Any]) -> LiftOSError:
    with pytest.raises(LiftOSError) as caught:
        make_it()
    return caught.value


class _Client:
    """Knows of no currency."""

    class credential:  # noqa: N801
        text = staticmethod(lambda name: "")


@pytest.mark.parametrize(("error", "defined", "action"), [
    (Fix("The clock is wrong."), False, ""),  # mended elsewhere: then it is tried again
    (Fix("The path is wrong."), True, "definition"),
    (Fix("It may not be read.", cause="permission"), True, "retry"),
    (redirected("X", 302), False, "settings"),
    (error_of(lambda: _currency(_Client(), None)), False, "settings"),  # type: ignore[arg-type]
])
def test_the_button_of_a_wrong_configuration_follows_its_cause(
    error: LiftOSError, defined: bool, action: str
) -> None:
    from liftos_app.services import condition

    found = cause_of(error, NOW, "s", defined=defined)
    assert found.get("action", "") == action
    whole = condition.whole_cause(found)
    assert whole is not None
    assert whole["action"] == action or (action, whole["action"]) == ("", "retry")
    if not defined:
        assert condition.cause_of(error, now=NOW)["action"] == whole["action"]
