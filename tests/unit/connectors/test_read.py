"""Records to rows: one bad record never takes the page with it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from liftos_app.errors import GiveUp
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.paging import Cursor
from liftos_app.services.connectors.read import Field, json_stream, make_page, row_maker
from liftos_app.services.connectors.spec import Task
from tests.unit.connectors.helper import make_client, task

FIELDS = (
    Field("id", "entity_id", "id"), Field("date", "day", "day"), Field("n", "clicks", "count"),
    Field("cost", "spend_micros", "micros"), Field("more.reach", "reach", "micros", optional=True),
)


def test_a_bad_value_rejects_its_one_record_with_the_reason() -> None:
    records: list[Any] = [
        {"id": "a", "date": "2026-11-01", "n": "12", "cost": "1.50"},
        {"id": "b", "date": "2026-11-01", "n": "twelve", "cost": "1.50"},
        {"id": "c", "date": "2026-11-31", "n": 1, "cost": "1.50"},
        {"id": "d", "date": "2026-11-02", "n": 1},
        "not even an object",
        {"id": "e", "date": "2026-11-02", "n": 3, "cost": 0.1, "more": {"reach": 2}},
    ]
    page = make_page(records, row_maker(FIELDS), day_key="date")
    assert [r["entity_id"] for r in page.rows] == ["a", "e"]
    assert page.rows[0]["clicks"] == 12
    assert page.rows[1]["reach"] == 2_000_000
    assert [r.reason for r in page.rejected] == [
        "A value cannot be used: not a number: 'twelve'.",
        "A value cannot be used: not a day: '2026-11-31'.",
        "The record has no 'cost'.",
        "The record has another form than expected.",
    ]
    assert [r.day for r in page.rejected] == ["2026-11-01", "2026-11-31", "2026-11-02", ""]
    assert page.read_count == 6 == len(page.rows) + len(page.rejected) + page.skipped
    assert page.columns >= {"id", "date", "n", "cost", "more"}


def test_a_missing_list_of_records_is_an_error_not_an_empty_page() -> None:
    with pytest.raises(GiveUp, match="another form"):
        make_page(None, row_maker(FIELDS))


def test_an_empty_page_says_nothing_about_columns() -> None:
    assert make_page([], row_maker(FIELDS), always=frozenset({"x"})).columns == frozenset()


def test_a_declared_json_list_is_read_page_by_page() -> None:
    one = [
        {"id": f"c{i}", "date": "2026-11-01", "n": "12", "cost": "3.25"} for i in range(5000)
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "0"))
        return httpx.Response(200, json={"data": one, "next": number + 1 if number < 3 else None})

    client, edge = make_client(registry.get("meta_business"), handler)
    read = json_stream(
        "/acc/{account}/rows", records="data", fields=FIELDS[:4], paging=Cursor("next", "page"),
        params=_params, constants={"setting": "none"}, day_key="date",
    )
    pages = list(read(client, task(registry.get("meta_business"), "campaign_daily")))
    assert sum(len(p.rows) for p in pages) == 20_000
    assert pages[0].rows[0] == {
        "setting": "none", "entity_id": "c0", "day": "2026-11-01", "clicks": 12,
        "spend_micros": 3_250_000,
    }
    assert edge.requests[0].url.path == "/acc/1024500000000001/rows"
    assert [r.url.params.get("page") for r in edge.requests] == [None, "1", "2", "3"]


def _params(one: Task) -> dict[str, str]:
    return {"start": one.start.isoformat(), "end": one.end.isoformat()}
