"""Large answers as a file that Shopify prepares: start a job, wait, read its lines."""

from __future__ import annotations

from typing import Any

import orjson

from liftos_app.errors import Retry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import LATER
from liftos_app.services.connectors.platforms.shopify import order_query
from liftos_app.services.connectors.platforms.shopify.gql import ask

POLLS = (
    0.25,
    0.5,
    1.0,
    2.0,
    3.0,
    5.0,
    8.0,
    13.0,
    20.0,
)  # seconds between looks; the last one goes on
JOB_SECONDS = 3600
_GONE_WRONG = {"FAILED", "CANCELED", "CANCELING", "EXPIRED"}


def orders(client: Client, search: str) -> list[dict[str, Any]] | None:
    """The orders of a search with their lines; None when no job can run now: page instead."""
    started = ask(client, order_query.BULK_RUN, {"query": order_query.bulk_query(search)}).data[
        "data"
    ]["bulkOperationRunQuery"]
    if started.get("userErrors") or not started.get("bulkOperation"):
        return None  # another job runs, or the limit of jobs is reached
    job = _finished(client, started["bulkOperation"]["id"])
    if job is None:
        return None
    return _read(client, job["url"]) if job.get("url") else []


def _finished(client: Client, job_id: str) -> dict[str, Any] | None:
    """The job once it is done; None when it broke."""
    waited = 0.0
    for turn in range(JOB_SECONDS):
        job: dict[str, Any] = ask(client, order_query.BULK_STATE, {"id": job_id}).data["data"][
            "bulkOperation"
        ]
        if job["status"] == "COMPLETED":
            return job
        if job["status"] in _GONE_WRONG:  # one refused field ends a job, but not a page
            return None
        if waited >= JOB_SECONDS:
            break
        step = POLLS[min(turn, len(POLLS) - 1)]
        client.pause(step)
        waited += step
    raise Retry(
        "Shopify did not finish preparing a file.",
        why="It was not ready after an hour.",
        fix=LATER,
        again=False,
    )


def _read(client: Client, url: str) -> list[dict[str, Any]]:
    """Lines of the file put together; a child may come before its parent."""
    found: dict[str, dict[str, Any]] = {}
    children: dict[str, list[dict[str, Any]]] = {}
    for line in client.lines(url):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Retry(
                "Shopify's prepared file is damaged.",
                why="One of its lines is cut off.",
                fix=LATER,
            ) from error
        parent = record.pop("__parentId", None)
        if parent is not None:
            children.setdefault(parent, []).append(record)
        else:
            found[str(record.get("id"))] = record
    for ident, record in found.items():
        record["lineItems"] = {"nodes": children.get(ident, [])}
    return list(found.values())
