"""LinkedIn Ads, over the versioned REST interface of LinkedIn Marketing."""

from __future__ import annotations

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.linkedin_ads import accounts, analytics, objects
from liftos_app.services.connectors.platforms.linkedin_ads.errors import fault, pace
from liftos_app.services.connectors.platforms.linkedin_ads.signin import (
    CONSENT,
    OAUTH,
    SCOPES,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.linkedin_ads.version import ENDS, VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_WINDOW = Window(
    days_per_request=30,
    reread_days=30,
    latency_hours=1.0,
    settle_days=30,
    history_days=3650,
)


def _daily(level: str, title: str, number: int, *, default: bool, sums_to: str = "") -> Stream:
    return Stream(
        name=f"{level}_daily",
        title=title,
        grain=f"{level.replace('_', ' ')} x day",
        lands=Lands.FACTS,
        level=number,
        key=("account", "entity_id", "day"),
        required=("impressions", "clicks", "spend_micros", "conversions_micros"),
        window=_WINDOW,
        default=default,
        sums_to=sums_to,
        about="Days are UTC. Conversions belong to the day of the click or view and grow for 30 "
        "days.",
        read=analytics.reader(level),
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
        name="campaign_groups",
        title="Campaign groups",
        grain="campaign group",
        lands=Lands.ENTITIES,
        level=rows.CAMPAIGN,
        key=("external_id",),
        required=("name", "status"),
        about="What other platforms call a campaign.",
        read=objects.searcher(
            "adCampaignGroups", objects.GROUP_STATES, level=rows.CAMPAIGN,
            kind="sponsoredCampaignGroup",
        ),
    ),
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.AD_GROUP,
        key=("external_id",),
        required=("name", "status", "parent_id"),
        about="What other platforms call an ad group or ad set.",
        read=objects.searcher(
            "adCampaigns", objects.CAMPAIGN_STATES, level=rows.AD_GROUP, kind="sponsoredCampaign",
            parent="campaignGroup",
        ),
    ),
    Stream(
        name="creatives",
        title="Creatives",
        grain="creative",
        lands=Lands.ENTITIES,
        level=rows.AD,
        key=("external_id",),
        required=("status", "parent_id"),
        about="What other platforms call an ad.",
        read=objects.read_creatives,
    ),
    Stream(
        name="conversion_rules",
        title="Conversion rules",
        grain="conversion rule",
        lands=Lands.ENTITIES,
        level=rows.METRIC,
        key=("external_id",),
        required=("name",),
        default=False,
        about="What counts as a conversion, and for how many days after a click or view.",
        read=objects.read_rules,
    ),
    _daily("account", "Daily results of the account", rows.ACCOUNT, default=False),
    _daily(
        "campaign_group", "Daily results by campaign group", rows.CAMPAIGN, default=True,
        sums_to="account_daily",
    ),
    _daily(
        "campaign", "Daily results by campaign", rows.AD_GROUP, default=False,
        sums_to="campaign_group_daily",
    ),
    _daily(
        "creative", "Daily results by creative", rows.AD, default=True,
        sums_to="campaign_group_daily",
    ),
)

PLATFORM = Platform(
    slug="linkedin_ads",
    name="LinkedIn Ads",
    category="Ads",
    tier=4,
    summary="Spend, impressions, clicks, leads and website conversions of LinkedIn ads.",
    hosts={"api": "https://api.linkedin.com", "consent": CONSENT},
    api_version=VERSION,
    version_ends=ENDS,
    auth=(OAUTH, TOKEN),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A LinkedIn app for your company page with the product Advertising API.",
            who="the platform",
            wait="days to weeks; the development level is enough for your own accounts",
            link="https://www.linkedin.com/developers/apps",
        ),
        Prerequisite(
            text="A role on each ad account you want to read: viewer is enough.",
            who="your platform admin",
            link="https://www.linkedin.com/campaignmanager/",
        ),
    ),
    setup_minutes=(15, 40),
    needs_app=True,
    history="10 years",
    latency="up to 1 h",
    role_needed="Viewer of the ad account",
    docs_url="https://learn.microsoft.com/linkedin/marketing/",
    requests_per_minute=120,
    concurrency=2,
    never=(
        "We never change a campaign, a budget or an audience; every request only reads.",
        "We never read members: no profiles, leads' answers, account users or demographics.",
    ),
    discover=accounts.discover,
    test=accounts.test,
    granted=accounts.granted,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
