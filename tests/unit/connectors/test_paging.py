"""Every walk over pages ends, or raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.client import Answer
from liftos_app.services.connectors.paging import dig, walk


def _answer(data: object) -> Answer:
    return Answer(200, {}, data, 0)


def _walk(ask: Callable[[str], Answer]) -> Iterator[Answer]:
    return walk(ask, lambda d: d["next"], records_of=lambda d: d.get("data"))


def test_a_walk_ends_when_no_cursor_follows() -> None:
    script = {"": {"next": "a"}, "a": {"next": "b"}, "b": {"next": None}}
    seen = [a.data["next"] for a in _walk(lambda c: _answer(script[c]))]
    assert seen == ["a", "b", None]


@pytest.mark.parametrize("loop", ["", "a"])
def test_a_cursor_that_comes_again_is_an_error(loop: str) -> None:
    script = {"": {"next": "a"}, "a": {"next": "b"}, "b": {"next": loop or "b"}}
    with pytest.raises(GiveUp, match="no end") as caught:
        list(_walk(lambda c: _answer(script[c])))
    assert caught.value.cause == "source_data"


def test_the_same_page_for_ever_under_new_cursors_is_an_error() -> None:
    numbers = iter(range(1000))
    with pytest.raises(GiveUp, match="no end"):
        list(_walk(lambda _: _answer({"data": [{"id": 1}], "next": next(numbers)})))
    assert next(numbers) < 10


def test_pages_that_take_turns_under_new_cursors_are_an_error() -> None:
    numbers = iter(range(1000))

    def ask(_: str) -> Answer:
        number = next(numbers)
        return _answer({"data": [{"id": number % 3}, {"id": 9}], "next": number})

    with pytest.raises(GiveUp, match="no end"):
        list(_walk(ask))
    assert next(numbers) < 15


def test_pages_that_differ_in_one_end_only_are_different_pages() -> None:
    script = {str(n): {"data": [{"id": n}, {"id": 9}], "next": n + 1} for n in range(1, 20)}
    script[""] = {"data": [{"id": 9}], "next": 1}
    script["20"] = {"data": [], "next": None}
    assert len(list(_walk(lambda c: _answer(script[c])))) == 21


def test_the_same_page_twice_is_tolerated() -> None:
    script = {
        "": {"data": [1], "next": "a"}, "a": {"data": [1], "next": "b"},
        "b": {"data": [2], "next": None},
    }
    found = [a.data["data"] for a in _walk(lambda c: _answer(script[c]))]
    assert found == [[1], [1], [2]]


def test_dig_follows_dots_and_stops_at_what_is_missing() -> None:
    assert dig({"a": {"b": [1]}}, "a.b") == [1]
    assert dig({"a": [1]}, "a.b.c") is None
    assert dig(None, "a") is None
