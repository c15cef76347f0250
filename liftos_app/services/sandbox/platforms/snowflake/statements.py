"""The endpoints of the SQL API: submit, look, partitions, cancel; every statement is remembered."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.snowflake import session, signin, wire
from liftos_app.services.sandbox.platforms.snowflake.wire import Refusal
from liftos_app.services.sandbox.warehouse import Column, Outcome

PARTITION_ROWS: Final = 500  # memory["partition_rows"] replaces it
POLLS: Final = 1  # how often a statement is still running when asked; memory["polls"]
LIFE: Final = timedelta(hours=24)
_FIELDS = frozenset({
    "statement", "timeout", "database", "schema", "warehouse", "role", "bindings", "parameters",
})
_BINDS = frozenset({
    "FIXED", "REAL", "TEXT", "BOOLEAN", "DATE", "TIME", "TIMESTAMP_LTZ", "TIMESTAMP_NTZ",
    "TIMESTAMP_TZ",
})
_FORBIDDEN = ("PUT", "GET", "USE", "ALTER SESSION", "BEGIN", "COMMIT", "ROLLBACK", "SET ")


@dataclass(slots=True)
class Run:
    """A statement: what it gave or why it failed, and how long it still seems to run."""

    handle: str
    at: datetime
    polls: int
    outcome: Outcome | None = None
    refusal: Refusal | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Desk:
    """What is remembered between calls."""

    runs: dict[str, Run] = field(default_factory=dict)
    by_request: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


def submit(call: Call) -> Response:
    """POST /api/v2/statements."""
    try:
        caller, body = _admitted(call), _body(call)
        request = call.query.get("requestId", "")
        desk = _desk(call)
        with desk.lock:
            known = desk.by_request.get(request) if request else None
            run = desk.runs[known] if known else _start(call, caller, body)
            if request:
                desk.by_request[request] = run.handle
        if call.query.get("async") != "true" and "SYSTEM$WAIT" not in body["statement"].upper():
            run.polls = 0
        return _state(call, run, call.query.get("async") == "true")
    except Refusal as refusal:
        return refusal.answer()


def look(call: Call) -> Response:
    """GET /api/v2/statements/{handle}: state, first partition, or `?partition=n`."""
    try:
        _admitted(call)
        run = _known(call)
        number = _number(call.query.get("partition", "0"))
        if number:
            return _partition(call, run, number)
        return _state(call, run, is_async=True)
    except Refusal as refusal:
        return refusal.answer()


def cancel(call: Call) -> Response:
    """POST /api/v2/statements/{handle}/cancel."""
    try:
        _admitted(call)
        run = _known(call)
        if run.polls > 0:
            run.cancelled = True
        return wire.answer({
            "code": "000604", "sqlState": "57014", "message": "SQL execution canceled",
            "statementHandle": run.handle, "statementStatusUrl": _where(run),
        })
    except Refusal as refusal:
        return refusal.answer()


def _admitted(call: Call) -> signin.Caller:
    if call.params["account"].lower() != call.demo["key_pair"]["account"]:
        raise Refusal(404, "390189", "There is no account of this name.")
    if not call.headers.get("user-agent"):
        raise Refusal(400, "391900", "The header User-Agent is required.")
    if "json" not in call.headers.get("accept", "*/*") and "*/*" not in call.headers.get(
        "accept", "*/*"
    ):
        raise Refusal(406, "391901", "Accept must allow application/json.")
    return signin.caller(call)


def _body(call: Call) -> dict[str, Any]:
    if not call.content_type.startswith("application/json"):
        raise Refusal(415, "391903", "Unsupported media type.")
    try:
        body = call.json()
    except ValueError:
        raise Refusal(400, "391904", "The body is not valid JSON.") from None
    if not isinstance(body, dict) or not isinstance(body.get("statement"), str):
        raise Refusal(400, "391905", "The field statement is required.")
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise Refusal(400, "391906", f"Unrecognized field {unknown[0]}.")
    if call.query.get("nullable", "true") not in ("true", "false"):
        raise Refusal(400, "391907", "nullable is true or false.")
    for name, one in (body.get("bindings") or {}).items():
        if not str(name).isdecimal() or one.get("type") not in _BINDS or not isinstance(
            one.get("value"), str | None
        ):
            raise Refusal(400, "391911", f"Invalid binding {name}.")
    return body


def _start(call: Call, caller: signin.Caller, body: dict[str, Any]) -> Run:
    """Run it at once; it only seems to take its time. A refusal is kept for the one who asks."""
    run = Run(_handle(), call.now, int(call.memory.get("polls", POLLS)))
    _desk(call).runs[run.handle] = run
    try:
        run.outcome = _outcome(call, caller, body)
    except Refusal as refusal:
        run.refusal = refusal
    return run


def _outcome(call: Call, caller: signin.Caller, body: dict[str, Any]) -> Outcome:
    sql, role = body["statement"].strip(), body.get("role") or caller.role
    if role not in signin.ROLES:
        raise Refusal(422, "390189", f"Role '{role}' does not exist or not authorized.", "08001")
    if sql.upper().startswith(_FORBIDDEN):
        raise Refusal(422, "391912", "This statement is not supported.", "0A000")
    count = str((body.get("parameters") or {}).get("multi_statement_count", "1"))
    if ";" in sql.rstrip(";") and count == "1":
        raise Refusal(422, "000008", "Actual statement count 2 did not match the desired "
                      "statement count 1.", "0A000")
    if "SYSTEM$WAIT" in sql.upper():
        return Outcome(rows=[])
    if body.get("timeout") == 1 and "MARKETING" in sql:
        raise Refusal(408, "000630", "Statement reached its statement timeout of 1 second(s) and "
                      "was canceled.", "57014")
    warehouse = body.get("warehouse") or ""
    binds = [b["value"] for _, b in sorted(
        (body.get("bindings") or {}).items(), key=lambda p: int(p[0])
    )]
    found = session.execute(
        call, sql, binds, user=caller.user, role=role,
        warehouse=warehouse if warehouse in session.WAREHOUSES else "",
    )
    return session.bent(call, sql, found)


def _state(call: Call, run: Run, is_async: bool) -> Response:
    if run.cancelled:
        raise Refusal(422, "000604", "SQL execution canceled", "57014")
    if run.polls > 0:
        run.polls -= 1
        return wire.answer({
            "code": "333334" if is_async else "333333",
            "message": "Asynchronous execution in progress. Use provided query id to perform query "
                       "monitoring and management.",
            "statementHandle": run.handle, "statementStatusUrl": _where(run),
        }, 202)
    if run.refusal is not None:
        return run.refusal.answer(
            statementHandle=run.handle, createdOn=_millis(run), statementStatusUrl=_where(run)
        )
    assert run.outcome is not None  # noqa: S101  (it has run)
    return _result(call, run, run.outcome)


def _result(call: Call, run: Run, outcome: Outcome) -> Response:
    columns, rows, stats = outcome.columns, outcome.rows, None
    if not outcome.is_query:
        columns, rows, stats = _counted(outcome)
    size = int(call.memory.get("partition_rows", PARTITION_ROWS))
    counts = [min(size, len(rows) - i) for i in range(0, max(len(rows), 1), size)]
    body: dict[str, Any] = {
        "code": "090001", "sqlState": "00000", "message": "Statement executed successfully.",
        "statementHandle": run.handle, "createdOn": _millis(run),
        "statementStatusUrl": _where(run),
        "resultSetMetaData": {
            "numRows": len(rows), "format": "jsonv2", "rowType": wire.row_type(columns),
            "partitionInfo": [{"rowCount": c, "uncompressedSize": c * 90} for c in counts],
        },
        "data": wire.texts(columns, rows[:size]),
    }
    if stats:
        body["stats"] = stats
    links = f'<{_where(run)}?partition=0>; rel="first"'
    if len(counts) > 1:
        links += (f',<{_where(run)}?partition=1>; rel="next"'
                  f',<{_where(run)}?partition={len(counts) - 1}>; rel="last"')
    return wire.answer(body, headers={"link": links})


def _partition(call: Call, run: Run, number: int) -> Response:
    """Rows only: partitions after the first carry no metadata."""
    if run.outcome is None or run.polls > 0:
        raise Refusal(422, "391913", "The statement has no result.")
    size = int(call.memory.get("partition_rows", PARTITION_ROWS))
    rows = run.outcome.rows[number * size:(number + 1) * size]
    if not rows:
        raise Refusal(400, "391902", f"Invalid partition {number}.")
    return wire.answer({"data": wire.texts(run.outcome.columns, rows)}, packed=True)


def _counted(outcome: Outcome) -> Any:
    columns = tuple(
        Column(f"number of rows {what}", "fixed") for what in ("inserted", "updated", "deleted")
    )
    stats = {"numRowsInserted": outcome.inserted, "numRowsUpdated": outcome.updated,
             "numRowsDeleted": outcome.deleted, "numDuplicateRowsUpdated": 0}
    row = (outcome.inserted, outcome.updated, outcome.deleted)
    return columns, [row], stats


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Refusal(400, "391902", f"Invalid partition {text[:20]}.")
    return int(text)


def _known(call: Call) -> Run:
    run = _desk(call).runs.get(call.params["handle"])
    if run is None or call.now - run.at > LIFE:
        raise Refusal(404, "391918", "Statement handle not found.")
    return run


def _desk(call: Call) -> Desk:
    desk: Desk = call.memory.setdefault("desk", Desk())
    return desk


def _handle() -> str:
    return f"01{uuid.uuid4().hex[:6]}-{uuid.uuid4().hex[:4]}-0000-0000-{uuid.uuid4().hex[:12]}"


def _where(run: Run) -> str:
    return f"/api/v2/statements/{run.handle}"


def _millis(run: Run) -> int:
    return int(run.at.timestamp() * 1000)
