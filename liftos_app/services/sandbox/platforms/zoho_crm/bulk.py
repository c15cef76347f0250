"""Bulk read: a job is added, in progress at the first look, complete at the second, and its result
is a ZIP with one CSV.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.zoho_crm import api, values
from liftos_app.services.sandbox.platforms.zoho_crm.coql import Compare, Condition, Pair
from liftos_app.services.sandbox.platforms.zoho_crm.finding import check_field, ordered, test_of
from liftos_app.services.sandbox.platforms.zoho_crm.refusals import Refusal, bad_data, missing

PER_PAGE: Final = 200_000
PRICE: Final = 50  # credits of a job
_SIGNS: Final = {
    "equal": "=", "not_equal": "!=", "greater_equal": ">=", "greater_than": ">",
    "less_equal": "<=", "less_than": "<", "in": "in", "not_in": "not in", "between": "between",
    "like": "like",
}  # fmt: skip


@dataclass(slots=True)
class Job:
    """One job; `token` continues after it."""

    id: str
    module: str
    fields: tuple[str, ...]
    rows: list[dict[str, Any]]
    start: int
    size: int
    token: str = ""
    looks: int = 0

    @property
    def more(self) -> bool:
        """Whether records are left for another job."""
        return len(self.rows) > self.start + self.size


@dataclass(slots=True)
class Jobs:
    """All jobs of the sandbox."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_id: dict[str, Job] = field(default_factory=dict)


def jobs(call: Call) -> Jobs:
    """The jobs of this sandbox."""
    found: Jobs = call.memory.setdefault("jobs", Jobs())
    return found


def create(call: Call) -> Response:
    """POST /read."""
    try:
        body = call.json()
    except ValueError:
        raise bad_data("body", "the body is not JSON") from None
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, dict):
        raise missing("query")
    if body.get("file_type", "csv") != "csv":
        raise bad_data("file_type")
    token = query.get("page_token")
    job = _after(call, str(token)) if token else _fresh(call, query)
    with jobs(call).lock:
        jobs(call).by_id[job.id] = job
    details = {"id": job.id, "operation": "read", "state": "ADDED"}
    done = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.",
            "details": details}  # fmt: skip
    return json_answer({"data": [done], "info": {}}, 201)


def look(call: Call) -> Response:
    """GET /read/{job}."""
    job = _job(call)
    job.looks += 1
    told: dict[str, Any] = {
        "id": job.id, "operation": "read", "file_type": "csv",
        "state": "IN PROGRESS" if job.looks == 1 else "COMPLETED",
        "query": {"module": {"api_name": job.module}, "fields": list(job.fields)},
    }  # fmt: skip
    if job.looks > 1:
        count = max(0, min(job.size, len(job.rows) - job.start))
        told["result"] = {
            "page": job.start // job.size + 1, "per_page": job.size, "count": count,
            "download_url": f"/crm/bulk/v8/read/{job.id}/result", "more_records": job.more,
            "next_page_token": job.token if job.more else None,
        }  # fmt: skip
    return json_answer({"data": [told]})


def result(call: Call) -> Response:
    """GET /read/{job}/result."""
    job = _job(call)
    if job.looks < 2:
        raise Refusal(400, "RESULT_NOT_READY", "the job is not completed yet")
    part = job.rows[job.start : job.start + job.size]
    names = tuple(part[0]) if part else job.fields
    body = values.packed(job.id, names, part)
    return Response(body, 200, {"content-disposition": f"attachment; filename={job.id}.zip"},
                    "application/x-download")  # fmt: skip


def _fresh(call: Call, query: Mapping[str, Any]) -> Job:
    name = (query.get("module") or {}).get("api_name", "")
    module = api.module_of(call, str(name))
    hidden = frozenset((call.memory.get("hidden") or {}).get(module.name, ()))
    names = tuple(check_field(module, str(f), hidden) for f in query.get("fields") or module.fields)
    rows: list[Mapping[str, Any]] = [*api.built(call, module)]
    criteria = query.get("criteria")
    if criteria:
        fits = test_of(_condition(criteria), module, hidden)
        rows = [r for r in rows if fits(r)]
    if "Converted__s" in module.fields and "Converted__s" not in str(criteria):
        rows = [r for r in rows if not r["Converted__s"]]
    found = api.bent(call, module, names, ordered(rows, ()))
    size = int(call.memory.get("bulk_page") or PER_PAGE)
    return Job(_number(), module.name, names, found, 0, size, secrets.token_hex(16))


def _after(call: Call, token: str) -> Job:
    before = next((j for j in jobs(call).by_id.values() if j.token == token and j.more), None)
    if before is None:
        raise bad_data("page_token")
    return Job(_number(), before.module, before.fields, before.rows, before.start + before.size,
               before.size, secrets.token_hex(16))  # fmt: skip


def _condition(criteria: Any) -> Condition:
    """Criteria as JSON. Raises Refusal."""
    if not isinstance(criteria, dict):
        raise bad_data("criteria")
    if "group" in criteria:
        parts = [_condition(c) for c in criteria["group"]]
        if not parts or criteria.get("group_operator") not in {"and", "or"}:
            raise bad_data("group_operator")
        found = parts[0]
        for part in parts[1:]:
            found = Pair(criteria["group_operator"], found, part)
        return found
    sign = _SIGNS.get(str(criteria.get("comparator")))
    name = (criteria.get("field") or {}).get("api_name", "")
    if sign is None or not name:
        raise bad_data("comparator")
    value = criteria.get("value")
    if name == "id" and isinstance(value, str) and value.isdigit():
        value = int(value)
    return Compare(str(name), sign, tuple(value) if isinstance(value, list) else (value,))


def _job(call: Call) -> Job:
    found = jobs(call).by_id.get(call.params["job"])
    if found is None:
        raise Refusal(404, "RESOURCE_NOT_FOUND", "the job does not exist")
    return found


def _number() -> str:
    return f"554023{secrets.randbelow(10**12):012d}"
