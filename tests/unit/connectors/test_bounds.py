"""Changes of a warehouse table, by what its cursor column can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from liftos_app.errors import Fix
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.bounds import Asking, Kind, Limit, chunks
from liftos_app.services.connectors.defined import read_definition, streams_of
from liftos_app.services.connectors.mapping import Chunk
from liftos_app.services.connectors.spec import AccountInfo, Task
from liftos_app.services.sandbox.credentials import STREAMS

SINCE = "2026-11-20T00:00:00Z"
ORDERS = STREAMS["databricks"][1]


def changes(
    kind: Kind | None, newest: str, **more: Any
) -> tuple[list[Chunk], Sequence[Limit]]:
    """The chunks of an increment, and the limits that were asked for."""
    raw = {**ORDERS, "cursor": "version", **more}
    asked: list[Sequence[Limit]] = []

    def query(limits: Sequence[Limit], cursor: str) -> Iterator[Chunk]:
        asked.append(limits)
        yield Chunk([{"version": 7}], columns=frozenset({"version"}), cursor=cursor)

    task = Task(
        stream=streams_of(registry.get("databricks"), {"streams": [raw]})[0],
        account=AccountInfo("a", "A", "USD", "UTC"), start=date(2026, 11, 20),
        end=date(2026, 11, 23), today=date(2026, 11, 23), cursor=SINCE,
    )
    asking = Asking(
        kind=lambda _: kind, newest=lambda _, __: newest, query=query, too_big=lambda _: False
    )
    return list(chunks(read_definition(raw), task, asking)), asked[0]


@pytest.mark.parametrize("kind", ["number", None])
def test_a_cursor_column_without_times_reads_everything_and_says_so(kind: Kind | None) -> None:
    found, limits = changes(kind, "4711")
    assert limits == []
    assert found[0].cursor == SINCE
    assert "version tells no time" in found[0].notes[0]


def test_an_empty_table_says_nothing_about_its_cursor() -> None:
    found, limits = changes("number", "")
    assert (limits, found[0].notes) == ([], ())


def test_numbers_that_are_said_to_be_times_are_compared() -> None:
    found, limits = changes("number", "1795392000", date_format="epoch_s", overlap_seconds=0)
    assert [b.op for _, b in limits] == [">=", "<="]
    assert found[0].cursor == "2026-11-23T00:00:00Z"
    assert found[0].notes == ()


BIG = 2**53


def by_number(
    kind: Kind | None, newest: str, cursor: str = "", *, back: int = 0, **more: Any
) -> tuple[list[Chunk], list[Sequence[Limit]], list[str]]:
    """Chunks, limits and questions for the newest number of a stream read by number."""
    raw = {**ORDERS, "cursor": "version", "cursor_kind": "number", "overlap_numbers": 5, **more}
    asked: list[Sequence[Limit]] = []
    order: list[str] = []

    def query(limits: Sequence[Limit], cursor: str) -> Iterator[Chunk]:
        asked.append(limits)
        order.append("rows")
        yield Chunk([{"version": 7}], columns=frozenset({"version"}), cursor=cursor)

    def greatest(_column: str, _kind: Kind | None) -> str:
        order.append("newest")
        return newest

    task = Task(
        stream=streams_of(registry.get("databricks"), {"streams": [raw]})[0],
        account=AccountInfo("a", "A", "USD", "UTC"), start=date(2026, 11, 20),
        end=date(2026, 11, 23 - back), today=date(2026, 11, 23), cursor=cursor,
    )
    asking = Asking(
        kind=lambda c: kind if c == "version" else "day", newest=greatest, query=query,
        too_big=lambda _: False,
    )
    return list(chunks(read_definition(raw), task, asking)), asked, order


@pytest.mark.parametrize(("cursor", "newest", "low", "reached"), [
    ("100", "250", "95", "250"), ("9", "10", "4", "10"), ("-20", "-3", "-25", "-3"),
    (str(BIG + 1), str(BIG + 3), str(BIG - 4), str(BIG + 3)),
])
def test_L105_changes_by_number_go_from_the_overlap_to_the_greatest(
    cursor: str, newest: str, low: str, reached: str
) -> None:
    found, [limits], _ = by_number("whole", newest, cursor)
    assert [(c, b.op, b.value) for c, b in limits] == [
        ("version", ">=", low), ("version", "<=", newest),
    ]
    assert [(c.cursor, c.notes) for c in found] == [(reached, ())]


def test_L105_a_span_that_reaches_today_says_where_changes_begin() -> None:
    found, [limits], order = by_number("whole", "41")
    assert (found[-1].cursor, order) == ("41", ["newest", "rows"])
    assert {c for c, _ in limits} == {"ordered_at"}
    found, _, order = by_number("whole", "41", back=1)
    assert (found[-1].cursor, order) == ("", ["rows"])


def test_L105_without_a_first_number_everything_is_a_change() -> None:
    found, [limits], _ = by_number("whole", "41", "start")
    assert [(b.op, b.value) for _, b in limits] == [("<=", "41")]
    assert found[-1].cursor == "41"
    found, [limits], _ = by_number("whole", "", "start")
    assert (limits, found[-1].cursor) == ([], "start")


def test_L105_numbers_that_fell_are_told_and_the_cursor_stays() -> None:
    found, _, _ = by_number("whole", "12", "400")
    assert found[-1].cursor == "400"
    assert "largest number in version is 12, and 400 was there before" in found[0].notes[0]


@pytest.mark.parametrize(("kind", "words"), [
    ("text", "texts, also where they look like numbers"), ("number", "numbers with decimals"),
    ("utc", "times"), (None, "something else"),
])
@pytest.mark.parametrize("cursor", ["", "12"])
def test_a_column_without_whole_numbers_is_refused_before_anything_is_read(
    kind: Kind | None, words: str, cursor: str
) -> None:
    with pytest.raises(Fix, match="cannot be read by its cursor column") as caught:
        by_number(kind, "12", cursor)
    assert f"It holds {words}" in caught.value.why
