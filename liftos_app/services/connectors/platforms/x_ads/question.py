"""Questions to X's analytics: which entities were active, and what is asked about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import Task

AT_ONCE = 20  # entity ids in one question
DIRECT_DAYS = 7  # longer spans are prepared by X as a file
# X advises to ask about conversions apart from the rest.
GROUPS = (("ENGAGEMENT", "BILLING", "VIDEO"), ("WEB_CONVERSION",))
_LATE_DAYS = 1  # changes of a day are recorded on it, some a little later


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One analytics question: at most 20 entities, one placement, days with both ends included."""

    entity: str
    ids: tuple[str, ...]
    placement: str
    groups: tuple[str, ...]
    start: dt.date
    end: dt.date

    @property
    def days(self) -> list[dt.date]:
        """Every day, in the order of the answer's arrays."""
        length = (self.end - self.start).days + 1
        return [self.start + dt.timedelta(days=i) for i in range(length)]

    def params(self) -> dict[str, Any]:
        """The query. A date without a time is midnight in the account's zone, whatever the
        season; X's end is exclusive.
        """
        return {
            "entity": self.entity,
            "entity_ids": ",".join(self.ids),
            "start_time": self.start.isoformat(),
            "end_time": (self.end + dt.timedelta(days=1)).isoformat(),
            "granularity": "DAY",
            "metric_groups": ",".join(self.groups),
            "placement": self.placement,
        }

    def halves(self) -> tuple[Ask, Ask]:
        """The same about half of the entities each."""
        middle = len(self.ids) // 2
        return replace(self, ids=self.ids[:middle]), replace(self, ids=self.ids[middle:])

    def weeks(self) -> Iterator[Ask]:
        """The same in spans that can be asked directly."""
        start = self.start
        while start <= self.end:
            end = min(self.end, start + dt.timedelta(days=DIRECT_DAYS - 1))
            yield replace(self, start=start, end=end)
            start = end + dt.timedelta(days=1)


def active(client: Client, task: Task, entity: str) -> Mapping[str, tuple[str, ...]]:
    """Entities with figures in the span, and the placements they ran in."""
    account, zone = task.account.external_id, ZoneInfo(task.account.time_zone)
    begins = _midnight(task.start, zone)
    ends = _midnight(task.end + dt.timedelta(days=1), zone)
    until = _midnight(task.end + dt.timedelta(days=1 + _LATE_DAYS), zone)
    answer = client.get(
        f"/{VERSION}/stats/accounts/{account}/active_entities",
        params={
            "entity": entity,
            "start_time": _hour(begins),
            "end_time": _hour(until + dt.timedelta(minutes=59)),
        },
        lane=f"{account}/active_entities",
    )
    found: dict[str, tuple[str, ...]] = {}
    for record in listed(answer.data.get("data")):
        first = rows.moment(record["activity_start_time"])
        last = rows.moment(record["activity_end_time"])
        if first < ends and last >= begins:
            found[rows.ident(record["entity_id"])] = tuple(record["placements"])
    return found


def asks(
    task: Task, entity: str, places: Mapping[str, Sequence[str]], ids: Sequence[str]
) -> list[Ask]:
    """All questions about these entities: one for each placement and group of figures."""
    every = dict.fromkeys(place for ident in ids for place in places[ident])
    return [
        Ask(
            entity=entity,
            ids=tuple(i for i in ids if place in places[i]),
            placement=place,
            groups=groups,
            start=task.start,
            end=task.end,
        )
        for place in every
        for groups in GROUPS
    ]


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def _hour(at: dt.datetime) -> str:
    """A whole hour, as X wants it."""
    return at.strftime("%Y-%m-%dT%H:00:00Z")
