"""Bulk read: Zoho prepares up to 200,000 records as a ZIP with one CSV; we wait and read it."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from liftos_app.errors import Fix, GiveUp, Quota, Retry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import LATER
from liftos_app.services.connectors.paging import Steps, lost
from liftos_app.services.connectors.platforms.zoho_crm.coql import Batch, Criterion, call
from liftos_app.services.connectors.platforms.zoho_crm.version import BULK
from liftos_app.services.connectors.read import listed

JOB_SECONDS = 6 * 3600
LARGEST = 512 * 1024 * 1024  # bytes of an unpacked file
_FIRST_WAIT, _LONGEST_WAIT, _GROWTH = 2.0, 30.0, 1.5
_SIGNS = {">=": "greater_equal", "<": "less_than", ">": "greater_than", "=": "equal"}


def records(
    client: Client, module: str, fields: Sequence[str], criteria: Sequence[Criterion]
) -> Iterator[Batch] | None:
    """The parts of a prepared file; None when none can be made: go on with queries."""
    query: dict[str, Any] = {
        "module": {"api_name": module},
        "fields": list(fields),
        "criteria": {"group_operator": "and", "group": [_told(c) for c in criteria]},
        "page": 1,
    }
    try:
        made = _make(client, query)
    except (Quota, GiveUp, Fix):
        return None
    return _parts(client, query, made)


def _parts(client: Client, query: dict[str, Any], job: str) -> Iterator[Batch]:
    steps = Steps()
    while True:
        result = _finished(client, job)
        answer = call(client, f"{BULK}/{job}/result", raw=True)
        found = rows_of(answer.data)
        steps.page(found)
        yield Batch(found, answer.size)
        if not result.get("more_records"):
            return
        if not result.get("next_page_token"):
            raise lost()
        token = steps.to(result["next_page_token"])
        following = {k: v for k, v in query.items() if k != "page"}
        job = _make(client, {**following, "page_token": token})


def _make(client: Client, query: dict[str, Any]) -> str:
    answer = client.post(BULK, json={"query": query, "file_type": "csv"})
    made = listed(answer.data.get("data"))[0]
    return str(made["details"]["id"])


def _finished(client: Client, job: str) -> dict[str, Any]:
    waited, step = 0.0, _FIRST_WAIT
    while waited < JOB_SECONDS:
        told = listed(call(client, f"{BULK}/{job}").data.get("data"))[0]
        if told.get("state") == "COMPLETED":
            return dict(told.get("result") or {})
        if told.get("state") == "FAILURE":
            break
        client.pause(step)
        waited += step
        step = min(step * _GROWTH, _LONGEST_WAIT)
    raise Retry(
        "Zoho CRM did not finish preparing a file.",
        why="Its job failed or took hours.",
        fix=LATER,
        again=False,
    )


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The records of a file: one member, of a size that fits. Raises Retry, GiveUp."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            members = packed.infolist()
            if len(members) != 1 or members[0].file_size > LARGEST:
                raise GiveUp(
                    "Zoho CRM sent a file that is not taken.",
                    why="It holds several files, or more than fits.",
                    fix="Choose a shorter history, or report it.",
                    cause="source_data",
                    owner="the_platform",
                )
            with packed.open(members[0]) as found:
                text = found.read(LARGEST + 1).decode("utf-8", "replace")
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise Retry(
            "Zoho CRM's prepared file is damaged.", why="It cannot be unpacked.", fix=LATER
        ) from error
    reader = csv.DictReader(io.StringIO(text.replace("\x00", ""), newline=""))
    return [
        {("id" if n == "Id" else n): v or None for n, v in row.items() if n is not None}
        for row in reader
    ]


def _told(one: Criterion) -> dict[str, Any]:
    value: Any = one.value.strip("'")
    if value in {"true", "false"}:
        value = value == "true"
    return {"field": {"api_name": one.field}, "comparator": _SIGNS[one.sign], "value": value}
