"""Databricks over a scripted edge: requests as documented, exact values, errors in words."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, LiftOSError, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.defined import read_all, streams_of
from liftos_app.services.connectors.platforms.databricks import (
    errors,
    signin,
    statements,
    tables,
    values,
)
from liftos_app.services.connectors.spec import AccountInfo, Task
from liftos_app.services.sandbox.credentials import DEMO
from tests.unit.connectors.helper import answers, example, make_client

BRICKS = registry.get("databricks")
VALUES = {"access_token": "dapi-secret-token", "warehouse_id": "0123456789abcdef"}
STORAGE = "https://bricks.example/storage/one?sig=secret"
STREAM = {
    "name": "spend_daily", "lands": "facts", "object": "`main`.`m`.`t`", "currencies": ["EUR"],
    "fields": {"day": "day", "campaign_id": "c", "spend": "spend"},
}
COLUMNS = (("day", "DATE"), ("c", "STRING"), ("spend", "DECIMAL"))


def client_of(handler: Any, **more: Any) -> tuple[Client, Any]:
    return make_client(BRICKS, handler, VALUES, method="token", base="https://bricks.example/api",
                       **more)


def ended(rows: list[list[str | None]], *columns: tuple[str, str], **more: Any) -> dict[str, Any]:
    names = columns or (("a", "STRING"),)
    return {
        "statement_id": "st-1", "status": {"state": "SUCCEEDED"},
        "manifest": {
            "schema": {"columns": [
                {"name": n, "type_name": t.replace("_NTZ", ""), "type_text": t} for n, t in names
            ]},
            "total_row_count": more.pop("total", len(rows)),
            "truncated": more.pop("truncated", False),
        },
        "result": more.pop("result", {"data_array": rows}),
    }


def failure(code: str, message: str) -> dict[str, Any]:
    return {"statement_id": "st-1", "status": {
        "state": "FAILED", "error": {"error_code": code, "message": message}}}


PENDING = {"statement_id": "st-1", "status": {"state": "PENDING"}}


def linked(*files: tuple[int, str], nxt: int | None = None) -> dict[str, Any]:
    found = {"external_links": [
        {"chunk_index": i, "external_link": url, "http_headers": {"x-part": str(i)}}
        for i, url in files
    ]}
    if nxt is not None:
        found["external_links"][0]["next_chunk_index"] = nxt
    return found


def test_the_vendors_example_is_read_over_both_chunks() -> None:
    found = next(c for c in example("databricks", "statement_results")["cases"]
                 if c["case"] == "statement_inline_two_chunks")
    client, edge = client_of(answers(*found["body"]))
    rows = statements.all_records(client, statements.run(client, "SELECT 1", {"lo": "x"}))
    assert len(rows) == 3
    assert edge.requests[2].url.path.endswith("/result/chunks/1")
    assert all(isinstance(r["spend"], str | None) for r in rows)
    body = json.loads(edge.requests[0].content)
    assert body["parameters"] == [{"name": "lo", "value": "x", "type": "STRING"}]
    assert body["disposition"] == "EXTERNAL_LINKS"
    assert body["on_wait_timeout"] == "CONTINUE"


def test_files_are_fetched_without_our_token_and_with_the_headers_named() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if "/storage/" in request.url.path:
            seen.append(request)
            return httpx.Response(200, json=[["1"], ["2"]])
        if request.url.path.endswith("/chunks/1"):
            return httpx.Response(200, json=linked((1, STORAGE)))
        return httpx.Response(200, json=ended([], total=4, result=linked((0, STORAGE), nxt=1)))

    client, _ = client_of(handler)
    assert len(statements.all_records(client, statements.run(client, "SELECT 1"))) == 4
    assert len(seen) == 2
    assert all("authorization" not in r.headers for r in seen)
    assert [r.headers["x-part"] for r in seen] == ["0", "1"]


def test_an_address_that_has_ended_is_asked_for_anew() -> None:
    calls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if request.url.path == "/storage/one":
            return httpx.Response(403, text="expired")
        if request.url.path == "/storage/two":
            return httpx.Response(200, json=[["1"]])
        if request.url.path.endswith("/chunks/0"):
            return httpx.Response(200, json=linked((0, STORAGE.replace("one", "two"))))
        return httpx.Response(200, json=ended([], total=1, result=linked((0, STORAGE))))

    client, _ = client_of(handler)
    assert statements.all_records(client, statements.run(client, "SELECT 1")) == [{"a": "1"}]
    assert calls[-3:] == ["/storage/one", calls[-2], "/storage/two"]


def test_a_workspace_without_links_answers_inline_from_then_on() -> None:
    refused = httpx.Response(400, json={
        "error_code": "BAD_REQUEST", "message": "The disposition EXTERNAL_LINKS is disabled."})
    client, edge = client_of(answers(refused, ended([["1"]]), ended([["1"]])))
    statements.run(client, "SELECT 1")
    statements.run(client, "SELECT 1")
    ways = [json.loads(r.content)["disposition"] for r in edge.requests]
    assert ways == ["EXTERNAL_LINKS", "INLINE", "INLINE"]


def test_rows_that_are_missing_or_cut_off_are_no_success() -> None:
    client, _ = client_of(answers(ended([["1"]], total=2)))
    with pytest.raises(Retry, match="fewer rows"):
        statements.all_records(client, statements.run(client, "SELECT 1"))
    client, _ = client_of(answers(ended([["1"]], truncated=True)))
    with pytest.raises(Fix, match="larger than"):
        statements.run(client, "SELECT 1")


def test_chunks_that_go_round_are_noticed() -> None:
    loop = {"data_array": [["1"]], "next_chunk_index": 1}
    client, _ = client_of(answers(ended([["1"]], total=9, result=loop), loop))
    with pytest.raises(GiveUp, match="no end") as caught:
        statements.all_records(client, statements.run(client, "SELECT 1"))
    assert "read already" in caught.value.why


def test_a_failed_statement_is_found_inside_http_200() -> None:
    client, edge = client_of(answers(failure(
        "BAD_REQUEST", "[TABLE_OR_VIEW_NOT_FOUND] The table `x` cannot be found.")))
    with pytest.raises(Fix, match="table or view") as caught:
        statements.run(client, "SELECT 1")
    assert caught.value.facts["request_id"] == "st-1"
    assert len(edge.requests) == 1


def test_a_passing_fault_of_a_statement_runs_it_again() -> None:
    client, edge = client_of(answers(
        failure("TEMPORARILY_UNAVAILABLE", "starting"), PENDING, ended([["1"]])
    ))
    assert statements.run(client, "SELECT 1").total == 1
    assert [r.method for r in edge.requests] == ["POST", "POST", "GET"]
    client, edge = client_of(answers(failure("IO_ERROR", "storage")))
    with pytest.raises(Retry):
        statements.run(client, "SELECT 1")
    assert len(edge.requests) == statements.TRIES


def test_a_warehouse_start_is_waited_for_and_a_stop_cancels() -> None:
    client, edge = client_of(answers(PENDING, PENDING, PENDING, PENDING, ended([["1"]])))
    statements.run(client, "SELECT 1")
    assert edge.waited == 1 + 2 + 4 + 8
    stop = False

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal stop
        stop = True
        return httpx.Response(200, json=PENDING)

    client, edge = client_of(handler, cancelled=lambda: stop)
    with pytest.raises(Stopped):
        statements.run(client, "SELECT 1")
    assert edge.requests[-1].url.path.endswith("/st-1/cancel")


@pytest.mark.parametrize(("kind", "wire", "value"), [
    ("STRING", "123", "123"), ("LONG", "-7", -7), ("DECIMAL", "12.50", "12.50"),
    ("DOUBLE", "1.5", 1.5), ("DOUBLE", "NaN", "NaN"), ("BOOLEAN", "true", True),
    ("DATE", "2026-11-20", "2026-11-20"), ("STRUCT", '{"a": 1.10}', {"a": "1.10"}),
    ("TIMESTAMP", "2026-11-20T14:03:11.123Z", "2026-11-20T14:03:11.123Z"),
])
def test_values_are_exact(kind: str, wire: str, value: object) -> None:
    assert values.parsers([{"type_name": kind, "type_text": kind}])[0](wire) == value


def test_a_time_without_zone_is_told_by_the_types_text() -> None:
    assert values.kind_of({"type_name": "TIMESTAMP", "type_text": "TIMESTAMP_NTZ"}) == (
        "TIMESTAMP_NTZ")
    assert values.kind_of({"type_name": "DECIMAL", "type_text": "DECIMAL(12,2)"}) == "DECIMAL"


@pytest.mark.parametrize(("status", "code", "kind", "cause"), [
    (401, "UNAUTHENTICATED", SignInAgain, "credential"), (403, "PERMISSION_DENIED", Fix,
                                                         "permission"),
    (404, "RESOURCE_DOES_NOT_EXIST", Fix, "bad_configuration"),
    (409, "ABORTED", Retry, "platform_outage"), (429, "REQUEST_LIMIT_EXCEEDED", Quota, "quota"),
    (500, "INTERNAL_ERROR", Retry, "platform_outage"),
    (503, "TEMPORARILY_UNAVAILABLE", Retry, "platform_outage"),
    (400, "INVALID_PARAMETER_VALUE", GiveUp, "our_fault"),
])
def test_errors_mean_what_the_sheet_says(
    status: int, code: str, kind: type[LiftOSError], cause: str
) -> None:
    found = errors.fault(status, {"retry-after": "5"}, {
        "error_code": code, "message": "words", "details": [{"request_id": "rq-1"}]})
    assert type(found) is kind
    assert found.cause == cause
    assert found.facts["request_id"] == "rq-1"
    if isinstance(found, Retry):
        assert found.after == 5
    assert errors.fault(200, {}, failure("BAD_REQUEST", "x")) is None


@pytest.mark.parametrize(("code", "message", "kind", "platform_code"), [
    ("BAD_REQUEST", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] `x`", Fix, "UNRESOLVED_COLUMN"),
    ("BAD_REQUEST", "[INSUFFICIENT_PERMISSIONS] no", Fix, "INSUFFICIENT_PERMISSIONS"),
    ("BAD_REQUEST", "[PARSE_SYNTAX_ERROR] near", Fix, "PARSE_SYNTAX_ERROR"),
    ("BAD_REQUEST", "result size of at most 20214400 bytes", GiveUp, errors.TOO_BIG),
    ("ABORTED", "ConcurrentAppendException", Retry, "ABORTED"),
    ("RESOURCE_EXHAUSTED", "full", Quota, "RESOURCE_EXHAUSTED"), ("", "", Fix, ""),
])
def test_failures_of_statements_are_sorted_by_their_class(
    code: str, message: str, kind: type[LiftOSError], platform_code: str
) -> None:
    found = errors.failed({"error_code": code, "message": message}, "st-9")
    assert type(found) is kind
    assert found.facts["platform_code"] == platform_code


@pytest.mark.parametrize(("name", "value", "words"), [
    ("workspace", "accounts.cloud.databricks.com", "account console"),
    ("workspace", "example.com", "ends in"), ("warehouse_id", "my warehouse", "HTTP path"),
    ("client_id", "me@example.com", "application id"), ("client_secret", "dapi0123456789", "token"),
])
def test_malformed_credentials_are_refused_before_any_call(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_inputs(BRICKS, BRICKS.method("service_principal"),
                     {**DEMO["databricks"]["service_principal"], name: value})
    assert words in caught.value.why
    assert caught.value.facts["field"] == name


@pytest.mark.parametrize(("typed", "kept"), [
    ("https://dbc-a1b2-e5f6.cloud.databricks.com/?o=1", "dbc-a1b2-e5f6.cloud.databricks.com"),
    ("adb-123456.7.azuredatabricks.net", "adb-123456.7.azuredatabricks.net"),
])
def test_a_pasted_address_becomes_the_workspace(typed: str, kept: str) -> None:
    assert signin.clean_workspace(typed) == kept
    assert signin.clean_warehouse("/sql/1.0/warehouses/0123456789abcdef") == "0123456789abcdef"
    assert signin.clean_warehouse("sql/1.0/endpoints/0123456789abcdef/") == "0123456789abcdef"


def task_of(raw: dict[str, Any], **more: Any) -> Task:
    found: dict[str, Any] = {
        "stream": streams_of(BRICKS, {"streams": [raw]})[0], "salt": "5f" * 32,
        "account": AccountInfo("a", "A", "EUR", "UTC"), "start": date(2026, 11, 1),
        "end": date(2026, 11, 4), "today": date(2026, 11, 5), **more,
    }
    return Task(**found)


def test_a_span_asks_for_its_days_with_named_parameters_and_backticks() -> None:
    rows = ended([["2026-11-02", "x", "1.50"]], *COLUMNS)
    client, edge = client_of(answers(ended([], *COLUMNS), rows))
    pages = list(task_of(STREAM).stream.read(client, task_of(STREAM)))
    assert [r["spend_micros"] for p in pages for r in p.rows] == [1_500_000]
    body = json.loads(edge.requests[1].content)
    assert body["statement"] == (
        "SELECT `day`, `c`, `spend` FROM `main`.`m`.`t` WHERE `day` >= CAST(:p0 AS DATE) AND "
        "`day` <= CAST(:p1 AS DATE) ORDER BY `day`"
    )
    assert [p["value"] for p in body["parameters"]] == ["2026-11-01", "2026-11-04"]


def test_a_span_over_the_inline_cap_is_read_in_halves() -> None:
    cap = failure("BAD_REQUEST", "Inline byte limit exceeded: at most 20214400 bytes")
    client, edge = client_of(answers(
        ended([], *COLUMNS), cap, ended([["2026-11-01", "x", "1"]], *COLUMNS),
        ended([["2026-11-04", "x", "2"]], *COLUMNS),
    ))
    pages = list(task_of(STREAM).stream.read(client, task_of(STREAM)))
    assert [r["spend_micros"] for p in pages for r in p.rows] == [1_000_000, 2_000_000]
    spans = [[p["value"] for p in json.loads(r.content)["parameters"]] for r in edge.requests[2:]]
    assert spans == [["2026-11-01", "2026-11-02"], ["2026-11-03", "2026-11-04"]]


@pytest.mark.parametrize("path", ["main.m.t", "`main`.`m`", "`a`.`b`.`c`; DROP", "`a`.`b`.`c` x"])
def test_a_table_is_three_names_in_backticks_and_nothing_else(path: str) -> None:
    with pytest.raises(Invalid):
        read_all(BRICKS, [{**STREAM, "object": path}])
    assert tables.quoted("a`b") == "`a``b`"


def test_lists_of_the_catalog_are_walked_and_a_repeated_page_ends() -> None:
    client, _ = client_of(answers(
        {"catalogs": [{"name": "a"}], "next_page_token": "1"}, {"catalogs": [{"name": "b"}]}
    ))
    assert [o.name for o in tables.objects(client, "")] == ["a", "b"]
    client, _ = client_of(answers({"catalogs": [{"name": "a"}], "next_page_token": "1"}))
    with pytest.raises(GiveUp, match="no end"):
        tables.objects(client, "")


def test_a_deleted_warehouse_makes_the_account_unusable() -> None:
    client, _ = client_of(answers({"id": "0123456789abcdef", "name": "W", "state": "DELETED"}))
    found = tables.discover(client)[0]
    assert not found.usable
    assert found.reason
    body = example("databricks", "account_info_warehouse")["body"]
    client, edge = client_of(answers(body))
    assert "is stopped" in tables.test(client, AccountInfo("a", "A"))
    assert [r.method for r in edge.requests] == ["GET"]
