"""The endpoints of the Statement Execution API, its files, and the warehouses they run on."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer, text_answer
from liftos_app.services.sandbox.platforms.databricks import session, signin, wire
from liftos_app.services.sandbox.platforms.databricks.wire import JSON, Failure, Refusal
from liftos_app.services.sandbox.warehouse import Outcome

CHUNK_ROWS: Final = 400  # memory["chunk_rows"] replaces it
START_POLLS: Final = 2  # how long a stopped warehouse starts; memory["start_polls"]
INLINE_CAP: Final = 20_214_400  # bytes; memory["inline_cap"]
LINK_LIFE: Final = timedelta(minutes=15)
RESULT_LIFE: Final = timedelta(hours=1)
STATEMENT_LIFE: Final = timedelta(hours=12)
_FIELDS = frozenset({
    "warehouse_id", "catalog", "schema", "statement", "parameters", "disposition", "format",
    "wait_timeout", "on_wait_timeout", "row_limit", "byte_limit", "query_tags",
})
_WAIT = re.compile(r"(0|[5-9]|[1-4]\d|50)s")
_TYPES = frozenset({"STRING", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "DECIMAL", "INT", "BIGINT",
                    "DOUBLE", "BOOLEAN"})


@dataclass(slots=True)
class Run:
    """A statement: its outcome or failure, and how long it still seems to run."""

    id: str
    at: datetime
    pending: int  # looks while the warehouse starts
    inline: bool
    outcome: Outcome | None = None
    failure: Failure | None = None
    state: str = ""  # CANCELED, CLOSED


@dataclass(slots=True)
class Desk:
    """What is remembered between calls."""

    runs: dict[str, Run] = field(default_factory=dict)
    warehouse: str = "STOPPED"
    files: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


# --- warehouses and catalog -----------------------------------------------------------------------


def warehouses(call: Call) -> Response:
    """GET /api/2.0/sql/warehouses."""
    return _guarded(call, lambda: {"warehouses": [_warehouse(call)]})


def warehouse(call: Call) -> Response:
    """GET /api/2.0/sql/warehouses/{id}: starts nothing."""
    def found() -> dict[str, Any]:
        _check_warehouse(call, call.params["id"])
        return _warehouse(call)

    return _guarded(call, found)


def listed(call: Call) -> Response:
    """GET /api/2.1/unity-catalog/{catalogs,schemas,tables}, two at a time."""
    return _guarded(call, lambda: _page(call, call.params["what"], _names(call)))


def _names(call: Call) -> list[dict[str, Any]]:
    tables, what, asked = session.store(call), call.params["what"], call.query
    if what == "catalogs":
        return [{"name": n, "catalog_type": "MANAGED_CATALOG"} for n in
                (session.CATALOG, "samples", "system")]
    catalog = asked.get("catalog_name", "")
    if catalog not in (session.CATALOG, "samples", "system"):
        raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
    if what == "schemas":
        found = sorted(s.partition(".")[2] for s in tables.schemas if s.startswith(catalog + "."))
        return [{"name": n, "catalog_name": catalog} for n in ("information_schema", *found)]
    if what != "tables":
        raise Refusal(404, "ENDPOINT_NOT_FOUND", "No API found.")
    place = f"{catalog}.{asked.get('schema_name', '')}"
    if place not in tables.schemas:
        raise Refusal(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{place}' does not exist.")
    return [
        {"name": t.parts[2], "catalog_name": catalog, "schema_name": t.parts[1],
         "table_type": "VIEW" if t.kind == "view" else "MANAGED",
         "columns": wire.schema(t.columns)["columns"]}
        for t in sorted(tables.tables.values(), key=lambda t: t.name)
        if t.name.startswith(place + ".")
    ]


def _page(call: Call, what: str, every: list[dict[str, Any]]) -> dict[str, Any]:
    start = int(call.query.get("page_token") or 0)
    found: dict[str, Any] = {what: every[start:start + 2]}
    if start + 2 < len(every):
        found["next_page_token"] = str(start + 2)
    return found


# --- statements -----------------------------------------------------------------------------------


def submit(call: Call) -> Response:
    """POST /api/2.0/sql/statements."""
    def answer() -> dict[str, Any]:
        body = _body(call)
        ident = body.get("warehouse_id", "")
        _check_warehouse(call, ident)
        if call.trouble.stands(call.platform, ident)[1]:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {ident} was deleted.")
        if body.get("disposition") == "EXTERNAL_LINKS" and call.memory.get("no_links"):
            raise Refusal(400, "BAD_REQUEST", "The disposition EXTERNAL_LINKS is disabled for this "
                          "workspace.")
        run = _start(call, body)
        if body.get("wait_timeout", "10s") != "0s" and run.pending <= 0:
            return _state(call, run)
        return _state(call, run) if run.pending <= 0 else _waiting(run)

    return _guarded(call, answer)


def look(call: Call) -> Response:
    """GET /api/2.0/sql/statements/{id}."""
    return _guarded(call, lambda: _looked(call))


def _looked(call: Call) -> dict[str, Any]:
    run = _known(call)
    if run.pending > 0 and not run.state:
        run.pending -= 1
        if run.pending == 0:
            _desk(call).warehouse = "RUNNING"
        return _waiting(run)
    return _state(call, run)


def chunk(call: Call) -> Response:
    """GET .../{id}/result/chunks/{n}."""
    def found() -> dict[str, Any]:
        run, number = _known(call), int(call.params["n"])
        if run.outcome is None or run.pending > 0:
            raise Refusal(404, "NOT_FOUND", "The statement has no result.")
        return _result(call, run, number)

    return _guarded(call, found)


def cancel(call: Call) -> Response:
    """POST .../{id}/cancel: fire and forget."""
    def gone() -> dict[str, Any]:
        run = _known(call)
        if run.pending > 0:
            run.state = "CANCELED"
        return {}

    return _guarded(call, gone)


def file(call: Call) -> Response:
    """A chunk at its signed address, on the storage's own origin: a token must not come along."""
    if call.headers.get("authorization"):
        return text_answer("<Error><Code>InvalidArgument</Code></Error>", 400,
                           content_type="application/xml")
    known = _desk(call).files.get(call.params["file"])
    if known is None or call.now >= known[2]:
        return text_answer("<Error><Code>AccessDenied</Code><Message>Request has expired"
                           "</Message></Error>", 403, content_type="application/xml")
    run = _desk(call).runs[known[0]]
    assert run.outcome is not None  # noqa: S101  (it had a result when the link was made)
    rows = _rows(call, run.outcome, known[1])
    return json_answer(wire.texts(run.outcome.columns, rows), content_type="application/json")


def _start(call: Call, body: dict[str, Any]) -> Run:
    desk = _desk(call)
    cold = desk.warehouse != "RUNNING"
    polls = int(call.memory.get("start_polls", START_POLLS)) if cold else 0
    run = Run(f"01f1{uuid.uuid4().hex[:4]}-{uuid.uuid4()}"[:36], call.now, polls,
              body.get("disposition", "INLINE") == "INLINE")
    desk.warehouse = "STARTING" if polls else "RUNNING"
    desk.runs[run.id] = run
    sql = body["statement"]
    params = {p["name"]: p.get("value") for p in body.get("parameters") or ()}
    try:
        run.outcome = _outcome(call, sql, params, inline=run.inline)
    except Failure as failure:
        run.failure = failure
    return run


def _outcome(call: Call, sql: str, params: dict[str, Any], *, inline: bool) -> Outcome:
    failing = call.memory.pop("fail_next", None)
    if failing:
        raise Failure(*failing)
    outcome = session.bent(call, sql, session.execute(call, sql, params))
    outcome = outcome if outcome.is_query else session.counted(outcome)
    cap = int(call.memory.get("inline_cap", INLINE_CAP))
    if inline and sum(len(str(r)) for r in outcome.rows) > cap:
        raise Failure("BAD_REQUEST", "Inline byte limit exceeded. Statements executed with "
                      f"disposition=INLINE can have a result size of at most {INLINE_CAP} bytes.")
    return outcome


def _waiting(run: Run) -> dict[str, Any]:
    return {"statement_id": run.id, "status": {"state": run.state or "PENDING"}}


def _state(call: Call, run: Run) -> dict[str, Any]:
    """A terminal state. A failed statement is HTTP 200 with state FAILED."""
    if run.state:
        return _waiting(run)
    if run.failure is not None:
        return {"statement_id": run.id, "status": {
            "state": "FAILED",
            "error": {"error_code": run.failure.code, "message": run.failure.message},
        }}
    assert run.outcome is not None  # noqa: S101  (it has run)
    counts = _counts(call, run.outcome)
    manifest = {
        "format": "JSON_ARRAY", "schema": wire.schema(run.outcome.columns),
        "total_chunk_count": len(counts), "total_row_count": len(run.outcome.rows),
        "total_byte_count": len(run.outcome.rows) * 90, "truncated": False,
        "chunks": [
            {"chunk_index": i, "row_offset": sum(counts[:i]), "row_count": c, "byte_count": c * 90}
            for i, c in enumerate(counts)
        ],
    }
    found = {"statement_id": run.id, "status": {"state": "SUCCEEDED"}, "manifest": manifest}
    found["result"] = _result(call, run, 0) if counts else {}
    return found


def _result(call: Call, run: Run, number: int) -> dict[str, Any]:
    assert run.outcome is not None  # noqa: S101  (the caller looked)
    if call.now - run.at > RESULT_LIFE:
        raise Refusal(404, "NOT_FOUND", "The result is no longer available.")
    counts = _counts(call, run.outcome)
    if not 0 <= number < len(counts):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"There is no chunk {number}.")
    about: dict[str, Any] = {"chunk_index": number, "row_offset": sum(counts[:number]),
                             "row_count": counts[number]}
    if number + 1 < len(counts):
        about["next_chunk_index"] = number + 1
        about["next_chunk_internal_link"] = (
            f"/api/2.0/sql/statements/{run.id}/result/chunks/{number + 1}"
        )
    if run.inline:
        rows = wire.texts(run.outcome.columns, _rows(call, run.outcome, number))
        return {**about, "data_array": rows}
    name, ends = uuid.uuid4().hex, call.now + LINK_LIFE
    _desk(call).files[name] = (run.id, number, ends)
    return {"external_links": [{
        **about, "byte_count": counts[number] * 90,
        "external_link": f"{call.base}/storage/{name}?X-Signature={uuid.uuid4().hex}",
        "expiration": ends.isoformat().replace("+00:00", "Z"),
    }]}


def _counts(call: Call, outcome: Outcome) -> list[int]:
    size = int(call.memory.get("chunk_rows", CHUNK_ROWS))
    return [min(size, len(outcome.rows) - i) for i in range(0, len(outcome.rows), size)]


def _rows(call: Call, outcome: Outcome, number: int) -> list[Any]:
    size = int(call.memory.get("chunk_rows", CHUNK_ROWS))
    return outcome.rows[number * size:(number + 1) * size]


# --- checks ---------------------------------------------------------------------------------------


def _guarded(call: Call, answer: Any) -> Response:
    try:
        signin.check(call)
        with _desk(call).lock:
            return json_answer(answer(), content_type=JSON)
    except Refusal as refusal:
        return refusal.answer()


def _body(call: Call) -> dict[str, Any]:
    try:
        body = call.json()
    except ValueError:
        raise Refusal(400, "MALFORMED_REQUEST", "Could not parse request object.") from None
    if not isinstance(body, dict) or not isinstance(body.get("statement"), str):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "The field statement is required.")
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise Refusal(400, "BAD_REQUEST", f"Unrecognized field {unknown[0]}.")
    _check_ways(body)
    for one in body.get("parameters") or ():
        if not one.get("name") or one.get("type", "STRING").partition("(")[0] not in _TYPES:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "A parameter needs a name and a type.")
    return body


def _check_ways(body: dict[str, Any]) -> None:
    if not _WAIT.fullmatch(body.get("wait_timeout", "10s")):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "wait_timeout must be 0s or between 5s and "
                      "50s.")
    disposition, form = body.get("disposition", "INLINE"), body.get("format", "JSON_ARRAY")
    if disposition not in ("INLINE", "EXTERNAL_LINKS") or form not in (
        "JSON_ARRAY", "ARROW_STREAM", "CSV"
    ):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Unknown disposition or format.")
    if form != "JSON_ARRAY":
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"The format {form} is not supported with "
                      f"disposition {disposition} here.")
    if body.get("on_wait_timeout", "CONTINUE") not in ("CONTINUE", "CANCEL"):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Unknown on_wait_timeout.")


def _check_warehouse(call: Call, ident: str) -> None:
    there, _ = call.trouble.stands(call.platform, ident)
    if ident != call.demo["token"]["warehouse_id"] or not there:
        raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {ident[:40]} does not exist.")


def _warehouse(call: Call) -> dict[str, Any]:
    ident, host = call.demo["token"]["warehouse_id"], call.params["workspace"]
    deleted = call.trouble.stands(call.platform, ident)[1]
    return {
        "id": ident, "name": "Marketing XS", "size": "X_SMALL", "cluster_size": "X-Small",
        "state": "DELETED" if deleted else _desk(call).warehouse,
        "warehouse_type": "PRO", "auto_stop_mins": 10,
        "enable_serverless_compute": True, "num_clusters": 0, "health": {"status": "HEALTHY"},
        "odbc_params": {"hostname": host, "path": f"/sql/1.0/warehouses/{ident}",
                        "protocol": "https", "port": 443},
    }


def _known(call: Call) -> Run:
    run = _desk(call).runs.get(call.params["id"])
    if run is None or call.now - run.at > STATEMENT_LIFE:
        raise Refusal(404, "NOT_FOUND", f"The statement {call.params['id'][:40]} was not found.")
    return run


def _desk(call: Call) -> Desk:
    desk: Desk = call.memory.setdefault("desk", Desk())
    return desk
