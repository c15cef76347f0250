"""X Ads: promoted posts on X, over the Ads API."""

from __future__ import annotations

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.x_ads import accounts, objects, results
from liftos_app.services.connectors.platforms.x_ads.errors import fault, pace
from liftos_app.services.connectors.platforms.x_ads.signin import OAUTH, SCOPES, TOKEN, authorize
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_WINDOW = Window(
    days_per_request=88,  # X's limit is 90; what ran in them is asked for with a day more
    reread_days=30,  # spend moves for 14 days, purchases come in for 30
    latency_hours=1.0,
    settle_days=30,
    history_days=1095,
)


def _daily(
    name: str, title: str, grain: str, entity: str, level: int, *, default: bool, sums_to: str = ""
) -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=f"{grain} x day",
        lands=Lands.FACTS,
        level=level,
        key=("account", "entity_id", "day"),
        required=("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros"),
        window=_WINDOW,
        default=default,
        sums_to=sums_to,
        about="All placements together. Clicks are X's own and include likes and other taps; link "
        "clicks stand beside them. Purchases are X's own count: within the windows set for the "
        "website's event, by default 30 days after an engagement or 1 day after a view.",
        read=results.reader(entity),
    )


def _list(name: str, title: str, grain: str, level: int, parent: str = "") -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=grain,
        lands=Lands.ENTITIES,
        level=level,
        key=("external_id",),
        required=("name", "status", "parent_id") if parent else ("status",),
        read=objects.reader(name, level=level, parent=parent),
    )


_STREAMS = (
    Stream(
        name="account",
        title="Ad account",
        grain="ad account",
        lands=Lands.ENTITIES,
        level=rows.ACCOUNT,
        key=("external_id",),
        required=("name",),
        read=objects.read_account,
    ),
    _list("funding_instruments", "Funding", "funding instrument", rows.FUNDING),
    _list("campaigns", "Campaigns", "campaign", rows.CAMPAIGN),
    _list("line_items", "Ad groups", "ad group (line item)", rows.AD_GROUP, "campaign_id"),
    Stream(
        name="promoted_tweets",
        title="Ads",
        grain="ad (promoted post)",
        lands=Lands.ENTITIES,
        level=rows.AD,
        key=("external_id",),
        required=("status", "parent_id"),
        about="An ad has no name on X: its post's name or first words stand for it.",
        read=objects.read_ads,
    ),
    _daily(
        "campaign_daily", "Daily results by campaign", "campaign", "CAMPAIGN", rows.CAMPAIGN,
        default=True,
    ),
    _daily(
        "line_item_daily", "Daily results by ad group", "ad group", "LINE_ITEM", rows.AD_GROUP,
        default=False, sums_to="campaign_daily",
    ),
    _daily(
        "promoted_tweet_daily", "Daily results by ad", "ad", "PROMOTED_TWEET", rows.AD,
        default=True, sums_to="campaign_daily",
    ),
)  # fmt: skip

PLATFORM = Platform(
    slug="x_ads",
    name="X Ads",
    category="Ads",
    tier=2,
    summary="Spend, impressions, clicks and claimed purchases of promoted posts on X.",
    hosts={
        "api": "https://ads-api.x.com",
        "oauth": "https://api.x.com",
        "files": "https://ton.twimg.com",
    },
    api_version=VERSION,
    version_ends=None,
    auth=(TOKEN, OAUTH),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="An app in X's developer console with the permission Read.",
            who="you",
            link="https://console.x.com",
        ),
        Prerequisite(
            text="Access to the Ads API for this app.",
            who="the platform",
            wait="days to weeks",
            link="https://docs.x.com/x-ads-api/getting-started/step-by-step-guide",
        ),
        Prerequisite(
            text="A role on each ad account you want to read: Campaign analyst is enough.",
            who="your platform admin",
            link="https://ads.x.com",
        ),
    ),
    setup_minutes=(20, 40),
    needs_app=True,
    history="36 months",
    latency="minutes; final after a day, spend after 14",
    role_needed="Campaign analyst of the ad account",
    docs_url="https://docs.x.com/x-ads-api/introduction",
    requests_per_minute=300,
    concurrency=2,
    never=(
        "We never post, like, follow or message, and never change a campaign or a budget.",
        "We never read direct messages, followers, audiences or the people behind an account.",
    ),
    discover=accounts.discover,
    test=accounts.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
