"""Statements through the SQL API: submit once, wait, fetch every partition, count the rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from liftos_app.errors import GiveUp, Retry
from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.faults import LATER, REPORT
from liftos_app.services.connectors.paging import endless
from liftos_app.services.connectors.platforms.snowflake import values
from liftos_app.services.connectors.platforms.snowflake.version import STATEMENTS

log = logging.getLogger(__name__)
SECONDS = 600  # a statement may run
PATIENCE = 900.0  # seconds we wait for it, warehouse start included
_FIRST, _LONGEST = 0.5, 5.0  # seconds between two looks
Records = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One partition as records of JSON values."""

    records: Records
    size: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A finished statement. `first` is its first partition; `changed` counts rows of DML."""

    handle: str
    row_type: Sequence[Mapping[str, Any]]
    partitions: Sequence[Mapping[str, Any]]
    first: Sequence[Sequence[str | None]]
    size: int
    total: int
    changed: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """Column names as Snowflake sends them."""
        return [str(c.get("name")) for c in self.row_type]


def run(
    client: Client, sql: str, binds: Sequence[str] = (), *, compute: bool = True, tag: str = "read"
) -> Statement:
    """Run one statement to its end. `compute` False uses no warehouse (SHOW, context functions).

    The request id makes a repeated submission find the running statement instead of a second one.
    A stop cancels the statement. Raises errors.* and Stopped.
    """
    body: dict[str, Any] = {
        "statement": sql, "timeout": SECONDS,
        "parameters": {"timezone": "UTC", "query_tag": f"liftos:{tag}",
                       "multi_statement_count": "1"},
    }
    for name in ("warehouse", "role") if compute else ("role",):
        value = client.credential.text(name)
        if value:
            body[name] = value
    if binds:
        body["bindings"] = {
            str(i): {"type": "TEXT", "value": v} for i, v in enumerate(binds, 1)
        }
    params = {"requestId": str(uuid4()), "retry": "true", "async": "true", "nullable": "true"}
    answer = client.post(STATEMENTS, params=params, json=body)
    if answer.status == 202:
        answer = _waited(client, str(answer.data.get("statementHandle") or ""))
    return _statement(answer.data, answer.size)


def records(client: Client, statement: Statement) -> Iterator[Part]:
    """Every partition in order; later ones carry no metadata. Raises Retry when rows are missing.
    """
    readers = values.parsers(statement.row_type)
    read, before = 0, statement.first
    for number in range(max(len(statement.partitions), 1)):
        rows, size = statement.first, statement.size
        if number:
            answer = client.get(
                f"{STATEMENTS}/{statement.handle}", params={"partition": str(number)}
            )
            rows, size = _rows(answer.data), answer.size
            if rows and rows == before and rows[0] != rows[-1]:
                raise endless("it sent the same rows again")
            before = rows
        read += len(rows)
        yield Part(_records(statement.names, readers, rows), size)
    if read != statement.total:
        raise Retry(
            "Snowflake sent fewer rows than it announced.",
            why=f"{statement.total} were announced, {read} came.", fix=LATER,
            cause="source_data", request_id=statement.handle,
        )


def all_records(client: Client, statement: Statement) -> Records:
    """All partitions at once, for small results."""
    return [r for part in records(client, statement) for r in part.records]


def cancel(client: Client, handle: str) -> None:
    """Ask Snowflake to end a statement; it may be over already."""
    log.info("snowflake.cancel", extra={"statement": handle})
    client.leave(f"{STATEMENTS}/{handle}/cancel")


def _waited(client: Client, handle: str) -> Any:
    """Look until the statement ends. Raises Retry when it takes too long."""
    if not handle:
        raise _unclear("It has no statement handle.")
    pause, waited = _FIRST, 0.0
    while True:
        try:
            client.pause(pause)
            answer = client.get(f"{STATEMENTS}/{handle}")
        except Stopped:
            cancel(client, handle)
            raise
        if answer.status != 202:
            return answer
        waited += pause
        if waited > PATIENCE:
            cancel(client, handle)
            raise Retry(
                "Snowflake did not finish a query in time.",
                why="The warehouse is busy, or does not start.", fix=LATER, request_id=handle,
            )
        pause = min(pause * 2, _LONGEST)


def _statement(data: Any, size: int) -> Statement:
    meta = data.get("resultSetMetaData") if isinstance(data, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("rowType"), list):
        raise _unclear("It has no description of its columns.")
    stats = data.get("stats") or {}
    return Statement(
        handle=str(data.get("statementHandle") or ""), row_type=meta["rowType"],
        partitions=meta.get("partitionInfo") or (), first=_rows(data), size=size,
        total=int(meta.get("numRows") or 0),
        changed={k: int(v) for k, v in stats.items() if str(v).isdigit()},
    )


def _rows(data: Any) -> Sequence[Sequence[str | None]]:
    found = data.get("data") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise _unclear("It has no rows where rows must be.")
    return found


def _records(
    names: Sequence[str], readers: Sequence[Callable[[str], Any]],
    rows: Sequence[Sequence[str | None]],
) -> Records:
    found = []
    for row in rows:
        record: dict[str, Any] = {}
        for name, read, value in zip(names, readers, row, strict=True):
            try:
                record[name] = None if value is None else read(value)
            except ValueError:
                record[name] = value  # the mapping rejects it, with its reason
        found.append(record)
    return found


def _unclear(why: str) -> GiveUp:
    return GiveUp(
        "Snowflake's answer has another form than before.", why=why, fix=REPORT,
        cause="source_data", owner="the_platform",
    )
