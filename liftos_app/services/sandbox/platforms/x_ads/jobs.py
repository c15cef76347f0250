"""Asynchronous analytics: a job is queued, looked at, and its packed file fetched without a name.

A job is done at its second look or after half a minute; its address comes one look later, as it
does in life.
"""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, html_answer, text_answer
from liftos_app.services.sandbox.platforms.x_ads import stats
from liftos_app.services.sandbox.platforms.x_ads.lists import ids
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, invalid
from liftos_app.services.sandbox.platforms.x_ads.stats import Question
from liftos_app.services.sandbox.platforms.x_ads.windows import text
from liftos_app.services.sandbox.world.shapes import AdAccount

AT_ONCE = 100
KEPT = timedelta(days=2)
FOLDER = "/advertiser-api-async-analytics"
_DONE, _READY = 2, 3  # looks
_SECONDS = 30.0


@dataclass(slots=True)
class Job:
    """One job of an account."""

    number: int
    account_id: str
    question: Question
    created: datetime
    fails: bool
    looks: int = 0
    file: bytes = b""  # made when the job is done

    def status(self, now: datetime) -> str:
        """PROCESSING, then SUCCESS or FAILED."""
        done = self.looks >= _DONE or (now - self.created).total_seconds() >= _SECONDS
        if not done:
            return "PROCESSING"
        return "FAILED" if self.fails else "SUCCESS"

    def url(self, call: Call) -> str | None:
        """Where its file is, once that is known."""
        late = (call.now - self.created).total_seconds() >= 2 * _SECONDS
        if self.status(call.now) != "SUCCESS" or not (self.looks >= _READY or late):
            return None
        return f"{call.base}{FOLDER}/stats_job_{self.number}.json.gz"

    def record(self, call: Call) -> dict[str, Any]:
        """The job as the endpoints show it."""
        url = self.url(call)
        return {
            **self.question.echo(),
            "id": self.number,
            "id_str": str(self.number),
            "account_id": self.account_id,
            "status": self.status(call.now),
            "url": url,
            "expires_at": text(self.created + KEPT) if url else None,
            "created_at": text(self.created),
            "updated_at": text(call.now if url else self.created),
        }


@dataclass(slots=True)
class Jobs:
    """All jobs of the sandbox."""

    all: dict[int, Job] = field(default_factory=dict)
    count: int = 1_986_000_000_000_000_000
    lock: threading.Lock = field(default_factory=threading.Lock)


def create(call: Call, a: AdAccount) -> dict[str, Any]:
    """Queue a job; its question stands in the query. Raises Refusal."""
    if call.body:
        raise invalid("body", "", "parameters in the query")
    question = stats.read(call, a, job=True)
    kept = _jobs(call)
    fails = call.trouble.take(("server_error",), call.platform, account=a.id, stream="job")
    with kept.lock:
        gone = [n for n, j in kept.all.items() if j.created + KEPT < call.now]
        for number in gone:
            del kept.all[number]
        running = sum(
            j.account_id == a.id and j.status(call.now) == "PROCESSING" for j in kept.all.values()
        )
        if running >= AT_ONCE:
            raise Refusal(
                400, "TOO_MANY_JOBS", "A maximum of 100 jobs can be in processing state at a time"
            )
        kept.count += 1
        job = Job(kept.count, a.id, question, call.now, fails is not None)
        kept.all[job.number] = job
    return {"request": {"params": question.echo()}, "data": job.record(call)}


def look(call: Call, a: AdAccount) -> dict[str, Any]:
    """Jobs of an account, all or by id; looking moves them on."""
    for name, value in call.query_pairs:
        if name not in {"job_ids", "count", "cursor"}:
            raise invalid(name, value, "no such parameter")
    wanted = ids(call, "job_ids")
    kept = _jobs(call)
    with kept.lock:
        found = [
            j for j in kept.all.values()
            if j.account_id == a.id and (not wanted or str(j.number) in wanted)
        ]  # fmt: skip
        for job in found:
            job.looks += 1
    for job in found:
        if not job.file and job.status(call.now) == "SUCCESS":
            answer = stats.answer(call, a, job.question)
            job.file = gzip.compress(orjson.dumps(answer), mtime=0)
    return {
        "request": {"params": {"job_ids": wanted}},
        "next_cursor": None,
        "data": [job.record(call) for job in found],
    }


def download(call: Call) -> Response:
    """The packed file. Its address is signature enough: one more is refused."""
    if call.headers.get("authorization"):
        return html_answer("<html><body>403 Forbidden</body></html>", 403)
    digits = call.params.get("name", "").removeprefix("stats_job_").removesuffix(".json.gz")
    job = _jobs(call).all.get(int(digits)) if digits.isdecimal() and len(digits) < 20 else None
    if job is None or not job.file or job.created + KEPT < call.now or job.url(call) is None:
        return html_answer("<html><body>404 Not Found</body></html>", 404)
    return text_answer(job.file, content_type="application/gzip")


def _jobs(call: Call) -> Jobs:
    found: Jobs = call.memory.setdefault("jobs", Jobs())
    return found
