"""A defined stream brings from a legacy system what the world holds, however it is asked."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import pytest

from liftos_app.errors import Fix, GiveUp, LiftOSError, Retry, SignInAgain
from liftos_app.services.connectors.defined import read_definition, streams_of
from liftos_app.services.connectors.platforms.generic_http import PLATFORM
from liftos_app.services.connectors.spec import AccountInfo, Page, Task
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from tests.contract.conftest import Bench, read

ACCOUNT = "3456789012"
REPORT = STREAMS["generic_http"][0]
FLAT = {k: dict(v) for k, v in REPORT["fields"].items()}
GERMAN = {
    "day": {"column": "Datum"}, "campaign_id": {"column": "Kampagnen-Nr."},
    "spend": {"column": "Kosten"}, "impressions": {"column": "Impressionen"},
    "clicks": {"column": "Klicks"}, "conversions": {"column": "Käufe"},
    "value": {"column": "Wert"},
}
DAYS = "from={{ window_start }}&to={{ window_end }}"
CSV = {"skip_rows": "2", "delimiter": ";", "query": DAYS}
ONE_PAGE = {"query": DAYS}


@pytest.fixture
def bench(bench_of: Any) -> Bench:
    found: Bench = bench_of("generic_http")
    return found


def task_for(bench: Bench, source: dict[str, str], **more: Any) -> Task:
    """A task over a definition like the report's, with another source."""
    raw = {**REPORT, "name": "tried", "source": source, **more}
    [stream] = streams_of(PLATFORM, {"streams": [raw]})
    account = AccountInfo("erp/tried", "ERP", currency="USD", time_zone="America/New_York")
    daily = bench.task("agency_report", AccountInfo("erp", "ERP", "USD", "America/New_York"),
                       back=60, days=25)
    return dataclasses.replace(daily, stream=stream, account=account)


def truth(bench: Bench, task: Task) -> dict[tuple[str, str], tuple[int, ...]]:
    rows = bench.box.world.ad_days(
        ACCOUNT, task.start, task.end, as_of=bench.box.clock(), level="campaign"
    )
    return {
        (r.campaign_id, r.day.isoformat()): (
            r.spend, r.impressions, r.clicks, r.conversions * 10_000, r.value
        )
        for r in rows
    }


def by_key(page: Page) -> dict[tuple[str, str], tuple[int, ...]]:
    names = ("spend_micros", "impressions", "clicks", "conversions_micros", "value_micros")
    return {(r["entity_id"], r["day"]): tuple(r[n] for n in names) for r in page.rows}


WAYS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "page": ({**REPORT["source"], "page_size": "40"}, {}),
    "offset": ({"path": "/reports/offset", "query": DAYS, "paging": "offset",
                "page_param": "offset", "size_param": "limit", "page_size": "33"}, {}),
    "cursor in the answer": ({"path": "/reports/cursor", "query": DAYS, "paging": "cursor_body",
                              "page_param": "after", "next_path": "paging.after",
                              "records_path": "rows", "size_param": "limit",
                              "page_size": "30"}, {}),
    "address in the answer": ({"path": "/reports/next", "query": DAYS, "paging": "next_url_body",
                               "next_path": "next", "records_path": "rows",
                               "size_param": "limit", "page_size": "30"}, {}),
    "cursor in a header": ({"path": "/reports/header", "query": DAYS, "paging": "header_cursor",
                            "page_param": "cursor", "next_path": "X-Next-Cursor",
                            "size_param": "limit", "page_size": "30"}, {}),
    "post": ({"path": "/reports/search", "records_path": "result",
              "body": '{"from": "{{ window_start }}", "to": "{{ window_end }}"}'}, {}),
    "json lines": ({"path": "/reports/daily.ndjson", **ONE_PAGE}, {}),
    "redirect at home": ({"path": "/odd/moved", **ONE_PAGE, "records_path": "data.items",
                          "size_param": "per_page", "page_size": "500"}, {}),
    "csv, latin-1": ({"path": "/reports/daily.csv", **CSV}, {"german": True}),
    "csv, gzip file": ({"path": "/reports/daily.csv.gz", **CSV, "delimiter": ""},
                       {"german": True}),
    "csv, zip in utf-16": ({"path": "/reports/daily.zip", **CSV}, {"german": True}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking_brings_the_worlds_figures(bench: Bench, way: str) -> None:
    source, how = WAYS[way]
    more = {
        "fields": GERMAN, "decimal": ",", "thousands": ".", "date_format": "%d.%m.%Y",
    } if how.get("german") else {}
    task = task_for(bench, source, **more)
    with bench.open() as client:
        before = client.requests
        page = read(client, task)
        asked = client.requests - before
    assert page.rejected == []
    assert by_key(page) == truth(bench, task)
    if source.get("page_size") and way != "redirect at home":
        assert asked >= 4  # forced to several pages


def test_faults_on_the_way_change_nothing(bench: Bench) -> None:
    task = task_for(bench, WAYS["page"][0])
    with bench.open() as client:
        for kind, more in (("rate_limited", {"retry_after": 1}), ("server_error", {}),
                           ("cut", {}), ("not_json", {})):
            bench.box.trouble.add(kind, "generic_http", count=1, **more)
        assert by_key(read(client, task)) == truth(bench, task)


def test_an_export_that_takes_no_days_is_fetched_once_a_run(bench: Bench) -> None:
    source = {"path": "/reports/daily.json", "query": "from=2026-09-01",
              "records_path": "data.items", "paging": "page", "page_param": "page",
              "size_param": "per_page", "page_size": "500", "total_path": "total"}
    task = task_for(bench, source)
    earlier = dataclasses.replace(task, end=task.start)
    with bench.open() as client:
        whole, before = read(client, task), client.requests
        part = read(client, earlier)
        assert client.requests == before  # from memory
    assert set(by_key(part)) == {k for k in by_key(whole) if k[1] == task.start.isoformat()}
    assert part.skipped > 0  # the other days are left out, and counted


def test_changes_since_the_cursor_come_and_move_it(bench: Bench) -> None:
    account = AccountInfo("erp", "ERP", time_zone="America/New_York")
    since = "2026-11-10T00:00:00Z"
    with bench.open() as client:
        page = read(client, bench.task("deals", account, back=10, days=11, cursor=since))
        again = read(client, bench.task("deals", account, back=10, days=11, cursor=page.cursor))
    now = bench.box.clock()
    changed = {
        f"D{d.id:06d}" for d in bench.box.world.crm_deals(as_of=now)
        if d.currency == "USD" and d.deleted_at is None and d.updated_at.isoformat() >= since
    }
    assert changed
    assert changed <= {r["external_id"] for r in page.rows}
    assert since < page.cursor <= now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert again.cursor == page.cursor
    assert len(again.rows) < len(page.rows)
    won = defaultdict(int)
    for row in page.rows:
        won[row["is_won"]] += 1
    assert won[True]
    assert won[False]


ODD = {
    "/odd/loop": ({"paging": "next_url_body", "next_path": "next", "records_path": "rows"},
                  Fix, "address"),  # "same" leads nowhere: the server does not know it
    "/odd/login": ({}, Fix, "web page"),
    "/odd/elsewhere": ({}, Fix, "another address"),
    "/odd/digest": ({}, Fix, "another kind of sign-in"),
    "/odd/broken": ({}, Retry, "cannot be read"),
    "/odd/twice": ({"paging": "page", "page_param": "page"}, GiveUp, "no end"),
    "/odd/error": ({"error_path": "error", "records_path": "rows"}, Fix, "with an error"),
    "/odd/bomb": ({}, GiveUp, "more than fits"),
    "/not/there": ({}, Fix, "refused the request"),
}


@pytest.mark.parametrize("path", ODD)
def test_odd_answers_end_in_a_sentence(bench: Bench, path: str) -> None:
    more, kind, words = ODD[path]
    with bench.open() as client, pytest.raises(kind) as caught:
        read(client, task_for(bench, {"path": path, **more}))
    if path != "/odd/loop":
        assert words in caught.value.what
    assert caught.value.fix


def test_a_cursor_that_comes_again_ends_the_walk(bench: Bench) -> None:
    source = {"path": "/odd/loop", "paging": "cursor_body", "page_param": "after",
              "next_path": "next", "records_path": "rows"}
    with bench.open() as client, pytest.raises(GiveUp, match="no end"):
        read(client, task_for(bench, source))


def test_more_pages_than_allowed_is_an_error_not_a_silent_end(bench: Bench) -> None:
    source = {**WAYS["offset"][0], "page_size": "5", "max_pages": "3"}
    with bench.open() as client, pytest.raises(Fix, match="more than 3 pages"):
        read(client, task_for(bench, source))


def test_nothing_is_nothing_and_a_ragged_line_is_rejected_alone(bench: Bench) -> None:
    fields = {"day": {"column": "date"}, "campaign_id": {"column": "campaign_id"},
              "spend": {"column": "cost"}, "value": {"column": "cost_2"}}
    with bench.open() as client:
        assert read(client, task_for(bench, {"path": "/odd/empty"})).read_count == 0
        task = task_for(bench, {"path": "/odd/ragged"}, fields=fields)
        start = task.start.replace(year=2026, month=11, day=1)
        page = read(client, dataclasses.replace(task, start=start, end=start.replace(day=4)))
    assert [(r["day"], r["spend_micros"]) for r in page.rows] == [("2026-11-01", 1_000_000)]
    assert [r.reason for r in page.rejected if "values" in r.reason] == [
        "The line has 3 values, the header has 5.", "The line has 6 values, the header has 5.",
    ]
    assert any("'oops'" in r.reason for r in page.rejected)
    assert page.read_count == 4


def test_a_record_of_two_megabytes_is_rejected_beside_a_good_one(bench: Bench) -> None:
    fields = {"day": {"column": "date"}, "campaign_id": {"column": "campaign_id"},
              "spend": {"column": "cost"}}
    with bench.open() as client:
        task = task_for(bench, {"path": "/odd/wide"}, fields=fields)
        start = task.start.replace(year=2026, month=11, day=1)
        page = read(client, dataclasses.replace(task, start=start, end=start))
    assert len(page.rows) == 1
    assert "megabyte" in page.rejected[0].reason


def test_a_wait_named_as_a_date_is_waited_for(bench: Bench) -> None:
    with bench.open() as client:
        read(client, task_for(bench, {"path": "/odd/retry-date"}))
        assert client.waited >= 2


def test_a_wrong_password_is_tried_once(bench: Bench) -> None:
    values = {**DEMO["generic_http"]["basic"], "password": "wrong"}
    with bench.open("basic", values=values) as client:
        before = client.requests
        with pytest.raises(SignInAgain, match="does not accept") as caught:
            PLATFORM.test(client, AccountInfo("erp", "ERP"))
        assert client.requests == before + 1
    assert "Larkspur ERP" in caught.value.why


def test_a_preview_shows_rows_and_what_was_found_out(bench: Bench) -> None:
    raw = {**REPORT, "name": "tried", "fields": {}, "source": {**WAYS["page"][0]}}
    with bench.open() as client:
        sample = PLATFORM.preview(client, read_definition(raw, draft=True))
        found = {c.name: c.type for c in sample.columns}
        assert found["date"] == "day"
        assert found["figures_cost"] == "number"
        assert 0 < len(sample.records) <= 20
        assert any("JSON, utf-8" in n for n in sample.notes)
        raw["source"] = {"path": "/reports/daily.csv", "skip_rows": "2", "query": DAYS,
                         "param_format": "%d.%m.%Y"}
        csv = PLATFORM.preview(client, read_definition(raw, draft=True))
    assert any("separated by ';'" in n for n in csv.notes)
    assert "Währung" in {c.name for c in csv.columns}


def test_nothing_of_the_sign_in_leaves_for_another_server(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    secret = DEMO["generic_http"]["basic"]["password"]
    with bench.open() as client, pytest.raises(LiftOSError) as caught:
        read(client, task_for(bench, {"path": "/odd/elsewhere"}))
    error = caught.value
    shown = f"{error!r}{error.sentence()}{error.facts}{caplog.text}"
    assert secret not in shown
    assert "elsewhere.example" not in shown
