"""Statements on a SQL warehouse: submit, wait through its start, walk every chunk, count the rows.

Results come as files at signed addresses, fetched without our token. Where a workspace forbids
that, or its storage cannot be reached, they come inline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry
from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.faults import LATER, REPORT
from liftos_app.services.connectors.paging import Steps, endless
from liftos_app.services.connectors.platforms.databricks import errors, values
from liftos_app.services.connectors.platforms.databricks.version import STATEMENTS

log = logging.getLogger(__name__)
WAIT: Final = "10s"  # one request waits this long for the statement
PATIENCE: Final = 900.0  # seconds we wait for it; a classic warehouse starts in minutes
TRIES: Final = 3
_FIRST, _LONGEST = 1.0, 10.0
_INLINE = "databricks.inline"  # in Client.kept: links do not work here
_RUNNING = frozenset({"PENDING", "RUNNING"})
Records = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One chunk as records of JSON values; `last` says that no more come."""

    records: Records
    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """A finished statement with the result it brought along."""

    id: str
    columns: Sequence[Mapping[str, Any]]
    total: int
    result: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """Column names as Databricks sends them."""
        return [str(c.get("name")) for c in self.columns]


def run(
    client: Client, sql: str, params: Mapping[str, str] | None = None, *, tag: str = "read",
) -> Statement:
    """Run one statement to its end. Raises errors.* and Stopped; a stop cancels it.

    A statement that failed on a passing fault is sent again: everything we send may run twice.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _run(client, sql, params or {}, tag)
        except Quota:
            raise
        except Retry:
            if attempt == TRIES:
                raise
            client.pause(2.0 ** attempt)
        except GiveUp as error:
            if client.kept.get(_INLINE) or not _forbids_links(error):
                raise
            client.kept[_INLINE] = True
            log.info("databricks.inline", extra={"why": "links are refused"})
    raise AssertionError  # the loop returns or raises


def parts(client: Client, statement: Statement) -> Iterator[Part]:
    """Every chunk in order. Raises Retry when rows are missing."""
    readers = values.parsers(statement.columns)
    result, read, steps = statement.result, 0, Steps("0")
    while True:
        rows, size, following = _chunk(client, statement, result)
        read += len(rows)
        yield Part(_records(statement.names, readers, rows), size, following is None)
        if following is None:
            break
        if read > statement.total:
            raise endless("it sent more rows than it announced")
        steps.to(following)
        result = _result(client, statement.id, following)
    if read != statement.total:
        raise Retry(
            "Databricks sent fewer rows than it announced.",
            why=f"{statement.total} were announced, {read} came.", fix=LATER,
            cause="source_data", request_id=statement.id,
        )


def all_records(client: Client, statement: Statement) -> Records:
    """All chunks at once, for small results."""
    return [r for part in parts(client, statement) for r in part.records]


def _run(client: Client, sql: str, params: Mapping[str, str], tag: str) -> Statement:
    body: dict[str, Any] = {
        "warehouse_id": client.credential.text("warehouse_id"), "statement": sql,
        "format": "JSON_ARRAY", "wait_timeout": WAIT, "on_wait_timeout": "CONTINUE",
        "disposition": "INLINE" if client.kept.get(_INLINE) else "EXTERNAL_LINKS",
        "query_tags": [{"key": "app", "value": "liftos"}, {"key": "stream", "value": tag}],
    }
    if params:
        body["parameters"] = [{"name": n, "value": v, "type": "STRING"} for n, v in params.items()]
    data = _ended(client, client.post(STATEMENTS, json=body).data)
    ident = str(data.get("statement_id") or "")
    status = data["status"]
    if status.get("state") != "SUCCEEDED":
        raise errors.failed(status.get("error") or {"message": status.get("state")}, ident)
    manifest = data.get("manifest")
    if not isinstance(manifest, dict):
        raise _unclear("It has no description of its columns.")
    if manifest.get("truncated"):
        raise Fix(
            "A result is larger than Databricks hands out.", why="It was cut off.",
            fix="Read fewer columns or fewer days.", cause="source_data", owner="the_platform",
            request_id=ident,
        )
    columns = (manifest.get("schema") or {}).get("columns") or []
    return Statement(ident, columns, int(manifest.get("total_row_count") or 0),
                     data.get("result") or {})


def _ended(client: Client, data: Any) -> dict[str, Any]:
    """Look until the statement ends, warehouse start included. Raises Retry after too long."""
    pause, waited = _FIRST, 0.0
    while True:
        status = data.get("status") if isinstance(data, dict) else None
        if not isinstance(status, dict) or not data.get("statement_id"):
            raise _unclear("It has no status.")
        if status.get("state") not in _RUNNING:
            return dict(data)
        ident = str(data["statement_id"])
        if waited > PATIENCE:
            client.leave(f"{STATEMENTS}/{ident}/cancel")
            raise Retry(
                "Databricks did not finish a query in time.",
                why="The warehouse is busy, or does not start.", fix=LATER, request_id=ident,
                again=False,
            )
        try:
            client.pause(pause)
            data = client.get(f"{STATEMENTS}/{ident}").data
        except Stopped:
            client.leave(f"{STATEMENTS}/{ident}/cancel")
            raise
        waited += pause
        pause = min(pause * 2, _LONGEST)


def _chunk(
    client: Client, statement: Statement, result: Mapping[str, Any]
) -> tuple[Sequence[Sequence[str | None]], int, int | None]:
    """Rows of a chunk, its size, and the index of the next."""
    links = result.get("external_links")
    if not links:
        rows = result.get("data_array") or []
        return rows, 0, result.get("next_chunk_index")
    link = links[0]
    body = _file(client, statement.id, link)
    try:
        rows = orjson.loads(body) if body else []
    except ValueError:
        raise _unclear("A file of its result is no JSON.") from None
    if not isinstance(rows, list):
        raise _unclear("A file of its result holds no rows.")
    return rows, len(body), link.get("next_chunk_index")


def _file(client: Client, ident: str, link: Mapping[str, Any]) -> bytes:
    """A result's file. An address that has ended is asked for anew. Raises Retry."""
    for attempt in range(1, TRIES + 1):
        try:
            return b"\n".join(client.lines(
                str(link.get("external_link") or ""), headers=link.get("http_headers") or {}
            ))
        except Retry as error:
            if attempt == TRIES:
                if error.facts.get("network"):
                    client.kept[_INLINE] = True  # the storage cannot be reached from here
                raise
            client.pause(float(attempt))
            number = int(link.get("chunk_index") or 0)
            link = (_result(client, ident, number).get("external_links") or [link])[0]
    raise AssertionError  # the loop returns or raises


def _result(client: Client, ident: str, number: int) -> Mapping[str, Any]:
    found = client.get(f"{STATEMENTS}/{ident}/result/chunks/{number}").data
    if not isinstance(found, dict):
        raise _unclear("A chunk of its result is missing.")
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


def _forbids_links(error: PlatformFault) -> bool:
    return "EXTERNAL_LINKS" in error.sentence() or "external links" in error.sentence().lower()


def _unclear(why: str) -> GiveUp:
    return GiveUp(
        "Databricks' answer has another form than before.", why=why, fix=REPORT,
        cause="source_data", owner="the_platform",
    )
