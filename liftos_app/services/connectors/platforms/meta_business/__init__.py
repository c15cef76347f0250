"""Meta Business: Facebook and Instagram ads, over the Marketing API."""

from __future__ import annotations

import datetime as dt

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.meta_business import accounts, insights, objects
from liftos_app.services.connectors.platforms.meta_business.errors import fault, pace
from liftos_app.services.connectors.platforms.meta_business.signin import (
    OAUTH,
    SCOPES,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.meta_business.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

HISTORY_DAYS = 1123  # 37 months; older days are refused
_REREAD = 28  # Meta restates results for this long


def _window(days_per_request: int) -> Window:
    return Window(
        days_per_request=days_per_request,
        reread_days=_REREAD,
        latency_hours=3.0,
        settle_days=_REREAD,
        history_days=HISTORY_DAYS,
    )


def _daily(
    level: str, title: str, number: int, *, days: int, default: bool, sums_to: str = ""
) -> Stream:
    name = {"adset": "adset_daily"}.get(level, f"{level}_daily")
    return Stream(
        name=name,
        title=title,
        grain=f"{level.replace('adset', 'ad set')} x day",
        lands=Lands.FACTS,
        level=number,
        key=("account", "entity_id", "day"),
        required=("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros"),
        window=_window(days),
        default=default,
        sums_to=sums_to,
        about="Purchases are Meta's own count: within 7 days of a click or 1 day of a view.",
        read=insights.reader(level),
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
        read=objects.reader(
            "campaigns",
            objects.CAMPAIGN_FIELDS,
            level=rows.CAMPAIGN,
            states=objects.CAMPAIGN_STATES,
        ),
    ),
    Stream(
        name="adsets",
        title="Ad sets",
        grain="ad set",
        lands=Lands.ENTITIES,
        level=rows.AD_GROUP,
        key=("external_id",),
        required=("name", "status", "parent_id"),
        read=objects.reader(
            "adsets",
            objects.ADSET_FIELDS,
            level=rows.AD_GROUP,
            states=objects.ADSET_STATES,
            parent="campaign_id",
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
            "ads",
            objects.AD_FIELDS,
            level=rows.AD,
            states=objects.AD_STATES,
            parent="adset_id",
        ),
    ),
    Stream(
        name="creatives",
        title="Creatives",
        grain="creative",
        lands=Lands.ENTITIES,
        level=rows.CREATIVE,
        key=("external_id",),
        default=False,
        read=objects.reader("adcreatives", objects.CREATIVE_FIELDS, level=rows.CREATIVE),
    ),
    _daily("account", "Daily results of the account", rows.ACCOUNT, days=92, default=False),
    _daily(
        "campaign",
        "Daily results by campaign",
        rows.CAMPAIGN,
        days=92,
        default=True,
        sums_to="account_daily",
    ),
    _daily(
        "adset",
        "Daily results by ad set",
        rows.AD_GROUP,
        days=30,
        default=False,
        sums_to="campaign_daily",
    ),
    _daily("ad", "Daily results by ad", rows.AD, days=30, default=True, sums_to="campaign_daily"),
)

PLATFORM = Platform(
    slug="meta_business",
    name="Meta Business",
    category="Ads",
    tier=1,
    summary="Spend, impressions, clicks and claimed purchases of Facebook and Instagram ads.",
    hosts={"api": "https://graph.facebook.com", "consent": "https://www.facebook.com"},
    api_version=VERSION,
    version_ends=dt.date(2027, 7, 29),  # about a year after its release; Meta names no day
    auth=(OAUTH, TOKEN),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A Meta app of type Business with the Marketing API.",
            who="you",
            link="https://developers.facebook.com/apps/",
        ),
        Prerequisite(
            text="A role on each ad account you want to read: analyst is enough.",
            who="your platform admin",
            link="https://business.facebook.com/settings/",
        ),
        Prerequisite(
            text="Verification of the business, for full access and its higher limits.",
            who="the platform",
            wait="days to weeks; reading works before, with lower limits",
        ),
    ),
    setup_minutes=(20, 45),
    needs_app=True,
    history="37 months",
    latency="up to 3 h",
    role_needed="Analyst of the ad account",
    docs_url="https://developers.facebook.com/docs/marketing-api/",
    requests_per_minute=200,
    concurrency=2,
    never=(
        "We never ask for ads_management and never change an ad, a budget or an audience.",
        "We never read the people behind an ad account.",
    ),
    discover=accounts.discover,
    test=accounts.test,
    granted=accounts.granted,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
