"""Changes of a warehouse table, by what its cursor column can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

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
