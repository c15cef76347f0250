"""Bulk API 2.0 query jobs: made, looked at, read in parts behind locators, removed.

A job is in progress at the first look and complete at the second.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.salesforce import api, values
from liftos_app.services.sandbox.platforms.salesforce.ids import USER, make
from liftos_app.services.sandbox.platforms.salesforce.refusals import Refusal, not_found
from liftos_app.services.sandbox.platforms.salesforce.soql import parse

MOST: Final = 50_000  # records of one part when the reader names none
_KNOWN: Final = frozenset({"operation", "query", "contentType", "columnDelimiter", "lineEnding"})


@dataclass(slots=True)
class Job:
    """One job with its result."""

    id: str
    object: str
    operation: str
    version: str
    made: datetime
    fields: tuple[str, ...]
    rows: list[dict[str, Any]]
    state: str = "UploadComplete"
    looks: int = 0


@dataclass(slots=True)
class Jobs:
    """All jobs of the sandbox."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    made: int = 0
    by_id: dict[str, Job] = field(default_factory=dict)


def jobs(call: Call) -> Jobs:
    """The jobs of this sandbox."""
    found: Jobs = call.memory.setdefault("jobs", Jobs())
    return found


def create(call: Call) -> Response:
    """POST /jobs/query."""
    try:
        body = call.json()
    except ValueError:
        raise Refusal(400, "JSON_PARSER_ERROR", "The body is not valid JSON.") from None
    if not isinstance(body, dict) or set(body) - _KNOWN:
        extra = sorted(set(body) - _KNOWN)[0] if isinstance(body, dict) else "body"
        raise Refusal(400, "JSON_PARSER_ERROR", f'Unrecognized field "{extra}"')
    operation = str(body.get("operation", ""))
    if operation not in {"query", "queryAll"}:
        raise Refusal(400, "INVALIDJOB", "The operation must be query or queryAll.")
    if body.get("contentType", "CSV") != "CSV":
        raise Refusal(400, "INVALIDJOB", "Only the content type CSV is supported.")
    if body.get("columnDelimiter", "COMMA") != "COMMA" or body.get("lineEnding", "LF") != "LF":
        raise Refusal(400, "INVALIDJOB", "This sandbox writes COMMA and LF only.")
    job = _made(call, str(body.get("query", "")), operation)
    return json_answer(_told(job))


def look(call: Call) -> Response:
    """GET /jobs/query/{id}."""
    job = _job(call)
    with jobs(call).lock:
        job.looks += 1
        if job.state in {"UploadComplete", "InProgress"}:
            job.state = "InProgress" if job.looks == 1 else "JobComplete"
    return json_answer(_told(job))


def change(call: Call) -> Response:
    """PATCH /jobs/query/{id}: a job may be stopped."""
    job = _job(call)
    try:
        body = call.json()
    except ValueError:
        body = {}
    if body != {"state": "Aborted"} or job.state == "JobComplete":
        raise Refusal(400, "INVALIDJOBSTATE", "The job cannot be given this state.")
    job.state = "Aborted"
    return json_answer(_told(job))


def remove(call: Call) -> Response:
    """DELETE /jobs/query/{id}: finished jobs only."""
    job = _job(call)
    if job.state in {"UploadComplete", "InProgress"}:
        raise Refusal(400, "INVALIDJOBSTATE", "The job is still running.")
    with jobs(call).lock:
        jobs(call).by_id.pop(job.id, None)
    return Response(b"", 204)


def results(call: Call) -> Response:
    """GET /jobs/query/{id}/results?maxRecords&locator: CSV, and the place of the next part."""
    job = _job(call)
    if job.version != call.params["version"]:
        raise Refusal(409, "API_ERROR", "The version of the job differs.")
    if job.state != "JobComplete":
        raise Refusal(400, "INVALIDJOBSTATE", "The job has no results yet.")
    most = call.query.get("maxRecords", str(MOST))
    if not most.isdigit() or not int(most):
        raise Refusal(400, "INVALID_ARGUMENT", "maxRecords must be a number above zero.")
    start = _place(call.query.get("locator", ""))
    size = min(int(most), int(call.memory.get("part_size") or most))
    part, end = job.rows[start : start + size], start + size
    locator = _locator(end) if end < len(job.rows) else "null"
    return Response(
        values.table(_columns(job, part), part), 200,
        {"sforce-numberofrecords": str(len(part)), "sforce-locator": locator},
        "text/csv; charset=utf-8",
    )  # fmt: skip


def _made(call: Call, text: str, operation: str) -> Job:
    asked = parse(text)
    if not asked.fields or asked.offset:
        raise Refusal(400, "API_ERROR", "Aggregate queries and OFFSET are not supported.")
    found = api.find(call, text, everything=operation == "queryAll")
    if found.object.compound and found.object.compound in found.fields:
        raise Refusal(
            400, "INVALIDENTITY",
            f"Selecting compound data is not supported in Bulk Query: {found.object.compound}",
        )  # fmt: skip
    place = jobs(call)
    with place.lock:
        place.made += 1
        job = Job(
            make("Job", 7_000_000 + place.made), found.object.name, operation,
            call.params["version"], call.now, found.fields, found.rows,
        )  # fmt: skip
        place.by_id[job.id] = job
    return job


def _columns(job: Job, part: list[dict[str, Any]]) -> tuple[str, ...]:
    """The selected fields, and what a planted fault put beside them."""
    return tuple(part[0]) if part else job.fields


def _told(job: Job) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "id": job.id, "operation": job.operation, "object": job.object, "createdById": USER,
        "createdDate": values.json_value(job.made), "systemModstamp": values.json_value(job.made),
        "state": job.state, "concurrencyMode": "Parallel", "contentType": "CSV",
        "apiVersion": float(job.version), "lineEnding": "LF", "columnDelimiter": "COMMA",
    }  # fmt: skip
    if job.state == "JobComplete":
        told |= {
            "jobType": "V2Query", "numberRecordsProcessed": len(job.rows), "retries": 0,
            "totalProcessingTime": 412,
        }  # fmt: skip
    return told


def _job(call: Call) -> Job:
    found = jobs(call).by_id.get(call.params["job"])
    if found is None:
        raise not_found()
    return found


def _locator(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode().rstrip("=")


def _place(locator: str) -> int:
    if not locator:
        return 0
    try:
        text = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode()
        return int(text)
    except (binascii.Error, ValueError):
        raise Refusal(400, "INVALID_LOCATOR", "The locator is not valid.") from None
