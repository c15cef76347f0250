"""`adAnalytics`: sums by pivot and day, never more than 15,000 rows, and no word about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.linkedin_ads.figures import METRICS, Sums
from liftos_app.services.sandbox.platforms.linkedin_ads.view import urn
from liftos_app.services.sandbox.platforms.linkedin_ads.wire import Ask, day, invalid, numbers
from liftos_app.services.sandbox.world import AdDay

SCOPE = "r_ads_reporting"
RESOURCE = "GET-analytics /adAnalytics"
MOST_ROWS = 15_000
MOST_FIELDS = 20
# pivot -> (kind of URN, attribute of the world's row)
PIVOTS = {
    "ACCOUNT": ("sponsoredAccount", "account_id"),
    "CAMPAIGN_GROUP": ("sponsoredCampaignGroup", "campaign_id"),
    "CAMPAIGN": ("sponsoredCampaign", "group_id"),
    "CREATIVE": ("sponsoredCreative", "ad_id"),
}
FACETS = {
    "accounts": PIVOTS["ACCOUNT"], "campaignGroups": PIVOTS["CAMPAIGN_GROUP"],
    "campaigns": PIVOTS["CAMPAIGN"], "creatives": PIVOTS["CREATIVE"],
}
GRANULARITIES = ("ALL", "DAILY", "MONTHLY", "YEARLY")


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked for, checked."""

    pivots: list[str]
    granularity: str
    first: date
    last: date
    facets: dict[str, set[str]]
    fields: list[str]


def ad_analytics(ask: Ask) -> dict[str, Any]:
    """The rows of a report. Accounts without a role have none, which is no error."""
    query = _query(ask)
    call = ask.call
    groups: dict[tuple[Any, ...], Sums] = {}
    for row, rate in _rows(call, query):
        ids = tuple(getattr(row, PIVOTS[p][1]) for p in query.pivots)
        key = (_period(row.day, query), ids)
        groups.setdefault(key, Sums()).add(row, rate)
    rows = [_row(query, period, ids, sums) for (period, ids), sums in sorted(
        groups.items(), key=lambda item: item[0])]
    stream = "daily_total" if query.pivots == ["ACCOUNT"] else "daily"
    account = next(iter(query.facets.get("accounts", ())), "")
    bent = call.bend(stream, rows, account=account, day_of=_day_of)
    return {
        "paging": {"start": 0, "count": 10, "links": []},
        "elements": bent[:MOST_ROWS],
    }


def _query(ask: Ask) -> Query:
    ask.only(("q", "pivot", "pivots", "timeGranularity", "dateRange", "fields", *FACETS))
    finder = ask.finder("analytics", "statistics")
    given = ask.query
    if finder == "analytics":
        pivots = [_named(given.get("pivot"), "pivot", tuple(PIVOTS))]
    else:
        found = given.get("pivots")
        if not isinstance(found, list) or not 1 <= len(found) <= 3:
            raise invalid("pivots must be a list of one to three")
        pivots = [_named(p, "pivots", tuple(PIVOTS)) for p in found]
    facets = {
        name: set(numbers(given[name], kind, name))
        for name, (kind, _) in FACETS.items() if name in given
    }
    if not facets:
        raise invalid("At least one of accounts, campaigns, campaignGroups, creatives is required")
    first, last = _dates(given.get("dateRange"), ask.call.now.date())
    return Query(
        pivots, _named(given.get("timeGranularity"), "timeGranularity", GRANULARITIES), first,
        last, facets, _fields(given.get("fields")),
    )


def _named(value: Any, name: str, known: tuple[str, ...]) -> str:
    """An enum, plain or as (value:X)."""
    if isinstance(value, dict) and set(value) == {"value"}:
        value = value["value"]
    if value not in known:
        raise invalid(f"{name} must be one of {', '.join(known)}")
    return str(value)


def _dates(value: Any, today: date) -> tuple[date, date]:
    if not isinstance(value, dict) or not {"start"} <= set(value) <= {"start", "end"}:
        raise invalid("dateRange must have a start, and may have an end")
    first = day(value["start"], "dateRange.start")
    last = day(value["end"], "dateRange.end") if "end" in value else today
    if last < first:
        raise invalid("dateRange ends before it starts")
    return first, last


def _fields(value: Any) -> list[str]:
    """Names that were asked for; without any only impressions and clicks come."""
    if value is None:
        return ["impressions", "clicks"]
    names = str(value).split(",")
    if len(names) > MOST_FIELDS:
        raise invalid(f"At most {MOST_FIELDS} fields may be requested", "TOO_MANY_FIELDS")
    for name in names:
        if name not in METRICS and name not in {"dateRange", "pivotValues"}:
            raise invalid(f"{name} is not a field", "INVALID_FIELD")
    return names


def _rows(call: Call, query: Query) -> Iterator[tuple[AdDay, Decimal]]:
    """The world's ads of the days, narrowed by every facet, each with its dollars per unit."""
    for account in call.accounts():
        found = call.world.ad_days(
            account.id, query.first, query.last, as_of=call.now, level="ad"
        )
        for row in found:
            if all(getattr(row, FACETS[name][1]) in wanted
                   for name, wanted in query.facets.items()):
                yield row, _dollars(call, account.currency, row.day)


def _dollars(call: Call, currency: str, on: date) -> Decimal:
    if currency == "USD":
        return Decimal(1)
    rates = call.memory.setdefault("rates", {})
    if on not in rates:
        rates[on] = call.world.last_rate(on, "USD")
    found: Decimal = rates[on]
    return found


def _period(on: date, query: Query) -> tuple[date, date]:
    """First and last day of what a row covers."""
    if query.granularity == "DAILY":
        return on, on
    if query.granularity == "ALL":
        return query.first, query.last
    if query.granularity == "MONTHLY":
        start = on.replace(day=1)
        after = (start + timedelta(days=32)).replace(day=1)
    else:
        start, after = date(on.year, 1, 1), date(on.year + 1, 1, 1)
    return max(start, query.first), min(after - timedelta(days=1), query.last)


def _row(
    query: Query, period: tuple[date, date], ids: tuple[str, ...], sums: Sums
) -> dict[str, Any]:
    start, end = ({"year": d.year, "month": d.month, "day": d.day} for d in period)
    whole = {
        "dateRange": {"start": start, "end": end},
        "pivotValues": [urn(PIVOTS[p][0], i) for p, i in zip(query.pivots, ids, strict=True)],
    }
    return {n: whole[n] if n in whole else METRICS[n](sums) for n in query.fields}


def _day_of(row: dict[str, Any]) -> date | None:
    start = row.get("dateRange", {}).get("start")
    return date(start["year"], start["month"], start["day"]) if start else None
