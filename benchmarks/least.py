"""The fewest requests that bring one account x stream, by what its platform allows and demands.

The ground is max(ceil(days / days per request), ceil(records / page size)). Days bound it only
where figures are asked for by days, not where records that changed are. The page size is read off
the requests themselves, by their parameter; a stream whose requests name none is taken to answer in
one page. Days per request are those of the stream's window: the platform's limit where it has one,
else what may be stored in one transaction.

On top comes what the platform demands before or beside the pages: `BESIDE`, each with its reason,
and `x_daily`. A prepared report is ordered, looked at until its address is known, and fetched; how
often it must be looked at is the platform's doing, so that the imitation's own number counts. Not
counted: tokens, discovery, and the days that are read again later. A prepared file, which brings
more than a page, can do with less (Shopify).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from liftos_app.models import StreamRun
from liftos_app.services.connectors.spec import Stream

# (platform, stream; "" is any) -> requests beside the pages, and why there is no way round them
BESIDE: dict[tuple[str, str], tuple[int, str]] = {
    ("databricks", ""): (5, "the columns' types, its cold warehouse looked at thrice, a file"),
    ("hubspot", "deals"): (2, "contacts and companies of deals are linked by lists of their own"),
    ("hubspot", "owners"): (1, "active and archived owners are two lists"),
    ("hubspot", "pipelines"): (1, "which portal the key opens: two must never be mixed"),
    ("klaviyo", "campaigns"): (3, "six lists: three channels, archived or not. Of two pages"
                               " that the records would fill one is their messages, riding along"),
    ("klaviyo", "flows"): (1, "archived flows are a list of their own"),
    ("snowflake", ""): (3, "the columns' types; a statement is sent, then looked at"),
    ("tiktok_ads", "adgroups"): (1, "Smart+ has lists of its own"),
    ("tiktok_ads", "ads"): (1, "Smart+ has lists of its own"),
    ("tiktok_ads", "campaigns"): (1, "Smart+ has lists of its own"),
    ("x_ads", "promoted_tweets"): (1, "an ad has no name: its post is asked for"),
    ("zoho_crm", "accounts"): (1, "fields differ from company to company"),
    ("zoho_crm", "campaigns"): (1, "fields differ from company to company"),
    ("zoho_crm", "contacts"): (1, "fields differ from company to company"),
    ("zoho_crm", "deals"): (1, "fields differ from company to company"),
    ("zoho_crm", "leads"): (2, "the fields; converted leads hide unless asked for by name"),
}
X_IDS, X_DIRECT_DAYS, X_GROUPS, X_LOOKS = 20, 7, 2, 3
_PLACEMENT = re.compile(r"placement=(\w+)")
_IDS = re.compile(r"entity_ids=([\w,]+)")


def least(
    platform: str, stream: Stream, part: StreamRun, *, size: int, sent: Iterable[str]
) -> int:
    """The fewest requests of a stream's first sync. `sent`: the requests of this account x stream,
    from which X's entities and placements are taken.
    """
    window = stream.window if not stream.cursor else None
    if platform == "x_ads" and window is not None:
        return x_daily(part.days_total, window.days_per_request, sent)
    pages = math.ceil(part.rows_read / size) if size else 1
    spans = math.ceil(part.days_total / window.days_per_request) if window else 1
    first, _ = BESIDE.get((platform, stream.name)) or BESIDE.get((platform, "")) or (0, "")
    return max(spans, pages, 1) + first


def x_daily(days: int, days_per_request: int, sent: Iterable[str]) -> int:
    """X tells which entities ran in which placements, for at most 90 days. A question takes 20 ids
    and one placement; X bids to ask for conversions apart. Up to seven days are answered at once;
    for more each question is ordered and fetched, and all are looked at together.
    """
    text = " ".join(sent)
    places = len(set(_PLACEMENT.findall(text)))
    entities = {ident for ids in _IDS.findall(text) for ident in ids.split(",")}
    questions = math.ceil(len(entities) / X_IDS) * places * X_GROUPS
    total = 0
    for begun in range(0, days, days_per_request):
        prepared = min(days_per_request, days - begun) > X_DIRECT_DAYS
        total += 1 + (questions * 2 + X_LOOKS if prepared and questions else questions)
    return total
