"""What a correct reader ends up with: the world's totals less what planted trouble withholds."""

from __future__ import annotations

from datetime import date, datetime

from liftos_app.services.sandbox.trouble import Trouble
from liftos_app.services.sandbox.world import AdDay, AdTotals, World
from liftos_app.services.sandbox.world.accounts import BY_ID
from liftos_app.services.sandbox.world.ad_views import Level, total

_STREAM = {"meta_business": "insights"}  # what the others call "daily"
_STREAM_OF_ADS = {"google_ads": "daily.ad"}  # where rows of ads can be withheld alone


def ad_days(
    world: World,
    trouble: Trouble,
    account_id: str,
    start: date,
    end: date,
    *,
    as_of: datetime,
    level: Level = "campaign",
) -> list[AdDay]:
    """Rows a platform really hands out. The account level is never withheld."""
    rows = world.ad_days(account_id, start, end, as_of=as_of, level=level)
    if level == "account":
        return rows
    platform = BY_ID[account_id].platform
    stream = _STREAM.get(platform, "daily")
    if level == "ad":
        stream = _STREAM_OF_ADS.get(platform, stream)
    return [
        row for row in rows if not trouble.is_day_missing(platform, account_id, stream, row.day)
    ]


def ad_totals(
    world: World,
    trouble: Trouble,
    account_id: str,
    start: date,
    end: date,
    *,
    as_of: datetime,
    level: Level = "campaign",
) -> AdTotals:
    """The sum of those rows. At ad and group level Performance Max is not in it."""
    return total(ad_days(world, trouble, account_id, start, end, as_of=as_of, level=level))
