"""Every walk over pages ends, or raises."""

from __future__ import annotations

import pytest

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.client import Answer
from liftos_app.services.connectors.paging import dig, walk


def _answer(data: object) -> Answer:
    return Answer(200, {}, data, 0)


def test_a_walk_ends_when_no_cursor_follows() -> None:
    script = {"": {"next": "a"}, "a": {"next": "b"}, "b": {"next": None}}
    seen = [a.data["next"] for a in walk(lambda c: _answer(script[c]), lambda d: d["next"])]
    assert seen == ["a", "b", None]


@pytest.mark.parametrize("loop", ["", "a"])
def test_a_cursor_that_comes_again_is_an_error(loop: str) -> None:
    script = {"": {"next": "a"}, "a": {"next": "b"}, "b": {"next": loop or "b"}}
    with pytest.raises(GiveUp, match="no end") as caught:
        list(walk(lambda c: _answer(script[c]), lambda d: d["next"]))
    assert caught.value.cause == "source_data"


def test_the_same_page_for_ever_under_new_cursors_is_an_error() -> None:
    numbers = iter(range(1000))
    with pytest.raises(GiveUp, match="no end"):
        list(walk(
            lambda _: _answer({"data": [{"id": 1}], "next": next(numbers)}), lambda d: d["next"],
            records_of=lambda d: d["data"],
        ))


def test_the_same_page_twice_is_tolerated() -> None:
    script = {
        "": {"data": [1], "next": "a"}, "a": {"data": [1], "next": "b"},
        "b": {"data": [2], "next": None},
    }
    found = [a.data["data"] for a in walk(
        lambda c: _answer(script[c]), lambda d: d["next"], records_of=lambda d: d["data"]
    )]
    assert found == [[1], [1], [2]]


def test_dig_follows_dots_and_stops_at_what_is_missing() -> None:
    assert dig({"a": {"b": [1]}}, "a.b") == [1]
    assert dig({"a": [1]}, "a.b.c") is None
    assert dig(None, "a") is None
