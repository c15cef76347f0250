"""TikTok Ads, over the Marketing interface of TikTok API for Business."""

from __future__ import annotations

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.tiktok_ads import accounts, objects, reports
from liftos_app.services.connectors.platforms.tiktok_ads.errors import fault, pace
from liftos_app.services.connectors.platforms.tiktok_ads.signin import (
    HOST,
    OAUTH,
    SCOPES,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.tiktok_ads.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_WINDOW = Window(
    days_per_request=reports.DAYS,
    reread_days=28,
    latency_hours=11.0,
    settle_days=28,
    history_days=730,
)


def _daily(level: str, title: str, number: int, *, default: bool, sums_to: str = "") -> Stream:
    return Stream(
        name=f"{level}_daily",
        title=title,
        grain=f"{level.replace('adgroup', 'ad group')} x day",
        lands=Lands.FACTS,
        level=number,
        key=("account", "entity_id", "day"),
        required=("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros"),
        window=_WINDOW,
        default=default,
        sums_to=sums_to,
        about="Purchases are TikTok's own count of complete payments, mostly within 7 days of a "
        "click or 1 day of a view. Reserved ads (TopView, Reach and Frequency) are not in it.",
        read=reports.reader(level),
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
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.CAMPAIGN,
        key=("external_id",),
        required=("name", "status"),
        about="Deleted campaigns and those of Smart+ are in it.",
        read=objects.reader("campaign", objects.CAMPAIGN_FIELDS, level=rows.CAMPAIGN),
    ),
    Stream(
        name="adgroups",
        title="Ad groups",
        grain="ad group",
        lands=Lands.ENTITIES,
        level=rows.AD_GROUP,
        key=("external_id",),
        required=("name", "status", "parent_id"),
        read=objects.reader(
            "adgroup", objects.ADGROUP_FIELDS, level=rows.AD_GROUP, parent="campaign_id"
        ),
    ),
    Stream(
        name="ads",
        title="Ads",
        grain="ad",
        lands=Lands.ENTITIES,
        level=rows.AD,
        key=("external_id",),
        required=("name", "status", "parent_id"),
        read=objects.reader(
            "ad", objects.AD_FIELDS, level=rows.AD, parent="adgroup_id",
            smart_fields=objects.SMART_AD_FIELDS,
        ),
    ),
    _daily("account", "Daily results of the account", rows.ACCOUNT, default=False),
    _daily(
        "campaign", "Daily results by campaign", rows.CAMPAIGN, default=True,
        sums_to="account_daily",
    ),
    _daily(
        "adgroup", "Daily results by ad group", rows.AD_GROUP, default=False,
        sums_to="campaign_daily",
    ),
    _daily("ad", "Daily results by ad", rows.AD, default=True, sums_to="campaign_daily"),
)

PLATFORM = Platform(
    slug="tiktok_ads",
    name="TikTok Ads",
    category="Ads",
    tier=3,
    summary="Spend, impressions, clicks, video views and claimed purchases of TikTok ads.",
    hosts={"api": HOST},
    api_version=VERSION,
    version_ends=None,  # TikTok names no end of v1.3
    auth=(OAUTH, TOKEN),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="An app in TikTok's developer portal, approved for reading ad accounts, ads and "
            "reports.",
            who="the platform",
            wait="2 to 3 working days",
            link="https://business-api.tiktok.com/portal/",
        ),
        Prerequisite(
            text="Access to each ad account you want to read: analyst is enough.",
            who="your platform admin",
            link="https://business.tiktok.com/",
        ),
    ),
    setup_minutes=(15, 40),
    needs_app=True,
    history="24 months",
    latency="up to 11 h",
    role_needed="Analyst of the ad account",
    docs_url="https://business-api.tiktok.com/portal/docs",
    requests_per_minute=600,
    concurrency=2,
    never=(
        "We never change an ad, a budget or an audience; every request only reads.",
        "We never read comments, leads or the people behind them.",
    ),
    discover=accounts.discover,
    test=accounts.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
