"""The catalogue tells what the connectors say, and the sandbox's values in demo mode only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liftos_app.errors import Missing
from liftos_app.services import catalogue
from liftos_app.services.connectors import registry
from liftos_app.services.sandbox import credentials
from tests import connection_fixtures
from tests.connection_fixtures import Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


def test_a_card_holds_what_the_connector_says(bench: Bench) -> None:
    with bench.read() as ctx:
        (card,) = catalogue.cards(ctx)
    assert (card.id, card.needs_app, card.setup_minutes) == ("example", True, (5, 10))
    assert [m.id for m in card.methods] == ["oauth", "api_key", "client_credentials"]
    assert [s.name for s in card.streams if s.default] == ["campaigns", "daily"]
    assert card.streams[1].reread_days == 3
    assert card.scopes[0].reason == "Reads reports."


def test_search_and_category_narrow_the_cards(bench: Bench) -> None:
    with bench.read() as ctx:
        assert catalogue.cards(ctx, search="daily SPEND")
        assert catalogue.cards(ctx, search="pigeons") == []
        assert catalogue.cards(ctx, category="Mail") == []


def test_the_card_counts_this_organizations_connections_only(bench: Bench) -> None:
    bench.started()
    bench.draft()
    with bench.read() as ctx:
        assert catalogue.one(ctx, "example").connections == {"backfilling": 1, "draft": 1}
    from liftos_app.services.context import open_context

    with open_context(bench.app, bench.who, bench.other_org) as ctx:
        assert catalogue.one(ctx, "example").connections == {}


def test_demo_credentials_are_listed_in_demo_mode_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(credentials.DEMO, "example", {"api_key": {"api_key": "ex_demo_key_1"}})
    with bench.read() as ctx:
        card = catalogue.one(ctx, "example")
    assert card.demo_credentials == {"api_key": {"api_key": "ex_demo_key_1"}}
    bench.app.settings = replace(bench.app.settings, demo_mode=False)
    with bench.read() as ctx:
        assert catalogue.one(ctx, "example").demo_credentials == {}


def test_an_unknown_platform_or_method_names_those_that_exist(bench: Bench) -> None:
    with pytest.raises(Missing, match="nope") as caught:
        catalogue.find("nope")
    assert "example" in caught.value.fix
    with pytest.raises(Missing) as caught:
        catalogue.find_method(catalogue.find("example"), "nope")
    assert "api_key" in caught.value.fix
    assert catalogue.find_method(catalogue.find("example"), "").id == "oauth"


def test_the_sandbox_has_values_for_every_input_of_a_real_platform() -> None:
    for platform in registry.all_platforms():
        demo = catalogue.demo_credentials(platform.slug)
        assert demo, platform.slug
        for method_id, values in demo.items():
            method = platform.method(method_id)
            required = {i.name for i in method.inputs if i.required}
            assert required <= set(values) <= {i.name for i in method.inputs}
