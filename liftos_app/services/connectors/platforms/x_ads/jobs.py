"""Reports that X prepares as files: order several, wait for all, fetch each without signing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from liftos_app.errors import Retry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import LATER
from liftos_app.services.connectors.platforms.x_ads.errors import TooComplex
from liftos_app.services.connectors.platforms.x_ads.question import Ask
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.rows import ident

AT_ONCE = 40  # X prepares 100 an account at once; two threads stay below
POLLS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)  # seconds; the last one goes on
JOB_SECONDS = 3600
Found = tuple[Ask, Any, int]  # the question, its answer, bytes


def prepared(client: Client, account: str, asks: Sequence[Ask]) -> Iterator[Found]:
    """The answers to questions, in groups that X prepares at once.

    A report that failed comes back without an answer (None): it is asked for directly then.
    """
    for start in range(0, len(asks), AT_ONCE):
        orders = [
            order for ask in asks[start : start + AT_ONCE] for order in _order(client, account, ask)
        ]
        urls = _finished(client, account, [job for _, job in orders])
        for ask, job in orders:
            url = urls[job]
            if not url:
                yield ask, None, 0
                continue
            body = client.download(url)
            yield ask, _parsed(body), len(body)


def _order(client: Client, account: str, ask: Ask) -> list[tuple[Ask, str]]:
    """Order a report, or two of half the entities where X finds it too complex."""
    try:
        answer = client.post(
            f"/{VERSION}/stats/jobs/accounts/{account}", params=ask.params(), lane="jobs"
        )
    except TooComplex:
        if len(ask.ids) == 1:
            raise
        return [order for half in ask.halves() for order in _order(client, account, half)]
    data = answer.data.get("data")
    return [(ask, ident(data.get("id_str") if isinstance(data, dict) else None))]


def _finished(client: Client, account: str, wanted: Sequence[str]) -> dict[str, str]:
    """The addresses of all files, "" for reports that failed. Raises Retry after an hour.

    A report can be done before its address is known; then it is not done yet.
    """
    found: dict[str, str] = {}
    waited = 0.0
    for turn in range(JOB_SECONDS):
        step = POLLS[min(turn, len(POLLS) - 1)]
        client.pause(step)
        waited += step
        left = [job for job in wanted if job not in found]
        answer = client.get(
            f"/{VERSION}/stats/jobs/accounts/{account}",
            params={"job_ids": ",".join(left)},
            lane=f"{account}/jobs",
        )
        for record in listed(answer.data.get("data")):
            job, status = str(record.get("id_str")), record.get("status")
            if status == "SUCCESS" and record.get("url"):
                found[job] = str(record["url"])
            elif status == "FAILED":
                found[job] = ""
        if all(job in found for job in wanted):
            return found
        if waited >= JOB_SECONDS:
            break
    raise Retry(
        "X did not finish preparing a report.",
        why="It was not ready after an hour.",
        fix=LATER,
        again=False,
    )


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Retry(
            "X's prepared report is damaged.", why="It is not complete.", fix=LATER
        ) from error
