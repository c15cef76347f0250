"""Bulk API 2.0: Salesforce prepares the records of a query as CSV; we wait and read its parts."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import LATER
from liftos_app.services.connectors.paging import Steps
from liftos_app.services.connectors.platforms.salesforce.version import path

PART = 50_000  # records in one part of a file
JOB_SECONDS = 24 * 3600
_FIRST_WAIT, _LONGEST_WAIT, _GROWTH = 2.0, 30.0, 1.5  # seconds between looks
_LARGEST_CELL = 16 * 1024 * 1024
_END = {"", "null"}  # what the locator of the last part is


def records(
    client: Client, version: str, text: str, *, everything: bool
) -> Iterator[tuple[list[dict[str, Any]], int]] | None:
    """Parts of records with their size in bytes; None when no job can be made: page instead."""
    job = {
        "operation": "queryAll" if everything else "query",
        "query": text,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    try:
        made = client.post(path(version, "jobs/query"), json=job).data
    except (Quota, GiveUp, Fix):  # no jobs left today, or nothing that jobs know or may do
        return None
    where = path(version, f"jobs/query/{made['id']}")
    if not _finished(client, where):
        return None
    return _parts(client, where)


def _finished(client: Client, where: str) -> bool:
    """Wait for the job. False when it failed; raises Retry when it never ends."""
    waited, step = 0.0, _FIRST_WAIT
    while waited < JOB_SECONDS:
        state = client.get(where).data.get("state")
        if state == "JobComplete":
            return True
        if state in {"Failed", "Aborted"}:
            return False
        client.pause(step)
        waited += step
        step = min(step * _GROWTH, _LONGEST_WAIT)
    raise Retry(
        "Salesforce did not finish preparing a file.",
        why="It was not ready after a day.",
        fix=LATER,
        again=False,
    )


def _parts(client: Client, where: str) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The parts of a finished job, which is then removed."""
    locator, steps = "", Steps()
    while True:
        answer = client.get(
            f"{where}/results",
            params={"maxRecords": PART, "locator": locator or None},
            headers={"Accept": "text/csv"},
            raw=True,
        )
        found = rows_of(answer.data)
        steps.page(found)
        yield found, answer.size
        locator = answer.headers.get("sforce-locator", "").strip()
        if locator in _END:
            break
        steps.to(locator)
    with contextlib.suppress(PlatformFault):  # it goes by itself after seven days
        client.delete(where)


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The records of one part. Only an empty cell is nothing; the words null and N/A are words."""
    csv.field_size_limit(_LARGEST_CELL)
    text = body.decode("utf-8", "replace").replace("\x00", "")
    return [
        {name: value or None for name, value in record.items() if name is not None}
        for record in csv.DictReader(io.StringIO(text, newline=""))
    ]
