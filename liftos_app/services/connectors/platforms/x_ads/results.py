"""Daily results: one row per day and campaign, line item or promoted post.

X answers with arrays: a figure's place tells its day, and null stands for zeros. Each placement is
asked for apart; a row is their sum. Spans of a week are asked directly, longer ones are prepared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import REPORT
from liftos_app.services.connectors.platforms.x_ads import jobs, question
from liftos_app.services.connectors.platforms.x_ads.errors import TooComplex
from liftos_app.services.connectors.platforms.x_ads.objects import warning
from liftos_app.services.connectors.platforms.x_ads.question import Ask
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.read import listed, make_page, reason
from liftos_app.services.connectors.rows import ident, moment, whole
from liftos_app.services.connectors.spec import Page, Rejected, Row, Task

SETTING = "x_30d_engagement_1d_view"
LANE = "stats"  # direct questions have one limit a person
PURCHASES = "conversion_purchases"
MILLION = 1_000_000
_APART = ("sale_amount_engagement", "sale_amount_view")
_EXTRA = {  # ours -> X's
    "engagements": "engagements",
    "link_clicks": "url_clicks",
    "video_views": "video_total_views",
    "billed_engagements": "billed_engagements",
}


@dataclass(slots=True)
class Cells:
    """What was answered about some entities: a record for each entity and day."""

    records: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0
    columns: set[str] = field(default_factory=set)
    bytes_read: int = 0
    notes: tuple[str, ...] = ()


def reader(entity: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of the daily stream of one kind of entity."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        places = question.active(client, task, entity)
        idents = sorted(places)
        batches = [
            question.asks(task, entity, places, idents[start : start + question.AT_ONCE])
            for start in range(0, len(idents), question.AT_ONCE)
        ]
        if (task.end - task.start).days + 1 > question.DIRECT_DAYS:
            yield from _prepared(client, task, batches)
            return
        for batch in batches:
            cells = Cells()
            for ask in batch:
                _direct(client, task, ask, cells)
            yield page_of(cells)

    return read


def _prepared(client: Client, task: Task, batches: Sequence[Sequence[Ask]]) -> Iterator[Page]:
    """Ordered as files, as many batches at a time as X prepares at once."""
    size = max(1, jobs.AT_ONCE // max((len(b) for b in batches), default=1))
    for start in range(0, len(batches), size):
        together = [ask for batch in batches[start : start + size] for ask in batch]
        cells = Cells()
        for ask, answer, count in jobs.prepared(client, task.account.external_id, together):
            if answer is None:
                for week in ask.weeks():
                    _direct(client, task, week, cells)
            else:
                cells.bytes_read += count
                collect(task, ask, answer, cells)
        yield page_of(cells)


def _direct(client: Client, task: Task, ask: Ask, cells: Cells) -> None:
    """Ask at once; a question that is too complex is halved."""
    try:
        answer = client.get(
            f"/{VERSION}/stats/accounts/{task.account.external_id}", params=ask.params(), lane=LANE
        )
    except TooComplex:
        if len(ask.ids) == 1:
            raise
        for half in ask.halves():
            _direct(client, task, half, cells)
        return
    cells.bytes_read += answer.size
    cells.notes += warning(client, answer.headers)
    collect(task, ask, answer.data, cells)


def collect(task: Task, ask: Ask, data: Any, cells: Cells) -> None:
    """Take an answer's arrays apart by day. Raises GiveUp when they are not those asked for."""
    days = [day.isoformat() for day in ask.days]
    _check(task, ask, data)
    seen: set[str] = set()
    for entry in listed(data.get("data")):
        try:
            entity = ident(entry["id"])
            metrics = _metrics(entry)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            cells.rejected.append(Rejected(entry, reason(error)))
            continue
        if entity in seen:  # the same series again adds nothing
            cells.skipped += len(days)
            continue
        seen.add(entity)
        cells.columns |= set(metrics)
        for place, day in enumerate(days):
            record = cells.records.setdefault(
                (entity, day), {"id": entity, "day": day, "placements": {}}
            )
            cut = record["placements"].setdefault(ask.placement, {})
            cut |= {name: _at(value, place, len(days)) for name, value in metrics.items()}


def page_of(cells: Cells) -> Page:
    """The rows of what was answered; days without any figure are no rows."""
    page = make_page(
        list(cells.records.values()),
        make_row,
        day_key="day",
        columns=frozenset(cells.columns),
        notes=cells.notes,
    )
    page.rejected += cells.rejected
    page.skipped += cells.skipped
    page.read_count += len(cells.rejected) + cells.skipped
    page.bytes_read = cells.bytes_read
    return page


def make_row(record: Any) -> Row | None:
    """The sum over placements of one entity and day; None when all of it is zero."""
    cuts = list(record["placements"].values())
    engaged, viewed, worth = _purchases(cuts)
    found = {
        "impressions": _sum(cuts, "impressions"),
        "clicks": _sum(cuts, "clicks"),
        "spend_micros": _sum(cuts, "billed_charge_local_micro"),
        "conversions_micros": (engaged + viewed) * MILLION,
        "value_micros": worth,
    }
    extra = {ours: _sum(cuts, theirs) * MILLION for ours, theirs in _EXTRA.items()}
    if not any(found.values()) and not any(extra.values()):
        return None
    return {
        "entity_id": record["id"],
        "day": record["day"],
        "setting": SETTING,
        **found,
        "extra": {
            **extra,
            "conversions_post_engagement": engaged * MILLION,
            "conversions_post_view": viewed * MILLION,
        },
    }


def _sum(cuts: Sequence[Mapping[str, Any]], name: str) -> int:
    """A figure of all placements; null is zero, an absent one raises KeyError."""
    return sum(0 if cut[name] is None else whole(cut[name]) for cut in cuts)


def _purchases(cuts: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
    """Purchases after an engagement and after a view, and their worth in micro-units.

    Purchases that were only assisted are left out, with their worth where X tells it apart.
    """
    engaged = viewed = worth = 0
    for cut in cuts:
        parts = cut[PURCHASES]
        if parts is None:
            continue
        engaged += whole(parts.get("post_engagement") or 0)
        viewed += whole(parts.get("post_view") or 0)
        apart = [name for name in _APART if name in parts] or ["sale_amount"]
        worth += sum(whole(parts.get(name) or 0) for name in apart)
    return engaged, viewed, worth


def _metrics(entry: Any) -> Mapping[str, Any]:
    """The metrics of an entity that are not split by a segment."""
    metrics: Mapping[str, Any] = entry["id_data"][0]["metrics"]
    if not isinstance(metrics, dict):
        raise TypeError("metrics")
    return metrics


def _at(value: Any, place: int, length: int) -> Any:
    """One day's part of a metric. An array of another length stays whole: no day fits it, so
    its rows are rejected rather than shifted.
    """
    if isinstance(value, dict):
        return {name: _at(part, place, length) for name, part in value.items()}
    return value[place] if isinstance(value, list) and len(value) == length else value


def _check(task: Task, ask: Ask, data: Any) -> None:
    """The answer must be about the days that were asked for: nothing in it names them."""
    length = data.get("time_series_length") if isinstance(data, dict) else None
    request = data.get("request") if isinstance(data, dict) else None
    told = (request or {}).get("params", {}).get("start_time")
    near = dt.timedelta(hours=2)  # X reckons with today's offset from UTC, in summer and winter
    zone = ZoneInfo(task.account.time_zone)
    first = None
    if isinstance(told, str) and len(told) > 10:
        first = (moment(told).astimezone(zone) + near).date()
    if length == len(ask.days) and first in (None, ask.start):
        return
    raise GiveUp(
        "X answered for other days than were asked for.",
        why=f"Asked from {ask.start} for {len(ask.days)} days; it tells {told} and {length}.",
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
    )
