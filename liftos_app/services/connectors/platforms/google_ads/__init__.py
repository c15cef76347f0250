"""Google Ads, over its REST interface and query language."""

from __future__ import annotations

import datetime as dt

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.google_ads import accounts, streams
from liftos_app.services.connectors.platforms.google_ads.errors import fault
from liftos_app.services.connectors.platforms.google_ads.signin import OAUTH, SCOPES, authorize
from liftos_app.services.connectors.platforms.google_ads.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

HISTORY_DAYS = 1110
_PMAX = ("PERFORMANCE_MAX",)


def _window(days_per_request: int) -> Window:
    return Window(
        days_per_request=days_per_request,
        reread_days=30,
        latency_hours=3.0,
        settle_days=30,
        late_days=90,  # conversion windows can be set up to 90 days
        history_days=HISTORY_DAYS,
    )


def _daily(
    level: str,
    title: str,
    number: int,
    *,
    days: int,
    default: bool,
    sums_to: str = "",
    sums_except: tuple[str, ...] = (),
    about: str = "",
) -> Stream:
    return Stream(
        name=f"{level}_daily",
        title=title,
        grain=f"{level.replace('_', ' ')} x day",
        lands=Lands.FACTS,
        level=number,
        key=("account", "entity_id", "day"),
        required=("impressions", "clicks", "spend_micros", "conversions_micros", "value_micros"),
        window=_window(days),
        default=default,
        sums_to=sums_to,
        sums_except=sums_except,
        about=about or "Conversions belong to the day of the click and grow for weeks.",
        read=streams.daily(level),
    )


_STREAMS = (
    Stream(
        name="account",
        title="Ads account",
        grain="account",
        lands=Lands.ENTITIES,
        level=rows.ACCOUNT,
        key=("external_id",),
        required=("name",),
        read=streams.entities("customer", streams.ACCOUNT, streams.account_row),
    ),
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.CAMPAIGN,
        key=("external_id",),
        required=("name", "status"),
        read=streams.entities("campaign", streams.CAMPAIGN, streams.campaign_row),
    ),
    Stream(
        name="ad_groups",
        title="Ad groups",
        grain="ad group",
        lands=Lands.ENTITIES,
        level=rows.AD_GROUP,
        key=("external_id",),
        required=("name", "status", "parent_id"),
        read=streams.entities("ad_group", streams.AD_GROUP, streams.ad_group_row),
    ),
    Stream(
        name="ads",
        title="Ads",
        grain="ad",
        lands=Lands.ENTITIES,
        level=rows.AD,
        key=("external_id",),
        required=("status", "parent_id"),
        read=streams.entities("ad_group_ad", streams.AD, streams.ad_row),
    ),
    _daily("account", "Daily results of the account", rows.ACCOUNT, days=30, default=False),
    _daily(
        "campaign",
        "Daily results by campaign",
        rows.CAMPAIGN,
        days=30,
        default=True,
        sums_to="account_daily",
    ),
    _daily(
        "ad_group",
        "Daily results by ad group",
        rows.AD_GROUP,
        days=30,
        default=False,
        sums_to="campaign_daily",
        sums_except=_PMAX,
        about="Performance Max campaigns have no ad groups, so these add up to less.",
    ),
    _daily(
        "ad",
        "Daily results by ad",
        rows.AD,
        days=15,
        default=True,
        sums_to="campaign_daily",
        sums_except=_PMAX,
        about="Performance Max campaigns have no single ads, so these add up to less.",
    ),
)

PLATFORM = Platform(
    slug="google_ads",
    name="Google Ads",
    category="Ads",
    tier=1,
    summary="Spend, impressions, clicks and conversions of search, shopping, video and more.",
    hosts={
        "api": "https://googleads.googleapis.com",
        "token": "https://oauth2.googleapis.com",
        "consent": "https://accounts.google.com",
    },
    api_version=VERSION,
    version_ends=dt.date(2027, 11, 30),
    auth=(OAUTH,),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A Google Cloud project with the Google Ads API switched on.",
            who="you",
            link="https://console.cloud.google.com/apis/library/googleads.googleapis.com",
        ),
        Prerequisite(
            text="An access level above Test for that project: Explorer allows 2,880 operations "
            "a day, Basic 15,000.",
            who="the platform",
            wait="Explorer often at once, Basic 2 to 5 working days",
        ),
        Prerequisite(
            text="A published consent screen: left in Testing, every sign-in ends after 7 days.",
            who="you",
            link="https://console.cloud.google.com/auth/audience",
        ),
        Prerequisite(
            text="A role on each Ads account you want to read: read-only is enough.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(15, 30),
    needs_app=True,
    history="36 months",
    latency="up to 3 h, conversions up to 15 h",
    role_needed="Read-only access to the Ads account",
    docs_url="https://developers.google.com/google-ads/api/docs/start",
    requests_per_minute=240,
    concurrency=2,
    never=(
        "We never send anything but queries: no campaign, bid or budget is ever changed.",
        "We never need a developer token.",
    ),
    discover=accounts.discover,
    test=accounts.test,
    fault=fault,
    authorize=authorize,
)
