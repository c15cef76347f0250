# ruff: noqa: S608
"""The imitated Databricks is as strict as the vendor: sign-in, statements, files, warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO
from tests.sandbox_server import RunningSandbox, running_sandbox

PAT = DEMO["databricks"]["token"]
OWN = DEMO["databricks"]["service_principal"]
T = "`larkspur`.`marketing`.`marketing_daily`"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(served: RunningSandbox) -> RunningSandbox:
    served.reset()
    served.sandbox.memories.setdefault("databricks", {})["start_polls"] = 0
    return served


def url(box: RunningSandbox, path: str, workspace: str = PAT["workspace"]) -> str:
    return f"{box.platform('databricks')}/{workspace}{path}"


def send(
    box: RunningSandbox, method: str, path: str, token: str = PAT["access_token"], **more: Any
) -> httpx.Response:
    return httpx.request(
        method, url(box, path), headers={"Authorization": f"Bearer {token}"}, timeout=30, **more
    )


def post(box: RunningSandbox, sql: str, params: Any = (), **more: Any) -> httpx.Response:
    body = {"warehouse_id": PAT["warehouse_id"], "statement": sql, **more}
    if params:
        body["parameters"] = [{"name": n, "value": v} for n, v in dict(params).items()]
    return send(box, "POST", "/api/2.0/sql/statements", json=body)


def token(box: RunningSandbox, **form: str) -> httpx.Response:
    return httpx.post(
        url(box, "/oidc/v1/token"), auth=(OWN["client_id"], OWN["client_secret"]),
        data={"grant_type": "client_credentials", "scope": "all-apis", **form},
    )


def test_a_service_principal_gets_a_token_for_an_hour_and_no_refresh(box: RunningSandbox) -> None:
    found = token(box).json()
    assert (found["expires_in"], found["scope"]) == (3600, "all-apis")
    assert "refresh_token" not in found
    path = f"/api/2.0/sql/warehouses/{PAT['warehouse_id']}"
    assert send(box, "GET", path, token=found["access_token"]).json()["state"] == "STOPPED"
    box.clock.advance(minutes=61)
    gone = send(box, "GET", path, token=found["access_token"])
    assert (gone.status_code, gone.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "DatabricksRealm" in gone.headers["www-authenticate"]
    assert gone.json()["details"][0]["request_id"]


def test_the_token_endpoint_is_strict(box: RunningSandbox) -> None:
    assert token(box, scope="sql").json()["error"] == "invalid_scope"
    assert token(box, grant_type="password").json()["error"] == "unsupported_grant_type"
    wrong = httpx.post(url(box, "/oidc/v1/token"), auth=(OWN["client_id"], "dose0000"),
                       data={"grant_type": "client_credentials", "scope": "all-apis"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


def test_discovery_names_the_token_endpoint(box: RunningSandbox) -> None:
    config = httpx.get(url(box, "/.well-known/databricks-config")).json()
    server = httpx.get(config["oidc_endpoint"] + "/.well-known/oauth-authorization-server").json()
    assert server["token_endpoint"] == url(box, "/oidc/v1/token")
    assert server["code_challenge_methods_supported"] == ["S256"]


def test_a_stopped_warehouse_starts_and_the_statement_waits(box: RunningSandbox) -> None:
    box.sandbox.memories["databricks"]["start_polls"] = 2
    first = post(box, "SELECT 1", wait_timeout="0s").json()
    assert first["status"]["state"] == "PENDING"
    path = f"/api/2.0/sql/statements/{first['statement_id']}"
    states = [send(box, "GET", path).json()["status"]["state"] for _ in range(3)]
    assert states == ["PENDING", "PENDING", "SUCCEEDED"]
    assert post(box, "SELECT 1").json()["status"]["state"] == "SUCCEEDED"


@pytest.mark.parametrize(("sql", "code", "words"), [
    ("SELECT * FROM `larkspur`.`marketing`.`none`", "NOT_FOUND", "[TABLE_OR_VIEW_NOT_FOUND]"),
    (f"SELECT `none` FROM {T}", "BAD_REQUEST", "[UNRESOLVED_COLUMN.WITH_SUGGESTION]"),
    ("FETCHES 1", "BAD_REQUEST", "[PARSE_SYNTAX_ERROR]"),
    (f"SELECT * FROM {T} WHERE `clicks` > :n", "BAD_REQUEST", "[UNBOUND_SQL_PARAMETER]"),
    ("CREATE TABLE IF NOT EXISTS `larkspur`.`x`.`y` (`a` STRING)", "NOT_FOUND",
     "[SCHEMA_NOT_FOUND]"),
])
def test_a_failed_statement_is_a_good_answer(
    box: RunningSandbox, sql: str, code: str, words: str
) -> None:
    found = post(box, sql)
    assert found.status_code == 200
    assert found.json()["status"]["state"] == "FAILED"
    assert found.json()["status"]["error"]["error_code"] == code
    assert found.json()["status"]["error"]["message"].startswith(words)


@pytest.mark.parametrize(("body", "status"), [
    ({"warehouse_id": "00"}, 404), ({"wait_timeout": "3s"}, 400), ({"wait_timeout": "60s"}, 400),
    ({"colour": 1}, 400), ({"disposition": "MAIL"}, 400), ({"format": "ARROW_STREAM"}, 400),
    ({"statement": 1}, 400), ({"parameters": [{"value": "x"}]}, 400),
    ({"on_wait_timeout": "MAYBE"}, 400),
])
def test_requests_that_are_not_accepted_are_refused(
    box: RunningSandbox, body: dict[str, Any], status: int
) -> None:
    found = post(box, "SELECT 1", **body)
    assert found.status_code == status
    assert found.json()["error_code"]


def test_files_refuse_a_token_and_end_after_a_quarter_of_an_hour(box: RunningSandbox) -> None:
    box.sandbox.memories["databricks"]["chunk_rows"] = 50
    found = post(box, f"SELECT * FROM {T} LIMIT 120", disposition="EXTERNAL_LINKS").json()
    link = found["result"]["external_links"][0]
    assert link["next_chunk_index"] == 1
    address = link["external_link"]
    assert PAT["workspace"] not in address
    assert len(httpx.get(address).json()) == 50
    assert httpx.get(address, headers={"Authorization": "Bearer x"}).status_code == 400
    path = f"/api/2.0/sql/statements/{found['statement_id']}/result/chunks/"
    last = send(box, "GET", path + "2").json()["external_links"][0]
    assert "next_chunk_index" not in last
    assert last["row_count"] == 20
    assert send(box, "GET", path + "3").status_code == 400
    box.clock.advance(minutes=16)
    assert httpx.get(address).status_code == 403
    assert send(box, "GET", path + "0").status_code == 200
    box.clock.advance(minutes=50)
    assert send(box, "GET", path + "0").status_code == 404
    box.clock.advance(hours=12)
    assert send(box, "GET", path[:-15]).status_code == 404


def test_inline_answers_have_chunks_and_a_cap(box: RunningSandbox) -> None:
    box.sandbox.memories["databricks"].update(chunk_rows=50)
    found = post(box, f"SELECT * FROM {T} LIMIT 120").json()
    assert [c["row_count"] for c in found["manifest"]["chunks"]] == [50, 50, 20]
    assert len(found["result"]["data_array"]) == 50
    assert found["result"]["next_chunk_internal_link"].endswith("/result/chunks/1")
    box.sandbox.memories["databricks"]["inline_cap"] = 100
    failed = post(box, f"SELECT * FROM {T} LIMIT 120").json()["status"]
    assert failed["state"] == "FAILED"
    assert "at most" in failed["error"]["message"]
    box.sandbox.memories["databricks"]["no_links"] = True
    assert post(box, "SELECT 1", disposition="EXTERNAL_LINKS").status_code == 400


def test_merge_and_delete_really_happen(box: RunningSandbox) -> None:
    table = "`larkspur`.`liftos`.`t`"
    post(box, "CREATE SCHEMA IF NOT EXISTS `larkspur`.`liftos`")
    made = post(box, f"CREATE TABLE IF NOT EXISTS {table} (`k` STRING, `h` STRING, "
                "`n` DECIMAL(38,9)) USING DELTA")
    assert made.json()["status"]["state"] == "SUCCEEDED"
    merge = (
        f"MERGE INTO {table} t USING (SELECT inline(from_json(:rows, "
        "'array<struct<k:string,h:string,n:decimal(38,9)>>'))) s ON t.`k` = s.`k` "
        "WHEN MATCHED AND t.`h` <> s.`h` THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    rows = [{"k": "a", "h": "1", "n": "1.5"}, {"k": "b", "h": "1", "n": "x"}]
    first = post(box, merge, {"rows": json.dumps(rows)}).json()
    names = [c["name"] for c in first["manifest"]["schema"]["columns"]]
    assert names == [
        "num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"]
    assert first["result"]["data_array"] == [["2", "0", "0", "2"]]
    rows[0] |= {"h": "2"}
    again = post(box, merge, {"rows": json.dumps(rows)}).json()
    assert again["result"]["data_array"] == [["1", "1", "0", "0"]]
    shown = post(box, f"SELECT * FROM {table}").json()["result"]["data_array"]
    assert shown == [["a", "2", "1.500000000"], ["b", "1", None]]  # no number is null in Spark
    twice = post(box, merge, {"rows": json.dumps([rows[0], rows[0]])}).json()
    assert "MULTIPLE_SOURCE_ROW" in twice["status"]["error"]["message"]
    gone = post(box, f"DELETE FROM {table} WHERE `k` IN (SELECT explode(from_json(:keys, "
                "'array<string>')))", {"keys": json.dumps(["a"])}).json()
    assert gone["result"]["data_array"] == [["1", "0", "1", "0"]]
    added = post(box, f"ALTER TABLE {table} ADD COLUMN `m` DATE").json()
    assert added["status"]["state"] == "SUCCEEDED"
    assert "ALREADY_EXISTS" in str(post(box, f"ALTER TABLE {table} ADD COLUMN `m` DATE").json())


def test_the_catalog_is_listed_page_by_page(box: RunningSandbox) -> None:
    path = "/api/2.1/unity-catalog/schemas?catalog_name=larkspur"
    first = send(box, "GET", path).json()
    assert len(first["schemas"]) == 2
    second = send(box, "GET", f"{path}&page_token={first['next_page_token']}").json()
    assert {s["name"] for s in first["schemas"] + second["schemas"]} == {
        "information_schema", "marketing", "sales", "finance"}
    assert httpx.get(url(box, path, workspace="other.cloud.databricks.com"),
                     headers={"Authorization": f"Bearer {PAT['access_token']}"}).status_code == 404


def test_a_cancelled_statement_is_over(box: RunningSandbox) -> None:
    box.sandbox.memories["databricks"]["start_polls"] = 3
    found = post(box, "SELECT 1", wait_timeout="0s").json()
    path = f"/api/2.0/sql/statements/{found['statement_id']}"
    assert send(box, "POST", path + "/cancel").status_code == 200
    assert send(box, "GET", path).json()["status"]["state"] == "CANCELED"
