"""Figures and rows of another address are never shown as if they were those of this one."""

from __future__ import annotations

import pytest
import reflex as rx
from reflex.istate.data import RouterData

from liftos_app.state.explorer import ExplorerState
from liftos_app.state.filters import FilterState
from liftos_app.state.overview import OverviewState


def at(state: type[rx.State], url: str) -> rx.State:
    """The state of a tab whose address is `url`, before any event of its page."""
    root = rx.State()
    root.router = RouterData.from_router_data({
        "headers": {"origin": "http://localhost"}, "asPath": url,
        "pathname": url.partition("?")[0],
    })
    found = root.get_substate(state.get_full_name().split("."))
    assert isinstance(found, state)
    return found


@pytest.mark.parametrize(("url", "stale"), [
    ("/?range=last_7", False), ("/?range=last_7&other=1", False), ("/", True),
    ("/?range=bogus", True), ("/?range=last_90", True),
])
def test_figures_are_dimmed_unless_they_are_those_of_the_address(url: str, stale: bool) -> None:
    assert issubclass(OverviewState, FilterState)
    state = at(OverviewState, url)
    state._shown = "range=last_7"
    assert state.stale is stale


@pytest.mark.parametrize(("url", "stale"), [
    ("/explorer?stream=orders", False), ("/explorer?stream=orders&other=1", False),
    ("/explorer", True), ("/explorer?stream=orders&page=2", True),
])
def test_rows_are_dimmed_unless_they_are_those_of_the_address(url: str, stale: bool) -> None:
    state = at(ExplorerState, url)
    state._shown = "stream=orders"
    assert state.stale is stale
