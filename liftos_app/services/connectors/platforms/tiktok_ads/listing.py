"""Pages of TikTok's lists and reports: numbered, with totals that must come true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from liftos_app.errors import GiveUp, Retry
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.faults import LATER, REPORT
from liftos_app.services.connectors.paging import dig, walk
from liftos_app.services.connectors.platforms.tiktok_ads.version import ROOT
from liftos_app.services.connectors.read import listed


def as_json(value: Any) -> str:
    """A list or object as TikTok takes it in a query: JSON."""
    return orjson.dumps(value).decode()


def pages(
    client: Client, path: str, params: Mapping[str, Any], *, size: int, lane: str
) -> Iterator[Answer]:
    """All pages of a list. `path` begins and ends with a slash.

    Raises Retry when fewer records came than the last page's total, which would lose rows.
    """

    def ask(page: str) -> Answer:
        asked = {**params, "page": page or "1", "page_size": size}
        return client.get(f"{ROOT}{path}", params=asked, lane=lane)

    count = total = 0
    for answer in walk(ask, _next, records_of=records):
        count += len(records(answer.data))
        total = _number(_info(answer.data), "total_number")
        yield answer
    if count < total:
        raise Retry(
            "TikTok's pages do not add up.",
            why=f"It counts {total} records and sent {count}.", fix=LATER, cause="source_data",
            again=False,
        )


def records(data: Any) -> list[Any]:
    """The records of an answer. Raises GiveUp when there is no list."""
    return listed(dig(data, "data.list"))


def _next(data: Any) -> str:
    """The number of the next page, "" after the last."""
    info = _info(data)
    page = _number(info, "page")
    return str(page + 1) if page < _number(info, "total_page") else ""


def _info(data: Any) -> Mapping[str, Any]:
    info = dig(data, "data.page_info")
    return info if isinstance(info, Mapping) else {}


def _number(info: Mapping[str, Any], name: str) -> int:
    try:
        return int(info[name])
    except (KeyError, TypeError, ValueError):
        raise GiveUp(
            "TikTok's answer has another form than before.",
            why=f"Its pages have no {name}.", fix=REPORT, cause="source_data",
            owner="the_platform",
        ) from None
