"""Daily results (adAnalytics): one row per UTC day and account, group, campaign or creative.

LinkedIn sends at most 15,000 rows and cuts the rest off without saying so. An answer of that size
is thrown away and asked for again in halves: fewer days, then fewer campaigns. Conversions are
counted on the day of the click or view, so days grow for a month.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.linkedin_ads import objects, restli
from liftos_app.services.connectors.platforms.linkedin_ads.accounts import check_visible
from liftos_app.services.connectors.platforms.linkedin_ads.errors import TRUNCATED
from liftos_app.services.connectors.read import Make, make_page
from liftos_app.services.connectors.rows import ident, micros, whole
from liftos_app.services.connectors.spec import Page, Row, Task

SETTING = "linkedin_30d_click_7d_view"
MOST_ROWS = 15_000
BATCH = 60  # campaigns or groups one request may name: keeps its address short
# What LinkedIn calls it, what we call it; all become micro-units.
EXTRA = {
    "landingPageClicks": "link_clicks",
    "externalWebsitePostClickConversions": "post_click_conversions",
    "externalWebsitePostViewConversions": "post_view_conversions",
    "oneClickLeads": "leads",
    "oneClickLeadFormOpens": "lead_form_opens",
    "totalEngagements": "engagements",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "follows": "follows",
    "videoViews": "video_views",
    "videoStarts": "video_starts",
    "videoCompletions": "video_completions",
}
# At most 20 in one request, the first two included.
FIELDS = (
    "dateRange", "pivotValues", "impressions", "clicks", "costInLocalCurrency",
    "externalWebsiteConversions", "conversionValueInLocalCurrency", *EXTRA,
)


@dataclass(frozen=True, slots=True)
class Pivot:
    """A level: LinkedIn's pivot, the URN kind of its rows, and what a day may be split by."""

    pivot: str
    kind: str
    split: str = ""  # the edge whose ids narrow a request; an account has one row a day
    facet: str = ""  # the parameter that takes them
    facet_kind: str = ""


_BY_CAMPAIGN = ("adCampaigns", "campaigns", "sponsoredCampaign")
PIVOTS = {
    "account": Pivot("ACCOUNT", "sponsoredAccount"),
    "campaign_group": Pivot(
        "CAMPAIGN_GROUP", "sponsoredCampaignGroup", "adCampaignGroups", "campaignGroups",
        "sponsoredCampaignGroup",
    ),
    "campaign": Pivot("CAMPAIGN", "sponsoredCampaign", *_BY_CAMPAIGN),
    "creative": Pivot("CREATIVE", "sponsoredCreative", *_BY_CAMPAIGN),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """One request: a span of days, and of which campaigns or groups (all when there are none)."""

    start: dt.date
    end: dt.date
    only: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """How many days it spans."""
        return (self.end - self.start).days + 1


def reader(level: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of the daily stream of one level."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        yield from _read(client, task, PIVOTS[level], Slice(task.start, task.end))

    return read


def _read(client: Client, task: Task, pivot: Pivot, part: Slice) -> Iterator[Page]:
    """A slice, or its halves when the answer reached the size at which LinkedIn cuts."""
    account = task.account.external_id
    answer = restli.ask(client, "/adAnalytics", _parts(account, pivot, part), lane=account)
    records = restli.elements(answer.data)
    if len(records) >= MOST_ROWS:
        for smaller in _halves(client, account, pivot, part):
            yield from _read(client, task, pivot, smaller)
        return
    if not records:  # nothing happened, or this sign-in may not see it: LinkedIn says neither
        check_visible(client, account)
    yield make_page(records, row_maker(pivot, part), answer=answer, day_key="dateRange.start")


def _halves(client: Client, account: str, pivot: Pivot, part: Slice) -> list[Slice]:
    """Smaller slices that hold the same rows, each once. Raises GiveUp when there are none."""
    if part.days > 1:
        middle = part.start + dt.timedelta(days=part.days // 2)
        before = middle - dt.timedelta(days=1)
        return [replace(part, start=middle), replace(part, end=before)]
    if len(part.only) > 1:
        half = len(part.only) // 2
        return [replace(part, only=part.only[:half]), replace(part, only=part.only[half:])]
    every = _idents(client, account, pivot) if pivot.split and not part.only else []
    if not every:
        raise TRUNCATED.error(day=part.start.isoformat(), only=",".join(part.only))
    return [
        replace(part, only=tuple(every[i : i + BATCH])) for i in range(0, len(every), BATCH)
    ]


def _idents(client: Client, account: str, pivot: Pivot) -> list[str]:
    """The numbers of all campaigns or groups of the account, removed ones too. Asked for once."""
    key = f"linkedin.{pivot.split}.{account}"
    if key not in client.kept:
        states = objects.GROUP_STATES if "Groups" in pivot.split else objects.CAMPAIGN_STATES
        search = restli.record(status=restli.record(values=restli.items(states)))
        client.kept[key] = [
            restli.number_of(record["id"], pivot.facet_kind)
            for answer in restli.pages(
                client, f"/adAccounts/{account}/{pivot.split}", {"q": "search", "search": search},
                size=objects.PAGE, lane=account,
            )
            for record in restli.elements(answer.data)
        ]
    found: list[str] = client.kept[key]
    return found


def _parts(account: str, pivot: Pivot, part: Slice) -> dict[str, str]:
    """The query of one slice."""
    if part.only:
        facet, kind, numbers = pivot.facet, pivot.facet_kind, part.only
    else:
        facet, kind, numbers = "accounts", "sponsoredAccount", (account,)
    return {
        "q": "analytics",
        "pivot": restli.record(value=pivot.pivot),
        "timeGranularity": restli.record(value="DAILY"),
        "dateRange": restli.record(start=_date(part.start), end=_date(part.end)),
        facet: restli.items(restli.urn(kind, n) for n in numbers),
        "fields": ",".join(FIELDS),
    }


def _date(day: dt.date) -> str:
    return restli.record(year=str(day.year), month=str(day.month), day=str(day.day))


def row_maker(pivot: Pivot, part: Slice) -> Make:
    """From a record of LinkedIn to a row of ours."""

    def make(record: Any) -> Row | None:
        day = day_of(record["dateRange"])
        if not part.start <= day <= part.end:
            return None
        conversions = _count(record, "externalWebsiteConversions")
        value = _amount(record, "conversionValueInLocalCurrency")
        return {
            "entity_id": restli.number_of(_only(record["pivotValues"]), pivot.kind),
            "day": day.isoformat(),
            "setting": SETTING,
            "impressions": whole(record["impressions"]),
            "clicks": whole(record["clicks"]),
            "spend_micros": micros(record["costInLocalCurrency"]),
            "conversions_micros": conversions,
            # Nothing was counted, so nothing was worth anything.
            "value_micros": 0 if value is None and conversions == 0 else value,
            "extra": {to: micros(record[n]) for n, to in EXTRA.items()
                      if record.get(n) is not None},
        }

    return make


def day_of(span: Any) -> dt.date:
    """The one day of a daily record. Raises ValueError for more than one."""
    start = _calendar(span["start"])
    if "end" in span and _calendar(span["end"]) != start:
        raise ValueError("the record covers more than one day")
    return start


def _calendar(part: Any) -> dt.date:
    return dt.date(whole(part["year"]), whole(part["month"]), whole(part["day"]))


def _only(values: Any) -> str:
    """The one pivot value. Raises ValueError for none or several."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 1:
        raise ValueError("the record belongs to no single thing")
    return ident(values[0])


def _count(record: Any, name: str) -> int | None:
    value = record.get(name)
    return None if value is None else whole(value) * 1_000_000


def _amount(record: Any, name: str) -> int | None:
    value = record.get(name)
    return None if value is None else micros(value)
