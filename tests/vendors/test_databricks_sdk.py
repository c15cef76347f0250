"""The official SDK as client of the imitation, and its types as the judge of what we exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.service import sql
from databricks.sdk.service.sql import Disposition, Format, StatementState

from liftos_app.services.connectors.platforms.databricks.statements import all_records, run
from liftos_app.services.sandbox.credentials import DEMO
from tests.contract.conftest import Bench
from tests.sandbox_server import RunningSandbox, running_sandbox

SLUG = "databricks"
TABLE = "`larkspur`.`marketing`.`marketing_daily`"
PAT = DEMO[SLUG]["token"]
WAREHOUSE = PAT["warehouse_id"]


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(served: RunningSandbox) -> RunningSandbox:
    served.reset()
    return served


@contextmanager
def workspace(box: RunningSandbox, **config: Any) -> Iterator[WorkspaceClient]:
    """The SDK keeps the origin of an address only: a small proxy puts our path before its own."""
    with proxied(f"{box.platform(SLUG)}/{PAT['workspace']}") as host:
        yield WorkspaceClient(config=Config(host=host, retry_timeout_seconds=10, **config))


@contextmanager
def proxied(target: str) -> Iterator[str]:
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            answer = httpx.request(
                self.command, target + self.path, headers=headers,
                content=self.rfile.read(length), timeout=30,
            )
            body = answer.content.replace(target.encode(), own.encode())
            self.send_response(answer.status_code)
            for name in ("content-type", "retry-after", "www-authenticate"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815  (named by http.server)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_sdk_signs_in_as_a_service_principal_and_runs_a_statement(box: RunningSandbox) -> None:
    own = DEMO[SLUG]["service_principal"]
    with workspace(
        box, client_id=own["client_id"], client_secret=own["client_secret"],
        auth_type="oauth-m2m",
    ) as client:
        found = client.statement_execution.execute_statement(
            f"SELECT * FROM {TABLE} LIMIT 3", WAREHOUSE, wait_timeout="10s",  # noqa: S608
        )
        while found.status.state in (StatementState.PENDING, StatementState.RUNNING):
            found = client.statement_execution.get_statement(found.statement_id)
    assert found.status.state is StatementState.SUCCEEDED
    assert len(found.result.data_array) == 3
    assert [c.type_name.value for c in found.manifest.schema.columns][:2] == ["DATE", "STRING"]
    assert found.manifest.total_row_count == 3


def test_the_sdk_walks_chunks_and_links(box: RunningSandbox) -> None:
    box.sandbox.memories.setdefault(SLUG, {}).update(chunk_rows=50, start_polls=0)
    with workspace(box, token=PAT["access_token"]) as client:
        inline = client.statement_execution.execute_statement(
            f"SELECT * FROM {TABLE} LIMIT 120", WAREHOUSE,  # noqa: S608
        )
        rows, result = list(inline.result.data_array), inline.result
        while result.next_chunk_index is not None:
            result = client.statement_execution.get_statement_result_chunk_n(
                inline.statement_id, result.next_chunk_index
            )
            rows += result.data_array
        linked = client.statement_execution.execute_statement(
            f"SELECT * FROM {TABLE} LIMIT 120", WAREHOUSE,  # noqa: S608
            disposition=Disposition.EXTERNAL_LINKS, format=Format.JSON_ARRAY,
        )
        assert linked.result.external_links[0].next_chunk_index == 1
    assert len(rows) == inline.manifest.total_row_count == 120


def test_the_sdk_knows_our_errors(box: RunningSandbox) -> None:
    with workspace(box, token=PAT["access_token"]) as client:
        assert client.warehouses.get(WAREHOUSE).state is sql.State.STOPPED
        with pytest.raises(NotFound):
            client.warehouses.get("00000000")
        box.trouble.add("missing_scope", SLUG, count=1)
        with pytest.raises(PermissionDenied):
            client.warehouses.get(WAREHOUSE)
        box.trouble.add("rate_limited", SLUG, count=1, retry_after=1)
        assert client.warehouses.get(WAREHOUSE).name == "Marketing XS"  # it waits and comes again
        failed = client.statement_execution.execute_statement("FETCHES 1", WAREHOUSE)
        while failed.status.state in (StatementState.PENDING, StatementState.RUNNING):
            failed = client.statement_execution.get_statement(failed.statement_id)
        assert failed.status.state is StatementState.FAILED
        assert failed.status.error.error_code is sql.ServiceErrorCode.BAD_REQUEST
    with workspace(box, token="dapi" + "0" * 32) as client, pytest.raises(Unauthenticated):
        client.warehouses.get(WAREHOUSE)


def test_the_sdk_browses_the_catalog(box: RunningSandbox) -> None:
    with workspace(box, token=PAT["access_token"]) as client:
        assert "larkspur" in [c.name for c in client.catalogs.list()]
        assert "marketing" in [s.name for s in client.schemas.list("larkspur")]
        tables = list(client.tables.list("larkspur", "marketing"))
        assert [t.name for t in tables] == ["marketing_daily", "marketing_daily_v"]
        assert tables[0].columns[0].name == "report_date"


def test_what_we_send_and_get_has_the_sdks_types(
    box: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field of our request is one the SDK sends; each answer survives its types unchanged."""
    from liftos_app.services.connectors import registry, wire

    seen: list[tuple[str, Any, Any]] = []
    fetch = wire.fetch

    def recorded(http: Any, request: Any, **more: Any) -> Any:
        raw = fetch(http, request, **more)
        if "/sql/statements" in request.url:
            seen.append((request.method, request.body, raw.json() if raw.body else None))
        return raw

    monkeypatch.setattr(wire, "fetch", recorded)
    with Bench(registry.get(SLUG), box).open("token") as client:
        found = run(client, f"SELECT * FROM {TABLE} WHERE `channel` = :c LIMIT 30",  # noqa: S608
                    {"c": "Meta"})
        assert len(all_records(client, found)) == 30
    allowed = {
        "warehouse_id", "statement", "format", "wait_timeout", "on_wait_timeout", "disposition",
        "query_tags", "parameters", "catalog", "schema", "row_limit", "byte_limit",
    }
    import orjson

    for method, body, answer in seen:
        if method == "POST" and body:
            sent = orjson.loads(body)
            assert set(sent) <= allowed
            sql.Disposition(sent["disposition"])
            sql.Format(sent["format"])
            sql.ExecuteStatementRequestOnWaitTimeout(sent["on_wait_timeout"])
            for one in sent["parameters"]:
                assert sql.StatementParameterListItem.from_dict(one).as_dict() == one
            for one in sent["query_tags"]:
                assert sql.QueryTag.from_dict(one).as_dict() == one
        if isinstance(answer, dict) and "statement_id" in answer:
            assert sql.StatementResponse.from_dict(answer).as_dict() == answer
    assert len(seen) >= 3
