"""Bulk jobs: accepted by a mutation, worked off by a thread of their own, read as signed JSONL."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

import orjson

from liftos_app.services.sandbox.platforms.shopify.bulk_plan import Inner
from liftos_app.services.sandbox.platforms.shopify.schema import gid

AT_ONCE = 5  # per app and shop, since 2026-01
KEPT = timedelta(days=7)
_CHUNK = 64 * 1024
Source = Callable[[str, Mapping[str, Any]], Iterable[dict[str, Any]]]


@dataclass(slots=True, weakref_slot=True)
class Job:
    """One bulk job."""

    number: int
    shop: str
    app: str
    query: str
    created: datetime
    status: str = "CREATED"
    error: str | None = None
    objects: int = 0
    roots: int = 0
    size: int = 0
    completed: datetime | None = None
    cancelled: bool = False
    file: IO[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_open(self) -> bool:
        """Whether it still counts towards the limit."""
        return self.status in {"CREATED", "RUNNING", "CANCELING"}

    def node(self, url: Callable[[Job], str | None]) -> dict[str, Any]:
        """The BulkOperation object."""
        done = self.status == "COMPLETED"
        return {
            "id": gid("BulkOperation", self.number),
            "status": self.status,
            "type": "QUERY",
            "errorCode": self.error,
            "query": self.query,
            "objectCount": str(self.objects),
            "rootObjectCount": str(self.roots),
            "createdAt": self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "completedAt": self.completed.strftime("%Y-%m-%dT%H:%M:%SZ")
            if self.completed
            else None,
            "fileSize": str(self.size) if done and self.size else None,
            "url": url(self) if done and self.objects else None,
            "partialDataUrl": url(self) if self.status == "FAILED" and self.objects else None,
        }


@dataclass(slots=True)
class Jobs:
    """Every job of the sandbox, and the key that signs their download addresses."""

    key: bytes
    all: dict[int, Job] = field(default_factory=dict)
    count: int = 720_000

    def start(
        self,
        *,
        shop: str,
        app: str,
        query: str,
        inner: Inner,
        source: Source,
        now: Callable[[], datetime],
    ) -> Job | None:
        """Accept a job and begin; None when five are open already."""
        if sum(j.is_open for j in self.all.values() if (j.shop, j.app) == (shop, app)) >= AT_ONCE:
            return None
        self.count += 1
        job = Job(self.count, shop, app, query, created=now())
        self.all[job.number] = job
        self._forget(now())
        threading.Thread(
            target=_work,
            args=(job, inner, source, now),
            name=f"sandbox-bulk-{job.number}",
            daemon=True,
        ).start()
        return job

    def of(self, shop: str, app: str) -> list[Job]:
        """The jobs of one app on one shop, oldest first."""
        return [j for j in self.all.values() if (j.shop, j.app) == (shop, app)]

    def signature(self, number: int, expires: int) -> str:
        """What makes a download address genuine."""
        return hmac.new(self.key, f"{number}.{expires}".encode(), hashlib.sha256).hexdigest()

    def address(self, job: Job, base: str) -> str:
        """Where the file of a job is, for seven days, without a token."""
        expires = int(((job.completed or job.created) + KEPT).timestamp())
        return (
            f"{base}/storage/bulk-{job.number}.jsonl?Expires={expires}"
            f"&Signature={self.signature(job.number, expires)}"
        )

    def download(self, number: int, expires: str, signature: str, now: datetime) -> Job | None:
        """The job behind an address; None when the signature is wrong or the time is over."""
        if not expires.isdecimal() or len(expires) > 12 or int(expires) < now.timestamp():
            return None
        wanted = self.signature(number, int(expires))
        right = hmac.compare_digest(signature.encode(), wanted.encode())
        job = self.all.get(number)
        return job if right and job is not None and job.file is not None else None

    def _forget(self, now: datetime) -> None:
        for number, job in list(self.all.items()):
            if not job.is_open and job.completed and job.completed + KEPT < now:
                if job.file is not None:
                    job.file.close()
                del self.all[number]


def _work(job: Job, inner: Inner, source: Source, now: Callable[[], datetime]) -> None:
    job.status = "RUNNING"
    if inner.denied:
        job.error, job.status, job.completed = "ACCESS_DENIED", "FAILED", now()
        return
    # Lives as long as the job: closed when the job is forgotten, gone from disk when closed.
    job.file = tempfile.TemporaryFile(prefix="liftos-sandbox-")  # noqa: SIM115
    weakref.finalize(job, job.file.close)
    try:
        for node in source(inner.name, inner.args):
            if job.cancelled:
                job.status, job.completed = "CANCELED", now()
                return
            lines = [orjson.dumps(line) + b"\n" for line in inner.plan.lines(node)]
            job.file.write(b"".join(lines))
            job.roots += 1
            job.objects += len(lines)
            job.size += sum(map(len, lines))
        job.file.flush()
        job.completed = now()
        job.status = "COMPLETED"
    finally:  # whatever breaks here, the one who waits is told
        if job.is_open:
            job.error, job.status, job.completed = "INTERNAL_SERVER_ERROR", "FAILED", now()


def stream(job: Job) -> Iterator[bytes]:
    """The file of a finished job in pieces; several readers may be at it."""
    position = 0
    while job.file is not None:
        with job.lock:
            job.file.seek(position)
            piece = job.file.read(_CHUNK)
        if not piece:
            return
        position += len(piece)
        yield piece
